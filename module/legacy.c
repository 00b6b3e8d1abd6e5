// SPDX-License-Identifier: GPL-2.0-only
/*
 * legacy.c - ABUSE_GET_BIO and ABUSE_PUT_BIO, the serve path of 2009
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * One request a call, described as the 2009 header has it.  What was a defect
 * then is mended here: see the functions, and README.md in this folder.
 */
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "abuse.h"
#include "trace.h"

/*
 * The vectors of a bio as a 2009 server sees them: no more than BIO_MAX_VECS,
 * for what has more was cut to the disk's limits; none if there is no data.
 */
static u32 abuse_legacy_count(struct bio *bio)
{
	struct bvec_iter iter;
	struct bio_vec bv;
	u32 nr = 0;

	if (bio_has_data(bio))
		bio_for_each_bvec(bv, bio, iter)
			nr++;
	return nr;
}

static u64 abuse_legacy_sector(struct bio *bio)
{
	return bio->bi_iter.bi_size ? bio->bi_iter.bi_sector : 0;
}

/* Tell the server about its request: header, then lengths and offsets. */
static int abuse_legacy_describe(struct bio *bio,
				 const struct abuse_xfr_hdr *xfr, u64 address,
				 bool nofault)
{
	u64 vec_address = xfr->ab_transfer_address;
	struct abuse_vec vec = {};
	struct bvec_iter iter;
	struct bio_vec bv;

	if (abuse_copy_to_user(address, xfr, sizeof(*xfr), nofault))
		return -EFAULT;
	if (!vec_address || !bio_has_data(bio))
		return 0;
	bio_for_each_bvec(bv, bio, iter) {
		vec.ab_len = bv.bv_len;
		vec.ab_offset = offset_in_page(bv.bv_offset);
		if (abuse_copy_to_user(vec_address, &vec, sizeof(vec),
				       nofault))
			return -EFAULT;
		vec_address += sizeof(vec);
	}
	return 0;
}

/* Nothing QUEUED: say so in the header, too, as 2009 did. */
static int abuse_legacy_nothing(struct abuse_xfr_hdr *xfr, u64 address,
				bool nofault)
{
	xfr->ab_id = 0;
	xfr->ab_vec_count = 0;
	xfr->ab_transfer_address = 0;
	if (abuse_copy_to_user(address, xfr, sizeof(*xfr), nofault))
		return -EFAULT;
	return -ENOMSG;
}

/*
 * What GET and PUT begin with: the header, who calls, and the end of what the
 * thread has answered before.
 */
static int abuse_legacy_begin(struct abuse_file *file, void __user *arg,
			      struct abuse_xfr_hdr *xfr,
			      struct abuse_server **server)
{
	if (!arg)
		return -EINVAL;
	if (abuse_copy_from_user(xfr, (u64)(unsigned long)arg, sizeof(*xfr),
				 abuse_scope_nofault()))
		return -EFAULT;
	*server = abuse_server_get(file);
	if (!*server)
		return -EUSERS;
	abuse_legacy_settle(file);
	return 0;
}

/**
 * abuse_legacy_get - ABUSE_GET_BIO
 * @file: the open file
 * @arg: struct abuse_xfr_hdr, read and written
 *
 * Each request is lent once (2009 rotated its list and handed the same bio to
 * every server).
 *
 * Context: Process context, no lock held, in the device's reserve scope.
 * Allocates nothing.
 * Return: 0 and the request is LENT to the caller; -EINVAL (@arg is NULL),
 * -EFAULT, -EUSERS, -ENOMSG, -EMEDIUMTYPE (I14), -EBADF (closed meanwhile):
 * nothing is lent.
 */
int abuse_legacy_get(struct abuse_file *file, void __user *arg)
{
	u64 address = (u64)(unsigned long)arg;
	struct abuse_device *dev = file->dev;
	bool nofault = abuse_scope_nofault();
	struct abuse_server *server;
	struct abuse_request *rq;
	struct abuse_xfr_hdr xfr;
	u32 epoch = READ_ONCE(dev->epoch);
	int err;

	err = abuse_legacy_begin(file, arg, &xfr, &server);
	if (err)
		return err;
	abuse_status_go_live(dev, server, epoch);

	spin_lock_irq(&dev->lock);
	if (!abuse_server_has_store(dev, server)) {
		spin_unlock_irq(&dev->lock);
		return -EMEDIUMTYPE;
	}
	rq = abuse_server_alive(server) ? abuse_queue_lend(dev, server) : NULL;
	if (rq) {
		xfr.ab_id = abuse_queue_id(dev, rq);
		xfr.ab_sector = abuse_legacy_sector(rq->bio);
		xfr.ab_command = abuse_serve_command(rq->bio);
		xfr.ab_vec_count = abuse_legacy_count(rq->bio);
		abuse_queue_copy_begin(dev, rq);
	}
	spin_unlock_irq(&dev->lock);
	if (!rq)
		return abuse_legacy_nothing(&xfr, address, nofault);

	abuse_busted_lock(true);
	err = abuse_legacy_describe(rq->bio, &xfr, address, nofault);
	abuse_busted_unlock(true);

	return abuse_queue_lend_end(dev, &rq, 1, err);
}

