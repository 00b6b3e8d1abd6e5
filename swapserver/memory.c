// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - a store in memory that several processes share
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Only makes it and finds it again; what is in it is the backend's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memory.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define MEMORY_MAGIC 0x61627375u /* "absu": the header's own layout */

struct memory_header {
	uint32_t magic;
	uint32_t layout; /* of what follows, the backend's number */
	char backend[16];
	uint64_t size_bytes; /* of the device */
	uint64_t bytes;	     /* of this file */
	uint8_t store_id[STOREID_BYTES];
	_Atomic uint32_t made; /* last of all */
};

/* What the kernel could find without swapping; UINT64_MAX: it does not say. */
static uint64_t memory_available_bytes(void)
{
	unsigned long long kb = UINT64_MAX / 1024;
	FILE *f = fopen("/proc/meminfo", "re");
	char line[100];

	if (!f)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kb) == 1)
			break;
	fclose(f);
	return kb * 1024;
}

int memory_device_size(const struct backend *b, uint64_t *size_bytes)
{
	struct memory_header header;

	if (*size_bytes)
		return 0;
	if (b->memory_fd < 0)
		return backend_fail(b, "how large? give --size");
	if (pread(b->memory_fd, &header, sizeof(header), 0) != sizeof(header))
		return backend_fail(b, "the store that was handed over: %s",
				    strerror(errno));
	*size_bytes = header.size_bytes;
	return 0;
}

/* Nobody executes it; and with vm.memfd_noexec=2 it may not be without that. */
static int memory_memfd(void)
{
	int fd = memfd_create("abuse-store", MFD_CLOEXEC | MFD_ALLOW_SEALING |
						     MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("abuse-store",
				  MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd;
}

static int memory_make(struct backend *b)
{
	/* It is all locked soon, and what is not there would be an OOM kill. */
	if (b->memory_bytes > memory_available_bytes()) {
		errno = ENOMEM;
		return -1;
	}
	b->memory_fd = memory_memfd();
	/* Nobody can cut it off below us: that would be a SIGBUS. */
	return b->memory_fd < 0 ||
			       ftruncate(b->memory_fd,
					 (off_t)b->memory_bytes) ||
			       fcntl(b->memory_fd, F_ADD_SEALS,
				     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)
		       ? -1
		       : 0;
}

static int memory_check(struct backend *b, uint32_t layout, uint64_t size_bytes)
{
	const struct memory_header *header = b->memory;

	if (header->magic != MEMORY_MAGIC || header->layout != layout ||
	    !atomic_load(&header->made) ||
	    strncmp(header->backend, b->ops->name, sizeof(header->backend)))
		return backend_fail(b, "the store that was handed over is not "
				       "one of this version's");
	if (header->size_bytes != size_bytes ||
	    header->bytes != b->memory_bytes)
		return backend_fail(
			b,
			"the store that was handed over is for %llu bytes, the "
			"device has %llu; give the same options",
			(unsigned long long)header->size_bytes,
			(unsigned long long)size_bytes);
	if (storeid_is_set(b->store_id) &&
	    memcmp(b->store_id, header->store_id, sizeof(b->store_id)))
		return backend_fail(b, "the store that was handed over is not "
				       "the one that was meant");
	memcpy(b->store_id, header->store_id, sizeof(b->store_id));
	return 0;
}

int memory_open(struct backend *b, uint32_t layout, uint64_t size_bytes,
		uint64_t bytes)
{
	bool make = b->memory_fd < 0;
	struct memory_header *header;
	struct stat st;
	int err;

	b->memory_bytes = MEMORY_PAGE_BYTES + MEMORY_WHOLE_PAGES(bytes);
	if (make && memory_make(b))
		return backend_fail(
			b, "no %zu bytes of memory: %s; give a smaller --size",
			b->memory_bytes, strerror(errno));
	if (fstat(b->memory_fd, &st) || (size_t)st.st_size != b->memory_bytes)
		return backend_fail(b,
				    "the store that was handed over does not "
				    "have %zu bytes; give the same options",
				    b->memory_bytes);
	/* Shared: never copied on write, whatever else happens. */
	b->memory = mmap(NULL, b->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED, b->memory_fd, 0);
	if (b->memory == MAP_FAILED)
		return backend_fail(
			b, "mapping %zu bytes: %s; give a smaller --size",
			b->memory_bytes, strerror(errno));
	if (!make)
		return memory_check(b, layout, size_bytes);
	header = b->memory;
	err = storeid_draw(header->store_id);
#ifdef MEMORY_BUSTED_SAME_ID /* a twin of the host's tests */
	memset(header->store_id, 1, sizeof(header->store_id));
#endif
	if (err)
		return backend_fail(b, "no random id: %s", strerror(-err));
	memcpy(b->store_id, header->store_id, sizeof(b->store_id));
	header->magic = MEMORY_MAGIC;
	header->layout = layout;
	snprintf(header->backend, sizeof(header->backend), "%s", b->ops->name);
	header->size_bytes = size_bytes;
	header->bytes = b->memory_bytes;
	return 1;
}

void memory_made(struct backend *b)
{
	struct memory_header *header = b->memory;

	atomic_store(&header->made, 1);
}
