// SPDX-License-Identifier: GPL-2.0-only
/*
 * supervisor.c - starts the servers of a device, and watches over them
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * The supervisor opens the store, configures the device, makes the board, and
 * has the spawner start the servers.  Then it sleeps until a child ends or a
 * moment has passed, and: replaces who died, kills an active server that hangs
 * while a standby is ready (*fencing*), ends all of them when the device is
 * not in use, steps down when an upgrade has come.
 *
 * It serves nothing and is on the way of no page: when it dies, the servers
 * go on.  In its loop it allocates nothing, opens nothing but what an upgrade
 * needs, and waits for nobody.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "device.h"
#include "spawner.h"
#include "standby.h"
#include "status.h"
#include "supervisor.h"
#include "swapon.h"

#define MS			1000000ull
#define SECOND			(1000 * MS)

/* Between two looks, when something is under way and when nothing is. */
#define TICK_SOON_NS		(50 * MS)
#define TICK_LATE_NS		SECOND
/* So many deaths in so short a time, and nothing answered: a crash loop. */
#define DEATHS_MAX		5
#define DEATHS_NS		(10 * SECOND)
/* Between two servers then; and between two that could not start, at most. */
#define REFILL_SLOW_NS		(10 * SECOND)
#define REFILL_AGAIN_NS		(100 * MS)
/* A server that is idle and told to end, and does not. */
#define END_NS			(5 * SECOND)
/* When the turn has no holder and nothing is answered. */
#define NUDGE_NS		SECOND
/*
 * Fencing did not help: the next one waits longer, up to so much.  It may be
 * the machine that is slow, and not the server that hangs.
 */
#define FENCE_FACTOR_MAX	16

static struct {
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
} me;

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	char text[300];
	int used = snprintf(text, sizeof(text), "swapserver: ");
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - 1 - (size_t)used, format, args);
	va_end(args);
	strcat(text, "\n");
	status_say(text);
}

/* ----------------------------------------------------------------- slots */

/* A server that has been asked for and is not known to have ended. */
static bool slot_is_there(const struct board_slot *slot)
{
	return slot->state >= BOARD_STARTING && slot->state <= BOARD_ACTIVE;
}

static bool slot_is_ours(const struct board_slot *slot)
{
	return slot->crew == me.crew && slot_is_there(slot);
}

static unsigned int slots_ours(enum board_state from)
{
	unsigned int nr = 0;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		nr += slot_is_ours(&me.board->slots[i]) &&
		      me.board->slots[i].state >= from;
	return nr;
}

