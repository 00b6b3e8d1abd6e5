// SPDX-License-Identifier: GPL-2.0-only
/*
 * blockdev.c - finding a block device to keep pages on, and what it can do
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <linux/fs.h>

#include "blockdev.h"
#include "blockid.h"

static int blockdev_check(struct backend *b, const char *path,
			  uint64_t offset_bytes, uint64_t *size_bytes)
{
	unsigned long long bytes;
	int block_bytes;

	if (ioctl(b->fd, BLKGETSIZE64, &bytes) ||
	    ioctl(b->fd, BLKSSZGET, &block_bytes))
		return backend_fail(b, "%s: %s", path, strerror(errno));
	if (block_bytes < 0 || (uint32_t)block_bytes > b->blocksize_bytes)
		return backend_fail(b,
				    "%s has blocks of %d bytes; give "
				    "--blocksize %d or another disk",
				    path, block_bytes, block_bytes);
	if (offset_bytes % b->blocksize_bytes || offset_bytes > bytes)
		return backend_fail(b,
				    "%s: an offset of %llu bytes is not within "
				    "it, or not a multiple of --blocksize",
				    path, (unsigned long long)offset_bytes);
	bytes -= offset_bytes;
	if (!*size_bytes)
		*size_bytes = bytes & ~4095ULL;
	if (!*size_bytes || *size_bytes > bytes)
		return backend_fail(b,
				    "%s has %llu bytes, the device needs %llu; "
				    "give a smaller --size",
				    path, bytes,
				    (unsigned long long)*size_bytes);
	return 0;
}

/* Two ways to the same place of the same disk are one store. */
static int blockdev_identify(struct backend *b, const char *options,
			     uint64_t offset_bytes)
{
	char name[1000];
	struct stat st;

	/* Not looked at again where it is known: memory may be short. */
	if (storeid_is_set(b->store_id))
		return 0;
	if (fstat(b->fd, &st) ||
	    blockid_name("/sys", st.st_rdev, offset_bytes, name, sizeof(name)))
		return backend_identify(b, options, NULL);
	return backend_identify(b, options, name);
}

int blockdev_open(struct backend *b, const char *options, int flags,
		  uint64_t offset_bytes, uint64_t *size_bytes)
{
	struct stat st;
	char path[256];

	if (!backend_option(options, "path", path, sizeof(path)))
		return backend_fail(b, "which one? give %s,path=/dev/...",
				    b->ops->name);
	if (b->fd < 0) {
		/* Looked at first: opening others may have effects. */
		if (!stat(path, &st) && !S_ISBLK(st.st_mode))
			return backend_fail(
				b,
				b->ops->forward
					? "%s is no block device; nothing "
					  "keeps the blocks of a file where "
					  "they are, give a disk or a partition"
					: "%s is no block device; files can "
					  "deadlock, give a disk or a "
					  "partition",
				path);
		b->fd = open(path, O_RDWR | O_CLOEXEC | flags);
	}
	if (b->fd < 0)
		return backend_fail(
			b, "%s: %s%s", path, strerror(errno),
			errno == EBUSY ? "; it is mounted or otherwise in use"
				       : "");
	return blockdev_check(b, path, offset_bytes, size_bytes) ||
			       blockdev_identify(b, options, offset_bytes)
		       ? -1
		       : 0;
}

/* A limit of its queue; 0: it has none, or cannot do it at all. */
static unsigned long long blockdev_limit(int fd, const char *name)
{
	/* A partition's queue is its disk's. */
	static const char *const places[] = {"", "../"};
	unsigned long long bytes = 0;
	struct stat st;
	char path[100];
	size_t i;

	if (fstat(fd, &st))
		return 0;
	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s",
			 major(st.st_rdev), minor(st.st_rdev), places[i], name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &bytes) != 1)
			bytes = 0;
		fclose(f);
		break;
	}
	return bytes;
}

bool blockdev_can_discard(int fd)
{
	return blockdev_limit(fd, "discard_max_bytes") > 0;
}

bool blockdev_can_write_zeroes(int fd)
{
	return blockdev_limit(fd, "write_zeroes_max_bytes") > 0;
}
