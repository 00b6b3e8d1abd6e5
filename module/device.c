// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - making and unmaking /dev/abuseN and /dev/abctlN
 *
 * Beside the path: what is made here, the path runs on.  The reserve is not
 * made here but when a server configures the device (status.c).
 */
#include <linux/device.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "abuse.h"
#include "compat.h"

/*
 * The module never splits a bio (I2), so this is only a hint to those who
 * size their I/O by it: a huge page, the largest that swap sends.
 */
#define ABUSE_MAX_HW_SECTORS	(SZ_2M >> SECTOR_SHIFT)

static int abuse_disk_open(ABUSE_DISK_OPEN_ARGS)
{
	struct abuse_device *dev = ABUSE_DISK_OPEN_DISK->private_data;

	spin_lock(&dev->lock);
	dev->counters.ab_nr_opens++;
	spin_unlock(&dev->lock);
	return 0;
}

static void abuse_disk_release(ABUSE_DISK_RELEASE_ARGS)
{
	struct abuse_device *dev = disk->private_data;

	spin_lock(&dev->lock);
	dev->counters.ab_nr_opens--;
	spin_unlock(&dev->lock);
}

/* The owner: while the device is open the module stays (I10). */
static const struct block_device_operations abuse_disk_fops = {
	.owner = THIS_MODULE,
	.open = abuse_disk_open,
	.release = abuse_disk_release,
	.submit_bio = abuse_bio_submit,
};

#ifdef ABUSE_BUSTED
/* Without an owner: the module can be unloaded under its users. */
static const struct block_device_operations abuse_disk_fops_unowned = {
	.open = abuse_disk_open,
	.release = abuse_disk_release,
	.submit_bio = abuse_bio_submit,
};
#endif

/**
 * abuse_device_limits - set what a configuration decides
 * @dev: the device, without capacity
 * @blocksize_bytes: logical block size
 * @write_cache: flushes and FUA are sent to the server
 *
 * Context: Process context, dev->config_mutex held.
 * Return: 0 or an errno of the block layer.
 */
int abuse_device_limits(struct abuse_device *dev, u32 blocksize_bytes,
			bool write_cache)
{
	return abuse_disk_limits(dev->disk, blocksize_bytes, write_cache);
}

static int abuse_device_add_disk(struct abuse_device *dev)
{
	struct gendisk *disk;
	int err;

	disk = abuse_disk_alloc(ABUSE_MAX_HW_SECTORS);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->major = ABUSE_MAJOR;
	disk->first_minor = dev->number;
	disk->minors = 1;
	/* No partitions yet: a scan would wait for the server that asked. */
	disk->flags |= GENHD_FL_NO_PART;
	disk->fops = &abuse_disk_fops;
#ifdef ABUSE_BUSTED
	if (abuse_busted("unowned"))
		disk->fops = &abuse_disk_fops_unowned;
#endif
	disk->private_data = dev;
	snprintf(disk->disk_name, DISK_NAME_LEN, "abuse%d", dev->number);
	dev->disk = disk;
	err = add_disk(disk);
	if (err)
		put_disk(disk);
	return err;
}

static int abuse_device_add_ctl(struct abuse_device *dev)
{
	dev_t devt = MKDEV(ABUSECTL_MAJOR, dev->number);
	struct device *device;
	int err;

	cdev_init(&dev->cdev, &abctl_fops);
	dev->cdev.owner = THIS_MODULE;
	err = cdev_add(&dev->cdev, devt, 1);
	if (err)
		return err;
	device = device_create(abuse_class, NULL, devt, dev, "abctl%d",
			       dev->number);
	if (IS_ERR(device)) {
		cdev_del(&dev->cdev);
		return PTR_ERR(device);
	}
	return 0;
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
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->free);
	INIT_LIST_HEAD(&dev->queue);
	INIT_LIST_HEAD(&dev->files);
	bio_list_init(&dev->waiting);
	init_waitqueue_head(&dev->server_wait);
	init_waitqueue_head(&dev->slot_wait);

	err = abuse_device_add_disk(dev);
	if (err)
		goto free_dev;
	err = abuse_device_add_ctl(dev);
	if (err)
		goto del_disk;
	abuse_debugfs_add(dev);
	return dev;

del_disk:
	del_gendisk(dev->disk);
	put_disk(dev->disk);
free_dev:
	kfree(dev);
	return ERR_PTR(err);
}

/**
 * abuse_device_destroy - unmake a device
 * @dev: a device that nobody has open, as the module's owners see to (I10)
 *
 * Context: Process context, while the module goes.
 */
void abuse_device_destroy(struct abuse_device *dev)
{
	abuse_debugfs_remove(dev);
	device_destroy(abuse_class, MKDEV(ABUSECTL_MAJOR, dev->number));
	cdev_del(&dev->cdev);
	del_gendisk(dev->disk);
	abuse_status_unconfigure(dev);
	put_disk(dev->disk);
	kfree(dev);
}
