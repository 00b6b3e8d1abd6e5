// SPDX-License-Identifier: GPL-2.0-only
/*
 * fake-kernel.c - libabuse's serving side against a kernel of our own making
 *
 * Where it stands: [ioctl, played here] > server > completion.
 * Compiled with the library's sources and run by test_libabuse.py, without any
 * guest: what a real kernel does once in a long while (absent memory, requests
 * that somebody takes away in the middle of a round) is done here every time.
 * Exit 0: all as expected; else one line that says what was not.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libabuse.h"

#define FAIL(...)							\
	do {								\
		fprintf(stderr, "%s:%d: ", __func__, __LINE__);		\
		fprintf(stderr, __VA_ARGS__);				\
		fputc('\n', stderr);					\
		exit(1);						\
	} while (0)
#define EQ(expr, want)							\
	do {								\
		long long eq_found = (long long)(expr);			\
		long long eq_want = (long long)(want);			\
		if (eq_found != eq_want)				\
			FAIL("%s: expected %lld, found %lld", #expr,	\
			     eq_want, eq_found);			\
	} while (0)

#define REQUESTS	32
#define DATA_BYTES	(64 * 1024)
#define SIZE_BYTES	(1024 * 1024)
#define PAGE_BYTES	4096
#define UNANSWERED	-1

/* A request, as the kernel has it; its id is its index and 100. */
struct request {
	struct abuse_lent lent;
	unsigned char data[DATA_BYTES];
	uint32_t copied_bytes;
	int answer;		/* UNANSWERED, 0 or the error of FAIL */
	int gone_after;		/* verbs on it that work; -1: all do */
};

static struct kernel {
	struct request requests[REQUESTS];
	unsigned int nr, nr_lent;
	unsigned int nr_absent;	/* calls that find memory absent, */
	unsigned int absent_at;	/* when so many verbs were done */
	bool lose_count;	/* and cannot say how many */
	bool interrupts;	/* once everything was lent */
	unsigned int nr_calls, nr_waits;
} k;

static int k_verb(const struct abuse_verb *v)
{
	bool in = (v->ab_verb & ~ABUSE_VERB_AND_COMPLETE) == ABUSE_VERB_COPY_IN;
	struct request *rq = &k.requests[v->ab_id - 100];

	if (v->ab_id < 100 || v->ab_id >= 100 + k.nr)
		return EINVAL;
	if (rq->answer != UNANSWERED || !rq->gone_after)
		return ESTALE;
	if (rq->gone_after > 0)
		rq->gone_after--;
	switch (v->ab_verb & ~ABUSE_VERB_AND_COMPLETE) {
	case ABUSE_VERB_COPY_OUT:
	case ABUSE_VERB_COPY_IN:
		if (v->ab_offset_bytes + v->ab_len_bytes >
		    rq->lent.ab_len_bytes || !v->ab_len_bytes)
			return EINVAL;
		if (in !=
		    (rq->lent.ab_command == ABUSE_READ))
			return EINVAL;
		if (!in)
			memcpy((void *)(uintptr_t)v->ab_address,
			       rq->data + v->ab_offset_bytes, v->ab_len_bytes);
		else if (v->ab_offset_bytes != rq->copied_bytes)
			return EINVAL;
		else
			memcpy(rq->data + v->ab_offset_bytes,
			       (void *)(uintptr_t)v->ab_address,
			       v->ab_len_bytes);
		rq->copied_bytes += v->ab_len_bytes;
		if (!(v->ab_verb & ABUSE_VERB_AND_COMPLETE))
			return 0;
		/* fall through */
	case ABUSE_VERB_COMPLETE:
		if (rq->lent.ab_command == ABUSE_READ &&
		    rq->copied_bytes != rq->lent.ab_len_bytes)
			return EINVAL;
		rq->answer = 0;
		return 0;
	case ABUSE_VERB_FAIL:
		rq->answer = v->ab_error;
		return 0;
	}
	return EINVAL;
}

