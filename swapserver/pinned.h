/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pinned.h - a copy of this program that nobody can change or take away
 *
 * Beside the path: made once, for the spawner to execute.
 */
#ifndef SWAPSERVER_PINNED_H
#define SWAPSERVER_PINNED_H

/*
 * A copy of the program that runs, in memory that stays once this process is
 * locked, as a descriptor for execveat(2), close-on-exec.  -1: a line was
 * printed.
 */
int pinned_program(void);

#endif
