/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serve.h - the loop that answers requests
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SERVE_H
#define SWAPSERVER_SERVE_H

#include "backend.h"
#include "client.h"

/* Most requests that the server is lent at a time. */
#define SERVE_BATCH_MAX		64
/* Data of one request that is handled at a time. */
#define SERVE_BUFFER_BYTES	(64 * 1024)

struct server {
	struct client client;
	struct backend backend;
	unsigned int batch;		/* 1 to SERVE_BATCH_MAX */
	bool allocate;			/* a buffer per request: naive */

	/* The arena: all that the loop works on.  See serve_init(). */
	struct serve_arena *arena;
};

/* Make the arena.  Returns 0 or -1, a line printed.  May allocate. */
int serve_init(struct server *s);

/*
 * Serve until something fails.  Returns -errno of what failed.  With
 * s->allocate false it allocates nothing and makes no system call but ioctl
 * and those of the backend.
 */
int serve_loop(struct server *s);

#endif
