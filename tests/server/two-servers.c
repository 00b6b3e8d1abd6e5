// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let two processes serve one device at once, under a load of
 * four submitters: the stamps hold, each request is answered once, and both
 * have had work.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 90
 * busted: module=short-copy
 * busted: env=T_TWIN=one-server
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

#define SIZE		(4 * T_MIB)
#define SUBMITTERS	4
#define SHARE		(SIZE / SUBMITTERS)
#define LEN		(4 * T_PAGE)
#define ROUNDS		4

static void __attribute__((noreturn)) submitter(int which)
{
	uint64_t base = (uint64_t)which * SHARE, at;
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	char *data = t_shared(LEN);
	int round;

	T_OK(blk);
	for (round = 0; round < ROUNDS; round++) {
		for (at = 0; at < SHARE; at += LEN) {
			t_stamp(data, base + at, LEN, 10 * which + round);
			T_EQ(T_RET(pwrite(blk, data, LEN, base + at)), LEN);
		}
		for (at = 0; at < SHARE; at += LEN) {
			memset(data, 0, LEN);
			T_EQ(T_RET(pread(blk, data, LEN, base + at)), LEN);
			t_stamp_check(data, base + at, LEN, 10 * which + round);
		}
	}
	_exit(0);
}

int main(void)
{
	const struct t_server hows[] = {
		{ .index = 0, .batch = 1 },
		{ .index = 1, .batch = 2, .pick = true },
	};
	int nr_servers = t_twin("one-server") ? 1 : 2;
	struct abuse_counters c;
	pid_t servers[2], loads[SUBMITTERS];
	struct t_store store;
	uint64_t answered;
	long start;
	int ctl, i;

	t_init(80);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, 0);
	for (i = 0; i < nr_servers; i++)
		servers[i] = t_server_start(&store, &hows[i]);
	t_server_await(ctl, nr_servers);
	for (i = 0; i < SUBMITTERS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			submitter(i);
	}
	start = t_now_ms();
	for (i = 0; i < SUBMITTERS; i++) {
		while (!t_ended(loads[i]) && t_now_ms() - start < 60000)
			t_pause();
		T_EQ(t_reap(loads[i]), 0);
	}
	c = t_counters(ctl);
	answered = store.served[0].requests + store.served[1].requests;
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_read_bytes, ROUNDS * SIZE);
	T_EQ(c.ab_write_bytes, ROUNDS * SIZE);
	T_EQ(c.ab_lent, c.ab_ended + c.ab_requeued);
	T_EQ(c.ab_ended, answered);
	for (i = 0; i < 2; i++)
		T_TRUE(store.served[i].requests >= c.ab_ended / 20,
		       "server %d: expected a share of %llu requests, found %llu",
		       i, c.ab_ended,
		       (unsigned long long)store.served[i].requests);
	for (i = 0; i < nr_servers; i++)
		t_kill(servers[i], SIGKILL);
	return t_end();
}
