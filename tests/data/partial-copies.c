// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will copy a READ's data in pieces, with gaps and without, and see
 * COMPLETE refused until every byte has been copied in since this lend: no
 * stale page is ever shown.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=complete-uncopied
 * busted: module=short-copy
 * invariant: I12
 */
#define _GNU_SOURCE
#include <string.h>

#include "t.h"

#define LEN	(4 * T_PAGE)

static char data[LEN];
static int ctl;

static int in(uint64_t id, uint32_t from, uint32_t to)
{
	return t_verb(ctl, ABUSE_VERB_COPY_IN, id, data + from, from,
		      to - from);
}

static struct abuse_lent read_lent(struct t_io **io)
{
	*io = t_submit_accepted(ctl, 0, T_READ, 0, LEN, 0);
	memset((*io)->data, 0x5a, LEN);
	return t_lend_one(ctl);
}

static void ends_well(struct t_io *io, uint64_t id)
{
	T_OK(t_complete(ctl, id));
	T_EQ(t_result(io), LEN);
	t_stamp_check(io->data, 0, LEN, 3);
}

static void refused(struct t_io *io, uint64_t id, const char *why)
{
	int err = t_complete(ctl, id);

	T_TRUE(err == -EINVAL, "COMPLETE, %s: expected -EINVAL, found %s", why,
	       t_name(err));
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_TRUE(!io->done, "%s: expected the READ to wait, found it ended", why);
}

static void reads(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	uint32_t at;

	lent = read_lent(&io);
	refused(io, lent.ab_id, "nothing copied");
	T_OK(in(lent.ab_id, 0, LEN - 1));
	refused(io, lent.ab_id, "the last byte missing");
	T_OK(in(lent.ab_id, LEN - 1, LEN));
	ends_well(io, lent.ab_id);

	lent = read_lent(&io);
	T_OK(in(lent.ab_id, 1, LEN));
	refused(io, lent.ab_id, "the first byte missing");
	T_OK(in(lent.ab_id, 0, 1));
	refused(io, lent.ab_id, "not in ascending order");
	T_OK(in(lent.ab_id, 0, LEN));
	ends_well(io, lent.ab_id);

	lent = read_lent(&io);
	T_OK(in(lent.ab_id, 0, 5000));
	T_OK(in(lent.ab_id, 5001, LEN));
	refused(io, lent.ab_id, "a gap of a byte");
	/* Overlapping what is there and beyond the gap. */
	T_OK(in(lent.ab_id, 4000, 6000));
	refused(io, lent.ab_id, "a gap closed, what followed it not again");
	T_OK(in(lent.ab_id, 6000, LEN));
	ends_well(io, lent.ab_id);

	lent = read_lent(&io);
	T_OK(in(lent.ab_id, 0, 0));
	T_OK(in(lent.ab_id, LEN, LEN));
	refused(io, lent.ab_id, "copies of no bytes");
	for (at = 0; at < LEN; at += 777)
		T_OK(in(lent.ab_id, at, at + 777 < LEN ? at + 777 : LEN));
	ends_well(io, lent.ab_id);

	/* A copy that failed half way is none. */
	lent = read_lent(&io);
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, NULL, 0, LEN),
	     -EFAULT);
	refused(io, lent.ab_id, "a copy that failed");
	T_OK(in(lent.ab_id, 0, LEN));
	ends_well(io, lent.ab_id);

	/* What an earlier lend copied in does not count. */
	lent = read_lent(&io);
	T_OK(in(lent.ab_id, 0, LEN));
	T_OK(t_requeue(ctl, lent.ab_id));
	lent = t_lend_one(ctl);
	refused(io, lent.ab_id, "copied in before it was requeued");
	T_OK(in(lent.ab_id, 0, LEN));
	ends_well(io, lent.ab_id);

	/* A READ may fail without data. */
	lent = read_lent(&io);
	T_OK(in(lent.ab_id, 0, T_PAGE));
	T_OK(t_fail_request(ctl, lent.ab_id, EIO));
	T_EQ(t_result(io), -EIO);
}

static void writes(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	uint32_t at, len;

	io = t_submit_accepted(ctl, 0, T_WRITE, T_MIB / 2, LEN, 0);
	lent = t_lend_one(ctl);
	memset(data, 0, LEN);
	/* In any order, as often as one likes, or not at all. */
	for (at = LEN; at; at -= len) {
		len = at < 999 ? at : 999;
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id,
			    data + at - len, at - len, len));
	}
	t_stamp_check(data, T_MIB / 2, LEN, 1);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), LEN);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	lent = t_lend_one(ctl);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), LEN);
}

int main(void)
{
	t_init(35);
	t_stamp(data, 0, LEN, 3);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	reads();
	writes();
	return t_end();
}
