// SPDX-License-Identifier: GPL-2.0-only
/*
 * standby.c - one of several servers: waits for its turn, then serves
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * It gets ready as any server does (swapserver.c), and then sleeps on the turn
 * of the board.  When the active server dies the kernel wakes it, and from
 * there to the first answer it opens, maps, starts and allocates nothing.
 * What the dead one had been lent the module gives it only when that one is
 * past all its system calls (I13), so that it waits inside ABUSE_SERVE.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "board.h"
#include "device.h"
#include "in_use.h"
#include "standby.h"
#include "status.h"

/* Between two looks at the page faults: a system call each. */
#define STANDBY_FAULTS_ROUNDS	64

/* One a process; also for the signal handlers. */
static struct {
	struct board *board;
	struct board_slot *slot;
	struct server *server;
	/* From the turn to the first answer. */
	bool taking_over;
	uint64_t since_ns;
	struct rusage before;
} me;

void inherited_write(char *text, size_t text_bytes, const struct inherited *in)
{
	snprintf(text, text_bytes, "--inherit=%d,%d,%d,%d,%d", in->board_fd,
		 in->status_fd, in->store_fd, in->memory_fd, in->slot);
}

int inherited_read(const char *text, struct inherited *in)
{
	char end;

	return sscanf(text, "%d,%d,%d,%d,%d%c", &in->board_fd, &in->status_fd,
		      &in->store_fd, &in->memory_fd, &in->slot, &end) == 5 &&
	       in->slot >= 0 && in->slot < BOARD_SLOTS ? 0 : -1;
}

/* --------------------------------------------------------------- signals */

static const struct board_office *my_office(void)
{
	return &me.board->office[me.slot->crew & 1];
}

/*
 * Only to end a sleep: the reason stands on the board.  The supervisor sends
 * it again until we are gone, for it may come just before we go to sleep.
 */
static void on_retire(int sig)
{
	(void)sig;
}

/*
 * SIGTERM and its like are the supervisor's business, who gets them from a
 * terminal or a service manager at the same time.  If it is no more, ours.
 */
static void on_terminate(int sig)
{
	int saved = errno;

	(void)sig;
	if (!turn_holder(&my_office()->supervisor)) {
		if (!in_use(me.server->client.fd))
			me.slot->retire = BOARD_END_UNUSED;
		else
			status_say(STATUS_REFUSAL);
	}
	errno = saved;
}

static int handle_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	const struct sigaction terminate = { .sa_handler = on_terminate };
	/* No SA_RESTART: it is to interrupt. */
	const struct sigaction retire = { .sa_handler = on_retire };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	bool failed = false;
	sigset_t none;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		failed |= sigaction(ends[i], &terminate, NULL) != 0;
	failed |= sigaction(SIGUSR1, &retire, NULL) != 0;
	failed |= sigaction(SIGPIPE, &ignore, NULL) != 0;
	/* The spawner's mask came through exec. */
	sigemptyset(&none);
	failed |= sigprocmask(SIG_SETMASK, &none, NULL) != 0;
	if (failed)
		fprintf(stderr, "swapserver: sigaction: %s\n",
			strerror(errno));
	return failed ? -1 : 0;
}

/* --------------------------------------------------------------- serving */

static uint64_t faults_since(const struct rusage *before, uint64_t *major)
{
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	*major = (uint64_t)(now.ru_majflt - before->ru_majflt);
	return (uint64_t)(now.ru_minflt - before->ru_minflt);
}

/* Does anybody wait for us? */
static bool in_care(void)
{
	struct abuse_counters c;

	return ioctl(me.server->client.fd, ABUSE_GET_COUNTERS, &c) ||
	       c.ab_accepted != c.ab_ended;
}

/* The first answer has been given, or none is asked for. */
static void taken_over(void)
{
	struct board *board = me.board;
	uint64_t at = board->nr_takeovers % BOARD_TAKEOVERS, minor, major;

	board->takeover_ns[at] = board_now_ns() - me.since_ns;
	minor = faults_since(&me.before, &major);
	board->takeover_faults[at] = (uint32_t)(minor + major);
	/* Last: who reads the number finds the entry. */
	board->nr_takeovers++;
	me.taking_over = false;
}

/*
 * Told to end when nobody has the device open, and somebody has: it was opened
 * meanwhile.  Here, before anything more is answered: who opens it later finds
 * nobody who answers, so that nothing of his can be lost.
 */
static bool goes(void)
{
	uint32_t told = BOARD_END_UNUSED;

	if (me.slot->retire != BOARD_END_UNUSED)
		return me.slot->retire == BOARD_STEP_DOWN;
	if (!in_use(me.server->client.fd))
		return true;
	/* It may say STEP_DOWN by now. */
	atomic_compare_exchange_strong(&me.slot->retire, &told, BOARD_STAY);
	return me.slot->retire == BOARD_STEP_DOWN;
}

/* server.round: the heart-beat on the board, and whether to go (1). */
static int standby_round(struct server *s, unsigned int nr)
{
	struct board_slot *slot = me.slot;
	uint64_t major;
	int err;

	if (me.taking_over && nr) {
		err = serve_hand_in(s);
		if (err)
			return err;
		taken_over();
	} else if (me.taking_over && !in_care()) {
		taken_over();
	}
	slot->nr_rounds++;
	slot->nr_requests += nr;
	slot->nr_absent = s->client.nr_absent;
	slot->nr_stale = s->client.nr_stale;
	if (slot->nr_rounds % STANDBY_FAULTS_ROUNDS == 1) {
		slot->nr_minor_faults = faults_since(&me.before, &major);
		slot->nr_major_faults = major;
	}
	return goes();
}

