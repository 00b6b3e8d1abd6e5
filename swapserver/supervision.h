/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * supervision.h - what the parts of the supervisor share
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * supervisor.c starts, and looks again and again; for that it calls, in this
 * order, fence.c (is anything answered?), crew.c (who has died, who replaces
 * them?) and upgrade.c (who is in office, who steps down?).  All of it is one
 * thread of one process, and what it knows stands here; nobody else includes
 * this file.
 */
#ifndef SWAPSERVER_SUPERVISION_H
#define SWAPSERVER_SUPERVISION_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "board.h"
#include "options.h"
#include "serve.h"
#include "spawner.h"

#define MS			1000000ull
#define SECOND			(1000 * MS)
/* What was told to end, or killed, and has not gone after so long. */
#define END_NS			(5 * SECOND)

struct supervision {
	const struct options *o;
	struct server *server;		/* the device and the store, not served */
	struct board *board;
	int board_fd;
	unsigned int crew;
	struct board_office *office;
	struct spawner spawner;
	sigset_t signals;

	bool in_office;			/* else: an upgrade, ours or another's */
	bool deposed;
	bool live;			/* --ready has been written */
	bool ending;
	int end_status;
	uint64_t ending_ns;

	uint64_t now_ns;
	struct abuse_counters counters;
	uint64_t progress_ns;		/* ab_ended has moved, or none in care */

	uint64_t fenced_ns;
	pid_t fenced_pid;		/* killed, still there */
	int fenced_fd;			/* it is no child of ours; else -1 */
	bool fenced_said;
	bool alone_said;
	unsigned int fence_factor;

	uint64_t asked_ns[BOARD_SLOTS];	/* for a server in that slot */
	uint64_t pending_ns;		/* the spawner has been asked then */
	unsigned int start_factor;	/* of --start-timeout */
	bool spawner_fenced;

	unsigned int nr_started;
	unsigned int nr_failed_starts;	/* one after the other */
	uint64_t refill_ns;		/* not before */
	unsigned int nr_deaths;
	uint64_t deaths_ns;		/* the first of these */
	uint64_t deaths_ended;		/* ab_ended then */
	bool crashing;
	bool nobody_said;
};

extern struct supervision sup;

/* Is the device open, as far as anybody can tell? */
bool supervisor_in_use(void);

/*
 * One line to stderr, at the end of this look.  Allocates nothing here; to
 * write it the kernel may have to, which is why it waits until somebody serves.
 */
void supervisor_say(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
