// SPDX-License-Identifier: GPL-2.0-only
/*
 * pinned.c - a copy of this program that nobody can change or take away
 *
 * Beside the path: made once, for the spawner to execute.
 *
 * A sealed memfd.  Where the machine lets none be executed (vm.memfd_noexec=2)
 * it is a file of a ramfs of its own, mounted nowhere: its pages are never
 * swapped out, it has no name that anybody could open, and it is read-only
 * from before it is used.  It starts nothing: that is the spawner's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pinned.h"

/* Linux 6.3; without it that kernel says so in its log. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define PINNED_NAME "swapserver"

static int fail(const char *what)
{
	fprintf(stderr, "swapserver: spawner: %s: %s\n", what, strerror(errno));
	return -1;
}

static int copy_file(int to, int from)
{
	struct stat st;
	off_t done = 0;

	if (fstat(from, &st))
		return -1;
	while (done < st.st_size)
		if (sendfile(to, from, &done, (size_t)(st.st_size - done)) <= 0)
			return -1;
	return 0;
}

static int in_memfd(int from)
{
	int fd = memfd_create(PINNED_NAME,
			      MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(PINNED_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (!copy_file(fd, from) &&
	    !fcntl(fd, F_ADD_SEALS,
		   F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		return fd;
	close(fd);
	return -1;
}

/* A ramfs that no name leads to, as the descriptor of its mount. */
static int make_ramfs(void)
{
	int fs = fsopen("ramfs", FSOPEN_CLOEXEC), mount = -1;

	if (fs < 0)
		return -1;
	if (!fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(fs, FSMOUNT_CLOEXEC,
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	close(fs);
	return mount;
}

/* The mount stays open as long as we live: without it the file is in none. */
static int in_ramfs(int from)
{
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	int mount = make_ramfs(), fd;

	if (mount < 0)
		return -1;
	fd = openat(mount, PINNED_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0500);
	if (fd < 0)
		return -1;
	if (copy_file(fd, from)) {
		close(fd);
		return -1;
	}
	/* Nobody may write to what is to be executed, and we are done. */
	close(fd);
	if (mount_setattr(mount, "", AT_EMPTY_PATH, &read_only,
			  sizeof(read_only)))
		return -1;
	return openat(mount, PINNED_NAME, O_RDONLY | O_CLOEXEC);
}

int pinned_program(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), fd;
	struct stat st;

	if (from < 0)
		return fail("/proc/self/exe");
	fd = in_memfd(from);
	if (fd < 0 && errno == EACCES) {
		fd = in_ramfs(from);
		if (fd < 0)
			return fail(
				"vm.memfd_noexec=2 lets no memfd be executed, and a ramfs instead needs CAP_SYS_ADMIN: run as root, or set it to 1");
	}
	close(from);
	if (fd < 0 || fstat(fd, &st))
		return fail("a copy of the program");
	/* Private and read-only: the pages of the file itself, to be locked. */
	if (mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0) ==
	    MAP_FAILED)
		return fail("mmap of the program");
	return fd;
}
