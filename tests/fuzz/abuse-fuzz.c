// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will do operations drawn at random, valid and not, on all nodes of
 * the module from a score of processes, and see that each gives what the
 * contract says, that data read is data written, and that in the end
 * everything balances.
 *
 * Where it stands: [fuzzer] > /dev/abctlN, /dev/abuseN, sysfs > module.
 *
 *     abuse-fuzz [--seconds N] [--seed S] [--verbose]
 *                [--replay ACTOR:FROM-TO[,ACTOR:FROM-TO...]]
 *
 * or, as the runner has it, T_SECONDS, T_SEED, T_VERBOSE, T_REPLAY in the
 * environment, and T_COVER (see lib/fz_cover.c).  The first line of output says the seed.  The same seed gives
 * the same operations per actor (lib/fz.h); how they mix is the scheduler's.
 * A replay has the actors that it names do those operations, all others that
 * are not needed to serve nothing, and ends when they have been done.
 *
 * Device 0: everything goes.  Device 1: data is verified; hostile servers may
 * do what must not harm it.  Device 2: often configured anew.  From 8 on:
 * devices that come and go.
 *
 * time: 120
 * busted: module=accept-stale
 * busted: module=lose-on-release
 * busted: module=requeue-copying
 * busted: module=short-copy
 * busted: module=complete-uncopied
 * busted: module=leak-address
 * busted: module=any-status
 * busted: module=put-unchecked
 * busted: module=reset-in-use
 * invariant: I1 I4 I5 I10 I11 I12
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fz.h"

#define DEFAULT_SECONDS	20
#define PROGRESS_MS	5000
/* What ending takes: the last operations, the devices made idle. */
#define END_S		60
#define STOP_MS		3000

struct fz_shared *fz;

static long limit_s = DEFAULT_SECONDS;

/* The actors, in the order of their numbers: replays depend on it. */
static const struct {
	const struct fz_kind *kind;
	int device;
	uint32_t part;
} cast[] = {
	{ &fz_janitor, FZ_WILD, 0 },
	{ &fz_janitor, FZ_CHURN, 0 },
	{ &fz_good_server, FZ_MODEL, 0 },
	{ &fz_good_server, FZ_MODEL, 1 },
	{ &fz_good_legacy, FZ_MODEL, 2 },
	{ &fz_submitter, FZ_MODEL, 0 },
	{ &fz_submitter, FZ_MODEL, 1 },
	{ &fz_submitter, FZ_MODEL, 2 },
	{ &fz_guest, FZ_MODEL, 0 },
	{ &fz_guest, FZ_MODEL, 1 },
	{ &fz_hostile, FZ_WILD, 0 },
	{ &fz_hostile, FZ_WILD, 1 },
	{ &fz_hostile, FZ_CHURN, 2 },
	{ &fz_configurator, FZ_CHURN, 0 },
	{ &fz_wild_io, FZ_WILD, 0 },
	{ &fz_wild_io, FZ_WILD, 1 },
	{ &fz_wild_io, FZ_CHURN, 2 },
	{ &fz_attributes, FZ_WILD, 0 },
	{ &fz_control, FZ_WILD, 0 },
	{ &fz_killer, FZ_MODEL, 0 },
};

#define NR_CAST (sizeof(cast) / sizeof(cast[0]))

/* Which operations; all, unless it is a replay. */
static struct {
	bool acts;
	uint64_t from, to;
} part[NR_CAST];
static bool replays;

static void __attribute__((noreturn)) usage(void)
{
	fputs("usage: abuse-fuzz [--seconds N] [--seed S] [--verbose] [--replay ACTOR:FROM-TO,...]\n",
	      stderr);
	exit(2);
}

static void parse_replay(const char *text)
{
	unsigned long long from, to;
	unsigned int actor;
	int used;

	replays = true;
	for (;;) {
		if (sscanf(text, "%u:%llu-%llu%n", &actor, &from, &to,
			   &used) != 3 || actor >= NR_CAST || to < from)
			usage();
		part[actor].acts = true;
		part[actor].from = from;
		part[actor].to = to + 1;
		text += used;
		if (!*text)
			return;
		if (*text++ != ',')
			usage();
	}
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seconds", required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "replay", required_argument, NULL, 'r' },
		{ 0 }
	};
	const char *seconds = getenv("T_SECONDS"), *seed = getenv("T_SEED");
	const char *replay = getenv("T_REPLAY");
	int option;

	fz->verbose = getenv("T_VERBOSE");
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'n')
			seconds = optarg;
		else if (option == 's')
			seed = optarg;
		else if (option == 'v')
			fz->verbose = true;
		else if (option == 'r')
			replay = optarg;
		else
			usage();
	}
	if (seconds && *seconds)
		limit_s = atol(seconds);
	fz->seed = 1;
	if (seed && *seed)
		fz->seed = strtoull(seed, NULL, 0);
	if (limit_s < 1)
		usage();
	if (replay && *replay)
		parse_replay(replay);
}

/* ---------------------------------------------------------------- devices */

