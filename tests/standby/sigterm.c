// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will send SIGTERM to a supervisor and its servers whose device is
 * open, and swapped on: it says so, and all of them go on; one that is opened
 * after the signal, before they have gone, keeps its server, too; when nobody
 * uses the device all of them end, with status 0.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 60
 * busted: env=T_TWIN=not-open
 * busted: env=T_TWIN=step-down
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "sb.h"

static int refusals(const struct sb *sb)
{
	const char *p = t_read_text("%s", sb->s.errors);
	int nr = 0;

	while ((p = strstr(p, "in use"))) {
		nr++;
		p++;
	}
	return nr;
}

/* As a service manager does it: to every process. */
static void refused(const struct sb *sb, int nr)
{
	pid_t active = sb_active(sb), standby = sb_standby(sb);
	struct t_io *io;

	t_kill(active, SIGTERM);
	t_kill(standby, SIGTERM);
	t_kill(sb->s.pid, SIGTERM);
	T_UNTIL(t_ended(sb->s.pid) || refusals(sb) == nr);
	T_TRUE(!t_ended(sb->s.pid), "SIGTERM in use: expected the supervisor to go on, found it ended");
	io = t_submit(0, T_READ, T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	T_EQ(sb_active(sb), active);
	T_EQ(sb_standby(sb), standby);
}

/* Told to go, and before it can: the device is opened. */
static void opened_meanwhile(const struct sb *sb)
{
	pid_t active = sb_active(sb);
	struct board_slot *slot = sb_slot(sb, active);
	struct t_io *io;
	int blk;

	t_kill(active, SIGSTOP);
	t_kill(sb->s.pid, SIGTERM);
	T_UNTIL(slot->retire == BOARD_END_UNUSED);
	/* Nobody but the server itself looks. */
	t_kill(sb->s.pid, SIGSTOP);
	T_UNTIL(t_state(sb->s.pid) == 'T');
	blk = T_OK(t_blk_open(0, O_RDONLY));
	io = t_submit(0, T_READ, T_PAGE, T_PAGE, 0);
	if (t_twin("step-down"))
		slot->retire = BOARD_STEP_DOWN;
	t_kill(active, SIGCONT);
	T_UNTIL(slot->retire == BOARD_STAY || strchr("ZX?", t_state(active)));
	T_EQ(sb_active(sb), active);
	T_EQ(t_result(io), T_PAGE);
	t_kill(sb->s.pid, SIGCONT);
	T_UNTIL(t_ended(sb->s.pid) || refusals(sb) == 1);
	T_TRUE(!t_ended(sb->s.pid), "a device that was opened meanwhile: expected the supervisor to go on, found it ended");
	T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
	T_EQ(sb_active(sb), active);
	close(blk);
}

int main(void)
{
	struct sb sb;
	int blk = -1;

	t_init(55);
	sb = sb_start("--standby=1", SB_RAM, 1);
	opened_meanwhile(&sb);
	if (!t_twin("not-open"))
		blk = T_OK(t_blk_open(0, O_RDONLY));
	refused(&sb, 2);
	close(blk);
	t_mkswap(0);
	T_OK(t_swapon(0));
	refused(&sb, 3);
	T_OK(t_swapoff(0));
	/* Without a spawner all goes on, but for replacements; and ends. */
	sb_kill(sb.board->spawner);
	T_UNTIL(sb_said(&sb, "the spawner has died"));
	T_EQ(sb.board->spawner, 0);
	sb_end(&sb);
	T_TRUE(strstr(t_read_text("%s", sb.s.status), "\"event\":\"server-end\""),
	       "the last status line: expected server-end, found none");
	return t_end();
}
