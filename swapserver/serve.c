// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve.c - the loop that answers requests
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * One round: hand in the answers of the last round and borrow what is QUEUED,
 * in one call; fetch the data of the WRITEs, in one call; let the backend
 * work.  Where nothing is to be done after a copy, for a READ and where the
 * store is memory that the kernel copies to, copy and answer are one.  It takes
 * what there is and never waits for a batch to fill: at exhaustion the kernel
 * may be able to send no more than two pages (hold.c is there to see that).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "hold.h"
#include "serve.h"

#define SERVE_ALIGN_BYTES	4096u
#define SERVE_LANES_DEFAULT	3

/* Each request takes at most a copy or an end, or both in one, in one call. */
#define SERVE_VERBS_MAX		SERVE_BATCH_MAX

struct serve_arena {
	struct abuse_lent lent[SERVE_BATCH_MAX];
	int result[SERVE_BATCH_MAX];	/* of lent[i]: 0 or -errno */
	struct abuse_verb verbs[SERVE_VERBS_MAX];
	unsigned int nr_verbs;
	/* Transfers of one round: from lent[job_first[k]] on, job_nr[k] requests. */
	struct lane_job jobs[SERVE_BATCH_MAX];
	unsigned int job_first[SERVE_BATCH_MAX], job_nr[SERVE_BATCH_MAX];
	/*
	 * Of lent[i]; one behind the other, so that what is adjacent on the
	 * device and in the queue is so in memory.  Aligned for O_DIRECT.
	 */
	char *data[SERVE_BATCH_MAX];
	char buffers[] __attribute__((aligned(SERVE_ALIGN_BYTES)));
};

static int serve_lanes(struct server *s)
{
	const struct backend_ops *ops = s->backend.ops;

	if (s->nr_lanes < 0)
		s->nr_lanes = ops->lanes && !s->allocate ?
			      SERVE_LANES_DEFAULT : 0;
	if (!s->nr_lanes)
		return 0;
	if (!ops->lanes || s->allocate) {
		fprintf(stderr, "swapserver: %s is served by one thread; leave --lanes out\n",
			s->allocate ? "a naive server" : ops->name);
		return -1;
	}
	s->lanes = lanes_make(s->nr_lanes);
	return s->lanes ? 0 : -1;
}

int serve_init(struct server *s)
{
	/* No more than it can use: it may have to come from the reserves. */
	size_t bytes = sizeof(*s->arena) +
		       (size_t)s->batch * SERVE_BUFFER_BYTES;

	s->arena = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->arena == MAP_FAILED) {
		fprintf(stderr, "swapserver: no %zu bytes for the arena: %s\n",
			bytes, strerror(errno));
		return -1;
	}
	return serve_lanes(s) || (s->hold && hold_init()) ? -1 : 0;
}

static void serve_verb(struct serve_arena *a, const struct abuse_verb *verb)
{
	a->verbs[a->nr_verbs++] = *verb;
}

static uint32_t serve_copy_verb(const struct abuse_lent *lent)
{
	return lent->ab_command == ABUSE_WRITE ? ABUSE_VERB_COPY_OUT :
						 ABUSE_VERB_COPY_IN;
}

static void serve_copy(struct serve_arena *a, const struct abuse_lent *lent,
		       void *address, uint32_t offset_bytes,
		       uint32_t len_bytes)
{
	struct abuse_verb verb = {
		.ab_id = lent->ab_id,
		.ab_address = (uintptr_t)address,
		.ab_offset_bytes = offset_bytes,
		.ab_len_bytes = len_bytes,
		.ab_verb = serve_copy_verb(lent),
	};

	serve_verb(a, &verb);
}

/* A FORWARD that is refused leaves its request with us, for another answer. */
static bool serve_is_refused(struct abuse_verb *verb, int err)
{
	if (verb->ab_verb != ABUSE_VERB_FORWARD ||
	    (err != -EINVAL && err != -EPERM && err != -EOPNOTSUPP &&
	     err != -EBUSY))
		return false;
	verb->ab_verb = err == -EBUSY ? ABUSE_VERB_REQUEUE : ABUSE_VERB_FAIL;
	verb->ab_error = -err;
	return true;
}

