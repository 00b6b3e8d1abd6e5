// SPDX-License-Identifier: GPL-2.0-only
/*
 * queue.c - the slots of a device and the states they pass through
 *
 * Path: bio > [queue] > ioctl > server > backend > completion.
 * Receives bios from bio.c, lends requests to serve.c and legacy.c, takes
 * them back.  All transitions of abuse_request.state are in this file; all
 * that is not said to take dev->lock wants it held, and nothing here sleeps,
 * allocates or ends a bio.
 */
#include "abuse.h"
#include "trace.h"

/* An id is generation and slot (I5): high and low half. */
u64 abuse_queue_id(struct abuse_device *dev, struct abuse_request *rq)
{
	return (u64)rq->generation << 32 | (u32)(rq - dev->slots);
}

/* QUEUED requests, to whoever waits for them. */
static void abuse_queue_wake(struct abuse_device *dev)
{
	/*
	 * No barrier wanted: a server is on server_wait before it looks whether
	 * there are any (server.c), and it holds dev->lock to look, as we do.
	 * Either it looks after us, and sees them, or we see it.
	 */
	if (waitqueue_active(&dev->server_wait) && !abuse_busted("no-wake"))
		wake_up(&dev->server_wait);
	abuse_poll_wake(dev);
}

/**
 * abuse_queue_state - the name of a state
 * @state: the state
 */
const char *abuse_queue_state(enum abuse_state state)
{
	static const char * const names[ABUSE_NR_STATES] = {
		[ABUSE_FREE] = "FREE",
		[ABUSE_QUEUED] = "QUEUED",
		[ABUSE_LENT] = "LENT",
		[ABUSE_FORWARDED] = "FORWARDED",
		[ABUSE_ASIDE] = "ASIDE",
		[ABUSE_DONE] = "DONE",
	};

	return names[state];
}

/* The one assignment to ->state. */
static void abuse_queue_move(struct abuse_device *dev,
			     struct abuse_request *rq, enum abuse_state state)
{
	lockdep_assert_held(&dev->lock);
	dev->nr[rq->state]--;
	dev->nr[state]++;
	rq->state = state;
	rq->since_jiffies = jiffies;
}

/* FREE to QUEUED, with the bio. */
static void abuse_queue_fill(struct abuse_device *dev, struct bio *bio,
			     bool scan)
{
	struct abuse_request *rq = dev->free;

	dev->free = rq->next_free;
	rq->bio = bio;
	rq->start_jiffies = abuse_busted("no-accounting") ? jiffies :
			    bio_start_io_acct(bio);
	rq->lent_before = false;
	rq->nr_owners_gone = 0;
	rq->error = 0;
	rq->scan = scan;
	dev->nr_scans += scan;
	abuse_queue_move(dev, rq, ABUSE_QUEUED);
	if (abuse_busted("lifo"))
		list_add(&rq->list, &dev->queue);
	else
		list_add_tail(&rq->list, &dev->queue);
	if (!abuse_busted("low-water-stuck"))
		dev->counters.ab_nr_free_min =
			min(dev->counters.ab_nr_free_min, dev->nr[ABUSE_FREE]);
	if (!abuse_busted("no-trace"))
		trace_abuse_queue(dev, rq);
	abuse_queue_wake(dev);
	abuse_policy_watch(dev);
}

/* May one more request be taken into a slot? */
static bool abuse_queue_has_room(struct abuse_device *dev)
{
	u32 nr_used = dev->nr_slots - dev->nr[ABUSE_FREE];

	if (abuse_busted("bound-ignored"))
		return nr_used < dev->nr_slots;
	return nr_used < dev->bound;
}

/**
 * abuse_queue_add - FREE to QUEUED: give a bio a slot, if there is one
 * @dev: the device
 * @bio: the bio
 *
 * Context: dev->lock held.
 * Return: true and the request is QUEUED; false and the bio is untouched:
 * the bound is reached, or others wait already.
 */
