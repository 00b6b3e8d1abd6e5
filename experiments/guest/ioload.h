/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioload.h - so many writes and reads of a block device, past the page cache,
 * the same each time
 *
 * Where it stands: [load] > bio > queue > ioctl > server > backend.  For
 * allocaudit, which wants requests and not their meaning: nothing is verified.
 * What is on the device is lost.
 */
#ifndef GUEST_IOLOAD_H
#define GUEST_IOLOAD_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define IOLOAD_PROCESSES	4	/* so many requests at a time */
#define IOLOAD_PAGE		4096u
#define IOLOAD_LARGE		(64 * 1024u)	/* one in eight; else a page */
#define IOLOAD_STEP		40503u	/* odd: neighbours in time are none in place */

static char ioload_data[IOLOAD_LARGE] __attribute__((aligned(4096)));

/* A quarter is noise, and none of it zeroes: as swap mostly is. */
static inline void ioload_fill(uint64_t seed)
{
	uint64_t *word = (uint64_t *)ioload_data;
	size_t i;

	for (i = 0; i < sizeof(ioload_data) / sizeof(*word); i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		word[i] = i % 64 < 16 ? seed : 0x6162757365ULL;
	}
}

static inline int ioload_process(const char *device, long nr, int index)
{
	int fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	uint64_t bytes = 0, pages, at;
	long i;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes) < 0 ||
	    bytes < 2 * IOLOAD_LARGE) {
		warn("%s", device);
		return 1;
	}
	pages = (bytes - IOLOAD_LARGE) / IOLOAD_PAGE;
	for (i = index; i < nr; i += IOLOAD_PROCESSES) {
		size_t len = i % 8 ? IOLOAD_PAGE : IOLOAD_LARGE;
		ssize_t done;

		at = (uint64_t)(i / 2) * IOLOAD_STEP % pages * IOLOAD_PAGE;
		ioload_fill(at + 1);
		/* Each place is written, then read, by the next process. */
		done = i % 2 ? pread(fd, ioload_data, len, (off_t)at) :
			       pwrite(fd, ioload_data, len, (off_t)at);
		if (done != (ssize_t)len) {
			warn("%s: %s of %zu at %llu", device,
			     i % 2 ? "read" : "write", len,
			     (unsigned long long)at);
			return 1;
		}
	}
	close(fd);
	return 0;
}

/* All of it: 0, or 1 if one of the processes failed. */
static inline int ioload(const char *device, long nr)
{
	int status, failed = 0, i;

	for (i = 0; i < IOLOAD_PROCESSES; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return 1;
		if (!pid)
			_exit(ioload_process(device, nr, i));
	}
	while (wait(&status) > 0 || errno == EINTR)
		failed |= status != 0;
	return failed;
}

#endif
