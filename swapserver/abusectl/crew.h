/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crew.h - the processes that serve a device, to be waited for and ended
 *
 * Beside the path.  Who they are the kernel says (the attribute servers) and
 * the board; a pid that neither /proc nor the kernel confirms is not touched.
 * Never SIGKILL.
 */
#ifndef ABUSECTL_CREW_H
#define ABUSECTL_CREW_H

#include <stdbool.h>
#include <sys/types.h>

#define CREW_MAX 48

struct crew {
	pid_t supervisor; /* 0: none */
	unsigned int nr;  /* of servers, without it */
	pid_t pids[CREW_MAX];
};

/* Those that are there now. */
void crew_of(int number, struct crew *c);

/* Whose end ends all: the supervisor, or else each server. */
bool crew_is_gone(const struct crew *c);

/* SIGTERM to the supervisor, or to each server if there is none. */
void crew_terminate(const struct crew *c);

/* Does somebody serve: is there a process that has asked for work? */
bool crew_serves(int number);

#endif
