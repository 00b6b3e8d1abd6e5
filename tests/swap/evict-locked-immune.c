// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on a protected swapserver and ask three times for all of
 * the server's memory to be swapped out to its own device: a locked server has
 * none that would go, and answers as before.  The unlocked one hangs.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server] > disk.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--naive
 * busted: env=SERVER_FLAGS=--no-mlock --no-nofault --no-scope
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define PASSES		3
#define PASS_MS		1000
#define VICTIM_BYTES	(4 * T_MIB)

/* A process that is not locked: the same eviction must take its memory. */
static pid_t victim_start(volatile int *go)
{
	pid_t pid = t_fork(false);
	char *memory;

	if (pid)
		return pid;
	memory = mmap(NULL, VICTIM_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_stamp(memory, 0, VICTIM_BYTES, 11);
	go[0] = 1;
	while (!go[1])
		pause();
	t_stamp_check(memory, 0, VICTIM_BYTES, 11);
	_exit(0);
}

/*
 * From a process of its own: who evicts writes to the swap area, and waits with
 * everyone else if the server hangs.
 */
static void evict(pid_t pid)
{
	pid_t evictor = t_fork(false);

	if (!evictor) {
		t_evict(pid);
		_exit(0);
	}
	T_EQ(t_reap(evictor), 0);
}

static void wake(int sig)
{
	(void)sig;
}

int main(void)
{
	const struct sigaction action = { .sa_handler = wake };
	volatile int *go = t_shared(T_PAGE);
	uint64_t written, server_kb, victim_kb;
	struct t_swapserver s;
	const char *end;
	struct t_io *io;
	long start;
	pid_t victim;
	int ctl, pass, status;

	t_init(80);
	sigaction(SIGUSR1, &action, NULL);
	ctl = t_ctl_open(0);
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	t_mkswap(0);
	T_OK(t_swapon(0));
	written = t_counters(ctl).ab_write_bytes;
	victim = victim_start(go);
	T_UNTIL(go[0]);
	for (pass = 0; pass < PASSES; pass++) {
		start = t_now_ms();
		evict(victim);
		evict(s.pid);
		/* A page just written stays in the swap cache for a while. */
		while (t_now_ms() - start < PASS_MS)
			t_pause();
	}
	victim_kb = t_swapped_kb(victim);
	server_kb = t_swapped_kb(s.pid);
	T_TRUE(victim_kb >= VICTIM_BYTES / 1024 / 2,
	       "the unlocked victim: expected at least half of %u kB swapped out, found %llu kB",
	       VICTIM_BYTES / 1024, (unsigned long long)victim_kb);
	T_TRUE(t_counters(ctl).ab_write_bytes - written >= VICTIM_BYTES / 2,
	       "the device: expected the victim's pages, found %llu bytes",
	       t_counters(ctl).ab_write_bytes - written);
	T_EQ(server_kb, 0);

	io = t_submit(0, T_READ, 0, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	T_TRUE(!memcmp(io->data + T_PAGE - 10, "SWAPSPACE2", 10),
	       "the swap header: expected it back, found something else");
	go[1] = 1;
	t_kill(victim, SIGUSR1);
	T_EQ(t_reap(victim), 0);
	T_OK(t_swapoff(0));
	t_kill(s.pid, SIGTERM);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the server's end: expected status 0, found 0x%x", status);
	end = strstr(t_read_text("%s", s.status), "server-end");
	T_TRUE(end && strstr(end, "\"major_faults\":0,"),
	       "the server's last line: expected major_faults 0, found %s",
	       end ? end : "none");
	return t_end();
}
