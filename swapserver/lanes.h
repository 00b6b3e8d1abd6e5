/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lanes.h - several transfers of one round at the same time
 *
 * Path: bio > queue > ioctl > server > [backend] > completion.
 *
 * A *lane* is a thread that does nothing but read and write for the one that
 * serves: a disk gets as many requests at once as there are lanes, and one
 * more.  It is no server: it borrows nothing and answers nothing, so a death
 * is that of the whole process, with one owner to wait for (I13).
 */
#ifndef SWAPSERVER_LANES_H
#define SWAPSERVER_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"

#define LANES_MAX	15

/* One call of the backend's read or write. */
struct lane_job {
	struct backend *backend;
	bool write;
	int result;		/* 0 or -errno, when it is done */
	uint32_t len_bytes;
	uint64_t offset_bytes;
	void *data;
};

struct lanes;

/*
 * Memory for so many lanes, stacks and all; NULL, with a line printed, if there
 * is none.  May allocate; comes before the memory is locked.
 */
struct lanes *lanes_make(unsigned int nr);

/*
 * Start them, in memory that is there.  Each is as its maker is: what the
 * kernel keeps of each thread (task flags, policy, capabilities) it inherits,
 * so this comes after all such protections and before the seal, which is for
 * all threads.  Returns 0 or -errno.
 */
int lanes_start(struct lanes *lanes);

/*
 * Carry out all of them, here and in the lanes, and return when all are done.
 * lanes may be NULL: one after the other, here.  Allocates nothing; sleeps
 * only while a lane is inside the backend.
 */
void lanes_run(struct lanes *lanes, struct lane_job *jobs, unsigned int nr);

#endif
