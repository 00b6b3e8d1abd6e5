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

/* To SIGTERM and its like. */
#define STATUS_REFUSAL \
	"swapserver: the device is in use: not ending; swapoff or umount it first\n"

/* What a status line says of who writes it. */
struct status_who {
	const char *role;	/* "active", "standby" */
	int slot;		/* on the board; -1: none */
};

/*
 * Open what the other calls write to, for a sealed server can open nothing.
 * status_path: appended to (a file, a port), "-" is stdout; ready_path:
 * created, empty; either may be NULL.  Returns 0 or -1, a line printed.
 */
int status_open(const char *status_path, const char *ready_path);

/* What status_open() opened; -1: nothing.  And the other end of it, -1 too. */
int status_descriptor(void);
void status_inherit(int fd);

/*
 * One line {"event":"server",...}: the device, the backend, each protection
 * as it was read back.  Allocates nothing.  Returns 0 or -1, a line printed.
 */
int status_server(const struct server *s, const struct protections *prot,
		  const struct status_who *who);

/* The ready file gets its one line.  Likewise. */
int status_ready(void);

/*
 * One line to stderr, if it can take it at once: a full pipe or a stopped
 * terminal would make the caller wait for a reader who may need a page from
 * it.  Allocates nothing; may be called from a signal handler.
 */
void status_say(const char *text);

/* Page faults so far: what comes after is counted from here. */
void status_mark(void);

/*
 * One line {"event":"server-end",...} with the page faults since
 * status_mark().  Allocates nothing; may be called from a signal handler.
 */
void status_end(const struct server *s, int err);

#endif