/* Somebody who sleeps on the turn and is to stay; not counting one slot. */
static bool standby_is_ready(const struct board_slot *but)
{
	const struct board_slot *slot;
	pid_t holder = turn_holder(&me.board->turn);
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		slot = &me.board->slots[i];
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

static void slot_signal(const struct board_slot *slot, int sig)
{
	if (slot->crew != me.crew)
		signal_life(&slot->life, sig);
	else if (slot->pid > 0 && slot_is_there(slot))
		kill(slot->pid, sig);	/* a child that is not reaped yet */
}

/* ----------------------------------------------------- those who are gone */

static void count_death(void)
{
	if (me.counters.ab_ended != me.deaths_ended ||
	    me.now_ns - me.deaths_ns > DEATHS_NS) {
		me.nr_deaths = 0;
		me.deaths_ns = me.now_ns;
		me.deaths_ended = me.counters.ab_ended;
	}
	if (++me.nr_deaths <= DEATHS_MAX || me.crashing)
		return;
	me.crashing = true;
	say("%u servers have died in %llu s, and no request was answered: starting another only every %llu s; look for the cause",
	    me.nr_deaths, (me.now_ns - me.deaths_ns) / SECOND,
	    REFILL_SLOW_NS / SECOND);
}

static void start_failed(void)
{
	if (me.nr_failed_starts < 7)
		me.nr_failed_starts++;
	me.refill_ns = me.now_ns +
		       (REFILL_AGAIN_NS << (me.nr_failed_starts - 1));
	if (me.live || (me.o->upgrade && me.in_office))
		return;
	/* It has said why.  As a single server: it does not start at all. */
	me.ending = true;
	me.ending_ns = me.now_ns;
	me.end_status = EXIT_FAILED;
}

static void server_ended(struct board_slot *slot, const siginfo_t *info)
{
	uint32_t was = slot->state;
	int number = (int)(slot - me.board->slots);

	slot->state = BOARD_ENDED;
	if (info->si_pid == me.fenced_pid)
		me.fenced_pid = 0;
	if (slot->retire || me.ending)
		return;
	if (info->si_code == CLD_EXITED)
		say("server %d in slot %d has ended with status %d",
		    info->si_pid, number, info->si_status);
	else
		say("server %d in slot %d was killed by signal %d (%s)",
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
		if (slot_is_ours(&me.board->slots[i]) &&
		    !me.board->slots[i].pid)
			me.board->slots[i].state = BOARD_ENDED;
}

static void child_ended(const siginfo_t *info)
{
	int i;

	if (info->si_pid == me.spawner.pid) {
		me.spawner.pid = 0;
		forget_unborn();
		if (me.in_office)
			me.board->spawner = 0;
		if (!me.ending && !me.deposed)
			say("the spawner has died: servers are not replaced any more; swapserver --upgrade brings a new one");
		return;
	}
	for (i = 0; i < BOARD_SLOTS; i++)
		if (slot_is_ours(&me.board->slots[i]) &&
		    me.board->slots[i].pid == info->si_pid)
			server_ended(&me.board->slots[i], info);
}

static void collect(void)
{
	int slot, pid = spawner_answer(&me.spawner, &slot);

	if (pid > 0) {
		me.board->slots[slot].pid = pid;
	} else if (pid < 0) {
		me.board->slots[slot].state = BOARD_ENDED;
		if (!me.nr_failed_starts)
			say("no server could be started: %s; trying again",
			    strerror(-pid));
		start_failed();
	}
}

static void reap(void)
{
	siginfo_t info;

	for (;;) {
		collect();
		/* Who ends now may be one whose pid we are about to be told. */
		if (me.spawner.pending && turn_holder(&me.office->spawner))
			return;
		me.spawner.pending = false;
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) || !info.si_pid)
			return;
		child_ended(&info);
	}
}

/* --------------------------------------------------------------- refilling */

static struct board_slot *slot_unused(void)
{
	struct board_slot *slot;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		slot = &me.board->slots[i];
		if (!slot_is_there(slot) && !turn_holder(&slot->life))
			return slot;
	}
	return NULL;
}

static bool refill_may(void)
{
	if (me.ending || me.deposed || !me.spawner.pid || me.spawner.pending ||
	    me.now_ns < me.refill_ns ||
	    slots_ours(BOARD_STARTING) != slots_ours(BOARD_STANDBY) ||
	    slots_ours(BOARD_STARTING) > me.o->nr_standbys)
		return false;
	if (me.crashing && me.counters.ab_ended != me.deaths_ended) {
		me.crashing = false;
		say("requests are answered again: servers are replaced as before");
	}
	return true;
}

/* One at a time: each takes its memory only when the last one has its own. */
static void refill(void)
{
	struct board_slot *slot;

	if (slots_ours(BOARD_STANDBY) > me.o->nr_standbys) {
		me.nr_failed_starts = 0;
		me.start_factor = 1;
	}
	if (!refill_may())
		return;
	slot = slot_unused();
	if (!slot)
		return;
	*slot = (struct board_slot){
		.state = BOARD_STARTING,
		.crew = me.crew,
	};
	if (me.crashing)
		me.refill_ns = me.now_ns + REFILL_SLOW_NS;
	if (me.nr_started++ > me.o->nr_standbys)
		me.board->nr_refills++;
	me.asked_ns[slot - me.board->slots] = me.now_ns;
	me.pending_ns = me.now_ns;
	spawner_ask(&me.spawner, (int)(slot - me.board->slots));
}

