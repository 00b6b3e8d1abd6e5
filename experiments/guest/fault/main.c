// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - fault: puts one kind of fault into a guest under load, and says for
 * each that it came
 *
 * Where it stands: job > [main] > fault > served, alloc, storage, machine.
 * The shell cannot do it: under load a fork waits for memory that the server
 * would have to free.  So everything is opened, forked and locked before, and
 * what is left for the moment of the fault is a few system calls (locked.h).
 *
 * A line "fault" is written only when the kernel has taken the fault, with
 * what is seen of it; one "fault-failed" if it has not, and why.
 */
#define _GNU_SOURCE
#include <getopt.h>

#include "../locked.h"
#include "fault.h"

/* In the order of lab/arms.py. */
static const struct kind *const kinds[] = {
	&kind_kill,
	&kind_stop,
	&kind_segv,
	&kind_disconnect,
	&kind_failslab,
	&kind_fail_page_alloc,
	&kind_rt_hog,
	&kind_suspend,
	&kind_disk_error,
};

#define NR_KINDS	(sizeof(kinds) / sizeof(kinds[0]))

struct options opt = {
	.report = "/dev/port/result",
	.ctl = "/dev/abctl0",
	.every_ms = 1000,
	.count = 1,
};
static int ctl = -1, disk_stat = -1;

int fail(const char *what, int err)
{
	fprintf(stderr, "fault: %s: %s\n", what, strerror(-err));
	return -1;
}

int refused(struct seen *seen, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(seen->why, sizeof(seen->why), format, args);
	va_end(args);
	return -1;
}

/* Requests that the device has ended, by the module's count or the kernel's. */
static uint64_t nr_ended(void)
{
	struct abuse_counters counters;
	char text[512], *p = text;
	uint64_t fields[16] = { 0 };

	if (ctl >= 0 && !ioctl(ctl, ABUSE_GET_COUNTERS, &counters))
		return counters.ab_ended;
	if (!text_read_fd(disk_stat, text, sizeof(text)))
		return 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fields[i] = strtoull(p, &p, 10);
	return fields[0] + fields[4] + fields[11] + fields[15];
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: fault --kind KIND [options]\n"
		"Put a fault into a guest under load; SIGTERM ends it.  KIND:\n ");
	for (size_t i = 0; i < NR_KINDS; i++)
		fprintf(to, " %s", kinds[i]->name);
	fprintf(to,
		"\n"
		"  -s, --after-s N      seconds from now (0)\n"
		"  -q, --after-requests N  and when the device has ended so many more (0)\n"
		"  -e, --every-s N      and again, so many seconds later (1)\n"
		"  -n, --count N        so often in all (1)\n"
		"  -p, --pid N          the server\n"
		"  -b, --board PATH     or the active one of this board, if it is there\n"
		"  -d, --device PATH    the device, to be disconnected\n"
		"  -S, --disk-stat PATH its stat in sysfs, where the module does not count\n"
		"  -c, --ctl PATH       control node of the abuse device (/dev/abctl0)\n"
		"  -m, --mapping NAME   device mapper name of the disk that is to fail\n"
		"  -k, --disk PATH      and its node, /dev/dm-N\n"
		"  -r, --report PATH    where lines go (/dev/port/result)\n"
		"  -t, --trial          on a desk: go on where it cannot be locked\n"
		"  -h, --help\n"
		"Exit status: 0 all came, or SIGTERM; 1 one failed; 2 it could not start.\n");
}

static bool number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return *text && !*end && !errno && *text != '-';
}

