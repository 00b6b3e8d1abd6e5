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
#include "status.h"

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

/* The id that it is bound to, as text; "" if it does not say. */
static void device_bound_to(const struct options *o, char *text, size_t bytes)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/abuse%d/abuse/store_id",
		 o->device);
	text[0] = '\0';
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(text, (int)bytes, f))
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
}

/* It has, or had, a server: capacity comes with the first. */
static bool device_is_live(const struct options *o)
{
	unsigned long long sectors = 0;
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/block/abuse%d/size", o->device);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%llu", &sectors) != 1)
		sectors = 0;
	fclose(f);
	return sectors > 0;
}

/* Allocates nothing: a sealed server may have to say it. */
static int device_refuse(const struct options *o, const struct server *s,
			 const char *bound_to)
{
	char ours[STOREID_TEXT_BYTES], line[500];

	storeid_write(ours, s->backend.store_id);
	snprintf(line, sizeof(line),
		 "swapserver: %s: the device is bound to store %s, and this one, %s, is %s: not serving it; when nothing uses the device, abusectl reset %d or --anew gives the other up\n",
		 o->ctl_path, *bound_to ? bound_to : "of another id", ours,
		 s->backend.ops->forgets ? "new and empty" : "not that one",
		 o->device);
	status_say(line);
	return EXIT_STORE;
}

/* As if nobody had ever served it; refused if it is in use.  0 or -errno. */
static int device_start_anew(struct abuse_dev *probe)
{
	struct abuse_counters n;
	int err = abuse_get_counters(probe, &n);

	/* The probe counts as one. */
	if (!err && n.ab_nr_servers > 1)
		return -EBUSY;
	return err ? err : abuse_reset(probe);
}

int device_check_store(const struct options *o, const struct server *s)
{
	char bound_to[STOREID_TEXT_BYTES + 1];
	struct abuse_dev probe;
	int err;

	/* Through a file of its own: who presents a store counts as a server. */
	err = abuse_open_path(&probe, o->ctl_path);
	if (err) {
		fprintf(stderr, "swapserver: %s: %s\n", o->ctl_path,
			strerror(-err));
		return EXIT_FAILED;
	}
	err = abuse_present_store(&probe, s->backend.store_id);
	device_bound_to(o, bound_to, sizeof(bound_to));
	if (err == -ENODEV || (err == -ENOMEDIUM && (o->no_store_id ||
						     !device_is_live(o))))
		err = 0;
	else if (!err && o->no_store_id)
		err = -EMEDIUMTYPE;	/* ours, but nobody is to know */
	if (err && o->anew)
		err = device_start_anew(&probe);
	abuse_close(&probe);
	if (err == -EMEDIUMTYPE)
		return device_refuse(o, s, bound_to);
	if (err == -ENOMEDIUM)
		fprintf(stderr,
			"swapserver: %s: the device has been served, and is bound to no store; if what it held may be lost: --anew, or abusectl reset %d\n",
			o->ctl_path, o->device);
	else if (err)
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(-err), err == -EBUSY ?
			"; it is in use or served, and bound to another store: --anew does not take it from there" :
			"");
	return err == -ENOMEDIUM || err == -EBUSY ? EXIT_STORE :
	       err ? EXIT_FAILED : 0;
}

int device_check_module(const struct options *o, struct server *s)
{
	int err = abuse_probe_verb(&s->client, ABUSE_VERB_COPY_IN |
						       ABUSE_VERB_AND_COMPLETE);

	if (err)
		fprintf(stderr, "swapserver: %s: %s%s\n", o->ctl_path,
			strerror(-err), err == -EOPNOTSUPP ?
			"; the loaded module is older than this server: drain and unload it, and load the one that came with it" :
			"");
	return err ? -1 : 0;
}

int device_bind_store(const struct options *o, struct server *s)
{
	char line[200];
	int err;

	if (o->no_store_id)
		return 0;
	err = abuse_bind_store(&s->client, s->backend.store_id);
	if (err == -EMEDIUMTYPE)
		return device_refuse(o, s, "");
	if (!err)
		return 0;
	snprintf(line, sizeof(line),
		 "swapserver: %s: cannot be bound to its store: error %d; was it reset meanwhile?\n",
		 o->ctl_path, -err);
	status_say(line);
	return EXIT_FAILED;
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
