// SPDX-License-Identifier: GPL-2.0-only
/*
 * drain.c - bring the pages home, then let the server go
 *
 * Path: the way of a page, backwards: swapoff reads all of them back.
 *
 * swapoff runs in a process of its own: the kernel makes whoever calls it the
 * first choice of its OOM killer, and a swapoff that is killed or interrupted
 * leaves the area as it was, in use and with all its pages.  The server is
 * asked to end only when nothing uses its device any more; it is never killed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../parse.h"
#include "abusectl.h"
#include "crew.h"
#include "device.h"
#include "use.h"

#define DRAIN_LOOK_MS 100
#define DRAIN_SAY_MS 1000   /* at most one line in so long */
#define DRAIN_AGAIN_MS 1000 /* SIGTERM again to one that was busy */
/*
 * udev looks at a disk whose swap area went: it is in use for a moment.  And
 * for a moment nobody serves while one server takes over from another.
 */
#define DRAIN_BUSY_MS 5000
/*
 * A swapoff that was told to give up is first through with the process whose
 * pages it is bringing back (try_to_unuse() looks for signals between two).
 */
#define DRAIN_GIVE_UP_MS 5000
/* A server ends within milliseconds; it may have to be scheduled. */
#define DRAIN_END_MS 30000

struct drain {
	int number;
	int fd; /* of /dev/abctlN */
	bool force;
	uint64_t end_ms; /* UINT64_MAX: when it is done */
	unsigned long timeout_s;
};

static volatile sig_atomic_t drain_stopped;

static void drain_on_signal(int sig)
{
	(void)sig;
	drain_stopped = 1;
}

static int drain_parse(struct drain *d, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "force", no_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'f')
			d->force = true;
		else if (c != 't')
			return wrong_usage("drain", "unknown option");
		else if (!parse_number(optarg, 1, 1000000, &d->timeout_s))
			return wrong_usage("drain", "not a number of seconds");
	}
	if (argc - optind != 1)
		return wrong_usage("drain", "one device, please");
	d->number = parse_device(argv[optind]);
	d->end_ms = d->timeout_s ? now_ms() + d->timeout_s * 1000 : UINT64_MAX;
	return d->number < 0 ? EXIT_USAGE : EXIT_DONE;
}

/* A line at once, and then now and then, that says how much is left. */
static void drain_say(const struct drain *d, uint64_t total_kib,
		      uint64_t *left_kib, uint64_t *said_ms)
{
	struct use use;
	uint64_t kib = total_kib;

	if (*said_ms) {
		if (now_ms() - *said_ms < DRAIN_SAY_MS ||
		    use_of(d->number, &use))
			return;
		kib = use_swapped_kib(&use);
		if (kib == *left_kib)
			return;
	}
	*left_kib = kib;
	*said_ms = now_ms();
	printf("/dev/abuse%d: %" PRIu64 " of %" PRIu64 " KiB left\n", d->number,
	       kib, total_kib);
	fflush(stdout);
}

/*
 * In the child.  Its status is the errno.  Whoever started it and goes takes
 * it along: a swapoff nobody waits for is nobody's.
 */
static void __attribute__((noreturn))
drain_child(const char *path, pid_t parent)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigaction(SIGINT, &plain, NULL);
	sigaction(SIGTERM, &plain, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(EINTR);
	_exit(swapoff(path) ? errno : 0);
}

/* What came of a child; an exit code, a line printed unless it is 0. */
static int drain_ended(const struct drain *d, const char *path, int status,
		       bool timed_out)
{
	int err = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;

	if (!err || err == EINVAL) /* EINVAL: somebody else was faster */
		return EXIT_DONE;
	if (timed_out)
		return complain(
			EXIT_FAILED,
			"%s: not done after %lu s; it is in use as before: try again, with a longer --timeout",
			path, d->timeout_s);
	if (drain_stopped)
		return complain(EXIT_FAILED,
				"%s: interrupted; it is in use as before",
				path);
	if (WIFSIGNALED(status) || err == ENOMEM || err == EINTR)
		return complain(
			EXIT_FAILED,
			"%s: swapoff ran out of memory; it is in use as before: end something large first, or add other swap",
			path);
	return complain(EXIT_FAILED, "%s: swapoff: %s%s", path, strerror(err),
			err == EPERM ? "; run as root" : "");
}

/*
 * Told to give up.  Not the server: the one that swaps off.  It may be long at
 * one process, or wait for a page that its server does not bring; it is not
 * waited for then, and gives up when it can.
 */
static bool drain_give_up(pid_t pid, int *status)
{
	uint64_t end_ms = now_ms() + DRAIN_GIVE_UP_MS;

	kill(pid, SIGTERM);
	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() > end_ms)
			return false;
		pause_ms(DRAIN_LOOK_MS);
	}
	return true;
}

static int drain_area(const struct drain *d, const struct use_swap *area,
		      uint64_t total_kib)
{
	uint64_t left_kib = 0, said_ms = 0;
	pid_t parent = getpid(), pid;
	bool timed_out = false;
	sigset_t stops;
	int status;

	drain_say(d, total_kib, &left_kib, &said_ms);
	/* The child's handlers are ours at first; a signal would be lost. */
	sigemptyset(&stops);
	sigaddset(&stops, SIGINT);
	sigaddset(&stops, SIGTERM);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	pid = fork();
	if (pid)
		sigprocmask(SIG_UNBLOCK, &stops, NULL);
	if (pid < 0)
		return complain(EXIT_FAILED, "no process for swapoff: %s",
				strerror(errno));
	if (!pid)
		drain_child(area->path, parent);
	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (drain_stopped || now_ms() > d->end_ms) {
			timed_out = !drain_stopped;
			if (drain_give_up(pid, &status))
				break;
			return complain(
				EXIT_FAILED,
				"%s: swapoff (process %d) was told to give up, and does when the process that it is at has its pages, for which its server is needed",
				area->path, pid);
		}
		drain_say(d, total_kib, &left_kib, &said_ms);
		pause_ms(DRAIN_LOOK_MS);
	}
	return drain_ended(d, area->path, status, timed_out);
}

