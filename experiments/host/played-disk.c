// SPDX-License-Identifier: GPL-2.0-only
/*
 * played-disk.c - a file that passes for a block device, and a kernel that
 * swaps nothing, so that what measures in guests is tested without one
 *
 * Where it stands: test_measure_guest.py > blockload, swapbench > [here].
 * Linked in by the linker's --wrap.  PLAY says what is to go wrong:
 *   spoil     a page that is swapped out comes back changed; what is read is
 *   stay      nothing is swapped
 *   die       a task dies on its way out
 *   off       the device cannot be swapped on
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define DISK_BYTES (64ull << 20)
#define PAGE_BYTES 4096

static bool plays(const char *what)
{
	const char *play = getenv("PLAY");

	return play && !strcmp(play, what);
}

int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (request != BLKGETSIZE64)
		return __real_ioctl(fd, request, arg);
	*(uint64_t *)arg = DISK_BYTES;
	return 0;
}

static int file_with(const char *text)
{
	int fd = memfd_create("played", MFD_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		return -1;
	lseek(fd, 0, SEEK_SET);
	return fd;
}

int __real_open(const char *path, int flags, int mode);
int __wrap_open(const char *path, int flags, int mode)
{
	static unsigned long swapped;
	char text[100];

	if (strstr(path, "/vmstat")) {
		/* Each time that one looks it is more, as if of a step. */
		if (!plays("stay"))
			swapped += 1024;
		snprintf(text, sizeof(text),
			 "nr_free_pages 1\npswpin %lu\npswpout %lu\n", swapped,
			 swapped);
		return file_with(text);
	}
	if (strstr(path, "/memory.stat"))
		return file_with("anon 4096\nswapcached 0\n");
	if (strstr(path, "/inflight"))
		return file_with("       0        0\n");
	if (strstr(path, "/sys/fs/cgroup/") || strstr(path, "page-cluster"))
		return file_with("");
	return __real_open(path, flags, mode);
}

int __wrap_swapon(const char *path, int flags)
{
	(void)flags;
	errno = EINVAL;
	if (plays("off"))
		return -1;
	fprintf(stderr, "swapon %s\n", path);
	return 0;
}

int __wrap_swapoff(const char *path)
{
	fprintf(stderr, "swapoff %s\n", path);
	return 0;
}

int __wrap_mkdir(const char *path, mode_t mode)
{
	(void)path;
	(void)mode;
	return 0;
}

int __wrap_rmdir(const char *path)
{
	(void)path;
	return 0;
}

int __wrap_madvise(void *address, size_t bytes, int advice)
{
	if (advice != MADV_PAGEOUT)
		return 0;
	if (plays("die"))
		_exit(5);
	if (plays("spoil") && bytes > 8 * PAGE_BYTES)
		((unsigned char *)address)[8 * PAGE_BYTES + 100] = 1;
	return 0;
}

/* What blockload verifies by. */
ssize_t __real_pread(int fd, void *buffer, size_t bytes, off_t offset);
ssize_t __wrap_pread(int fd, void *buffer, size_t bytes, off_t offset)
{
	ssize_t got = __real_pread(fd, buffer, bytes, offset);

	if (plays("spoil") && got > 100)
		((unsigned char *)buffer)[100] ^= 1;
	return got;
}
