// SPDX-License-Identifier: GPL-2.0-only
/*
 * thin.c - shows thin provisioning: a large device on a small pool
 *
 * Path: bio > queue > ioctl > [server > backend] > completion.
 * The device can be any size.  A block of it takes a block of the pool when it
 * is first written; what was never written reads as zeroes; discard gives the
 * block back; a write that finds the pool full fails with ENOSPC, which a file
 * system reports to whoever wrote.
 *
 * The pool is memory, or a file; which block is where is in memory alone, so a
 * pool is not found again by the next run.  All of it is bounded by the pool's
 * size, made before the first request.  But it is not locked, and it takes no
 * protection: not to be swapped on.
 *
 *	thin N SIZE POOL-SIZE [POOL-FILE]	thin 0 1099511627776 67108864
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libabuse.h"

#define BLOCK_BYTES	4096u
#define NONE		UINT32_MAX
#define FREE		UINT64_MAX

/*
 * A block of the pool is in one list: that of the free ones, or that of the
 * device's blocks whose number hashes to the same head.
 */
struct thin {
	uint32_t nr_blocks;	/* of the pool */
	uint32_t free;		/* first of the free ones, or NONE */
	uint32_t *heads;	/* nr_blocks lists */
	uint32_t *next;		/* of a block of the pool */
	uint64_t *holds;	/* which of the device's blocks, or FREE */
	char *data;
};

static uint32_t *thin_head(struct thin *t, uint64_t block)
{
	/* Neighbours far apart, whatever the stride of the writer. */
	return &t->heads[(block * 0x9e3779b97f4a7c15ull >> 32) % t->nr_blocks];
}

/* Where the number of the pool's block stands, which is NONE if it has none. */
static uint32_t *thin_find(struct thin *t, uint64_t block)
{
	uint32_t *at = thin_head(t, block);

	while (*at != NONE && t->holds[*at] != block)
		at = &t->next[*at];
	return at;
}

static char *thin_data(struct thin *t, uint32_t at)
{
	return t->data + (size_t)at * BLOCK_BYTES;
}

/* The pool's block for a block of the device, or NONE: the pool is full. */
static uint32_t thin_allocate(struct thin *t, uint64_t block)
{
	uint32_t *head = thin_head(t, block);
	uint32_t at = t->free;

	if (at == NONE)
		return NONE;
	t->free = t->next[at];
	t->holds[at] = block;
	t->next[at] = *head;
	*head = at;
	return at;
}

static void thin_give_back(struct thin *t, uint64_t block)
{
	uint32_t *link = thin_find(t, block);
	uint32_t at = *link;

	if (at == NONE)
		return;
	*link = t->next[at];
	t->holds[at] = FREE;
	t->next[at] = t->free;
	t->free = at;
}

static int thin_read(void *context, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	struct thin *t = context;
	uint32_t done, at;

	for (done = 0; done < len_bytes; done += BLOCK_BYTES) {
		at = *thin_find(t, (offset_bytes + done) / BLOCK_BYTES);
		if (at == NONE)
			memset((char *)buffer + done, 0, BLOCK_BYTES);
		else
			memcpy((char *)buffer + done, thin_data(t, at),
			       BLOCK_BYTES);
	}
	return 0;
}

static int thin_write(void *context, const void *buffer, uint64_t offset_bytes,
		      uint32_t len_bytes)
{
	struct thin *t = context;
	uint32_t done, at;

	/* Whole blocks: the device's are as large as the pool's. */
	for (done = 0; done < len_bytes; done += BLOCK_BYTES) {
		uint64_t block = (offset_bytes + done) / BLOCK_BYTES;

		at = *thin_find(t, block);
		if (at == NONE)
			at = thin_allocate(t, block);
		if (at == NONE)
			return -ENOSPC;
		memcpy(thin_data(t, at), (const char *)buffer + done,
		       BLOCK_BYTES);
	}
	return 0;
}

