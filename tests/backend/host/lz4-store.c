// SPDX-License-Identifier: GPL-2.0-only
/*
 * lz4-store.c - the lz4 backend and its pool, on the host: no device, no guest
 *
 * Where it stands: server > [backend lz4 > lz4pool].  Run by
 * tests/test_backend_host.py, one part at a time:
 *   model   random writes, reads and discards against a plain copy
 *   full    an arena too small, then one that is just large enough
 *   attach  a second process's view of the store, and the wrong ones refused
 *   step    the owner dead after each single instruction of each kind of put,
 *           and of the recovery itself
 *   kill    the owner killed at random, over and over
 * Exit status 0, or 1 with a line that says what was expected and found.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lz4pool.h"
#include "memory.h"

#define PAGE	4096u
#define FAIL(...)							\
	do {								\
		fprintf(stderr, "lz4-store: " __VA_ARGS__);		\
		fputc('\n', stderr);					\
		exit(1);						\
	} while (0)
#define EXPECT(cond, ...)						\
	do {								\
		if (!(cond))						\
			FAIL("expected " #cond ", found " __VA_ARGS__);	\
	} while (0)

static uint64_t seed = 1;

static uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static uint64_t below(uint64_t n)
{
	return rnd(&seed) % n;
}

static void *shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(p != MAP_FAILED, "%m");
	return p;
}

/* ------------------------------------------------------------------ data */

enum { RANDOM, HALF, TEXT, FILLED, ZERO, KINDS };

/* What write gen of a page writes; gen 0 is never written: zeroes. */
static void data_of(void *buffer, uint64_t page, uint64_t gen)
{
	uint64_t state = page << 32 ^ gen, *to = buffer;
	unsigned int kind = rnd(&state) % KINDS, i;
	uint32_t fill = (uint32_t)rnd(&state) | 1;

	memset(buffer, 0, PAGE);
	if (!gen || kind == ZERO)
		return;
	for (i = 0; i < PAGE / 8; i++) {
		switch (kind) {
		case RANDOM:
			to[i] = rnd(&state);
			break;
		case HALF:
			to[i] = i % 2 ? rnd(&state) : page;
			break;
		case TEXT:
			to[i] = rnd(&state) % 8 ? gen : rnd(&state);
			break;
		case FILLED:
			to[i] = (uint64_t)fill << 32 | fill;
			break;
		}
	}
}

/* --------------------------------------------------------------- checking */

/*
 * Each chunk belongs to one page or to the free list, and to one only.  NULL,
 * or what is wrong.
 */
static const char *unbalanced(const struct lz4pool *p)
{
	const struct lz4pool_shared *s = p->shared;
	char *seen = calloc(1, s->nr_chunks);
	const char *why = NULL;
	uint32_t chunk, n, all = 0;
	uint64_t page;

	for (page = 0; page < s->nr_pages && !why; page++) {
		chunk = (uint32_t)p->index[page];
		for (n = lz4pool_chunks(p->index[page]); n && !why; n--) {
			if (chunk >= s->nr_chunks)
				why = "a chain leaves the arena";
			else if (seen[chunk]++)
				why = "a chunk belongs to two pages";
			else
				chunk = p->next[chunk];
			all++;
		}
	}
	chunk = s->free_head;
	for (n = s->nr_free; n && !why; n--) {
		if (chunk >= s->nr_chunks)
			why = "the free list is shorter than its count";
		else if (seen[chunk]++)
			why = "a free chunk is in use";
		else
			chunk = p->next[chunk];
		all++;
	}
	if (!why && chunk != LZ4POOL_NONE)
		why = "the free list is longer than its count";
	if (!why && all != s->nr_chunks)
		why = "a chunk is lost";
	free(seen);
	return why;
}

static struct lz4pool pool_of(const struct backend *b)
{
	const struct lz4pool_shared *s = memory_data(b);
	struct lz4pool p;

	lz4pool_map(&p, memory_data(b), s->nr_pages, s->nr_chunks);
	return p;
}

static void check_balance(const struct backend *b)
{
	struct lz4pool p = pool_of(b);
	const char *why = unbalanced(&p);

	if (why)
		FAIL("expected a balanced arena, found: %s", why);
}

static struct backend open_store(const char *spec, uint64_t size_bytes)
{
	struct backend b = { .fd = -1, .memory_fd = -1 };

