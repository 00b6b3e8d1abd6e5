// SPDX-License-Identifier: GPL-2.0-only
/*
 * view.c - a look at the board that the servers of a device share
 *
 * Beside the path.  Read, not mapped: a file that is cut short while one looks
 * at a mapping of it ends the looker.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task.h"
#include "view.h"

const char *view_path(int number)
{
	static char path[64];

	snprintf(path, sizeof(path), BOARD_DIR "/abuse%d.board", number);
	return path;
}

const char *view_state_name(uint32_t state)
{
	switch (state) {
	case BOARD_EMPTY:
		return "empty";
	case BOARD_STARTING:
		return "starting";
	case BOARD_STANDBY:
		return "standby";
	case BOARD_ACTIVE:
		return "active";
	case BOARD_ENDED:
		return "ended";
	default:
		return "unknown";
	}
}

const char *view_check(const struct board *b, size_t bytes, int number,
		       char *why, size_t why_bytes)
{
	if (bytes < offsetof(struct board, backend) || b->magic != BOARD_MAGIC)
		snprintf(why, why_bytes, "no board, or not written yet");
	else if (b->version != BOARD_VERSION)
		snprintf(why, why_bytes,
			 "layout %u, this abusectl (" ABUSE_VERSION
			 ") knows layout %u",
			 b->version, BOARD_VERSION);
	else if (b->bytes != sizeof(*b) || bytes < sizeof(*b))
		snprintf(why, why_bytes, "%u bytes, %zu expected", b->bytes,
			 sizeof(*b));
	else if (b->device != number)
		snprintf(why, why_bytes, "of device %d", b->device);
	else
		return NULL;
	return why;
}

/* Who writes a board can name processes of his own on it, and no others. */
static bool view_is_theirs(pid_t pid, uid_t owner, struct task *t)
{
	return task_look(pid, t) && t->uid == owner;
}

/* What /proc does not confirm is not so. */
static void view_strike_out(struct board *b, int number, uid_t owner)
{
	struct task t;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		struct board_slot *slot = &b->slots[i];

		if (slot->state != BOARD_EMPTY && slot->state != BOARD_ENDED &&
		    (!view_is_theirs(slot->pid, owner, &t) ||
		     task_is_younger(&t, slot->started_ns)))
			slot->state = BOARD_ENDED;
		/* Texts of others end where they end. */
		slot->version[sizeof(slot->version) - 1] = '\0';
	}
	b->backend[sizeof(b->backend) - 1] = '\0';
	if (b->supervisor && (!view_is_theirs(b->supervisor, owner, &t) ||
			      !task_is_server_of(b->supervisor, number)))
		b->supervisor = 0;
	/* It need not have a command line of its own. */
	if (b->spawner && !view_is_theirs(b->spawner, owner, &t))
		b->spawner = 0;
}

const struct view *view_of(int number)
{
	static struct view v;
	size_t bytes = 0;
	struct stat st;
	ssize_t got;
	int fd, i, p;

	memset(&v, 0, sizeof(v));
	fd = open(view_path(number),
		  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		snprintf(
			v.why_not, sizeof(v.why_not), "%s",
			errno == ENOENT
				? "none: no supervisor, or a server without one"
				: strerror(errno));
		return &v;
	}
	v.owner = fstat(fd, &st) ? (uid_t)-1 : st.st_uid;
	while (bytes < sizeof(v.board)) {
		got = read(fd, (char *)&v.board + bytes,
			   sizeof(v.board) - bytes);
		if (got <= 0)
			break;
		bytes += got;
	}
	close(fd);
	v.usable = !view_check(&v.board, bytes, number, v.why_not,
			       sizeof(v.why_not));
	if (!v.usable) {
		memset(&v.board, 0, sizeof(v.board));
		return &v;
	}
	view_strike_out(&v.board, number, v.owner);
	for (i = 0; i < BOARD_SLOTS; i++)
		for (p = 0; p < PROTECT_COUNT; p++) {
			char *seen = v.board.slots[i].protections.p[p].seen;

			seen[sizeof(v.board.slots[i].protections.p[p].seen) -
			     1] = '\0';
		}
	return &v;
}
