// SPDX-License-Identifier: GPL-2.0-only
/*
 * add.c - make, unmake and list devices
 *
 * Beside the path.
 *
 * A device that is given a size is configured at once, before any server is
 * there: the kernel then makes the device's reserve while there is memory for
 * it, and whatever server comes finds a device of that size and takes it over
 * with RECONNECT.  Nobody waits meanwhile: a disk has no capacity until its
 * first server asks for work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../parse.h"
#include "abusectl.h"
#include "device.h"
#include "json.h"
#include "use.h"

/* udev looks at a disk that appears: it is in use for a moment then. */
#define ADD_BUSY_MS 2000

struct add {
	int number;		/* -1: the first that will do */
	struct abuse_info info; /* ab_size 0: do not configure */
};

static int add_parse(struct add *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "size", required_argument, NULL, 's' },
		{ "blocksize", required_argument, NULL, 'b' },
		{ "queue", required_argument, NULL, 'q' },
		{ "discard", no_argument, NULL, 'd' },
		{ "read-only", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	bool only_with_size = false;
	unsigned long value;
	uint64_t size_bytes;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 's')
			only_with_size = true;
		switch (c) {
		case 's':
			if (!parse_size(optarg, &size_bytes) || !size_bytes)
				return wrong_usage("add", "not a size");
			a->info.ab_size = size_bytes;
			break;
		case 'b':
			if (!parse_number(optarg, 512, 4096, &value))
				return wrong_usage("add", "not a block size");
			a->info.ab_blocksize = value;
			break;
		case 'q':
			if (!parse_number(optarg, 1, ABUSE_QUEUE_LIMIT, &value))
				return wrong_usage("add", "not a queue bound");
			a->info.ab_max_queue = value;
			break;
		case 'd':
			a->info.ab_flags |= ABUSE_FLAGS_DISCARD;
			break;
		case 'r':
			a->info.ab_flags |= ABUSE_FLAGS_READ_ONLY;
			break;
		default:
			return wrong_usage("add", "unknown option");
		}
	}
	if (argc - optind > 1)
		return wrong_usage("add", "one device at most");
	if (only_with_size && !a->info.ab_size)
		return wrong_usage("add",
				   "only with --size is the device configured");
	if (argc - optind == 1) {
		a->number = parse_device(argv[optind]);
		if (a->number < 0)
			return EXIT_USAGE;
	}
	return EXIT_DONE;
}

/* 0 or -errno; a line is printed unless it is -EBUSY. */
static int add_configure(int number, const struct add *a)
{
	struct abuse_info info = a->info;
	int fd = device_open(number), err = 0;

	if (fd < 0)
		return -ENODEV;
	if (ioctl(fd, ABUSE_SET_STATUS, &info))
		err = -errno;
	close(fd);
	if (err && err != -EBUSY)
		complain(
			EXIT_FAILED, "/dev/abuse%d: %s%s", number,
			strerror(-err),
			err == -EINVAL
				? "; the size must be a multiple of the block size, and that a power of two"
			: err == -ENOMEM ? "; give a smaller --queue"
					 : "");
	return err;
}

/* Nobody has configured it, opened it or asked it for work. */
static bool add_is_unused(int number)
{
	struct abuse_counters counters;
	char state[32];
	bool unused;
	int fd;

	if (device_read(number, "state", state, sizeof(state)) ||
	    strcmp(state, "unconfigured"))
		return false;
	fd = device_open(number);
	if (fd < 0)
		return false;
	unused = !ioctl(fd, ABUSE_GET_COUNTERS, &counters) &&
		 !counters.ab_nr_servers && !counters.ab_nr_opens;
	close(fd);
	return unused;
}

/*
 * The first that is there and that nobody uses: the module comes with some.
 * Its number, or -1 if a new one is to be made, or -2 with a line printed.
 */
static int add_find(const struct add *a)
{
	static __u32 numbers[ABUSE_NR_LIMIT];
	int nr = device_list(numbers), i, err;

	if (nr < 0)
		return -2;
	for (i = 0; i < nr; i++) {
		if (!add_is_unused(numbers[i]))
			continue;
		err = add_configure(numbers[i], a);
		if (!err)
			return numbers[i];
		/* Somebody was faster: the next. */
		if (err != -EBUSY)
			return -2;
	}
	return -1;
}

/* A device of that number, or -1: of any.  Its number, or -1, a line said. */
static int add_make(int number)
{
	struct abuse_ctl ctl = { .ab_number = number };
	int err = device_control(ABUSE_CTL_ADD, &ctl);

	if (err == -EEXIST) {
		complain(
			EXIT_FAILED,
			"/dev/abuse%d is there already; abusectl status %d shows it",
			number, number);
		return -1;
	}
	if (err) {
		complain(EXIT_FAILED, "add: %s%s", strerror(-err),
			 err == -ENOSPC
				 ? "; all devices that there can be are there"
				 : device_hint(-err));
		return -1;
	}
	if (device_await_nodes(ctl.ab_number)) {
		complain(
			EXIT_FAILED,
			"/dev/abuse%d was made, but its nodes do not come; is devtmpfs or udev there?",
			ctl.ab_number);
		return -1;
	}
	return ctl.ab_number;
}

