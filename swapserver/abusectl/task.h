/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * task.h - what /proc says of a server's process, whatever it says itself
 *
 * Beside the path.  The second opinion on the protections: the server has read
 * them back when it took them; this is how they are now.
 */
#ifndef ABUSECTL_TASK_H
#define ABUSECTL_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../protect.h"

struct task {
	pid_t pid;
	uid_t uid;  /* effective; -1: not known */
	bool there; /* alive, no zombie */
	unsigned int nr_threads;
	unsigned long flags; /* PF_*: those that all threads have */
	int policy;	     /* of the worst thread: SCHED_FIFO is 1 */
	unsigned int rt_priority;
	uint64_t start_ticks; /* since boot */
	int oom_score_adj;
	int seccomp; /* mode */
	uint64_t cap_permitted, cap_effective;
	int64_t locked_kib; /* VmLck, VmRSS: -1 if not known */
	int64_t resident_kib;
	/* Of the pages that are there: all, in locked areas; and in swap. */
	int64_t pss_kib, pss_locked_kib, swapped_kib;
	bool core_known, core_none; /* RLIMIT_CORE is 0 and stays so */
};

enum task_verdict {
	TASK_OFF,
	TASK_ON,
	TASK_UNKNOWN, /* not to be seen from outside, or not by us */
};

/* Fills it; false if there is no such process (any more). */
bool task_look(pid_t pid, struct task *t);

/*
 * Is a protection on?  scope: the device's, ABUSE_SCOPE_*.  seen: what was
 * looked at, for people.
 */
enum task_verdict task_sees(const struct task *t, enum protection what,
			    unsigned int scope, char *seen, size_t seen_bytes);

/* The names of the protections, as swapserver has them. */
extern const char *const task_protections[PROTECT_COUNT];

/*
 * Did this process begin after that moment (CLOCK_MONOTONIC)?  Then it is
 * another one with the same pid.  0: not known.
 */
bool task_is_younger(const struct task *t, uint64_t monotonic_ns);

/* Does it run with /dev/abctlN on its command line? */
bool task_is_server_of(pid_t pid, int number);

/*
 * Its command line: bytes filled, the texts with a 0 behind each.  -E2BIG if
 * it does not fit; other errnos as read(2).
 */
ssize_t task_command_line(pid_t pid, char *text, size_t bytes);

/* Pure: a line of /proc/PID/stat; false if it is none. */
bool task_parse_stat(const char *line, char *state, unsigned long *flags,
		     int *policy, unsigned int *rt_priority,
		     uint64_t *start_ticks);

#endif
