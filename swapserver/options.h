/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - the command line
 *
 * Beside the path: read once, before anything else.
 */
#ifndef SWAPSERVER_OPTIONS_H
#define SWAPSERVER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "protect.h"
#include "serve.h"

#ifndef ABUSE_VERSION
#error "ABUSE_VERSION comes from the Makefile"
#endif

/* The exit codes that the manual page documents. */
enum {
	EXIT_SERVED = 0,	/* ended by a signal, the device not in use */
	EXIT_FAILED = 1,	/* could not start, or could not go on */
	EXIT_USAGE = 2,
	EXIT_STORE = 3,		/* the device is bound to another store */
};

/* A crew of old and one of new servers fit on the board. */
#define STANDBYS_MAX		7

struct options {
	const char *ctl_path;
	int device;			/* N of it; see device_open() */
	const char *backend;
	uint64_t size_bytes;
	unsigned int blocksize_bytes;
	unsigned int queue;
	unsigned int batch;
	int nr_lanes;			/* -1: as the backend is best */
	bool read_only;
	bool naive;
	unsigned int hold;		/* writes; 0: as it should be */
	bool no_store_id;		/* for experiments: bind nothing */
	bool anew;			/* another store's device, if idle */
	const char *status_path;
	const char *ready_path;
	struct protections protections;
	unsigned int asked;		/* 1 << of those asked for by name */

	unsigned int nr_standbys;
	unsigned int hang_timeout_s;	/* 0: never */
	unsigned int start_timeout_s;	/* 0: never */
	bool upgrade;
	bool swapon;
	int priority;			/* -1: the kernel chooses */
	/* Not for people: what a spawner hands down, see spawner.c. */
	const char *inherit;

	/* The arguments as they came, for those that the spawner starts. */
	int argc;
	char **argv;
};

/* Ends the process if it makes no sense, with a line. */
void options_parse(struct options *o, int argc, char **argv);

#endif
