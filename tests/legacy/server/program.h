/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * program.h - a server of this folder inside the test that runs it
 *
 * Where it stands: bio > queue > ioctl > [server].  The program is built by
 * legacy.mk, embedded here, and started from memory: the guest needs no file
 * of it, and it shares nothing with the test but the store.
 */
#ifndef LEGACY_PROGRAM_H
#define LEGACY_PROGRAM_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define PROGRAM(name)							\
	extern const char program_begin[], program_end[];		\
	__asm__(".section .rodata\n"					\
		".globl program_begin, program_end\n"			\
		"program_begin: .incbin \"build/guest/legacy/" name "\"\n" \
		"program_end:\n"					\
		".previous\n")

#define STORE_PATH "/tmp/legacy-store"

/* What server-2009.c writes behind the store. */
struct notes {
	uint32_t nr_requests;
	uint32_t nr_syncs;
	uint32_t nr_threads_that_served;
	uint32_t max_vecs;
	uint32_t hold_after;
	uint32_t nr_holding;
	uint32_t reserved[2];
};

/* The store, as the servers have it: a file, mapped by all. */
static char *program_store(uint64_t size_bytes)
{
	int fd = open(STORE_PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0600);
	char *p;

	T_OK(T_RET(fd));
	T_OK(T_RET(ftruncate(fd, size_bytes + T_PAGE)));
	p = mmap(NULL, size_bytes + T_PAGE, PROT_READ | PROT_WRITE,
		 MAP_SHARED, fd, 0);
	T_TRUE(p != MAP_FAILED, "mmap of the store: %s", strerror(errno));
	close(fd);
	return p;
}

/* The program in a memory of its own; skips if the kernel cannot run it. */
static pid_t program_start(const char *begin, const char *end, char **argv)
{
	volatile int *failed = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	int fd;

	if (!pid) {
		fd = memfd_create("server", MFD_CLOEXEC);
		if (fd < 0 || write(fd, begin, end - begin) != end - begin)
			_exit(126);
		fexecve(fd, argv, (char *[]){ NULL });
		*failed = errno;
		_exit(127);
	}
	/* Either it is another program by now, or it will not be. */
	T_UNTIL(*failed || t_ended(pid) ||
		!strcmp(t_read_text("/proc/%d/cmdline", pid), argv[0]));
	if (*failed == ENOEXEC)
		t_skip("this kernel runs no 32-bit programs");
	return pid;
}

/* Still there?  Else at which step it ended. */
static void program_alive(pid_t pid, const char *what)
{
	int status;

	if (!t_ended(pid))
		return;
	status = t_reap(pid);
	T_FAIL("%s: expected to serve, found it end with status %d, signal %d",
	       what, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
	       WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

#endif
