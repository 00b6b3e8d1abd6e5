// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make every ioctl fail in each way that the header lists, and
 * see that nothing was lent, ended or changed by a call that failed.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=accept-stale
 * busted: module=short-copy
 * busted: module=complete-uncopied
 * invariant: I5 I12
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t.h"

#define SIZE	(1 * T_MIB)

/* The layouts of 2009, and that 44 bytes of the first are in use. */
_Static_assert(offsetof(struct abuse_info, ab_size) == 8, "abuse_info");
_Static_assert(offsetof(struct abuse_info, ab_number) == 16, "abuse_info");
_Static_assert(offsetof(struct abuse_info, ab_max_vecs) == 40, "abuse_info");
_Static_assert(sizeof(struct abuse_info) == 48, "abuse_info");
_Static_assert(sizeof(struct abuse_vec) == 16, "abuse_vec");
_Static_assert(sizeof(struct abuse_xfr_hdr) == 40, "abuse_xfr_hdr");
_Static_assert(offsetof(struct abuse_xfr_hdr, ab_transfer_address) == 32,
	       "abuse_xfr_hdr");
_Static_assert(sizeof(struct abuse_serve) == 32, "abuse_serve");
_Static_assert(sizeof(struct abuse_verb) == 32, "abuse_verb");
_Static_assert(sizeof(struct abuse_lent) == 32, "abuse_lent");
_Static_assert(sizeof(struct abuse_scope) == 8, "abuse_scope");
_Static_assert(sizeof(struct abuse_counters) == 200, "abuse_counters");

static char data[T_PAGE];

/* An address that the kernel must not accept. */
struct bad {
	const char *name;
	void *address;
	bool readable;	/* a call that only reads may take it */
};
static struct bad bad[10];
static int nr_bad;

static void add_bad(const char *name, void *address, bool readable)
{
	bad[nr_bad++] = (struct bad) { name, address, readable };
}

static void make_bad(void)
{
	char *pages = mmap(NULL, 3 * T_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(pages + T_PAGE, T_PAGE, PROT_NONE);
	mprotect(pages + 2 * T_PAGE, T_PAGE, PROT_READ);
	/* Far from where mmap() puts anything. */
	add_bad("unmapped", (void *)0x100000000000ul, false);
	add_bad("PROT_NONE", pages + T_PAGE, false);
	add_bad("read-only", pages + 2 * T_PAGE, true);
	add_bad("near zero", (void *)8, false);
	add_bad("direct map", (void *)0xffff888000001000ul, false);
	add_bad("kernel text", (void *)0xffffffff81000000ul, false);
	add_bad("vsyscall", (void *)0xffffffffff600000ul, false);
	add_bad("not canonical", (void *)0x8000000000000000ul, false);
	add_bad("top", (void *)0xffffffffffffffe0ul, false);
}

/* What a call that fails must leave alone. */
static bool same(const struct abuse_counters *a, const struct abuse_counters *b)
{
	struct abuse_counters x = *a, y = *b;

	x.ab_serve_calls = y.ab_serve_calls = 0;
	x.ab_nr_servers = y.ab_nr_servers = 0;
	return !memcmp(&x, &y, sizeof(x));
}

#define UNCHANGED(expr, want)						\
	do {								\
		struct abuse_counters before = t_counters(ctl), after;	\
		T_EQ(expr, want);					\
		after = t_counters(ctl);				\
		T_TRUE(same(&before, &after),				\
		       "%s: expected unchanged counters, found others",	\
		       #expr);						\
	} while (0)

static void bad_numbers(int ctl)
{
	static const unsigned int numbers[] = {
		0x411f, 0x412c, 0x412d, 0x412e, 0x412f, 0xffffffff, 0x0, 0x4020,
		0x40004120, 0xc0004126, 0x80004129,
	};
	struct abuse_info info = { 0 };
	size_t i;

	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		UNCHANGED(t_ioctl(ctl, numbers[i], &info), -ENOTTY);
		UNCHANGED(t_ioctl(ctl, numbers[i], NULL), -ENOTTY);
	}
}

static void bad_addresses(int ctl)
{
	static const struct {
		unsigned int cmd;
		int null;	/* the errno for NULL */
		bool writes;	/* before it looks at anything else */
	} calls[] = {
		{ ABUSE_GET_STATUS, -EINVAL, true },
		{ ABUSE_SET_STATUS, -EFAULT, false },
		{ ABUSE_GET_BIO, -EINVAL, false },
		{ ABUSE_PUT_BIO, -EINVAL, false },
		{ ABUSE_SERVE, -EFAULT, false },
		{ ABUSE_SET_SCOPE, -EFAULT, false },
		{ ABUSE_GET_SCOPE, -EFAULT, true },
		{ ABUSE_GET_COUNTERS, -EFAULT, true },
	};
	size_t i;
	int j;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		UNCHANGED(t_ioctl(ctl, calls[i].cmd, NULL), calls[i].null);
		for (j = 0; j < nr_bad; j++) {
			if (bad[j].readable && !calls[i].writes)
				continue;
			T_TRUE(t_ioctl(ctl, calls[i].cmd, bad[j].address) ==
			       -EFAULT, "ioctl 0x%x with an address that is %s: expected -EFAULT, found something else",
			       calls[i].cmd, bad[j].name);
		}
	}
	/* The copy of a structure that begins well and ends badly. */
	UNCHANGED(t_ioctl(ctl, ABUSE_GET_COUNTERS, (char *)bad[1].address - 64),
		  -EFAULT);
}

