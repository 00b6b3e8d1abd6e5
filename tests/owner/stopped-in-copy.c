// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop a server in the middle of a copy, in a page fault that
 * nobody answers: other servers go on as fast as before, its own requests wait
 * for as long as it lives, and pass on, each once, when it is killed.  By a verb
 * of SERVE, and among servers of 2009 by GET and by PUT.
 *
 * Where it stands: bio > queue > [ioctl] > copy > server.
 *
 * time: 60
 * busted: module=lock-across-copy
 * busted: module=lock-across-legacy-copy
 * busted: module=lose-on-release
 * invariant: I1 I4 I6 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define SIZE	T_MIB
#define NR	3		/* lent to the one that stops */
#define IOS	100
/* Plain emulation, other guests: this is to tell waiting from working. */
#define FACTOR	4
#define SLACK_MS	4000

enum where { IN_VERB, IN_PUT, IN_GET };

struct stuck {
	volatile int lent;
	volatile bool faults;
};

/* Lent all, and stuck in a copy of the first; a thread says so. */
static void __attribute__((noreturn)) get_stuck(struct stuck *s, enum t_op op)
{
	int ctl = t_ctl_open(0);
	struct abuse_lent lent[NR];
	char *page;

	s->lent = t_lend(ctl, lent, NR);
	page = t_uffd_area(1);
	s->faults = true;
	/* The fault comes after this line, and nobody reads of it. */
	t_verb(ctl, op == T_WRITE ? ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
	       lent[0].ab_id, page, 0, T_PAGE);
	_exit(1);
}

/* The same by the calls of 2009, in the copy that the last of them makes. */
static void __attribute__((noreturn))
get_stuck_legacy(struct stuck *s, enum t_op op, enum where where)
{
	int ctl = t_ctl_open(0), nr = where == IN_GET ? NR - 1 : NR, i;
	struct abuse_vec vecs[T_VECS], *absent;
	struct abuse_xfr_hdr xfr;

	for (i = 0; i < nr; i++)
		T_OK(t_get(ctl, &xfr, vecs));
	absent = (struct abuse_vec *)t_uffd_area(1);
	/* One is LENT while GET tells of it. */
	s->lent = NR;
	s->faults = true;
	if (where == IN_GET) {
		t_get(ctl, &xfr, absent);
	} else {
		/* A READ's vectors, a WRITE's data. */
		t_vecs_point(vecs, xfr.ab_vec_count, absent);
		t_put(ctl, &xfr, op == T_READ ? absent : vecs,
		      ABUSE_RESULT_OKAY);
	}
	_exit(1);
}

/* So many I/Os by a process of its own, beside those of the stuck one. */
static long work(void *arg)
{
	char *data = t_shared(T_PAGE);
	int fd = t_blk_open(0, O_RDWR | O_DIRECT), i;

	(void)arg;
	for (i = 0; i < IOS; i++) {
		uint64_t at = SIZE / 2 + i % 8 * T_PAGE;

		t_stamp(data, at, T_PAGE, i);
		T_EQ(T_RET(pwrite(fd, data, T_PAGE, at)), T_PAGE);
		memset(data, 0, T_PAGE);
		T_EQ(T_RET(pread(fd, data, T_PAGE, at)), T_PAGE);
		t_stamp_check(data, at, T_PAGE, i);
	}
	close(fd);
	return 0;
}

static long work_ms(void)
{
	long start = t_now_ms();

	T_EQ(t_call_result(t_call_start(work, NULL)), 0);
	return t_now_ms() - start;
}

static void one(int ctl, const struct t_store *store, enum t_op op,
		enum where where)
{
	const struct t_server how = { .legacy = where != IN_VERB };
	struct stuck *s = t_shared(sizeof(*s));
	struct abuse_counters before;
	struct t_io *ios[NR];
	pid_t server, stuck;
	long alone_ms, beside_ms;
	int i;

	server = t_server_start(store, &how);
	T_UNTIL(t_is_live(0));
	alone_ms = work_ms();
	t_kill(server, SIGKILL);

	before = t_counters(ctl);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, op, i * T_PAGE, T_PAGE, 0);
	stuck = t_fork(false);
	if (!stuck && where == IN_VERB)
		get_stuck(s, op);
	if (!stuck)
		get_stuck_legacy(s, op, where);
	T_UNTIL(s->faults && t_stack_has(stuck, "handle_userfault"));
	T_EQ(s->lent, NR);

	server = t_server_start(store, &how);
	beside_ms = work_ms();
	fprintf(stderr, "%d I/Os: %ld ms, beside a stuck server %ld ms\n",
		2 * IOS, alone_ms, beside_ms);
	T_TRUE(beside_ms <= FACTOR * alone_ms + SLACK_MS, "%d I/Os beside a stuck server: expected at most %ld ms, found %ld",
	       2 * IOS, FACTOR * alone_ms + SLACK_MS, beside_ms);
	/* Its own wait, and nobody has had them meanwhile. */
	T_EQ(t_counters(ctl).ab_nr_lent, NR);
	T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued);
	for (i = 0; i < NR; i++)
		T_TRUE(!ios[i]->done, "I/O %d of the stuck server: expected to wait, found it ended",
		       i);
	/* A RESET by another is not about them either. */
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(t_counters(ctl).ab_nr_lent, NR);

	t_kill(stuck, SIGKILL);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued + NR);
	T_EQ(t_counters(ctl).ab_lent, before.ab_lent + 2 * NR + 2 * IOS);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	for (i = 0; i < NR; i++)
		t_stamp_check(op == T_WRITE ? store->memory + i * T_PAGE :
			      ios[i]->data, i * T_PAGE, T_PAGE, 1);
	t_kill(server, SIGKILL);
}

int main(void)
{
	struct t_store store;
	int ctl;

	t_init(55);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, 0);
	one(ctl, &store, T_WRITE, IN_VERB);
	one(ctl, &store, T_READ, IN_VERB);
	one(ctl, &store, T_WRITE, IN_PUT);
	one(ctl, &store, T_READ, IN_PUT);
	one(ctl, &store, T_READ, IN_GET);
	return t_end();
}
