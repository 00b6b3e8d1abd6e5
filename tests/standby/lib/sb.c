// SPDX-License-Identifier: GPL-2.0-only
/*
 * sb.c - what the tests of standby servers share
 *
 * Where it stands: [test] > supervisor, spawner, servers > /dev/abctl0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sb.h"

#define BOARD	"/run/abuse/abuse0.board"
#define LEN	(12 * 1024)

uint64_t board_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static struct board *board_look(void)
{
	int fd = open(BOARD, O_RDWR | O_CLOEXEC);
	struct board *board;

	if (fd < 0)
		return NULL;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	close(fd);
	T_TRUE(board != MAP_FAILED, "mmap of the board: %s", strerror(errno));
	T_EQ(board->magic, BOARD_MAGIC);
	T_EQ(board->bytes, sizeof(*board));
	return board;
}

struct sb sb_start(const char *flags, const char *arguments, int nr_standbys)
{
	struct sb sb;

	mkdir("/run", 0755);
	setenv("SERVER_FLAGS", flags, 0);
	sb.ctl = t_ctl_open(0);
	sb.s = t_swapserver_start(arguments);
	sb.board = board_look();
	if (sb.board)
		T_UNTIL(sb_count(&sb, BOARD_STANDBY) == nr_standbys);
	return sb;
}

int sb_count(const struct sb *sb, enum board_state state)
{
	int nr = 0, i;

	for (i = 0; i < BOARD_SLOTS; i++)
		nr += sb->board->slots[i].state == state &&
		      turn_holder(&sb->board->slots[i].life);
	return nr;
}

pid_t sb_active(const struct sb *sb)
{
	if (!sb->board)
		return sb->s.pid;
	T_UNTIL(turn_holder(&sb->board->turn));
	return turn_holder(&sb->board->turn);
}

struct board_slot *sb_slot(const struct sb *sb, pid_t pid)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&sb->board->slots[i].life) == pid)
			return &sb->board->slots[i];
	T_FAIL("process %d: expected a slot on the board, found none", pid);
}

pid_t sb_standby(const struct sb *sb)
{
	int i;

	for (i = 0; i < BOARD_SLOTS; i++)
		if (sb->board->slots[i].state == BOARD_STANDBY &&
		    turn_holder(&sb->board->slots[i].life))
			return turn_holder(&sb->board->slots[i].life);
	T_FAIL("expected a standby, found none");
}

void sb_kill(pid_t pid)
{
	T_OK(T_RET(kill(pid, SIGKILL)));
	T_UNTIL(strchr("ZX?", t_state(pid)));
}

pid_t sb_kill_active(const struct sb *sb)
{
	pid_t pid = sb_active(sb);

	if (sb->board)
		sb->board->killed_ns = board_now_ns();
	sb_kill(pid);
	return pid;
}

void sb_kill_servers(const struct sb *sb)
{
	pid_t active = sb_active(sb), standby = sb_standby(sb);

	/* Stopped, it cannot take over in between. */
	T_OK(T_RET(kill(standby, SIGSTOP)));
	T_OK(T_RET(kill(active, SIGKILL)));
	T_OK(T_RET(kill(standby, SIGKILL)));
	T_UNTIL(strchr("ZX?", t_state(standby)));
	T_UNTIL(strchr("ZX?", t_state(active)));
}

void sb_end(const struct sb *sb)
{
	int status;

	t_kill(sb->s.pid, SIGTERM);
	status = t_reap(sb->s.pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the supervisor's end: expected status 0, found 0x%x: %s",
	       status, t_read_text("%s", sb->s.errors));
	if (!sb->board)
		return;
	T_EQ(sb_count(sb, BOARD_STANDBY) + sb_count(sb, BOARD_ACTIVE), 0);
	T_UNTIL(!turn_holder(&sb->board->office[0].spawner) &&
		!turn_holder(&sb->board->office[1].spawner));
	T_TRUE(access(BOARD, F_OK), "the board at the end: expected it gone, found it there");
}

bool sb_said(const struct sb *sb, const char *text)
{
	return strstr(t_read_text("%s", sb->s.errors), text);
}

/* ------------------------------------------------------------------- load */

static volatile uint32_t *rounds_done;
static volatile bool *load_stop;
static pid_t loads[SB_LOADS];

