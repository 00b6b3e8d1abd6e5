// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - open and configure the device that is to be served
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * For the one server, and for the supervisor of several; before anything is
 * served.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "device.h"

int device_open(struct options *o, struct server *s)
{
	struct abuse_info info;

	s->client.fd = open(o->ctl_path, O_RDWR | O_CLOEXEC);
	if (s->client.fd < 0) {
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(errno),
			errno == ENOENT || errno == ENXIO ?
			"; is the module loaded? (modprobe abuse)" : "");
		return -1;
	}
	if (ioctl(s->client.fd, ABUSE_GET_STATUS, &info)) {
		fprintf(stderr, "swapserver: %s: %s; is it an abctl node?\n",
			o->ctl_path, strerror(errno));
		return -1;
	}
	o->device = (int)info.ab_number;
	/* A device that is there already says how large it is. */
	if (!o->size_bytes)
		o->size_bytes = info.ab_size;
	return 0;
}

int device_configure(const struct options *o, struct server *s)
{
	struct abuse_info info = {
		.ab_size = o->size_bytes,
		.ab_blocksize = o->blocksize_bytes,
		.ab_max_queue = o->queue,
		.ab_flags = ABUSE_FLAGS_WRITE_CACHE |
			    s->backend.device_flags |
			    (o->read_only ? ABUSE_FLAGS_READ_ONLY : 0),
	};
	unsigned int scope = ABUSE_SCOPE_NONE;
	int err = client_configure(&s->client, &info);

	if (err) {
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(-err), err == -EINVAL ?
			"; size and block size must fit each other, and the device if it is configured" :
			"");
		return -1;
	}
	/* What an earlier server left behind would spoil an experiment. */
	if (o->protections.p[PROTECT_SCOPE].wanted)
		return 0;
	client_scope_get(&s->client, ABUSE_SCOPE_DEVICE, &scope);
	if (scope != ABUSE_SCOPE_NONE)
		err = client_scope_set(&s->client, ABUSE_SCOPE_DEVICE,
				       ABUSE_SCOPE_NONE);
	if (err)
		fprintf(stderr, "swapserver: %s: cannot reset the scope: %s; run as root\n",
			o->ctl_path, strerror(-err));
	return err;
}
