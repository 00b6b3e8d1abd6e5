// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have the active server make a system call that is not on its
 * list: it is killed, the supervisor says by what, and a standby takes over.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 60
 * busted: env=SERVER_FLAGS=--standby=1 --no-sealed
 * invariant: I1
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "sb.h"

int main(void)
{
	struct sb sb;
	char says[80];
	pid_t active;

	t_init(55);
	sb = sb_start("--standby=1", SB_RAM, 1);
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	active = sb_active(&sb);
	T_UNTIL(t_stack_has(active, "abuse_server_wait"));
	t_inject(active, SYS_mmap);
	T_UNTIL(sb_said(&sb, "(Bad system call)"));
	snprintf(says, sizeof(says), "server %d in slot ", active);
	T_TRUE(sb_said(&sb, says), "the supervisor: expected it to name server %d, found: %s",
	       active, t_read_text("%s", sb.s.errors));
	T_EQ(t_result(t_submit(0, T_READ, 0, T_PAGE, 0)), T_PAGE);
	T_TRUE(sb_active(&sb) != active, "the turn: expected another to have it, found the same");
	T_EQ(sb.board->nr_takeovers, 1);
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	sb_end(&sb);
	return t_end();
}
