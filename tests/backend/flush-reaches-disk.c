// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will count the flushes that a disk behind a server gets: one for
 * each fsync of the device, and for each write that is to be durable, by the
 * backends disk, file and forward.
 *
 * Where it stands: bio > queue > ioctl > server > [backend] > disk.
 *
 * time: 90
 * busted: env=T_SPEC=ram
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b.h"

static unsigned long long flushes(const char *disk)
{
	unsigned long long nr = 0;
	/* Documentation/block/stat.rst: the sixteenth */
	const char *text = t_read_text("/sys/block/%s/stat", t_disk_name(disk));

	T_EQ(sscanf(text, "%*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %*u %llu",
		    &nr), 1);
	return nr;
}

static void reaches(const char *spec, const char *disk, int ctl)
{
	struct t_swapserver s;
	unsigned long long before;
	char arguments[200];

	snprintf(arguments, sizeof(arguments),
		 "--size 4M --no-scope /dev/abctl0 %s", spec);
	s = t_swapserver_start(arguments);
	b_write(0, T_PAGE, 1);
	before = flushes(disk);
	T_EQ(b_io(T_FSYNC, 0, 0), 0);
	T_TRUE(flushes(disk) > before, "%s: expected fsync to flush the disk, found it did not",
	       spec);
	before = flushes(disk);
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, T_DSYNC)), T_PAGE);
	T_TRUE(flushes(disk) > before, "%s: expected a durable write to flush the disk, found it did not",
	       spec);
	b_stop(&s, ctl);
}

int main(void)
{
	const char *only = getenv("T_SPEC");
	static char data[4 * T_MIB];
	int ctl, fd;

	t_init(80);
	ctl = t_ctl_open(0);
	T_TRUE(strstr(t_read_text("/sys/block/%s/queue/write_cache",
				  t_disk_name(T_STORE)), "write back"),
	       "the disk: expected one with a write cache, found none");
	if (only) {
		reaches(only, T_STORE, ctl);
		return t_end();
	}
	reaches("disk,path=" T_STORE, T_STORE, ctl);
	reaches("forward,path=" T_STORE, T_STORE, ctl);
	b_mount(T_STORE1);
	memset(data, 1, sizeof(data));
	fd = T_OK(T_RET(open(B_MNT "/file", O_RDWR | O_CREAT, 0600)));
	T_EQ(write(fd, data, sizeof(data)), sizeof(data));
	T_OK(T_RET(fsync(fd)));
	close(fd);
	reaches("file,unsafe=1,path=" B_MNT "/file", T_STORE1, ctl);
	b_umount();
	return t_end();
}
