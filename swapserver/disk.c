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
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/fs.h>

#include "blockdev.h"
#include "fdio.h"

static int disk_open(struct backend *b, const char *options,
		     uint64_t *size_bytes)
{
	uint64_t discard = 0;

	/* O_EXCL: refused if it is mounted, swapped on, or in a stack. */
	if (backend_option_number(b, options, "discard", &discard) ||
	    blockdev_open(b, options, O_DIRECT | O_EXCL, 0, size_bytes))
		return -1;
	if (!discard)
		return 0;
	if (!blockdev_can_discard(b->fd))
		return backend_fail(
			b, "that disk cannot discard; leave discard=1 out");
	b->device_flags = ABUSE_FLAGS_DISCARD;
	return 0;
}

static int disk_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	return fdio_read(b->fd, buffer, offset_bytes, len_bytes,
			 FDIO_DIRECT_BYTES);
}

static int disk_write(struct backend *b, const void *buffer,
		      uint64_t offset_bytes, uint32_t len_bytes)
{
	return fdio_write(b->fd, buffer, offset_bytes, len_bytes,
			  FDIO_DIRECT_BYTES);
}

static int disk_flush(struct backend *b)
{
	return fdatasync(b->fd) ? -errno : 0;
}

/*
 * Only on demand: reads and writes of four pages have their bio on the kernel's
 * stack, but a discard takes one from fs_bio_set (blkdev_issue_discard), which
 * is empty when swap waits for this server, and its reserve is two.
 */
static int disk_discard(struct backend *b, uint64_t offset_bytes,
			uint32_t len_bytes)
{
	const uint64_t range[2] = {offset_bytes, len_bytes};

	return ioctl(b->fd, BLKDISCARD, range) ? -errno : 0;
}

static const char *const disk_keys[] = {"path", "discard", "id", NULL};

static const int disk_syscalls[] = {
	SYS_pread64,
	SYS_pwrite64,
	SYS_fdatasync,
	0,
};
static const unsigned long disk_ioctls[] = {BLKDISCARD, 0};

const struct backend_ops backend_disk = {
	.name = "disk",
	.help = "disk,path=DEVICE    a disk or partition, with O_DIRECT",
	.options = disk_keys,
	.joins = true,
	.lanes = true,
	.open = disk_open,
	.read = disk_read,
	.write = disk_write,
	.flush = disk_flush,
	.discard = disk_discard,
	.syscalls = disk_syscalls,
	.ioctls = disk_ioctls,
};
