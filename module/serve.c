// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve.c - ABUSE_SERVE: answer requests and ask for more, in one call
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Takes verbs on LENT requests from the server, then lends it QUEUED ones.
 * Runs in the device's reserve scope (ctl.c) and allocates nothing.
 */
#include <linux/blkdev.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "abuse.h"
#include "compat.h"
#include "trace.h"

/* Verbs, and requests, that cross in one copy: they are on the stack. */
#define ABUSE_SERVE_CHUNK	16

/* What takes longer to copy than to end a bio does not let others wait. */
#define ABUSE_SERVE_COPY_MANY	SZ_64K

/* What the verbs of a chunk have made DONE, to be ended together. */
struct abuse_serve_done {
	struct list_head requests;
	u64 copied_bytes;	/* since the last time that they were ended */
};

/* The errno of a server, as the block layer says it.  The one such place. */
static blk_status_t abuse_serve_status(u32 error)
{
	if (abuse_busted("fail-always-eio"))
		return BLK_STS_IOERR;
	switch (error) {
	case ENOSPC:
		return BLK_STS_NOSPC;
	case ETIMEDOUT:
		return BLK_STS_TIMEOUT;
	case EREMOTEIO:
		return BLK_STS_TARGET;
	case EOPNOTSUPP:
		return BLK_STS_NOTSUPP;
	}
	return BLK_STS_IOERR;
}

static void abuse_serve_end_all(struct abuse_device *dev,
				struct abuse_serve_done *done)
{
	abuse_bio_end_all(dev, &done->requests);
	done->copied_bytes = 0;
}

/* LENT to DONE, without an error; the bio is ended once the lock is dropped. */
static int abuse_serve_complete(struct abuse_device *dev,
				struct abuse_request *rq,
				struct abuse_serve_done *done)
{
	if (bio_op(rq->bio) == REQ_OP_READ &&
	    rq->copied_bytes < rq->bio->bi_iter.bi_size &&
	    !abuse_busted("complete-uncopied"))
		return -EINVAL;			/* I12 */
	abuse_queue_finish(dev, rq, BLK_STS_OK, &done->requests);
	return 0;
}

/*
 * COPY_OUT, COPY_IN, and COMPLETE if that is asked for, too.  The lock is
 * dropped for the copy (I6).  A copy that may fault may wait for memory, and so
 * for the bios that were DONE before it: they are ended first.
 */
static int abuse_serve_copy(struct abuse_device *dev,
			    struct abuse_server *server,
			    const struct abuse_verb *verb, bool nofault,
			    struct abuse_serve_done *done)
	__must_hold(&dev->lock)
{
	bool complete = verb->ab_verb & ABUSE_VERB_AND_COMPLETE;
	bool out = (verb->ab_verb & ~ABUSE_VERB_AND_COMPLETE) ==
		   ABUSE_VERB_COPY_OUT;
	u64 end = (u64)verb->ab_offset_bytes + verb->ab_len_bytes;
	struct abuse_request *rq;
	struct bio *bio;
	int err, gone;

	rq = abuse_queue_find(dev, server, verb->ab_id, &err);
	if (!rq)
		return err;
	bio = rq->bio;
	if (!bio_has_data(bio) || (bio_op(bio) == REQ_OP_WRITE) != out ||
	    end > bio->bi_iter.bi_size)
		return -EINVAL;
	abuse_queue_copy_begin(dev, rq);
	spin_unlock_irq(&dev->lock);

	if (!nofault)
		abuse_serve_end_all(dev, done);
	abuse_busted_lock(false);
	err = abuse_copy(bio, verb->ab_offset_bytes, verb->ab_len_bytes,
			 verb->ab_address, nofault);
	abuse_busted_unlock(false);
	/* A call may move gigabytes.  What is DONE does not wait for others. */
	done->copied_bytes += verb->ab_len_bytes;
	if (need_resched() ||
	    (done->copied_bytes > ABUSE_SERVE_COPY_MANY &&
	     !abuse_busted("end-late"))) {
		abuse_serve_end_all(dev, done);
		cond_resched();
	}

	spin_lock_irq(&dev->lock);
	/* What a failed copy has left behind counts as not copied (I12). */
	if (err)
		rq->copied_bytes = min(rq->copied_bytes,
				       verb->ab_offset_bytes);
	else if (!out && verb->ab_offset_bytes <= rq->copied_bytes)
		rq->copied_bytes = max_t(u64, rq->copied_bytes, end);
	gone = abuse_queue_copy_end(dev, rq);
	if (err && !gone && abuse_busted("fault-requeues"))
		abuse_queue_requeue(dev, rq, false);
	trace_abuse_copy(dev, verb->ab_id, out, verb->ab_offset_bytes,
			 verb->ab_len_bytes, gone ?: err);
	if (!gone && complete && (!err || abuse_busted("complete-anyway")))
		err = abuse_serve_complete(dev, rq, done);
	return gone ?: err;
}

