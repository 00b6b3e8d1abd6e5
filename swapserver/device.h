/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.h - open and configure the device that is to be served
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 */
#ifndef SWAPSERVER_DEVICE_H
#define SWAPSERVER_DEVICE_H

#include "options.h"
#include "serve.h"

/*
 * Open /dev/abctlN, close-on-exec; o->device is N then, o->size_bytes that of
 * the device if it has one.  0 or -1, a line printed.
 */
int device_open(struct options *o, struct server *s);

/*
 * Is it bound to a store, and is that the one that was opened (I14)?  Before
 * device_configure(), which changes it.  An idle device that has another is
 * unbound, if --anew says so.  0 or an exit status, a line printed.
 */
int device_check_store(const struct options *o, const struct server *s);

/*
 * Configure it, for a backend that was opened; or come back to one that is
 * configured alike.  0 or -1, a line printed.
 */
int device_configure(const struct options *o, struct server *s);

/*
 * Is the module that is loaded as new as we are?  Of a configured device, by
 * each process that will serve.  0 or -1, a line printed.
 */
int device_check_module(const struct options *o, struct server *s);

/*
 * Bind it to the store, if nothing has, and present the store: by each process
 * that will serve, when nothing can fail any more, for a binding stays.  Allowed
 * to a sealed server.  0 or an exit status, a line printed.
 */
int device_bind_store(const struct options *o, struct server *s);

#endif