/* ----------------------------------------------------------------- fencing */

static void watch_progress(void)
{
	struct abuse_counters c;

	if (ioctl(me.server->client.fd, ABUSE_GET_COUNTERS, &c))
		return;
	if (c.ab_ended != me.counters.ab_ended) {
		me.fence_factor = 1;
		me.alone_said = false;
	}
	/* Bios that wait for a slot do so because of those that have one. */
	if (c.ab_ended != me.counters.ab_ended ||
	    !(c.ab_nr_queued + c.ab_nr_lent) || !me.in_office)
		me.progress_ns = me.now_ns;
	me.counters = c;
}

static struct board_slot *slot_of(pid_t pid)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&me.board->slots[i].life) == pid)
			return &me.board->slots[i];
	return NULL;
}

static struct board_slot *slot_waiting(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (me.board->slots[i].state == BOARD_STANDBY &&
		    turn_holder(&me.board->slots[i].life))
			return &me.board->slots[i];
	return NULL;
}

/* One that was killed and does not go is waited for (I13). */
static void fence_wait(void)
{
	if (me.fenced_said || me.now_ns - me.fenced_ns < END_NS)
		return;
	me.fenced_said = true;
	say("server %d was killed because it hung, and does not go: its requests wait for it",
	    me.fenced_pid);
}

static void fence(void)
{
	pid_t holder = turn_holder(&me.board->turn);
	uint64_t still_ns = me.now_ns - me.progress_ns;
	struct board_slot *slot;

	if (me.fenced_pid) {
		fence_wait();
		return;
	}
	if (!holder && still_ns > NUDGE_NS)
		turn_nudge(&me.board->turn);
	if (!me.o->hang_timeout_s ||
	    still_ns < me.o->hang_timeout_s * SECOND * me.fence_factor)
		return;
	/* Without a holder: it was passed to one that does not take it. */
	slot = holder ? slot_of(holder) : slot_waiting();
	if (!slot)
		return;
	holder = turn_holder(&slot->life);
	if (!standby_is_ready(slot) &&
	    (slot->state == BOARD_ACTIVE || !me.spawner.pid)) {
		if (!me.alone_said)
			say("server %d has answered nothing for %llu s; no standby is ready, so it is left alone",
			    holder, still_ns / SECOND);
		me.alone_said = true;
		return;
	}
	say("server %d has answered nothing for %llu s: killing it, a standby takes over",
	    holder, still_ns / SECOND);
	slot_signal(slot, SIGKILL);
	me.board->nr_fenced++;
	me.fenced_ns = me.now_ns;
	/* Only of a child are we told that it has gone. */
	me.fenced_pid = slot->crew == me.crew ? holder : 0;
	me.fenced_said = false;
	me.progress_ns = me.now_ns;
	if (me.fence_factor < FENCE_FACTOR_MAX)
		me.fence_factor *= 2;
}

/* One that does not start keeps others from being started. */
static void fence_starting(void)
{
	unsigned int limit_s = me.o->start_timeout_s * me.start_factor;
	uint64_t limit_ns = limit_s * SECOND;
	int i;

	if (!limit_ns)
		return;
	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &me.board->slots[i];

		if (!slot_is_ours(slot) || slot->state != BOARD_STARTING ||
		    slot->pid <= 0 || me.now_ns - me.asked_ns[i] < limit_ns)
			continue;
		say("server %d in slot %d was started and is not ready after %u s: killing it",
		    slot->pid, i, limit_s);
		slot_signal(slot, SIGKILL);
		me.board->nr_fenced++;
		me.asked_ns[i] = me.now_ns;
		if (me.start_factor < FENCE_FACTOR_MAX)
			me.start_factor *= 2;
	}
	/* Asked, and it has not even said that it has tried. */
	if (me.spawner.pid && me.spawner.pending && !me.spawner_fenced &&
	    me.now_ns - me.pending_ns > limit_ns) {
		me.spawner_fenced = true;
		say("the spawner has answered nothing for %u s: killing it",
		    limit_s);
		kill(me.spawner.pid, SIGKILL);
	}
}

