// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a process's memory swapped out to /dev/abuse0 and drain
 * it with abusectl: it says how much is left, and at the end nothing is swapped
 * on, the server has ended by itself and the memory is what it was; a device
 * that somebody has open keeps its server, with exit status 3.
 *
 * Where it stands: swapoff > bio > queue > ioctl > server > [abusectl].
 *
 * time: 90
 * busted: env=T_TWIN=nothing-swapped
 * busted: env=T_TWIN=held-open
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

#define VICTIM_BYTES (16 * T_MIB)
#define WANT_KIB (8 * 1024)

int main(void)
{
	const struct tool *tool;
	struct t_swapserver s;
	int blk = -1, ctl;
	char want[64];
	struct tool_victim victim;

	t_init(85);
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	t_mkswap(0);
	T_OK(t_swapon(0));
	victim = tool_victim_start(VICTIM_BYTES);
	if (!t_twin("nothing-swapped"))
		tool_swap_out(WANT_KIB);
	/* Someone who has it open: swapped off, but served. */
	blk = T_OK(t_blk_open(0, O_RDONLY));
	if (!t_twin("nothing-swapped")) {
		tool = tool_want(3, "drain 0");
		snprintf(want, sizeof(want), "open, by process %d", getpid());
		tool_has(tool->err, want);
		T_TRUE(!t_ended(s.pid),
		       "drain of an open device: expected its server to go on, found it ended");
		T_OK(t_swapon(0));
		tool_swap_out(WANT_KIB);
	}
	if (!t_twin("held-open"))
		close(blk);

	ctl = t_ctl_open(0);
	tool = tool_want(0, "drain 0");
	tool_has(tool->out, " KiB left\n");
	tool_has_not(tool->out, " 0 of 0 KiB left");
	tool_has(tool->out, "0 KiB left, swapped off\n");
	tool_has(tool->out, "/dev/abuse0: no server\n");
	printf("%s", tool->out);
	T_EQ(t_reap(s.pid), 0);
	T_TRUE(!strstr(t_read_text("/proc/swaps"), "abuse0"),
	       "after a drain: expected no swap, found it in /proc/swaps");
	T_EQ(t_counters(ctl).ab_nr_servers, 0);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_TRUE(t_counters(ctl).ab_read_bytes >= WANT_KIB * 1024ull,
	       "expected %d KiB read back, found %llu bytes", WANT_KIB,
	       (unsigned long long)t_counters(ctl).ab_read_bytes);
	t_ctl_close(ctl);
	tool_victim_end(&victim);
	return t_end();
}
