/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t_part.h - partition tables by hand, for tests: no tool, no surprise
 *
 * Where it stands: [partition table in the store] > server > scan.  Tables
 * count in logical blocks: these are for a device whose blocks have 512 bytes.
 */
#ifndef TESTS_LIB_T_PART_H
#define TESTS_LIB_T_PART_H

#include "t.h"

/* An entry, 0 to 3, of an MBR in the first sector; the rest stays. */
void t_part_mbr(char *image, int index, uint32_t first_sector,
		uint32_t nr_sectors);
/* A GPT with one partition, primary and backup. */
void t_part_gpt(char *image, uint64_t size_bytes, uint64_t first_sector,
		uint64_t nr_sectors);
/* Until /dev/abuseNpP can be opened. */
void t_part_await(int number, int partition);
/* BLKPG_* on an open disk; 0 or -errno. */
int t_part_blkpg(int blk, int op, int partition, uint64_t start_bytes,
		 uint64_t len_bytes);

#endif
