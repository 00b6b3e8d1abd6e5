// SPDX-License-Identifier: GPL-2.0-only
/*
 * lanes.c - several transfers of one round at the same time
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 *
 * One word says which round it is, how many jobs it has and which is the next:
 * a lane that comes late finds none left, or a round that is complete to the
 * last field, never half of one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/futex.h>

#include "lanes.h"
#include "patience.h"

/* pread and a signal handler; glibc's own part of it is about 3 KiB. */
#define LANES_STACK_BYTES	(64 * 1024)
#define LANES_GONE_US		200
#define LANES_GONE_MAX		25000	/* looks: 5 s and more */

/* round << 32 | number of jobs << 16 | next job */
#define LANES_NEXT(word)	((unsigned int)((word) & 0xffff))
#define LANES_JOBS(word)	((unsigned int)((word) >> 16 & 0xffff))

struct lanes {
	_Atomic uint64_t word;
	_Atomic uint32_t round;		/* lanes sleep on it */
	_Atomic uint32_t left;		/* jobs not done; the server sleeps on it */
	_Atomic uint32_t started;	/* lanes */
	struct lane_job *jobs;		/* of this round */
	unsigned int nr;
	pid_t forerunner;
	char stacks[] __attribute__((aligned(4096)));
};

static long lanes_futex(_Atomic uint32_t *at, int op, uint32_t value)
{
	return syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, NULL,
		       NULL, 0);
}

static void lanes_do(struct lane_job *job)
{
	const struct backend_ops *ops = job->backend->ops;

	job->result = job->write ?
		      ops->write(job->backend, job->data, job->offset_bytes,
				 job->len_bytes) :
		      ops->read(job->backend, job->data, job->offset_bytes,
				job->len_bytes);
}

/* Jobs of the present round, until none is left to take. */
static void lanes_work(struct lanes *lanes)
{
	uint64_t word = atomic_load(&lanes->word);

	while (LANES_NEXT(word) < LANES_JOBS(word)) {
		struct lane_job *job = &lanes->jobs[LANES_NEXT(word)];

		if (!atomic_compare_exchange_weak(&lanes->word, &word,
						  word + 1))
			continue;
		lanes_do(job);
		if (atomic_fetch_sub(&lanes->left, 1) == 1)
			lanes_futex(&lanes->left, FUTEX_WAKE, 1);
		word = atomic_load(&lanes->word);
	}
}

static void *lanes_main(void *arg)
{
	struct lanes *lanes = arg;
	uint32_t round;

	atomic_fetch_add(&lanes->started, 1);
	lanes_futex(&lanes->started, FUTEX_WAKE, 1);
	for (;;) {
		round = atomic_load(&lanes->round);
		lanes_work(lanes);
		lanes_futex(&lanes->round, FUTEX_WAIT, round);
	}
	return NULL;
}

struct lanes *lanes_make(unsigned int nr)
{
	size_t bytes = sizeof(struct lanes) + (size_t)nr * LANES_STACK_BYTES;
	struct lanes *lanes = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (lanes == MAP_FAILED) {
		fprintf(stderr, "swapserver: no %zu bytes for %u lanes: %s\n",
			bytes, nr, strerror(errno));
		return NULL;
	}
	lanes->nr = nr;
	return lanes;
}

/*
 * A task is four pages in a row, which a start under pressure may have to wait
 * for; what is missing is not told (EAGAIN).
 */
static int lane_start(struct lanes *lanes, const pthread_attr_t *attr,
		      void *(*main)(void *), pthread_t *thread)
{
	int err;

	do {
		err = pthread_create(thread, attr, main, lanes);
	} while (err == EAGAIN && patience(PATIENCE_TASK));
	return err;
}

static void *lanes_forerunner(void *arg)
{
	struct lanes *lanes = arg;

	lanes->forerunner = syscall(SYS_gettid);
	return NULL;
}

/*
 * The first thread of a process that ends makes the record in which taskstats
 * sums up all of them (taskstats_exit()), with GFP_KERNEL, and before files are
 * closed.  In a server that is killed that takes of the reserve, and without
 * the scope waits for memory, while it still holds what it was lent; so one
 * ends here, before there is anything.
 */
static int lanes_forerun(struct lanes *lanes, const pthread_attr_t *attr)
{
	pthread_t thread;
	int looks = 0, err;

	err = lane_start(lanes, attr, lanes_forerunner, &thread);
	if (!err)
		err = pthread_join(thread, NULL);
	/*
	 * It can be joined before it is gone from /proc, which is counted, and
	 * stays there for as long as its tracer does not look at it.
	 */
	while (!err && !syscall(SYS_tgkill, getpid(), lanes->forerunner, 0)) {
		if (looks++ == LANES_GONE_MAX)
			err = ETIMEDOUT;
		usleep(LANES_GONE_US);
	}
	return err;
}

int lanes_start(struct lanes *lanes)
{
	pthread_attr_t attr;
	sigset_t all, before;
	uint32_t started;
	pthread_t thread;
	unsigned int i;
	int err = pthread_attr_init(&attr);

	/* Signals are the server's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (i = 0; !err && i < lanes->nr; i++) {
		err = pthread_attr_setstack(&attr, lanes->stacks +
					    (size_t)i * LANES_STACK_BYTES,
					    LANES_STACK_BYTES);
		if (!err && !i)
			err = lanes_forerun(lanes, &attr);
		if (!err)
			err = lane_start(lanes, &attr, lanes_main, &thread);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* What the C library does at a thread's start is no longer allowed soon. */
	while (!err && (started = atomic_load(&lanes->started)) < lanes->nr)
		lanes_futex(&lanes->started, FUTEX_WAIT, started);
	return -err;
}

void lanes_run(struct lanes *lanes, struct lane_job *jobs, unsigned int nr)
{
	unsigned int i, others;
	uint32_t left;

	if (!lanes || nr < 2) {
		for (i = 0; i < nr; i++)
			lanes_do(&jobs[i]);
		return;
	}
	others = nr - 1 < lanes->nr ? nr - 1 : lanes->nr;
	lanes->jobs = jobs;
	atomic_store(&lanes->left, nr);
	atomic_store(&lanes->word,
		     (uint64_t)(atomic_load(&lanes->round) + 1) << 32 |
		     (uint64_t)nr << 16);
	atomic_fetch_add(&lanes->round, 1);
	lanes_futex(&lanes->round, FUTEX_WAKE, others);
	lanes_work(lanes);
	while ((left = atomic_load(&lanes->left)))
		lanes_futex(&lanes->left, FUTEX_WAIT, left);
}
