// SPDX-License-Identifier: GPL-2.0-only
/*
 * audit.c - experiments/guest/allocaudit inside the tests that run it
 *
 * Where it stands: bio > queue > ioctl > [server] > backend, with the collector
 * beside it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit.h"

#define REPORT		"/tmp/audit.json"
#define RECORD		"/tmp/audit.record"
#define WORDS		"/tmp/audit.words"
#define REPORT_MS	30000
#define ARGS_MAX	40
#define DEVICE_BYTES	"32M"

__asm__(".section .rodata\n"
	".globl allocaudit_begin, allocaudit_end\n"
	"allocaudit_begin: .incbin \"build/guest/allocaudit\"\n"
	"allocaudit_end:\n"
	".previous\n");
extern const char allocaudit_begin[], allocaudit_end[];

static void output(const char *path, int fd)
{
	int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (file < 0 || dup2(file, fd) < 0)
		_exit(126);
}

static void __attribute__((noreturn)) collector(pid_t pid,
						const char *arguments)
{
	size_t bytes = allocaudit_end - allocaudit_begin;
	char *argv[ARGS_MAX], *line;
	int fd, nr = 0;

	if (asprintf(&line, "allocaudit --out %s --buffer-kib 4096 --task server=%d %s",
		     RECORD, pid, arguments) < 0)
		_exit(126);
	while (nr < ARGS_MAX - 1 && (argv[nr] = strsep(&line, " ")))
		nr += *argv[nr] != '\0';
	argv[nr] = NULL;
	output(REPORT, STDOUT_FILENO);
	output(WORDS, STDERR_FILENO);
	fd = memfd_create("allocaudit", MFD_CLOEXEC);
	if (fd < 0 || write(fd, allocaudit_begin, bytes) != (ssize_t)bytes)
		_exit(126);
	fexecve(fd, argv, (char *[]){ NULL });
	_exit(127);
}

/* The number behind "key": after a place of the report. */
static uint64_t number(const char *from, const char *key)
{
	char quoted[40];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = from ? strstr(from, quoted) : NULL;
	T_TRUE(p, "the audit's report: expected \"%s\", found %s", key, from);
	return strtoull(p + strlen(quoted), NULL, 10);
}

static struct audit_counts counts(const char *role, const char *what)
{
	char quoted[40];
	const char *p;

	snprintf(quoted, sizeof(quoted), "\"%s\":{", what);
	p = strstr(role, quoted);
	T_TRUE(p, "the audit's report: expected \"%s\", found %s", what, role);
	return (struct audit_counts){
		number(p, "slab"),   number(p, "page"),
		number(p, "percpu"), number(p, "pool"),
		number(p, "fault"),  number(p, "reclaim"),
	};
}

/* All threads of the process together. */
static uint64_t sum_of(const char *text, const char *key)
{
	char quoted[40];
	uint64_t sum = 0;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	while ((text = strstr(text, quoted))) {
		text += strlen(quoted);
		sum += strtoull(text, NULL, 10);
	}
	return sum;
}

pid_t audit_begin(pid_t pid, const char *arguments)
{
	pid_t child;

	unlink(WORDS);
	child = t_fork(false);
	if (!child)
		collector(pid, arguments);
	/* Not tracing_on: that is 1 when the instance has just been made, too. */
	T_UNTIL(t_ended(child) || strstr(t_read_text(WORDS), "watching"));
	return child;
}

/* What it recorded takes its time to be written: longer than t_reap() waits. */
static int reap(pid_t child)
{
	long from = t_now_ms();

	while (!t_ended(child) &&
	       t_now_ms() - from < REPORT_MS * t_time_factor())
		t_pause();
	return t_reap(child);
}

static struct audit report(pid_t child)
{
	int status = reap(child);
	struct audit a = { 0 };
	const char *role;

	T_TRUE(!status, "allocaudit: expected status 0, found 0x%x: %s", status,
	       t_read_text(WORDS));
	a.text = strdup(t_read_text(REPORT));
	T_EQ(number(a.text, "lost"), 0);
	T_EQ(number(a.text, "strange"), 0);
	a.requests = number(a.text, "requests");
	a.minor_faults = sum_of(a.text, "minor_faults");
	a.major_faults = sum_of(a.text, "major_faults");
	role = strstr(a.text, "\"roles\":");
	T_TRUE(role, "the audit's report: expected roles, found %s", a.text);
	a.task = counts(role, "task");
	a.allowed = counts(role, "allowed");
	return a;
}

struct audit audit_finish(pid_t child)
{
	t_kill(child, SIGTERM);
	return report(child);
}

struct audit audit_run(pid_t pid, const char *arguments)
{
	pid_t child = t_fork(false);

	if (!child)
		collector(pid, arguments);
	return report(child);
}

struct audit audit_server(const char *backend, const char *arguments, int nr)
{
	struct t_swapserver s;
	char line[300];
	struct audit a;
	int ctl = t_ctl_open(0), status;

	snprintf(line, sizeof(line), "--size %s /dev/abctl0 %s", DEVICE_BYTES,
		 backend);
	s = t_swapserver_start(line);
	snprintf(line, sizeof(line), "--device /dev/abuse0 --io %d %s", nr,
		 arguments);
	a = audit_run(s.pid, line);
	T_TRUE(a.requests >= (uint64_t)nr, "requests: expected at least %d, found %llu",
	       nr, (unsigned long long)a.requests);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(s.pid, SIGTERM);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the server's end: expected status 0, found 0x%x: %s", status,
	       t_read_text("%s", s.errors));
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
	return a;
}

uint64_t audit_sum(const struct audit_counts *c)
{
	return c->slab + c->page + c->percpu + c->pool + c->fault + c->reclaim;
}
