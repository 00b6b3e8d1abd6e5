/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * upgrade.h - take over from a supervisor and its servers; step down for one
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 */
#ifndef SWAPSERVER_UPGRADE_H
#define SWAPSERVER_UPGRADE_H

#include "board.h"
#include "options.h"
#include "serve.h"

/*
 * Is that an upgrade though nobody said so: do servers of this device live
 * that have lost their supervisor?  Sets o->upgrade then.
 */
bool upgrade_adopts(struct options *o);

/*
 * The store and the board of those who run, and a number for our own crew.
 * Returns 0 or -1, a line printed.
 */
int upgrade_start(struct options *o, struct server *s);

/* From here on the board names us. */
void upgrade_take_office(void);

/*
 * If our servers can take over: that.  If another's have: note it.  If that one
 * and all of its servers have gone since: take the office back.
 */
void upgrade_change_office(void);

/* Do servers of another crew live? */
bool upgrade_others_live(void);

/* The same, not counting those of an upgrade that is under way. */
bool upgrade_left_over_live(void);

/*
 * Tell those of our crew, or those that are left over of others, to step down:
 * the standbys first, so that the turn goes to one that stays.
 */
void upgrade_retire(bool ours);

/* Could this one go?  Others can serve, or nobody has the device open. */
bool upgrade_may_go(const struct board_slot *slot);

#endif
