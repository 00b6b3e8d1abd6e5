/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * status.h - what the server tells about itself, as lines of JSON
 *
 * Beside the path: read by people, service managers and the laboratory.
 */
#ifndef SWAPSERVER_STATUS_H
#define SWAPSERVER_STATUS_H

#include "protect.h"
#include "serve.h"

/*
 * Open what the other calls write to, for a sealed server can open nothing.
 * status_path: appended to (a file, a port), "-" is stdout; ready_path:
 * created, empty; either may be NULL.  Returns 0 or -1, a line printed.
 */
int status_open(const char *status_path, const char *ready_path);

/*
 * One line {"event":"server",...}: the device, the backend, each protection
 * as it was read back; then the ready file gets its one line.  Allocates
 * nothing.  Returns 0 or -1, a line printed.
 */
int status_ready(const struct server *s, const struct protections *prot);

/* Page faults so far: what comes after is counted from here. */
void status_mark(void);

/*
 * One line {"event":"server-end",...} with the page faults since
 * status_mark().  Allocates nothing; may be called from a signal handler.
 */
void status_end(const struct server *s, int err);

#endif
