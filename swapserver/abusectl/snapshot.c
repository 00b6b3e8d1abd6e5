// SPDX-License-Identifier: GPL-2.0-only
/*
 * snapshot.c - all that abusectl status tells of one device
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "device.h"
#include "snapshot.h"

#define COUNTER(name)                                                          \
	{                                                                      \
#name, offsetof(struct abuse_counters, ab_##name),             \
			sizeof(((struct abuse_counters *)0)->ab_##name)        \
	}
const struct snapshot_counter snapshot_counters[] = {
	COUNTER(accepted),
	COUNTER(ended),
	COUNTER(ended_error),
	COUNTER(read_bytes),
	COUNTER(write_bytes),
	COUNTER(swap_write_bytes),
	COUNTER(lent),
	COUNTER(requeued),
	COUNTER(stalled),
	COUNTER(bypassed),
	COUNTER(again),
	COUNTER(serve_calls),
	COUNTER(discard_bytes),
	COUNTER(flushes),
	COUNTER(forwarded),
	COUNTER(forward_failed),
	COUNTER(timed_out),
	COUNTER(set_aside),
	COUNTER(nr_slots),
	COUNTER(nr_free),
	COUNTER(nr_free_min),
	COUNTER(nr_queued),
	COUNTER(nr_waiting),
	COUNTER(nr_lent),
	COUNTER(nr_servers),
	COUNTER(nr_opens),
	COUNTER(nr_forwarded),
	COUNTER(nr_aside),
	COUNTER(nr_clones),
	COUNTER(nr_clones_free),
	COUNTER(nr_clones_free_min),
	COUNTER(nr_backings),
};
const unsigned int snapshot_nr_counters =
	sizeof(snapshot_counters) / sizeof(snapshot_counters[0]);

unsigned long long snapshot_counter(const struct abuse_counters *counters,
				    unsigned int i)
{
	const char *p = (const char *)counters + snapshot_counters[i].offset;
	__u64 wide;
	__u32 narrow;

	if (snapshot_counters[i].bytes == sizeof(narrow)) {
		memcpy(&narrow, p, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, p, sizeof(wide));
	return wide;
}

bool snapshot_parse_server(const char *line, struct snapshot_server *server)
{
	int pid, used = 0;

	memset(server, 0, sizeof(*server));
	if (sscanf(line, "%d %u %u%n", &pid, &server->nr_lent,
		   &server->oldest_ms, &used) != 3)
		return false;
	server->task.pid = pid;
	server->serves = true;
	server->dying = !strncmp(line + used, " dying", 6);
	return true;
}

static struct snapshot_server *snapshot_find(struct snapshot *s, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < s->nr_servers; i++)
		if (s->servers[i].task.pid == pid)
			return &s->servers[i];
	return NULL;
}

static void snapshot_board(struct snapshot *s)
{
	/* The ring is sorted, and the board is not ours to change. */
	static uint64_t ring[BOARD_TAKEOVERS];
	const struct board *b;
	int i;

	s->view = view_of(s->number);
	b = &s->view->board;
	for (i = 0; i < BOARD_TAKEOVERS; i++)
		ring[i] = b->takeover_ns[i];
	s->takeover = takeover_of(ring, BOARD_TAKEOVERS, b->nr_takeovers);
	for (i = 0; i < BOARD_SLOTS; i++) {
		struct snapshot_server *server = &s->servers[s->nr_servers];

		if (b->slots[i].state == BOARD_EMPTY ||
		    b->slots[i].state == BOARD_ENDED)
			continue;
		server->slot = &b->slots[i];
		server->task.pid = b->slots[i].pid;
		s->nr_servers++;
	}
}

