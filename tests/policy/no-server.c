// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill the only server of a live device under each policy: with
 * "wait" requests wait for the next one, with "fail" they fail at once, with a
 * time they fail when it is over and new ones at once, until a server comes;
 * what the dead one had been lent, too.  Servers that come and go without ever
 * working put nothing off.  A RESET does not change the policy.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 40
 * busted: module=wait-forever
 * busted: module=no-server-anew
 * invariant: I9
 */
#define _GNU_SOURCE
#include <signal.h>

#include "t_block.h"

#define SIZE	T_MIB
#define TIME_MS	500

static struct t_store store;
static struct t_log *log_of;
static int ctl;

/* It works, for the policy: opened and known as a server, it does not yet. */
static void await_work(pid_t server)
{
	T_UNTIL(t_counters(ctl).ab_nr_servers == 1);
	T_UNTIL(t_stack_has(server, "abuse_server_wait"));
}

/* Live, and then without a server; a request is lent to it if it holds. */
static void serve_and_die(bool hold, struct t_io **io)
{
	pid_t server = t_recorder_start(0, &store, log_of);
	uint32_t at = log_of->nr;

	await_work(server);
	if (hold) {
		log_of->hold = true;
		*io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
		T_UNTIL(log_of->nr > at);
	}
	t_kill(server, SIGKILL);
	log_of->hold = false;
	T_UNTIL(!t_counters(ctl).ab_nr_servers);
}

static struct t_io *submit(enum t_op op)
{
	return t_submit(0, op, 2 * T_PAGE, T_PAGE, 0);
}

static void ends(struct t_io *io, long want)
{
	T_EQ(t_result(io), want);
}

static void works(void)
{
	pid_t server = t_recorder_start(0, &store, log_of);

	await_work(server);
	ends(submit(T_WRITE), T_PAGE);
	ends(submit(T_READ), T_PAGE);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_servers);
}

static void waits(void)
{
	struct t_io *lent, *queued;
	pid_t server;

	T_EQ(t_attr(T_ABUSE, 0, "no_server")[0], 'w');
	serve_and_die(true, &lent);
	queued = submit(T_READ);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 2);
	T_TRUE(!lent->done && !queued->done,
	       "requests without a server: expected to wait, found them ended");
	server = t_recorder_start(0, &store, log_of);
	ends(lent, T_PAGE);
	ends(queued, T_PAGE);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_servers);
}

static void fails(void)
{
	uint64_t before = t_counters(ctl).ab_timed_out;
	struct t_io *lent, *queued;

	/* What waits already fails when the policy says so. */
	queued = submit(T_READ);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	t_policy(0, "no_server", "fail");
	ends(queued, -EIO);
	ends(submit(T_WRITE), -EIO);
	ends(submit(T_READ), -EIO);
	works();
	serve_and_die(true, &lent);
	ends(lent, -EIO);
	ends(submit(T_WRITE), -EIO);
	T_EQ(t_counters(ctl).ab_timed_out - before, 5);
}

static void waits_a_time(void)
{
	struct t_io *lent, *queued;
	struct abuse_counters before;
	long start;

	t_policy(0, "no_server", "500");
	works();
	start = t_now_ms();
	serve_and_die(true, &lent);
	queued = submit(T_READ);
	ends(lent, -ETIMEDOUT);
	ends(queued, -ETIMEDOUT);
	/* From the death, which was after start; two ticks may be missing. */
	T_TRUE(t_now_ms() - start >= TIME_MS - 20,
	       "requests without a server: expected to wait %d ms, found %ld",
	       TIME_MS, t_now_ms() - start);
	/* It is known by now that nobody is there. */
	before = t_counters(ctl);
	ends(submit(T_WRITE), -ETIMEDOUT);
	/* At once: it has not waited in the queue. */
	T_EQ(t_counters(ctl).ab_accepted, before.ab_accepted);
	T_EQ(t_counters(ctl).ab_timed_out, before.ab_timed_out + 1);
	works();

	/* Another one in time: nobody has noticed. */
	t_policy(0, "no_server", "9000");
	serve_and_die(true, &lent);
	{
		pid_t server = t_recorder_start(0, &store, log_of);

		ends(lent, T_PAGE);
		t_kill(server, SIGKILL);
	}
	T_UNTIL(!t_counters(ctl).ab_nr_servers);
}

/* As standbys that start, and fail to, while nobody serves. */
static void visitors_put_nothing_off(void)
{
	struct t_io *lent;
	long start;
	int own;

	t_policy(0, "no_server", "500");
	start = t_now_ms();
	serve_and_die(true, &lent);
	while (!lent->done && t_now_ms() - start < 6 * TIME_MS) {
		own = t_ctl_open(0);
		T_EQ(t_serve(own, NULL, 0, NULL, 0, ABUSE_SERVE_NOWAIT, NULL),
		     0);
		T_EQ(t_counters(ctl).ab_nr_servers, 1);
		t_ctl_close(own);
	}
	T_TRUE(lent->done,
	       "a request without a server, with visitors: expected it ended after %d ms, found it waiting after %ld",
	       TIME_MS, t_now_ms() - start);
	ends(lent, -ETIMEDOUT);
}

int main(void)
{
	t_init(35);
	log_of = t_log_make();
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	serve_and_die(false, NULL);
	waits();
	fails();
	visitors_put_nothing_off();
	waits_a_time();
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_EQ(t_attr_number(T_ABUSE, 0, "no_server"), 9000);
	t_policy(0, "no_server", "wait");
	return t_end();
}
