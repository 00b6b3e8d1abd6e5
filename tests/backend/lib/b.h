/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * b.h - what the tests of the backends share
 *
 * Where it stands: [test] > /dev/abuse0 > swapserver > backend.
 */
#ifndef TESTS_BACKEND_LIB_B_H
#define TESTS_BACKEND_LIB_B_H

#include "t_disk.h"

/* The server's end, by SIGTERM, with status 0; the device forgets it all. */
void b_stop(struct t_swapserver *s, int ctl);
/* As if the machine had killed it; whoever comes next finds the device. */
void b_kill(struct t_swapserver *s);

/* Stamped writes, reads that check the stamps; wait for the answer. */
void b_write(uint64_t offset_bytes, uint32_t len_bytes, uint64_t generation);
void b_check(uint64_t offset_bytes, uint32_t len_bytes, uint64_t generation);
/*
 * @nr pages from @page of /dev/abuse0, all of them QUEUED before the server
 * sees one.
 */
void b_together(const struct t_swapserver *s, int ctl, enum t_op op,
		uint32_t page, int nr, struct t_io *ios[]);
/* How many reads or writes that disk has ended. */
unsigned long long b_requests(const char *disk, enum t_op op);
/* The result only: bytes or -errno. */
long b_io(enum t_op op, uint64_t offset_bytes, uint32_t len_bytes);
bool b_is_zero(uint64_t offset_bytes, uint32_t len_bytes);
/* BLKDISCARD of a range: 0 or -errno. */
int b_discard(uint64_t offset_bytes, uint64_t len_bytes);
/* The range made zeroes, by whatever way the device offers: 0 or -errno. */
int b_zero(uint64_t offset_bytes, uint64_t len_bytes);

/* /sys/bus/pci/devices/.../resource2 of the group's bar; static storage. */
const char *b_bar(void);
/* An ext4 file system on a disk, at /tmp/mnt; and away again. */
void b_mount(const char *disk);
void b_umount(void);
#define B_MNT	"/tmp/mnt"

#endif
