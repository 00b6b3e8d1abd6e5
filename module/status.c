// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - what a device is: GET_STATUS, SET_STATUS, RESET, its counters
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * The only file that makes or frees the reserve, and that changes a device's
 * capacity.  Nothing here is called on the way of a bio.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "abuse.h"
#include "compat.h"

/*
 * The tail padding of struct abuse_info differs between a 32-bit and a 64-bit
 * server: leaving it out serves both.
 */
#define ABUSE_INFO_BYTES (abuse_busted("info-48") ? sizeof(struct abuse_info) : \
			  offsetofend(struct abuse_info, ab_max_vecs))

/* What a server can do: fixed while the device is configured. */
#define ABUSE_FLAGS_FIXED (ABUSE_FLAGS_WRITE_CACHE | ABUSE_FLAGS_DISCARD | \
			   ABUSE_FLAGS_WRITE_ZEROES)

/* The flags that stay with a device. */
#define ABUSE_FLAGS_KEPT (ABUSE_FLAGS_READ_ONLY | ABUSE_FLAGS_FIXED)

/**
 * abuse_status_get - ABUSE_GET_STATUS
 * @file: the open file; POLLPRI counts from here
 * @arg: struct abuse_info, written
 *
 * Context: Process context.  Takes dev->lock.
 * Return: 0, -EINVAL (@arg is NULL, as in 2009), -EFAULT.
 */
int abuse_status_get(struct abuse_file *file, void __user *arg)
{
	struct abuse_device *dev = file->dev;
	struct abuse_info info = {
		.ab_device = new_encode_dev(disk_devt(dev->disk)),
		.ab_number = dev->number,
		.ab_max_vecs = BIO_MAX_VECS,
	};

	if (abuse_busted("leak-address"))
		info.ab_device = (unsigned long)dev;
	if (!arg)
		return -EINVAL;
	spin_lock_irq(&dev->lock);
	info.ab_size = dev->size_bytes;
	info.ab_flags = dev->flags;
	info.ab_blocksize = dev->blocksize_bytes;
	info.ab_max_queue = dev->bound;
	info.ab_queue_size = dev->counters.ab_accepted -
			     dev->counters.ab_ended;
	info.ab_errors = dev->nr_errors;
	file->events_seen = dev->events;
	spin_unlock_irq(&dev->lock);
	return copy_to_user(arg, &info, ABUSE_INFO_BYTES) ? -EFAULT : 0;
}

/* Is what a server asks for within its ranges? */
static int abuse_status_check(struct abuse_info *info)
{
	if (abuse_busted("any-status"))
		return 0;
	if (abuse_busted("drop-flags"))
		info->ab_flags &= ABUSE_FLAGS_RECONNECT;
	if (info->ab_flags & ~(ABUSE_FLAGS_KEPT | ABUSE_FLAGS_RECONNECT))
		return -EINVAL;
	if (!is_power_of_2(info->ab_blocksize) ||
	    info->ab_blocksize < SECTOR_SIZE || info->ab_blocksize > PAGE_SIZE)
		return -EINVAL;
	if (!info->ab_size || info->ab_size & (info->ab_blocksize - 1))
		return -EINVAL;
	if (info->ab_size > LLONG_MAX)
		return -EFBIG;
	if (!info->ab_max_queue)
		info->ab_max_queue = ABUSE_QUEUE_DEFAULT;
	if (info->ab_max_queue > ABUSE_QUEUE_LIMIT)
		return -EINVAL;
	return 0;
}

/*
 * A server comes back to a configured device.  Nothing here allocates but the
 * event that tells of a change between read-only and not: memory may be short
 * because of what waits for this server.
 */
