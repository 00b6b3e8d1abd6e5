// SPDX-License-Identifier: GPL-2.0-only
/*
 * forkexec.c - starts processes, each by a fork and an exec, one after the
 * other, while others need the memory
 *
 * Where it stands: [load] > memory > reclaim > swap.  What a machine does all
 * day: page tables copied, a program mapped, a stack made, all given back.
 * Not counted as work of the load: a fork may well succeed while the swap is
 * stuck, and would hide that.
 *
 * It protects nothing.  On SIGTERM it says how many processes came to be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX	64u
#define REPORT_TRIES	100
#define REPORT_WAIT_NS	100000000
/* A worker that is stuck is not waited for longer, in tenths of a second. */
#define END_TRIES	100
/* What each of the processes touches before it ends. */
#define CHILD_BYTES	(256 * 1024)

struct counts {
	uint64_t spawned;	/* forked, executed and ended with 0 */
	uint64_t refused;	/* fork said no */
	uint64_t failed;	/* ended otherwise */
};

static struct counts *counts;
static volatile sig_atomic_t leaving;

static void on_sigterm(int number)
{
	(void)number;
	leaving = 1;
}

static void pause_tenth(void)
{
	const struct timespec wait = { .tv_nsec = REPORT_WAIT_NS };

	nanosleep(&wait, NULL);
}

/* The program that is started: as large as a small tool. */
static int child_run(void)
{
	static volatile char memory[CHILD_BYTES];

	for (size_t i = 0; i < sizeof(memory); i += 1024)
		memory[i] = 1;
	return 0;
}

static void worker_run(struct counts *mine, char *program)
{
	char *const arguments[] = { program, (char *)"--child", NULL };
	char *const environment[] = { NULL };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, SIG_DFL);
	for (;;) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			execve("/proc/self/exe", arguments, environment);
			_exit(127);
		}
		if (pid < 0) {
			mine->refused++;
			pause_tenth();
			continue;
		}
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		if (WIFEXITED(status) && !WEXITSTATUS(status))
			mine->spawned++;
		else
			mine->failed++;
	}
}

static bool report(const char *path, unsigned int nr, bool ended)
{
	struct counts sum = { 0 };
	char line[256];
	int fd = -1, len;
	bool sent;

	for (unsigned int i = 0; i < nr; i++) {
		sum.spawned += counts[i].spawned;
		sum.refused += counts[i].refused;
		sum.failed += counts[i].failed;
	}
	len = snprintf(line, sizeof(line),
		       "{\"event\":\"fork-exec\",\"workers\":%u,\"spawned\":%llu,\"refused\":%llu,\"failed\":%llu,\"ended\":%s}\n",
		       nr, (unsigned long long)sum.spawned,
		       (unsigned long long)sum.refused,
		       (unsigned long long)sum.failed, ended ? "true" : "false");
	for (int i = 0; i < REPORT_TRIES && fd < 0; i++) {
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		if (fd < 0 && errno != EBUSY)
			break;
		if (fd < 0)
			pause_tenth();
	}
	sent = fd >= 0 && write(fd, line, (size_t)len) == len;
	if (!sent)
		fprintf(stderr, "forkexec: report to %s: %m\n", path);
	if (fd >= 0)
		close(fd);
	return sent;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: forkexec [options]\n"
		"Fork and execute, again and again, until SIGTERM.\n"
		"  -w, --workers N      processes that do so (2)\n"
		"  -r, --report PATH    where the line goes (/dev/port/result)\n"
		"  -h, --help\n"
		"Exit status: 0 told what it did; 2 it could not.\n");
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "workers", required_argument, NULL, 'w' },
		{ "report", required_argument, NULL, 'r' },
		{ "child", no_argument, NULL, 'C' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const struct sigaction action = { .sa_handler = on_sigterm };
	const char *path = "/dev/port/result";
	unsigned int nr = 2, left;
	pid_t pids[WORKERS_MAX];
	int c;

	while ((c = getopt_long(argc, argv, "w:r:h", names, NULL)) >= 0) {
		switch (c) {
		case 'w':
			nr = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 'r':
			path = optarg;
			break;
		case 'C':
			return child_run();
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc || !nr || nr > WORKERS_MAX) {
		usage(stderr);
		return 2;
	}
	counts = mmap(NULL, nr * sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED) {
		fprintf(stderr, "forkexec: mmap: %m\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	for (unsigned int i = 0; i < nr; i++) {
		pids[i] = fork();
		if (!pids[i])
			worker_run(&counts[i], argv[0]);
		if (pids[i] < 0) {
			fprintf(stderr, "forkexec: fork: %m\n");
			return 2;
		}
	}
	while (!leaving)
		pause_tenth();
	for (unsigned int i = 0; i < nr; i++)
		kill(pids[i], SIGKILL);
	left = nr;
	for (int i = 0; i < END_TRIES && left; i++) {
		while (left && waitpid(-1, NULL, WNOHANG) > 0)
			left--;
		if (left)
			pause_tenth();
	}
	return report(path, nr, !left) ? 0 : 2;
}
