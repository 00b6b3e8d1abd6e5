// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a supervisor that has just taken over, and all of its
 * servers, while the old active server has not stepped down yet: the old
 * supervisor is in office again, its server goes on, and all is as before.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 60
 * busted: env=T_TWIN=server-gone
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "sb.h"

static bool is_new(const struct board_slot *slot)
{
	return (slot->crew & 1) && turn_holder(&slot->life);
}

/* They take no turn: the old active server has it. */
static void kill_new(const struct sb *sb, struct t_swapserver *next)
{
	int i;

	/* Its spawner dies with it. */
	t_kill(next->pid, SIGKILL);
	T_UNTIL(!turn_holder(&sb->board->office[1].spawner));
	for (i = 0; i < BOARD_SLOTS; i++)
		if (is_new(&sb->board->slots[i]))
			sb_kill(turn_holder(&sb->board->slots[i].life));
}

int main(void)
{
	struct t_swapserver next;
	struct sb sb;
	pid_t active;

	t_init(55);
	sb = sb_start("--standby=1", SB_RAM, 1);
	active = sb_active(&sb);
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	t_kill(active, SIGSTOP);
	next = t_swapserver_run("--upgrade --standby 1 " SB_RAM);
	T_UNTIL(t_ended(next.pid) || sb.board->supervisor == next.pid);
	T_TRUE(!t_ended(next.pid), "the new supervisor: expected it in office, found: %s",
	       t_read_text("%s", next.errors));
	T_UNTIL(sb_said(&sb, "stepping down"));
	kill_new(&sb, &next);
	T_UNTIL(t_ended(sb.s.pid) || sb.board->supervisor == sb.s.pid);
	if (t_twin("server-gone"))
		sb_kill(active);
	else
		t_kill(active, SIGCONT);
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	T_EQ(t_result(t_submit(0, T_READ, 0, T_PAGE, 0)), T_PAGE);
	T_EQ(sb_active(&sb), active);
	/* And again an upgrade may come. */
	next = t_swapserver_run("--upgrade --standby 1 " SB_RAM);
	T_EQ(t_reap(sb.s.pid), 0);
	sb.s = next;
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1 && t_swapserver_ready(&next));
	T_EQ(t_result(t_submit(0, T_READ, 0, T_PAGE, 0)), T_PAGE);
	sb_end(&sb);
	return t_end();
}
