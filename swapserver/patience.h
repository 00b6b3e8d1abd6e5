/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * patience.h - to wait a moment for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#ifndef SWAPSERVER_PATIENCE_H
#define SWAPSERVER_PATIENCE_H

#include <stdbool.h>

/*
 * In the reserve scope an allocation takes what is left and waits for nothing;
 * who waits here a moment finds more.  Sleeps 10 ms; false, at once: that was
 * 500 times now, so it is not for want of memory.  `tries` starts at 0.
 */
bool patience(int *tries);

#endif
