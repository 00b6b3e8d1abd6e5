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
 * needs, and waits for nobody; what it has to say is said when somebody serves.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "board.h"
#include "crew.h"
#include "device.h"
#include "fence.h"
#include "in_use.h"
#include "spawner.h"
#include "standby.h"
#include "status.h"
#include "supervision.h"
#include "supervisor.h"
#include "swapon.h"
#include "upgrade.h"

/* Between two looks, when something is under way and when nothing is. */
#define TICK_SOON_NS		(50 * MS)
#define TICK_LATE_NS		SECOND

struct supervision sup;

/* ---------------------------------------------------------------- messages */

/* A pipe takes so much at once. */
static char said[4096];

static void say_line(const char *line)
{
	if (strlen(said) + strlen(line) < sizeof(said))
		strcat(said, line);
}

void supervisor_say(const char *format, ...)
{
	char text[300];
	int used = snprintf(text, sizeof(text), "swapserver: ");
	va_list args;

	va_start(args, format);
	vsnprintf(text + used, sizeof(text) - 1 - (size_t)used, format, args);
	va_end(args);
	strcat(text, "\n");
	say_line(text);
}

/*
 * The kernel may need a page to take a message, and wait for it until somebody
 * serves: that this is so comes first, wherever we can do something about it.
 */
static void speak(void)
{
	if (!said[0] || (sup.live && !turn_holder(&sup.board->turn) &&
			 sup.spawner.pid && !sup.ending && !sup.deposed))
		return;
	status_say(said);
	said[0] = '\0';
}

/* ---------------------------------------------------------------- ending */

bool supervisor_in_use(void)
{
	return in_use(sup.server->client.fd);
}

static void kill_ours(void)
{
	pid_t holder = turn_holder(&sup.board->turn);
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		const struct board_slot *slot = &sup.board->slots[i];

		if (crew_is_ours(slot) && (!holder || slot->pid != holder ||
					   upgrade_may_go(slot)))
			crew_signal(slot, SIGKILL);
	}
}

/* The device was opened since we were told to end: we stay, and all of ours. */
static void stay(void)
{
	int i;

	sup.ending = false;
	for (i = 0; i < BOARD_SLOTS; i++)
		if (crew_is_ours(&sup.board->slots[i]))
			sup.board->slots[i].retire = BOARD_STAY;
	say_line(STATUS_REFUSAL);
}

/* True: there is nobody left, so that we can end, too. */
static bool end(void)
{
	if (!sup.ending && !sup.deposed)
		return false;
	if (sup.ending && !sup.end_status && supervisor_in_use()) {
		stay();
		return false;
	}
	/* One that is being started is not known by name yet. */
	if (sup.spawner.pending && sup.spawner.pid)
		return false;
	upgrade_retire(true);
	if (sup.ending &&
	    (sup.end_status || sup.now_ns - sup.ending_ns > END_NS))
		kill_ours();
	return !crew_count(BOARD_STARTING);
}

static void terminate(void)
{
	if (sup.deposed || sup.ending)
		return;
	if (sup.in_office && supervisor_in_use()) {
		say_line(STATUS_REFUSAL);
		return;
	}
	sup.ending = true;
	sup.ending_ns = sup.now_ns;
	/* An upgrade that was called off has failed. */
	sup.end_status = sup.in_office ? EXIT_SERVED : EXIT_FAILED;
}

/* SIGUSR2: an upgrade that is not in office yet is called off; else nothing. */
static void call_off(void)
{
	if (!sup.in_office)
		terminate();
}

/* ---------------------------------------------------------------- the loop */

static void go_live(void)
{
	int i;

	for (i = 0; i < BOARD_SLOTS && !sup.live; i++)
		sup.live = crew_is_ours(&sup.board->slots[i]) &&
			   sup.board->slots[i].state == BOARD_ACTIVE;
	if (!sup.live)
		return;
	status_ready();
	swapon_go();
}

