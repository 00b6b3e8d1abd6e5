// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will close one of two descriptors of a control file: the process
 * serves on and keeps what it was lent; with the last one it loses it.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 30
 * busted: module=any-close
 * busted: module=lose-on-release
 * invariant: I4
 */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

#include "t.h"

int main(void)
{
	struct abuse_lent lent[2];
	struct t_io *ios[2];
	int watch, ctl, other, i;
	pid_t pid;

	t_init(25);
	watch = t_ctl_open(0);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	for (i = 0; i < 2; i++)
		ios[i] = t_submit_accepted(watch, 0, T_WRITE, i * T_PAGE,
					   T_PAGE, 0);
	other = dup(ctl);
	T_OK(other);
	T_EQ(t_lend(ctl, lent, 2), 2);
	t_ctl_close(ctl);
	T_EQ(t_counters(watch).ab_nr_lent, 2);
	T_EQ(t_counters(watch).ab_requeued, 0);
	T_EQ(t_counters(watch).ab_nr_servers, 1);

	/* A child that inherits it and goes was no server. */
	pid = t_fork(true);
	if (!pid)
		_exit(0);
	T_EQ(t_reap(pid), 0);
	T_EQ(t_counters(watch).ab_nr_lent, 2);
	T_OK(t_complete(other, lent[0].ab_id));
	T_EQ(t_result(ios[0]), T_PAGE);

	/* Nor does a closed duplicate of a duplicate matter. */
	i = dup(other);
	T_OK(i);
	close(i);
	T_EQ(t_counters(watch).ab_nr_lent, 1);
	close(other);
	T_EQ(t_counters(watch).ab_nr_lent, 0);
	T_EQ(t_counters(watch).ab_nr_queued, 1);
	T_EQ(t_counters(watch).ab_nr_servers, 0);
	T_TRUE(!ios[1]->done, "the I/O: expected to wait, found it ended");
	lent[1] = t_lend_one(watch);
	t_answer(watch, &lent[1]);
	T_EQ(t_result(ios[1]), T_PAGE);
	return t_end();
}
