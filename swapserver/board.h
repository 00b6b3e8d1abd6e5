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
 * The *turn* is a lock that the kernel passes on (turn.h): its holder serves,
 * the standbys sleep on it.  In the same way each process holds its *life*:
 * turn_holder() of it is the pid of a process that lives, or 0.
 *
 * A *crew* is a supervisor with its spawner and its servers.  There is one,
 * and for the time of an upgrade a second, whose number is the next one that no
 * server has and that is odd if the first is even, even if it is odd.  Each has
 * half of the slots, and one of two offices, so that two supervisors never write
 * to the same.
 */
#ifndef SWAPSERVER_BOARD_H
#define SWAPSERVER_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protect.h"
#include "storeid.h"
#include "turn.h"

#define BOARD_DIR		"/run/abuse"
#define BOARD_MAGIC		0x61627365u	/* "abse" */
#define BOARD_VERSION		4u		/* of this layout */
#define BOARD_CREW_SLOTS	8		/* servers of one crew */
#define BOARD_SLOTS		(2 * BOARD_CREW_SLOTS)
#define BOARD_TAKEOVERS		1024		/* remembered, a ring */
#define BOARD_NOBODY		UINT32_MAX	/* for board.active */

/* What a slot's process is doing; 0 is an unused slot. */
enum board_state {
	BOARD_EMPTY,
	BOARD_STARTING,		/* started, not locked and sealed yet */
	BOARD_STANDBY,		/* ready, waiting for the turn */
	BOARD_ACTIVE,		/* has the turn */
	BOARD_ENDED,		/* gone; its slot may be used again */
};

/* What a server is to do when its round is over. */
enum board_retire {
	BOARD_STAY,
	BOARD_STEP_DOWN,	/* go: another has the turn, or will take it */
	BOARD_END_UNUSED,	/* go if nobody has the device open, else STAY */
};

struct board_slot {
	_Atomic uint32_t state;		/* EMPTY, STARTING, ENDED: supervisor */
	_Atomic int32_t pid;		/* as the server itself sees it */
	_Atomic uint32_t crew;		/* supervisor: whose server this is */
	_Atomic uint32_t retire;	/* supervisors; STAY also the server */
	struct turn life;
	uint64_t started_ns;		/* CLOCK_MONOTONIC, as all here */
	char version[16];
	bool scope_inherited;		/* PF_MEMALLOC came through exec */
	struct protections protections;	/* as read back */
	/* Since it became active. */
	_Atomic uint64_t nr_rounds;
	_Atomic uint64_t nr_requests;
	_Atomic uint64_t nr_absent;
	_Atomic uint64_t nr_stale;
	_Atomic uint64_t nr_major_faults;
	_Atomic uint64_t nr_minor_faults;
};

/* The two processes of a crew that do not serve. */
struct board_office {
	struct turn supervisor;		/* their lives */
	struct turn spawner;
	_Atomic uint32_t crew;		/* whose supervisor that is, or was */
	/* Descriptors that all processes of this crew have; -1: none. */
	int32_t store_fd;
	int32_t memory_fd;
};

struct board {
	uint32_t magic;
	uint32_t version;
	uint32_t bytes;			/* of this structure */
	int32_t device;			/* N of /dev/abuseN */
	char backend[256];		/* as on the command line */
	uint64_t size_bytes;		/* of the device */
	uint32_t blocksize_bytes;
	uint8_t store_id[STOREID_BYTES]; /* of the store that all of them have */

	struct turn turn;

	_Atomic int32_t supervisor;	/* pid of the one in office */
	_Atomic int32_t spawner;	/* pid of its spawner; 0: it has died */
	_Atomic uint32_t crew;		/* of the supervisor in office */
	_Atomic int32_t successor;	/* pid of one that wants to follow */
	struct board_office office[2];	/* index: crew & 1 */
	_Atomic uint32_t active;	/* slot that has the turn, or _NOBODY */

	/*
	 * Whoever kills the active server may say when (CLOCK_MONOTONIC), so
	 * that the next takeover is measured from there; set back to 0 by it.
	 */
	_Atomic uint64_t killed_ns;

	/* Written by whoever takes over. */
	_Atomic uint64_t nr_takeovers;
	/*
	 * Nanoseconds from the death of the last (killed_ns, else from when the
	 * turn was passed) to the first answer of the next, or until it could
	 * have answered if nothing was asked; entry i % BOARD_TAKEOVERS.
	 */
	_Atomic uint64_t takeover_ns[BOARD_TAKEOVERS];
	/* Page faults that the process took in the same time; the same index. */
	_Atomic uint32_t takeover_faults[BOARD_TAKEOVERS];

	/* Written by supervisors. */
	_Atomic uint64_t nr_fenced;	/* killed because they hung */
	_Atomic uint64_t nr_refills;	/* servers started to replace others */

	struct board_slot slots[BOARD_SLOTS];
};

/* "/run/abuse/abuseN.board" */
void board_path(char *path, size_t path_bytes, int device);

/*
 * For who is about to serve a device: 0, or -1 with a line printed: others do,
 * and a second store beside theirs would answer with other data.
 */
int board_check_free(int device);

/*
 * Do servers of the device live whose supervisor does not?  Whoever comes
 * then is to take over from them, and not to start anew.
 */
bool board_is_orphaned(int device);

/*
 * Make the board of a device, or take the place of one that nobody lives on;
 * first: what is on it when others first see it.  The caller lives on it from
 * the start, as the supervisor (turn_init() comes before).  Returns the board,
 * *fd its file; NULL, with a line printed.
 */
struct board *board_make(int device, const struct board *first, int *fd);

/*
 * The board of a device that is being served, to be written.  Returns the
 * board, *fd its file; NULL, with a line printed.
 */
struct board *board_open(int device, int *fd);

/* A board that was inherited as a descriptor.  NULL, with a line printed. */
struct board *board_map(int fd);

/*
 * Write to each of its pages, changing nothing: locked is not yet writable, and
 * the first write to a page of a ramfs is a page fault.
 */
void board_touch(struct board *board);

/* Does anybody on it live? */
bool board_is_manned(const struct board *board);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t board_now_ns(void);

#endif
