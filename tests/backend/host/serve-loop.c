// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve-loop.c - rounds of the serve loop over a kernel and a store made up here
 *
 * Where it stands: ioctl > [server] > backend, without either neighbour.  Run
 * by tests/test_backend_host.py, one part at a time:
 *   joins     neighbours go to the backend in one call, others do not
 *   isolates  of neighbours of which one fails only that one fails
 *   refused   a FORWARD that the kernel refuses is answered in another way
 * Exit status 0, or 1 with a line that says what was expected and found.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"

#define PAGE	4096u
#define EXPECT(cond, ...)						\
	do {								\
		if (!(cond)) {						\
			fprintf(stderr, "serve-loop: expected " #cond	\
				", found " __VA_ARGS__);		\
			fputc('\n', stderr);				\
			exit(1);					\
		}							\
	} while (0)

/* ---------------------------------------------------------- made-up kernel */

/* Page, command, flags; what the first call lends. */
static struct abuse_lent lends[16];
static unsigned int nr_lends;
static int refuse;		/* the next FORWARD: -errno */
static bool lent_already;
static struct abuse_verb answers[32];
static unsigned int nr_answers;

static void lend(uint64_t page, uint32_t command, uint32_t flags)
{
	lends[nr_lends] = (struct abuse_lent){
		.ab_id = nr_lends + 1,
		.ab_sector = page * (PAGE / 512),
		.ab_len_bytes = PAGE,
		.ab_command = command,
		.ab_flags = flags,
	};
	nr_lends++;
}

static uint64_t page_of(const struct abuse_verb *verb)
{
	return lends[verb->ab_id - 1].ab_sector / (PAGE / 512);
}

int abuse_serve(struct abuse_dev *c, const struct abuse_verb *verbs,
		unsigned int nr_verbs, struct abuse_lent *lent,
		unsigned int max, bool wait)
{
	unsigned int i;

	for (i = 0; i < nr_verbs; i++) {
		char *data = (char *)(uintptr_t)verbs[i].ab_address;

		c->nr_done = i;
		switch (verbs[i].ab_verb & ~ABUSE_VERB_AND_COMPLETE) {
		case ABUSE_VERB_COPY_OUT:
			memset(data, (int)page_of(&verbs[i]), PAGE);
			break;
		case ABUSE_VERB_COPY_IN:
			EXPECT(data[0] == (char)page_of(&verbs[i]) &&
			       !memcmp(data, data + 1, PAGE - 1),
			       "other data for page %u",
			       (unsigned int)page_of(&verbs[i]));
			break;
		case ABUSE_VERB_FORWARD:
			if (refuse && verbs[i].ab_id == 2) {
				int err = refuse;

				refuse = 0;
				return err;
			}
			/* fall through */
		default:
			answers[nr_answers++] = verbs[i];
			continue;
		}
		if (!(verbs[i].ab_verb & ABUSE_VERB_AND_COMPLETE))
			continue;
		EXPECT(verbs[i].ab_len_bytes == PAGE,
		       "%u bytes of a request that is done",
		       verbs[i].ab_len_bytes);
		answers[nr_answers] = verbs[i];
		answers[nr_answers++].ab_verb = ABUSE_VERB_COMPLETE;
	}
	c->nr_done = nr_verbs;
	if (!wait)
		return 0;
	if (lent_already)
		return -ENODEV;		/* ends the loop */
	lent_already = true;
	EXPECT(max >= nr_lends, "%u", max);
	memcpy(lent, lends, sizeof(lends[0]) * nr_lends);
	return (int)nr_lends;
}

static const struct abuse_verb *answer_to(unsigned int i)
{
	unsigned int k;

	for (k = 0; k < nr_answers; k++)
		if (answers[k].ab_id == i + 1)
			return &answers[k];
	EXPECT(false, "no answer to request %u", i);
	return NULL;
}

/* ----------------------------------------------------------- made-up store */

static struct {
	uint64_t page;
	uint32_t nr_pages;
	bool write;
} calls[32];
static unsigned int nr_calls, nr_flushes;
static uint64_t bad_page = UINT64_MAX;

static int store_call(const char *data, uint64_t offset, uint32_t len,
		      bool write)
{
	uint32_t i;

	calls[nr_calls].page = offset / PAGE;
	calls[nr_calls].nr_pages = len / PAGE;
	calls[nr_calls++].write = write;
	for (i = 0; i < len / PAGE; i++) {
		if (offset / PAGE + i == bad_page)
			return -EIO;
		EXPECT(!write || data[i * PAGE] == (char)(offset / PAGE + i),
		       "other data for page %u",
		       (unsigned int)(offset / PAGE + i));
	}
	return 0;
}

static int store_read(struct backend *b, void *buffer, uint64_t offset,
		      uint32_t len)
{
	uint32_t i;

	(void)b;
	for (i = 0; i < len / PAGE; i++)
		memset((char *)buffer + i * PAGE, (int)(offset / PAGE + i),
		       PAGE);
	return store_call(buffer, offset, len, false);
}

