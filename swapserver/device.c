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
#include <stdio.h>
#include <string.h>

#include "device.h"

int device_open(struct options *o, struct server *s)
{
	struct abuse_info info;
	int err = abuse_open_path(&s->client, o->ctl_path);

	if (!err)
		err = abuse_get_status(&s->client, &info);
	if (err) {
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(-err),
			err == -ENOENT || err == -ENXIO ?
			"; is the module loaded? (modprobe abuse)" :
			err == -ENOTTY ? "; is it an abctl node?" :
			err == -EACCES ? "; give it to this user, or run as root" :
			"");
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
	int err = abuse_configure(&s->client, &info);

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
	abuse_get_scope(&s->client, ABUSE_SCOPE_DEVICE, &scope);
	if (scope != ABUSE_SCOPE_NONE)
		err = abuse_set_scope(&s->client, ABUSE_SCOPE_DEVICE,
				       ABUSE_SCOPE_NONE);
	if (err)
		fprintf(stderr, "swapserver: %s: cannot reset the scope: %s; needs CAP_SYS_RESOURCE: run as root\n",
			o->ctl_path, strerror(-err));
	return err;
}
