// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let a server look for requests before it sleeps (spin_us):
 * one submitter on another processor is answered without the server's going
 * to sleep each time, as it does without; and one on the server's own
 * processor does not wait until the server has looked long enough, real-time
 * though that is.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 60
 * busted: module=spin-never
 * busted: module=spin-hogs
 * not-on: um it has one processor
 * not-on: debug a request takes longer there than the longest time to look
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE		T_MIB
#define NR		200
/* The most that it takes: whoever waits for it all the time is seen to. */
#define SPIN_US		"10000"
#define SPIN_MS		10

static void on_cpu(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	T_OK(T_RET(sched_setaffinity(pid, sizeof(set), &set)));
}

/* NR reads, one after the other, by a process on that processor. */
static void reads(int cpu)
{
	pid_t pid = t_fork(false);
	unsigned long ctx = 0;
	void *page = NULL;
	int blk, i;

	if (pid) {
		T_EQ(t_reap(pid), 0);
		return;
	}
	on_cpu(0, cpu);
	T_TRUE(!posix_memalign(&page, T_PAGE, T_PAGE), "expected a page");
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	T_OK(t_aio_setup(1, &ctx));
	for (i = 0; i < NR; i++) {
		T_OK(t_aio_submit(ctx, blk, T_READ, page, T_PAGE,
				  i % 256 * T_PAGE, 0));
		T_EQ(t_aio_result(ctx), T_PAGE);
	}
	_exit(0);
}

/* How often it has gone to sleep. */
static long sleeps(pid_t pid)
{
	const char *at = strstr(t_read_text("/proc/%d/status", pid),
				"\nvoluntary_ctxt_switches:");

	T_TRUE(at, "expected voluntary_ctxt_switches in status, found none");
	return atol(strchr(at, ':') + 1);
}

static long slept_for_reads(pid_t server, const char *spin_us)
{
	long before;

	t_policy(0, "spin_us", spin_us);
	reads(0);
	before = sleeps(server);
	reads(0);
	return sleeps(server) - before;
}

static long cpu_ms(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	T_EQ(clock_getcpuclockid(pid, &clock), 0);
	T_OK(T_RET(clock_gettime(clock, &t)));
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int main(void)
{
	struct sched_param first = { .sched_priority = 10 };
	struct t_server how = { .number = 0 };
	struct t_store store;
	long without, with, ms;
	pid_t server;
	int ctl;

	t_init(55);
	ctl = t_ctl_open(0);
	store = t_store_make(SIZE);
	t_configure(ctl, SIZE, 8, 0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	on_cpu(server, 1);
	T_OK(T_RET(sched_setscheduler(server, SCHED_FIFO, &first)));

	without = slept_for_reads(server, "0");
	T_TRUE(without >= NR / 2,
	       "sleeps of a server for %d reads, spin_us 0: expected one for most, found %ld",
	       NR, without);
	with = slept_for_reads(server, SPIN_US);
	T_TRUE(with <= without / 2,
	       "sleeps for %d reads with spin_us " SPIN_US ": expected at most half of %ld, found %ld",
	       NR, without, with);

	ms = cpu_ms(server);
	reads(1);
	ms = cpu_ms(server) - ms;
	T_TRUE(ms < NR * SPIN_MS / 2,
	       "processor time of a server for %d reads by a task that wants the same processor: expected less than %d ms, found %ld",
	       NR, NR * SPIN_MS / 2, ms);
	t_kill(server, SIGKILL);
	t_ctl_close(ctl);
	return t_end();
}
