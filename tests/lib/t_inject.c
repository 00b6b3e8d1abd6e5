// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_inject.c - a system call in another process, by ptrace
 *
 * Where it stands: [test] > server, which sleeps in a call of its own.
 */
#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "t.h"

void t_inject(pid_t pid, long nr)
{
	struct user_regs_struct regs;
	int status;

	T_OK(T_RET(ptrace(PTRACE_SEIZE, pid, NULL, NULL)));
	T_OK(T_RET(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL)));
	T_EQ(T_RET(waitpid(pid, &status, __WALL)), pid);
	T_TRUE(WIFSTOPPED(status), "ptrace: expected a stop, found 0x%x", status);
	T_OK(T_RET(ptrace(PTRACE_GETREGS, pid, NULL, &regs)));
	/* Behind the syscall instruction of the ioctl that was interrupted. */
	regs.rip -= 2;
	regs.rax = nr;
	regs.orig_rax = -1;	/* nothing to be restarted */
	regs.rdi = 0;
	regs.rsi = T_PAGE;
	regs.rdx = 3;
	regs.r10 = 0x22;
	regs.r8 = -1;
	regs.r9 = 0;
	T_OK(T_RET(ptrace(PTRACE_SETREGS, pid, NULL, &regs)));
	T_OK(T_RET(ptrace(PTRACE_DETACH, pid, NULL, NULL)));
}
