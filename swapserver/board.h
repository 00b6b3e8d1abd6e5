/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * board.h - what the processes that serve one device share, and abusectl reads
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * One file a device, /run/abuse/abuseN.board (a tmpfs), mapped by supervisor,
 * spawner and servers, locked by all of them, so that looking at it costs no
 * memory and no system call.  Whoever dies leaves it as it is: every word is
 * written by one process, the slot's own, but those that say otherwise.
 *
 * The *turn* is a robust mutex: its holder serves, the standbys sleep on it.
 * When the holder dies the kernel itself passes the turn on, to one of them.
 */
#ifndef SWAPSERVER_BOARD_H
#define SWAPSERVER_BOARD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "protect.h"

#define BOARD_DIR		"/run/abuse"
#define BOARD_MAGIC		0x61627365u	/* "abse" */
#define BOARD_VERSION		1u		/* of this layout */
#define BOARD_SLOTS		16		/* servers, old and new */
#define BOARD_TAKEOVERS		1024		/* remembered, a ring */

/* What a slot's process is doing; 0 is an unused slot. */
enum board_state {
	BOARD_EMPTY,
	BOARD_STARTING,		/* started, not locked and sealed yet */
	BOARD_STANDBY,		/* ready, waiting for the turn */
	BOARD_ACTIVE,		/* has the turn */
	BOARD_ENDED,		/* gone; its slot may be used again */
};

struct board_slot {
	_Atomic uint32_t state;		/* EMPTY, ENDED: by the supervisor */
	_Atomic int32_t pid;
	uint32_t crew;			/* which supervisor's: counts upgrades */
	_Atomic uint32_t retire;	/* supervisor: step down when idle */
	uint64_t started_ns;		/* CLOCK_MONOTONIC, as all here */
	char version[16];
	struct protections protections;	/* as read back */
	/* Since it became active. */
	_Atomic uint64_t nr_rounds;
	_Atomic uint64_t nr_requests;
	_Atomic uint64_t nr_absent;
	_Atomic uint64_t nr_stale;
	_Atomic uint64_t nr_major_faults;
	_Atomic uint64_t nr_minor_faults;
};

struct board {
	uint32_t magic;
	uint32_t version;
	uint32_t bytes;			/* of this structure */
	int32_t device;			/* N of /dev/abuseN */
	char backend[256];		/* as on the command line */

	pthread_mutex_t turn;		/* robust, between processes */

	_Atomic int32_t supervisor;	/* pid; 0: a server without one */
	_Atomic int32_t spawner;
	_Atomic uint32_t crew;		/* of the supervisor in office */
	_Atomic int32_t successor;	/* pid of one that wants to follow */
	_Atomic uint32_t active;	/* slot that has the turn */

	/* Written by whoever takes over. */
	_Atomic uint64_t nr_takeovers;
	/*
	 * Nanoseconds from the death of the last (as seen: the turn was
	 * passed) to the first answer of the next; entry i % BOARD_TAKEOVERS.
	 */
	_Atomic uint64_t takeover_ns[BOARD_TAKEOVERS];

	/* Written by the supervisor. */
	_Atomic uint64_t nr_fenced;	/* killed because they hung */
	_Atomic uint64_t nr_refills;	/* servers started to replace others */

	struct board_slot slots[BOARD_SLOTS];
};

#endif
