/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * swapon.h - make a swap area of the device, and swap on it
 *
 * Beside the path.
 */
#ifndef SWAPSERVER_SWAPON_H
#define SWAPSERVER_SWAPON_H

#include "options.h"

/*
 * With --swapon: start the process that will do it, and sleeps.  A process of
 * its own, for whoever serves must never wait for its own device; made now,
 * while that costs nothing.  0 or -1, a line printed.
 */
int swapon_prepare(const struct options *o);

/* Is /dev/abuseN a swap area now, by /proc/swaps? */
bool swapon_is_on(int device);

/*
 * The device is live: let that process go on.  It prints one line when it has
 * come to its end, well or not.  Allocates nothing.
 */
void swapon_go(void);

#endif
