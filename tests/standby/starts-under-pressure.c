// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will, while memory is short and swapped to one device, start a
 * server of another, and upgrade the servers of the first: both come to serve,
 * and the load goes on, every word of it right.
 *
 * Where it stands: load > reclaim > bio > queue > ioctl > [server] > disk.
 *
 * time: 600
 * twin-limit: 60
 * busted: env=LOAD_PERCENT=20
 * expected-log: ^swapserver: page allocation failure: order:[0-3]|Call Trace
 * invariant: I1 I8
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "sb.h"

#define ANSWERS_MIN	2000

static void say(const char *what, long start_ms)
{
	printf("progress: %s under pressure: %ld ms\n", what,
	       t_now_ms() - start_ms);
	fflush(stdout);
}

static void start_another(void)
{
	struct t_swapserver s;
	long start = t_now_ms();

	s = t_swapserver_run("--size 4M /dev/abctl1 null");
	SB_AWAIT(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(!t_ended(s.pid), "a server of another device: expected it to serve, found: %s",
	       t_read_text("%s", s.errors));
	say("a server started", start);
	T_EQ(t_result(t_submit(1, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	T_EQ(t_result(t_submit(1, T_READ, 0, T_PAGE, 0)), T_PAGE);
	t_kill(s.pid, SIGTERM);
	SB_AWAIT(t_ended(s.pid));
	T_EQ(t_reap(s.pid), 0);
}

static void upgrade(struct sb *sb)
{
	long start = t_now_ms();
	struct t_swapserver next;

	next = t_swapserver_run("--upgrade --standby 1 /dev/abctl0 disk,path=/dev/store");
	SB_AWAIT(t_ended(next.pid) ||
		 (t_swapserver_ready(&next) && t_ended(sb->s.pid)));
	T_TRUE(!t_ended(next.pid), "an upgrade: expected it in office, found: %s",
	       t_read_text("%s", next.errors));
	say("an upgrade", start);
	T_EQ(t_reap(sb->s.pid), 0);
	sb->s = next;
	T_EQ(sb->board->supervisor, next.pid);
}

int main(void)
{
	struct sb sb;

	t_init(580);
	sb = sb_start("--standby=1 --queue=64", "/dev/abctl0 disk,path=/dev/store",
		      1);
	t_mkswap(0);
	T_OK(t_swapon(0));
	sb_lock();
	sb_swap_start(&sb);
	sb_swap_await(&sb, ANSWERS_MIN);
	start_another();
	sb_swap_await(&sb, ANSWERS_MIN);
	upgrade(&sb);
	sb_swap_await(&sb, ANSWERS_MIN);
	sb_swap_end(&sb);
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	T_OK(t_swapoff(0));
	sb_end(&sb);
	return t_end();
}
