// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_actor.c - an actor's operations, one after the other; findings
 *
 * Where it stands: [fuzzer] > /dev/abctlN, /dev/abuseN > module.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fz.h"

void fz_sleep_us(uint32_t us)
{
	const struct timespec time = { us / 1000000, us % 1000000 * 1000l };

	nanosleep(&time, NULL);
}

void fz_say(struct fz_actor *a, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(a->said, sizeof(a->said), format, args);
	va_end(args);
	if (fz->verbose)
		fprintf(stderr, "op %u.%llu %s %s: %s\n", a->index,
			(unsigned long long)a->step, a->kind->name, a->op,
			a->said);
}

void fz_finding(struct fz_actor *a, const char *format, ...)
{
	uint32_t nr = __atomic_fetch_add(&fz->nr_findings, 1,
					 __ATOMIC_RELAXED);
	char text[500];
	va_list args;

	if (nr >= FZ_FINDINGS_MAX) {
		fz->stop = true;
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!a) {
		fprintf(stderr, "finding: %s\n", text);
		return;
	}
	fprintf(stderr, "finding: actor %u (%s, device %d) operation %llu (%s: %s): %s\n",
		a->index, a->kind->name, a->device,
		(unsigned long long)a->step, a->op ? a->op : "start", a->said,
		text);
}

pid_t fz_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
	}
	return pid;
}

int fz_wait(struct fz_actor *a, pid_t pid)
{
	long began = t_now_ms();
	bool killed = false;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) != pid) {
		if (!killed && t_now_ms() - began > t_patience_ms()) {
			fz_finding(a, "a child: expected its end within %ld ms, found none",
				   t_patience_ms());
			kill(pid, SIGKILL);
			killed = true;
		}
		fz_sleep_us(500);
	}
	return status;
}

static const struct fz_op *op_of(const struct fz_kind *kind,
				 struct t_rand *r)
{
	const struct fz_op *op;
	uint32_t sum = 0, at;

	for (op = kind->ops; op->name; op++)
		sum += op->weight;
	at = t_below(r, sum);
	for (op = kind->ops; at >= op->weight; op++)
		at -= op->weight;
	return op;
}

static bool is_over(const struct fz_actor *a)
{
	return a->kind->serves ? fz->stop_servers : fz->stop;
}

void fz_act(struct fz_actor *a, uint64_t from, uint64_t to)
{
	if (a->nr_starts == 1)
		a->step = from;
	else
		a->step++;	/* the last start ended in this one */
	a->op = NULL;
	fz_cover_start();
	if (a->kind->start)
		a->kind->start(a);
	for (; !is_over(a) && a->step < to; a->step++) {
		struct t_rand r = t_rand_of(fz->seed, a->index, a->step);
		const struct fz_op *op = op_of(a->kind, &r);

		a->said[0] = '\0';
		a->step_began_ms = t_now_ms();
		a->op = op->name;
		op->run(a, &r);
		fz_cover_take();
		a->nr_ops++;
	}
	a->finished = true;
	_exit(0);
}
