// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will give a thread the memalloc scope and follow it: it is
 * inherited over fork, kept over exec and setuid, has effect on every system
 * call, and goes with NONE, in the process that says so and in no other.
 *
 * Where it stands: [ioctl] > server.
 *
 * time: 30
 * busted: module=scope-ignored
 * invariant: I8
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define PF_MEMALLOC	0x00000800ul

static unsigned long memalloc(void)
{
	return t_flags(0) & PF_MEMALLOC;
}

static void set(int ctl, uint32_t scope)
{
	const struct abuse_scope s = { .ab_target = ABUSE_SCOPE_THREAD,
				       .ab_scope = scope };
	struct abuse_scope back = { .ab_target = ABUSE_SCOPE_THREAD };

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &s));
	T_OK(t_ioctl(ctl, ABUSE_GET_SCOPE, &back));
	T_EQ(back.ab_scope, scope);
}

/* This program again, in a child: its exit status. */
static int again(const char *how)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		if (!strcmp(how, "nobody") && setuid(65534))
			_exit(99);
		execl("/proc/self/exe", "again", how, NULL);
		_exit(98);
	}
	return WEXITSTATUS(t_reap(pid));
}

/* After the exec: 10 with the flag, 11 without; "none" gives it back. */
static int executed(const char *how)
{
	bool has = memalloc();
	int ctl;

	if (!strcmp(how, "none")) {
		ctl = t_ctl_open(0);
		set(ctl, ABUSE_SCOPE_NONE);
		has = memalloc();
	}
	return has ? 10 : 11;
}

int main(int argc, char **argv)
{
	pid_t pid;
	int ctl;

	if (argc > 1)
		return executed(argv[1]);
	t_init(25);
	ctl = t_ctl_open(0);
	T_EQ(again("plain"), 11);
	set(ctl, ABUSE_SCOPE_MEMALLOC);
	T_EQ(memalloc(), PF_MEMALLOC);
	T_EQ(again("plain"), 10);
	T_EQ(again("nobody"), 10);
	/* The file need not be open any more, nor the device be configured. */
	t_ctl_close(ctl);
	T_EQ(memalloc(), PF_MEMALLOC);
	T_EQ(again("none"), 11);
	T_EQ(memalloc(), PF_MEMALLOC);
	pid = t_fork(false);
	if (!pid) {
		pid = fork();
		if (!pid)
			_exit(memalloc() ? 10 : 11);
		waitpid(pid, &ctl, 0);
		_exit(WEXITSTATUS(ctl));
	}
	T_EQ(WEXITSTATUS(t_reap(pid)), 10);
	ctl = t_ctl_open(0);
	set(ctl, ABUSE_SCOPE_NONE);
	T_EQ(memalloc(), 0);
	T_EQ(again("plain"), 11);
	return t_end();
}
