// SPDX-License-Identifier: GPL-2.0-only
/*
 * wait.c - wait until a device is served
 *
 * Beside the path.  For whoever starts a server and then wants the disk: a
 * script, or the unit that swaps on it.  The disk has its capacity then, and
 * its server, which has taken its protections before that, answers.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <stddef.h>

#include "../parse.h"
#include "abusectl.h"
#include "crew.h"
#include "task.h"

int wait_command(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "pid", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long timeout_s = 0, pid = 0;
	struct task task;
	uint64_t end_ms;
	int number, c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 't' && c != 'p')
			return wrong_usage("wait", "unknown option");
		if (!parse_number(optarg, 1, 1 << 22,
				  c == 't' ? &timeout_s : &pid))
			return wrong_usage("wait",
					   c == 't' ? "not a number of seconds"
						    : "not a process");
	}
	if (argc - optind != 1)
		return wrong_usage("wait", "one device, please");
	number = parse_device(argv[optind]);
	if (number < 0)
		return EXIT_USAGE;
	end_ms = timeout_s ? now_ms() + timeout_s * 1000 : UINT64_MAX;
	while (!crew_serves(number)) {
		if (pid && !task_look(pid, &task))
			return complain(
				EXIT_FAILED,
				"/dev/abuse%d: process %lu ended before it served; what did it say?",
				number, pid);
		if (now_ms() > end_ms)
			return complain(
				EXIT_FAILED,
				"/dev/abuse%d: nobody serves it after %lu s; what does its server say?",
				number, timeout_s);
		pause_ms(50);
	}
	return EXIT_DONE;
}
