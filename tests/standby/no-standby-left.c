// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on the device under memory pressure and kill -9 all the
 * servers that there are at once, several times: with nobody to take a page
 * away and memory exhausted, the spawner starts others all the same, and the
 * load goes on, every word of it right.
 *
 * Where it stands: load > reclaim > bio > queue > ioctl > [server] > disk.
 *
 * time: 900
 * twin-limit: 60
 * busted: env=T_TWIN=no-spawner
 * busted: module=scope-ignored
 * expected-log: I/O error|Read-error on swap-device
 * expected-log: ^swapserver: page allocation failure: order:[0-3]|Call Trace
 * invariant: I4 I8 I13
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "sb.h"

#define ROUNDS		3
#define ANSWERS_MIN	3000

int main(void)
{
	uint64_t answered;
	struct sb sb;
	long start;
	int i;

	t_init(880);
	sb = sb_start("--standby=1 --queue=64", "/dev/abctl0 disk,path=/dev/store",
		      1);
	t_mkswap(0);
	T_OK(t_swapon(0));
	sb_lock();
	sb_swap_start(&sb);
	for (i = 1; i <= ROUNDS; i++) {
		SB_AWAIT(sb_count(&sb, BOARD_STANDBY) == 1);
		sb_swap_await(&sb, ANSWERS_MIN);
		if (t_twin("no-spawner") && i == 1)
			sb_kill(sb.board->spawner);
		start = t_now_ms();
		sb_kill_servers(&sb);
		answered = t_counters(sb.ctl).ab_ended;
		SB_AWAIT(t_counters(sb.ctl).ab_ended > answered);
		printf("progress: all servers killed, %d of %d: answered again after %ld ms\n",
		       i, ROUNDS, t_now_ms() - start);
		fflush(stdout);
	}
	sb_swap_end(&sb);
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	T_OK(t_swapoff(0));
	sb_end(&sb);
	return t_end();
}
