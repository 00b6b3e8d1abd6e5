/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hold.h - for experiments: answer no write until so many are lent
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * What serve.c never does.  How many writes can the kernel send that has no
 * memory left?  A server that waits for more than that waits for ever.
 */
#ifndef SWAPSERVER_HOLD_H
#define SWAPSERVER_HOLD_H

#include <stdbool.h>
#include <linux/abuse.h>

/*
 * Start the clock that interrupts a wait once a second.  0 or -1, a line
 * printed.
 */
int hold_init(void);

/* Shall these wait for more?  wanted: 0 holds nothing. */
bool hold_wants_more(const struct abuse_lent *lent, unsigned int nr,
		     unsigned int wanted);

/*
 * After an interrupted wait: is there memory, so that whoever had something to
 * write could have sent it?  Then nothing more comes, which says nothing about
 * memory, and what is held is to be answered.  Allocates nothing.
 */
bool hold_is_over(void);

#endif
