// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server whose requests are on their way to a slow disk:
 * they stay FORWARDED, whatever RESET, REMOVE, rmmod and the policies are told
 * meanwhile, nobody else is lent them, and they end well, once, when the disk
 * answers.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=requeue-forwarded
 * busted: module=backing-goes-with-server
 * invariant: I1 I4 I10 I11
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_disk.h"

#define NR		4
#define LEN		(64 * 1024)
#define STRIDE		(2 * LEN)	/* the disk's queue merges neighbours */
#define SLOW_MS		4000

struct victim {
	volatile int lent;
	volatile int forwarded;
};

static void __attribute__((noreturn)) serve_and_hang(struct victim *v)
{
	int ctl = t_ctl_open(0), i;
	uint32_t disk = t_backing_of(ctl, t_scsi_path(0));
	struct abuse_lent lent[NR];

	v->lent = t_lend(ctl, lent, NR);
	for (i = 0; i < v->lent; i++) {
		T_OK(t_forward(ctl, lent[i].ab_id, disk, lent[i].ab_sector));
		v->forwarded++;
	}
	for (;;)
		pause();
}

/* As it was when the server died. */
static void still_forwarded(int ctl)
{
	struct abuse_counters c = t_counters(ctl);
	struct abuse_lent lent;

	T_EQ(c.ab_nr_forwarded, NR);
	T_EQ(c.ab_nr_lent, 0);
	T_EQ(c.ab_nr_queued, 0);
	T_EQ(c.ab_requeued, 0);
	T_EQ(c.ab_timed_out, 0);
	T_EQ(c.ab_ended, 0);
	T_EQ(c.ab_nr_clones_free, c.ab_nr_clones - NR);
	T_EQ(t_lend(ctl, &lent, 1), 0);
}

int main(void)
{
	struct victim *v = t_shared(sizeof(*v));
	static char data[LEN];
	struct t_io *ios[NR];
	pid_t pid;
	int ctl, i;

	t_init(35);
	t_scsi_load("");
	ctl = t_ctl_open(0);
	t_configure(ctl, 4 * T_MIB, 16, 0);
	t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * STRIDE, LEN,
					   0);
	t_scsi_delay(SLOW_MS * t_time_factor());
	pid = t_fork(false);
	if (!pid)
		serve_and_hang(v);
	T_UNTIL(v->forwarded == NR);
	t_kill(pid, SIGKILL);

	still_forwarded(ctl);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(t_control(ABUSE_CTL_REMOVE, 0), -EBUSY);
	T_EQ(T_RET(syscall(SYS_delete_module, "abuse", O_NONBLOCK)), -EAGAIN);
	/* No server, at once an error: not for what the disk has. */
	t_policy(0, "reset", "fail");
	t_policy(0, "no_server", "fail");
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	still_forwarded(ctl);
	/* The control of all this: the disk has not answered yet. */
	T_UNTIL(t_disk_inflight(t_scsi_path(0)) == NR);
	for (i = 0; i < NR; i++)
		T_TRUE(!ios[i]->done, "I/O %d: expected to wait for the disk, found it ended",
		       i);

	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), LEN);
	T_UNTIL(t_counters(ctl).ab_nr_clones_free ==
		t_counters(ctl).ab_nr_clones);
	T_EQ(t_counters(ctl).ab_lent, NR);
	T_EQ(t_counters(ctl).ab_forwarded, NR);
	T_EQ(t_counters(ctl).ab_ended, NR);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_requeued, 0);
	t_scsi_delay(0);
	for (i = 0; i < NR; i++) {
		t_disk_read(t_scsi_path(0), i * STRIDE, data, LEN);
		t_stamp_check(data, i * STRIDE, LEN, 1);
	}
	t_policy(0, "reset", "requeue");
	t_policy(0, "no_server", "wait");
	return t_end();
}
