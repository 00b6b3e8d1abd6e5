// SPDX-License-Identifier: GPL-2.0-only
/*
 * server.c - who serves: a process and the open file it serves through
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Knows which processes serve a device, so that what one was lent can be
 * taken back when it goes (I4) and its own bios do not wait for it (I3).
 * Allocates nothing: the entries are part of the open file.
 */
#include <linux/fdtable.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "abuse.h"

/* Halved so often, no spin_us is a nanosecond any more. */
#define ABUSE_SPIN_HALVED_MAX	30

/**
 * abuse_server_alive - does this entry still stand for the calling process?
 * @server: an entry that abuse_server_get() returned to this process
 *
 * Context: dev->lock held.
 * Return: false if the process has closed the file meanwhile.
 */
bool abuse_server_alive(struct abuse_server *server)
{
	return server->files == (fl_owner_t)current->files;
}

static int abuse_server_match(const void *wanted, struct file *filp,
			      unsigned int fd)
{
	return filp == wanted;
}

/**
 * abuse_server_has_fd - has the calling process a descriptor for this file?
 * @file: the open file
 *
 * Context: Process context, no lock held.
 */
bool abuse_server_has_fd(struct abuse_file *file)
{
	return iterate_fd(current->files, 0, abuse_server_match, file->filp);
}

static struct abuse_server *abuse_server_lookup(struct abuse_file *file)
{
	int i;

	for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
		if (abuse_server_alive(&file->servers[i]))
			return &file->servers[i];
	return NULL;
}

/* What an orphaned copy still holds is not to be reused. */
static struct abuse_server *abuse_server_unused(struct abuse_file *file)
{
	int i;

	for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
		if (!file->servers[i].files &&
		    list_empty(&file->servers[i].lent))
			return &file->servers[i];
	return NULL;
}

/**
 * abuse_server_get - the entry of the calling process, made at its first call
 * @file: the open file
 *
 * Context: Process context.  Takes dev->lock.  Allocates nothing.
 * Return: the entry, which belongs to the file and lives as long; NULL if too
 * many processes serve through this file, or if another thread has just
 * closed it (the ioctls say EUSERS).
 */
struct abuse_server *abuse_server_get(struct abuse_file *file)
{
	struct abuse_device *dev = file->dev;
	struct abuse_server *server;

	spin_lock_irq(&dev->lock);
	server = abuse_server_lookup(file);
	spin_unlock_irq(&dev->lock);
	/* An epoll may be inherited without the file that it watches. */
	if (server || !abuse_server_has_fd(file))
		return server;

	spin_lock_irq(&dev->lock);
	server = abuse_server_lookup(file);
	if (server) {
		spin_unlock_irq(&dev->lock);
		return server;
	}
	server = abuse_server_unused(file);
	if (server) {
		server->files = current->files;
		server->tgid = get_pid(task_tgid(current));
		server->backings = 0;
		server->store_presented = false;
		server->works = false;
		server->dying = false;
		server->reported = false;
		server->spin_halved = 0;
		dev->counters.ab_nr_servers++;
	}
	spin_unlock_irq(&dev->lock);
	/*
	 * The last descriptor may have been closed between fdget() and here:
	 * its ->flush found no entry, and no other will come.
	 */
	if (server && !abuse_server_has_fd(file)) {
		abuse_server_gone(file, current->files);
		return NULL;
	}
	return server;
}

/**
 * abuse_server_is_current - does the calling process serve this device?
 * @dev: the device
 *
 * The whole process counts, not only the thread that serves: a thread that
 * waited for a slot could hold a lock (of the heap, of the address space)
 * that the serving thread needs.  Processes that share one descriptor table
 * are one server.
 *
 * Context: dev->lock held.
 */
bool abuse_server_is_current(struct abuse_device *dev)
{
	struct pid *tgid = task_tgid(current);
	struct abuse_file *file;
	int i;

	if (abuse_busted("no-bypass"))
		return false;
	list_for_each_entry(file, &dev->files, list)
		for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
			if (file->servers[i].files &&
			    (file->servers[i].tgid == tgid ||
			     abuse_server_alive(&file->servers[i])))
				return true;
	return false;
}

/**
 * abuse_server_has_store - may this server be lent anything (I14)?
 * @dev: the device
 * @server: the server
 *
 * Context: dev->lock held.
 */
bool abuse_server_has_store(struct abuse_device *dev,
			    struct abuse_server *server)
{
	return !dev->store_bound || server->store_presented ||
	       abuse_busted("any-store");
}

/**
 * abuse_server_works - a server asks for work; if it may have it, it counts
 * @dev: the device
 * @server: the server
 *
 * A process that only looks on, or has the wrong store, is no reason to let
 * requests wait (policy.c).
 *
 * Context: dev->lock held.
 */
void abuse_server_works(struct abuse_device *dev, struct abuse_server *server)
{
	if (server->works || !abuse_server_alive(server) ||
	    !abuse_server_has_store(dev, server))
		return;
	server->works = true;
	dev->nr_workers++;
}

/**
 * abuse_server_forget_all - what servers have shown was for a configuration
 * @dev: the device
 *
 * Context: dev->lock held, the device being unconfigured.
 */
void abuse_server_forget_all(struct abuse_device *dev)
{
	struct abuse_file *file;
	int i;

	list_for_each_entry(file, &dev->files, list)
		for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++) {
			file->servers[i].works = false;
			if (abuse_busted("store-remembered"))
				continue;
			file->servers[i].store_presented = false;
			file->servers[i].backings = 0;
		}
	dev->nr_workers = 0;
}

