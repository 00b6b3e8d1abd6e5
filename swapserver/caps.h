/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * caps.h - which capabilities a process keeps
 *
 * Beside the path: while a process starts.
 */
#ifndef SWAPSERVER_CAPS_H
#define SWAPSERVER_CAPS_H

#include <stdbool.h>
#include <sys/capability.h>

/* With these a server takes its protections; then it drops them, too. */
#define CAPS_TO_PROTECT		3
extern const cap_value_t caps_to_protect[CAPS_TO_PROTECT];

/**
 * caps_keep - drop all capabilities but some
 * @keep: these stay, if the process has them
 * @nr: how many; 0: none stays
 * @pass_on: programs that it executes get them, too, whoever it runs as
 *
 * Allocates.
 *
 * Return: 0 or -errno.  Not having one of @keep is no error: what it is needed
 * for says so.
 */
int caps_keep(const cap_value_t *keep, int nr, bool pass_on);

#endif
