// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will copy and complete in one verb (AND_COMPLETE): a WRITE and a
 * READ are done by it, with their data; what fails of the two leaves the
 * request lent, and the submitter waiting: a copy that faults, one in the wrong
 * direction, and a READ that is not all there (its copy stands: the rest can
 * follow).  Another verb has no such flag.
 *
 * Where it stands: bio > queue > [ioctl] > server > completion.
 *
 * time: 60
 * busted: module=complete-anyway
 * busted: module=complete-uncopied
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

#define SIZE	T_MIB
#define IN	(ABUSE_VERB_COPY_IN | ABUSE_VERB_AND_COMPLETE)
#define OUT	(ABUSE_VERB_COPY_OUT | ABUSE_VERB_AND_COMPLETE)

static char *page, *data;
static unsigned long ctx;
static int ctl, blk;

/* A request of a page is on its way, and lent. */
static struct abuse_lent lent_one(enum t_op op)
{
	T_OK(t_aio_submit(ctx, blk, op, page, T_PAGE, 0, 0));
	return t_lend_one(ctl);
}

/* Nobody has been told of an end: the request is still ours. */
static void is_still_lent(void)
{
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
}

int main(void)
{
	struct abuse_lent lent;
	uint32_t verb;

	t_init(55);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	T_TRUE(!posix_memalign((void **)&page, T_PAGE, T_PAGE) &&
		       !posix_memalign((void **)&data, T_PAGE, T_PAGE),
	       "expected two pages");
	blk = t_blk_open(0, O_RDWR | O_DIRECT);
	T_OK(blk);
	T_OK(t_aio_setup(1, &ctx));

	memset(page, 'w', T_PAGE);
	memset(data, 0, T_PAGE);
	lent = lent_one(T_WRITE);
	T_EQ(t_verb(ctl, IN, lent.ab_id, data, 0, T_PAGE), -EINVAL);
	is_still_lent();
	T_EQ(t_verb(ctl, OUT, lent.ab_id, NULL, 0, T_PAGE), -EFAULT);
	is_still_lent();
	T_OK(t_verb(ctl, OUT, lent.ab_id, data, 0, T_PAGE));
	T_EQ(t_aio_result(ctx), T_PAGE);
	T_TRUE(!memcmp(page, data, T_PAGE), "expected the data of the WRITE");
	T_EQ(t_verb(ctl, OUT, lent.ab_id, data, 0, T_PAGE), -ESTALE);

	memset(page, 0, T_PAGE);
	memset(data, 'r', T_PAGE);
	lent = lent_one(T_READ);
	T_EQ(t_verb(ctl, OUT, lent.ab_id, data, 0, T_PAGE), -EINVAL);
	is_still_lent();
	T_EQ(t_verb(ctl, IN, lent.ab_id, NULL, 0, T_PAGE), -EFAULT);
	is_still_lent();
	T_EQ(t_verb(ctl, IN, lent.ab_id, data, 0, 512), -EINVAL);
	is_still_lent();
	T_OK(t_verb(ctl, IN, lent.ab_id, data + 512, 512, T_PAGE - 512));
	T_EQ(t_aio_result(ctx), T_PAGE);
	T_TRUE(!memcmp(page, data, T_PAGE), "expected the data for the READ");

	lent = lent_one(T_READ);
	for (verb = ABUSE_VERB_COMPLETE; verb <= ABUSE_VERB_FORWARD; verb++)
		T_EQ(t_verb(ctl, verb | ABUSE_VERB_AND_COMPLETE, lent.ab_id,
			    data, 0, T_PAGE), -EINVAL);
	is_still_lent();
	t_answer(ctl, &lent);
	T_EQ(t_aio_result(ctx), T_PAGE);
	T_OK(close(blk));
	t_ctl_close(ctl);
	return t_end();
}
