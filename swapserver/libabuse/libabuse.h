/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libabuse.h - a server's side of the ioctls of /dev/abctlN, for any server
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 *
 * A server in four calls: abuse_open(), abuse_configure(), abuse_go_live(),
 * and then either abuse_run() with a function for each kind of request, or a
 * loop of its own around abuse_serve().  <linux/abuse.h> has the structures,
 * their units, and what each errno of the kernel means.
 *
 * What holds for every call:
 * - It returns 0 or more, or -errno; it prints nothing and never exits.
 * - It keeps nothing outside of the struct abuse_dev that it is given: two
 *   threads may use two of them at once, one of them only in turn.
 * - "Context" says whether it may sleep or allocate.  The serving calls
 *   (abuse_serve, abuse_exchange, abuse_run with an arena made before) make no
 *   system call but ioctl(2), allocate nothing and open nothing, so that the
 *   machine may swap on the device.
 *
 * Who owns a request: once a call has *lent* it, the caller, until a complete,
 * fail, requeue or forward of it was carried out, or the caller's process or
 * file is gone.  Then it is the kernel's again, and its id is stale.
 *
 * It locks no memory, sets no priority and drops no privilege: see
 * swapserver(8) for what a server needs to be swapped on.
 */
#ifndef LIBABUSE_H
#define LIBABUSE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/abuse.h>

