// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop servers that have been started and are not ready yet, so
 * that they never will be: each is killed after --start-timeout and another
 * one started, while the active server goes on; an upgrade whose servers do
 * not get ready ends with status 1, and nothing has changed; and a spawner that
 * does not answer is killed, too.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 120
 * busted: env=SERVER_FLAGS=--standby=1 --start-timeout=0
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "sb.h"

#define ROUNDS		2
/* Ten times what a start takes on plain emulation. */
#define START_S		4

/* One of the crew in office, or of none, that is starting; 0: none is. */
static pid_t starting(const struct sb *sb, bool in_office)
{
	const struct board_slot *slot;
	int i;

	for (i = 0; i < BOARD_SLOTS; i++) {
		slot = &sb->board->slots[i];
		if ((slot->crew == sb->board->crew) == in_office &&
		    slot->state == BOARD_STARTING && slot->pid > 0)
			return slot->pid;
	}
	return 0;
}

/* Stopped before it is ready; 0: it was quicker. */
static pid_t stop_starting(const struct sb *sb, bool in_office)
{
	uint64_t nr_refills = sb->board->nr_refills;
	pid_t pid;

	T_UNTIL((pid = starting(sb, in_office)) ||
		(sb->board->nr_refills != nr_refills &&
		 sb_count(sb, BOARD_STANDBY)));
	if (!pid)
		return 0;
	T_OK(T_RET(kill(pid, SIGSTOP)));
	T_UNTIL(t_state(pid) == 'T');
	if (starting(sb, in_office) == pid)
		return pid;
	T_OK(T_RET(kill(pid, SIGCONT)));
	return 0;
}

static void replacement_is_fenced(const struct sb *sb)
{
	uint64_t nr_fenced = sb->board->nr_fenced;
	pid_t stopped;

	do {
		T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
		sb_load_await(2);
		T_OK(T_RET(kill(sb_standby(sb), SIGKILL)));
		stopped = stop_starting(sb, true);
	} while (!stopped);
	T_UNTIL(sb->board->nr_fenced == nr_fenced + 1);
	T_UNTIL(strchr("ZX?", t_state(stopped)));
	T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
	sb_load_await(2);
}

static void upgrade_is_called_off(const struct sb *sb)
{
	struct t_swapserver s;
	char line[200];
	int status;

	snprintf(line, sizeof(line),
		 "--upgrade --standby 1 --start-timeout %d " SB_RAM,
		 (int)(START_S * t_time_factor()));
	do
		s = t_swapserver_run(line);
	while (!stop_starting(sb, false) && (t_kill(s.pid, SIGKILL), true));
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	       "an upgrade that does not get ready: expected status 1, found 0x%x: %s",
	       status, t_read_text("%s", s.errors));
	T_EQ(sb->board->supervisor, sb->s.pid);
	sb_load_await(2);
}

/* One that does not do what it was asked for: it goes, the rest goes on. */
static void spawner_is_fenced(const struct sb *sb)
{
	pid_t spawner = sb->board->spawner;

	T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
	T_OK(T_RET(kill(spawner, SIGSTOP)));
	T_UNTIL(t_state(spawner) == 'T');
	sb_kill(sb_standby(sb));
	T_UNTIL(strchr("ZX?", t_state(spawner)));
	T_UNTIL(sb_said(sb, "the spawner has died"));
	T_EQ(sb->board->spawner, 0);
	sb_load_await(2);
}

/* To be in time, before servers that have such a priority, too. */
static void be_quick(void)
{
	const struct sched_param above = { .sched_priority = 20 };

	T_OK(T_RET(sched_setscheduler(0, SCHED_FIFO, &above)));
}

int main(void)
{
	char flags[64];
	struct sb sb;
	int i;

	t_init(110);
	snprintf(flags, sizeof(flags), "--standby=1 --start-timeout=%d",
		 (int)(START_S * t_time_factor()));
	sb = sb_start(flags, SB_RAM, 1);
	sb_load_start(12 * T_MIB);
	be_quick();
	for (i = 0; i < ROUNDS; i++)
		replacement_is_fenced(&sb);
	T_TRUE(sb_said(&sb, "was started and is not ready after"), "stderr: expected a line about it, found none");
	upgrade_is_called_off(&sb);
	spawner_is_fenced(&sb);
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	sb_end(&sb);
	return t_end();
}
