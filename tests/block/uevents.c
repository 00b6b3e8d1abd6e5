// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will listen to the kernel's uevents: one when a server first asks
 * for work and the disk gets its capacity, one with RESIZE=1 when a RECONNECT
 * makes it larger, one with DISK_RO when it becomes read-only and back.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 40
 * busted: module=no-uevent
 * busted: module=capacity-early
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	T_MIB

#define HAS(fd, ...)							\
	T_TRUE(t_uevent_has(fd, "ACTION=change", "DEVNAME=abuse0",	\
			    ##__VA_ARGS__, (char *)NULL),		\
	       "a uevent of abuse0 with %s: expected one, found none",	\
	       #__VA_ARGS__)

static void reconnect(int ctl, uint64_t size, uint32_t flags)
{
	const struct abuse_info info = {
		.ab_size = size,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 4,
		.ab_flags = flags | ABUSE_FLAGS_RECONNECT,
	};

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
}

int main(void)
{
	int fd, ctl;
	char c;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 4, 0);
	fd = t_uevent_open();
	T_EQ(t_attr_number("/sys/block/abuse0/size"), 0);
	T_EQ(T_RET(recv(fd, &c, 1, MSG_DONTWAIT)), -EAGAIN);
	t_go_live(ctl);
	HAS(fd);
	T_UNTIL(t_attr_number("/sys/block/abuse0/size") == SIZE / 512);
	/* Once is enough: nothing at the next call. */
	t_go_live(ctl);
	reconnect(ctl, SIZE, 0);
	T_EQ(t_attr_number("/sys/block/abuse0/size"), SIZE / 512);

	reconnect(ctl, 2 * SIZE, 0);
	HAS(fd, "RESIZE=1");
	T_EQ(t_attr_number("/sys/block/abuse0/size"), 2 * SIZE / 512);
	reconnect(ctl, 2 * SIZE, ABUSE_FLAGS_READ_ONLY);
	HAS(fd, "DISK_RO=1");
	T_EQ(t_attr_number("/sys/block/abuse0/ro"), 1);
	reconnect(ctl, 2 * SIZE, 0);
	HAS(fd, "DISK_RO=0");
	T_EQ(t_attr_number("/sys/block/abuse0/ro"), 0);
	close(fd);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	return t_end();
}
