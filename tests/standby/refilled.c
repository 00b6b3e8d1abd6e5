// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill standbys and active servers: each is replaced, by a
 * server that is as ready as the first ones were, and no other process comes
 * into being.
 *
 * Where it stands: bio > queue > ioctl > [server], and its spawner.
 *
 * time: 90
 * busted: env=T_TWIN=no-spawner
 * busted: module=scope-ignored
 * invariant: I8
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sb.h"

#define STANDBYS	2
#define ROUNDS		4

static pid_t parent_of(pid_t pid)
{
	const char *p = strrchr(t_read_text("/proc/%d/stat", pid), ')');
	int parent = 0;

	if (p)
		sscanf(p + 1, " %*c %d", &parent);
	return parent;
}

/* Processes that the supervisor or one of its children has started. */
static int descendants(pid_t supervisor)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int nr = 0;

	T_TRUE(proc, "/proc: %s", strerror(errno));
	while ((entry = readdir(proc))) {
		pid_t up = atoi(entry->d_name);

		if (!up || up == supervisor || strchr("ZX?", t_state(up)))
			continue;
		while (up > 1 && up != supervisor)
			up = parent_of(up);
		nr += up == supervisor;
	}
	closedir(proc);
	return nr;
}

static void complete(const struct sb *sb)
{
	pid_t pid;
	int i;

	/* In this order: who takes its turn is on the board as a standby until it has it. */
	T_UNTIL(sb_count(sb, BOARD_ACTIVE) == 1 && sb_count(sb, BOARD_STANDBY) == STANDBYS);
	/* Of the spawner and all servers, and nobody else. */
	T_EQ(descendants(sb->s.pid), STANDBYS + 2);
	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &sb->board->slots[i];

		pid = turn_holder(&slot->life);
		if (!pid)
			continue;
		T_EQ(slot->pid, pid);
		T_EQ(parent_of(pid), sb->s.pid);
		T_TRUE(slot->scope_inherited && slot->protections.p[PROTECT_SEALED].on &&
		       slot->protections.p[PROTECT_MLOCK].on,
		       "server %d: expected it locked, sealed and with the scope, found otherwise",
		       pid);
	}
}

int main(void)
{
	struct sb sb;
	uint64_t refills;
	int i;

	t_init(80);
	sb = sb_start("--standby=2", SB_DISK, STANDBYS);
	complete(&sb);
	T_EQ(sb.board->nr_refills, 0);
	if (t_twin("no-spawner"))
		sb_kill(sb.board->spawner);
	sb_load_start(16 * T_MIB);
	for (i = 0; i < ROUNDS; i++) {
		refills = sb.board->nr_refills;
		/* Answers between two deaths, or it is a crash loop. */
		sb_load_await(2);
		if (i & 1)
			sb_kill(sb_standby(&sb));
		else
			sb_kill_active(&sb);
		T_UNTIL(sb.board->nr_refills == refills + 1);
		complete(&sb);
	}
	sb_load_await(2);
	sb_load_stop();
	sb_end(&sb);
	return t_end();
}
