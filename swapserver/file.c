// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - backend: pages kept in a file, which is unsafe for swap
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * A file system allocates memory to write, and waits for locks whose holders
 * wait for memory: a machine that swaps on this hangs, buffered within seconds,
 * with O_DIRECT within minutes.  It is here to show that.  Never under
 * PF_MEMALLOC: ext4 and iomap take that for reclaim, and do not write.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "backend.h"
#include "fdio.h"

/* Of a buffered call: the kernel copies page by page anyway. */
#define FILE_PIECE_BYTES (64 * 1024u)

static bool file_direct;

static int file_check(struct backend *b, const char *path, uint64_t *size_bytes)
{
	struct stat st;
	off_t hole;

	if (fstat(b->fd, &st))
		return backend_fail(b, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return backend_fail(
			b, "%s is not a file; for a disk: disk,path=%s", path,
			path);
	if (!*size_bytes)
		*size_bytes = (uint64_t)st.st_size & ~4095ULL;
	if (!*size_bytes || *size_bytes > (uint64_t)st.st_size)
		return backend_fail(b,
				    "%s has %llu bytes, the device needs %llu; "
				    "give a smaller --size",
				    path, (unsigned long long)st.st_size,
				    (unsigned long long)*size_bytes);
	/* Blocks that are still to be found would be one more allocation. */
	hole = lseek(b->fd, 0, SEEK_HOLE);
	if (hole >= 0 && (uint64_t)hole < *size_bytes)
		return backend_fail(b,
				    "%s has a hole at %llu; write all of it "
				    "first (fallocate is not enough), and sync",
				    path, (unsigned long long)hole);
	return 0;
}

/* A file that is made anew may get the old one's number: hence its birth. */
static int file_identify(struct backend *b, const char *options)
{
	unsigned long long fsid = 0;
	struct statfs fs;
	struct statx st;
	char name[200];

	if (fstatfs(b->fd, &fs) ||
	    statx(b->fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) ||
	    !(st.stx_mask & STATX_BTIME))
		return backend_identify(b, options, NULL);
	memcpy(&fsid, &fs.f_fsid, sizeof(fsid));
	snprintf(name, sizeof(name), "file system %llx inode %llu born %lld.%u",
		 fsid, (unsigned long long)st.stx_ino,
		 (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	return backend_identify(b, options, name);
}

static int file_open(struct backend *b, const char *options,
		     uint64_t *size_bytes)
{
	uint64_t unsafe = 0, direct = 1;
	char path[256];

	if (!backend_option(options, "path", path, sizeof(path)))
		return backend_fail(b, "which one? give file,path=...");
	if (backend_option_number(b, options, "unsafe", &unsafe) ||
	    backend_option_number(b, options, "direct", &direct))
		return -1;
	if (!unsafe)
		return backend_fail(
			b, "a file system allocates memory to write, so a "
			   "machine that swaps on a file hangs: give a disk or "
			   "a partition, or unsafe=1 to see it");
	file_direct = direct;
	if (b->fd < 0)
		b->fd = open(path,
			     O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (b->fd < 0)
		return backend_fail(b, "%s: %s", path, strerror(errno));
	return file_check(b, path, size_bytes) || file_identify(b, options) ? -1
									    : 0;
}

static uint32_t file_piece_bytes(void)
{
	return file_direct ? FDIO_DIRECT_BYTES : FILE_PIECE_BYTES;
}

static int file_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	return fdio_read(b->fd, buffer, offset_bytes, len_bytes,
			 file_piece_bytes());
}

static int file_write(struct backend *b, const void *buffer,
		      uint64_t offset_bytes, uint32_t len_bytes)
{
	return fdio_write(b->fd, buffer, offset_bytes, len_bytes,
			  file_piece_bytes());
}

static int file_flush(struct backend *b)
{
	return fdatasync(b->fd) ? -errno : 0;
}

static const char *const file_keys[] = {"path", "direct", "unsafe", "id", NULL};

static const int file_syscalls[] = {
	SYS_pread64,
	SYS_pwrite64,
	SYS_fdatasync,
	0,
};

const struct backend_ops backend_file = {
	.name = "file",
	.help = "file,path=FILE,unsafe=1[,direct=0]\n"
		"                      a file: hangs when swapped on, for "
		"experiments",
	.options = file_keys,
	.joins = true,
	.no_scope = true,
	.open = file_open,
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.syscalls = file_syscalls,
};
