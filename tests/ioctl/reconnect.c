// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will reconnect to a configured device with what fits it and with
 * what does not, while a request is lent, and see the request survive.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=drop-flags
 * busted: module=lose-on-release
 * invariant: I4
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t.h"

#define SIZE	(1 * T_MIB)

static int again(int ctl, uint64_t size, uint32_t blocksize, uint32_t bound,
		 uint32_t flags)
{
	const struct abuse_info info = {
		.ab_size = size,
		.ab_blocksize = blocksize,
		.ab_max_queue = bound,
		.ab_flags = flags,
	};

	return t_ioctl(ctl, ABUSE_SET_STATUS, &info);
}

static struct abuse_info status(int ctl)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	return info;
}

int main(void)
{
	const uint32_t wc = ABUSE_FLAGS_WRITE_CACHE;
	const uint32_t re = ABUSE_FLAGS_RECONNECT;
	struct abuse_lent lent;
	struct t_io *io;
	pid_t holder;
	int ctl, other;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, wc);
	t_go_live(ctl);
	T_EQ(status(ctl).ab_flags, wc);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);

	other = t_ctl_open(0);
	T_EQ(again(other, SIZE, T_PAGE, 8, wc), -EBUSY);
	T_EQ(again(other, SIZE - T_PAGE, T_PAGE, 8, wc | re), -EINVAL);
	T_EQ(again(other, SIZE + 512, T_PAGE, 8, wc | re), -EINVAL);
	T_EQ(again(other, SIZE, 512, 8, wc | re), -EINVAL);
	T_EQ(again(other, SIZE, T_PAGE, 8, re), -EINVAL);
	T_EQ(again(other, SIZE, T_PAGE, 9, wc | re), -EINVAL);
	T_EQ(again(other, SIZE, T_PAGE, 0, wc | re), -EINVAL);
	T_EQ(again(other, SIZE, T_PAGE, 8, wc | re | 8), -EINVAL);
	T_EQ(status(ctl).ab_max_queue, 8);

	T_OK(again(other, SIZE, T_PAGE, 8, wc | re));
	T_EQ(status(ctl).ab_flags, wc);		/* RECONNECT is not kept */
	T_OK(again(other, SIZE, T_PAGE, 2, wc | re));
	T_EQ(status(ctl).ab_max_queue, 2);
	T_EQ(t_counters(ctl).ab_nr_slots, 8);
	T_OK(again(other, SIZE, T_PAGE, 8, wc | re));
	T_EQ(status(ctl).ab_max_queue, 8);
	T_EQ(again(other, SIZE, T_PAGE, 9, wc | re), -EINVAL);

	/* Nothing of this took the request from its server. */
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_EQ(t_counters(ctl).ab_requeued, 0);
	T_EQ(status(ctl).ab_queue_size, 1);
	T_TRUE(!io->done, "the I/O: expected to wait, found it ended");

	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	lent = t_lend_one(other);
	t_answer(other, &lent);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
