// SPDX-License-Identifier: GPL-2.0-only
/*
 * tool.c - abusectl, run by a test; and boards, written by one
 *
 * Where it stands: [test] > abusectl > /dev/abctlN, /proc, /sys, the board.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

#define TOOL_ARGS_MAX 20
/* A drain reads pages back, on a machine that may be busy. */
#define TOOL_LIMIT_MS 60000
#define TOOL_BOARD BOARD_DIR "/abuse0.board"
#define TOOL_CGROUP "/sys/fs/cgroup/tool"

static char tool_line[500];
static int tool_nr_victims;

/* ------------------------------------------------- is it one JSON document? */

static const char *json_blank(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Each returns where it ends, or NULL. */
static const char *json_value(const char *p);

static const char *json_string(const char *p)
{
	if (*p++ != '"')
		return NULL;
	for (; *p != '"'; p++) {
		if ((unsigned char)*p < 0x20)
			return NULL;
		if (*p == '\\' && !strchr("\"\\/bfnrtu", *++p))
			return NULL;
	}
	return p + 1;
}

static const char *json_members(const char *p, char end, bool keys)
{
	p = json_blank(p);
	if (*p == end)
		return p + 1;
	for (;;) {
		if (keys) {
			p = json_string(json_blank(p));
			if (!p)
				return NULL;
			p = json_blank(p);
			if (*p++ != ':')
				return NULL;
		}
		p = json_value(p);
		if (!p)
			return NULL;
		p = json_blank(p);
		if (*p == end)
			return p + 1;
		if (*p++ != ',')
			return NULL;
	}
}

static const char *json_value(const char *p)
{
	static const char *const words[] = { "true", "false", "null" };
	size_t i, len;

	p = json_blank(p);
	if (*p == '{')
		return json_members(p + 1, '}', true);
	if (*p == '[')
		return json_members(p + 1, ']', false);
	if (*p == '"')
		return json_string(p);
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strncmp(p, words[i], strlen(words[i])))
			return p + strlen(words[i]);
	p += *p == '-';
	len = strspn(p, "0123456789");
	return len && (*p != '0' || len == 1) ? p + len : NULL;
}

static void tool_check_json(const char *text)
{
	const char *end = json_value(text);

	T_TRUE(end && !*json_blank(end),
	       "%s: expected one JSON document, found: %s", tool_line, text);
}

/* -------------------------------------------------------------------- runs */

static void tool_paths(pid_t pid, char out[64], char err[64])
{
	snprintf(out, 64, "/tmp/tool.%d.out", pid);
	snprintf(err, 64, "/tmp/tool.%d.err", pid);
}

static pid_t tool_exec(void)
{
	char line[sizeof(tool_line)], out[64], err[64], *word;
	char *argv[TOOL_ARGS_MAX + 1];
	pid_t pid = t_fork(false);
	int nr = 0;

	if (pid)
		return pid;
	tool_paths(getpid(), out, err);
	if (!freopen(out, "w", stdout) || !freopen(err, "w", stderr))
		_exit(126);
	memcpy(line, tool_line, sizeof(line));
	for (word = strtok(line, " "); word && nr < TOOL_ARGS_MAX;
	     word = strtok(NULL, " "))
		argv[nr++] = word;
	argv[nr] = NULL;
	execv("/bin/abusectl", argv);
	_exit(127);
}

static void tool_format(const char *format, va_list args)
{
	int used = snprintf(tool_line, sizeof(tool_line), "abusectl ");

	vsnprintf(tool_line + used, sizeof(tool_line) - used, format, args);
}

static void tool_slurp(const char *path, char *text, size_t bytes)
{
	int fd = open(path, O_RDONLY);
	size_t used = 0;
	ssize_t got;

	T_OK(T_RET(fd));
	while (used < bytes - 1) {
		got = T_OK(T_RET(read(fd, text + used, bytes - 1 - used)));
		if (!got)
			break;
		used += got;
	}
	text[used] = '\0';
	close(fd);
	unlink(path);
}

const struct tool *tool_result(pid_t pid)
{
	static struct tool tool;
	long start_ms = t_now_ms();
	char out[64], err[64];
	int status;

	while (!t_ended(pid)) {
		T_TRUE(t_now_ms() - start_ms < TOOL_LIMIT_MS * t_time_factor(),
		       "%s: expected it to end within %d ms, found it running",
		       tool_line, TOOL_LIMIT_MS);
		t_pause();
	}
	status = t_reap(pid);
	tool.status = WIFEXITED(status) ? WEXITSTATUS(status)
					: 128 + WTERMSIG(status);
	tool_paths(pid, out, err);
	tool_slurp(out, tool.out, sizeof(tool.out));
	tool_slurp(err, tool.err, sizeof(tool.err));
	return &tool;
}

pid_t tool_start(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tool_format(format, args);
	va_end(args);
	return tool_exec();
}

static const struct tool *tool_do(void)
{
	const struct tool *tool = tool_result(tool_exec());

	if (!tool->status && strstr(tool_line, "--json"))
		tool_check_json(tool->out);
	return tool;
}

