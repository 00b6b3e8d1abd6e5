/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dm.h - the four calls of the device mapper that an arm needs, without a
 * library
 *
 * Where it stands: dm.c, fault > [dm] > kernel.  A table is loaded beside
 * the one in use, which may allocate, and takes its place when the device is
 * resumed, which waits for nothing but requests that the disk has.
 */
#ifndef EXPERIMENTS_DM_H
#define EXPERIMENTS_DM_H

#include <errno.h>
#include <linux/dm-ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define DM_CONTROL	"/dev/mapper/control"

struct dm_call {
	struct dm_ioctl head;
	struct dm_target_spec target;
	char parameters[256];
};

/* 0 or -errno.  call->head.dev names the device afterwards. */
static inline int dm_do(int control, unsigned long request, const char *name,
			uint32_t flags, struct dm_call *call)
{
	call->head.version[0] = DM_VERSION_MAJOR;
	call->head.data_size = sizeof(*call);
	call->head.data_start = sizeof(call->head);
	call->head.flags = flags;
	snprintf(call->head.name, sizeof(call->head.name), "%s", name);
	return ioctl(control, request, call) ? -errno : 0;
}

static inline int dm_create(int control, const char *name, uint64_t *dev)
{
	struct dm_call call = { 0 };
	int err = dm_do(control, DM_DEV_CREATE, name, 0, &call);

	*dev = call.head.dev;
	return err;
}

/* One target over the whole device, beside the table in use. */
static inline int dm_load(int control, const char *name, uint64_t nr_sectors,
			  const char *type, const char *parameters)
{
	struct dm_call call = { 0 };

	call.head.target_count = 1;
	call.target.length = nr_sectors;
	snprintf(call.target.target_type, sizeof(call.target.target_type),
		 "%s", type);
	snprintf(call.parameters, sizeof(call.parameters), "%s", parameters);
	return dm_do(control, DM_TABLE_LOAD, name, 0, &call);
}

/* What was loaded takes the place of what was there. */
static inline int dm_resume(int control, const char *name)
{
	struct dm_call call = { 0 };

	/* No freezing of a file system, no wait for requests held back. */
	return dm_do(control, DM_DEV_SUSPEND, name,
		     DM_SKIP_LOCKFS_FLAG | DM_NOFLUSH_FLAG, &call);
}

/* The name of the first target in use; an empty string if there is none. */
static inline int dm_type(int control, const char *name, char *type,
			  size_t bytes)
{
	struct dm_call call = { 0 };
	int err = dm_do(control, DM_TABLE_STATUS, name, DM_STATUS_TABLE_FLAG,
			&call);

	type[0] = '\0';
	/* The kernel put the targets where the data starts. */
	if (!err && call.head.target_count)
		snprintf(type, bytes, "%s", call.target.target_type);
	return err;
}

static inline int dm_remove(int control, const char *name)
{
	struct dm_call call = { 0 };

	return dm_do(control, DM_DEV_REMOVE, name, 0, &call);
}

#endif
