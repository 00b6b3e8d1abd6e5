// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will ask for more requests than there are: the call takes what
 * there is, waits for the first only, and never for a batch to fill, which at
 * exhaustion would be the deadlock of two pages in flight.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=wait-for-batch
 * busted: module=no-wake
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "t.h"

#define NR	5

int main(void)
{
	struct abuse_lent *lent = t_shared(sizeof(*lent) * 64);
	volatile int *got = t_shared(T_PAGE);
	struct t_io *ios[NR], *io;
	struct abuse_verb verb;
	uint32_t done = 9;
	pid_t pid;
	int ctl, i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	T_EQ(t_lend(ctl, lent, 8), 0);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	T_EQ(t_lend(ctl, lent, 0), 0);
	T_EQ(t_counters(ctl).ab_nr_lent, 0);
	T_EQ(t_lend(ctl, lent, 3), 3);
	T_EQ(t_counters(ctl).ab_nr_queued, 2);
	memset(&lent[3], 0xa5, sizeof(*lent) * 61);
	/* May wait, need not: two are there. */
	T_EQ(t_serve(ctl, NULL, 0, &lent[3], 10, 0, NULL), 2);
	T_TRUE(lent[5].ab_id == 0xa5a5a5a5a5a5a5a5ull,
	       "the third of two requests: expected untouched memory, found it written");
	for (i = 0; i < NR; i++) {
		T_EQ(lent[i].ab_sector, i * T_PAGE / 512);
		T_EQ(lent[i].ab_len_bytes, T_PAGE);
		T_EQ(lent[i].ab_command, ABUSE_WRITE);
		T_EQ(lent[i].ab_flags, 0);
		T_EQ(lent[i].ab_error, 0);
		T_OK(t_complete(ctl, lent[i].ab_id));
		T_EQ(t_result(ios[i]), T_PAGE);
	}

	/* Asleep in the call; one request comes, one is what it takes. */
	pid = t_fork(false);
	if (!pid) {
		int own = t_ctl_open(0);

		*got = t_serve(own, NULL, 0, lent, 8, 0, NULL);
		/* The answer and the next question in one call. */
		verb = (struct abuse_verb) { .ab_id = lent[0].ab_id,
					     .ab_verb = ABUSE_VERB_COMPLETE };
		T_EQ(t_serve(own, &verb, 1, lent, 8, ABUSE_SERVE_NOWAIT, &done),
		     0);
		T_EQ(done, 1);
		_exit(0);
	}
	T_UNTIL(t_stack_has(pid, "abuse_server_wait") && t_state(pid) == 'S');
	/* Not "accepted": it may have been answered before one can look. */
	io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
	T_UNTIL(*got);
	T_EQ(*got, 1);
	T_EQ(t_reap(pid), 0);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
