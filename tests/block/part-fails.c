// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will discard more than one request may carry: the block layer
 * cuts it in two, and if either of them fails the caller is told so, in
 * whichever order they are answered.
 *
 * Where it stands: bio > queue > ioctl > server > [completion].
 *
 * time: 30
 * invariant: I1
 * busted: module=part-error-lost
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

/* A request carries 1 GiB at most (ABUSE_MAX_RANGE_SECTORS). */
#define PART	(1ull << 30)

/* Discard two parts, the one numbered first answered first; fails -1: none. */
static void discard(int ctl, int fails, int first)
{
	volatile int *result = t_shared(T_PAGE);
	uint64_t range[2] = { 0, 2 * PART };
	struct abuse_lent lent[2];
	pid_t pid = t_fork(false);
	int blk, i;

	if (!pid) {
		blk = t_blk_open(0, O_RDWR);
		T_OK(blk);
		*result = T_RET(ioctl(blk, BLKDISCARD, range));
		_exit(0);
	}
	T_UNTIL(t_counters(ctl).ab_nr_queued == 2);
	T_EQ(t_lend(ctl, lent, 2), 2);
	for (i = 0; i < 2; i++) {
		int part = i ? !first : first;

		T_EQ(lent[part].ab_command, ABUSE_DISCARD);
		T_EQ(lent[part].ab_len_bytes, PART);
		if (part == fails)
			T_OK(t_fail_request(ctl, lent[part].ab_id, EIO));
		else
			T_OK(t_complete(ctl, lent[part].ab_id));
	}
	T_EQ(t_reap(pid), 0);
	T_EQ(*result, fails < 0 ? 0 : -EIO);
}

int main(void)
{
	int ctl, fails, first;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, 2 * PART, 8, ABUSE_FLAGS_DISCARD);
	t_go_live(ctl);
	for (fails = -1; fails < 2; fails++)
		for (first = 0; first < 2; first++)
			discard(ctl, fails, first);
	return t_end();
}
