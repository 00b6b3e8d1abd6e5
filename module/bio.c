// SPDX-License-Identifier: GPL-2.0-only
/*
 * bio.c - where a bio enters the module, and where it is ended
 *
 * Path: [bio] > queue > ioctl > server > backend > [completion].
 * Receives bios from the block layer, hands them to queue.c; receives DONE
 * requests from the ioctls, hands the bio back to its submitter.  Allocates
 * nothing and splits nothing: a server takes a large request piece by piece.
 */
#include <linux/sched.h>

#include "abuse.h"

/* What the block layer may not see of this device, or should not have sent. */
static blk_status_t abuse_bio_check(struct abuse_device *dev, struct bio *bio)
{
	if (bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE)
		return BLK_STS_NOTSUPP;
	if (!dev->configured)
		return BLK_STS_IOERR;
	/* bio_check_ro() only warns: the refusal is the driver's. */
	if (bio_op(bio) == REQ_OP_WRITE &&
	    dev->flags & ABUSE_FLAGS_READ_ONLY && bio_sectors(bio))
		return BLK_STS_IOERR;
	return BLK_STS_OK;
}

/*
 * I3: sleep until the bio with this ticket has been given a slot.  Not
 * interruptible: a bio that has been accepted cannot be taken back.
 */
static void abuse_bio_wait_slot(struct abuse_device *dev, u64 ticket)
{
	DEFINE_WAIT(wait);
	bool passed;

	for (;;) {
		prepare_to_wait(&dev->slot_wait, &wait, TASK_UNINTERRUPTIBLE);
		spin_lock(&dev->lock);
		passed = dev->ticket_out > ticket;
		spin_unlock(&dev->lock);
		if (passed)
			break;
		io_schedule();
	}
	finish_wait(&dev->slot_wait, &wait);
}

/**
 * abuse_bio_submit - take a bio into the module's care
 * @bio: the bio, from the block layer (gendisk's ->submit_bio)
 *
 * Context: Process context, often inside reclaim.  Takes dev->lock.  Allocates
 * nothing (I2).  Sleeps while the queue is full, unless the caller's process
 * serves this device or the bio is REQ_NOWAIT (I3).
 */
void abuse_bio_submit(struct bio *bio)
{
	struct abuse_device *dev = bio->bi_bdev->bd_disk->private_data;
	bool stalled = false;
	blk_status_t status;
	u64 ticket = 0;

	spin_lock(&dev->lock);
	status = abuse_bio_check(dev, bio);
	if (status)
		goto refuse;
	if (!abuse_queue_add(dev, bio)) {
		if (bio->bi_opf & REQ_NOWAIT &&
		    !abuse_busted("nowait-sleeps")) {
			dev->counters.ab_again++;
			status = BLK_STS_AGAIN;
			goto refuse;
		}
		if (abuse_busted("error-when-full")) {
			status = BLK_STS_IOERR;
			goto refuse;
		}
		/* Chained through itself: waiting costs no memory. */
		bio_list_add(&dev->waiting, bio);
		ticket = dev->ticket_in++;
		if (abuse_server_is_current(dev)) {
			dev->counters.ab_bypassed++;
		} else {
			dev->counters.ab_stalled++;
			stalled = true;
		}
	}
	dev->counters.ab_accepted++;
	spin_unlock(&dev->lock);
	/* From here on the bio may have been ended: it is not ours to touch. */

	if (stalled)
		abuse_bio_wait_slot(dev, ticket);
	return;

refuse:
	spin_unlock(&dev->lock);
	bio->bi_status = status;
	bio_endio(bio);
}

/* What the counters say of a request that ends.  Under dev->lock. */
static void abuse_bio_count(struct abuse_device *dev, struct bio *bio,
			    u32 len_bytes, blk_status_t status)
{
	struct abuse_counters *c = &dev->counters;

	c->ab_ended++;
	if (status) {
		c->ab_ended_error++;
		dev->nr_errors++;
	} else if (bio_op(bio) == REQ_OP_READ) {
		c->ab_read_bytes += len_bytes;
	} else {
		c->ab_write_bytes += len_bytes;
		if (bio->bi_opf & REQ_SWAP)
			c->ab_swap_write_bytes += len_bytes;
	}
}

/**
 * abuse_bio_end - end a bio, exactly once (I1)
 * @dev: the device
 * @rq: a request that the caller has made DONE: nobody else has it
 * @status: what the submitter is told
 *
 * Context: Process context, no lock held.  Takes dev->lock.  Allocates
 * nothing; the submitter's ->bi_end_io runs here.  Afterwards the slot is
 * FREE, and @rq is not the caller's any more.
 */
void abuse_bio_end(struct abuse_device *dev, struct abuse_request *rq,
		   blk_status_t status)
{
	struct bio *bio = rq->bio;

	spin_lock(&dev->lock);
	abuse_bio_count(dev, bio, bio->bi_iter.bi_size, status);
	spin_unlock(&dev->lock);

	bio_end_io_acct(bio, rq->start_jiffies);
	bio->bi_status = status;
	bio_endio(bio);

	/*
	 * Only now is the slot FREE: as long as an end is under way the
	 * device counts as busy, so a RESET cannot take the slots away.
	 */
	spin_lock(&dev->lock);
	abuse_queue_free(dev, rq);
	spin_unlock(&dev->lock);
}