	if (backend_open(&b, spec, &size_bytes, 512))
		FAIL("expected %s to open", spec);
	return b;
}

static void check_page(struct backend *b, uint64_t page, uint64_t gen)
{
	char want[PAGE], found[PAGE];
	int ret = b->ops->read(b, found, page * PAGE, PAGE);

	EXPECT(!ret, "%s reading page %llu", strerror(-ret),
	       (unsigned long long)page);
	data_of(want, page, gen);
	if (memcmp(want, found, PAGE))
		FAIL("expected page %llu of write %llu, found something else",
		     (unsigned long long)page, (unsigned long long)gen);
}

/* ------------------------------------------------------------------ model */

#define MODEL_PAGES	256
#define MODEL_STEPS	60000

static void model_step(struct backend *b, char *model, uint64_t step)
{
	char buffer[8 * PAGE];
	/* Mostly whole pages, as swap has them; some of blocks. */
	uint32_t unit = below(4) ? PAGE : 512;
	uint64_t units = (uint64_t)MODEL_PAGES * PAGE / unit;
	uint64_t at = below(units) * unit;
	uint32_t len = (uint32_t)(1 + below(8)) * unit, i;

	if (at + len > (uint64_t)MODEL_PAGES * PAGE)
		len = (uint32_t)((uint64_t)MODEL_PAGES * PAGE - at);
	switch (below(8)) {
	case 0:
		EXPECT(!b->ops->discard(b, at, len), "an error");
		for (i = 0; i < len; i += unit)
			if (unit == PAGE)
				memset(model + at + i, 0, unit);
		if (unit != PAGE) {	/* whole pages only */
			uint64_t from = (at + PAGE - 1) / PAGE * PAGE;
			uint64_t to = (at + len) / PAGE * PAGE;

			if (to > from)
				memset(model + from, 0, to - from);
		}
		break;
	case 1:
	case 2:
	case 3:
		EXPECT(!b->ops->read(b, buffer, at, len), "an error");
		EXPECT(!memcmp(buffer, model + at, len), "other data at %llu",
		       (unsigned long long)at);
		break;
	default:
		for (i = 0; i < len; i += PAGE)
			data_of(buffer + i, at + i, step + 1);
		EXPECT(!b->ops->write(b, buffer, at, len), "an error");
		memcpy(model + at, buffer, len);
	}
}

/* What is lost beside the bytes that are stored. */
static void model_waste(void)
{
	struct backend b = open_store("lz4,store=8M", 8 << 20);
	struct lz4pool p = pool_of(&b);
	uint64_t page, bytes = 0, used;
	uint32_t free_before = p.shared->nr_free;
	char buffer[PAGE] = { 0 };

	for (page = 0; page < 2048; page++) {
		uint32_t len = (uint32_t)(800 + below(2000));

		EXPECT(!lz4pool_put(&p, page, buffer, len), "an error");
		bytes += len;
	}
	used = (uint64_t)(free_before - p.shared->nr_free) *
	       (LZ4POOL_CHUNK_BYTES + sizeof(uint32_t));
	printf("%llu bytes stored in %llu: %.1f%% more\n",
	       (unsigned long long)bytes, (unsigned long long)used,
	       100.0 * (double)used / (double)bytes - 100);
	EXPECT(used < bytes + bytes / 10, "%llu for %llu bytes",
	       (unsigned long long)used, (unsigned long long)bytes);
}

static void part_model(void)
{
	struct backend b = open_store("lz4", (uint64_t)MODEL_PAGES * PAGE);
	char *model = calloc(MODEL_PAGES, PAGE);
	uint64_t step;

	for (step = 0; step < MODEL_STEPS; step++) {
		model_step(&b, model, step);
		if (step % 1000 == 0)
			check_balance(&b);
	}
	check_balance(&b);
	EXPECT(!b.ops->discard(&b, 0, MODEL_PAGES * PAGE), "an error");
	check_balance(&b);
	EXPECT(pool_of(&b).shared->nr_free == pool_of(&b).shared->nr_chunks,
	       "%u chunks free of %u", pool_of(&b).shared->nr_free,
	       pool_of(&b).shared->nr_chunks);
	model_waste();
}

/* ------------------------------------------------------------------- full */