/* The piece of this write, counted from 1, is as it was written. */
static void piece_check(int fd, char *data, uint64_t start_bytes,
			uint64_t nr_pieces, uint64_t write)
{
	uint64_t offset_bytes = start_bytes + (write - 1) % nr_pieces * LEN;

	memset(data, 0, LEN);
	T_EQ(T_RET(pread(fd, data, LEN, offset_bytes)), LEN);
	t_stamp_check(data, offset_bytes, LEN, write);
}

/*
 * Piece after piece, round and round.  What was written before this write may
 * be another server's, and what was written long ago another crew's.
 */
static void load(int index, uint64_t share_bytes)
{
	uint64_t start_bytes = index * share_bytes;
	uint64_t nr_pieces = share_bytes / LEN, write = 0, old;
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT));
	char *data = t_shared(LEN);

	while (!*load_stop) {
		uint64_t offset_bytes = start_bytes + write % nr_pieces * LEN;

		write++;
		t_stamp(data, offset_bytes, LEN, write);
		T_EQ(T_RET(pwrite(fd, data, LEN, offset_bytes)), LEN);
		if (write > 1)
			piece_check(fd, data, start_bytes, nr_pieces,
				    write - 1);
		piece_check(fd, data, start_bytes, nr_pieces, write);
		rounds_done[index]++;
	}
	for (old = write > nr_pieces ? write - nr_pieces + 1 : 1; old <= write;
	     old++)
		piece_check(fd, data, start_bytes, nr_pieces, old);
	_exit(0);
}

void sb_load_start(uint64_t size_bytes)
{
	int i;

	rounds_done = t_shared(T_PAGE);
	load_stop = t_shared(T_PAGE);
	for (i = 0; i < SB_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i, size_bytes / SB_LOADS / LEN * LEN);
	}
}

static bool loads_alive(void)
{
	int i;

	for (i = 0; i < SB_LOADS; i++)
		if (t_ended(loads[i]))
			return false;
	return true;
}

void sb_load_await(uint32_t rounds)
{
	uint32_t from;
	int i;

	for (i = 0; i < SB_LOADS; i++) {
		from = rounds_done[i];
		T_UNTIL(rounds_done[i] - from >= rounds || !loads_alive());
	}
	T_TRUE(loads_alive(), "the load: expected what it had written, found something else");
}

void sb_load_stop(void)
{
	int i;

	*load_stop = true;
	for (i = 0; i < SB_LOADS; i++)
		SB_AWAIT(t_ended(loads[i]));
	for (i = 0; i < SB_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);
}

/* --------------------------------------------------------- under pressure */

static uint64_t memory_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * T_PAGE;
}

static void oom_score(const char *score)
{
	int fd = T_OK(T_RET(open("/proc/self/oom_score_adj", O_WRONLY)));

	T_EQ(T_RET(write(fd, score, strlen(score))), strlen(score));
	close(fd);
}

static pid_t swap_load;
static uint64_t swap_from;

void sb_swap_start(const struct sb *sb)
{
	const char *percent = getenv("LOAD_PERCENT");
	static unsigned int seed;
	char bytes[32], number[16];

	/*
	 * A fifth less than other loads under pressure: enough that there is
	 * always something to swap, and the time goes to takeovers.
	 */
	snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)
		 memory_bytes() * (percent ? atoi(percent) : 130) / 125);
	snprintf(number, sizeof(number), "%u", ++seed);
	swap_from = t_counters(sb->ctl).ab_ended;
	swap_load = t_fork(false);
	if (swap_load)
		return;
	oom_score("0");
	execl("/bin/pageload", "pageload", "--bytes", bytes, "--workers", "4",
	      "--passes", "1", "--seed", number, NULL);
	_exit(127);
}

void sb_swap_end(const struct sb *sb)
{
	int status;

	/* As long as it takes: its limit is the test's. */
	while (!t_ended(swap_load))
		t_pause();
	status = t_reap(swap_load);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the load: expected all of its memory as it was written, found status 0x%x",
	       status);
	T_TRUE(t_counters(sb->ctl).ab_ended != swap_from,
	       "the load: expected it to swap, found no request");
}

void sb_swap_await(const struct sb *sb, uint64_t answers)
{
	uint64_t from = t_counters(sb->ctl).ab_ended;

	while (t_counters(sb->ctl).ab_ended < from + answers) {
		if (t_ended(swap_load)) {
			sb_swap_end(sb);
			sb_swap_start(sb);
		}
		t_pause();
	}
}

void sb_lock(void)
{
	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	oom_score("-1000");
}
