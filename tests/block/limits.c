// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will configure each logical block size from 512 to 4096 and read
 * it off the disk, move one block, and see I/O on half a block refused; and
 * read what else the disk says of itself: not rotational, and a write cache
 * exactly when the server has one.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 40
 * busted: module=any-blocksize
 * busted: module=drop-flags
 * busted: module=rotational
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	T_MIB
#define QUEUE	"/sys/block/abuse0/queue/%s"

static void one_block(uint32_t bytes)
{
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	char *data = t_shared(2 * T_PAGE);
	int found = 0;

	T_OK(blk);
	T_OK(T_RET(ioctl(blk, BLKSSZGET, &found)));
	T_EQ(found, bytes);
	t_stamp(data, bytes, bytes, 1);
	T_EQ(T_RET(pwrite(blk, data, bytes, bytes)), bytes);
	memset(data, 0, bytes);
	T_EQ(T_RET(pread(blk, data, bytes, bytes)), bytes);
	t_stamp_check(data, bytes, bytes, 1);
	T_EQ(T_RET(pread(blk, data, bytes, bytes / 2)), -EINVAL);
	T_EQ(T_RET(pread(blk, data, bytes / 2, 0)), -EINVAL);
	T_EQ(T_RET(pwrite(blk, data, bytes + bytes / 2, 0)), -EINVAL);
	_exit(0);
}

static void block_size(int ctl, uint32_t bytes)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = bytes,
		.ab_max_queue = 4,
	};
	struct t_store store = t_store_make(SIZE);
	struct t_log *log = t_log_make();
	pid_t server, pid;

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log);
	T_EQ(t_attr_number(QUEUE, "logical_block_size"), bytes);
	T_TRUE(t_attr_number(QUEUE, "physical_block_size") >= bytes,
	       "physical_block_size: expected at least %u, found %lld", bytes,
	       t_attr_number(QUEUE, "physical_block_size"));
	pid = t_fork(false);
	if (!pid)
		one_block(bytes);
	T_EQ(t_reap(pid), 0);
	T_EQ(log->nr, 2);
	T_EQ(log->lent[0].ab_command, ABUSE_WRITE);
	T_EQ(log->lent[1].ab_command, ABUSE_READ);
	T_EQ(log->lent[0].ab_sector, bytes / 512);
	T_EQ(log->lent[0].ab_len_bytes, bytes);
	T_EQ(log->lent[1].ab_len_bytes, bytes);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

static void write_cache(int ctl, uint32_t flags)
{
	const char *want = flags ? "write back" : "write through";

	t_configure(ctl, SIZE, 4, flags);
	t_go_live(ctl);
	T_TRUE(!strcmp(t_attr(QUEUE, "write_cache"), want),
	       "write_cache: expected %s, found %s", want,
	       t_attr(QUEUE, "write_cache"));
	T_EQ(t_attr_number(QUEUE, "fua"), !!flags);
	T_EQ(t_attr_number(QUEUE, "rotational"), 0);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	uint32_t bytes;
	int ctl;

	t_init(35);
	ctl = t_ctl_open(0);
	for (bytes = 512; bytes <= 4096; bytes *= 2)
		block_size(ctl, bytes);
	/* The other way, too: nothing of the last one is left. */
	block_size(ctl, 512);
	write_cache(ctl, 0);
	write_cache(ctl, ABUSE_FLAGS_WRITE_CACHE);
	write_cache(ctl, 0);
	return t_end();
}
