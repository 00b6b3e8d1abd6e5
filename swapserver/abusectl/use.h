/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * use.h - who uses a disk: swap areas, mounts, what stands on it, open files
 *
 * Beside the path.  From /proc and /sys alone: the disk is not opened, and
 * nothing on it is looked at, for its server may be dead.
 */
#ifndef ABUSECTL_USE_H
#define ABUSECTL_USE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define USE_SWAPS_MAX 8
#define USE_MOUNTS_MAX 8
#define USE_OPENERS_MAX 8

struct use_swap {
	char path[256];
	uint64_t size_kib;
	uint64_t used_kib;
	int priority;
};

struct use {
	unsigned int nr_swaps; /* those that follow, and no others */
	struct use_swap swaps[USE_SWAPS_MAX];
	unsigned int nr_mounts;
	char mounts[USE_MOUNTS_MAX][96]; /* where */
	unsigned int nr_holders;
	char holders[USE_MOUNTS_MAX][32]; /* dm-0, md0, ... */
	/* Free room for the pages of this device, were it swapped off now. */
	uint64_t available_kib;	 /* MemAvailable */
	uint64_t other_swap_kib; /* free in other swap areas */
};

/* All of it.  0 or -errno. */
int use_of(int number, struct use *u);

/* The sum of what the areas hold. */
uint64_t use_swapped_kib(const struct use *u);

/* Does the machine have no room for the pages that the areas hold? */
bool use_is_too_much(const struct use *u);

/* "swapped on; mounted on /mnt", or ""; for a message. */
void use_text(const struct use *u, char *text, size_t bytes);

/*
 * Processes that have the disk or a partition open, up to USE_OPENERS_MAX;
 * looks at every open file there is.  How many.
 */
unsigned int use_openers(int number, pid_t pids[USE_OPENERS_MAX]);

/* Pure: /dev/abuseN or one of its partitions? */
bool use_is_path_of(const char *path, int number);
/* Pure: a line of /proc/swaps; false if it is none. */
bool use_parse_swap(const char *line, struct use_swap *swap);
/*
 * Pure: a line of /proc/self/mountinfo: the device's numbers, where it is
 * mounted, and what; false if it is none.
 */
bool use_parse_mount(const char *line, dev_t *dev, char *where,
		     size_t where_bytes, char *what, size_t what_bytes);

#endif
