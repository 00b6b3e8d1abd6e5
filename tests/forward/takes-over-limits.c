// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at the limits of a device that forwards, before anybody
 * can use it: write cache and stable writes are those that
 * its disk needs, a RESET takes them back; and a request larger than the disk
 * takes at once gets there whole.
 *
 * Where it stands: [ioctl] > forward > disk.
 *
 * time: 40
 * busted: module=limits-not-stacked
 * invariant: I1
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "t_disk.h"

#define LEN	T_MIB

static uint64_t limit(const char *name)
{
	return t_attr_number("/sys/block/abuse0/queue/%s", name);
}

static const char *cache(void)
{
	return t_read_text("/sys/block/abuse0/queue/write_cache");
}

static void configure(int ctl, uint32_t blocksize_bytes)
{
	const struct abuse_info info = {
		.ab_size = T_MIB,
		.ab_blocksize = blocksize_bytes,
		.ab_max_queue = 4,
	};

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
}

/* The disk takes 64 KiB at once: its own queue cuts, ours does not. */
static void larger(int ctl, uint32_t disk)
{
	static char data[LEN];
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	struct abuse_lent lent = t_lend_one(ctl);

	T_EQ(lent.ab_len_bytes, LEN);
	T_OK(t_forward(ctl, lent.ab_id, disk, 0));
	T_EQ(t_result(io), LEN);
	T_EQ(t_counters(ctl).ab_forwarded, 1);
	t_disk_read(t_scsi_path(0), 0, data, LEN);
	t_stamp_check(data, 0, LEN, 1);
}

int main(void)
{
	uint64_t max_kb;
	const char *name;
	uint32_t disk;
	int ctl;

	t_init(35);
	t_scsi_load("sector_size=512 physblk_exp=3");
	name = t_disk_name(t_scsi_path(0));
	ctl = t_ctl_open(0);

	/* What it is without a disk. */
	configure(ctl, 512);
	T_EQ(limit("stable_writes"), 0);
	T_TRUE(!strcmp(cache(), "write through\n"), "write_cache without a disk: expected write through, found %s",
	       cache());
	max_kb = limit("max_hw_sectors_kb");
	T_EQ(max_kb, 2048);

	T_OK(t_attr_set("1", "/sys/block/%s/queue/stable_writes", name));
	T_OK(t_attr_set("64", "/sys/block/%s/queue/max_sectors_kb", name));
	T_TRUE(strstr(t_read_text("/sys/block/%s/queue/write_cache", name),
		      "write back"), "the disk's write_cache: expected write back, found %s",
	       t_read_text("/sys/block/%s/queue/write_cache", name));
	disk = t_backing_of(ctl, t_scsi_path(0));
	T_EQ(limit("stable_writes"), 1);
	T_TRUE(!strcmp(cache(), "write back\n"), "write_cache over a disk that has one: expected write back, found %s",
	       cache());
	T_EQ(limit("fua"), 1);
	T_EQ(limit("logical_block_size"), 512);
	T_TRUE(limit("physical_block_size") >= 4096, "physical_block_size: expected that of the disk, 4096 or more, found %llu",
	       (unsigned long long)limit("physical_block_size"));
	/* Still nobody can use it. */
	T_EQ(t_is_live(0), false);
	t_go_live(ctl);
	T_EQ(t_is_live(0), true);
	T_EQ(limit("stable_writes"), 1);
	larger(ctl, disk);

	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	configure(ctl, 4096);
	T_EQ(limit("stable_writes"), 0);
	T_EQ(limit("logical_block_size"), 4096);
	T_EQ(limit("max_hw_sectors_kb"), max_kb);
	T_TRUE(!strcmp(cache(), "write through\n"), "write_cache after RESET: expected write through, found %s",
	       cache());
	return t_end();
}