bool abuse_queue_add(struct abuse_device *dev, struct bio *bio)
{
	if (!bio_list_empty(&dev->waiting) || !abuse_queue_has_room(dev))
		return false;
	abuse_queue_fill(dev, bio, abuse_partition_is_scan(dev, bio));
	return true;
}

/**
 * abuse_queue_lend - QUEUED to LENT: the first request, to a server
 * @dev: the device
 * @server: who is to own it
 *
 * Context: dev->lock held.
 * Return: the request, LENT to @server under a new id, or NULL if nothing is
 * QUEUED.
 */
struct abuse_request *abuse_queue_lend(struct abuse_device *dev,
				       struct abuse_server *server)
{
	struct abuse_request *rq;

	rq = list_first_entry_or_null(&dev->queue, struct abuse_request, list);
	if (!rq)
		return NULL;
	list_move_tail(&rq->list, &server->lent);
	rq->owner = server;
	abuse_queue_move(dev, rq, ABUSE_LENT);
	rq->copied_bytes = 0;
	if (!++rq->generation)		/* 0 is no generation: an id is not 0 */
		rq->generation = 1;
	dev->counters.ab_lent++;
	trace_abuse_lend(dev, rq);
	return rq;
}

/**
 * abuse_queue_suspect - has the first request seen many owners die?
 * @dev: the device
 *
 * It may be what they died of.  It is lent alone then, so that what would
 * else be lent with it does not share its fate.
 *
 * Context: dev->lock held.
 */
bool abuse_queue_suspect(struct abuse_device *dev)
{
	struct abuse_request *rq;

	rq = list_first_entry_or_null(&dev->queue, struct abuse_request, list);
	return rq && dev->max_owners && rq->nr_owners_gone &&
	       rq->nr_owners_gone >= dev->max_owners / 2;
}

/**
 * abuse_queue_find - look an id up for its owner
 * @dev: the device
 * @server: who asks
 * @id: the id that the server gave
 * @err: set to -EINVAL (no such slot), -ESTALE (not, or no longer, lent to
 *	@server under this id, or answered already) or -EBUSY (a copy is under
 *	way), if there is none
 *
 * Context: dev->lock held.
 * Return: the request, LENT to @server, or NULL.
 */
struct abuse_request *abuse_queue_find(struct abuse_device *dev,
				       struct abuse_server *server, u64 id,
				       int *err)
{
	struct abuse_request *rq;
	u32 slot = lower_32_bits(id);

	*err = -EINVAL;
	if (slot >= dev->nr_slots || !upper_32_bits(id))
		return NULL;
	rq = &dev->slots[slot];
	*err = -ESTALE;
	if (rq->state != ABUSE_LENT || rq->answered_by || rq->orphaned)
		return NULL;
	if (!abuse_busted("accept-stale") &&
	    (rq->owner != server || rq->generation != upper_32_bits(id)))
		return NULL;
	*err = -EBUSY;
	if (rq->copying)
		return NULL;
	*err = 0;
	return rq;
}

/* LENT to nobody: what every way out of LENT has in common. */
static void abuse_queue_unlend(struct abuse_device *dev,
			       struct abuse_request *rq)
{
	if (rq->answered_by) {
		rq->owner->nr_answered--;
		put_pid(rq->answered_by);
		rq->answered_by = NULL;
	}
	rq->owner = NULL;
	rq->orphaned = false;
	rq->lent_before = true;
}

/* What the counters say of a request that is DONE. */
static void abuse_queue_count(struct abuse_device *dev, struct bio *bio,
			      blk_status_t status)
{
	struct abuse_counters *c = &dev->counters;
	u32 len_bytes = bio->bi_iter.bi_size;

	c->ab_ended++;
	if (abuse_busted("end-requeued") && c->ab_requeued)
		c->ab_ended++;
	if (status) {
		c->ab_ended_error++;
		dev->nr_errors++;
		return;
	}
	switch (abuse_serve_command(bio)) {
	case ABUSE_READ:
		c->ab_read_bytes += len_bytes;
		break;
	case ABUSE_WRITE:
		c->ab_write_bytes += len_bytes;
		if (bio->bi_opf & REQ_SWAP)
			c->ab_swap_write_bytes += len_bytes;
		break;
	case ABUSE_SYNC_NOTIFICATION:
		c->ab_flushes++;
		break;
	default:
		c->ab_discard_bytes += len_bytes;
		break;
	}
}