static void not_configured(int ctl)
{
	struct abuse_xfr_hdr xfr = { .ab_id = 1ull << 32 };
	struct abuse_lent lent;

	UNCHANGED(t_ioctl(ctl, ABUSE_RESET, NULL), -EINVAL);
	UNCHANGED(t_lend(ctl, &lent, 1), -ENODEV);
	UNCHANGED(t_complete(ctl, 1ull << 32), -ENODEV);
	UNCHANGED(t_get(ctl, &xfr, NULL), -ENOMSG);
	xfr.ab_id = 1ull << 32;
	UNCHANGED(t_put(ctl, &xfr, NULL, 0), -ENOMSG);
}

/* 44 bytes, not 48: what lies behind them is neither read nor written. */
static void padding(int ctl)
{
	struct abuse_info info;
	char *pages = mmap(NULL, 2 * T_PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *edge = pages + T_PAGE - 44;
	const struct abuse_info want = {
		.ab_size = SIZE, .ab_blocksize = T_PAGE, .ab_max_queue = 8,
	};

	memset(&info, 0xa5, sizeof(info));
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_TRUE(!memcmp((char *)&info + 44, "\xa5\xa5\xa5\xa5", 4),
	       "GET_STATUS: expected bytes 44..47 untouched, found them written");
	munmap(pages + T_PAGE, T_PAGE);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, edge));
	memcpy(edge, &want, 44);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, edge));
}

static void calls(int ctl)
{
	struct abuse_verb verbs[1] = { { 0 } };
	struct abuse_lent lent;
	uint32_t done = 0;

	UNCHANGED(t_serve(ctl, NULL, 0, &lent, 1, 4 | ABUSE_SERVE_NOWAIT, NULL),
		  -EINVAL);
	UNCHANGED(t_serve(ctl, NULL, 0, &lent, 1, 0x80000001, NULL), -EINVAL);
	UNCHANGED(t_serve(ctl, verbs, ABUSE_SERVE_LIMIT + 1, NULL, 0, 0, NULL),
		  -E2BIG);
	UNCHANGED(t_serve(ctl, NULL, 0, &lent, ABUSE_SERVE_LIMIT + 1,
			  ABUSE_SERVE_NOWAIT, NULL), -E2BIG);
	UNCHANGED(t_serve(ctl, verbs, 0xffffffff, &lent, 0xffffffff, 0, NULL),
		  -E2BIG);
	UNCHANGED(t_serve(ctl, NULL, 1, NULL, 0, 0, &done), -EFAULT);
	T_EQ(done, 0);
	/* Nothing asked for: nothing is waited for. */
	UNCHANGED(t_serve(ctl, NULL, 0, NULL, 0, 0, &done), 0);
	UNCHANGED(t_serve(ctl, NULL, 0, &lent, 1, ABUSE_SERVE_NOWAIT, NULL), 0);
}

