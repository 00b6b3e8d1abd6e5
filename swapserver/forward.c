// SPDX-License-Identifier: GPL-2.0-only
/*
 * forward.c - backend: the policy is here, the data stay in the kernel
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Each request is answered by "send it to that disk, to that sector": the
 * module clones it from the device's own reserve, and no page enters this
 * process.  What the disk fails comes back once, and is failed with the disk's
 * own error: a second way to the same sectors would have no better luck.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "blockdev.h"

/* One server a process, one disk a server. */
static struct forward_state {
	uint32_t backing; /* the device's index of the disk */
	uint64_t first_sector;
} forward_state;

static int forward_open(struct backend *b, const char *options,
			uint64_t *size_bytes)
{
	struct forward_state *state = &forward_state;
	uint64_t offset_bytes = 0;

	b->state = state;
	/* Not O_EXCL: it is the device that claims it, see forward_attach(). */
	if (backend_option_number(b, options, "offset", &offset_bytes) ||
	    blockdev_open(b, options, 0, offset_bytes, size_bytes))
		return -1;
	state->first_sector = offset_bytes / 512;
	if (blockdev_can_discard(b->fd))
		b->device_flags |= ABUSE_FLAGS_DISCARD;
	if (blockdev_can_write_zeroes(b->fd))
		b->device_flags |= ABUSE_FLAGS_WRITE_ZEROES;
	return 0;
}

static const char *forward_advice(int err)
{
	switch (err) {
	case EBUSY:
		return "the disk is mounted or otherwise in use, or the device "
		       "forwards to another one";
	case EINVAL:
		return "not a disk or a partition on hardware: loop, nbd, "
		       "device mapper and the like could lead back here";
	}
	return strerror(err);
}

static int forward_attach(struct backend *b, int ctl_fd)
{
	struct abuse_backing backing = {.ab_fd = b->fd};
	struct forward_state *state = b->state;

	if (ioctl(ctl_fd, ABUSE_SET_BACKING, &backing))
		return backend_fail(b, "the disk was refused: %s",
				    forward_advice(errno));
	state->backing = backing.ab_index;
	return 0;
}

static int forward_forward(struct backend *b, const struct abuse_lent *lent,
			   struct abuse_verb *verb)
{
	const struct forward_state *state = b->state;

	/*
	 * Some disks find out only now that they cannot write zeroes, and say
	 * so by a target error (sd_done()); then the submitter writes them.
	 */
	if (lent->ab_flags & ABUSE_LENT_FAILED &&
	    lent->ab_command == ABUSE_WRITE_ZEROES &&
	    lent->ab_error == EREMOTEIO)
		return -EOPNOTSUPP;
	if (lent->ab_flags & ABUSE_LENT_FAILED)
		return -(int)lent->ab_error;
	verb->ab_backing = state->backing;
	verb->ab_sector = state->first_sector + lent->ab_sector;
	return 0;
}

static const char *const forward_keys[] = {"path", "offset", "id", NULL};

const struct backend_ops backend_forward = {
	.name = "forward",
	.help = "forward,path=DEVICE[,offset=BYTES]\n"
		"                      a disk or partition, sent on inside the "
		"kernel",
	.options = forward_keys,
	.open = forward_open,
	.attach = forward_attach,
	.forward = forward_forward,
};
