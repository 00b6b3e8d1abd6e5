// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will use up the slots and the clones of a device, bit by bit, and
 * read how many there are, how many are free and how few there ever were: from
 * the ioctl and from sysfs; another device's are untouched.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=low-water-stuck
 * invariant: I2 I3
 */
#include "t_disk.h"

#define SIZE	(4 * T_MIB)
#define NR	8		/* the bound */
#define SLOW_MS	2000

static int ctl;

static void check(const char *name, uint32_t found, uint32_t want)
{
	long long shown = t_attr_number(T_ABUSE, 0, name);

	T_TRUE(found == want, "%s: expected %u, found %u", name, want, found);
	T_TRUE(shown == want, "%s in sysfs: expected %u, found %lld", name,
	       want, shown);
}

/* So many of each in use; slots_min, clones_min: the fewest ever free. */
static void in_use(uint32_t slots, uint32_t slots_min, uint32_t clones,
		   uint32_t clones_min)
{
	struct abuse_counters c = t_counters(ctl);

	check("slots", c.ab_nr_slots, NR);
	check("slots_free", c.ab_nr_free, NR - slots);
	check("slots_free_min", c.ab_nr_free_min, slots_min);
	check("clones", c.ab_nr_clones, NR);
	check("clones_free", c.ab_nr_clones_free, NR - clones);
	check("clones_free_min", c.ab_nr_clones_free_min, clones_min);
	check("bound", NR, NR);
}

int main(void)
{
	struct abuse_lent lent[NR], more;
	struct t_io *ios[NR], *other_io;
	uint32_t disk;
	int other, i;

	t_init(35);
	t_scsi_load("");
	ctl = t_ctl_open(0);
	T_EQ(t_attr_number(T_ABUSE, 0, "slots"), 0);
	T_EQ(t_attr_number(T_ABUSE, 0, "clones"), 0);
	t_configure(ctl, SIZE, NR, 0);
	disk = t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	in_use(0, NR, 0, NR);

	for (i = 0; i < 3; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	in_use(3, NR - 3, 0, NR);
	T_EQ(t_lend(ctl, lent, 3), 3);
	check("lent", t_counters(ctl).ab_nr_lent, 3);
	for (i = 0; i < 3; i++) {
		t_answer(ctl, &lent[i]);
		T_EQ(t_result(ios[i]), T_PAGE);
	}
	in_use(0, NR - 3, 0, NR);

	/* All of them at once, and the whole reserve on its way to a disk. */
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	check("queued", t_counters(ctl).ab_nr_queued, NR);
	T_EQ(t_lend(ctl, lent, NR), NR);
	t_scsi_delay(SLOW_MS * t_time_factor());
	for (i = 0; i < NR; i++)
		T_OK(t_forward(ctl, lent[i].ab_id, disk, lent[i].ab_sector));
	check("forwarded", t_counters(ctl).ab_nr_forwarded, NR);
	in_use(NR, 0, NR, 0);

	/* A second device has its own, all of them. */
	other = t_ctl_open(1);
	t_configure(other, T_MIB, NR, 0);
	i = t_backing_of(other, T_STORE);
	t_go_live(other);
	other_io = t_submit_accepted(other, 1, T_WRITE, 0, T_PAGE, 0);
	more = t_lend_one(other);
	T_OK(t_forward(other, more.ab_id, i, 0));
	T_EQ(t_result(other_io), T_PAGE);
	T_EQ(t_counters(other).ab_nr_clones_free_min, NR - 1);
	/* The control: the first one's are still on their way. */
	T_EQ(t_counters(ctl).ab_nr_forwarded, NR);

	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	T_UNTIL(t_counters(ctl).ab_nr_free == NR);
	in_use(0, 0, 0, 0);
	t_scsi_delay(0);

	/* The low-water mark begins anew with each configuration. */
	T_OK(t_ioctl(other, ABUSE_RESET, NULL));
	t_ctl_close(other);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_EQ(t_attr_number(T_ABUSE, 0, "slots"), 0);
	t_configure(ctl, SIZE, NR, 0);
	in_use(0, NR, 0, NR);
	return t_end();
}
