// SPDX-License-Identifier: GPL-2.0-only
/*
 * dm.c - makes a device mapper device of one target, or takes it away
 *
 * Where it stands: job > [dm] > store or device.  For arms whose disk is to
 * fail (fault gives it another table then), and for swap on a mapping.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dm.h"

static int usage(FILE *to, int status)
{
	fprintf(to,
		"usage: dm linear NAME DISK   map DISK as it is; prints the node, /dev/dm-N\n"
		"       dm remove NAME\n"
		"Exit status: 0 done, 1 the kernel refused, 2 wrong usage.\n");
	return status;
}

static int fail(const char *what, int err)
{
	fprintf(stderr, "dm: %s: %s (is dm-mod loaded?)\n", what,
		strerror(-err));
	return 1;
}

static int linear(int control, const char *name, const char *disk)
{
	int fd = open(disk, O_RDONLY | O_CLOEXEC), err;
	uint64_t bytes, dev;
	char parameters[200];

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		return fail(disk, -errno);
	close(fd);
	err = dm_create(control, name, &dev);
	if (err)
		return fail(name, err);
	snprintf(parameters, sizeof(parameters), "%s 0", disk);
	err = dm_load(control, name, bytes / 512, "linear", parameters);
	if (!err)
		err = dm_resume(control, name);
	if (err) {
		dm_remove(control, name);
		return fail(disk, err);
	}
	/* The kernel's 64-bit device number, as of huge_encode_dev. */
	printf("/dev/dm-%u\n", (unsigned int)minor((dev_t)dev));
	return 0;
}

int main(int argc, char **argv)
{
	int control, err;

	if (argc == 2 && (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help")))
		return usage(stdout, 0);
	control = open(DM_CONTROL, O_RDWR | O_CLOEXEC);
	if (argc == 4 && !strcmp(argv[1], "linear"))
		return control < 0 ? fail(DM_CONTROL, -errno) :
				     linear(control, argv[2], argv[3]);
	if (argc == 3 && !strcmp(argv[1], "remove")) {
		err = control < 0 ? -errno : dm_remove(control, argv[2]);
		return err ? fail(argv[2], err) : 0;
	}
	return usage(stderr, 2);
}