/* ------------------------------------------------------- retiring, ending */

/*
 * Tell those of our crew, or of all others, to step down: the standbys first,
 * so that the turn goes to one that stays.
 */
static void retire(bool ours)
{
	pid_t holder = turn_holder(&me.board->turn);
	bool waiting = false;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &me.board->slots[i];

		if ((slot->crew == me.crew) != ours ||
		    !turn_holder(&slot->life) ||
		    turn_holder(&slot->life) == holder)
			continue;
		slot->retire = 1;
		slot_signal(slot, SIGUSR1);
		waiting = true;
	}
	for (i = 0; i < BOARD_SLOTS && !waiting; i++) {
		struct board_slot *slot = &me.board->slots[i];

		if ((slot->crew == me.crew) != ours || !holder ||
		    turn_holder(&slot->life) != holder ||
		    (!me.ending && !standby_is_ready(slot)))
			continue;
		slot->retire = 1;
		slot_signal(slot, SIGUSR1);
	}
}

static bool others_live(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (me.board->slots[i].crew != me.crew &&
		    turn_holder(&me.board->slots[i].life))
			return true;
	return false;
}

static void kill_ours(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (slot_is_ours(&me.board->slots[i]))
			slot_signal(&me.board->slots[i], SIGKILL);
}

/* True: there is nobody left, so that we can end, too. */
static bool end(void)
{
	if (!me.ending && !me.deposed)
		return false;
	/* One that is being started is not known by name yet. */
	if (me.spawner.pending && me.spawner.pid)
		return false;
	retire(true);
	if (me.ending && (me.end_status || me.now_ns - me.ending_ns > END_NS))
		kill_ours();
	return !slots_ours(BOARD_STARTING);
}

static void terminate(void)
{
	if (me.deposed || me.ending)
		return;
	if (me.in_office && (ioctl(me.server->client.fd, ABUSE_GET_COUNTERS,
				   &me.counters) || me.counters.ab_nr_opens)) {
		status_say(STATUS_REFUSAL);
		return;
	}
	me.ending = true;
	me.ending_ns = me.now_ns;
	/* An upgrade that was called off has failed. */
	me.end_status = me.in_office ? EXIT_SERVED : EXIT_FAILED;
}

/* ------------------------------------------------------------- the office */

static void take_office(void)
{
	me.board->supervisor = getpid();
	me.board->spawner = me.spawner.pid;
	me.board->crew = me.crew;
	me.board->successor = 0;
	me.in_office = true;
}

/* Our servers can take over, or another's have. */
static void change_office(void)
{
	if (me.in_office && me.board->crew != me.crew) {
		me.in_office = false;
		me.deposed = true;
		say("pid %d has taken over: stepping down",
		    me.board->supervisor);
	}
	if (me.in_office || me.deposed || me.ending ||
	    slots_ours(BOARD_STANDBY) <= me.o->nr_standbys)
		return;
	take_office();
	say("upgrade: %u new servers are ready; the old ones step down",
	    me.o->nr_standbys + 1);
}

static void go_live(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS && !me.live; i++)
		me.live = slot_is_ours(&me.board->slots[i]) &&
			  me.board->slots[i].state == BOARD_ACTIVE;
	if (!me.live)
		return;
	status_ready();
	swapon_go();
}

