// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.c - backend: another backend that is slow, fails, hangs or dies
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Decides about each request before the other backend sees it; what it keeps
 * is that one's.  For tests.  Counts in its own process: a server that takes
 * over counts from one again.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "backend.h"

enum fault_kind {
	FAULT_READ,
	FAULT_WRITE,
	FAULT_FLUSH,
	FAULT_DISCARD,
	FAULT_WRITE_ZEROES,
	FAULT_KINDS,
};

static const char *const fault_kinds[FAULT_KINDS] = {
	[FAULT_READ] = "read",
	[FAULT_WRITE] = "write",
	[FAULT_FLUSH] = "flush",
	[FAULT_DISCARD] = "discard",
	[FAULT_WRITE_ZEROES] = "write_zeroes",
};

static const struct {
	const char *name;
	int err;
} fault_errors[] = {
	{"eio", EIO},
	{"enospc", ENOSPC},
	{"etimedout", ETIMEDOUT},
	{"eremoteio", EREMOTEIO},
};

#define FAULT_NO_SECTOR UINT64_MAX

struct fault_state {
	struct backend inner;
	struct backend_ops ops; /* ours, in front of the inner's */

	/* As on the command line. */
	bool only[FAULT_KINDS];
	uint64_t delay_ms;
	uint64_t error_one_in; /* 0: none */
	uint64_t error_sector;
	int error;
	uint64_t hold;	 /* 0: none */
	uint64_t spin;	 /* 0: none */
	uint64_t die_at; /* 0: none */
	bool die_after;	 /* the store */