static void find_backings(void)
{
	static const char * const paths[] = { "/dev/store", "/dev/store1" };
	int i;

	for (i = 0; i < 2; i++)
		if (!access(paths[i], R_OK | W_OK))
			strcpy(fz->backing[i], paths[i]);
}

/* Device 1: configured, with its backing, and held open to the end. */
static void make_model(void)
{
	struct abuse_info info = {
		.ab_size = FZ_STORE_BYTES,
		.ab_blocksize = 512,
		.ab_max_queue = 32,
		.ab_flags = ABUSE_FLAGS_WRITE_CACHE | ABUSE_FLAGS_DISCARD |
			    ABUSE_FLAGS_WRITE_ZEROES,
	};
	struct abuse_backing b = { 0 };
	int ctl = fz_ctl_open_nr(FZ_MODEL, O_CLOEXEC), fd;

	fz_model_init();
	T_OK(ctl);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_OK(fz_attr_write(FZ_MODEL, "max_owners", "0"));
	if (fz->backing[0][0]) {
		b.ab_fd = open(fz->backing[0], O_RDWR | O_CLOEXEC);
		T_OK(t_ioctl(ctl, ABUSE_SET_BACKING, &b));
		close(b.ab_fd);
	}
	t_go_live(ctl);
	fd = fz_blk_open_nr(FZ_MODEL, O_RDWR | O_CLOEXEC);
	T_OK(fd);
	/* Pages of others' stretches must not come along. */
	T_OK(T_RET(ioctl(fd, BLKRASET, 0)));
	fz_model->hold_fd = fd;
	close(ctl);
}

/* ----------------------------------------------------------------- actors */

static void start(struct fz_actor *a)
{
	pid_t pid;

	a->nr_starts++;
	a->step_began_ms = t_now_ms();
	pid = t_fork(false);
	if (pid) {
		a->pid = pid;	/* not in the child: it is shared */
	} else {
		/* It keeps nothing in use by itself. */
		close(fz_model->hold_fd);
		fz_act(a, part[a->index].from, part[a->index].to);
	}
}

static void start_all(void)
{
	uint32_t i;

	fz->nr_actors = NR_CAST;
	for (i = 0; i < NR_CAST; i++) {
		struct fz_actor *a = &fz->actors[i];

		a->kind = cast[i].kind;
		a->index = i;
		a->device = cast[i].device;
		a->part = cast[i].part;
		if (!replays || (a->kind->serves && !part[i].acts)) {
			part[i].acts = true;
			part[i].to = UINT64_MAX;
		}
		a->finished = !part[i].acts;
	}
	for (i = 0; i < NR_CAST; i++)
		if (part[i].acts)
			start(&fz->actors[i]);
}

/* Those that died are started again; true if all (that do not serve) ended. */
static bool look_after(bool servers)
{
	bool all = true;
	uint32_t i;

	for (i = 0; i < NR_CAST; i++) {
		struct fz_actor *a = &fz->actors[i];

		if (a->pid && t_ended(a->pid)) {
			int status = t_reap(a->pid);

			a->pid = 0;
			FZ_EXPECT(a, !WIFSIGNALED(status) ||
				  WTERMSIG(status) == SIGKILL,
				  "an actor: expected it to live, found it ended by signal %d",
				  WTERMSIG(status));
			FZ_EXPECT(a, !WIFEXITED(status) || !WEXITSTATUS(status),
				  "an actor: expected exit status 0, found %d",
				  WEXITSTATUS(status));
			if (!a->finished)
				start(a);
		}
		all &= !a->pid || (a->kind->serves && !servers);
	}
	return all;
}

/* An operation that does not end is a finding, and the end. */
static void look_for_stuck(void)
{
	uint32_t i;

	for (i = 0; i < NR_CAST; i++) {
		struct fz_actor *a = &fz->actors[i];
		long ms = t_now_ms() - a->step_began_ms;
		long limit_ms = a->kind->patience_ms * t_time_factor();

		if (!a->pid || a->finished || ms <= limit_ms)
			continue;
		fz_finding(a, "expected the operation's end within %ld ms, found it in state %c after %ld ms",
			   limit_ms, t_state(a->pid), ms);
		a->step_began_ms = t_now_ms();
		fz->stop = true;
	}
}

static uint64_t operations(void)
{
	uint64_t nr = 0;
	uint32_t i;

	for (i = 0; i < NR_CAST; i++)
		nr += fz->actors[i].nr_ops;
	return nr;
}

static uint64_t calls(void)
{
	uint64_t nr = 0;
	uint32_t i;

	for (i = 0; i < fz_nr_calls; i++)
		nr += fz->nr_calls[i];
	return nr;
}

