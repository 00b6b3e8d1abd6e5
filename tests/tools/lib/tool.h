/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tool.h - abusectl, run by a test; and boards, written by one
 *
 * Where it stands: [test] > abusectl > /dev/abctlN, /proc, /sys, the board.
 */
#ifndef TESTS_TOOLS_TOOL_H
#define TESTS_TOOLS_TOOL_H

#include "../../../swapserver/board.h"

/* What a run of abusectl came to. */
struct tool {
	int status;	 /* exit code; 128 + signal */
	char out[65536]; /* stdout and stderr, each a text */
	char err[4096];
};

/*
 * /bin/abusectl with these arguments, separated by blanks.  In static storage:
 * one at a time.  With --json its output must be one JSON document.
 */
const struct tool *tool_run(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* The same; the exit code must be this, and a failure be said in one line. */
const struct tool *tool_want(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Start it, and look later: tool_ended(), tool_result(). */
pid_t tool_start(const char *format, ...) __attribute__((format(printf, 1, 2)));
const struct tool *tool_result(pid_t pid);

/* Must the text hold that? */
void tool_has(const char *text, const char *part);
void tool_has_not(const char *text, const char *part);

/*
 * A board of device 0: all of it 0 but what says that it is one.  Shared and
 * mapped; the file goes when the test ends well.
 */
struct board *tool_board(void);
void tool_board_end(struct board *b);
/* A slot of a server that took all its protections. */
void tool_slot(struct board *b, int slot, pid_t pid, uint32_t state);

/*
 * A process, in the cgroup of such, with stamps in so much memory: looked at
 * when tool_victim_end() says so, which returns when it has ended well.
 */
struct tool_victim {
	pid_t pid;
	volatile int *go;
};
struct tool_victim tool_victim_start(uint32_t bytes);
void tool_victim_end(const struct tool_victim *v);

/* Until so much of it is in swap, and not in memory as well. */
void tool_swap_out(uint64_t kib);
uint64_t tool_swapped_kib(void); /* of /dev/abuse0, by /proc/swaps */

#endif
