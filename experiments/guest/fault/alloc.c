// SPDX-License-Identifier: GPL-2.0-only
/*
 * alloc.c - makes each allocation fail that the kernel makes for the server
 *
 * Where it stands: job > main > fault > [alloc] > the server's system calls.
 * For kernels with fault injection (ours, debug).  The parameters are set, and
 * shown to act on a child, before the load; what is left then is to mark the
 * server's tasks.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../locked.h"
#include "fault.h"

#define FAULTS_DIR	"/sys/kernel/debug/"

static const char *faults;	/* failslab or fail_page_alloc */

static int fault_set(const char *key, const char *value)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), FAULTS_DIR "%s/%s", faults, key);
	err = text_write(path, value);
	/* Without these two it is not what is meant; the others come and go. */
	return err == -ENOENT && strcmp(key, "probability") &&
			       strcmp(key, "task-filter") ?
		       0 : err;
}

/*
 * A child that marks itself and then needs memory: opening a file takes an
 * object of a slab, writing to a fresh pipe a page.
 */
static bool decoy_fails(void)
{
	bool page = !strcmp(faults, "fail_page_alloc");
	int ends[2], status;
	pid_t pid;

	if (pipe(ends))
		return false;
	pid = fork();
	if (!pid) {
		bool failed;

		if (text_write("/proc/self/make-it-fail", "1"))
			_exit(2);
		if (page)
			failed = write(ends[1], "x", 1) < 0;
		else
			failed = open("/dev/null", O_RDONLY) < 0;
		_exit(failed && errno == ENOMEM ? 0 : 1);
	}
	close(ends[0]);
	close(ends[1]);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && !WEXITSTATUS(status);
}

/*
 * Every allocation of a task that is marked fails, for ever, whether it may
 * wait or not; nobody is marked yet.
 */
static int prepare_alloc(const char *name)
{
	static const char * const keys[][2] = {
		{ "task-filter", "Y" },	  { "interval", "1" },
		{ "times", "-1" },	  { "verbose", "0" },
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" },	  { "stacktrace-depth", "0" },
		{ "cache-filter", "N" },  { "probability", "100" },
	};
	int err;

	faults = name;
	if (served_find())
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		err = fault_set(keys[i][0], keys[i][1]);
		if (err)
			return fail(name, err);	/* a kernel without it: ENOENT */
	}
	if (!decoy_fails()) {
		fprintf(stderr, "fault: %s: an allocation that should fail does not\n",
			name);
		return -1;
	}
	return 0;
}

static int prepare_failslab(void)
{
	return prepare_alloc("failslab");
}

static int prepare_fail_page_alloc(void)
{
	return prepare_alloc("fail_page_alloc");
}

/* Marks each task of a process, without malloc; *nr: how many.  0 or -errno. */
static int tasks_mark(pid_t pid, int *nr)
{
	static char entries[8192] __attribute__((aligned(8)));
	char path[128], text[16];
	int fd, err = 0;
	long bytes;

	*nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (!err && (bytes = syscall(SYS_getdents64, fd, entries,
					sizeof(entries))) > 0) {
		for (long at = 0; at < bytes && !err;) {
			const struct dirent64 *entry =
				(const struct dirent64 *)(entries + at);

			at += entry->d_reclen;
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path),
				 "/proc/%d/task/%.16s/make-it-fail", (int)pid,
				 entry->d_name);
			err = text_write(path, "1");
			/* Read back: what was written is not yet what holds. */
			if (!err && text_read(path, text, sizeof(text)) &&
			    text[0] == '1')
				(*nr)++;
		}
	}
	close(fd);
	return err;
}

static int inject_alloc(struct seen *seen)
{
	pid_t pid = served_pid();
	int nr, err;

	if (!served())
		return refused(seen, "nobody serves");
	err = tasks_mark(pid, &nr);
	if (err || !nr)
		return refused(seen, "make-it-fail of %d: %s", (int)pid,
			       err ? strerror(-err) : "not read back as 1");
	snprintf(seen->text, sizeof(seen->text), ",\"pid\":%d,\"tasks\":%d",
		 (int)pid, nr);
	return 0;
}

const struct kind kind_failslab = {
	.name = "failslab",
	.prepare = prepare_failslab,
	.inject = inject_alloc,
	.server = true,
};

const struct kind kind_fail_page_alloc = {
	.name = "fail-page-alloc",
	.prepare = prepare_fail_page_alloc,
	.inject = inject_alloc,
	.server = true,
};