/* COMPLETE, FAIL */
static int abuse_serve_end(struct abuse_device *dev,
			   struct abuse_server *server,
			   const struct abuse_verb *verb,
			   struct abuse_serve_done *done)
{
	struct abuse_request *rq;
	int err;

	rq = abuse_queue_find(dev, server, verb->ab_id, &err);
	if (!rq)
		return err;
	if (verb->ab_verb == ABUSE_VERB_COMPLETE)
		return abuse_serve_complete(dev, rq, done);
	abuse_queue_finish(dev, rq, abuse_serve_status(verb->ab_error),
			   &done->requests);
	return 0;
}

static int abuse_serve_requeue(struct abuse_device *dev,
			       struct abuse_server *server,
			       const struct abuse_verb *verb)
{
	struct abuse_request *rq;
	int err;

	rq = abuse_queue_find(dev, server, verb->ab_id, &err);
	if (rq)
		abuse_queue_requeue(dev, rq, true);
	return err;
}

/* A backing's driver may wait, so as in abuse_serve_copy(). */
static int abuse_serve_forward(struct abuse_device *dev,
			       struct abuse_server *server,
			       const struct abuse_verb *verb,
			       struct abuse_serve_done *done)
	__must_hold(&dev->lock)
{
	int err;

	spin_unlock_irq(&dev->lock);
	abuse_serve_end_all(dev, done);
	err = abuse_forward(dev, server, verb);
	cond_resched();
	spin_lock_irq(&dev->lock);
	return err;
}

static int abuse_serve_verb(struct abuse_device *dev,
			    struct abuse_server *server,
			    const struct abuse_verb *verb, bool nofault,
			    struct abuse_serve_done *done)
	__must_hold(&dev->lock)
{
	switch (verb->ab_verb) {
	case ABUSE_VERB_COPY_OUT:
	case ABUSE_VERB_COPY_IN:
	case ABUSE_VERB_COPY_OUT | ABUSE_VERB_AND_COMPLETE:
	case ABUSE_VERB_COPY_IN | ABUSE_VERB_AND_COMPLETE:
		return abuse_serve_copy(dev, server, verb, nofault, done);
	case ABUSE_VERB_COMPLETE:
	case ABUSE_VERB_FAIL:
		return abuse_serve_end(dev, server, verb, done);
	case ABUSE_VERB_REQUEUE:
		return abuse_serve_requeue(dev, server, verb);
	case ABUSE_VERB_FORWARD:
		return abuse_serve_forward(dev, server, verb, done);
	}
	return -EINVAL;
}

/*
 * The next verbs, with one copy: as many as there are and fit.  What comes
 * after the first may be absent, and is no reason not to carry that out, nor
 * to wait for a page: then the next one alone.  Returns how many, or -EFAULT.
 */
static int abuse_serve_fetch(const struct abuse_serve *serve, u32 nr_done,
			     struct abuse_verb *verbs, bool nofault)
{
	u64 address = serve->ab_verbs + nr_done * sizeof(*verbs);
	u32 nr = min_t(u32, serve->ab_nr_verbs - nr_done, ABUSE_SERVE_CHUNK);

	if (!abuse_copy_from_user(verbs, address, nr * sizeof(*verbs), true))
		return nr;
	return abuse_copy_from_user(verbs, address, sizeof(*verbs),
				    nofault) ?: 1;
}

/*
 * Carry out these verbs.  The lock is held from one to the next, as far as
 * they need no more than that; what they made DONE is ended together.
 */
static int abuse_serve_chunk(struct abuse_device *dev,
			     struct abuse_server *server,
			     const struct abuse_verb *verbs, int nr,
			     u32 *nr_done, bool nofault)
{
	struct abuse_serve_done done = {
		.requests = LIST_HEAD_INIT(done.requests),
	};
	int i, err = 0;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < nr && !err; i++) {
		err = -EINTR;
		if (!fatal_signal_pending(current))
			err = abuse_serve_verb(dev, server, &verbs[i], nofault,
					       &done);
		*nr_done += !err;
	}
	spin_unlock_irq(&dev->lock);
	abuse_serve_end_all(dev, &done);
	return err;
}

/*
 * Carry out the verbs, in order, up to the first that fails.  What is forwarded
 * goes to its disk together, plugged: neighbours in one request, and all of
 * them with one doorbell.
 */
