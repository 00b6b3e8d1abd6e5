/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lz4pool.h - pages of any length up to 4096 bytes, in memory made beforehand
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Knows nothing of compression.  Never asks for memory.
 *
 * The arena is cut into chunks of 128 bytes, and a page is a chain of them:
 * any free chunk serves any page, so what is free can always be used, however
 * long the pages were that had it before.  Half a chunk a page and a link of
 * four bytes a chunk are lost: 120 bytes of a page of 1800, and smaller or
 * larger chunks would lose more.
 *
 * WHOEVER DIES, AT ANY INSTRUCTION
 *
 * One process at a time writes (I13).  What a page holds is one word of the
 * index, and storing it is the publication: before it the page is the old one,
 * after it the new.  A put takes its chunks from the head of the free list
 * without taking them off, for a chain is as long as its page says and needs
 * no end; what is left to do once it is published (new head, old chunks back)
 * stands in a redo record, which whoever takes over carries out.  So to take
 * over costs the same with any size of the store: no scan.
 */
#ifndef SWAPSERVER_LZ4POOL_H
#define SWAPSERVER_LZ4POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LZ4POOL_PAGE_BYTES 4096u
#define LZ4POOL_CHUNK_BYTES 128u
/* Of a page that is stored as it is. */
#define LZ4POOL_CHUNKS_MAX (LZ4POOL_PAGE_BYTES / LZ4POOL_CHUNK_BYTES)
/* The layout's version: to be changed with anything below. */
#define LZ4POOL_LAYOUT 1u

/*
 * A word of the index.  0: the page was never written, or was discarded: it
 * reads zeroes.
 *   0-31   DATA: its first chunk; FILL: the word it is full of
 *   32-44  DATA: its length, 1 to 4096 bytes
 *   62-63  what it is
 */
#define LZ4POOL_FILL (1ull << 62)
#define LZ4POOL_DATA (2ull << 62)
#define LZ4POOL_KIND (3ull << 62)
#define LZ4POOL_LEN_SHIFT 32
#define LZ4POOL_LEN_MASK 0x1fffull

#define LZ4POOL_NONE UINT32_MAX /* no chunk */

/* What a put that has been published still has to do. */
struct lz4pool_redo {
	_Atomic uint32_t armed; /* the rest is valid */
	uint32_t link_from;	/* last old chunk, or NONE, ... */
	uint32_t link_to;	/* ... to be followed by this one */
	uint32_t free_head;	/* as it is to be */
	uint32_t nr_free;
	uint64_t page; /* published if its word is this: */
	uint64_t word;
};

/* In shared memory; what follows is at fixed places behind it. */
struct lz4pool_shared {
	uint64_t nr_pages;
	uint32_t nr_chunks;
	_Atomic uint32_t free_head;
	_Atomic uint32_t nr_free;
	struct lz4pool_redo redo;
};

struct lz4pool {
	struct lz4pool_shared *shared;
	_Atomic uint64_t *index; /* by page */
	uint32_t *next;		 /* by chunk */
	char *chunks;		 /* aligned to 4096 */
};

static inline uint32_t lz4pool_len(uint64_t word)
{
	if ((word & LZ4POOL_KIND) != LZ4POOL_DATA)
		return 0;
	return word >> LZ4POOL_LEN_SHIFT & LZ4POOL_LEN_MASK;
}

static inline uint32_t lz4pool_chunks(uint64_t word)
{
	return (lz4pool_len(word) + LZ4POOL_CHUNK_BYTES - 1) /
	       LZ4POOL_CHUNK_BYTES;
}

/* Bytes of memory, a multiple of 4096, for a pool of that size. */
uint64_t lz4pool_bytes(uint64_t nr_pages, uint32_t nr_chunks);

/* Where things are, in memory of so many bytes, aligned to 4096. */
void lz4pool_map(struct lz4pool *p, void *memory, uint64_t nr_pages,
		 uint32_t nr_chunks);

/* The first time: memory is all zeroes. */
void lz4pool_make(struct lz4pool *p, uint64_t nr_pages, uint32_t nr_chunks);

/* The last owner is gone: finish what it had published. */
void lz4pool_recover(struct lz4pool *p);

/* What a page holds. */
uint64_t lz4pool_word(const struct lz4pool *p, uint64_t page);

/*
 * The data of a word of kind DATA, of lz4pool_len(word) bytes, to data.
 * Returns 0, or -EIO: the pool is damaged.
 */
int lz4pool_get(const struct lz4pool *p, uint64_t word, void *data);

/*
 * Replace what a page holds, by len bytes of data (1 to 4096).  Returns 0, or
 * -ENOSPC: no room beside the old ones; the page is as it was.
 */
int lz4pool_put(struct lz4pool *p, uint64_t page, const void *data,
		uint32_t len);

/* The same, by fill over and over (not 0: that is discard).  Frees. */
void lz4pool_put_fill(struct lz4pool *p, uint64_t page, uint32_t fill);

/* The page reads zeroes from here on.  Frees. */
void lz4pool_discard(struct lz4pool *p, uint64_t page);

#endif
