// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - the switches of a device: reset, aside, scope, policy
 *
 * Path: bio > [queue > ioctl] > server > backend > completion, its policies;
 * module/sysfs-abi.txt says what each means.  The kernel checks the values.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/abuse.h>

#include "abusectl.h"
#include "crew.h"
#include "device.h"
#include "use.h"

static const struct {
	const char *key;
	const char *values; /* for people */
} policies[] = {
	{ "no_server", "wait, fail, or milliseconds, 1 to 2073600000" },
	{ "max_owners", "a number; 0: never" },
	{ "scan_timeout_ms", "milliseconds, 1 to 3600000" },
	{ "reset", "requeue or fail" },
	{ "forward_error", "lend or fail" },
	{ "spin_us", "microseconds, 0 to 10000" },
	{ "read_spin_us", "microseconds, 0 to 10000" },
};
#define NR_POLICIES (sizeof(policies) / sizeof(policies[0]))

/* What keeps a device from being reset; an exit code, a line printed. */
static int reset_in_use(int number, const struct crew *crew)
{
	char text[200] = "open, or with requests in care";
	struct use use;

	use_of(number, &use);
	if (use.nr_swaps || use.nr_mounts || use.nr_holders)
		use_text(&use, text, sizeof(text));
	else if (!crew_is_gone(crew))
		snprintf(text, sizeof(text), "served by process %d",
			 crew->supervisor ? crew->supervisor : crew->pids[0]);
	return complain(
		EXIT_IN_USE,
		"/dev/abuse%d is in use (%s): not reset; abusectl drain %d ends a swap and its server",
		number, text, number);
}

int reset_command(int argc, char **argv)
{
	int number, fd, err = 0;
	struct crew crew;

	if (argc != 2)
		return wrong_usage("reset", "one device, please");
	number = parse_device(argv[1]);
	if (number < 0)
		return EXIT_USAGE;
	fd = device_open(number);
	if (fd < 0)
		return EXIT_FAILED;
	/* The kernel would take an idle device from under its server. */
	crew_of(number, &crew);
	if (!crew_is_gone(&crew))
		err = EBUSY;
	else if (ioctl(fd, ABUSE_RESET))
		err = errno;
	close(fd);
	switch (err) {
	case 0:
		return EXIT_DONE;
	case EBUSY:
		return reset_in_use(number, &crew);
	case EINVAL:
		return complain(
			EXIT_FAILED,
			"/dev/abuse%d is not configured: nothing to reset",
			number);
	default:
		return complain(EXIT_FAILED, "/dev/abuse%d: %s", number,
				strerror(err));
	}
}

int aside_command(int argc, char **argv)
{
	int number, err;

	if (argc != 3 ||
	    (strcmp(argv[2], "requeue") && strcmp(argv[2], "fail")))
		return wrong_usage("aside", "a device and requeue or fail");
	number = parse_device(argv[1]);
	if (number < 0)
		return EXIT_USAGE;
	err = device_write(number, "aside", argv[2]);
	if (err)
		return complain(EXIT_FAILED, "/dev/abuse%d: aside: %s%s",
				number, strerror(-err),
				err == -ENOENT ? "; no such device"
					       : device_hint(-err));
	return EXIT_DONE;
}

int scope_command(int argc, char **argv)
{
	static const char *const names[] = {
		[ABUSE_SCOPE_NONE] = "none",
		[ABUSE_SCOPE_NOIO] = "noio",
		[ABUSE_SCOPE_MEMALLOC] = "memalloc",
	};
	struct abuse_scope scope = { .ab_target = ABUSE_SCOPE_DEVICE };
	int number, fd, err = 0;

	while (argc == 3 && scope.ab_scope <= ABUSE_SCOPE_MEMALLOC &&
	       strcmp(argv[2], names[scope.ab_scope]))
		scope.ab_scope++;
	if (argc != 3 || scope.ab_scope > ABUSE_SCOPE_MEMALLOC)
		return wrong_usage("scope",
				   "a device and none, noio or memalloc");
	number = parse_device(argv[1]);
	if (number < 0)
		return EXIT_USAGE;
	fd = device_open(number);
	if (fd < 0)
		return EXIT_FAILED;
	if (ioctl(fd, ABUSE_SET_SCOPE, &scope))
		err = errno;
	close(fd);
	if (err)
		return complain(
			EXIT_FAILED, "/dev/abuse%d: scope: %s%s", number,
			strerror(err),
			err == EPERM ? "; needs CAP_SYS_RESOURCE: run as root"
				     : "");
	return EXIT_DONE;
}

/* Splits KEY=VALUE; the key's index, or -1. */
static int policy_find(char *argument, char **value)
{
	size_t i;

	*value = strchr(argument, '=');
	if (!*value)
		return -1;
	*(*value)++ = '\0';
	for (i = 0; i < NR_POLICIES; i++)
		if (!strcmp(argument, policies[i].key))
			return i;
	/* The unit is part of the attribute's name, and easily forgotten. */
	return strcmp(argument, "scan_timeout") ? -1 : 2;
}

static int policy_show(int number)
{
	char text[64];
	size_t i;
	int err;

	for (i = 0; i < NR_POLICIES; i++) {
		err = device_read(number, policies[i].key, text, sizeof(text));
		if (err)
			return complain(EXIT_FAILED, "/dev/abuse%d: %s: %s",
					number, policies[i].key,
					strerror(-err));
		printf("%s=%s\n", policies[i].key, text);
	}
	return EXIT_DONE;
}

int policy_command(int argc, char **argv)
{
	char *values[NR_POLICIES] = { NULL }, *value;
	int number, i, which, err;

	if (argc < 2)
		return wrong_usage("policy", "a device, please");
	number = parse_device(argv[1]);
	if (number < 0)
		return EXIT_USAGE;
	/* All of them are looked at before the first is set. */
	for (i = 2; i < argc; i++) {
		which = policy_find(argv[i], &value);
		if (which < 0)
			return wrong_usage("policy", "unknown key");
		values[which] = value;
	}
	if (!device_exists(number))
		return complain(
			EXIT_FAILED,
			"/dev/abuse%d: no such device; abusectl list shows those there are",
			number);
	if (argc == 2)
		return policy_show(number);
	for (i = 0; i < (int)NR_POLICIES; i++) {
		if (!values[i])
			continue;
		err = device_write(number, policies[i].key, values[i]);
		if (err == -EINVAL)
			return complain(EXIT_USAGE, "%s=%s: wants %s",
					policies[i].key, values[i],
					policies[i].values);
		if (err)
			return complain(EXIT_FAILED, "/dev/abuse%d: %s: %s%s",
					number, policies[i].key, strerror(-err),
					device_hint(-err));
	}
	return EXIT_DONE;
}
