// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_part.c - partition tables by hand, for tests
 *
 * Where it stands: [partition table in the store] > server > scan.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <linux/blkpg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_part.h"

#define MBR_ENTRIES	446
#define MBR_MAGIC	510
#define TYPE_LINUX	0x83
#define TYPE_GPT	0xee
#define GPT_ENTRY_BYTES	128u
#define GPT_ENTRIES	128u
/* Of the header's 512 bytes. */
#define GPT_HEADER_BYTES 92u

struct mbr_entry {
	uint8_t status, chs_first[3], type, chs_last[3];
	uint32_t first_sector, nr_sectors;
} __attribute__((packed));

struct gpt_header {
	char signature[8];
	uint32_t revision, header_bytes, header_crc, reserved;
	uint64_t my_lba, other_lba, first_usable, last_usable;
	uint8_t disk_guid[16];
	uint64_t entries_lba;
	uint32_t nr_entries, entry_bytes, entries_crc;
} __attribute__((packed));

struct gpt_entry {
	uint8_t type_guid[16], guid[16];
	uint64_t first_lba, last_lba, attributes;
	uint16_t name[36];
} __attribute__((packed));

static void mbr_entry(char *image, int index, uint8_t type, uint32_t first,
		      uint32_t nr)
{
	struct mbr_entry entry = {
		.type = type,
		.first_sector = htole32(first),
		.nr_sectors = htole32(nr),
	};

	memcpy(image + MBR_ENTRIES + index * sizeof(entry), &entry,
	       sizeof(entry));
	image[MBR_MAGIC] = 0x55;
	image[MBR_MAGIC + 1] = (char)0xaa;
}

void t_part_mbr(char *image, int index, uint32_t first_sector,
		uint32_t nr_sectors)
{
	mbr_entry(image, index, TYPE_LINUX, first_sector, nr_sectors);
}

static uint32_t crc32(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void gpt_half(char *image, uint64_t sectors, bool backup,
		     const struct gpt_entry *entry)
{
	const uint64_t entry_sectors = GPT_ENTRIES * GPT_ENTRY_BYTES / 512;
	uint64_t entries_lba = backup ? sectors - 1 - entry_sectors : 2;
	struct gpt_header header = {
		.revision = htole32(0x10000),
		.header_bytes = htole32(GPT_HEADER_BYTES),
		.my_lba = htole64(backup ? sectors - 1 : 1),
		.other_lba = htole64(backup ? 1 : sectors - 1),
		.first_usable = htole64(2 + entry_sectors),
		.last_usable = htole64(sectors - 2 - entry_sectors),
		.disk_guid = { 1 },
		.entries_lba = htole64(entries_lba),
		.nr_entries = htole32(GPT_ENTRIES),
		.entry_bytes = htole32(GPT_ENTRY_BYTES),
	};
	char *entries = image + entries_lba * 512;

	memcpy(header.signature, "EFI PART", 8);
	memset(entries, 0, GPT_ENTRIES * GPT_ENTRY_BYTES);
	memcpy(entries, entry, sizeof(*entry));
	header.entries_crc = htole32(crc32(entries,
					   GPT_ENTRIES * GPT_ENTRY_BYTES));
	header.header_crc = htole32(crc32(&header, GPT_HEADER_BYTES));
	memset(image + le64toh(header.my_lba) * 512, 0, 512);
	memcpy(image + le64toh(header.my_lba) * 512, &header, sizeof(header));
}

void t_part_gpt(char *image, uint64_t size_bytes, uint64_t first_sector,
		uint64_t nr_sectors)
{
	const struct gpt_entry entry = {
		/* Linux file system: 0FC63DAF-8483-4772-8E79-3D69D8477DE4 */
		.type_guid = { 0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47,
			       0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47, 0x7d, 0xe4 },
		.guid = { 2 },
		.first_lba = htole64(first_sector),
		.last_lba = htole64(first_sector + nr_sectors - 1),
	};

	memset(image, 0, 512);
	mbr_entry(image, 0, TYPE_GPT, 1, size_bytes / 512 - 1);
	gpt_half(image, size_bytes / 512, false, &entry);
	gpt_half(image, size_bytes / 512, true, &entry);
}

/* In sysfs it is there a moment before it can be opened. */
static bool is_there(int number, int partition)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/dev/abuse%dp%d", number, partition);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void t_part_await(int number, int partition)
{
	T_UNTIL(is_there(number, partition));
}

int t_part_blkpg(int blk, int op, int partition, uint64_t start_bytes,
		 uint64_t len_bytes)
{
	struct blkpg_partition part = {
		.start = start_bytes,
		.length = len_bytes,
		.pno = partition,
	};
	struct blkpg_ioctl_arg arg = {
		.op = op,
		.datalen = sizeof(part),
		.data = &part,
	};

	return T_RET(ioctl(blk, BLKPG, &arg));
}
