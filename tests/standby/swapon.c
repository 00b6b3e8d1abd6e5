// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start servers with --swapon: the device is a swap area, of
 * the priority that was asked for, soon after it is live; a store that holds
 * something else is left as it is.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=T_TWIN=not-asked
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sb.h"

static bool swapping(long priority)
{
	const char *line = strstr(t_read_text("/proc/swaps"), "/dev/abuse0");
	long found;

	return line && sscanf(line, "%*s %*s %*s %*s %ld", &found) == 1 &&
	       found == priority;
}

static void one(const char *flags, int nr_standbys)
{
	struct sb sb;

	setenv("SERVER_FLAGS", flags, 1);
	sb = sb_start("", SB_RAM, nr_standbys);
	T_UNTIL(swapping(7));
	T_UNTIL(sb_said(&sb, "swapping on /dev/abuse0"));
	T_OK(t_swapoff(0));
	if (nr_standbys)
		sb_end(&sb);
	t_end();
}

/* A file system, say, at the place where ext4 has its mark. */
static void holds_something(void)
{
	static char page[T_PAGE] __attribute__((aligned(4096)));
	int fd = T_OK(T_RET(open("/dev/store", O_RDWR | O_DIRECT | O_CLOEXEC)));
	struct sb sb;

	page[1024 + 56] = 0x53;
	page[1024 + 57] = 0xef;
	T_EQ(T_RET(pwrite(fd, page, T_PAGE, 0)), T_PAGE);
	close(fd);
	setenv("SERVER_FLAGS", "--standby=1 --swapon", 1);
	sb = sb_start("", SB_DISK, 1);
	T_UNTIL(sb_said(&sb, "the store holds something"));
	T_TRUE(!swapping(-2), "a store that holds something: expected no swap area, found one");
	/* Who said so has the device open still, and SIGTERM is refused while it is. */
	T_UNTIL(!t_counters(sb.ctl).ab_nr_opens);
	sb_end(&sb);
	fd = T_OK(T_RET(open("/dev/store", O_RDWR | O_DIRECT | O_CLOEXEC)));
	T_EQ(T_RET(pread(fd, page, T_PAGE, 0)), T_PAGE);
	T_EQ((unsigned char)page[1024 + 57], 0xef);
	memset(page, 0, sizeof(page));
	T_EQ(T_RET(pwrite(fd, page, T_PAGE, 0)), T_PAGE);
	close(fd);
}

int main(void)
{
	t_init(55);
	one(t_twin("not-asked") ? "--standby=1" :
				  "--standby=1 --swapon --priority=7", 1);
	one("--swapon --priority=7", 0);
	holds_something();
	return t_end();
}
