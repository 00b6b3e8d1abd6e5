/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fault.h - what the kinds of fault share
 *
 * Where it stands: job > main > [fault] > served, alloc, storage, machine.
 * A kind prepares all that it can while there is memory, and injects with what
 * it has then.  Context of inject: locked, real-time, in the memalloc scope if
 * the abuse module is there; no malloc, no fork.
 */
#ifndef EXPERIMENTS_FAULT_H
#define EXPERIMENTS_FAULT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define POLL_MS		20
/*
 * To see what became of a signal: a server may be in a system call first.  And
 * for how long nobody may serve: a standby takes over within seconds, or not
 * at all.  A test has less patience.
 */
#ifndef LOOK_MS
#define LOOK_MS		3000
#define SERVED_MS	10000
#endif

/* As on the command line. */
struct options {
	const char *kind;
	const char *report;
	const char *ctl;
	const char *board;
	const char *device;
	const char *disk_stat;
	const char *mapping;
	const char *disk;
	long pid;
	uint64_t after_ms, after_requests, every_ms;
	unsigned long count;
	bool trial;
};

extern struct options opt;

/* What was seen of a fault, for its line. */
struct seen {
	char text[256];		/* more of its JSON, from a comma on */
	char why[128];		/* it was refused */
};

/**
 * struct kind - one kind of fault
 * @name: as arms have it
 * @prepare: before the load; 0, or -1 with a line on stderr
 * @inject: 0: the kernel has taken it, and seen->text says what is seen of it;
 *	-1: it has not, and seen->why says why
 * @end: after the loads, or NULL
 * @server: acts on who serves, so that there has to be somebody
 * @slow: takes too long to keep the port from others meanwhile
 */
struct kind {
	const char *name;
	int (*prepare)(void);
	int (*inject)(struct seen *seen);
	void (*end)(void);
	bool server;
	bool slow;
};

extern const struct kind kind_kill, kind_stop, kind_segv;	/* served.c */
extern const struct kind kind_failslab, kind_fail_page_alloc;	/* alloc.c */
extern const struct kind kind_disconnect, kind_disk_error;	/* storage.c */
extern const struct kind kind_rt_hog, kind_suspend;		/* machine.c */

/* A line on stderr; returns -1. */
int fail(const char *what, int err);

/* seen->why; returns -1. */
int refused(struct seen *seen, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* served.c: who serves now; 0: nobody at this moment. */
pid_t served_pid(void);
/* Is there somebody to act on, who lives? */
bool served(void);
/* Find it, as a kind's prepare. */
int served_find(void);

#endif
