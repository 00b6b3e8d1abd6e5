/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * locked.h - how a program of the laboratory keeps going, and tells the host,
 * in a guest that has no memory left
 *
 * Where it stands: fault, swapcycle, evict > [locked] > kernel.  What acts on
 * a guest under load must not wait for what it disturbs: it is locked, exempt
 * from the OOM killer, real-time, and its system calls may use the reserves
 * (the memalloc scope, where the abuse module is loaded).  Nothing here
 * allocates after locked_take().
 *
 * None of it is inherited by a child but the score and the scope: a child that
 * is to be safe takes its own, one that is not is forked before.
 */
#ifndef EXPERIMENTS_LOCKED_H
#define EXPERIMENTS_LOCKED_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/abuse.h>

/* As the agent: above all servers, below the kernel's real-time threads. */
#define LOCKED_FIFO_PRIORITY	50
#define LOCKED_STACK_BYTES	(64 * 1024)
/* The port has one opener at a time; others close it soon. */
#define LOCKED_REPORT_TRIES	100
#define LOCKED_REPORT_WAIT_MS	100

/* --trial: on a desk, where nothing is under load, it may go without. */
static bool locked_trial;
/* SIGTERM came: the loads are over. */
static volatile sig_atomic_t locked_leaving;

static inline void locked_on_sigterm(int number)
{
	(void)number;
	locked_leaving = 1;
}

static inline void pause_ms(long ms)
{
	const struct timespec wait = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000,
	};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &wait, NULL);
}

static inline uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* 0 or -errno */
static inline int text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

/* The start of a file, as a string; false and an empty one if it is not there. */
static inline bool text_read_fd(int fd, char *text, size_t bytes)
{
	ssize_t n = fd < 0 ? -1 : pread(fd, text, bytes - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static inline bool text_read(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool found = text_read_fd(fd, text, bytes);

	if (fd >= 0)
		close(fd);
	return found;
}

/* The number behind `key` at the start of a line; 0: not there. */
static inline uint64_t text_number(const char *text, const char *key)
{
	size_t len = strlen(key);

	while (text && *text) {
		if (!strncmp(text, key, len))
			return strtoull(text + len, NULL, 10);
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return 0;
}

static __attribute__((noinline, unused)) void locked_stack_touch(void)
{
	volatile char pages[LOCKED_STACK_BYTES];

	for (size_t i = 0; i < sizeof(pages); i += 1024)
		pages[i] = 1;
}

/* Memory and score: what a child needs, too. */
static inline bool locked_memory(void)
{
	locked_stack_touch();
	return !text_write("/proc/self/oom_score_adj", "-1000") &&
	       !mlockall(MCL_CURRENT | MCL_FUTURE);
}

/*
 * All of it.  ctl: the abuse device's control node, or -1.  False, with a line
 * on stderr, if the program is not safe; the scope is not insisted on, for
 * other devices have none to give.
 */
static inline bool locked_take(const char *name, int ctl)
{
	const struct sched_param param = {
		.sched_priority = LOCKED_FIFO_PRIORITY,
	};
	struct abuse_scope scope = {
		.ab_target = ABUSE_SCOPE_THREAD,
		.ab_scope = ABUSE_SCOPE_MEMALLOC,
	};
	struct sigaction action = { .sa_handler = locked_on_sigterm };

	sigaction(SIGTERM, &action, NULL);
	if ((!locked_memory() || sched_setscheduler(0, SCHED_FIFO, &param)) &&
	    !locked_trial) {
		fprintf(stderr, "%s: not safe from what it does: %m (needs root)\n",
			name);
		return false;
	}
	if (ctl >= 0 && ioctl(ctl, ABUSE_SET_SCOPE, &scope))
		fprintf(stderr, "%s: no memalloc scope: %m\n", name);
	return true;
}

/* ------------------------------------------------------------- reporting */

/*
 * Open the port, once it is free.  Before the deed, so that only the write is
 * left to do after it.  -1: it is not to be had.
 */
static inline int report_open(const char *path)
{
	for (int i = 0; i < LOCKED_REPORT_TRIES; i++) {
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			      0644);

		if (fd >= 0 || errno != EBUSY)
			return fd;
		pause_ms(LOCKED_REPORT_WAIT_MS);
	}
	return -1;
}

/* One line of JSON; closes the port. */
static inline bool report_send(int fd, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static inline bool report_send(int fd, const char *format, ...)
{
	static char line[1024];
	va_list args;
	int len;
	bool sent;

	va_start(args, format);
	/* Integers and words only: this neither locks nor allocates. */
	len = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line) - 1)
		len = (int)sizeof(line) - 2;
	line[len++] = '\n';
	sent = fd >= 0 && write(fd, line, (size_t)len) == len;
	if (fd >= 0)
		close(fd);
	return sent;
}

#endif
