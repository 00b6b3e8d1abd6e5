// SPDX-License-Identifier: GPL-2.0-only
/*
 * patience.c - who starts and is short of memory waits, says so, and gives up
 *
 * Where it stands: a start of [server].  Run by tests/test_backend_host.py,
 * which sets PATIENCE_MS.  Exit status 0, or 1 with a line that says what was
 * expected and found.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>

#include "patience.h"

/* As PATIENCE_MS is here. */
#define WAIT_MS		1500

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int main(void)
{
	long began = now_ms(), waited;
	unsigned int tries = 0;

	while (patience("tests"))
		tries++;
	waited = now_ms() - began;
	if (waited < WAIT_MS || patience("tests")) {
		fprintf(stderr, "patience: expected a wait of %d ms, and no more of it, found %ld ms\n",
			WAIT_MS, waited);
		return 1;
	}
	/* Ten pauses that grow, then 100 ms each; late wakes make them fewer. */
	if (tries < 3 || tries > 20) {
		fprintf(stderr, "patience: expected 3 to 20 tries, found %u\n",
			tries);
		return 1;
	}
	return 0;
}
