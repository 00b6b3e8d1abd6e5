// SPDX-License-Identifier: GPL-2.0-only
/*
 * lean-server.c - the least that serves a device from memory: one call of
 * SERVE a round, by as many threads as one likes
 *
 * Path: bio > queue > ioctl > [server] > completion.  Beside swapserver in
 * measurements: what of a request's cost is the contract's, and what is that
 * server's.  Copy and answer are one, which is right only because the store is
 * the memory that is copied to.  Locked, real-time as
 * swapserver is, and nothing else: not to be swapped on in earnest.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <linux/abuse.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench.h"

#define BATCH_MAX   64u
#define THREADS_MAX 8u
/* As swapserver's. */
#define PRIORITY 10

static struct {
	const char *status, *ready, *node;
	uint64_t size_bytes;
	unsigned int batch, nr_threads;
} opt = {
	.batch = 32,
	.nr_threads = 1,
};

static char *store;
static int ctl_fd;

/* What a request asks for, as a verb. */
static struct abuse_verb answer(const struct abuse_lent *lent)
{
	uint64_t offset = lent->ab_sector * 512;
	struct abuse_verb verb = {.ab_id = lent->ab_id,
				  .ab_verb = ABUSE_VERB_COMPLETE};

	if (offset + lent->ab_len_bytes > opt.size_bytes)
		bench_die("a request beyond the device");
	switch (lent->ab_command) {
	case ABUSE_READ:
	case ABUSE_WRITE:
		verb.ab_verb = (lent->ab_command == ABUSE_READ ?
					ABUSE_VERB_COPY_IN :
					ABUSE_VERB_COPY_OUT) |
			       ABUSE_VERB_AND_COMPLETE;
		verb.ab_address = (uintptr_t)(store + offset);
		verb.ab_len_bytes = lent->ab_len_bytes;
		break;
	case ABUSE_DISCARD:
	case ABUSE_WRITE_ZEROES:
		memset(store + offset, 0, lent->ab_len_bytes);
		break;
	}
	return verb;
}

static void *serve(void *unused)
{
	/* Written to: a page of the stack that is not there would be EFAULT. */
	struct abuse_verb verbs[BATCH_MAX] = {0};
	struct abuse_lent lent[BATCH_MAX] = {0};
	unsigned int nr_verbs = 0;

	(void)unused;
	for (;;) {
		struct abuse_serve call = {
			.ab_verbs = (uintptr_t)verbs,
			.ab_nr_verbs = nr_verbs,
			.ab_requests = (uintptr_t)lent,
			.ab_nr_requests = opt.batch,
			.ab_flags = ABUSE_SERVE_NOFAULT,
		};
		int got = ioctl(ctl_fd, ABUSE_SERVE, &call);

		if (got < 0 && errno != EINTR)
			bench_die("%s: %m", opt.node);
		nr_verbs = 0;
		for (int i = 0; i < got; i++)
			verbs[nr_verbs++] = answer(&lent[i]);
	}
	return NULL;
}

static void say(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		bench_die("%s: %m", path);
	close(fd);
}

/* Of /proc/self/status: what is locked. */
static long locked_kb(void)
{
	char line[200];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmLck: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static void start(void)
{
	struct abuse_info info = {.ab_size = opt.size_bytes,
				  .ab_blocksize = 4096,
				  .ab_flags = ABUSE_FLAGS_DISCARD |
					      ABUSE_FLAGS_WRITE_ZEROES};
	const struct sched_param priority = {.sched_priority = PRIORITY};
	pthread_t thread;

	ctl_fd = open(opt.node, O_RDWR | O_CLOEXEC);
	if (ctl_fd < 0 || ioctl(ctl_fd, ABUSE_SET_STATUS, &info) < 0)
		bench_die("%s: %m (is the module loaded, the device unused?)",
			  opt.node);
	store = mmap(NULL, opt.size_bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (store == MAP_FAILED)
		bench_die("%llu bytes: %m", (unsigned long long)opt.size_bytes);
	if (sched_setscheduler(0, SCHED_FIFO, &priority))
		bench_die("SCHED_FIFO: %m");
	if (mlockall(MCL_CURRENT | MCL_FUTURE) || !locked_kb())
		bench_die("mlockall: %m");
	for (unsigned int i = 1; i < opt.nr_threads; i++) {
		int error = pthread_create(&thread, NULL, serve, NULL);

		if (error)
			bench_die("thread: %s", strerror(error));
	}
}

static void usage(FILE *to)
{
	fputs("usage: lean-server --size N [options] /dev/abctlN\n"
	      "Serve a device from memory, for measurements, until SIGTERM.\n"
	      "  --size N          of the device, with K, M or G\n"
	      "  --threads N       that serve, at most 8 (1)\n"
	      "  --batch N         requests a call, at most 64 (32)\n"
	      "  --status PATH     append a line of JSON when ready\n"
	      "  --ready PATH      append a line when ready\n"
	      "  --help\n"
	      "Exit status: 1 failed, 2 usage.\n",
	      to);
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"size", required_argument, NULL, 's'},
		{"threads", required_argument, NULL, 't'},
		{"batch", required_argument, NULL, 'b'},
		{"status", required_argument, NULL, 'S'},
		{"ready", required_argument, NULL, 'R'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) >= 0) {
		switch (c) {
		case 's':
			opt.size_bytes = bench_number(optarg, 1ull << 40);
			break;
		case 't':
			opt.nr_threads =
				(unsigned int)bench_number(optarg, THREADS_MAX);
			break;
		case 'b':
			opt.batch =
				(unsigned int)bench_number(optarg, BATCH_MAX);
			break;
		case 'S':
			opt.status = optarg;
			break;
		case 'R':
			opt.ready = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || !opt.size_bytes || !opt.nr_threads ||
	    !opt.batch)
		bench_misused("wants --size and a control node");
	opt.node = argv[optind];
}

int main(int argc, char **argv)
{
	char line[200];

	bench_name = "lean-server";
	parse(argc, argv);
	start();
	snprintf(line, sizeof(line),
		 "{\"event\":\"server\",\"pid\":%d,\"threads\":%u,"
		 "\"locked_kb\":%ld,\"protections\":{\"mlock\":true}}\n",
		 getpid(), opt.nr_threads, locked_kb());
	if (opt.status)
		say(opt.status, line);
	if (opt.ready)
		say(opt.ready, "ready\n");
	serve(NULL);
	return 0;
}
