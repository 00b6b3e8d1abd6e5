// SPDX-License-Identifier: GPL-2.0-only
/*
 * seal.c - no system call but those of the serve path
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Seccomp proves that the server asks the kernel for no memory; it sees no
 * page faults and no allocations inside the kernel.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/abuse.h>

#include "backend.h"
#include "seal.h"

static int seal_backend(scmp_filter_ctx ctx, const struct backend *b)
{
	const struct scmp_arg_cmp fd = SCMP_A0(SCMP_CMP_EQ,
					       (scmp_datum_t)b->fd);
	const unsigned long *request = b->ops->ioctls;
	const int *call;
	int err = 0;

	for (call = b->ops->syscalls; !err && call && *call; call++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *call, 1, fd);
	for (; !err && request && *request; request++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_ioctl, 2, fd,
				       SCMP_A1(SCMP_CMP_EQ, *request));
	for (call = b->ops->plain_syscalls; !err && call && *call; call++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, *call, 0);
	return err;
}

static int seal_rules(scmp_filter_ctx ctx, int ctl_fd,
		      const struct backend *backend, bool looks)
{
	/* Serving; and what SIGTERM wants to know. */
	const unsigned int ctl_calls[] = {
		ABUSE_SERVE, ABUSE_GET_COUNTERS,
		/* Once, last of all: see device_bind_store(). */
		ABUSE_SET_STORE,
	};
	/* Saying something to whoever listens, coming back, ending. */
	const int plain_calls[] = {
		SYS_poll, SYS_write, SYS_rt_sigreturn, SYS_restart_syscall,
		SYS_getrusage, SYS_exit_group,
		/* The turn; and the time, where the vDSO cannot tell it. */
		SYS_futex, SYS_clock_gettime,
	};
	size_t i;
	int err = 0;

	for (i = 0; !err && i < sizeof(ctl_calls) / sizeof(*ctl_calls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_ioctl, 2,
				       SCMP_A0(SCMP_CMP_EQ,
					       (scmp_datum_t)ctl_fd),
				       SCMP_A1(SCMP_CMP_EQ, ctl_calls[i]));
	for (i = 0; !err && i < sizeof(plain_calls) / sizeof(*plain_calls); i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, plain_calls[i], 0);
	if (!err && looks)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_sysinfo, 0);
	/* Reading itself back. */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SYS_prctl, 1,
				       SCMP_A0(SCMP_CMP_EQ, PR_GET_SECCOMP));
	if (!err)
		err = seal_backend(ctx, backend);
	return err;
}

int seal(int ctl_fd, const struct backend *backend, bool looks)
{
	/* The whole process: a thread's end would leave its requests LENT. */
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!ctx)
		return -ENOMEM;
	/* All threads, or none: a lane is one. */
	err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* What the kernel says, and not -ECANCELED for all of it. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	if (!err)
		err = seal_rules(ctx, ctl_fd, backend, looks);
	if (!err)
		err = seccomp_load(ctx);
	/*
	 * Once it is loaded, releasing would give memory back with a system
	 * call that is no longer allowed.
	 */
	if (err)
		seccomp_release(ctx);
	return err;
}
