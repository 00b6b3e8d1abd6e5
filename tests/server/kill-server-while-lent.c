// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 a server while it holds requests, several times over:
 * another server finishes them, and no submitter sees an error.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: module=lose-on-release
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t.h"

#define SIZE	T_MIB
#define NR	8

int main(void)
{
	const struct t_server how = { .batch = 4 };
	struct t_store store;
	struct t_io *ios[NR];
	pid_t holder, server;
	int ctl, round, i;

	t_init(55);
	store = t_store_make(SIZE);
	t_stamp(store.memory, 0, SIZE, 6);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, 0);
	t_go_live(ctl);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, i & 1 ? T_READ : T_WRITE,
					   i * 2 * T_PAGE, 2 * T_PAGE, 0);
	for (round = 1; round <= 3; round++) {
		holder = t_holder_start(0, NR);
		T_UNTIL(t_counters(ctl).ab_nr_lent == NR);
		t_kill(holder, SIGKILL);
		/*
		 * The parent is told of the end after the files were closed
		 * (exit_files() precedes exit_notify()): nothing to wait for.
		 */
		T_EQ(t_counters(ctl).ab_nr_lent, 0);
		T_EQ(t_counters(ctl).ab_nr_queued, NR);
		T_EQ(t_counters(ctl).ab_requeued, round * NR);
		T_EQ(t_counters(ctl).ab_nr_servers, 1);	/* us, who polled */
		T_EQ(t_counters(ctl).ab_ended, 0);
	}
	for (i = 0; i < NR; i++)
		T_TRUE(!ios[i]->done, "I/O %d without a server: expected to wait, found it ended",
		       i);
	server = t_server_start(&store, &how);
	for (i = 0; i < NR; i++) {
		T_EQ(t_result(ios[i]), 2 * T_PAGE);
		t_stamp_check(i & 1 ? ios[i]->data :
			      store.memory + i * 2 * T_PAGE, i * 2 * T_PAGE,
			      2 * T_PAGE, i & 1 ? 6 : 1);
	}
	T_EQ(t_counters(ctl).ab_ended, NR);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
