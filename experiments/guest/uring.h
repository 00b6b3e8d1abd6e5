/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * uring.h - the few calls of io_uring that a block server, or a load, makes,
 * without a library
 *
 * Where it stands: ublk-server.c, blockload.c > [ring] > kernel.  One thread
 * owns a ring: it alone queues, submits and reaps, so that nothing here takes
 * a lock, and after uring_init() nothing here allocates.  It knows no
 * command's meaning.
 */
#ifndef EXPERIMENTS_URING_H
#define EXPERIMENTS_URING_H

#include <errno.h>
#include <linux/io_uring.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct uring {
	int fd;
	char *rings;
	size_t rings_bytes, sqes_bytes;
	unsigned int sq_mask, sq_entries, sqe_bytes;
	unsigned int *sq_head, *sq_tail;
	char *sqes;
	unsigned int cq_mask;
	unsigned int *cq_head, *cq_tail;
	struct io_uring_cqe *cqes;
	unsigned int nr_queued; /* since the last uring_enter() */
};

/* `entries` submissions at a time; `flags` as of io_uring_setup(2). */
static inline int uring_init(struct uring *ring, unsigned int entries,
			     unsigned int flags)
{
	struct io_uring_params params = {.flags = flags};
	size_t rings_bytes, sq_bytes, cq_bytes;
	unsigned int *array;
	char *rings;

	memset(ring, 0, sizeof(*ring));
	ring->fd = (int)syscall(__NR_io_uring_setup, entries, &params);
	if (ring->fd < 0)
		return -errno;
	sq_bytes =
		params.sq_off.array + params.sq_entries * sizeof(unsigned int);
	cq_bytes = params.cq_off.cqes +
		   params.cq_entries * sizeof(struct io_uring_cqe);
	rings_bytes = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
	/* Both rings in one mapping: IORING_FEAT_SINGLE_MMAP, since 5.4. */
	rings = mmap(NULL, rings_bytes, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQ_RING);
	if (rings == MAP_FAILED)
		return -errno;
	ring->rings = rings;
	ring->rings_bytes = rings_bytes;
	ring->sqe_bytes = sizeof(struct io_uring_sqe);
	if (flags & IORING_SETUP_SQE128)
		ring->sqe_bytes *= 2;
	ring->sqes_bytes = (size_t)params.sq_entries * ring->sqe_bytes;
	ring->sqes = mmap(NULL, ring->sqes_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	if (ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_entries = params.sq_entries;
	ring->sq_mask = params.sq_entries - 1;
	ring->sq_head = (unsigned int *)(rings + params.sq_off.head);
	ring->sq_tail = (unsigned int *)(rings + params.sq_off.tail);
	ring->cq_mask = params.cq_entries - 1;
	ring->cq_head = (unsigned int *)(rings + params.cq_off.head);
	ring->cq_tail = (unsigned int *)(rings + params.cq_off.tail);
	ring->cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
	/* Slot n of the ring always names entry n. */
	array = (unsigned int *)(rings + params.sq_off.array);
	for (unsigned int i = 0; i < params.sq_entries; i++)
		array[i] = i;
	return 0;
}

/* The mappings, too, hold the ring, and the ring what is registered with it. */
static inline void uring_exit(struct uring *ring)
{
	munmap(ring->sqes, ring->sqes_bytes);
	munmap(ring->rings, ring->rings_bytes);
	close(ring->fd);
}

/* The next submission, all zero; NULL: as many as the ring holds are queued. */
static inline struct io_uring_sqe *uring_sqe(struct uring *ring)
{
	/* Pairs with the kernel's release once it has read an entry. */
	unsigned int head = __atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);
	unsigned int tail = *ring->sq_tail + ring->nr_queued;
	struct io_uring_sqe *sqe;

	if (tail - head >= ring->sq_entries)
		return NULL;
	sqe = (void *)(ring->sqes + (tail & ring->sq_mask) * ring->sqe_bytes);
	memset(sqe, 0, ring->sqe_bytes);
	ring->nr_queued++;
	return sqe;
}

/* Submit what is queued, wait for `nr_wait` completions.  0 or -errno. */
static inline int uring_enter(struct uring *ring, unsigned int nr_wait)
{
	/* Pairs with the kernel's acquire: the entries are filled in. */
	__atomic_store_n(ring->sq_tail, *ring->sq_tail + ring->nr_queued,
			 __ATOMIC_RELEASE);
	ring->nr_queued = 0;
	for (;;) {
		/* The ring itself knows what of it was not taken yet. */
		unsigned int nr_submit =
			*ring->sq_tail -
			__atomic_load_n(ring->sq_head, __ATOMIC_ACQUIRE);

		if (syscall(__NR_io_uring_enter, ring->fd, nr_submit, nr_wait,
			    IORING_ENTER_GETEVENTS, NULL, 0) >= 0)
			return 0;
		if (errno != EINTR && errno != EAGAIN && errno != EBUSY)
			return -errno;
	}
}

/* The oldest completion that was not taken yet; false: there is none. */
static inline int uring_reap(struct uring *ring, struct io_uring_cqe *cqe)
{
	unsigned int head = *ring->cq_head;

	/* Pairs with the kernel's release: the completion is written. */
	if (head == __atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE))
		return 0;
	*cqe = ring->cqes[head & ring->cq_mask];
	/* Pairs with the kernel's acquire before it uses the slot again. */
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return 1;
}

static inline int uring_register(struct uring *ring, unsigned int what,
				 const void *arg, unsigned int nr)
{
	if (syscall(__NR_io_uring_register, ring->fd, what, arg, nr) < 0)
		return -errno;
	return 0;
}

#endif
