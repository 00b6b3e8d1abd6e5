// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop, continue and kill servers of both ABIs at random, by
 * several signals, under verified load: all that was accepted has ended, once,
 * without an error and with the right data.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: module=lose-on-release
 * busted: module=end-requeued
 * busted: module=short-copy
 * invariant: I1 I4 I5 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE		(4 * T_MIB)
#define LEN		(12 * 1024)
#define NR_LOADS	3
#define NR_SERVERS	4
#define SHARE		(SIZE / NR_LOADS / LEN * LEN)
#define KILLS		40
#define ENOUGH		40

static volatile uint32_t *nr_done;
static volatile bool *stop;

static void load(int index)
{
	char *data = t_shared(LEN);
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT));
	uint64_t at, generation = 1;

	for (at = 0; !*stop; at = (at + LEN) % SHARE) {
		uint64_t offset_bytes = index * SHARE + at;

		t_stamp(data, offset_bytes, LEN, generation);
		T_EQ(T_RET(pwrite(fd, data, LEN, offset_bytes)), LEN);
		memset(data, 0, LEN);
		T_EQ(T_RET(pread(fd, data, LEN, offset_bytes)), LEN);
		t_stamp_check(data, offset_bytes, LEN, generation);
		nr_done[index]++;
		generation++;
	}
	_exit(0);
}

static pid_t serve(const struct t_store *store, int index)
{
	const struct t_server how = {
		.index = index,
		.legacy = index == 1,
		.batch = index == 2 ? 1 : 4,
		.piece_bytes = index == 2 ? T_PAGE : 0,
		.pick = index == 3,
	};

	return t_server_start(store, &how);
}

static void end_one(pid_t pid, unsigned int how)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGKILL };

	/* Stopped for a moment first, now and then. */
	if (how & 4) {
		T_OK(T_RET(kill(pid, SIGSTOP)));
		T_UNTIL(strchr("TZX", t_state(pid)));
		if (how & 8)
			T_OK(T_RET(kill(pid, SIGCONT)));
	}
	T_OK(T_RET(kill(pid, how & 4 && !(how & 8) ? SIGKILL :
			signals[how & 3])));
	t_reap(pid);
}

static bool enough(void)
{
	bool yes = true;
	int i;

	for (i = 0; i < NR_LOADS; i++)
		yes &= nr_done[i] >= ENOUGH;
	return yes;
}

int main(void)
{
	const char *from = getenv("T_SEED");
	unsigned int seed = from ? atoi(from) : 1;
	pid_t loads[NR_LOADS], servers[NR_SERVERS];
	struct t_store store;
	uint32_t progress;
	int ctl, i, nr;

	t_init(55);
	nr_done = t_shared(T_PAGE);
	stop = t_shared(T_PAGE);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	/* Dying is the normal end here: nothing is to be set ASIDE for it. */
	t_policy(0, "max_owners", "0");
	for (i = 0; i < NR_SERVERS; i++)
		servers[i] = serve(&store, i);
	T_UNTIL(t_is_live(0));
	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	for (nr = 0; nr < KILLS; nr++) {
		/* Some work between two kills, and some luck. */
		progress = nr_done[nr % NR_LOADS];
		T_UNTIL(nr_done[nr % NR_LOADS] != progress);
		i = rand_r(&seed) % NR_SERVERS;
		end_one(servers[i], rand_r(&seed) >> 8);
		servers[i] = serve(&store, i);
	}
	T_UNTIL(enough());
	*stop = true;
	for (i = 0; i < NR_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	T_EQ(t_counters(ctl).ab_nr_lent, 0);
	T_EQ(t_counters(ctl).ab_set_aside, 0);
	T_EQ(t_counters(ctl).ab_lent, t_counters(ctl).ab_ended +
	     t_counters(ctl).ab_requeued);
	fprintf(stderr, "%d kills, %llu requests, %llu requeued\n", KILLS,
		t_counters(ctl).ab_ended, t_counters(ctl).ab_requeued);
	t_policy(0, "max_owners", "16");
	return t_end();
}
