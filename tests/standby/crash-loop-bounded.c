// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill each server as soon as it is there, while nothing is
 * asked of the device: after six deaths others come only slowly, and that is
 * said once; when a request is answered they come as before.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 120
 * busted: env=T_TWIN=progress
 */
#define _GNU_SOURCE
#include <string.h>

#include "sb.h"

#define LINE		"and no request was answered"
#define KILLS_MAX	30
/* Unbounded, each takes a fraction of a second to be replaced. */
#define WATCH_MS	3000

static void one_read(void)
{
	struct t_io *io = t_submit(0, T_READ, 0, T_PAGE, 0);

	T_EQ(t_result(io), T_PAGE);
}

int main(void)
{
	struct sb sb;
	uint64_t refills;
	long start;
	int kills;

	t_init(110);
	sb = sb_start("--standby=1", SB_RAM, 1);
	for (kills = 0; kills < KILLS_MAX && !sb_said(&sb, LINE); kills++) {
		T_UNTIL(sb_count(&sb, BOARD_STANDBY) || sb_said(&sb, LINE));
		if (t_twin("progress"))
			one_read();
		if (sb_count(&sb, BOARD_STANDBY))
			sb_kill(sb_standby(&sb));
	}
	T_TRUE(sb_said(&sb, LINE), "%d deaths without an answer: expected a line about them, found none",
	       kills);
	/* One more may have been on its way. */
	refills = sb.board->nr_refills;
	start = t_now_ms();
	while (t_now_ms() - start < WATCH_MS) {
		if (sb_count(&sb, BOARD_STANDBY))
			sb_kill(sb_standby(&sb));
		t_pause();
	}
	T_TRUE(sb.board->nr_refills <= refills + 1, "in %d ms: expected at most one server more, found %llu",
	       WATCH_MS, (unsigned long long)(sb.board->nr_refills - refills));
	/* What runs goes on. */
	one_read();
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1 && sb_said(&sb, "as before"));
	sb_kill(sb_standby(&sb));
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	sb_end(&sb);
	return t_end();
}
