/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * patience.h - to wait for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#ifndef SWAPSERVER_PATIENCE_H
#define SWAPSERVER_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Half of the default of --start-timeout: who is short of memory is to say so
 * itself, before it is killed for it.
 */
#ifndef PATIENCE_MS
#define PATIENCE_MS	30000
#endif

struct patience {
	uint64_t since_ns;	/* of the first call; starts at 0 */
	unsigned int pauses;	/* so far */
	bool said;		/* on standard error, that it takes long */
};

/*
 * In the reserve scope an allocation takes what is left and waits for nothing;
 * who waits here finds more, once others have written some of it out.  Sleeps
 * 10 ms, later up to 100 ms; false, at once: the first call was PATIENCE_MS
 * ago, so that it is not for want of memory.  After a second of waiting a line
 * on standard error says so of `what`.
 */
bool patience(struct patience *p, const char *what);

#endif
