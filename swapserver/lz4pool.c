// SPDX-License-Identifier: GPL-2.0-only
/*
 * lz4pool.c - pages of any length up to 4096 bytes, in memory made beforehand
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * See lz4pool.h for how it survives its owner.  Nothing here is ordered for
 * other processors: no two processes are in here at a time.  It is the compiler
 * that must not move a store across a step, so that what a dead owner has done
 * is a prefix of what stands here.
 */
#include <errno.h>
#include <string.h>

#include "lz4pool.h"

#define PAGE_ROUND(bytes)                                                      \
	(((uint64_t)(bytes) + LZ4POOL_PAGE_BYTES - 1) &                        \
	 ~(uint64_t)(LZ4POOL_PAGE_BYTES - 1))

static uint64_t lz4pool_index_bytes(uint64_t nr_pages)
{
	return PAGE_ROUND(nr_pages * sizeof(uint64_t));
}

static uint64_t lz4pool_next_bytes(uint32_t nr_chunks)
{
	return PAGE_ROUND((uint64_t)nr_chunks * sizeof(uint32_t));
}

uint64_t lz4pool_bytes(uint64_t nr_pages, uint32_t nr_chunks)
{
	return PAGE_ROUND(sizeof(struct lz4pool_shared)) +
	       lz4pool_index_bytes(nr_pages) + lz4pool_next_bytes(nr_chunks) +
	       PAGE_ROUND((uint64_t)nr_chunks * LZ4POOL_CHUNK_BYTES);
}

void lz4pool_map(struct lz4pool *p, void *memory, uint64_t nr_pages,
		 uint32_t nr_chunks)
{
	char *at = memory;

	p->shared = memory;
	at += PAGE_ROUND(sizeof(struct lz4pool_shared));
	p->index = (void *)at;
	at += lz4pool_index_bytes(nr_pages);
	p->next = (void *)at;
	p->chunks = at + lz4pool_next_bytes(nr_chunks);
}

void lz4pool_make(struct lz4pool *p, uint64_t nr_pages, uint32_t nr_chunks)
{
	uint32_t i;

	for (i = 0; i < nr_chunks; i++)
		p->next[i] = i + 1 < nr_chunks ? i + 1 : LZ4POOL_NONE;
	p->shared->nr_pages = nr_pages;
	p->shared->nr_chunks = nr_chunks;
	p->shared->free_head = nr_chunks ? 0 : LZ4POOL_NONE;
	p->shared->nr_free = nr_chunks;
}

uint64_t lz4pool_word(const struct lz4pool *p, uint64_t page)
{
	return p->index[page];
}

static char *lz4pool_chunk(const struct lz4pool *p, uint32_t chunk)
{
	return p->chunks + (uint64_t)chunk * LZ4POOL_CHUNK_BYTES;
}

/* Of so many bytes, those of the first chunk. */
static uint32_t lz4pool_part(uint32_t bytes)
{
	return bytes < LZ4POOL_CHUNK_BYTES ? bytes : LZ4POOL_CHUNK_BYTES;
}

/* The n-th chunk of a chain, n at least 1. */
static uint32_t lz4pool_walk(const struct lz4pool *p, uint32_t chunk,
			     uint32_t n)
{
	while (--n)
		chunk = p->next[chunk];
	return chunk;
}

int lz4pool_get(const struct lz4pool *p, uint64_t word, void *data)
{
	uint32_t chunk = (uint32_t)word, left = lz4pool_len(word);
	char *to = data;

	while (left) {
		uint32_t len = lz4pool_part(left);

		if (chunk >= p->shared->nr_chunks)
			return -EIO;
		memcpy(to, lz4pool_chunk(p, chunk), len);
		chunk = p->next[chunk];
		to += len;
		left -= len;
	}
	return 0;
}

/* Into a chain, from its head on; returns what follows. */
static uint32_t lz4pool_fill_chunks(struct lz4pool *p, uint32_t chunk,
				    const char *data, uint32_t len)
{
	while (len) {
		uint32_t part = lz4pool_part(len);

		memcpy(lz4pool_chunk(p, chunk), data, part);
		chunk = p->next[chunk];
		data += part;
		len -= part;
	}
	return chunk;
}

/* All stores before this come before all after it: a step. */
static inline void lz4pool_step(void)
{
	atomic_signal_fence(memory_order_seq_cst);
}

/* Doing it twice, or from the start after a part of it, is as good as once. */
static void lz4pool_redo(struct lz4pool *p)
{
	struct lz4pool_shared *s = p->shared;
	const struct lz4pool_redo *redo = &s->redo;

	/* No page's chain passes this link: each ends before. */
	if (redo->link_from != LZ4POOL_NONE)
		p->next[redo->link_from] = redo->link_to;
	s->nr_free = redo->nr_free;
	s->free_head = redo->free_head;
	lz4pool_step();
	s->redo.armed = 0;
	lz4pool_step();
}

/*
 * The page becomes word, whose chunks, if any, are the first of the free list;
 * rest is what follows them there.
 */
static void lz4pool_publish(struct lz4pool *p, uint64_t page, uint64_t word,
			    uint32_t rest)
{
	struct lz4pool_shared *s = p->shared;
	uint64_t old = p->index[page];
	uint32_t nr_old = lz4pool_chunks(old);

#ifdef LZ4POOL_BUSTED_LEAK /* a twin of the host's tests */
	nr_old = 0;
#endif
	if (!nr_old && !lz4pool_chunks(word)) {
		p->index[page] = word;
		lz4pool_step();
		return;
	}
	s->redo.page = page;
	s->redo.word = word;
	s->redo.link_from = LZ4POOL_NONE;
	s->redo.link_to = rest;
	s->redo.free_head = rest;
	s->redo.nr_free = s->nr_free + nr_old - lz4pool_chunks(word);
	if (nr_old) {
		s->redo.link_from = lz4pool_walk(p, (uint32_t)old, nr_old);
		s->redo.free_head = (uint32_t)old;
	}
	lz4pool_step();
	s->redo.armed = 1;
	lz4pool_step();
	/* Until here the page is the old one, from here on the new. */
	p->index[page] = word;
	lz4pool_step();
	lz4pool_redo(p);
}

int lz4pool_put(struct lz4pool *p, uint64_t page, const void *data,
		uint32_t len)
{
	uint32_t head = p->shared->free_head, rest;
	uint64_t word =
		LZ4POOL_DATA | (uint64_t)len << LZ4POOL_LEN_SHIFT | head;

	if (lz4pool_chunks(word) > p->shared->nr_free)
		return -ENOSPC;
#ifdef LZ4POOL_BUSTED_PUBLISH_FIRST /* a twin of the host's tests */
	rest = lz4pool_walk(p, head, lz4pool_chunks(word) + 1);
	lz4pool_publish(p, page, word, rest);
	lz4pool_fill_chunks(p, head, data, len);
#else
	rest = lz4pool_fill_chunks(p, head, data, len);
	lz4pool_publish(p, page, word, rest);
#endif
	return 0;
}

void lz4pool_put_fill(struct lz4pool *p, uint64_t page, uint32_t fill)
{
	lz4pool_publish(p, page, LZ4POOL_FILL | fill, p->shared->free_head);
}

void lz4pool_discard(struct lz4pool *p, uint64_t page)
{
	lz4pool_publish(p, page, 0, p->shared->free_head);
}

void lz4pool_recover(struct lz4pool *p)
{
	const struct lz4pool_redo *redo = &p->shared->redo;

	if (!redo->armed)
		return;
	if (p->index[redo->page] == redo->word)
		lz4pool_redo(p);
	else
		p->shared->redo.armed = 0;
}
