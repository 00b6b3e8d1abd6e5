// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapserver.c - serve /dev/abuseN so that its own machine may swap on it
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * In order: read the command line, open the backend, configure the device,
 * make the arena (serve.c), apply and read back the protections (protect.c),
 * say so (status.c), serve (serve.c).  Everything that allocates comes before
 * the first request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "protect.h"
#include "serve.h"
#include "status.h"

/* The exit codes that the manual page documents. */
enum {
	EXIT_SERVED = 0,	/* ended by SIGTERM, the device not in use */
	EXIT_FAILED = 1,	/* could not start, or could not go on */
	EXIT_USAGE = 2,
};

struct options {
	const char *ctl_path;
	const char *backend;
	uint64_t size_bytes;
	unsigned int blocksize_bytes;
	unsigned int queue;
	unsigned int batch;
	bool read_only;
	bool naive;
	const char *status_path;
	const char *ready_path;
	struct protections protections;
};

/* One server a process; also for the signal handler. */
static struct server server;

static void usage(FILE *out)
{
	int i;

	fputs("usage: swapserver [options] /dev/abctlN BACKEND[,option=value...]\n"
	      "Serve /dev/abuseN from this process, safely enough to swap on it.\n"
	      "\n"
	      "backends:\n", out);
	for (i = 0; backend_all[i]; i++)
		fprintf(out, "  %s\n", backend_all[i]->help);
	fputs("\n"
	      "options:\n"
	      "  --size BYTES        size of the device (K, M, G); default: the store's\n"
	      "  --blocksize BYTES   logical block size, 512 to 4096 (4096)\n"
	      "  --queue N           bound on the requests in the kernel's care (512)\n"
	      "  --batch N           requests taken at a time, 1 to 64 (32)\n"
	      "  --read-only         refuse writes\n"
	      "  --status PATH       append one line of JSON when ready, one at the end\n"
	      "  --ready PATH        create this file; it holds a line when ready\n"
	      "  --naive             all protections off, and a buffer mapped for each\n"
	      "                      request: for experiments, hangs when swapped on\n"
	      "  --no-NAME           leave one protection out: for experiments\n"
	      "  --help, --version\n"
	      "\n"
	      "protections, all on by default; the server\n", out);
	for (i = 0; i < PROTECT_COUNT; i++)
		fprintf(out, "  %-10s%s\n", protect_names[i], protect_help[i]);
	fputs("\n"
	      "SIGTERM ends the server unless its device is open or swapped on.\n"
	      "exit status: 0 ended by SIGTERM; 1 failed; 2 wrong usage\n", out);
}

static int __attribute__((noreturn)) wrong_usage(const char *what,
						 const char *value)
{
	fprintf(stderr, "swapserver: %s%s%s; see swapserver --help\n", what,
		value ? ": " : "", value ? value : "");
	exit(EXIT_USAGE);
}

static uint64_t parse_size(const char *text)
{
	unsigned long long n;
	int shift = 0;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 0);
	switch (*end) {
	case 'K': case 'k': shift = 10; end++; break;
	case 'M': case 'm': shift = 20; end++; break;
	case 'G': case 'g': shift = 30; end++; break;
	}
	if (errno || end == text || *end || *text == '-' || !n ||
	    n > UINT64_MAX >> shift)
		wrong_usage("not a size", text);
	return (uint64_t)n << shift;
}

static unsigned int parse_number(const char *what, const char *text,
				 unsigned int min, unsigned int max)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 0);
	if (errno || end == text || *end || *text == '-' || n < min || n > max)
		wrong_usage(what, text);
	return n;
}

/* --no-mlock and its like; false if it is none of them. */
static bool parse_protection(struct options *o, const char *name)
{
	int i;

	for (i = 0; i < PROTECT_COUNT; i++) {
		if (strcmp(name, protect_names[i]))
			continue;
		o->protections.p[i].wanted = false;
		return true;
	}
	return false;
}

/*
 * getopt does not know the protections: each is an option of its own that is
 * taken out here.
 */
static void take_protections(struct options *o, int *argc, char **argv)
{
	int from, to = 1;

	for (from = 1; from < *argc; from++) {
		if (!strncmp(argv[from], "--no-", 5) &&
		    parse_protection(o, argv[from] + 5))
			continue;
		argv[to++] = argv[from];
	}
	argv[to] = NULL;
	*argc = to;
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "size", required_argument, NULL, 's' },
		{ "blocksize", required_argument, NULL, 'b' },
		{ "queue", required_argument, NULL, 'q' },
		{ "batch", required_argument, NULL, 'n' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "status", required_argument, NULL, 'S' },
		{ "ready", required_argument, NULL, 'R' },
		{ "naive", no_argument, NULL, 'N' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c, i;

	for (i = 0; i < PROTECT_COUNT; i++)
		o->protections.p[i].wanted = true;
	take_protections(o, &argc, argv);
	while ((c = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		switch (c) {
		case 's':
			o->size_bytes = parse_size(optarg);
			break;
		case 'b':
			o->blocksize_bytes = parse_number("not a block size",
							  optarg, 512, 4096);
			break;
		case 'q':
			o->queue = parse_number("not a queue bound", optarg, 1,
						ABUSE_QUEUE_LIMIT);
			break;
		case 'n':
			o->batch = parse_number("not a batch", optarg, 1,
						SERVE_BATCH_MAX);
			break;
		case 'r':
			o->read_only = true;
			break;
		case 'S':
			o->status_path = optarg;
			break;
		case 'R':
			o->ready_path = optarg;
			break;
		case 'N':
			o->naive = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SERVED);
		case 'V':
			puts("swapserver 0.1");
			exit(EXIT_SERVED);
		default:
			exit(EXIT_USAGE);
		}
	}
	if (argc - optind != 2)
		wrong_usage("a control node and a backend, please", NULL);
	o->ctl_path = argv[optind];
	o->backend = argv[optind + 1];
	if (o->naive)
		for (i = 0; i < PROTECT_COUNT; i++)
			o->protections.p[i].wanted = false;
}

