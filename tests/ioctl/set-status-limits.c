// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will ask SET_STATUS for what is just within and just outside each
 * range, and see that a refusal leaves the device as it was.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=any-status
 * busted: module=capacity-early
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

#define LARGE ((uint64_t)INT64_MAX & ~4095ull)

static const struct {
	uint64_t size;
	uint32_t blocksize, bound, flags;
	int err;
} refused[] = {
	{ 0, 4096, 4, 0, -EINVAL },
	{ 4095, 4096, 4, 0, -EINVAL },
	{ 4097, 4096, 4, 0, -EINVAL },
	{ 511, 512, 4, 0, -EINVAL },
	{ 1536, 1024, 4, 0, -EINVAL },
	{ T_MIB, 0, 4, 0, -EINVAL },
	{ T_MIB, 1, 4, 0, -EINVAL },
	{ T_MIB, 256, 4, 0, -EINVAL },
	{ T_MIB, 511, 4, 0, -EINVAL },
	{ T_MIB, 513, 4, 0, -EINVAL },
	{ T_MIB, 3072, 4, 0, -EINVAL },
	{ T_MIB, 8192, 4, 0, -EINVAL },
	{ T_MIB, 0x80000000, 4, 0, -EINVAL },
	{ T_MIB, 0xffffffff, 4, 0, -EINVAL },
	{ T_MIB, 4096, ABUSE_QUEUE_LIMIT + 1, 0, -EINVAL },
	{ T_MIB, 4096, 0xffffffff, 0, -EINVAL },
	{ T_MIB, 4096, 4, 32, -EINVAL },
	{ T_MIB, 4096, 4, 0x80000000, -EINVAL },
	{ T_MIB, 4096, 4, 0xffffffff, -EINVAL },
	{ 1ull << 63, 4096, 4, 0, -EFBIG },
	{ ~0ull & ~4095ull, 4096, 4, 0, -EFBIG },
	{ ~0ull & ~511ull, 512, 4, 0, -EFBIG },
};

static const struct {
	uint64_t size;
	uint32_t blocksize, bound, want_bound;
} accepted[] = {
	{ 512, 512, 1, 1 },
	{ 4096, 4096, 1, 1 },
	{ 3 * 1024, 1024, 2, 2 },
	{ T_MIB, 2048, 3, 3 },
	{ T_MIB, 512, 0, ABUSE_QUEUE_DEFAULT },
	{ T_MIB, 4096, ABUSE_QUEUE_DEFAULT, ABUSE_QUEUE_DEFAULT },
	{ T_MIB, 4096, ABUSE_QUEUE_LIMIT, ABUSE_QUEUE_LIMIT },
	{ 1ull << 40, 4096, 4, 4 },
	{ LARGE, 4096, 4, 4 },
};

/* What the disk says of itself. */
static uint64_t capacity(void)
{
	uint64_t bytes = 1;
	int fd = t_blk_open(0, O_RDONLY);

	T_OK(fd);
	T_OK(t_ioctl(fd, BLKGETSIZE64, &bytes));
	close(fd);
	return bytes;
}

static int block_bytes(void)
{
	int fd = t_blk_open(0, O_RDONLY), bytes = 0;

	T_OK(fd);
	T_OK(t_ioctl(fd, BLKSSZGET, &bytes));
	close(fd);
	return bytes;
}

static void is_untouched(int ctl)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_size, 0);
	T_EQ(info.ab_blocksize, 0);
	T_EQ(info.ab_max_queue, 0);
	T_EQ(info.ab_flags, 0);
	T_EQ(t_counters(ctl).ab_nr_slots, 0);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EINVAL);
	t_go_live(ctl);
	T_EQ(capacity(), 0);
}

int main(void)
{
	struct abuse_info info;
	size_t i;
	int ctl;

	t_init(25);
	ctl = t_ctl_open(0);
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		info = (struct abuse_info) {
			.ab_size = refused[i].size,
			.ab_blocksize = refused[i].blocksize,
			.ab_max_queue = refused[i].bound,
			.ab_flags = refused[i].flags,
		};
		int err = t_ioctl(ctl, ABUSE_SET_STATUS, &info);

		T_TRUE(err == refused[i].err,
		       "size %llu, block size %u, bound %u, flags 0x%x: expected %s, found %s",
		       info.ab_size, info.ab_blocksize, info.ab_max_queue,
		       info.ab_flags, t_name(refused[i].err), t_name(err));
		is_untouched(ctl);
	}
	for (i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		info = (struct abuse_info) {
			.ab_size = accepted[i].size,
			.ab_blocksize = accepted[i].blocksize,
			.ab_max_queue = accepted[i].bound,
		};
		T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
		/* No capacity before a server asks for work. */
		T_EQ(capacity(), 0);
		T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
		T_EQ(info.ab_size, accepted[i].size);
		T_EQ(info.ab_blocksize, accepted[i].blocksize);
		T_EQ(info.ab_max_queue, accepted[i].want_bound);
		T_EQ(t_counters(ctl).ab_nr_slots, accepted[i].want_bound);
		T_EQ(t_counters(ctl).ab_nr_free, accepted[i].want_bound);
		t_go_live(ctl);
		T_EQ(capacity(), accepted[i].size);
		T_EQ(block_bytes(), accepted[i].blocksize);
		T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
		is_untouched(ctl);
	}
	return t_end();
}
