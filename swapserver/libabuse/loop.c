// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop.c - the simple loop: a function of the server's for each request
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Receives requests from serve.c, hands them to the functions of struct
 * abuse_ops.  One round: hand in the answers of the last one and borrow what
 * is QUEUED, in one call; fetch the data of the WRITEs, in one call; call the
 * functions.  It takes what there is and never waits for a batch to fill.
 */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "libabuse.h"

#define PAGE_BYTES	4096
/* Each request takes at most a copy and an answer in one call. */
#define VERBS_PER_REQUEST	2

/* What has become of a request in this round. */
struct loop_state {
	int result;	/* 0 or -errno */
	bool gone;	/* somebody took it from us: no answer */
};

struct abuse_arena {
	size_t bytes;	/* of it all */
	unsigned int requests;
	uint32_t buffer_bytes;
	struct abuse_batch batch;
	struct abuse_lent *lent;
	struct loop_state *state;	/* of lent[i] */
	char *buffers;
};

/* What a round needs, all of it on one thread's stack. */
struct loop {
	struct abuse_dev *dev;
	struct abuse_arena *a;
	const struct abuse_ops *ops;
	void *context;
};

static size_t arena_part(size_t *used, size_t bytes)
{
	size_t at = *used;

	/* Pages of their own: buffers are to be aligned for O_DIRECT. */
	*used += (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	return at;
}

int abuse_arena_make(struct abuse_dev *dev, unsigned int requests,
		     uint32_t buffer_bytes)
{
	unsigned int nr_verbs = requests * VERBS_PER_REQUEST;
	size_t used = 0, verbs, lent, state, buffers;
	struct abuse_arena *a;
	char *memory;

	if (!requests || requests > ABUSE_SERVE_LIMIT / VERBS_PER_REQUEST ||
	    !buffer_bytes || buffer_bytes % PAGE_BYTES)
		return -EINVAL;
	if (dev->arena)
		return -EEXIST;
	/* On a 32-bit machine that may be more than there are addresses. */
	if (buffer_bytes > SIZE_MAX / 2 / requests)
		return -ENOMEM;
	arena_part(&used, sizeof(*a));
	verbs = arena_part(&used, nr_verbs * sizeof(struct abuse_verb));
	lent = arena_part(&used, requests * sizeof(struct abuse_lent));
	state = arena_part(&used, requests * sizeof(struct loop_state));
	buffers = arena_part(&used, (size_t)requests * buffer_bytes);
	memory = mmap(NULL, used, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (memory == MAP_FAILED)
		return -ENOMEM;
	a = (struct abuse_arena *)memory;
	*a = (struct abuse_arena){
		.bytes = used,
		.requests = requests,
		.buffer_bytes = buffer_bytes,
		.batch.verbs = (struct abuse_verb *)(memory + verbs),
		.batch.max = nr_verbs,
		.lent = (struct abuse_lent *)(memory + lent),
		.state = (struct loop_state *)(memory + state),
		.buffers = memory + buffers,
	};
	dev->arena = a;
	return 0;
}

void abuse_arena_free(struct abuse_dev *dev)
{
	if (dev->arena)
		munmap(dev->arena, dev->arena->bytes);
	dev->arena = NULL;
}

static uint64_t loop_offset(const struct abuse_lent *lent)
{
	return lent->ab_sector * 512;
}

static char *loop_buffer(const struct loop *l, unsigned int i)
{
	return l->a->buffers + (size_t)i * l->a->buffer_bytes;
}

/* Another server may have made the device larger than ours knows it. */
static bool loop_is_inside(const struct loop *l, const struct abuse_lent *lent)
{
	uint64_t size = l->dev->size_bytes, offset = loop_offset(lent);

	return offset <= size && lent->ab_len_bytes <= size - offset;
}

static bool loop_is_small(const struct loop *l, const struct abuse_lent *lent)
{
	return lent->ab_len_bytes <= l->a->buffer_bytes;
}

static int loop_flush(const struct loop *l)
{
	return l->ops->flush ? l->ops->flush(l->context) : 0;
}

/* The request with this id is not ours any more. */
static void loop_drop(struct loop *l, uint64_t id, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (l->a->lent[i].ab_id == id)
			l->a->state[i].gone = true;
	abuse_forget(&l->a->batch, id);
	l->dev->nr_stale++;
}

/* Hand in what has gathered; nr: requests of this round. */
static int loop_submit(struct loop *l, unsigned int nr)
{
	struct abuse_batch *batch = &l->a->batch;
	int err = 0;

	while (batch->nr) {
		err = abuse_exchange(l->dev, batch, NULL, 0, false);
		if (err != -ESTALE || !batch->nr)
			break;
		loop_drop(l, batch->verbs[0].ab_id, nr);
		err = 0;
	}
	return err;
}

/* In pieces through the buffer, each of them handed in at once. */
static int loop_pieces(struct loop *l, unsigned int i, unsigned int nr)
{
	const struct abuse_lent *lent = &l->a->lent[i];
	struct loop_state *state = &l->a->state[i];
	bool is_read = lent->ab_command == ABUSE_READ;
	char *buffer = loop_buffer(l, i);
	uint32_t done, len;
	int err;

	for (done = 0; done < lent->ab_len_bytes; done += len) {
		uint64_t offset = loop_offset(lent) + done;

		len = lent->ab_len_bytes - done;
		if (len > l->a->buffer_bytes)
			len = l->a->buffer_bytes;
		if (is_read) {
			state->result = l->ops->read(l->context, buffer, offset,
						     len);
			if (state->result)
				return 0;
			abuse_copy_in(&l->a->batch, lent, buffer, done, len);
		} else {
			abuse_copy_out(&l->a->batch, lent, buffer, done, len);
		}
		err = loop_submit(l, nr);
		if (err)
			return err;
		if (state->gone)
			return 0;
		if (is_read)
			continue;
		state->result = l->ops->write(l->context, buffer, offset, len);
		if (state->result)
			return 0;
	}
	return 0;
}

static int loop_data(struct loop *l, unsigned int i, unsigned int nr)
{
	const struct abuse_lent *lent = &l->a->lent[i];
	struct loop_state *state = &l->a->state[i];
	char *buffer = loop_buffer(l, i);

	if (!loop_is_small(l, lent))
		return loop_pieces(l, i, nr);
	if (lent->ab_command == ABUSE_WRITE) {
		state->result = l->ops->write(l->context, buffer,
					      loop_offset(lent),
					      lent->ab_len_bytes);
		return 0;
	}
	state->result = l->ops->read(l->context, buffer, loop_offset(lent),
				     lent->ab_len_bytes);
	if (!state->result)
		abuse_copy_in(&l->a->batch, lent, buffer, 0,
			      lent->ab_len_bytes);
	return 0;
}

/* Call the functions that a request wants; its result is in its state. */
static int loop_work(struct loop *l, unsigned int i, unsigned int nr)
{
	const struct abuse_lent *lent = &l->a->lent[i];
	struct loop_state *state = &l->a->state[i];
	const struct abuse_ops *ops = l->ops;
	int err = 0;

	if (lent->ab_command == ABUSE_SYNC_NOTIFICATION ||
	    lent->ab_flags & ABUSE_LENT_PREFLUSH)
		state->result = loop_flush(l);
	if (lent->ab_command == ABUSE_SYNC_NOTIFICATION || state->result)
		return 0;
	if (!loop_is_inside(l, lent)) {
		state->result = -EIO;
		return 0;
	}
	switch (lent->ab_command) {
	case ABUSE_READ:
	case ABUSE_WRITE:
		err = loop_data(l, i, nr);
		break;
	case ABUSE_DISCARD:
		state->result = !ops->discard ? -EOPNOTSUPP :
				ops->discard(l->context, loop_offset(lent),
					     lent->ab_len_bytes);
		break;
	case ABUSE_WRITE_ZEROES:
		state->result = !ops->write_zeroes ? -EOPNOTSUPP :
				ops->write_zeroes(l->context, loop_offset(lent),
						  lent->ab_len_bytes,
						  lent->ab_flags &
						  ABUSE_LENT_NOUNMAP);
		break;
	default:
		state->result = -EOPNOTSUPP;
	}
	if (!err && !state->result && lent->ab_flags & ABUSE_LENT_FUA)
		state->result = loop_flush(l);
	return err;
}

static int loop_round(struct loop *l, unsigned int nr)
{
	struct abuse_arena *a = l->a;
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		const struct abuse_lent *lent = &a->lent[i];

		a->state[i] = (struct loop_state){ 0 };
		if (lent->ab_command == ABUSE_WRITE && loop_is_small(l, lent))
			abuse_copy_out(&a->batch, lent, loop_buffer(l, i), 0,
				       lent->ab_len_bytes);
	}
	err = loop_submit(l, nr);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		if (a->state[i].gone)
			continue;
		err = loop_work(l, i, nr);
		if (err)
			return err;
		if (a->state[i].gone)
			continue;
		/* There is room: two verbs a request, and this is the second. */
		if (a->state[i].result)
			abuse_fail(&a->batch, &a->lent[i], a->state[i].result);
		else
			abuse_complete(&a->batch, &a->lent[i]);
	}
	return 0;
}

int abuse_run(struct abuse_dev *dev, const struct abuse_ops *ops, void *context)
{
	struct loop l = { .dev = dev, .ops = ops, .context = context };
	struct abuse_info info;
	int nr, err;

	if (!ops->read || !ops->write)
		return -EINVAL;
	if (!dev->arena) {
		err = abuse_arena_make(dev, ABUSE_ARENA_REQUESTS,
				       ABUSE_ARENA_BUFFER_BYTES);
		if (err)
			return err;
	}
	if (!dev->size_bytes) {
		/* Configured by somebody else: as it is now. */
		err = abuse_get_status(dev, &info);
		if (err)
			return err;
		dev->size_bytes = info.ab_size;
	}
	l.a = dev->arena;
	for (;;) {
		nr = abuse_exchange(dev, &l.a->batch, l.a->lent, l.a->requests,
				    true);
		if (nr < 0)
			return nr;
		err = loop_round(&l, nr);
		if (err)
			return err;
	}
}
