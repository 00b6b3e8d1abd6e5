// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop the active server while it holds requests: it is killed,
 * a standby answers them, and nothing that the stopped one was about to write
 * arrives later.  A server that is stopped while nothing is asked of it is
 * left alone.  So is dealt with a standby that was stopped before it could take
 * its turn.
 *
 * Where it stands: bio > queue > ioctl > [server] > disk.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--standby=1 --hang-timeout=0
 * busted: env=T_TWIN=no-standby
 * invariant: I13
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "sb.h"

#define ROUNDS		3
#define IDLE_MS		4000

int main(void)
{
	struct sb sb;
	pid_t old;
	uint64_t fenced;
	long start;
	int i;

	t_init(80);
	sb = sb_start("--standby=1 --hang-timeout=2", SB_DISK, 1);
	old = sb_active(&sb);
	T_OK(T_RET(kill(old, SIGSTOP)));
	start = t_now_ms();
	while (t_now_ms() - start < IDLE_MS)
		t_pause();
	T_EQ(t_state(old), 'T');
	T_EQ(sb.board->nr_fenced, 0);
	T_OK(T_RET(kill(old, SIGCONT)));

	sb_load_start(16 * T_MIB);
	for (i = 1; i <= ROUNDS; i++) {
		sb_load_await(2);
		T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
		old = sb_active(&sb);
		if (t_twin("no-standby")) {
			sb_kill(sb.board->spawner);
			sb_kill(sb_standby(&sb));
		}
		fenced = sb.board->nr_fenced;
		T_OK(T_RET(kill(old, SIGSTOP)));
		T_UNTIL(sb.board->nr_fenced > fenced);
		T_UNTIL(strchr("ZX?", t_state(old)));
		sb_load_await(2);
		T_TRUE(sb_active(&sb) != old, "after fencing: expected another server, found the same");
	}
	/*
	 * And one that was stopped before it could take its turn: either it is
	 * fenced, or a refill that was quicker has taken it.
	 */
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	old = sb_standby(&sb);
	T_OK(T_RET(kill(old, SIGSTOP)));
	T_UNTIL(t_state(old) == 'T');
	sb_kill_active(&sb);
	sb_load_await(2);
	T_TRUE(sb_active(&sb) != old, "a standby that is stopped: expected another to serve, found it does");
	kill(old, SIGCONT);	/* it may be gone by now */
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	T_TRUE(sb_said(&sb, "has answered nothing for"), "stderr: expected a line about it, found none");
	sb_end(&sb);
	return t_end();
}
