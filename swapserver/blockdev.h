/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blockdev.h - finding a block device to keep pages on, and what it can do
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Before serving only: allocates.
 */
#ifndef SWAPSERVER_BLOCKDEV_H
#define SWAPSERVER_BLOCKDEV_H

#include "backend.h"

/*
 * Open the device that path= names into b->fd, unless that is open already,
 * and check that it holds *size_bytes (0: set it) from offset_bytes on, in
 * blocks that fit; b->store_id is that of this place on its disk, or what id=
 * says.  Returns 0 or -1, a line printed.
 */
int blockdev_open(struct backend *b, const char *options, int flags,
		  uint64_t offset_bytes, uint64_t *size_bytes);

bool blockdev_can_discard(int fd);
bool blockdev_can_write_zeroes(int fd);

#endif
