// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will load the module with major=0: disks and control nodes get
 * whatever majors are free, work like any others, and are made on demand.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 30
 * module-args: major=0 max_part=3
 * busted: module=fixed-major
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "t_block.h"

int main(void)
{
	unsigned int major, minor, ctl_major, ctl_minor;
	struct abuse_info info;
	struct abuse_lent lent;
	struct t_io *io;
	struct stat st;
	int ctl, fd;

	t_init(25);
	T_TRUE(t_devt("/sys/block/abuse1", &major, &minor),
	       "abuse1: expected to be there, found none");
	T_TRUE(t_devt("/sys/class/abuse/abctl1", &ctl_major, &ctl_minor),
	       "abctl1: expected to be there, found none");
	T_TRUE(major && major != ABUSE_MAJOR,
	       "major=0: expected a free major, found %u", major);
	T_TRUE(ctl_major && ctl_major != ABUSECTL_MAJOR,
	       "major=0: expected a free major for the control nodes, found %u",
	       ctl_major);
	/* max_part=3: four minors a disk. */
	T_EQ(minor, 4);
	T_EQ(ctl_minor, 1);

	ctl = t_ctl_open(1);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_OK(T_RET(stat("/dev/abuse1", &st)));
	/* As stat(2) gives it: for numbers below 256 the same in all forms. */
	T_EQ(info.ab_device, st.st_rdev);
	T_OK(t_attr_set("200", T_ABUSE, 1, "scan_timeout_ms"));
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	/* The scan finds nobody; what comes after it is ours. */
	T_UNTIL(t_counters(ctl).ab_ended_error);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	io = t_submit_accepted(ctl, 1, T_READ, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));

	if (t_block_on_demand()) {
		fd = open(t_mknod(true, major, 20 * 4), O_RDONLY);
		T_OK(T_RET(fd));
		close(fd);
		T_TRUE(t_devt("/sys/block/abuse20", &major, &minor),
		       "abuse20 after an open of its node: expected one, found none");
		T_EQ(minor, 20 * 4);
	}
	fd = open(t_mknod(false, ctl_major, 21), O_RDWR);
	T_OK(T_RET(fd));
	close(fd);
	T_TRUE(t_devt("/sys/block/abuse21", &major, &minor),
	       "abuse21 after an open of its control node: expected one, found none");
	return t_end();
}
