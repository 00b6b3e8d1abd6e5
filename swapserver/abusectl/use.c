// SPDX-License-Identifier: GPL-2.0-only
/*
 * use.c - who uses a disk: swap areas, mounts, what stands on it, open files
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "use.h"

/* The disk and its partitions. */
#define USE_DEVS_MAX 64
struct use_devs {
	unsigned int nr;
	dev_t devs[USE_DEVS_MAX];
};

/* /proc writes blanks and the like as \040. */
static void use_unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
		    text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
		    text[3] <= '7') {
			*to++ = (text[1] - '0') << 6 | (text[2] - '0') << 3 |
				(text[3] - '0');
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

bool use_is_path_of(const char *path, int number)
{
	char name[32];
	size_t len;

	snprintf(name, sizeof(name), "/dev/abuse%d", number);
	len = strlen(name);
	if (strncmp(path, name, len))
		return false;
	path += len;
	if (*path == 'p') {
		size_t digits = strspn(path + 1, "0123456789");

		if (!digits)
			return false;
		path += 1 + digits;
	}
	/* Removed from /dev under its user: it is the device all the same. */
	return !*path || !strcmp(path, " (deleted)") ||
	       !strcmp(path, "\\040(deleted)");
}

bool use_parse_swap(const char *line, struct use_swap *swap)
{
	char path[256], kind[32];

	if (sscanf(line, "%255s %31s %" SCNu64 " %" SCNu64 " %d", path, kind,
		   &swap->size_kib, &swap->used_kib, &swap->priority) != 5)
		return false;
	use_unescape(path);
	snprintf(swap->path, sizeof(swap->path), "%s", path);
	return true;
}

bool use_parse_mount(const char *line, dev_t *dev, char *where,
		     size_t where_bytes, char *what, size_t what_bytes)
{
	unsigned int major, minor;
	char point[512], source[512];
	const char *rest;

	if (sscanf(line, "%*d %*d %u:%u %*s %511s", &major, &minor, point) != 3)
		return false;
	/* Optional fields, then a hyphen, the type and the source. */
	rest = strstr(line, " - ");
	if (!rest || sscanf(rest, " - %*s %511s", source) != 1)
		return false;
	use_unescape(point);
	use_unescape(source);
	*dev = makedev(major, minor);
	snprintf(where, where_bytes, "%s", point);
	snprintf(what, what_bytes, "%s", source);
	return true;
}

static void use_add_dev(struct use_devs *d, const char *folder)
{
	unsigned int major, minor;
	char path[320];
	FILE *f;

	snprintf(path, sizeof(path), "%s/dev", folder);
	f = fopen(path, "re");
	if (!f)
		return;
	if (d->nr < USE_DEVS_MAX && fscanf(f, "%u:%u", &major, &minor) == 2)
		d->devs[d->nr++] = makedev(major, minor);
	fclose(f);
}

static void use_find_devs(int number, struct use_devs *d)
{
	char disk[64], part[320], name[32];
	struct dirent *entry;
	DIR *dir;

	d->nr = 0;
	snprintf(disk, sizeof(disk), "/sys/block/abuse%d", number);
	use_add_dev(d, disk);
	dir = opendir(disk);
	if (!dir)
		return;
	snprintf(name, sizeof(name), "abuse%dp", number);
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, name, strlen(name)))
			continue;
		snprintf(part, sizeof(part), "%s/%s", disk, entry->d_name);
		use_add_dev(d, part);
	}
	closedir(dir);
}

static bool use_has_dev(const struct use_devs *d, dev_t dev)
{
	unsigned int i;

	for (i = 0; i < d->nr; i++)
		if (d->devs[i] == dev)
			return true;
	return false;
}

/* A swap area by its name, or through a node of another name in /dev. */
static bool use_is_ours(const struct use_devs *d, int number, const char *path)
{
	struct stat st;

	if (use_is_path_of(path, number))
		return true;
	/* Elsewhere it may be a file of a file system that does not answer. */
	return !strncmp(path, "/dev/", 5) && !stat(path, &st) &&
	       S_ISBLK(st.st_mode) && use_has_dev(d, st.st_rdev);
}

static int use_find_swaps(int number, const struct use_devs *d, struct use *u)
{
	struct use_swap swap;
	char line[512];
	FILE *f = fopen("/proc/swaps", "re");

	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!use_parse_swap(line, &swap))
			continue;
		if (!use_is_ours(d, number, swap.path))
			u->other_swap_kib += swap.size_kib - swap.used_kib;
		else if (u->nr_swaps < USE_SWAPS_MAX)
			u->swaps[u->nr_swaps++] = swap;
	}
	fclose(f);
	return 0;
}

static int use_find_mounts(int number, const struct use_devs *d, struct use *u)
{
	char line[2048], where[96], what[64];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	dev_t dev;

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (!use_parse_mount(line, &dev, where, sizeof(where), what,
				     sizeof(what)))
			continue;
		/* Some file systems have numbers of their own. */
		if (!use_has_dev(d, dev) && !use_is_path_of(what, number))
			continue;
		if (u->nr_mounts < USE_MOUNTS_MAX)
			snprintf(u->mounts[u->nr_mounts++],
				 sizeof(u->mounts[0]), "%s", where);
	}
	fclose(f);
	return 0;
}

static void use_find_holders(int number, struct use *u)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/block/abuse%d/holders", number);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && u->nr_holders < USE_MOUNTS_MAX)
			snprintf(u->holders[u->nr_holders++],
				 sizeof(u->holders[0]), "%.31s", entry->d_name);
	closedir(dir);
}

static void use_find_room(struct use *u)
{
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %" SCNu64, &u->available_kib) ==
		    1)
			break;
	fclose(f);
}

int use_of(int number, struct use *u)
{
	struct use_devs devs;
	int err;

	memset(u, 0, sizeof(*u));
	use_find_devs(number, &devs);
	use_find_room(u);
	use_find_holders(number, u);
	err = use_find_swaps(number, &devs, u);
	return err ? err : use_find_mounts(number, &devs, u);
}

uint64_t use_swapped_kib(const struct use *u)
{
	uint64_t kib = 0;
	unsigned int i;

	for (i = 0; i < u->nr_swaps; i++)
		kib += u->swaps[i].used_kib;
	return kib;
}

bool use_is_too_much(const struct use *u)
{
	return use_swapped_kib(u) > u->available_kib + u->other_swap_kib;
}

void use_text(const struct use *u, char *text, size_t bytes)
{
	size_t used = 0;
	unsigned int i;

	text[0] = '\0';
	if (u->nr_swaps)
		used += snprintf(text, bytes, "swapped on");
	for (i = 0; i < u->nr_mounts && used < bytes; i++)
		used += snprintf(text + used, bytes - used, "%smounted on %s",
				 used ? ", " : "", u->mounts[i]);
	for (i = 0; i < u->nr_holders && used < bytes; i++)
		used += snprintf(text + used, bytes - used, "%sheld by %s",
				 used ? ", " : "", u->holders[i]);
}

/* Has one of its descriptors the disk?  readlink waits for no file system. */
static bool use_has_open(const char *pid, int number)
{
	char folder[64], path[320], target[128];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/proc/%.20s/fd", pid);
	dir = opendir(folder);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		found = use_is_path_of(target, number);
	}
	closedir(dir);
	return found;
}

unsigned int use_openers(int number, pid_t pids[USE_OPENERS_MAX])
{
	struct dirent *entry;
	unsigned int nr = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	while (nr < USE_OPENERS_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    use_has_open(entry->d_name, number))
			pids[nr++] = atoi(entry->d_name);
	closedir(dir);
	return nr;
}
