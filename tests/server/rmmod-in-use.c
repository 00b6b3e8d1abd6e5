// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will try to unload the module while a control file is open, while
 * the block device is open and while it is swapped on: refused each time, and
 * the device goes on.  (That it unloads afterwards the runner sees.)
 *
 * Where it stands: beside the path.
 *
 * time: 40
 * busted: module=unowned
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t.h"

#define SIZE	(2 * T_MIB)

static void refused(const char *why)
{
	long ret = syscall(SYS_delete_module, "abuse", O_NONBLOCK);

	T_TRUE(ret < 0 && (errno == EWOULDBLOCK || errno == EBUSY),
	       "unloading, %s: expected -EWOULDBLOCK, found %s", why,
	       t_name(ret < 0 ? -errno : ret));
}

int main(void)
{
	const struct t_server how = { 0 };
	struct t_store store;
	struct t_io *io;
	pid_t server;
	int ctl, blk;

	t_init(35);
	/* With a swap area the device must work to be given back. */
	store = t_store_make(SIZE);

	/* The block device alone: no server, no control file. */
	blk = t_blk_open(0, O_RDONLY);
	T_OK(blk);
	refused("the block device open");
	close(blk);

	ctl = t_ctl_open(0);
	refused("a control file open");
	t_configure(ctl, SIZE, 8, 0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	t_mkswap(0);
	T_OK(t_swapon(0));
	t_ctl_close(ctl);
	refused("swapped on and served");
	ctl = t_ctl_open(0);
	io = t_submit(0, T_READ, T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	T_OK(t_swapoff(0));
	refused("served");
	t_kill(server, SIGKILL);
	return t_end();
}
