// SPDX-License-Identifier: GPL-2.0-only
/*
 * backing.c - ABUSE_SET_BACKING: the devices that requests are forwarded to
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * They are claimed before the disk has its capacity, so that its limits are
 * known when somebody first uses it, and are the device's from then on, not
 * the server's: forward.c may have clones under way when the server is gone.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "abuse.h"
#include "compat.h"

/*
 * Hardware, and nothing stacked: whatever is a program, or may lie on
 * something that is, could lead back to this device and deadlock.  Virtual
 * disks (loop, nbd, zram, device mapper, this driver) have no parent device.
 */
static bool abuse_backing_is_physical(struct block_device *bdev)
{
	struct gendisk *disk = bdev->bd_disk;

	if (abuse_busted("any-backing"))
		return true;
	if (!disk_to_dev(disk)->parent)
		return false;
#ifdef CONFIG_BLOCK_HOLDER_DEPRECATED
	if (!list_empty(&disk->slave_bdevs))
		return false;
#endif
	return true;
}

/* Claim it and take over those of its limits that those above must know. */
static int abuse_backing_add(struct abuse_device *dev,
			     struct block_device *bdev)
{
	struct abuse_backing_dev *backing = NULL;
	bool write_cache = bdev_write_cache(bdev), live;
	void *handle;
	int i, err;

	for (i = 0; i < ABUSE_BACKINGS && !backing; i++)
		if (!dev->backings[i].bdev)
			backing = &dev->backings[i];
	if (!backing)
		return -ENOSPC;
	if (!abuse_backing_is_physical(bdev) || bdev_is_zoned(bdev) ||
	    bdev_logical_block_size(bdev) > dev->blocksize_bytes)
		return -EINVAL;
	handle = abuse_bdev_open(bdev->bd_dev,
				 abuse_busted("unclaimed") ? NULL : dev);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	err = abuse_bdev_of(handle) == bdev ? 0 : -ENODEV;
	if (!err && !abuse_busted("limits-not-stacked"))
		err = abuse_disk_stack(dev->disk, bdev);
	if (err) {
		abuse_bdev_close(handle, dev);
		return err;
	}

	spin_lock_irq(&dev->lock);
	/* Another thread has asked for work meanwhile: too late. */
	live = dev->live && !abuse_busted("backing-late");
	if (!live) {
		backing->handle = handle;
		backing->bdev = bdev;
		dev->counters.ab_nr_backings++;
		if (write_cache && !abuse_busted("limits-not-stacked"))
			dev->flags |= ABUSE_FLAGS_WRITE_CACHE;
	}
	spin_unlock_irq(&dev->lock);
	if (live) {
		abuse_bdev_close(handle, dev);
		return -EBUSY;
	}
	return backing - dev->backings;
}

static int abuse_backing_find(struct abuse_device *dev,
			      struct block_device *bdev)
{
	int i;

	for (i = 0; i < ABUSE_BACKINGS; i++)
		if (dev->backings[i].bdev == bdev)
			return i;
	return -ENOENT;
}

/* Returns the index, or an errno. */
static int abuse_backing_present(struct abuse_file *file,
				 struct abuse_server *server,
				 struct block_device *bdev)
{
	struct abuse_device *dev = file->dev;
	int i;

	mutex_lock(&dev->config_mutex);
	if (!dev->configured) {
		i = -ENODEV;
		goto out;
	}
	i = abuse_backing_find(dev, bdev);
	if (i < 0)
		i = READ_ONCE(dev->live) && !abuse_busted("backing-late") ?
		    -EBUSY : abuse_backing_add(dev, bdev);
	if (i < 0)
		goto out;
	spin_lock_irq(&dev->lock);
	if (abuse_server_alive(server))
		server->backings |= BIT(i);
	spin_unlock_irq(&dev->lock);
out:
	mutex_unlock(&dev->config_mutex);
	return i;
}

/**
 * abuse_backing_set - ABUSE_SET_BACKING
 * @file: the open file
 * @arg: struct abuse_backing; ab_fd is read, the others are written
 *
 * Context: Process context.  Takes dev->config_mutex; opening the backing may
 * allocate with GFP_KERNEL, but only before the device is live.
 * Return: 0, or an errno that struct abuse_backing lists.
 */
int abuse_backing_set(struct abuse_file *file, void __user *arg)
{
	const fmode_t mode = FMODE_READ | FMODE_WRITE;
	struct abuse_server *server;
	struct abuse_backing backing;
	struct block_device *bdev;
	struct file *filp;
	int i = -EBADF;

	if (copy_from_user(&backing, arg, sizeof(backing)))
		return -EFAULT;
	server = abuse_server_get(file);
	if (!server)
		return -EUSERS;
	filp = fget(backing.ab_fd);
	if (!filp)
		return -EBADF;
	if (!S_ISBLK(file_inode(filp)->i_mode)) {
		i = -ENOTBLK;
	} else if ((filp->f_mode & mode) == mode ||
		   abuse_busted("backing-read-only")) {
		bdev = I_BDEV(filp->f_mapping->host);
		i = abuse_backing_present(file, server, bdev);
		backing.ab_size = bdev_nr_bytes(bdev);
	}
	fput(filp);
	if (i < 0)
		return i;
	backing.ab_index = i;
	return copy_to_user(arg, &backing, sizeof(backing)) ? -EFAULT : 0;
}

/**
 * abuse_backing_put_all - give the backings back
 * @dev: an idle device: no clone is under way
 *
 * Context: Process context, dev->config_mutex held or the device going.
 */
void abuse_backing_put_all(struct abuse_device *dev)
{
	void *handle;
	int i;

	for (i = 0; i < ABUSE_BACKINGS; i++) {
		if (!dev->backings[i].bdev)
			continue;
		spin_lock_irq(&dev->lock);
		handle = dev->backings[i].handle;
		dev->backings[i].bdev = NULL;
		dev->backings[i].handle = NULL;
		dev->counters.ab_nr_backings--;
		spin_unlock_irq(&dev->lock);
		/* Nobody sees it any more. */
		abuse_bdev_close(handle,
				 abuse_busted("unclaimed") ? NULL : dev);
	}
}
