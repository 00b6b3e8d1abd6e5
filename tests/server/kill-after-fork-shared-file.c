// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will share one open control file over a fork: the child that was
 * lent requests is killed while its parent keeps the file.  The file is not
 * released then, and the requests must be QUEUED all the same.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 40
 * busted: module=release-only
 * busted: module=lose-on-release
 * invariant: I4
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define NR	6

int main(void)
{
	volatile int *lent_by = t_shared(T_PAGE);
	struct abuse_lent lent[NR];
	struct t_io *ios[NR];
	pid_t pids[2];
	int ctl, i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	/* Two each, to the parent and to two children, in this order. */
	T_EQ(t_lend(ctl, lent, 2), 2);
	for (i = 0; i < 2; i++) {
		pids[i] = t_fork(true);
		if (!pids[i]) {
			lent_by[i] = t_lend(ctl, lent, 2);
			for (;;)
				pause();
		}
		T_UNTIL(lent_by[i]);
		T_EQ(lent_by[i], 2);
	}
	T_EQ(t_counters(ctl).ab_nr_servers, 3);
	T_EQ(t_counters(ctl).ab_nr_lent, NR);

	t_kill(pids[0], SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 2);
	/* Only what was the child's. */
	T_EQ(t_counters(ctl).ab_nr_lent, 4);
	T_EQ(t_counters(ctl).ab_nr_servers, 2);
	T_EQ(t_lend(ctl, &lent[2], 4), 2);
	T_EQ(lent[2].ab_sector, 2 * T_PAGE / 512);
	T_EQ(lent[3].ab_sector, 3 * T_PAGE / 512);
	t_kill(pids[1], SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 2);
	T_EQ(t_lend(ctl, &lent[4], 4), 2);
	for (i = 0; i < NR; i++) {
		T_EQ(lent[i].ab_sector, i * T_PAGE / 512);
		t_answer(ctl, &lent[i]);
		T_EQ(t_result(ios[i]), T_PAGE);
	}
	T_EQ(t_counters(ctl).ab_nr_servers, 1);
	return t_end();
}