/* The data of a PUT: as many vectors as the bio has, in its order. */
static int abuse_legacy_copy(struct bio *bio, u64 vec_address, bool nofault)
{
	struct bvec_iter iter;
	u32 offset_bytes = 0;
	struct bio_vec bv;

	if (!bio_has_data(bio))
		return 0;
	bio_for_each_bvec(bv, bio, iter) {
		struct abuse_vec vec;
		int err;

		err = abuse_copy_from_user(&vec, vec_address, sizeof(vec),
					   nofault);
		if (!err)
			err = abuse_copy(bio, offset_bytes, bv.bv_len,
					 vec.ab_address, nofault);
		if (err)
			return err;
		offset_bytes += bv.bv_len;
		vec_address += sizeof(vec);
	}
	return 0;
}

/*
 * A server says that its device has failed: what is LENT to it and what is
 * QUEUED ends with an error, as in 2009.  What others have been lent is
 * theirs to answer.
 */
static int abuse_legacy_device_failure(struct abuse_device *dev,
				       struct abuse_server *server)
{
	struct abuse_request *rq, *next;
	LIST_HEAD(failed);

	spin_lock_irq(&dev->lock);
	if (!abuse_server_has_store(dev, server)) {
		spin_unlock_irq(&dev->lock);
		return -EMEDIUMTYPE;
	}
	abuse_queue_fail_lent(dev, server, &failed);
	list_for_each_entry_safe(rq, next, &dev->queue, list)
		abuse_queue_finish(dev, rq, BLK_STS_IOERR, &failed);
	spin_unlock_irq(&dev->lock);
	abuse_bio_end_all(dev, &failed);
	return 0;
}

/* Does the answer fit the request that it names? */
static bool abuse_legacy_matches(struct bio *bio,
				 const struct abuse_xfr_hdr *xfr)
{
	if (abuse_busted("put-unchecked"))
		return true;
	return abuse_legacy_sector(bio) == xfr->ab_sector &&
	       abuse_legacy_count(bio) == xfr->ab_vec_count &&
	       abuse_serve_command(bio) == xfr->ab_command &&
	       xfr->ab_result <= ABUSE_RESULT_MEDIA_FAILURE;
}

/*
 * A WRITE's data is in the server's memory now, and nowhere else: it stays
 * LENT until the thread that answered it comes back.
 */
static void abuse_legacy_answered(struct abuse_request *rq)
{
	rq->answered_by = get_pid(task_pid(current));
	rq->answered_exec_id = current->self_exec_id;
	rq->owner->nr_answered++;
}

/**
 * abuse_legacy_put - ABUSE_PUT_BIO
 * @file: the open file
 * @arg: struct abuse_xfr_hdr, read
 *
 * Context: Process context, no lock held, in the device's reserve scope.
 * Allocates nothing.
 * Return: 0 and the request is DONE, or, a WRITE, still LENT until the thread
 * calls again; -EINVAL and -EFAULT: QUEUED, behind the others; -ENOMSG,
 * -ESTALE, -EBUSY, -EUSERS, -EMEDIUMTYPE: unchanged.
 */
