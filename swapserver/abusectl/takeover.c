// SPDX-License-Identifier: GPL-2.0-only
/*
 * takeover.c - how long it took from a server's death to the next one's answer
 *
 * Beside the path.
 */
#include "takeover.h"

/* Shell's sort: a thousand numbers, and qsort(3) may allocate. */
static void takeover_sort(uint64_t *values, uint32_t nr)
{
	uint32_t gap, i, at;
	uint64_t value;

	for (gap = nr / 2; gap; gap /= 2)
		for (i = gap; i < nr; i++) {
			value = values[i];
			for (at = i; at >= gap && values[at - gap] > value;
			     at -= gap)
				values[at] = values[at - gap];
			values[at] = value;
		}
}

/* The smallest value that is not below so many percent of all. */
static uint64_t takeover_rank(const uint64_t *sorted, uint32_t nr,
			      uint32_t percent)
{
	return sorted[((uint64_t)nr * percent + 99) / 100 - 1];
}

struct takeover takeover_of(uint64_t *ring, uint32_t ring_nr, uint64_t nr)
{
	struct takeover t = { .nr = nr };

	t.nr_known = nr < ring_nr ? nr : ring_nr;
	if (!t.nr_known)
		return t;
	takeover_sort(ring, t.nr_known);
	t.median_ns = takeover_rank(ring, t.nr_known, 50);
	t.p99_ns = takeover_rank(ring, t.nr_known, 99);
	t.max_ns = ring[t.nr_known - 1];
	return t;
}
