// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will set and give back the reserve scope of a thread and of a
 * device, reading each back from the ioctl and from the task's own flags.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 30
 * busted: module=scope-ignored
 * invariant: I8
 */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t.h"

#ifndef PR_SET_IO_FLUSHER
#define PR_SET_IO_FLUSHER	57
#endif
#define PF_MEMALLOC		0x00000800ul
#define PF_MEMALLOC_NOIO	0x00080000ul
#define PF_LOCAL_THROTTLE	0x00100000ul
#define PF_ALL			(PF_MEMALLOC | PF_MEMALLOC_NOIO | \
				 PF_LOCAL_THROTTLE)

static int set(int ctl, uint32_t target, uint32_t scope)
{
	const struct abuse_scope s = { .ab_target = target,
				       .ab_scope = scope };

	return t_ioctl(ctl, ABUSE_SET_SCOPE, &s);
}

static int get(int ctl, uint32_t target)
{
	struct abuse_scope s = { .ab_target = target, .ab_scope = 99 };
	int err = t_ioctl(ctl, ABUSE_GET_SCOPE, &s);

	return err ? err : (int)s.ab_scope;
}

static unsigned long flags(void)
{
	return t_flags(0) & PF_ALL;
}

static void thread_scope(int ctl)
{
	const uint32_t thread = ABUSE_SCOPE_THREAD;

	T_EQ(get(ctl, thread), ABUSE_SCOPE_NONE);
	T_EQ(flags(), 0);
	T_OK(set(ctl, thread, ABUSE_SCOPE_MEMALLOC));
	T_EQ(flags(), PF_MEMALLOC);
	T_EQ(get(ctl, thread), ABUSE_SCOPE_MEMALLOC);
	T_OK(set(ctl, thread, ABUSE_SCOPE_NOIO));
	T_EQ(flags(), PF_MEMALLOC_NOIO);
	T_EQ(get(ctl, thread), ABUSE_SCOPE_NOIO);
	T_OK(set(ctl, thread, ABUSE_SCOPE_NONE));
	T_EQ(flags(), 0);
	T_EQ(get(ctl, thread), ABUSE_SCOPE_NONE);
}

/* IO_FLUSHER is somebody else's: kept, whatever is set and given back. */
static void flusher(int ctl)
{
	const unsigned long both = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;
	const uint32_t thread = ABUSE_SCOPE_THREAD;

	T_OK(prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0));
	T_EQ(flags(), both);
	T_EQ(get(ctl, thread), ABUSE_SCOPE_NOIO);
	T_OK(set(ctl, thread, ABUSE_SCOPE_MEMALLOC));
	T_EQ(flags(), both | PF_MEMALLOC);
	T_OK(set(ctl, thread, ABUSE_SCOPE_NOIO));
	T_EQ(flags(), both);
	T_OK(set(ctl, thread, ABUSE_SCOPE_NONE));
	T_EQ(flags(), both);
	T_OK(prctl(PR_SET_IO_FLUSHER, 0, 0, 0, 0));
	T_EQ(flags(), 0);
}

static void *other_thread(void *found)
{
	*(unsigned long *)found = flags();
	return NULL;
}

