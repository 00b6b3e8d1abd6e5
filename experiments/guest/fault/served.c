// SPDX-License-Identifier: GPL-2.0-only
/*
 * served.c - who serves, and what is put into that process: kill, stop, segv
 *
 * Where it stands: job > main > fault > [served] > the active server.  With
 * standbys that is another one after each takeover: the board names it.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <sys/syscall.h>

#include "../locked.h"
#include "../whoserves.h"
#include "fault.h"

static const struct board *board;

pid_t served_pid(void)
{
	return board ? board_active(board) : (pid_t)opt.pid;
}

/* The first word behind the name in /proc/PID/stat; '?': it is not there. */
static char state_of(int stat_fd)
{
	char text[512], *p;

	if (!text_read_fd(stat_fd, text, sizeof(text)))
		return '?';
	p = strrchr(text, ')');
	return p && p[1] == ' ' ? p[2] : '?';
}

static int stat_open(pid_t pid)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	return open(name, O_RDONLY | O_CLOEXEC);
}

/*
 * Is there somebody to act on?  One that has been killed may stand on the
 * board for a moment yet, and its pid in /proc until its parent looks.
 */
bool served(void)
{
	pid_t pid = served_pid();
	int stat_fd = pid > 0 ? stat_open(pid) : -1;
	char state = state_of(stat_fd);

	if (stat_fd >= 0)
		close(stat_fd);
	return !strchr("?ZX", state);
}

int served_find(void)
{
	board = board_look(opt.board);
	return served() ? 0 : fail("--pid: the server", -ESRCH);
}

static int signal_send(struct seen *seen, int sig)
{
	struct pollfd gone = { .events = POLLIN };
	uint64_t until_ms;
	pid_t pid = served_pid();
	char state = '?';
	bool ended = false;
	int stat_fd;

	if (!served())
		return refused(seen, "nobody serves");
	/* Both before the deed: to look at it then takes no memory. */
	gone.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	stat_fd = stat_open(pid);
	if (gone.fd < 0 || syscall(SYS_pidfd_send_signal, gone.fd, sig, NULL, 0)) {
		refused(seen, "signal %d to %d: %s", sig, (int)pid,
			strerror(errno));
		if (gone.fd >= 0)
			close(gone.fd);
		if (stat_fd >= 0)
			close(stat_fd);
		return -1;
	}
	until_ms = now_ms() + LOOK_MS;
	do {
		ended = poll(&gone, 1, 0) == 1;
		state = ended ? 'X' : state_of(stat_fd);
		if (ended || (sig == SIGSTOP && state == 'T'))
			break;
		pause_ms(POLL_MS);
	} while (now_ms() < until_ms);
	close(gone.fd);
	if (stat_fd >= 0)
		close(stat_fd);
	snprintf(seen->text, sizeof(seen->text),
		 ",\"pid\":%d,\"signal\":%d,\"state\":\"%c\",\"acted\":%s",
		 (int)pid, sig, state,
		 ended || (sig == SIGSTOP && state == 'T') ? "true" : "false");
	return 0;
}

static int inject_kill(struct seen *seen)
{
	return signal_send(seen, SIGKILL);
}

static int inject_stop(struct seen *seen)
{
	return signal_send(seen, SIGSTOP);
}

static int inject_segv(struct seen *seen)
{
	return signal_send(seen, SIGSEGV);
}

const struct kind kind_kill = {
	.name = "kill",
	.prepare = served_find,
	.inject = inject_kill,
	.server = true,
};

const struct kind kind_stop = {
	.name = "stop",
	.prepare = served_find,
	.inject = inject_stop,
	.server = true,
};

const struct kind kind_segv = {
	.name = "segv",
	.prepare = served_find,
	.inject = inject_segv,
	.server = true,
};
