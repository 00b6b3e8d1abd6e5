// SPDX-License-Identifier: GPL-2.0-only
/*
 * lz4.c - backend: pages kept compressed in the server's own memory
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Compresses and takes requests apart into pages; where they lie is
 * lz4pool.c's.  A write that finds the arena full fails with ENOSPC: the
 * kernel then keeps the page, and swap goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <lz4.h>

#include "lz4pool.h"
#include "memory.h"

#define PAGE LZ4POOL_PAGE_BYTES

/* Of this process; nothing in here outlives a request. */
struct lz4_state {
	struct lz4pool pool;
	char page[PAGE];   /* of a write of less than a page */
	char packed[PAGE]; /* compressed, on its way in or out */
	/* LZ4_sizeofState() bytes, aligned as it wants them. */
	uint64_t compressor[];
};

static int lz4_options(struct backend *b, const char *options,
		       uint64_t size_bytes, uint32_t *nr_chunks)
{
	/* What data that cannot be compressed needs. */
	uint64_t store_bytes = MEMORY_WHOLE_PAGES(size_bytes), chunks;

	if (backend_option_number(b, options, "store", &store_bytes))
		return -1;
	/* A page more: it is written beside the one that it replaces. */
	chunks = store_bytes / LZ4POOL_CHUNK_BYTES + LZ4POOL_CHUNKS_MAX;
	if (chunks >= LZ4POOL_NONE)
		return backend_fail(
			b, "store=%llu is too large; give less than %llu",
			(unsigned long long)store_bytes,
			(unsigned long long)LZ4POOL_NONE * LZ4POOL_CHUNK_BYTES);
	*nr_chunks = chunks;
	return 0;
}

static int lz4_open(struct backend *b, const char *options,
		    uint64_t *size_bytes)
{
	struct lz4_state *state;
	uint64_t nr_pages;
	uint32_t nr_chunks = 0;
	int made;

	if (memory_device_size(b, size_bytes) ||
	    lz4_options(b, options, *size_bytes, &nr_chunks))
		return -1;
	state = calloc(1, sizeof(*state) + (size_t)LZ4_sizeofState());
	if (!state)
		return backend_fail(b, "%s", strerror(errno));
	b->state = state;
	nr_pages = MEMORY_WHOLE_PAGES(*size_bytes) / PAGE;
	made = memory_open(b, LZ4POOL_LAYOUT, *size_bytes,
			   lz4pool_bytes(nr_pages, nr_chunks));
	if (made < 0)
		return -1;
	lz4pool_map(&state->pool, memory_data(b), nr_pages, nr_chunks);
	if (made) {
		lz4pool_make(&state->pool, nr_pages, nr_chunks);
		memory_made(b);
	}
	/* The same number of bytes is not yet the same division of them. */
	if (state->pool.shared->nr_pages != nr_pages ||
	    state->pool.shared->nr_chunks != nr_chunks)
		return backend_fail(b, "the store that was handed over was "
				       "made with another store=");
	b->device_flags = ABUSE_FLAGS_DISCARD | ABUSE_FLAGS_WRITE_ZEROES;
	return 0;
}

static void lz4_recover(struct backend *b)
{
	struct lz4_state *state = b->state;

	lz4pool_recover(&state->pool);
}

/* Is the page the same four bytes all over? */
static bool lz4_is_filled(const void *page, uint32_t *fill)
{
	memcpy(fill, page, sizeof(*fill));
	return !memcmp(page, (const char *)page + sizeof(*fill),
		       PAGE - sizeof(*fill));
}

static int lz4_read_page(struct lz4_state *state, uint64_t page, void *buffer)
{
	uint64_t word = lz4pool_word(&state->pool, page);
	uint32_t len = lz4pool_len(word), *to = buffer;
	int err, i;

	switch (word & LZ4POOL_KIND) {
	case 0:
	case LZ4POOL_FILL:
		for (i = 0; i < (int)(PAGE / sizeof(*to)); i++)
			to[i] = (uint32_t)word;
		return 0;
	case LZ4POOL_DATA:
		break;
	default:
		return -EIO;
	}
	if (len == PAGE)
		return lz4pool_get(&state->pool, word, buffer);
	err = len > PAGE ? -EIO
			 : lz4pool_get(&state->pool, word, state->packed);
	if (err)
		return err;
	return LZ4_decompress_safe(state->packed, buffer, (int)len,
				   (int)PAGE) == (int)PAGE
		       ? 0
		       : -EIO;
}

