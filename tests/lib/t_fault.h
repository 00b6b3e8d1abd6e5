/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t_fault.h - memory that does not come: userfaultfd, failed allocations
 *
 * Where it stands: [test] > ioctl > module > copy.
 */
#ifndef TESTS_LIB_T_FAULT_H
#define TESTS_LIB_T_FAULT_H

#include "t.h"

/* ------------------------------------------------------------ userfaultfd */

/*
 * Memory whose faults are answered by t_uffd_fill() only, or never.  One per
 * process: a child that faults needs an area of its own, made after the fork.
 */
char *t_uffd_area(uint32_t nr_pages);
void t_uffd_await(void);	/* the next fault; it stands still then */
void t_uffd_fill(char *page);	/* with zeroes: the fault goes on */

/* -------------------------------------------- allocations that are failed */

/* Skips the test where the kernel has no fault injection. */
void t_fail_alloc_setup(void);
/* Every allocation of the calling thread fails, slab and pages. */
void t_fail_alloc(bool fail);
/*
 * Every allocation with the module's text on the stack fails, of whatever task
 * and in interrupts; no other does.  Skips as t_fail_alloc_setup(), and takes
 * its place.  To be off when the module goes: another may be loaded there.
 */
void t_fail_alloc_of_module(bool fail);
/* How many have been failed since the setup, of all that asked for it. */
uint64_t t_fail_alloc_count(void);

/* ------------------------------------------- allocations that are recorded */

/* From here on the allocations of this thread, in no interrupt, are noted. */
void t_alloc_trace_start(pid_t tid);
/* Those of all present threads of this process that might wait for memory. */
void t_alloc_trace_waiting(pid_t pid);
/* How many there were; the first few lines are in *text (static storage). */
uint32_t t_alloc_trace_stop(const char **text);

#endif
