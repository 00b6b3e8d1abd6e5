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
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
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

static void interrupted(const struct t_swapserver *s)
{
	const struct tool *tool;
	const char *process;
	char path[64];
	pid_t pid;
	int at;

	kill(s->pid, SIGSTOP);
	pid = tool_start("drain 0");
	snprintf(path, sizeof(path), "/tmp/tool.%d.out", pid);
	T_UNTIL(!access(path, F_OK) && strstr(t_read_text("%s", path), "left"));
	kill(pid, SIGINT);
	kill(s->pid, SIGCONT);
	tool = tool_result(pid);
	T_EQ(tool->status, 1);
	/*
	 * Three ends, by how far it was: it has given up; all pages were back
	 * before it heard of it; it is at one process still, and gives up then.
	 */
	process = strstr(tool->err, "(process ");
	if (process) {
		T_EQ(sscanf(process, "(process %d)", &at), 1);
		T_UNTIL(strchr("ZX?", t_state(at)));
		return;
	}
	tool_has(tool->err, "interrupted");
	if (strstr(tool->err, "in use as before"))
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
