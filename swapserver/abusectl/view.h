/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * view.h - a look at the board that the servers of a device share
 *
 * Beside the path.  A copy of it is read, and nothing is believed: there may
 * be no board (a server that writes none), one of another version, or one
 * whose writers are long gone.
 */
#ifndef ABUSECTL_VIEW_H
#define ABUSECTL_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../board.h"

struct view {
	bool usable;
	char why_not[96]; /* if it is not */
	uid_t owner;	  /* of the file: as whom these servers run */
	/*
	 * Zeroes if it is not usable.  Of the slots only those of processes
	 * that are there, and the owner's, have a state other than EMPTY and
	 * ENDED, and ->supervisor and ->spawner are 0 if theirs are not.
	 */
	struct board board;
};

/* A new copy.  In static storage: one at a time. */
const struct view *view_of(int number);

/* The path of the board. */
const char *view_path(int number);

/* Pure: is what was read a board of ours?  NULL, or why not. */
const char *view_check(const struct board *b, size_t bytes, int number,
		       char *why, size_t why_bytes);

const char *view_state_name(uint32_t state);

#endif