/* A process may serve through several open files: a line each. */
static void snapshot_kernel(struct snapshot *s)
{
	struct snapshot_server line, *server;
	char text[4096], *p, *save = NULL;

	device_read(s->number, "servers", text, sizeof(text));
	for (p = strtok_r(text, "\n", &save); p;
	     p = strtok_r(NULL, "\n", &save)) {
		if (!snapshot_parse_server(p, &line))
			continue;
		server = snapshot_find(s, line.task.pid);
		if (!server && s->nr_servers < SNAPSHOT_SERVERS_MAX) {
			server = &s->servers[s->nr_servers++];
			server->task.pid = line.task.pid;
		}
		if (!server)
			continue;
		/* A standby is listed because it has presented the store. */
		server->serves |= line.nr_lent || !server->slot ||
				  server->slot->state != BOARD_STANDBY;
		server->dying |= line.dying;
		server->nr_lent += line.nr_lent;
		if (line.oldest_ms > server->oldest_ms)
			server->oldest_ms = line.oldest_ms;
	}
}

static void snapshot_policies(struct snapshot *s)
{
	static const char *const names[] = { "no_server", "max_owners",
					     "scan_timeout_ms", "reset",
					     "forward_error", "spin_us",
					     "read_spin_us" };
	char value[64];
	size_t i, used = 0;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!device_read(s->number, names[i], value, sizeof(value)) &&
		    used < sizeof(s->policies))
			used += snprintf(
				s->policies + used, sizeof(s->policies) - used,
				"%s%s=%.24s", used ? " " : "", names[i], value);
}

int snapshot_take(int number, struct snapshot *s)
{
	struct abuse_scope scope = { .ab_target = ABUSE_SCOPE_DEVICE };
	int fd = device_open(number);
	char text[32];
	unsigned int i;

	if (fd < 0)
		return -1;
	memset(s, 0, sizeof(*s));
	s->number = number;
	ioctl(fd, ABUSE_GET_STATUS, &s->info);
	ioctl(fd, ABUSE_GET_COUNTERS, &s->counters);
	if (!ioctl(fd, ABUSE_GET_SCOPE, &scope))
		s->scope = scope.ab_scope;
	close(fd);
	device_read(number, "state", s->state, sizeof(s->state));
	device_read(number, "store_id", s->store_id, sizeof(s->store_id));
	if (!device_read(number, "oldest_ms", text, sizeof(text)))
		s->oldest_ms = strtoul(text, NULL, 10);
	snapshot_policies(s);
	use_of(number, &s->use);
	/* Only then is it worth a look at every open file. */
	if (s->counters.ab_nr_opens > s->use.nr_swaps + s->use.nr_mounts)
		s->nr_openers = use_openers(number, s->openers);
	snapshot_board(s);
	snapshot_kernel(s);
	for (i = 0; i < s->nr_servers; i++) {
		pid_t pid = s->servers[i].task.pid;

		task_look(pid, &s->servers[i].task);
	}
	return 0;
}

const char *snapshot_protection(const struct snapshot *s,
				const struct snapshot_server *server,
				enum protection what, char *seen,
				size_t seen_bytes)
{
	const struct protection_state *said =
		server->slot ? &server->slot->protections.p[what] : NULL;
	enum task_verdict found =
		task_sees(&server->task, what, s->scope, seen, seen_bytes);

	/* It has nothing to say before it has read them back. */
	if (server->slot && server->slot->state == BOARD_STARTING)
		said = NULL;
	if (found == TASK_UNKNOWN) {
		if (!said)
			return "unknown";
		snprintf(seen, seen_bytes, "the server: %s", said->seen);
		return said->on ? "on" : "off";
	}
	if (found == TASK_ON && said && !said->on) {
		/* The half of it that only the server can see is off. */
		snprintf(seen, seen_bytes, "the server: %s", said->seen);
		return "off";
	}
	if (found == TASK_OFF && said && said->on)
		return "lost";
	return found == TASK_ON ? "on" : "off";
}

const char *snapshot_state(const struct snapshot_server *server)
{
	if (server->dying)
		return "dying";
	if (server->slot)
		return view_state_name(server->slot->state);
	return "serving";
}
