// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_calls.c - which ioctls there are, and which errnos each may give
 *
 * Where it stands: [fuzzer] > /dev/abctlN > module.  The errnos are those of
 * the header's comments, for the call as a whole: SERVE has its own and those
 * of its verbs.  tests/test_errno_table.py compares them with the header.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "fz.h"

#define LIST(...) (const int[]){ __VA_ARGS__, 0 }

const struct fz_call fz_calls[] = {
	/* NULL is EINVAL for the calls of 2009 that it had no use for. */
	{ ABUSE_GET_STATUS, "GET_STATUS", 44, false, true,
	  LIST(EFAULT, EINVAL) },
	{ ABUSE_SET_STATUS, "SET_STATUS", 44, true, false,
	  LIST(EFAULT, EINVAL, EFBIG, EBUSY, ENOMEM) },
	{ ABUSE_SET_POLL, "SET_POLL", sizeof(struct abuse_poll), true, false,
	  LIST(EFAULT, EINVAL) },
	{ ABUSE_RESET, "RESET", 0, false, false,
	  LIST(EINVAL, EBUSY, EUSERS) },
	{ ABUSE_GET_BIO, "GET_BIO", sizeof(struct abuse_xfr_hdr), true, true,
	  LIST(ENOMSG, EFAULT, EUSERS, EMEDIUMTYPE, EINVAL, EBADF) },
	{ ABUSE_PUT_BIO, "PUT_BIO", sizeof(struct abuse_xfr_hdr), true, false,
	  LIST(ENOMSG, ESTALE, EINVAL, EFAULT, EBUSY, EMEDIUMTYPE, EUSERS) },
	{ ABUSE_SERVE, "SERVE", sizeof(struct abuse_serve), true, true,
	  LIST(EFAULT, EINVAL, E2BIG, EINTR, ENODEV, EBADF, EUSERS,
	       EMEDIUMTYPE, ESTALE, EBUSY, EPERM, EOPNOTSUPP) },
	{ ABUSE_SET_SCOPE, "SET_SCOPE", sizeof(struct abuse_scope), true,
	  false, LIST(EFAULT, EINVAL, EPERM) },
	{ ABUSE_GET_SCOPE, "GET_SCOPE", sizeof(struct abuse_scope), true,
	  true, LIST(EFAULT, EINVAL) },
	{ ABUSE_GET_COUNTERS, "GET_COUNTERS", sizeof(struct abuse_counters),
	  false, true, LIST(EFAULT) },
	{ ABUSE_SET_BACKING, "SET_BACKING", sizeof(struct abuse_backing),
	  true, true, LIST(EFAULT, EBADF, ENOTBLK, ENODEV, EBUSY, EINVAL,
			   ENOSPC, ENXIO, ENOMEM, EUSERS) },
	{ ABUSE_SET_STORE, "SET_STORE", sizeof(struct abuse_store), true,
	  false, LIST(EFAULT, EINVAL, ENODEV, EMEDIUMTYPE, ENOMEDIUM, EBUSY,
		      EUSERS) },
	{ ABUSE_CTL_ADD, "CTL_ADD", sizeof(struct abuse_ctl), true, true,
	  LIST(EFAULT, EINVAL, EEXIST, ENOSPC, ENOMEM, EINTR) },
	{ ABUSE_CTL_REMOVE, "CTL_REMOVE", sizeof(struct abuse_ctl), true,
	  false, LIST(EFAULT, EINVAL, ENODEV, EBUSY, EINTR) },
	{ ABUSE_CTL_LIST, "CTL_LIST", sizeof(struct abuse_ctl_list), true,
	  true, LIST(EFAULT, EINVAL, ENOMEM, EINTR) },
	/* All other numbers. */
	{ 0, "unknown", 0, false, false, LIST(ENOTTY) },
};

const uint32_t fz_nr_calls = sizeof(fz_calls) / sizeof(fz_calls[0]);

const struct fz_call *fz_call_of(uint32_t cmd)
{
	uint32_t i;

	for (i = 0; i < fz_nr_calls - 1; i++)
		if (fz_calls[i].cmd == cmd)
			break;
	return &fz_calls[i];
}