static int k_serve(struct abuse_serve *s)
{
	const struct abuse_verb *verbs = (void *)(uintptr_t)s->ab_verbs;
	struct abuse_lent *lent = (void *)(uintptr_t)s->ab_requests;
	unsigned int done, nr = 0;

	k.nr_calls++;
	for (done = 0; done < s->ab_nr_verbs; done++) {
		if (k.nr_absent && k.absent_at == done) {
			k.nr_absent--;
			errno = EFAULT;
			break;
		}
		errno = k_verb(&verbs[done]);
		if (errno)
			break;
	}
	if (!k.lose_count)
		s->ab_nr_verbs_done = done;
	else if (errno != EFAULT && done == s->ab_nr_verbs)
		errno = EFAULT;
	k.lose_count = false;
	if (done < s->ab_nr_verbs || errno == EFAULT)
		return -1;
	while (nr < s->ab_nr_requests && k.nr_lent < k.nr)
		lent[nr++] = k.requests[k.nr_lent++].lent;
	if (nr || !s->ab_nr_requests || s->ab_flags & ABUSE_SERVE_NOWAIT)
		return nr;
	k.nr_waits++;
	errno = k.interrupts ? EINTR : ENODEV;
	return -1;
}

int ioctl(int fd, unsigned long command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != 3 || command != ABUSE_SERVE)
		FAIL("ioctl 0x%lx of %d: not expected", command, fd);
	errno = 0;
	return k_serve(arg);
}

static struct request *k_add(uint32_t command, uint64_t offset_bytes,
			     uint32_t len_bytes, uint32_t flags)
{
	struct request *rq = &k.requests[k.nr];

	if (k.nr == REQUESTS)
		FAIL("more than %d requests", REQUESTS);
	rq->lent.ab_id = 100 + k.nr++;
	rq->lent.ab_sector = offset_bytes / 512;
	rq->lent.ab_len_bytes = len_bytes;
	rq->lent.ab_command = command;
	rq->lent.ab_flags = flags;
	rq->answer = UNANSWERED;
	rq->gone_after = -1;
	rq->copied_bytes = 0;
	memset(rq->data, command == ABUSE_WRITE ? 'w' : 0, DATA_BYTES);
	return rq;
}

static struct abuse_dev k_reset(void)
{
	memset(&k, 0, sizeof(k));
	return (struct abuse_dev){ .fd = 3, .size_bytes = SIZE_BYTES };
}

/* --------------------------------------------------------- abuse_serve */

static char page[PAGE_BYTES];

static void stale(void)
{
	struct abuse_dev dev = k_reset();
	struct request *a = k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	struct request *b = k_add(ABUSE_WRITE, 0, PAGE_BYTES, 0);
	struct abuse_verb verbs[8];
	struct abuse_batch batch = { verbs, 0, 8 };
	struct abuse_lent lent[2];

	EQ(abuse_exchange(&dev, &batch, lent, 2, false), 2);
	a->gone_after = 0;
	/* A READ that is gone: both verbs skipped, the rest done. */
	abuse_copy_in(&batch, &lent[0], page, 0, PAGE_BYTES);
	abuse_complete(&batch, &lent[0]);
	abuse_complete(&batch, &lent[1]);
	EQ(abuse_exchange(&dev, &batch, NULL, 0, false), 0);
	EQ(dev.nr_stale, 2);
	EQ(dev.nr_done, 3);
	EQ(batch.nr, 0);
	EQ(b->answer, 0);
	/* A WRITE that is gone: said so, with what is left. */
	abuse_copy_out(&batch, &lent[1], page, 0, PAGE_BYTES);
	abuse_fail(&batch, &lent[1], EIO);
	EQ(abuse_exchange(&dev, &batch, NULL, 0, false), -ESTALE);
	EQ(dev.nr_done, 0);
	EQ(batch.nr, 2);
	abuse_forget(&batch, lent[1].ab_id);
	EQ(batch.nr, 0);
	EQ(dev.nr_stale, 2);
}

