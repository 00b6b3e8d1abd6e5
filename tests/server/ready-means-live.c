// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start swapserver several times and look at the device the
 * moment that --ready says so: it has its capacity.  Whoever waits for the
 * line calls mkswap next, and must not find an empty device.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=T_TWIN=too-early
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t.h"

#define ROUNDS	10

int main(void)
{
	struct t_swapserver s;
	int ctl, i;

	t_init(55);
	for (i = 0; i < ROUNDS; i++) {
		s = t_swapserver_run("--size 4M /dev/abctl0 ram");
		while (!t_swapserver_ready(&s) && !t_twin("too-early"))
			T_TRUE(!t_ended(s.pid), "swapserver did not start: %s",
			       t_read_text("%s", s.errors));
		T_TRUE(t_is_live(0), "start %d, when ready: expected a device of 4 MiB, found an empty one",
		       i);
		T_UNTIL(t_is_live(0));
		t_kill(s.pid, SIGTERM);
		T_EQ(t_reap(s.pid), 0);
		ctl = t_ctl_open(0);
		T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
		t_ctl_close(ctl);
	}
	return t_end();
}
