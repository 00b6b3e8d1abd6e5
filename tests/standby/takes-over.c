// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 the active server again and again under verified I/O:
 * each time a standby takes over, without a page fault, a fork or an exec, and
 * no submitter notices.
 *
 * Where it stands: bio > queue > ioctl > [server] > disk.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--standby=0
 * busted: module=lose-on-release
 * invariant: I1 I4 I13
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sb.h"

#define KILLS	10

/* minflt, majflt: fields 10 and 12. */
static unsigned long faults(pid_t pid)
{
	const char *p = strrchr(t_read_text("/proc/%d/stat", pid), ')');
	unsigned long minor, major;

	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu",
			 &minor, &major) != 2)
		T_FAIL("no page faults in /proc/%d/stat", pid);
	return minor + major;
}

int main(void)
{
	struct sb sb;
	int i;

	t_init(80);
	sb = sb_start("--standby=1", SB_DISK, 1);
	sb_load_start(16 * T_MIB);
	for (i = 0; i < KILLS; i++) {
		pid_t old = sb_active(&sb), next = 0;
		unsigned long before = 0;

		sb_load_await(2);
		if (sb.board) {
			T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
			next = sb_standby(&sb);
			before = faults(next);
		}
		sb_kill_active(&sb);
		sb_load_await(2);
		T_TRUE(sb_active(&sb) == next, "after the end of %d: expected %d to have the turn, found %d",
		       old, next, sb_active(&sb));
		T_EQ(faults(next) - before, 0);
		T_EQ(sb_slot(&sb, next)->state, BOARD_ACTIVE);
	}
	sb_load_stop();
	T_UNTIL(t_counters(sb.ctl).ab_ended == t_counters(sb.ctl).ab_accepted);
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	T_EQ(sb.board->nr_takeovers, KILLS);
	for (i = 0; i < KILLS; i++) {
		T_EQ(sb.board->takeover_faults[i], 0);
		fprintf(stderr, "takeover %d: %llu us\n", i,
			(unsigned long long)sb.board->takeover_ns[i] / 1000);
	}
	sb_end(&sb);
	return t_end();
}
