// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will try to reset, remove and unload a device in each way in which
 * it can be in use, an open disk, an open control node, a swap area without any
 * server: all are EBUSY, and nothing is lost; a device that nobody uses can be
 * removed, and made again.
 *
 * Where it stands: beside the path: [ioctl], /dev/abuse-control, rmmod.
 *
 * time: 40
 * busted: module=reset-in-use
 * busted: module=remove-in-use
 * busted: module=unowned
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE	(4 * T_MIB)

static int unload(void)
{
	return T_RET(syscall(SYS_delete_module, "abuse", O_NONBLOCK));
}

static void all_busy(void)
{
	T_EQ(t_control(ABUSE_CTL_REMOVE, 0), -EBUSY);
	T_EQ(unload(), -EAGAIN);
	T_TRUE(!access("/sys/block/abuse0", F_OK), "/sys/block/abuse0: expected it to be there, found none");
}

static int reset(void)
{
	int ctl = t_ctl_open(0);
	int ret = t_ioctl(ctl, ABUSE_RESET, NULL);

	t_ctl_close(ctl);
	return ret;
}

/* Its node comes and goes a moment after the disk. */
static void remove_and_add(void)
{
	T_EQ(t_control(ABUSE_CTL_REMOVE, 0), 0);
	T_UNTIL(access("/dev/abuse0", F_OK) && access("/dev/abctl0", F_OK));
	T_EQ(t_control(ABUSE_CTL_REMOVE, 0), -ENODEV);
	T_EQ(t_control(ABUSE_CTL_ADD, 0), 0);
	T_UNTIL(!access("/dev/abuse0", F_OK) && !access("/dev/abctl0", F_OK));
}

int main(void)
{
	const struct t_server how = { .index = 0 };
	struct t_store store;
	pid_t server;
	int ctl, fd;

	t_init(35);
	remove_and_add();

	/* The control node alone, of a device that is not configured. */
	ctl = t_ctl_open(0);
	all_busy();
	t_ctl_close(ctl);
	remove_and_add();

	/* The disk alone, without a capacity. */
	fd = T_OK(t_blk_open(0, O_RDONLY));
	all_busy();
	close(fd);
	remove_and_add();

	/* The disk alone, of a live device. */
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	t_ctl_close(ctl);
	fd = T_OK(t_blk_open(0, O_RDONLY));
	all_busy();
	T_EQ(reset(), -EBUSY);
	T_EQ(t_is_live(0), true);
	close(fd);
	/* Configured, live, used by nobody: it may go. */
	remove_and_add();

	/* A swap area, its server dead. */
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	t_ctl_close(ctl);
	server = t_server_start(&store, &how);
	T_UNTIL(t_is_live(0));
	t_mkswap(0);
	T_OK(t_swapon(0));
	all_busy();
	T_EQ(reset(), -EBUSY);
	t_kill(server, SIGKILL);
	all_busy();
	T_EQ(reset(), -EBUSY);
	T_EQ(t_is_live(0), true);
	server = t_server_start(&store, &how);
	ctl = t_ctl_open(0);
	t_server_await(ctl, 1);
	t_ctl_close(ctl);
	T_OK(t_swapoff(0));
	T_EQ(t_control(ABUSE_CTL_REMOVE, 0), -EBUSY);
	t_kill(server, SIGKILL);
	T_EQ(reset(), 0);
	remove_and_add();
	return t_end();
}
