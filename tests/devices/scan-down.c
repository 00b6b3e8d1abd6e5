// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have partition tables scanned while nobody answers: no server
 * at all, one that was lent the read and is stopped, one that died before a
 * BLKRRPART.  Each scan gives up after scan_timeout_ms; opening and closing
 * the disk meanwhile end with it, the device can be removed, and works.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=scan-waits
 * invariant: I9
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE		T_MIB
#define TIMEOUT_MS	400
/* From the time-out on: one tick of a policy timer, on a slow machine. */
#define LATE_MS		4000
#define NUMBER		0

static const struct abuse_info info = {
	.ab_size = SIZE,
	.ab_blocksize = 512,
	.ab_max_queue = 8,
};
static struct t_store store;
static struct t_log *log_of;
static int ctl;

/* As udev does when it hears of a disk; without reading. */
static pid_t opener(void)
{
	pid_t pid = t_fork(false);
	int blk;

	if (!pid) {
		blk = t_blk_open(NUMBER, O_RDONLY);
		T_OK(blk);
		close(blk);
		_exit(0);
	}
	return pid;
}

static void gave_up(long start)
{
	long took;

	T_UNTIL(t_counters(ctl).ab_ended_error);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	took = t_now_ms() - start;
	/* Two ticks of the kernel's clock may be missing. */
	T_TRUE(took >= TIMEOUT_MS - 20 && took < TIMEOUT_MS + LATE_MS,
	       "the scan: expected to give up after %d ms, found after %ld",
	       TIMEOUT_MS, took);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	T_EQ(t_counters(ctl).ab_nr_lent, 0);
}

static void configure(void)
{
	ctl = t_ctl_open(NUMBER);
	t_policy(NUMBER, "scan_timeout_ms", "400");
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
}

/* Everything as if nothing had been. */
static void works(void)
{
	pid_t server = t_recorder_start(NUMBER, &store, log_of), pid;
	struct t_io *io = t_submit(NUMBER, T_READ, 0, T_PAGE, 0);

	T_EQ(t_result(io), T_PAGE);
	pid = t_fork(false);
	if (!pid) {
		int blk = t_blk_open(NUMBER, O_RDONLY);

		T_OK(blk);
		T_OK(T_RET(ioctl(blk, BLKRRPART)));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	t_part_await(NUMBER, 1);
	t_kill(server, SIGKILL);
}

static void removed(void)
{
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_ctl_close(ctl);
	T_OK(t_control(ABUSE_CTL_REMOVE, NUMBER));
	T_EQ(t_control(ABUSE_CTL_ADD, NUMBER), NUMBER);
}

static void nobody(void)
{
	pid_t pid;
	long start;

	configure();
	start = t_now_ms();
	/* The thread that goes live is not the one that scans. */
	t_go_live(ctl);
	T_UNTIL(t_counters(ctl).ab_nr_queued || t_counters(ctl).ab_ended_error);
	pid = opener();
	gave_up(start);
	T_EQ(t_reap(pid), 0);
	T_TRUE(access("/sys/class/block/abuse0p1", F_OK),
	       "a partition that nobody answered for: expected none, found one");
	works();
	removed();
}

static void stopped(void)
{
	pid_t holder, pid;
	long start;

	configure();
	start = t_now_ms();
	holder = t_holder_start(NUMBER, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	t_kill(holder, SIGSTOP);
	pid = opener();
	T_UNTIL(t_counters(ctl).ab_ended_error);
	/* From its accept: later than when we began to look. */
	T_TRUE(t_now_ms() - start >= TIMEOUT_MS - 20,
	       "the scan: expected to wait %d ms for its server, found %ld",
	       TIMEOUT_MS, t_now_ms() - start);
	T_EQ(t_reap(pid), 0);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(holder, SIGKILL);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	works();
	removed();
}

/* BLKRRPART of a disk whose server has just died. */
static void died(void)
{
	volatile long *result = t_shared(T_PAGE);
	pid_t server, pid;
	long start;

	configure();
	server = t_recorder_start(NUMBER, &store, log_of);
	t_part_await(NUMBER, 1);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(server, SIGKILL);
	start = t_now_ms();
	pid = t_fork(false);
	if (!pid) {
		int blk = t_blk_open(NUMBER, O_RDONLY);

		T_OK(blk);
		*result = T_RET(ioctl(blk, BLKRRPART));
		_exit(0);
	}
	gave_up(start);
	T_EQ(t_reap(pid), 0);
	T_TRUE(*result <= 0,
	       "BLKRRPART without a server: expected to end, found %ld", *result);
	works();
	removed();
}

int main(void)
{
	t_init(55);
	log_of = t_log_make();
	store = t_store_make(SIZE);
	t_part_mbr(store.memory, 0, 64, 128);
	nobody();
	stopped();
	died();
	return t_end();
}
