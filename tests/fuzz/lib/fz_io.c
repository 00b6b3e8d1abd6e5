// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_io.c - submitters: with verified data, and without
 *
 * Where it stands: [submitter] > bio > queue > ioctl > server.
 *
 * With verified data each submitter has a part of the device of its own, and
 * knows for each of its sectors which write was the last.  Every fourth
 * stretch of 64 KiB goes through the page cache, the others past it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fz.h"

#define SUBMITTERS	3u
#define STRETCH_BYTES	(64u * 1024)
#define IO_MAX_BYTES	(2u * T_MIB)
#define AIO_MAX		16

static int direct_fd, cached_fd;
static char *data;

static void submitter_start(struct fz_actor *a)
{
	direct_fd = fz_blk_open_nr(a->device, O_RDWR | O_DIRECT);
	cached_fd = fz_blk_open_nr(a->device, O_RDWR);
	if (direct_fd < 0 || cached_fd < 0) {
		fz_finding(a, "open of the device: expected success, found %s and %s",
			   t_name(direct_fd), t_name(cached_fd));
		_exit(0);
	}
	data = mmap(NULL, IO_MAX_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ------------------------------------------------------------- the model */

struct range {
	uint64_t offset_bytes;
	uint32_t len_bytes;
};

/*
 * A range of this submitter's, in one stretch, or (long) in several that do
 * not go through the page cache.
 */
static struct range random_range(struct fz_actor *a, struct t_rand *r,
				 bool cached)
{
	uint32_t stretches = FZ_STORE_BYTES / STRETCH_BYTES / SUBMITTERS / 4;
	uint64_t base = (uint64_t)(a->part * stretches +
				   t_below(r, stretches)) * 4 * STRETCH_BYTES;
	uint32_t room = cached ? STRETCH_BYTES : 3 * STRETCH_BYTES;
	uint32_t sectors = room / 512, at = t_below(r, sectors), nr;

	if (cached)
		base += 3 * STRETCH_BYTES;
	nr = t_one_in(r, 4) ? 1 + t_below(r, sectors) : 1 + t_below(r, 32);
	if (t_one_in(r, 4)) {	/* by pages, as most I/O is */
		at &= ~7u;
		nr = (nr + 7) & ~7u;
	}
	if (at + nr > sectors)
		nr = sectors - at;
	return (struct range){ base + at * 512ull, nr * 512 };
}

static void set_generation(const struct range *g, uint32_t generation)
{
	uint32_t i;

	for (i = 0; i < g->len_bytes / 512; i++)
		fz_model->generation[g->offset_bytes / 512 + i] = generation;
}

static uint32_t new_generation(void)
{
	return __atomic_fetch_add(&fz_model->next_generation, 1,
				  __ATOMIC_RELAXED);
}

static void verify(struct fz_actor *a, const struct range *g,
		   const char *found)
{
	static const char zeroes[512];
	uint32_t at, generation;
	uint64_t offset, has[2];
	bool good;

	for (at = 0; at < g->len_bytes; at += 512) {
		offset = g->offset_bytes + at;
		generation = fz_model->generation[offset / 512];
		if (generation == FZ_UNKNOWN)
			continue;
		good = generation == FZ_ZEROES ?
		       !memcmp(found + at, zeroes, 512) :
		       t_stamp_is(found + at, offset, 512, generation);
		if (good)
			continue;
		memcpy(has, found + at, sizeof(has));
		fz_finding(a, "data: expected sector %llu of write %u, found sector %llu of write %llu",
			   (unsigned long long)offset / 512, generation,
			   (unsigned long long)has[0],
			   (unsigned long long)has[1]);
		return;
	}
	fz_count(fz->verified_bytes, g->len_bytes);
}

/* What a write gave; on success the range is known. */
static void written(struct fz_actor *a, const struct range *g, long ret,
		    uint32_t generation, bool may_again)
{
	fz_count(fz->nr_io, 1);
	if (ret == (long)g->len_bytes || !ret) {
		set_generation(g, generation);
		return;
	}
	if (may_again && (ret == -EAGAIN || ret > 0))
		return;		/* some of it may have been written */
	fz_finding(a, "a write of %u bytes at %llu: expected success, found %s",
		   g->len_bytes, (unsigned long long)g->offset_bytes,
		   t_name(ret));
}

static void say_range(struct fz_actor *a, const struct range *g)
{
	fz_say(a, "%u bytes at %llu", g->len_bytes,
	       (unsigned long long)g->offset_bytes);
}

/* ------------------------------------------------------------ operations */

static void write_range(struct fz_actor *a, const struct range *g, int fd,
			int flags)
{
	struct iovec v = { data, g->len_bytes };
	uint32_t generation = new_generation();
	long ret;

	say_range(a, g);
	t_stamp(data, g->offset_bytes, g->len_bytes, generation);
	set_generation(g, FZ_UNKNOWN);
	ret = T_RET(pwritev2(fd, &v, 1, g->offset_bytes, flags));
	written(a, g, ret, generation, flags & RWF_NOWAIT);
}

static void read_range(struct fz_actor *a, const struct range *g, int fd,
		       int flags)
{
	struct iovec v = { data, g->len_bytes };
	struct range got = *g;
	long ret;

	say_range(a, g);
	memset(data, 0xa5, g->len_bytes);
	ret = T_RET(preadv2(fd, &v, 1, g->offset_bytes, flags));
	fz_count(fz->nr_io, 1);
	if (flags & RWF_NOWAIT && ret == -EAGAIN)
		return;
	if (flags & RWF_NOWAIT && ret > 0)
		got.len_bytes = ret & -512;
	FZ_EXPECT(a, ret == (long)g->len_bytes ||
		  (flags & RWF_NOWAIT && ret > 0),
		  "a read of %u bytes at %llu: expected success, found %s",
		  g->len_bytes, (unsigned long long)g->offset_bytes,
		  t_name(ret));
	if (ret > 0)
		verify(a, &got, data);
}

static void op_write(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, false);
	int flags = t_one_in(r, 8) ? RWF_DSYNC :
		    t_one_in(r, 8) ? RWF_NOWAIT : 0;

	write_range(a, &g, direct_fd, flags);
}

static void op_read(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, false);

	read_range(a, &g, direct_fd, t_one_in(r, 8) ? RWF_NOWAIT : 0);
}

