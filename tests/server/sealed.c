// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make a serving swapserver call mmap, brk and others (through
 * ptrace, in the place of the call that it sleeps in): a sealed server is
 * killed by SIGSYS at once, and so can never ask for memory unseen.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=SERVER_FLAGS=--no-sealed
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "t.h"

static const struct {
	const char *name;
	long nr;
	bool allowed;
} calls[] = {
	/* That the method itself works, and the list lets something through. */
	{ "getrusage", SYS_getrusage, true },
	{ "mmap", SYS_mmap, false },
	{ "brk", SYS_brk, false },
	{ "clone", SYS_clone, false },
	{ "openat", SYS_openat, false },
	{ "munmap", SYS_munmap, false },
};

int main(void)
{
	struct t_swapserver s;
	struct t_io *io;
	size_t i;
	int status;

	t_init(55);
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		/* A store that the next one has, too. */
		s = t_swapserver_start("--size 4M /dev/abctl0 null");
		T_UNTIL(t_stack_has(s.pid, "abuse_server_wait"));
		t_inject(s.pid, calls[i].nr);
		if (calls[i].allowed) {
			/* EFAULT, to the server, and it goes on. */
			io = t_submit(0, T_READ, 0, T_PAGE, 0);
			T_EQ(t_result(io), T_PAGE);
			t_kill(s.pid, SIGKILL);
			continue;
		}
		status = t_reap(s.pid);
		T_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS,
		       "%s: expected the server killed by SIGSYS, found status 0x%x",
		       calls[i].name, status);
	}
	return t_end();
}
