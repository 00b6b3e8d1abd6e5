// SPDX-License-Identifier: GPL-2.0-only
/*
 * notify.c - tell the service manager which process is the main one
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "notify.h"

int notify_send(const char *socket_path, const char *text)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = strlen(socket_path);
	int fd, err = 0;

	if (len < 2 || len >= sizeof(to.sun_path))
		return -EINVAL;
	memcpy(to.sun_path, socket_path, len);
	if (to.sun_path[0] == '@') /* an abstract name */
		to.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
		   offsetof(struct sockaddr_un, sun_path) + len) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int notify_main(const char *socket_path, pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "MAINPID=%d\n", pid);
	return notify_send(socket_path, text);
}

int notify_join(const char *procs)
{
	int fd, err = 0;

	if (!*procs)
		return 0;
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, "0", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

/* The child: main process from its first message to its last. */
static void __attribute__((noreturn))
notify_keep(const char *socket_path, const char *procs, pid_t main_pid,
	    int parent)
{
	int err;

	setsid();
	err = notify_join(procs);
	if (!err)
		err = notify_main(socket_path, getpid());
	if (send(parent, &err, sizeof(err), MSG_NOSIGNAL) != sizeof(err) || err)
		_exit(1);
	/* If the parent dies without naming a winner it is as before. */
	recv(parent, &main_pid, sizeof(main_pid), 0);
	notify_main(socket_path, main_pid);
	_exit(0);
}

int notify_begin(struct notify *n, const char *socket_path, const char *procs,
		 pid_t before)
{
	int pair[2], err;

	memset(n, 0, sizeof(*n));
	if (!socket_path || !*socket_path)
		return 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	n->keeper = fork();
	if (n->keeper < 0) {
		err = -errno;
		close(pair[0]);
		close(pair[1]);
		return err;
	}
	if (!n->keeper) {
		close(pair[0]);
		notify_keep(socket_path, procs, before, pair[1]);
	}
	close(pair[1]);
	n->to_keeper = pair[0];
	if (recv(n->to_keeper, &err, sizeof(err), 0) != sizeof(err))
		err = -EPIPE;
	if (err)
		notify_end(n, before);
	return err;
}

void notify_end(struct notify *n, pid_t winner)
{
	if (n->keeper <= 0)
		return;
	/* A socket, for it must not end us by SIGPIPE if it is gone. */
	send(n->to_keeper, &winner, sizeof(winner), MSG_NOSIGNAL);
	close(n->to_keeper);
	while (waitpid(n->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	n->keeper = 0;
}
