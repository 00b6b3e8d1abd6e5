// SPDX-License-Identifier: GPL-2.0-only
/*
 * faulty.c - shows a device that fails or delays what it is told to
 *
 * Path: bio > queue > ioctl > [server > backend] > completion.
 * The store is memory.  Whether a request suffers is decided by its place
 * (sector=, of 512 bytes) or by its turn (every=, counting reads and writes from
 * 1); if both are given both must fit.
 * For trying out what is above a disk: a file system, a RAID, a database.
 *
 *	faulty N SIZE [every=K] [sector=S] [on=read|write]
 *	              [error=EIO|ENOSPC|ETIMEDOUT|EREMOTEIO] [delay_ms=T]
 *
 *	faulty 0 67108864 sector=2048 error=EIO on=read
 *	faulty 0 67108864 every=100 delay_ms=2000
 *
 * A delay holds up the requests behind it, as a disk that retries does.  With
 * delay_ms= alone nothing fails; with error= too, it fails after the delay.
 * It takes no protection: not to be swapped on.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "libabuse.h"

#define SECTOR_BYTES	512u

struct faulty {
	char *memory;
	uint64_t every;		/* 0: whatever its turn */
	uint64_t sector;
	bool by_sector;
	bool reads, writes;	/* which of them suffer */
	int error;		/* positive; 0: none */
	uint64_t delay_ms;
	uint64_t nr;		/* requests so far, of those that may suffer */
};

static const struct {
	const char *name;
	int error;
} errors[] = {
	{ "EIO", EIO },
	{ "ENOSPC", ENOSPC },
	{ "ETIMEDOUT", ETIMEDOUT },
	{ "EREMOTEIO", EREMOTEIO },
};

static bool faulty_hits(struct faulty *f, bool is_read, uint64_t offset_bytes,
			uint32_t len_bytes)
{
	uint64_t at = f->sector * SECTOR_BYTES;

	if (!(is_read ? f->reads : f->writes))
		return false;
	f->nr++;
	if (f->every && f->nr % f->every)
		return false;
	return !f->by_sector ||
	       (at >= offset_bytes && at < offset_bytes + len_bytes);
}

/* What becomes of a request: 0 or -errno, now or later. */
static int faulty_suffer(struct faulty *f, bool is_read, uint64_t offset_bytes,
			 uint32_t len_bytes)
{
	struct timespec left = {
		.tv_sec = f->delay_ms / 1000,
		.tv_nsec = f->delay_ms % 1000 * 1000000,
	};

	if (!faulty_hits(f, is_read, offset_bytes, len_bytes))
		return 0;
	while (f->delay_ms && nanosleep(&left, &left) && errno == EINTR)
		;
	return -f->error;
}

static int faulty_read(void *context, void *buffer, uint64_t offset_bytes,
		       uint32_t len_bytes)
{
	struct faulty *f = context;
	int err = faulty_suffer(f, true, offset_bytes, len_bytes);

	if (!err)
		memcpy(buffer, f->memory + offset_bytes, len_bytes);
	return err;
}

static int faulty_write(void *context, const void *buffer,
			uint64_t offset_bytes, uint32_t len_bytes)
{
	struct faulty *f = context;
	int err = faulty_suffer(f, false, offset_bytes, len_bytes);

	if (!err)
		memcpy(f->memory + offset_bytes, buffer, len_bytes);
	return err;
}

static const struct abuse_ops faulty_ops = {
	.read = faulty_read,
	.write = faulty_write,
};

static bool faulty_number(const char *text, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 0);
	return *text >= '0' && *text <= '9' && !*end;
}

/* One "name=value"; false if it is none. */
static bool faulty_option(struct faulty *f, const char *option)
{
	const char *value = strchr(option, '=');
	size_t i, len;

	if (!value)
		return false;
	len = value++ - option;
	if (len == 5 && !strncmp(option, "every", len))
		return faulty_number(value, &f->every);
	if (len == 6 && !strncmp(option, "sector", len))
		return f->by_sector = faulty_number(value, &f->sector);
	if (len == 8 && !strncmp(option, "delay_ms", len))
		return faulty_number(value, &f->delay_ms);
	if (len == 2 && !strncmp(option, "on", len)) {
		f->reads = !strcmp(value, "read");
		f->writes = !strcmp(value, "write");
		return f->reads || f->writes;
	}
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (len != 5 || strncmp(option, "error", len) ||
		    strcmp(value, errors[i].name))
			continue;
		f->error = errors[i].error;
		return true;
	}
	return false;
}

static bool faulty_options(struct faulty *f, int argc, char **argv)
{
	int i;

	for (i = 3; i < argc; i++)
		if (!faulty_option(f, argv[i]))
			return false;
	/* Whom, but not what: they fail.  What, but not whom: all of them. */
	if ((f->every || f->by_sector) && !f->error && !f->delay_ms)
		f->error = EIO;
	return true;
}

int main(int argc, char **argv)
{
	struct abuse_info info = { .ab_blocksize = SECTOR_BYTES };
	struct faulty faulty = { .reads = true, .writes = true };
	struct abuse_dev dev;
	uint64_t size_bytes;
	int err;

	if (argc < 3 || !faulty_number(argv[2], &size_bytes) ||
	    !faulty_options(&faulty, argc, argv)) {
		fputs("faulty: give N SIZE [every=K] [sector=S] [on=read|write] [error=NAME] [delay_ms=T]; names: EIO, ENOSPC, ETIMEDOUT, EREMOTEIO\n",
		      stderr);
		return 2;
	}
	faulty.memory = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (faulty.memory == MAP_FAILED) {
		fprintf(stderr, "faulty: %s bytes of memory: %s; give a smaller SIZE\n",
			argv[2], strerror(errno));
		return 1;
	}
	info.ab_size = size_bytes;
	info.ab_flags = abuse_ops_flags(&faulty_ops);
	err = abuse_open(&dev, strtoul(argv[1], NULL, 0));
	if (!err)
		err = abuse_configure(&dev, &info);
	if (!err)
		err = abuse_go_live(&dev);
	while (!err || err == -EINTR)
		err = abuse_run(&dev, &faulty_ops, &faulty);
	fprintf(stderr,
		"faulty: /dev/abuse%s: %s; is the module loaded, SIZE a multiple of %u?\n",
		argv[1], strerror(-err), SECTOR_BYTES);
	return 1;
}
