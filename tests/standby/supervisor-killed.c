// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 the supervisor, and then the active server: the
 * standby takes over all the same, nothing is lost, and SIGTERM ends it once
 * the device is idle.  Then: a new supervisor can be brought by --upgrade, to
 * servers that have lost theirs.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--standby=0
 * invariant: I4 I13
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "sb.h"

int main(void)
{
	struct t_swapserver s;
	struct sb sb;
	pid_t last;

	t_init(80);
	sb = sb_start("--standby=1", SB_RAM, 1);
	sb_load_start(12 * T_MIB);
	sb_load_await(2);
	t_kill(sb.s.pid, SIGKILL);
	sb_load_await(2);
	sb_kill_active(&sb);
	sb_load_await(2);
	last = sb_active(&sb);

	s = t_swapserver_run("--upgrade --standby 1 " SB_RAM);
	T_UNTIL(t_ended(s.pid) || sb.board->supervisor == s.pid);
	T_TRUE(!t_ended(s.pid), "--upgrade: expected a new supervisor, found: %s",
	       t_read_text("%s", s.errors));
	T_UNTIL(strchr("ZX?", t_state(last)));
	sb_load_await(2);
	sb_kill_active(&sb);
	sb_load_await(2);
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);

	/* The same once more, to the end. */
	t_kill(s.pid, SIGKILL);
	sb_load_await(2);
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	last = sb_standby(&sb);
	t_kill(last, SIGTERM);
	T_UNTIL(strchr("ZX?", t_state(last)));
	last = sb_active(&sb);
	t_kill(last, SIGTERM);
	T_UNTIL(strchr("ZX?", t_state(last)));
	return t_end();
}
