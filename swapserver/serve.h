/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serve.h - the loop that answers requests
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SERVE_H
#define SWAPSERVER_SERVE_H

#include "backend.h"
#include "lanes.h"
#include "libabuse.h"

/* Most requests that the server is lent at a time. */
#define SERVE_BATCH_MAX		64
/* Data of one request that is handled at a time. */
#define SERVE_BUFFER_BYTES	(64 * 1024)

struct server {
	struct abuse_dev client;
	struct backend backend;
	unsigned int batch;		/* 1 to SERVE_BATCH_MAX */
	int nr_lanes;			/* -1: as many as help; serve_init() */
	bool allocate;			/* a buffer per request: naive */
	unsigned int hold;		/* writes to wait for; 0: none.  hold.h */
	unsigned long long nr_held;	/* how often it waited, and they came */
	/*
	 * Optional: called before each call of the loop, with the number of
	 * requests that the last one was lent: their answers are ready but not
	 * handed in.  1: hand them in, and end the loop; -errno: end it at once;
	 * 0: go on.  Allocates nothing.
	 */
	int (*round)(struct server *s, unsigned int nr);

	/* The arena: all that the loop works on.  See serve_init(). */
	struct serve_arena *arena;
	struct lanes *lanes;		/* NULL: one transfer at a time */
};

/* Make the arena.  Returns 0 or -1, a line printed.  May allocate. */
int serve_init(struct server *s);

/* Hand in the answers that are ready, now.  0 or -errno. */
int serve_hand_in(struct server *s);

/*
 * Serve until something fails, or ->round ends it.  Returns -errno of what
 * failed, or 0: nothing is lent to us then.  With
 * s->allocate false it allocates nothing and makes no system call but ioctl
 * and those of the backend.
 */
int serve_loop(struct server *s);

#endif
