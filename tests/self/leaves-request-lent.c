// SPDX-License-Identifier: GPL-2.0-only
/*
 * leaves-request-lent.c - a test that passes and leaves a request LENT
 *
 * This test will let a process of its own have a request of another one lent, and end while it holds it.
 *
 * self-test-expect: dirty
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
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

/* Waits for a request of /dev/abuse0 that nobody will answer. */
static void submit(void)
{
	int fd = open("/dev/abuse0", O_RDONLY | O_DIRECT);
	void *buffer = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);

	if (fd < 0 || !buffer)
		_exit(fail("/dev/abuse0"));
	_exit(read(fd, buffer, BLOCK_BYTES) != BLOCK_BYTES);
}

/* Takes one request, says so, keeps it. */
static void hold(int ctl, int said)
{
	struct abuse_lent lent;
	struct abuse_serve serve = {
		.ab_requests = (uintptr_t)&lent,
		.ab_nr_requests = 1,
	};

	if (ioctl(ctl, ABUSE_SERVE, &serve) != 1 || write(said, "", 1) != 1)
		_exit(fail("serve"));
	for (;;)
		pause();
}

int main(void)
{
	struct abuse_info info = {
		.ab_size = SIZE_BYTES,
		.ab_blocksize = BLOCK_BYTES,
	};
	int ctl = open("/dev/abctl0", O_RDWR);
	struct pollfd work = { .fd = ctl, .events = POLLMSG };
	int pipes[2];
	char c;

	if (ctl < 0 || pipe(pipes))
		return fail("/dev/abctl0");
	if (ioctl(ctl, ABUSE_SET_STATUS, &info))
		return fail("ABUSE_SET_STATUS");
	/* The device has its capacity once a server has asked for work. */
	if (poll(&work, 1, 0) < 0)
		return fail("poll");
	if (!fork())
		submit();
	if (!fork())
		hold(ctl, pipes[1]);
	/* Only the holder may keep the other end open. */
	close(pipes[1]);
	if (read(pipes[0], &c, 1) != 1)
		return fail("the holder");
	return 0;
}
