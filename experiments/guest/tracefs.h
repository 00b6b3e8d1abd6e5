/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracefs.h - an instance of the kernel's tracing that records who asks for
 * memory: made, switched, and taken away again
 *
 * Where it stands: allocaudit > [tracefs] > the kernel's events.  An instance
 * of its own, so that nobody else's tracing is touched; only the probes are
 * the whole kernel's, under a name of ours.  All of it allocates: it is done
 * before the window and after it.
 */
#ifndef GUEST_TRACEFS_H
#define GUEST_TRACEFS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACEFS "/sys/kernel/tracing"
#define TRACEFS_NAME "allocaudit"
#define TRACEFS_INSTANCE TRACEFS "/instances/" TRACEFS_NAME

/* What an event says about the task: the columns of the summary. */
enum ask {
	ASK_SLAB,	/* kmalloc, a slab cache */
	ASK_PAGE,	/* the page allocator; also to refill a slab */
	ASK_PERCPU,
	ASK_POOL,	/* a mempool: what it hands out counts as slab, too */
	ASK_FAULT,	/* a page fault, in user or kernel mode */
	ASK_RECLAIM,	/* it reclaims by itself, compacts, or is throttled */
	NR_ASKS,
};

static const char * const ask_names[NR_ASKS] = {
	"slab", "page", "percpu", "pool", "fault", "reclaim",
};

static const struct tracefs_event {
	const char *system;
	const char *name;
	enum ask ask;
	/* Without it there is no audit: every kernel with tracing has these. */
	bool wanted;
} tracefs_events[] = {
	{ "kmem", "kmalloc", ASK_SLAB, true },
	{ "kmem", "kmem_cache_alloc", ASK_SLAB, true },
	{ "kmem", "mm_page_alloc", ASK_PAGE, true },
	{ "percpu", "percpu_alloc_percpu", ASK_PERCPU, false },
	{ "exceptions", "page_fault_user", ASK_FAULT, false },
	{ "exceptions", "page_fault_kernel", ASK_FAULT, false },
	{ "vmscan", "mm_vmscan_direct_reclaim_begin", ASK_RECLAIM, true },
	{ "vmscan", "mm_vmscan_memcg_reclaim_begin", ASK_RECLAIM, false },
	{ "vmscan", "mm_vmscan_throttled", ASK_RECLAIM, false },
	{ "compaction", "mm_compaction_try_to_compact_pages", ASK_RECLAIM, false },
};

/*
 * What has no event: taking from a mempool, and slab objects by the dozen
 * (io_uring, sockets).  The function's name is another since 6.10.  min_nr,
 * curr_nr and alloc are where mempool_t has them if its lock takes four bytes;
 * "get" shows whether that is so.
 */
static const struct tracefs_probe {
	const char *name;
	enum ask ask;
	const char *functions[2];
	const char *fetch;
} tracefs_probes[] = {
	{ "pool_alloc", ASK_POOL, { "mempool_alloc_noprof", "mempool_alloc" },
	  "pool=$arg1:symbol min_nr=+4($arg1):s32 left=+8($arg1):s32 get=+32($arg1):symbol gfp=$arg2:x32" },
	{ "slab_bulk", ASK_SLAB, { "kmem_cache_alloc_bulk_noprof", "kmem_cache_alloc_bulk" },
	  "nr=$arg3:u64 gfp=$arg2:x32" },
};

#define NR_EVENTS (sizeof(tracefs_events) / sizeof(tracefs_events[0]))
#define NR_PROBES (sizeof(tracefs_probes) / sizeof(tracefs_probes[0]))

/* Which of them this kernel has; set by tracefs_make(). */
static bool tracefs_has_event[NR_EVENTS];
static const char *tracefs_probed[NR_PROBES];	/* the function, or NULL */

/* The kind of an event by its name; NR_ASKS: none of ours. */
static inline enum ask tracefs_ask(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < NR_EVENTS; i++)
		if (strlen(tracefs_events[i].name) == len &&
		    !strncmp(tracefs_events[i].name, name, len))
			return tracefs_events[i].ask;
	for (i = 0; i < NR_PROBES; i++)
		if (strlen(tracefs_probes[i].name) == len &&
		    !strncmp(tracefs_probes[i].name, name, len))
			return tracefs_probes[i].ask;
	return NR_ASKS;
}

