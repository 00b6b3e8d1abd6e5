// SPDX-License-Identifier: GPL-2.0-only
/*
 * upgrade.c - take over from a supervisor and its servers; step down for one
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * While it lasts there are two crews on the board, on one store; who is in
 * office stands there.  Before anybody steps down all servers of the new crew
 * are ready; whatever goes wrong before that changes nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "device.h"
#include "supervision.h"
#include "upgrade.h"

/* ------------------------------------------------------------- the office */

void upgrade_take_office(void)
{
	sup.board->supervisor = getpid();
	sup.board->spawner = sup.spawner.pid;
	sup.board->crew = sup.crew;
	sup.board->successor = 0;
	sup.in_office = true;
}

/* Who had deposed us has died, and so have all of his. */
static bool office_is_void(void)
{
	const struct board_office *theirs =
		&sup.board->office[sup.board->crew & 1];

	return sup.deposed && theirs != sup.office &&
	       !turn_holder(&theirs->supervisor) && !upgrade_others_live();
}

static void take_back(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (crew_is_ours(&sup.board->slots[i]))
			sup.board->slots[i].retire = BOARD_STAY;
	sup.deposed = false;
	upgrade_take_office();
	supervisor_say(
		"those who had taken over are gone: in office again");
}

/* Our servers can take over, or another's have. */
void upgrade_change_office(void)
{
	if (office_is_void())
		take_back();
	if (sup.in_office && sup.board->crew != sup.crew) {
		sup.in_office = false;
		sup.deposed = true;
		supervisor_say("pid %d has taken over: stepping down",
			       sup.board->supervisor);
	}
	if (sup.in_office || sup.deposed || sup.ending ||
	    crew_count(BOARD_STANDBY) <= sup.o->nr_standbys)
		return;
	upgrade_take_office();
	supervisor_say(
		"upgrade: %u new servers are ready; the old ones step down",
		sup.o->nr_standbys + 1);
}

bool upgrade_others_live(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (sup.board->slots[i].crew != sup.crew &&
		    turn_holder(&sup.board->slots[i].life))
			return true;
	return false;
}

/*
 * Of another crew, and to go.  Older ones are, whoever is over them; newer ones
 * are not as long as their supervisor lives, who wants to follow.
 */
static bool is_left_over(const struct board_slot *slot)
{
	const struct board_office *office =
		&sup.board->office[slot->crew & 1];

	if (slot->crew == sup.crew)
		return false;
	return (int32_t)(slot->crew - sup.crew) < 0 ||
	       office->crew != slot->crew || !turn_holder(&office->supervisor);
}

bool upgrade_left_over_live(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (is_left_over(&sup.board->slots[i]) &&
		    turn_holder(&sup.board->slots[i].life))
			return true;
	return false;
}

bool upgrade_may_go(const struct board_slot *slot)
{
	return crew_has_standby(slot) ||
	       (sup.ending && !supervisor_in_use());
}

static void retire(struct board_slot *slot)
{
	/* It looks itself, last of all, whether the device is in use by then. */
	slot->retire = sup.ending && !crew_has_standby(slot) ?
		       BOARD_END_UNUSED : BOARD_STEP_DOWN;
	/* Before that it has no handler; it looks when it has. */
	if (slot->state >= BOARD_STANDBY)
		crew_signal(slot, SIGUSR1);
}

static bool is_meant(const struct board_slot *slot, bool ours)
{
	return ours ? slot->crew == sup.crew : is_left_over(slot);
}

void upgrade_retire(bool ours)
{
	pid_t holder = turn_holder(&sup.board->turn);
	bool waiting = false;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &sup.board->slots[i];

		if (!is_meant(slot, ours) || !turn_holder(&slot->life) ||
		    turn_holder(&slot->life) == holder)
			continue;
		retire(slot);
		waiting = true;
	}
	for (i = 0; i < BOARD_SLOTS && !waiting; i++) {
		struct board_slot *slot = &sup.board->slots[i];

		if (is_meant(slot, ours) && holder &&
		    turn_holder(&slot->life) == holder && upgrade_may_go(slot))
			retire(slot);
	}
}

/* --------------------------------------------------------------- the start */

