/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the differences between the kernels that the module runs on
 *
 * The only file with version tests; each names the release that made the
 * change.
 */
#ifndef ABUSE_COMPAT_H
#define ABUSE_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/uaccess.h>
#include <linux/version.h>
#include <uapi/linux/abuse.h>

/* Where the unchecked copies exist only as inline functions (user-mode Linux). */
#ifdef INLINE_COPY_TO_USER
#define _copy_to_user _inline_copy_to_user
#endif
#ifdef INLINE_COPY_FROM_USER
#define _copy_from_user _inline_copy_from_user
#endif

/*
 * An array on the stack that is written before it is read, a part of it in most
 * calls: where the kernel is built to clear what is on the stack
 * (CONFIG_INIT_STACK_ALL_ZERO), this would be all of it for each call.
 */
#if __has_attribute(__uninitialized__)
#define abuse_not_cleared	__attribute__((__uninitialized__))
#else
#define abuse_not_cleared
#endif

/*
 * Does the calling task hold this mutex?  The kernel asks that of the owner
 * word only when it debugs; its low bits are the mutex's flags (MUTEX_FLAGS in
 * kernel/locking/mutex.c).  Under PREEMPT_RT a mutex is something else: no.
 */
static inline bool abuse_mutex_is_mine(struct mutex *mutex)
{
#ifdef CONFIG_PREEMPT_RT
	return false;
#else
	return (atomic_long_read(&mutex->owner) & ~0x07L) == (long)current;
#endif
}

/*
 * 6.12: a real-time task that never sleeps is not stopped for 50 ms of each
 * second any more, wanted by others or not.  Before, a server that looks for
 * requests between any two of them would be: it sleeps, unless told otherwise.
 * 50 us is longer than a submitter that was woken takes to come back, and
 * nothing beside what a server does that is idle for longer.  With groups of
 * real-time tasks (RT_GROUP_SCHED) 6.12 stops them, too.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0) && \
	!defined(CONFIG_RT_GROUP_SCHED)
#define ABUSE_SPIN_DEFAULT_US	50
#else
#define ABUSE_SPIN_DEFAULT_US	0
#endif

/*
 * Is the caller, in submit_bio, known to submit more?  Bios that it has made
 * of a larger one, or a driver above us, are on its list until it has left.
 * 6.9: the block layer itself starts a plug around each bio that has none.
 * What is left to see is io_uring, which says how many: read-ahead does not,
 * nor does io_submit(2).
 */
static inline bool abuse_submits_more(void)
{
	if (current->bio_list && (!bio_list_empty(&current->bio_list[0]) ||
				  !bio_list_empty(&current->bio_list[1])))
		return true;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
	return current->plug && current->plug->nr_ios > 1;
#else
	return current->plug;
#endif
}

/* 6.4: class_create() lost its first argument. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define abuse_class_create(name)	class_create(name)
#else
#define abuse_class_create(name)	class_create(THIS_MODULE, name)
#endif

/* 6.5: ->open and ->release of a disk take the disk, and no fmode_t. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
#define ABUSE_DISK_OPEN_ARGS	struct gendisk *disk, blk_mode_t mode
#define ABUSE_DISK_RELEASE_ARGS	struct gendisk *disk
#define ABUSE_DISK_OPEN_DISK	disk
#else
#define ABUSE_DISK_OPEN_ARGS	struct block_device *bdev, fmode_t mode
#define ABUSE_DISK_RELEASE_ARGS	struct gendisk *disk, fmode_t mode
#define ABUSE_DISK_OPEN_DISK	(bdev->bd_disk)
#endif

/*
 * BLKROSET marks the whole disk's bdev, set_disk_ro() the disk, and either
 * makes it read-only: one switch wants both.  6.10: the bdev's mark is a flag.
 */
static inline void abuse_disk_set_ro(struct gendisk *disk, bool ro)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	if (ro)
		bdev_set_flag(disk->part0, BD_READ_ONLY);
	else
		bdev_clear_flag(disk->part0, BD_READ_ONLY);
#else
	disk->part0->bd_read_only = ro;
#endif
	set_disk_ro(disk, ro);
}

/*
 * 6.5: blk_mode_t, and holders have operations; 6.9: an open block device is a
 * file.  A handle is that file, or before 6.9 the device; a holder claims it.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
static inline int abuse_bdev_claim(struct block_device *bdev, void *holder)
{
	return bd_prepare_to_claim(bdev, holder, NULL);
}

static inline void *abuse_bdev_open(dev_t devt, void *holder)
{
	blk_mode_t mode = BLK_OPEN_READ | (holder ? BLK_OPEN_WRITE : 0);

	return bdev_file_open_by_dev(devt, mode, holder, NULL);
}

static inline struct block_device *abuse_bdev_of(void *handle)
{
	return file_bdev(handle);
}

/* At once: a plain fput() of a worker is finished by another, later. */
static inline void abuse_bdev_close(void *handle, void *holder)
{
	__fput_sync(handle);
}
#else
static inline int abuse_bdev_claim(struct block_device *bdev, void *holder)
{
	return bd_prepare_to_claim(bdev, holder);
}

static inline fmode_t abuse_bdev_mode(void *holder)
{
	return FMODE_READ | (holder ? FMODE_WRITE | FMODE_EXCL : 0);
}

static inline void *abuse_bdev_open(dev_t devt, void *holder)
{
	return blkdev_get_by_dev(devt, abuse_bdev_mode(holder), holder);
}