static void op_cached_write(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, true);
	int ret;

	write_range(a, &g, cached_fd, 0);
	if (!t_one_in(r, 2))
		return;
	ret = T_RET(fsync(cached_fd));
	FZ_EXPECT(a, !ret, "fsync: expected 0, found %s", t_name(ret));
}

static void op_cached_read(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, true);

	if (t_one_in(r, 2)) {
		fdatasync(cached_fd);
		posix_fadvise(cached_fd, g.offset_bytes, g.len_bytes,
			      POSIX_FADV_DONTNEED);
	}
	read_range(a, &g, cached_fd, 0);
}

static void op_fsync(struct fz_actor *a, struct t_rand *r)
{
	int ret = T_RET(fsync(t_one_in(r, 2) ? direct_fd : cached_fd));

	fz_count(fz->nr_io, 1);
	FZ_EXPECT(a, !ret, "fsync: expected 0, found %s", t_name(ret));
}

/* Zeroes, by all that makes them; a discard's are the servers' doing. */
static void op_zero(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, false);
	uint64_t range[2] = { g.offset_bytes, g.len_bytes };
	uint32_t how = t_below(r, 5);
	int ret = 0;

	fz_say(a, "how %u, %u bytes at %llu", how, g.len_bytes,
	       (unsigned long long)g.offset_bytes);
	set_generation(&g, FZ_UNKNOWN);
	switch (how) {
	case 0:
		ret = T_RET(ioctl(direct_fd, BLKDISCARD, range));
		break;
	case 1:
		ret = T_RET(ioctl(direct_fd, BLKZEROOUT, range));
		break;
	case 2:
		ret = T_RET(fallocate(direct_fd, FALLOC_FL_ZERO_RANGE |
				      FALLOC_FL_KEEP_SIZE, g.offset_bytes,
				      g.len_bytes));
		break;
	case 3:
		ret = T_RET(fallocate(direct_fd, FALLOC_FL_PUNCH_HOLE |
				      FALLOC_FL_KEEP_SIZE, g.offset_bytes,
				      g.len_bytes));
		break;
	case 4:
		ret = T_RET(fallocate(direct_fd, FALLOC_FL_PUNCH_HOLE |
				      FALLOC_FL_KEEP_SIZE |
				      FALLOC_FL_NO_HIDE_STALE, g.offset_bytes,
				      g.len_bytes));
		break;
	}
	fz_count(fz->nr_io, 1);
	/* A device that does not say it can refuses; so do newer kernels. */
	if (ret == -EOPNOTSUPP || ret == -EINVAL)
		return;
	written(a, &g, ret, FZ_ZEROES, false);
}

