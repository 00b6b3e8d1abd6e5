// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will read with RWF_NOWAIT and through io_uring while the queue is
 * full: preadv2 is told EAGAIN at once, io_uring hands the read to a worker
 * and comes back at once, and every read that was taken is answered.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 40
 * busted: module=nowait-sleeps
 * invariant: I3
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t_block.h"

#define NR	4

struct hasty {
	volatile bool submitted;
	volatile bool done;
	volatile long result[NR];
};

static struct hasty *hasty;
static int ctl;

static void answer_one(void)
{
	struct abuse_lent lent;

	T_UNTIL(t_counters(ctl).ab_nr_queued);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
}

/* One preadv2 of a page, in a process of its own. */
static pid_t read_nowait(void)
{
	pid_t pid = t_fork(false);
	struct iovec vec;
	int blk;

	if (pid)
		return pid;
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	vec = (struct iovec){ t_shared(T_PAGE), T_PAGE };
	hasty->result[0] = T_RET(preadv2(blk, &vec, 1, 0, RWF_NOWAIT));
	hasty->done = true;
	_exit(0);
}

/* NR reads through a ring, more than there are slots. */
static pid_t read_uring(void)
{
	pid_t pid = t_fork(false);
	struct t_uring ring;
	char *data;
	int blk, i;

	if (pid)
		return pid;
	if (t_uring_open(&ring, NR))
		_exit(77);
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	data = t_shared(NR * T_PAGE);
	for (i = 0; i < NR; i++)
		T_OK(t_uring_submit(&ring, blk, T_READ, data + i * T_PAGE,
				    T_PAGE, i * T_PAGE, false));
	hasty->submitted = true;
	for (i = 0; i < NR; i++)
		hasty->result[i] = t_uring_result(&ring);
	hasty->done = true;
	_exit(0);
}

int main(void)
{
	struct t_io *io;
	pid_t pid;
	int i;

	t_init(35);
	hasty = t_shared(sizeof(*hasty));
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 1, 0);
	t_go_live(ctl);

	/* A slot is free: taken, and answered like any other. */
	pid = read_nowait();
	answer_one();
	T_EQ(t_reap(pid), 0);
	T_EQ(hasty->result[0], T_PAGE);
	/* None is: refused at once. */
	io = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	hasty->done = false;
	pid = read_nowait();
	T_UNTIL(hasty->done);
	T_EQ(t_reap(pid), 0);
	T_EQ(hasty->result[0], -EAGAIN);
	T_EQ(t_counters(ctl).ab_again, 1);
	answer_one();
	T_EQ(t_result(io), T_PAGE);

	hasty->done = false;
	pid = read_uring();
	T_UNTIL(hasty->submitted || t_ended(pid));
	if (t_ended(pid) && !hasty->submitted) {
		T_EQ(t_reap(pid), 77 << 8);
		t_skip("this kernel has no io_uring");
	}
	T_UNTIL(t_counters(ctl).ab_nr_waiting == NR - 1);
	T_TRUE(t_counters(ctl).ab_again >= NR,
	       "reads of a ring beyond the bound: expected each to be turned away first, found %llu of %d",
	       t_counters(ctl).ab_again - 1, NR - 1);
	T_TRUE(!hasty->done,
	       "reads without a server: expected to wait, found them ended");
	for (i = 0; i < NR; i++)
		answer_one();
	T_EQ(t_reap(pid), 0);
	for (i = 0; i < NR; i++)
		T_EQ(hasty->result[i], T_PAGE);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
