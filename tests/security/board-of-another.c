// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a user put a board where boards are, with root's process
 * on it as a server, and a supervisor of his own: abusectl, run by root, shows
 * no such server, does not end it, and starts nothing with what that user
 * chose; nor does swapserver --upgrade.
 *
 * Where it stands: [abusectl, swapserver] > the board.
 *
 * time: 60
 * busted: env=T_TWIN=own-board
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sec.h"
#include "t_block.h"
#include "../../swapserver/board.h"

#define BOARD BOARD_DIR "/abuse0.board"
#define LOG "/tmp/run.log"

static struct board *board_make_own(uint32_t uid)
{
	struct board *b;
	int fd;

	sec_give_nodes(uid);
	fd = T_OK(T_RET(
		open(BOARD, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)));
	T_OK(T_RET(fchown(fd, uid, uid)));
	T_OK(T_RET(ftruncate(fd, sizeof(*b))));
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	T_TRUE(b != MAP_FAILED, "mmap of the board: %s", strerror(errno));
	close(fd);
	b->magic = BOARD_MAGIC;
	b->version = BOARD_VERSION;
	b->bytes = sizeof(*b);
	strcpy(b->backend, "ram");
	b->size_bytes = 4 * T_MIB;
	b->blocksize_bytes = T_PAGE;
	return b;
}

static void name(struct board *b, int slot, pid_t pid)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	b->slots[slot].pid = pid;
	b->slots[slot].started_ns = now.tv_sec * 1000000000ull + now.tv_nsec;
	/* Those of the futex: what swapserver goes by. */
	b->slots[slot].life.word = pid;
	b->slots[slot].state = BOARD_STANDBY;
}

/* Root's, and has nothing to do with any of this. */
static pid_t victim_start(void)
{
	pid_t pid = t_fork(false);

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/*
 * With the command line of a server of the device: a shell that reads from a
 * pipe to which nobody writes.
 */
static pid_t supervisor_start(bool as_user)
{
	pid_t pid;
	int ends[2];

	T_OK(T_RET(pipe(ends)));
	pid = t_fork(false);
	if (!pid) {
		if (as_user)
			sec_become(0);
		dup2(ends[0], STDIN_FILENO);
		execl("/bin/busybox", "sh", "-c", "read line", "/dev/abctl0",
		      NULL);
		_exit(127);
	}
	close(ends[0]);
	/* The other end stays open here. */
	T_UNTIL(strstr(t_read_text("/proc/%d/comm", pid), "busybox") ||
		strstr(t_read_text("/proc/%d/comm", pid), "sh"));
	return pid;
}

static void refuses(const char *who, int found, const char *says)
{
	const char *text = t_read_text(LOG);

	T_TRUE(found == 1 && strstr(text, says),
	       "%s: expected status 1 and \"%s\", found %d and \"%s\"", who,
	       says, found, text);
}

int main(void)
{
	uint32_t uid = t_twin("own-board") ? 0 : SEC_UID;
	pid_t victim, supervisor;
	struct board *b;
	char number[16];
	const char *text;

	t_init(55);
	b = board_make_own(uid);
	victim = victim_start();
	supervisor = supervisor_start(uid);
	name(b, 3, victim);
	b->office[0].supervisor.word = supervisor;
	b->supervisor = supervisor;

	refuses("abusectl upgrade",
		t_run("/bin/abusectl", "upgrade", "0", "--binary",
		      "/bin/abusectl", NULL),
		"only that user can upgrade");
	refuses("swapserver --upgrade",
		t_run("/bin/swapserver", "--upgrade", "--standby", "1",
		      "--size", "4M", "/dev/abctl0", "ram", NULL),
		"of another user");
	snprintf(number, sizeof(number), "%d", victim);
	t_run("/bin/abusectl", "status", "0", NULL);
	text = t_read_text(LOG);
	T_TRUE(!strstr(text, number),
	       "abusectl status: expected no server %s, found \"%s\"", number,
	       text);

	/* Now without a supervisor, so that drain would turn to the servers. */
	t_kill(supervisor, SIGKILL);
	b->supervisor = 0;
	T_EQ(t_run("/bin/abusectl", "drain", "0", NULL), 0);
	T_TRUE(!t_ended(victim),
	       "root's process: expected it untouched, found it ended");
	t_kill(victim, SIGKILL);
	unlink(BOARD);
	sec_give_nodes(0);
	return t_end();
}