/*
 * Carry out the verbs that have gathered, and borrow up to max requests, from
 * lent[from] on.  Returns as abuse_serve().
 */
static int serve_call(struct server *s, unsigned int from, unsigned int max,
		      bool wait)
{
	struct serve_arena *a = s->arena;
	unsigned int done = 0;
	int ret;

	do {
		ret = abuse_serve(&s->client, a->verbs + done,
				  a->nr_verbs - done, a->lent + from, max,
				  wait);
		done += s->client.nr_done;
	} while (ret < 0 && done < a->nr_verbs &&
		 serve_is_refused(&a->verbs[done], ret));
	a->nr_verbs = 0;
	return ret;
}

/* Carry out the verbs that have gathered; borrow nothing. */
static int serve_submit(struct server *s)
{
	return serve_call(s, 0, 0, false);
}

static uint64_t serve_offset(const struct abuse_lent *lent)
{
	return lent->ab_sector * 512;
}

/* The kernel checks that; but ours are the memory and the disk behind it. */
static bool serve_is_inside(const struct server *s,
			    const struct abuse_lent *lent)
{
	return serve_offset(lent) <= s->backend.size_bytes &&
	       lent->ab_len_bytes <= s->backend.size_bytes - serve_offset(lent);
}

/* Requests that need no buffer, or have none that is large enough. */
static bool serve_is_small(const struct abuse_lent *lent)
{
	return lent->ab_len_bytes <= SERVE_BUFFER_BYTES;
}

/* One piece of a request through a buffer, now. */
static int serve_piece(struct server *s, const struct abuse_lent *lent,
		       char *buffer, uint32_t done, uint32_t len, int *result)
{
	const struct backend_ops *ops = s->backend.ops;
	uint64_t offset = serve_offset(lent) + done;
	int ret;

	if (lent->ab_command == ABUSE_READ) {
		*result = ops->map ? (memcpy(buffer, ops->map(&s->backend,
							      offset), len), 0)
				   : ops->read(&s->backend, buffer, offset,
					       len);
		if (*result)
			return 0;
	}
	serve_copy(s->arena, lent, buffer, done, len);
	ret = serve_submit(s);
	if (ret < 0)
		return ret;
	if (lent->ab_command == ABUSE_WRITE) {
		if (ops->map)
			memcpy(ops->map(&s->backend, offset), buffer, len);
		else
			*result = ops->write(&s->backend, buffer, offset, len);
	}
	return 0;
}

/* A whole request, piece by piece through one buffer. */
static int serve_pieces(struct server *s, const struct abuse_lent *lent,
			char *buffer, uint32_t buffer_bytes, int *result)
{
	uint32_t done = 0;
	int err;

	while (done < lent->ab_len_bytes && !*result) {
		uint32_t len = lent->ab_len_bytes - done;

		if (len > buffer_bytes)
			len = buffer_bytes;
		err = serve_piece(s, lent, buffer, done, len, result);
		if (err)
			return err;
		done += len;
	}
	return 0;
}

static int serve_flush(struct server *s)
{
	return s->backend.ops->flush ? s->backend.ops->flush(&s->backend) : 0;
}

static int serve_discard(struct server *s, const struct abuse_lent *lent)
{
	const struct backend_ops *ops = s->backend.ops;

	return ops->discard ? ops->discard(&s->backend, serve_offset(lent),
					   lent->ab_len_bytes) : -EOPNOTSUPP;
}

static int serve_write_zeroes(struct server *s, const struct abuse_lent *lent)
{
	const struct backend_ops *ops = s->backend.ops;
	int err = ops->write_zeroes ?
		  ops->write_zeroes(&s->backend, serve_offset(lent),
				    lent->ab_len_bytes) : -EOPNOTSUPP;

	return !err && lent->ab_flags & ABUSE_LENT_FUA ? serve_flush(s) : err;
}