static int abuse_status_reconnect(struct abuse_device *dev,
				  const struct abuse_info *info)
{
	u32 fixed = ABUSE_FLAGS_FIXED;
	bool grown;

	abuse_busted_reconnect(dev);
	/* A backing's write cache is the device's, asked for or not. */
	if (dev->counters.ab_nr_backings)
		fixed &= ~ABUSE_FLAGS_WRITE_CACHE;
	if (abuse_busted("no-grow"))
		dev->size_bytes = info->ab_size;
	if (info->ab_size < dev->size_bytes ||
	    info->ab_blocksize != dev->blocksize_bytes ||
	    (info->ab_flags ^ dev->flags) & fixed ||
	    info->ab_max_queue > dev->nr_slots)
		return -EINVAL;

	spin_lock(&dev->capacity_lock);
	spin_lock_irq(&dev->lock);
	grown = info->ab_size > dev->size_bytes;
	dev->size_bytes = info->ab_size;
	dev->flags = (info->ab_flags & ABUSE_FLAGS_READ_ONLY) |
		     (dev->flags & ABUSE_FLAGS_FIXED);
	dev->bound = info->ab_max_queue;
	abuse_queue_fill_waiting(dev);
	if (grown) {
		dev->announce_size = dev->live;
		abuse_poll_event(dev);
	}
	spin_unlock_irq(&dev->lock);
	if (grown && dev->live)
		set_capacity(dev->disk, info->ab_size >> SECTOR_SHIFT);
	spin_unlock(&dev->capacity_lock);
	if (grown)
		queue_work(abuse_workqueue, &dev->announce_work);
	abuse_disk_set_ro(dev->disk, dev->flags & ABUSE_FLAGS_READ_ONLY);
	return 0;
}

static void abuse_status_free_reserve(struct abuse_reserve *reserve)
{
	if (!reserve)
		return;
	bioset_exit(&reserve->clones);
	kvfree(reserve);
}

/*
 * GFP_KERNEL: this is before the device can carry anybody's memory, and
 * failing is harmless.  Clones share the vectors of what they clone, and find
 * their request through ->bi_private: bare bios will do.
 */
static struct abuse_reserve *abuse_status_make_reserve(u32 nr_slots)
{
	struct abuse_reserve *reserve;

	reserve = kvzalloc(struct_size(reserve, slots, nr_slots),
			   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!reserve)
		return NULL;
	reserve->nr_slots = nr_slots;
	if (bioset_init(&reserve->clones,
			abuse_busted("clones-of-two") ? 2 : nr_slots, 0, 0)) {
		kvfree(reserve);
		return NULL;
	}
	return reserve;
}

/* Every slot FREE, every counter 0. */
static void abuse_status_fill(struct abuse_device *dev,
			      const struct abuse_info *info,
			      struct abuse_reserve *reserve)
{
	u32 nr_servers, nr_opens, i;

	spin_lock_irq(&dev->lock);
	dev->reserve = reserve;
	dev->slots = reserve->slots;
	dev->nr_slots = reserve->nr_slots;
	for (i = dev->nr_slots; i--; dev->free = &dev->slots[i]) {
		dev->slots[i].generation = dev->generation;
		dev->slots[i].next_free = dev->free;
	}
	dev->size_bytes = info->ab_size;
	dev->blocksize_bytes = info->ab_blocksize;
	dev->flags = info->ab_flags & ABUSE_FLAGS_KEPT;
	dev->bound = info->ab_max_queue;
	dev->nr_errors = 0;
	nr_servers = dev->counters.ab_nr_servers;
	nr_opens = dev->counters.ab_nr_opens;
	memset(&dev->counters, 0, sizeof(dev->counters));
	dev->counters.ab_nr_servers = nr_servers;
	dev->counters.ab_nr_opens = nr_opens;
	dev->counters.ab_nr_slots = dev->nr_slots;
	dev->nr[ABUSE_FREE] = dev->nr_slots;
	dev->counters.ab_nr_free_min = dev->nr_slots;
	dev->counters.ab_nr_clones = dev->nr_slots;
	dev->counters.ab_nr_clones_free = dev->nr_slots;
	dev->counters.ab_nr_clones_free_min = dev->nr_slots;
	dev->configured = true;
	abuse_poll_event(dev);
	spin_unlock_irq(&dev->lock);
}

static int abuse_status_configure(struct abuse_device *dev,
				  const struct abuse_info *info,
				  struct abuse_reserve *reserve)
{
	int err;

	err = abuse_device_limits(dev, info->ab_blocksize, info->ab_flags);
	if (err)
		return err;
	abuse_status_fill(dev, info, reserve);
	if (abuse_busted("capacity-early"))
		set_capacity(dev->disk, info->ab_size >> SECTOR_SHIFT);
	abuse_disk_set_ro(dev->disk, dev->flags & ABUSE_FLAGS_READ_ONLY);
	return 0;
}

/**
 * abuse_status_apply - configure a device, or come back to one
 * @dev: the device
 * @info: what a server asks for; a bound of 0 becomes the default
 *
 * The capacity stays 0 until a server asks for work: nobody's open, udev's
 * included, can wait for a server that is not there yet.
 *
 * Context: Process context.  Takes dev->config_mutex; allocates the reserve
 * with GFP_KERNEL, before that.
 * Return: 0, or an errno that struct abuse_info lists; nothing is changed
 * then.
 */
