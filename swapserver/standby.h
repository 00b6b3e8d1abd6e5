/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * standby.h - one of several servers: waits for its turn, then serves
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_STANDBY_H
#define SWAPSERVER_STANDBY_H

#include <stddef.h>

#include "options.h"
#include "serve.h"

/* What a spawner hands down to a server: descriptors, and its place. */
struct inherited {
	int board_fd;
	int status_fd;		/* -1: none */
	int store_fd;		/* -1: none */
	int memory_fd;		/* -1: none */
	int slot;
};

/* As the value of the hidden option --inherit; and back: 0 or -1. */
void inherited_write(char *text, size_t text_bytes, const struct inherited *in);
int inherited_read(const char *text, struct inherited *in);

/* main() of a server that a spawner started.  Returns the exit status. */
int standby_run(struct options *o, struct server *s);

#endif
