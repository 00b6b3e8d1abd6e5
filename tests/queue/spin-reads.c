// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let a reader that has nothing else in flight look for its
 * answer before it sleeps (read_spin_us): one on another processor than the
 * server's hardly sleeps, as it does without; one on the server's own
 * processor, more urgent than the server, does not keep it from answering by
 * looking; and one that has another read in flight does not look.
 *
 * Where it stands: [bio] > queue > ioctl > server > [completion].
 *
 * time: 60
 * busted: module=read-spin-never
 * busted: module=spin-hogs
 * busted: module=read-spin-always
 * not-on: um it has one processor
 * not-on: debug a request takes longer there than the longest time to look
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	T_MIB
#define NR	200
/* The most that it takes. */
#define SPIN_US "10000"
#define SPIN_MS 10

static struct seen {
	long sleeps;	/* of the reader, in io_getevents() */
	long cpu_ms;
} *seen;

static void on_cpu(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	T_OK(T_RET(sched_setaffinity(pid, sizeof(set), &set)));
}

/* NR reads, one after the other, by a process on that processor. */
static struct seen reads(int cpu, const char *spin_us, bool urgent)
{
	struct sched_param first = { .sched_priority = 10 };
	pid_t pid;
	unsigned long ctx = 0;
	struct rusage before, after;
	void *page = NULL;
	int blk, i;

	t_policy(0, "read_spin_us", spin_us);
	pid = t_fork(false);
	if (pid) {
		T_EQ(t_reap(pid), 0);
		return *seen;
	}
	on_cpu(0, cpu);
	if (urgent)
		T_OK(T_RET(sched_setscheduler(0, SCHED_FIFO, &first)));
	T_TRUE(!posix_memalign(&page, T_PAGE, T_PAGE), "expected a page");
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	T_OK(t_aio_setup(1, &ctx));
	T_OK(T_RET(getrusage(RUSAGE_SELF, &before)));
	for (i = 0; i < NR; i++) {
		T_OK(t_aio_submit(ctx, blk, T_READ, page, T_PAGE,
				  i % 256 * T_PAGE, 0));
		T_EQ(t_aio_result(ctx), T_PAGE);
	}
	T_OK(T_RET(getrusage(RUSAGE_SELF, &after)));
	seen->sleeps = after.ru_nvcsw - before.ru_nvcsw;
	seen->cpu_ms = (after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 +
		       (after.ru_stime.tv_usec - before.ru_stime.tv_usec) /
			       1000;
	_exit(0);
}

/* With one on its way, the second is not waited for. */
static void two(pid_t server)
{
	char *pages = NULL;
	unsigned long ctx = 0;
	int blk, i, nr_slow = 0;
	long ms;

	T_TRUE(!posix_memalign((void **)&pages, T_PAGE, 2 * T_PAGE),
	       "expected two pages");
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	T_OK(t_aio_setup(2, &ctx));
	/* Not each one: the host has other things to do, and so has the guest. */
	for (i = 0; i < 12; i++) {
		T_OK(T_RET(kill(server, SIGSTOP)));
		t_policy(0, "read_spin_us", "0");
		T_OK(t_aio_submit(ctx, blk, T_READ, pages, T_PAGE, 0, 0));
		t_policy(0, "read_spin_us", SPIN_US);
		ms = t_now_ms();
		T_OK(t_aio_submit(ctx, blk, T_READ, pages + T_PAGE, T_PAGE,
				  T_PAGE, 0));
		ms = t_now_ms() - ms;
		nr_slow += ms >= SPIN_MS / 2;
		T_OK(T_RET(kill(server, SIGCONT)));
		T_EQ(t_aio_result(ctx), T_PAGE);
		T_EQ(t_aio_result(ctx), T_PAGE);
	}
	T_TRUE(nr_slow < 3,
	       "second reads of 12 that took %d ms to be on their way: expected less than 3, found %d",
	       SPIN_MS / 2, nr_slow);
}

int main(void)
{
	struct t_server how = { .number = 0 };
	struct seen without, with, beside;
	struct t_store store;
	pid_t server;
	int ctl;

	t_init(55);
	seen = t_shared(sizeof(*seen));
	ctl = t_ctl_open(0);
	store = t_store_make(SIZE);
	t_configure(ctl, SIZE, 8, 0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	on_cpu(server, 1);

	without = reads(0, "0", false);
	T_TRUE(without.sleeps >= NR / 2,
	       "sleeps of a reader in %d reads, read_spin_us 0: expected one in most, found %ld",
	       NR, without.sleeps);
	with = reads(0, SPIN_US, false);
	T_TRUE(with.sleeps <= without.sleeps / 2,
	       "sleeps in %d reads with read_spin_us " SPIN_US ": expected at most half of %ld, found %ld",
	       NR, without.sleeps, with.sleeps);
	beside = reads(1, SPIN_US, true);
	T_TRUE(beside.cpu_ms < NR * SPIN_MS / 8,
	       "processor time of a reader for %d reads beside the server: expected less than %d ms, found %ld",
	       NR, NR * SPIN_MS / 8, beside.cpu_ms);
	two(server);
	t_kill(server, SIGKILL);
	t_ctl_close(ctl);
	return t_end();
}