static inline struct block_device *abuse_bdev_of(void *handle)
{
	return handle;
}

static inline void abuse_bdev_close(void *handle, void *holder)
{
	blkdev_put(handle, abuse_bdev_mode(holder));
}
#endif

/*
 * 6.9: a disk is allocated with its limits, 6.11: features are limits, too.
 * Between those two the module has not been tried.
 *
 * NOWAIT: io_uring and others may send REQ_NOWAIT and get EAGAIN, instead of
 * handing every request to a worker.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
#define ABUSE_CAN_SYNCHRONOUS 1

static inline struct gendisk *abuse_disk_alloc(unsigned int max_hw_sectors,
					       bool rotational, bool synchronous)
{
	struct queue_limits lim = {
		.features = BLK_FEAT_NOWAIT |
			    (rotational ? BLK_FEAT_ROTATIONAL : 0) |
			    (synchronous ? BLK_FEAT_SYNCHRONOUS : 0),
		.max_hw_sectors = max_hw_sectors,
		/* Else 1280 KiB, and a huge page would be cut. */
		.max_user_sectors = max_hw_sectors,
		.max_segments = BIO_MAX_VECS,
		.max_segment_size = UINT_MAX,
	};

	return blk_alloc_disk(&lim, NUMA_NO_NODE);
}

static inline int abuse_disk_limits(struct gendisk *disk, u32 blocksize_bytes,
				    u32 flags, unsigned int max_range_sectors)
{
	struct queue_limits lim = queue_limits_start_update(disk->queue);

	lim.logical_block_size = blocksize_bytes;
	lim.physical_block_size = max_t(u32, blocksize_bytes, PAGE_SIZE);
	lim.io_min = 0;
	lim.dma_alignment = SECTOR_SIZE - 1;
	lim.features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA |
			  BLK_FEAT_STABLE_WRITES);
	if (flags & ABUSE_FLAGS_WRITE_CACHE)
		lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	lim.max_hw_discard_sectors =
		flags & ABUSE_FLAGS_DISCARD ? max_range_sectors : 0;
	lim.discard_granularity =
		flags & ABUSE_FLAGS_DISCARD ? blocksize_bytes : 0;
	lim.max_write_zeroes_sectors =
		flags & ABUSE_FLAGS_WRITE_ZEROES ? max_range_sectors : 0;
	return queue_limits_commit_update(disk->queue, &lim);
}

/*
 * What must be true of the disk because it is true of a backing.  Not its
 * sizes: the backing's own queue cuts a clone that is too large for it.
 */
static inline int abuse_disk_stack(struct gendisk *disk,
				   struct block_device *backing)
{
	struct queue_limits lim = queue_limits_start_update(disk->queue);
	struct request_queue *q = bdev_get_queue(backing);

	lim.dma_alignment = max(lim.dma_alignment, q->limits.dma_alignment);
	lim.features |= q->limits.features & BLK_FEAT_STABLE_WRITES;
	if (bdev_write_cache(backing))
		lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	return queue_limits_commit_update(disk->queue, &lim);
}
#else
#define ABUSE_CAN_SYNCHRONOUS 0

static inline struct gendisk *abuse_disk_alloc(unsigned int max_hw_sectors,
					       bool rotational, bool synchronous)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_flag_set(QUEUE_FLAG_NOWAIT, disk->queue);
	if (!rotational)
		blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
	blk_queue_max_hw_sectors(disk->queue, max_hw_sectors);
	/* Else 1280 KiB, and a huge page would be cut. */
	disk->queue->limits.max_sectors = max_hw_sectors;
	blk_queue_max_segments(disk->queue, BIO_MAX_VECS);
	blk_queue_max_segment_size(disk->queue, UINT_MAX);
	return disk;
}

static inline int abuse_disk_limits(struct gendisk *disk, u32 blocksize_bytes,
				    u32 flags, unsigned int max_range_sectors)
{
	u32 discard = flags & ABUSE_FLAGS_DISCARD ? max_range_sectors : 0;
	u32 zeroes = flags & ABUSE_FLAGS_WRITE_ZEROES ? max_range_sectors : 0;
	bool cache = flags & ABUSE_FLAGS_WRITE_CACHE;
	struct request_queue *q = disk->queue;

	blk_queue_logical_block_size(q, blocksize_bytes);
	blk_queue_physical_block_size(q, max_t(u32, blocksize_bytes,
					       PAGE_SIZE));
	blk_queue_dma_alignment(q, SECTOR_SIZE - 1);
	blk_queue_flag_clear(QUEUE_FLAG_STABLE_WRITES, q);
	blk_queue_write_cache(q, cache, cache);
	blk_queue_max_discard_sectors(q, discard);
	q->limits.discard_granularity = discard ? blocksize_bytes : 0;
	blk_queue_max_write_zeroes_sectors(q, zeroes);
	return 0;
}

/* As above. */
static inline int abuse_disk_stack(struct gendisk *disk,
				   struct block_device *backing)
{
	int mask = queue_dma_alignment(bdev_get_queue(backing));

	blk_queue_update_dma_alignment(disk->queue, mask);
	if (bdev_stable_writes(backing))
		blk_queue_flag_set(QUEUE_FLAG_STABLE_WRITES, disk->queue);
	if (bdev_write_cache(backing))
		blk_queue_write_cache(disk->queue, true, true);
	return 0;
}
#endif

#endif /* ABUSE_COMPAT_H */
