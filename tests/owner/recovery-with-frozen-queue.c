// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop a server while somebody waits for the queue to be frozen:
 * nobody can submit then, and nobody change the queue.  A new server opens the
 * control node, reconnects and asks for work all the same, and when the old one
 * is gone, everything goes on.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * kernels: 6.12 debug
 * busted: module=reconnect-freezes
 * busted: module=lose-on-release
 * invariant: I3 I15
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE	(4 * T_MIB)

/* 6.12 freezes the queue around every change of its attributes. */
static long freeze(void *arg)
{
	(void)arg;
	return t_attr_set("1", "/sys/block/abuse0/queue/nomerges");
}

static long recover(void *arg)
{
	struct abuse_info info = { 0 };
	int ctl = t_ctl_open(0);
	struct abuse_lent lent;

	(void)arg;
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	info.ab_flags |= ABUSE_FLAGS_RECONNECT | ABUSE_FLAGS_READ_ONLY;
	info.ab_size = 2 * SIZE;
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	info.ab_flags &= ~ABUSE_FLAGS_READ_ONLY;
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_EQ(t_lend(ctl, &lent, 1), 0);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	t_attr(T_ABUSE, 0, "state");
	t_attr(T_ABUSE, 0, "servers");
	return 0;
}

int main(void)
{
	const struct t_server how = { .index = 0 };
	struct t_io *lent_one, *stalled, *late;
	struct t_call *freezer, *call;
	struct t_store store;
	pid_t first, second;
	int ctl;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 1, 0);
	first = t_holder_start(0, 1);
	T_UNTIL(t_is_live(0));
	lent_one = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	T_OK(T_RET(kill(first, SIGSTOP)));
	/* No slot: it waits in the middle of its submission. */
	stalled = t_submit_accepted(ctl, 0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_UNTIL(t_counters(ctl).ab_stalled == 1);
	freezer = t_call_start(freeze, NULL);
	T_UNTIL(t_stack_has(freezer->pid, "blk_mq_freeze_queue"));
	/* The control: who submits now does not even come to the module. */
	late = t_submit(0, T_WRITE, 2 * T_PAGE, T_PAGE, 0);
	T_UNTIL(t_stack_has(late->pid, "queue_enter"));
	T_EQ(t_counters(ctl).ab_accepted, 2);

	call = t_call_start(recover, NULL);
	T_EQ(t_call_result(call), 0);
	T_EQ(freezer->done, false);

	store = t_store_make(2 * SIZE);
	second = t_server_start(&store, &how);
	t_kill(first, SIGKILL);
	T_EQ(t_result(lent_one), T_PAGE);
	T_EQ(t_result(stalled), T_PAGE);
	T_EQ(t_result(late), T_PAGE);
	T_OK(t_call_result(freezer));
	T_UNTIL(t_counters(ctl).ab_ended == 3);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(second, SIGKILL);
	return t_end();
}
