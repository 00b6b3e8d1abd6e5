// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will poll a control file: POLLMSG exactly while a request is
 * QUEUED, and a poller that sleeps is woken by the first one, and by one that
 * is given back.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=poll-always
 * busted: module=no-wake
 */
#define _GNU_SOURCE
#include <poll.h>
#include <unistd.h>

#include "t.h"

static int events(int ctl, int timeout_ms)
{
	struct pollfd p = { .fd = ctl, .events = POLLMSG | POLLIN | POLLOUT };
	int ret = poll(&p, 1, timeout_ms);

	T_OK(ret);
	return ret ? p.revents : 0;
}

/* A process asleep in poll; *woken once it returns. */
static pid_t poller(volatile int *woken)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		int ctl = t_ctl_open(0);

		*woken = events(ctl, -1);
		_exit(0);
	}
	T_UNTIL(t_stack_has(pid, "do_sys_poll") ||
		t_stack_has(pid, "do_poll") || t_ended(pid));
	T_UNTIL(t_state(pid) == 'S' || t_ended(pid));
	T_TRUE(!t_ended(pid), "poll with nothing QUEUED: expected to sleep, found it return");
	return pid;
}

int main(void)
{
	volatile int *woken = t_shared(T_PAGE);
	struct abuse_lent lent;
	struct t_io *io;
	pid_t pid;
	int ctl;

	t_init(35);
	ctl = t_ctl_open(0);
	T_EQ(events(ctl, 0), 0);		/* not configured */
	t_configure(ctl, T_MIB, 4, 0);
	T_EQ(events(ctl, 0), 0);

	pid = poller(woken);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	T_EQ(t_reap(pid), 0);
	T_EQ(*woken, POLLMSG);
	/* To poll is not to take. */
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	T_EQ(events(ctl, 0), POLLMSG);
	T_EQ(events(ctl, 0), POLLMSG);

	lent = t_lend_one(ctl);
	T_EQ(events(ctl, 0), 0);
	*woken = 0;
	pid = poller(woken);
	T_OK(t_requeue(ctl, lent.ab_id));
	T_EQ(t_reap(pid), 0);
	T_EQ(*woken, POLLMSG);
	lent = t_lend_one(ctl);
	T_EQ(events(ctl, 0), 0);
	t_answer(ctl, &lent);
	T_EQ(events(ctl, 0), 0);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
