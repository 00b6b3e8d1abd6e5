// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at the devices of a module loaded without parameters:
 * eight, with the majors of 2009, without capacity, and without partitions
 * even when there is a table on the disk.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=parts-anyway
 * busted: module=seven-devices
 * busted: module=other-major
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE	T_MIB
#define NR	8

static void device_is(int number)
{
	unsigned int major, minor;
	char path[60];

	snprintf(path, sizeof(path), "/sys/block/abuse%d", number);
	T_TRUE(t_devt(path, &major, &minor),
	       "%s: expected to be there, found none", path);
	T_EQ(major, ABUSE_MAJOR);
	T_EQ(minor, number);
	T_EQ(t_attr_number("%s/size", path), 0);
	snprintf(path, sizeof(path), "/sys/class/abuse/abctl%d", number);
	T_TRUE(t_devt(path, &major, &minor),
	       "%s: expected to be there, found none", path);
	T_EQ(major, ABUSECTL_MAJOR);
	T_EQ(minor, number);
	t_ctl_close(t_ctl_open(number));
}

/* None is looked for, and none can be made. */
static void no_partitions(int ctl)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 8,
	};
	struct t_store store = t_store_make(SIZE);
	struct t_log *log = t_log_make();
	int events = t_uevent_open();
	pid_t server, pid;

	t_part_mbr(store.memory, 0, 64, 128);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log);
	T_TRUE(t_uevent_has(events, "ACTION=change", "DEVNAME=abuse0", NULL),
	       "a uevent when the disk is live: expected one, found none");
	close(events);
	T_EQ(log->nr, 0);
	T_TRUE(access("/sys/block/abuse0/abuse0p1", F_OK),
	       "abuse0p1: expected none, found one");
	pid = t_fork(false);
	if (!pid) {
		int blk = t_blk_open(0, O_RDONLY);

		T_OK(blk);
		T_EQ(T_RET(ioctl(blk, BLKRRPART)), -EINVAL);
		T_EQ(t_part_blkpg(blk, BLKPG_ADD_PARTITION, 1, 64 * 512,
				  128 * 512), -EINVAL);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	t_kill(server, SIGKILL);
}

int main(void)
{
	uint32_t numbers[2 * NR];
	int ctl, i;

	t_init(25);
	T_EQ(t_control_list(numbers, 2 * NR), NR);
	for (i = 0; i < NR; i++) {
		T_EQ(numbers[i], i);
		device_is(i);
	}
	T_TRUE(access("/sys/block/abuse8", F_OK),
	       "abuse8: expected none, found one");
	ctl = t_ctl_open(0);
	no_partitions(ctl);
	return t_end();
}