static void random_page(char *page)
{
	uint64_t *to = (uint64_t *)page;
	unsigned int i;

	for (i = 0; i < PAGE / 8; i++)
		to[i] = rnd(&seed);
}

#define FULL_PAGES	64

static void part_full(void)
{
	static char data[FULL_PAGES][PAGE], found[PAGE], other[PAGE];
	struct backend b = open_store("lz4,store=64K", FULL_PAGES * PAGE);
	int ret = 0, n, i, pass;

	/* 64 KiB and the page beside: 17 pages. */
	for (n = 0; n < FULL_PAGES && !ret; n++) {
		random_page(data[n]);
		ret = b.ops->write(&b, data[n], (uint64_t)n * PAGE, PAGE);
	}
	EXPECT(ret == -ENOSPC && n == 18, "%s at page %d", strerror(-ret), n);
	/* A write that fails leaves what was there, and nothing leaks. */
	random_page(other);
	EXPECT(b.ops->write(&b, other, 0, PAGE) == -ENOSPC, "success");
	EXPECT(b.ops->read(&b, found, 17 * PAGE, PAGE) == 0 && !found[0],
	       "something");
	check_balance(&b);
	for (i = 0; i < 17; i++) {
		EXPECT(!b.ops->read(&b, found, (uint64_t)i * PAGE, PAGE),
		       "an error");
		EXPECT(!memcmp(found, data[i], PAGE), "other data");
	}
	/* Same-filled pages take none, and discard gives back. */
	memset(other, 7, PAGE);
	EXPECT(!b.ops->write(&b, other, 20 * PAGE, PAGE), "an error");
	EXPECT(!b.ops->discard(&b, 3 * PAGE, PAGE), "an error");
	random_page(other);
	EXPECT(!b.ops->write(&b, other, 0, PAGE), "an error");
	check_balance(&b);

	/* The default holds the device full of noise, and overwriting it. */
	b = open_store("lz4", FULL_PAGES * PAGE);
	for (pass = 0; pass < 3; pass++) {
		for (i = 0; i < FULL_PAGES; i++) {
			random_page(data[i]);
			ret = b.ops->write(&b, data[i], (uint64_t)i * PAGE,
					   PAGE);
			EXPECT(!ret, "%s at page %d", strerror(-ret), i);
		}
	}
	check_balance(&b);
}

/* ----------------------------------------------------------------- attach */

static void refused(const char *spec, int memory_fd, uint64_t size_bytes)
{
	struct backend b = { .fd = -1, .memory_fd = memory_fd };

	if (!backend_open(&b, spec, &size_bytes, 512))
		FAIL("expected %s of %llu bytes to be refused", spec,
		     (unsigned long long)size_bytes);
}

static void part_attach(void)
{
	struct backend a = open_store("lz4,store=1M", 4 << 20), b;
	struct backend ram = open_store("ram", 1 << 20);
	uint64_t size_bytes = 0;
	char page[PAGE];

	data_of(page, 5, 3);
	EXPECT(!a.ops->write(&a, page, 5 * PAGE, PAGE), "an error");
	b = (struct backend){ .fd = -1, .memory_fd = a.memory_fd };
	EXPECT(!backend_open(&b, "lz4,store=1M", &size_bytes, 512), "refused");
	EXPECT(size_bytes == 4 << 20, "%llu", (unsigned long long)size_bytes);
	b.ops->recover(&b);
	check_page(&b, 5, 3);
	EXPECT(a.memory != b.memory, "one mapping");

	b = (struct backend){ .fd = -1, .memory_fd = ram.memory_fd };
	size_bytes = 1 << 20;
	EXPECT(!backend_open(&b, "ram", &size_bytes, 512), "refused");
	strcpy(ram.ops->map(&ram, 8192), "shared");
	EXPECT(!strcmp(b.ops->map(&b, 8192), "shared"), "something else");

	refused("lz4,store=1M", a.memory_fd, 8 << 20);
	refused("lz4,store=2M", a.memory_fd, 4 << 20);
	refused("lz4", a.memory_fd, 4 << 20);
	refused("lz4,store=1M", ram.memory_fd, 1 << 20);
	refused("ram", a.memory_fd, 4 << 20);
	/* The right number of bytes, but not the right ones. */
	refused("ram", a.memory_fd, a.memory_bytes - PAGE);
	/* Whoever has it cannot cut it off. */
	EXPECT(ftruncate(a.memory_fd, 0) && errno == EPERM, "%m");
}

