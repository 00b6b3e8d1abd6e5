// SPDX-License-Identifier: GPL-2.0-only
/*
 * machine.c - disturbs the machine itself: its processors, its being awake
 *
 * Where it stands: job > main > fault > [machine] > scheduler, power.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <sys/wait.h>

#include "../locked.h"
#include "fault.h"

/* To see a hog's processor time. */
#define HOG_MS		500
/* Above the servers' 10, below the agent and us. */
#define HOG_PRIORITY	20
#define HOGS_MAX	64
/* When a machine that did fall asleep wakes up: sooner than it counts as lost. */
#define WAKE_S		"+5"

static pid_t hogs[HOGS_MAX];
static int nr_hogs, hog_gate[2];

/* Locked, or it would wait for its own page instead of hogging. */
static void hog_run(int cpu)
{
	const struct sched_param param = { .sched_priority = HOG_PRIORITY };
	cpu_set_t set;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "rt-hog");
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if ((!locked_memory() && !opt.trial) ||
	    sched_setaffinity(0, sizeof(set), &set) ||
	    read(hog_gate[0], &go, 1) != 1 ||
	    sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* All processors but the last, at least one: the machine is not to stand still. */
static int prepare_hog(void)
{
	long nr = sysconf(_SC_NPROCESSORS_ONLN);

	if (pipe(hog_gate))
		return fail("pipe", -errno);
	nr_hogs = nr > 1 ? (int)nr - 1 : 1;
	if (nr_hogs > HOGS_MAX)
		nr_hogs = HOGS_MAX;
	for (int i = 0; i < nr_hogs; i++) {
		hogs[i] = fork();
		if (!hogs[i])
			hog_run(i);
		if (hogs[i] < 0)
			return fail("fork", -errno);
	}
	return 0;
}

static uint64_t cpu_ms(pid_t pid)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static int inject_hog(struct seen *seen)
{
	uint64_t before_ms[HOGS_MAX], least_ms = UINT64_MAX;

	for (int i = 0; i < nr_hogs; i++) {
		before_ms[i] = cpu_ms(hogs[i]);
		if (write(hog_gate[1], "x", 1) != 1)
			return refused(seen, "pipe: %s", strerror(errno));
	}
	pause_ms(HOG_MS);
	for (int i = 0; i < nr_hogs; i++) {
		uint64_t used_ms = cpu_ms(hogs[i]) - before_ms[i];

		if (used_ms < least_ms)
			least_ms = used_ms;
		if (sched_getscheduler(hogs[i]) != SCHED_FIFO)
			return refused(seen, "the hog %d is not SCHED_FIFO", i);
	}
	/* An emulated processor may be late; a tenth says that it runs. */
	if (least_ms < HOG_MS / 10)
		return refused(seen, "a hog ran %llu ms of %d",
			       (unsigned long long)least_ms, HOG_MS);
	snprintf(seen->text, sizeof(seen->text),
		 ",\"hogs\":%d,\"priority\":%d,\"used_ms\":%llu,\"of_ms\":%d",
		 nr_hogs, HOG_PRIORITY, (unsigned long long)least_ms, HOG_MS);
	return 0;
}

/* They go on for as long as the loads do. */
static void end_hog(void)
{
	for (int i = 0; i < nr_hogs; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
}

const struct kind kind_rt_hog = {
	.name = "rt-hog",
	.prepare = prepare_hog,
	.inject = inject_hog,
	.end = end_hog,
};

static int power = -1, wake = -1;

static int prepare_suspend(void)
{
	power = open("/sys/power/state", O_WRONLY | O_CLOEXEC);
	/* Without it a machine that does sleep never wakes: no attempt. */
	wake = open("/sys/class/rtc/rtc0/wakealarm", O_WRONLY | O_CLOEXEC);
	if (power < 0 || wake < 0)
		return fail(power < 0 ? "/sys/power/state" : "wakealarm", -errno);
	return 0;
}

/* An attempt is the fault; that it is refused may be the right answer. */
static int inject_suspend(struct seen *seen)
{
	uint64_t start_ms = now_ms();
	int err = 0;

	if (write(wake, "0", 1) != 1 ||
	    write(wake, WAKE_S, strlen(WAKE_S)) != (ssize_t)strlen(WAKE_S))
		return refused(seen, "wakealarm: %s", strerror(errno));
	if (write(power, "freeze", 6) != 6)
		err = errno;
	snprintf(seen->text, sizeof(seen->text),
		 ",\"slept\":%s,\"errno\":%d,\"took_ms\":%llu",
		 err ? "false" : "true", err,
		 (unsigned long long)(now_ms() - start_ms));
	return 0;
}

const struct kind kind_suspend = {
	.name = "suspend",
	.prepare = prepare_suspend,
	.inject = inject_suspend,
	.slow = true,
};
