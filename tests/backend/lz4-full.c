// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will fill the arena of the lz4 backend with data that does not
 * compress: the write that finds no room fails with ENOSPC, and only that; what
 * was written before stays, the server goes on, and a discard makes room, and so
 * does zeroing.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 60
 * busted: env=T_STORE=16M
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b.h"
#include "t_rand.h"

#define PIECE	(64 * 1024u)
#define SIZE	(8 * T_MIB)

static char *buffer;

static void noise(uint64_t at, uint64_t gen)
{
	struct t_rand r = t_rand_of(gen, 0, at);
	uint64_t *to = (uint64_t *)buffer;
	unsigned int i;

	for (i = 0; i < PIECE / 8; i++)
		to[i] = t_u64(&r);
}

/* One I/O of noise, from a process that does not serve: its result. */
static int noise_io(bool write, uint64_t at, uint64_t gen)
{
	volatile int *result = t_shared(T_PAGE);
	pid_t pid;

	noise(at, gen);
	pid = t_fork(false);
	if (!pid) {
		char *found = t_shared(PIECE);
		int blk = t_blk_open(0, O_RDWR | O_DIRECT);

		T_OK(blk);
		if (write) {
			*result = T_RET(pwrite(blk, buffer, PIECE, at));
		} else {
			*result = T_RET(pread(blk, found, PIECE, at));
			T_TRUE(!memcmp(found, buffer, PIECE),
			       "noise at %llu: expected what was written, found something else",
			       (unsigned long long)at);
		}
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	return *result;
}

int main(void)
{
	const char *store = getenv("T_STORE");
	struct t_swapserver s;
	char arguments[100];
	uint64_t at, full;
	int ctl, ret;

	t_init(50);
	buffer = t_shared(PIECE);
	ctl = t_ctl_open(0);
	snprintf(arguments, sizeof(arguments),
		 "--size %u /dev/abctl0 lz4,store=%s", SIZE,
		 store ? store : "2M");
	s = t_swapserver_start(arguments);
	for (full = 0; full < SIZE; full += PIECE) {
		ret = noise_io(true, full, 1);
		if (ret < 0)
			break;
		T_EQ(ret, PIECE);
	}
	T_EQ(ret, -ENOSPC);
	T_EQ(full, 2 * T_MIB);
	T_EQ(t_counters(ctl).ab_ended_error, 1);
	for (at = 0; at < full; at += PIECE)
		T_EQ(noise_io(false, at, 1), PIECE);
	/* The request that failed had its first page stored. */
	T_EQ(b_discard(full, PIECE), 0);
	T_EQ(b_discard(0, PIECE), 0);
	T_EQ(noise_io(true, full + T_MIB, 2), PIECE);
	T_EQ(b_is_zero(0, PIECE), true);
	/* Full again, but for the page beside which each is overwritten. */
	T_EQ(noise_io(true, full - PIECE, 3), PIECE);
	for (at = PIECE; at < full - PIECE; at += PIECE)
		T_EQ(noise_io(false, at, 1), PIECE);
	T_EQ(noise_io(false, full - PIECE, 3), PIECE);
	T_EQ(noise_io(false, full + T_MIB, 2), PIECE);
	T_EQ(noise_io(true, full + 2 * T_MIB, 4), -ENOSPC);
	T_EQ(b_discard(full + 2 * T_MIB, PIECE), 0);
	T_EQ(b_zero(PIECE, PIECE), 0);
	T_EQ(noise_io(true, full + 2 * T_MIB, 4), PIECE);
	T_EQ(b_is_zero(PIECE, PIECE), true);
	T_EQ(noise_io(false, full + 2 * T_MIB, 4), PIECE);
	b_stop(&s, ctl);
	return t_end();
}
