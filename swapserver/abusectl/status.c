// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - print snapshots of devices, for people and as JSON
 *
 * Beside the path.  Two printers of one snapshot, member by member in the same
 * order.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "abusectl.h"
#include "device.h"
#include "json.h"
#include "snapshot.h"

static const char *const scopes[] = { "none", "noio", "memalloc" };

static const char *scope_name(const struct snapshot *s)
{
	return s->scope < sizeof(scopes) / sizeof(scopes[0]) ? scopes[s->scope]
							     : "unknown";
}

static const struct {
	unsigned int flag;
	const char *name;
} flags[] = {
	{ ABUSE_FLAGS_READ_ONLY, "read_only" },
	{ ABUSE_FLAGS_WRITE_CACHE, "write_cache" },
	{ ABUSE_FLAGS_DISCARD, "discard" },
	{ ABUSE_FLAGS_WRITE_ZEROES, "write_zeroes" },
};
#define NR_FLAGS (sizeof(flags) / sizeof(flags[0]))

/* ------------------------------------------------------------------ text */

static void text_use(const struct snapshot *s)
{
	const char *between = "";
	unsigned int i;

	printf("  in use: ");
	for (i = 0; i < s->use.nr_swaps; i++) {
		printf("%sswap (%" PRIu64 " of %" PRIu64
		       " KiB used, priority %d)",
		       between, s->use.swaps[i].used_kib,
		       s->use.swaps[i].size_kib, s->use.swaps[i].priority);
		between = ", ";
	}
	for (i = 0; i < s->use.nr_mounts; i++) {
		printf("%smounted on %s", between, s->use.mounts[i]);
		between = ", ";
	}
	for (i = 0; i < s->use.nr_holders; i++) {
		printf("%sheld by %s", between, s->use.holders[i]);
		between = ", ";
	}
	if (s->counters.ab_nr_opens)
		printf("%s%u open", between, s->counters.ab_nr_opens);
	else if (!*between)
		printf("no");
	for (i = 0; i < s->nr_openers; i++)
		printf("%s%d", i ? " " : ", by process ", s->openers[i]);
	putchar('\n');
}

static void text_server(const struct snapshot *s,
			const struct snapshot_server *server)
{
	const struct board_slot *slot = server->slot;
	char seen[160];
	int i;

	printf("  server %d: %s", server->task.pid, snapshot_state(server));
	if (slot)
		printf(", version %s", slot->version);
	if (server->serves)
		printf(", %u lent, oldest %u ms", server->nr_lent,
		       server->oldest_ms);
	if (slot && slot->state == BOARD_ACTIVE)
		printf(", %" PRIu64 " requests in %" PRIu64
		       " rounds, page faults %" PRIu64 " major, %" PRIu64
		       " minor, %" PRIu64 " absent, %" PRIu64 " stale",
		       slot->nr_requests, slot->nr_rounds,
		       slot->nr_major_faults, slot->nr_minor_faults,
		       slot->nr_absent, slot->nr_stale);
	putchar('\n');
	for (i = 0; i < PROTECT_COUNT; i++) {
		const char *word =
			snapshot_protection(s, server, i, seen, sizeof(seen));

		printf("    %-8s %-8s%s%s\n", task_protections[i], word,
		       *seen ? "  " : "", seen);
	}
}

static void text_board(const struct snapshot *s)
{
	const struct board *b = &s->view->board;

	if (!s->view->usable) {
		printf("  board: %s\n", s->view->why_not);
		return;
	}
	if (b->supervisor)
		printf("  supervisor: %d, spawner %d, crew %u", b->supervisor,
		       b->spawner, b->crew);
	else
		printf("  supervisor: none");
	printf(", %" PRIu64 " refills, %" PRIu64 " fenced; backend %s\n",
	       b->nr_refills, b->nr_fenced, b->backend);
}

static void text_takeovers(const struct snapshot *s)
{
	const struct takeover *t = &s->takeover;

	if (!s->view->usable)
		return;
	printf("  takeovers: %" PRIu64, t->nr);
	if (t->nr_known)
		printf("; of the last %u: median %" PRIu64 " us, 99%% %" PRIu64
		       " us, most %" PRIu64 " us",
		       t->nr_known, t->median_ns / 1000, t->p99_ns / 1000,
		       t->max_ns / 1000);
	putchar('\n');
}