static int abuse_serve_verbs(struct abuse_device *dev,
			     struct abuse_server *server,
			     const struct abuse_serve *serve, u32 *nr_done,
			     bool nofault)
{
	struct abuse_verb verbs[ABUSE_SERVE_CHUNK] abuse_not_cleared;
	/* Who has presented no backing forwards nothing. */
	bool plugged = READ_ONCE(server->backings) && !abuse_busted("no-plug");
	struct blk_plug plug;
	int nr, err = 0;

	if (plugged)
		blk_start_plug(&plug);
	while (!err && *nr_done < serve->ab_nr_verbs) {
		cond_resched();
		nr = abuse_serve_fetch(serve, *nr_done, verbs, nofault);
		if (nr > 0 && abuse_busted("alloc-in-serve") &&
		    abuse_busted_alloc(GFP_KERNEL))
			nr = -ENOMEM;
		err = nr < 0 ? nr : abuse_serve_chunk(dev, server, verbs, nr,
						      nr_done, nofault);
	}
	if (plugged)
		blk_finish_plug(&plug);
	return err;
}

/**
 * abuse_serve_command - what a bio asks for, in the words of the contract
 * @bio: an accepted bio
 *
 * Context: Any.
 */
u32 abuse_serve_command(struct bio *bio)
{
	switch (bio_op(bio)) {
	case REQ_OP_READ:
		return ABUSE_READ;
	case REQ_OP_DISCARD:
		return ABUSE_DISCARD;
	case REQ_OP_WRITE_ZEROES:
		return ABUSE_WRITE_ZEROES;
	default:
		return bio->bi_iter.bi_size ? ABUSE_WRITE :
					      ABUSE_SYNC_NOTIFICATION;
	}
}

static void abuse_serve_describe(struct abuse_device *dev,
				 struct abuse_request *rq,
				 struct abuse_lent *lent)
{
	struct bio *bio = rq->bio;
	u32 len_bytes = bio->bi_iter.bi_size;

	*lent = (struct abuse_lent) {
		.ab_id = abuse_queue_id(dev, rq),
		.ab_sector = len_bytes ? bio->bi_iter.bi_sector : 0,
		.ab_len_bytes = len_bytes,
		.ab_command = abuse_serve_command(bio),
		.ab_error = rq->error,
	};
	if (len_bytes && bio->bi_opf & REQ_PREFLUSH &&
	    !abuse_busted("no-preflush"))
		lent->ab_flags |= ABUSE_LENT_PREFLUSH;
	if (bio->bi_opf & REQ_FUA)
		lent->ab_flags |= ABUSE_LENT_FUA;
	if (bio->bi_opf & REQ_SWAP && !abuse_busted("no-swap-flag"))
		lent->ab_flags |= ABUSE_LENT_SWAP;
	if (bio->bi_opf & REQ_NOUNMAP && !abuse_busted("no-nounmap") &&
	    lent->ab_command == ABUSE_WRITE_ZEROES)
		lent->ab_flags |= ABUSE_LENT_NOUNMAP;
	if (rq->lent_before)
		lent->ab_flags |= ABUSE_LENT_AGAIN;
	if (rq->error)
		lent->ab_flags |= ABUSE_LENT_FAILED;
}

/* Why this server may not be lent anything now, or 0.  Under dev->lock. */
static int abuse_serve_may_lend(struct abuse_device *dev,
				struct abuse_server *server, u32 epoch)
{
	if (dev->epoch != epoch)
		return -ENODEV;
	if (!abuse_server_alive(server))
		return -EBADF;
	if (!abuse_server_has_store(dev, server))
		return -EMEDIUMTYPE;
	return 0;
}

/*
 * Lend up to @max requests, at most ABUSE_SERVE_CHUNK, and tell the server.
 * Returns how many, 0 (nothing QUEUED for this call) or an errno; the requests
 * are QUEUED again if the server could not be told.  What is suspect is lent
 * alone: only as the @first of a call, and then it is @last.  -EAGAIN: not all
 * of their descriptions fit where they belong; one may.
 */
static int abuse_serve_lend_some(struct abuse_device *dev,
				 struct abuse_server *server, u64 address,
				 u32 max, u32 epoch, bool first, bool *last,
				 bool nofault)
{
	struct abuse_request *rqs[ABUSE_SERVE_CHUNK] abuse_not_cleared;
	struct abuse_lent lents[ABUSE_SERVE_CHUNK] abuse_not_cleared;
	u32 nr = 0;
	int err;

	spin_lock_irq(&dev->lock);
	err = abuse_serve_may_lend(dev, server, epoch);
	while (!err && nr < max && !*last && !list_empty(&dev->queue)) {
		*last = abuse_queue_suspect(dev);
		if (*last && (nr || !first))
			break;
		rqs[nr] = abuse_queue_lend(dev, server);
		abuse_serve_describe(dev, rqs[nr], &lents[nr]);
		/* The copy below is one of this request, too (I11). */
		abuse_queue_copy_begin(dev, rqs[nr]);
		nr++;
	}
	spin_unlock_irq(&dev->lock);
	if (!nr)
		return err;

	err = abuse_copy_to_user(address, lents, nr * sizeof(lents[0]),
				 nofault);
	err = abuse_queue_lend_end(dev, rqs, nr, err);
	if (err == -EFAULT && nr > 1 && !abuse_busted("lend-all-or-none")) {
		*last = false;
		return -EAGAIN;
	}
	return err ?: nr;
}

