// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will give abusectl status a board that is right, and boards that
 * are not: of another layout, cut short, of another device, no board at all,
 * with servers that are gone, and with one whose pid belongs to a process that
 * came later; it tells of each what is so, ends well every time, and the
 * takeover times of a full ring are right.
 *
 * Where it stands: [abusectl] > the board.
 *
 * time: 60
 * busted: env=T_TWIN=layout
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

static void idle(void)
{
	for (;;)
		pause();
}

static void unusable(const char *why)
{
	const char *out = tool_want(0, "status 0")->out;

	tool_has(out, "  board: ");
	tool_has(out, why);
	tool_has(out, "  server: none");
	tool_has_not(out, "takeovers");
	tool_has(tool_want(0, "status 0 --json")->out,
		 "\"board\":{\"usable\":false,\"why_not\":");
	/* Nobody is there to be told to end. */
	tool_want(0, "drain 0");
	tool_has(tool_want(1, "upgrade 0 --binary /bin/abusectl")->err,
		 "has no supervisor");
}

/* The server is the test's child, which serves nothing. */
static void right(struct board *b, pid_t pid)
{
	char want[64];
	const char *out;
	int i;

	tool_slot(b, 5, pid, BOARD_STANDBY);
	tool_slot(b, 6, pid, BOARD_ENDED);
	b->nr_takeovers = 2000;
	/* Entries 976 to 1999 are known: 1000 us to 2023 us. */
	for (i = 976; i < 2000; i++)
		b->takeover_ns[i % BOARD_TAKEOVERS] = (i + 24) * 1000ull;
	b->nr_refills = 7;
	if (t_twin("layout"))
		b->version++;
	out = tool_want(0, "status 0")->out;
	snprintf(want, sizeof(want), "  server %d: standby, version 7.5\n",
		 pid);
	tool_has(out, want);
	tool_has(
		out,
		"  supervisor: none, 7 refills, 0 fenced; backend disk,path=/dev/store\n");
	tool_has(
		out,
		"  takeovers: 2000; of the last 1024: median 1511 us, 99% 2013 us, most 2023 us\n");
	tool_has(
		tool_want(0, "status 0 --json")->out,
		"\"takeovers\":{\"count\":2000,\"measured\":1024,\"median_ns\":1511000,\"p99_ns\":2013000,\"max_ns\":2023000}");
	/* It was not protected in any way, whatever the board says. */
	tool_has(tool_want(0, "status 0")->out, "    mlock    lost");
}

static void wrong(struct board *b, pid_t pid)
{
	char want[32];
	pid_t later;

	b->version++;
	snprintf(want, sizeof(want), "layout %u, this", b->version);
	unusable(want);
	b->version--;
	b->magic++;
	unusable("no board, or not written yet");
	b->magic--;
	b->bytes += 8;
	unusable("bytes");
	b->bytes -= 8;
	b->device = 1;
	unusable("of device 1");
	b->device = 0;
	T_OK(T_RET(truncate(BOARD_DIR "/abuse0.board", 100)));
	unusable("bytes");
	T_OK(T_RET(truncate(BOARD_DIR "/abuse0.board", 0)));
	unusable("no board, or not written yet");
	T_OK(T_RET(truncate(BOARD_DIR "/abuse0.board", sizeof(*b))));
	tool_board_end(b);

	/* Right, but nobody of it is left; no supervisor's pid is believed. */
	b = tool_board();
	tool_slot(b, 0, pid, BOARD_ACTIVE);
	b->supervisor = getpid();
	b->spawner = pid;
	t_kill(pid, SIGKILL);
	tool_has(tool_want(0, "status 0")->out, "  supervisor: none");
	tool_has(tool_want(0, "status 0")->out, "  server: none");
	tool_want(0, "drain 0");

	/* A process of that pid is there, but it came later. */
	later = t_fork(false);
	if (!later)
		idle();
	tool_slot(b, 0, later, BOARD_ACTIVE);
	tool_has_not(tool_want(0, "status 0")->out, "  server: none");
	b->slots[0].started_ns -= 10000000000ull;
	tool_has(tool_want(0, "status 0")->out, "  server: none");
	tool_want(0, "drain 0");
	T_TRUE(!t_ended(later),
	       "drain with a stale board: expected it to leave process %d alone, found it ended",
	       later);
	t_kill(later, SIGKILL);
	tool_board_end(b);
}

int main(void)
{
	struct board *b;
	pid_t pid;

	t_init(55);
	unusable("none: ");
	/* Uptime, so that a time before it is none before boot. */
	T_UNTIL(t_now_ms() > 11000);
	b = tool_board();
	pid = t_fork(false);
	if (!pid)
		idle();
	right(b, pid);
	wrong(b, pid);
	return t_end();
}
