// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will try to suspend the machine: refused with EBUSY while the disk
 * of a live device is open, since its server would be frozen under those who
 * wait for it; allowed when nobody has it open, and the device works afterwards.
 *
 * Where it stands: beside the path: suspend.
 *
 * time: 60
 * busted: module=suspend-anyway
 * invariant: I9
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE	T_MIB
#define STATE	"/sys/power/state"

static bool can(const char *state)
{
	return strstr(t_read_text(STATE), state);
}

static int suspend(const char *state)
{
	return t_attr_set(state, STATE);
}

static void refused(void)
{
	T_EQ(suspend("freeze"), -EBUSY);
	if (can("mem"))
		T_EQ(suspend("mem"), -EBUSY);
	if (can("disk"))
		T_EQ(suspend("disk"), -EBUSY);
}

int main(void)
{
	const struct t_server how = { .index = 0 };
	struct t_store store;
	pid_t server;
	int ctl, fd;

	t_init(55);
	if (!can("freeze"))
		t_skip("this kernel cannot suspend: " STATE " has no freeze");
	/* Up to the freezing of the processes, and back by itself, soon. */
	if (t_attr_set("freezer", "/sys/power/pm_test"))
		t_skip("this kernel cannot test suspend: no /sys/power/pm_test");
	t_attr_set("1", "/sys/module/suspend/parameters/pm_test_delay");
	/* The control: this machine can. */
	T_OK(suspend("freeze"));

	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	/* Open, but without a capacity: nobody can wait for it. */
	fd = T_OK(t_blk_open(0, O_RDONLY));
	T_OK(suspend("freeze"));
	close(fd);
	server = t_server_start(&store, &how);
	T_UNTIL(t_is_live(0));
	fd = T_OK(t_blk_open(0, O_RDONLY));
	refused();
	close(fd);
	T_OK(suspend("freeze"));

	t_mkswap(0);
	T_OK(t_swapon(0));
	refused();
	T_OK(t_swapoff(0));
	T_OK(suspend("freeze"));
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	t_stamp_check(store.memory, 0, T_PAGE, 1);
	t_kill(server, SIGKILL);
	T_OK(t_attr_set("none", "/sys/power/pm_test"));
	return t_end();
}
