// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will submit with RWF_NOWAIT: taken like any other while there is a
 * slot, EAGAIN at once when there is none, and never a wait.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 40
 * busted: module=nowait-sleeps
 * invariant: I3
 */
#define _GNU_SOURCE
#include "t.h"

#define BOUND	2

int main(void)
{
	struct abuse_counters before;
	struct abuse_lent lent;
	struct t_io *ios[BOUND], *io;
	int ctl, i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, BOUND, 0);
	t_go_live(ctl);
	for (i = 0; i < BOUND; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   T_NOWAIT);
	before = t_counters(ctl);
	T_EQ(before.ab_nr_queued, BOUND);
	for (i = 0; i < 3; i++) {
		io = t_submit(0, i & 1 ? T_READ : T_WRITE, 5 * T_PAGE, T_PAGE,
			      T_NOWAIT);
		T_EQ(t_result(io), -EAGAIN);
		T_EQ(t_counters(ctl).ab_again, before.ab_again + i + 1);
	}
	T_EQ(t_counters(ctl).ab_accepted, before.ab_accepted);
	T_EQ(t_counters(ctl).ab_stalled, before.ab_stalled);
	T_EQ(t_counters(ctl).ab_nr_waiting, 0);
	/* Refused is not ended with an error: it never was in care. */
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	for (i = 0; i < BOUND; i++) {
		lent = t_lend_one(ctl);
		t_answer(ctl, &lent);
		T_EQ(t_result(ios[i]), T_PAGE);
	}
	io = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, T_NOWAIT);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
