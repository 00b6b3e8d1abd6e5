/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * notify.h - tell the service manager which process is the main one
 *
 * Beside the path.  systemd takes the end of a service's main process for the
 * end of the service, and would drain the device of a server that has only
 * been upgraded.  So while one supervisor follows the other a process that
 * does nothing is the main one; it names the winner and goes.
 */
#ifndef ABUSECTL_NOTIFY_H
#define ABUSECTL_NOTIFY_H

#include <sys/types.h>

struct notify {
	pid_t keeper; /* 0: no service manager */
	int to_keeper;
};

/*
 * socket: the value of NOTIFY_SOCKET; NULL or "": there is no service manager,
 * and the calls do nothing.  procs: the cgroup.procs of the service, "": stay.
 * before: the main process so far, and again if the caller dies.  0 or -errno.
 */
int notify_begin(struct notify *n, const char *socket, const char *procs,
		 pid_t before);
void notify_end(struct notify *n, pid_t winner);

/* One message; 0 or -errno. */
int notify_send(const char *socket, const char *text);

/* Move the caller to a cgroup.  0 or -errno; "" is where it is. */
int notify_join(const char *procs);

#endif
