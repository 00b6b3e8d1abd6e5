// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapcycle.c - swapoff while a load still needs the swap, and swapon again
 *
 * Where it stands: load > [swap] > device > server.  It waits until something
 * has been swapped out, asks for swapoff once, and says what came of it.  What
 * does not fit into memory cannot come back: then the kernel kills first who
 * asked for swapoff, and the area stays in use.  That is its answer, not a
 * fault, so the call is made by a child of this name, which is known by it.
 *
 * The parent is locked and reports; the child is locked, too, so that it can
 * ask, but takes no reserve, for swapoff brings in all that is out there.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include "locked.h"

#define POLL_MS		50
#define AFTER_MIB	16

/* Of the child; a signal is what else may end it. */
enum {
	CHILD_DONE,
	CHILD_ERRNO,	/* shared->err says which */
	CHILD_UNSAFE,
};

struct shared {
	int err;
	uint64_t used_kb;	/* before swapoff */
	uint64_t took_ms;
	uint32_t asked;		/* swapoff has been called */
};

static struct shared *shared;

static uint64_t used_kb(int meminfo)
{
	static char text[4096];

	if (!text_read_fd(meminfo, text, sizeof(text)))
		return 0;
	return text_number(text, "SwapTotal:") - text_number(text, "SwapFree:");
}

static void child_run(const char *device, uint64_t after_kb, int meminfo)
{
	uint64_t start_ms;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "swapcycle");
	if (!locked_memory() && !locked_trial)
		_exit(CHILD_UNSAFE);
	while (used_kb(meminfo) < after_kb)
		pause_ms(POLL_MS);
	shared->used_kb = used_kb(meminfo);
	start_ms = now_ms();
	__atomic_store_n(&shared->asked, 1, __ATOMIC_RELEASE);
	err = swapoff(device) ? errno : 0;
	shared->took_ms = now_ms() - start_ms;
	shared->err = err;
	_exit(err ? CHILD_ERRNO : CHILD_DONE);
}

/* Waits for the child, or for SIGTERM before it has asked. */
static bool child_wait(pid_t pid, int *status)
{
	for (;;) {
		pid_t got = waitpid(pid, status, WNOHANG);

		if (got == pid)
			return true;
		if (locked_leaving &&
		    !__atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE)) {
			kill(pid, SIGKILL);
			waitpid(pid, status, 0);
			return false;
		}
		pause_ms(POLL_MS);
	}
}

static const char *result_of(int status)
{
	if (WIFSIGNALED(status))
		return "killed";
	if (!WEXITSTATUS(status))
		return "done";
	if (WEXITSTATUS(status) == CHILD_ERRNO && shared->err == ENOMEM)
		return "no-memory";
	return "failed";
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: swapcycle [options] DEVICE\n"
		"swapoff under load, once, and swapon again; ends on SIGTERM.\n"
		"  -a, --after-mib N    when so much has been swapped out (%d)\n"
		"  -c, --ctl PATH       control node of the abuse device (/dev/abctl0)\n"
		"  -r, --report PATH    where the line goes (/dev/port/result)\n"
		"  -t, --trial          on a desk: go on where it cannot be locked\n"
		"  -h, --help\n"
		"Exit status: 0 it has asked; 1 it came to nothing; 2 it could not start.\n",
		AFTER_MIB);
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "after-mib", required_argument, NULL, 'a' },
		{ "ctl", required_argument, NULL, 'c' },
		{ "report", required_argument, NULL, 'r' },
		{ "trial", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *report = "/dev/port/result", *ctl_path = "/dev/abctl0";
	const char *result = "late";
	uint64_t after_kb = AFTER_MIB * 1024;
	int c, status = 0, ctl, meminfo, again = 0;
	bool ended;
	pid_t pid;

	while ((c = getopt_long(argc, argv, "a:c:r:th", names, NULL)) >= 0) {
		switch (c) {
		case 'a':
			after_kb = strtoull(optarg, NULL, 10) * 1024;
			break;
		case 'c':
			ctl_path = optarg;
			break;
		case 'r':
			report = optarg;
			break;
		case 't':
			locked_trial = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind != argc - 1) {
		usage(stderr);
		return 2;
	}
	meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (meminfo < 0 || shared == MAP_FAILED) {
		fprintf(stderr, "swapcycle: %s: %m\n",
			meminfo < 0 ? "/proc/meminfo" : "mmap");
		return 2;
	}
	ctl = open(ctl_path, O_RDWR | O_CLOEXEC);
	pid = fork();
	if (!pid)
		child_run(argv[optind], after_kb, meminfo);
	if (pid < 0 || !locked_take("swapcycle", ctl))
		return 2;
	ended = child_wait(pid, &status);
	if (ended)
		result = result_of(status);
	/* The load goes on, and the end of the run is another swapoff. */
	if (ended && !strcmp(result, "done"))
		again = swapon(argv[optind], 0) ? errno : 0;
	report_send(report_open(report),
		    "{\"event\":\"swapoff-under-load\",\"result\":\"%s\",\"errno\":%d,\"used_kb\":%llu,\"took_ms\":%llu,\"swapon_errno\":%d}",
		    result, shared->err, (unsigned long long)shared->used_kb,
		    (unsigned long long)shared->took_ms, again);
	return strcmp(result, "late") && strcmp(result, "failed") && !again ? 0 : 1;
}