static void absent(void)
{
	struct abuse_dev dev = k_reset();
	struct request *a = k_add(ABUSE_READ, 0, 2 * PAGE_BYTES, 0);
	struct abuse_verb verbs[8];
	struct abuse_batch batch = { verbs, 0, 8 };
	struct abuse_lent lent;

	EQ(abuse_exchange(&dev, &batch, &lent, 1, false), 1);
	/* What was done is not done again: the fake would say EINVAL. */
	abuse_copy_in(&batch, &lent, page, 0, PAGE_BYTES);
	abuse_copy_in(&batch, &lent, page, PAGE_BYTES, PAGE_BYTES);
	abuse_complete(&batch, &lent);
	k.nr_absent = 1;
	k.absent_at = 1;
	EQ(abuse_exchange(&dev, &batch, NULL, 0, false), 0);
	EQ(dev.nr_absent, 1);
	EQ(dev.nr_done, 3);
	EQ(a->answer, 0);

	/* All done, but the kernel could not say so: answers are stale. */
	a = k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	EQ(abuse_exchange(&dev, &batch, &lent, 1, false), 1);
	abuse_copy_in(&batch, &lent, page, 0, PAGE_BYTES);
	abuse_complete(&batch, &lent);
	k.lose_count = true;
	EQ(abuse_exchange(&dev, &batch, NULL, 0, false), 0);
	EQ(a->answer, 0);
	EQ(batch.nr, 0);

	/* Never there: it ends. */
	k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	EQ(abuse_exchange(&dev, &batch, &lent, 1, false), 1);
	abuse_copy_in(&batch, &lent, page, 0, PAGE_BYTES);
	k.nr_absent = ~0u;
	k.absent_at = 0;
	EQ(abuse_exchange(&dev, &batch, NULL, 0, false), -EFAULT);
	EQ(batch.nr, 1);
}

static void signals(void)
{
	struct abuse_dev dev = k_reset();
	struct request *a = k_add(ABUSE_WRITE, 0, PAGE_BYTES, 0);
	struct abuse_verb verbs[8];
	struct abuse_batch batch = { verbs, 0, 8 };
	struct abuse_lent lent;

	EQ(abuse_exchange(&dev, &batch, &lent, 1, true), 1);
	abuse_complete(&batch, &lent);
	k.interrupts = true;
	EQ(abuse_exchange(&dev, &batch, &lent, 1, true), -EINTR);
	EQ(a->answer, 0);
	EQ(batch.nr, 0);
}

/* ----------------------------------------------------------- abuse_run */

static char text[200];	/* what was called, a letter each */
static int result;	/* of the functions */

static int note(char what)
{
	size_t len = strlen(text);

	if (len + 1 < sizeof(text))
		text[len] = what;
	return result;
}

static int on_read(void *context, void *buffer, uint64_t offset_bytes,
		   uint32_t len_bytes)
{
	EQ(context == text, true);
	EQ(offset_bytes + len_bytes <= SIZE_BYTES, true);
	memset(buffer, 'a' + offset_bytes / PAGE_BYTES % 26, len_bytes);
	return note('r');
}

static int on_write(void *context, const void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes)
{
	const char *p = buffer;
	uint32_t i;

	EQ(context == text, true);
	EQ(offset_bytes + len_bytes <= SIZE_BYTES, true);
	for (i = 0; i < len_bytes; i++)
		EQ(p[i], 'w');
	/* Whatever comes next has to come from the kernel. */
	memset((void *)p, 'x', len_bytes);
	return note('w');
}

static int on_flush(void *context)
{
	EQ(context == text, true);
	return note('f');
}

static int on_discard(void *context, uint64_t offset_bytes, uint32_t len_bytes)
{
	EQ(context == text, true);
	EQ(offset_bytes + len_bytes <= SIZE_BYTES, true);
	return note('d');
}

