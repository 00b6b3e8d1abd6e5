/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.h - what the programs that measure share: a clock, content that can
 * be told apart, and what a server has used of the processors
 *
 * Where it stands: bench.sh > blockload.c, swapbench.c, sampler.c > device.  Nothing
 * here allocates or prints while somebody measures.
 */
#ifndef EXPERIMENTS_BENCH_H
#define EXPERIMENTS_BENCH_H

#define BENCH_PAGE_BYTES 4096u
#define BENCH_PAGE_WORDS (BENCH_PAGE_BYTES / sizeof(uint64_t))
/* As many tasks as a work may have. */
#define BENCH_TASKS_MAX 64u

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *bench_name; /* of the program, for what it says */

static inline void __attribute__((format(printf, 1, 2), noreturn))
bench_die(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", bench_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	/* Not exit(): a task must not write the parent's output again. */
	_exit(1);
}

/* The guest's time.  Under an instruction clock: instructions of all CPUs. */
static inline uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline void bench_sleep_us(long us)
{
	struct timespec time = {us / 1000000, us % 1000000 * 1000};

	nanosleep(&time, NULL);
}

/* Run on these processors only: bit i is processor i; 0: anywhere. */
static inline void bench_pin(unsigned long cpus)
{
	cpu_set_t set;

	if (!cpus)
		return;
	CPU_ZERO(&set);
	for (unsigned int i = 0; i < 8 * sizeof(cpus); i++)
		if (cpus >> i & 1)
			CPU_SET(i, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		bench_die("processors 0x%lx: %m", cpus);
}

/* ---------------------------------------------------------- the content */

/* splitmix64 (Steele, Lea, Flood 2014): a good mixer in five operations */
static inline uint64_t bench_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/*
 * What all pages have in common: the first `noise_percent` of it does not
 * compress, the rest does.
 */
static inline void bench_template(uint64_t *page, unsigned int noise_percent)
{
	for (size_t i = 0; i < BENCH_PAGE_WORDS; i++) {
		bool noise = i * 100 < BENCH_PAGE_WORDS * noise_percent;

		page[i] = bench_mix(noise ? i : 0);
	}
}

/* Where the words stand in which pages differ: first, middle, last. */
static inline size_t bench_stamp_at(unsigned int i)
{
	return i ? i * (BENCH_PAGE_WORDS / 2) - (i > 1) : 0;
}

/*
 * Say which page of the device or task this is, and by which run: three words,
 * since more of them would be measured instead of the device.
 */
static inline void bench_stamp(uint64_t *page, uint64_t place,
			       uint64_t generation)
{
	uint64_t stamp = bench_mix(place ^ bench_mix(generation));

	for (unsigned int i = 0; i < 3; i++)
		page[bench_stamp_at(i)] = stamp + i;
}

static inline bool bench_is_stamped(const uint64_t *page, uint64_t place,
				    uint64_t generation)
{
	uint64_t stamp = bench_mix(place ^ bench_mix(generation));

	for (unsigned int i = 0; i < 3; i++)
		if (page[bench_stamp_at(i)] != stamp + i)
			return false;
	return true;
}

/* All of it: the stamps, and between them the template. */
static inline bool bench_is_whole(const uint64_t *page,
				  const uint64_t *template, uint64_t place,
				  uint64_t generation)
{
	size_t middle = bench_stamp_at(1), last = bench_stamp_at(2);

	return bench_is_stamped(page, place, generation) &&
	       !memcmp(page + 1, template + 1,
		       (middle - 1) * sizeof(*page)) &&
	       !memcmp(page + middle + 1, template + middle + 1,
		       (last - middle - 1) * sizeof(*page));
}

/* ------------------------------------------------------ what it has used */

/* A file of a thread of a process, as far as it fits; false: it has ended. */
static inline bool bench_thread_text(int pid, const char *tid,
				     const char *file, char *text, size_t bytes)
{
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%.10s/%.12s", pid, tid,
		 file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, bytes - 1);
	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return false;
	text[got] = '\0';
	return true;
}

/*
 * What a thread has used is brought up to date at a tick, and when it leaves
 * its processor: who still looks for work, before it sleeps, is waited for.
 * Not for ever: some never sleep.
 */
static inline void bench_thread_sleeps(int pid, const char *tid)
{
	char text[128], *name_end;
	int looks;

	for (looks = 0; looks < 200; looks++) {
		if (!bench_thread_text(pid, tid, "stat", text, sizeof(text)))
			return;
		name_end = strrchr(text, ')');
		if (!name_end || strncmp(name_end, ") R", 3))
			return;
		bench_sleep_us(100);
	}
}

/*
 * Time on a processor of all threads of a process, from their schedstat; 0 for
 * pid 0.  Under an instruction clock it is exact, too: the scheduler's clock
 * is the same one.
 */
static inline uint64_t bench_server_ns(int pid)
{
	char path[64], text[128];
	unsigned long long ns, sum_ns = 0;
	struct dirent *entry;
	DIR *folder;

	if (!pid)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	folder = opendir(path);
	if (!folder)
		bench_die("server %d has gone", pid);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		bench_thread_sleeps(pid, entry->d_name);
		if (bench_thread_text(pid, entry->d_name, "schedstat", text,
				      sizeof(text)) &&
		    sscanf(text, "%llu", &ns) == 1)
			sum_ns += ns;
	}
	closedir(folder);
	return sum_ns;
}

/* ------------------------------------------------------- the command line */

static inline void __attribute__((noreturn)) bench_misused(const char *what)
{
	fprintf(stderr, "%s: %s (see --help)\n", bench_name, what);
	exit(2);
}

/* A number with K, M or G behind it, or 0x and digits; at most `max`. */
static inline uint64_t bench_number(const char *text, uint64_t max)
{
	unsigned int shift = 0;
	uint64_t value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (*end == 'K' || *end == 'M' || *end == 'G') {
		shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
		end++;
	}
	if (errno || end == text || *end || *text == '-' ||
	    value > max >> shift)
		bench_misused(text);
	return value << shift;
}

#endif