/* The device is there: give it its size.  An exit code, a line printed. */
static int add_size(int number, const struct add *a, bool made)
{
	struct abuse_ctl ctl = { .ab_number = number };
	int err = add_configure(number, a);

	if (err == -EBUSY)
		return complain(
			EXIT_IN_USE,
			"/dev/abuse%d is configured already; abusectl reset %d first",
			number, number);
	/* As it was found. */
	if (err && made)
		device_control(ABUSE_CTL_REMOVE, &ctl);
	return err ? EXIT_FAILED : EXIT_DONE;
}

int add_command(int argc, char **argv)
{
	struct add a = {
		.number = -1,
		/* What swapserver configures; else it could not take over. */
		.info = { .ab_blocksize = 4096,
			  .ab_flags = ABUSE_FLAGS_WRITE_CACHE },
	};
	int status = add_parse(&a, argc, argv), number = a.number;
	bool found = false, made = false;

	if (status)
		return status;
	if (number < 0 && a.info.ab_size) {
		number = add_find(&a);
		if (number == -2)
			return EXIT_FAILED;
		found = number >= 0;
	}
	if (!found &&
	    !(a.info.ab_size && number >= 0 && device_exists(number))) {
		number = add_make(number);
		if (number < 0)
			return EXIT_FAILED;
		made = true;
	}
	if (!found && a.info.ab_size) {
		status = add_size(number, &a, made);
		if (status)
			return status;
	}
	printf("/dev/abuse%d\n", number);
	return EXIT_DONE;
}

int remove_command(int argc, char **argv)
{
	uint64_t end_ms = now_ms() + ADD_BUSY_MS;
	struct abuse_ctl ctl = { 0 };
	char text[200];
	struct use use;
	int err;

	if (argc != 2)
		return wrong_usage("remove", "one device, please");
	ctl.ab_number = parse_device(argv[1]);
	if (ctl.ab_number < 0)
		return EXIT_USAGE;
	for (;;) {
		err = device_control(ABUSE_CTL_REMOVE, &ctl);
		if (err != -EBUSY || use_of(ctl.ab_number, &use) ||
		    use.nr_swaps || use.nr_mounts || now_ms() > end_ms)
			break;
		pause_ms(50);
	}
	if (err == -EBUSY) {
		use_text(&use, text, sizeof(text));
		return complain(
			EXIT_IN_USE,
			"/dev/abuse%d is in use (%s): not removed; abusectl drain %d ends a swap and its server",
			ctl.ab_number, *text ? text : "open, or with a server",
			ctl.ab_number);
	}
	if (err == -ENODEV)
		return complain(
			EXIT_FAILED,
			"/dev/abuse%d: no such device; abusectl list shows those there are",
			ctl.ab_number);
	if (err)
		return complain(EXIT_FAILED, "remove: %s%s", strerror(-err),
				device_hint(-err));
	return EXIT_DONE;
}

static void list_one(struct json *json, int number)
{
	struct abuse_info info = { 0 };
	char state[32];
	struct use use;
	int fd = device_open(number);

	if (fd < 0)
		return; /* gone meanwhile */
	ioctl(fd, ABUSE_GET_STATUS, &info);
	close(fd);
	device_read(number, "state", state, sizeof(state));
	use_of(number, &use);
	if (json) {
		json_object(json, NULL);
		json_u64(json, "number", number);
		json_string(json, "state", state);
		json_u64(json, "size_bytes", info.ab_size);
		json_bool(json, "swap", use.nr_swaps);
		json_bool(json, "mounted", use.nr_mounts);
		json_object_end(json);
		return;
	}
	printf("/dev/abuse%-5d %-13s %14llu bytes%s%s\n", number, state,
	       (unsigned long long)info.ab_size, use.nr_swaps ? "  swap" : "",
	       use.nr_mounts ? "  mounted" : "");
}

int list_command(int argc, char **argv)
{
	static __u32 numbers[ABUSE_NR_LIMIT];
	struct json json = { .out = stdout };
	bool as_json = argc == 2 && !strcmp(argv[1], "--json");
	int nr, i;

	if (argc > 1 && !as_json)
		return wrong_usage("list", "no arguments but --json");
	nr = device_list(numbers);
	if (nr < 0)
		return EXIT_FAILED;
	if (as_json) {
		json_object(&json, NULL);
		json_string(&json, "version", ABUSE_VERSION);
		json_array(&json, "devices");
	}
	for (i = 0; i < nr; i++)
		list_one(as_json ? &json : NULL, numbers[i]);
	if (as_json) {
		json_array_end(&json);
		json_object_end(&json);
	}
	return EXIT_DONE;
}