static void look(void)
{
	me.now_ns = board_now_ns();
	watch_progress();
	reap();
	change_office();
	if (!me.live)
		go_live();
	if (me.in_office && others_live())
		retire(false);
	refill();
	fence_starting();
	if (me.in_office && !me.ending)
		fence();
	if (me.live && !me.nobody_said && !me.ending && !me.deposed &&
	    !me.spawner.pid && !slots_ours(BOARD_STARTING)) {
		me.nobody_said = true;
		say("no server is left; the store is kept here: start swapserver with --upgrade");
	}
}

static uint64_t tick_ns(void)
{
	uint64_t hang_ns = me.o->hang_timeout_s * SECOND / 4;

	if (!me.live || me.ending || me.deposed || !me.in_office ||
	    me.spawner.pending || others_live() ||
	    (me.spawner.pid && slots_ours(BOARD_STANDBY) <= me.o->nr_standbys))
		return TICK_SOON_NS;
	return hang_ns && hang_ns < TICK_LATE_NS ? hang_ns : TICK_LATE_NS;
}

static int loop(void)
{
	siginfo_t info;

	for (;;) {
		uint64_t ns = tick_ns();
		const struct timespec limit = {
			.tv_sec = (time_t)(ns / SECOND),
			.tv_nsec = (long)(ns % SECOND),
		};
		int sig = sigtimedwait(&me.signals, &info, &limit);

		look();
		if (sig > 0 && sig != SIGCHLD)
			terminate();
		if (end())
			return me.end_status;
	}
}

/* ---------------------------------------------------------------- starting */

/*
 * The store, opened; the device, configured; the board.  0 or an exit status.
 * The servers bind the device, since who does counts as one.
 */
static int start_new(struct options *o, struct server *s)
{
	static struct board first;
	int status;

	if (strlen(o->backend) >= sizeof(first.backend)) {
		fputs("swapserver: the backend's name and options are too long\n",
		      stderr);
		return EXIT_FAILED;
	}
	if (board_check_free(o->device) ||
	    backend_open(&s->backend, o->backend, &o->size_bytes,
			 o->blocksize_bytes))
		return EXIT_FAILED;
	status = device_check_store(o, s);
	if (status)
		return status;
	if (device_configure(o, s))
		return EXIT_FAILED;
	first = (struct board){
		.magic = BOARD_MAGIC,
		.version = BOARD_VERSION,
		.bytes = sizeof(first),
		.device = o->device,
		.size_bytes = o->size_bytes,
		.blocksize_bytes = o->blocksize_bytes,
		.active = BOARD_NOBODY,
	};
	memcpy(first.backend, o->backend, strlen(o->backend) + 1);
	memcpy(first.store_id, s->backend.store_id, sizeof(first.store_id));
	me.board = board_make(o->device, &first, &me.board_fd);
	if (!me.board) {
		abuse_unconfigure(&s->client);
		return EXIT_FAILED;
	}
	me.crew = 0;
	take_office();
	return 0;
}

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
	bool supervised = turn_holder(&board->office[board->crew & 1].supervisor);
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &board->slots[i];

		if (slot_is_there(slot) && !turn_holder(&slot->life) &&
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
		if (!slot_is_there(&board->slots[i]) ||
		    board->slots[i].crew != crew)
			continue;
		crew += 2;
		i = -1;		/* anew, for this number */
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
static int start_upgrade(struct options *o, struct server *s)
{
	const struct board_office *old;
	pid_t pid;

	me.board = board_open(o->device, &me.board_fd);
	if (!me.board)
		return EXIT_FAILED;
	pid = somebody(me.board, &old);
	if (!pid)
		return upgrade_fail("nobody runs that could be replaced; start without --upgrade");
	if (strcmp(me.board->backend, o->backend) ||
	    me.board->blocksize_bytes != o->blocksize_bytes ||
	    me.board->size_bytes != o->size_bytes)
		return upgrade_fail("backend, size or block size is not what the servers that run have; give the same");
	if (!turn_try(&me.board->office[(me.board->crew + 1) & 1].supervisor))
		return upgrade_fail("another upgrade is under way");
	clear_slots(me.board);
	me.crew = next_crew(me.board);
	me.board->successor = getpid();
	s->backend.fd = take_descriptor(pid, old->store_fd);
	s->backend.memory_fd = take_descriptor(pid, old->memory_fd);
	if (s->backend.fd < -1 || s->backend.memory_fd < -1)
		return EXIT_FAILED;
	memcpy(s->backend.store_id, me.board->store_id,
	       sizeof(s->backend.store_id));
	if (backend_open(&s->backend, o->backend, &o->size_bytes,
			 o->blocksize_bytes))
		return EXIT_FAILED;
	return device_check_store(o, s);
}

/* Taken one by one when we wait for them, from the start. */
static void block_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
				       SIGCHLD };
	size_t i;

	sigemptyset(&me.signals);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&me.signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &me.signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Inherited as ignored, children would vanish without a word. */
	signal(SIGCHLD, SIG_DFL);
}