static int lz4_write_page(struct lz4_state *state, uint64_t page,
			  const void *buffer)
{
	uint32_t fill;
	int len;

	if (lz4_is_filled(buffer, &fill)) {
		if (fill)
			lz4pool_put_fill(&state->pool, page, fill);
		else
			lz4pool_discard(&state->pool, page);
		return 0;
	}
	/* Not worth it unless it saves a chunk: 0 then. */
	len = LZ4_compress_fast_extState(state->compressor, buffer,
					 state->packed, (int)PAGE,
					 (int)(PAGE - LZ4POOL_CHUNK_BYTES), 1);
	if (len <= 0)
		return lz4pool_put(&state->pool, page, buffer, PAGE);
	return lz4pool_put(&state->pool, page, state->packed, (uint32_t)len);
}

/* The part of a range that lies in its first page. */
static uint32_t lz4_part(uint64_t offset_bytes, uint32_t len_bytes)
{
	uint32_t room = PAGE - offset_bytes % PAGE;

	return len_bytes < room ? len_bytes : room;
}

static int lz4_read(struct backend *b, void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes)
{
	struct lz4_state *state = b->state;
	char *to = buffer;

	while (len_bytes) {
		uint32_t len = lz4_part(offset_bytes, len_bytes);
		void *page = len == PAGE ? to : state->page;
		int err = lz4_read_page(state, offset_bytes / PAGE, page);

		if (err)
			return err;
		if (len != PAGE)
			memcpy(to, state->page + offset_bytes % PAGE, len);
		to += len;
		offset_bytes += len;
		len_bytes -= len;
	}
	return 0;
}

static int lz4_write(struct backend *b, const void *buffer,
		     uint64_t offset_bytes, uint32_t len_bytes)
{
	struct lz4_state *state = b->state;
	const char *from = buffer;

	while (len_bytes) {
		uint32_t len = lz4_part(offset_bytes, len_bytes);
		uint64_t page = offset_bytes / PAGE;
		const void *whole = from;
		int err = 0;

		if (len != PAGE) {
			err = lz4_read_page(state, page, state->page);
			memcpy(state->page + offset_bytes % PAGE, from, len);
			whole = state->page;
		}
		if (!err)
			err = lz4_write_page(state, page, whole);
		if (err)
			return err;
		from += len;
		offset_bytes += len;
		len_bytes -= len;
	}
	return 0;
}

/* Pages of which only a part is discarded stay. */
static int lz4_discard(struct backend *b, uint64_t offset_bytes,
		       uint32_t len_bytes)
{
	struct lz4_state *state = b->state;
	uint64_t page = (offset_bytes + PAGE - 1) / PAGE;
	uint64_t end = (offset_bytes + len_bytes) / PAGE;

	for (; page < end; page++)
		lz4pool_discard(&state->pool, page);
	return 0;
}

/* The same, and zeroes to the parts of pages at its ends. */
static int lz4_write_zeroes(struct backend *b, uint64_t offset_bytes,
			    uint32_t len_bytes)
{
	static const char zeroes[PAGE];
	struct lz4_state *state = b->state;

	while (len_bytes) {
		uint32_t len = lz4_part(offset_bytes, len_bytes);
		int err = 0;

		if (len == PAGE)
			lz4pool_discard(&state->pool, offset_bytes / PAGE);
		else
			err = lz4_write(b, zeroes, offset_bytes, len);
		if (err)
			return err;
		offset_bytes += len;
		len_bytes -= len;
	}
	return 0;
}

static const char *const lz4_keys[] = {"store", NULL};

const struct backend_ops backend_lz4 = {
	.name = "lz4",
	.help = "lz4[,store=BYTES]   compressed, in the server's own memory",
	.options = lz4_keys,
	.forgets = true,
	.open = lz4_open,
	.recover = lz4_recover,
	.read = lz4_read,
	.write = lz4_write,
	.discard = lz4_discard,
	.write_zeroes = lz4_write_zeroes,
};
