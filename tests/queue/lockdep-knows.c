// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will configure a device, submit and serve, which no deadlock comes
 * of, whatever locks are held: lockdep must stay silent, and its twin shows
 * that it would not.  There a lock is held both by one who waits for a server
 * and by a server at work, at different times: nothing hangs, but lockdep
 * knows that it could, from the map "abuse_server" alone.
 *
 * Where it stands: [bio] > queue > [ioctl] > server.
 *
 * kernels: debug um
 * busted: module=scan-under-config
 * invariant: I6
 */
#include <stdio.h>
#include <string.h>

#include "t.h"

/* Long, and the classes of modules come last. */
static bool lockdep_has(const char *name)
{
	FILE *f = fopen("/proc/lockdep", "re");
	char line[512];
	bool has = false;

	T_TRUE(f, "/proc/lockdep: expected it in this kernel, found none");
	while (!has && fgets(line, sizeof(line), f))
		has = strstr(line, name);
	fclose(f);
	return has;
}

int main(void)
{
	struct t_io *io;
	int ctl;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	T_OK(t_complete(ctl, t_lend_one(ctl).ab_id));
	T_EQ(t_result(io), T_PAGE);
	T_TRUE(lockdep_has("abuse_server"),
	       "/proc/lockdep: expected abuse_server among the classes, found it missing");
	return t_end();
}