/* Append `text` to the file at a path below TRACEFS: 0 or -errno. */
static inline __attribute__((format(printf, 2, 3)))
int tracefs_put(const char *text, const char *format, ...)
{
	char path[256];
	size_t len = strlen(text);
	int fd, n, err = 0;
	va_list args;

	n = snprintf(path, sizeof(path), "%s/", TRACEFS);
	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - n, format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

#define INSTANCE(path) "instances/" TRACEFS_NAME "/" path

static inline void tracefs_probe_remove(size_t i)
{
	char text[80];

	snprintf(text, sizeof(text), "-:%s/%s\n", TRACEFS_NAME,
		 tracefs_probes[i].name);
	(void)tracefs_put(text, "kprobe_events");
}

/* With what it is asked for; without, if this kernel cannot say that. */
static inline const char *tracefs_probe_make(size_t i)
{
	const struct tracefs_probe *probe = &tracefs_probes[i];
	char text[300];
	size_t f;

	for (f = 0; f < 4; f++) {
		const char *function = probe->functions[f % 2];

		snprintf(text, sizeof(text), "p:%s/%s %s %s\n", TRACEFS_NAME,
			 probe->name, function, f < 2 ? probe->fetch : "");
		if (!tracefs_put(text, "kprobe_events"))
			return function;
	}
	return NULL;
}

/* Every event of ours that is there: on or off.  0 or -errno of the first. */
static inline int tracefs_enable(bool on)
{
	const char *text = on ? "1" : "0";
	int err = 0, ret;
	size_t i;

	for (i = 0; i < NR_EVENTS; i++) {
		ret = tracefs_put(text, INSTANCE("events/%s/%s/enable"),
				  tracefs_events[i].system,
				  tracefs_events[i].name);
		if (on)
			tracefs_has_event[i] = !ret;
		if (ret && tracefs_events[i].wanted && !err)
			err = ret;
	}
	for (i = 0; i < NR_PROBES; i++) {
		if (!tracefs_probed[i])
			continue;
		ret = tracefs_put(text, INSTANCE("events/%s/%s/enable"),
				  TRACEFS_NAME, tracefs_probes[i].name);
		if (on && ret)
			tracefs_probed[i] = NULL;
	}
	return err;
}

/* All that tracefs_make() made, or one that was killed has left. */
static inline int tracefs_remove(void)
{
	size_t i;

	(void)tracefs_put("0", INSTANCE("tracing_on"));
	(void)tracefs_enable(false);
	if (rmdir(TRACEFS_INSTANCE) < 0 && errno != ENOENT)
		return -errno;
	for (i = 0; i < NR_PROBES; i++)
		tracefs_probe_remove(i);
	return 0;
}

/*
 * The instance, recording nothing yet: each event with its stack, the first
 * that come and not the last (what is lost is counted).  0, or -errno and in
 * *what the part that failed.
 */
static inline int tracefs_make(unsigned int buffer_kib, bool follow_forks,
			       const char **what)
{
	char text[20];
	size_t i;
	int err;

	*what = TRACEFS_INSTANCE;
	if (mkdir(TRACEFS_INSTANCE, 0700) < 0)
		return -errno;
	for (i = 0; i < NR_PROBES; i++) {
		tracefs_probe_remove(i);
		tracefs_probed[i] = tracefs_probe_make(i);
	}
	*what = "tracing_on";
	err = tracefs_put("0", INSTANCE("tracing_on"));
	snprintf(text, sizeof(text), "%u", buffer_kib);
	if (!err) {
		*what = "buffer_size_kb";
		err = tracefs_put(text, INSTANCE("buffer_size_kb"));
	}
	if (!err) {
		*what = "options/overwrite";
		err = tracefs_put("0", INSTANCE("options/overwrite"));
	}
	if (!err) {
		*what = "options/stacktrace";
		err = tracefs_put("1", INSTANCE("options/stacktrace"));
	}
	if (!err) {
		/* Without offsets no module is named either. */
		*what = "options/sym-offset";
		err = tracefs_put("1", INSTANCE("options/sym-offset"));
	}
	if (!err && follow_forks) {
		*what = "options/event-fork";
		err = tracefs_put("1", INSTANCE("options/event-fork"));
	}
	return err;
}

/* What could not be recorded for want of room; -1: not told. */
static inline int64_t tracefs_lost(void)
{
	int64_t lost = 0;
	int cpu;

	for (cpu = 0; cpu < 4096; cpu++) {
		char path[100], line[100];
		long long number;
		FILE *stats;

		snprintf(path, sizeof(path), TRACEFS_INSTANCE
			 "/per_cpu/cpu%d/stats", cpu);
		stats = fopen(path, "re");
		if (!stats)
			return cpu ? lost : -1;
		while (fgets(line, sizeof(line), stats))
			if (sscanf(line, "overrun: %lld", &number) == 1 ||
			    sscanf(line, "commit overrun: %lld", &number) == 1 ||
			    sscanf(line, "dropped events: %lld", &number) == 1)
				lost += number;
		fclose(stats);
	}
	return lost;
}

#endif
