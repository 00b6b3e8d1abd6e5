// SPDX-License-Identifier: GPL-2.0-only
/*
 * null.c - shows the least that a server is: a device of zeroes
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * What is written is dropped, what is read is zeroes.  All of a server is
 * here: open, configure, go live, run.  null-raw.c is the same without the
 * library.  It takes no protection: not to be swapped on.
 *
 *	null N SIZE		null 0 1073741824
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libabuse.h"

static int null_read(void *context, void *buffer, uint64_t offset_bytes,
		     uint32_t len_bytes)
{
	(void)context;
	(void)offset_bytes;
	memset(buffer, 0, len_bytes);
	return 0;
}

static int null_write(void *context, const void *buffer, uint64_t offset_bytes,
		      uint32_t len_bytes)
{
	(void)context;
	(void)buffer;
	(void)offset_bytes;
	(void)len_bytes;
	return 0;
}

static const struct abuse_ops null_ops = {
	.read = null_read,
	.write = null_write,
};

int main(int argc, char **argv)
{
	struct abuse_info info = { .ab_blocksize = 4096 };
	struct abuse_dev dev;
	int err;

	if (argc != 3) {
		fputs("null: give N SIZE (in bytes)\n", stderr);
		return 2;
	}
	info.ab_size = strtoull(argv[2], NULL, 0);
	info.ab_flags = abuse_ops_flags(&null_ops);
	err = abuse_open(&dev, strtoul(argv[1], NULL, 0));
	if (!err)
		err = abuse_configure(&dev, &info);
	if (!err)
		err = abuse_go_live(&dev);
	while (!err || err == -EINTR)
		err = abuse_run(&dev, &null_ops, NULL);
	fprintf(stderr,
		"null: /dev/abuse%s: %s; is the module loaded, SIZE a multiple of 4096?\n",
		argv[1], strerror(-err));
	return 1;
}
