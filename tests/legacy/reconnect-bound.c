// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will change the queue bound of a device under load by RECONNECT:
 * lowered while submitters wait, the slots above it are not given out again;
 * raised, the waiting ones get them at once; never above what it was at first.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 40
 * busted: module=bound-ignored
 * busted: module=error-when-full
 * invariant: I3
 */
#define _GNU_SOURCE
#include "t.h"

#define SIZE	T_MIB
#define FIRST	8
#define LOWER	3
#define NR	12

static int bound(int ctl, uint32_t wanted, uint32_t flags)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = wanted,
		.ab_flags = flags | ABUSE_FLAGS_RECONNECT,
	};

	return t_ioctl(ctl, ABUSE_SET_STATUS, &info);
}

static uint32_t taken(int ctl)
{
	struct abuse_counters c = t_counters(ctl);

	return c.ab_nr_slots - c.ab_nr_free;
}

static void answer_one(int ctl)
{
	struct abuse_lent lent = t_lend_one(ctl);

	t_answer(ctl, &lent);
}

int main(void)
{
	struct t_io *ios[NR];
	struct abuse_info info;
	int ctl, i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, FIRST, 0);
	t_go_live(ctl);
	for (i = 0; i < FIRST; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	for (; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	T_EQ(taken(ctl), FIRST);
	T_EQ(t_counters(ctl).ab_nr_waiting, NR - FIRST);

	/* Lower: who has a slot keeps it, nobody gets one above the bound. */
	T_OK(bound(ctl, LOWER, 0));
	T_EQ(taken(ctl), FIRST);
	for (i = FIRST; i > LOWER; i--) {
		answer_one(ctl);
		T_EQ(taken(ctl), i - 1);
		T_EQ(t_counters(ctl).ab_nr_waiting, NR - FIRST);
	}
	/* At the bound: one goes, the next comes. */
	answer_one(ctl);
	T_EQ(taken(ctl), LOWER);
	T_EQ(t_counters(ctl).ab_nr_waiting, NR - FIRST - 1);

	/* What does not fit changes nothing. */
	T_EQ(bound(ctl, FIRST + 1, 0), -EINVAL);
	T_EQ(bound(ctl, 0, 0), -EINVAL);	/* asks for 512 */
	T_EQ(bound(ctl, ABUSE_QUEUE_LIMIT + 1, 0), -EINVAL);
	T_EQ(bound(ctl, LOWER, ABUSE_FLAGS_WRITE_CACHE), -EINVAL);
	T_EQ(bound(ctl, LOWER, ABUSE_FLAGS_DISCARD), -EINVAL);
	T_EQ(bound(ctl, LOWER, ABUSE_FLAGS_WRITE_ZEROES), -EINVAL);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_max_queue, LOWER);
	T_EQ(info.ab_queue_size, NR - FIRST - 1 + LOWER);
	T_EQ(taken(ctl), LOWER);

	/* Higher: the waiting ones need not wait for an answer. */
	T_OK(bound(ctl, FIRST, 0));
	T_UNTIL(!t_counters(ctl).ab_nr_waiting);
	T_EQ(taken(ctl), LOWER + NR - FIRST - 1);
	while (t_counters(ctl).ab_nr_queued)
		answer_one(ctl);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	T_EQ(t_counters(ctl).ab_stalled, NR - FIRST);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
