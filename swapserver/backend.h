/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * backend.h - where the pages of a device are kept: the contract
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 *
 * THE LIFE OF A BACKEND
 *
 *   open > attach > (arena touched, memory locked, sealed) > recover > the rest
 *
 * open and attach may allocate, and print one line that says what to do if
 * they fail.  All others run while memory may be exhausted: they allocate
 * nothing, open nothing, and use no system call but those listed below.
 * There is no close: a server ends by exiting, and the kernel takes back what
 * it was lent.
 *
 * SEVERAL PROCESSES, ONE STORE
 *
 * One at a time serves (I13); it may die at any instruction, and another goes
 * on with the same store.  So a store that is memory keeps all that changes in
 * the shared memory, publishes by one atomic store, and holds no lock.  A
 * process that was forked has all it needs; one that was not is given the
 * descriptors, in fd and memory_fd, and the store's id.
 *
 * WHICH STORE IT IS
 *
 * The device is bound to the store's id, so that another store, or an empty
 * one, never answers for it (I14).  open leaves it in store_id: the same as
 * long as the data is there and whoever opens it, another as soon as it is not.
 * A store in memory keeps the id it drew when it was made (memory.h); for all
 * others there is backend_identify().
 *
 * WHAT READS AS ZEROES
 *
 * What has never been written reads as zeroes, or as what the disk, region or
 * file held before: never as what another device's store holds.  What
 * write_zeroes has been at reads as zeroes.  What was discarded may read as
 * anything that was in that place of that store.
 */
#ifndef SWAPSERVER_BACKEND_H
#define SWAPSERVER_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/abuse.h>

#include "storeid.h"

struct backend;

struct backend_ops {
	const char *name;
	const char *help;		/* one line for --help */
	const char *const *options;	/* keys; NULL: none; NULL ends it */
	bool wraps;			/* after a ':' comes another backend */
	bool joins;			/* fewer and larger calls are better */
	bool lanes;			/* read and write from several threads */
	bool forgets;			/* gone with the last who has it open */
	bool no_scope;			/* never under PF_MEMALLOC (I8) */

	/*
	 * Required.  options: what follows the name on the command line
	 * ("path=/dev/vdb"), or ""; none but those listed above.  size_bytes:
	 * of the device; 0: set it to what the store holds.  b->fd and
	 * b->memory_fd: -1, or inherited, and then so is b->store_id, which
	 * is else to be set.  Returns 0 or -1, with a line printed.
	 */
	int (*open)(struct backend *b, const char *options,
		    uint64_t *size_bytes);

	/*
	 * Optional: present to the device what it is to forward to.  Called
	 * once by each process that will serve, with its own open control file,
	 * when the device is configured and before it asks for work.  Returns
	 * 0 or -1, with a line printed.
	 */
	int (*attach)(struct backend *b, int ctl_fd);

	/*
	 * Optional: called by a process that takes over, before it serves.
	 * The earlier owner is gone, and may have died at any instruction; it
	 * may also have died in here.  Harmless if nobody died.
	 */
	void (*recover)(struct backend *b);

	/*
	 * Required unless map or forward is there.  All of the range or an
	 * error; the range lies within the device, offset and length are
	 * multiples of its block size, buffers of 4096.  Return 0 or -errno.  A
	 * write returns when the data is where the backend promises to keep it.
	 */
	int (*read)(struct backend *b, void *buffer, uint64_t offset_bytes,
		    uint32_t len_bytes);
	int (*write)(struct backend *b, const void *buffer,
		     uint64_t offset_bytes, uint32_t len_bytes);

	/* Optional: all writes that have returned are durable.  0 or -errno. */
	int (*flush)(struct backend *b);

	/*
	 * Optional: nobody wants the data of this range any more; frees what it
	 * takes.  Called if b->device_flags has ABUSE_FLAGS_DISCARD.  0 or
	 * -errno.
	 */
	int (*discard)(struct backend *b, uint64_t offset_bytes,
		       uint32_t len_bytes);

	/*
	 * Optional: the range reads as zeroes from here on; may free what it
	 * takes.  Called if b->device_flags has ABUSE_FLAGS_WRITE_ZEROES;
	 * without it the kernel writes pages of zeroes.  0 or -errno.
	 */
	int (*write_zeroes)(struct backend *b, uint64_t offset_bytes,
			    uint32_t len_bytes);

	/*
	 * Optional: the address of a range of the device, for a store that is
	 * memory: the kernel then copies straight to and from it.
	 */
	void *(*map)(struct backend *b, uint64_t offset_bytes);

	/*
	 * Optional: answer by sending the request on: set the verb's ab_sector
	 * and ab_backing, and return 0; or -errno, to fail the request.  Gets
	 * all requests, also those without data; then none of the above is
	 * called but open, attach and recover.
	 */
	int (*forward)(struct backend *b, const struct abuse_lent *lent,
		       struct abuse_verb *verb);

	/*
	 * System calls that all but open and attach make: with b->fd as first
	 * argument; ioctls of b->fd; with anything.  0 ends each list; NULL:
	 * none.
	 */
	const int *syscalls;
	const unsigned long *ioctls;
	const int *plain_syscalls;
};

struct backend {
	const struct backend_ops *ops;
	/* Before open: -1, or what an earlier owner of the store had there. */
	int fd;				/* of a disk, file or region */
	int memory_fd;			/* of a store in memory, see memory.h */
	uint8_t store_id[STOREID_BYTES]; /* all 0: not known yet */
	void *memory;			/* mapped: all of it, with any header */
	size_t memory_bytes;
	void *state;			/* the backend's own, of this process */
	uint64_t size_bytes;
	uint32_t blocksize_bytes;	/* of the device; set before open */
	unsigned int device_flags;	/* ABUSE_FLAGS_* that open adds */
};

extern const struct backend_ops backend_null;
extern const struct backend_ops backend_ram;
extern const struct backend_ops backend_lz4;
extern const struct backend_ops backend_disk;
extern const struct backend_ops backend_forward;
extern const struct backend_ops backend_bar;
extern const struct backend_ops backend_file;
extern const struct backend_ops backend_fault;
extern const struct backend_ops *const backend_all[];	/* NULL ends it */

/*
 * May whoever serves this, "name,options", have the reserve scope?  Asked
 * before it is opened: with the scope not even its file is to be.
 */
bool backend_takes_scope(const char *spec);

/*
 * "name,options": find it and open it, with b->fd, b->memory_fd and
 * b->store_id as they are.  Returns 0 or -1, a line printed.
 */
int backend_open(struct backend *b, const char *spec, uint64_t *size_bytes,
		 uint32_t blocksize_bytes);

/* ops->attach, if there is one.  Returns 0 or -1, a line printed. */
int backend_attach(struct backend *b, int ctl_fd);

/*
 * For open: b->store_id from the option id=, else from what the store is known
 * by; what was inherited stays.  name NULL: it is known by nothing.  Returns 0
 * or -1, a line printed.
 */
int backend_identify(struct backend *b, const char *options, const char *name);

/* The value of key in "a=1,b=2", into value; false if it is not there. */
bool backend_option(const char *options, const char *key, char *value,
		    size_t value_bytes);

/*
 * The same for a number, with K, M, G or T.  value stays if the key is not there.
 * Returns 0 or -1, a line printed.
 */
int backend_option_number(const struct backend *b, const char *options,
			  const char *key, uint64_t *value);

/* One line to stderr, "swapserver: NAME: ..."; always -1, for return. */
int backend_fail(const struct backend *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
