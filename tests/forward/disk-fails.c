// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward to a disk that fails: the request is lent again, with
 * the disk's error, and can be answered by copying; where the device's policy
 * says so, it fails at once.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=forward-error-lost
 * busted: module=forward-policy
 * busted: module=complete-uncopied
 * invariant: I1 I11 I12
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define BAD_SECTOR	4096	/* the first of ten that cannot be read */
#define OPTS		"/sys/bus/pseudo/drivers/scsi_debug/opts"
#define MEDIUM_ERROR	"2"

static int ctl;
static uint32_t disk;

static void disk_works(bool works, enum t_op op)
{
	if (op == T_READ)
		T_OK(t_attr_set(works ? "0" : MEDIUM_ERROR, OPTS));
	else
		t_scsi_state(0, works ? "running" : "offline");
}

static void lent_again(enum t_op op, int err)
{
	struct abuse_counters before = t_counters(ctl);
	static char data[T_PAGE];
	struct abuse_lent lent;
	struct t_io *io;
	uint64_t id;

	disk_works(false, op);
	io = t_submit_accepted(ctl, 0, op, BAD_SECTOR * 512, T_PAGE, 0);
	lent = t_lend_one(ctl);
	id = lent.ab_id;
	T_EQ(lent.ab_flags & ABUSE_LENT_FAILED, 0);
	T_OK(t_forward(ctl, id, disk, lent.ab_sector));
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	T_TRUE(!io->done, "the I/O that the disk has failed: expected to wait, found it ended");
	T_EQ(t_counters(ctl).ab_forward_failed, before.ab_forward_failed + 1);
	T_EQ(t_counters(ctl).ab_nr_clones_free, before.ab_nr_clones);
	T_EQ(t_counters(ctl).ab_nr_forwarded, 0);

	lent = t_lend_one(ctl);
	T_TRUE(lent.ab_id != id, "expected another id, found the same");
	T_EQ(lent.ab_flags & (ABUSE_LENT_FAILED | ABUSE_LENT_AGAIN),
	     ABUSE_LENT_FAILED | ABUSE_LENT_AGAIN);
	T_EQ(lent.ab_error, err);
	T_EQ(lent.ab_sector, BAD_SECTOR);
	T_EQ(lent.ab_len_bytes, T_PAGE);
	if (op == T_READ) {
		/* What the disk has left in the pages does not count. */
		T_EQ(t_complete(ctl, lent.ab_id), -EINVAL);
		t_stamp(data, BAD_SECTOR * 512, T_PAGE, 8);
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, data, 0,
			    T_PAGE));
	} else {
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0,
			    T_PAGE));
		t_stamp_check(data, BAD_SECTOR * 512, T_PAGE, 1);
	}
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	if (op == T_READ)
		t_stamp_check(io->data, BAD_SECTOR * 512, T_PAGE, 8);
	T_EQ(t_counters(ctl).ab_ended_error, before.ab_ended_error);

	/* Or by trying once more. */
	io = t_submit_accepted(ctl, 0, op, BAD_SECTOR * 512, T_PAGE, 0);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_error, 0);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	lent = t_lend_one(ctl);
	disk_works(true, op);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_EQ(t_result(io), T_PAGE);
}

static void fails_at_once(enum t_op op, int err)
{
	struct abuse_counters before;
	struct abuse_lent lent;
	struct t_io *io;

	t_policy(0, "forward_error", "fail");
	before = t_counters(ctl);
	disk_works(false, op);
	io = t_submit_accepted(ctl, 0, op, BAD_SECTOR * 512, T_PAGE, 0);
	lent = t_lend_one(ctl);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_EQ(t_result(io), -err);
	T_UNTIL(t_counters(ctl).ab_ended == before.ab_ended + 1);
	T_EQ(t_counters(ctl).ab_ended_error, before.ab_ended_error + 1);
	T_EQ(t_counters(ctl).ab_nr_queued, 0);
	disk_works(true, op);
	t_policy(0, "forward_error", "lend");
}

/* The server that sent it on is gone: another one gets it, and its error. */
static void to_the_next(void)
{
	volatile bool *sent = t_shared(T_PAGE);
	struct abuse_lent lent;
	struct t_io *io;
	pid_t pid;
	int mine;

	disk_works(false, T_READ);
	io = t_submit_accepted(ctl, 0, T_READ, BAD_SECTOR * 512, T_PAGE, 0);
	t_scsi_delay(2000);
	pid = t_fork(false);
	if (!pid) {
		mine = t_ctl_open(0);
		t_backing_of(mine, t_scsi_path(0));
		lent = t_lend_one(mine);
		T_OK(t_forward(mine, lent.ab_id, disk, lent.ab_sector));
		*sent = true;
		for (;;)
			pause();
	}
	T_UNTIL(*sent);
	t_kill(pid, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_flags & ABUSE_LENT_FAILED, ABUSE_LENT_FAILED);
	T_EQ(lent.ab_error, ENODATA);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	t_scsi_delay(0);
	disk_works(true, T_READ);
}

int main(void)
{
	t_init(35);
	t_scsi_load("medium_error_start=4096 medium_error_count=8");
	ctl = t_ctl_open(0);
	t_configure(ctl, 4 * T_MIB, 8, 0);
	disk = t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	T_TRUE(!strcmp(t_attr(T_ABUSE, 0, "forward_error"), "lend"), "forward_error: expected lend, found %s",
	       t_attr(T_ABUSE, 0, "forward_error"));
	lent_again(T_READ, ENODATA);
	lent_again(T_WRITE, EIO);
	fails_at_once(T_READ, ENODATA);
	fails_at_once(T_WRITE, EIO);
	to_the_next();
	return t_end();
}
