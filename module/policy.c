// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - what happens while nobody serves (I9), and who is waited for
 *
 * Path: bio > [queue] > ioctl > server > backend > completion.
 * A timer per device, in softirq context so that it needs neither memory nor a
 * worker: it runs while requests are in care, and ends those that the device's
 * policy does not let wait.  The default policy lets all of them wait.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>

#include "abuse.h"
#include "compat.h"

/* How long a server may take to die before it is named in the log. */
#define ABUSE_DYING_SECONDS	10

/**
 * abuse_policy_kick - have the policy looked at, soon
 * @dev: the device
 * @delay_jiffies: at the latest after this
 *
 * Context: Any; dev->lock may be held.
 */
void abuse_policy_kick(struct abuse_device *dev, unsigned long delay_jiffies)
{
	timer_reduce(&dev->timer, jiffies + delay_jiffies);
}

/**
 * abuse_policy_refuses - has the device been without a server for too long?
 * @dev: the device
 * @status: set to what a bio shall end with, if so
 *
 * Context: dev->lock held.
 */
bool abuse_policy_refuses(struct abuse_device *dev, blk_status_t *status)
{
	u32 ms = dev->no_server_ms;

	if (!dev->live || dev->nr_workers ||
	    ms == ABUSE_NO_SERVER_WAIT || abuse_busted("wait-forever"))
		return false;
	if (ms != ABUSE_NO_SERVER_FAIL &&
	    time_before(jiffies, dev->no_server_jiffies + msecs_to_jiffies(ms)))
		return false;
	*status = ms == ABUSE_NO_SERVER_FAIL ? BLK_STS_IOERR : BLK_STS_TIMEOUT;
	return true;
}

/* Are the requests ASIDE to fail?  Servers or not: nobody may have them. */
static bool abuse_policy_fails_aside(struct abuse_device *dev,
				     struct abuse_request *rq)
{
	if (dev->no_server_ms == ABUSE_NO_SERVER_WAIT ||
	    abuse_busted("aside-waits"))
		return false;
	return time_after_eq(jiffies, rq->since_jiffies +
			     msecs_to_jiffies(dev->no_server_ms));
}

/* What is to fail now, made DONE. */
static void abuse_policy_expire(struct abuse_device *dev,
				struct list_head *done)
{
	blk_status_t status = dev->no_server_ms == ABUSE_NO_SERVER_FAIL ?
			      BLK_STS_IOERR : BLK_STS_TIMEOUT;
	struct abuse_request *rq, *next;

	if (abuse_policy_refuses(dev, &status))
		list_for_each_entry_safe(rq, next, &dev->queue, list) {
			abuse_queue_finish(dev, rq, status, done);
			dev->counters.ab_timed_out++;
		}
	list_for_each_entry_safe(rq, next, &dev->aside, list) {
		if (!abuse_policy_fails_aside(dev, rq))
			continue;
		abuse_queue_finish(dev, rq, status, done);
		dev->counters.ab_timed_out++;
	}
}

/**
 * abuse_policy_is_dying - is this process being killed?
 * @tgid: the process
 *
 * Context: Any.
 */
bool abuse_policy_is_dying(struct pid *tgid)
{
	struct task_struct *task;
	bool dying;

	rcu_read_lock();
	task = pid_task(tgid, PIDTYPE_TGID);
	dying = task && READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT;
	if (abuse_busted("pass-when-stopped"))
		dying = task && READ_ONCE(task->signal->flags) &
				SIGNAL_STOP_STOPPED;
	rcu_read_unlock();
	return dying && !abuse_busted("dying-unreported");
}

/* The busted twins that let a request pass while its owner may still write. */
static bool abuse_policy_passes_early(void)
{
	return abuse_busted("pass-at-signal") ||
	       abuse_busted("pass-when-stopped");
}

/* Returns the pid of a server to be named in the log, or 0. */
static pid_t abuse_policy_dying(struct abuse_device *dev,
				struct abuse_server *server)
{
	if (!server->files || list_empty(&server->lent) ||
	    !abuse_policy_is_dying(server->tgid)) {
		server->dying = false;
		return 0;
	}
	if (abuse_policy_passes_early()) {
		abuse_queue_requeue_all(dev, server, true);
		return 0;
	}
	if (!server->dying) {
		server->dying = true;
		server->dying_jiffies = jiffies;
	}
	if (server->reported ||
	    time_before(jiffies, server->dying_jiffies +
			ABUSE_DYING_SECONDS * HZ))
		return 0;
	server->reported = true;
	return pid_nr(server->tgid);
}

