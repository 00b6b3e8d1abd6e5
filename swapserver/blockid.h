/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * blockid.h - what a disk is known by, for the id of the store on it
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 * Reads sysfs, before serving only.
 */
#ifndef SWAPSERVER_BLOCKID_H
#define SWAPSERVER_BLOCKID_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The identity of the disk that a device is, or is a partition of, and where
 * on it offset_bytes of the device is: the same place of the same disk gives
 * the same text, under whatever name and by whatever backend.  sysfs: "/sys".
 *
 * Of what the disk says of itself the first that names it and nothing else:
 * the UUID of a logical volume, of a LUKS volume, of a multipath or of an MD
 * array; the WWID; a card's CID; its serial number, with its size since people
 * give the same one twice.  If it says nothing: its sequence number in this
 * boot, which no other disk has, nor the same one once it has been away.
 *
 * Returns 0, or -ENOENT: the kernel says nothing of it.
 */
int blockid_name(const char *sysfs, dev_t device, uint64_t offset_bytes,
		 char *text, size_t text_bytes);

#endif
