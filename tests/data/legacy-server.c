// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve exactly as a program of 2009 would: poll, GET, PUT,
 * store.  A WRITE that has been PUT has not been stored yet: its submitter
 * must wait until the same thread's next GET, PUT or poll; and if the server
 * dies in between, the next one gets the data again.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=end-in-put
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#include <string.h>

#include "t.h"

#define LEN	(8 * T_PAGE)

static char data[LEN];
static struct abuse_vec vecs[T_VECS];
static int ctl;

/* GET a WRITE and PUT it: its data is here, and it is not over. */
static struct t_io *put_write(uint64_t offset)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, offset, LEN, 0);
	uint64_t ended = t_counters(ctl).ab_ended;
	struct abuse_xfr_hdr xfr;

	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(xfr.ab_command, ABUSE_WRITE);
	T_EQ(xfr.ab_sector, offset / 512);
	T_EQ(t_vecs_point(vecs, xfr.ab_vec_count, data), LEN);
	memset(data, 0, sizeof(data));
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	t_stamp_check(data, offset, LEN, 1);
	T_EQ(t_counters(ctl).ab_ended, ended);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_TRUE(!io->done, "a WRITE that was PUT: expected to wait until it is stored, found it ended");
	/* Answered is answered. */
	T_EQ(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY), -ESTALE);
	return io;
}

static void poll_now(void)
{
	struct pollfd p = { .fd = ctl, .events = POLLMSG };

	T_EQ(poll(&p, 1, 0), 0);
}

static void *get_in_thread(void *unused)
{
	struct abuse_xfr_hdr xfr;

	T_EQ(t_get(ctl, &xfr, NULL), -ENOMSG);
	return unused;
}

/* What ends an answered WRITE, and what does not. */
static void settling(void)
{
	struct abuse_xfr_hdr xfr;
	struct abuse_lent lent;
	pthread_t thread;
	struct t_io *io, *read;

	/* put_write() ends in a PUT that fails: that one settles, too. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_counters(ctl).ab_ended, 0);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_TRUE(!io->done, "a WRITE that was PUT: expected to wait until it is stored, found it ended");
	/* Another thread has not stored it. */
	T_OK(-pthread_create(&thread, NULL, get_in_thread, NULL));
	pthread_join(thread, NULL);
	T_EQ(t_counters(ctl).ab_ended, 0);
	/* Nor is it in the way of what the thread does elsewhere. */
	T_EQ(t_lend(ctl, &lent, 1), 0);
	T_EQ(t_counters(ctl).ab_ended, 0);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_counters(ctl).ab_ended, 1);
	T_EQ(t_result(io), LEN);

	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_counters(ctl).ab_ended, 1);
	poll_now();
	T_EQ(t_counters(ctl).ab_ended, 2);
	T_EQ(t_result(io), LEN);

	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	read = t_submit_accepted(ctl, 0, T_READ, LEN, LEN, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_counters(ctl).ab_ended, 2);
	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(t_counters(ctl).ab_ended, 3);
	T_EQ(t_result(io), LEN);
	/* A READ's data is the answer: it is over with PUT. */
	T_EQ(xfr.ab_command, ABUSE_READ);
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	t_stamp(data, LEN, LEN, 9);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_counters(ctl).ab_ended, 4);
	T_EQ(t_result(read), LEN);
	t_stamp_check(read->data, LEN, LEN, 9);
}

/* Killed between PUT and storing: nothing is lost. */
static void killed_after_put(void)
{
	volatile bool *put = t_shared(T_PAGE);
	struct abuse_xfr_hdr xfr;
	struct t_io *io;
	pid_t pid;

	io = t_submit_accepted(ctl, 0, T_WRITE, 2 * LEN, LEN, 0);
	pid = t_fork(false);
	if (!pid) {
		ctl = t_ctl_open(0);
		T_OK(t_get(ctl, &xfr, vecs));
		t_vecs_point(vecs, xfr.ab_vec_count, data);
		T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
		*put = true;
		for (;;)
			pause();
	}
	T_UNTIL(*put);
	T_TRUE(!io->done, "a WRITE that was PUT: expected to wait until it is stored, found it ended");
	t_kill(pid, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(xfr.ab_sector, 2 * LEN / 512);
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	memset(data, 0, sizeof(data));
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	t_stamp_check(data, 2 * LEN, LEN, 1);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(xfr.ab_id, 0);
	T_EQ(xfr.ab_vec_count, 0);
	T_EQ(t_result(io), LEN);
}

/* A whole server, as it was written then, and a load. */
static void as_a_program(void)
{
	const struct t_server how = { .legacy = true };
	struct t_store store = t_store_make(T_MIB);
	struct t_io *io;
	pid_t server;
	int i;

	t_ctl_close(ctl);
	ctl = t_ctl_open(0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	for (i = 0; i < 12; i++) {
		io = t_submit(0, T_WRITE, i * LEN, LEN, 0);
		T_EQ(t_result(io), LEN);
		/* Whoever has been told may look at the store. */
		t_stamp_check(store.memory + i * LEN, i * LEN, LEN, 1);
		io = t_submit(0, T_READ, i * LEN, LEN, 0);
		T_EQ(t_result(io), LEN);
		t_stamp_check(io->data, i * LEN, LEN, 1);
	}
	t_kill(server, SIGKILL);
}

int main(void)
{
	struct abuse_xfr_hdr xfr;
	struct t_io *io;

	t_init(55);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	settling();
	io = put_write(4 * LEN);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(io), LEN);
	killed_after_put();
	as_a_program();
	return t_end();
}
