/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * backend.h - where the pages of a device are kept: the contract
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 *
 * THE LIFE OF A BACKEND
 *
 *   open -> (arena touched, memory locked, sealed) -> read/write/flush ...
 *
 * open may allocate, and prints one line that says what to do if it fails.
 * All others run while memory may be exhausted: they allocate nothing, open
 * nothing, and use no system call but those listed in ->syscalls.  There is
 * no close: a server ends by exiting, and the kernel takes back what it was
 * lent.
 */
#ifndef SWAPSERVER_BACKEND_H
#define SWAPSERVER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct backend;

struct backend_ops {
	const char *name;
	const char *help;		/* one line for --help */

	/*
	 * Required.  options: what follows the name on the command line
	 * ("path=/dev/vdb"), or "".  size_bytes: of the device; 0: set it to
	 * what the store holds.  Returns 0 or -1, with a line printed.
	 */
	int (*open)(struct backend *b, const char *options,
		    uint64_t *size_bytes);

	/*
	 * Optional: what the process has to do at the device before it serves,
	 * through its own /dev/abctlN: present its backings.  After the device
	 * was configured, before the server is locked; may allocate.  Returns
	 * 0 or -1, with a line printed.
	 */
	int (*attach)(struct backend *b, int ctl_fd);

	/*
	 * Optional: the last server of this store has died, in the middle of
	 * anything; called once, before the first request, in a sealed
	 * process.  0 or -errno.
	 */
	int (*recover)(struct backend *b);

	/*
	 * Required unless map is there.  All of the range or an error; the
	 * range lies within the device, offset and length are multiples of
	 * its block size, buffers of 4096.  Return 0 or -errno.  A write
	 * returns when the data is where the backend promises to keep it.
	 */
	int (*read)(struct backend *b, void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes);
	int (*write)(struct backend *b, const void *buffer,
		     uint64_t offset_bytes, uint32_t len_bytes);

	/* Optional: all writes that have returned are durable.  0 or -errno. */
	int (*flush)(struct backend *b);

	/*
	 * Optional: the address of a range of the device, for a store that is
	 * memory: the kernel then copies straight to and from it.
	 */
	void *(*map)(struct backend *b, uint64_t offset_bytes);

	/* System calls on b->fd that read, write and flush make; 0 ends it. */
	const int *syscalls;
};

struct backend {
	const struct backend_ops *ops;
	/* Given to open if >= 0: inherited, opened by another; else -1. */
	int fd;				/* disk; else -1 */
	int memory_fd;			/* memfd of a store in memory; else -1 */
	void *memory;			/* ram; else NULL */
	uint64_t size_bytes;
	uint32_t blocksize_bytes;	/* of the device; set before open */
};

extern const struct backend_ops backend_ram;
extern const struct backend_ops backend_disk;
extern const struct backend_ops *const backend_all[];	/* NULL ends it */

/*
 * "name,options": find it and open it, with b->fd and b->memory_fd as they
 * were inherited, or -1.  Returns 0 or -1, a line printed.
 */
int backend_open(struct backend *b, const char *spec, uint64_t *size_bytes,
		 uint32_t blocksize_bytes);

/* The value of key in "a=1,b=2", into value; false if it is not there. */
bool backend_option(const char *options, const char *key, char *value,
		    size_t value_bytes);

#endif
