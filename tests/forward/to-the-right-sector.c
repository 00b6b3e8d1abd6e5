// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward READs and WRITEs of many lengths to a disk, at another
 * sector than their own: the data is where it belongs, what lies beside it is
 * as it was, and the server has nothing more to say about the request.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=forward-same-sector
 * busted: module=short-forward
 * invariant: I1 I5
 */
#include "t_disk.h"

#define SIZE		(8 * T_MIB)
#define SHIFT_BYTES	(2 * T_MIB)	/* where the device begins on the disk */
#define OLD		9	/* generation of what was there before */

static const uint32_t lens_bytes[] = {
	T_PAGE, 3 * T_PAGE, 64 * 1024, 100 * 1024 - 4096, T_MIB,
};

static int ctl;
static uint32_t disk;

static void check_disk(uint64_t offset_bytes, uint32_t len_bytes,
		       uint64_t generation)
{
	static char data[T_MIB];

	t_disk_read(T_STORE, SHIFT_BYTES + offset_bytes, data, len_bytes);
	t_stamp_check(data, offset_bytes, len_bytes, generation);
}

static void one(enum t_op op, uint64_t offset_bytes, uint32_t len_bytes)
{
	struct abuse_counters before = t_counters(ctl), after;
	struct t_io *io = t_submit_accepted(ctl, 0, op, offset_bytes,
					    len_bytes, 0);
	struct abuse_lent lent = t_lend_one(ctl);

	T_EQ(lent.ab_sector, offset_bytes / 512);
	T_EQ(lent.ab_len_bytes, len_bytes);
	T_EQ(lent.ab_error, 0);
	T_OK(t_forward(ctl, lent.ab_id, disk,
		       lent.ab_sector + SHIFT_BYTES / 512));
	/* Not the server's any more, done or not. */
	T_EQ(t_complete(ctl, lent.ab_id), -ESTALE);
	T_EQ(t_forward(ctl, lent.ab_id, disk, 0), -ESTALE);
	T_EQ(t_result(io), len_bytes);
	T_UNTIL(t_counters(ctl).ab_nr_free == t_counters(ctl).ab_nr_slots);

	after = t_counters(ctl);
	T_EQ(after.ab_forwarded, before.ab_forwarded + 1);
	T_EQ(after.ab_forward_failed, 0);
	T_EQ(after.ab_nr_forwarded, 0);
	T_EQ(after.ab_nr_lent, 0);
	T_EQ(after.ab_nr_clones_free, after.ab_nr_clones);
	T_EQ(after.ab_ended, before.ab_ended + 1);
	T_EQ(after.ab_requeued, 0);
	T_EQ(after.ab_read_bytes, before.ab_read_bytes +
	     (op == T_READ ? len_bytes : 0));
	T_EQ(after.ab_write_bytes, before.ab_write_bytes +
	     (op == T_WRITE ? len_bytes : 0));
	if (op == T_READ)
		t_stamp_check(io->data, offset_bytes, len_bytes, 1);
	else
		check_disk(offset_bytes, len_bytes, 1);
}

int main(void)
{
	static char old[SIZE];
	uint64_t offset_bytes = T_PAGE;
	size_t i;

	t_init(35);
	t_stamp(old, 0, SIZE, OLD);
	t_disk_write(T_STORE, SHIFT_BYTES, old, SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	disk = t_backing_of(ctl, T_STORE);
	T_EQ(disk, 0);
	t_go_live(ctl);
	for (i = 0; i < sizeof(lens_bytes) / sizeof(lens_bytes[0]); i++) {
		one(T_WRITE, offset_bytes, lens_bytes[i]);
		/* Beside it, nothing. */
		check_disk(offset_bytes - T_PAGE, T_PAGE, OLD);
		check_disk(offset_bytes + lens_bytes[i], T_PAGE, OLD);
		one(T_READ, offset_bytes, lens_bytes[i]);
		offset_bytes += lens_bytes[i] + 2 * T_PAGE;
	}
	/* The last page of the device, and of what the disk has for it. */
	one(T_WRITE, SIZE - T_PAGE, T_PAGE);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_nr_backings, 1);
	return t_end();
}