static int start_crew(const struct options *o, struct server *s)
{
	struct protections prot = o->protections;
	const struct inherited in = {
		.board_fd = me.board_fd,
		.status_fd = status_descriptor(),
		.store_fd = s->backend.fd,
		.memory_fd = s->backend.memory_fd,
	};

	me.office = &me.board->office[me.crew & 1];
	me.office->store_fd = in.store_fd;
	me.office->memory_fd = in.memory_fd;
	if (spawner_start(&me.spawner, o, s, me.board, me.crew, &in))
		return -1;
	if (me.in_office)
		me.board->spawner = me.spawner.pid;
	if (protect_apply(&prot, PROTECT_MASK_SUPERVISOR, s))
		return -1;
	board_touch(me.board);
	return 0;
}

/* The device as it was found, and no board that says that somebody serves. */
static void leave(struct server *s, int status)
{
	char path[64];

	if (me.spawner.pid > 0)
		kill(me.spawner.pid, SIGKILL);
	if (status && !me.o->upgrade)
		abuse_unconfigure(&s->client);
	if (me.board && !me.in_office && me.board->successor == getpid())
		me.board->successor = 0;
	if (!me.board || !me.in_office || others_live())
		return;
	board_path(path, sizeof(path), me.o->device);
	unlink(path);
}

/*
 * Servers whose supervisor was killed: started again, by a service manager or
 * by hand, we take its place, whatever the command line says; a store of our
 * own would be another, and an empty one.
 */
static bool adopts(struct options *o)
{
	if (o->upgrade || !board_is_orphaned(o->device))
		return false;
	fputs("swapserver: the servers of this device have lost their supervisor: taking over from them\n",
	      stderr);
	o->upgrade = true;
	return true;
}

/* After an upgrade it is swapped on as before, if it was. */
static bool swaps_on(const struct options *o, bool adopted)
{
	return !o->upgrade || (adopted && !swapon_is_on(o->device));
}

int supervisor_run(struct options *o, struct server *s)
{
	int err = turn_init();
	bool adopted;

	me.o = o;
	me.server = s;
	me.fence_factor = 1;
	me.start_factor = 1;
	if (err) {
		fprintf(stderr, "swapserver: set_robust_list: %s\n",
			strerror(-err));
		return EXIT_FAILED;
	}
	/* systemd's last killing spree spares what begins with an @. */
	o->argv[0][0] = '@';
	if (device_open(o, s))
		return EXIT_FAILED;
	adopted = adopts(o);
	err = o->upgrade ? start_upgrade(o, s) : start_new(o, s);
	if (err)
		return err;
	if (status_open(o->status_path, o->ready_path) ||
	    (swaps_on(o, adopted) && swapon_prepare(o)))
		err = EXIT_FAILED;
	block_signals();
	if (!err && start_crew(o, s))
		err = EXIT_FAILED;
	if (!err)
		err = loop();
	leave(s, err);
	return err;
}
