// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will run swapserver as an ordinary user who has the nodes, the
 * store and exactly the capabilities of the manual: with every protection on
 * it is swapped on, alone and with a standby, and what was swapped out comes
 * back; while it serves no process has a capability, but the spawner those
 * that its servers start with, also when all of it runs as root.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [server] > disk.
 *
 * time: 120
 * busted: env=SEC_WITHOUT=CAP_IPC_LOCK
 * busted: env=SEC_WITHOUT=CAP_SYS_NICE
 * busted: env=SEC_WITHOUT=CAP_SYS_RESOURCE
 * busted: env=SEC_WITHOUT=CAP_SYS_ADMIN
 * busted: env=SERVER_FLAGS=--no-caps
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sec.h"
#include "../../swapserver/board.h"

#define DEVICE "--size 32M /dev/abctl0 disk,path=/dev/store"
#define BOARD "/run/abuse/abuse0.board"

/* Every protection is on: it says so itself, and nothing is "false". */
static void is_protected(const struct t_swapserver *s)
{
	const char *text = t_read_text("%s", s->status);
	const char *on = strstr(text, "\"protections\":{");
	const char *end = on ? strchr(on, '}') : NULL;
	const char *off = on ? strstr(on, ":false") : NULL;

	T_TRUE(on && end, "the status line: expected protections, found none");
	T_TRUE(!off || off > end,
	       "protections: expected all on, found one off: %.300s", on);
}

/* A server that serves, or stands by. */
static void is_harmless(pid_t pid, uint32_t uid)
{
	struct sec_task t = sec_task_of(pid);

	T_EQ(t.uid, uid);
	sec_has_caps(pid, "a server", 0);
	T_TRUE(t.no_new_privs && t.seccomp == 2,
	       "a server, pid %d: expected no_new_privs and a seccomp filter, found %d and mode %d",
	       pid, t.no_new_privs, t.seccomp);
}

static void alone(void)
{
	uint64_t caps = SEC_PROTECT & ~sec_caps_of_env("SEC_WITHOUT");
	struct t_swapserver s = sec_server_run(caps, DEVICE);

	sec_server_await(&s);
	is_protected(&s);
	is_harmless(s.pid, SEC_UID);
	t_mkswap(0);
	T_OK(t_swapon(0));
	sec_swap_and_verify();
	T_OK(t_swapoff(0));
	is_harmless(s.pid, SEC_UID);
	t_kill(s.pid, SIGTERM);
	T_EQ(t_reap(s.pid), 0);
	sec_reset();
}

/* ------------------------------------------------------------------- crew */

static struct board *board_look(void)
{
	int fd = T_OK(T_RET(open(BOARD, O_RDWR | O_CLOEXEC)));
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);

	T_TRUE(board != MAP_FAILED, "mmap of the board: %s", strerror(errno));
	close(fd);
	return board;
}

static int count(const struct board *board, enum board_state state)
{
	int nr = 0, i;

	for (i = 0; i < BOARD_SLOTS; i++)
		nr += board->slots[i].state == state &&
		      turn_holder(&board->slots[i].life);
	return nr;
}

static bool complete(const struct board *board)
{
	return count(board, BOARD_ACTIVE) == 1 &&
	       count(board, BOARD_STANDBY) == 1;
}

static void crew_is_harmless(const struct board *board, uint32_t uid)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&board->slots[i].life))
			is_harmless(turn_holder(&board->slots[i].life), uid);
	sec_has_caps(board->supervisor, "the supervisor", 0);
	sec_has_caps(board->spawner, "the spawner", SEC_PROTECT);
	T_EQ(sec_task_of(board->supervisor).uid, uid);
	T_EQ(sec_task_of(board->spawner).uid, uid);
	T_TRUE(sec_task_of(board->spawner).no_new_privs,
	       "the spawner: expected no_new_privs, found it without");
}

static bool is_swap(void)
{
	return strstr(t_read_text("/proc/swaps"), "/dev/abuse0");
}

static void crew(uint32_t uid)
{
	uint64_t caps = (SEC_PROTECT | SEC_CAP(CAP_SYS_ADMIN)) &
			~sec_caps_of_env("SEC_WITHOUT");
	const char *arguments = "--standby 1 --swapon " DEVICE;
	struct t_swapserver s;
	struct board *board;
	pid_t active;

	s = uid ? sec_server_run(caps, arguments)
		: t_swapserver_start(arguments);
	sec_server_await(&s);
	board = board_look();
	T_UNTIL(complete(board));
	T_UNTIL(is_swap() || strstr(t_read_text("%s", s.errors), "--swapon"));
	T_TRUE(is_swap(), "--swapon: expected a swap area, found \"%s\"",
	       t_read_text("%s", s.errors));
	crew_is_harmless(board, uid);
	sec_swap_and_verify();

	/* The one that is started now has what the spawner has kept. */
	active = turn_holder(&board->turn);
	T_OK(T_RET(kill(active, SIGKILL)));
	T_UNTIL(board->nr_refills == 1 && complete(board));
	crew_is_harmless(board, uid);
	sec_swap_and_verify();
	is_protected(&s);

	T_OK(t_swapoff(0));
	t_kill(s.pid, SIGTERM);
	T_EQ(t_reap(s.pid), 0);
	munmap(board, sizeof(*board));
	sec_reset();
}

int main(void)
{
	t_init(110);
	sec_give_nodes(SEC_UID);
	alone();
	crew(SEC_UID);
	sec_give_nodes(0);
	crew(0);
	return t_end();
}
