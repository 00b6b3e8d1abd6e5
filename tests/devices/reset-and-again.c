// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will reset a device and have a server go live on it at once, again
 * and again: the partitions are read by a scan that has the disk open, so that
 * whoever resets it sees the scan, and by no other.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=drop-scans
 * invariant: I9 I10
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "t.h"

#define ROUNDS	30

int main(void)
{
	const struct abuse_info info = {
		.ab_size = T_MIB,
		.ab_blocksize = 512,
		.ab_max_queue = 8,
	};
	struct abuse_verb fail = {
		.ab_verb = ABUSE_VERB_FAIL,
		.ab_error = EIO,
	};
	struct abuse_lent lent;
	int ctl, round;

	t_init(55);
	ctl = t_ctl_open(0);
	for (round = 0; round < ROUNDS; round++) {
		T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
		T_EQ(t_serve(ctl, NULL, 0, &lent, 1, 0, NULL), 1);
		T_TRUE(t_counters(ctl).ab_nr_opens,
		       "round %d: expected a scan with the disk open, found it closed",
		       round);
		/* A scan that cannot read gives up, and closes. */
		do {
			fail.ab_id = lent.ab_id;
			T_OK(t_serve(ctl, &fail, 1, NULL, 0, 0, NULL));
			T_UNTIL(!t_counters(ctl).ab_nr_opens ||
				t_serve(ctl, NULL, 0, &lent, 1,
					ABUSE_SERVE_NOWAIT, NULL) == 1);
		} while (t_counters(ctl).ab_nr_lent);
		T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	}
	return t_end();
}