static void text_counters(const struct snapshot *s)
{
	unsigned int i;

	for (i = 0; i < snapshot_nr_counters; i++)
		printf("%s%s %llu%s", i % 4 ? "" : "  ",
		       snapshot_counters[i].name,
		       snapshot_counter(&s->counters, i),
		       i % 4 == 3 || i + 1 == snapshot_nr_counters ? "\n"
								   : ", ");
}

static void text_device(const struct snapshot *s)
{
	unsigned int i;

	printf("/dev/abuse%d: %s, %llu bytes, block size %u, bound %u",
	       s->number, s->state, (unsigned long long)s->info.ab_size,
	       s->info.ab_blocksize, s->info.ab_max_queue);
	for (i = 0; i < NR_FLAGS; i++)
		if (s->info.ab_flags & flags[i].flag)
			printf(", %s", flags[i].name);
	putchar('\n');
	text_use(s);
	printf("  policy: %s scope=%s store=%s\n", s->policies, scope_name(s),
	       *s->store_id ? s->store_id : "any");
	printf("  requests: %u queued, %u lent, %u forwarded, %u aside, %u waiting, oldest %u ms\n",
	       s->counters.ab_nr_queued, s->counters.ab_nr_lent,
	       s->counters.ab_nr_forwarded, s->counters.ab_nr_aside,
	       s->counters.ab_nr_waiting, s->oldest_ms);
	text_board(s);
	if (!s->nr_servers)
		printf("  server: none\n");
	for (i = 0; i < s->nr_servers; i++)
		text_server(s, &s->servers[i]);
	text_takeovers(s);
	text_counters(s);
}

/* ------------------------------------------------------------------ JSON */

static void json_use(struct json *j, const struct snapshot *s)
{
	unsigned int i;

	json_object(j, "in_use");
	json_u64(j, "opens", s->counters.ab_nr_opens);
	json_array(j, "swap");
	for (i = 0; i < s->use.nr_swaps; i++) {
		json_object(j, NULL);
		json_string(j, "path", s->use.swaps[i].path);
		json_u64(j, "size_kib", s->use.swaps[i].size_kib);
		json_u64(j, "used_kib", s->use.swaps[i].used_kib);
		json_i64(j, "priority", s->use.swaps[i].priority);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "mounted");
	for (i = 0; i < s->use.nr_mounts; i++)
		json_string(j, NULL, s->use.mounts[i]);
	json_array_end(j);
	json_array(j, "held_by");
	for (i = 0; i < s->use.nr_holders; i++)
		json_string(j, NULL, s->use.holders[i]);
	json_array_end(j);
	json_array(j, "openers");
	for (i = 0; i < s->nr_openers; i++)
		json_i64(j, NULL, s->openers[i]);
	json_array_end(j);
	json_object_end(j);
}

static void json_slot(struct json *j, const struct board_slot *slot)
{
	json_string(j, "version", slot->version);
	json_u64(j, "crew", slot->crew);
	json_u64(j, "rounds", slot->nr_rounds);
	json_u64(j, "requests", slot->nr_requests);
	json_u64(j, "absent", slot->nr_absent);
	json_u64(j, "stale", slot->nr_stale);
	json_u64(j, "major_faults", slot->nr_major_faults);
	json_u64(j, "minor_faults", slot->nr_minor_faults);
}

static void json_server(struct json *j, const struct snapshot *s,
			const struct snapshot_server *server)
{
	char seen[160];
	int i;

	json_object(j, NULL);
	json_i64(j, "pid", server->task.pid);
	json_string(j, "state", snapshot_state(server));
	json_bool(j, "serves", server->serves);
	json_u64(j, "lent", server->nr_lent);
	json_u64(j, "oldest_ms", server->oldest_ms);
	if (server->slot)
		json_slot(j, server->slot);
	json_object(j, "protections");
	for (i = 0; i < PROTECT_COUNT; i++) {
		json_object(j, task_protections[i]);
		json_string(
			j, "state",
			snapshot_protection(s, server, i, seen, sizeof(seen)));
		json_string(j, "seen", seen);
		json_object_end(j);
	}
	json_object_end(j);
	json_object_end(j);
}

