/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crew.h - the servers of a supervisor: who is there, who died, who replaces
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_CREW_H
#define SWAPSERVER_CREW_H

#include "board.h"

/* A server that has been asked for and is not known to have ended. */
bool crew_is_there(const struct board_slot *slot);

/* The same, and it is our spawner who was asked. */
bool crew_is_ours(const struct board_slot *slot);

/* How many of ours have come so far: BOARD_STARTING, _STANDBY or _ACTIVE. */
unsigned int crew_count(enum board_state from);

/* Does somebody sleep on the turn who is to stay?  Not counting one slot. */
bool crew_has_standby(const struct board_slot *but);

/* Send it a signal, if it lives; of another crew, too. */
void crew_signal(const struct board_slot *slot, int sig);

/* Take note of all children that have ended, and of what the spawner did. */
void crew_reap(void);

/* Have a server started, if one is missing and it is time. */
void crew_refill(void);

#endif
