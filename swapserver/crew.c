// SPDX-License-Identifier: GPL-2.0-only
/*
 * crew.c - the servers of a supervisor: who is there, who died, who replaces
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Called by the supervisor's loop, which says when; started they are by the
 * spawner.  It kills nobody, and waits for nobody.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crew.h"
#include "supervision.h"

/* So many deaths in so short a time, and nothing answered: a crash loop. */
#define DEATHS_MAX 5
#define DEATHS_NS (10 * SECOND)
/* Between two servers then; and between two that could not start, at most. */
#define REFILL_SLOW_NS (10 * SECOND)
#define REFILL_AGAIN_NS (100 * MS)

/* ----------------------------------------------------------------- slots */

bool crew_is_there(const struct board_slot *slot)
{
	return slot->state >= BOARD_STARTING && slot->state <= BOARD_ACTIVE;
}

bool crew_is_ours(const struct board_slot *slot)
{
	return slot->crew == sup.crew && crew_is_there(slot);
}

unsigned int crew_count(enum board_state from)
{
	unsigned int nr = 0;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		nr += crew_is_ours(&sup.board->slots[i]) &&
		      sup.board->slots[i].state >= from;
	return nr;
}

bool crew_has_standby(const struct board_slot *but)
{
	const struct board_slot *slot;
	pid_t holder = turn_holder(&sup.board->turn);
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		slot = &sup.board->slots[i];
		if (slot != but && slot->state == BOARD_STANDBY &&
		    !slot->retire && turn_holder(&slot->life) &&
		    turn_holder(&slot->life) != holder)
			return true;
	}
	return false;
}

/* To a process that is no child of ours: it must not be another by now. */
static void signal_life(const struct turn *life, int sig)
{
	pid_t pid = turn_holder(life);
	int fd;

	if (!pid)
		return;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return;
	if (turn_holder(life) == pid)
		syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0);
	close(fd);
}

void crew_signal(const struct board_slot *slot, int sig)
{
	if (slot->crew != sup.crew)
		signal_life(&slot->life, sig);
	else if (slot->pid > 0 && crew_is_there(slot))
		kill(slot->pid, sig); /* a child that is not reaped yet */
}

/* ----------------------------------------------------- those who are gone */

static void count_death(void)
{
	if (sup.counters.ab_ended != sup.deaths_ended ||
	    sup.now_ns - sup.deaths_ns > DEATHS_NS) {
		sup.nr_deaths = 0;
		sup.deaths_ns = sup.now_ns;
		sup.deaths_ended = sup.counters.ab_ended;
	}
	if (++sup.nr_deaths <= DEATHS_MAX || sup.crashing)
		return;
	sup.crashing = true;
	supervisor_say(
		"%u servers have died in %llu s, and no request was answered: starting another only every %llu s; look for the cause",
		sup.nr_deaths, (sup.now_ns - sup.deaths_ns) / SECOND,
		REFILL_SLOW_NS / SECOND);
}

static void start_failed(void)
{
	if (sup.nr_failed_starts < 7)
		sup.nr_failed_starts++;
	sup.refill_ns =
		sup.now_ns + (REFILL_AGAIN_NS << (sup.nr_failed_starts - 1));
	if (sup.live || (sup.o->upgrade && sup.in_office))
		return;
	/* It has said why.  As a single server: it does not start at all. */
	sup.ending = true;
	sup.ending_ns = sup.now_ns;
	sup.end_status = EXIT_FAILED;
}

static void server_ended(struct board_slot *slot, const siginfo_t *info)
{
	uint32_t was = slot->state;
	int number = (int)(slot - sup.board->slots);

	slot->state = BOARD_ENDED;
	if (info->si_pid == sup.fenced_pid)
		sup.fenced_pid = 0;
	if (slot->retire || sup.ending)
		return;
	if (info->si_code == CLD_EXITED)
		supervisor_say("server %d in slot %d has ended with status %d",
			       info->si_pid, number, info->si_status);
	else
		supervisor_say(
			"server %d in slot %d was killed by signal %d (%s)",
			info->si_pid, number, info->si_status,
			sigdescr_np(info->si_status) ?: "?");
	if (was == BOARD_STARTING)
		start_failed();
	else
		count_death();
}