/* Several at once, of the same stretch: each in a part of its own. */
static void op_batch(struct fz_actor *a, struct t_rand *r)
{
	struct range g = random_range(a, r, false), part[AIO_MAX];
	uint32_t nr = 1 + t_below(r, AIO_MAX), sectors, i, nr_sent = 0;
	uint32_t generation = new_generation();
	unsigned long ctx;
	bool write = t_one_in(r, 2), good = true;

	sectors = (g.len_bytes / 512 + nr - 1) / nr;
	fz_say(a, "%s %u bytes at %llu in pieces of %u sectors",
	       write ? "write" : "read", g.len_bytes,
	       (unsigned long long)g.offset_bytes, sectors);
	if (t_aio_setup(AIO_MAX, &ctx))
		return;
	if (write) {
		t_stamp(data, g.offset_bytes, g.len_bytes, generation);
		set_generation(&g, FZ_UNKNOWN);
	} else {
		memset(data, 0xa5, g.len_bytes);
	}
	for (i = 0; i * sectors * 512 < g.len_bytes; i++) {
		uint32_t at = i * sectors * 512;

		part[i].offset_bytes = g.offset_bytes + at;
		part[i].len_bytes = g.len_bytes - at < sectors * 512 ?
				    g.len_bytes - at : sectors * 512;
		if (!t_aio_submit(ctx, direct_fd, write ? T_WRITE : T_READ,
				  data + at, part[i].len_bytes,
				  part[i].offset_bytes, 0))
			nr_sent++;
		else
			good = false;
	}
	for (i = 0; i < nr_sent; i++) {
		long ret = t_aio_result(ctx);

		good &= ret > 0;
		FZ_EXPECT(a, ret > 0, "one of %u I/Os: expected success, found %s",
			  nr_sent, t_name(ret));
	}
	fz_count(fz->nr_io, nr_sent);
	syscall(SYS_io_destroy, ctx);
	if (good && write)
		set_generation(&g, generation);
	else if (good)
		verify(a, &g, data);
}

static const struct fz_op submitter_ops[] = {
	{ "write", 20, op_write },
	{ "read", 20, op_read },
	{ "cached write", 8, op_cached_write },
	{ "cached read", 8, op_cached_read },
	{ "fsync", 2, op_fsync },
	{ "zero", 4, op_zero },
	{ "batch", 8, op_batch },
	{ 0 }
};

const struct fz_kind fz_submitter = {
	.name = "submitter",
	.ops = submitter_ops,
	.start = submitter_start,
	.patience_ms = 2 * T_PATIENCE_MS,
};

/* -------------------------------------------------- without verification */

