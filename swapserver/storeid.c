// SPDX-License-Identifier: GPL-2.0-only
/*
 * storeid.c - the 128 bits that name a store (I14)
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "storeid.h"

#define STOREID_BOOT "/proc/sys/kernel/random/boot_id"

bool storeid_is_set(const uint8_t id[STOREID_BYTES])
{
	int i;

	for (i = 0; i < STOREID_BYTES; i++)
		if (id[i])
			return true;
	return false;
}

void storeid_write(char text[STOREID_TEXT_BYTES],
		   const uint8_t id[STOREID_BYTES])
{
	int i;

	for (i = 0; i < STOREID_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
}

int storeid_read(uint8_t id[STOREID_BYTES], const char *text)
{
	unsigned int byte;
	int i;

	if (strlen(text) != 2 * STOREID_BYTES)
		return -EINVAL;
	for (i = 0; i < STOREID_BYTES; i++) {
		/* sscanf alone would take a sign, or a blank. */
		if (!isxdigit((unsigned char)text[2 * i]) ||
		    !isxdigit((unsigned char)text[2 * i + 1]) ||
		    sscanf(text + 2 * i, "%2x", &byte) != 1)
			return -EINVAL;
		id[i] = (uint8_t)byte;
	}
	return storeid_is_set(id) ? 0 : -EINVAL;
}

int storeid_draw(uint8_t id[STOREID_BYTES])
{
	do {
		if (getrandom(id, STOREID_BYTES, 0) != STOREID_BYTES)
			return -errno;
	} while (!storeid_is_set(id));
	return 0;
}

/* FNV-1a of 128 bits (Fowler, Noll, Vo). */
void storeid_make(uint8_t id[STOREID_BYTES], const char *text)
{
	const unsigned __int128 prime = (unsigned __int128)1 << 88 | 0x13b;
	unsigned __int128 hash = (unsigned __int128)0x6c62272e07bb0142ull
					 << 64 |
				 0x62b821756295c58dull;
	int i;

#ifdef STOREID_BUSTED_NO_PRIME /* a twin of the host's tests */
	for (; *text; text++)
		hash ^= (unsigned char)*text & prime;
#else
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * prime;
#endif
	/* All 0 is no id, and as likely as any other. */
	hash += !hash;
	for (i = 0; i < STOREID_BYTES; i++)
		id[i] = (uint8_t)(hash >> (8 * (STOREID_BYTES - 1 - i)));
}

int storeid_boot(char *text, size_t text_bytes)
{
	FILE *f = fopen(STOREID_BOOT, "re");
	int err = 0;

	if (!f)
		return -errno;
	if (!fgets(text, (int)text_bytes, f))
		err = -EIO;
	fclose(f);
	if (!err)
		text[strcspn(text, "\n")] = '\0';
	return err;
}
