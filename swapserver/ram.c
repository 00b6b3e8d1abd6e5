// SPDX-License-Identifier: GPL-2.0-only
/*
 * ram.c - backend: pages kept in the server's own memory
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * The store is a file without a name (memfd), all of it there before the first
 * request, which the servers of one device share.  As a swap device it frees no memory: for tests and measurements.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backend.h"

/* Linux 6.3; without it that kernel says so in its log. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL	0x0008U
#endif

/* A new store, or -1 and errno. */
static int ram_make(uint64_t size_bytes)
{
	int fd = memfd_create("abuse-ram", MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("abuse-ram", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, (off_t)size_bytes)) {
		close(fd);
		return -1;
	}
	return fd;
}

static int ram_open(struct backend *b, const char *options,
		    uint64_t *size_bytes)
{
	(void)options;
	if (!*size_bytes) {
		fputs("swapserver: ram: how large? give --size\n", stderr);
		return -1;
	}
	if (b->memory_fd < 0)
		b->memory_fd = ram_make(*size_bytes);
	/* Shared: never copied on write, whatever else happens. */
	b->memory = b->memory_fd < 0 ? MAP_FAILED :
		    mmap(NULL, *size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			 b->memory_fd, 0);
	if (b->memory == MAP_FAILED) {
		fprintf(stderr,
			"swapserver: ram: no %llu bytes of memory: %s; give a smaller --size\n",
			(unsigned long long)*size_bytes, strerror(errno));
		return -1;
	}
	return 0;
}

static void *ram_map(struct backend *b, uint64_t offset_bytes)
{
	return (char *)b->memory + offset_bytes;
}

const struct backend_ops backend_ram = {
	.name = "ram",
	.help = "ram                 the server's own memory",
	.open = ram_open,
	.map = ram_map,
};
