// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will use a thin-provisioned device of 1 TiB on a pool of 64 blocks:
 * what was never written reads as zeroes, what was written stays; a full pool
 * answers ENOSPC and harms nothing; what is discarded or zeroed reads as
 * zeroes and its place in the pool is used again.
 *
 * Where it stands: bio > queue > ioctl > [server > backend].
 *
 * time: 120
 * busted: env=T_TWIN=null
 * busted: env=T_TWIN=roomy
 * busted: module=drop-flags
 */
#define _GNU_SOURCE
#include <linux/fs.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "example.h"

EXAMPLE(null_server, "null");
EXAMPLE(thin, "thin");

#define SIZE		(1ull << 40)
#define SIZE_TEXT	"1099511627776"
#define BLOCKS		64u
#define POOL_TEXT	"262144"
#define ROOMY_TEXT	"524288"
#define POOL_FILE	"/tmp/pool"
#define FILE_TEXT	" /tmp/pool"
/* Given back in the middle of the test. */
#define FIRST_GONE	20u
#define NR_GONE		10u

static char *data;

/* Blocks far apart, so that none is next to another. */
static uint64_t place(uint32_t i)
{
	return i * (SIZE / 128 - 3 * T_PAGE);
}

static long write_block(uint32_t i, uint64_t generation)
{
	t_stamp(data, place(i), T_PAGE, generation);
	return example_io(0, T_WRITE, data, place(i), T_PAGE);
}

static void read_blocks(uint32_t from, uint32_t to, uint64_t generation)
{
	uint32_t i;

	for (i = from; i < to; i++) {
		T_EQ(example_io(0, T_READ, data, place(i), T_PAGE), T_PAGE);
		t_stamp_check(data, place(i), T_PAGE, generation);
	}
}

static void zero_at(uint64_t offset, uint32_t len)
{
	T_EQ(example_io(0, T_READ, data, offset, len), len);
	example_zeroes(data, len);
}

static void round_of(const char *arguments, const char *roomy)
{
	const struct example *example = t_twin("null") ? &null_server : &thin;
	int ctl = t_ctl_open(0);
	pid_t server;
	uint32_t i;

	if (t_twin("null"))
		arguments = "0 " SIZE_TEXT;
	if (t_twin("roomy"))
		arguments = roomy;
	server = example_start(ctl, example, arguments);
	zero_at(0, 16 * T_PAGE);
	zero_at(SIZE - 16 * T_PAGE, 16 * T_PAGE);

	for (i = 0; i < BLOCKS; i++)
		T_EQ(write_block(i, 1), T_PAGE);
	read_blocks(0, BLOCKS, 1);
	zero_at(place(5) + T_PAGE, T_PAGE);

	/* Full: a new block is refused, an old one is not. */
	T_EQ(write_block(BLOCKS, 1), -ENOSPC);
	zero_at(place(BLOCKS), T_PAGE);
	T_EQ(write_block(0, 1), T_PAGE);
	read_blocks(0, BLOCKS, 1);

	for (i = FIRST_GONE; i < FIRST_GONE + NR_GONE; i++) {
		T_EQ(example_range(0, i % 2 ? BLKDISCARD : BLKZEROOUT,
				   place(i), T_PAGE), 0);
		zero_at(place(i), T_PAGE);
	}
	/* Twice: what is gone is not given back again. */
	T_EQ(example_range(0, BLKDISCARD, place(FIRST_GONE), T_PAGE), 0);
	for (i = BLOCKS; i < BLOCKS + NR_GONE; i++)
		T_EQ(write_block(i, 2), T_PAGE);
	T_EQ(write_block(i, 2), -ENOSPC);
	read_blocks(0, FIRST_GONE, 1);
	read_blocks(FIRST_GONE + NR_GONE, BLOCKS, 1);
	read_blocks(BLOCKS, BLOCKS + NR_GONE, 2);

	T_EQ(example_range(0, BLKDISCARD, 0, place(BLOCKS + NR_GONE)), 0);
	zero_at(place(0), T_PAGE);
	zero_at(place(BLOCKS), T_PAGE);
	T_EQ(write_block(1, 3), T_PAGE);
	read_blocks(1, 2, 3);
	example_end(ctl, server);
}

int main(void)
{
	struct stat st;

	t_init(110);
	data = t_shared(16 * T_PAGE);
	round_of("0 " SIZE_TEXT " " POOL_TEXT, "0 " SIZE_TEXT " " ROOMY_TEXT);
	round_of("0 " SIZE_TEXT " " POOL_TEXT FILE_TEXT,
		 "0 " SIZE_TEXT " " ROOMY_TEXT FILE_TEXT);
	/* The pool was there: all of its space, and no more. */
	T_EQ(T_RET(stat(POOL_FILE, &st)), 0);
	T_EQ(st.st_size, BLOCKS * T_PAGE);
	T_TRUE(st.st_blocks * 512ull >= BLOCKS * T_PAGE,
	       "the pool: expected %u bytes of space, found %llu",
	       BLOCKS * T_PAGE, st.st_blocks * 512ull);
	T_EQ(T_RET(unlink(POOL_FILE)), 0);

	T_EQ(example_fails(&thin, "0 4096"), 2);
	T_EQ(example_fails(&thin, "0 4096 0"), 1);
	T_EQ(example_fails(&thin, "999 4096 4096"), 1);
	T_TRUE(strstr(example_words(), "No such file"),
	       "no device: found \"%s\"", example_words());
	return t_end();
}
