// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_cover.c - which places of the module the operations came through
 *
 * Where it stands: [fuzzer] > /dev/abctlN, /dev/abuseN > module.
 *
 * A kernel with KCOV writes down, for each task that asks, where in the module
 * its system calls went (the module alone is instrumented).  Timers, workers
 * and interrupts are nobody's system call: what runs there is not seen.  On
 * other kernels all of this does nothing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kcov.h>

#include "fz.h"

#define COVER_PATH	"/sys/kernel/debug/kcov"
#define COVER_WORDS	(32u * 1024)	/* places an operation may pass */
#define COVER_LINE	60		/* places a line */

/* Shared: for each byte of the module's text, has a task been there? */
static volatile uint8_t *cover_seen;
static uint64_t cover_text;
/* Of this process: the number of words, and the words. */
static volatile uint64_t *cover_words;

void fz_cover_init(void)
{
	FILE *f = fopen("/sys/module/abuse/sections/.text", "re");
	unsigned long long text = 0;

	if (!f)
		return;
	if (fscanf(f, "%llx", &text) != 1)
		text = 0;
	fclose(f);
	if (!text || access(COVER_PATH, R_OK | W_OK))
		return;
	cover_text = text;
	cover_seen = t_shared(FZ_TEXT_BYTES);
}

void fz_cover_start(void)
{
	void *words;
	int fd;

	if (!cover_seen)
		return;
	fd = open(COVER_PATH, O_RDWR | O_CLOEXEC);
	T_OK(fd);
	T_OK(T_RET(ioctl(fd, KCOV_INIT_TRACE, COVER_WORDS)));
	words = mmap(NULL, COVER_WORDS * sizeof(uint64_t),
		     PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T_TRUE(words != MAP_FAILED, "kcov: expected its memory, found none");
	T_OK(T_RET(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC)));
	cover_words = words;
	/* The descriptor stays: closing it would end the tracing. */
}

void fz_cover_take(void)
{
	uint64_t i, nr, at;

	if (!cover_words)
		return;
	nr = __atomic_load_n(&cover_words[0], __ATOMIC_RELAXED);
	for (i = 1; i <= nr && i < COVER_WORDS; i++) {
		at = cover_words[i] - cover_text;
		if (at < FZ_TEXT_BYTES)
			cover_seen[at] = 1;
	}
	__atomic_store_n(&cover_words[0], 0, __ATOMIC_RELAXED);
}

uint64_t fz_cover_report(void)
{
	bool list = getenv("T_COVER");
	uint64_t nr = 0;
	uint32_t i;

	if (!cover_seen)
		return 0;
	for (i = 0; i < FZ_TEXT_BYTES; i++) {
		if (!cover_seen[i])
			continue;
		if (list)
			printf("%s%x", nr % COVER_LINE ? " " :
			       nr ? "\ncover: " : "cover: ", i);
		nr++;
	}
	if (list && nr)
		putchar('\n');
	return nr;
}
