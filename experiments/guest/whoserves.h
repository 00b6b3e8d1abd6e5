/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * whoserves.h - who of a swapserver with standbys serves now
 *
 * Where it stands: agent, fault > [whoserves] > the server's board.  It only
 * looks: the board is mapped for reading, and what is on it is locked by those
 * who serve.  A server without standbys has none.
 */
#ifndef EXPERIMENTS_WHOSERVES_H
#define EXPERIMENTS_WHOSERVES_H

#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../swapserver/board.h"

/* NULL: there is none, or it is of another version. */
static inline const struct board *board_look(const char *path)
{
	const struct board *board = NULL;
	struct stat st;
	void *map;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size >= (off_t)sizeof(*board)) {
		map = mmap(NULL, sizeof(*board), PROT_READ, MAP_SHARED, fd, 0);
		board = map == MAP_FAILED ? NULL : map;
	}
	close(fd);
	return board && board->magic == BOARD_MAGIC &&
	       board->version == BOARD_VERSION ? board : NULL;
}

/* 0: nobody at this moment. */
static inline pid_t board_active(const struct board *board)
{
	uint32_t slot = atomic_load(&board->active);

	if (slot >= BOARD_SLOTS ||
	    atomic_load(&board->slots[slot].state) != BOARD_ACTIVE)
		return 0;
	return atomic_load(&board->slots[slot].pid);
}

#endif
