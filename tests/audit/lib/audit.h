/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * audit.h - experiments/guest/allocaudit inside the tests that run it
 *
 * Where it stands: bio > queue > ioctl > [server] > backend, with the collector
 * beside it.  The program is built by the top Makefile, embedded here, and
 * started from memory.
 */
#ifndef TESTS_AUDIT_LIB_AUDIT_H
#define TESTS_AUDIT_LIB_AUDIT_H

#include "t.h"

/* Times that one process asked; names as in the collector's report. */
struct audit_counts {
	uint64_t slab, page, percpu, pool, fault, reclaim;
};

struct audit {
	uint64_t requests;
	uint64_t minor_faults, major_faults;	/* as the kernel itself counts */
	struct audit_counts task;	/* by the process itself */
	struct audit_counts allowed;	/* with an --allow function in its stack */
	char *text;			/* the whole report */
};

/*
 * Watch all threads of a process, as arguments (separated by spaces) say, until
 * the audit ends; the test fails if it cannot, or has lost something.
 */
struct audit audit_run(pid_t pid, const char *arguments);
/* The same in two steps: begin returns once all is recorded; finish ends it. */
pid_t audit_begin(pid_t pid, const char *arguments);
struct audit audit_finish(pid_t collector);
/* The same of a swapserver with this backend, over nr requests of its device. */
struct audit audit_server(const char *backend, const char *arguments, int nr);

/* All that it asked for itself. */
uint64_t audit_sum(const struct audit_counts *counts);

#define AUDIT_NOTHING(a, who)						\
	T_TRUE(!audit_sum(&(a).task),					\
	       "%s, while it answered %llu requests: expected that it asks for no memory, found %llu times: %s", \
	       who, (unsigned long long)(a).requests,			\
	       (unsigned long long)audit_sum(&(a).task), (a).text)

#endif
