// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write a whole device in pieces of 4 KiB to 2 MiB, from
 * vectors of odd lengths, then parts of it again, and find every sector's
 * latest stamp: served by ABUSE_SERVE whole and piecemeal, and by GET and PUT.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 120
 * busted: module=short-copy
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define SIZE		(8 * T_MIB)
#define PAGES		(SIZE / T_PAGE)
#define VECS_MAX	24

static uint64_t generations[PAGES];
static char *data, *scattered;

/* A repeatable sequence: the same test every time. */
static uint32_t random_below(uint32_t limit)
{
	static uint64_t x = 1;

	x = x * 6364136223846793005ull + 1442695040888963407ull;
	return (x >> 33) % limit;
}

/*
 * Vectors that begin anywhere on 512 bytes and have any number of sectors,
 * with holes in between: bios whose pages are cut in every way.
 */
static int scatter(struct iovec *vecs, uint32_t len_bytes)
{
	uint32_t left = len_bytes, at = 512 * random_below(8), len;
	int nr = 0;

	while (left) {
		len = 512 * (1 + random_below(2 * len_bytes / 512 /
					      VECS_MAX + 16));
		if (len > left || nr == VECS_MAX - 1)
			len = left;
		vecs[nr].iov_base = scattered + at;
		vecs[nr++].iov_len = len;
		at += len + 512 * random_below(9);
		left -= len;
	}
	return nr;
}

static void gather(const struct iovec *vecs, int nr, bool out)
{
	char *p = data;
	int i;

	for (i = 0; i < nr; i++) {
		if (out)
			memcpy(vecs[i].iov_base, p, vecs[i].iov_len);
		else
			memcpy(p, vecs[i].iov_base, vecs[i].iov_len);
		p += vecs[i].iov_len;
	}
}

static void write_pages(int blk, uint32_t page, uint32_t nr_pages,
			uint64_t generation)
{
	uint64_t offset = (uint64_t)page * T_PAGE;
	struct iovec vecs[VECS_MAX];
	uint32_t i;
	int nr;

	t_stamp(data, offset, nr_pages * T_PAGE, generation);
	nr = scatter(vecs, nr_pages * T_PAGE);
	gather(vecs, nr, true);
	T_EQ(T_RET(pwritev(blk, vecs, nr, offset)), nr_pages * T_PAGE);
	for (i = 0; i < nr_pages; i++)
		generations[page + i] = generation;
}

static void read_pages(int blk, uint32_t page, uint32_t nr_pages)
{
	uint64_t offset = (uint64_t)page * T_PAGE;
	struct iovec vecs[VECS_MAX];
	uint32_t i;
	int nr = scatter(vecs, nr_pages * T_PAGE);

	memset(scattered, 0x5a, SIZE);
	T_EQ(T_RET(preadv(blk, vecs, nr, offset)), nr_pages * T_PAGE);
	gather(vecs, nr, false);
	for (i = 0; i < nr_pages; i++)
		t_stamp_check(data + i * T_PAGE, offset + i * T_PAGE, T_PAGE,
			      generations[page + i]);
}

/* 1 to 512 pages, small ones as often as large ones. */
static uint32_t some_pages(uint32_t limit)
{
	uint32_t nr = 1 + random_below(1u << random_below(10));

	return nr > limit ? limit : nr;
}

static void __attribute__((noreturn)) submitter(uint64_t base)
{
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	uint32_t page, nr;
	int i;

	T_OK(blk);
	data = t_shared(SIZE);
	scattered = t_shared(2 * SIZE);
	for (page = 0; page < PAGES; page += nr) {
		nr = some_pages(PAGES - page);
		write_pages(blk, page, nr, base);
	}
	for (i = 0; i < 60; i++) {
		page = random_below(PAGES);
		write_pages(blk, page, some_pages(PAGES - page), base + 1 + i);
		page = random_below(PAGES);
		read_pages(blk, page, some_pages(PAGES - page));
	}
	for (page = 0; page < PAGES; page += nr) {
		nr = some_pages(PAGES - page);
		read_pages(blk, page, nr);
	}
	/* As large as one I/O can be: bios of as many vectors as there are. */
	write_pages(blk, 0, 512, base + 100);
	read_pages(blk, 0, 512);
	_exit(0);
}

static void round_of(int ctl, const struct t_store *store,
		     const struct t_server *how, uint64_t base)
{
	struct abuse_counters before = t_counters(ctl), after;
	pid_t server = t_server_start(store, how), load;
	long start = t_now_ms();

	t_server_await(ctl, 1);
	load = t_fork(false);
	if (!load)
		submitter(base);
	while (!t_ended(load)) {
		T_TRUE(!t_ended(server), "the server: expected to serve, found it ended");
		T_TRUE(t_now_ms() - start < 60000 * t_time_factor(), "the load: expected to end within 60 s, found it at work");
		t_pause();
	}
	T_EQ(t_reap(load), 0);
	after = t_counters(ctl);
	T_TRUE(after.ab_write_bytes - before.ab_write_bytes >= SIZE &&
	       after.ab_read_bytes - before.ab_read_bytes >= SIZE,
	       "expected at least %u bytes each way, found %llu written, %llu read",
	       SIZE, after.ab_write_bytes - before.ab_write_bytes,
	       after.ab_read_bytes - before.ab_read_bytes);
	T_EQ(after.ab_ended_error, 0);
	t_kill(server, SIGKILL);
	t_server_await(ctl, 0);
}

int main(void)
{
	static const struct t_server servers[] = {
		{ .index = 0 },
		/* Not a power of two, and cut within a sector. */
		{ .index = 1, .piece_bytes = 5000, .batch = 3 },
		{ .index = 2, .legacy = true },
		{ .index = 3, .pick = true },
	};
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 32,
	};
	struct t_store store;
	size_t i;
	int ctl;

	t_init(110);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	/* Vectors are cut at the block size: the smallest there is. */
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++)
		round_of(ctl, &store, &servers[i], 1000 * (i + 1));
	return t_end();
}
