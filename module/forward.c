// SPDX-License-Identifier: GPL-2.0-only
/*
 * forward.c - a request's pages go to a backing device, past the server
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * The server says where to; the pages never enter user space.  The clone is
 * from the device's own bio_set, which has one for each slot, and a slot has
 * at most one: so there always is one, and the bios of the kernel's shared
 * fs_bio_set, which swap itself is waiting for, are never needed (I2).
 */
#include "abuse.h"
#include "trace.h"

/*
 * In interrupt context, as a rule.  The clone is put first: when the request
 * leaves FORWARDED the reserve may be taken apart.
 */
static void abuse_forward_end_io(struct bio *clone)
{
	struct abuse_request *rq = clone->bi_private;
	struct abuse_device *dev = rq->bio->bi_bdev->bd_disk->private_data;
	blk_status_t status = abuse_busted("forward-error-lost") ?
			      BLK_STS_OK : clone->bi_status;
	unsigned long irq;
	LIST_HEAD(done);
	bool again;

	bio_put(clone);
	if (abuse_busted("alloc-in-end") && abuse_busted_alloc(GFP_ATOMIC))
		status = BLK_STS_RESOURCE;

	spin_lock_irqsave(&dev->lock, irq);
	dev->counters.ab_nr_clones_free++;
	if (status)
		dev->counters.ab_forward_failed++;
	again = status && !dev->forward_fails;
	if (abuse_busted("forward-policy"))
		again = status && !again;
	if (again) {
		rq->error = -blk_status_to_errno(status);
		abuse_queue_requeue(dev, rq, true);
	} else {
		abuse_queue_finish(dev, rq, status, &done);
	}
	spin_unlock_irqrestore(&dev->lock, irq);
	abuse_bio_end_all(dev, &done);
}

/* Can the backing do this, there? */
static int abuse_forward_check(struct bio *bio, struct block_device *bdev,
			       u64 sector)
{
	u64 nr_sectors = bdev_nr_sectors(bdev), len = bio_sectors(bio);
	u32 mask = (bdev_logical_block_size(bdev) >> SECTOR_SHIFT) - 1;

	if (!len || abuse_busted("forward-unchecked"))	/* a flush */
		return 0;
	if (len > nr_sectors || sector > nr_sectors - len ||
	    (sector | len) & mask)
		return -EINVAL;
	if (bio_op(bio) == REQ_OP_DISCARD && !bdev_max_discard_sectors(bdev))
		return -EOPNOTSUPP;
	if (bio_op(bio) == REQ_OP_WRITE_ZEROES &&
	    !bdev_write_zeroes_sectors(bdev))
		return -EOPNOTSUPP;
	return 0;
}

/*
 * GFP_NOWAIT: either the slab has one to spare or the set has; neither waits,
 * and neither reclaims.
 */
static struct bio *abuse_forward_clone(struct abuse_device *dev,
				       struct bio *bio,
				       struct block_device *bdev)
{
	struct bio *clone;

	if (abuse_busted("shared-bio-set"))
		return bio_alloc_clone(bdev, bio, GFP_NOIO, &fs_bio_set);
	clone = bio_alloc_clone(bdev, bio, GFP_NOWAIT | __GFP_NOWARN,
				&dev->reserve->clones);
	WARN_ON_ONCE(!clone);
	return clone;
}

/**
 * abuse_forward - ABUSE_VERB_FORWARD
 * @dev: the device
 * @server: the caller
 * @verb: the verb
 *
 * Context: Process context, no lock held, in the device's reserve scope.
 * Sleeps only where the backing's driver does.  Allocates from the device's
 * reserve only (I2).
 * Return: 0 and the request is FORWARDED, or DONE already; -EINVAL, -EPERM,
 * -EOPNOTSUPP, -EBUSY: unchanged; -ESTALE: not the caller's (any more).
 */
int abuse_forward(struct abuse_device *dev, struct abuse_server *server,
		  const struct abuse_verb *verb)
{
	struct block_device *bdev = NULL;
	struct abuse_request *rq;
	struct bio *clone;
	int err;

	spin_lock_irq(&dev->lock);
	rq = abuse_queue_find(dev, server, verb->ab_id, &err);
	if (rq && (verb->ab_backing >= ABUSE_BACKINGS ||
		   !dev->backings[verb->ab_backing].bdev))
		err = -EINVAL;
	if (!err && !(server->backings & BIT(verb->ab_backing)) &&
	    !abuse_busted("forward-unpresented"))
		err = -EPERM;
	if (!err) {
		bdev = dev->backings[verb->ab_backing].bdev;
		err = abuse_forward_check(rq->bio, bdev, verb->ab_sector);
	}
	if (err) {
		spin_unlock_irq(&dev->lock);
		return err;
	}
	/* As good as a copy: the bio is being looked at (I11). */
	abuse_queue_copy_begin(dev, rq);
	spin_unlock_irq(&dev->lock);

	clone = abuse_forward_clone(dev, rq->bio, bdev);

	spin_lock_irq(&dev->lock);
	if (!clone || rq->orphaned) {
		spin_unlock_irq(&dev->lock);
		/* Before another can be lent it, and want its clone. */
		if (clone)
			bio_put(clone);
		spin_lock_irq(&dev->lock);
		err = abuse_queue_copy_end(dev, rq);
		spin_unlock_irq(&dev->lock);
		return err ?: -EBUSY;
	}
	abuse_queue_copy_end(dev, rq);
	abuse_queue_forward(dev, rq);
	dev->counters.ab_forwarded++;
	dev->counters.ab_nr_clones_free--;
	if (!abuse_busted("low-water-stuck"))
		dev->counters.ab_nr_clones_free_min =
			min(dev->counters.ab_nr_clones_free_min,
			    dev->counters.ab_nr_clones_free);
	if (!abuse_busted("no-trace"))
		trace_abuse_forward(dev, rq, bdev->bd_dev, verb->ab_sector);
	spin_unlock_irq(&dev->lock);

	clone->bi_private = rq;
	clone->bi_end_io = abuse_forward_end_io;
	if (bio_sectors(clone) && !abuse_busted("forward-same-sector"))
		clone->bi_iter.bi_sector = verb->ab_sector;
	/* The submitter does not wait for the backing; we may. */
	clone->bi_opf &= ~(REQ_NOWAIT | REQ_POLLED);
	if (abuse_busted("forward-plain"))
		clone->bi_opf &= ~(REQ_PREFLUSH | REQ_FUA | REQ_NOUNMAP);
	if (abuse_busted("short-forward") && bio_has_data(clone))
		clone->bi_iter.bi_size = min(clone->bi_iter.bi_size, 4096U);
	submit_bio_noacct(clone);
	return 0;
}
