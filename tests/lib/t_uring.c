// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_uring.c - the few calls of io_uring that tests need; glibc has none
 *
 * Where it stands: [submitter in the test] > bio > queue > ioctl > server.
 * One ring, one thread, no polling; entries are handed in one by one.
 */
#define _GNU_SOURCE
#include <linux/io_uring.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_block.h"

static unsigned int *at(char *ring, unsigned int offset)
{
	return (unsigned int *)(ring + offset);
}

int t_uring_open(struct t_uring *ring, unsigned int entries)
{
	struct io_uring_params p = { 0 };
	const int prot = PROT_READ | PROT_WRITE;

	ring->fd = syscall(SYS_io_uring_setup, entries, &p);
	if (ring->fd < 0)
		return -errno;
	ring->sq = mmap(NULL, p.sq_off.array + p.sq_entries * 4, prot,
			MAP_SHARED | MAP_POPULATE, ring->fd,
			IORING_OFF_SQ_RING);
	ring->cq = mmap(NULL, p.cq_off.cqes + p.cq_entries *
			sizeof(struct io_uring_cqe), prot,
			MAP_SHARED | MAP_POPULATE, ring->fd,
			IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, p.sq_entries * sizeof(struct io_uring_sqe),
			  prot, MAP_SHARED | MAP_POPULATE, ring->fd,
			  IORING_OFF_SQES);
	if (ring->sq == MAP_FAILED || ring->cq == MAP_FAILED ||
	    (void *)ring->sqes == MAP_FAILED)
		return -errno;
	ring->sq_tail_off = p.sq_off.tail;
	ring->sq_mask = *at(ring->sq, p.sq_off.ring_mask);
	ring->sq_array = p.sq_off.array;
	ring->sq_tail = *at(ring->sq, p.sq_off.tail);
	ring->cq_head_off = p.cq_off.head;
	ring->cq_tail_off = p.cq_off.tail;
	ring->cq_mask = *at(ring->cq, p.cq_off.ring_mask);
	ring->cqes_off = p.cq_off.cqes;
	return 0;
}

int t_uring_buffer(struct t_uring *ring, void *data, size_t bytes)
{
	struct iovec vec = { data, bytes };

	return T_RET(syscall(SYS_io_uring_register, ring->fd,
			     IORING_REGISTER_BUFFERS, &vec, 1));
}

int t_uring_submit(struct t_uring *ring, int fd, enum t_op op, void *data,
		   uint32_t len_bytes, uint64_t offset_bytes, bool fixed)
{
	unsigned int slot = ring->sq_tail & ring->sq_mask;
	struct io_uring_sqe *sqe = &ring->sqes[slot];
	long ret;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = op == T_READ ?
		      (fixed ? IORING_OP_READ_FIXED : IORING_OP_READ) :
		      (fixed ? IORING_OP_WRITE_FIXED : IORING_OP_WRITE);
	sqe->fd = fd;
	sqe->addr = (uintptr_t)data;
	sqe->len = len_bytes;
	sqe->off = offset_bytes;
	at(ring->sq, ring->sq_array)[slot] = slot;
	__atomic_store_n(at(ring->sq, ring->sq_tail_off), ++ring->sq_tail,
			 __ATOMIC_RELEASE);
	ret = T_RET(syscall(SYS_io_uring_enter, ring->fd, 1, 0, 0, NULL, 0));
	return ret == 1 ? 0 : ret < 0 ? ret : -EIO;
}

bool t_uring_ready(struct t_uring *ring)
{
	return __atomic_load_n(at(ring->cq, ring->cq_tail_off),
			       __ATOMIC_ACQUIRE) !=
	       *at(ring->cq, ring->cq_head_off);
}

long t_uring_result(struct t_uring *ring)
{
	unsigned int head = *at(ring->cq, ring->cq_head_off);
	struct io_uring_cqe *cqes;

	while (!t_uring_ready(ring))
		T_OK(T_RET(syscall(SYS_io_uring_enter, ring->fd, 0, 1,
				   IORING_ENTER_GETEVENTS, NULL, 0)));
	cqes = (struct io_uring_cqe *)(ring->cq + ring->cqes_off);
	head++;
	__atomic_store_n(at(ring->cq, ring->cq_head_off), head,
			 __ATOMIC_RELEASE);
	return cqes[(head - 1) & ring->cq_mask].res;
}
