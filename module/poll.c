// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll.c - ABUSE_SET_POLL: what a poller is told, and when it is woken
 *
 * Path: bio > [queue] > [ioctl] > server > backend > completion.
 * queue.c says that something is QUEUED; here it is decided which of the open
 * files want to know.
 */
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "abuse.h"

/**
 * abuse_poll_init - as in 2009: POLLMSG when one request waits
 * @file: an open file that nobody uses yet
 */
void abuse_poll_init(struct abuse_file *file)
{
	file->poll_events = ABUSE_POLL_MSG;
	file->poll_threshold = 1;
	init_waitqueue_head(&file->poll_wait);
}

/*
 * Do enough requests wait?  A threshold that the device cannot reach any
 * more, for want of slots, counts as reached: else the submitters who wait
 * for a slot and the poller who waits for them would wait for each other.
 */
static bool abuse_poll_enough(struct abuse_device *dev,
			      struct abuse_file *file)
{
	u32 nr_queued = dev->nr[ABUSE_QUEUED];
	struct abuse_request *rq;
	unsigned long due;

	if (list_empty(&dev->queue))
		return false;
	if (nr_queued >= file->poll_threshold ||
	    abuse_busted("threshold-ignored") ||
	    !bio_list_empty(&dev->waiting) ||
	    dev->nr_slots - dev->nr[ABUSE_FREE] >= dev->bound)
		return !abuse_busted("threshold-only") ||
		       nr_queued >= file->poll_threshold;
	if (abuse_busted("threshold-only"))
		return false;
	/* Those that came back stand ahead: the first has waited longest. */
	rq = list_first_entry(&dev->queue, struct abuse_request, list);
	due = rq->start_jiffies + msecs_to_jiffies(file->poll_timeout_ms);
	if (time_after_eq(jiffies, due))
		return true;
	/* Somebody may sleep on this: then the timer looks again. */
	if (file->poll_events & (ABUSE_POLL_MSG | ABUSE_POLL_IN))
		abuse_policy_kick(dev, due - jiffies);
	return false;
}

static __poll_t abuse_poll_ready(struct abuse_device *dev,
				 struct abuse_file *file)
{
	__poll_t mask = 0;

	if (abuse_poll_enough(dev, file) || abuse_busted("poll-always")) {
		if (file->poll_events & ABUSE_POLL_MSG ||
		    abuse_busted("poll-any"))
			mask |= EPOLLMSG;
		if (file->poll_events & ABUSE_POLL_IN)
			mask |= EPOLLIN | EPOLLRDNORM;
	}
	if (file->poll_events & ABUSE_POLL_PRI &&
	    file->events_seen != dev->events)
		mask |= EPOLLPRI;
	return mask;
}

/**
 * abuse_poll_mask - what poll(2) returns for a file
 * @file: the open file, whose poll_wait the caller has put the poller on
 *
 * Context: Process context.  Takes dev->lock.
 */
__poll_t abuse_poll_mask(struct abuse_file *file)
{
	struct abuse_device *dev = file->dev;
	__poll_t mask;

	spin_lock_irq(&dev->lock);
	dev->polled = true;
	mask = abuse_poll_ready(dev, file);
	spin_unlock_irq(&dev->lock);
	return mask;
}

/**
 * abuse_poll_wake - wake the pollers that now have something to see
 * @dev: the device
 *
 * A poller below its threshold is woken by the timer (policy.c) when its
 * time is over.
 *
 * Context: dev->lock held, so that a poller has either been put on poll_wait
 * before, or will look after.
 */
void abuse_poll_wake(struct abuse_device *dev)
{
	struct abuse_file *file;
	bool polled = false;
	__poll_t mask;

	/* Whoever is on a poll_wait has been, or is to be, at ->polled. */
	if (!dev->polled || abuse_busted("no-wake"))
		return;
	list_for_each_entry(file, &dev->files, list) {
		/* No barrier wanted: both sides hold dev->lock, see above. */
		if (!waitqueue_active(&file->poll_wait))
			continue;
		polled = true;
		mask = abuse_poll_ready(dev, file);
		if (mask)
			wake_up_poll(&file->poll_wait, mask);
	}
	dev->polled = polled;
}

/**
 * abuse_poll_event - something other than a request, for POLLPRI
 * @dev: the device
 *
 * Context: dev->lock held.
 */
void abuse_poll_event(struct abuse_device *dev)
{
	if (abuse_busted("no-event"))
		return;
	dev->events++;
	abuse_poll_wake(dev);
}

/**
 * abuse_poll_set - ABUSE_SET_POLL
 * @file: the open file
 * @arg: struct abuse_poll, read
 *
 * Context: Process context.  Takes dev->lock.
 * Return: 0, -EFAULT, -EINVAL.
 */
int abuse_poll_set(struct abuse_file *file, void __user *arg)
{
	struct abuse_device *dev = file->dev;
	struct abuse_poll poll;

	if (copy_from_user(&poll, arg, sizeof(poll)))
		return -EFAULT;
	if (!poll.ab_events || poll.ab_reserved ||
	    poll.ab_events & ~(ABUSE_POLL_MSG | ABUSE_POLL_IN |
			       ABUSE_POLL_PRI))
		return -EINVAL;
	if (!poll.ab_threshold || poll.ab_threshold > ABUSE_QUEUE_LIMIT ||
	    poll.ab_timeout_ms > ABUSE_POLL_TIMEOUT_LIMIT_MS)
		return -EINVAL;
	/* A threshold without a time is the batching deadlock. */
	if (poll.ab_threshold > 1 && !poll.ab_timeout_ms)
		return -EINVAL;
	if (poll.ab_threshold == 1 && poll.ab_timeout_ms)
		return -EINVAL;

	spin_lock_irq(&dev->lock);
	file->poll_events = poll.ab_events;
	file->poll_threshold = poll.ab_threshold;
	file->poll_timeout_ms = poll.ab_timeout_ms;
	abuse_poll_wake(dev);
	spin_unlock_irq(&dev->lock);
	return 0;
}