/**
 * abuse_queue_finish - LENT, QUEUED, FORWARDED or ASIDE to DONE
 * @dev: the device
 * @rq: the request, without a copy under way (I11)
 * @status: what its submitter is to be told
 * @done: a list of the caller's, who now has the request alone; must go to
 *	abuse_bio_end_all() once the lock is dropped
 *
 * Context: dev->lock held.
 */
void abuse_queue_finish(struct abuse_device *dev, struct abuse_request *rq,
			blk_status_t status, struct list_head *done)
{
	if (rq->state == ABUSE_LENT)
		abuse_queue_unlend(dev, rq);
	if (abuse_busted("times-lost"))
		rq->start_jiffies = jiffies;
	list_move_tail(&rq->list, done);
	abuse_queue_move(dev, rq, ABUSE_DONE);
	rq->status = status;
	abuse_queue_count(dev, rq->bio, status);
}

/**
 * abuse_queue_forward - LENT to FORWARDED
 * @dev: the device
 * @rq: the request; the caller has a clone for it
 *
 * Context: dev->lock held.  Afterwards the request is its clone's: only the
 * clone's end takes it out of that state (I11).
 */
void abuse_queue_forward(struct abuse_device *dev, struct abuse_request *rq)
{
	abuse_queue_unlend(dev, rq);
	list_move_tail(&rq->list, &dev->forwarded);
	abuse_queue_move(dev, rq, ABUSE_FORWARDED);
}

/**
 * abuse_queue_free - DONE to FREE; the slot goes to the bio that waited longest
 * @dev: the device
 * @rq: the request, its bio ended
 *
 * Context: dev->lock held.  Called by abuse_bio_end_all() only.
 */
void abuse_queue_free(struct abuse_device *dev, struct abuse_request *rq)
{
	rq->bio = NULL;
	dev->nr_scans -= rq->scan;
	rq->scan = false;
	abuse_queue_move(dev, rq, ABUSE_FREE);
	rq->next_free = dev->free;
	dev->free = rq;
	abuse_queue_fill_waiting(dev);
}

/**
 * abuse_queue_fill_waiting - bios that wait get the slots there are
 * @dev: the device
 *
 * Context: dev->lock held.  Called when a slot was freed, or the bound raised.
 */
void abuse_queue_fill_waiting(struct abuse_device *dev)
{
	while (!bio_list_empty(&dev->waiting) && abuse_queue_has_room(dev)) {
		abuse_queue_fill(dev, bio_list_pop(&dev->waiting), false);
		dev->ticket_out++;
		wake_up_all(&dev->slot_wait);
	}
}

/**
 * abuse_queue_requeue - LENT, FORWARDED or ASIDE to QUEUED; or to ASIDE
 * @dev: the device
 * @rq: the request
 * @ahead: ahead of the others (its server went), else behind them (its server
 *	got it wrong: the others shall not wait for it)
 *
 * A request that has outlived too many owners is set ASIDE instead: perhaps it
 * is what they died of.
 *
 * Context: dev->lock held.  With a copy under way the request is marked, and
 * is QUEUED by abuse_queue_copy_end() (I11).
 */
