// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let servers die with a request until it has outlived
 * max_owners of them: then it is set ASIDE and the others proceed; the
 * attribute requeues or fails it, or the policy no_server does after its time.
 * What is given back by REQUEUE or RESET outlives nobody; 0 is no limit.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 40
 * busted: module=never-aside
 * busted: module=aside-uncounted
 * busted: module=aside-waits
 * invariant: I4 I9
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t_block.h"

#define OWNERS	3
#define TIME_MS	300

static int ctl;

static void answer_one(uint64_t sector)
{
	struct abuse_lent lent = t_lend_one(ctl);

	T_EQ(lent.ab_sector, sector);
	t_answer(ctl, &lent);
}

/* So many servers that are lent a request and die of it. */
static void owners_die(int nr)
{
	pid_t holder;

	while (nr--) {
		holder = t_holder_start(0, 1);
		T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
		t_kill(holder, SIGKILL);
		T_UNTIL(!t_counters(ctl).ab_nr_lent);
	}
}

static void aside_is(uint32_t nr)
{
	T_EQ(t_counters(ctl).ab_nr_aside, nr);
	T_EQ(t_attr_number(T_ABUSE, 0, "aside"), nr);
}

/* A poisonous one and one behind it. */
static struct t_io *poison(struct t_io **other)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);

	if (other)
		*other = t_submit_accepted(ctl, 0, T_READ, T_PAGE, T_PAGE, 0);
	return io;
}

int main(void)
{
	struct abuse_lent lent;
	struct t_io *io, *other;
	long start;
	int i;

	t_init(35);
	ctl = t_ctl_open(0);
	T_EQ(t_attr_number(T_ABUSE, 0, "max_owners"), 16);
	t_policy(0, "max_owners", "3");
	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);

	io = poison(&other);
	owners_die(OWNERS - 1);
	aside_is(0);
	/* Given back: nobody died. */
	for (i = 0; i < 2 * OWNERS; i++) {
		lent = t_lend_one(ctl);
		T_EQ(lent.ab_sector, 0);
		T_EQ(lent.ab_flags, ABUSE_LENT_AGAIN);
		if (i & 1)
			T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
		else
			T_OK(t_requeue(ctl, lent.ab_id));
	}
	aside_is(0);
	owners_die(1);
	aside_is(1);
	T_EQ(t_counters(ctl).ab_set_aside, 1);
	/* The others proceed. */
	answer_one(T_PAGE / 512);
	T_EQ(t_result(other), T_PAGE);
	T_EQ(t_lend(ctl, &lent, 1), 0);
	T_TRUE(!io->done, "a request ASIDE: expected to wait, found it ended");

	/* Once more, with a clean slate. */
	T_EQ(t_attr_set("again", T_ABUSE, 0, "aside"), -EINVAL);
	aside_is(1);
	T_OK(t_attr_set("requeue\n", T_ABUSE, 0, "aside"));
	aside_is(0);
	owners_die(OWNERS - 1);
	aside_is(0);
	owners_die(1);
	aside_is(1);
	T_OK(t_attr_set("requeue", T_ABUSE, 0, "aside"));
	answer_one(0);
	T_EQ(t_result(io), T_PAGE);

	io = poison(NULL);
	owners_die(OWNERS);
	aside_is(1);
	T_OK(t_attr_set("fail", T_ABUSE, 0, "aside"));
	T_EQ(t_result(io), -EIO);
	aside_is(0);

	/* Failed by time, though there is a server: ourselves. */
	io = poison(NULL);
	start = t_now_ms();
	owners_die(OWNERS - 1);
	t_policy(0, "no_server", "300");
	owners_die(1);
	T_EQ(t_result(io), -ETIMEDOUT);
	T_TRUE(t_now_ms() - start >= TIME_MS - 20,
	       "a request ASIDE: expected to wait %d ms, found %ld",
	       TIME_MS, t_now_ms() - start);
	aside_is(0);
	t_policy(0, "no_server", "wait");

	t_policy(0, "max_owners", "0");
	io = poison(NULL);
	owners_die(20);
	aside_is(0);
	answer_one(0);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
