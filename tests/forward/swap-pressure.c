// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap under pressure on a device whose server does nothing but
 * forward to a raw disk: a load of 1.3 times the memory, verified word by word,
 * comes to its end, the device never stands still, all of its swap went by
 * clones, and swapoff works.
 *
 * Where it stands: reclaim > bio > queue > ioctl > [forward] > disk.
 *
 * time: 900
 * twin-limit: 20
 * busted: module=shared-bio-set
 * busted: env=LOAD_PERCENT=20
 * invariant: I1 I2 I3
 *
 * The test itself serves, without the reserves: virtio finds no memory for a
 * request's table of pages at times, says so, and goes on without.
 * expected-log: ^swap-pressure: page allocation failure: order:0|Call Trace
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "t_disk.h"

#define STORE		"/dev/store3"
#define SIZE		(512ull * T_MIB)
#define CARRIED_MIN	(64ull * T_MIB)	/* each way, or it proves nothing */
/* The shared bio set is looked at anew every five seconds, when it is empty. */
#define STILL_MS	4000
#define LIMIT_S		470

static long longest_ms;	/* that nothing ended, though there was something */

/* To be called often; needs no memory, and is locked itself. */
static void watch(int ctl)
{
	static long since_ms;
	static uint64_t ended;
	struct abuse_counters c = t_counters(ctl);

	if (c.ab_ended != ended || c.ab_ended == c.ab_accepted) {
		ended = c.ab_ended;
		since_ms = t_now_ms();
	}
	if (t_now_ms() - since_ms > longest_ms)
		longest_ms = t_now_ms() - since_ms;
}

/* The status of /bin/pageload, which verifies its memory by itself. */
static int load(int ctl, uint64_t bytes)
{
	char text[24];
	pid_t pid;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	pid = t_fork(false);
	if (!pid) {
		execl("/bin/pageload", "pageload", "--bytes", text,
		      "--workers", "4", "--passes", "1", "--report",
		      "/tmp/load", NULL);
		_exit(127);
	}
	while (!t_ended(pid)) {
		watch(ctl);
		t_pause();
	}
	return t_reap(pid);
}

int main(void)
{
	const char *percent = getenv("LOAD_PERCENT");
	struct abuse_counters c;
	struct sysinfo info;
	uint64_t bytes;
	int ctl, status;

	t_init(LIMIT_S);
	T_OK(T_RET(sysinfo(&info)));
	bytes = (uint64_t)info.totalram * info.mem_unit / 100 *
		(percent ? atoi(percent) : 130);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 0, 0);
	t_backing_of(ctl, STORE);
	t_forwarder_start(0, STORE);
	T_UNTIL(t_is_live(0));
	/* For watch(): what waits for its own page sees nothing. */
	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	t_mkswap(0);
	T_OK(t_swapon(0));
	status = load(ctl, bytes);
	T_TRUE(!status, "the load: expected status 0, found %d: %s", status,
	       t_read_text("/tmp/load"));

	c = t_counters(ctl);
	fprintf(stderr, "%llu MiB out, %llu MiB in, %llu clones, %u of %u free at the least, still for %ld ms at most\n",
		c.ab_write_bytes / T_MIB, c.ab_read_bytes / T_MIB,
		c.ab_forwarded, c.ab_nr_clones_free_min, c.ab_nr_clones,
		longest_ms);
	/* Before anything can fail: without its server it could not go. */
	T_OK(t_swapoff(0));
	T_TRUE(c.ab_swap_write_bytes >= CARRIED_MIN, "swapped out: expected at least %llu bytes, found %llu",
	       CARRIED_MIN, c.ab_swap_write_bytes);
	T_TRUE(c.ab_read_bytes >= CARRIED_MIN, "swapped in: expected at least %llu bytes, found %llu",
	       CARRIED_MIN, c.ab_read_bytes);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_forward_failed, 0);
	/* Every request there was, once. */
	T_EQ(c.ab_requeued, 0);
	T_EQ(c.ab_lent, c.ab_accepted);
	T_EQ(c.ab_forwarded, c.ab_accepted);
	T_TRUE(longest_ms <= STILL_MS * t_time_factor(), "the device stood still: expected for at most %d ms, found %ld",
	       STILL_MS, longest_ms);
	return t_end();
}
