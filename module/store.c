// SPDX-License-Identifier: GPL-2.0-only
/*
 * store.c - ABUSE_SET_STORE: which store a device is bound to (I14)
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * A server with an empty or a wrong store must not answer for the right one:
 * what it reads to a process from swap would be garbage.
 */
#include <linux/string.h>
#include <linux/uaccess.h>

#include "abuse.h"

/* dev->config_mutex and dev->lock held. */
static int abuse_store_present(struct abuse_device *dev,
			       const struct abuse_store *store)
{
	if (!dev->configured)
		return -ENODEV;
	if (dev->store_bound)
		return memcmp(dev->store_id, store->ab_id,
			      sizeof(dev->store_id)) ? -EMEDIUMTYPE : 0;
	if (!(store->ab_flags & ABUSE_STORE_BIND))
		return -ENOMEDIUM;
	if (dev->live)
		return -EBUSY;
	memcpy(dev->store_id, store->ab_id, sizeof(dev->store_id));
	dev->store_bound = true;
	return 0;
}

/**
 * abuse_store_set - ABUSE_SET_STORE
 * @file: the open file
 * @arg: struct abuse_store, read
 *
 * Context: Process context.  Takes dev->config_mutex and dev->lock.  Allocates
 * nothing.
 * Return: 0 and the calling process may be lent requests through this file, or
 * an errno that struct abuse_store lists.
 */
int abuse_store_set(struct abuse_file *file, void __user *arg)
{
	struct abuse_device *dev = file->dev;
	struct abuse_server *server;
	struct abuse_store store;
	int err;

	if (copy_from_user(&store, arg, sizeof(store)))
		return -EFAULT;
	if (store.ab_flags & ~ABUSE_STORE_BIND || store.ab_reserved ||
	    !memchr_inv(store.ab_id, 0, sizeof(store.ab_id)))
		return -EINVAL;
	server = abuse_server_get(file);
	if (!server)
		return -EUSERS;

	mutex_lock(&dev->config_mutex);
	spin_lock_irq(&dev->lock);
	err = abuse_store_present(dev, &store);
	if (!err && abuse_server_alive(server))
		server->store_presented = true;
	spin_unlock_irq(&dev->lock);
	mutex_unlock(&dev->config_mutex);
	return err;
}