static void unknown_ids(int ctl)
{
	static const uint64_t ids[] = {
		0, 1, 1ull << 32, (1ull << 32) | 7, (1ull << 32) | 8,
		0xffffffffull, ~0ull, 0xffff888000001000ull,
	};
	uint32_t verb;
	size_t i;
	int err;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct abuse_xfr_hdr xfr = { .ab_id = ids[i] };

		for (verb = 1; verb <= 5; verb++) {
			err = t_verb(ctl, verb, ids[i], data, 0, 512);
			/* That there is no such slot may be said, too. */
			T_TRUE(err == -ESTALE || err == -EINVAL,
			       "verb %u, id 0x%llx that names nothing: expected -ESTALE, found %s",
			       verb, (unsigned long long)ids[i], t_name(err));
		}
		err = t_put(ctl, &xfr, NULL, 0);
		T_TRUE(err == -ENOMSG || err == -ESTALE,
		       "PUT of id 0x%llx that names nothing: expected -ENOMSG, found %s",
		       (unsigned long long)ids[i], t_name(err));
	}
	UNCHANGED(t_verb(ctl, 0, 1ull << 32, data, 0, 512), -EINVAL);
	UNCHANGED(t_verb(ctl, 7, 1ull << 32, data, 0, 512), -EINVAL);
	UNCHANGED(t_verb(ctl, 0xffffffff, 1ull << 32, data, 0, 512), -EINVAL);
}

/* All that can be wrong with a verb on a request that is the caller's. */
static void verbs_on(int ctl, const struct abuse_lent *lent, bool write)
{
	uint32_t right = write ? ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN;
	uint32_t wrong = write ? ABUSE_VERB_COPY_IN : ABUSE_VERB_COPY_OUT;
	uint64_t id = lent->ab_id;
	int i;

	UNCHANGED(t_verb(ctl, wrong, id, data, 0, 512), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id, data, 0, T_PAGE + 1), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id, data, T_PAGE, 1), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id, data, 1, T_PAGE), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id, data, 0xfffff000, 0x1001), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id, data, 0xffffffff, 0xffffffff),
		  -EINVAL);
	UNCHANGED(t_verb(ctl, 0, id, data, 0, 512), -EINVAL);
	UNCHANGED(t_verb(ctl, 6, id, data, 0, 512), -EINVAL);
	UNCHANGED(t_verb(ctl, right, id + (1ull << 32), data, 0, 512), -ESTALE);
	UNCHANGED(t_verb(ctl, right, id, NULL, 0, T_PAGE), -EFAULT);
	for (i = 0; i < nr_bad; i++) {
		int err = t_verb(ctl, right, id, bad[i].address, 0, T_PAGE);
		int want = bad[i].readable && !write ? 0 : -EFAULT;

		T_TRUE(err == want, "copy with an address that is %s: expected %s, found %s",
		       bad[i].name, t_name(want), t_name(err));
	}
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
}

/* A verb that fails ends the call: those before it are done, none after. */
static void failing_verb_ends_call(int ctl, uint64_t id)
{
	const struct abuse_verb verbs[] = {
		{ .ab_id = id, .ab_address = (uintptr_t)data,
		  .ab_len_bytes = 512, .ab_verb = ABUSE_VERB_COPY_OUT },
		{ .ab_id = id, .ab_verb = 77 },
		{ .ab_id = id, .ab_verb = ABUSE_VERB_COMPLETE },
	};
	struct abuse_lent lent;
	uint32_t done = 99;

	memset(data, 0, sizeof(data));
	UNCHANGED(t_serve(ctl, verbs, 3, &lent, 1, 0, &done), -EINVAL);
	T_EQ(done, 1);
	T_TRUE(t_stamp_is(data, 0, 512, 1),
	       "the verb before the one that failed: expected its 512 bytes copied, found others");
}

static void bad_place_for_requests(int ctl)
{
	struct abuse_counters before = t_counters(ctl), after;
	int i;

	T_EQ(before.ab_nr_queued, 1);
	for (i = 0; i < nr_bad; i++)
		T_TRUE(t_lend(ctl, bad[i].address, 1) == -EFAULT,
		       "requests to an address that is %s: expected -EFAULT, found something else",
		       bad[i].name);
	after = t_counters(ctl);
	T_EQ(after.ab_nr_queued, 1);
	T_EQ(after.ab_nr_lent, before.ab_nr_lent);
	T_EQ(after.ab_requeued - before.ab_requeued, nr_bad);
	T_EQ(after.ab_ended, before.ab_ended);
}

