// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - making and unmaking /dev/abuseN and /dev/abctlN
 *
 * Beside the path: what is made here, the path runs on.  The reserve is not
 * made here but when a server configures the device (status.c).
 */
#include <linux/device.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "abuse.h"
#include "compat.h"

/* A huge page, the largest that swap sends: no swap bio is ever cut. */
#define ABUSE_MAX_HW_SECTORS	(SZ_2M >> SECTOR_SHIFT)
/* Discards and write-zeroes carry no data: only their length is bounded. */
#define ABUSE_MAX_RANGE_SECTORS	(SZ_1G >> SECTOR_SHIFT)

static int abuse_disk_open(ABUSE_DISK_OPEN_ARGS)
{
	struct abuse_device *dev = ABUSE_DISK_OPEN_DISK->private_data;
	int err = 0;

	spin_lock_irq(&dev->lock);
	if (dev->removing)
		err = -ENXIO;
	else
		dev->counters.ab_nr_opens++;
	spin_unlock_irq(&dev->lock);
	if (!err)
		abuse_partition_opened(dev);
	return err;
}

static void abuse_disk_release(ABUSE_DISK_RELEASE_ARGS)
{
	struct abuse_device *dev = disk->private_data;

	spin_lock_irq(&dev->lock);
	dev->counters.ab_nr_opens--;
	spin_unlock_irq(&dev->lock);
}

/* BLKROSET: of the whole disk, the same as the flag of ABUSE_SET_STATUS. */
static int abuse_disk_set_read_only(struct block_device *bdev, bool ro)
{
	struct abuse_device *dev = bdev->bd_disk->private_data;

	if (bdev_is_partition(bdev))
		return 0;
	spin_lock_irq(&dev->lock);
	if (ro)
		dev->flags |= ABUSE_FLAGS_READ_ONLY;
	else
		dev->flags &= ~ABUSE_FLAGS_READ_ONLY;
	spin_unlock_irq(&dev->lock);
	set_disk_ro(bdev->bd_disk, ro);
	return 0;
}

/* The last reference to the disk is gone: with it goes what it pointed to. */
static void abuse_disk_free(struct gendisk *disk)
{
	kfree(disk->private_data);
}

/* The owner: while the device is open the module stays (I10). */
static const struct block_device_operations abuse_disk_fops = {
	.owner = THIS_MODULE,
	.open = abuse_disk_open,
	.release = abuse_disk_release,
	.submit_bio = abuse_bio_submit,
	.set_read_only = abuse_disk_set_read_only,
	.free_disk = abuse_disk_free,
};

#ifdef ABUSE_BUSTED
/* Without an owner: the module can be unloaded under its users. */
static const struct block_device_operations abuse_disk_fops_unowned = {
	.open = abuse_disk_open,
	.release = abuse_disk_release,
	.submit_bio = abuse_bio_submit,
	.free_disk = abuse_disk_free,
};
#endif

/**
 * abuse_device_limits - set what a configuration decides
 * @dev: the device, without capacity
 * @blocksize_bytes: logical block size
 * @flags: ABUSE_FLAGS_*: what the server can do
 *
 * Context: Process context, dev->config_mutex held.
 * Return: 0 or an errno of the block layer.
 */
int abuse_device_limits(struct abuse_device *dev, u32 blocksize_bytes,
			u32 flags)
{
	if (abuse_busted("any-blocksize"))
		blocksize_bytes = SECTOR_SIZE;
	return abuse_disk_limits(dev->disk, blocksize_bytes, flags,
				 ABUSE_MAX_RANGE_SECTORS);
}

