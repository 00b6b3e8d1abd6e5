// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make a device larger by RECONNECT while it is swap: the swap
 * goes on, what lies in it comes back, the new part can be read and written,
 * a device that is not live yet shows the last size, and none shrinks.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: module=no-grow
 * busted: module=capacity-early
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_block.h"

#define SMALL	(8 * T_MIB)
#define LARGE	(16 * T_MIB)
#define MEMORY	(4 * T_MIB)

static int ctl;

static int size_to(uint64_t bytes)
{
	const struct abuse_info info = {
		.ab_size = bytes,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 16,
		.ab_flags = ABUSE_FLAGS_RECONNECT,
	};

	return t_ioctl(ctl, ABUSE_SET_STATUS, &info);
}

static uint64_t size(void)
{
	return t_attr_number("/sys/block/abuse0/size") * 512;
}

/* A process whose memory goes to the swap and must come back. */
static pid_t victim_start(volatile int *go)
{
	pid_t pid = t_fork(false);
	char *memory;

	if (pid)
		return pid;
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	t_stamp(memory, 0, MEMORY, 11);
	go[0] = 1;
	while (!go[1])
		t_pause();
	t_stamp_check(memory, 0, MEMORY, 11);
	_exit(0);
}

static void in_a_child(void (*what)(pid_t), pid_t victim)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		what(victim);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static void swap_on(pid_t unused)
{
	(void)unused;
	t_mkswap(0);
	T_OK(t_swapon(0));
}

static void swap_off(pid_t unused)
{
	(void)unused;
	T_OK(t_swapoff(0));
}

static void evict(pid_t victim)
{
	int i;

	for (i = 0; i < 20 && t_swapped_kb(victim) < MEMORY / 2048; i++)
		t_evict(victim);
	T_TRUE(t_swapped_kb(victim) >= MEMORY / 2048,
	       "memory in swap: expected %u KiB, found %llu", MEMORY / 2048,
	       (unsigned long long)t_swapped_kb(victim));
}

int main(void)
{
	volatile int *go = t_shared(T_PAGE);
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server, victim;
	struct t_io *io;
	uint32_t at, nr = 0;

	t_init(55);
	store = t_store_make(LARGE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SMALL / 2, 16, 0);
	T_OK(size_to(SMALL));
	T_EQ(size(), 0);
	server = t_recorder_start(0, &store, log);
	T_EQ(size(), SMALL);
	in_a_child(swap_on, 0);
	victim = victim_start(go);
	T_UNTIL(go[0]);
	in_a_child(evict, victim);

	T_OK(size_to(LARGE));
	T_EQ(size(), LARGE);
	T_EQ(size_to(SMALL), -EINVAL);
	T_EQ(size_to(LARGE + 512), -EINVAL);
	T_EQ(size(), LARGE);
	/* The new part is there, at once. */
	at = log->nr;
	io = t_submit(0, T_READ, LARGE - T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	/* The victim may have read from its swap meanwhile. */
	for (; at < log->nr; at++)
		nr += log->lent[at].ab_command == ABUSE_READ &&
		      log->lent[at].ab_sector == (LARGE - T_PAGE) / 512;
	T_EQ(nr, 1);
	/* And what was in the swap comes back. */
	go[1] = 1;
	T_EQ(t_reap(victim), 0);
	in_a_child(swap_off, 0);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
