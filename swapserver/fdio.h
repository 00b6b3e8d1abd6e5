/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fdio.h - all of a range of a file, or an error
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#ifndef SWAPSERVER_FDIO_H
#define SWAPSERVER_FDIO_H

#include <stdint.h>

/*
 * O_DIRECT on a block device keeps the vectors of up to four pages on the
 * kernel's stack and allocates above that (__blkdev_direct_IO_simple,
 * DIO_INLINE_BIO_VECS): four pages at a time cost no memory.
 */
#define FDIO_DIRECT_BYTES (4 * 4096u)

/*
 * At most piece_bytes a call.  Use SYS_pread64 and SYS_pwrite64.  Return 0 or
 * -errno; -EIO: the file has ended.
 */
int fdio_read(int fd, void *buffer, uint64_t offset_bytes, uint32_t len_bytes,
	      uint32_t piece_bytes);
int fdio_write(int fd, const void *buffer, uint64_t offset_bytes,
	       uint32_t len_bytes, uint32_t piece_bytes);

#endif
