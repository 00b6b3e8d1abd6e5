// SPDX-License-Identifier: GPL-2.0-only
/*
 * ram.c - backend: pages kept in the server's own memory
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * The store is one shared mapping, all of it there before the first request.
 * As a swap device it frees no memory: for tests and measurements.
 */
#include <string.h>

#include "memory.h"

#define RAM_LAYOUT 1u /* offset N of the device is offset N */

static int ram_open(struct backend *b, const char *options,
		    uint64_t *size_bytes)
{
	int made;

	(void)options;
	if (memory_device_size(b, size_bytes))
		return -1;
	made = memory_open(b, RAM_LAYOUT, *size_bytes, *size_bytes);
	if (made < 0)
		return -1;
	if (made)
		memory_made(b);
	b->device_flags = ABUSE_FLAGS_DISCARD | ABUSE_FLAGS_WRITE_ZEROES;
	return 0;
}

static void *ram_map(struct backend *b, uint64_t offset_bytes)
{
	return (char *)memory_data(b) + offset_bytes;
}

/*
 * Forgotten, so that nobody reads it any more, but not given back: a page that
 * is not there would have to be allocated by the next write.
 */
static int ram_write_zeroes(struct backend *b, uint64_t offset_bytes,
			    uint32_t len_bytes)
{
	memset(ram_map(b, offset_bytes), 0, len_bytes);
	return 0;
}

const struct backend_ops backend_ram = {
	.name = "ram",
	.help = "ram                 the server's own memory",
	.forgets = true,
	.open = ram_open,
	.map = ram_map,
	.discard = ram_write_zeroes,
	.write_zeroes = ram_write_zeroes,
};
