/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t_disk.h - real disks for the tests: behind a server, and to forward to
 *
 * Where it stands: [test] > /dev/abctlN > module > backing.  scsi_debug gives
 * disks of guest memory that can be slow, fail and go away; device mapper one
 * that holds writes back before they reach the disk below it (scsi_debug
 * stores at once and only answers late).
 *
 * Wrappers return what the call returned, or -errno.
 */
#ifndef TESTS_LIB_T_DISK_H
#define TESTS_LIB_T_DISK_H

#include "t_block.h"

#define T_STORE		"/dev/store"	/* the group's disks */
#define T_STORE1	"/dev/store1"
#define T_STORE2	"/dev/store2"

void t_modprobe(const char *module, const char *parameters);

/* ------------------------------------------------------------------ disks */

int t_disk_open(const char *path, int flags);	/* O_CLOEXEC; or -errno */
void t_disk_write(const char *path, uint64_t offset_bytes, const void *data,
		  uint32_t len_bytes);
void t_disk_read(const char *path, uint64_t offset_bytes, void *data,
		 uint32_t len_bytes);
/* The name in /sys/block: of /dev/store, perhaps vda. */
const char *t_disk_name(const char *path);
/* Requests that the disk has not answered. */
uint32_t t_disk_inflight(const char *path);
/* Adds partition 1 to nr, of a MiB each; /dev/NAMEn is there afterwards. */
void t_disk_partition(const char *path, int nr);
/* A swap area over all of it. */
void t_disk_mkswap(const char *path);

/* ------------------------------------------------------------- scsi_debug */

/*
 * The module anew, with these parameters besides no delay; returns once the
 * disks are there.  8 MiB each, unless dev_size_mb says otherwise.
 */
void t_scsi_load(const char *parameters);
void t_scsi_unload(void);
/* Path of the disk of that host, from 0; static storage. */
const char *t_scsi_path(int host);
/* How long it takes to answer from now on; waits until it is idle. */
void t_scsi_delay(uint32_t ms);
/* What becomes of I/O from now on: "running" or "offline". */
void t_scsi_state(int host, const char *state);
/* As if it were pulled out. */
void t_scsi_delete(int host);

/* ---------------------------------------------------------- device mapper */

/* A device over a whole disk, by the device mapper; path, static storage. */
const char *t_dm_linear(const char *name, const char *disk);
/* The same, each write held back for so long before the disk gets it. */
const char *t_dm_delay_writes(const char *name, const char *disk,
			      uint32_t delay_ms);
/* Writes that it has, and the disk below does not yet have. */
uint32_t t_dm_held_back(const char *name);
void t_dm_remove(const char *name);

/* ---------------------------------------------------------------- forward */

int t_backing(int ctl, int fd, uint32_t *index);	/* index may be NULL */
/* Opens the disk, presents it, closes it: its index. */
uint32_t t_backing_of(int ctl, const char *path);
int t_forward(int ctl, uint64_t id, uint32_t backing, uint64_t sector);

/*
 * A server that does nothing but forward to one disk, sector for sector, and
 * fails what the disk has failed.  Locked, and never chosen by the OOM killer.
 */
pid_t t_forwarder_start(int number, const char *disk);

/* ------------------------------------------------- calls that may not end */

/* One call in a process of its own. */
struct t_call {
	pid_t pid;
	volatile bool begun;
	volatile bool done;
	volatile long result;
};

/* The argument is what it is at the time of the call: it is not shared. */
struct t_call *t_call_start(long (*function)(void *arg), void *arg);
long t_call_result(struct t_call *call);	/* waits, bounded, and reaps */

#endif
