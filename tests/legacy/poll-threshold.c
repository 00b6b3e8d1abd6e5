// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will ask by SET_POLL to be woken by four requests: one alone waits
 * the time that was given with it and no longer, four wake at once, fewer do
 * when they are all the slots there are, and another file of the same device
 * with the settings of 2009 is woken by the first.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=threshold-only
 * busted: module=threshold-ignored
 */
#define _GNU_SOURCE
#include <poll.h>
#include <unistd.h>

#include "t.h"

#define THRESHOLD	4
#define SHORT_MS	300
#define LONG_MS		9000
/* Woken at once, on a slow machine. */
#define AT_ONCE_MS	(LONG_MS / 2)

static int ctl;

struct woken {
	volatile int events;
	volatile long ms;	/* when */
};

static void set(int fd, uint32_t timeout_ms)
{
	const struct abuse_poll poll_set = {
		.ab_events = ABUSE_POLL_MSG,
		.ab_threshold = timeout_ms ? THRESHOLD : 1,
		.ab_timeout_ms = timeout_ms,
	};

	T_OK(t_ioctl(fd, ABUSE_SET_POLL, &poll_set));
}

static pid_t poller(struct woken *woken, uint32_t timeout_ms)
{
	pid_t pid = t_fork(false);

	woken->events = 0;
	if (!pid) {
		int own = t_ctl_open(0);
		struct pollfd p = { .fd = own, .events = POLLMSG };

		set(own, timeout_ms);
		T_EQ(poll(&p, 1, -1), 1);
		woken->ms = t_now_ms();
		woken->events = p.revents;
		_exit(0);
	}
	T_UNTIL(t_stack_has(pid, "do_sys_poll") ||
		t_stack_has(pid, "do_poll") || t_ended(pid));
	T_UNTIL(t_state(pid) == 'S' || t_ended(pid));
	T_TRUE(!t_ended(pid),
	       "poll with nothing QUEUED: expected to sleep, found it return");
	return pid;
}

static struct t_io *submit(int page)
{
	return t_submit_accepted(ctl, 0, T_WRITE, page * T_PAGE, T_PAGE, 0);
}

static void answer(struct t_io **ios, int nr)
{
	struct abuse_lent lent;
	int i;

	for (i = 0; i < nr; i++) {
		lent = t_lend_one(ctl);
		t_answer(ctl, &lent);
	}
	for (i = 0; i < nr; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
}

static void at_once(pid_t pid, const struct woken *woken, long since_ms)
{
	T_EQ(t_reap(pid), 0);
	T_EQ(woken->events, POLLMSG);
	T_TRUE(woken->ms - since_ms < AT_ONCE_MS,
	       "woken: expected at once, found after %ld ms",
	       woken->ms - since_ms);
}

int main(void)
{
	struct woken *woken = t_shared(T_PAGE), *other = woken + 1;
	struct t_io *ios[THRESHOLD + 1];
	pid_t pid, plain;
	long start;
	int i;

	t_init(35);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);

	/* One alone: its time, and not much less or for ever. */
	pid = poller(woken, SHORT_MS);
	start = t_now_ms();
	ios[0] = submit(0);
	T_EQ(t_reap(pid), 0);
	T_EQ(woken->events, POLLMSG);
	/* Two ticks of the kernel's clock may be missing. */
	T_TRUE(woken->ms - start >= SHORT_MS - 20,
	       "a request alone, %d ms: expected to wait for them, found %ld ms",
	       SHORT_MS, woken->ms - start);
	/* It has waited: now it is there for all who look. */
	set(ctl, SHORT_MS);
	T_EQ(poll(&(struct pollfd){ ctl, POLLMSG, 0 }, 1, 0), 1);
	set(ctl, 0);
	answer(ios, 1);

	/* Two files: each as it was asked. */
	pid = poller(woken, LONG_MS);
	plain = poller(other, 0);
	start = t_now_ms();
	ios[0] = submit(0);
	at_once(plain, other, start);
	for (i = 1; i < THRESHOLD - 1; i++)
		ios[i] = submit(i);
	T_TRUE(!woken->events,
	       "%d of %d requests: expected to sleep, found it woken",
	       THRESHOLD - 1, THRESHOLD);
	start = t_now_ms();
	ios[i] = submit(i);
	at_once(pid, woken, start);
	answer(ios, THRESHOLD);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));

	/* A bound that is smaller: reached when all slots are taken. */
	t_configure(ctl, T_MIB, 2, 0);
	t_go_live(ctl);
	pid = poller(woken, LONG_MS);
	ios[0] = submit(0);
	T_EQ(t_state(pid), 'S');
	start = t_now_ms();
	ios[1] = submit(1);
	at_once(pid, woken, start);
	answer(ios, 2);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));

	/* Some LENT, one QUEUED, no slot left: nothing more can come. */
	t_configure(ctl, T_MIB, THRESHOLD + 1, 0);
	t_go_live(ctl);
	for (i = 0; i < THRESHOLD; i++)
		ios[i] = submit(i);
	{
		struct abuse_lent lent[THRESHOLD];

		T_EQ(t_lend(ctl, lent, THRESHOLD), THRESHOLD);
		pid = poller(woken, LONG_MS);
		start = t_now_ms();
		ios[THRESHOLD] = submit(THRESHOLD);
		at_once(pid, woken, start);
		for (i = 0; i < THRESHOLD; i++) {
			t_answer(ctl, &lent[i]);
			T_EQ(t_result(ios[i]), T_PAGE);
		}
	}
	answer(&ios[THRESHOLD], 1);
	return t_end();
}