/*
 * What comes before a request's data, and all of one that has none.  Returns 0
 * or what it is to end with.
 */
static int serve_begin(struct server *s, const struct abuse_lent *lent)
{
	int err = 0;

	if (lent->ab_command != ABUSE_SYNC_NOTIFICATION &&
	    !serve_is_inside(s, lent))
		return -EIO;
	/* Sent on with all that it asks for: flush before, flush after. */
	if (s->backend.ops->forward)
		return 0;
	if (lent->ab_flags & ABUSE_LENT_PREFLUSH)
		err = serve_flush(s);
	if (err)
		return err;
	switch (lent->ab_command) {
	case ABUSE_READ:
	case ABUSE_WRITE:
		return 0;
	case ABUSE_SYNC_NOTIFICATION:
		return serve_flush(s);
	case ABUSE_DISCARD:
		return serve_discard(s, lent);
	case ABUSE_WRITE_ZEROES:
		return serve_write_zeroes(s, lent);
	}
	return -EOPNOTSUPP;
}

static bool serve_has_data(const struct abuse_lent *lent)
{
	return lent->ab_command == ABUSE_READ ||
	       lent->ab_command == ABUSE_WRITE;
}

/* Does its data pass through here? */
static bool serve_is_copied(const struct server *s,
			    const struct abuse_lent *lent)
{
	return !s->backend.ops->forward && serve_has_data(lent);
}

/* Does its data go through its buffer in one piece? */
static bool serve_is_buffered(const struct server *s, unsigned int i)
{
	const struct abuse_lent *lent = &s->arena->lent[i];

	return !s->arena->result[i] && serve_is_copied(s, lent) &&
	       !s->backend.ops->map && serve_is_small(lent);
}

/* How many requests from lent[i] on are one range, on the device and here? */
static unsigned int serve_neighbours(const struct server *s, unsigned int i,
				     unsigned int nr, uint32_t *len_bytes)
{
	const struct serve_arena *a = s->arena;
	const struct abuse_lent *first = &a->lent[i];
	unsigned int n;

	*len_bytes = first->ab_len_bytes;
	for (n = 1; s->backend.ops->joins && i + n < nr; n++) {
		const struct abuse_lent *next = first + n;

		if (next->ab_command != first->ab_command ||
		    !serve_is_buffered(s, i + n) ||
		    serve_offset(next) != serve_offset(first) + *len_bytes ||
		    a->data[i + n] != a->data[i] + *len_bytes ||
		    *len_bytes + next->ab_len_bytes > SERVE_BUFFER_BYTES)
			break;
		*len_bytes += next->ab_len_bytes;
	}
	return n;
}

/* One request alone. */
static int serve_transfer(struct server *s, unsigned int i)
{
	const struct backend_ops *ops = s->backend.ops;
	const struct abuse_lent *lent = &s->arena->lent[i];
	char *data = s->arena->data[i];

	return lent->ab_command == ABUSE_READ ?
	       ops->read(&s->backend, data, serve_offset(lent),
			 lent->ab_len_bytes) :
	       ops->write(&s->backend, data, serve_offset(lent),
			  lent->ab_len_bytes);
}

/* Its requests have their results. */
static void serve_transferred(struct server *s, unsigned int job)
{
	struct serve_arena *a = s->arena;
	unsigned int i = a->job_first[job], end = i + a->job_nr[job];
	int err = a->jobs[job].result;

	for (; i < end; i++) {
		/* It is not the fault of all of them. */
		if (err && a->job_nr[job] > 1)
			a->result[i] = serve_transfer(s, i);
		else
			a->result[i] = err;
	}
}

