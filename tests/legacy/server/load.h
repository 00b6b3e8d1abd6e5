/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * load.h - submitters that write stamps, read them back, and write again
 *
 * Where it stands: [submitters in the test] > bio > queue > ioctl > server.
 */
#ifndef LEGACY_LOAD_H
#define LEGACY_LOAD_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

#define LOAD_SUBMITTERS	4
#define LOAD_PATIENCE_MS 40000

/* Each has its part of the device; writes of 512 bytes to 64 KiB. */
static void __attribute__((noreturn))
load_run(uint64_t size_bytes, int which, int rounds)
{
	uint64_t share = size_bytes / LOAD_SUBMITTERS, base = which * share;
	int blk = t_blk_open(0, O_RDWR | O_DIRECT), round;
	char *data = t_shared(share);
	uint64_t at;
	uint32_t len;

	T_OK(blk);
	for (round = 1; round <= rounds; round++) {
		t_stamp(data, base, share, 10 * which + round);
		for (at = 0, len = 512; at < share; at += len) {
			len = len < 65536 ? 2 * len : 512;
			if (len > share - at)
				len = share - at;
			T_EQ(T_RET(pwrite(blk, data + at, len, base + at)),
			     len);
		}
		memset(data, 0, share);
		for (at = 0, len = 65536; at < share; at += len) {
			if (len > share - at)
				len = share - at;
			T_EQ(T_RET(pread(blk, data + at, len, base + at)), len);
		}
		t_stamp_check(data, base, share, 10 * which + round);
	}
	_exit(0);
}

static void load_start(pid_t *loads, uint64_t size_bytes, int rounds)
{
	int i;

	for (i = 0; i < LOAD_SUBMITTERS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load_run(size_bytes, i, rounds);
	}
}

static void load_wait(const pid_t *loads)
{
	long start = t_now_ms();
	int i;

	for (i = 0; i < LOAD_SUBMITTERS; i++) {
		while (!t_ended(loads[i]) &&
		       t_now_ms() - start < LOAD_PATIENCE_MS)
			t_pause();
		T_EQ(t_reap(loads[i]), 0);
	}
}

#endif
