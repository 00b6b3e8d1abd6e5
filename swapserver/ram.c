// SPDX-License-Identifier: GPL-2.0-only
/*
 * ram.c - backend: pages kept in the server's own memory
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * The store is one anonymous mapping, all of it there before the first
 * request.  As a swap device it frees no memory: for tests and measurements.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "backend.h"

static int ram_open(struct backend *b, const char *options,
		    uint64_t *size_bytes)
{
	(void)options;
	if (!*size_bytes) {
		fputs("swapserver: ram: how large? give --size\n", stderr);
		return -1;
	}
	/* Shared: never copied on write, whatever else happens. */
	b->memory = mmap(NULL, *size_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
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
