/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.h - the control nodes and the attributes of the devices
 *
 * Beside the path.  Nothing here opens /dev/abuseN, whose queue may be full or
 * have no server (I15).  A control node is opened only if the device is there:
 * opening it would make the device.
 */
#ifndef ABUSECTL_DEVICE_H
#define ABUSECTL_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/abuse.h>

bool device_exists(int number);

/*
 * A descriptor of /dev/abctlN, or -1 with a line printed.  While it is open
 * the device cannot be removed.
 */
int device_open(int number);

/* An ioctl of /dev/abuse-control; 0 or -errno (ENOENT: no module). */
int device_control(unsigned int command, void *argument);

/* Their numbers, ascending; how many, or -1 with a line printed. */
int device_list(__u32 numbers[ABUSE_NR_LIMIT]);

/* What to say of a control node's errno besides strerror(3). */
const char *device_hint(int err);

/*
 * The text of /sys/block/abuseN/abuse/NAME without its last newline; 0 or
 * -errno.
 */
int device_read(int number, const char *name, char *text, size_t bytes);
int device_write(int number, const char *name, const char *text);

/* Are its nodes there?  They come a moment after the device.  0 or -errno. */
int device_await_nodes(int number);

#endif
