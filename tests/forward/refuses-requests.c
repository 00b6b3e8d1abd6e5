// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward requests to where they must not go: beyond the disk's
 * end, between its blocks, to a disk that the caller has not presented, or that
 * cannot do it.  Each is refused, the request stays LENT, and is answered by
 * copying.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=forward-unchecked
 * busted: module=forward-unpresented
 * invariant: I4 I5
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE	(4 * T_MIB)

static int ctl;
static uint32_t disk, other_disk;

/* Refused with this errno, and LENT as before. */
static void refused(uint64_t id, uint32_t backing, uint64_t sector, int err)
{
	T_EQ(t_forward(ctl, id, backing, sector), -err);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_EQ(t_counters(ctl).ab_nr_forwarded, 0);
}

static void out_of_range(void)
{
	const uint64_t end = t_attr_number("/sys/block/%s/size",
					   t_disk_name(t_scsi_path(0)));
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, 2 * T_PAGE, 0);
	struct abuse_lent lent = t_lend_one(ctl);
	static char data[2 * T_PAGE];

	refused(lent.ab_id, 2, 0, EINVAL);
	refused(lent.ab_id, ABUSE_BACKINGS, 0, EINVAL);
	refused(lent.ab_id, 0xffffffff, 0, EINVAL);
	refused(lent.ab_id, disk, end, EINVAL);
	refused(lent.ab_id, disk, end - 8, EINVAL);
	refused(lent.ab_id, disk, ~0ull, EINVAL);
	refused(lent.ab_id, disk, ~0ull - 15, EINVAL);
	refused(lent.ab_id, disk, 1ull << 55, EINVAL);
	/* Blocks of 4096 bytes: sectors that are multiples of 8. */
	refused(lent.ab_id, disk, 1, EINVAL);
	refused(lent.ab_id, disk, 12, EINVAL);
	T_EQ(t_counters(ctl).ab_forwarded, 0);

	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0,
		    2 * T_PAGE));
	t_stamp_check(data, 0, 2 * T_PAGE, 1);
	/* A refusal costs nothing: it can still be forwarded, to the end. */
	T_OK(t_forward(ctl, lent.ab_id, disk, end - 16));
	T_EQ(t_result(io), 2 * T_PAGE);
	t_disk_read(t_scsi_path(0), (end - 16) * 512, data, 2 * T_PAGE);
	t_stamp_check(data, 0, 2 * T_PAGE, 1);
}

static long discard(void *arg)
{
	uint64_t range[] = { 0, 4 * T_PAGE };
	int fd = t_blk_open(0, O_RDWR);
	long ret = fd < 0 ? fd : T_RET(ioctl(fd, BLKDISCARD, range));

	(void)arg;
	close(fd);
	return ret;
}

/* The disk knows no discard. */
static void cannot(void)
{
	struct t_call *call = t_call_start(discard, NULL);
	struct abuse_lent lent;

	T_UNTIL(t_counters(ctl).ab_nr_queued || call->done);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_DISCARD);
	refused(lent.ab_id, disk, 0, EOPNOTSUPP);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_call_result(call), 0);
}

static void not_lent(void)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	struct abuse_lent lent = t_lend_one(ctl);

	T_EQ(t_forward(ctl, lent.ab_id + (1ull << 32), disk, 0), -ESTALE);
	T_EQ(t_forward(ctl, 0, disk, 0), -EINVAL);
	T_OK(t_requeue(ctl, lent.ab_id));
	T_EQ(t_forward(ctl, lent.ab_id, disk, 0), -ESTALE);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
}

struct other {
	volatile int refused_first;
	volatile int wrong_disk;
	volatile int presented;
	volatile uint32_t index;
	volatile int forwarded;
};

static void other_server(struct other *o)
{
	int fd = T_OK(t_disk_open(t_scsi_path(0), O_RDWR));
	int mine = t_ctl_open(0);
	struct abuse_lent lent = t_lend_one(mine);
	uint32_t index = 99;

	o->refused_first = t_forward(mine, lent.ab_id, disk, 0);
	o->wrong_disk = t_forward(mine, lent.ab_id, other_disk, 0);
	o->presented = t_backing(mine, fd, &index);
	o->index = index;
	/* Open for writing is asked of each, not once. */
	close(fd);
	o->forwarded = t_forward(mine, lent.ab_id, disk, 0);
	_exit(0);
}

/* Another process, without and with its own descriptor of the disk. */
static void not_presented(void)
{
	struct other *o = t_shared(sizeof(*o));
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	pid_t pid = t_fork(false);
	static char data[T_PAGE];

	if (!pid)
		other_server(o);
	T_EQ(t_reap(pid), 0);
	T_EQ(o->refused_first, -EPERM);
	T_EQ(o->wrong_disk, -EPERM);
	T_EQ(o->presented, 0);
	T_EQ(o->index, disk);
	T_EQ(o->forwarded, 0);
	T_EQ(t_result(io), T_PAGE);
	t_disk_read(t_scsi_path(0), 0, data, T_PAGE);
	t_stamp_check(data, 0, T_PAGE, 1);
}

/* A child that inherits the file has presented nothing. */
static void inherited(void)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	volatile int *err = t_shared(T_PAGE);
	struct abuse_lent lent;
	pid_t pid = t_fork(true);

	if (!pid) {
		lent = t_lend_one(ctl);
		*err = t_forward(ctl, lent.ab_id, disk, 0);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	T_EQ(*err, -EPERM);
	lent = t_lend_one(ctl);
	T_OK(t_forward(ctl, lent.ab_id, disk, 0));
	T_EQ(t_result(io), T_PAGE);
}

int main(void)
{
	t_init(35);
	t_scsi_load("sector_size=4096");
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, ABUSE_FLAGS_DISCARD);
	disk = t_backing_of(ctl, t_scsi_path(0));
	other_disk = t_backing_of(ctl, T_STORE);
	T_EQ(other_disk, 1);
	t_go_live(ctl);
	out_of_range();
	cannot();
	not_lent();
	not_presented();
	inherited();
	return t_end();
}
