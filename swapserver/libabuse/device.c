// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - a device from open to live, and what it says of itself
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Called by a server before it serves.  What serves is in serve.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libabuse.h"

int abuse_open(struct abuse_dev *dev, unsigned int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/abctl%u", number);
	return abuse_open_path(dev, path);
}

int abuse_open_path(struct abuse_dev *dev, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int err;

	if (fd < 0) {
		err = -errno;
		/* As after any other open that failed: nothing to close. */
		memset(dev, 0, sizeof(*dev));
		dev->fd = -1;
		return err;
	}
	err = abuse_adopt(dev, fd);
	if (err)
		close(fd);
	return err;
}

int abuse_adopt(struct abuse_dev *dev, int fd)
{
	struct abuse_info info;

	memset(dev, 0, sizeof(*dev));
	dev->fd = -1;
	if (ioctl(fd, ABUSE_GET_STATUS, &info))
		return -errno;
	dev->fd = fd;
	return 0;
}

void abuse_close(struct abuse_dev *dev)
{
	abuse_arena_free(dev);
	if (dev->fd >= 0)
		close(dev->fd);
	dev->fd = -1;
}

int abuse_get_status(struct abuse_dev *dev, struct abuse_info *info)
{
	return ioctl(dev->fd, ABUSE_GET_STATUS, info) ? -errno : 0;
}

/*
 * Was it only given its size (abusectl add), and has served nobody?  Then what
 * its servers can do has been nobody's business yet.
 */
static bool abuse_is_fresh(struct abuse_dev *dev, const struct abuse_info *now,
			   const struct abuse_info *info)
{
	struct abuse_counters n;

	return now->ab_size <= info->ab_size &&
	       now->ab_blocksize == info->ab_blocksize &&
	       !abuse_get_counters(dev, &n) && !n.ab_accepted &&
	       !n.ab_serve_calls && !n.ab_nr_servers && !n.ab_nr_opens;
}

static int abuse_set_status(struct abuse_dev *dev, struct abuse_info *info)
{
	return ioctl(dev->fd, ABUSE_SET_STATUS, info) ? -errno : 0;
}

int abuse_configure(struct abuse_dev *dev, struct abuse_info *info)
{
	struct abuse_info now;
	int err = abuse_set_status(dev, info);
	bool comes_back = err == -EBUSY;

	/* What an earlier call of ours has configured stays ours. */
	if (!err)
		dev->configured = true;
	if (comes_back) {
		err = abuse_get_status(dev, &now);
		if (err)
			return err;
		info->ab_flags |= ABUSE_FLAGS_RECONNECT;
		/* A smaller reserve cannot be made the default. */
		if (!info->ab_max_queue)
			info->ab_max_queue = now.ab_max_queue;
		err = abuse_set_status(dev, info);
	}
	/* Its flags are not what we can do, and it is not too late for that. */
	if (comes_back && err == -EINVAL &&
	    abuse_is_fresh(dev, &now, info) && !abuse_reset(dev)) {
		info->ab_flags &= ~ABUSE_FLAGS_RECONNECT;
		err = abuse_set_status(dev, info);
		dev->configured = !err;
	}
	if (!err)
		dev->size_bytes = info->ab_size;
	return err;
}

int abuse_unconfigure(struct abuse_dev *dev)
{
	return dev->configured ? abuse_reset(dev) : 0;
}

int abuse_reset(struct abuse_dev *dev)
{
	if (ioctl(dev->fd, ABUSE_RESET))
		return -errno;
	dev->configured = false;
	dev->size_bytes = 0;
	return 0;
}

int abuse_go_live(struct abuse_dev *dev)
{
	struct pollfd work = { .fd = dev->fd, .events = POLLMSG };
	int err;

	/* May we serve at all?  poll() does not say; a sealed server may ask. */
	err = abuse_serve(dev, NULL, 0, NULL, 0, false);
	if (err)
		return err;
	poll(&work, 1, 0);	/* whatever it finds, the loop will */
	return 0;
}

int abuse_set_poll(struct abuse_dev *dev, const struct abuse_poll *poll)
{
	struct abuse_poll wanted = *poll;

	return ioctl(dev->fd, ABUSE_SET_POLL, &wanted) ? -errno : 0;
}

int abuse_get_counters(struct abuse_dev *dev, struct abuse_counters *counters)
{
	return ioctl(dev->fd, ABUSE_GET_COUNTERS, counters) ? -errno : 0;
}