static void look(void)
{
	sup.now_ns = board_now_ns();
	fence_watch();
	crew_reap();
	upgrade_change_office();
	if (!sup.live)
		go_live();
	if (sup.in_office && upgrade_left_over_live())
		upgrade_retire(false);
	crew_refill();
	fence_starting();
	if (sup.in_office && !sup.ending)
		fence_hung();
	if (sup.live && !sup.nobody_said && !sup.ending && !sup.deposed &&
	    !sup.spawner.pid && !crew_count(BOARD_STARTING)) {
		sup.nobody_said = true;
		supervisor_say("no server is left; the store is kept here: start swapserver with --upgrade");
	}
}

static uint64_t tick_ns(void)
{
	uint64_t hang_ns = sup.o->hang_timeout_s * SECOND / 4;

	if (!sup.live || sup.ending || sup.deposed || !sup.in_office ||
	    sup.spawner.pending || upgrade_others_live() ||
	    (sup.spawner.pid &&
	     crew_count(BOARD_STANDBY) <= sup.o->nr_standbys))
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
		int sig = sigtimedwait(&sup.signals, &info, &limit);

		look();
		if (sig == SIGUSR2)
			call_off();
		else if (sig > 0 && sig != SIGCHLD)
			terminate();
		if (end())
			return sup.end_status;
		speak();
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
	sup.board = board_make(o->device, &first, &sup.board_fd);
	if (!sup.board) {
		abuse_unconfigure(&s->client);
		return EXIT_FAILED;
	}
	sup.crew = 0;
	upgrade_take_office();
	return 0;
}

/* Taken one by one when we wait for them, from the start. */
static void block_signals(void)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT,
				       SIGUSR2, SIGCHLD };
	size_t i;

	sigemptyset(&sup.signals);
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&sup.signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &sup.signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* Inherited as ignored, children would vanish without a word. */
	signal(SIGCHLD, SIG_DFL);
}

static int start_crew(const struct options *o, struct server *s)
{
	struct protections prot = o->protections;
	const struct inherited in = {
		.board_fd = sup.board_fd,
		.status_fd = status_descriptor(),
		.store_fd = s->backend.fd,
		.memory_fd = s->backend.memory_fd,
	};

	sup.office = &sup.board->office[sup.crew & 1];
	sup.office->crew = sup.crew;
	sup.office->store_fd = in.store_fd;
	sup.office->memory_fd = in.memory_fd;
	if (spawner_start(&sup.spawner, o, s, sup.board, sup.crew, &in))
		return -1;
	if (sup.in_office)
		sup.board->spawner = sup.spawner.pid;
	if (protect_apply(&prot, PROTECT_MASK_SUPERVISOR, s))
		return -1;
	board_touch(sup.board);
	return 0;
}

/* The device as it was found, and no board that says that somebody serves. */
static void leave(struct server *s, int status)
{
	char path[64];

	if (said[0])
		status_say(said);
	if (sup.spawner.pid > 0)
		kill(sup.spawner.pid, SIGKILL);
	if (status && !sup.o->upgrade)
		abuse_unconfigure(&s->client);
	if (sup.board && !sup.in_office && sup.board->successor == getpid())
		sup.board->successor = 0;
	if (!sup.board || !sup.in_office || upgrade_others_live())
		return;
	board_path(path, sizeof(path), sup.o->device);
	unlink(path);
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

	sup.o = o;
	sup.server = s;
	sup.fenced_fd = -1;
	sup.fence_factor = 1;
	sup.start_factor = 1;
	if (err) {
		fprintf(stderr, "swapserver: set_robust_list: %s\n",
			strerror(-err));
		return EXIT_FAILED;
	}
	/* systemd's last killing spree spares what begins with an @. */
	o->argv[0][0] = '@';
	if (device_open(o, s))
		return EXIT_FAILED;
	adopted = upgrade_adopts(o);
	err = o->upgrade ? upgrade_start(o, s) : start_new(o, s);
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
