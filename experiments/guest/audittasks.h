/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * audittasks.h - who is watched: the threads of some processes, by role
 *
 * Where it stands: [tasks] > allocaudit > record.  They are found once, before
 * the window; what is born later is known by the kernel's own following only.
 */
#ifndef GUEST_AUDITTASKS_H
#define GUEST_AUDITTASKS_H

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#define ROLES_MAX	8
#define TASKS_MAX	512
#define TASKS_WAIT_S	120	/* for a pid that is yet to be written */
#define TASKS_STEP_MS	20

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTLY = 3 };

struct task {
	int role;
	pid_t pid, tid;
	char comm[17];
	unsigned long flags, flags_end;		/* PF_ */
	unsigned long long minor, major;	/* faults; at the end: of the window */
	bool ended;
};

static const char *roles[ROLES_MAX];
static int nr_roles;
static struct task tasks[TASKS_MAX];
static int nr_tasks;

static inline int role_of(const char *name, size_t len)
{
	int i;

	for (i = 0; i < nr_roles; i++)
		if (strlen(roles[i]) == len && !strncmp(roles[i], name, len))
			return i;
	if (nr_roles == ROLES_MAX)
		errx(EXIT_USAGE, "at most %d roles", ROLES_MAX);
	roles[nr_roles] = strndup(name, len);
	return nr_roles++;
}

/* Words 1, 9, 10 and 12 behind the name: ppid, flags, faults.  Is it there? */
static inline bool task_stat(pid_t pid, pid_t tid, struct task *t, pid_t *parent)
{
	char path[64], text[1024];
	unsigned long flags;
	int ppid;
	char *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %d %*d %*d %*d %*d %lu %llu %*u %llu", &ppid,
			 &flags, &t->minor, &t->major) != 4)
		return false;
	t->flags_end = flags;
	*parent = ppid;
	*p = '\0';
	p = strchr(text, '(');
	snprintf(t->comm, sizeof(t->comm), "%.16s", p ? p + 1 : "?");
	return true;
}

static inline void task_add(int role, pid_t pid, pid_t tid)
{
	struct task *t = &tasks[nr_tasks];
	pid_t parent;
	int i;

	for (i = 0; i < nr_tasks; i++)
		if (tasks[i].tid == tid)
			return;
	if (nr_tasks == TASKS_MAX)
		errx(EXIT_FAILED, "more than %d threads", TASKS_MAX);
	*t = (struct task){ .role = role, .pid = pid, .tid = tid };
	if (!task_stat(pid, tid, t, &parent))
		return;
	t->flags = t->flags_end;
	nr_tasks++;
}

static inline void threads_add(int role, pid_t pid)
{
	struct dirent *entry;
	char path[40];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		errx(EXIT_FAILED, "%s: there is no process %d", roles[role], pid);
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			task_add(role, pid, atoi(entry->d_name));
	closedir(dir);
}

/* Children of those that are watched, and theirs. */
static inline void children_add(void)
{
	struct dirent *entry;
	struct task t;
	int before, i;
	pid_t parent;
	DIR *dir;

	do {
		before = nr_tasks;
		dir = opendir("/proc");
		while (dir && (entry = readdir(dir))) {
			pid_t pid = atoi(entry->d_name);

			if (pid <= 0 || !task_stat(pid, pid, &t, &parent))
				continue;
			for (i = 0; i < before; i++)
				if (tasks[i].pid == parent)
					break;
			if (i < before)
				threads_add(tasks[i].role, pid);
		}
		if (dir)
			closedir(dir);
	} while (nr_tasks > before);
}

static inline void pause_step(void)
{
	const struct timespec step = { .tv_nsec = TASKS_STEP_MS * 1000000L };

	nanosleep(&step, NULL);
}

/* The number in a file, or behind "KEY": in it; 0: there is none yet. */
static inline pid_t pid_in(const char *path, const char *key)
{
	char text[4096], quoted[64];
	FILE *f = fopen(path, "re");
	char *p = text;
	size_t n;

	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	if (key) {
		snprintf(quoted, sizeof(quoted), "\"%s\":", key);
		p = strstr(text, quoted);
		if (!p)
			return 0;
		p += strlen(quoted);
	}
	/* Half a line may be there: the number ends with something else. */
	p += strspn(p, " ");
	n = strspn(p, "0123456789");
	return n && p[n] ? (pid_t)atoi(p) : 0;
}

static inline pid_t pid_await(const char *who, const volatile sig_atomic_t *stop)
{
	const char *colon = strrchr(who, ':');
	char *path = colon ? strndup(who, (size_t)(colon - who)) : strdup(who);
	long waited_ms;
	pid_t pid = 0;

	for (waited_ms = 0; !*stop && waited_ms < TASKS_WAIT_S * 1000L; waited_ms += TASKS_STEP_MS) {
		pid = pid_in(path, colon ? colon + 1 : NULL);
		if (pid)
			break;
		pause_step();
	}
	if (!pid)
		errx(EXIT_FAILED, "%s: no pid there within %d s", who, TASKS_WAIT_S);
	free(path);
	return pid;
}

/*
 * One --task: all threads of that process; `alive` is false where there are
 * none, for a trace of long ago.
 */
static inline void task_option(const char *text, bool alive,
			       const volatile sig_atomic_t *stop)
{
	const char *equals = strchr(text, '=');
	int role;

	if (!equals || equals == text || !equals[1])
		errx(EXIT_USAGE, "--task %s: want ROLE=PID or ROLE=FILE", text);
	role = role_of(text, (size_t)(equals - text));
	if (!isdigit((unsigned char)equals[1]))
		threads_add(role, pid_await(equals + 1, stop));
	else if (!alive)
		tasks[nr_tasks++] = (struct task){
			.role = role, .pid = atoi(equals + 1),
			.tid = atoi(equals + 1),
		};
	else
		threads_add(role, atoi(equals + 1));
}

/* What has become of them: flags and faults of the window. */
static inline void tasks_end(void)
{
	struct task now;
	pid_t parent;
	int i;

	for (i = 0; i < nr_tasks; i++) {
		struct task *t = &tasks[i];

		t->ended = !task_stat(t->pid, t->tid, &now, &parent);
		t->minor = t->ended ? 0 : now.minor - t->minor;
		t->major = t->ended ? 0 : now.major - t->major;
		t->flags_end = t->ended ? 0 : now.flags_end;
	}
}

#endif
