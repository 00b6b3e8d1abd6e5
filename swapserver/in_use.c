// SPDX-License-Identifier: GPL-2.0-only
/*
 * in_use.c - has anybody the device open?
 *
 * Beside the path: whoever is told to end asks first.
 */
#include <linux/abuse.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "in_use.h"

#define PAUSE_MS	2
#define LOOKS		25

bool in_use(int ctl_fd)
{
	struct abuse_counters counters;
	int i;

	for (i = 0; i < LOOKS; i++) {
		if (ioctl(ctl_fd, ABUSE_GET_COUNTERS, &counters))
			return true;
		if (!counters.ab_nr_opens)
			return false;
		poll(NULL, 0, PAUSE_MS);
	}
	return true;
}
