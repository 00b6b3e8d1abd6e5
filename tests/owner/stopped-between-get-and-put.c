// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop a 2009 server by SIGSTOP between its GET and its PUT: no
 * other server is lent the request while it lives, however long that takes;
 * going on it answers as if nothing had been; killed while stopped, its request
 * passes on, once.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=pass-when-stopped
 * busted: module=lose-on-release
 * invariant: I1 I4 I6 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE		T_MIB
#define IOS		50
#define STOPPED_MS	2500	/* longer than anything that looks around */

struct put {
	volatile bool got;
	volatile int result;
	volatile bool done;
};

static void __attribute__((noreturn)) get_stop_put(struct put *p)
{
	static char data[T_PAGE];
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;
	int ctl = t_ctl_open(0);

	T_OK(t_get(ctl, &xfr, vecs));
	p->got = true;
	raise(SIGSTOP);
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	p->result = t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
	/* The data is ours only now; the next GET says that it is stored. */
	t_stamp_check(data, 0, T_PAGE, 1);
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	p->done = true;
	for (;;)
		pause();
}

static long work(void *arg)
{
	char *data = t_shared(T_PAGE);
	int fd = t_blk_open(0, O_RDWR | O_DIRECT), i;

	(void)arg;
	for (i = 0; i < IOS; i++)
		T_EQ(T_RET(pwrite(fd, data, T_PAGE, SIZE / 2)), T_PAGE);
	close(fd);
	return 0;
}

static pid_t stop_one(int ctl, struct put *p, struct t_io **io)
{
	pid_t pid;

	*io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	pid = t_fork(false);
	if (!pid)
		get_stop_put(p);
	T_UNTIL(p->got && t_state(pid) == 'T');
	return pid;
}

/* Others serve, and time passes; the request is the stopped server's. */
static void others_go_on(int ctl, const struct t_store *store,
			 const struct t_io *io)
{
	const struct t_server how = { .index = 0 };
	struct abuse_counters before = t_counters(ctl);
	pid_t server = t_server_start(store, &how);
	long start = t_now_ms();

	T_EQ(t_call_result(t_call_start(work, NULL)), 0);
	while (t_now_ms() - start < STOPPED_MS)
		t_pause();
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued);
	T_EQ(t_counters(ctl).ab_lent, before.ab_lent + IOS);
	T_TRUE(!io->done, "the stopped server's I/O: expected to wait, found it ended");
	t_kill(server, SIGKILL);
}

int main(void)
{
	struct put *p = t_shared(sizeof(*p));
	struct t_store store;
	struct abuse_lent lent;
	struct t_io *io;
	uint64_t requeued;
	pid_t pid;
	int ctl;

	t_init(35);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, 0);
	t_go_live(ctl);

	pid = stop_one(ctl, p, &io);
	others_go_on(ctl, &store, io);
	T_OK(T_RET(kill(pid, SIGCONT)));
	T_UNTIL(p->done);
	T_EQ(p->result, 0);
	T_EQ(t_result(io), T_PAGE);
	t_kill(pid, SIGKILL);

	p->got = false;
	requeued = t_counters(ctl).ab_requeued;
	pid = stop_one(ctl, p, &io);
	t_kill(pid, SIGKILL);
	T_EQ(t_counters(ctl).ab_requeued, requeued + 1);
	T_TRUE(!io->done, "the dead server's I/O: expected to wait, found it ended");
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_flags & ABUSE_LENT_AGAIN, ABUSE_LENT_AGAIN);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	T_EQ(t_lend(ctl, &lent, 1), 0);
	T_EQ(t_counters(ctl).ab_ended, t_counters(ctl).ab_accepted);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
