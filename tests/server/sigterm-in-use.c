// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will send SIGTERM to a swapserver whose device is open, and one
 * whose device is swapped on: it says so and serves on; when nobody uses the
 * device it ends with status 0.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=T_TWIN=not-open
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

static int refusals(const struct t_swapserver *s)
{
	const char *p = t_read_text("%s", s->errors);
	int nr = 0;

	while ((p = strstr(p, "in use"))) {
		nr++;
		p++;
	}
	return nr;
}

/* It must have said so, and serve. */
static void refused(const struct t_swapserver *s, int nr)
{
	struct t_io *io;

	t_kill(s->pid, SIGTERM);
	T_UNTIL(t_ended(s->pid) || refusals(s) == nr);
	T_TRUE(!t_ended(s->pid), "SIGTERM in use: expected the server to go on, found it ended");
	io = t_submit(0, T_READ, T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
}

int main(void)
{
	struct t_swapserver s;
	int status, blk = -1;

	t_init(55);
	s = t_swapserver_start("--size 4M /dev/abctl0 ram");
	if (!t_twin("not-open")) {
		blk = t_blk_open(0, O_RDONLY);
		T_OK(blk);
	}
	refused(&s, 1);
	close(blk);
	t_mkswap(0);
	T_OK(t_swapon(0));
	refused(&s, 2);
	T_OK(t_swapoff(0));
	t_kill(s.pid, SIGTERM);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "SIGTERM when idle: expected exit status 0, found 0x%x: %s",
	       status, t_read_text("%s", s.errors));
	T_TRUE(strstr(t_read_text("%s", s.status), "\"event\":\"server-end\""),
	       "the last status line: expected server-end, found none");
	return t_end();
}
