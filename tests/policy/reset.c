// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will call RESET with requests lent: with the policy "requeue" the
 * caller's are QUEUED again, with "fail" they fail; those of another server
 * are its own in either case.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 30
 * busted: module=reset-requeues
 * invariant: I9
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t_block.h"

#define NR	3

static int ctl;

static void answer_one(void)
{
	struct abuse_lent lent = t_lend_one(ctl);

	t_answer(ctl, &lent);
}

static void round_of(bool fail)
{
	struct abuse_lent lent[NR];
	struct t_io *ios[NR], *other;
	pid_t holder;
	int i;

	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	other = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, i ? T_WRITE : T_READ,
					   (1 + i) * T_PAGE, T_PAGE, 0);
	/* Two of ours, one that is QUEUED. */
	T_EQ(t_lend(ctl, lent, NR - 1), NR - 1);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(t_complete(ctl, lent[1].ab_id), -ESTALE);
	if (fail) {
		for (i = 0; i < NR - 1; i++)
			T_EQ(t_result(ios[i]), -EIO);
		T_EQ(t_counters(ctl).ab_nr_queued, 1);
		answer_one();
	} else {
		T_EQ(t_counters(ctl).ab_nr_queued, NR);
		for (i = 0; i < NR; i++)
			answer_one();
		for (i = 0; i < NR - 1; i++)
			T_EQ(t_result(ios[i]), T_PAGE);
	}
	T_EQ(t_result(ios[NR - 1]), T_PAGE);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_TRUE(!other->done,
	       "a request lent to another: expected to wait, found it ended");
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	answer_one();
	T_EQ(t_result(other), T_PAGE);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	t_init(25);
	ctl = t_ctl_open(0);
	t_policy(0, "reset", "requeue");
	round_of(false);
	t_policy(0, "reset", "fail");
	round_of(true);
	t_policy(0, "reset", "requeue");
	return t_end();
}
