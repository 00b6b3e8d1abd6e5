// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have more requests wait for a server than the bound lets in:
 * the policy reaches those that have no slot yet, too, as soon as they get one
 * and not when it would be looked at next, with "fail" and with a time.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 40
 * busted: module=waiting-later
 * busted: module=wait-forever
 * invariant: I1 I9
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t_block.h"

#define SIZE		T_MIB
#define BOUND		8
#define BEYOND		3
#define NR		(BOUND + BEYOND)
/* From four seconds on the policy is looked at once a second. */
#define TIME_MS		"4000"
#define NEXT_LOOK_MS	1000

static int ctl;

static uint64_t nr_timed_out(void)
{
	return t_counters(ctl).ab_timed_out;
}

static void expires(const char *policy, long want)
{
	struct abuse_counters before = t_counters(ctl);
	struct t_io *ios[NR];
	long start, took_ms;
	int i;

	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, i & 1 ? T_READ : T_WRITE,
					   i * T_PAGE, T_PAGE, 0);
	T_EQ(t_counters(ctl).ab_nr_queued, BOUND);
	T_EQ(t_counters(ctl).ab_nr_waiting, BEYOND);

	t_policy(0, "no_server", policy);
	T_UNTIL(nr_timed_out() > before.ab_timed_out);
	start = t_now_ms();
	T_UNTIL(nr_timed_out() == before.ab_timed_out + NR);
	took_ms = t_now_ms() - start;
	T_TRUE(took_ms < NEXT_LOOK_MS * 3 / 4,
	       "those beyond the bound: expected to fail at once after the others, found %ld ms",
	       took_ms);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), want);
	T_EQ(t_counters(ctl).ab_nr_waiting, 0);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	T_EQ(t_counters(ctl).ab_stalled, before.ab_stalled + BEYOND);
	T_EQ(t_counters(ctl).ab_ended, before.ab_ended + NR);
	T_EQ(t_counters(ctl).ab_ended_error, before.ab_ended_error + NR);
	t_policy(0, "no_server", "wait");
}

int main(void)
{
	const struct t_server how = { .index = 0 };
	struct t_store store;
	pid_t server;

	t_init(35);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, BOUND, 0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	t_kill(server, SIGKILL);
	t_server_await(ctl, 0);
	expires("fail", -EIO);
	expires(TIME_MS, -ETIMEDOUT);
	return t_end();
}
