/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * client.h - the server's side of the ioctls of /dev/abctlN
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * Allocates nothing; what to do about an errno of the contract is decided
 * here and nowhere else.
 */
#ifndef SWAPSERVER_CLIENT_H
#define SWAPSERVER_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/abuse.h>

struct client {
	int fd;			/* of /dev/abctlN */
	unsigned int flags;	/* ABUSE_SERVE_NOFAULT or 0 */
	bool configured;	/* by us, not before */
	/* What to touch when the kernel says that memory is not present. */
	void *arena;
	size_t arena_bytes;
	unsigned int nr_done;	/* verbs of the last client_serve() */
	unsigned long long nr_absent;	/* times that happened */
	unsigned long long nr_stale;	/* verbs on requests taken from us */
};

/*
 * Configure the device, or come back to one that is configured alike.
 * Returns 0 or -errno.
 */
int client_configure(struct client *c, struct abuse_info *info);

/* Undo client_configure(), unless the device was configured before. */
void client_unconfigure(struct client *c);

/*
 * Ask for work, without taking any: from here on the device has its capacity.
 * To be called when everything is ready to serve.
 */
void client_go_live(struct client *c);

/* The reserve scope: target is ABUSE_SCOPE_DEVICE or _THREAD.  0 or -errno. */
int client_scope_set(struct client *c, unsigned int target,
		     unsigned int scope);
int client_scope_get(struct client *c, unsigned int target,
		     unsigned int *scope);

/* Does the kernel refuse absent memory when told to?  0 or -errno. */
int client_probe_nofault(struct client *c, bool *refuses);

/*
 * Carry out verbs, then borrow up to max requests; waits for the first if
 * wait is true.  Answers to requests that are no longer ours are skipped.
 * Returns the number of requests borrowed, or -errno (-EINTR: a signal; the
 * verbs have been carried out.  -ESTALE: a copy of a request not ours).
 */
int client_serve(struct client *c, const struct abuse_verb *verbs,
		 unsigned int nr_verbs, struct abuse_lent *lent,
		 unsigned int max, bool wait);

#endif
