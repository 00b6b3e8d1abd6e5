// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will do what a user does first: add a device with its size, start
 * a server that swaps on it with a standby, look at it, and drain it; and in
 * between kill -9 the active server, which nobody notices.
 *
 * Where it stands: swap > bio > queue > ioctl > server > [abusectl].
 *
 * time: 90
 * twin-limit: 20
 * busted: env=STANDBY=0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

#define VICTIM_BYTES (16 * T_MIB)
#define WANT_KIB (8 * 1024)

static struct board *board_look(void)
{
	int fd = T_OK(T_RET(open(BOARD_DIR "/abuse0.board", O_RDWR | O_CLOEXEC)));
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
			       MAP_SHARED, fd, 0);

	T_TRUE(b != MAP_FAILED, "mmap of the board: %s", strerror(errno));
	close(fd);
	return b;
}

int main(void)
{
	const char *standby = getenv("STANDBY") ?: "1";
	struct tool_victim victim;
	const struct tool *tool;
	struct t_swapserver s;
	struct board *b;
	char line[200];
	pid_t active;

	t_init(85);
	T_TRUE(!strcmp(tool_want(0, "add --size 128M")->out, "/dev/abuse0\n"),
	       "abusectl add: expected /dev/abuse0, found %s",
	       tool_want(0, "list")->out);
	snprintf(line, sizeof(line),
		 "/dev/abctl0 disk,path=/dev/store --standby %s --swapon", standby);
	s = t_swapserver_start(line);
	T_UNTIL(strstr(t_read_text("/proc/swaps"), "/dev/abuse0"));
	/* Swap goes on as soon as the first server is live; others may follow. */
	T_UNTIL(strstr(tool_want(0, "status")->out, "standby"));
	tool = tool_want(0, "status");
	tool_has(tool->out, "/dev/abuse0");
	tool_has(tool->out, "active");
	victim = tool_victim_start(VICTIM_BYTES);
	tool_swap_out(WANT_KIB);
	b = board_look();
	active = turn_holder(&b->turn);
	T_OK(T_RET(kill(active, SIGKILL)));
	tool_victim_end(&victim);
	T_EQ(b->nr_takeovers, 1);
	tool = tool_want(0, "drain 0");
	tool_has(tool->out, "0 KiB left, swapped off\n");
	T_EQ(t_reap(s.pid), 0);
	T_TRUE(!strstr(t_read_text("/proc/swaps"), "abuse0"),
	       "after a drain: expected no swap, found it in /proc/swaps");
	return t_end();
}
