// SPDX-License-Identifier: GPL-2.0-only
/*
 * bio.c - where a bio enters the module, and where it is ended
 *
 * Path: [bio] > queue > ioctl > server > backend > [completion].
 * Receives bios from the block layer, hands them to queue.c; receives DONE
 * requests from the ioctls, from clones and from policy.c, hands the bio back
 * to its submitter.
 */
#include <linux/bottom_half.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>

#include "abuse.h"
#include "compat.h"
#include "trace.h"

/* A reader always looks for a moment: it would not learn else that it pays. */
#define ABUSE_READ_SPIN_HALVED_MAX	6

/* Beyond the device, or not of whole blocks? */
static bool abuse_bio_is_outside(struct abuse_device *dev, struct bio *bio)
{
	u32 mask = (dev->blocksize_bytes >> SECTOR_SHIFT) - 1;

	return bio_end_sector(bio) > dev->size_bytes >> SECTOR_SHIFT ||
	       (bio->bi_iter.bi_sector | bio_sectors(bio)) & mask;
}

/* What the block layer may not see of this device, or should not have sent. */
static blk_status_t abuse_bio_check(struct abuse_device *dev, struct bio *bio)
{
	blk_status_t status = BLK_STS_OK;

	switch (bio_op(bio)) {
	case REQ_OP_READ:
	case REQ_OP_WRITE:
		break;
	case REQ_OP_DISCARD:
		if (!(dev->flags & ABUSE_FLAGS_DISCARD))
			return BLK_STS_NOTSUPP;
		break;
	case REQ_OP_WRITE_ZEROES:
		if (!(dev->flags & ABUSE_FLAGS_WRITE_ZEROES))
			return BLK_STS_NOTSUPP;
		break;
	default:
		return BLK_STS_NOTSUPP;
	}
	/*
	 * RESET ends ->configured first, and takes the slots apart after that.
	 * A partition outlives its disk's configuration for a moment, and a
	 * bio of it the block layer's look at its end.
	 */
	if (!dev->configured || !dev->live ||
	    (bio_sectors(bio) && abuse_bio_is_outside(dev, bio)))
		return BLK_STS_IOERR;
	/* bio_check_ro() only warns: the refusal is the driver's. */
	if (op_is_write(bio_op(bio)) && bio_sectors(bio) &&
	    dev->flags & ABUSE_FLAGS_READ_ONLY && !abuse_busted("write-anyway"))
		return BLK_STS_IOERR;
	if (!dev->nr_workers && abuse_policy_refuses(dev, &status))
		dev->counters.ab_timed_out++;
	/* One read of this scan has failed by time: the rest would, too. */
	if (dev->scan_failed && abuse_partition_is_scan(dev, bio))
		return BLK_STS_TIMEOUT;
	return status;
}

/*
 * Is this bio within every limit a disk of ours can have?  Data in one vector
 * and of one page at most is, and it is what swap sends: the block layer need
 * not go through the limits for it.
 */
static bool abuse_bio_is_small(struct bio *bio)
{
	u32 len_bytes = bio->bi_iter.bi_size;

	return len_bytes && len_bytes <= PAGE_SIZE &&
	       (bio_op(bio) == REQ_OP_READ || bio_op(bio) == REQ_OP_WRITE) &&
	       mp_bvec_iter_len(bio->bi_io_vec, bio->bi_iter) == len_bytes;
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
		spin_lock_irq(&dev->lock);
		passed = dev->ticket_out > ticket;
		spin_unlock_irq(&dev->lock);
		if (passed)
			break;
		io_schedule();
	}
	finish_wait(&dev->slot_wait, &wait);
}

/*
 * Is this a read that somebody waits for, with nothing else in flight here and
 * nothing more to submit, as far as can be seen?  Its submitter will sleep as
 * soon as it has left.  Under dev->lock, with the bio QUEUED.
 */
static bool abuse_bio_is_lone(struct abuse_device *dev, struct bio *bio)
{
	return READ_ONCE(dev->read_spin_us) && bio_op(bio) == REQ_OP_READ &&
	       !(bio->bi_opf & REQ_RAHEAD) && !abuse_submits_more() &&
	       (dev->nr[ABUSE_FREE] + 1 == dev->nr_slots ||
		abuse_busted("read-spin-always"));
}

/*
 * Look for the end of a lone read instead of leaving to sleep: to sleep and be
 * woken takes longer than a server's answer out of memory.  At most
 * read_spin_us, half as long each time that it was in vain; as
 * abuse_server_spin() does, with nothing held and only while nobody else wants
 * this processor, who might be the server.  The bio is not touched: that all
 * slots are FREE again, or that others have come, is seen without it.
 */
static void abuse_bio_spin(struct abuse_device *dev, u32 nr_free)
{
	u64 limit_ns = (u64)READ_ONCE(dev->read_spin_us) * NSEC_PER_USEC;
	/* Others may do the same meanwhile: it is a guess. */
	u32 halved = READ_ONCE(dev->read_spin_halved);
	u32 turns = 0;
	u64 end = 0;

	if (num_online_cpus() == 1 || abuse_busted("read-spin-never"))
		return;
	while (READ_ONCE(dev->nr[ABUSE_FREE]) == nr_free) {
		if (abuse_spin_is_wanted_back())
			return;
		cpu_relax();
		if (++turns % ABUSE_SPIN_TURNS)
			continue;
		if (!end) {
			end = local_clock() + (limit_ns >> halved);
		} else if (local_clock() >= end) {
			if (halved < ABUSE_READ_SPIN_HALVED_MAX &&
			    !abuse_busted("spin-hogs"))
				WRITE_ONCE(dev->read_spin_halved, halved + 1);
			return;
		}
	}
	if (halved)
		WRITE_ONCE(dev->read_spin_halved, 0);
}

