// SPDX-License-Identifier: GPL-2.0-only
/*
 * caps.c - which capabilities a process keeps
 *
 * Beside the path: while a process starts.  Gives none, and does not read back
 * what is left: protect.c does.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "caps.h"

const cap_value_t caps_to_protect[CAPS_TO_PROTECT] = {
	CAP_IPC_LOCK,	  /* mlock */
	CAP_SYS_NICE,	  /* sched */
	CAP_SYS_RESOURCE, /* oom, flusher, scope */
};

/* One of the capabilities that stay, if it is there. */
static int caps_copy(cap_t left, cap_t had, cap_value_t which, bool pass_on)
{
	static const cap_flag_t sets[] = { CAP_PERMITTED, CAP_EFFECTIVE,
					   CAP_INHERITABLE };
	cap_flag_value_t there = CAP_CLEAR;
	int i, nr = pass_on ? 3 : 2;

	if (cap_get_flag(had, which, CAP_PERMITTED, &there))
		return -1;
	for (i = 0; i < nr && there == CAP_SET; i++)
		if (cap_set_flag(left, sets[i], 1, &which, CAP_SET))
			return -1;
	return 0;
}

/*
 * Without this a program executed by an ordinary user has no capabilities,
 * whatever the user had.  What is not permitted cannot be passed on.
 */
static int caps_pass_on(cap_t left, cap_value_t which)
{
	cap_flag_value_t there = CAP_CLEAR;

	if (cap_get_flag(left, which, CAP_PERMITTED, &there))
		return -1;
	return there == CAP_SET ? cap_set_ambient(which, CAP_SET) : 0;
}

int caps_keep(const cap_value_t *keep, int nr, bool pass_on)
{
	cap_t had = cap_get_proc(), left = cap_init();
	int i, err = had && left ? 0 : -1;

	for (i = 0; i < nr && !err; i++)
		err = caps_copy(left, had, keep[i], pass_on);
	/* The ambient set loses with these what it must. */
	if (!err)
		err = cap_set_proc(left);
	for (i = 0; i < nr && !err && pass_on; i++)
		err = caps_pass_on(left, keep[i]);
	err = err ? -errno : 0;
	if (had)
		cap_free(had);
	if (left)
		cap_free(left);
	return err;
}
