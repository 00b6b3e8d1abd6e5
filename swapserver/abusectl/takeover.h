/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * takeover.h - how long it took from a server's death to the next one's answer
 *
 * Beside the path.  Pure: a board's ring in, three numbers out.
 */
#ifndef ABUSECTL_TAKEOVER_H
#define ABUSECTL_TAKEOVER_H

#include <stdint.h>

struct takeover {
	uint64_t nr;	   /* ever */
	uint32_t nr_known; /* of them, still in the ring */
	uint64_t median_ns;
	uint64_t p99_ns;
	uint64_t max_ns;
};

/*
 * ring: of ring_nr entries, nr of them written ever, entry i at i % ring_nr;
 * it is sorted in place.  Percentiles are by nearest rank: a value that was
 * measured.  All 0 if there was none.
 */
struct takeover takeover_of(uint64_t *ring, uint32_t ring_nr, uint64_t nr);

#endif