/**
 * abuse_bio_submit - take a bio into the module's care
 * @bio: the bio, from the block layer (gendisk's ->submit_bio)
 *
 * A bio beyond the limits that the disk shows is cut by the block layer, from
 * the disk's own bio_split set.  Swap sends none: its largest bio, a huge
 * page, is within them.
 *
 * Context: Process context, often inside reclaim.  Takes dev->lock.  Allocates
 * nothing (I2) for what is within the limits.  Sleeps while the queue is full,
 * unless the caller's process serves this device or the bio is REQ_NOWAIT
 * (I3).
 */
void abuse_bio_submit(struct bio *bio)
{
	struct abuse_device *dev = bio->bi_bdev->bd_disk->private_data;
	bool stalled = false, server = false, lone = false;
	blk_status_t status;
	u32 nr_free;
	u64 ticket = 0;

	if (!abuse_bio_is_small(bio) && !abuse_busted("no-split"))
		bio = bio_split_to_limits(bio);
	if (!bio)
		return;
	abuse_busted_slow();
	if (abuse_busted("alloc-in-submit") && abuse_busted_alloc(GFP_NOIO)) {
		bio_io_error(bio);
		return;
	}

	spin_lock_irq(&dev->lock);
	status = abuse_bio_check(dev, bio);
	if (status)
		goto refuse;
	/* Whose bio it is matters when there is no slot, and to lockdep. */
	if (IS_ENABLED(CONFIG_LOCKDEP))
		server = abuse_server_is_current(dev);
	trace_abuse_accept(dev, bio);
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
		/* A scan holds a lock of the disk: its reads do not wait. */
		if (abuse_partition_is_scan(dev, bio)) {
			dev->scan_failed = true;
			status = BLK_STS_TIMEOUT;
			goto refuse;
		}
		trace_abuse_stall(dev, bio);
		/* Chained through itself: waiting costs no memory. */
		bio_list_add(&dev->waiting, bio);
		ticket = dev->ticket_in++;
		server = abuse_server_is_current(dev);
		if (server) {
			dev->counters.ab_bypassed++;
		} else {
			dev->counters.ab_stalled++;
			stalled = true;
		}
	}
	dev->counters.ab_accepted++;
	lone = !stalled && !server && abuse_bio_is_lone(dev, bio);
	nr_free = dev->nr[ABUSE_FREE];
	spin_unlock_irq(&dev->lock);
	/* From here on the bio may have been ended: it is not ours to touch. */

	if (!server)
		abuse_lockdep_submit();
	if (stalled)
		abuse_bio_wait_slot(dev, ticket);
	else if (lone)
		abuse_bio_spin(dev, nr_free);
	return;

refuse:
	spin_unlock_irq(&dev->lock);
	/* Never accepted: no slot, no id.  One that was ends in abuse_bio_end(). */
	bio->bi_status = status;
	bio_endio(bio);
}

/*
 * End a bio, exactly once (I1): of a request that its caller has made DONE, so
 * that nobody else has it.  The submitter's ->bi_end_io runs here.  Afterwards
 * the bio is not ours; the slot is not FREE yet.
 */
static void abuse_bio_end(struct abuse_device *dev, struct abuse_request *rq)
{
	struct bio *bio = rq->bio;
	bool defers;

	trace_abuse_end(dev, rq, blk_status_to_errno(rq->status));
	if (!abuse_busted("no-accounting"))
		bio_end_io_acct(bio, rq->start_jiffies);
	/* A part that was cut off from it may have failed already. */
	if (rq->status || abuse_busted("part-error-lost"))
		bio->bi_status = rq->status;
	/*
	 * I15: fput() in a task is done when that task leaves the kernel, with
	 * bottom halves off by a worker.  A server that closes the device would
	 * wait for writes that it is to answer; one that sleeps in SERVE keeps
	 * the device open until it is next lent something.
	 */
	defers = in_task() && !irqs_disabled() &&
		 !abuse_busted("end-in-task");
	if (defers)
		local_bh_disable();
	bio_endio(bio);
	if (defers)
		local_bh_enable();
}

/**
 * abuse_bio_end_all - end the bios of a list of requests
 * @dev: the device
 * @done: requests that the caller has made DONE by abuse_queue_finish(): nobody
 *	else has them
 *
 * Context: Any context (a clone ends in an interrupt), no lock held.  Takes
 * dev->lock, once for all.  Allocates nothing.  Afterwards the list is empty,
 * the slots are FREE, and the requests are not the caller's any more.
 */
void abuse_bio_end_all(struct abuse_device *dev, struct list_head *done)
{
	struct abuse_request *rq, *next;
	unsigned long irq;
	u32 nr = 0;

	if (list_empty(done))
		return;
	list_for_each_entry(rq, done, list)
		abuse_bio_end(dev, rq);

	/*
	 * Only now are the slots FREE: as long as an end is under way the
	 * device counts as busy, so a RESET cannot take the slots away.
	 */
	spin_lock_irqsave(&dev->lock, irq);
	list_for_each_entry_safe(rq, next, done, list) {
		abuse_queue_free(dev, rq);
		if (++nr % ABUSE_END_CHUNK)
			continue;
		/* Thousands may end by a policy: not with interrupts off. */
		spin_unlock_irqrestore(&dev->lock, irq);
		spin_lock_irqsave(&dev->lock, irq);
	}
	spin_unlock_irqrestore(&dev->lock, irq);
	INIT_LIST_HEAD(done);
}
