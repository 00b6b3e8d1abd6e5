// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill servers at random while they forward, copy and give back
 * requests over one disk, under verified load: nothing is lost, stale or ended
 * twice.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 60
 * busted: module=requeue-forwarded
 * busted: module=lose-on-release
 * busted: module=forward-same-sector
 * invariant: I1 I4 I11 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE		(4 * T_MIB)
#define SHIFT_BYTES	T_MIB
#define LEN		(16 * 1024)
#define NR_LOADS	3
#define NR_SERVERS	3
#define SHARE		(SIZE / NR_LOADS / LEN * LEN)
#define KILLS		25
#define ENOUGH		30	/* I/Os of each load, between first and last */

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

/* Through its own memory, as a server without forward would. */
static void copy(int ctl, int fd, char *data, const struct abuse_lent *lent)
{
	uint64_t at = SHIFT_BYTES + lent->ab_sector * 512;
	uint32_t len = lent->ab_len_bytes;

	if (lent->ab_command == ABUSE_WRITE) {
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent->ab_id, data, 0,
			    len));
		T_EQ(T_RET(pwrite(fd, data, len, at)), len);
	} else {
		T_EQ(T_RET(pread(fd, data, len, at)), len);
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent->ab_id, data, 0,
			    len));
	}
	T_OK(t_complete(ctl, lent->ab_id));
}

static void __attribute__((noreturn)) serve(unsigned int seed)
{
	int ctl = t_ctl_open(0), nr, i;
	int fd = T_OK(t_disk_open(T_STORE, O_RDWR | O_DIRECT));
	struct abuse_lent lent[4];
	char *data = t_shared(LEN);
	uint32_t disk;

	T_OK(t_backing(ctl, fd, &disk));
	for (;;) {
		nr = T_OK(t_serve(ctl, NULL, 0, lent, 4, 0, NULL));
		for (i = 0; i < nr; i++) {
			switch (rand_r(&seed) % 4) {
			case 0:
				T_OK(t_requeue(ctl, lent[i].ab_id));
				break;
			case 1:
				copy(ctl, fd, data, &lent[i]);
				break;
			default:
				T_OK(t_forward(ctl, lent[i].ab_id, disk,
					       lent[i].ab_sector +
					       SHIFT_BYTES / 512));
			}
		}
	}
}

static pid_t serve_start(unsigned int seed)
{
	pid_t pid = t_fork(false);

	if (!pid)
		serve(seed);
	return pid;
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
	pid_t loads[NR_LOADS], servers[NR_SERVERS];
	unsigned int seed = 1, kill_nr;
	uint32_t progress;
	int ctl, i;

	t_init(55);
	nr_done = t_shared(T_PAGE);
	stop = t_shared(T_PAGE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	/* Dying is the normal end here: nothing is to be set ASIDE for it. */
	t_policy(0, "max_owners", "0");
	t_backing_of(ctl, T_STORE);
	t_go_live(ctl);
	for (i = 0; i < NR_SERVERS; i++)
		servers[i] = serve_start(i);
	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	for (kill_nr = 0; kill_nr < KILLS; kill_nr++) {
		/* Some work between two kills, and some luck. */
		progress = nr_done[kill_nr % NR_LOADS];
		T_UNTIL(nr_done[kill_nr % NR_LOADS] != progress);
		i = rand_r(&seed) % NR_SERVERS;
		t_kill(servers[i], SIGKILL);
		servers[i] = serve_start(NR_SERVERS + kill_nr);
	}
	T_UNTIL(enough());
	*stop = true;
	for (i = 0; i < NR_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_forward_failed, 0);
	T_TRUE(t_counters(ctl).ab_forwarded >= ENOUGH, "forwarded: expected at least %d, found %llu",
	       ENOUGH, t_counters(ctl).ab_forwarded);
	/* The control: kills did hit servers that had something. */
	T_TRUE(t_counters(ctl).ab_requeued, "requeued: expected some, found none");
	t_policy(0, "max_owners", "16");
	return t_end();
}
