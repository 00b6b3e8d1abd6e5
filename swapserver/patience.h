/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * patience.h - to wait for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#ifndef SWAPSERVER_PATIENCE_H
#define SWAPSERVER_PATIENCE_H

#include <stdbool.h>

/*
 * Of all of a start: half of the default of --start-timeout, so that who is
 * short of memory says so itself, before it is killed for it.
 */
#ifndef PATIENCE_MS
#define PATIENCE_MS	30000
#endif

/*
 * In the reserve scope an allocation takes what is left and waits for nothing;
 * who waits here finds more, once others have written some of it out.  Sleeps
 * 10 ms, later up to 100 ms; false, at once: the process has called this first
 * PATIENCE_MS ago, so that it is not for want of memory.  After a second a line
 * on standard error tells what is waited for, if it takes that at once.  Calls
 * nothing that a sealed server may not.  Of one thread.
 */
bool patience(const char *what);

/* fork() and clone() do not tell one from the other. */
#define PATIENCE_TASK	"memory for a task, or of tasks allowed (ulimit -u, pids.max)"

#endif