int abuse_legacy_put(struct abuse_file *file, void __user *arg)
{
	struct abuse_device *dev = file->dev;
	bool nofault = abuse_scope_nofault();
	blk_status_t status = BLK_STS_OK;
	struct abuse_server *server;
	struct abuse_request *rq;
	struct abuse_xfr_hdr xfr;
	LIST_HEAD(done);
	int err;

	err = abuse_legacy_begin(file, arg, &xfr, &server);
	if (err)
		return err;
	if (xfr.ab_result == ABUSE_RESULT_DEVICE_FAILURE)
		return abuse_legacy_device_failure(dev, server);

	spin_lock_irq(&dev->lock);
	rq = abuse_queue_find(dev, server, xfr.ab_id, &err);
	if (!rq) {
		spin_unlock_irq(&dev->lock);
		return err == -EINVAL ? -ENOMSG : err;
	}
	if (!abuse_legacy_matches(rq->bio, &xfr)) {
		abuse_queue_requeue(dev, rq, false);
		spin_unlock_irq(&dev->lock);
		return -EINVAL;
	}
	abuse_queue_copy_begin(dev, rq);
	spin_unlock_irq(&dev->lock);

	abuse_busted_lock(true);
	if (xfr.ab_result == ABUSE_RESULT_MEDIA_FAILURE)
		status = BLK_STS_IOERR;
	else
		err = abuse_legacy_copy(rq->bio, xfr.ab_transfer_address,
					nofault);
	abuse_busted_unlock(true);

	spin_lock_irq(&dev->lock);
	if (!status && bio_has_data(rq->bio))
		trace_abuse_copy(dev, xfr.ab_id, xfr.ab_command == ABUSE_WRITE,
				 0, rq->bio->bi_iter.bi_size, err);
	if (abuse_queue_copy_end(dev, rq)) {
		err = -ESTALE;
	} else if (err) {
		abuse_queue_requeue(dev, rq, false);
	} else if (!status && xfr.ab_command == ABUSE_WRITE &&
		   !abuse_busted("end-in-put")) {
		abuse_legacy_answered(rq);
	} else {
		abuse_queue_finish(dev, rq, status, &done);
	}
	spin_unlock_irq(&dev->lock);
	abuse_bio_end_all(dev, &done);
	return err;
}

/*
 * Has the thread that answered this WRITE stored it?  It has if it has come
 * back.  If it has ended it has, too, or its process went on to something
 * else: one that is being killed, or called execve(), took its threads down
 * wherever they were.  Then the request is for another to store, which does no
 * harm if it was stored already.
 */
enum abuse_stored { ABUSE_NOT_YET, ABUSE_STORED, ABUSE_NEVER };

static enum abuse_stored abuse_legacy_stored(struct abuse_request *rq)
{
	enum abuse_stored stored = ABUSE_STORED;
	struct task_struct *leader;

	if (rq->answered_by == task_pid(current))
		return ABUSE_STORED;
	rcu_read_lock();
	leader = rq->owner->tgid ? pid_task(rq->owner->tgid, PIDTYPE_TGID) :
				   NULL;
	if (pid_task(rq->answered_by, PIDTYPE_PID))
		stored = ABUSE_NOT_YET;
	else if (abuse_busted("dead-has-stored"))
		stored = ABUSE_STORED;
	else if (!leader || leader->signal->group_exec_task ||
		 READ_ONCE(leader->signal->flags) & SIGNAL_GROUP_EXIT)
		stored = ABUSE_NOT_YET;	/* requeued when its file goes */
	else if (READ_ONCE(leader->self_exec_id) != rq->answered_exec_id)
		stored = ABUSE_NEVER;
	rcu_read_unlock();
	return stored;
}

/*
 * The WRITEs that are stored by now, made DONE.  What was answered by a
 * process that has gone is not here any more: it was requeued.
 */
static void abuse_legacy_stored_all(struct abuse_device *dev,
				    struct abuse_server *server,
				    struct list_head *done)
{
	struct abuse_request *rq, *next;

	if (!server->nr_answered)
		return;
	list_for_each_entry_safe(rq, next, &server->lent, list) {
		if (!rq->answered_by)
			continue;
		switch (abuse_legacy_stored(rq)) {
		case ABUSE_NOT_YET:
			break;
		case ABUSE_NEVER:
			abuse_queue_requeue(dev, rq, true);
			break;
		case ABUSE_STORED:
			abuse_queue_finish(dev, rq, BLK_STS_OK, done);
			break;
		}
	}
}

/**
 * abuse_legacy_settle - end the WRITEs that the calling thread has PUT
 * @file: the open file
 *
 * The thread has come back from storing them: GET, PUT and poll call this.
 * WRITEs of threads that have ended since are ended, too.
 *
 * Context: Process context, no lock held.  Takes dev->lock.
 */
void abuse_legacy_settle(struct abuse_file *file)
{
	struct abuse_device *dev = file->dev;
	LIST_HEAD(done);
	int i;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
		abuse_legacy_stored_all(dev, &file->servers[i], &done);
	spin_unlock_irq(&dev->lock);
	abuse_bio_end_all(dev, &done);
}
