// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write to a device configured READ_ONLY: refused before any
 * server hears of it, while reads go on; and a reconnect without the flag
 * makes it writable.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 30
 * busted: module=drop-flags
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define SIZE	T_MIB

static int read_only(void)
{
	int blk = t_blk_open(0, O_RDONLY), ro = -1;

	T_OK(blk);
	T_OK(t_ioctl(blk, BLKROGET, &ro));
	close(blk);
	return ro;
}

int main(void)
{
	const struct t_server how = { 0 };
	struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 8,
		.ab_flags = ABUSE_FLAGS_RECONNECT,
	};
	struct t_store store;
	struct t_io *io;
	pid_t server;
	long ret;
	int ctl;

	t_init(25);
	store = t_store_make(SIZE);
	t_stamp(store.memory, 0, SIZE, 4);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, ABUSE_FLAGS_READ_ONLY);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	T_EQ(read_only(), 1);
	io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
	ret = t_result(io);
	/* At open or at the write: the block layer's choice. */
	T_TRUE(ret == -EPERM || ret == -EACCES || ret == -EROFS || ret == -EIO,
	       "a write: expected to be refused, found %s", t_name(ret));
	T_EQ(t_counters(ctl).ab_write_bytes, 0);
	t_stamp_check(store.memory, 0, SIZE, 4);
	io = t_submit(0, T_READ, 3 * T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(io->data, 3 * T_PAGE, T_PAGE, 4);

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_EQ(read_only(), 0);
	io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(store.memory, 0, T_PAGE, 1);

	info.ab_flags |= ABUSE_FLAGS_READ_ONLY;
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_EQ(read_only(), 1);
	t_kill(server, SIGKILL);
	t_server_await(ctl, 0);
	/* A new configuration knows nothing of the old one's flags. */
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_configure(ctl, SIZE, 8, 0);
	T_EQ(read_only(), 0);
	return t_end();
}
