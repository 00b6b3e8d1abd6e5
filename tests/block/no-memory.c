// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make each allocation of ABUSE_SET_STATUS fail in turn: ENOMEM
 * and the device as it was before, or success when the kernel had another way;
 * and once none fails, the device works.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 60
 * kernels: debug
 * busted: env=T_TWIN=no-injection
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_block.h"

#define ATTEMPTS_MAX	500
#define INJECTORS	2

static const char *const injectors[INJECTORS] = { "failslab",
						  "fail_page_alloc" };

/* Allocations that may sleep fail as well; only those of fail-nth. */
static void prepare(void)
{
	int i;

	for (i = 0; i < INJECTORS; i++) {
		if (t_attr_set("N", "/sys/kernel/debug/%s/ignore-gfp-wait",
			       injectors[i]))
			t_skip("this kernel has no %s", injectors[i]);
		T_OK(t_attr_set("0", "/sys/kernel/debug/%s/verbose",
				injectors[i]));
	}
	/* It is counted with them where it is there. */
	t_attr_set("0", "/sys/kernel/debug/fail_usercopy/verbose");
	T_OK(t_attr_set("0", "/sys/kernel/debug/fail_page_alloc/min-order"));
}

/*
 * The thread that calls.  It makes no other system call while the count is set:
 * a copy of its own from or to the kernel would be counted, too.
 */
static struct {
	int ctl;
	_Atomic pid_t tid;
	_Atomic bool go, done;
	int ret;
} caller;

static void *call(void *unused)
{
	const struct abuse_info info = {
		.ab_size = T_MIB,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 64,
	};

	(void)unused;
	caller.tid = (pid_t)syscall(SYS_gettid);
	for (;;) {
		while (!caller.go)
			;
		caller.go = false;
		caller.ret = t_ioctl(caller.ctl, ABUSE_SET_STATUS, &info);
		caller.done = true;
	}
	return NULL;
}

/* What the call said; *injected: an allocation failed in it. */
static int configure_failing(int nth, bool *injected)
{
	char path[60], text[20] = "0";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", caller.tid);
	fd = T_OK(T_RET(open(path, O_RDWR | O_CLOEXEC)));
	if (!t_twin("no-injection"))
		snprintf(text, sizeof(text), "%d", nth);
	T_OK(T_RET(write(fd, text, strlen(text))));
	caller.done = false;
	caller.go = true;
	T_UNTIL(caller.done);
	memset(text, 0, sizeof(text));
	T_OK(T_RET(pread(fd, text, sizeof(text) - 1, 0)));
	T_OK(T_RET(write(fd, "0", 1)));
	close(fd);
	/* What is left of the count: 0 once the nth was reached. */
	*injected = !t_twin("no-injection") && !atoi(text);
	return caller.ret;
}

static void is_untouched(int ctl)
{
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_size, 0);
	T_EQ(info.ab_max_queue, 0);
	T_EQ(t_counters(ctl).ab_nr_slots, 0);
	T_EQ(t_counters(ctl).ab_nr_clones, 0);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EINVAL);
}

int main(void)
{
	int ctl, nth, ret, refused = 0;
	struct abuse_lent lent;
	bool injected = true;
	pthread_t thread;
	struct t_io *io;

	t_init(55);
	prepare();
	ctl = t_ctl_open(0);
	caller.ctl = ctl;
	T_EQ(pthread_create(&thread, NULL, call, NULL), 0);
	T_UNTIL(caller.tid);
	for (nth = 1; injected; nth++) {
		T_TRUE(nth < ATTEMPTS_MAX,
		       "allocations of one call: expected fewer than %d", ATTEMPTS_MAX);
		ret = configure_failing(nth, &injected);
		if (ret) {
			/* Where the copy of the argument fails, too. */
			if (ret != -EFAULT)
				T_EQ(ret, -ENOMEM);
			is_untouched(ctl);
			refused += ret == -ENOMEM;
		} else if (injected) {
			T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
		}
	}
	T_TRUE(refused >= 2, "failures: expected at least two, found %d",
	       refused);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