/**
 * abuse_server_gone - a process no longer has the file: take its requests back
 * @file: the open file
 * @files: the process's descriptor table, or NULL for all processes
 *
 * Context: Process context.  Takes dev->lock.  Allocates nothing.  What was
 * LENT to it is QUEUED (I4), at the latest when a copy under way ends (I11).
 */
void abuse_server_gone(struct abuse_file *file, fl_owner_t files)
{
	struct abuse_device *dev = file->dev;
	struct abuse_server *server;
	bool gone = false, worked = false;
	int i;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++) {
		server = &file->servers[i];
		if (!server->files || (files && server->files != files))
			continue;
		abuse_queue_requeue_all(dev, server, true);
		server->files = NULL;
		put_pid(server->tgid);
		server->tgid = NULL;
		dev->counters.ab_nr_servers--;
		dev->nr_workers -= server->works;
		worked |= server->works;
		server->works = false;
		gone = true;
	}
	if (gone) {
		abuse_poll_event(dev);
		abuse_busted_requeue_forwarded(dev);
		/* The last one.  Who never worked does not put it off (I9). */
		if (!dev->nr_workers &&
		    (worked || abuse_busted("no-server-anew"))) {
			dev->no_server_jiffies = jiffies;
			abuse_policy_kick(dev, 0);
		}
	}
	spin_unlock_irq(&dev->lock);
	/* A thread of that process may wait in abuse_server_wait(). */
	if (gone)
		wake_up_all(&dev->server_wait);
	if (gone && abuse_busted("backing-goes-with-server"))
		abuse_backing_put_all(dev);
}

/*
 * The same without the lock, and without a promise: whoever sees something
 * here looks again.
 */
static bool abuse_server_glimpses(struct abuse_device *dev,
				  struct abuse_server *server, u32 epoch)
{
	return !list_empty(&dev->queue) || READ_ONCE(dev->epoch) != epoch ||
	       READ_ONCE(server->files) != (fl_owner_t)current->files;
}

/*
 * Look for a request until it is @end, instead of sleeping: to sleep and be
 * woken takes longer than most requests do.  With nothing held, and only as
 * long as nobody else wants this processor, who might be the one that is to
 * submit the next request.  On a single processor somebody else must run for
 * there to be one.  Returns 0 if there is something to look at, -ETIME if it
 * was in vain, -EAGAIN if it has not looked for so long.
 */
static int abuse_server_spin(struct abuse_device *dev,
			     struct abuse_server *server, u32 epoch,
			     u64 limit_ns)
{
	u32 turns = 0;
	u64 end = 0;

	if (!limit_ns || num_online_cpus() == 1 || abuse_busted("spin-never"))
		return -EAGAIN;
	while (!abuse_server_glimpses(dev, server, epoch)) {
		if (abuse_spin_is_wanted_back())
			return -EAGAIN;
		cpu_relax();
		/* To read the clock takes longer than a turn without. */
		if (++turns % ABUSE_SPIN_TURNS)
			continue;
		if (!end)
			end = local_clock() + limit_ns;
		else if (local_clock() >= end)
			return -ETIME;
	}
	return 0;
}

/* Is there a reason for abuse_server_wait() to return? */
static bool abuse_server_wanted(struct abuse_device *dev,
				struct abuse_server *server, u32 epoch)
{
	bool wanted;

	spin_lock_irq(&dev->lock);
	wanted = !list_empty(&dev->queue) || dev->epoch != epoch ||
		 !abuse_server_alive(server);
	spin_unlock_irq(&dev->lock);
	return wanted;
}

static int abuse_server_sleep(struct abuse_device *dev,
			      struct abuse_server *server, u32 epoch)
{
	return wait_event_interruptible_exclusive(dev->server_wait,
						  abuse_server_wanted(dev,
								      server,
								      epoch));
}

/**
 * abuse_server_wait - wait until a request is QUEUED: look for a while, sleep
 * @dev: the device
 * @server: the caller's entry
 * @epoch: of the configuration that the call began in
 *
 * How long it looks before it sleeps is at most the device's spin_us; half as
 * long each time that was in vain, and as long as may be after a wait that
 * would have been over by then.
 *
 * Context: Process context in a call of the serve path, no lock held (I6).
 * Sleeps.  Exclusive: one request wakes one server.
 * Return: 0 (look again: another may have been quicker), -EINTR (a signal).
 */
int abuse_server_wait(struct abuse_device *dev, struct abuse_server *server,
		      u32 epoch)
{
	u64 limit_ns = (u64)READ_ONCE(dev->spin_us) * NSEC_PER_USEC;
	/* Threads that share the entry may disagree on it: it is a guess. */
	u32 before = READ_ONCE(server->spin_halved), halved = before;
	u64 begin;
	int spun, err = 0;

	abuse_lockdep_serve_leave();
	spun = abuse_server_spin(dev, server, epoch, limit_ns >> halved);
	if (!spun) {
		halved = 0;
	} else {
		begin = local_clock();
		err = abuse_server_sleep(dev, server, epoch);
		/* Signed: another processor's clock may be behind. */
		if ((s64)(local_clock() - begin) <=
		    (s64)(limit_ns - (limit_ns >> halved)))
			halved = 0;
		else if (spun == -ETIME && halved < ABUSE_SPIN_HALVED_MAX &&
			 !abuse_busted("spin-hogs"))
			halved++;
	}
	if (halved != before)
		WRITE_ONCE(server->spin_halved, halved);
	abuse_lockdep_serve_enter();
	return err ? -EINTR : 0;
}