/* Is there a server, or one that is about to take over? */
static bool drain_has_server(const struct drain *d)
{
	uint64_t end_ms = now_ms() + DRAIN_BUSY_MS;
	struct crew crew;

	while (!crew_serves(d->number)) {
		crew_of(d->number, &crew);
		if (crew_is_gone(&crew) || now_ms() > end_ms)
			return false;
		pause_ms(DRAIN_LOOK_MS);
	}
	return true;
}

/* What makes it pointless to begin; an exit code, a line printed. */
static int drain_refuse(const struct drain *d, const struct use *use)
{
	unsigned int i;

	for (i = 0; i < use->nr_mounts; i++)
		return complain(
			EXIT_IN_USE,
			"/dev/abuse%d is mounted on %s: umount it first",
			d->number, use->mounts[i]);
	for (i = 0; i < use->nr_holders; i++)
		return complain(
			EXIT_IN_USE,
			"/dev/abuse%d is held by /dev/%s: take that apart first",
			d->number, use->holders[i]);
	if (use->nr_swaps && !drain_has_server(d))
		return complain(
			EXIT_IN_USE,
			"/dev/abuse%d has no server, and pages in its swap: start its server again first",
			d->number);
	if (d->force || !use_is_too_much(use))
		return EXIT_DONE;
	return complain(
		EXIT_IN_USE,
		"/dev/abuse%d holds %" PRIu64
		" KiB, and there is room for %" PRIu64 " (memory) + %" PRIu64
		" (other swap) KiB: end something large first, or --force",
		d->number, use_swapped_kib(use), use->available_kib,
		use->other_swap_kib);
}

static int drain_swap(const struct drain *d)
{
	struct use use;
	unsigned int i;
	int err = use_of(d->number, &use), status;

	if (err)
		return complain(EXIT_FAILED, "/proc: %s; is it mounted?",
				strerror(-err));
	status = drain_refuse(d, &use);
	for (i = 0; !status && i < use.nr_swaps; i++)
		status = drain_area(d, &use.swaps[i], use_swapped_kib(&use));
	if (!status && use.nr_swaps)
		printf("/dev/abuse%d: 0 KiB left, swapped off\n", d->number);
	return status;
}

/* Somebody has the disk open, and not for a moment. */
static int drain_still_open(const struct drain *d)
{
	pid_t pids[USE_OPENERS_MAX];
	char text[200] = "open";
	struct use use;

	use_of(d->number, &use);
	if (use.nr_swaps || use.nr_mounts || use.nr_holders)
		use_text(&use, text, sizeof(text));
	else if (use_openers(d->number, pids))
		snprintf(text, sizeof(text), "open, by process %d", pids[0]);
	return complain(
		EXIT_IN_USE,
		"/dev/abuse%d is %s: its server goes on; end that first",
		d->number, text);
}

static int drain_server(const struct drain *d)
{
	uint64_t start_ms = now_ms(), told_ms = 0, busy_ms = 0;
	struct abuse_counters counters;
	struct crew crew;

	for (;;) {
		crew_of(d->number, &crew);
		if (crew_is_gone(&crew))
			return EXIT_DONE;
		if (drain_stopped)
			return complain(EXIT_FAILED, "interrupted");
		if (ioctl(d->fd, ABUSE_GET_COUNTERS, &counters))
			return complain(EXIT_FAILED, "/dev/abctl%d: %s",
					d->number, strerror(errno));
		if (counters.ab_nr_opens) {
			if (!busy_ms)
				busy_ms = now_ms();
			if (now_ms() - busy_ms > DRAIN_BUSY_MS)
				return drain_still_open(d);
		} else {
			busy_ms = 0;
			if (!told_ms || now_ms() - told_ms > DRAIN_AGAIN_MS) {
				crew_terminate(&crew);
				told_ms = now_ms();
			}
		}
		/* A little, even if swapoff has taken all of the time. */
		if ((now_ms() > d->end_ms &&
		     now_ms() - start_ms > DRAIN_BUSY_MS) ||
		    now_ms() - start_ms > DRAIN_END_MS)
			return complain(
				EXIT_FAILED,
				"/dev/abuse%d: process %d was told to end and has not; it is not killed",
				d->number,
				crew.supervisor ? crew.supervisor
						: crew.pids[0]);
		pause_ms(DRAIN_LOOK_MS);
	}
}

int drain_command(int argc, char **argv)
{
	struct sigaction stop = { .sa_handler = drain_on_signal };
	struct drain d = { 0 };
	int status = drain_parse(&d, argc, argv);

	if (status)
		return status;
	lock_memory();
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	d.fd = device_open(d.number);
	if (d.fd < 0)
		return EXIT_FAILED;
	status = drain_swap(&d);
	if (!status)
		status = drain_server(&d);
	if (!status)
		printf("/dev/abuse%d: no server\n", d.number);
	close(d.fd);
	return status;
}