/* A descriptor of theirs, ours; -1 stays -1; -2: a line was printed. */
static int take_descriptor(pid_t pid, int number)
{
	int pidfd, fd;

	if (number < 0)
		return -1;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0) {
		fprintf(stderr,
			"swapserver: --upgrade: the store of process %d: %s; needs CAP_SYS_PTRACE: run as root\n",
			pid, strerror(errno));
		fd = -2;
	}
	if (pidfd >= 0)
		close(pidfd);
	return fd;
}

/*
 * Of servers that have died without a supervisor that could note it; with one,
 * it does.  Whoever upgrades does this, and there is one such at a time.
 */
static void clear_slots(struct board *board)
{
	bool supervised =
		turn_holder(&board->office[board->crew & 1].supervisor);
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &board->slots[i];

		if (crew_is_there(slot) && !turn_holder(&slot->life) &&
		    !(supervised && slot->crew == board->crew))
			slot->state = BOARD_ENDED;
	}
}

/*
 * The next number whose office is not the one that is taken, and that no server
 * has: one may have lost its supervisor before that was in office.
 */
static uint32_t next_crew(const struct board *board)
{
	uint32_t crew = board->crew + 1;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		if (!crew_is_there(&board->slots[i]) ||
		    board->slots[i].crew != crew)
			continue;
		crew += 2;
		i = -1; /* anew, for this number */
	}
	return crew;
}

/*
 * Somebody who has the store, and the office that says as which descriptors:
 * of the crew in office, or else of one that was about to be.
 */
static pid_t somebody(const struct board *board,
		      const struct board_office **office)
{
	pid_t pid;
	int i;

	*office = &board->office[board->crew & 1];
	pid = turn_holder(&(*office)->supervisor);
	for (i = 0; i < BOARD_SLOTS && !pid; i++)
		if (board->slots[i].crew == board->crew)
			pid = turn_holder(&board->slots[i].life);
	for (i = 0; i < BOARD_SLOTS && !pid; i++) {
		pid = turn_holder(&board->slots[i].life);
		*office = &board->office[board->slots[i].crew & 1];
	}
	return pid;
}

static int upgrade_fail(const char *what)
{
	fprintf(stderr, "swapserver: --upgrade: %s\n", what);
	return EXIT_FAILED;
}

/* The store and the board of those who run.  0 or an exit status. */
int upgrade_start(struct options *o, struct server *s)
{
	const struct board_office *old;
	pid_t pid;

	sup.board = board_open(o->device, &sup.board_fd);
	if (!sup.board)
		return EXIT_FAILED;
	pid = somebody(sup.board, &old);
	if (!pid)
		return upgrade_fail(
			"nobody runs that could be replaced; start without --upgrade");
	if (strcmp(sup.board->backend, o->backend) ||
	    sup.board->blocksize_bytes != o->blocksize_bytes ||
	    sup.board->size_bytes != o->size_bytes)
		return upgrade_fail(
			"backend, size or block size is not what the servers that run have; give the same");
	if (!turn_try(&sup.board->office[(sup.board->crew + 1) & 1].supervisor))
		return upgrade_fail("another upgrade is under way");
	clear_slots(sup.board);
	sup.crew = next_crew(sup.board);
	sup.board->successor = getpid();
	s->backend.fd = take_descriptor(pid, old->store_fd);
	s->backend.memory_fd = take_descriptor(pid, old->memory_fd);
	if (s->backend.fd < -1 || s->backend.memory_fd < -1)
		return EXIT_FAILED;
	memcpy(s->backend.store_id, sup.board->store_id,
	       sizeof(s->backend.store_id));
	if (backend_open(&s->backend, o->backend, &o->size_bytes,
			 o->blocksize_bytes))
		return EXIT_FAILED;
	return device_check_store(o, s);
}

/*
 * Servers whose supervisor was killed: started again, by a service manager or
 * by hand, we take its place, whatever the command line says; a store of our
 * own would be another, and an empty one.
 */
bool upgrade_adopts(struct options *o)
{
	if (o->upgrade || !board_is_orphaned(o->device))
		return false;
	fputs("swapserver: the servers of this device have lost their supervisor: taking over from them\n",
	      stderr);
	o->upgrade = true;
	return true;
}
