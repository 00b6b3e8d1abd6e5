/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * seal.h - no system call but those of the serve path
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_SEAL_H
#define SWAPSERVER_SEAL_H

#include <stdbool.h>

struct backend;

/*
 * From here on any other system call ends the process, so that mmap and brk
 * cannot happen unseen.  ctl_fd: /dev/abctlN; backend: may make those that it
 * lists; looks: how much memory is free, too (--hold).  Returns 0 or -errno.
 */
int seal(int ctl_fd, const struct backend *backend, bool looks);

#endif
