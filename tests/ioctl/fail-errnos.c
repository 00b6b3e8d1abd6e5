// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will fail requests with each errno that the header names, and with
 * others: the submitter gets the first as they are, and EIO for all others.
 *
 * Where it stands: bio > queue > [ioctl] > completion.
 *
 * time: 30
 * busted: module=fail-always-eio
 * invariant: I1
 */
#include "t.h"

static const struct {
	uint32_t says;	/* the server */
	int gets;	/* the submitter */
} rows[] = {
	{ EIO, EIO },
	{ ENOSPC, ENOSPC },
	{ ETIMEDOUT, ETIMEDOUT },
	{ EREMOTEIO, EREMOTEIO },
	{ EOPNOTSUPP, EOPNOTSUPP },
	/* Those that the block layer knows, too, but a server may not say. */
	{ EAGAIN, EIO },
	{ ENODATA, EIO },
	{ ENOMEM, EIO },
	/* What is none, or not positive. */
	{ 0, EIO },
	{ 4096, EIO },
	{ -ENOSPC, EIO },
	{ UINT32_MAX, EIO },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void one(int ctl, enum t_op op, uint32_t says, int gets)
{
	struct abuse_counters before = t_counters(ctl);
	struct t_io *io = t_submit_accepted(ctl, 0, op, 0, T_PAGE, 0);
	struct abuse_lent lent = t_lend_one(ctl);
	long found;

	T_OK(t_fail_request(ctl, lent.ab_id, says));
	found = t_result(io);
	T_TRUE(found == -gets, "a request failed with %s: expected %s, found %s",
	       t_name(-(long long)says), t_name(-gets), t_name(found));
	T_UNTIL(t_counters(ctl).ab_nr_free == t_counters(ctl).ab_nr_slots);
	T_EQ(t_counters(ctl).ab_ended, before.ab_ended + 1);
	T_EQ(t_counters(ctl).ab_ended_error, before.ab_ended_error + 1);
}

int main(void)
{
	int ctl;
	size_t i;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	for (i = 0; i < ROWS; i++) {
		one(ctl, T_WRITE, rows[i].says, rows[i].gets);
		one(ctl, T_READ, rows[i].says, rows[i].gets);
	}
	return t_end();
}