static int thin_discard(void *context, uint64_t offset_bytes,
			uint32_t len_bytes)
{
	uint64_t first = offset_bytes / BLOCK_BYTES;
	uint32_t nr = len_bytes / BLOCK_BYTES, i;
	struct thin *t = context;

	/* Whichever is shorter, the range or the pool. */
	for (i = 0; nr <= t->nr_blocks && i < nr; i++)
		thin_give_back(t, first + i);
	for (i = 0; nr > t->nr_blocks && i < t->nr_blocks; i++)
		if (t->holds[i] != FREE && t->holds[i] >= first &&
		    t->holds[i] - first < nr)
			thin_give_back(t, t->holds[i]);
	return 0;
}

/* What is not there reads as zeroes: no space need be kept for them. */
static int thin_write_zeroes(void *context, uint64_t offset_bytes,
			     uint32_t len_bytes, bool keep)
{
	(void)keep;
	return thin_discard(context, offset_bytes, len_bytes);
}

static const struct abuse_ops thin_ops = {
	.read = thin_read,
	.write = thin_write,
	.discard = thin_discard,
	.write_zeroes = thin_write_zeroes,
};

/* The pool's blocks; path NULL: in memory.  0 or -errno. */
static int thin_open(struct thin *t, const char *path, uint64_t pool_bytes)
{
	uint32_t i;
	int fd, err = 0;

	if (pool_bytes < BLOCK_BYTES || pool_bytes / BLOCK_BYTES >= NONE)
		return -EINVAL;
	t->nr_blocks = pool_bytes / BLOCK_BYTES;
	t->heads = calloc(t->nr_blocks, sizeof(*t->heads));
	t->next = calloc(t->nr_blocks, sizeof(*t->next));
	t->holds = calloc(t->nr_blocks, sizeof(*t->holds));
	if (!t->heads || !t->next || !t->holds)
		return -ENOMEM;
	for (i = 0; i < t->nr_blocks; i++) {
		t->heads[i] = NONE;
		t->next[i] = i + 1 < t->nr_blocks ? i + 1 : NONE;
		t->holds[i] = FREE;
	}
	fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) :
		    memfd_create("thin", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* All of it: a file system that is full later would be a SIGBUS. */
	err = posix_fallocate(fd, 0, (off_t)t->nr_blocks * BLOCK_BYTES);
	if (err)
		return -err;
	t->data = mmap(NULL, (size_t)t->nr_blocks * BLOCK_BYTES,
		       PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t->data == MAP_FAILED)
		err = -errno;
	close(fd);
	return err;
}

int main(int argc, char **argv)
{
	struct abuse_info info = { .ab_blocksize = BLOCK_BYTES };
	struct abuse_dev dev;
	struct thin thin = { 0 };
	int err;

	if (argc != 4 && argc != 5) {
		fputs("thin: give N SIZE POOL-SIZE [POOL-FILE] (sizes in bytes)\n",
		      stderr);
		return 2;
	}
	err = thin_open(&thin, argv[4], strtoull(argv[3], NULL, 0));
	if (err) {
		fprintf(stderr, "thin: a pool of %s bytes: %s; give a smaller one\n",
			argv[3], strerror(-err));
		return 1;
	}
	info.ab_size = strtoull(argv[2], NULL, 0);
	info.ab_flags = abuse_ops_flags(&thin_ops);
	err = abuse_open(&dev, strtoul(argv[1], NULL, 0));
	if (!err)
		err = abuse_configure(&dev, &info);
	if (!err)
		err = abuse_go_live(&dev);
	while (!err || err == -EINTR)
		err = abuse_run(&dev, &thin_ops, &thin);
	fprintf(stderr,
		"thin: /dev/abuse%s: %s; is the module loaded, SIZE a multiple of %u?\n",
		argv[1], strerror(-err), BLOCK_BYTES);
	return 1;
}
