// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve.c - verbs in, requests out; what to do about each errno of that
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Called by loop.c, or by a loop of the server's own.  Allocates nothing.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/ioctl.h>

#include "libabuse.h"

/* The smallest there is: larger ones are touched more often than needed. */
#define PAGE_BYTES	4096
/*
 * A page of ours that the kernel migrates is absent for microseconds; one
 * that is absent this often is not coming back.
 */
#define ABSENT_LIMIT	100000

/*
 * Afterwards each page is there, its content as it was.  (Where there is no
 * memory at all this dies of it, as the server itself would.)  What the kernel
 * is to write to is written to, atomically, so that no other thread's write
 * gets lost in it; what the kernel only reads may be read-only.
 */
static void serve_touch(const void *start, size_t bytes, bool write)
{
	volatile unsigned char *p = (volatile unsigned char *)start;
	size_t at;

	for (at = 0; at < bytes; at += PAGE_BYTES) {
		if (write)
			__atomic_fetch_or(&p[at], 0, __ATOMIC_RELAXED);
		else
			(void)p[at];
	}
	if (bytes && write)
		__atomic_fetch_or(&p[bytes - 1], 0, __ATOMIC_RELAXED);
	else if (bytes)
		(void)p[bytes - 1];
}

/* The first of these verbs is the one that failed, if a verb did. */
static void serve_touch_all(const struct abuse_serve *serve,
			    const struct abuse_verb *verbs,
			    unsigned int nr_verbs, struct abuse_lent *lent,
			    unsigned int max)
{
	serve_touch(serve, sizeof(*serve), true);
	serve_touch(verbs, nr_verbs * sizeof(*verbs), false);
	serve_touch(lent, max * sizeof(*lent), true);
	if (!nr_verbs)
		return;
	switch (verbs->ab_verb & ~ABUSE_VERB_AND_COMPLETE) {
	case ABUSE_VERB_COPY_OUT:
		serve_touch((void *)(uintptr_t)verbs->ab_address,
			    verbs->ab_len_bytes, true);
		break;
	case ABUSE_VERB_COPY_IN:
		serve_touch((void *)(uintptr_t)verbs->ab_address,
			    verbs->ab_len_bytes, false);
		break;
	}
}

int abuse_serve(struct abuse_dev *dev, const struct abuse_verb *verbs,
		unsigned int nr_verbs, struct abuse_lent *lent,
		unsigned int max, bool wait)
{
	unsigned int nr_absent = 0;

	dev->nr_done = 0;
	for (;;) {
		struct abuse_serve serve = {
			.ab_verbs = (uintptr_t)verbs,
			.ab_nr_verbs = nr_verbs,
			.ab_requests = (uintptr_t)lent,
			.ab_nr_requests = max,
			.ab_flags = dev->flags |
				    (wait ? 0 : ABUSE_SERVE_NOWAIT),
		};
		int ret = ioctl(dev->fd, ABUSE_SERVE, &serve);

		/* What has been done need not be done again. */
		verbs += serve.ab_nr_verbs_done;
		nr_verbs -= serve.ab_nr_verbs_done;
		dev->nr_done += serve.ab_nr_verbs_done;
		if (ret >= 0)
			return ret;
		switch (errno) {
		case EFAULT:
			dev->nr_absent++;
			if (++nr_absent > ABSENT_LIMIT)
				return -EFAULT;
			serve_touch_all(&serve, verbs, nr_verbs, lent, max);
			break;
		case ESTALE:
			/*
			 * An answer to what is not ours any more: no harm.  But
			 * without the copy the data is not there to be stored,
			 * where something is still to come.
			 */
			if (!nr_verbs || verbs->ab_verb == ABUSE_VERB_COPY_OUT)
				return -ESTALE;
			dev->nr_stale++;
			dev->nr_done++;
			verbs++;
			nr_verbs--;
			break;
		default:
			return -errno;
		}
	}
}

/*
 * Of a request that the caller has not: the slot is there, and no slot is lent
 * four thousand million times while a server starts.
 */
static int serve_probe(struct abuse_dev *dev, uint32_t verb)
{
	const struct abuse_verb probe = {
		.ab_id = 0xffffffffull << 32,
		.ab_verb = verb,
	};
	unsigned long long nr_stale = dev->nr_stale;
	int err = abuse_serve(dev, &probe, 1, NULL, 0, false);

	dev->nr_stale = nr_stale;
	return err == -ESTALE ? 0 : err;
}

int abuse_probe_verb(struct abuse_dev *dev, uint32_t verb)
{
	int err = serve_probe(dev, verb);

	if (err != -EINVAL)
		return err;
	/* So it is with each verb where a reset has taken the slots away. */
	err = serve_probe(dev, ABUSE_VERB_COPY_OUT);
	return err == -EINVAL ? -ENODEV : err ?: -EOPNOTSUPP;
}

int abuse_exchange(struct abuse_dev *dev, struct abuse_batch *batch,
		   struct abuse_lent *lent, unsigned int max, bool wait)
{
	int ret = abuse_serve(dev, batch->verbs, batch->nr, lent, max, wait);

	batch->nr -= dev->nr_done;
	memmove(batch->verbs, batch->verbs + dev->nr_done,
		batch->nr * sizeof(*batch->verbs));
	return ret;
}