static int open_device(struct options *o)
{
	struct abuse_info info;

	server.client.fd = open(o->ctl_path, O_RDWR | O_CLOEXEC);
	if (server.client.fd < 0) {
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(errno),
			errno == ENOENT || errno == ENXIO ?
			"; is the module loaded? (modprobe abuse)" : "");
		return -1;
	}
	if (ioctl(server.client.fd, ABUSE_GET_STATUS, &info)) {
		fprintf(stderr, "swapserver: %s: %s; is it an abctl node?\n",
			o->ctl_path, strerror(errno));
		return -1;
	}
	/* A device that is there already says how large it is. */
	if (!o->size_bytes)
		o->size_bytes = info.ab_size;
	return 0;
}

static int configure_device(const struct options *o)
{
	struct abuse_info info = {
		.ab_size = o->size_bytes,
		.ab_blocksize = o->blocksize_bytes,
		.ab_max_queue = o->queue,
		.ab_flags = ABUSE_FLAGS_WRITE_CACHE |
			    (o->read_only ? ABUSE_FLAGS_READ_ONLY : 0),
	};
	unsigned int scope = ABUSE_SCOPE_NONE;
	int err = client_configure(&server.client, &info);

	if (err) {
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(-err), err == -EINVAL ?
			"; size and block size must fit each other, and the device if it is configured" :
			"");
		return -1;
	}
	/* What an earlier server left behind would spoil an experiment. */
	if (o->protections.p[PROTECT_SCOPE].wanted)
		return 0;
	client_scope_get(&server.client, ABUSE_SCOPE_DEVICE, &scope);
	if (scope != ABUSE_SCOPE_NONE)
		err = client_scope_set(&server.client, ABUSE_SCOPE_DEVICE,
				       ABUSE_SCOPE_NONE);
	if (err)
		fprintf(stderr, "swapserver: %s: cannot reset the scope: %s; run as root\n",
			o->ctl_path, strerror(-err));
	return err;
}

/*
 * To stderr, if it can take it: a full pipe or a stopped terminal would make
 * the server wait for a reader who may need a page from it.
 */
static void say_if_possible(const char *text, size_t bytes)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&out, 1, 0) == 1 && out.revents == POLLOUT &&
	    write(STDERR_FILENO, text, bytes) < 0)
		return;		/* nobody to tell */
}

/*
 * SIGTERM and its like.  A device in use needs its server: ending it would
 * leave swapped out pages out of reach.  All of this is done here, for a flag
 * would be seen only when the next request comes.
 */
static void on_terminate(int sig)
{
	static const char refusal[] =
		"swapserver: the device is in use: not ending; swapoff or umount it first\n";
	struct abuse_counters counters;
	int saved = errno;

	(void)sig;
	if (!ioctl(server.client.fd, ABUSE_GET_COUNTERS, &counters) &&
	    !counters.ab_nr_opens) {
		status_end(&server, 0);
		_exit(EXIT_SERVED);
	}
	say_if_possible(refusal, sizeof(refusal) - 1);
	errno = saved;
}

static int handle_signals(void)
{
	static const int ends[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_terminate };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	bool failed = false;
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		failed |= sigaction(ends[i], &action, NULL) != 0;
	/* A reader of our messages that goes must not take us with it. */
	failed |= sigaction(SIGPIPE, &ignore, NULL) != 0;
	if (failed) {
		fprintf(stderr, "swapserver: sigaction: %s\n",
			strerror(errno));
		return -1;
	}
	return 0;
}

/* All that comes before the protections, and may allocate. */
static int start(struct options *o)
{
	if (open_device(o) ||
	    backend_open(&server.backend, o->backend, &o->size_bytes,
			 o->blocksize_bytes) ||
	    configure_device(o) || serve_init(&server) || handle_signals() ||
	    status_open(o->status_path, o->ready_path))
		return -1;
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .blocksize_bytes = 4096, .batch = 32 };
	int err;

	parse_options(&o, argc, argv);
	server.batch = o.batch;
	server.allocate = o.naive;
	if (start(&o) || protect_apply(&o.protections, &server)) {
		/* As it was found: nobody shall wait for a server that is not. */
		client_unconfigure(&server.client);
		return EXIT_FAILED;
	}
	client_go_live(&server.client);
	if (status_ready(&server, &o.protections))
		return EXIT_FAILED;
	status_mark();
	err = serve_loop(&server);
	status_end(&server, err);
	fprintf(stderr, "swapserver: serving failed: %s\n", strerror(-err));
	return EXIT_FAILED;
}
