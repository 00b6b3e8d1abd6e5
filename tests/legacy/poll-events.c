// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will choose by SET_POLL what poll reports: POLLMSG as in 2009, or
 * POLLIN for the same, or POLLPRI when the device was configured, reset or
 * grown or a server went, until GET_STATUS has been called; and see what is
 * out of range refused.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=poll-any
 * busted: module=no-event
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define ALL	(POLLMSG | POLLIN | POLLRDNORM | POLLPRI | POLLOUT)
#define SIZE	T_MIB

static int set(int ctl, uint32_t events, uint32_t threshold,
	       uint32_t timeout_ms, uint32_t reserved)
{
	const struct abuse_poll poll_set = {
		.ab_events = events,
		.ab_threshold = threshold,
		.ab_timeout_ms = timeout_ms,
		.ab_reserved = reserved,
	};

	return t_ioctl(ctl, ABUSE_SET_POLL, &poll_set);
}

static int events(int ctl)
{
	struct pollfd p = { .fd = ctl, .events = ALL };
	int ret = poll(&p, 1, 0);

	T_OK(ret);
	return ret ? p.revents : 0;
}

static void refused(int ctl)
{
	T_EQ(set(ctl, 0, 1, 0, 0), -EINVAL);
	T_EQ(set(ctl, 8, 1, 0, 0), -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, 0, 0, 0), -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, ABUSE_QUEUE_LIMIT + 1, 1, 0), -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, 2, 0, 0), -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, 1, 1, 0), -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, 2, ABUSE_POLL_TIMEOUT_LIMIT_MS + 1, 0),
	     -EINVAL);
	T_EQ(set(ctl, ABUSE_POLL_MSG, 1, 0, 1), -EINVAL);
	T_EQ(t_ioctl(ctl, ABUSE_SET_POLL, NULL), -EFAULT);
	/* The ends of the ranges. */
	T_OK(set(ctl, ABUSE_POLL_MSG, ABUSE_QUEUE_LIMIT,
		 ABUSE_POLL_TIMEOUT_LIMIT_MS, 0));
	T_OK(set(ctl, ABUSE_POLL_MSG, 2, 1, 0));
	T_OK(set(ctl, ABUSE_POLL_MSG, 1, 0, 0));
}

static void status(int ctl)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
}

/* A process asleep in poll for POLLPRI only; *woken is what it got. */
static pid_t poller(volatile int *woken)
{
	pid_t pid = t_fork(false);

	*woken = 0;
	if (!pid) {
		int ctl = t_ctl_open(0);
		struct pollfd p = { .fd = ctl, .events = ALL };

		T_OK(set(ctl, ABUSE_POLL_PRI, 1, 0, 0));
		status(ctl);
		T_EQ(poll(&p, 1, -1), 1);
		*woken = p.revents;
		_exit(0);
	}
	T_UNTIL(t_stack_has(pid, "do_sys_poll") ||
		t_stack_has(pid, "do_poll") || t_ended(pid));
	T_UNTIL(t_state(pid) == 'S' || t_ended(pid));
	T_TRUE(!t_ended(pid),
	       "poll for POLLPRI: expected to sleep, found it return");
	return pid;
}

static void pri_is(pid_t pid, const volatile int *woken)
{
	T_EQ(t_reap(pid), 0);
	T_EQ(*woken, POLLPRI);
}

int main(void)
{
	const struct abuse_info grown = {
		.ab_size = 2 * SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 4,
		.ab_flags = ABUSE_FLAGS_RECONNECT,
	};
	volatile int *woken = t_shared(T_PAGE);
	struct abuse_lent lent;
	struct t_io *io;
	pid_t pid, holder;
	int ctl;

	t_init(35);
	ctl = t_ctl_open(0);
	refused(ctl);

	pid = poller(woken);
	t_configure(ctl, SIZE, 4, 0);
	pri_is(pid, woken);
	t_go_live(ctl);

	/* Which events. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	T_EQ(events(ctl), POLLMSG);
	T_OK(set(ctl, ABUSE_POLL_IN, 1, 0, 0));
	T_EQ(events(ctl), POLLIN | POLLRDNORM);
	T_OK(set(ctl, ABUSE_POLL_IN | ABUSE_POLL_MSG, 1, 0, 0));
	T_EQ(events(ctl), POLLIN | POLLRDNORM | POLLMSG);
	/* An event is there until it is looked at; a request is none. */
	T_OK(set(ctl, ABUSE_POLL_PRI, 1, 0, 0));
	T_EQ(events(ctl), POLLPRI);
	T_EQ(events(ctl), POLLPRI);
	status(ctl);
	T_EQ(events(ctl), 0);
	T_OK(set(ctl, ABUSE_POLL_PRI | ABUSE_POLL_MSG, 1, 0, 0));
	T_EQ(events(ctl), POLLMSG);

	/* A server goes, and another takes over what it had. */
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	pid = poller(woken);
	t_kill(holder, SIGKILL);
	pri_is(pid, woken);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	T_EQ(events(ctl), POLLPRI | POLLMSG);
	status(ctl);
	T_EQ(events(ctl), POLLMSG);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);

	pid = poller(woken);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &grown));
	pri_is(pid, woken);
	status(ctl);

	pid = poller(woken);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	pri_is(pid, woken);
	return t_end();
}
