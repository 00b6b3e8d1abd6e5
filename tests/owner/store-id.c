// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will bind a device to a store: only servers that present that
 * store's id are lent anything, by today's call or by those of 2009, also after
 * a takeover; an unbound device works for all, and RESET ends the binding.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=any-store
 * busted: module=store-kept
 * invariant: I14
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

static const uint8_t right[16] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	0, 0, 0, 0, 0, 0, 0, 0x5a,
};

static const uint8_t wrong[16] = {
	0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
	0, 0, 0, 0, 0, 0, 0, 0x5b,
};

static const uint8_t zero[16];

static int present(int ctl, const uint8_t *id, uint32_t flags)
{
	struct abuse_store s = { .ab_flags = flags };

	memcpy(s.ab_id, id, sizeof(s.ab_id));
	return t_ioctl(ctl, ABUSE_SET_STORE, &s);
}

static int get(int ctl)
{
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;

	return t_get(ctl, &xfr, vecs);
}

static int lend(int ctl)
{
	struct abuse_lent lent;
	int nr = t_lend(ctl, &lent, 1);

	if (nr == 1)
		T_OK(t_requeue(ctl, lent.ab_id));
	return nr;
}

static void arguments(int ctl)
{
	struct abuse_store s = { .ab_reserved = 1 };

	T_EQ(present(ctl, right, 0), -ENODEV);
	T_EQ(present(ctl, right, ABUSE_STORE_BIND), -ENODEV);
	t_configure(ctl, T_MIB, 8, 0);
	T_EQ(t_ioctl(ctl, ABUSE_SET_STORE, NULL), -EFAULT);
	T_EQ(present(ctl, zero, ABUSE_STORE_BIND), -EINVAL);
	T_EQ(present(ctl, right, 2), -EINVAL);
	memcpy(s.ab_id, right, sizeof(right));
	T_EQ(t_ioctl(ctl, ABUSE_SET_STORE, &s), -EINVAL);
	/* Nothing has bound it, and this is not to. */
	T_EQ(present(ctl, right, 0), -ENOMEDIUM);
	T_TRUE(!*t_attr(T_ABUSE, 0, "store_id"), "store_id: expected nothing, found %s",
	       t_attr(T_ABUSE, 0, "store_id"));
}

static void bind(int ctl)
{
	T_OK(present(ctl, right, ABUSE_STORE_BIND));
	T_TRUE(!strcmp(t_attr(T_ABUSE, 0, "store_id"),
		       "0123456789abcdef000000000000005a"), "store_id: expected 0123456789abcdef000000000000005a, found %s",
	       t_attr(T_ABUSE, 0, "store_id"));
	T_OK(present(ctl, right, 0));
	T_OK(present(ctl, right, ABUSE_STORE_BIND));
	T_EQ(present(ctl, wrong, ABUSE_STORE_BIND), -EMEDIUMTYPE);
	T_EQ(present(ctl, wrong, 0), -EMEDIUMTYPE);
	T_EQ(lend(ctl), 0);
}

/* Servers with another file, in another process, or both. */
static void others(int ctl, struct t_io *io)
{
	int other = t_ctl_open(0);
	struct abuse_lent lent;
	pid_t pid;

	/* Another file of the same process. */
	T_EQ(lend(other), -EMEDIUMTYPE);
	T_EQ(get(other), -EMEDIUMTYPE);
	T_EQ(t_serve(other, NULL, 0, &lent, 1, 0, NULL), -EMEDIUMTYPE);
	T_EQ(present(other, wrong, 0), -EMEDIUMTYPE);
	T_EQ(lend(other), -EMEDIUMTYPE);
	T_EQ(present(other, wrong, ABUSE_STORE_BIND), -EMEDIUMTYPE);
	T_EQ(lend(other), -EMEDIUMTYPE);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
	T_OK(present(other, right, 0));
	T_EQ(lend(other), 1);

	/* Another process with the file that has presented it. */
	pid = t_fork(true);
	if (!pid) {
		T_EQ(lend(other), -EMEDIUMTYPE);
		T_EQ(get(other), -EMEDIUMTYPE);
		T_OK(present(other, right, 0));
		T_EQ(lend(other), 1);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	t_ctl_close(other);
	T_TRUE(!io->done, "the I/O: expected to wait, found it ended");
}

/* The one that has it dies with it; the wrong one comes first. */
static void takeover(int ctl)
{
	volatile int *wrong_got = t_shared(T_PAGE);
	uint64_t requeued = t_counters(ctl).ab_requeued;
	pid_t pid = t_fork(false);
	int mine;

	if (!pid) {
		mine = t_ctl_open(0);
		T_OK(present(mine, right, 0));
		t_lend_one(mine);
		*wrong_got = 99;
		for (;;)
			pause();
	}
	T_UNTIL(*wrong_got == 99);
	t_kill(pid, SIGKILL);
	T_EQ(t_counters(ctl).ab_requeued, requeued + 1);
	pid = t_fork(false);
	if (!pid) {
		struct pollfd p;

		mine = t_ctl_open(0);
		T_EQ(present(mine, wrong, 0), -EMEDIUMTYPE);
		p = (struct pollfd){ .fd = mine, .events = POLLMSG };
		poll(&p, 1, 0);
		*wrong_got = lend(mine);
		T_EQ(get(mine), -EMEDIUMTYPE);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	T_EQ(*wrong_got, -EMEDIUMTYPE);
	T_EQ(t_counters(ctl).ab_nr_queued, 1);
}

int main(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	int ctl, other;

	t_init(35);
	ctl = t_ctl_open(0);
	arguments(ctl);
	bind(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	others(ctl, io);
	takeover(ctl);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);

	/* Another configuration, another store. */
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_TRUE(!*t_attr(T_ABUSE, 0, "store_id"), "store_id after RESET: expected nothing, found %s",
	       t_attr(T_ABUSE, 0, "store_id"));
	t_configure(ctl, T_MIB, 8, 0);
	T_OK(present(ctl, wrong, ABUSE_STORE_BIND));
	T_EQ(present(ctl, right, 0), -EMEDIUMTYPE);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));

	/* Unbound: for everybody; once live it stays so. */
	t_configure(ctl, T_MIB, 8, 0);
	other = t_ctl_open(0);
	T_EQ(lend(other), 0);
	T_EQ(get(other), -ENOMSG);
	T_EQ(present(ctl, right, ABUSE_STORE_BIND), -EBUSY);
	T_EQ(present(ctl, right, 0), -ENOMEDIUM);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	lent = t_lend_one(other);
	t_answer(other, &lent);
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
