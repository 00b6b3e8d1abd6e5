// SPDX-License-Identifier: GPL-2.0-only
/*
 * null.c - backend: keeps nothing, reads zeroes
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * What remains is the cost of the way here: for measurements only.
 */
#include <string.h>

#include "backend.h"

static int null_open(struct backend *b, const char *options,
		     uint64_t *size_bytes)
{
	if (!*size_bytes)
		return backend_fail(b, "how large? give --size");
	b->device_flags = ABUSE_FLAGS_DISCARD;
	/* One is as good as another: all that was written is gone anyway. */
	return backend_identify(b, options, "null");
}

static int null_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	(void)b;
	(void)offset_bytes;
	memset(buffer, 0, len_bytes);
	return 0;
}

static int null_write(struct backend *b, const void *buffer,
		      uint64_t offset_bytes, uint32_t len_bytes)
{
	(void)b;
	(void)buffer;
	(void)offset_bytes;
	(void)len_bytes;
	return 0;
}

static int null_discard(struct backend *b, uint64_t offset_bytes,
			uint32_t len_bytes)
{
	(void)b;
	(void)offset_bytes;
	(void)len_bytes;
	return 0;
}

const struct backend_ops backend_null = {
	.name = "null",
	.help = "null                keeps nothing, reads zeroes: for "
		"measurements",
	.open = null_open,
	.read = null_read,
	.write = null_write,
	.discard = null_discard,
};