#ifdef __cplusplus
extern "C" {
#endif

struct abuse_arena;

/**
 * struct abuse_dev - a device, as one server sees it; the caller's memory
 * @fd: of /dev/abctlN, close-on-exec; to be read: poll(2) wants it, and a
 *	seccomp filter
 * @flags: to be set: ABUSE_SERVE_NOFAULT, or 0; added to each serving call
 * @configured: out: by abuse_configure() of this process, not before
 * @size_bytes: out: what abuse_configure() asked for
 * @nr_done: out: verbs of the last abuse_serve() that need not be done again;
 *	if one failed, that is its index
 * @nr_absent: out: times that memory was not present, and was touched
 * @nr_stale: out: verbs skipped because their request was no longer ours
 * @arena: of abuse_arena_make(), else NULL
 * @reserved: 0
 *
 * abuse_open() and its like set all of it, so it need not be initialised.
 */
struct abuse_dev {
	int fd;
	unsigned int flags;
	bool configured;
	uint64_t size_bytes;
	unsigned int nr_done;
	unsigned long long nr_absent;
	unsigned long long nr_stale;
	struct abuse_arena *arena;
	uint64_t reserved[8];
};

/* ------------------------------------------------------- open and close */

/**
 * abuse_open - open the control node of /dev/abuseN
 * @dev: the device, written
 * @number: N
 *
 * Context: May sleep and allocate.
 * Return: 0; -ENOENT or -ENXIO (no such device; is the module loaded?);
 * -ENOTTY (no control node); -EACCES; or another errno of open(2).
 */
int abuse_open(struct abuse_dev *dev, unsigned int number);

/**
 * abuse_open_path - the same, by the path of the control node
 * @dev: the device, written
 * @path: "/dev/abctlN", or where the node is
 *
 * Context: May sleep and allocate.
 * Return: as abuse_open(): 0, -ENOENT, -ENXIO, -ENOTTY, -EACCES.
 */
int abuse_open_path(struct abuse_dev *dev, const char *path);

/**
 * abuse_adopt - the same, by a descriptor that the caller has
 * @dev: the device, written
 * @fd: of a control node; the library's to close, if this call succeeds
 *
 * A request is lent to an open file and a process: processes that serve one
 * device each open it for themselves, or a standby cannot tell them apart.
 *
 * Context: Does not allocate.
 * Return: 0; -EBADF; -ENOTTY (no control node).
 */
int abuse_adopt(struct abuse_dev *dev, int fd);

/**
 * abuse_close - close it, and free the arena
 * @dev: the device; a second call does nothing
 *
 * What was lent through it is QUEUED again and goes to the next server.  The
 * device stays configured.
 *
 * Context: May sleep.
 */
void abuse_close(struct abuse_dev *dev);

/* ------------------------------------------------------------ configure */

/**
 * abuse_get_status - what the device is, and what is in its care
 * @dev: the device
 * @info: written; ab_size is 0 if it is not configured
 *
 * Context: Does not allocate.
 * Return: 0.
 */
int abuse_get_status(struct abuse_dev *dev, struct abuse_info *info);

/**
 * abuse_configure - configure it, or come back to one configured alike
 * @dev: the device
 * @info: ab_size in bytes, ab_blocksize in bytes, ab_flags (ABUSE_FLAGS_*),
 *	ab_max_queue in requests (0: the default, or what it is); when coming
 *	back ABUSE_FLAGS_RECONNECT is added, and a queue bound of 0 replaced
 *
 * A device that was configured before keeps its requests; whoever uses it
 * notices nothing.  The size may be larger than it was, not smaller.  One that
 * has never been served (abusectl add) is configured anew if @info differs.
 *
 * Context: May sleep; the kernel allocates the device's reserve, except for
 * one that was configured before.
 * Return: 0; -EINVAL (a value is out of its range, or differs from that of the
 * configured device); -EFBIG (larger than any disk can be); -EBUSY (being
 * reset); -ENOMEM (nothing is changed).
 */
int abuse_configure(struct abuse_dev *dev, struct abuse_info *info);

/**
 * abuse_unconfigure - undo abuse_configure(), if it configured the device
 * @dev: the device
 *
 * For a server that could not start.  One that was configured before stays.
 *
 * Context: May sleep.  Gives back what is lent to the caller.
 * Return: 0 (also if there was nothing to undo); -EBUSY (in use by now: it
 * stays as it is); -EINVAL (somebody else has reset it); -EUSERS (more
 * processes serve through this open file than the kernel keeps account of).
 */
int abuse_unconfigure(struct abuse_dev *dev);

/**
 * abuse_reset - take the configuration away, whoever made it
 * @dev: the device
 *
 * Context: May sleep.  What is lent to the caller is QUEUED again, or fails
 * if the attribute reset says so.
 * Return: 0 (not configured any more); -EBUSY (open, mounted or swapped on: it
 * stays); -EINVAL (it was not configured); -EUSERS (as abuse_unconfigure()).
 */
int abuse_reset(struct abuse_dev *dev);

/**
 * abuse_go_live - give the disk its capacity: ask for work, take none
 * @dev: the device, configured
 *
 * To be called when everything is ready to serve: as soon as the disk has a
 * capacity somebody may read its partitions.
 *
 * Context: Does not wait for requests.  Does not allocate; ioctl(2) with
 * ABUSE_SERVE and poll(2), which a sealed server may call.
 * Return: 0; -ENODEV (not configured); -EUSERS (as abuse_unconfigure()).
 */
int abuse_go_live(struct abuse_dev *dev);

/**
 * abuse_set_poll - what poll(2) on @fd reports, and when it wakes
 * @dev: the device
 * @poll: events, a threshold in requests, a time in milliseconds
 *
 * Context: Does not allocate.
 * Return: 0; -EINVAL (a field is out of its range, or a threshold above one
 * without a time).
 */
int abuse_set_poll(struct abuse_dev *dev, const struct abuse_poll *poll);

/* --------------------------------------------------- backings and stores */

/**
 * abuse_set_backing - give the device a disk to forward to, or present it
 * @dev: the device, configured; to add a disk, not live yet
 * @fd: a block device, open for reading and writing, without O_EXCL; stays the
 *	caller's, who may close it
 * @index: written: for abuse_forward()
 * @size_bytes: written: of the disk; NULL: not wanted
 *
 * Each process that forwards calls this once for each disk.
 *
 * Context: May sleep; the kernel allocates when a disk is added.
 * Return: 0; -EBADF (no descriptor, or not open for both); -ENOTBLK; -ENODEV
 * (not configured); -EBUSY (mounted, swapped on or claimed, or the device is
 * live and has no such disk); -EINVAL (it is stacked on others, or its blocks
 * are larger than the device's); -ENOSPC (more than ABUSE_BACKINGS);
 * -ENXIO (the disk has gone); -ENOMEM; -EUSERS.
 */
int abuse_set_backing(struct abuse_dev *dev, int fd, unsigned int *index,
		      uint64_t *size_bytes);

/**
 * abuse_bind_store - bind the device to a store, and present it
 * @dev: the device, configured, not live yet
 * @id: 16 bytes that name the store, not all 0
 *
 * From here on the device lends nothing to a process that has not presented
 * the same id: an empty or wrong store never answers for this one.
 *
 * Context: Does not allocate.
 * Return: 0 (also if it is bound to this store already); -EINVAL (an id of 0);
 * -ENODEV (not configured); -EMEDIUMTYPE (bound to another store); -EBUSY
 * (live, and not bound); -EUSERS.
 */
int abuse_bind_store(struct abuse_dev *dev, const uint8_t id[16]);

/**
 * abuse_present_store - say which store this process has
 * @dev: the device, configured
 * @id: 16 bytes that name the store
 *
 * Context: Does not allocate.
 * Return: 0; -EINVAL (an id of 0); -ENODEV (not configured); -EMEDIUMTYPE
 * (bound to another store); -ENOMEDIUM (bound to none); -EUSERS.
 */
int abuse_present_store(struct abuse_dev *dev, const uint8_t id[16]);

/* ------------------------------------------------------ scope, counters */

/**
 * abuse_set_scope - which memory reserves the kernel may use for a server
 * @dev: the device
 * @target: ABUSE_SCOPE_DEVICE (each serving call of the device) or
 *	ABUSE_SCOPE_THREAD (each system call of the calling thread)
 * @scope: ABUSE_SCOPE_NONE, _NOIO or _MEMALLOC
 *
 * Context: Does not allocate.
 * Return: 0; -EINVAL (an unknown target or scope); -EPERM (wants
 * CAP_SYS_RESOURCE).
 */
int abuse_set_scope(struct abuse_dev *dev, unsigned int target,
		    unsigned int scope);

/**
 * abuse_get_scope - the scope, as the kernel has it
 * @dev: the device
 * @target: ABUSE_SCOPE_DEVICE or ABUSE_SCOPE_THREAD
 * @scope: written: ABUSE_SCOPE_*
 *
 * Context: Does not allocate.
 * Return: 0; -EINVAL (an unknown target).
 */
int abuse_get_scope(struct abuse_dev *dev, unsigned int target,
		    unsigned int *scope);

/**
 * abuse_probe_nofault - does the kernel refuse memory that is not present?
 * @dev: the device, configured, with @flags as they will be
 * @refuses: written
 *
 * Context: Maps a page for a moment.  To be called before memory is locked:
 * the probe wants a page that is not there.
 * Return: 0; -ENODEV (not configured); -ENOMEM (no page to probe with);
 * -EUSERS; -EMEDIUMTYPE (bound to a store that was not presented).
 */
int abuse_probe_nofault(struct abuse_dev *dev, bool *refuses);

/**
 * abuse_get_counters - what the device has done, and has in its care
 * @dev: the device
 * @counters: written
 *
 * Context: Does not allocate, waits for nobody; may be called from a signal
 * handler.
 * Return: 0.
 */
int abuse_get_counters(struct abuse_dev *dev, struct abuse_counters *counters);

/* ---------------------------------------------------------------- serve */

/**
 * abuse_serve - carry out verbs, then borrow requests, in one call
 * @dev: the device; @nr_done is written
 * @verbs: what to do with requests that are lent to the caller, in order
 * @nr_verbs: how many, at most ABUSE_SERVE_LIMIT
 * @lent: written: the requests; they are the caller's now
 * @max: room in @lent, at most ABUSE_SERVE_LIMIT; 0: borrow none, do not wait
 * @wait: if there is none: wait for the first; never for more than that
 *
 * Memory that is not present (ABUSE_SERVE_NOFAULT) is touched and the rest of
 * the call made again; a wrong address is SIGSEGV then, as anywhere else.
 *
 * Answers to requests that are no longer the caller's are skipped and counted
 * in @nr_stale: all verbs but copy-out, for they can do no harm.  A copy-out of
 * such a request ends the call, for its data has not come.
 *
 * Context: Sleeps if it waits.  Allocates nothing; ioctl(2) alone.
 * Return: how many were lent.  Else -errno, and none was lent: -EINTR (a
 * signal came while it waited; the verbs have been carried out); -ESTALE
 * (verbs[nr_done] copies out of a request that is not the caller's any more:
 * forget that request and its verbs); -EINVAL (a verb that makes no sense, or
 * completes a READ without all of its data); -EFAULT (memory stays absent
 * however often it is touched); -EBUSY (another thread copies to or from that
 * request); -E2BIG; -ENODEV (not configured, or reset meanwhile: nothing is
 * lent to anybody any more); -EBADF; -EUSERS; -EMEDIUMTYPE (bound to a store
 * that was not presented); of a forward -EPERM (that backing was not
 * presented), -EOPNOTSUPP (the backing cannot do this).
 *
 * After an error verbs[0] to verbs[nr_done - 1] have been dealt with, the
 * others not; a request whose verb failed with anything but -ESTALE is still
 * the caller's.
 */
int abuse_serve(struct abuse_dev *dev, const struct abuse_verb *verbs,
		unsigned int nr_verbs, struct abuse_lent *lent,
		unsigned int max, bool wait);

/**
 * abuse_probe_verb - does the loaded module know this verb?
 * @dev: the device, configured
 * @verb: ABUSE_VERB_*, with ABUSE_VERB_AND_COMPLETE or without
 *
 * For a server that may be newer than the module: to be called before it
 * borrows anything, for a verb that was not there from the beginning.
 *
 * Context: Does not allocate.
 * Return: 0; -EOPNOTSUPP (it does not); -ENODEV (not configured, or reset
 * meanwhile); -EUSERS; -EFAULT (memory stays absent).
 */
int abuse_probe_verb(struct abuse_dev *dev, uint32_t verb);

/**
 * struct abuse_batch - verbs that gather until the next abuse_exchange()
 * @verbs: the caller's array
 * @nr: verbs in it
 * @max: room in it
 */
struct abuse_batch {
	struct abuse_verb *verbs;
	unsigned int nr;
	unsigned int max;
};

/**
 * abuse_exchange - hand a batch in, borrow requests
 * @dev: the device
 * @batch: emptied as far as it was carried out: wholly, also after -EINTR;
 *	after another error it holds what was not, the verb that failed first
 * @lent: as abuse_serve()
 * @max: as abuse_serve()
 * @wait: as abuse_serve()
 *
 * Context: As abuse_serve().
 * Return: As abuse_serve(): how many were lent, or -EINTR, -ESTALE, -EINVAL,
 * -EFAULT, -EBUSY, -E2BIG, -ENODEV, -EBADF, -EUSERS, -EMEDIUMTYPE, -EPERM,
 * -EOPNOTSUPP.  After -ESTALE abuse_forget(batch, batch->verbs[0].ab_id), and
 * the batch may be handed in again.
 */
int abuse_exchange(struct abuse_dev *dev, struct abuse_batch *batch,
		   struct abuse_lent *lent, unsigned int max, bool wait);

/**
 * abuse_forget - take all verbs of a request out of a batch
 * @batch: the batch
 * @id: of the request
 *
 * Context: Any.
 */
static inline void abuse_forget(struct abuse_batch *batch, uint64_t id)
{
	unsigned int from, to = 0;

	for (from = 0; from < batch->nr; from++)
		if (batch->verbs[from].ab_id != id)
			batch->verbs[to++] = batch->verbs[from];
	batch->nr = to;
}

/**
 * abuse_append - append a verb of any kind to a batch
 * @batch: the batch
 * @lent: the request
 * @verb: ABUSE_VERB_*; whatever else it needs is the caller's to fill in
 *
 * The ones below are made of it.
 *
 * Context: Any.
 * Return: the verb, its other fields 0; NULL if the batch is full.
 */
static inline struct abuse_verb *
abuse_append(struct abuse_batch *batch, const struct abuse_lent *lent,
	     uint32_t verb)
{
	struct abuse_verb *v;

	if (batch->nr >= batch->max)
		return NULL;
	v = &batch->verbs[batch->nr++];
	v->ab_id = lent->ab_id;
	v->ab_address = 0;
	v->ab_offset_bytes = 0;
	v->ab_len_bytes = 0;
	v->ab_verb = verb;
	v->ab_error = 0;
	return v;
}

/**
 * abuse_copy_out - append: a range of a WRITE's data to the server
 * @batch: the batch
 * @lent: the request; stays the caller's
 * @to: where the data shall be once the batch was handed in
 * @offset_bytes: offset in the request's data
 * @len_bytes: how much
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_copy_out(struct abuse_batch *batch,
				 const struct abuse_lent *lent, void *to,
				 uint32_t offset_bytes, uint32_t len_bytes)
{
	struct abuse_verb *v = abuse_append(batch, lent, ABUSE_VERB_COPY_OUT);

	if (!v)
		return -ENOSPC;
	v->ab_address = (uintptr_t)to;
	v->ab_offset_bytes = offset_bytes;
	v->ab_len_bytes = len_bytes;
	return 0;
}

/**
 * abuse_copy_in - append: a range of a READ's data from the server
 * @batch: the batch
 * @lent: the request; stays the caller's
 * @from: where the data is, until the batch was handed in
 * @offset_bytes: offset in the request's data; ranges in ascending order
 * @len_bytes: how much
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_copy_in(struct abuse_batch *batch,
				const struct abuse_lent *lent,
				const void *from, uint32_t offset_bytes,
				uint32_t len_bytes)
{
	struct abuse_verb *v = abuse_append(batch, lent, ABUSE_VERB_COPY_IN);

	if (!v)
		return -ENOSPC;
	v->ab_address = (uintptr_t)from;
	v->ab_offset_bytes = offset_bytes;
	v->ab_len_bytes = len_bytes;
	return 0;
}

/**
 * abuse_complete - append: the request is done, without an error
 * @batch: the batch
 * @lent: the request; the kernel's, once the batch was handed in.  A WRITE is
 *	to be where the server promises to keep it before that
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_complete(struct abuse_batch *batch,
				 const struct abuse_lent *lent)
{
	return abuse_append(batch, lent, ABUSE_VERB_COMPLETE) ? 0 : -ENOSPC;
}

/**
 * abuse_copy_and_complete - append: all of a request's data, and it is done
 * @batch: the batch
 * @lent: a READ or a WRITE; the kernel's, once the batch was handed in
 * @address: READ: where the data is; WRITE: where it is kept, there being
 *	nothing left to do with it afterwards
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_copy_and_complete(struct abuse_batch *batch,
					  const struct abuse_lent *lent,
					  void *address)
{
	struct abuse_verb *v =
		abuse_append(batch, lent,
			     (lent->ab_command == ABUSE_READ ?
				      ABUSE_VERB_COPY_IN :
				      ABUSE_VERB_COPY_OUT) |
				     ABUSE_VERB_AND_COMPLETE);

	if (!v)
		return -ENOSPC;
	v->ab_address = (uintptr_t)address;
	v->ab_len_bytes = lent->ab_len_bytes;
	return 0;
}

/**
 * abuse_fail - append: the request is done, with an error
 * @batch: the batch
 * @lent: the request; the kernel's, once the batch was handed in
 * @error: EIO, ENOSPC, ETIMEDOUT, EREMOTEIO or EOPNOTSUPP, of either sign;
 *	anything else counts as EIO
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_fail(struct abuse_batch *batch,
			     const struct abuse_lent *lent, int error)
{
	struct abuse_verb *v = abuse_append(batch, lent, ABUSE_VERB_FAIL);

	if (!v)
		return -ENOSPC;
	v->ab_error = error < 0 ? -(uint32_t)error : (uint32_t)error;
	return 0;
}

/**
 * abuse_requeue - append: give it back, ahead of the rest
 * @batch: the batch
 * @lent: the request; QUEUED, once the batch was handed in, and lent again, to
 *	anybody
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_requeue(struct abuse_batch *batch,
				const struct abuse_lent *lent)
{
	return abuse_append(batch, lent, ABUSE_VERB_REQUEUE) ? 0 : -ENOSPC;
}

/**
 * abuse_forward - append: send it to a backing, whole, past the server
 * @batch: the batch
 * @lent: the request; the backing's, once the batch was handed in.  If the
 *	backing fails it is lent again, with ABUSE_LENT_FAILED
 * @index: of abuse_set_backing()
 * @sector: first sector on the backing, of 512 bytes
 *
 * Context: Any.
 * Return: 0; -ENOSPC (the batch is full).
 */
static inline int abuse_forward(struct abuse_batch *batch,
				const struct abuse_lent *lent,
				unsigned int index, uint64_t sector)
{
	struct abuse_verb *v = abuse_append(batch, lent, ABUSE_VERB_FORWARD);

	if (!v)
		return -ENOSPC;
	v->ab_sector = sector;
	v->ab_backing = index;
	return 0;
}

/* ------------------------------------------------------- the simple loop */

/**
 * struct abuse_ops - a server as a function for each kind of request
 * @read: required: fill the buffer
 * @write: required: keep the buffer's content; it is the server's only during
 *	the call
 * @flush: all writes that have returned are durable; NULL: they always are,
 *	and the device has no write cache
 * @discard: the range is not needed; what is read there afterwards is the
 *	server's choice, but the same every time; NULL: never asked for
 * @write_zeroes: the range reads as zeroes; keep: its space is to stay
 *	allocated; NULL: never asked for
 *
 * All are called by abuse_run(), on its thread, one at a time, in the order in
 * which the requests were lent; context is that of abuse_run().  Ranges lie
 * within the device and are multiples of its block size.  Return 0; or -errno,
 * with which the request fails (see abuse_fail()).  If the machine is to swap
 * on the device they allocate nothing.
 */
struct abuse_ops {
	int (*read)(void *context, void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes);
	int (*write)(void *context, const void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes);
	int (*flush)(void *context);
	int (*discard)(void *context, uint64_t offset_bytes,
		       uint32_t len_bytes);
	int (*write_zeroes)(void *context, uint64_t offset_bytes,
			    uint32_t len_bytes, bool keep);
};

/**
 * abuse_ops_flags - the ABUSE_FLAGS_* that say what a server can do
 * @ops: its functions
 *
 * Context: Any.
 * Return: WRITE_CACHE if there is flush, DISCARD if there is discard,
 * WRITE_ZEROES if there is write_zeroes: for ab_flags of abuse_configure().
 */
static inline uint32_t abuse_ops_flags(const struct abuse_ops *ops)
{
	return (ops->flush ? ABUSE_FLAGS_WRITE_CACHE : 0) |
	       (ops->discard ? ABUSE_FLAGS_DISCARD : 0) |
	       (ops->write_zeroes ? ABUSE_FLAGS_WRITE_ZEROES : 0);
}

/* What abuse_run() takes if nobody made an arena. */
#define ABUSE_ARENA_REQUESTS		16
#define ABUSE_ARENA_BUFFER_BYTES	(64 * 1024)

/**
 * abuse_arena_make - all the memory that abuse_run() works on
 * @dev: the device
 * @requests: most requests that it is lent at a time; 1 to
 *	ABUSE_SERVE_LIMIT / 2
 * @buffer_bytes: a buffer for each, in bytes; a multiple of 4096.  Longer
 *	requests go through it in pieces
 *
 * To be called before memory is locked and the server sealed.
 *
 * Context: Maps and touches it.
 * Return: 0; -EINVAL (out of range); -EEXIST (there is one); -ENOMEM.
 */
int abuse_arena_make(struct abuse_dev *dev, unsigned int requests,
		     uint32_t buffer_bytes);

/**
 * abuse_arena_free - give it back
 * @dev: the device; may have none
 *
 * Context: Unmaps it.
 */
void abuse_arena_free(struct abuse_dev *dev);

/**
 * abuse_run - serve, until something fails or a signal comes
 * @dev: the device, configured with abuse_ops_flags()
 * @ops: its functions
 * @context: for them
 *
 * A request that ends beyond @size_bytes of the device (another process may
 * have grown it) fails with EIO.  Requests that somebody took from the caller
 * are dropped.  A WRITE that asks for durability, or for a flush before it,
 * gets flush called after or before it.
 *
 * Context: Sleeps.  Makes an arena if there is none; allocates nothing else.
 * Return: never 0.  -EINTR (a signal handler ran while it waited; nothing is
 * lent to the caller; call again to go on.  A signal between two calls into
 * the kernel is not noticed until the next request: a handler that is to end
 * the server had better call _exit(2)); -ENOMEM (no memory for the arena);
 * -EINVAL (no read or no write); or what abuse_serve() gives: -EFAULT, -EBUSY,
 * -ENODEV, -EBADF, -EUSERS, -EMEDIUMTYPE.  Then what is lent to the caller
 * stays so until it closes the device or ends.
 */
int abuse_run(struct abuse_dev *dev, const struct abuse_ops *ops,
	      void *context);

/* --------------------------------------------------- /dev/abuse-control */

/**
 * abuse_control_open - open the node that adds and removes devices
 *
 * Context: May sleep and allocate.
 * Return: a descriptor, close-on-exec, for close(2); -ENOENT (is the module
 * loaded?); -EACCES; or another errno of open(2).
 */
int abuse_control_open(void);

/**
 * abuse_add - add a device
 * @control: of abuse_control_open()
 * @number: N of /dev/abuseN; -1: the first that is free
 *
 * Context: May sleep; the kernel allocates.
 * Return: N; -EINVAL (out of range); -EEXIST (it is there); -ENOSPC (none is
 * free); -ENOMEM; -EINTR; -ENOTTY (another file).
 */
int abuse_add(int control, int number);

/**
 * abuse_remove - remove a device
 * @control: of abuse_control_open()
 * @number: N of /dev/abuseN
 *
 * Context: May sleep.
 * Return: 0; -EINVAL (out of range); -ENODEV (it is not there); -EBUSY (it or
 * its control node is open, or it has requests in its care); -EINTR; -ENOTTY
 * (another file).
 */
int abuse_remove(int control, int number);

/**
 * abuse_list - which devices there are
 * @control: of abuse_control_open()
 * @numbers: written, in ascending order, as many as there is room for
 * @room: in @numbers; ABUSE_NR_LIMIT is always enough
 *
 * Context: May sleep; the kernel allocates.
 * Return: how many there are, perhaps more than @room; -ENOMEM; -EINTR;
 * -ENOTTY (another file).
 */
int abuse_list(int control, uint32_t *numbers, unsigned int room);

#ifdef __cplusplus
}
#endif

#endif
