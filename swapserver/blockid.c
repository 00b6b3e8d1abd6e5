// SPDX-License-Identifier: GPL-2.0-only
/*
 * blockid.c - what a disk is known by, for the id of the store on it
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "blockid.h"
#include "storeid.h"

#define BLOCKID_ATTRIBUTE_BYTES 200

/* Of device mapper's, those that are made from the data's own UUID. */
static const char *const blockid_mapped[] = {
	"LVM-",
	"CRYPT-LUKS",
	"mpath-",
	NULL,
};

static const struct {
	const char *path;
	const char *const *prefixes; /* NULL: any */
	bool with_size;
} blockid_sources[] = {
	{"dm/uuid", blockid_mapped, false},
	{"md/uuid", NULL, false},
	{"wwid", NULL, false},	      /* NVMe */
	{"device/wwid", NULL, false}, /* SCSI, ATA */
	{"device/cid", NULL, false},  /* MMC */
	{"serial", NULL, true},	      /* virtio */
};

/* One line of a small file, without blanks around it; false: none, or empty. */
static bool blockid_read(const char *folder, const char *name, char *text)
{
	char path[300], line[BLOCKID_ATTRIBUTE_BYTES] = "";
	const char *from = line;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	from += strspn(from, " \t\n");
	len = strlen(from);
	while (len && strchr(" \t\n", from[len - 1]))
		len--;
	memcpy(text, from, len);
	text[len] = '\0';
	return len > 0;
}

/* Zeroes, blanks and dashes are what is there when nothing has been set. */
static bool blockid_means_something(const char *text)
{
	return text[strspn(text, "0 -:")] != '\0';
}

/*
 * CRYPT-LUKS2-UUID-NAME: the name is the mapping's, and may be another next
 * time; the rest is in the header.
 */
static void blockid_without_name(char *text)
{
	unsigned int nr = 0;

	if (strncmp(text, "CRYPT-LUKS", strlen("CRYPT-LUKS")))
		return;
	while (*text && (*text != '-' || ++nr < 3))
		text++;
	*text = '\0';
}

static bool blockid_begins(const char *text, const char *const *prefixes)
{
	if (!prefixes)
		return true;
	for (; *prefixes; prefixes++)
		if (!strncmp(text, *prefixes, strlen(*prefixes)))
			return true;
	return false;
}

/* What the disk itself says.  False: nothing. */
static bool blockid_of_disk(const char *folder, char *text, size_t text_bytes)
{
	char found[BLOCKID_ATTRIBUTE_BYTES], size[BLOCKID_ATTRIBUTE_BYTES];
	size_t i;

	for (i = 0; i < sizeof(blockid_sources) / sizeof(blockid_sources[0]);
	     i++) {
		if (!blockid_read(folder, blockid_sources[i].path, found) ||
		    !blockid_means_something(found) ||
		    !blockid_begins(found, blockid_sources[i].prefixes))
			continue;
		blockid_without_name(found);
		size[0] = '\0';
		if (blockid_sources[i].with_size &&
		    !blockid_read(folder, "size", size))
			continue;
		snprintf(text, text_bytes, "%s %s %s", blockid_sources[i].path,
			 found, size);
		return true;
	}
	return false;
}

/* Counted up by the kernel with each disk that comes, since 5.15. */
static bool blockid_of_boot(const char *folder, char *text, size_t text_bytes)
{
	char sequence[BLOCKID_ATTRIBUTE_BYTES], boot[64];

	if (!blockid_read(folder, "diskseq", sequence) ||
	    storeid_boot(boot, sizeof(boot)))
		return false;
	snprintf(text, text_bytes, "boot %s diskseq %s", boot, sequence);
	return true;
}

int blockid_name(const char *sysfs, dev_t device, uint64_t offset_bytes,
		 char *text, size_t text_bytes)
{
	char folder[200], start[BLOCKID_ATTRIBUTE_BYTES];
	char disk[3 * BLOCKID_ATTRIBUTE_BYTES];
	size_t len;

	len = (size_t)snprintf(folder, sizeof(folder), "%s/dev/block/%u:%u",
			       sysfs, major(device), minor(device));
	if (len + sizeof("/..") > sizeof(folder))
		return -ENOENT;
	if (blockid_read(folder, "partition", start)) {
		if (!blockid_read(folder, "start", start))
			return -ENOENT;
		offset_bytes += strtoull(start, NULL, 10) * 512;
		/* A link to where it is: its folder's folder is the disk's. */
		strcat(folder, "/..");
	}
	if (!blockid_of_disk(folder, disk, sizeof(disk)) &&
	    !blockid_of_boot(folder, disk, sizeof(disk)))
		return -ENOENT;
	snprintf(text, text_bytes, "%s at %llu", disk,
		 (unsigned long long)offset_bytes);
	return 0;
}
