/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * storeid.h - the 128 bits that name a store (I14)
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 *
 * A device is bound to the store of its first server, and lends nothing to one
 * that has another.  So the id has to be the same as long as the data is: a
 * store in memory draws one when it is made and keeps it inside; a store that
 * outlives its servers has it made from what it is known by, since there is no
 * room in it that is not the device's.
 *
 * Before serving only.  Presenting an id is device.c's.
 */
#ifndef SWAPSERVER_STOREID_H
#define SWAPSERVER_STOREID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STOREID_BYTES 16
#define STOREID_TEXT_BYTES (2 * STOREID_BYTES + 1)

/* All 0 is no id. */
bool storeid_is_set(const uint8_t id[STOREID_BYTES]);

/* As sysfs has it: hexadecimal digits in the order of the bytes. */
void storeid_write(char text[STOREID_TEXT_BYTES],
		   const uint8_t id[STOREID_BYTES]);

/* The same, back.  0 or -EINVAL: not 32 hexadecimal digits, or all 0. */
int storeid_read(uint8_t id[STOREID_BYTES], const char *text);

/* Of a store that is new.  0 or -errno. */
int storeid_draw(uint8_t id[STOREID_BYTES]);

/*
 * Of one that is known by this text: the same for the same text.  Against
 * accidents, not against forgers: who may serve may present any id.
 */
void storeid_make(uint8_t id[STOREID_BYTES], const char *text);

/*
 * What this boot is known by, for stores whose name means nothing in the next
 * one.  0 or -errno.
 */
int storeid_boot(char *text, size_t text_bytes);

#endif
