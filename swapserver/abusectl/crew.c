// SPDX-License-Identifier: GPL-2.0-only
/*
 * crew.c - the processes that serve a device, to be waited for and ended
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crew.h"
#include "device.h"
#include "snapshot.h"
#include "task.h"
#include "view.h"

static void crew_add(struct crew *c, pid_t pid)
{
	struct task t;
	unsigned int i;

	for (i = 0; i < c->nr; i++)
		if (c->pids[i] == pid)
			return;
	if (c->nr < CREW_MAX && task_look(pid, &t))
		c->pids[c->nr++] = pid;
}

void crew_of(int number, struct crew *c)
{
	const struct board *b = &view_of(number)->board;
	struct snapshot_server server;
	char text[4096], *p, *save = NULL;
	int i;

	memset(c, 0, sizeof(*c));
	c->supervisor = b->supervisor;
	for (i = 0; i < BOARD_SLOTS; i++)
		if (b->slots[i].state != BOARD_EMPTY &&
		    b->slots[i].state != BOARD_ENDED)
			crew_add(c, b->slots[i].pid);
	device_read(number, "servers", text, sizeof(text));
	for (p = strtok_r(text, "\n", &save); p;
	     p = strtok_r(NULL, "\n", &save))
		if (snapshot_parse_server(p, &server))
			crew_add(c, server.task.pid);
}

bool crew_is_gone(const struct crew *c)
{
	return !c->supervisor && !c->nr;
}

void crew_terminate(const struct crew *c)
{
	unsigned int i;

	if (c->supervisor) {
		kill(c->supervisor, SIGTERM);
		return;
	}
	for (i = 0; i < c->nr; i++)
		kill(c->pids[i], SIGTERM);
}

bool crew_serves(int number)
{
	char state[32], servers[64];

	return !device_read(number, "state", state, sizeof(state)) &&
	       !strcmp(state, "live") &&
	       !device_read(number, "servers", servers, sizeof(servers)) &&
	       *servers;
}
