// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_load.c - who uses the device: submitters, or the swap
 *
 * Where it stands: [submitter, swap] > bio > queue > ioctl > server.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "race.h"

#define SUBMITTERS	3u
#define BLOCKS_MAX	32u
#define HOG_PAGES	1536u

static char data[BLOCKS_MAX * T_PAGE] __attribute__((aligned(4096)));

static void verify(uint32_t block, uint32_t nr, const char *found)
{
	uint32_t i, generation;
	uint64_t has[2];

	for (i = 0; i < nr; i++) {
		generation = race->generation[block + i];
		if (!generation || t_stamp_is(found + i * T_PAGE,
					      (uint64_t)(block + i) * T_PAGE,
					      T_PAGE, generation))
			continue;
		memcpy(has, found + i * T_PAGE, sizeof(has));
		race_finding("block %u: expected write %u as acknowledged, found sector %llu of write %llu",
			     block + i, generation,
			     (unsigned long long)has[0],
			     (unsigned long long)has[1]);
		return;
	}
	race_count(verified_bytes, nr * T_PAGE);
}

static void write_blocks(int fd, uint32_t block, uint32_t nr, int flags)
{
	uint32_t generation = __atomic_fetch_add(&race->next_generation, 1,
						 __ATOMIC_RELAXED), i;
	struct iovec v = { data, nr * T_PAGE };
	long ret;

	t_stamp(data, (uint64_t)block * T_PAGE, nr * T_PAGE, generation);
	for (i = 0; i < nr; i++)
		race->generation[block + i] = 0;
	ret = T_RET(pwritev2(fd, &v, 1, (off_t)block * T_PAGE, flags));
	race_count(nr_io, 1);
	if (flags & RWF_NOWAIT && ret != (long)v.iov_len)
		return;
	RACE_EXPECT(ret == (long)v.iov_len,
		    "a write of %u blocks at %u: expected success, found %s",
		    nr, block, t_name(ret));
	for (i = 0; ret > 0 && i < nr; i++)
		race->generation[block + i] = generation;
}

static void read_blocks(int fd, uint32_t block, uint32_t nr)
{
	long ret = T_RET(pread(fd, data, nr * T_PAGE, (off_t)block * T_PAGE));

	race_count(nr_io, 1);
	RACE_EXPECT(ret == (long)nr * T_PAGE,
		    "a read of %u blocks at %u: expected success, found %s",
		    nr, block, t_name(ret));
	if (ret > 0)
		verify(block, nr, data);
}

/* Writes to its own part and reads it back, at random. */
void race_submitter(struct t_rand *r, uint32_t index)
{
	uint32_t part = RACE_BLOCKS / SUBMITTERS, block, nr;
	int fd = t_blk_open(RACE_DATA, O_RDWR | O_DIRECT);

	T_OK(fd);
	while (!race->stop) {
		nr = 1 + t_below(r, t_one_in(r, 4) ? BLOCKS_MAX : 4);
		block = index % SUBMITTERS * part + t_below(r, part - nr);
		if (t_one_in(r, 2))
			write_blocks(fd, block, nr, t_one_in(r, 8) ?
				     RWF_NOWAIT : t_one_in(r, 8) ? RWF_DSYNC :
				     0);
		else
			read_blocks(fd, block, nr);
		if (t_one_in(r, 64))
			fsync(fd);
	}
	close(fd);
}

void race_verify_all(void)
{
	int fd = t_blk_open(RACE_DATA, O_RDONLY | O_DIRECT);
	uint32_t block;

	T_OK(fd);
	for (block = 0; block < RACE_BLOCKS; block += BLOCKS_MAX)
		read_blocks(fd, block, BLOCKS_MAX);
	close(fd);
}

/* ------------------------------------------------------------------ swap */

/*
 * Memory with known contents, sent to the swap and read back; the process
 * sends its own, so nobody else's is in the way.
 */
void race_swapper(struct t_rand *r, uint32_t index)
{
	size_t bytes = (size_t)HOG_PAGES * T_PAGE;
	uint32_t generation[HOG_PAGES], at, nr, i;
	char *hog = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_TRUE(hog != MAP_FAILED, "no memory to swap");
	for (i = 0; i < HOG_PAGES; i++) {
		generation[i] = index + 1;
		t_stamp(hog + (size_t)i * T_PAGE, (uint64_t)i * T_PAGE, T_PAGE,
			generation[i]);
	}
	while (!race->stop) {
		at = t_below(r, HOG_PAGES - 256);
		nr = 1 + t_below(r, 256);
		madvise(hog + (size_t)at * T_PAGE, (size_t)nr * T_PAGE,
			MADV_PAGEOUT);
		race_count(nr_swapped_kib, nr * T_PAGE / 1024);
		for (nr = t_below(r, 512); nr && !race->stop; nr--) {
			i = t_below(r, HOG_PAGES);
			RACE_EXPECT(t_stamp_is(hog + (size_t)i * T_PAGE,
					       (uint64_t)i * T_PAGE, T_PAGE,
					       generation[i]),
				    "page %u of a process that was swapped out: expected write %u, found others' or older data",
				    i, generation[i]);
			race_count(verified_bytes, T_PAGE);
			if (!t_one_in(r, 4))
				continue;
			generation[i]++;
			t_stamp(hog + (size_t)i * T_PAGE, (uint64_t)i * T_PAGE,
				T_PAGE, generation[i]);
		}
	}
	/* The last look at all of it. */
	for (i = 0; i < HOG_PAGES; i++)
		RACE_EXPECT(t_stamp_is(hog + (size_t)i * T_PAGE,
				       (uint64_t)i * T_PAGE, T_PAGE,
				       generation[i]),
			    "page %u at the end: expected write %u, found others' or older data",
			    i, generation[i]);
	race_count(verified_bytes, bytes);
}
