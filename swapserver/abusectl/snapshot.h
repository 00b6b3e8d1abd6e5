/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * snapshot.h - all that abusectl status tells of one device
 *
 * Beside the path.  Gathered first and printed afterwards, so that text and
 * JSON tell the same.  Every part may be missing: the rest is told all the
 * same.
 */
#ifndef ABUSECTL_SNAPSHOT_H
#define ABUSECTL_SNAPSHOT_H

#include <linux/abuse.h>

#include "takeover.h"
#include "task.h"
#include "use.h"
#include "view.h"

/* Those of the board, and some that only the kernel knows of. */
#define SNAPSHOT_SERVERS_MAX (BOARD_SLOTS + 16)

struct snapshot_server {
	struct task task;
	/* As the board has it; NULL if it does not have it. */
	const struct board_slot *slot;
	/* As the kernel has it, if it has asked for work. */
	bool serves, dying;
	unsigned int nr_lent, oldest_ms;
};

struct snapshot {
	int number;
	char state[32];
	char store_id[40];
	char policies[200]; /* "no_server=wait max_owners=16 ..." */
	unsigned int oldest_ms;
	struct abuse_info info;
	struct abuse_counters counters;
	unsigned int scope; /* ABUSE_SCOPE_* */
	struct use use;
	unsigned int nr_openers;
	pid_t openers[USE_OPENERS_MAX];
	const struct view *view;
	struct takeover takeover;
	unsigned int nr_servers;
	struct snapshot_server servers[SNAPSHOT_SERVERS_MAX];
};

/* 0, or -1 with a line printed: there is no such device. */
int snapshot_take(int number, struct snapshot *s);

/*
 * The state of one protection of one server, in one word: "on" and "off" are
 * what both say, or the one that can say it; "lost": the server took it, and
 * /proc says that it is gone; "unknown": nobody can say.  seen: what was
 * looked at.
 */
const char *snapshot_protection(const struct snapshot *s,
				const struct snapshot_server *server,
				enum protection what, char *seen,
				size_t seen_bytes);

/* What a server does, in one word; by the board, else by the kernel. */
const char *snapshot_state(const struct snapshot_server *server);

/* The names of the counters, and where they are in struct abuse_counters. */
struct snapshot_counter {
	const char *name;
	unsigned int offset;
	unsigned int bytes; /* 4 or 8 */
};
extern const struct snapshot_counter snapshot_counters[];
extern const unsigned int snapshot_nr_counters;
unsigned long long snapshot_counter(const struct abuse_counters *counters,
				    unsigned int i);

/* Pure: a line of the attribute servers; false if it is none. */
bool snapshot_parse_server(const char *line, struct snapshot_server *server);

#endif
