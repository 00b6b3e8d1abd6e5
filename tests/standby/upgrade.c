// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will replace the servers by new ones under verified I/O, several
 * times, with the store in memory and on a disk: nothing is lost, the old
 * supervisor ends with status 0, and the new one has all that the old one had;
 * also if the old one has lost its spawner, and when many come at once.
 *
 * Where it stands: bio > queue > ioctl > [server], and its supervisor.
 *
 * time: 180
 * busted: env=T_TWIN=start-anew
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sb.h"

#define ROUNDS	3

/* What an upgrade is not: the old ones go, new ones come. */
static void kill_all(struct sb *sb)
{
	t_kill(sb->s.pid, SIGKILL);
	while (sb_count(sb, BOARD_STANDBY))
		sb_kill(sb_standby(sb));
	sb_kill(sb_active(sb));
}

static void upgrade(struct sb *sb, const char *arguments)
{
	char line[200];
	struct t_swapserver next;
	pid_t active = sb_active(sb);
	int status;

	if (t_twin("start-anew"))
		kill_all(sb);
	snprintf(line, sizeof(line), "%s--standby 1 %s",
		 t_twin("start-anew") ? "" : "--upgrade ", arguments);
	next = t_swapserver_run(line);
	SB_AWAIT(t_ended(next.pid) || t_swapserver_ready(&next));
	T_TRUE(!t_ended(next.pid), "the new supervisor: expected it to serve, found: %s",
	       t_read_text("%s", next.errors));
	if (!t_twin("start-anew")) {
		status = t_reap(sb->s.pid);
		T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
		       "the old supervisor: expected status 0, found 0x%x: %s",
		       status, t_read_text("%s", sb->s.errors));
	}
	sb->s = next;
	sb_load_await(2);
	T_TRUE(strchr("ZX?", t_state(active)), "the old server: expected it gone, found it in state %c",
	       t_state(active));
	T_EQ(sb->board->supervisor, next.pid);
	T_UNTIL(sb_count(sb, BOARD_STANDBY) == 1);
	T_EQ(sb_count(sb, BOARD_ACTIVE), 1);
	T_EQ(turn_holder(&sb->board->office[sb->board->crew & 1].spawner),
	     sb->board->spawner);
}

/* A second store beside the first, or another one. */
static void refused(const char *flags, const char *arguments)
{
	struct t_swapserver s;
	char line[200];
	int status;

	snprintf(line, sizeof(line), "%s %s", flags, arguments);
	s = t_swapserver_run(line);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	       "\"%s\" beside the servers that run: expected it refused, found 0x%x",
	       line, status);
}

static void one(const char *arguments)
{
	struct sb sb = sb_start("--standby=1", arguments, 1);
	int i;

	refused("", arguments);
	refused("--standby 1", arguments);
	refused("--upgrade --standby 1 --blocksize 512", arguments);
	sb_load_start(12 * T_MIB);
	for (i = 0; i < ROUNDS; i++) {
		sb_load_await(4);
		upgrade(&sb, arguments);
		/* It replaces who dies. */
		sb_kill_active(&sb);
		sb_load_await(2);
		T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 1);
	}
	sb_load_stop();
	T_EQ(t_counters(sb.ctl).ab_ended_error, 0);
	sb_end(&sb);
	/* The next store cannot do the same. */
	T_OK(t_ioctl(sb.ctl, ABUSE_RESET, NULL));
}

/*
 * The old supervisor looks all the time for somebody to replace, and sees each
 * server of the new one on its way: they are none of its business.
 */
static void many(void)
{
	struct sb sb = sb_start("--standby=3", SB_RAM, 3);
	struct t_swapserver next;
	int status;

	sb_load_start(12 * T_MIB);
	sb_kill(sb.board->spawner);
	sb_kill(sb_standby(&sb));
	T_UNTIL(sb_said(&sb, "killed by signal 9"));
	next = t_swapserver_run("--upgrade --standby 3 " SB_RAM);
	SB_AWAIT(t_ended(next.pid) || t_swapserver_ready(&next));
	T_TRUE(!t_ended(next.pid), "the new supervisor: expected it to serve, found: %s",
	       t_read_text("%s", next.errors));
	status = t_reap(sb.s.pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the old supervisor: expected status 0, found 0x%x: %s",
	       status, t_read_text("%s", sb.s.errors));
	sb.s = next;
	T_UNTIL(sb_count(&sb, BOARD_STANDBY) == 3);
	/* Each was started once. */
	T_EQ(sb.board->nr_refills, 0);
	/* Calling off an upgrade that has come: no harm. */
	t_kill(next.pid, SIGUSR2);
	sb_load_await(4);
	T_EQ(sb_count(&sb, BOARD_STANDBY) + sb_count(&sb, BOARD_ACTIVE), 4);
	T_EQ(sb.board->supervisor, next.pid);
	sb_load_stop();
	sb_end(&sb);
	T_OK(t_ioctl(sb.ctl, ABUSE_RESET, NULL));
}

/* Who can say who lives on it. */
static void of_another_version(void)
{
	int fd = T_OK(T_RET(open("/run/abuse/abuse0.board",
				 O_RDWR | O_CREAT | O_EXCL, 0644)));

	refused("", SB_RAM);
	refused("--standby 1", SB_RAM);
	T_OK(T_RET(ftruncate(fd, sizeof(struct board))));
	refused("", SB_RAM);
	refused("--standby 1", SB_RAM);
	close(fd);
	unlink("/run/abuse/abuse0.board");
}

int main(void)
{
	t_init(170);
	if (!t_twin("start-anew"))
		many();
	of_another_version();
	one(SB_RAM);
	one(SB_DISK);
	return t_end();
}
