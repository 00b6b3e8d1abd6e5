// SPDX-License-Identifier: GPL-2.0-only
/*
 * partition.c - tell the world of a live disk; scan it without wedging (I9)
 *
 * Beside the path.  Reading a partition table waits for a server, while the
 * kernel holds the disk's open_mutex: whoever opens, closes or removes the
 * disk would wait, too.  So the scan at go-live is done by a worker, never by
 * the server that went live, and the reads of every scan, the worker's or a
 * BLKRRPART's, fail after a time.
 */
#include "abuse.h"
#include "compat.h"

/**
 * abuse_partition_opened - the disk is being opened, perhaps by a scan
 * @dev: the device
 *
 * Context: Process context, the disk's open_mutex held.  If the block layer is
 * to scan, it does so in this task before it lets go of that mutex.
 */
void abuse_partition_opened(struct abuse_device *dev)
{
	spin_lock_irq(&dev->lock);
	dev->scan_failed = dev->removing;
	spin_unlock_irq(&dev->lock);
}

/**
 * abuse_partition_is_scan - does a scan of the partitions read this?
 * @dev: the device
 * @bio: the bio, in the context of its submitter
 *
 * Its submitter holds the mutex under which opens and scans happen, and of
 * those only a scan reads.  A scan writes back what is dirty before it reads;
 * those writes are as good as anybody's.
 *
 * Context: dev->lock held.
 */
bool abuse_partition_is_scan(struct abuse_device *dev, struct bio *bio)
{
	return (bio_op(bio) == REQ_OP_READ ||
		abuse_busted("scan-fails-writes")) &&
	       abuse_mutex_is_mine(&dev->disk->open_mutex) &&
	       !(dev->disk->flags & GENHD_FL_NO_PART) &&
	       !abuse_busted("scan-waits");
}

/**
 * abuse_partition_expire - the reads of a scan that have waited long enough
 * @dev: the device
 * @done: where they are put, made DONE
 *
 * Ending a READ that is LENT is safe where ending a WRITE is not: its server
 * cannot store anything late (I13), and its copies will be stale.
 *
 * Context: dev->lock held.
 * Return: true if there were any.
 */
bool abuse_partition_expire(struct abuse_device *dev, struct list_head *done)
{
	unsigned long limit = msecs_to_jiffies(dev->scan_timeout_ms);
	struct abuse_request *rq;
	bool any = false;
	u32 i;

	if (!dev->nr_scans)
		return false;
	for (i = 0; i < dev->nr_slots; i++) {
		rq = &dev->slots[i];
		if (!rq->scan || rq->copying)
			continue;
		/* DONE: the bio is its submitter's again. */
		if (rq->state != ABUSE_QUEUED && rq->state != ABUSE_LENT &&
		    rq->state != ABUSE_ASIDE)
			continue;
		if (!dev->scan_failed && !dev->removing &&
		    time_before(jiffies, rq->start_jiffies + limit))
			continue;
		dev->scan_failed = true;
		abuse_queue_finish(dev, rq, BLK_STS_TIMEOUT, done);
		any = true;
	}
	return any;
}

/*
 * A disk that was reset has no partitions any more.  A server may go live at
 * any moment: what it has is for abuse_partition_scan() to read, with the
 * disk open.  A scan from here would be one that a RESET does not see.
 */
static void abuse_partition_drop(struct gendisk *disk)
{
	mutex_lock(&disk->open_mutex);
	if (!abuse_busted_drop_scans())
		set_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	bdev_disk_changed(disk, false);
	clear_bit(GD_SUPPRESS_PART_SCAN, &disk->state);
	mutex_unlock(&disk->open_mutex);
}

/*
 * Under the mutex itself and not by GD_NEED_PART_SCAN, which some other opener
 * might see first and scan in its own time.
 */
static void abuse_partition_scan(struct abuse_device *dev)
{
	struct gendisk *disk = dev->disk;
	void *handle;

	/* Somebody has the disk to himself, as swap perhaps: then not. */
	if (abuse_bdev_claim(disk->part0, dev))
		return;
	/* Open, so that the page cache has the disk's block size. */
	handle = abuse_bdev_open(disk_devt(disk), NULL);
	if (!IS_ERR(handle)) {
		mutex_lock(&disk->open_mutex);
		abuse_partition_opened(dev);
		bdev_disk_changed(disk, false);
		mutex_unlock(&disk->open_mutex);
		abuse_bdev_close(handle, NULL);
	}
	bd_abort_claiming(disk->part0, dev);
}

static void abuse_partition_work(struct work_struct *work)
{
	struct abuse_device *dev = container_of(work, struct abuse_device,
						announce_work);
	char resize[] = "RESIZE=1", *resized[] = { resize, NULL };
	bool live, size, reset, scan = true;

	spin_lock_irq(&dev->lock);
	live = dev->announce_live && !dev->removing;
	size = dev->announce_size && !dev->removing;
	reset = dev->announce_reset && !dev->removing;
	dev->announce_live = false;
	dev->announce_size = false;
	dev->announce_reset = false;
	spin_unlock_irq(&dev->lock);
	if (abuse_busted("no-uevent")) {
		live = false;
		size = false;
	}

	if (dev->disk->flags & GENHD_FL_NO_PART || abuse_busted("no-scan"))
		scan = false;
	if (reset && scan)
		abuse_partition_drop(dev->disk);
	if (live && scan)
		abuse_partition_scan(dev);
	/* set_capacity_and_notify() is silent about an empty disk. */
	if (live)
		disk_uevent(dev->disk, KOBJ_CHANGE);
	if (size)
		kobject_uevent_env(&disk_to_dev(dev->disk)->kobj, KOBJ_CHANGE,
				   resized);
}

/**
 * abuse_partition_init - of a new device
 * @dev: the device
 */
void abuse_partition_init(struct abuse_device *dev)
{
	INIT_WORK(&dev->announce_work, abuse_partition_work);
}
