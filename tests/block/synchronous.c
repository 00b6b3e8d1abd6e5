// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap out a process's memory on a device that asks for
 * synchronous swap, while its server stands still: the process waits for its
 * first page, and has no second on its way; all come back as they were, of
 * which half at least are read from the device.
 *
 * Where it stands: reclaim > [bio] > queue > ioctl > server.
 *
 * time: 40
 * kernels: 6.12 debug
 * module-args: synchronous=1
 * busted: module=not-synchronous
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(8 * T_MIB)
#define MEMORY	(2 * T_MIB)
#define SLOTS	32

static volatile struct shared {
	bool filled, evict, look;
} *s;

static void __attribute__((noreturn)) victim(void)
{
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_TRUE(memory != MAP_FAILED, "mmap: %s", strerror(errno));
	/* Page by page, and none that is written as a part of another's. */
	T_OK(T_RET(madvise(memory, MEMORY, MADV_NOHUGEPAGE)));
	t_stamp(memory, 0, MEMORY, 11);
	s->filled = true;
	while (!s->evict)
		t_pause();
	while (t_swapped_kb(getpid()) < MEMORY / 2048)
		madvise(memory, MEMORY, MADV_PAGEOUT);
	while (!s->look)
		t_pause();
	t_stamp_check(memory, 0, MEMORY, 11);
	_exit(0);
}

int main(void)
{
	struct t_log *log = t_log_make();
	struct abuse_counters c;
	struct t_store store;
	pid_t server, pid;
	int ctl;

	t_init(35);
	s = t_shared(sizeof(*s));
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, SLOTS, 0);
	server = t_recorder_start(0, &store, log);
	t_mkswap(0);
	T_OK(t_swapon(0));
	pid = t_fork(false);
	if (!pid)
		victim();
	T_UNTIL(s->filled || t_ended(pid));
	T_UNTIL((c = t_counters(ctl), c.ab_accepted == c.ab_ended));
	t_kill(server, SIGSTOP);
	T_UNTIL(t_state(server) == 'T');
	s->evict = true;
	/* Asynchronous, it sleeps only when all slots are taken. */
	T_UNTIL((c = t_counters(ctl), c.ab_accepted > c.ab_ended) &&
		t_state(pid) == 'D');
	T_EQ(t_counters(ctl).ab_accepted - c.ab_ended, 1);
	t_kill(server, SIGCONT);
	T_UNTIL(t_swapped_kb(pid) * 1024 >= MEMORY / 2 || t_ended(pid));
	c = t_counters(ctl);
	s->look = true;
	T_EQ(t_reap(pid), 0);
	T_TRUE(t_counters(ctl).ab_read_bytes - c.ab_read_bytes >= MEMORY / 2,
	       "bytes read: expected at least %u, found %llu", MEMORY / 2,
	       t_counters(ctl).ab_read_bytes - c.ab_read_bytes);
	T_OK(t_swapoff(0));
	t_kill(server, SIGKILL);
	return t_end();
}
