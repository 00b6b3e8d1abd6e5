// SPDX-License-Identifier: GPL-2.0-only
/*
 * units.c - the parts of abusectl that need no device, for
 * tests/test_abusectl.py
 *
 * Where it stands: [test of the host] > abusectl's files.  Called as
 * units WHAT [arguments]; prints what came out, one value a line.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../../swapserver/abusectl/abusectl.h"
#include "../../../swapserver/abusectl/json.h"
#include "../../../swapserver/abusectl/notify.h"
#include "../../../swapserver/abusectl/snapshot.h"
#include "../../../swapserver/abusectl/takeover.h"
#include "../../../swapserver/abusectl/task.h"
#include "../../../swapserver/abusectl/use.h"
#include "../../../swapserver/abusectl/view.h"
#include "../../../swapserver/parse.h"

/* Every text as a member and as a key; nested and empty ones; numbers. */
static void do_json(int argc, char **argv)
{
	struct json j = { .out = stdout };
	int i;

	json_object(&j, NULL);
	json_array(&j, "texts");
	for (i = 0; i < argc; i++)
		json_string(&j, NULL, argv[i]);
	json_array_end(&j);
	json_object(&j, "keys");
	for (i = 0; i < argc; i++)
		json_i64(&j, argv[i], -i);
	json_object_end(&j);
	json_object(&j, "empty");
	json_object_end(&j);
	json_array(&j, "nested");
	for (i = 0; i < 2; i++) {
		json_array(&j, NULL);
		json_object(&j, NULL);
		json_bool(&j, "yes", true);
		json_bool(&j, "no", false);
		json_null(&j, "null");
		json_object_end(&j);
		json_array_end(&j);
	}
	json_array_end(&j);
	json_u64(&j, "most", UINT64_MAX);
	json_i64(&j, "least", INT64_MIN);
	json_object_end(&j);
}

/* RING-SIZE NUMBER-EVER VALUE... */
static void do_takeover(int argc, char **argv)
{
	static uint64_t ring[BOARD_TAKEOVERS];
	struct takeover t;
	int i;

	for (i = 2; i < argc; i++)
		ring[i - 2] = strtoull(argv[i], NULL, 10);
	t = takeover_of(ring, atoi(argv[0]), strtoull(argv[1], NULL, 10));
	printf("%" PRIu64 " %u %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", t.nr,
	       t.nr_known, t.median_ns, t.p99_ns, t.max_ns);
}

static void do_swap(int argc, char **argv)
{
	struct use_swap s;
	int i;

	for (i = 0; i < argc; i++)
		if (use_parse_swap(argv[i], &s))
			printf("%s|%" PRIu64 "|%" PRIu64 "|%d\n", s.path,
			       s.size_kib, s.used_kib, s.priority);
		else
			puts("none");
}

static void do_mount(int argc, char **argv)
{
	char where[32], what[32];
	dev_t dev;
	int i;

	for (i = 0; i < argc; i++)
		if (use_parse_mount(argv[i], &dev, where, sizeof(where), what,
				    sizeof(what)))
			printf("%u:%u|%s|%s\n", major(dev), minor(dev), where,
			       what);
		else
			puts("none");
}

/* NUMBER PATH... */
static void do_path(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		puts(use_is_path_of(argv[i], atoi(argv[0])) ? "yes" : "no");
}

static void do_stat(int argc, char **argv)
{
	unsigned int priority;
	unsigned long flags;
	uint64_t start;
	int policy, i;
	char state;

	for (i = 0; i < argc; i++)
		if (task_parse_stat(argv[i], &state, &flags, &policy, &priority,
				    &start))
			printf("%c %lx %d %u %" PRIu64 "\n", state, flags,
			       policy, priority, start);
		else
			puts("none");
}

static void do_server(int argc, char **argv)
{
	struct snapshot_server s;
	int i;

	for (i = 0; i < argc; i++)
		if (snapshot_parse_server(argv[i], &s))
			printf("%d %u %u%s\n", s.task.pid, s.nr_lent,
			       s.oldest_ms, s.dying ? " dying" : "");
		else
			puts("none");
}

static void do_size(int argc, char **argv)
{
	uint64_t bytes;
	int i;

	for (i = 0; i < argc; i++)
		if (parse_size(argv[i], &bytes))
			printf("%" PRIu64 "\n", bytes);
		else
			puts("none");
}

/* MIN MAX TEXT... */
static void do_number(int argc, char **argv)
{
	unsigned long value;
	int i;

	for (i = 2; i < argc; i++)
		if (parse_number(argv[i], strtoul(argv[0], NULL, 10),
				 strtoul(argv[1], NULL, 10), &value))
			printf("%lu\n", value);
		else
			puts("none");
}

static void do_device(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		printf("%d\n", parse_device(argv[i]));
}

static void do_names(int argc, char **argv)
{
	int i;

	(void)argc, (void)argv;
	for (i = 0; i < PROTECT_COUNT; i++)
		puts(task_protections[i]);
}

/* SOCKET OLD-PID WINNER */
static void do_notify(int argc, char **argv)
{
	struct notify n;
	int err;

	(void)argc;
	err = notify_begin(&n, argv[0], "", atoi(argv[1]));
	printf("%d %d\n", err, n.keeper);
	if (!err && atoi(argv[2]))
		notify_end(&n, atoi(argv[2]));
}

/* The caller itself. */
static void do_task(int argc, char **argv)
{
	struct task t;
	char seen[100];

	(void)argc, (void)argv;
	if (!task_look(getpid(), &t))
		return;
	printf("%d %u %d %d\n", t.there, t.nr_threads, t.seccomp,
	       task_is_younger(&t, 1));
	printf("%d %s\n", task_sees(&t, PROTECT_OOM, 0, seen, sizeof(seen)),
	       seen);
	printf("%d %s\n", task_sees(&t, PROTECT_MLOCK, 0, seen, sizeof(seen)),
	       seen);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(int argc, char **argv);
	} all[] = {
		{ "json", do_json },	 { "takeover", do_takeover },
		{ "swap", do_swap },	 { "mount", do_mount },
		{ "path", do_path },	 { "stat", do_stat },
		{ "server", do_server }, { "size", do_size },
		{ "device", do_device }, { "names", do_names },
		{ "notify", do_notify }, { "task", do_task },
		{ "number", do_number },
	};
	size_t i;

	for (i = 0; argc > 1 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name)) {
			all[i].run(argc - 2, argv + 2);
			return 0;
		}
	return 2;
}