const struct tool *tool_run(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tool_format(format, args);
	va_end(args);
	return tool_do();
}

const struct tool *tool_want(int status, const char *format, ...)
{
	const struct tool *tool;
	va_list args;
	char *end;

	va_start(args, format);
	tool_format(format, args);
	va_end(args);
	tool = tool_do();
	T_TRUE(tool->status == status,
	       "%s: expected exit status %d, found %d: %s%s", tool_line, status,
	       tool->status, tool->out, tool->err);
	end = strchr(tool->err, '\n');
	if (status)
		T_TRUE(end && !end[1] && !strncmp(tool->err, "abusectl: ", 10),
		       "%s: expected one line on stderr, found: %s", tool_line,
		       tool->err);
	else
		T_TRUE(!*tool->err, "%s: expected nothing on stderr, found: %s",
		       tool_line, tool->err);
	return tool;
}

void tool_has(const char *text, const char *part)
{
	T_TRUE(strstr(text, part), "%s: expected \"%s\", found: %s", tool_line,
	       part, text);
}

void tool_has_not(const char *text, const char *part)
{
	T_TRUE(!strstr(text, part), "%s: expected no \"%s\", found: %s",
	       tool_line, part, text);
}

/* ------------------------------------------------------------------ boards */

struct board *tool_board(void)
{
	struct board *b;
	int fd;

	mkdir("/run", 0755);
	mkdir(BOARD_DIR, 0755);
	unlink(TOOL_BOARD);
	fd = open(TOOL_BOARD, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	T_OK(T_RET(fd));
	T_OK(T_RET(ftruncate(fd, sizeof(*b))));
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T_TRUE(b != MAP_FAILED, "the board: %s", strerror(errno));
	close(fd);
	b->magic = BOARD_MAGIC;
	b->version = BOARD_VERSION;
	b->bytes = sizeof(*b);
	strcpy(b->backend, "disk,path=/dev/store");
	return b;
}

void tool_board_end(struct board *b)
{
	munmap(b, sizeof(*b));
	unlink(TOOL_BOARD);
	rmdir(BOARD_DIR);
}

void tool_slot(struct board *b, int slot, pid_t pid, uint32_t state)
{
	struct board_slot *s = &b->slots[slot];
	struct timespec now;
	int i;

	clock_gettime(CLOCK_MONOTONIC, &now);
	s->pid = pid;
	s->started_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	strcpy(s->version, "7.5");
	for (i = 0; i < PROTECT_COUNT; i++) {
		s->protections.p[i].wanted = true;
		s->protections.p[i].on = true;
		strcpy(s->protections.p[i].seen, "as said by the board");
	}
	s->state = state;
}

/* -------------------------------------------------------------------- swap */

/* 0 or -errno. */
static int tool_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

struct tool_victim tool_victim_start(uint32_t bytes)
{
	struct tool_victim v = { .go = t_shared(T_PAGE) };
	char *memory;

	T_OK(tool_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory"));
	mkdir(TOOL_CGROUP, 0755);
	tool_nr_victims++;
	v.pid = t_fork(false);
	if (v.pid) {
		T_UNTIL(v.go[0]);
		return v;
	}
	T_OK(tool_write(TOOL_CGROUP "/cgroup.procs", "0"));
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_TRUE(memory != MAP_FAILED, "mmap: %s", strerror(errno));
	t_stamp(memory, 0, bytes, 11);
	v.go[0] = 1;
	while (!v.go[1])
		t_pause();
	t_stamp_check(memory, 0, bytes, 11);
	_exit(0);
}

void tool_victim_end(const struct tool_victim *v)
{
	v->go[1] = 1;
	T_EQ(t_reap(v->pid), 0);
	if (!--tool_nr_victims)
		T_UNTIL(!rmdir(TOOL_CGROUP) || errno == ENOENT);
}

/* Pages that are in swap and still in memory, too. */
static uint64_t tool_cached_kib(void)
{
	const char *p = strstr(t_read_text("/proc/meminfo"), "SwapCached:");
	uint64_t kib = 0;

	if (p)
		sscanf(p, "SwapCached: %" SCNu64, &kib);
	return kib;
}

void tool_swap_out(uint64_t kib)
{
	/* By a process of its own, which may have to wait for the device. */
	pid_t evictor = t_fork(false);

	if (evictor) {
		while (!t_ended(evictor))
			t_pause(); /* bounded by the test's limit */
		T_EQ(t_reap(evictor), 0);
		return;
	}
	while (tool_swapped_kib() < kib || tool_cached_kib() > kib / 8) {
		/* EAGAIN: not as much as that; the loop looks for itself. */
		tool_write(TOOL_CGROUP "/memory.reclaim", "64M");
		t_pause();
	}
	_exit(0);
}

uint64_t tool_swapped_kib(void)
{
	const char *p = strstr(t_read_text("/proc/swaps"), "/dev/abuse0");
	uint64_t used = 0;

	if (p)
		sscanf(p, "%*s %*s %*u %" SCNu64, &used);
	return used;
}
