// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap out a process's memory and see each of the swap's writes
 * lent with ABUSE_LENT_SWAP, counted as such, and no other write.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server].
 *
 * time: 40
 * busted: module=no-swap-flag
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(8 * T_MIB)
#define MEMORY	(2 * T_MIB)

int main(void)
{
	volatile int *go = t_shared(T_PAGE);
	struct t_log *log = t_log_make();
	struct abuse_counters c;
	struct t_store store;
	pid_t server, victim;
	uint32_t writes, at;

	t_init(35);
	store = t_store_make(SIZE);
	int ctl = t_ctl_open(0);

	t_configure(ctl, SIZE, 32, 0);
	server = t_recorder_start(0, &store, log);
	victim = t_fork(false);
	if (!victim) {
		char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		int i;

		t_mkswap(0);
		T_OK(t_swapon(0));
		t_stamp(memory, 0, MEMORY, 11);
		go[0] = 1;
		while (!go[1])
			t_pause();
		for (i = 0; i < 20 && t_swapped_kb(getpid()) < MEMORY / 2048;
		     i++)
			madvise(memory, MEMORY, MADV_PAGEOUT);
		go[2] = 1;
		while (!go[3])
			t_pause();
		t_stamp_check(memory, 0, MEMORY, 11);
		T_OK(t_swapoff(0));
		_exit(0);
	}
	T_UNTIL(go[0] || t_ended(victim));
	/* The header of the area is an ordinary write. */
	T_TRUE(t_log_count(log, 0, ABUSE_WRITE, 0) > 0,
	       "writes of mkswap: expected some, found none");
	T_EQ(t_log_count(log, 0, ABUSE_WRITE, ABUSE_LENT_SWAP), 0);
	at = log->nr;
	go[1] = 1;
	T_UNTIL(go[2] || t_ended(victim));
	/* Nothing is on its way any more: between two of them, the log stands still, too. */
	T_UNTIL((c = t_counters(ctl), c.ab_accepted == c.ab_ended));
	T_UNTIL(log->nr_answered == log->nr);
	writes = t_log_count(log, at, ABUSE_WRITE, 0);
	T_TRUE(writes > 0, "writes of the swap: expected some, found none");
	T_EQ(t_log_count(log, at, ABUSE_WRITE, ABUSE_LENT_SWAP), writes);
	c = t_counters(ctl);
	T_TRUE(c.ab_swap_write_bytes >= MEMORY / 2,
	       "swap bytes: expected at least %u, found %llu",
	       MEMORY / 2, c.ab_swap_write_bytes);
	T_TRUE(c.ab_swap_write_bytes < c.ab_write_bytes,
	       "swap bytes: expected fewer than all bytes written, found as many");
	go[3] = 1;
	T_EQ(t_reap(victim), 0);
	t_kill(server, SIGKILL);
	return t_end();
}
