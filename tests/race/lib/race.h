/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * race.h - what the files of the races share
 *
 * Where it stands: [races] > /dev/abctlN, /dev/abuseN > module.
 *
 * A race goes in rounds.  In each, device 0 is configured, served by several
 * processes with one store, used (by submitters, or as swap), while others
 * kill and stop the servers, open, close, reset and reconfigure.  What was
 * written is read back; at the round's end everything balances and the module
 * is unloaded under those who open its nodes, and loaded again.
 */
#ifndef TESTS_RACE_RACE_H
#define TESTS_RACE_RACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "t.h"
#include "t_rand.h"

#define RACE_BYTES	(16u * T_MIB)
#define RACE_BLOCKS	(RACE_BYTES / T_PAGE)
#define RACE_BOUND	24
#define RACE_SERVERS	4
#define RACE_DATA	0	/* the device whose data is verified */
#define RACE_SPARE	1	/* the one that is configured again and again */
#define RACE_SLOW	2	/* a store that takes its time */
#define RACE_SLOW_BYTES	(64 * T_PAGE)
#define RACE_SPARE_SERVER 2	/* of race_spare(): who serves there */

struct race {
	uint64_t seed;
	uint32_t round;
	volatile bool stop;	/* those who use and those who disturb */
	volatile bool stop_servers;
	volatile bool stop_spare;
	volatile bool stop_slow;
	volatile uint32_t nr_findings;

	/* Which server writes to the slow store just now, and one; 0: none. */
	volatile uint32_t writes_slowly;
	/* With how many requests in its hands each server sleeps just now. */
	volatile uint32_t in_hands[RACE_SERVERS];

	/*
	 * The servers' side: who has which block just now (process, 0: none),
	 * so that a block that two have at once is seen.
	 */
	char *store;
	volatile pid_t claims[RACE_BLOCKS];

	/* The submitters' side: the generation last acknowledged; 0: any. */
	volatile uint32_t generation[RACE_BLOCKS];
	volatile uint32_t next_generation;

	/* What was raced. */
	uint64_t nr_bios, nr_io, nr_kills, nr_stops, nr_takeovers;
	uint64_t nr_resets, nr_resets_busy, nr_reconnects, nr_opens;
	uint64_t nr_adds, nr_removes, nr_removes_busy;
	uint64_t nr_unloads, nr_unloads_busy, nr_swapped_kib;
	uint64_t verified_bytes, nr_late, nr_slow;
};

extern struct race *race;

#define race_count(counter, n) \
	((void)__atomic_fetch_add(&race->counter, (n), __ATOMIC_RELAXED))

void __attribute__((format(printf, 1, 2)))
race_finding(const char *format, ...);
#define RACE_EXPECT(cond, ...)						\
	do {								\
		if (!(cond))						\
			race_finding(__VA_ARGS__);			\
	} while (0)
void race_sleep_us(uint32_t us);

/* The process runs it until race->stop; a row of numbers of its own. */
typedef void race_part(struct t_rand *r, uint32_t index);
pid_t race_start(race_part *part, uint32_t index);

/* race_servers.c */
race_part race_server, race_slow_store;
/* What has been done with all claims is nobody's. */
void race_claims_clear(void);

/* race_load.c */
race_part race_submitter, race_swapper;
/* Every block, once nothing is written any more. */
void race_verify_all(void);

/* race_late.c */
race_part race_late;

/* race_disturb.c */
race_part race_opener, race_configurator, race_spare, race_devices;
race_part race_node_opener;
/* Unloaded, under those who open nodes, and loaded again. */
void race_reload(void);

#endif
