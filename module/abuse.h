/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abuse.h - what the files of the module share: structures, invariants, locks
 *
 * DEFINITIONS
 *
 * A *request* is one bio in the module's care.  It lives in a *slot* of the
 * device's reserve.  A *server* is a process that answers requests through an
 * open /dev/abctlN.  A *lend* is one hand-over of a request to a server.  A
 * *clone* is a bio of the device's own bio_set that carries a request's pages
 * to a *backing* device.  Slots and bio_set are the *reserve*.
 *
 * THE WAY OF A BIO, AND WHERE TO READ IT
 *
 *   bio.c       abuse_bio_submit()     a bio is accepted (or refused)
 *   queue.c     abuse_queue_add()      it has a slot and is QUEUED
 *   serve.c     abuse_serve()          it is LENT by today's ioctl
 *   legacy.c    abuse_legacy_get()     it is LENT by the ioctl of 2009
 *   copy.c      abuse_copy()           its data crosses to or from the server
 *   forward.c   abuse_forward()        or: its pages go to a backing device
 *   queue.c     abuse_queue_finish()   it is DONE
 *   bio.c       abuse_bio_end()        >>> the line that ends a bio <<<
 *   ctl.c       abctl_flush()          a server went: LENT becomes QUEUED
 *   policy.c    abuse_policy_tick()    nobody serves: what then
 *
 * INVARIANTS (the numbers are the project's; tests and model cite them)
 *
 * I1  Every accepted bio is ended exactly once.  Only abuse_bio_end() calls
 *     bio_endio() on an accepted bio, and only on a request that was moved to
 *     DONE under dev->lock, onto a list of those to end that is its mover's.
 * I2  From acceptance to end the module allocates only from the device's own
 *     reserve, made when the device is configured and never shared: slots,
 *     and one clone a slot.  A bio without a slot waits chained through itself.
 * I3  A full queue pushes back, it never errors: abuse_bio_submit() sleeps.
 *     REQ_NOWAIT gets BLK_STS_AGAIN.  A process that serves this device never
 *     sleeps there: its bio waits for the slot, the process does not.
 * I4  A LENT request belongs to one struct abuse_server: one process and one
 *     open file.  When either goes the request is QUEUED again, ahead of the
 *     others and in its old order.  When it has outlived max_owners of them
 *     it is set ASIDE instead, and the others proceed.
 * I5  A request's id is slot and generation.  Each lend has a new generation,
 *     a stale id is refused.  No kernel address leaves the kernel.
 * I6  No lock is held across a copy to or from user memory, nor while waiting
 *     for a server.
 * I7  Under NOFAULT, and always in the memalloc scope, memory that is not
 *     present gives EFAULT and the request stays LENT.
 * I8  The serve ioctls run in the device's reserve scope, saved and restored.
 * I9  What happens while nobody serves is policy, per device (policy.c): wait
 *     for ever, fail after a time, or fail at once.  The disk has no capacity
 *     until a server asks for work; partitions are scanned by a worker, and a
 *     scan's reads time out, so that open, udev and removal cannot wedge.
 * I10 A device in use is neither reset, removed nor unloaded: EBUSY.
 * I11 A request with a copy under way (abuse_request.copying) is not ended,
 *     requeued or reused before that copy has ended; what wanted to requeue
 *     it leaves a mark (.orphaned).  One with a clone under way is FORWARDED,
 *     and only the end of that clone takes it out of that state.
 * I12 A READ is completed only if all its data was copied in since this lend
 *     (abuse_request.copied_bytes).
 * I13 A request passes to another owner only after the first has gone: its
 *     file closed, or its process past all its system calls (see
 *     abctl_flush()), so that no late write of it can follow.  One that is
 *     being killed and does not go is reported (policy.c) and waited for.
 * I14 A device bound to a store lends only to servers that presented it.
 * I15 No ioctl of a server touches the queue's sysfs, or opens or closes the
 *     block node, and those of the serve path take no mutex.  To end a bio may
 *     be to drop the last reference of its submitter's open file, and the last
 *     close writes dirty pages back: abuse_bio_end() leaves it to a worker.
 *
 * STATES OF A SLOT (abuse_request.state; the word names the owner)
 *
 *            add                   lend                  forward
 *   FREE -----------> QUEUED ----------------> LENT -----------------> FORWARDED
 *    ^                |  ^ ^                   | | |                     |   |
 *    |                |  | +----- requeue -----+ | |                     |   |
 *    |                |  +---- (clone failed) ---|-|---------------------+   |
 *    |                |  |                       | |                         |
 *    |                |  +-- ASIDE <-- requeue --+ |                         |
 *    |                |         |  (max_owners)    | finish                  |
 *    |                v         v                  v                         |
 *    +----- free ---- DONE <--------------- finish --------------------------+
 *
 *   FREE       on dev->free, by ->next_free; bio is NULL.
 *   QUEUED     on dev->queue; bio set, owner NULL.
 *   LENT       on owner->lent; bio and owner set.  ->answered_by may be set:
 *              the server has answered a WRITE by PUT and is about to store it.
 *   FORWARDED  on dev->forwarded; a clone is under way, owner NULL.
 *   ASIDE      on dev->aside; owner NULL.
 *   DONE       on a list of whoever made it DONE, who ends it; ->status set.
 *
 * A bio that found no FREE slot waits in dev->waiting (a bio_list) and gets
 * the next slot that is freed.  While that list is not empty no slot is FREE
 * within the bound.
 *
 * LOCK ORDER
 *
 *   abuse_devices_mutex > dev->config_mutex > dev->capacity_lock > dev->lock
 *   > (wait queue locks)
 *   (the disk's open_mutex) > dev->lock
 *   (major_names_lock) > abuse_devices_mutex > (the disk's open_mutex)
 *   dev->config_mutex > (a backing's open_mutex), (the queue's limits_lock)
 *
 * abuse_devices_mutex: which devices there are (control.c).
 * dev->config_mutex: configuration.  Never taken by the calls of the serve
 *   path: whoever holds it may allocate, and wait for a server by that.
 * dev->lock: everything on the way of a bio.  A spinlock, held for short
 *   sections that never sleep, allocate or touch user memory.  A clone ends in
 *   interrupt context: it is taken with interrupts off.
 *
 * lockdep is told of one lock more, abuse_server_map (lockdep.c): "a server
 * answers".
 */
#ifndef ABUSE_PRIVATE_H
#define ABUSE_PRIVATE_H

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/cdev.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/abuse.h>

/* Processes that may serve through one open file (shared over a fork). */
#define ABUSE_SERVERS_PER_FILE	8

struct abuse_file;

enum abuse_state {
	ABUSE_FREE,
	ABUSE_QUEUED,
	ABUSE_LENT,
	ABUSE_FORWARDED,
	ABUSE_ASIDE,
	ABUSE_DONE,
	ABUSE_NR_STATES,
};

/* One slot of the reserve.  All fields: dev->lock, but see ->copying. */
struct abuse_request {
	struct list_head list;		/* which: see the states */
	struct abuse_request *next_free;	/* FREE: the next that is */
	/* May be read without the lock by whoever set ->copying. */
	struct bio *bio;
	struct abuse_server *owner;
	struct pid *answered_by;	/* the thread that PUT this WRITE */
	unsigned long start_jiffies;	/* for the I/O accounting */
	unsigned long since_jiffies;	/* in this state */
	u32 generation;			/* of the latest lend, never 0 then */
	u32 copied_bytes;		/* I12: copied in, without a gap */
	u32 nr_owners_gone;		/* I4: servers that went with it */
	u32 error;			/* errno of the clone that failed */
	u64 answered_exec_id;		/* of the process, when it PUT */
	enum abuse_state state;
	blk_status_t status;		/* DONE: what the submitter is told */
	bool copying;			/* I11 */
	bool orphaned;			/* I11: requeue when the copy ends */
	bool lent_before;
	bool scan;			/* I9: read by a partition scan */
};

/* What a configured device allocates from, and nothing else (I2). */
struct abuse_reserve {
	struct bio_set clones;		/* one for each slot */
	u32 nr_slots;
	struct abuse_request slots[] __counted_by(nr_slots);
};

/* One process that serves through one open file.  All fields: dev->lock. */
struct abuse_server {
	/* Its descriptor table: compared, never followed.  NULL: unused. */
	fl_owner_t files;
	struct pid *tgid;
	struct list_head lent;		/* in the order of lending */
	unsigned long dying_jiffies;	/* I13: seen being killed since then */
	unsigned int nr_answered;	/* of these, answered by PUT */
	unsigned int backings;		/* bit i: it has presented backing i */
	u32 spin_halved;		/* READ_ONCE: see abuse_server_wait() */
	bool store_presented;		/* I14 */
	bool works;			/* asked for work that it may have */
	bool dying;
	bool reported;
};

/* One open file of /dev/abctlN. */
struct abuse_file {
	struct abuse_device *dev;	/* written once, at open */
	struct file *filp;		/* the same; not a reference */
	struct list_head list;		/* dev->files; dev->lock */
	struct abuse_server servers[ABUSE_SERVERS_PER_FILE];

	/* dev->lock: ABUSE_SET_POLL */
	u32 poll_events;
	u32 poll_threshold;
	u32 poll_timeout_ms;
	u32 events_seen;		/* dev->events at the last GET_STATUS */
	wait_queue_head_t poll_wait;
};

/* One backing device.  Written under config_mutex while not live. */
struct abuse_backing_dev {
	struct block_device *bdev;	/* claimed; NULL: none */
	void *handle;			/* what compat.h opened */
};

/* spin_us: a server that looks for longer than this might as well sleep. */
#define ABUSE_SPIN_LIMIT_US		10000
/* Looks between two at the clock. */
#define ABUSE_SPIN_TURNS		16
/* Slots that become FREE in one go, with interrupts off. */
#define ABUSE_END_CHUNK			16

/* no_server: milliseconds, or one of these. */
#define ABUSE_NO_SERVER_WAIT		U32_MAX
#define ABUSE_NO_SERVER_FAIL		0

struct abuse_device {
	/* written once, before add_disk */
	int number;
	struct gendisk *disk;
	struct device *ctl;
	struct dentry *debugfs;

	/* config_mutex; written with lock held, too: either suffices to read */
	struct mutex config_mutex;
	bool configured;
	/*
	 * A server has asked for work, so the disk has its capacity; written
	 * with capacity_lock and lock.
	 */
	bool live;
	bool removing;			/* lock alone */
	/* A call that began in another configuration is ENODEV. */
	u32 epoch;
	u32 generation;			/* where those of new slots begin */
	u64 size_bytes;
	u32 blocksize_bytes;
	u32 flags;			/* ABUSE_FLAGS_* */
	u32 bound;			/* ab_max_queue */
	struct abuse_reserve *reserve;
	u32 nr_slots;			/* reserve->nr_slots, or 0 */
	struct abuse_request *slots;	/* reserve->slots */
	u32 scope;			/* ABUSE_SCOPE_*; READ_ONCE without */
	struct abuse_backing_dev backings[ABUSE_BACKINGS];
	u8 store_id[16];		/* I14; all 0: not bound */
	bool store_bound;

	/*
	 * Between a change of ->live or ->size_bytes and set_capacity(), which
	 * wants interrupts on; outside of lock.
	 */
	spinlock_t capacity_lock;

	/* All that follows, but the wait queues: the way of a bio. */
	spinlock_t lock;
	struct abuse_request *free;	/* the latest that was freed */
	u32 nr[ABUSE_NR_STATES];	/* slots in each state */
	struct list_head queue;
	struct list_head forwarded;
	struct list_head aside;
	struct bio_list waiting;	/* accepted, no slot yet */
	u64 ticket_in;			/* bios ever put on waiting */
	u64 ticket_out;			/* bios ever taken off */
	struct list_head files;
	u32 nr_errors;			/* ab_errors: since the last RESET */
	u32 nr_workers;			/* servers with ->works */
	u32 events;			/* for POLLPRI */
	bool polled;			/* somebody may be on a poll_wait */
	struct abuse_counters counters;	/* of the states: see ->nr */

	/* lock: policy (I9), set by sysfs.c, survives RESET */
	u32 no_server_ms;
	u32 max_owners;
	u32 scan_timeout_ms;
	u32 spin_us;			/* READ_ONCE without lock */
	u32 read_spin_us;		/* the same; 0: see sysfs-abi.txt */
	u32 read_spin_halved;		/* the same: see abuse_bio_spin() */
	bool reset_fails;
	bool forward_fails;
	unsigned long no_server_jiffies;	/* nobody has served since */
	struct timer_list timer;

	/* lock: partition.c */
	u32 nr_scans;			/* requests with ->scan */
	bool scan_failed;
	bool announce_live;
	bool announce_size;
	bool announce_reset;
	struct work_struct announce_work;

	wait_queue_head_t server_wait;	/* for a QUEUED request */
	wait_queue_head_t slot_wait;	/* for ticket_out to pass a ticket */
};

/* bio.c */
void abuse_bio_submit(struct bio *bio);
void abuse_bio_end_all(struct abuse_device *dev, struct list_head *done);

/* queue.c */
bool abuse_queue_add(struct abuse_device *dev, struct bio *bio);
struct abuse_request *abuse_queue_lend(struct abuse_device *dev,
				       struct abuse_server *server);
bool abuse_queue_suspect(struct abuse_device *dev);
struct abuse_request *abuse_queue_find(struct abuse_device *dev,
				       struct abuse_server *server, u64 id,
				       int *err);
void abuse_queue_fail_lent(struct abuse_device *dev,
			   struct abuse_server *server,
			   struct list_head *done);
u64 abuse_queue_id(struct abuse_device *dev, struct abuse_request *rq);
const char *abuse_queue_state(enum abuse_state state);
void abuse_queue_finish(struct abuse_device *dev, struct abuse_request *rq,
			blk_status_t status, struct list_head *done);
void abuse_queue_free(struct abuse_device *dev, struct abuse_request *rq);
void abuse_queue_fill_waiting(struct abuse_device *dev);
void abuse_queue_forward(struct abuse_device *dev, struct abuse_request *rq);
void abuse_queue_requeue(struct abuse_device *dev, struct abuse_request *rq,
			 bool ahead);
void abuse_queue_requeue_all(struct abuse_device *dev,
			     struct abuse_server *server, bool gone);
void abuse_queue_copy_begin(struct abuse_device *dev,
			    struct abuse_request *rq);
int abuse_queue_copy_end(struct abuse_device *dev, struct abuse_request *rq);
int abuse_queue_lend_end(struct abuse_device *dev, struct abuse_request **rqs,
			 u32 nr, int err);

/* server.c */
struct abuse_server *abuse_server_get(struct abuse_file *file);
bool abuse_server_alive(struct abuse_server *server);
bool abuse_server_has_fd(struct abuse_file *file);
bool abuse_server_is_current(struct abuse_device *dev);
bool abuse_server_has_store(struct abuse_device *dev,
			    struct abuse_server *server);
void abuse_server_works(struct abuse_device *dev, struct abuse_server *server);
void abuse_server_forget_all(struct abuse_device *dev);
void abuse_server_gone(struct abuse_file *file, fl_owner_t files);
int abuse_server_wait(struct abuse_device *dev, struct abuse_server *server,
		      u32 epoch);

/* ctl.c */
extern const struct file_operations abctl_fops;

/* poll.c */
void abuse_poll_init(struct abuse_file *file);
int abuse_poll_set(struct abuse_file *file, void __user *arg);
__poll_t abuse_poll_mask(struct abuse_file *file);
void abuse_poll_wake(struct abuse_device *dev);
void abuse_poll_event(struct abuse_device *dev);

/* policy.c */
void abuse_policy_init(struct abuse_device *dev);
void abuse_policy_kick(struct abuse_device *dev, unsigned long delay_jiffies);
void abuse_policy_watch(struct abuse_device *dev);
bool abuse_policy_refuses(struct abuse_device *dev, blk_status_t *status);
int abuse_policy_aside(struct abuse_device *dev, bool fail);
bool abuse_policy_is_dying(struct pid *tgid);

/* partition.c */
void abuse_partition_init(struct abuse_device *dev);
void abuse_partition_opened(struct abuse_device *dev);
bool abuse_partition_is_scan(struct abuse_device *dev, struct bio *bio);
bool abuse_partition_expire(struct abuse_device *dev, struct list_head *done);

/* status.c */
int abuse_status_get(struct abuse_file *file, void __user *arg);
int abuse_status_apply(struct abuse_device *dev, struct abuse_info *info);
int abuse_status_set(struct abuse_device *dev, void __user *arg);
int abuse_status_reset(struct abuse_file *file);
void abuse_status_go_live(struct abuse_device *dev,
			  struct abuse_server *server, u32 epoch);
void abuse_status_unconfigure(struct abuse_device *dev);
int abuse_counters_get(struct abuse_device *dev, void __user *arg);
void abuse_counters_read(struct abuse_device *dev, struct abuse_counters *out);

/* legacy.c */
int abuse_legacy_get(struct abuse_file *file, void __user *arg);
int abuse_legacy_put(struct abuse_file *file, void __user *arg);
void abuse_legacy_settle(struct abuse_file *file);

/* serve.c */
int abuse_serve(struct abuse_file *file, void __user *arg);
u32 abuse_serve_command(struct bio *bio);

/* forward.c */
int abuse_forward(struct abuse_device *dev, struct abuse_server *server,
		  const struct abuse_verb *verb);

/* backing.c */
int abuse_backing_set(struct abuse_file *file, void __user *arg);
void abuse_backing_put_all(struct abuse_device *dev);

/* store.c */
int abuse_store_set(struct abuse_file *file, void __user *arg);

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
			u32 flags);
bool abuse_device_claim_removal(struct abuse_device *dev);

/* control.c */
int abuse_control_init(unsigned int nr, bool on_demand);
void abuse_control_exit(void);
void abuse_control_destroy_all(void);
void abuse_control_probe(dev_t devt);
struct abuse_device *abuse_control_open(int number, struct abuse_file *file);

/* sysfs.c */
extern const struct attribute_group *abuse_sysfs_groups[];

/* debugfs.c */
void abuse_debugfs_init(void);
void abuse_debugfs_exit(void);
void abuse_debugfs_add(struct abuse_device *dev);
void abuse_debugfs_remove(struct abuse_device *dev);

/* lockdep.c */
#ifdef CONFIG_LOCKDEP
void abuse_lockdep_submit(void);
void abuse_lockdep_serve_enter(void);
void abuse_lockdep_serve_leave(void);
#else
static inline void abuse_lockdep_submit(void)
{
}

static inline void abuse_lockdep_serve_enter(void)
{
}

static inline void abuse_lockdep_serve_leave(void)
{
}
#endif

/* main.c */
extern struct class *abuse_class;
extern struct workqueue_struct *abuse_workqueue;
extern unsigned int abuse_major;
extern unsigned int abuse_ctl_major;
extern unsigned int abuse_minor_shift;
extern bool abuse_synchronous;

/*
 * Busted twins: a build of the module for the tests alone (make BUSTED=1)
 * breaks one property on purpose, named by the parameter "busted", so that a
 * test can be shown to fail.  In the module that users get this is 0.
 */
#ifdef ABUSE_BUSTED
#define ABUSE_KIND ", busted twin"
bool abuse_busted(const char *name);
bool abuse_busted_alloc(gfp_t gfp);
void abuse_busted_lock(bool legacy);
void abuse_busted_unlock(bool legacy);
void abuse_busted_config(void);
void abuse_busted_serve(struct abuse_device *dev);
void abuse_busted_reconnect(struct abuse_device *dev);
void abuse_busted_requeue_forwarded(struct abuse_device *dev);
void abuse_busted_slow(void);
bool abuse_busted_drop_scans(void);
#else
#define ABUSE_KIND ""
static inline bool abuse_busted(const char *name)
{
	return false;
}

static inline bool abuse_busted_alloc(gfp_t gfp)
{
	return false;
}

static inline void abuse_busted_lock(bool legacy)
{
}

static inline void abuse_busted_unlock(bool legacy)
{
}

static inline void abuse_busted_config(void)
{
}

static inline void abuse_busted_serve(struct abuse_device *dev)
{
}

static inline void abuse_busted_reconnect(struct abuse_device *dev)
{
}

static inline void abuse_busted_requeue_forwarded(struct abuse_device *dev)
{
}

static inline void abuse_busted_slow(void)
{
}

static inline bool abuse_busted_drop_scans(void)
{
	return false;
}
#endif

/*
 * Who looks for something instead of sleeping leaves off when this is true:
 * somebody else may be the one to bring it about.
 */
static inline bool abuse_spin_is_wanted_back(void)
{
	return !abuse_busted("spin-hogs") &&
	       (signal_pending(current) || need_resched() ||
		!single_task_running());
}

#endif /* ABUSE_PRIVATE_H */
