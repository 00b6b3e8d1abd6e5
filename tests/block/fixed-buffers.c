// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write and read 2 MiB through a registered buffer of io_uring,
 * 512 pages that do not lie side by side: more vectors than GET can hand out.
 * Served by ABUSE_SERVE, in pieces, and by GET and PUT, every stamp holds, and
 * no GET hands out more vectors than ab_max_vecs.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=short-copy
 * busted: module=no-split
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(4 * T_MIB)
#define LEN	(2 * T_MIB)

/* Touched in an order that leaves no two pages where their neighbours are. */
static char *scattered(void)
{
	const uint32_t pages = LEN / T_PAGE;
	char *p = mmap(NULL, 2 * LEN, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t i;

	T_TRUE(p != MAP_FAILED, "mmap: %s", strerror(errno));
	/* EINVAL: a kernel without huge pages has none to advise against. */
	if (madvise(p, 2 * LEN, MADV_NOHUGEPAGE))
		T_EQ(errno, EINVAL);
	for (i = 0; i < pages; i++) {
		p[(uint64_t)(i * 37 % pages) * T_PAGE] = 1;
		p[LEN + (uint64_t)i * T_PAGE] = 1;	/* in between */
	}
	return p;
}

static void __attribute__((noreturn)) submitter(uint64_t at, uint64_t stamp)
{
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	char *data = scattered();
	struct t_uring ring;

	T_OK(blk);
	if (t_uring_open(&ring, 4))
		_exit(77);
	T_OK(t_uring_buffer(&ring, data, LEN));
	t_stamp(data, at, LEN, stamp);
	T_OK(t_uring_submit(&ring, blk, T_WRITE, data, LEN, at, true));
	T_EQ(t_uring_result(&ring), LEN);
	memset(data, 0, LEN);
	T_OK(t_uring_submit(&ring, blk, T_READ, data, LEN, at, true));
	T_EQ(t_uring_result(&ring), LEN);
	t_stamp_check(data, at, LEN, stamp);
	/* Begin within the buffer, and on no page's border. */
	t_stamp(data + 512, at + 512, LEN / 2, stamp + 1);
	T_OK(t_uring_submit(&ring, blk, T_WRITE, data + 512, LEN / 2, at + 512,
			    true));
	T_EQ(t_uring_result(&ring), LEN / 2);
	memset(data, 0, LEN);
	T_OK(t_uring_submit(&ring, blk, T_READ, data, LEN, at, true));
	T_EQ(t_uring_result(&ring), LEN);
	t_stamp_check(data, at, 512, stamp);
	t_stamp_check(data + 512, at + 512, LEN / 2, stamp + 1);
	t_stamp_check(data + 512 + LEN / 2, at + 512 + LEN / 2, LEN / 2 - 512,
		      stamp);
	_exit(0);
}

int main(void)
{
	static const struct t_server servers[] = {
		{ .index = 0 },
		{ .index = 1, .piece_bytes = 77777 },
		{ .index = 2, .legacy = true },
	};
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 16,
	};
	struct t_store store;
	pid_t server, pid;
	int ctl, status;
	size_t i;

	t_init(55);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	for (i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		server = t_server_start(&store, &servers[i]);
		t_server_await(ctl, 1);
		pid = t_fork(false);
		if (!pid)
			submitter(T_MIB, 10 * i + 1);
		while (!t_ended(pid)) {
			T_TRUE(!t_ended(server),
			       "the server: expected to serve, found it ended");
			t_pause();
		}
		status = t_reap(pid);
		if (status == 77 << 8)
			t_skip("this kernel has no io_uring");
		T_EQ(status, 0);
		t_kill(server, SIGKILL);
		t_server_await(ctl, 0);
	}
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