/* ------------------------------------------------------------------- step */

/* Enough chunks for two pages and one beside: all of them get used. */
#define STEP_PAGES	4
#define STEP_CHUNKS	96
static const struct {
	uint64_t page;
	uint32_t len;	/* 0: discard; 1: fill */
} ops[] = {
	{ 0, 300 },  { 1, 4096 }, { 0, 4096 }, { 1, 128 },  { 2, 129 },
	{ 1, 1 },    { 0, 0 },	  { 1, 4096 }, { 0, 3968 }, { 1, 2 },
	{ 2, 0 },    { 3, 1 },	  { 3, 0 },    { 0, 300 },  { 1, 4096 },
	{ 0, 4095 },
};
#define NR_OPS	((int)(sizeof(ops) / sizeof(ops[0])))

static void step_data(char *data, int op)
{
	memset(data, 'a' + op, PAGE);
}

static void step_do(struct lz4pool *p, int op, const char *data)
{
	if (!ops[op].len)
		lz4pool_discard(p, ops[op].page);
	else if (ops[op].len == 1)
		lz4pool_put_fill(p, ops[op].page, (uint32_t)op + 1);
	else if (lz4pool_put(p, ops[op].page, data, ops[op].len))
		abort();
}

/* Is the page what op left (-1: nothing has)? */
static bool step_is(const struct lz4pool *p, uint64_t page, int op)
{
	uint64_t word = p->index[page];
	char want[PAGE], found[PAGE];

	if (op < 0 || !ops[op].len)
		return !word;
	if (ops[op].len == 1)
		return word == (LZ4POOL_FILL | (uint64_t)(op + 1));
	step_data(want, op);
	return lz4pool_len(word) == ops[op].len &&
	       !lz4pool_get(p, word, found) &&
	       !memcmp(want, found, ops[op].len);
}

/* The last of the ops up to that one that was on this page. */
static int step_last(uint64_t page, int upto)
{
	while (upto >= 0 && ops[upto].page != page)
		upto--;
	return upto;
}

/* The owner has died during op: a copy of what it left. */
static void step_check(struct lz4pool *p, int op)
{
	const char *why;
	uint64_t page;

	lz4pool_recover(p);
	why = unbalanced(p);
	if (why)
		FAIL("expected a balanced arena after a death in op %d, found: %s",
		     op, why);
	for (page = 0; page < STEP_PAGES; page++)
		if (!step_is(p, page, step_last(page, op)) &&
		    (op < 0 || page != ops[op].page ||
		     !step_is(p, page, step_last(page, op - 1))))
			FAIL("expected page %llu old or new after a death in op %d, found neither",
			     (unsigned long long)page, op);
}

/* One instruction of a stopped child; false: it has ended. */
static bool step_one(pid_t pid)
{
	int status;

	EXPECT(!ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), "%m");
	EXPECT(waitpid(pid, &status, 0) == pid, "%m");
	if (WIFEXITED(status))
		return false;
	EXPECT(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP,
	       "status 0x%x", (unsigned int)status);
	return true;
}

/* A child that is stopped before it does anything; 0 in the child. */
static pid_t step_fork(void)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		return 0;
	}
	EXPECT(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "%m");
	return pid;
}

/* Recovery, too, may die at each of its instructions, and is begun again. */
static void step_recovery(void *memory, void *copy, size_t bytes, int op)
{
	struct lz4pool p, checked;
	pid_t pid;

	lz4pool_map(&p, memory, STEP_PAGES, STEP_CHUNKS);
	lz4pool_map(&checked, copy, STEP_PAGES, STEP_CHUNKS);
	pid = step_fork();
	if (!pid) {
		lz4pool_recover(&p);
		_exit(0);
	}
	while (step_one(pid)) {
		memcpy(copy, memory, bytes);
		step_check(&checked, op);
	}
}