/* All that is buffered and of this command: the backend reads or writes it. */
static void serve_transfer_all(struct server *s, uint32_t command,
			       unsigned int nr)
{
	struct serve_arena *a = s->arena;
	unsigned int nr_jobs = 0, i, n, k;

	for (i = 0; i < nr; i += n) {
		struct lane_job *job = &a->jobs[nr_jobs];

		n = 1;
		if (a->lent[i].ab_command != command ||
		    !serve_is_buffered(s, i))
			continue;
		n = serve_neighbours(s, i, nr, &job->len_bytes);
		job->backend = &s->backend;
		job->write = command == ABUSE_WRITE;
		job->offset_bytes = serve_offset(&a->lent[i]);
		job->data = a->data[i];
		a->job_first[nr_jobs] = i;
		a->job_nr[nr_jobs++] = n;
	}
	lanes_run(s->lanes, a->jobs, nr_jobs);
	for (k = 0; k < nr_jobs; k++)
		serve_transferred(s, k);
}

/* Before any data: each request's first part, and where its data is to be. */
static void serve_prepare(struct server *s, unsigned int nr)
{
	struct serve_arena *a = s->arena;
	char *data = a->buffers;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct abuse_lent *lent = &a->lent[i];
		uint32_t len = serve_is_small(lent) ? lent->ab_len_bytes :
						      SERVE_BUFFER_BYTES;

		a->result[i] = serve_begin(s, lent);
		a->data[i] = data;
		if (serve_is_copied(s, lent))
			data += (len + SERVE_ALIGN_BYTES - 1) &
				~(SERVE_ALIGN_BYTES - 1);
	}
}

/*
 * Where its data is copied to or from, as a whole, or NULL: its buffer, or the
 * store itself.
 */
static char *serve_data(struct server *s, unsigned int i)
{
	const struct abuse_lent *lent = &s->arena->lent[i];

	if (serve_is_buffered(s, i))
		return s->arena->data[i];
	if (s->backend.ops->map && !s->arena->result[i] && serve_has_data(lent))
		return s->backend.ops->map(&s->backend, serve_offset(lent));
	return NULL;
}

/* Does nothing come after that copy but the answer?  They go together then. */
static bool serve_copy_ends(const struct server *s, unsigned int i)
{
	const struct backend_ops *ops = s->backend.ops;
	const struct abuse_lent *lent = &s->arena->lent[i];

	return lent->ab_command == ABUSE_READ ||
	       (ops->map && !(lent->ab_flags & ABUSE_LENT_FUA && ops->flush));
}

/* All copies that can be made together, and that something comes after. */
static int serve_copy_all(struct server *s, unsigned int nr)
{
	struct serve_arena *a = s->arena;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		char *data = serve_data(s, i);

		if (data && !serve_copy_ends(s, i))
			serve_copy(a, &a->lent[i], data, 0,
				   a->lent[i].ab_len_bytes);
	}
	return a->nr_verbs ? serve_submit(s) : 0;
}

/* The answer to lent[i], to go with the next call. */
static void serve_answer(struct server *s, unsigned int i)
{
	const struct backend_ops *ops = s->backend.ops;
	struct serve_arena *a = s->arena;
	const struct abuse_lent *lent = &a->lent[i];
	struct abuse_verb *verb = &a->verbs[a->nr_verbs++];
	int err = a->result[i];
	char *data = NULL;

	*verb = (struct abuse_verb){
		.ab_id = lent->ab_id,
		.ab_verb = ABUSE_VERB_COMPLETE,
	};
	if (!s->allocate && serve_copy_ends(s, i))
		data = serve_data(s, i);
	if (data) {
		verb->ab_verb = serve_copy_verb(lent) | ABUSE_VERB_AND_COMPLETE;
		verb->ab_address = (uintptr_t)data;
		verb->ab_len_bytes = lent->ab_len_bytes;
	}
	if (!err && ops->forward) {
		verb->ab_verb = ABUSE_VERB_FORWARD;
		err = ops->forward(&s->backend, lent, verb);
	}
	if (err) {
		verb->ab_verb = ABUSE_VERB_FAIL;
		verb->ab_error = -err;
	}
}

