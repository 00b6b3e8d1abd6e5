// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve from memory that is not there, under NOFAULT and in the
 * memalloc scope: EFAULT, the request stays LENT, and once the memory has been
 * touched the same call succeeds.  Of an array that is there in part, that
 * part is lent.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 30
 * busted: module=fault-anyway
 * busted: module=lend-all-or-none
 * invariant: I7
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>

#include "t.h"

static int ctl;

/* A page that has never been touched. */
static char *absent(void)
{
	char *page = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_TRUE(page != MAP_FAILED, "mmap: no page");
	return page;
}

static bool is_there(void *page)
{
	unsigned char there = 0;

	T_OK(mincore(page, T_PAGE, &there));
	return there & 1;
}

static int copy(uint32_t verb, uint64_t id, void *page, uint32_t flags)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_address = (uintptr_t)page,
		.ab_len_bytes = T_PAGE,
		.ab_verb = verb,
	};
	uint32_t done = 99;
	int err = t_serve(ctl, &v, 1, NULL, 0, flags, &done);

	T_EQ(done, err ? 0 : 1);
	return err;
}

/* A WRITE and a READ, the data in pages that are absent at first. */
static void data(const char *how, uint32_t flags, bool refuses)
{
	struct abuse_counters before = t_counters(ctl);
	const uint32_t verbs[] = { ABUSE_VERB_COPY_OUT, ABUSE_VERB_COPY_IN };
	int want = refuses ? -EFAULT : 0;
	int i, err;

	for (i = 0; i < 2; i++) {
		struct t_io *io = t_submit_accepted(ctl, 0, i ? T_READ :
						    T_WRITE, 0, T_PAGE, 0);
		struct abuse_lent lent = t_lend_one(ctl);
		char *page = absent();

		err = copy(verbs[i], lent.ab_id, page, flags);
		T_TRUE(err == want, "%s, verb %u, absent page: expected %s, found %s",
		       how, verbs[i], t_name(want), t_name(err));
		T_EQ(is_there(page), !refuses);
		T_EQ(t_counters(ctl).ab_nr_lent, 1);
		T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued);
		T_TRUE(!io->done, "%s: expected the I/O to wait, found it ended",
		       how);
		memset(page, 0, T_PAGE);
		if (i)
			t_stamp(page, 0, T_PAGE, 7);
		T_OK(copy(verbs[i], lent.ab_id, page, flags));
		if (!i)
			t_stamp_check(page, 0, T_PAGE, 1);
		T_OK(t_complete(ctl, lent.ab_id));
		T_EQ(t_result(io), T_PAGE);
		if (i)
			t_stamp_check(io->data, 0, T_PAGE, 7);
		munmap(page, T_PAGE);
	}
}

/* The arrays of the call in absent memory. */
static void arrays(uint32_t flags)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	struct abuse_counters before = t_counters(ctl);
	struct abuse_lent *lent = (void *)absent();
	struct abuse_verb *verb = (void *)absent();

	flags |= ABUSE_SERVE_NOWAIT;
	T_EQ(t_serve(ctl, NULL, 0, lent, 1, flags, NULL), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued + 1);
	memset(lent, 0, T_PAGE);
	T_EQ(t_serve(ctl, NULL, 0, lent, 1, flags, NULL), 1);
	T_EQ(t_serve(ctl, verb, 1, NULL, 0, flags, NULL), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	verb->ab_id = lent->ab_id;
	verb->ab_verb = ABUSE_VERB_COMPLETE;
	T_EQ(t_serve(ctl, verb, 1, NULL, 0, flags, NULL), 0);
	T_EQ(t_result(io), T_PAGE);
}

/* An array of three of which two are in memory: what fits is lent. */
static void array_in_part(uint32_t flags)
{
	/* Shared: to submit is to fork, and private pages are copied then. */
	char *pages = t_shared(2 * T_PAGE);
	struct abuse_lent *lent = (void *)(pages + T_PAGE);
	struct t_io *io[3];
	int i;

	T_OK(mprotect(pages + T_PAGE, T_PAGE, PROT_NONE));
	memset(pages, 0, T_PAGE);
	lent -= 2;	/* they end with the page */
	for (i = 0; i < 3; i++)
		io[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE,
					  T_PAGE, 0);
	T_EQ(t_serve(ctl, NULL, 0, lent, 3, flags | ABUSE_SERVE_NOWAIT, NULL),
	     2);
	T_EQ(t_counters(ctl).ab_nr_lent, 2);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	for (i = 0; i < 2; i++) {
		/* In the order they came in. */
		T_EQ(lent[i].ab_sector, i * (T_PAGE / 512));
		T_OK(t_complete(ctl, lent[i].ab_id));
		T_EQ(t_result(io[i]), T_PAGE);
	}
	T_OK(t_complete(ctl, t_lend_one(ctl).ab_id));
	T_EQ(t_result(io[2]), T_PAGE);
	munmap(pages, 2 * T_PAGE);
}

/* GET and PUT have no flag: in the scope they refuse, too. */
static void legacy(void)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	struct abuse_vec *vecs = (void *)absent();
	struct abuse_xfr_hdr *header = (void *)absent(), xfr;
	char *page = absent();

	T_EQ(t_ioctl(ctl, ABUSE_GET_BIO, header), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	T_EQ(t_get(ctl, &xfr, vecs), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	memset(vecs, 0, T_PAGE);
	T_OK(t_get(ctl, &xfr, vecs));
	vecs[0].ab_address = (uintptr_t)page;
	/* A PUT that fails requeues, as in 2009. */
	T_EQ(t_put(ctl, &xfr, vecs, 0), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	memset(page, 0, T_PAGE);
	T_OK(t_get(ctl, &xfr, vecs));
	vecs[0].ab_address = (uintptr_t)page;
	T_OK(t_put(ctl, &xfr, vecs, 0));
	t_stamp_check(page, 0, T_PAGE, 1);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(io), T_PAGE);
}

static void scope(uint32_t target, uint32_t to)
{
	const struct abuse_scope s = { .ab_target = target, .ab_scope = to };

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &s));
}

int main(void)
{
	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);

	data("no flag", 0, false);
	data("NOFAULT", ABUSE_SERVE_NOFAULT, true);
	arrays(ABUSE_SERVE_NOFAULT);
	array_in_part(0);
	array_in_part(ABUSE_SERVE_NOFAULT);
	scope(ABUSE_SCOPE_DEVICE, ABUSE_SCOPE_NOIO);
	data("device scope noio", 0, false);
	scope(ABUSE_SCOPE_DEVICE, ABUSE_SCOPE_MEMALLOC);
	data("device scope memalloc", 0, true);
	arrays(0);
	legacy();
	scope(ABUSE_SCOPE_DEVICE, ABUSE_SCOPE_NONE);
	data("no flag again", 0, false);
	scope(ABUSE_SCOPE_THREAD, ABUSE_SCOPE_MEMALLOC);
	data("thread scope memalloc", 0, true);
	legacy();
	scope(ABUSE_SCOPE_THREAD, ABUSE_SCOPE_NONE);
	return t_end();
}