/* I13: a server that is killed but does not go is waited for, and named. */
static pid_t abuse_policy_report(struct abuse_device *dev)
{
	struct abuse_file *file;
	pid_t pid;
	int i;

	list_for_each_entry(file, &dev->files, list)
		for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++) {
			pid = abuse_policy_dying(dev, &file->servers[i]);
			if (pid)
				return pid;
		}
	return 0;
}

/*
 * When to look again: a second is soon enough for most.  What fails at once
 * does so where it happens, with a kick.
 */
static unsigned long abuse_policy_next(struct abuse_device *dev)
{
	if (abuse_policy_passes_early() || dev->nr_scans)
		return HZ / 20;
	if (dev->no_server_ms == ABUSE_NO_SERVER_WAIT ||
	    dev->no_server_ms == ABUSE_NO_SERVER_FAIL)
		return HZ;
	return min_t(unsigned long, HZ,
		     msecs_to_jiffies(dev->no_server_ms) / 4 + 1);
}

/**
 * abuse_policy_watch - a request is QUEUED or ASIDE: the timer is to run
 * @dev: the device
 *
 * Context: dev->lock held.
 */
void abuse_policy_watch(struct abuse_device *dev)
{
	bool at_once = dev->no_server_ms == ABUSE_NO_SERVER_FAIL &&
		       (!dev->nr_workers || !list_empty(&dev->aside));
	unsigned long delay = at_once ? 0 : abuse_policy_next(dev);

	/*
	 * For most it is to run soon enough anyway.  One that is pending has
	 * not looked yet: the tick does so under dev->lock, which we hold.
	 */
	if (!timer_pending(&dev->timer) ||
	    time_after(READ_ONCE(dev->timer.expires), jiffies + delay))
		abuse_policy_kick(dev, delay);
}

static void abuse_policy_tick(struct timer_list *timer)
{
	struct abuse_device *dev = container_of(timer, struct abuse_device,
						timer);
	LIST_HEAD(expired);
	unsigned long irq, next;
	pid_t pid;

	spin_lock_irqsave(&dev->lock, irq);
	abuse_policy_expire(dev, &expired);
	abuse_partition_expire(dev, &expired);
	pid = abuse_policy_report(dev);
	abuse_poll_wake(dev);
	next = abuse_policy_next(dev);
	/* Bios that wait for a slot get one now, and are next to fail. */
	if (!list_empty(&expired) && !abuse_busted("waiting-later"))
		next = 1;
	if (dev->counters.ab_accepted != dev->counters.ab_ended)
		abuse_policy_kick(dev, next);
	spin_unlock_irqrestore(&dev->lock, irq);

	abuse_bio_end_all(dev, &expired);
	if (pid)
		pr_warn("abuse%d: server %d is being killed but does not go; what it was lent waits for it\n",
			dev->number, pid);
}

/**
 * abuse_policy_aside - what becomes of the requests ASIDE, on an operator's word
 * @dev: the device
 * @fail: they end with an error; else they are QUEUED again
 *
 * Context: Process context.  Takes dev->lock.
 * Return: how many there were.
 */
int abuse_policy_aside(struct abuse_device *dev, bool fail)
{
	struct abuse_request *rq, *next;
	LIST_HEAD(failed);
	int nr = 0;

	spin_lock_irq(&dev->lock);
	list_for_each_entry_safe_reverse(rq, next, &dev->aside, list) {
		nr++;
		if (fail) {
			abuse_queue_finish(dev, rq, BLK_STS_IOERR, &failed);
		} else {
			if (!abuse_busted("aside-uncounted"))
				rq->nr_owners_gone = 0;
			abuse_queue_requeue(dev, rq, true);
		}
	}
	spin_unlock_irq(&dev->lock);
	abuse_bio_end_all(dev, &failed);
	return nr;
}

/**
 * abuse_policy_init - the policies of a new device
 * @dev: the device
 */
void abuse_policy_init(struct abuse_device *dev)
{
	dev->no_server_ms = ABUSE_NO_SERVER_WAIT;
	dev->max_owners = 16;
	dev->scan_timeout_ms = 5000;
	dev->spin_us = ABUSE_SPIN_DEFAULT_US;
	timer_setup(&dev->timer, abuse_policy_tick, 0);
}
