// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have an ordinary user lock all that is to be locked below
 * /run/abuse: servers start all the same.
 *
 * Where it stands: [swapserver] > the board.
 *
 * time: 60
 * busted: env=T_TWIN=may-open
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sec.h"
#include "../../swapserver/board.h"

#define LOCK BOARD_DIR "/lock"

static void lock_all(void)
{
	int folder = open(BOARD_DIR, O_RDONLY | O_DIRECTORY), file;

	T_OK(folder);
	/* That may be: nobody waits for it. */
	T_OK(T_RET(flock(folder, LOCK_EX)));
	file = open(LOCK, O_RDONLY);
	if (t_twin("may-open"))
		T_OK(T_RET(flock(file, LOCK_EX)));
	else
		T_EQ(T_RET(file), -EACCES);
}

int main(void)
{
	volatile bool *locked = t_shared(T_PAGE);
	struct t_swapserver s;
	pid_t user;
	int fd;

	t_init(55);
	mkdir("/run", 0755);
	mkdir(BOARD_DIR, 0755);
	fd = T_OK(T_RET(open(LOCK, O_RDWR | O_CREAT,
			     t_twin("may-open") ? 0644 : 0600)));
	close(fd);
	user = t_fork(false);
	if (!user) {
		sec_become(0);
		lock_all();
		*locked = true;
		for (;;)
			pause();
	}
	T_UNTIL(*locked || t_ended(user));
	T_TRUE(*locked, "the user's locks: expected them taken, found the process ended");
	s = t_swapserver_start("--standby 1 --size 4M /dev/abctl0 ram");
	T_EQ(t_result(t_submit(0, T_READ, 0, T_PAGE, 0)), T_PAGE);
	t_kill(s.pid, SIGTERM);
	T_EQ(t_reap(s.pid), 0);
	t_kill(user, SIGKILL);
	return t_end();
}
