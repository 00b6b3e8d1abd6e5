// SPDX-License-Identifier: GPL-2.0-only
/*
 * storage.c - takes away what the server or the device is connected to: the
 * disk below, or nbd's socket
 *
 * Where it stands: job > main > fault > [storage] > disk, nbd.
 */
#define _GNU_SOURCE
#include <linux/nbd.h>

#include "../dm.h"
#include "../locked.h"
#include "fault.h"

static int nbd = -1;

static int prepare_disconnect(void)
{
	nbd = open(opt.device ? opt.device : "", O_RDWR | O_CLOEXEC);
	return nbd < 0 ? fail("--device", -errno) : 0;
}

/* As nbd-client -d does, over a descriptor that was opened before. */
static int inject_disconnect(struct seen *seen)
{
	if (ioctl(nbd, NBD_DISCONNECT))
		return refused(seen, "NBD_DISCONNECT: %s", strerror(errno));
	return 0;
}

const struct kind kind_disconnect = {
	.name = "disconnect",
	.prepare = prepare_disconnect,
	.inject = inject_disconnect,
	.slow = true,
};

static int dm_control = -1;

/* The table that fails everything is made now, beside the one in use. */
static int prepare_disk_error(void)
{
	char path[64], sectors[32];
	int err;

	dm_control = open(DM_CONTROL, O_RDWR | O_CLOEXEC);
	if (dm_control < 0 || !opt.mapping || !opt.disk)
		return fail(DM_CONTROL ", --mapping, --disk",
			    dm_control < 0 ? -errno : -EINVAL);
	snprintf(path, sizeof(path), "/sys/block/%s/size",
		 strrchr(opt.disk, '/') ? strrchr(opt.disk, '/') + 1 : opt.disk);
	if (!text_read(path, sectors, sizeof(sectors)))
		return fail(path, -ENOENT);
	err = dm_load(dm_control, opt.mapping, strtoull(sectors, NULL, 10),
		      "error", "");
	return err ? fail(opt.mapping, err) : 0;
}

static int inject_disk_error(struct seen *seen)
{
	char type[32];
	int err = dm_resume(dm_control, opt.mapping);

	if (err)
		return refused(seen, "resume of %s: %s", opt.mapping,
			       strerror(-err));
	err = dm_type(dm_control, opt.mapping, type, sizeof(type));
	if (err || strcmp(type, "error"))
		return refused(seen, "the table of %s is still '%s'", opt.mapping,
			       type);
	return 0;
}

const struct kind kind_disk_error = {
	.name = "disk-error",
	.prepare = prepare_disk_error,
	.inject = inject_disk_error,
};
