// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on the device under memory pressure and kill -9 the
 * active server KILLS times (8) in one boot, each time as soon as a standby is
 * ready and requests have been answered since the last: no process of the load
 * dies, every word of it is right, and the times of the takeovers are printed.
 *
 * Where it stands: load > reclaim > bio > queue > ioctl > [server] > disk.
 * `make test-kill KILLS=200` is this test.
 *
 * time: 900
 * twin-limit: 30
 * busted: env=SERVER_FLAGS=--standby=0
 * busted: env=LOAD_PERCENT=20
 * expected-log: I/O error|Read-error on swap-device
 * expected-log: ^swapserver: page allocation failure: order:[0-3]|Call Trace
 * invariant: I1 I4 I13
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

#include "sb.h"

#define KILLS_DEFAULT	8
/* Answered between two kills, so that they are spread over the load. */
#define ANSWERS_MIN	1000
#define TIMES_A_LINE	16
/* Written to the device as swap for each kill, on average, or it was no load. */
#define CARRIED_MIN	(512u * 1024)

static struct sb sb;

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double ms(uint64_t ns)
{
	return ns / 1e6;
}

/* A takeover takes no page: there may be none. */
static void report(uint64_t nr)
{
	static uint64_t ns[BOARD_TAKEOVERS];
	uint64_t kept = nr < BOARD_TAKEOVERS ? nr : BOARD_TAKEOVERS, faults = 0;
	uint64_t i;

	/* One by one, for analysis/keep --takeovers. */
	for (i = 0; i < kept; i++) {
		ns[i] = sb.board->takeover_ns[i];
		faults += sb.board->takeover_faults[i];
		printf("%s %llu", i % TIMES_A_LINE ? "" : "\ntakeovers_us:",
		       (unsigned long long)ns[i] / 1000);
	}
	printf("\n");
	qsort(ns, kept, sizeof(ns[0]), by_size);
	/* "progress:" is what the runner shows at once. */
	printf("progress: %llu requests, %llu of them lent again; %llu takeovers, from the kill to the first answer: min %.1f ms, median %.1f ms, 90%% %.1f ms, 99%% %.1f ms, max %.1f ms; %llu page faults in all\n",
	       t_counters(sb.ctl).ab_ended, t_counters(sb.ctl).ab_requeued,
	       (unsigned long long)nr, ms(ns[0]), ms(ns[kept / 2]),
	       ms(ns[kept * 90 / 100]), ms(ns[kept * 99 / 100]),
	       ms(ns[kept - 1]), (unsigned long long)faults);
	fflush(stdout);
	T_EQ(faults, 0);
}

int main(void)
{
	const char *from = getenv("KILLS");
	int kills = from ? atoi(from) : KILLS_DEFAULT, i;
	struct abuse_counters c;
	uint64_t taken;

	t_init(kills > KILLS_DEFAULT ? 880 + 12 * kills : 880);
	sb = sb_start("--standby=1 --queue=64", "/dev/abctl0 disk,path=/dev/store",
		      1);
	t_mkswap(0);
	T_OK(t_swapon(0));
	sb_lock();
	sb_swap_start(&sb);
	for (i = 1; i <= kills; i++) {
		if (sb.board)
			SB_AWAIT(sb_count(&sb, BOARD_STANDBY) == 1);
		sb_swap_await(&sb, ANSWERS_MIN);
		taken = sb.board ? (uint64_t)sb.board->nr_takeovers : 0;
		sb_kill_active(&sb);
		T_TRUE(sb.board, "after the end of the one server: expected another, found none");
		SB_AWAIT(sb.board->nr_takeovers > taken);
		if (i % 10 == 0 || i == kills) {
			printf("progress: %d of %d kills, the last takeover took %.1f ms\n",
			       i, kills, ms(sb.board->takeover_ns[taken % BOARD_TAKEOVERS]));
			fflush(stdout);
		}
	}
	sb_swap_end(&sb);
	c = t_counters(sb.ctl);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_set_aside, 0);
	T_TRUE(c.ab_swap_write_bytes >= (uint64_t)CARRIED_MIN * kills,
	       "the device: expected at least %llu bytes of swap, found %llu",
	       (unsigned long long)CARRIED_MIN * kills, c.ab_swap_write_bytes);
	T_OK(t_swapoff(0));
	T_EQ(sb.board->nr_takeovers, kills + sb.board->nr_fenced);
	report(sb.board->nr_takeovers);
	sb_end(&sb);
	return t_end();
}