/* What the spawner was asked for when it died, and has not got a pid. */
static void forget_unborn(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (crew_is_ours(&sup.board->slots[i]) &&
		    !sup.board->slots[i].pid)
			sup.board->slots[i].state = BOARD_ENDED;
}

static void child_ended(const siginfo_t *info)
{
	int i;

	if (info->si_pid == sup.spawner.pid) {
		sup.spawner.pid = 0;
		forget_unborn();
		if (sup.in_office)
			sup.board->spawner = 0;
		if (!sup.ending && !sup.deposed)
			supervisor_say(
				"the spawner has died: servers are not replaced any more; swapserver --upgrade brings a new one");
		return;
	}
	for (i = 0; i < BOARD_SLOTS; i++)
		if (crew_is_ours(&sup.board->slots[i]) &&
		    sup.board->slots[i].pid == info->si_pid)
			server_ended(&sup.board->slots[i], info);
}

static void collect(void)
{
	int slot, pid = spawner_answer(&sup.spawner, &slot);

	if (pid > 0) {
		sup.board->slots[slot].pid = pid;
	} else if (pid < 0) {
		sup.board->slots[slot].state = BOARD_ENDED;
		if (!sup.nr_failed_starts)
			supervisor_say(
				"no server could be started: %s; trying again",
				strerror(-pid));
		start_failed();
	}
}

void crew_reap(void)
{
	siginfo_t info;

	for (;;) {
		collect();
		/* Who ends now may be one whose pid we are about to be told. */
		if (sup.spawner.pending && turn_holder(&sup.office->spawner))
			return;
		sup.spawner.pending = false;
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) || !info.si_pid)
			return;
		child_ended(&info);
	}
}

/* --------------------------------------------------------------- refilling */

/* In our half: another supervisor may look for one at the same time. */
static struct board_slot *slot_unused(void)
{
	struct board_slot *half =
		&sup.board->slots[(sup.crew & 1) * BOARD_CREW_SLOTS];
	struct board_slot *slot;
	int i;

	for (i = 0; i < BOARD_CREW_SLOTS; i++) {
		slot = &half[i];
		if (!crew_is_there(slot) && !turn_holder(&slot->life))
			return slot;
	}
	return NULL;
}

static bool refill_may(void)
{
	if (sup.ending || sup.deposed || !sup.spawner.pid ||
	    sup.spawner.pending || sup.now_ns < sup.refill_ns ||
	    crew_count(BOARD_STARTING) != crew_count(BOARD_STANDBY) ||
	    crew_count(BOARD_STARTING) > sup.o->nr_standbys)
		return false;
	if (sup.crashing && sup.counters.ab_ended != sup.deaths_ended) {
		sup.crashing = false;
		supervisor_say(
			"requests are answered again: servers are replaced as before");
	}
	return true;
}

/* One at a time: each takes its memory only when the last one has its own. */
void crew_refill(void)
{
	struct board_slot *slot;

	if (crew_count(BOARD_STANDBY) > sup.o->nr_standbys) {
		sup.nr_failed_starts = 0;
		sup.start_factor = 1;
	}
	if (!refill_may())
		return;
	slot = slot_unused();
	if (!slot)
		return;
	*slot = (struct board_slot){
		.state = BOARD_STARTING,
		.crew = sup.crew,
	};
	if (sup.crashing)
		sup.refill_ns = sup.now_ns + REFILL_SLOW_NS;
	if (sup.nr_started++ > sup.o->nr_standbys)
		sup.board->nr_refills++;
	sup.asked_ns[slot - sup.board->slots] = sup.now_ns;
	sup.pending_ns = sup.now_ns;
	spawner_ask(&sup.spawner, (int)(slot - sup.board->slots));
}