/* Sleep until it is ours.  False: we are told to go before. */
static bool wait_for_turn(void)
{
	while (turn_take(&me.board->turn))
		if (me.slot->retire)
			return false;
	return !me.slot->retire;
}

/* The turn is ours: be the active server.  Returns 0 or -errno. */
static int become_active(void)
{
	struct board *board = me.board;
	struct server *s = me.server;
	uint64_t now_ns = board_now_ns();
	uint64_t killed_ns = atomic_exchange(&board->killed_ns, 0);
	uint32_t last = atomic_exchange(&board->active,
					(uint32_t)(me.slot - board->slots));
	int err = 0;

	if (last == BOARD_NOBODY) {
		/* The device gets its capacity. */
		err = abuse_go_live(&s->client);
	} else {
		me.taking_over = true;
		me.since_ns = killed_ns && killed_ns < now_ns ? killed_ns :
								now_ns;
		if (s->backend.ops->recover)
			s->backend.ops->recover(&s->backend);
	}
	me.slot->state = BOARD_ACTIVE;
	return err;
}

/* ---------------------------------------------------------------- starting */

static int take_place(const struct options *o, struct server *s)
{
	struct inherited in;
	int err;

	if (inherited_read(o->inherit, &in)) {
		fputs("swapserver: --inherit is not for people\n", stderr);
		return -1;
	}
	me.board = board_map(in.board_fd);
	if (!me.board)
		return -1;
	me.slot = &me.board->slots[in.slot];
	me.server = s;
	err = turn_init();
	if (err) {
		fprintf(stderr, "swapserver: set_robust_list: %s\n",
			strerror(-err));
		return -1;
	}
	if (!turn_try(&me.slot->life)) {
		fprintf(stderr, "swapserver: slot %d is taken\n", in.slot);
		return -1;
	}
	me.slot->pid = getpid();
	me.slot->started_ns = board_now_ns();
	snprintf(me.slot->version, sizeof(me.slot->version), "%s",
		 ABUSE_VERSION);
	s->backend.fd = in.store_fd;
	s->backend.memory_fd = in.memory_fd;
	status_inherit(in.status_fd);
	return 0;
}

/* PF_MEMALLOC came through spawn and exec, so that we could start at all. */
static int take_scope(const struct options *o)
{
	int err;

	err = protect_has_memalloc();
	if (err < 0) {
		fprintf(stderr, "swapserver: the flags of this task: %s\n",
			strerror(-err));
		return err;
	}
	me.slot->scope_inherited = err > 0;
	if (!me.slot->scope_inherited) {
		fputs("swapserver: a server was started without the reserve scope; the spawner has lost it\n",
		      stderr);
		return -1;
	}
	if (o->protections.p[PROTECT_SCOPE].wanted)
		return 0;
	err = abuse_set_scope(&me.server->client, ABUSE_SCOPE_THREAD,
			       ABUSE_SCOPE_NONE);
	if (err)
		fprintf(stderr,
			"swapserver: scope: %s; needs CAP_SYS_RESOURCE: run as root\n",
			strerror(-err));
	return err;
}

/* 0 or an exit status. */
static int start(struct options *o, struct server *s)
{
	const struct status_who who = {
		.role = "standby",
		.slot = (int)(me.slot - me.board->slots),
	};
	struct backend *b = &s->backend;
	int status;

	if (handle_signals() || device_open(o, s) || take_scope(o))
		return EXIT_FAILED;
	/* As the supervisor configured it, whatever the command line leaves open. */
	o->size_bytes = me.board->size_bytes;
	memcpy(b->store_id, me.board->store_id, sizeof(b->store_id));
	if (backend_open(b, o->backend, &o->size_bytes,
			 o->blocksize_bytes) ||
	    backend_attach(b, s->client.fd) ||
	    serve_init(s) || device_check_module(o, s) ||
	    protect_apply(&o->protections, PROTECT_MASK_ALL, s))
		return EXIT_FAILED;
	status = device_bind_store(o, s);
	if (status)
		return status;
	me.slot->protections = o->protections;
	return status_server(s, &o->protections, &who) ? EXIT_FAILED : 0;
}

int standby_run(struct options *o, struct server *s)
{
	int err;

	/* exec by descriptor has made a number of it. */
	prctl(PR_SET_NAME, "swapserver");
	if (take_place(o, s))
		return EXIT_FAILED;
	err = start(o, s);
	if (err)
		return err;
	s->round = standby_round;
	board_touch(me.board);
	getrusage(RUSAGE_SELF, &me.before);
	status_mark();
	me.slot->state = BOARD_STANDBY;
	if (!wait_for_turn()) {
		status_end(s, 0);
		return EXIT_SERVED;
	}
	err = become_active();
	if (!err)
		err = serve_loop(s);
	status_end(s, err);
	if (!err)
		return EXIT_SERVED;
	fprintf(stderr, "swapserver: serving failed: %s\n", strerror(-err));
	return EXIT_FAILED;
}