/* What is too large for that, and what comes after the data. */
static int serve_finish(struct server *s, unsigned int i)
{
	struct serve_arena *a = s->arena;
	const struct abuse_lent *lent = &a->lent[i];
	int err;

	if (a->result[i] || !serve_is_copied(s, lent))
		return 0;
	if (!s->backend.ops->map && !serve_is_small(lent)) {
		err = serve_pieces(s, lent, a->data[i], SERVE_BUFFER_BYTES,
				   &a->result[i]);
		if (err)
			return err;
	}
	if (!a->result[i] && lent->ab_flags & ABUSE_LENT_FUA)
		a->result[i] = serve_flush(s);
	return 0;
}

/* What is done between the copies to and from the kernel and the answers. */
static int serve_between(struct server *s, unsigned int nr)
{
	unsigned int i;
	int err;

	serve_transfer_all(s, ABUSE_READ, nr);
	err = serve_copy_all(s, nr);
	if (err < 0)
		return err;
	serve_transfer_all(s, ABUSE_WRITE, nr);
	for (i = 0; i < nr; i++) {
		err = serve_finish(s, i);
		if (err)
			return err;
	}
	return 0;
}

static int serve_round(struct server *s, unsigned int nr)
{
	const struct backend_ops *ops = s->backend.ops;
	unsigned int i;
	int err;

	serve_prepare(s, nr);
	/* A store that is memory, and never flushed, has nothing to do there. */
	if (!ops->map || ops->flush) {
		err = serve_between(s, nr);
		if (err)
			return err;
	}
	for (i = 0; i < nr; i++)
		serve_answer(s, i);
	return 0;
}

/*
 * One request as a server answers it that does not think of memory: a buffer
 * of its own for each.  Mapped, which is what malloc() does for large ones:
 * the heap would mostly hand out the same warm pages again, and hide what
 * happens when it cannot.
 */
static int serve_naive(struct server *s, const struct abuse_lent *lent,
		       int *result)
{
	uint32_t len = lent->ab_len_bytes;
	void *buffer;
	int err = 0;

	*result = serve_begin(s, lent);
	if (*result || !serve_has_data(lent))
		return 0;
	buffer = mmap(NULL, len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		return -errno;
	if (s->backend.ops->forward)
		memset(buffer, 0, len);	/* not needed, but naive */
	else
		err = serve_pieces(s, lent, buffer, len, result);
	munmap(buffer, len);
	if (!err && !*result && lent->ab_flags & ABUSE_LENT_FUA)
		*result = serve_flush(s);
	return err;
}

static int serve_round_naive(struct server *s, unsigned int nr)
{
	struct serve_arena *a = s->arena;
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = serve_naive(s, &a->lent[i], &a->result[i]);
		if (err)
			return err;
		serve_answer(s, i);
	}
	return 0;
}

/*
 * What is QUEUED; with --hold not before it is enough.  Returns as
 * abuse_serve().
 */
static int serve_borrow(struct server *s)
{
	int nr = serve_call(s, 0, s->batch, true), first = nr, more;

	while (nr > 0 && hold_wants_more(s->arena->lent, nr, s->hold)) {
		more = serve_call(s, nr, s->batch - nr, true);
		if (more == -EINTR && hold_is_over())
			break;
		if (more < 0 && more != -EINTR)
			return more;
		if (more > 0)
			nr += more;
	}
	if (first > 0 && first < nr && (unsigned int)nr >= s->hold)
		s->nr_held++;
	return nr;
}

int serve_hand_in(struct server *s)
{
	int ret = serve_submit(s);

	return ret < 0 ? ret : 0;
}

int serve_loop(struct server *s)
{
	int nr = 0, err;

	for (;;) {
		err = s->round ? s->round(s, nr > 0 ? nr : 0) : 0;
		if (err)
			return err < 0 ? err : serve_hand_in(s);
		nr = serve_borrow(s);
		/* The verbs are carried out, also if a signal ended the wait. */
		if (nr == -EINTR)
			continue;
		if (nr < 0)
			return nr;
		if (s->allocate)
			err = serve_round_naive(s, nr);
		else
			err = serve_round(s, nr);
		if (err)
			return err;
	}
}
