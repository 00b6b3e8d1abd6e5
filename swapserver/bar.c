// SPDX-License-Identifier: GPL-2.0-only
/*
 * bar.c - backend: pages kept in a memory region of a PCI device, mapped
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * A store that is outside the machine's RAM and needs no system call: what is
 * left of the question whether a process can serve swap at all, without that
 * of its own I/O.  For experiments, on QEMU's ivshmem-plain.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "backend.h"

/* Of PCI's configuration space: the command register, and memory on. */
#define BAR_COMMAND 4
#define BAR_COMMAND_MEMORY 2

/* Does the device answer?  If not, all of it reads as ones. */
static int bar_check_enabled(struct backend *b, const char *path)
{
	int len = (int)(strrchr(path, '/') ? strrchr(path, '/') - path : 0);
	unsigned char command = 0;
	char config[300];
	int fd;

	snprintf(config, sizeof(config), "%.*s/config", len, path);
	fd = open(config, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || pread(fd, &command, 1, BAR_COMMAND) != 1) {
		backend_fail(b, "%s: %s", config, strerror(errno));
		command = BAR_COMMAND_MEMORY;
		len = -1;
	}
	if (fd >= 0)
		close(fd);
	if (!(command & BAR_COMMAND_MEMORY))
		return backend_fail(b, "%.*s is off; write 1 to %.*s/enable",
				    len, path, len, path);
	return len < 0 ? -1 : 0;
}

/*
 * By where it is in the machine and what is there: nothing on it has a name,
 * and what it holds need not outlive the boot.
 */
static int bar_identify(struct backend *b, const char *options,
			const char *path)
{
	char place[PATH_MAX], boot[64], name[PATH_MAX + 100];

	if (!realpath(path, place) || storeid_boot(boot, sizeof(boot)))
		return backend_identify(b, options, NULL);
	snprintf(name, sizeof(name), "boot %s pci %s", boot, place);
	return backend_identify(b, options, name);
}

static int bar_open(struct backend *b, const char *options,
		    uint64_t *size_bytes)
{
	struct statfs fs;
	struct stat st;
	char path[256];

	if (!backend_option(options, "path", path, sizeof(path)))
		return backend_fail(
			b, "which one? give "
			   "bar,path=/sys/bus/pci/devices/.../resource2");
	if (b->fd < 0)
		b->fd = open(path, O_RDWR | O_CLOEXEC);
	if (b->fd < 0 || fstat(b->fd, &st) || fstatfs(b->fd, &fs))
		return backend_fail(b, "%s: %s", path, strerror(errno));
	/* A mapped file is page cache: it is written back when memory is short.
	 */
	if (fs.f_type != SYSFS_MAGIC)
		return backend_fail(b, "%s is no resource of a PCI device",
				    path);
	if (bar_check_enabled(b, path))
		return -1;
	if (!*size_bytes)
		*size_bytes = (uint64_t)st.st_size & ~4095ULL;
	if (!*size_bytes || *size_bytes > (uint64_t)st.st_size)
		return backend_fail(b,
				    "%s has %llu bytes, the device needs %llu; "
				    "give a smaller --size",
				    path, (unsigned long long)st.st_size,
				    (unsigned long long)*size_bytes);
	b->memory_bytes = (*size_bytes + 4095) & ~4095ULL;
	b->memory = mmap(NULL, b->memory_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED, b->fd, 0);
	if (b->memory == MAP_FAILED)
		return backend_fail(b, "mapping %s: %s", path, strerror(errno));
	b->device_flags = ABUSE_FLAGS_WRITE_ZEROES;
	return bar_identify(b, options, path);
}

static void *bar_map(struct backend *b, uint64_t offset_bytes)
{
	return (char *)b->memory + offset_bytes;
}

static int bar_write_zeroes(struct backend *b, uint64_t offset_bytes,
			    uint32_t len_bytes)
{
	memset(bar_map(b, offset_bytes), 0, len_bytes);
	return 0;
}

static const char *const bar_keys[] = {"path", "id", NULL};

const struct backend_ops backend_bar = {
	.name = "bar",
	.help = "bar,path=RESOURCE   a memory region of a PCI device: for "
		"experiments",
	.options = bar_keys,
	.open = bar_open,
	.map = bar_map,
	.write_zeroes = bar_write_zeroes,
};