static void run(void)
{
	long began = t_now_ms(), said = began, now;

	while (!fz->stop) {
		now = t_now_ms();
		if (now - began >= limit_s * 1000 && !replays)
			break;
		if (now - said >= PROGRESS_MS) {
			said = now;
			printf("progress: %ld s, %llu operations, %llu ioctls, %llu bios, %u findings\n",
			       (now - began) / 1000,
			       (unsigned long long)operations(),
			       (unsigned long long)calls(),
			       (unsigned long long)fz->nr_bios,
			       fz->nr_findings);
			fflush(stdout);
		}
		if (look_after(false) && replays)
			break;
		look_for_stuck();
		fz_watch();
		fz_sleep_us(10000);
	}
	fz->stop = true;
}

/*
 * The last close writes out what the page cache still has: by a process of
 * its own, for the servers that must answer are ours to start again.
 */
static void close_model(void)
{
	pid_t pid = t_fork(false);
	long began = t_now_ms();

	if (!pid) {
		close(fz_model->hold_fd);
		_exit(0);
	}
	close(fz_model->hold_fd);
	while (!t_ended(pid) && t_now_ms() - began < t_patience_ms()) {
		look_after(false);
		fz_sleep_us(1000);
	}
	t_kill(pid, SIGKILL);
}

/* First those who ask for I/O, then those who answer it. */
static void stop_all(void)
{
	long began = t_now_ms();
	uint32_t i;

	while (!look_after(false) && t_now_ms() - began < STOP_MS)
		fz_sleep_us(1000);
	for (i = 0; i < NR_CAST; i++) {
		struct fz_actor *a = &fz->actors[i];

		if (!a->pid || a->kind->serves)
			continue;
		a->finished = true;
		kill(a->pid, SIGKILL);
	}
	began = t_now_ms();
	while (!look_after(false) && t_now_ms() - began < t_patience_ms())
		fz_sleep_us(1000);
	close_model();
	fz->stop_servers = true;
	for (i = 0; i < NR_CAST; i++) {
		fz->actors[i].finished = true;
		if (fz->actors[i].pid)
			kill(fz->actors[i].pid, SIGCONT);
	}
	began = t_now_ms();
	while (!look_after(true) && t_now_ms() - began < STOP_MS)
		fz_sleep_us(1000);
	for (i = 0; i < NR_CAST; i++)
		if (fz->actors[i].pid)
			t_kill(fz->actors[i].pid, SIGKILL);
}

static void report(long seconds)
{
	char text[1600];
	int at = 0;
	uint32_t i;

#define ADD(...) (at += snprintf(text + at, sizeof(text) - at, __VA_ARGS__))
	ADD("{\"test\":\"fuzz\",\"seed\":%llu,\"seconds\":%ld,\"operations\":%llu,\"ioctls\":{",
	    (unsigned long long)fz->seed, seconds,
	    (unsigned long long)operations());
	for (i = 0; i < fz_nr_calls; i++)
		if (fz->nr_calls[i])
			ADD("\"%s\":%llu,", fz_calls[i].name,
			    (unsigned long long)fz->nr_calls[i]);
	at--;
	ADD("},\"errnos\":{");
	for (i = 0; i < FZ_ERRNO_MAX; i++)
		if (fz->nr_errnos[i])
			ADD("\"%s\":%llu,", strerrorname_np(i),
			    (unsigned long long)fz->nr_errnos[i]);
	at--;
	ADD("},\"bios\":%llu,\"io\":%llu,\"verified_mib\":%llu,\"deaths\":%llu,\"configured\":%llu,\"resets\":%llu,\"places\":%llu,\"findings\":%u}",
	    (unsigned long long)fz->nr_bios, (unsigned long long)fz->nr_io,
	    (unsigned long long)fz->verified_bytes / T_MIB,
	    (unsigned long long)fz->nr_kills,
	    (unsigned long long)fz->nr_configured,
	    (unsigned long long)fz->nr_resets,
	    (unsigned long long)fz_cover_report(), fz->nr_findings);
#undef ADD
	puts(text);
}

/* How far each came, and in what; for findings, and for whom nothing moves. */
static void report_actors(void)
{
	uint32_t i;

	for (i = 0; i < NR_CAST; i++) {
		struct fz_actor *a = &fz->actors[i];

		if (a->nr_starts)
			printf("actor %u: %s of device %d: %llu operations, %llu starts, now in %llu (%s)\n",
			       i, a->kind->name, a->device,
			       (unsigned long long)a->nr_ops,
			       (unsigned long long)a->nr_starts,
			       (unsigned long long)a->step,
			       a->op ? a->op : "start");
	}
}

int main(int argc, char **argv)
{
	long began = t_now_ms();

	fz = t_shared(sizeof(*fz));
	parse(argc, argv);
	printf("seed %llu, %ld s\n", (unsigned long long)fz->seed, limit_s);
	fflush(stdout);
	t_init(limit_s + END_S);
	find_backings();
	fz_cover_init();
	make_model();
	start_all();
	run();
	if (fz->verbose || fz->nr_findings)
		report_actors();
	stop_all();
	fz_settle();
	report((t_now_ms() - began) / 1000);
	fflush(stdout);
	if (fz->nr_findings)
		T_FAIL("expected no findings, found %u: seed %llu",
		       fz->nr_findings, (unsigned long long)fz->seed);
	return t_end();
}
