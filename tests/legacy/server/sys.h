/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * sys.h - the little of a C library that the servers in this folder call
 *
 * As 64-bit programs they have the real one.  As 32-bit programs they have
 * sys32.c: a 32-bit C library would be one package more on every machine that
 * runs the tests, for six system calls.
 */
#ifndef LEGACY_SYS_H
#define LEGACY_SYS_H

#ifdef __LP64__
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#else
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <stddef.h>

int open(const char *path, int flags);
int ioctl(int fd, unsigned long cmd, ...);
int poll(struct pollfd *fds, unsigned int nr, int timeout_ms);
void *mmap(void *address, size_t bytes, int prot, int flags, int fd,
	   int offset);
int munmap(void *address, size_t bytes);
void _exit(int status) __attribute__((noreturn));
void *memcpy(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
#define MAP_FAILED ((void *)-1)
extern int errno;
#endif

#ifdef __LP64__
#include <errno.h>
#else
#include <linux/errno.h>
#endif

#endif
