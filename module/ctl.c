// SPDX-License-Identifier: GPL-2.0-only
/*
 * ctl.c - /dev/abctlN: open, ioctl, poll, and the end of a server
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Hands each ioctl to the file that does it.
 */
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "abuse.h"

static int abctl_open(struct inode *inode, struct file *filp)
{
	struct abuse_device *dev;
	struct abuse_file *file;
	int i;

	/* GFP_KERNEL: whoever opens does not serve yet. */
	file = kzalloc(sizeof(*file), GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;
	file->filp = filp;
	for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
		INIT_LIST_HEAD(&file->servers[i].lent);
	abuse_poll_init(file);
	dev = abuse_control_open(iminor(inode), file);
	if (IS_ERR(dev)) {
		kfree(file);
		return PTR_ERR(dev);
	}
	filp->private_data = file;
	return nonseekable_open(inode, filp);
}

/*
 * A descriptor is closed, by close(2) or because its process ends.  If the
 * process has no other descriptor for this file, it serves no longer.  An
 * exiting task has given up its table: then all descriptors in it go.
 *
 * That the process's own writes to its store have ended (I13) follows from
 * the order of do_exit(): the table is given up by the last thread, and none
 * can be inside a system call then.  A process that closes the file while one
 * of its threads still stores what it fetched breaks that promise itself.
 */
static int abctl_flush(struct file *filp, fl_owner_t files)
{
	if (abuse_busted("release-only"))
		return 0;
	if (abuse_busted("any-close") || current->files != files ||
	    !abuse_server_has_fd(filp->private_data))
		abuse_server_gone(filp->private_data, files);
	return 0;
}

static int abctl_release(struct inode *inode, struct file *filp)
{
	struct abuse_file *file = filp->private_data;
	struct abuse_device *dev = file->dev;

	abuse_server_gone(file, NULL);
	spin_lock_irq(&dev->lock);
	list_del(&file->list);
	spin_unlock_irq(&dev->lock);
	kfree(file);
	return 0;
}

/* The calls of the serve path, in the device's reserve scope (I8). */
static long abctl_serve(struct abuse_file *file, unsigned int cmd,
			void __user *arg)
{
	struct abuse_device *dev = file->dev;
	u32 scope = abuse_busted("scope-not-entered") ? ABUSE_SCOPE_NONE :
		    READ_ONCE(dev->scope);
	unsigned int saved;
	long ret;

	spin_lock_irq(&dev->lock);
	dev->counters.ab_serve_calls++;
	spin_unlock_irq(&dev->lock);

	saved = abuse_scope_enter(scope);
	abuse_lockdep_serve_enter();
	switch (cmd) {
	case ABUSE_GET_BIO:
		ret = abuse_legacy_get(file, arg);
		break;
	case ABUSE_PUT_BIO:
		ret = abuse_legacy_put(file, arg);
		break;
	default:
		ret = abuse_serve(file, arg);
		break;
	}
	abuse_lockdep_serve_leave();
	if (!abuse_busted("scope-kept"))
		abuse_scope_leave(scope, saved);
	return ret;
}

static long abctl_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct abuse_file *file = filp->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case ABUSE_GET_STATUS:
		return abuse_status_get(file, uarg);
	case ABUSE_SET_STATUS:
		return abuse_status_set(file->dev, uarg);
	case ABUSE_SET_POLL:
		return abuse_poll_set(file, uarg);
	case ABUSE_RESET:
		return abuse_status_reset(file);
	case ABUSE_SET_BACKING:
		return abuse_backing_set(file, uarg);
	case ABUSE_SET_STORE:
		return abuse_store_set(file, uarg);
	case ABUSE_SET_SCOPE:
		return abuse_scope_set(file->dev, uarg);
	case ABUSE_GET_SCOPE:
		return abuse_scope_get(file->dev, uarg);
	case ABUSE_GET_COUNTERS:
		return abuse_counters_get(file->dev, uarg);
	case ABUSE_GET_BIO:
	case ABUSE_PUT_BIO:
	case ABUSE_SERVE:
		return abctl_serve(file, cmd, uarg);
	}
	return -ENOTTY;
}

#ifdef CONFIG_COMPAT
/* From a 32-bit server: the layouts are the same, the addresses zero-extended. */
static long abctl_compat_ioctl(struct file *filp, unsigned int cmd,
			       unsigned long arg)
{
	if (abuse_busted("no-compat"))
		return -ENOTTY;
	return compat_ptr_ioctl(filp, cmd, arg);
}
#else
#define abctl_compat_ioctl NULL
#endif

/*
 * POLLMSG as in 2009: a request is QUEUED; or what ABUSE_SET_POLL chose.  A
 * poller is a server that asks for work, and a thread that polls has stored
 * what it PUT.
 */
static __poll_t abctl_poll(struct file *filp, poll_table *wait)
{
	struct abuse_file *file = filp->private_data;
	u32 epoch = READ_ONCE(file->dev->epoch);
	struct abuse_server *server = abuse_server_get(file);

	if (server && READ_ONCE(file->poll_events) &
		      (ABUSE_POLL_MSG | ABUSE_POLL_IN))
		abuse_status_go_live(file->dev, server, epoch);
	abuse_legacy_settle(file);
	poll_wait(filp, &file->poll_wait, wait);
	return abuse_poll_mask(file);
}

const struct file_operations abctl_fops = {
	.owner = THIS_MODULE,
	.open = abctl_open,
	.flush = abctl_flush,
	.release = abctl_release,
	.unlocked_ioctl = abctl_ioctl,
	.compat_ioctl = abctl_compat_ioctl,
	.poll = abctl_poll,
};
