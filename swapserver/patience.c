// SPDX-License-Identifier: GPL-2.0-only
/*
 * patience.c - to wait for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>

#include "patience.h"

#define NS_PER_MS	UINT64_C(1000000)
#define PAUSE_MS	10
#define PAUSES_GROWING	10	/* each by PAUSE_MS: every try costs others memory */
#define SAY_AFTER_MS	1000

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 * NS_PER_MS + (uint64_t)now.tv_nsec;
}

bool patience(struct patience *p, const char *what)
{
	uint64_t waited_ns, now = now_ns();
	struct timespec pause = { 0 };

	if (!p->since_ns)
		p->since_ns = now;
	waited_ns = now - p->since_ns;
	if (waited_ns >= PATIENCE_MS * NS_PER_MS)
		return false;
	if (!p->said && waited_ns >= SAY_AFTER_MS * NS_PER_MS) {
		p->said = true;
		fprintf(stderr, "swapserver: %s: waiting for memory, for %d s at most\n",
			what, PATIENCE_MS / 1000);
	}
	if (p->pauses < PAUSES_GROWING)
		p->pauses++;
	pause.tv_nsec = (long)(p->pauses * PAUSE_MS * NS_PER_MS);
	nanosleep(&pause, NULL);
	return true;
}
