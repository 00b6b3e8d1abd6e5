// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will ask abusectl to drain a swap whose pages the memory cannot
 * take, one without a server, one whose server has stopped, and to interrupt
 * it: it says why in one line, the swap is in use as before with all its pages,
 * and its server goes on; when there is room again it is drained.
 *
 * Where it stands: swapoff > bio > queue > ioctl > server > [abusectl].
 *
 * time: 150
 * twin-limit: 40
 * busted: env=T_TWIN=room
 * busted: env=T_TWIN=force
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

/* Several: swapoff looks for signals between two processes. */
#define NR_VICTIMS 8
#define VICTIM_BYTES (4 * T_MIB)
#define WANT_KIB (28 * 1024)

static uint64_t available_kib(void)
{
	const char *p = strstr(t_read_text("/proc/meminfo"), "MemAvailable:");
	uint64_t kib = 0;

	T_TRUE(p && sscanf(p, "MemAvailable: %" SCNu64, &kib) == 1,
	       "no MemAvailable");
	return kib;
}

/* Takes memory, page by page, until so little is left. */
static pid_t hog_start(volatile int *go, uint64_t leave_kib)
{
	pid_t pid = t_fork(false);
	char *memory;

	if (pid)
		return pid;
	while (available_kib() > leave_kib) {
		memory = mmap(NULL, T_MIB, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (memory == MAP_FAILED || mlock(memory, T_MIB))
			_exit(1);
		memset(memory, 1, T_MIB);
	}
	go[0] = 1;
	for (;;)
		pause();
}

static void as_before(const struct t_swapserver *s)
{
	T_TRUE(!t_ended(s->pid),
	       "a refused drain: expected the server to go on, found it ended");
	T_TRUE(tool_swapped_kib() >= WANT_KIB / 2,
	       "a refused drain: expected the pages in swap, found %" PRIu64
	       " KiB",
	       tool_swapped_kib());
}

/* A page that does not come: the tool does not wait for ever. */
static void stopped(const struct t_swapserver *s)
{
	const char *process;
	int pid = 0;

	kill(s->pid, SIGSTOP);
	process = strstr(tool_want(1, "drain 0 --timeout 3")->err, "(process ");
	T_TRUE(process && sscanf(process, "(process %d)", &pid) == 1,
	       "drain with a stopped server: expected it to name the process that waits, found: %s",
	       process ? process : "nothing");
	kill(s->pid, SIGCONT);
	T_UNTIL(strchr("ZX?", t_state(pid)));
	as_before(s);
}

/* The swapoff of this tool; 0: not yet. */
static pid_t child_of(pid_t tool)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	pid_t pid = 0, parent;
	const char *p;

	T_TRUE(proc, "/proc: %s", strerror(errno));
	while (!pid && (entry = readdir(proc))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		p = t_read_text("/proc/%s/status", entry->d_name);
		p = strstr(p, "\nPPid:");
		if (p && sscanf(p, " PPid: %d", &parent) == 1 && parent == tool)
			pid = atoi(entry->d_name);
	}
	closedir(proc);
	return pid;
}

/* A signal that it has not heard of yet. */
static bool is_pending(pid_t pid, int sig)
{
	const char *p = strstr(t_read_text("/proc/%d/status", pid), "\nShdPnd:");
	unsigned long long set = 0;

	return p && sscanf(p, " ShdPnd: %llx", &set) == 1 && set >> (sig - 1) & 1;
}

/* In the middle of the first process's pages: it gives up before the next. */
static void interrupted(const struct t_swapserver *s)
{
	const struct tool *tool;
	pid_t pid, child;

	kill(s->pid, SIGSTOP);
	T_UNTIL(t_state(s->pid) == 'T');
	pid = tool_start("drain 0");
	T_UNTIL((child = child_of(pid)) && t_stack_has(child, "swapoff") &&
		t_state(child) == 'D');
	T_OK(T_RET(kill(pid, SIGINT)));
	T_UNTIL(is_pending(child, SIGTERM));
	kill(s->pid, SIGCONT);
	tool = tool_result(pid);
	T_EQ(tool->status, 1);
	tool_has(tool->err, "interrupted; it is in use as before");
	as_before(s);
}

int main(void)
{
	volatile int *go = t_shared(T_PAGE);
	struct t_swapserver s;
	struct tool_victim victims[NR_VICTIMS];
	pid_t hog = 0;
	int i;

	t_init(145);
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	t_mkswap(0);
	T_OK(t_swapon(0));
	for (i = 0; i < NR_VICTIMS; i++)
		victims[i] = tool_victim_start(VICTIM_BYTES);
	tool_swap_out(WANT_KIB);

	/* No room: this device's own free space is none. */
	if (!t_twin("room")) {
		hog = hog_start(go, WANT_KIB * 3 / 4);
		T_UNTIL(go[0] || t_ended(hog));
	}
	if (t_twin("force"))
		tool_want(3, "drain 0 --force --timeout 20");
	else
		tool_has(tool_want(3, "drain 0")->err, "room for ");
	as_before(&s);
	if (hog)
		t_kill(hog, SIGKILL);

	/* No server: a swapoff would wait, perhaps for ever. */
	t_kill(s.pid, SIGKILL);
	tool_has(tool_want(3, "drain 0")->err, "no server");
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	as_before(&s);

	stopped(&s);
	interrupted(&s);

	/* Room again. */
	tool_want(0, "drain 0");
	T_EQ(t_reap(s.pid), 0);
	T_EQ(tool_swapped_kib(), 0);
	for (i = 0; i < NR_VICTIMS; i++)
		tool_victim_end(&victims[i]);
	return t_end();
}
