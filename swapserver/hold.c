// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold.c - for experiments: answer no write until so many are lent
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <sys/time.h>

#include "hold.h"

/* Far above the watermarks at which allocations fail. */
#define HOLD_FREE_PART	16

static void hold_tick(int number)
{
	(void)number;	/* that the wait ends is all */
}

int hold_init(void)
{
	/* No SA_RESTART. */
	const struct sigaction tick = { .sa_handler = hold_tick };
	const struct itimerval second = {
		.it_interval.tv_sec = 1,
		.it_value.tv_sec = 1,
	};

	if (sigaction(SIGALRM, &tick, NULL) ||
	    setitimer(ITIMER_REAL, &second, NULL)) {
		fprintf(stderr, "swapserver: no timer for --hold: %s\n",
			strerror(errno));
		return -1;
	}
	return 0;
}

bool hold_wants_more(const struct abuse_lent *lent, unsigned int nr,
		     unsigned int wanted)
{
	unsigned int i;

	if (!nr || nr >= wanted)
		return false;
	/* Who reads, or wants his writes to last, waits for this one. */
	for (i = 0; i < nr; i++)
		if (lent[i].ab_command != ABUSE_WRITE ||
		    lent[i].ab_flags & (ABUSE_LENT_PREFLUSH | ABUSE_LENT_FUA))
			return false;
	return true;
}

bool hold_is_over(void)
{
	struct sysinfo info;

	return !sysinfo(&info) &&
	       info.freeram > info.totalram / HOLD_FREE_PART;
}
