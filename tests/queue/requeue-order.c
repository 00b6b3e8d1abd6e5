// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server that was lent four requests of six: all four
 * come first again and in their old order, marked as lent before.  So with the
 * verb REQUEUE; an answer that was wrong puts its request behind the others.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 40
 * busted: module=requeue-behind
 * busted: module=lose-on-release
 * busted: module=lifo
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t.h"

#define NR	6
#define HELD	4

/* Which I/O is it? */
static int index_of(const struct abuse_lent *lent)
{
	return lent->ab_sector * 512 / T_PAGE;
}

static void expect(const struct abuse_lent *lent, const int *order, int nr)
{
	int i;

	for (i = 0; i < nr; i++)
		T_TRUE(index_of(&lent[i]) == order[i],
		       "place %d in the queue: expected request %d, found %d",
		       i, order[i], index_of(&lent[i]));
}

int main(void)
{
	static const int old[] = { 0, 1, 2, 3, 4, 5 };
	static const int given_back[] = { 2, 0, 1, 3, 4, 5 };
	static const int put_wrong[] = { 1, 2, 3, 4, 5, 0 };
	struct abuse_lent lent[NR];
	struct abuse_xfr_hdr xfr;
	struct t_io *ios[NR];
	pid_t holder;
	int ctl, i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	holder = t_holder_start(0, HELD);
	T_UNTIL(t_counters(ctl).ab_nr_lent == HELD);
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 0);
	T_EQ(t_counters(ctl).ab_requeued, HELD);
	T_EQ(t_counters(ctl).ab_nr_queued, NR);
	T_EQ(t_lend(ctl, lent, NR), NR);
	expect(lent, old, NR);
	for (i = 0; i < NR; i++)
		T_EQ(lent[i].ab_flags & ABUSE_LENT_AGAIN,
		     i < HELD ? ABUSE_LENT_AGAIN : 0);

	/* From the last to the first: the old order. */
	for (i = NR - 1; i >= 0; i--)
		T_OK(t_requeue(ctl, lent[i].ab_id));
	T_EQ(t_lend(ctl, lent, 3), 3);
	expect(lent, old, 3);
	T_OK(t_requeue(ctl, lent[1].ab_id));
	T_OK(t_requeue(ctl, lent[0].ab_id));
	T_OK(t_requeue(ctl, lent[2].ab_id));
	T_EQ(t_lend(ctl, lent, NR), NR);
	expect(lent, given_back, NR);
	/* By RESET: what is lent, as it was lent. */
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(t_lend(ctl, lent, NR), NR);
	expect(lent, given_back, NR);
	T_OK(t_requeue(ctl, lent[0].ab_id));
	for (i = NR - 1; i > 2; i--)
		T_OK(t_requeue(ctl, lent[i].ab_id));
	T_OK(t_requeue(ctl, lent[2].ab_id));
	T_OK(t_requeue(ctl, lent[1].ab_id));

	/* The queue is 0 1 3 4 5 2 now; sort it once more. */
	T_EQ(t_lend(ctl, lent, NR), NR);
	for (i = 2; i < NR - 1; i++)
		T_EQ(index_of(&lent[i]), i + 1);
	for (i = NR - 2; i > 1; i--)
		T_OK(t_requeue(ctl, lent[i].ab_id));
	T_OK(t_requeue(ctl, lent[NR - 1].ab_id));
	T_OK(t_requeue(ctl, lent[1].ab_id));
	T_OK(t_requeue(ctl, lent[0].ab_id));

	T_OK(t_get(ctl, &xfr, NULL));
	T_EQ(xfr.ab_sector, 0);
	xfr.ab_sector++;
	T_EQ(t_put(ctl, &xfr, NULL, ABUSE_RESULT_OKAY), -EINVAL);
	T_EQ(t_lend(ctl, lent, NR), NR);
	expect(lent, put_wrong, NR);
	for (i = 0; i < NR; i++)
		t_answer(ctl, &lent[i]);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	return t_end();
}
