// SPDX-License-Identifier: GPL-2.0-only
/*
 * task.c - what /proc says of a server's process, whatever it says itself
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <linux/abuse.h>

#include "task.h"

/* include/linux/sched.h; facts about a task that no system call tells. */
#define PF_MEMALLOC 0x00000800UL
#define PF_MEMALLOC_NOIO 0x00080000UL
#define PF_LOCAL_THROTTLE 0x00100000UL
/* How often a thread without PF_MEMALLOC is looked at. */
#define TASK_LOOKS 3
#define TASK_LOOK_US 1000

/*
 * The vdso cannot be locked, and is there in every process; two more for the
 * rounding of two sums.
 */
#define TASK_UNLOCKED_KIB 16
/* Between the clocks of starttime (10 ms ticks) and of a board. */
#define TASK_CLOCK_SLACK_NS 1000000000ull

const char *const task_protections[] = {
	[PROTECT_CORE] = "core",       [PROTECT_OOM] = "oom",
	[PROTECT_SCHED] = "sched",     [PROTECT_MLOCK] = "mlock",
	[PROTECT_FLUSHER] = "flusher", [PROTECT_SCOPE] = "scope",
	[PROTECT_NOFAULT] = "nofault", [PROTECT_CAPS] = "caps",
	[PROTECT_SEALED] = "sealed",
};
_Static_assert(sizeof(task_protections) / sizeof(task_protections[0]) ==
		       PROTECT_COUNT,
	       "a new protection: see task_sees(), too");