/*
 * As it seems, nothing is QUEUED, and to look closer would take the lock for
 * nothing.  Whoever may be lent nothing anyway is told so at once.
 */
static bool abuse_serve_seems_empty(struct abuse_device *dev,
				    struct abuse_server *server, u32 epoch)
{
	if (!list_empty(&dev->queue))
		return false;
	/* A guess: what is seen when there is something is seen with the lock. */
	return !data_race(abuse_serve_may_lend(dev, server, epoch));
}

/* Lend what there is, waiting for the first only. */
static int abuse_serve_lend(struct abuse_device *dev,
			    struct abuse_server *server,
			    const struct abuse_serve *serve, u32 epoch,
			    bool nofault)
{
	u32 nr_lent = 0;
	int room = ABUSE_SERVE_CHUNK;
	bool last = false;
	int ret;

	if (!(serve->ab_flags & ABUSE_SERVE_NOWAIT) &&
	    abuse_serve_seems_empty(dev, server, epoch)) {
		ret = abuse_server_wait(dev, server, epoch);
		if (ret)
			return ret;
	}
	while (nr_lent < serve->ab_nr_requests && !last) {
		ret = abuse_serve_lend_some(dev, server, serve->ab_requests +
					    nr_lent * sizeof(struct abuse_lent),
					    min_t(u32, room,
						  serve->ab_nr_requests -
						  nr_lent),
					    epoch, !nr_lent, &last, nofault);
		if (ret == -EAGAIN) {
			room = 1;
			continue;
		}
		if (ret < 0)
			return nr_lent ?: ret;
		nr_lent += ret;
		/* Fewer than there was room for: nothing is QUEUED any more. */
		if (ret == room)
			continue;
		if ((nr_lent && !abuse_busted("wait-for-batch")) ||
		    serve->ab_flags & ABUSE_SERVE_NOWAIT)
			break;
		ret = abuse_server_wait(dev, server, epoch);
		if (ret)
			return ret;
	}
	return nr_lent;
}

/**
 * abuse_serve - ABUSE_SERVE
 * @file: the open file
 * @arg: struct abuse_serve, read; ab_nr_verbs_done is written
 *
 * Context: Process context, no lock held, in the device's reserve scope.
 * Sleeps for the first request; page faults only without NOFAULT.  Allocates
 * nothing (I2).
 * Return: the number of requests that are now LENT to the caller, or an errno
 * that struct abuse_serve lists; then no request was lent in this call.
 */
int abuse_serve(struct abuse_file *file, void __user *arg)
{
	u64 done_address = (u64)(unsigned long)arg +
			   offsetof(struct abuse_serve, ab_nr_verbs_done);
	struct abuse_device *dev = file->dev;
	struct abuse_server *server;
	bool nofault = abuse_scope_nofault();
	struct abuse_serve serve;
	u32 nr_done = 0, epoch;
	int err;

	err = abuse_copy_from_user(&serve, (u64)(unsigned long)arg,
				   sizeof(serve), nofault);
	if (err)
		return err;
	if (serve.ab_flags & ~(ABUSE_SERVE_NOWAIT | ABUSE_SERVE_NOFAULT))
		return -EINVAL;
	if (serve.ab_nr_verbs > ABUSE_SERVE_LIMIT ||
	    serve.ab_nr_requests > ABUSE_SERVE_LIMIT)
		return -E2BIG;
	nofault |= serve.ab_flags & ABUSE_SERVE_NOFAULT;
	abuse_busted_lock(false);
	abuse_busted_unlock(false);
	abuse_busted_serve(dev);
	epoch = READ_ONCE(dev->epoch);
	if (!READ_ONCE(dev->configured))
		return -ENODEV;
	server = abuse_server_get(file);
	if (!server)
		return -EUSERS;

	err = abuse_serve_verbs(dev, server, &serve, &nr_done, nofault);
	/*
	 * Before anything is lent, so that a server which cannot be told has
	 * lost nothing: verbs done twice are refused as stale.
	 */
	if (abuse_copy_to_user(done_address, &nr_done, sizeof(nr_done),
			       nofault))
		return -EFAULT;
	if (err || !serve.ab_nr_requests)
		return err;
	abuse_status_go_live(dev, server, epoch);
	return abuse_serve_lend(dev, server, &serve, epoch, nofault);
}
