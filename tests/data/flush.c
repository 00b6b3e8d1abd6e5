// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will fsync and write durably: with ABUSE_FLAGS_WRITE_CACHE the
 * server sees SYNC_NOTIFICATION and FUA, and fsync waits for its answer;
 * without it the server sees neither.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 40
 * busted: module=drop-flags
 */
#define _GNU_SOURCE
#include "t.h"

static char data[T_PAGE];

static void with_cache(int ctl)
{
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;
	struct abuse_lent lent;
	struct t_io *io;

	t_configure(ctl, T_MIB, 8, ABUSE_FLAGS_WRITE_CACHE);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_FSYNC, 0, 0, 0);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_SYNC_NOTIFICATION);
	T_EQ(lent.ab_sector, 0);
	T_EQ(lent.ab_len_bytes, 0);
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, 1), -EINVAL);
	T_TRUE(!io->done, "fsync before the answer: expected to wait, found it ended");
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), 0);

	/* A flush that fails is told. */
	io = t_submit_accepted(ctl, 0, T_FSYNC, 0, 0, 0);
	lent = t_lend_one(ctl);
	T_OK(t_fail_request(ctl, lent.ab_id, EIO));
	T_EQ(t_result(io), -EIO);

	/* The same for a server of 2009. */
	io = t_submit_accepted(ctl, 0, T_FSYNC, 0, 0, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(xfr.ab_command, ABUSE_SYNC_NOTIFICATION);
	T_EQ(xfr.ab_vec_count, 0);
	T_EQ(xfr.ab_sector, 0);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_result(io), 0);

	/* A durable write says so, a plain one does not. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_flags, 0);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, T_DSYNC);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_WRITE);
	T_EQ(lent.ab_flags & ABUSE_LENT_FUA, ABUSE_LENT_FUA);
	T_OK(t_complete(ctl, lent.ab_id));
	/* generic_write_sync() may have a flush follow. */
	T_UNTIL(io->done || t_counters(ctl).ab_nr_queued);
	if (!io->done) {
		lent = t_lend_one(ctl);
		T_EQ(lent.ab_command, ABUSE_SYNC_NOTIFICATION);
		T_OK(t_complete(ctl, lent.ab_id));
	}
	T_EQ(t_result(io), T_PAGE);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

static void without_cache(int ctl)
{
	struct abuse_lent lent;
	struct t_io *io;

	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	io = t_submit(0, T_FSYNC, 0, 0, 0);
	T_EQ(t_result(io), 0);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, T_DSYNC);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_flags, 0);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	T_EQ(t_counters(ctl).ab_accepted, 1);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	int ctl;

	t_init(35);
	ctl = t_ctl_open(0);
	without_cache(ctl);
	with_cache(ctl);
	/* The cache of the last configuration is not kept. */
	without_cache(ctl);
	return t_end();
}
