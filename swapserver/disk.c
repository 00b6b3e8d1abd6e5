// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - backend: pages kept on a block device, past the page cache
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Offset N of the abuse device is offset N of the disk.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/fs.h>

#include "backend.h"

/*
 * O_DIRECT on a block device keeps the vectors of up to four pages on the
 * kernel's stack and allocates above that (__blkdev_direct_IO_simple,
 * DIO_INLINE_BIO_VECS): four pages at a time cost no memory.
 */
#define DISK_CHUNK_BYTES	(4 * 4096)

static int disk_check(struct backend *b, const char *path,
		      uint64_t *size_bytes)
{
	unsigned long long bytes;
	int block_bytes;

	if (ioctl(b->fd, BLKGETSIZE64, &bytes) ||
	    ioctl(b->fd, BLKSSZGET, &block_bytes)) {
		fprintf(stderr, "swapserver: disk: %s: %s\n", path,
			strerror(errno));
		return -1;
	}
	if (block_bytes < 0 || (uint32_t)block_bytes > b->blocksize_bytes) {
		fprintf(stderr,
			"swapserver: disk: %s has blocks of %d bytes; give --blocksize %d or another disk\n",
			path, block_bytes, block_bytes);
		return -1;
	}
	if (!*size_bytes)
		*size_bytes = bytes & ~4095ULL;
	if (!*size_bytes || *size_bytes > bytes) {
		fprintf(stderr,
			"swapserver: disk: %s has %llu bytes, the device needs %llu; give a smaller --size\n",
			path, bytes, (unsigned long long)*size_bytes);
		return -1;
	}
	return 0;
}

static int disk_open(struct backend *b, const char *options,
		     uint64_t *size_bytes)
{
	struct stat st;
	char path[256];

	if (!backend_option(options, "path", path, sizeof(path))) {
		fputs("swapserver: disk: which one? give disk,path=/dev/...\n",
		      stderr);
		return -1;
	}
	if (!stat(path, &st) && !S_ISBLK(st.st_mode)) {
		fprintf(stderr,
			"swapserver: disk: %s is no block device; files can deadlock, give a disk or a partition\n",
			path);
		return -1;
	}
	/* Inherited, and the claim with it. */
	if (b->fd >= 0)
		return disk_check(b, path, size_bytes);
	/* O_EXCL: refused if it is mounted, swapped on, or in a stack. */
	b->fd = open(path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (b->fd < 0) {
		fprintf(stderr, "swapserver: disk: %s: %s%s\n", path,
			strerror(errno),
			errno == EBUSY ? "; it is mounted or otherwise in use"
				       : "");
		return -1;
	}
	return disk_check(b, path, size_bytes);
}

static int disk_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	char *p = buffer;

	while (len_bytes) {
		uint32_t want = len_bytes < DISK_CHUNK_BYTES ?
				len_bytes : DISK_CHUNK_BYTES;
		ssize_t got = pread(b->fd, p, want, (off_t)offset_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		p += got;
		offset_bytes += got;
		len_bytes -= got;
	}
	return 0;
}

static int disk_write(struct backend *b, const void *buffer,
		      uint64_t offset_bytes, uint32_t len_bytes)
{
	const char *p = buffer;

	while (len_bytes) {
		uint32_t want = len_bytes < DISK_CHUNK_BYTES ?
				len_bytes : DISK_CHUNK_BYTES;
		ssize_t put = pwrite(b->fd, p, want, (off_t)offset_bytes);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		p += put;
		offset_bytes += put;
		len_bytes -= put;
	}
	return 0;
}

static int disk_flush(struct backend *b)
{
	return fdatasync(b->fd) ? -errno : 0;
}

static const int disk_syscalls[] = {
	SYS_pread64, SYS_pwrite64, SYS_fdatasync, 0,
};

const struct backend_ops backend_disk = {
	.name = "disk",
	.help = "disk,path=DEVICE    a disk or partition, with O_DIRECT",
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.flush = disk_flush,
	.syscalls = disk_syscalls,
};