static void wild_start(struct fz_actor *a)
{
	(void)a;
	data = mmap(NULL, IO_MAX_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What a block device may say of I/O that its server answers as it likes. */
static void judge_io(struct fz_actor *a, const char *what, long ret)
{
	static const int may[] = {
		EIO, ENOSPC, ETIMEDOUT, EREMOTEIO, EOPNOTSUPP, EAGAIN, EINVAL,
		ENXIO, EFBIG, EPERM, EACCES, EROFS, EINTR, ENODEV, EBUSY,
		ENOTTY, EFAULT, ENOMEM,
	};
	uint32_t i;

	fz_count(fz->nr_io, 1);
	if (ret >= 0)
		return;
	for (i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		if (ret == -may[i])
			return;
	fz_finding(a, "%s: expected an errno of I/O, found %s", what,
		   t_name(ret));
}

static int wild_open(struct fz_actor *a, struct t_rand *r, bool write)
{
	int flags = write ? O_RDWR : O_RDONLY;

	if (t_one_in(r, 2))
		flags |= O_DIRECT;
	if (t_one_in(r, 8))
		flags |= O_SYNC;
	if (t_one_in(r, 16))
		flags |= O_EXCL;
	if (t_one_in(r, 16))
		flags |= O_NONBLOCK;
	fz_say(a, "flags 0x%x", flags);
	return fz_blk_open_nr(a->device, flags);
}

static void wild_rw(struct fz_actor *a, struct t_rand *r)
{
	bool write = t_one_in(r, 2);
	int fd = wild_open(a, r, write), flags = 0, nr = 1 + t_below(r, 8);

	while (fd >= 0 && nr--) {
		uint32_t len = t_one_in(r, 4) ? t_below(r, IO_MAX_BYTES) :
			       t_below(r, 16) * T_PAGE;
		off_t at = t_one_in(r, 8) ? (off_t)(t_number(r) >> 1) :
			   (off_t)t_below(r, 4096) * 512;
		struct iovec v = { data, len };

		if (!t_one_in(r, 8))
			v.iov_len &= -T_PAGE;
		if (t_one_in(r, 4))
			flags = RWF_NOWAIT;
		else if (write && t_one_in(r, 4))
			flags = RWF_DSYNC;
		if (write)
			judge_io(a, "a write",
				 T_RET(pwritev2(fd, &v, 1, at, flags)));
		else
			judge_io(a, "a read",
				 T_RET(preadv2(fd, &v, 1, at, flags)));
	}
	if (fd >= 0)
		close(fd);
}

static void wild_zero(struct fz_actor *a, struct t_rand *r)
{
	static const int modes[] = {
		FALLOC_FL_ZERO_RANGE, FALLOC_FL_PUNCH_HOLE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_NO_HIDE_STALE, 0,
		FALLOC_FL_COLLAPSE_RANGE,
	};
	int fd = wild_open(a, r, true);
	uint64_t range[2] = { t_below(r, 4096) * 512ull,
			      (1 + t_below(r, 1024)) * 512ull };
	uint64_t number = t_number(r);
	uint32_t how = t_below(r, 5);

	if (fd < 0)
		return;
	if (t_one_in(r, 8))
		range[number % 2] = number;
	if (how == 0)
		judge_io(a, "BLKDISCARD", T_RET(ioctl(fd, BLKDISCARD, range)));
	else if (how == 1)
		judge_io(a, "BLKZEROOUT", T_RET(ioctl(fd, BLKZEROOUT, range)));
	else if (how == 2)
		judge_io(a, "BLKSECDISCARD",
			 T_RET(ioctl(fd, BLKSECDISCARD, range)));
	else
		judge_io(a, "fallocate",
			 T_RET(fallocate(fd, modes[t_below(r, 5)] |
					 FALLOC_FL_KEEP_SIZE, range[0] >> 1,
					 range[1] >> 1)));
	close(fd);
}

static void wild_ioctl(struct fz_actor *a, struct t_rand *r)
{
	static const unsigned int cmds[] = {
		BLKROGET, BLKGETSIZE, BLKGETSIZE64, BLKFLSBUF, BLKRAGET,
		BLKSSZGET, BLKPBSZGET, BLKIOMIN, BLKIOOPT, BLKALIGNOFF,
		BLKROTATIONAL, BLKRRPART, BLKBSZGET, 0x301 /* HDIO_GETGEO */,
		BLKSECTGET, BLKDISCARDZEROES, BLKRASET, BLKROSET, BLKBSZSET,
		ABUSE_GET_STATUS, ABUSE_SERVE, 0x5331,
	};
	static char out[T_PAGE];
	unsigned int cmd = cmds[t_below(r, sizeof(cmds) / sizeof(cmds[0]))];
	int fd = wild_open(a, r, t_one_in(r, 2));
	int value = t_one_in(r, 2) ? 0 : (int)t_number(r);
	void *arg = t_one_in(r, 8) ? NULL : out;

	if (fd < 0)
		return;
	memcpy(out, &value, sizeof(value));
	if (cmd == BLKRASET)
		arg = (void *)(uintptr_t)t_below(r, 1024);
	fz_say(a, "0x%x", cmd);
	judge_io(a, "an ioctl of the block device", T_RET(ioctl(fd, cmd, arg)));
	/* Read-only by hand is not to stay for ever. */
	if (cmd == BLKROSET) {
		value = 0;
		ioctl(fd, BLKROSET, &value);
	}
	close(fd);
}

static void wild_sync(struct fz_actor *a, struct t_rand *r)
{
	int fd = wild_open(a, r, true);

	if (fd < 0)
		return;
	judge_io(a, "fsync", T_RET(t_one_in(r, 2) ? fsync(fd) :
			     fdatasync(fd)));
	close(fd);
}

/* A page of the page cache, without a SIGBUS: the kernel looks for us. */
static void wild_mmap(struct fz_actor *a, struct t_rand *r)
{
	int fd = wild_open(a, r, false);
	void *p;

	if (fd < 0)
		return;
	p = mmap(NULL, T_PAGE, PROT_READ, MAP_SHARED, fd,
		 (off_t)t_below(r, 512) * T_PAGE);
	if (p != MAP_FAILED) {
		judge_io(a, "a mapped page", fz_peek(p, data, T_PAGE));
		munmap(p, T_PAGE);
	}
	close(fd);
}

/* Nobody has it open meanwhile: somebody may reset it. */
static void wild_pause(struct fz_actor *a, struct t_rand *r)
{
	(void)a;
	fz_sleep_us(t_below(r, a->device == FZ_CHURN ? 20000 : 2000));
}

static const struct fz_op wild_ops[] = {
	{ "read or write", 10, wild_rw },
	{ "zero", 3, wild_zero },
	{ "ioctl", 4, wild_ioctl },
	{ "sync", 2, wild_sync },
	{ "mmap", 1, wild_mmap },
	{ "pause", 8, wild_pause },
	{ 0 }
};

const struct fz_kind fz_wild_io = {
	.name = "I/O",
	.ops = wild_ops,
	.start = wild_start,
	.patience_ms = 3 * T_PATIENCE_MS,
};