static int store_write(struct backend *b, const void *buffer, uint64_t offset,
		       uint32_t len)
{
	(void)b;
	return store_call(buffer, offset, len, true);
}

static int store_flush(struct backend *b)
{
	(void)b;
	nr_flushes++;
	return 0;
}

static int store_forward(struct backend *b, const struct abuse_lent *lent,
			 struct abuse_verb *verb)
{
	(void)b;
	verb->ab_sector = lent->ab_sector;
	return 0;
}

static void run(const struct backend_ops *ops)
{
	static struct server s;

	s.batch = SERVE_BATCH_MAX;
	s.backend.ops = ops;
	s.backend.size_bytes = 1000 * PAGE;
	if (serve_init(&s))
		exit(1);
	EXPECT(serve_loop(&s) == -ENODEV, "another end");
	EXPECT(nr_answers == nr_lends, "%u answers", nr_answers);
}

static const struct backend_ops store_ops = {
	.name = "store",
#ifndef SERVE_BUSTED_NO_JOIN	/* the busted twin */
	.joins = true,
#endif
	.read = store_read,
	.write = store_write,
	.flush = store_flush,
};

static const struct backend_ops forward_ops = {
	.name = "forward",
	.forward = store_forward,
};

/* ------------------------------------------------------------------- parts */

static void part_joins(void)
{
	static const struct {
		uint64_t page;
		uint32_t nr_pages;
		bool write;
	} want[] = {
		{ 10, 3, false }, { 20, 1, false }, { 14, 2, true },
		{ 30, 1, true },  { 13, 1, true },
	};
	unsigned int i;

	lend(10, ABUSE_READ, 0);
	lend(11, ABUSE_READ, 0);
	lend(12, ABUSE_READ, 0);
	lend(14, ABUSE_WRITE, 0);
	lend(15, ABUSE_WRITE, ABUSE_LENT_FUA);
	lend(30, ABUSE_WRITE, 0);
	/* Not behind the one before, though next to another. */
	lend(13, ABUSE_WRITE, ABUSE_LENT_PREFLUSH);
	lend(20, ABUSE_READ, 0);
	run(&store_ops);
	EXPECT(nr_calls == 5, "%u", nr_calls);
	for (i = 0; i < 5; i++)
		EXPECT(calls[i].page == want[i].page &&
		       calls[i].nr_pages == want[i].nr_pages &&
		       calls[i].write == want[i].write,
		       "call %u: page %u, %u pages", i,
		       (unsigned int)calls[i].page, calls[i].nr_pages);
	EXPECT(nr_flushes == 2, "%u", nr_flushes);
	for (i = 0; i < nr_lends; i++)
		EXPECT(answer_to(i)->ab_verb == ABUSE_VERB_COMPLETE,
		       "verb %u for request %u", answer_to(i)->ab_verb, i);
}

static void part_isolates(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		lend(40 + i, i < 4 ? ABUSE_WRITE : ABUSE_READ, 0);
	bad_page = 42;
	run(&store_ops);
	for (i = 0; i < nr_lends; i++)
		EXPECT(answer_to(i)->ab_verb == (i == 2 ? ABUSE_VERB_FAIL :
						 ABUSE_VERB_COMPLETE),
		       "verb %u for request %u", answer_to(i)->ab_verb, i);
	EXPECT(answer_to(2)->ab_error == EIO, "%u", answer_to(2)->ab_error);
}

static void part_refused(void)
{
	lend(1, ABUSE_WRITE, 0);
	lend(2, ABUSE_DISCARD, 0);
	lend(3, ABUSE_READ, 0);
	/* Beyond the device. */
	lend(1000, ABUSE_READ, 0);
	refuse = -EOPNOTSUPP;
	run(&forward_ops);
	EXPECT(answer_to(0)->ab_verb == ABUSE_VERB_FORWARD, "%u",
	       answer_to(0)->ab_verb);
	EXPECT(answer_to(1)->ab_verb == ABUSE_VERB_FAIL &&
	       answer_to(1)->ab_error == EOPNOTSUPP, "verb %u, error %u",
	       answer_to(1)->ab_verb, answer_to(1)->ab_error);
	EXPECT(answer_to(2)->ab_verb == ABUSE_VERB_FORWARD &&
	       answer_to(2)->ab_sector == 24, "verb %u",
	       answer_to(2)->ab_verb);
	EXPECT(answer_to(3)->ab_verb == ABUSE_VERB_FAIL, "%u",
	       answer_to(3)->ab_verb);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "joins"))
		part_joins();
	else if (argc == 2 && !strcmp(argv[1], "isolates"))
		part_isolates();
	else if (argc == 2 && !strcmp(argv[1], "refused"))
		part_refused();
	else
		return 2;
	return 0;
}
