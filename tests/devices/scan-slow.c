// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a partition table scanned by way of a server that takes
 * its time for each read, a single thread that is also the one that goes live:
 * the partition is found, for the scan waits as long as it may.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: env=T_TWIN=short-time
 * invariant: I9
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE	T_MIB
#define SLOW_MS	150

static void __attribute__((noreturn)) slow_server(const struct t_store *store)
{
	const struct timespec slow = { 0, SLOW_MS * 1000000 };
	int ctl = t_ctl_open(0), ret;
	struct abuse_lent lent;

	for (;;) {
		ret = t_serve(ctl, NULL, 0, &lent, 1, 0, NULL);
		if (ret == -EINTR)
			continue;
		T_EQ(ret, 1);
		T_EQ(lent.ab_command, ABUSE_READ);
		/* What is measured is a server that is slow. */
		nanosleep(&slow, NULL);
		ret = t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id,
			     store->memory + lent.ab_sector * 512, 0,
			     lent.ab_len_bytes);
		/* The twin's scan does not wait for it. */
		if (ret != -ESTALE) {
			T_OK(ret);
			T_OK(t_complete(ctl, lent.ab_id));
		}
	}
}

int main(void)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 8,
	};
	struct t_store store;
	pid_t server;
	int ctl;

	t_init(55);
	store = t_store_make(SIZE);
	t_part_mbr(store.memory, 0, 64, 128);
	ctl = t_ctl_open(0);
	T_EQ(t_attr_number(T_ABUSE, 0, "scan_timeout_ms"), 5000);
	if (t_twin("short-time"))
		t_policy(0, "scan_timeout_ms", "50");
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_fork(false);
	if (!server)
		slow_server(&store);
	t_part_await(0, 1);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_TRUE(!t_ended(server),
	       "the server: expected to serve, found it ended");
	t_kill(server, SIGKILL);
	return t_end();
}
