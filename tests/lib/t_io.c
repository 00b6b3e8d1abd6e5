// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_io.c - the submitter's side of a test, and the stamps in its data
 *
 * Where it stands: [submitter in the test] > bio > queue > ioctl > server.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

int t_aio_setup(unsigned int nr, unsigned long *ctx)
{
	*ctx = 0;
	return syscall(SYS_io_setup, nr, ctx) < 0 ? -errno : 0;
}

int t_aio_submit(unsigned long ctx, int fd, enum t_op op, void *data,
		 uint32_t len_bytes, uint64_t offset_bytes, int flags)
{
	struct iocb cb = {
		.aio_fildes = fd,
		.aio_lio_opcode = op == T_READ ? IOCB_CMD_PREAD :
				  op == T_WRITE ? IOCB_CMD_PWRITE :
				  IOCB_CMD_FSYNC,
		.aio_buf = op == T_FSYNC ? 0 : (uintptr_t)data,
		.aio_nbytes = op == T_FSYNC ? 0 : len_bytes,
		.aio_offset = op == T_FSYNC ? 0 : (int64_t)offset_bytes,
		.aio_rw_flags = (flags & T_NOWAIT ? RWF_NOWAIT : 0) |
				(flags & T_DSYNC ? RWF_DSYNC : 0),
	};
	struct iocb *list[] = { &cb };
	long ret = syscall(SYS_io_submit, ctx, 1, list);

	return ret < 0 ? -errno : ret == 1 ? 0 : -EIO;
}

long t_aio_result(unsigned long ctx)
{
	struct io_event event;
	long ret;

	do {
		ret = syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL);
	} while (ret < 0 && errno == EINTR);
	return ret == 1 ? (long)event.res : -errno;
}

static long io_do(struct t_io *io, int fd)
{
	unsigned long ctx;
	long ret;

	if (io->op == T_FSYNC) {
		io->submitted = true;
		return fsync(fd) ? -errno : 0;
	}
	ret = t_aio_setup(1, &ctx);
	if (!ret)
		ret = t_aio_submit(ctx, fd, io->op, io->data, io->len_bytes,
				   io->offset_bytes, io->flags);
	io->submitted = true;
	return ret ? ret : t_aio_result(ctx);
}

struct t_io *t_submit(int number, enum t_op op, uint64_t offset_bytes,
		      uint32_t len_bytes, int flags)
{
	return t_submit_generation(number, op, offset_bytes, len_bytes, flags,
				   1);
}

struct t_io *t_submit_generation(int number, enum t_op op,
				 uint64_t offset_bytes, uint32_t len_bytes,
				 int flags, uint64_t generation)
{
	struct t_io *io = t_shared(sizeof(*io));
	pid_t pid;
	int fd;

	io->op = op;
	io->offset_bytes = offset_bytes;
	io->len_bytes = len_bytes;
	io->flags = flags;
	io->data = t_shared(len_bytes ?: T_PAGE);
	if (op == T_WRITE)
		t_stamp(io->data, offset_bytes, len_bytes, generation);
	pid = t_fork(false);
	if (pid) {
		io->pid = pid;	/* not in the child: it is shared */
		return io;
	}
	fd = t_blk_open(number, O_DIRECT |
			(op == T_READ ? O_RDONLY : O_RDWR));
	io->result = fd < 0 ? fd : io_do(io, fd);
	/* Closed before it is done: whoever sees done finds it closed. */
	if (fd >= 0)
		close(fd);
	io->done = true;
	_exit(0);
}

struct t_io *t_submit_accepted(int ctl, int number, enum t_op op,
			       uint64_t offset_bytes, uint32_t len_bytes,
			       int flags)
{
	uint64_t before = t_counters(ctl).ab_accepted;
	struct t_io *io = t_submit(number, op, offset_bytes, len_bytes, flags);

	T_UNTIL(io->done || t_counters(ctl).ab_accepted > before);
	T_TRUE(!io->done, "an I/O that was to wait for a server ended at once: %s",
	       t_name(io->result));
	return io;
}

long t_result(struct t_io *io)
{
	T_UNTIL(io->done);
	t_reap(io->pid);
	return io->result;
}

/* ----------------------------------------------------------------- stamps */

struct stamp {
	uint64_t sector;
	uint64_t generation;
	uint64_t filler[62];
};

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static void stamp_make(struct stamp *s, uint64_t sector, uint64_t generation)
{
	uint64_t x = mix(sector ^ mix(generation));
	size_t i;

	s->sector = sector;
	s->generation = generation;
	for (i = 0; i < sizeof(s->filler) / sizeof(s->filler[0]); i++)
		s->filler[i] = x += 0x9e3779b97f4a7c15ull;
}

void t_stamp(void *data, uint64_t offset_bytes, uint32_t len_bytes,
	     uint64_t generation)
{
	struct stamp s;
	uint32_t at;

	for (at = 0; at < len_bytes; at += sizeof(s)) {
		stamp_make(&s, (offset_bytes + at) / sizeof(s), generation);
		memcpy((char *)data + at, &s, sizeof(s));
	}
}

/* Bytes up to the first stamp that is wrong; *found says what is there. */
static uint32_t stamp_good(const void *data, uint64_t offset_bytes,
			   uint32_t len_bytes, uint64_t generation,
			   struct stamp *found)
{
	struct stamp want;
	uint32_t at;

	for (at = 0; at < len_bytes; at += sizeof(want)) {
		stamp_make(&want, (offset_bytes + at) / sizeof(want),
			   generation);
		if (!memcmp((const char *)data + at, &want, sizeof(want)))
			continue;
		memcpy(found, (const char *)data + at, sizeof(*found));
		break;
	}
	return at;
}

bool t_stamp_is(const void *data, uint64_t offset_bytes, uint32_t len_bytes,
		uint64_t generation)
{
	struct stamp found;

	return stamp_good(data, offset_bytes, len_bytes, generation,
			  &found) >= len_bytes;
}

void t_stamp_check(const void *data, uint64_t offset_bytes,
		   uint32_t len_bytes, uint64_t generation)
{
	struct stamp found;
	uint32_t good = stamp_good(data, offset_bytes, len_bytes, generation,
				   &found);

	if (good < len_bytes)
		T_FAIL("data at byte %llu: expected sector %llu generation %llu, found sector %llu generation %llu",
		       (unsigned long long)offset_bytes + good,
		       (unsigned long long)(offset_bytes + good) / 512,
		       (unsigned long long)generation,
		       (unsigned long long)found.sector,
		       (unsigned long long)found.generation);
}
