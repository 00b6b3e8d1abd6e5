// SPDX-License-Identifier: GPL-2.0-only
/*
 * client.c - the server's side of the ioctls of /dev/abctlN
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

#define PAGE_BYTES	4096
/*
 * A page of ours that the kernel migrates is absent for microseconds; one
 * that is absent this often is not coming back.
 */
#define ABSENT_LIMIT	100000

/*
 * Was it only given its size (abusectl add), and has served nobody?  Then what
 * its servers can do has been nobody's business yet.
 */
static bool client_is_fresh(const struct client *c,
			    const struct abuse_info *now,
			    const struct abuse_info *info)
{
	struct abuse_counters n;

	return now->ab_size <= info->ab_size &&
	       now->ab_blocksize == info->ab_blocksize &&
	       !ioctl(c->fd, ABUSE_GET_COUNTERS, &n) && !n.ab_accepted &&
	       !n.ab_serve_calls && !n.ab_nr_servers && !n.ab_nr_opens;
}

int client_configure(struct client *c, struct abuse_info *info)
{
	struct abuse_info now;

	c->configured = !ioctl(c->fd, ABUSE_SET_STATUS, info);
	if (c->configured)
		return 0;
	if (errno != EBUSY)
		return -errno;
	if (ioctl(c->fd, ABUSE_GET_STATUS, &now))
		return -errno;
	info->ab_flags |= ABUSE_FLAGS_RECONNECT;
	if (!info->ab_max_queue)
		info->ab_max_queue = now.ab_max_queue;
	if (!ioctl(c->fd, ABUSE_SET_STATUS, info))
		return 0;
	/* Its flags are not what we can do, and it is not too late for that. */
	if (errno != EINVAL)
		return -errno;
	if (!client_is_fresh(c, &now, info) || ioctl(c->fd, ABUSE_RESET))
		return -EINVAL;
	info->ab_flags &= ~ABUSE_FLAGS_RECONNECT;
	c->configured = !ioctl(c->fd, ABUSE_SET_STATUS, info);
	return c->configured ? 0 : -errno;
}

void client_unconfigure(struct client *c)
{
	if (c->configured)
		ioctl(c->fd, ABUSE_RESET);	/* in use by now: it stays */
}

void client_go_live(struct client *c)
{
	struct pollfd work = { .fd = c->fd, .events = POLLMSG };

	poll(&work, 1, 0);	/* whatever it finds, the loop will */
}

int client_scope_set(struct client *c, unsigned int target, unsigned int scope)
{
	struct abuse_scope s = { .ab_target = target, .ab_scope = scope };

	return ioctl(c->fd, ABUSE_SET_SCOPE, &s) ? -errno : 0;
}

int client_scope_get(struct client *c, unsigned int target,
		     unsigned int *scope)
{
	struct abuse_scope s = { .ab_target = target };

	if (ioctl(c->fd, ABUSE_GET_SCOPE, &s))
		return -errno;
	*scope = s.ab_scope;
	return 0;
}

/*
 * One verb in a page that has never been touched: without NOFAULT the kernel
 * would fault it in, find zeroes, and call that verb unknown (EINVAL).
 */
int client_probe_nofault(struct client *c, bool *refuses)
{
	struct abuse_serve serve = { .ab_nr_verbs = 1 };
	void *page;
	int err = 0;

	page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	serve.ab_verbs = (uintptr_t)page;
	serve.ab_flags = c->flags | ABUSE_SERVE_NOWAIT;
	if (ioctl(c->fd, ABUSE_SERVE, &serve) < 0)
		err = errno;
	*refuses = err == EFAULT;
	munmap(page, PAGE_BYTES);
	return err == EFAULT || err == EINVAL ? 0 : -err;
}

/* Write to each page, changing nothing: afterwards it is there. */
static void client_touch(volatile void *start, size_t bytes)
{
	volatile char *p = start;
	size_t i;

	for (i = 0; i < bytes; i += PAGE_BYTES)
		p[i] = p[i];
	if (bytes)
		p[bytes - 1] = p[bytes - 1];
}

static bool client_is_copy(const struct abuse_verb *verb)
{
	return verb->ab_verb == ABUSE_VERB_COPY_OUT ||
	       verb->ab_verb == ABUSE_VERB_COPY_IN;
}

int client_serve(struct client *c, const struct abuse_verb *verbs,
		 unsigned int nr_verbs, struct abuse_lent *lent,
		 unsigned int max, bool wait)
{
	unsigned int nr_absent = 0;

	c->nr_done = 0;
	for (;;) {
		struct abuse_serve serve = {
			.ab_verbs = (uintptr_t)verbs,
			.ab_nr_verbs = nr_verbs,
			.ab_requests = (uintptr_t)lent,
			.ab_nr_requests = max,
			.ab_flags = c->flags |
				    (wait ? 0 : ABUSE_SERVE_NOWAIT),
		};
		int ret = ioctl(c->fd, ABUSE_SERVE, &serve);

		c->nr_done += ret >= 0 ? nr_verbs : serve.ab_nr_verbs_done;
		if (ret >= 0)
			return ret;
		/* What has been done need not be done again. */
		verbs += serve.ab_nr_verbs_done;
		nr_verbs -= serve.ab_nr_verbs_done;
		switch (errno) {
		case EFAULT:
			c->nr_absent++;
			if (++nr_absent > ABSENT_LIMIT)
				return -EFAULT;
			client_touch(&serve, sizeof(serve));
			client_touch(c->arena, c->arena_bytes);
			/* The ram backend's store is no part of the arena. */
			if (nr_verbs && client_is_copy(verbs))
				client_touch((void *)(uintptr_t)
					     verbs->ab_address,
					     verbs->ab_len_bytes);
			break;
		case ESTALE:
			/*
			 * An answer to what is not ours any more: no harm.  But
			 * without the copy the data is not there to be stored.
			 */
			if (nr_verbs && client_is_copy(verbs))
				return -ESTALE;
			c->nr_stale++;
			c->nr_done++;
			verbs++;
			nr_verbs--;
			break;
		default:
			return -errno;
		}
	}
}
