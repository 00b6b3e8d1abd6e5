// SPDX-License-Identifier: GPL-2.0-only
/*
 * fdio.c - all of a range of a file, or an error
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "fdio.h"

int fdio_read(int fd, void *buffer, uint64_t offset_bytes, uint32_t len_bytes,
	      uint32_t piece_bytes)
{
	char *p = buffer;

	while (len_bytes) {
		uint32_t want =
			len_bytes < piece_bytes ? len_bytes : piece_bytes;
		ssize_t got = pread(fd, p, want, (off_t)offset_bytes);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EIO;
		p += got;
		offset_bytes += got;
		len_bytes -= got;
	}
	return 0;
}

int fdio_write(int fd, const void *buffer, uint64_t offset_bytes,
	       uint32_t len_bytes, uint32_t piece_bytes)
{
	const char *p = buffer;

	while (len_bytes) {
		uint32_t want =
			len_bytes < piece_bytes ? len_bytes : piece_bytes;
		ssize_t put = pwrite(fd, p, want, (off_t)offset_bytes);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return put ? -errno : -EIO;
		p += put;
		offset_bytes += put;
		len_bytes -= put;
	}
	return 0;
}
