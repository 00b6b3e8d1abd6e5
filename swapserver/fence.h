/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fence.h - kill a server that hangs, so that another can go on
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_FENCE_H
#define SWAPSERVER_FENCE_H

/* Read the device's counters, and when something was answered last. */
void fence_watch(void);

/* An active server that answers nothing for --hang-timeout, if one is ready. */
void fence_hung(void);

/* One that is started and not ready after --start-timeout; and the spawner. */
void fence_starting(void);

#endif
