// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will RESET a device that is idle, which takes its configuration
 * away, and one that is in use, which only gives back what the caller was
 * lent: nobody's I/O fails.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=reset-in-use
 * busted: module=lose-on-release
 * invariant: I1 I4 I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define SIZE	(1 * T_MIB)

static uint64_t capacity(int blk)
{
	uint64_t bytes = 1;

	T_OK(t_ioctl(blk, BLKGETSIZE64, &bytes));
	return bytes;
}

static uint32_t errors(int ctl)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	return info.ab_errors;
}

static void idle(int ctl)
{
	int blk;

	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EINVAL);
	T_EQ(t_counters(ctl).ab_nr_slots, 0);
	blk = t_blk_open(0, O_RDONLY);
	T_OK(blk);
	T_EQ(capacity(blk), 0);
	close(blk);
}

static void only_open(int ctl)
{
	int blk;

	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	blk = t_blk_open(0, O_RDONLY);
	T_OK(blk);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(capacity(blk), SIZE);
	T_EQ(t_counters(ctl).ab_nr_slots, 8);
	close(blk);
}

static void with_requests(int ctl)
{
	struct t_io *failed, *io[3];
	struct abuse_lent lent[3];
	pid_t holder;
	int i;

	failed = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	lent[0] = t_lend_one(ctl);
	T_OK(t_fail_request(ctl, lent[0].ab_id, EIO));
	T_EQ(t_result(failed), -EIO);
	T_EQ(errors(ctl), 1);

	io[0] = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	for (i = 1; i < 3; i++)
		io[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					  0);
	T_EQ(t_lend(ctl, lent, 1), 1);

	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(errors(ctl), 0);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);	/* the holder keeps its own */
	T_EQ(t_counters(ctl).ab_nr_queued, 2);
	T_EQ(t_counters(ctl).ab_requeued, 1);
	T_EQ(t_complete(ctl, lent[0].ab_id), -ESTALE);
	for (i = 0; i < 3; i++)
		T_TRUE(!io[i]->done, "I/O %d after RESET: expected to wait, found it ended",
		       i);

	T_EQ(t_lend(ctl, lent, 3), 2);
	T_EQ(lent[0].ab_sector, T_PAGE / 512);	/* ahead, as it was */
	T_EQ(lent[0].ab_flags & ABUSE_LENT_AGAIN, ABUSE_LENT_AGAIN);
	T_EQ(lent[1].ab_flags & ABUSE_LENT_AGAIN, 0);
	t_answer(ctl, &lent[0]);
	t_answer(ctl, &lent[1]);
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	lent[0] = t_lend_one(ctl);
	t_answer(ctl, &lent[0]);
	for (i = 0; i < 3; i++)
		T_EQ(t_result(io[i]), T_PAGE);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	int ctl;

	t_init(25);
	ctl = t_ctl_open(0);
	idle(ctl);
	only_open(ctl);
	with_requests(ctl);
	return t_end();
}
