// SPDX-License-Identifier: GPL-2.0-only
/*
 * patience.c - to wait for memory, at a start
 *
 * Beside the path: nothing of it is called by who serves.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "patience.h"

/* Each is longer than the one before: every try takes memory from others. */
#define PAUSE_FIRST_MS	10
#define PAUSE_LAST_MS	100
#define SAY_AFTER_MS	1000

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Who reads it may need a page of the device that nobody serves yet. */
static void say(const char *what)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[200];
	int len = snprintf(line, sizeof(line),
			   "swapserver: short of %s: waiting, %d s at most\n",
			   what, PATIENCE_MS / 1000);

	if (poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT) ||
	    write(STDERR_FILENO, line, (size_t)len) < 0)
		return;	/* it is not told, then */
}

bool patience(const char *what)
{
	static int64_t since_ms, pause_ms;
	static bool said;
	int64_t waited_ms = now_ms() - since_ms;

	if (!since_ms) {
		since_ms = now_ms();
		waited_ms = 0;
	}
	if (waited_ms >= PATIENCE_MS)
		return false;
	if (!said && waited_ms >= SAY_AFTER_MS) {
		said = true;
		say(what);
	}
	if (pause_ms < PAUSE_LAST_MS)
		pause_ms += PAUSE_FIRST_MS;
	/* nanosleep() is not on the seal's list. */
	poll(NULL, 0, (int)pause_ms);
	return true;
}
