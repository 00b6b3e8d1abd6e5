// SPDX-License-Identifier: GPL-2.0-only
/*
 * scope.c - what a server may use of memory, asked for and read back
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Called by a server before it serves; it locks no memory.
 */
#define _GNU_SOURCE
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "libabuse.h"

#define PAGE_BYTES	4096

int abuse_set_scope(struct abuse_dev *dev, unsigned int target,
		    unsigned int scope)
{
	struct abuse_scope s = { .ab_target = target, .ab_scope = scope };

	return ioctl(dev->fd, ABUSE_SET_SCOPE, &s) ? -errno : 0;
}

int abuse_get_scope(struct abuse_dev *dev, unsigned int target,
		    unsigned int *scope)
{
	struct abuse_scope s = { .ab_target = target };

	if (ioctl(dev->fd, ABUSE_GET_SCOPE, &s))
		return -errno;
	*scope = s.ab_scope;
	return 0;
}

/*
 * One verb in a page that has never been touched: without NOFAULT the kernel
 * would fault it in, find zeroes, and call that verb unknown (EINVAL).
 */
int abuse_probe_nofault(struct abuse_dev *dev, bool *refuses)
{
	struct abuse_serve serve = { .ab_nr_verbs = 1 };
	void *page;
	int err = 0;

	page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	serve.ab_verbs = (uintptr_t)page;
	serve.ab_flags = dev->flags | ABUSE_SERVE_NOWAIT;
	if (ioctl(dev->fd, ABUSE_SERVE, &serve) < 0)
		err = errno;
	*refuses = err == EFAULT;
	munmap(page, PAGE_BYTES);
	return err == EFAULT || err == EINVAL ? 0 : -err;
}