static void lent_requests(int ctl)
{
	struct t_io *write, *read, *other;
	struct abuse_lent lent;

	write = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	verbs_on(ctl, &lent, true);
	other = t_submit_accepted(ctl, 0, T_WRITE, T_PAGE, T_PAGE, 0);
	failing_verb_ends_call(ctl, lent.ab_id);
	bad_place_for_requests(ctl);
	T_OK(t_complete(ctl, lent.ab_id));
	/* First: when it ends, it closes the device. */
	T_EQ(t_result(write), T_PAGE);
	UNCHANGED(t_complete(ctl, lent.ab_id), -ESTALE);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(other), T_PAGE);

	read = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	/* Before verbs_on(): a copy there may succeed. */
	UNCHANGED(t_complete(ctl, lent.ab_id), -EINVAL);
	verbs_on(ctl, &lent, false);
	t_answer(ctl, &lent);
	T_EQ(t_result(read), T_PAGE);
}

static void nothing(int sig)
{
	(void)sig;
}

/* A signal ends the wait; the verbs have been carried out by then. */
static void interrupted(int ctl)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	struct sigaction action = { .sa_handler = nothing };
	pid_t pid = t_fork(false);

	if (!pid) {
		struct abuse_verb verb = { .ab_verb = ABUSE_VERB_COMPLETE };
		struct abuse_lent lent;
		uint32_t done = 99;
		int own = t_ctl_open(0);

		sigaction(SIGUSR1, &action, NULL);
		verb.ab_id = t_lend_one(own).ab_id;
		T_EQ(t_serve(own, &verb, 1, &lent, 1, 0, &done), -EINTR);
		T_EQ(done, 1);
		_exit(0);
	}
	T_EQ(t_result(io), T_PAGE);
	T_UNTIL(t_ended(pid) || t_stack_has(pid, "abuse_server_wait"));
	t_kill(pid, SIGUSR1);
	T_EQ(t_reap(pid), 0);
}

/* Eight processes serve through one open file; the ninth is refused. */
static void too_many_servers(int ctl)
{
	volatile int *errs = t_shared(T_PAGE);
	int shared = t_ctl_open(0);
	pid_t pids[8], ninth;
	int i;

	for (i = 0; i < 8; i++) {
		pids[i] = t_fork(true);
		if (!pids[i]) {
			T_OK(t_serve(shared, NULL, 0, NULL, 0, 0, NULL));
			for (;;)
				pause();
		}
	}
	T_UNTIL(t_counters(ctl).ab_nr_servers == 9);	/* and this one */
	ninth = t_fork(true);
	if (!ninth) {
		struct abuse_xfr_hdr xfr = { 0 };

		errs[0] = t_serve(shared, NULL, 0, NULL, 0, 0, NULL);
		errs[1] = t_get(shared, &xfr, NULL);
		errs[2] = t_put(shared, &xfr, NULL, 0);
		errs[3] = t_ioctl(shared, ABUSE_RESET, NULL);
		_exit(0);
	}
	T_EQ(t_reap(ninth), 0);
	for (i = 0; i < 4; i++)
		T_EQ(errs[i], -EUSERS);
	/* When one of the eight goes, there is room. */
	t_kill(pids[3], SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_servers == 8);
	T_OK(t_serve(shared, NULL, 0, NULL, 0, 0, NULL));
	for (i = 0; i < 8; i++)
		if (i != 3)
			t_kill(pids[i], SIGKILL);
	t_ctl_close(shared);
}

int main(void)
{
	struct abuse_info info = { .ab_size = SIZE, .ab_blocksize = T_PAGE };
	int ctl;

	t_init(50);
	make_bad();
	ctl = t_ctl_open(0);
	bad_numbers(ctl);
	bad_addresses(ctl);
	not_configured(ctl);
	padding(ctl);
	bad_numbers(ctl);
	bad_addresses(ctl);
	UNCHANGED(t_ioctl(ctl, ABUSE_SET_STATUS, &info), -EBUSY);
	calls(ctl);
	unknown_ids(ctl);
	lent_requests(ctl);
	interrupted(ctl);
	too_many_servers(ctl);
	return t_end();
}
