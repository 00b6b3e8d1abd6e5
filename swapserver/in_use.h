/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * in_use.h - has anybody the device open?
 *
 * Beside the path: whoever is told to end asks first.
 */
#ifndef SWAPSERVER_IN_USE_H
#define SWAPSERVER_IN_USE_H

#include <stdbool.h>

/*
 * Has anybody /dev/abuseN open, and still so a moment later?  A file whose last
 * I/O had not ended when it was closed is closed by a worker of the kernel, a
 * jiffy after that end.  Sleeps for at most 50 ms, and only if it is in use.
 * Safe in a signal handler and in a sealed server; errno may change.
 * true also if that cannot be told.
 */
bool in_use(int ctl_fd);

#endif
