// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will fill a queue of four: the fifth submitter waits, without an
 * error and for as long as it takes, while a process that serves the device
 * does not wait.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * busted: module=error-when-full
 * busted: module=no-bypass
 * invariant: I1 I2 I3
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "t.h"

#define BOUND	4
/* abuse_bio_wait_slot() is inlined there, and nothing else sleeps in it. */
#define WAITER	"abuse_bio_submit"

static struct t_io *ios[BOUND];

static void fill(int ctl)
{
	int i;

	for (i = 0; i < BOUND; i++) {
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
		T_UNTIL(ios[i]->submitted);	/* io_submit() did not wait */
	}
	T_EQ(t_counters(ctl).ab_nr_queued, BOUND);
	T_EQ(t_counters(ctl).ab_nr_free, 0);
	T_EQ(t_counters(ctl).ab_nr_free_min, 0);
	T_EQ(t_counters(ctl).ab_nr_waiting, 0);
}

static void answer_one(int ctl)
{
	struct abuse_lent lent = t_lend_one(ctl);

	t_answer(ctl, &lent);
}

/* A submitter waits for a slot, and goes on when one is freed. */
static void submitter_waits(int ctl)
{
	struct abuse_counters before = t_counters(ctl);
	struct t_io *fifth, *sixth;
	int i;

	fill(ctl);
	fifth = t_submit_accepted(ctl, 0, T_WRITE, 5 * T_PAGE, T_PAGE, 0);
	T_UNTIL(t_stack_has(fifth->pid, WAITER) &&
		t_state(fifth->pid) == 'D');
	sixth = t_submit_accepted(ctl, 0, T_READ, 6 * T_PAGE, T_PAGE, 0);
	T_UNTIL(t_stack_has(sixth->pid, WAITER));
	T_EQ(t_counters(ctl).ab_nr_waiting, 2);
	T_EQ(t_counters(ctl).ab_stalled - before.ab_stalled, 2);
	T_EQ(t_counters(ctl).ab_nr_slots, BOUND);
	T_TRUE(!fifth->submitted && !fifth->done,
	       "the fifth: expected to wait for a slot, found it go on");

	/* One slot: the fifth goes on, the sixth waits. */
	answer_one(ctl);
	T_UNTIL(fifth->submitted);
	T_UNTIL(t_counters(ctl).ab_nr_waiting == 1);
	/* It was woken, too, looked, and waits again. */
	T_UNTIL(t_stack_has(sixth->pid, WAITER));
	T_TRUE(!sixth->submitted, "the sixth: expected to wait still, found it go on");
	for (i = 1; i < BOUND + 2; i++)
		answer_one(ctl);
	for (i = 0; i < BOUND; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	T_EQ(t_result(fifth), T_PAGE);
	T_EQ(t_result(sixth), T_PAGE);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_nr_free, BOUND);
}

/* A process that serves: its bio waits for a slot, the process does not. */
static void server_passes(int ctl)
{
	struct abuse_counters before = t_counters(ctl);
	volatile long *results = t_shared(T_PAGE);
	pid_t pid;
	int i;

	fill(ctl);
	pid = t_fork(false);
	if (!pid) {
		char *data = t_shared(T_PAGE);
		int own = t_ctl_open(0), blk;
		unsigned long ctx;

		T_OK(t_serve(own, NULL, 0, NULL, 0, 0, NULL));
		blk = t_blk_open(0, O_RDWR | O_DIRECT);
		T_OK(blk);
		T_OK(t_aio_setup(1, &ctx));
		T_OK(t_aio_submit(ctx, blk, T_WRITE, data, T_PAGE, 8 * T_PAGE,
				  0));
		results[0] = 1;
		results[1] = t_aio_result(ctx);
		_exit(0);
	}
	T_UNTIL(results[0]);
	T_EQ(t_counters(ctl).ab_nr_waiting, 1);
	T_EQ(t_counters(ctl).ab_bypassed - before.ab_bypassed, 1);
	T_EQ(t_counters(ctl).ab_stalled - before.ab_stalled, 0);
	for (i = 0; i < BOUND + 1; i++)
		answer_one(ctl);
	T_EQ(t_reap(pid), 0);
	T_EQ(results[1], T_PAGE);
	for (i = 0; i < BOUND; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
}

int main(void)
{
	int ctl;

	t_init(50);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, BOUND, 0);
	t_go_live(ctl);
	submitter_waits(ctl);
	server_passes(ctl);
	return t_end();
}
