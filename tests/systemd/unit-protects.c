// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start the unit as it is installed and look at it from outside:
 * what systemd was to protect is protected; systemctl stop is refused, and a
 * SIGTERM to all of its processes, too, while pages are in swap; a stop that
 * another unit drags in drains, and waits, but kills nobody.
 *
 * Where it stands: systemd > [supervisor], servers > disk.
 *
 * time: 90
 * busted: env=T_TWIN=plain
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sd.h"

#define BYTES	(4 * T_MIB)
#define RIVAL	"rival.service"
#define CGROUP	"/sys/fs/cgroup/" SD_UNIT

static void has(const char *what, const char *text, const char *part)
{
	T_TRUE(strstr(text, part), "%s: expected \"%s\", found \"%s\"", what,
	       part, text);
}

static void is_protected(pid_t pid)
{
	const char *p;

	T_EQ(t_read_text("/proc/%d/cmdline", pid)[0], '@');
	T_EQ(atoi(t_read_text("/proc/%d/oom_score_adj", pid)), -1000);
	has("cgroup", t_read_text("/proc/%d/cgroup", pid), "0::/" SD_UNIT "\n");
	p = strstr(t_read_text("/proc/%d/limits", pid), "Max locked memory");
	T_TRUE(p && !strncmp(p + 26, "unlimited", 9),
	       "locked memory of %d: expected no limit, found %.40s", pid,
	       p ? p + 26 : "none");
}

static void all_protected(const struct board *board)
{
	const char *said;
	int i;

	is_protected(board->supervisor);
	is_protected(board->spawner);
	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&board->slots[i].life))
			is_protected(turn_holder(&board->slots[i].life));
	T_EQ(atol(t_read_text(CGROUP "/memory.min")), 64 * T_MIB);
	has("memory.swap.max", t_read_text(CGROUP "/memory.swap.max"), "0\n");
	T_EQ(sd_ctl(&said, "status " SD_UNIT), 0);
	has("systemctl status", said, "active (running)");
}

static void is_refused(const struct board *board, pid_t active)
{
	const char *said;

	T_TRUE(sd_ctl(&said, "stop " SD_UNIT), "systemctl stop: expected it refused, found status 0");
	has("systemctl stop", said, "refused");
	T_EQ(sd_ctl(NULL, "kill --signal=SIGTERM " SD_UNIT), 0);
	/* It answers, so it has seen the signal. */
	T_TRUE(sd_lives(active) && sd_lives(board->supervisor) &&
	       sd_is("active") && sd_swap_is_on(),
	       "after systemctl stop and a SIGTERM: expected all as before, found otherwise");
}

/* As another unit's start, which must not go on beside this one. */
static void is_dragged(const struct board *board, pid_t active)
{
	int disk = T_OK(t_blk_open(0, O_RDONLY)), i;

	sd_write("/etc/systemd/system/" RIVAL,
		 "[Unit]\n"
		 "Conflicts=" SD_UNIT "\n"
		 "After=" SD_UNIT "\n"
		 "[Service]\n"
		 "Type=oneshot\n"
		 "ExecStart=/bin/true\n"
		 "RemainAfterExit=yes\n");
	T_EQ(sd_ctl(NULL, "daemon-reload"), 0);
	T_EQ(sd_ctl(NULL, "start --no-block " RIVAL), 0);
	/* Drained, but we have the disk open: ExecStop gives up, nothing else does. */
	SD_AWAIT(!sd_swap_is_on());
	SD_AWAIT(!strcmp(sd_show("SubState"), "stop-sigterm"));
	for (i = 0; i < 1000; i++)
		t_pause();
	T_TRUE(sd_lives(active) && sd_lives(board->supervisor),
	       "a stop while the disk is open: expected the server to go on, found it gone");
	close(disk);
	sd_drain();
	SD_AWAIT(!sd_ctl(NULL, "is-active " RIVAL));
	T_TRUE(!sd_lives(active), "after the drain: expected no server, found it alive");
	T_EQ(sd_ctl(NULL, "stop " RIVAL), 0);
}

int main(int argc, char **argv)
{
	struct sd_holder holder;
	struct board *board;
	pid_t active;

	sd_init(argc, argv, 85);
	board = sd_start(SD_DISK);
	active = sd_active(board);
	if (!t_twin("plain"))
		all_protected(board);
	holder = sd_holder_start(BYTES);
	is_refused(board, active);
	is_dragged(board, active);
	sd_holder_check(&holder);
	return t_end();
}
