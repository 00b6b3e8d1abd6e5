/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * spawner.h - the process that can start a server when there is no memory
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SPAWNER_H
#define SWAPSERVER_SPAWNER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "options.h"
#include "serve.h"
#include "standby.h"

/* Between supervisor and spawner; locked by both. */
struct spawner_mail {
	_Atomic uint32_t ready;
	_Atomic uint32_t asked;		/* a futex: counts the requests */
	_Atomic uint32_t answered;	/* as far as asked, when done */
	int slot;			/* the supervisor's, of the request */
	int pid;			/* the spawner's: or -errno */
};

struct spawner {
	pid_t pid;			/* 0: it has died */
	struct spawner_mail *mail;
	bool pending;
};

/*
 * Start it: everything that it hands down is open by now.  Returns when it is
 * locked and has the reserve scope: 0; or -1, a line printed.
 */
int spawner_start(struct spawner *sp, const struct options *o,
		  struct server *s, struct board *board, unsigned int crew,
		  const struct inherited *in);

/* Ask for a server in a slot, if none is pending.  Allocates nothing. */
void spawner_ask(struct spawner *sp, int slot);

/* What became of it: 0: not done yet; the pid, or -errno.  *slot: which. */
int spawner_answer(struct spawner *sp, int *slot);

#endif
