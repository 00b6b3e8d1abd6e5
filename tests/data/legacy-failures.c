// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will answer by PUT with each kind of failure: MEDIA_FAILURE fails
 * one request, DEVICE_FAILURE all that are QUEUED or the caller's, and an
 * answer that does not fit or has no data puts the request behind the others.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=put-unchecked
 * invariant: I1
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>

#include "t.h"

static char data[T_PAGE];
static struct abuse_vec vecs[T_VECS];
static int ctl;

static struct t_io *submit(enum t_op op, int page)
{
	return t_submit_accepted(ctl, 0, op, page * T_PAGE, T_PAGE, 0);
}

static struct abuse_xfr_hdr get(void)
{
	struct abuse_xfr_hdr xfr;

	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(t_vecs_point(vecs, xfr.ab_vec_count, data), T_PAGE);
	return xfr;
}

static uint32_t errors(void)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	return info.ab_errors;
}

static void media_failure(void)
{
	struct t_io *write = submit(T_WRITE, 0), *read = submit(T_READ, 1);
	struct t_io *good = submit(T_READ, 2);
	struct abuse_xfr_hdr xfr;

	xfr = get();
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_MEDIA_FAILURE));
	T_EQ(t_result(write), -EIO);
	xfr = get();
	T_OK(t_put(ctl, &xfr, NULL, ABUSE_RESULT_MEDIA_FAILURE));
	T_EQ(t_result(read), -EIO);
	T_EQ(errors(), 2);
	T_EQ(t_counters(ctl).ab_ended_error, 2);
	/* The others are not concerned. */
	xfr = get();
	t_stamp(data, 2 * T_PAGE, T_PAGE, 5);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_result(good), T_PAGE);
	t_stamp_check(good->data, 2 * T_PAGE, T_PAGE, 5);
	T_EQ(errors(), 2);
}

static void device_failure(void)
{
	struct t_io *others = submit(T_WRITE, 0), *mine, *queued[3];
	pid_t holder = t_holder_start(0, 1);
	struct abuse_xfr_hdr xfr;
	uint32_t before = errors();
	struct t_io *after;
	int i;

	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	mine = submit(T_WRITE, 1);
	for (i = 0; i < 3; i++)
		queued[i] = submit(i ? T_WRITE : T_READ, 2 + i);
	xfr = get();
	T_OK(t_put(ctl, &xfr, NULL, ABUSE_RESULT_DEVICE_FAILURE));
	T_EQ(t_result(mine), -EIO);
	for (i = 0; i < 3; i++)
		T_EQ(t_result(queued[i]), -EIO);
	T_EQ(errors() - before, 4);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	/* What another server was lent is that server's to answer. */
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_TRUE(!others->done, "a request lent to another: expected to wait, found it ended");
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	xfr = get();
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	t_stamp_check(data, 0, T_PAGE, 1);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(others), T_PAGE);
	/* The device goes on. */
	after = submit(T_WRITE, 7);
	xfr = get();
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(after), T_PAGE);
}

/* Each wrong answer; the request comes again, after the other one. */
static void mismatches(enum t_op op)
{
	struct t_io *first = submit(op, 0), *second = submit(op, 1);
	struct abuse_vec bad_vecs[T_VECS];
	struct abuse_xfr_hdr xfr, wrong;
	uint64_t last = ~0ull;
	int i, err, want;

	memset(bad_vecs, 0, sizeof(bad_vecs));
	for (i = 0; i < 8; i++) {
		struct abuse_vec *with = vecs;
		uint32_t result = ABUSE_RESULT_OKAY;

		xfr = get();
		T_TRUE(xfr.ab_sector != last, "after answer %d that was wrong: expected the other request, found the same",
		       i - 1);
		last = xfr.ab_sector;
		wrong = xfr;
		want = -EINVAL;
		switch (i) {
		case 0: wrong.ab_sector++; break;
		case 1: wrong.ab_vec_count = 0; break;
		case 2: wrong.ab_vec_count++; break;
		case 3: wrong.ab_command = op == T_READ ? ABUSE_WRITE :
						      ABUSE_READ; break;
		case 4: wrong.ab_command = 99; break;
		case 5: result = 3; break;
		case 6: with = NULL; want = -EFAULT; break;
		case 7: with = bad_vecs; want = -EFAULT; break;
		}
		err = t_put(ctl, &wrong, with, result);
		T_TRUE(err == want, "wrong answer %d: expected %s, found %s", i,
		       t_name(want), t_name(err));
		T_EQ(t_counters(ctl).ab_nr_queued, 2);
		T_EQ(t_counters(ctl).ab_nr_lent, 0);
		T_EQ(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY), -ESTALE);
	}
	for (i = 0; i < 2; i++) {
		xfr = get();
		T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	}
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(first), T_PAGE);
	T_EQ(t_result(second), T_PAGE);
}

int main(void)
{
	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	media_failure();
	device_failure();
	mismatches(T_WRITE);
	mismatches(T_READ);
	return t_end();
}
