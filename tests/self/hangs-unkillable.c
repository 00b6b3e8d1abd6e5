// SPDX-License-Identifier: GPL-2.0-only
/*
 * hangs-unkillable.c - a test that hangs and cannot be killed
 *
 * This test will read from a device that nobody serves, in a state that no signal ends.
 *
 * time: 2
 * self-test-expect: timeout
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/abuse.h>

#define SIZE_BYTES	(1 << 20)
#define BLOCK_BYTES	4096

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(void)
{
	struct abuse_info info = {
		.ab_size = SIZE_BYTES,
		.ab_blocksize = BLOCK_BYTES,
	};
	void *buffer = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
	int ctl = open("/dev/abctl0", O_RDWR);
	struct pollfd work = { .fd = ctl, .events = POLLMSG };
	int fd;

	if (ctl < 0 || !buffer)
		return fail("/dev/abctl0");
	if (ioctl(ctl, ABUSE_SET_STATUS, &info))
		return fail("ABUSE_SET_STATUS");
	/* The device has its capacity once a server has asked for work. */
	if (poll(&work, 1, 0) < 0)
		return fail("poll");
	fd = open("/dev/abuse0", O_RDONLY | O_DIRECT);
	if (fd < 0)
		return fail("/dev/abuse0");
	return read(fd, buffer, BLOCK_BYTES) != BLOCK_BYTES;
}