int abuse_status_apply(struct abuse_device *dev, struct abuse_info *info)
{
	struct abuse_reserve *reserve = NULL;
	int err;

	err = abuse_status_check(info);
	if (err)
		return err;

	do {
		if (!READ_ONCE(dev->configured) && !reserve) {
			reserve = abuse_status_make_reserve(info->ab_max_queue);
			if (!reserve)
				return -ENOMEM;
		}
		mutex_lock(&dev->config_mutex);
		abuse_busted_config();
		if (dev->configured) {
			err = info->ab_flags & ABUSE_FLAGS_RECONNECT ?
			      abuse_status_reconnect(dev, info) : -EBUSY;
		} else if (!reserve) {
			err = -EAGAIN;	/* reset just now: once more */
		} else {
			err = abuse_status_configure(dev, info, reserve);
			if (!err)
				reserve = NULL;
		}
		mutex_unlock(&dev->config_mutex);
	} while (err == -EAGAIN);
	abuse_status_free_reserve(reserve);
	return err;
}

/**
 * abuse_status_set - ABUSE_SET_STATUS
 * @dev: the device
 * @arg: struct abuse_info, read
 *
 * Context: as abuse_status_apply().
 * Return: as abuse_status_apply(), and -EFAULT.
 */
int abuse_status_set(struct abuse_device *dev, void __user *arg)
{
	struct abuse_info info = {};

	if (copy_from_user(&info, arg, ABUSE_INFO_BYTES))
		return -EFAULT;
	return abuse_status_apply(dev, &info);
}

/**
 * abuse_status_go_live - the first server asks for work: show the capacity
 * @dev: the device
 * @server: who asks
 * @epoch: of the configuration that its call began in
 *
 * Context: Process context, no lock held.  Takes dev->capacity_lock the first
 * time after a configuration, costs one read afterwards.  Allocates nothing:
 * partition.c tells the world, from a worker.
 */
void abuse_status_go_live(struct abuse_device *dev,
			  struct abuse_server *server, u32 epoch)
{
	bool first;

	if (!READ_ONCE(dev->configured) ||
	    likely(READ_ONCE(dev->live) && READ_ONCE(server->works)))
		return;
	spin_lock(&dev->capacity_lock);
	spin_lock_irq(&dev->lock);
	first = dev->configured && !dev->live && dev->epoch == epoch &&
		abuse_server_alive(server) &&
		abuse_server_has_store(dev, server);
	if (dev->configured && dev->epoch == epoch)
		abuse_server_works(dev, server);
	if (first) {
		WRITE_ONCE(dev->live, true);
		dev->announce_live = true;
		dev->no_server_jiffies = jiffies;
	}
	spin_unlock_irq(&dev->lock);
	if (first)
		set_capacity(dev->disk, dev->size_bytes >> SECTOR_SHIFT);
	spin_unlock(&dev->capacity_lock);
	if (first)
		queue_work(abuse_workqueue, &dev->announce_work);
}

/* Nobody has it open and nothing is in care: then it can be taken apart. */
static bool abuse_status_idle(struct abuse_device *dev)
{
	return !dev->counters.ab_nr_opens &&
	       dev->nr[ABUSE_FREE] == dev->nr_slots &&
	       bio_list_empty(&dev->waiting);
}

/**
 * abuse_status_unconfigure - free the reserve of an idle device
 * @dev: the device
 *
 * Context: Process context, dev->config_mutex held or the module going; the
 * device is idle.
 */
