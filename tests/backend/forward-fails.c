// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward to a disk that fails, and to one that no longer does
 * what it could when the device was made: the request fails with the error of
 * the disk, once, and the server goes on.
 *
 * Where it stands: bio > queue > ioctl > [server > backend] > disk.
 *
 * time: 60
 * busted: module=forward-error-lost
 * invariant: I11
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "b.h"

int main(void)
{
	struct t_swapserver s;
	char arguments[100];
	int ctl;

	t_init(50);
	t_scsi_load("lbpu=1 sector_size=512");
	ctl = t_ctl_open(0);
	snprintf(arguments, sizeof(arguments),
		 "--size 4M /dev/abctl0 forward,path=%s", t_scsi_path(0));
	s = t_swapserver_start(arguments);
	b_write(0, 4 * T_PAGE, 1);
	T_EQ(t_counters(ctl).ab_nr_backings, 1);

	t_scsi_state(0, "offline");
	T_EQ(b_io(T_WRITE, 0, T_PAGE), -EIO);
	T_EQ(b_io(T_READ, 0, T_PAGE), -EIO);
	t_scsi_state(0, "running");
	T_EQ(t_counters(ctl).ab_ended_error, 2);
	T_EQ(t_counters(ctl).ab_forward_failed, 2);
	b_check(0, 4 * T_PAGE, 1);

	/* Refused before it is sent: answered by the server, which goes on. */
	T_EQ(b_discard(T_MIB, T_PAGE), 0);
	T_OK(t_attr_set("0", "/sys/block/%s/queue/discard_max_bytes",
			t_disk_name(t_scsi_path(0))));
	/* blkdev_issue_discard() keeps EOPNOTSUPP to itself. */
	T_EQ(b_discard(T_MIB, T_PAGE), 0);
	T_EQ(t_counters(ctl).ab_ended_error, 3);
	T_EQ(t_counters(ctl).ab_discard_bytes, T_PAGE);
	T_EQ(t_ended(s.pid), false);
	b_check(0, 4 * T_PAGE, 1);
	T_EQ(t_counters(ctl).ab_nr_lent, 0);
	b_stop(&s, ctl);
	t_scsi_unload();
	return t_end();
}