static bool options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "kind", required_argument, NULL, 'K' },
		{ "after-s", required_argument, NULL, 's' },
		{ "after-requests", required_argument, NULL, 'q' },
		{ "every-s", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' },
		{ "pid", required_argument, NULL, 'p' },
		{ "board", required_argument, NULL, 'b' },
		{ "device", required_argument, NULL, 'd' },
		{ "disk-stat", required_argument, NULL, 'S' },
		{ "ctl", required_argument, NULL, 'c' },
		{ "mapping", required_argument, NULL, 'm' },
		{ "disk", required_argument, NULL, 'k' },
		{ "report", required_argument, NULL, 'r' },
		{ "trial", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t value;
	int c;

	while ((c = getopt_long(argc, argv, "K:s:q:e:n:p:b:d:S:c:m:k:r:th", names,
				NULL)) >= 0) {
		value = 0;
		if (strchr("sqenp", c) && !number(optarg, &value)) {
			fprintf(stderr, "fault: -%c %s: a number is wanted\n", c,
				optarg);
			return false;
		}
		switch (c) {
		case 'K':
			opt.kind = optarg;
			break;
		case 's':
			opt.after_ms = value * 1000;
			break;
		case 'q':
			opt.after_requests = value;
			break;
		case 'e':
			opt.every_ms = value * 1000;
			break;
		case 'n':
			opt.count = value;
			break;
		case 'p':
			opt.pid = (long)value;
			break;
		case 'b':
			opt.board = optarg;
			break;
		case 'd':
			opt.device = optarg;
			break;
		case 'S':
			opt.disk_stat = optarg;
			break;
		case 'c':
			opt.ctl = optarg;
			break;
		case 'm':
			opt.mapping = optarg;
			break;
		case 'k':
			opt.disk = optarg;
			break;
		case 'r':
			opt.report = optarg;
			break;
		case 't':
			opt.trial = locked_trial = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return optind == argc && opt.kind;
}

/* The n-th of them; 0, or -1 if it failed. */
static int inject(const struct kind *kind, unsigned long n)
{
	struct seen seen = { 0 };
	int port = kind->slow ? -1 : report_open(opt.report), err;

	err = kind->inject(&seen);
	if (kind->slow)
		port = report_open(opt.report);
	if (err)
		report_send(port,
			    "{\"event\":\"fault-failed\",\"kind\":\"%s\",\"number\":%lu,\"why\":\"%s\"}",
			    kind->name, n, seen.why);
	else if (!report_send(port,
			      "{\"event\":\"fault\",\"kind\":\"%s\",\"number\":%lu%s}",
			      kind->name, n, seen.text))
		err = -1;
	return err;
}

static int run(const struct kind *kind)
{
	uint64_t due_ms = now_ms() + opt.after_ms;
	uint64_t due_requests = nr_ended() + opt.after_requests;
	int status = 0;

	for (unsigned long n = 1; n <= opt.count; n++) {
		while (!locked_leaving &&
		       (now_ms() < due_ms || nr_ended() < due_requests))
			pause_ms(POLL_MS);
		/* After a takeover somebody has to come first. */
		for (uint64_t until_ms = now_ms() + SERVED_MS;
		     kind->server && !served() && !locked_leaving &&
		     now_ms() < until_ms;)
			pause_ms(POLL_MS);
		if (locked_leaving)
			break;
		if (inject(kind, n))
			status = 1;
		due_ms = now_ms() + opt.every_ms;
	}
	while (!locked_leaving)
		pause_ms(POLL_MS);
	if (kind->end)
		kind->end();
	return status;
}

int main(int argc, char **argv)
{
	const struct kind *kind = NULL;

	if (!options_parse(argc, argv)) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < NR_KINDS; i++)
		if (!strcmp(kinds[i]->name, opt.kind))
			kind = kinds[i];
	if (!kind) {
		usage(stderr);
		return 2;
	}
	ctl = open(opt.ctl, O_RDWR | O_CLOEXEC);
	if (opt.disk_stat)
		disk_stat = open(opt.disk_stat, O_RDONLY | O_CLOEXEC);
	/* Children first: they are to have none of what we take. */
	if (kind->prepare() || !locked_take("fault", ctl))
		return 2;
	/* The first reading of a /proc or sysfs file gives it its buffer. */
	nr_ended();
	printf("fault: ready\n");
	fflush(stdout);
	return run(kind);
}
