// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will offer a device everything that it must not forward to: what is
 * no disk, what is in use, what could lead back to the device, too many; and
 * what it must accept, a disk and a partition of one.
 *
 * Where it stands: [ioctl] > forward > disk.
 *
 * time: 60
 * busted: module=any-backing
 * busted: module=unclaimed
 * busted: module=backing-read-only
 * busted: module=backing-late
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "t_disk.h"

#define MOUNT	"/tmp/mnt"

static int ctl;

static int offer(const char *path, int flags)
{
	int fd = T_OK(t_disk_open(path, flags));
	int ret = t_backing(ctl, fd, NULL);

	close(fd);
	return ret;
}

#define REFUSED(path, errno_) T_EQ(offer(path, O_RDWR), -(errno_))

static void no_disks(void)
{
	int fd;

	T_EQ(t_backing(ctl, -1, NULL), -EBADF);
	T_EQ(t_backing(ctl, 999, NULL), -EBADF);
	T_EQ(t_ioctl(ctl, ABUSE_SET_BACKING, NULL), -EFAULT);
	T_EQ(offer(T_STORE, O_RDONLY), -EBADF);
	T_EQ(offer(T_STORE, O_WRONLY), -EBADF);
	fd = T_OK(t_disk_open(T_STORE, O_PATH));
	T_EQ(t_backing(ctl, fd, NULL), -EBADF);
	close(fd);
	close(T_OK(T_RET(open("/tmp/regular", O_RDWR | O_CREAT, 0600))));
	REFUSED("/tmp/regular", ENOTBLK);
	REFUSED("/dev/null", ENOTBLK);
	REFUSED("/dev/abctl0", ENOTBLK);
}

static void in_use(void)
{
	int fd;

	/* A test that failed before this one in the guest left its own. */
	umount(MOUNT);
	T_EQ(system("/sbin/mkfs.ext4 -q -F " T_STORE1 " >/dev/null"), 0);
	mkdir(MOUNT, 0777);
	T_OK(T_RET(mount(T_STORE1, MOUNT, "ext4", 0, NULL)));
	/* 6.12 may refuse to open for writing what is mounted. */
	fd = t_disk_open(T_STORE1, O_RDWR);
	if (fd >= 0) {
		T_EQ(t_backing(ctl, fd, NULL), -EBUSY);
		close(fd);
	}
	T_OK(T_RET(umount(MOUNT)));

	t_disk_mkswap(T_STORE1);
	T_OK(T_RET(swapon(T_STORE1, 0)));
	REFUSED(T_STORE1, EBUSY);
	T_OK(T_RET(swapoff(T_STORE1)));

	fd = T_OK(t_disk_open(T_STORE1, O_RDWR | O_EXCL));
	REFUSED(T_STORE1, EBUSY);
	/* Not even by the descriptor that holds it. */
	T_EQ(t_backing(ctl, fd, NULL), -EBUSY);
	close(fd);

	/* A partition in use is a disk in use, and the other way round. */
	t_disk_partition(T_STORE2, 1);
	fd = T_OK(t_disk_open(T_STORE2, O_RDWR | O_EXCL));
	REFUSED(T_STORE2, EBUSY);
	close(fd);
}

static void loops(void)
{
	int file = T_OK(t_disk_open("/tmp/regular", O_RDWR));
	int fd;

	T_OK(T_RET(ftruncate(file, T_MIB)));
	t_modprobe("loop", "");
	/* As above; it is given up by the last close. */
	fd = T_OK(t_disk_open("/dev/loop0", O_RDWR));
	ioctl(fd, LOOP_CLR_FD, 0);
	close(fd);
	fd = T_OK(t_disk_open("/dev/loop0", O_RDWR));
	T_OK(T_RET(ioctl(fd, LOOP_SET_FD, file)));
	T_EQ(t_backing(ctl, fd, NULL), -EINVAL);
	T_OK(T_RET(ioctl(fd, LOOP_CLR_FD, 0)));
	close(fd);
	close(file);
}

static void stacked(void)
{
	int other = t_ctl_open(1);

	loops();
	t_modprobe("brd", "rd_nr=1 rd_size=1024");
	REFUSED("/dev/ram0", EINVAL);
	t_modprobe("nbd", "nbds_max=1");
	REFUSED("/dev/nbd0", EINVAL);
	REFUSED(t_dm_linear("refused", T_STORE1), EINVAL);
	/* And what it stands on is in use. */
	REFUSED(T_STORE1, EBUSY);
	t_dm_remove("refused");

	/* The device itself, and another one of its kind. */
	REFUSED("/dev/abuse0", EINVAL);
	t_configure(other, T_MIB, 4, 0);
	t_go_live(other);
	REFUSED("/dev/abuse1", EINVAL);
	T_OK(t_ioctl(other, ABUSE_RESET, NULL));
	t_ctl_close(other);
}

static void larger_blocks(void)
{
	struct abuse_info info = {
		.ab_size = T_MIB,
		.ab_blocksize = 512,
		.ab_max_queue = 4,
	};

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	t_scsi_load("sector_size=4096");
	REFUSED(t_scsi_path(0), EINVAL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_scsi_unload();
}

static void accepts(void)
{
	char path[80];
	uint32_t index;
	int i, fd;

	t_disk_partition(T_STORE2, ABUSE_BACKINGS + 1);
	for (i = 0; i < ABUSE_BACKINGS; i++) {
		/* What holds a partition of ours is ours, not the whole. */
		if (i == 1)
			REFUSED(T_STORE2, EBUSY);
		snprintf(path, sizeof(path), "/dev/%s%d",
			 t_disk_name(T_STORE2), i + 1);
		fd = T_OK(t_disk_open(path, O_RDWR));
		T_OK(t_backing(ctl, fd, &index));
		T_EQ(index, i);
		/* Again: the same one. */
		T_OK(t_backing(ctl, fd, &index));
		T_EQ(index, i);
		close(fd);
		T_EQ(t_counters(ctl).ab_nr_backings, i + 1);
	}
	snprintf(path, sizeof(path), "/dev/%s%d", t_disk_name(T_STORE2),
		 i + 1);
	REFUSED(path, ENOSPC);
	REFUSED(T_STORE, ENOSPC);
	T_EQ(t_counters(ctl).ab_nr_backings, ABUSE_BACKINGS);
}

static void live(void)
{
	struct abuse_backing b = { .ab_index = 99 };

	b.ab_fd = T_OK(t_disk_open(T_STORE, O_RDWR));
	T_OK(t_ioctl(ctl, ABUSE_SET_BACKING, &b));
	T_EQ(b.ab_index, 0);
	T_EQ(b.ab_size, t_attr_number("/sys/block/%s/size",
				      t_disk_name(T_STORE)) * 512);
	t_go_live(ctl);
	T_EQ(offer(T_STORE1, O_RDWR), -EBUSY);
	/* The one that it has may still be presented. */
	T_OK(t_ioctl(ctl, ABUSE_SET_BACKING, &b));
	T_EQ(b.ab_index, 0);
	close(b.ab_fd);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_EQ(t_counters(ctl).ab_nr_backings, 0);
}

int main(void)
{
	t_init(55);
	ctl = t_ctl_open(0);
	REFUSED(T_STORE, ENODEV);
	larger_blocks();
	t_configure(ctl, T_MIB, 4, 0);
	no_disks();
	in_use();
	stacked();
	T_EQ(t_counters(ctl).ab_nr_backings, 0);
	accepts();
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_configure(ctl, T_MIB, 4, 0);
	live();
	return t_end();
}
