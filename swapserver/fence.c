// SPDX-License-Identifier: GPL-2.0-only
/*
 * fence.c - kill a server that hangs, so that another can go on
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Called by the supervisor's loop.  The requests of who is killed are given on
 * by the module, when that one is past all its system calls (I13): one that
 * does not go is reported, and waited for.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "fence.h"
#include "supervision.h"

/* When the turn has no holder and nothing is answered. */
#define NUDGE_NS SECOND
/* Fencing did not help: the next one waits longer, up to so much. */
#define FENCE_FACTOR_MAX 16

void fence_watch(void)
{
	struct abuse_counters c;

	if (ioctl(sup.server->client.fd, ABUSE_GET_COUNTERS, &c))
		return;
	if (c.ab_ended != sup.counters.ab_ended) {
		sup.fence_factor = 1;
		sup.alone_said = false;
	}
	/* Bios that wait for a slot do so because of those that have one. */
	if (c.ab_ended != sup.counters.ab_ended ||
	    !(c.ab_nr_queued + c.ab_nr_lent) || !sup.in_office)
		sup.progress_ns = sup.now_ns;
	sup.counters = c;
}

static struct board_slot *slot_of(pid_t pid)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&sup.board->slots[i].life) == pid)
			return &sup.board->slots[i];
	return NULL;
}

static struct board_slot *slot_waiting(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (sup.board->slots[i].state == BOARD_STANDBY &&
		    turn_holder(&sup.board->slots[i].life))
			return &sup.board->slots[i];
	return NULL;
}

/*
 * Of a child crew.c takes note.  Another's has gone when all of its threads
 * have; its life on the board ends with the first.
 */
static bool fence_is_over(void)
{
	struct pollfd gone = { .fd = sup.fenced_fd, .events = POLLIN };

	if (sup.fenced_pid && sup.fenced_fd >= 0 && poll(&gone, 1, 0) == 1) {
		close(sup.fenced_fd);
		sup.fenced_fd = -1;
		sup.fenced_pid = 0;
	}
	return !sup.fenced_pid;
}

/* One that was killed and does not go is waited for (I13). */
static void fence_wait(void)
{
	if (sup.fenced_said || sup.now_ns - sup.fenced_ns < END_NS)
		return;
	sup.fenced_said = true;
	supervisor_say(
		"server %d was killed because it hung, and does not go: its requests wait for it",
		sup.fenced_pid);
}

void fence_hung(void)
{
	pid_t holder = turn_holder(&sup.board->turn);
	uint64_t still_ns = sup.now_ns - sup.progress_ns;
	struct board_slot *slot;

	if (!fence_is_over()) {
		fence_wait();
		return;
	}
	if (!holder && still_ns > NUDGE_NS)
		turn_nudge(&sup.board->turn);
	if (!sup.o->hang_timeout_s ||
	    still_ns < sup.o->hang_timeout_s * SECOND * sup.fence_factor)
		return;
	/* Without a holder: it was passed to one that does not take it. */
	slot = holder ? slot_of(holder) : slot_waiting();
	if (!slot)
		return;
	holder = turn_holder(&slot->life);
	if (!crew_has_standby(slot) &&
	    (slot->state == BOARD_ACTIVE || !sup.spawner.pid)) {
		if (!sup.alone_said)
			supervisor_say(
				"server %d has answered nothing for %llu s; no standby is ready, so it is left alone",
				holder, still_ns / SECOND);
		sup.alone_said = true;
		return;
	}
	supervisor_say(
		"server %d has answered nothing for %llu s: killing it, a standby takes over",
		holder, still_ns / SECOND);
	sup.fenced_pid = holder;
	if (slot->crew != sup.crew) {
		sup.fenced_fd = (int)syscall(SYS_pidfd_open, holder, 0);
		if (sup.fenced_fd < 0)
			sup.fenced_pid = 0;
	}
	crew_signal(slot, SIGKILL);
	sup.board->nr_fenced++;
	sup.fenced_ns = sup.now_ns;
	sup.fenced_said = false;
	sup.progress_ns = sup.now_ns;
	if (sup.fence_factor < FENCE_FACTOR_MAX)
		sup.fence_factor *= 2;
}

/* One that does not start keeps others from being started. */
void fence_starting(void)
{
	unsigned int limit_s = sup.o->start_timeout_s * sup.start_factor;
	uint64_t limit_ns = limit_s * SECOND;
	int i;

	if (!limit_ns)
		return;
	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &sup.board->slots[i];

		if (!crew_is_ours(slot) || slot->state != BOARD_STARTING ||
		    slot->pid <= 0 || sup.now_ns - sup.asked_ns[i] < limit_ns)
			continue;
		supervisor_say(
			"server %d in slot %d was started and is not ready after %u s: killing it",
			slot->pid, i, limit_s);
		crew_signal(slot, SIGKILL);
		sup.board->nr_fenced++;
		sup.asked_ns[i] = sup.now_ns;
		if (sup.start_factor < FENCE_FACTOR_MAX)
			sup.start_factor *= 2;
	}
	/* Asked, and it has not even said that it has tried. */
	if (sup.spawner.pid && sup.spawner.pending && !sup.spawner_fenced &&
	    sup.now_ns - sup.pending_ns > limit_ns) {
		sup.spawner_fenced = true;
		supervisor_say(
			"the spawner has answered nothing for %u s: killing it",
			limit_s);
		kill(sup.spawner.pid, SIGKILL);
	}
}