static int on_zeroes(void *context, uint64_t offset_bytes, uint32_t len_bytes,
		     bool keep)
{
	EQ(context == text, true);
	EQ(offset_bytes + len_bytes <= SIZE_BYTES, true);
	return note(keep ? 'Z' : 'z');
}

static const struct abuse_ops ops = {
	on_read, on_write, on_flush, on_discard, on_zeroes,
};

/* Serve what was added; called: what that calls, in order. */
static void run_of(struct abuse_dev *dev, const struct abuse_ops *of,
		   unsigned int requests, const char *called)
{
	memset(text, 0, sizeof(text));
	EQ(abuse_arena_make(dev, requests, 2 * PAGE_BYTES), 0);
	EQ(abuse_run(dev, of, text), -ENODEV);
	EQ(k.nr_waits, 1);
	if (strcmp(text, called))
		FAIL("called: expected \"%s\", found \"%s\"", called, text);
	abuse_arena_free(dev);
}

static void runs(unsigned int requests)
{
	struct abuse_dev dev = k_reset();
	struct request *rq, *last;
	uint32_t i;

	k_add(ABUSE_WRITE, 0, PAGE_BYTES, 0);
	rq = k_add(ABUSE_READ, 3 * PAGE_BYTES, 2 * PAGE_BYTES, 0);
	k_add(ABUSE_SYNC_NOTIFICATION, 0, 0, 0);
	k_add(ABUSE_WRITE, 0, PAGE_BYTES, ABUSE_LENT_FUA);
	k_add(ABUSE_WRITE, 0, PAGE_BYTES,
	      ABUSE_LENT_PREFLUSH | ABUSE_LENT_FUA);
	k_add(ABUSE_DISCARD, 0, PAGE_BYTES, 0);
	k_add(ABUSE_WRITE_ZEROES, 0, PAGE_BYTES, 0);
	k_add(ABUSE_WRITE_ZEROES, 0, PAGE_BYTES, ABUSE_LENT_NOUNMAP);
	/* In pieces, the last of them shorter. */
	k_add(ABUSE_WRITE, 0, 5 * PAGE_BYTES, ABUSE_LENT_FUA);
	last = k_add(ABUSE_READ, SIZE_BYTES - 5 * PAGE_BYTES, 5 * PAGE_BYTES,
		     0);
	run_of(&dev, &ops, requests, "wrfwffwfdzZwwwfrrr");
	for (i = 0; i < k.nr; i++)
		EQ(k.requests[i].answer, 0);
	EQ(rq->data[0], 'a' + 3);
	EQ(rq->data[2 * PAGE_BYTES - 1], 'a' + 3);
	/* Each piece by its own offset: pages 251, 253 and 255. */
	for (i = 0; i < 5; i++)
		EQ(last->data[i * PAGE_BYTES], 'a' + (251 + i / 2 * 2) % 26);
}

static void refuses(void)
{
	static const struct abuse_ops few = { .read = on_read,
					      .write = on_write };
	struct abuse_dev dev = k_reset();
	unsigned int i;

	/* Beyond the end, the first of them wholly. */
	k_add(ABUSE_WRITE, SIZE_BYTES, PAGE_BYTES, 0);
	k_add(ABUSE_READ, SIZE_BYTES - PAGE_BYTES, 2 * PAGE_BYTES, 0);
	k_add(ABUSE_WRITE, SIZE_BYTES - PAGE_BYTES, 6 * PAGE_BYTES, 0);
	k_add(ABUSE_DISCARD, SIZE_BYTES - PAGE_BYTES, 2 * PAGE_BYTES, 0);
	run_of(&dev, &ops, 8, "");
	for (i = 0; i < k.nr; i++)
		EQ(k.requests[i].answer, EIO);

	/* What the server has no function for, and what nobody knows. */
	dev = k_reset();
	k_add(ABUSE_DISCARD, 0, PAGE_BYTES, 0);
	k_add(ABUSE_WRITE_ZEROES, 0, PAGE_BYTES, 0);
	k_add(77, 0, PAGE_BYTES, 0);
	k_add(ABUSE_SYNC_NOTIFICATION, 0, 0, 0);
	k_add(ABUSE_WRITE, 0, PAGE_BYTES, ABUSE_LENT_FUA);
	run_of(&dev, &few, 8, "w");
	for (i = 0; i < 3; i++)
		EQ(k.requests[i].answer, EOPNOTSUPP);
	EQ(k.requests[3].answer, 0);
	EQ(k.requests[4].answer, 0);
}

