/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * supervisor.h - starts the servers of a device, and watches over them
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SUPERVISOR_H
#define SWAPSERVER_SUPERVISOR_H

#include "options.h"
#include "serve.h"

/* main() of a supervisor.  Returns the exit status. */
int supervisor_run(struct options *o, struct server *s);

#endif
