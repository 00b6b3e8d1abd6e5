// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will try to use a disk that a device forwards to: nobody may mount
 * it, swap on it, claim it or forward to it from another device, also after the
 * server that presented it has gone; RESET gives it free.
 *
 * Where it stands: [ioctl] > forward > disk.
 *
 * time: 40
 * busted: module=unclaimed
 * busted: module=backing-goes-with-server
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "t_disk.h"

#define MOUNT	"/tmp/mnt"

static int claim(void)
{
	int fd = t_disk_open(T_STORE1, O_RDWR | O_EXCL);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static int offer_to_another(void)
{
	int fd = T_OK(t_disk_open(T_STORE1, O_RDWR));
	int other = t_ctl_open(1), ret;

	t_configure(other, T_MIB, 4, 0);
	ret = t_backing(other, fd, NULL);
	T_OK(t_ioctl(other, ABUSE_RESET, NULL));
	t_ctl_close(other);
	close(fd);
	return ret;
}

static void all_busy(void)
{
	T_EQ(claim(), -EBUSY);
	T_EQ(T_RET(mount(T_STORE1, MOUNT, "ext4", 0, NULL)), -EBUSY);
	T_EQ(offer_to_another(), -EBUSY);
}

static void all_free(void)
{
	T_EQ(claim(), 0);
	T_OK(T_RET(mount(T_STORE1, MOUNT, "ext4", 0, NULL)));
	T_OK(T_RET(umount(MOUNT)));
	T_EQ(offer_to_another(), 0);
}

/* Configured and claimed by a process that then goes. */
static void by_another(void)
{
	volatile bool *ready = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	int ctl;

	if (!pid) {
		ctl = t_ctl_open(0);
		t_configure(ctl, T_MIB, 4, 0);
		t_backing_of(ctl, T_STORE1);
		t_go_live(ctl);
		*ready = true;
		for (;;)
			pause();
	}
	T_UNTIL(*ready);
	all_busy();
	t_kill(pid, SIGKILL);
}

int main(void)
{
	int ctl;

	t_init(35);
	mkdir(MOUNT, 0777);
	T_EQ(system("/sbin/mkfs.ext4 -q -F " T_STORE1 " >/dev/null"), 0);
	all_free();
	by_another();
	all_busy();
	ctl = t_ctl_open(0);
	T_EQ(t_counters(ctl).ab_nr_backings, 1);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	all_free();
	/* swapon(2) last: it looks for the header after it has claimed. */
	t_disk_mkswap(T_STORE1);
	t_configure(ctl, T_MIB, 4, 0);
	t_backing_of(ctl, T_STORE1);
	T_EQ(T_RET(swapon(T_STORE1, 0)), -EBUSY);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_OK(T_RET(swapon(T_STORE1, 0)));
	T_OK(T_RET(swapoff(T_STORE1)));
	return t_end();
}