static void fails(void)
{
	struct abuse_dev dev = k_reset();
	unsigned int i;

	result = -ENOSPC;
	k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	k_add(ABUSE_WRITE, 0, PAGE_BYTES, ABUSE_LENT_FUA);
	k_add(ABUSE_WRITE, 0, PAGE_BYTES, ABUSE_LENT_PREFLUSH);
	k_add(ABUSE_SYNC_NOTIFICATION, 0, 0, 0);
	k_add(ABUSE_DISCARD, 0, PAGE_BYTES, 0);
	k_add(ABUSE_WRITE_ZEROES, 0, PAGE_BYTES, 0);
	k_add(ABUSE_READ, 0, 6 * PAGE_BYTES, 0);
	k_add(ABUSE_WRITE, 0, 6 * PAGE_BYTES, 0);
	/* The first failure of each is its last call. */
	run_of(&dev, &ops, 8, "rwffdzrw");
	for (i = 0; i < k.nr; i++)
		EQ(k.requests[i].answer, ENOSPC);
	result = 0;
}

/* Requests that somebody takes from us, before and amid their data. */
static void taken(void)
{
	struct abuse_dev dev = k_reset();
	struct request *rq;

	k_add(ABUSE_WRITE, 0, PAGE_BYTES, 0);
	rq = k_add(ABUSE_WRITE, PAGE_BYTES, PAGE_BYTES, ABUSE_LENT_FUA);
	rq->gone_after = 0;
	k_add(ABUSE_WRITE, 2 * PAGE_BYTES, PAGE_BYTES, 0);
	rq = k_add(ABUSE_WRITE, 0, 6 * PAGE_BYTES, 0);
	rq->gone_after = 2;
	rq = k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	rq->gone_after = 0;
	rq = k_add(ABUSE_DISCARD, 0, PAGE_BYTES, 0);
	rq->gone_after = 0;
	k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	run_of(&dev, &ops, 8, "wwwwrdr");
	EQ(k.requests[0].answer, 0);
	EQ(k.requests[1].answer, UNANSWERED);
	EQ(k.requests[2].answer, 0);
	EQ(k.requests[3].answer, UNANSWERED);
	EQ(k.requests[4].answer, UNANSWERED);
	EQ(k.requests[5].answer, UNANSWERED);
	EQ(k.requests[6].answer, 0);
	EQ(dev.nr_stale, 5);
}

/* In one call: the answers of a round, and the next requests. */
static void batches(void)
{
	struct abuse_dev dev = k_reset();
	unsigned int i;

	for (i = 0; i < 16; i++)
		k_add(ABUSE_READ, 0, PAGE_BYTES, 0);
	run_of(&dev, &ops, 16, "rrrrrrrrrrrrrrrr");
	EQ(k.nr_calls, 2);

	dev = k_reset();
	for (i = 0; i < 16; i++)
		k_add(ABUSE_WRITE, 0, PAGE_BYTES, 0);
	run_of(&dev, &ops, 16, "wwwwwwwwwwwwwwww");
	EQ(k.nr_calls, 3);
}

int main(void)
{
	stale();
	absent();
	signals();
	runs(1);
	runs(3);
	runs(16);
	refuses();
	fails();
	taken();
	batches();
	return 0;
}