void abuse_queue_requeue(struct abuse_device *dev, struct abuse_request *rq,
			 bool ahead)
{
	if (rq->copying && !abuse_busted("requeue-copying")) {
		rq->orphaned = true;
		return;
	}
	if (rq->state == ABUSE_LENT) {
		abuse_queue_unlend(dev, rq);
		dev->counters.ab_requeued++;
	}
	if (dev->max_owners && rq->nr_owners_gone >= dev->max_owners &&
	    !abuse_busted("never-aside")) {
		list_move_tail(&rq->list, &dev->aside);
		abuse_queue_move(dev, rq, ABUSE_ASIDE);
		dev->counters.ab_set_aside++;
		trace_abuse_aside(dev, rq);
		abuse_policy_watch(dev);
		return;
	}
	abuse_queue_move(dev, rq, ABUSE_QUEUED);
	trace_abuse_requeue(dev, rq);
	if (ahead && !abuse_busted("requeue-behind"))
		list_move(&rq->list, &dev->queue);
	else
		list_move_tail(&rq->list, &dev->queue);
	abuse_queue_wake(dev);
}

/**
 * abuse_queue_lend_end - a server has been told of its requests, or not
 * @dev: the device
 * @rqs: the requests, lent in this order in one go, and with the copy of their
 *	description under way
 * @nr: how many
 * @err: what came of that copy
 *
 * Context: takes dev->lock.
 * Return: 0, the requests are LENT; @err, or -EBADF (the server went
 * meanwhile), and all are QUEUED again, ahead of the others.
 */
int abuse_queue_lend_end(struct abuse_device *dev, struct abuse_request **rqs,
			 u32 nr, int err)
{
	u32 i;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < nr; i++)
		if (rqs[i]->orphaned)
			err = -EBADF;
	/* From the last to the first, each ahead: the old order stands. */
	for (i = nr; i--;)
		if (!abuse_queue_copy_end(dev, rqs[i]) && err)
			abuse_queue_requeue(dev, rqs[i], true);
	spin_unlock_irq(&dev->lock);
	return err;
}

/**
 * abuse_queue_requeue_all - LENT to QUEUED: all that a server has (I4)
 * @dev: the device
 * @server: the server that goes, or gives up
 * @gone: it goes
 *
 * Context: dev->lock held.
 */
void abuse_queue_requeue_all(struct abuse_device *dev,
			     struct abuse_server *server, bool gone)
{
	struct abuse_request *rq, *prev;

	if (abuse_busted("lose-on-release"))
		return;
	/* From the last to the first, each ahead: the old order stands. */
	list_for_each_entry_safe_reverse(rq, prev, &server->lent, list) {
		if (gone)
			rq->nr_owners_gone++;
		abuse_queue_requeue(dev, rq, true);
	}
}

/**
 * abuse_queue_fail_lent - LENT to DONE: all that a server has
 * @dev: the device
 * @server: the server
 * @done: where they are put; the caller ends them, with an I/O error
 *
 * Context: dev->lock held.  What has a copy under way (by another thread)
 * stays LENT (I11).
 */
void abuse_queue_fail_lent(struct abuse_device *dev,
			   struct abuse_server *server,
			   struct list_head *done)
{
	struct abuse_request *rq, *next;

	list_for_each_entry_safe(rq, next, &server->lent, list) {
		if (rq->copying)
			continue;
		abuse_queue_finish(dev, rq, BLK_STS_IOERR, done);
	}
}

/**
 * abuse_queue_copy_begin - a copy starts: the request stays as it is (I11)
 * @dev: the device
 * @rq: a LENT request from abuse_queue_find()
 *
 * Context: dev->lock held.  Afterwards the caller may use @rq->bio without
 * the lock until abuse_queue_copy_end().
 */
void abuse_queue_copy_begin(struct abuse_device *dev,
			    struct abuse_request *rq)
{
	lockdep_assert_held(&dev->lock);
	rq->copying = true;
}

/**
 * abuse_queue_copy_end - a copy has ended
 * @dev: the device
 * @rq: the request
 *
 * Context: dev->lock held.
 * Return: 0, the request is LENT as before; -ESTALE, its owner went
 * meanwhile and it is QUEUED.
 */
int abuse_queue_copy_end(struct abuse_device *dev, struct abuse_request *rq)
{
	rq->copying = false;
	if (!rq->orphaned)
		return 0;
	abuse_queue_requeue(dev, rq, true);
	return -ESTALE;
}