/* The start of a file of /proc/PID; bytes or -errno. */
static ssize_t task_read(pid_t pid, const char *name, char *text, size_t bytes)
{
	size_t used = 0;
	char path[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (used < bytes - 1) {
		got = read(fd, text + used, bytes - 1 - used);
		if (got < 0) {
			got = -errno;
			close(fd);
			return got;
		}
		if (!got)
			break;
		used += got;
	}
	close(fd);
	text[used] = '\0';
	return used;
}

bool task_parse_stat(const char *line, char *state, unsigned long *flags,
		     int *policy, unsigned int *rt_priority,
		     uint64_t *start_ticks)
{
	/* The name may hold anything; field 3 follows its last bracket. */
	const char *p = strrchr(line, ')');
	int field;

	if (!p ||
	    sscanf(p + 1, " %c %*d %*d %*d %*d %*d %lu", state, flags) != 2)
		return false;
	p += 2;
	for (field = 3; field < 22 && p; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	if (!p || sscanf(p, "%" SCNu64, start_ticks) != 1)
		return false;
	for (; field < 40 && p; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	return p && sscanf(p, "%u %d", rt_priority, policy) == 2;
}

/* The number behind a name at the start of a line; false if it is not there. */
static bool task_number(const char *text, const char *name, int base,
			uint64_t *value)
{
	const char *p = text;
	size_t len = strlen(name);

	while (p && strncmp(p, name, len)) {
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	if (!p || !len)
		return false;
	*value = strtoull(p + len, NULL, base);
	return true;
}

static void task_look_status(struct task *t)
{
	char text[4096], *uids;
	unsigned int uid;
	uint64_t n;

	t->locked_kib = t->resident_kib = t->seccomp = -1;
	t->cap_permitted = t->cap_effective = ~0ull;
	t->uid = (uid_t)-1;
	if (task_read(t->pid, "status", text, sizeof(text)) < 0)
		return;
	uids = strstr(text, "\nUid:");
	if (uids && sscanf(uids, "\nUid: %*u %u", &uid) == 1)
		t->uid = uid;
	if (task_number(text, "VmLck:", 10, &n))
		t->locked_kib = n;
	if (task_number(text, "VmRSS:", 10, &n))
		t->resident_kib = n;
	if (task_number(text, "Seccomp:", 10, &n))
		t->seccomp = n;
	task_number(text, "CapPrm:", 16, &t->cap_permitted);
	task_number(text, "CapEff:", 16, &t->cap_effective);
}

static void task_look_memory(struct task *t)
{
	char text[4096];
	uint64_t n;

	t->pss_kib = t->pss_locked_kib = t->swapped_kib = -1;
	/* Takes the server's mmap_lock for reading: it has no need of it. */
	if (task_read(t->pid, "smaps_rollup", text, sizeof(text)) <= 0)
		return;
	if (task_number(text, "Pss:", 10, &n))
		t->pss_kib = n;
	if (task_number(text, "Locked:", 10, &n))
		t->pss_locked_kib = n;
	if (task_number(text, "Swap:", 10, &n))
		t->swapped_kib = n;
}

/* What holds for all threads: each of them may serve. */
static void task_look_thread(struct task *t, const char *tid)
{
	uint64_t start_ticks;
	unsigned int rt_priority;
	char name[48], text[1024], state;
	unsigned long flags = 0, now;
	int policy, looks;

	snprintf(name, sizeof(name), "task/%.20s/stat", tid);
	/* A softirq that has borrowed the thread hides PF_MEMALLOC meanwhile. */
	for (looks = 0; looks < TASK_LOOKS && !(flags & PF_MEMALLOC); looks++) {
		if (looks)
			usleep(TASK_LOOK_US);
		if (task_read(t->pid, name, text, sizeof(text)) <= 0 ||
		    !task_parse_stat(text, &state, &now, &policy, &rt_priority,
				     &start_ticks))
			return;
		flags |= now;
	}
	if (!t->nr_threads++) {
		t->flags = flags;
		t->policy = policy;
		t->rt_priority = rt_priority;
		return;
	}
	t->flags &= flags;
	if (policy != SCHED_FIFO || rt_priority < t->rt_priority) {
		t->policy = policy;
		t->rt_priority = rt_priority;
	}
}

static void task_look_threads(struct task *t)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", t->pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			task_look_thread(t, entry->d_name);
	closedir(dir);
}

bool task_look(pid_t pid, struct task *t)
{
	struct rlimit core;
	char text[1024], state;
	unsigned long flags;
	unsigned int rt_priority;
	int policy;

	memset(t, 0, sizeof(*t));
	t->pid = pid;
	if (pid <= 0 || task_read(pid, "stat", text, sizeof(text)) <= 0 ||
	    !task_parse_stat(text, &state, &flags, &policy, &rt_priority,
			     &t->start_ticks) ||
	    state == 'X')
		return false;
	task_look_threads(t);
	/* Its first thread has ended; others may still be at the disk. */
	if (state == 'Z' && t->nr_threads < 2)
		return false;
	t->there = true;
	task_look_status(t);
	task_look_memory(t);
	t->oom_score_adj = 1;
	if (task_read(pid, "oom_score_adj", text, sizeof(text)) > 0)
		t->oom_score_adj = atoi(text);
	t->core_known = !prlimit(pid, RLIMIT_CORE, NULL, &core);
	t->core_none = t->core_known && !core.rlim_cur && !core.rlim_max;
	return true;
}

static enum task_verdict task_sees_mlock(const struct task *t, char *seen,
					 size_t bytes)
{
	if (t->pss_kib < 0 || t->pss_locked_kib < 0) {
		snprintf(seen, bytes,
			 "VmLck %" PRId64 " kB, VmRSS %" PRId64 " kB",
			 t->locked_kib, t->resident_kib);
		return t->locked_kib ? TASK_UNKNOWN : TASK_OFF;
	}
	snprintf(seen, bytes,
		 "VmLck %" PRId64 " kB, VmRSS %" PRId64 " kB, %" PRId64
		 " kB not locked, %" PRId64 " kB swapped out",
		 t->locked_kib, t->resident_kib, t->pss_kib - t->pss_locked_kib,
		 t->swapped_kib);
	/* VmLck counts areas, and what is in them may yet be absent. */
	return t->locked_kib > 0 && !t->swapped_kib &&
			       t->pss_kib - t->pss_locked_kib <=
				       TASK_UNLOCKED_KIB
		       ? TASK_ON
		       : TASK_OFF;
}

static enum task_verdict task_is(bool on)
{
	return on ? TASK_ON : TASK_OFF;
}

enum task_verdict task_sees(const struct task *t, enum protection what,
			    unsigned int scope, char *seen, size_t bytes)
{
	const unsigned long flusher = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;

	seen[0] = '\0';
	if (!t->there)
		return TASK_UNKNOWN;
	switch (what) {
	case PROTECT_CORE:
		/* The other half, DUMPABLE, is not to be seen from outside. */
		if (!t->core_known)
			return TASK_UNKNOWN;
		snprintf(seen, bytes, "RLIMIT_CORE %s",
			 t->core_none ? "0" : "not 0");
		return task_is(t->core_none);
	case PROTECT_OOM:
		snprintf(seen, bytes, "oom_score_adj %d", t->oom_score_adj);
		return task_is(t->oom_score_adj == -1000);
	case PROTECT_SCHED:
		snprintf(seen, bytes, "policy %d, priority %u", t->policy,
			 t->rt_priority);
		return task_is(t->policy == SCHED_FIFO && t->rt_priority);
	case PROTECT_MLOCK:
		return task_sees_mlock(t, seen, bytes);
	case PROTECT_FLUSHER:
		snprintf(seen, bytes, "task flags 0x%lx", t->flags);
		return task_is((t->flags & flusher) == flusher);
	case PROTECT_SCOPE:
		snprintf(seen, bytes, "device %u, task flags 0x%lx", scope,
			 t->flags);
		return task_is(scope == ABUSE_SCOPE_MEMALLOC &&
			       t->flags & PF_MEMALLOC);
	case PROTECT_NOFAULT:
		/* A flag of each serve call; but that scope implies it (I7). */
		if (scope != ABUSE_SCOPE_MEMALLOC)
			return TASK_UNKNOWN;
		snprintf(seen, bytes, "implied by scope");
		return TASK_ON;
	case PROTECT_CAPS:
		snprintf(seen, bytes,
			 "permitted 0x%" PRIx64 ", effective 0x%" PRIx64,
			 t->cap_permitted, t->cap_effective);
		return task_is(!t->cap_permitted && !t->cap_effective);
	case PROTECT_SEALED:
		if (t->seccomp < 0)
			return TASK_UNKNOWN;
		snprintf(seen, bytes, "seccomp mode %d", t->seccomp);
		return task_is(t->seccomp == 2);
	case PROTECT_COUNT:
		break;
	}
	return TASK_UNKNOWN;
}

bool task_is_younger(const struct task *t, uint64_t monotonic_ns)
{
	struct timespec boot, monotonic;
	int64_t asleep_ns, start_ns;

	if (!monotonic_ns)
		return false;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_MONOTONIC, &monotonic);
	/* What the machine has slept; perhaps less at that moment. */
	asleep_ns = (boot.tv_sec - monotonic.tv_sec) * 1000000000ll +
		    boot.tv_nsec - monotonic.tv_nsec;
	start_ns = t->start_ticks * (1000000000ull / sysconf(_SC_CLK_TCK));
	return start_ns >
	       (int64_t)(monotonic_ns + TASK_CLOCK_SLACK_NS) + asleep_ns;
}

ssize_t task_command_line(pid_t pid, char *text, size_t bytes)
{
	ssize_t got = task_read(pid, "cmdline", text, bytes);

	return got >= (ssize_t)bytes - 1 ? -E2BIG : got;
}

bool task_is_server_of(pid_t pid, int number)
{
	static char text[8192];
	char node[32];
	ssize_t bytes = task_command_line(pid, text, sizeof(text)), at;

	if (bytes <= 0)
		return false;
	snprintf(node, sizeof(node), "/dev/abctl%d", number);
	for (at = 0; at < bytes; at += strlen(text + at) + 1)
		if (!strcmp(text + at, node))
			return true;
	return false;
}
