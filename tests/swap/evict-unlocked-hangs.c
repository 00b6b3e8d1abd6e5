// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will do to a naive server what evict-locked-immune does to a
 * protected one: a read of the device must not come back, because the server
 * waits in a page fault for a page on its own device.  This is the positive
 * control: where nothing hangs, nothing has been protected against.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server] > disk.
 *
 * It ends the hang by failing what is QUEUED once the server has been killed.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--batch=32
 * expected-log: blocked for more than
 * expected-log: Call Trace
 * expected-log: I/O error|Read-error on swap-device
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t.h"

#define PASSES		3
#define PASS_MS		1000
#define HANG_MS		8000

int main(void)
{
	struct t_swapserver s;
	struct t_io *io;
	long start;
	int pass;

	t_init(80);
	setenv("SERVER_FLAGS", "--naive", 0);
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	t_mkswap(0);
	T_OK(t_swapon(0));
	for (pass = 0; pass < PASSES; pass++) {
		start = t_now_ms();
		/* Not from here: who evicts waits with everyone else. */
		if (!t_fork(false)) {
			t_evict(s.pid);
			_exit(0);
		}
		while (t_now_ms() - start < PASS_MS)
			t_pause();
	}
	io = t_submit(0, T_READ, 0, T_PAGE, 0);
	start = t_now_ms();
	while (!io->done && t_now_ms() - start < HANG_MS)
		t_pause();
	if (io->done) {
		/* Nothing hangs: the swap area goes before the test fails. */
		t_swapoff(0);
		T_FAIL("a read of the device: expected no answer in %d ms, found %s",
		       HANG_MS, t_name(io->result));
	}
	T_TRUE(t_state(s.pid) == 'D', "the server: expected state D, found %c",
	       t_state(s.pid));
	T_TRUE(t_stack_has(s.pid, "do_swap_page"), "the server: expected do_swap_page in its stack, found:\n%s",
	       t_read_text("/proc/%d/stack", s.pid));
	fprintf(stderr, "as expected, the server waits for its own page:\n%s",
		t_read_text("/proc/%d/stack", s.pid));
	T_TRUE(t_clean(), "the hang: expected to end it by failing what is QUEUED, found the device busy");
	T_OK(t_swapoff(0));
	return t_end();
}
