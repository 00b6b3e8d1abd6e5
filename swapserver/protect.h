/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * protect.h - what keeps the server from waiting for memory
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * A *protection* is one measure against deadlock.  Each is a switch of its
 * own, so that an experiment can remove it; each is read back after it was
 * applied; a protection that is on and did not take is fatal.
 */
#ifndef SWAPSERVER_PROTECT_H
#define SWAPSERVER_PROTECT_H

#include <stdbool.h>

struct server;

enum protection {
	PROTECT_CORE,		/* no core dump: it would be written while
				 * the requests wait */
	PROTECT_OOM,		/* not chosen by the OOM killer */
	PROTECT_SCHED,		/* real-time priority */
	PROTECT_MLOCK,		/* all pages there, and locked */
	PROTECT_FLUSHER,	/* PR_SET_IO_FLUSHER: reclaim does no I/O */
	PROTECT_SCOPE,		/* PF_MEMALLOC in every system call (I8) */
	PROTECT_NOFAULT,	/* the kernel refuses absent memory (I7) */
	PROTECT_CAPS,		/* no capability is kept */
	PROTECT_SEALED,		/* seccomp: nothing but the serve path */
	PROTECT_COUNT,
};

/* Of all processes of a crew: none may stand still for memory. */
#define PROTECT_MASK_COMMON	(1u << PROTECT_CORE | 1u << PROTECT_OOM | \
				 1u << PROTECT_SCHED | 1u << PROTECT_MLOCK | \
				 1u << PROTECT_FLUSHER)
/* Of the one that starts and watches them: it needs nothing more, either. */
#define PROTECT_MASK_SUPERVISOR	(PROTECT_MASK_COMMON | 1u << PROTECT_CAPS)
/* Of those that serve. */
#define PROTECT_MASK_ALL	((1u << PROTECT_COUNT) - 1)

struct protection_state {
	bool wanted;
	bool on;		/* as read back */
	char seen[96];		/* what was read, for people */
};

struct protections {
	struct protection_state p[PROTECT_COUNT];
};

extern const char *const protect_names[PROTECT_COUNT];

/* One line each, for --help. */
extern const char *const protect_help[PROTECT_COUNT];

/* Has this thread PF_MEMALLOC?  From its task flags: 1, 0, or -errno. */
int protect_has_memalloc(void);

/*
 * Of those in mask, apply all that are wanted, in an order in which none takes away what a later
 * one needs, and read all of them back, the unwanted ones, too.  Returns 0,
 * or -1 with one line printed that says what to do.  Allocates; afterwards
 * nothing may.
 */
int protect_apply(struct protections *prot, unsigned int mask,
		  struct server *s);

#endif
