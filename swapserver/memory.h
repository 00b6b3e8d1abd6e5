/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.h - a store in memory that several processes share
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * A memfd: it lives as long as any process has it, and needs no name that
 * could be opened by somebody else.  Its first page says what it is, and which
 * one: it draws its id when it is made.
 */
#ifndef SWAPSERVER_MEMORY_H
#define SWAPSERVER_MEMORY_H

#include "backend.h"

#define MEMORY_PAGE_BYTES 4096u

/* Pages that bytes take, in bytes. */
#define MEMORY_WHOLE_PAGES(bytes)                                              \
	(((bytes) + MEMORY_PAGE_BYTES - 1) & ~(uint64_t)(MEMORY_PAGE_BYTES - 1))

/*
 * The size of the device, if the command line does not give it: that of the
 * store that is there.  Returns 0 or -1, a line printed.
 */
int memory_device_size(const struct backend *b, uint64_t *size_bytes);

/*
 * Make the store, or attach to the one in b->memory_fd; b->memory and
 * b->memory_bytes are all of it, header page included, b->store_id is its id.  layout: version of
 * what the backend keeps behind the header; size_bytes: of the device; bytes:
 * all that the backend needs behind the header.  Returns 0, 1 (made: all
 * zeroes, call memory_made() when it is what it should be) or -1, a line
 * printed.
 */
int memory_open(struct backend *b, uint32_t layout, uint64_t size_bytes,
		uint64_t bytes);

/* From here on others may attach. */
void memory_made(struct backend *b);

/* Behind the header. */
static inline void *memory_data(const struct backend *b)
{
	return (char *)b->memory + MEMORY_PAGE_BYTES;
}

#endif
