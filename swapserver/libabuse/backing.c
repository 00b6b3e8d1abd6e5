// SPDX-License-Identifier: GPL-2.0-only
/*
 * backing.c - the disks that a device forwards to, and the store it is bound to
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Called by a server before it serves; it opens nothing itself.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "libabuse.h"

int abuse_set_backing(struct abuse_dev *dev, int fd, unsigned int *index,
		      uint64_t *size_bytes)
{
	struct abuse_backing backing = { .ab_fd = fd };

	if (ioctl(dev->fd, ABUSE_SET_BACKING, &backing))
		return -errno;
	*index = backing.ab_index;
	if (size_bytes)
		*size_bytes = backing.ab_size;
	return 0;
}

static int backing_store(struct abuse_dev *dev, const uint8_t id[16],
			 uint32_t flags)
{
	struct abuse_store store = { .ab_flags = flags };

	memcpy(store.ab_id, id, sizeof(store.ab_id));
	return ioctl(dev->fd, ABUSE_SET_STORE, &store) ? -errno : 0;
}

int abuse_bind_store(struct abuse_dev *dev, const uint8_t id[16])
{
	return backing_store(dev, id, ABUSE_STORE_BIND);
}

int abuse_present_store(struct abuse_dev *dev, const uint8_t id[16])
{
	return backing_store(dev, id, 0);
}