/* The calling thread only; children inherit it. */
static void whose(int ctl)
{
	const uint32_t thread = ABUSE_SCOPE_THREAD;
	unsigned long before;
	pthread_t other;
	volatile bool *go = t_shared(T_PAGE);
	pid_t pid = t_fork(true);

	if (!pid) {
		while (!*go)
			t_pause();
		T_EQ(flags(), 0);	/* forked before: untouched */
		_exit(0);
	}
	T_OK(set(ctl, thread, ABUSE_SCOPE_MEMALLOC));
	*go = true;
	T_EQ(t_reap(pid), 0);
	pid = t_fork(true);
	if (!pid) {
		T_EQ(flags(), PF_MEMALLOC);
		T_OK(set(ctl, thread, ABUSE_SCOPE_NONE));
		T_EQ(flags(), 0);
		/* A new thread starts with what its creator has. */
		T_OK(-pthread_create(&other, NULL, other_thread, &before));
		pthread_join(other, NULL);
		T_EQ(before, 0);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	T_EQ(flags(), PF_MEMALLOC);	/* the child's is its own */
	T_OK(set(ctl, thread, ABUSE_SCOPE_NONE));
}

/* Around each serve call, and not a moment longer. */
static void device_scope(int ctl)
{
	const uint32_t device = ABUSE_SCOPE_DEVICE;
	void *absent = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t scope;

	T_EQ(get(ctl, device), ABUSE_SCOPE_NONE);
	for (scope = 0; scope <= ABUSE_SCOPE_MEMALLOC; scope++) {
		T_OK(set(ctl, device, scope));
		T_EQ(get(ctl, device), scope);
		T_EQ(flags(), 0);
		T_OK(t_serve(ctl, NULL, 0, NULL, 0, 0, NULL));
		T_EQ(flags(), 0);
	}
	/* MEMALLOC now: the scope implies that absent memory is refused. */
	T_EQ(t_serve(ctl, absent, 1, NULL, 0, 0, NULL), -EFAULT);
	T_EQ(flags(), 0);
	T_OK(set(ctl, device, ABUSE_SCOPE_NOIO));
	T_EQ(t_serve(ctl, absent, 1, NULL, 0, 0, NULL), -EINVAL);
	/* A thread's own scope survives the call. */
	T_OK(set(ctl, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_NOIO));
	T_OK(t_serve(ctl, NULL, 0, NULL, 0, 0, NULL));
	T_EQ(flags(), PF_MEMALLOC_NOIO);
	T_OK(set(ctl, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_MEMALLOC));
	T_OK(set(ctl, device, ABUSE_SCOPE_MEMALLOC));
	T_OK(t_serve(ctl, NULL, 0, NULL, 0, 0, NULL));
	T_EQ(flags(), PF_MEMALLOC);
	T_OK(set(ctl, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_NONE));
	T_OK(set(ctl, device, ABUSE_SCOPE_NONE));
}

static void errors(int ctl)
{
	T_EQ(set(ctl, ABUSE_SCOPE_DEVICE, 3), -EINVAL);
	T_EQ(set(ctl, ABUSE_SCOPE_THREAD, 3), -EINVAL);
	T_EQ(set(ctl, ABUSE_SCOPE_THREAD, 0xffffffff), -EINVAL);
	T_EQ(set(ctl, 2, ABUSE_SCOPE_NONE), -EINVAL);
	T_EQ(get(ctl, 2), -EINVAL);
	T_EQ(get(ctl, 0xffffffff), -EINVAL);
	T_EQ(flags(), 0);
}

static void without_capability(int ctl)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct caps[2];
	pid_t pid = t_fork(true);

	if (pid) {
		T_EQ(t_reap(pid), 0);
		return;
	}
	T_OK(syscall(SYS_capget, &header, caps));
	caps[CAP_SYS_RESOURCE / 32].effective &=
		~(1u << CAP_SYS_RESOURCE % 32);
	T_OK(syscall(SYS_capset, &header, caps));
	T_EQ(set(ctl, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_MEMALLOC), -EPERM);
	T_EQ(set(ctl, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_NONE), -EPERM);
	T_EQ(set(ctl, ABUSE_SCOPE_DEVICE, ABUSE_SCOPE_MEMALLOC), -EPERM);
	T_EQ(flags(), 0);
	T_EQ(get(ctl, ABUSE_SCOPE_THREAD), ABUSE_SCOPE_NONE);
	T_EQ(get(ctl, ABUSE_SCOPE_DEVICE), ABUSE_SCOPE_NONE);
	_exit(0);
}

int main(void)
{
	int ctl;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	thread_scope(ctl);
	flusher(ctl);
	whose(ctl);
	device_scope(ctl);
	errors(ctl);
	without_capability(ctl);
	return t_end();
}