static int abuse_device_add_disk(struct abuse_device *dev)
{
	struct gendisk *disk;
	int err;

	disk = abuse_disk_alloc(abuse_busted("small-limits") ? 2560 :
				ABUSE_MAX_HW_SECTORS,
				abuse_busted("rotational"),
				abuse_synchronous);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->major = abuse_major;
	disk->first_minor = dev->number << abuse_minor_shift;
	disk->minors = 1 << abuse_minor_shift;
	/* As in 2009: no partitions unless max_part asks for them. */
	if (!abuse_minor_shift && !abuse_busted("parts-anyway"))
		disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &abuse_disk_fops;
#ifdef ABUSE_BUSTED
	if (abuse_busted("unowned"))
		disk->fops = &abuse_disk_fops_unowned;
#endif
	disk->private_data = dev;
	snprintf(disk->disk_name, DISK_NAME_LEN, "abuse%d", dev->number);
	dev->disk = disk;
	err = device_add_disk(NULL, disk, abuse_sysfs_groups);
	if (err)
		put_disk(disk);
	return err;
}

static int abuse_device_add_ctl(struct abuse_device *dev)
{
	dev_t devt = MKDEV(abuse_ctl_major, dev->number);

	dev->ctl = device_create(abuse_class, NULL, devt, NULL, "abctl%d",
				 dev->number);
	return PTR_ERR_OR_ZERO(dev->ctl);
}

/**
 * abuse_device_create - make a device, without a configuration
 * @number: N
 *
 * Context: Process context; allocates with GFP_KERNEL.
 * Return: the device, or an ERR_PTR.
 */
struct abuse_device *abuse_device_create(int number)
{
	struct abuse_device *dev;
	int err;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	dev->number = number;
	mutex_init(&dev->config_mutex);
	spin_lock_init(&dev->capacity_lock);
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->queue);
	INIT_LIST_HEAD(&dev->forwarded);
	INIT_LIST_HEAD(&dev->aside);
	INIT_LIST_HEAD(&dev->files);
	bio_list_init(&dev->waiting);
	init_waitqueue_head(&dev->server_wait);
	init_waitqueue_head(&dev->slot_wait);
	abuse_policy_init(dev);
	abuse_partition_init(dev);

	err = abuse_device_add_disk(dev);
	if (err)
		goto free_dev;
	err = abuse_device_add_ctl(dev);
	if (err)
		goto del_disk;
	abuse_debugfs_add(dev);
	return dev;

del_disk:
	dev->removing = true;
	cancel_work_sync(&dev->announce_work);
	del_gendisk(dev->disk);
	del_timer_sync(&dev->timer);
	put_disk(dev->disk);
	return ERR_PTR(err);
free_dev:
	kfree(dev);
	return ERR_PTR(err);
}

/**
 * abuse_device_claim_removal - is a device idle, and is it to stay so?
 * @dev: the device
 *
 * Context: Process context, abuse_devices_mutex held, so that no control node
 * is being opened.
 * Return: true: nobody has the disk or a control node open, nothing is in
 * care, and no open of the disk will succeed any more; false: in use (I10).
 */
bool abuse_device_claim_removal(struct abuse_device *dev)
{
	bool idle;

	/* One step with the opens: they look at ->removing and count. */
	spin_lock_irq(&dev->lock);
	idle = (!dev->counters.ab_nr_opens && list_empty(&dev->files) &&
		dev->nr[ABUSE_FREE] == dev->nr_slots &&
		bio_list_empty(&dev->waiting)) ||
	       abuse_busted("remove-in-use");
	if (idle)
		dev->removing = true;
	spin_unlock_irq(&dev->lock);
	return idle;
}

/**
 * abuse_device_destroy - unmake a device
 * @dev: a device that nobody has open (I10)
 *
 * Context: Process context, abuse_devices_mutex held.
 */
void abuse_device_destroy(struct abuse_device *dev)
{
	abuse_debugfs_remove(dev);
	device_destroy(abuse_class, MKDEV(abuse_ctl_major, dev->number));
	/* From here on the worker is not asked for again. */
	spin_lock_irq(&dev->lock);
	dev->removing = true;
	spin_unlock_irq(&dev->lock);
	cancel_work_sync(&dev->announce_work);
	del_gendisk(dev->disk);
	del_timer_sync(&dev->timer);
	abuse_status_unconfigure(dev);
	put_disk(dev->disk);
}