/* What the kernel keeps to itself: the upper half of the address space. */
bool fz_is_address(uint64_t value)
{
	return value >> 47 == 0x1ffff && value < (uint64_t)-4096;
}

void fz_check_id(struct fz_actor *a, uint64_t id)
{
	FZ_EXPECT(a, id && !fz_is_address(id),
		  "an id: expected neither 0 nor a kernel address, found 0x%llx",
		  (unsigned long long)id);
}

static bool is_listed(const struct fz_call *call, int err)
{
	const int *errnos = call->errnos;

	while (*errnos && *errnos != err)
		errnos++;
	return *errnos;
}

#define LOOK_BYTES 512

/* A copy of the argument, if it is all there: it may be anywhere. */
static bool look_at(const void *arg, uint32_t size_bytes, char *copy)
{
	return fz_peek(arg, copy, size_bytes) == (long)size_bytes;
}

/* Words that the call has written must not look like addresses. */
static void check_words(struct fz_actor *a, const struct fz_call *call,
			const char *before, const char *after)
{
	uint64_t was, is;
	uint32_t at;

	for (at = 0; at + 8 <= call->size_bytes; at += 8) {
		memcpy(&was, before + at, 8);
		memcpy(&is, after + at, 8);
		if (is != was && fz_is_address(is))
			fz_finding(a, "%s writes: expected no address of the kernel, found 0x%llx at byte %u",
				   call->name, (unsigned long long)is, at);
	}
}

/* As a 32-bit program calls it: arg lies below 4 GiB. */
static int ioctl_32(int fd, uint32_t cmd, void *arg)
{
	int ret;

	asm volatile("int $0x80" : "=a"(ret)
		     : "a"(54), "b"(fd), "c"(cmd), "d"((uint32_t)(uintptr_t)arg)
		     : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static int call_it(int fd, uint32_t cmd, void *arg, bool as_32)
{
	int ret;

	if (as_32 && (uintptr_t)arg >> 32 == 0) {
		ret = ioctl_32(fd, cmd, arg);
		if (ret != -ENOSYS)
			return ret;
	}
	ret = ioctl(fd, cmd, arg);
	return ret < 0 ? -errno : ret;
}

int fz_ioctl(struct fz_actor *a, int fd, uint32_t cmd, void *arg)
{
	const struct fz_call *call = fz_call_of(cmd);
	char before[LOOK_BYTES], after[LOOK_BYTES];
	bool look = call->writes && a->step % 4 == 0 &&
		    look_at(arg, call->size_bytes, before);
	int ret;

	ret = call_it(fd, cmd, arg, a->step % 16 == 15);
	if (look && ret >= 0 && look_at(arg, call->size_bytes, after))
		check_words(a, call, before, after);

	fz_count(fz->nr_calls[call - fz_calls], 1);
	if (ret >= 0)
		return ret;
	if (-ret < FZ_ERRNO_MAX)
		fz_count(fz->nr_errnos[-ret], 1);
	FZ_EXPECT(a, is_listed(call, -ret),
		  "%s (0x%x): expected an errno that the header lists, found %s",
		  call->name, cmd, t_name(ret));
	return ret;
}

int fz_ioctl_bad(struct fz_actor *a, int fd, uint32_t cmd, void *arg,
		 const char *why)
{
	int ret = fz_ioctl(a, fd, cmd, arg);

	FZ_EXPECT(a, ret < 0, "%s with %s: expected an error, found %d",
		  fz_call_of(cmd)->name, why, ret);
	return ret;
}

void fz_pool_put(struct fz_actor *a, uint64_t id)
{
	uint32_t at = __atomic_fetch_add(&fz->pool_at[a->device], 1,
					 __ATOMIC_RELAXED);

	fz->pool[a->device][at % FZ_POOL] = id;
}

uint64_t fz_pool_get(struct fz_actor *a, struct t_rand *r)
{
	uint64_t id = fz->pool[a->device][t_below(r, FZ_POOL)];
	uint64_t other = t_number(r);

	switch (t_below(r, 8)) {
	case 0:
		return other;
	case 1:
		return id ^ (1ull << other % 64);
	case 2:		/* an older or newer lend of the same slot */
		return id + ((uint64_t)(int64_t)(int8_t)other << 32);
	}
	return id;
}
