// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have BLKRRPART write back more dirty pages than the device
 * has slots, while its server is slow.  Those writes are no part of the scan:
 * they must wait for their slots as any others, and all of them be stored.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=scan-fails-writes
 * invariant: I3 I9
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(4 * T_MIB)
#define BOUND	4
#define DIRTY	(SIZE / 2)

int main(void)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 4096,
		.ab_max_queue = BOUND,
	};
	volatile bool *dirty = t_shared(T_PAGE);
	struct t_log *log_of;
	struct t_store store;
	pid_t server, pid;
	int ctl;

	t_init(55);
	log_of = t_log_make();
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log_of);
	/* The scan at go-live is over. */
	T_UNTIL(t_is_live(0) && t_counters(ctl).ab_ended &&
		!t_counters(ctl).ab_nr_opens);

	log_of->hold = true;
	pid = t_fork(false);
	if (!pid) {
		static char data[DIRTY];
		int blk = t_blk_open(0, O_RDWR);

		T_OK(blk);
		t_stamp(data, 0, DIRTY, 3);
		T_EQ(T_RET(pwrite(blk, data, DIRTY, 0)), DIRTY);
		*dirty = true;
		ioctl(blk, BLKRRPART);
		T_OK(T_RET(fsync(blk)));
		_exit(0);
	}
	T_UNTIL(*dirty);
	T_UNTIL(t_counters(ctl).ab_nr_waiting ||
		t_counters(ctl).ab_nr_free == 0 || t_ended(pid));
	/* More than a moment: a write that does not wait has failed by now. */
	for (int i = 0; i < 200; i++)
		t_pause();
	log_of->hold = false;
	T_EQ(t_reap(pid), 0);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_stamp_check(store.memory, 0, DIRTY, 3);
	t_kill(server, SIGKILL);
	return t_end();
}
