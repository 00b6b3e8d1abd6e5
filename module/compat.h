/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the differences between the kernels that the module runs on
 *
 * The only file with version tests; each names the release that made the
 * change.  Included by device.c and main.c.
 */
#ifndef ABUSE_COMPAT_H
#define ABUSE_COMPAT_H

#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/version.h>

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
 * 6.9: a disk is allocated with its limits, 6.11: features are limits, too.
 * Between those two the module has not been tried.
 *
 * NOWAIT: io_uring and others may send REQ_NOWAIT and get EAGAIN, instead of
 * handing every request to a worker.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
static inline struct gendisk *abuse_disk_alloc(unsigned int max_hw_sectors)
{
	struct queue_limits lim = {
		.features = BLK_FEAT_NOWAIT,
		.max_hw_sectors = max_hw_sectors,
		.max_segments = BIO_MAX_VECS,
	};

	return blk_alloc_disk(&lim, NUMA_NO_NODE);
}

static inline int abuse_disk_limits(struct gendisk *disk, u32 blocksize_bytes,
				    bool write_cache)
{
	struct queue_limits lim = queue_limits_start_update(disk->queue);

	lim.logical_block_size = blocksize_bytes;
	lim.physical_block_size = max_t(u32, blocksize_bytes, PAGE_SIZE);
	lim.io_min = 0;
	lim.features &= ~(BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA);
	if (write_cache)
		lim.features |= BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA;
	return queue_limits_commit_update(disk->queue, &lim);
}
#else
static inline struct gendisk *abuse_disk_alloc(unsigned int max_hw_sectors)
{
	struct gendisk *disk = blk_alloc_disk(NUMA_NO_NODE);

	if (!disk)
		return ERR_PTR(-ENOMEM);
	blk_queue_flag_set(QUEUE_FLAG_NOWAIT, disk->queue);
	blk_queue_flag_set(QUEUE_FLAG_NONROT, disk->queue);
	blk_queue_max_hw_sectors(disk->queue, max_hw_sectors);
	blk_queue_max_segments(disk->queue, BIO_MAX_VECS);
	return disk;
}

static inline int abuse_disk_limits(struct gendisk *disk, u32 blocksize_bytes,
				    bool write_cache)
{
	blk_queue_logical_block_size(disk->queue, blocksize_bytes);
	blk_queue_physical_block_size(disk->queue,
				      max_t(u32, blocksize_bytes, PAGE_SIZE));
	blk_queue_write_cache(disk->queue, write_cache, write_cache);
	return 0;
}
#endif

#endif /* ABUSE_COMPAT_H */