	uint64_t random;
	uint64_t nr; /* requests of those kinds so far */
};

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers for the same seed. */
static uint64_t fault_random(struct fault_state *f)
{
	uint64_t z = f->random += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static void fault_signal(int sig)
{
	/* Not raise(): it blocks signals around the call, with more calls. */
	syscall(SYS_kill, syscall(SYS_getpid), sig);
}

/* Before the store.  Returns 0, or -errno that the request is to end with. */
static int fault_before(struct fault_state *f, enum fault_kind kind,
			uint64_t offset_bytes, uint32_t len_bytes)
{
	struct timespec left = {
		.tv_sec = (time_t)(f->delay_ms / 1000),
		.tv_nsec = (long)(f->delay_ms % 1000 * 1000000),
	};
	uint64_t at = f->error_sector * 512;

	if (!f->only[kind])
		return 0;
	f->nr++;
	while (f->delay_ms &&
	       clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
	if (f->nr == f->hold)
		fault_signal(SIGSTOP);
	/* To run without getting anywhere, as a server does in a livelock. */
	while (f->nr == f->spin)
		__asm__ volatile("" ::: "memory");
	if (f->nr == f->die_at && !f->die_after)
		fault_signal(SIGKILL);
	/* Drawn for each: which of them fail does not depend on where they go.
	 */
	if (f->error_one_in && !(fault_random(f) % f->error_one_in))
		return -f->error;
	if (f->error_sector != FAULT_NO_SECTOR && len_bytes &&
	    offset_bytes <= at && at < offset_bytes + len_bytes)
		return -f->error;
	return 0;
}

/* The store has answered. */
static int fault_after(struct fault_state *f, enum fault_kind kind, int ret)
{
	if (f->only[kind] && f->nr == f->die_at && f->die_after)
		fault_signal(SIGKILL);
	return ret;
}

static int fault_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		      uint32_t len_bytes)
{
	struct fault_state *f = b->state;
	struct backend *inner = &f->inner;
	int ret = fault_before(f, FAULT_READ, offset_bytes, len_bytes);

	if (ret)
		return ret;
	if (inner->ops->map)
		memcpy(buffer, inner->ops->map(inner, offset_bytes), len_bytes);
	else
		ret = inner->ops->read(inner, buffer, offset_bytes, len_bytes);
	return fault_after(f, FAULT_READ, ret);
}

static int fault_write(struct backend *b, const void *buffer,
		       uint64_t offset_bytes, uint32_t len_bytes)
{
	struct fault_state *f = b->state;
	struct backend *inner = &f->inner;
	int ret = fault_before(f, FAULT_WRITE, offset_bytes, len_bytes);

	if (ret)
		return ret;
	if (inner->ops->map)
		memcpy(inner->ops->map(inner, offset_bytes), buffer, len_bytes);
	else
		ret = inner->ops->write(inner, buffer, offset_bytes, len_bytes);
	return fault_after(f, FAULT_WRITE, ret);
}

static int fault_flush(struct backend *b)
{
	struct fault_state *f = b->state;
	int ret = fault_before(f, FAULT_FLUSH, 0, 0);

	if (!ret && f->inner.ops->flush)
		ret = f->inner.ops->flush(&f->inner);
	return fault_after(f, FAULT_FLUSH, ret);
}

static int fault_discard(struct backend *b, uint64_t offset_bytes,
			 uint32_t len_bytes)
{
	struct fault_state *f = b->state;
	int ret = fault_before(f, FAULT_DISCARD, offset_bytes, len_bytes);

	if (!ret)
		ret = f->inner.ops->discard(&f->inner, offset_bytes, len_bytes);
	return fault_after(f, FAULT_DISCARD, ret);
}

static int fault_write_zeroes(struct backend *b, uint64_t offset_bytes,
			      uint32_t len_bytes)
{
	struct fault_state *f = b->state;
	struct backend *inner = &f->inner;
	int ret = fault_before(f, FAULT_WRITE_ZEROES, offset_bytes, len_bytes);

	if (!ret)
		ret = inner->ops->write_zeroes(inner, offset_bytes, len_bytes);
	return fault_after(f, FAULT_WRITE_ZEROES, ret);
}

/* Nothing comes back to here after the store: die_at is always before. */
static int fault_forward(struct backend *b, const struct abuse_lent *lent,
			 struct abuse_verb *verb)
{
	static const enum fault_kind kinds[] = {
		[ABUSE_READ] = FAULT_READ,
		[ABUSE_WRITE] = FAULT_WRITE,
		[ABUSE_SYNC_NOTIFICATION] = FAULT_FLUSH,
		[ABUSE_DISCARD] = FAULT_DISCARD,
		[ABUSE_WRITE_ZEROES] = FAULT_WRITE_ZEROES,
	};
	struct fault_state *f = b->state;
	int ret = 0;

	if (lent->ab_command < sizeof(kinds) / sizeof(kinds[0]))
		ret = fault_before(f, kinds[lent->ab_command],
				   lent->ab_sector * 512, lent->ab_len_bytes);
	return ret ? ret : f->inner.ops->forward(&f->inner, lent, verb);
}

static int fault_attach(struct backend *b, int ctl_fd)
{
	struct fault_state *f = b->state;

	return f->inner.ops->attach(&f->inner, ctl_fd);
}

static void fault_recover(struct backend *b)
{
	struct fault_state *f = b->state;

	f->inner.ops->recover(&f->inner);
}

static const char *const fault_keys[] = {
	"only",	 "delay_ms", "error_one_in", "seed", "error_sector",
	"error", "hold",     "spin",	     "die_at", "die",
	NULL,
};

static const int fault_plain_syscalls[] = {
	SYS_clock_nanosleep,
	SYS_getpid,
	SYS_kill,
	0,
};

/* The word's place in a list; -1 and a line printed if it is not there. */
static int fault_parse_only(struct backend *b, struct fault_state *f,
			    const char *text)
{
	int i;

	for (i = 0; i < FAULT_KINDS; i++)
		f->only[i] = !strcmp(text, fault_kinds[i]);
	for (i = 0; i < FAULT_KINDS; i++)
		if (f->only[i])
			return 0;
	return backend_fail(b,
			    "only=%s: one of read, write, flush, discard, "
			    "write_zeroes",
			    text);
}

static int fault_parse_error(struct backend *b, struct fault_state *f,
			     const char *text)
{
	size_t i;

	for (i = 0; i < sizeof(fault_errors) / sizeof(fault_errors[0]); i++)
		if (!strcmp(text, fault_errors[i].name))
			f->error = fault_errors[i].err;
	if (f->error)
		return 0;
	return backend_fail(
		b, "error=%s: one of eio, enospc, etimedout, eremoteio", text);
}

static int fault_parse(struct backend *b, struct fault_state *f,
		       const char *options)
{
	char text[16];
	int i;

	for (i = 0; i < FAULT_KINDS; i++)
		f->only[i] = true;
	f->error_sector = FAULT_NO_SECTOR;
	f->random = 1;
	if (backend_option(options, "only", text, sizeof(text)) &&
	    fault_parse_only(b, f, text))
		return -1;
	if (!backend_option(options, "error", text, sizeof(text)))
		f->error = EIO;
	else if (fault_parse_error(b, f, text))
		return -1;
	if (backend_option(options, "die", text, sizeof(text))) {
		f->die_after = !strcmp(text, "after");
		if (!f->die_after && strcmp(text, "before"))
			return backend_fail(b, "die=%s: before or after", text);
	}
	return backend_option_number(b, options, "delay_ms", &f->delay_ms) ||
			       backend_option_number(b, options, "error_one_in",
						     &f->error_one_in) ||
			       backend_option_number(b, options, "seed",
						     &f->random) ||
			       backend_option_number(b, options, "error_sector",
						     &f->error_sector) ||
			       backend_option_number(b, options, "hold",
						     &f->hold) ||
			       backend_option_number(b, options, "spin",
						     &f->spin) ||
			       backend_option_number(b, options, "die_at",
						     &f->die_at)
		       ? -1
		       : 0;
}

/* In front of the inner backend, only what it has, too. */
static void fault_compose(struct backend *b, struct fault_state *f)
{
	const struct backend_ops *inner = f->inner.ops;

	f->ops = (struct backend_ops){
		.name = backend_fault.name,
		.help = backend_fault.help,
		.options = backend_fault.options,
		.wraps = true,
		.forgets = inner->forgets,
		.no_scope = inner->no_scope,
		.open = backend_fault.open,
		.attach = inner->attach ? fault_attach : NULL,
		.recover = inner->recover ? fault_recover : NULL,
		.read = fault_read,
		.write = fault_write,
		.flush = fault_flush,
		.discard = inner->discard ? fault_discard : NULL,
		.write_zeroes = inner->write_zeroes ? fault_write_zeroes : NULL,
		.forward = inner->forward ? fault_forward : NULL,
		.syscalls = inner->syscalls,
		.ioctls = inner->ioctls,
		.plain_syscalls = fault_plain_syscalls,
	};
	b->ops = &f->ops;
	b->fd = f->inner.fd;
	b->memory_fd = f->inner.memory_fd;
	b->memory = f->inner.memory;
	b->memory_bytes = f->inner.memory_bytes;
	b->device_flags = f->inner.device_flags;
	memcpy(b->store_id, f->inner.store_id, sizeof(b->store_id));
}

static int fault_open(struct backend *b, const char *options,
		      uint64_t *size_bytes)
{
	const char *spec = strchr(options, ':');
	struct fault_state *f;
	char own[256];

	if (!spec)
		return backend_fail(b, "around which backend? give "
				       "fault[,option=value...]:BACKEND");
	if (!strncmp(spec + 1, backend_fault.name, strlen(backend_fault.name)))
		return backend_fail(
			b, "not around itself; give all options at once");
	if ((size_t)(spec - options) >= sizeof(own))
		return backend_fail(b, "too many options");
	memcpy(own, options, (size_t)(spec - options));
	own[spec - options] = '\0';
	f = calloc(1, sizeof(*f));
	if (!f)
		return backend_fail(b, "%s", strerror(errno));
	b->state = f;
	f->inner.fd = b->fd;
	f->inner.memory_fd = b->memory_fd;
	memcpy(f->inner.store_id, b->store_id, sizeof(b->store_id));
	if (fault_parse(b, f, own) ||
	    backend_open(&f->inner, spec + 1, size_bytes, b->blocksize_bytes))
		return -1;
	fault_compose(b, f);
	return 0;
}

const struct backend_ops backend_fault = {
	.name = "fault",
	.help = "fault[,...]:BACKEND another one that is slow, fails, hangs or "
		"dies",
	.options = fault_keys,
	.wraps = true,
	.open = fault_open,
};