static void part_step(void)
{
	size_t bytes = lz4pool_bytes(STEP_PAGES, STEP_CHUNKS);
	void *memory = shared(bytes), *copy = shared(bytes);
	void *again = shared(bytes), *copy2 = shared(bytes);
	volatile int *at = shared(PAGE);
	unsigned long deaths = 0, armed = 0;
	struct lz4pool p, checked;
	char data[PAGE];
	pid_t pid;

	lz4pool_map(&p, memory, STEP_PAGES, STEP_CHUNKS);
	lz4pool_map(&checked, copy, STEP_PAGES, STEP_CHUNKS);
	lz4pool_make(&p, STEP_PAGES, STEP_CHUNKS);
	*at = -1;
	pid = step_fork();
	if (!pid) {
		int op;

		for (op = 0; op < NR_OPS; op++) {
			step_data(data, op);
			*at = op;
			step_do(&p, op, data);
		}
		_exit(0);
	}
	while (step_one(pid)) {
		memcpy(copy, memory, bytes);
		if (checked.shared->redo.armed) {
			memcpy(again, copy, bytes);
			step_recovery(again, copy2, bytes, *at);
			armed++;
		}
		step_check(&checked, *at);
		deaths++;
	}
	EXPECT(*at == NR_OPS - 1, "op %d", *at);
	EXPECT(armed > 10, "%lu", armed);
	printf("%lu deaths, %lu of them between publication and the end\n",
	       deaths, armed);
}

/* ------------------------------------------------------------------- kill */

#define KILL_PAGES	256
#define KILLS		300

struct kill_log {
	uint64_t gen[KILL_PAGES];	/* of the last write that returned */
	volatile uint64_t page, next;	/* of the one under way */
	volatile bool busy;
	volatile uint64_t nr;
};

static void kill_writer(struct backend *b, struct kill_log *log, uint64_t from)
{
	char data[PAGE];
	uint64_t gen;

	for (gen = from;; gen++) {
		uint64_t page = below(KILL_PAGES);

		data_of(data, page, gen);
		log->page = page;
		log->next = gen;
		log->busy = true;
		atomic_signal_fence(memory_order_seq_cst);
		if (b->ops->write(b, data, page * PAGE, PAGE))
			abort();
		atomic_signal_fence(memory_order_seq_cst);
		log->gen[page] = gen;
		log->nr++;
		atomic_signal_fence(memory_order_seq_cst);
		log->busy = false;
	}
}

static void kill_verify(struct backend *b, struct kill_log *log)
{
	char want[PAGE], found[PAGE];
	uint64_t page;

	if (log->busy) {
		int ret = b->ops->read(b, found, log->page * PAGE, PAGE);

		EXPECT(!ret, "%s", strerror(-ret));
		data_of(want, log->page, log->next);
		if (!memcmp(want, found, PAGE))
			log->gen[log->page] = log->next;
		log->busy = false;
	}
	for (page = 0; page < KILL_PAGES; page++)
		check_page(b, page, log->gen[page]);
}

static void part_kill(void)
{
	struct kill_log *log = shared(sizeof(*log));
	struct backend b = open_store("lz4,store=800K", KILL_PAGES * PAGE);
	unsigned int in_write = 0;
	int i, status;

	for (i = 0; i < KILLS; i++) {
		struct timespec wait = { .tv_nsec = (long)below(2000000) };
		uint64_t nr = log->nr;
		pid_t pid;

		seed += (uint64_t)i;
		pid = fork();
		if (!pid)
			kill_writer(&b, log, (uint64_t)(i + 1) << 32);
		while (log->nr < nr + 5 && !waitpid(pid, &status, WNOHANG))
			;
		nanosleep(&wait, NULL);
		kill(pid, SIGKILL);
		EXPECT(waitpid(pid, &status, 0) == pid, "%m");
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		       "status 0x%x", (unsigned int)status);
		in_write += log->busy;
		b.ops->recover(&b);
		check_balance(&b);
		kill_verify(&b, log);
	}
	EXPECT(in_write > KILLS / 10, "%u kills during a write", in_write);
	printf("%d kills, %u during a write, %llu writes\n", KILLS, in_write,
	       (unsigned long long)log->nr);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {
		{ "model", part_model },   { "full", part_full },
		{ "attach", part_attach }, { "step", part_step },
		{ "kill", part_kill },
	};
	size_t i;

	for (i = 0; argc == 2 && i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcmp(argv[1], parts[i].name))
			continue;
		parts[i].run();
		return 0;
	}
	fputs("usage: lz4-store model|full|attach|step|kill\n", stderr);
	return 2;
}