void abuse_status_unconfigure(struct abuse_device *dev)
{
	struct abuse_reserve *reserve;
	u32 i;

	abuse_backing_put_all(dev);
	spin_lock(&dev->capacity_lock);
	spin_lock_irq(&dev->lock);
	reserve = dev->reserve;
	/* An old id must not fit a new lend (I5). */
	for (i = 0; i < dev->nr_slots; i++)
		dev->generation = max(dev->generation,
				      dev->slots[i].generation);
	dev->epoch++;
	dev->reserve = NULL;
	dev->slots = NULL;
	dev->nr_slots = 0;
	dev->free = NULL;
	dev->configured = false;
	dev->size_bytes = 0;
	dev->blocksize_bytes = 0;
	dev->flags = 0;
	dev->bound = 0;
	dev->nr_errors = 0;
	dev->counters.ab_nr_slots = 0;
	dev->nr[ABUSE_FREE] = 0;
	dev->counters.ab_nr_free_min = 0;
	dev->counters.ab_nr_clones = 0;
	dev->counters.ab_nr_clones_free = 0;
	dev->counters.ab_nr_clones_free_min = 0;
	memset(dev->store_id, 0, sizeof(dev->store_id));
	dev->store_bound = dev->store_bound && abuse_busted("store-kept");
	WRITE_ONCE(dev->live, false);
	dev->announce_live = false;
	dev->announce_size = false;
	dev->announce_reset = true;
	abuse_server_forget_all(dev);
	abuse_poll_event(dev);
	spin_unlock_irq(&dev->lock);
	set_capacity(dev->disk, 0);
	spin_unlock(&dev->capacity_lock);
	/* Whoever waits for a request of this device waits in vain. */
	wake_up_all(&dev->server_wait);
	/* Partitions that the old configuration had are to go. */
	if (!dev->removing)
		queue_work(abuse_workqueue, &dev->announce_work);
	abuse_status_free_reserve(reserve);
}

/**
 * abuse_status_reset - ABUSE_RESET
 * @file: the open file through which it was asked for
 *
 * What is LENT to the caller is QUEUED again (or fails, if the attribute reset
 * says so), the error count is 0.  An idle
 * device loses its configuration.  (2009 failed every queued bio and took the
 * capacity away under whoever used it.  What is lent to other processes stays
 * theirs: they may be about to write it to the store, I13; end them first.)
 *
 * Context: Process context.  Takes dev->config_mutex and dev->lock.
 * Return: 0 (not configured any more), -EINVAL (it was not), -EBUSY (in use:
 * still configured, I10), -EUSERS.
 */
int abuse_status_reset(struct abuse_file *file)
{
	struct abuse_device *dev = file->dev;
	struct abuse_server *server = abuse_server_get(file);
	LIST_HEAD(failed);
	bool idle;
	int err = 0;

	if (!server)
		return -EUSERS;
	mutex_lock(&dev->config_mutex);
	if (!dev->configured) {
		err = -EINVAL;
		goto out;
	}
	spin_lock_irq(&dev->lock);
	if (dev->reset_fails && !abuse_busted("reset-requeues"))
		abuse_queue_fail_lent(dev, server, &failed);
	abuse_queue_requeue_all(dev, server, false);
	if (!list_empty(&failed)) {
		/* Their ends take the lock, and free their slots. */
		spin_unlock_irq(&dev->lock);
		abuse_bio_end_all(dev, &failed);
		spin_lock_irq(&dev->lock);
	}
	dev->nr_errors = 0;
	idle = abuse_status_idle(dev) || abuse_busted("reset-in-use");
	/*
	 * An open may come between this and the end of unconfiguring: it finds
	 * a device without capacity, or bio.c refuses its bios.
	 */
	if (idle)
		dev->configured = false;
	spin_unlock_irq(&dev->lock);
	if (idle) {
		abuse_status_unconfigure(dev);
		abuse_disk_set_ro(dev->disk, false);
	} else {
		err = -EBUSY;
	}
out:
	mutex_unlock(&dev->config_mutex);
	return err;
}

/**
 * abuse_counters_read - a consistent copy of the counters
 * @dev: the device
 * @out: where to
 *
 * Context: Any process context.  Takes dev->lock.
 */
void abuse_counters_read(struct abuse_device *dev, struct abuse_counters *out)
{
	spin_lock_irq(&dev->lock);
	*out = dev->counters;
	out->ab_nr_free = dev->nr[ABUSE_FREE];
	out->ab_nr_queued = dev->nr[ABUSE_QUEUED];
	out->ab_nr_lent = dev->nr[ABUSE_LENT];
	out->ab_nr_forwarded = dev->nr[ABUSE_FORWARDED];
	out->ab_nr_aside = dev->nr[ABUSE_ASIDE];
	out->ab_nr_waiting = dev->ticket_in - dev->ticket_out;
	spin_unlock_irq(&dev->lock);
}

/**
 * abuse_counters_get - ABUSE_GET_COUNTERS
 * @dev: the device
 * @arg: struct abuse_counters, written
 *
 * Context: Process context.  Allocates nothing: a monitor calls it when no
 * memory is left.
 * Return: 0, -EFAULT.
 */
int abuse_counters_get(struct abuse_device *dev, void __user *arg)
{
	struct abuse_counters c;

	abuse_counters_read(dev, &c);
	return copy_to_user(arg, &c, sizeof(c)) ? -EFAULT : 0;
}
