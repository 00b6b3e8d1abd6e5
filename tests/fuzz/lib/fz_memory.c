// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_memory.c - good and bad addresses for the fuzzer's arguments
 *
 * Where it stands: [fuzzer] > /dev/abctlN > module.  All of it lies below
 * 4 GiB, so that a 32-bit call can name it, too.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fz.h"

#define ARG_PAGES	4u
#define ARENA_PAGES	(FZ_ARENA_BYTES / T_PAGE)

/* ARG_PAGES good ones, then a hole, a page that is read-only, a hole. */
static char *args;
static char *arena;
static int mem_fd;	/* /proc/self/mem */
static pid_t mem_opener;

static void *low_map(size_t bytes, int prot)
{
	void *p = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_32BIT, -1, 0);

	if (p == MAP_FAILED)
		T_FAIL("mmap of %zu bytes: %s", bytes, strerror(errno));
	return p;
}

static void open_mem(void)
{
	mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	mem_opener = getpid();
}

void fz_memory_init(void)
{
	/*
	 * Now, not when first used: a thread must not get the number of a
	 * descriptor that another has just closed under it.
	 */
	open_mem();
	args = low_map((ARG_PAGES + 3) * T_PAGE, PROT_READ | PROT_WRITE);
	mprotect(args + ARG_PAGES * T_PAGE, T_PAGE, PROT_NONE);
	mprotect(args + (ARG_PAGES + 1) * T_PAGE, T_PAGE, PROT_READ);
	munmap(args + (ARG_PAGES + 2) * T_PAGE, T_PAGE);
	arena = low_map(FZ_ARENA_BYTES, PROT_READ | PROT_WRITE);
}

char *fz_arena(void)
{
	return arena;
}

void *fz_place_good(struct t_rand *r, uint32_t size_bytes)
{
	uint32_t room = ARG_PAGES * T_PAGE - size_bytes;

	/* The last byte that is there is the argument's last. */
	if (t_one_in(r, 4))
		return args + room;
	/* Mostly as a compiler would place it; also across two pages. */
	return args + (t_one_in(r, 4) ? t_below(r, room + 1) :
		       t_below(r, room / 8 + 1) * 8);
}

void *fz_place_bad(struct t_rand *r)
{
	char *hole = args + ARG_PAGES * T_PAGE;

	switch (t_below(r, 9)) {
	case 0:
		return NULL;
	case 1:
		return (void *)8;
	case 2:
		return hole + t_below(r, T_PAGE);
	case 3:
		return (void *)(0x100000000000ul + t_below(r, 1u << 30));
	case 4:
		return (void *)(0xffff888000000000ul + t_below(r, 1u << 30));
	case 5:
		return (void *)(0xffffffff81000000ul + t_below(r, 1u << 20));
	case 6:
		return (void *)(0x8000000000000000ul + t_below(r, 1u << 20));
	case 7:
		return (void *)(0x00007fffffffffffUL - t_below(r, 16));
	}
	return (void *)-(1ul + t_below(r, 64));
}

void *fz_place_arg(struct t_rand *r, uint32_t size_bytes, enum fz_mem *mem)
{
	char *hole = args + ARG_PAGES * T_PAGE;

	switch (t_below(r, 16)) {
	case 0:
		*mem = FZ_BAD;
		return fz_place_bad(r);
	case 1:		/* begins well and ends badly */
		*mem = FZ_BAD;
		return hole - (size_bytes > 1 ?
			       1 + t_below(r, size_bytes - 1) : 0);
	case 2:
		*mem = FZ_READABLE;
		return hole + T_PAGE + t_below(r, T_PAGE - size_bytes);
	}
	*mem = FZ_GOOD;
	return fz_place_good(r, size_bytes);
}

void fz_memory_churn(struct t_rand *r)
{
	uint32_t at = t_below(r, ARENA_PAGES), nr = 1 + t_below(r, 16);
	char *p = arena + at * T_PAGE;

	if (at + nr > ARENA_PAGES)
		nr = ARENA_PAGES - at;
	switch (t_below(r, 4)) {
	case 0:
		madvise(p, nr * T_PAGE, MADV_DONTNEED);
		break;
	case 1:
		munmap(p, nr * T_PAGE);
		/* fall through */
	case 2:
		mmap(p, nr * T_PAGE, PROT_READ | PROT_WRITE, MAP_FIXED |
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case 3:
		mlock(p, nr * T_PAGE);
		munlock(p, nr * T_PAGE);
		break;
	}
}

/* Through a file, which gives an errno where a load would give a signal. */
long fz_peek(const void *from, void *to, uint32_t size_bytes)
{
	/* After a fork it would still be the parent's memory. */
	if (mem_opener != getpid())
		open_mem();
	return T_RET(pread(mem_fd, to, size_bytes, (off_t)(uintptr_t)from));
}
