// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will PUT a WRITE from a thread that then ends.  If it ended by
 * itself it has stored what it fetched, and the WRITE is over; if it was taken
 * down by an execve() of its process it may not have, and the WRITE must be
 * lent again.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=dead-has-stored
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

#define SIZE	T_MIB
#define LEN	T_PAGE

static volatile bool is_put;
static bool stay;

static void *put_one(void *arg)
{
	static char data[LEN];
	static struct abuse_vec vecs[T_VECS];
	int ctl = *(int *)arg;
	struct abuse_xfr_hdr xfr;

	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	is_put = true;
	while (stay)
		pause();
	return NULL;
}

static void start(int *ctl, pthread_t *thread)
{
	is_put = false;
	T_OK(-pthread_create(thread, NULL, put_one, ctl));
	T_UNTIL(is_put);
}

/* The new image: it asks for work, as a server would that starts. */
static void __attribute__((noreturn)) after_exec(int ctl)
{
	struct pollfd p = { .fd = ctl, .events = POLLMSG };

	poll(&p, 1, 0);
	for (;;)
		pause();
}

static void server(void)
{
	int ctl = t_ctl_open(0);
	pthread_t thread;
	char text[16];

	T_OK(T_RET(fcntl(ctl, F_SETFD, 0)));
	stay = true;
	start(&ctl, &thread);
	snprintf(text, sizeof(text), "%d", ctl);
	execl("/proc/self/exe", "thread-gone", text, (char *)NULL);
	T_FAIL("execl: expected to go on in another image, found %s",
	       t_name(-errno));
}

int main(int argc, char **argv)
{
	struct pollfd p = { .events = POLLMSG };
	pthread_t thread;
	struct t_io *io;
	pid_t pid;
	int ctl;

	if (argc > 1)
		after_exec(atoi(argv[1]));
	t_init(55);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 4, 0);
	t_go_live(ctl);

	/* It ends by itself. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	start(&ctl, &thread);
	T_EQ(t_counters(ctl).ab_ended, 0);
	pthread_join(thread, NULL);
	p.fd = ctl;
	T_UNTIL(poll(&p, 1, 0) == 0 && t_counters(ctl).ab_ended == 1);
	T_EQ(t_result(io), LEN);

	/* It is taken down. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	pid = t_fork(false);
	if (!pid)
		server();
	T_UNTIL(t_counters(ctl).ab_nr_lent == 0 &&
		t_counters(ctl).ab_requeued + t_counters(ctl).ab_ended == 2);
	T_EQ(t_counters(ctl).ab_ended, 1);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	T_TRUE(!io->done, "a WRITE whose thread was killed: expected to wait, found it ended");
	t_kill(pid, SIGKILL);
	T_OK(t_complete(ctl, t_lend_one(ctl).ab_id));
	T_EQ(t_result(io), LEN);
	return t_end();
}
