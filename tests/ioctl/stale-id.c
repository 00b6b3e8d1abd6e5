// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will use ids that are no longer, not yet or not its own, and see
 * each refused with ESTALE and the request unharmed.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 30
 * busted: module=accept-stale
 * invariant: I4 I5
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "t.h"

static char data[T_PAGE];

/* Every verb, and PUT, with an id that must be refused. */
static void refused(int ctl, const char *why, uint64_t id)
{
	struct abuse_counters before = t_counters(ctl), after;
	struct abuse_xfr_hdr xfr = { .ab_id = id, .ab_vec_count = 1 };
	uint32_t verb;
	int err;

	for (verb = ABUSE_VERB_COPY_OUT; verb <= ABUSE_VERB_REQUEUE; verb++) {
		err = t_verb(ctl, verb, id, data, 0, T_PAGE);
		T_TRUE(err == -ESTALE, "verb %u, %s: expected -ESTALE, found %s",
		       verb, why, t_name(err));
	}
	err = t_put(ctl, &xfr, NULL, 0);
	T_TRUE(err == -ESTALE, "PUT, %s: expected -ESTALE, found %s", why,
	       t_name(err));
	after = t_counters(ctl);
	T_EQ(after.ab_ended, before.ab_ended);
	T_EQ(after.ab_requeued, before.ab_requeued);
	T_EQ(after.ab_nr_lent, before.ab_nr_lent);
}

int main(void)
{
	volatile uint64_t *id = t_shared(T_PAGE);
	struct abuse_lent first, lent;
	struct t_io *io;
	pid_t pid;
	int ctl, other;

	t_init(25);
	ctl = t_ctl_open(0);
	other = t_ctl_open(0);
	t_configure(ctl, T_MIB, 1, 0);	/* one slot: it is always the same */
	t_go_live(ctl);

	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	first = t_lend_one(ctl);
	T_OK(t_requeue(ctl, first.ab_id));
	refused(ctl, "requeued", first.ab_id);
	lent = t_lend_one(ctl);
	T_EQ((uint32_t)lent.ab_id, (uint32_t)first.ab_id);
	T_TRUE(lent.ab_id != first.ab_id, "a second lend: expected a new id, found the old");
	refused(ctl, "of an earlier lend", first.ab_id);
	refused(ctl, "of a later lend", lent.ab_id + (1ull << 32));
	refused(other, "lent through another file", lent.ab_id);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	refused(ctl, "completed", lent.ab_id);

	/* The slot has another bio now: an answer to the old one is nothing. */
	io = t_submit_accepted(ctl, 0, T_WRITE, T_PAGE, T_PAGE, 0);
	refused(ctl, "of the slot's last bio, QUEUED", lent.ab_id);
	pid = t_fork(true);
	if (!pid) {
		/* The same open file, another process: another server. */
		*id = t_lend_one(ctl).ab_id;
		for (;;)
			pause();
	}
	T_UNTIL(*id);
	refused(ctl, "lent to another process", *id);
	refused(ctl, "of the slot's last bio, LENT", lent.ab_id);
	t_kill(pid, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	refused(ctl, "of a server that was killed", *id);
	lent = t_lend_one(ctl);
	refused(ctl, "of a server that was killed, lent again", *id);
	T_TRUE(!io->done, "the I/O: expected to wait, found it ended");
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, T_PAGE));
	t_stamp_check(data, T_PAGE, T_PAGE, 1);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
