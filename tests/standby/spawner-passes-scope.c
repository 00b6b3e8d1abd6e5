// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at the processes from outside: the spawner has the
 * reserve scope and no_new_privs and runs a sealed copy of the program; its
 * servers have the scope through exec, or have given it back when it is not
 * wanted; the supervisor does not have it.
 *
 * Where it stands: bio > queue > ioctl > [server], and its spawner.
 *
 * time: 60
 * busted: module=scope-ignored
 * busted: env=SERVER_FLAGS=--standby=1 --no-scope
 * invariant: I8
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sb.h"

#define PF_MEMALLOC	0x00000800ul

static bool has_memalloc(pid_t pid)
{
	return t_flags(pid) & PF_MEMALLOC;
}

static void has_line(pid_t pid, const char *line)
{
	T_TRUE(strstr(t_read_text("/proc/%d/status", pid), line),
	       "status of %d: expected %s, found none", pid, line);
}

static void looks_right(const struct sb *sb, bool scope)
{
	pid_t pids[] = { sb_active(sb), sb_standby(sb) };
	char path[32], program[64];
	ssize_t len;
	int i;

	T_TRUE(has_memalloc(sb->board->spawner), "the spawner: expected the reserve scope, found none");
	has_line(sb->board->spawner, "NoNewPrivs:\t1");
	T_TRUE(!has_memalloc(sb->s.pid), "the supervisor: expected no reserve scope, found it");
	for (i = 0; i < 2; i++) {
		T_EQ(has_memalloc(pids[i]), scope);
		T_TRUE(sb_slot(sb, pids[i])->scope_inherited,
		       "server %d: expected the scope at its start, found none",
		       pids[i]);
		has_line(pids[i], "NoNewPrivs:\t1");
		has_line(pids[i], "Name:\tswapserver");
		/* systemd spares what begins so. */
		T_EQ(t_read_text("/proc/%d/cmdline", pids[i])[0], '@');
		snprintf(path, sizeof(path), "/proc/%d/exe", pids[i]);
		len = readlink(path, program, sizeof(program) - 1);
		program[len > 0 ? len : 0] = '\0';
		T_TRUE(!strncmp(program, "/memfd:", 7), "program of %d: expected a memfd, found %s",
		       pids[i], program);
	}
	T_EQ(t_read_text("/proc/%d/cmdline", sb->s.pid)[0], '@');
}

int main(void)
{
	struct sb sb;

	t_init(55);
	sb = sb_start("--standby=1", SB_RAM, 1);
	looks_right(&sb, true);
	sb_end(&sb);
	/* It is bound to the store that went with them. */
	T_OK(t_ioctl(sb.ctl, ABUSE_RESET, NULL));
	setenv("SERVER_FLAGS", "--standby=1 --no-scope", 1);
	sb = sb_start("", SB_RAM, 1);
	looks_right(&sb, false);
	sb_end(&sb);
	return t_end();
}
