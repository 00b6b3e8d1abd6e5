// SPDX-License-Identifier: GPL-2.0-only
/*
 * busted.c - the faults of the busted twin, for the tests alone
 *
 * Beside the path, and in no module that users get: BUSTED=y builds it.  The
 * small faults stand where they break something, as abuse_busted("name"); the
 * larger ones are here.
 */
#include <linux/blk-mq.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "abuse.h"

static char *busted = "";
module_param(busted, charp, 0444);
MODULE_PARM_DESC(busted, "Property to break, for the tests");

static DEFINE_MUTEX(abuse_busted_mutex);

/**
 * abuse_busted - is this property to be broken?
 * @name: its name
 *
 * Context: Any.
 */
bool abuse_busted(const char *name)
{
	return !strcmp(busted, name);
}

/**
 * abuse_busted_alloc - I2 broken: memory from the slab on the way of a bio
 * @gfp: how it is asked for
 *
 * Context: as @gfp has it.
 * Return: true if there was none.
 */
bool abuse_busted_alloc(gfp_t gfp)
{
	void *memory = kmalloc(64, gfp);

	kfree(memory);
	return !memory;
}

static bool abuse_busted_locks(bool legacy)
{
	return legacy ? abuse_busted("lock-across-legacy-copy") :
			abuse_busted("lock-across-copy");
}

/**
 * abuse_busted_lock - lock-across-copy: I6 broken, one lock for all servers
 * @legacy: in a call of 2009, whose twin is lock-across-legacy-copy
 *
 * Context: Process context.
 */
void abuse_busted_lock(bool legacy)
{
	if (abuse_busted_locks(legacy))
		mutex_lock(&abuse_busted_mutex);
}

/**
 * abuse_busted_unlock - the end of abuse_busted_lock()
 * @legacy: as there
 *
 * Context: Process context.
 */
void abuse_busted_unlock(bool legacy)
{
	if (abuse_busted_locks(legacy))
		mutex_unlock(&abuse_busted_mutex);
}

/**
 * abuse_busted_config - scan-under-config: a wait for a server, config_mutex held
 *
 * With abuse_busted_serve() the cycle that lockdep is to see.
 *
 * Context: Process context, config_mutex held.
 */
void abuse_busted_config(void)
{
	if (abuse_busted("scan-under-config"))
		abuse_lockdep_submit();
}

/**
 * abuse_busted_serve - scan-under-config: an answer that needs config_mutex
 * @dev: the device
 *
 * Context: Process context, in a serve call.
 */
void abuse_busted_serve(struct abuse_device *dev)
{
	if (abuse_busted("scan-under-config")) {
		mutex_lock(&dev->config_mutex);
		mutex_unlock(&dev->config_mutex);
	}
}

/**
 * abuse_busted_reconnect - I15 broken: recovery waits for the block node
 * @dev: the device
 *
 * Context: Process context.
 */
void abuse_busted_reconnect(struct abuse_device *dev)
{
	if (abuse_busted("reconnect-opens-disk")) {
		mutex_lock(&dev->disk->open_mutex);
		mutex_unlock(&dev->disk->open_mutex);
	}
	if (abuse_busted("reconnect-freezes")) {
		blk_mq_freeze_queue(dev->disk->queue);
		blk_mq_unfreeze_queue(dev->disk->queue);
	}
}

/**
 * abuse_busted_requeue_forwarded - requeue-forwarded: I11 broken
 * @dev: the device
 *
 * Context: dev->lock held.
 */
void abuse_busted_requeue_forwarded(struct abuse_device *dev)
{
	struct abuse_request *rq, *next;

	if (!abuse_busted("requeue-forwarded"))
		return;
	list_for_each_entry_safe(rq, next, &dev->forwarded, list)
		abuse_queue_requeue(dev, rq, true);
}

/* A tenth of what a request costs, or more; a gate is to see a third of that. */
#define ABUSE_BUSTED_SLOW_TURNS	500

/**
 * abuse_busted_slow - slow: work that nobody needs, for every bio
 *
 * Context: Any.
 */
void abuse_busted_slow(void)
{
	int i;

	if (!abuse_busted("slow"))
		return;
	for (i = 0; i < ABUSE_BUSTED_SLOW_TURNS; i++)
		barrier();
}

/**
 * abuse_busted_drop_scans - drop-scans: a scan of which a RESET does not know
 *
 * Context: Process context; sleeps, so that a server can go live meanwhile.
 * Return: true if partitions are to be read where they are to be dropped.
 */
bool abuse_busted_drop_scans(void)
{
	if (!abuse_busted("drop-scans"))
		return false;
	msleep(100);
	return true;
}