static void json_board(struct json *j, const struct snapshot *s)
{
	const struct board *b = &s->view->board;

	json_object(j, "board");
	json_bool(j, "usable", s->view->usable);
	if (s->view->usable) {
		json_i64(j, "supervisor", b->supervisor);
		json_i64(j, "spawner", b->spawner);
		json_u64(j, "crew", b->crew);
		json_string(j, "backend", b->backend);
		json_u64(j, "refills", b->nr_refills);
		json_u64(j, "fenced", b->nr_fenced);
	} else {
		json_string(j, "why_not", s->view->why_not);
	}
	json_object_end(j);
}

static void json_takeovers(struct json *j, const struct takeover *t)
{
	json_object(j, "takeovers");
	json_u64(j, "count", t->nr);
	json_u64(j, "measured", t->nr_known);
	json_u64(j, "median_ns", t->median_ns);
	json_u64(j, "p99_ns", t->p99_ns);
	json_u64(j, "max_ns", t->max_ns);
	json_object_end(j);
}

static void json_policies(struct json *j, const struct snapshot *s)
{
	char text[sizeof(s->policies)], *p, *value, *save = NULL;

	memcpy(text, s->policies, sizeof(text));
	json_object(j, "policy");
	for (p = strtok_r(text, " ", &save); p;
	     p = strtok_r(NULL, " ", &save)) {
		value = strchr(p, '=');
		if (!value)
			continue;
		*value++ = '\0';
		json_string(j, p, value);
	}
	json_object_end(j);
}

static void json_device(struct json *j, const struct snapshot *s)
{
	unsigned int i;

	json_object(j, NULL);
	json_u64(j, "number", s->number);
	json_string(j, "state", s->state);
	json_u64(j, "size_bytes", s->info.ab_size);
	json_u64(j, "blocksize_bytes", s->info.ab_blocksize);
	json_u64(j, "bound", s->info.ab_max_queue);
	json_u64(j, "errors", s->info.ab_errors);
	json_object(j, "flags");
	for (i = 0; i < NR_FLAGS; i++)
		json_bool(j, flags[i].name, s->info.ab_flags & flags[i].flag);
	json_object_end(j);
	json_use(j, s);
	json_policies(j, s);
	json_string(j, "scope", scope_name(s));
	json_string(j, "store_id", s->store_id);
	json_u64(j, "oldest_ms", s->oldest_ms);
	json_board(j, s);
	json_array(j, "servers");
	for (i = 0; i < s->nr_servers; i++)
		json_server(j, s, &s->servers[i]);
	json_array_end(j);
	json_takeovers(j, &s->takeover);
	json_object(j, "counters");
	for (i = 0; i < snapshot_nr_counters; i++)
		json_u64(j, snapshot_counters[i].name,
			 snapshot_counter(&s->counters, i));
	json_object_end(j);
	json_object_end(j);
}

/* --------------------------------------------------------------- command */

/* Without a number: those that are configured, for the module makes eight. */
static bool status_is_of_interest(int number)
{
	char state[32];

	return !device_read(number, "state", state, sizeof(state)) &&
	       strcmp(state, "unconfigured");
}

int status_command(int argc, char **argv)
{
	static __u32 numbers[ABUSE_NR_LIMIT];
	static struct snapshot s;
	struct json json = { .out = stdout };
	int nr = 0, number = -1, i;
	bool as_json = false;

	lock_memory();
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			as_json = true;
		} else if (number < 0 && argv[i][0] != '-') {
			number = parse_device(argv[i]);
			if (number < 0)
				return EXIT_USAGE;
			numbers[nr++] = number;
		} else {
			return wrong_usage("status",
					   "one device at most, and --json");
		}
	}
	if (number < 0)
		nr = device_list(numbers);
	/* Before anything is printed: a document has both its ends. */
	if (nr < 0 || (number >= 0 && snapshot_take(number, &s)))
		return EXIT_FAILED;
	if (as_json) {
		json_object(&json, NULL);
		json_string(&json, "version", ABUSE_VERSION);
		json_array(&json, "devices");
	}
	for (i = 0; i < nr; i++) {
		if (number < 0 && (!status_is_of_interest(numbers[i]) ||
				   snapshot_take(numbers[i], &s)))
			continue;
		if (as_json)
			json_device(&json, &s);
		else
			text_device(&s);
	}
	if (as_json) {
		json_array_end(&json);
		json_object_end(&json);
	}
	return EXIT_DONE;
}
