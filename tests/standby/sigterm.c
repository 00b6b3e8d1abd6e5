// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will send SIGTERM to a supervisor and its servers whose device is
 * open, and swapped on: it says so, and all of them go on; when nobody uses
 * the device all of them end, with status 0.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 60
 * busted: env=T_TWIN=not-open
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

int main(void)
{
	struct sb sb;
	int blk = -1;

	t_init(55);
	sb = sb_start("--standby=1", SB_RAM, 1);
	if (!t_twin("not-open"))
		blk = T_OK(t_blk_open(0, O_RDONLY));
	refused(&sb, 1);
	close(blk);
	t_mkswap(0);
	T_OK(t_swapon(0));
	refused(&sb, 2);
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
