// SPDX-License-Identifier: GPL-2.0-only
/*
 * patience.c - to wait a moment for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#define _GNU_SOURCE
#include <time.h>

#include "patience.h"

/* Five seconds. */
#define PATIENCE_TRIES		500
#define PATIENCE_PAUSE_NS	(10 * 1000 * 1000)

bool patience(int *tries)
{
	const struct timespec pause = { .tv_nsec = PATIENCE_PAUSE_NS };

	if (++*tries >= PATIENCE_TRIES)
		return false;
	nanosleep(&pause, NULL);
	return true;
}
