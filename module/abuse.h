/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abuse.h - what the files of the module share: structures, invariants, locks
 *
 * DEFINITIONS
 *
 * A *request* is one bio in the module's care.  It lives in a *slot* of the
 * device's reserve.  A *server* is a process that answers requests through an
 * open /dev/abctlN.  A *lend* is one hand-over of a request to a server.
 *
 * THE WAY OF A BIO, AND WHERE TO READ IT
 *
 *   bio.c       abuse_bio_submit()     a bio is accepted (or refused)
 *   queue.c     abuse_queue_add()      it has a slot and is QUEUED
 *   serve.c     abuse_serve()          it is LENT by today's ioctl
 *   legacy.c    abuse_legacy_get()     it is LENT by the ioctl of 2009
 *   copy.c      abuse_copy()           its data crosses to or from the server
 *   queue.c     abuse_queue_finish()   it is DONE
 *   bio.c       abuse_bio_end()        >>> the line that ends a bio <<<
 *   ctl.c       abctl_flush()          a server went: LENT becomes QUEUED
 *
 * INVARIANTS (the numbers are the project's; tests and model cite them)
 *
 * I1  Every accepted bio is ended exactly once.  Only abuse_bio_end() calls
 *     bio_endio() on an accepted bio, and only on a request that its caller
 *     has moved from LENT or QUEUED to DONE under dev->lock.
 * I2  From acceptance to end the module allocates nothing: slots are made
 *     when the device is configured, a bio without a slot waits chained
 *     through itself, and no bio is ever split or cloned.
 * I3  A full queue pushes back, it never errors: abuse_bio_submit() sleeps.
 *     REQ_NOWAIT gets BLK_STS_AGAIN.  A process that serves this device never
 *     sleeps there: its bio waits for the slot, the process does not.
 * I4  A LENT request belongs to one struct abuse_server: one process and one
 *     open file.  When either goes the request is QUEUED again, ahead of the
 *     others and in its old order.
 * I5  A request's id is slot and generation.  Each lend has a new generation,
 *     a stale id is refused.  No kernel address leaves the kernel.
 * I6  No lock is held across a copy to or from user memory, nor while waiting
 *     for a server.
 * I7  Under NOFAULT, and always in the memalloc scope, memory that is not
 *     present gives EFAULT and the request stays LENT.
 * I8  The serve ioctls run in the device's reserve scope, saved and restored.
 * I10 A device in use is neither reset nor unloaded: EBUSY.
 * I11 A request with a copy under way (abuse_request.copying) is not ended,
 *     requeued or reused before that copy has ended; what wanted to requeue
 *     it leaves a mark (.orphaned).
 * I12 A READ is completed only if all its data was copied in since this lend
 *     (abuse_request.copied_bytes).
 *
 * STATES OF A SLOT (abuse_request.state; the word names the owner)
 *
 *             add                   lend
 *   FREE ------------> QUEUED -----------------> LENT
 *    ^                  |  ^                     | |
 *    |                  |  +---------------------+ |
 *    |     finish       |        requeue           | finish
 *    |  (DEVICE_FAILURE)|                          |
 *    |                  +---------> DONE <---------+
 *    +------------------------------+
 *             free
 *
 *   FREE    on dev->free; bio is NULL.
 *   QUEUED  on dev->queue; bio set, owner NULL.
 *   LENT    on owner->lent; bio and owner set.  ->answered_by may be set: the
 *           server has answered a WRITE by PUT and is about to store it.
 *   DONE    on no list; whoever made it DONE calls abuse_bio_end().
 *
 * A bio that found no FREE slot waits in dev->waiting (a bio_list) and gets
 * the next slot that is freed.  While that list is not empty no slot is FREE
 * within the bound.
 *
 * LOCK ORDER
 *
 *   dev->config_mutex > dev->lock > (wait queue locks)
 *
 * dev->config_mutex: configuration.  Taken by status.c only, and by the first
 *   call of a server to a device that has no capacity yet.
 * dev->lock: everything on the way of a bio.  A spinlock, held for short
 *   sections that never sleep, allocate or touch user memory.
 */
#ifndef ABUSE_PRIVATE_H
#define ABUSE_PRIVATE_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <uapi/linux/abuse.h>

/* Processes that may serve through one open file (shared over a fork). */
#define ABUSE_SERVERS_PER_FILE	8

struct abuse_file;

enum abuse_state {
	ABUSE_FREE,
	ABUSE_QUEUED,
	ABUSE_LENT,
	ABUSE_DONE,
};

/* One slot of the reserve.  All fields: dev->lock, but see ->copying. */
struct abuse_request {
	struct list_head list;		/* free, queue or owner->lent */
	struct bio *bio;		/* may be read without the lock by
					 * whoever set ->copying */
	struct abuse_server *owner;
	struct pid *answered_by;	/* the thread that PUT this WRITE */
	unsigned long start_jiffies;	/* for the I/O accounting */
	u32 generation;			/* of the latest lend, never 0 then */
	u32 copied_bytes;		/* I12: copied in, without a gap */
	enum abuse_state state;
	bool copying;			/* I11 */
	bool orphaned;			/* I11: requeue when the copy ends */
	bool lent_before;
};

/* One process that serves through one open file.  All fields: dev->lock. */
struct abuse_server {
	fl_owner_t files;		/* its descriptor table; NULL: unused.
					 * Compared, never followed */
	struct pid *tgid;
	struct list_head lent;		/* in the order of lending */
	unsigned int nr_answered;	/* of these, answered by PUT */
};

/* One open file of /dev/abctlN. */
struct abuse_file {
	struct abuse_device *dev;	/* written once, at open */
	struct file *filp;		/* the same; not a reference */
	struct list_head list;		/* dev->files; dev->lock */
	struct abuse_server servers[ABUSE_SERVERS_PER_FILE];
};

struct abuse_device {
	/* written once, before add_disk */
	int number;
	struct gendisk *disk;
	struct cdev cdev;
	struct dentry *debugfs;

	/* config_mutex; written with lock held, too: either suffices to read */
	struct mutex config_mutex;
	bool configured;
	bool live;			/* a server has asked for work, so the
					 * disk has its capacity */
	u32 epoch;			/* of the configuration: a call that
					 * began in another one is ENODEV */
	u32 generation;			/* where those of new slots begin */
	u64 size_bytes;
	u32 blocksize_bytes;
	u32 flags;			/* ABUSE_FLAGS_* */
	u32 bound;			/* ab_max_queue */
	u32 nr_slots;
	struct abuse_request *slots;
	u32 scope;			/* ABUSE_SCOPE_*; READ_ONCE without */

	spinlock_t lock;
	/* lock */
	struct list_head free;
	struct list_head queue;
	struct bio_list waiting;	/* accepted, no slot yet */
	u64 ticket_in;			/* bios ever put on waiting */
	u64 ticket_out;			/* bios ever taken off */
	struct list_head files;
	u32 nr_errors;			/* ab_errors: since the last RESET */
	struct abuse_counters counters;

	wait_queue_head_t server_wait;	/* for a QUEUED request */
	wait_queue_head_t slot_wait;	/* for ticket_out to pass a ticket */
};

/* bio.c */
void abuse_bio_submit(struct bio *bio);
void abuse_bio_end(struct abuse_device *dev, struct abuse_request *rq,
		   blk_status_t status);

/* queue.c */
bool abuse_queue_add(struct abuse_device *dev, struct bio *bio);
struct abuse_request *abuse_queue_lend(struct abuse_device *dev,
				       struct abuse_server *server);
struct abuse_request *abuse_queue_find(struct abuse_device *dev,
				       struct abuse_server *server, u64 id,
				       int *err);
u64 abuse_queue_id(struct abuse_device *dev, struct abuse_request *rq);
void abuse_queue_finish(struct abuse_device *dev, struct abuse_request *rq);
void abuse_queue_free(struct abuse_device *dev, struct abuse_request *rq);
void abuse_queue_requeue(struct abuse_device *dev, struct abuse_request *rq,
			 bool ahead);
void abuse_queue_requeue_all(struct abuse_device *dev,
			     struct abuse_server *server);
void abuse_queue_copy_begin(struct abuse_device *dev,
			    struct abuse_request *rq);
int abuse_queue_copy_end(struct abuse_device *dev, struct abuse_request *rq);
int abuse_queue_lend_end(struct abuse_device *dev, struct abuse_request *rq,
			 int err);

/* server.c */
struct abuse_server *abuse_server_get(struct abuse_file *file);
bool abuse_server_alive(struct abuse_server *server);
bool abuse_server_has_fd(struct abuse_file *file);
bool abuse_server_is_current(struct abuse_device *dev);
void abuse_server_gone(struct abuse_file *file, fl_owner_t files);
int abuse_server_wait(struct abuse_device *dev, struct abuse_server *server,
		      u32 epoch);

/* ctl.c */
extern const struct file_operations abctl_fops;

/* status.c */
int abuse_status_get(struct abuse_device *dev, void __user *arg);
int abuse_status_set(struct abuse_device *dev, void __user *arg);
int abuse_status_reset(struct abuse_file *file);
void abuse_status_go_live(struct abuse_device *dev);
void abuse_status_unconfigure(struct abuse_device *dev);
int abuse_counters_get(struct abuse_device *dev, void __user *arg);
void abuse_counters_read(struct abuse_device *dev, struct abuse_counters *out);

/* legacy.c */
int abuse_legacy_get(struct abuse_file *file, void __user *arg);
int abuse_legacy_put(struct abuse_file *file, void __user *arg);
void abuse_legacy_settle(struct abuse_file *file);

/* serve.c */
int abuse_serve(struct abuse_file *file, void __user *arg);

/* copy.c */
int abuse_copy(struct bio *bio, u32 offset_bytes, u32 len_bytes, u64 address,
	       bool nofault);
int abuse_copy_from_user(void *to, u64 from, size_t len, bool nofault);
int abuse_copy_to_user(u64 to, const void *from, size_t len, bool nofault);

/* scope.c */
unsigned int abuse_scope_enter(u32 scope);
void abuse_scope_leave(u32 scope, unsigned int saved);
bool abuse_scope_nofault(void);
int abuse_scope_set(struct abuse_device *dev, void __user *arg);
int abuse_scope_get(struct abuse_device *dev, void __user *arg);

/* device.c */
struct abuse_device *abuse_device_create(int number);
void abuse_device_destroy(struct abuse_device *dev);
int abuse_device_limits(struct abuse_device *dev, u32 blocksize_bytes,
			bool write_cache);

/* debugfs.c */
void abuse_debugfs_init(void);
void abuse_debugfs_exit(void);
void abuse_debugfs_add(struct abuse_device *dev);
void abuse_debugfs_remove(struct abuse_device *dev);

/* main.c */
extern struct class *abuse_class;

/*
 * Busted twins: a build of the module for the tests alone (make BUSTED=1)
 * breaks one property on purpose, named by the parameter "busted", so that a
 * test can be shown to fail.  In the module that users get this is 0.
 */
#ifdef ABUSE_BUSTED
bool abuse_busted(const char *name);
#else
static inline bool abuse_busted(const char *name)
{
	return false;
}
#endif

#endif /* ABUSE_PRIVATE_H */
