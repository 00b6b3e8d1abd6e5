// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will set vm.memfd_noexec=2, with which no memfd can be executed:
 * servers start, are replaced and are upgraded as ever, from a file that no
 * name leads to and that nobody can write to.
 *
 * Where it stands: bio > queue > ioctl > [server], and its spawner.
 *
 * time: 90
 * kernels: 6.12
 * busted: env=T_TWIN=no-admin
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sb.h"

#define SYSCTL "/proc/sys/vm/memfd_noexec"

static void sysctl_set(const char *value)
{
	int fd = T_OK(T_RET(open(SYSCTL, O_WRONLY | O_CLOEXEC)));

	T_EQ(T_RET(write(fd, value, 1)), 1);
	close(fd);
}

/* It runs our program, and nobody writes there. */
static void program_is_pinned(pid_t pid)
{
	char path[32], program[64];
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, program, sizeof(program) - 1);
	program[len > 0 ? len : 0] = '\0';
	T_TRUE(!strcmp(program, "/swapserver"), "program of %d: expected one of a mount of its own, found %s",
	       pid, program);
	fd = T_RET(open(path, O_WRONLY | O_CLOEXEC));
	T_TRUE(fd == -EROFS || fd == -ETXTBSY, "writing to the program of %d: expected it refused, found %s",
	       pid, t_name(fd));
}

int main(void)
{
	struct t_swapserver next;
	struct sb sb;

	t_init(80);
	if (access(SYSCTL, F_OK))
		t_skip("this kernel has no PID namespaces, which have that sysctl");
	sysctl_set("2");
	if (t_twin("no-admin"))
		T_OK(T_RET(prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN)));
	sb = sb_start("--standby=1", SB_RAM, 1);
	program_is_pinned(sb_active(&sb));
	sb_load_start(12 * T_MIB);
	sb_load_await(2);
	sb_kill_active(&sb);
	sb_load_await(2);
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	program_is_pinned(sb_standby(&sb));

	next = t_swapserver_run("--upgrade --standby 1 " SB_RAM);
	T_UNTIL(t_ended(next.pid) || sb.board->supervisor == next.pid);
	T_TRUE(!t_ended(next.pid), "--upgrade: expected a new supervisor, found: %s",
	       t_read_text("%s", next.errors));
	T_EQ(t_reap(sb.s.pid), 0);
	sb.s = next;
	sb_load_await(2);
	program_is_pinned(sb_active(&sb));
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	sb_end(&sb);
	sysctl_set("0");
	return t_end();
}
