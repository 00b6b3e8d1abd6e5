/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seal.h - no system call but those of the serve path
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SEAL_H
#define SWAPSERVER_SEAL_H

/*
 * From here on any other system call ends the process, so that mmap and brk
 * cannot happen unseen.  ctl_fd: /dev/abctlN; backend_fd: what the backend's
 * calls may use; backend_calls: which, 0 ends the list, NULL: none.  Returns
 * 0 or -errno.
 */
int seal(int ctl_fd, int backend_fd, const int *backend_calls);

#endif
