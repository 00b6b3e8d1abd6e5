// SPDX-License-Identifier: GPL-2.0-only
/*
 * lockdep.c - teach lockdep that a bio waits for a server
 *
 * Path: [bio] > queue > [ioctl] > server > backend > completion.
 * lockdep knows locks, not processes.  So there is a map that stands for "a
 * server answers": a submitter takes and drops it, with whatever it holds (a
 * lock, reclaim); a serve call holds it all the while, so that whatever is
 * taken within is known to be needed for an answer.  A cycle between the two
 * is a deadlock that needs no more than the right moment.  Not held while a
 * server waits for work, nor across a copy that may fault: what a server's
 * page faults wait for is its own choice, and NOFAULT's to forbid.  Without
 * lockdep this file is not built, and all this is nothing (abuse.h).
 */
#include <linux/lockdep.h>

#include "abuse.h"

static struct lock_class_key abuse_server_key;
static struct lockdep_map abuse_server_map =
	STATIC_LOCKDEP_MAP_INIT("abuse_server", &abuse_server_key);

/**
 * abuse_lockdep_submit - a submitter will wait for a server
 *
 * Context: Process context, after a bio was accepted, no lock of ours held.
 */
void abuse_lockdep_submit(void)
{
	lock_map_acquire(&abuse_server_map);
	lock_map_release(&abuse_server_map);
}

/**
 * abuse_lockdep_serve_enter - a server works on answers from here
 *
 * Context: Process context, in a call of the serve path, no lock held.
 */
void abuse_lockdep_serve_enter(void)
{
	lock_map_acquire(&abuse_server_map);
}

/**
 * abuse_lockdep_serve_leave - a server no longer works on answers
 *
 * Context: as abuse_lockdep_serve_enter(), which it pairs with.
 */
void abuse_lockdep_serve_leave(void)
{
	lock_map_release(&abuse_server_map);
}
