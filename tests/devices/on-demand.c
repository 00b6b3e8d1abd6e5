// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will open nodes of devices that are not there: a block node, and a
 * control node, each makes its device with both, which then works like any
 * other; numbers beyond 1023 make none.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=no-demand
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "t_block.h"

#define NR	8

static bool is_there(int number)
{
	char path[40];

	snprintf(path, sizeof(path), "/sys/block/abuse%d", number);
	return !access(path, F_OK);
}

static void works(int number)
{
	int ctl = t_ctl_open(number);
	struct abuse_info info;
	struct abuse_lent lent;
	struct t_io *io;

	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_number, number);
	io = t_submit_accepted(ctl, number, T_READ, 0, T_PAGE, 0);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
}

/* As the nodes of a device that is not there make it. */
static void by_node(bool block, unsigned int number, uint32_t nr)
{
	uint32_t numbers[NR + 4];
	int fd;

	fd = block ? open(t_mknod(true, ABUSE_MAJOR, number), O_RDONLY) :
		     open(t_mknod(false, ABUSECTL_MAJOR, number), O_RDWR);
	T_OK(T_RET(fd));
	close(fd);
	T_TRUE(is_there(number),
	       "abuse%u after an open of its node: expected one, found none",
	       number);
	T_EQ(t_control_list(numbers, NR + 4), nr);
	T_EQ(numbers[nr - 1], number);
	works(number);
}

int main(void)
{
	uint32_t numbers[NR], nr = NR;
	bool block;

	t_init(25);
	block = t_block_on_demand();
	T_EQ(t_control_list(numbers, NR), NR);
	if (block)
		by_node(true, 11, ++nr);
	by_node(false, 1000, ++nr);
	T_EQ(T_RET(open(t_mknod(true, ABUSE_MAJOR, ABUSE_NR_LIMIT), O_RDONLY)),
	     -ENXIO);
	T_EQ(T_RET(open(t_mknod(false, ABUSECTL_MAJOR, ABUSE_NR_LIMIT),
			O_RDWR)), -ENXIO);
	T_EQ(t_control_list(NULL, 0), nr);
	/* And again after it has been removed. */
	T_OK(t_control(ABUSE_CTL_REMOVE, 1000));
	T_TRUE(!is_there(1000),
	       "abuse1000 after REMOVE: expected none, found one");
	by_node(false, 1000, nr);
	if (block) {
		T_OK(t_control(ABUSE_CTL_REMOVE, 1000));
		T_OK(t_control(ABUSE_CTL_REMOVE, 11));
		T_TRUE(!is_there(11),
		       "abuse11 after REMOVE: expected none, found one");
		by_node(true, 11, nr - 1);
	}
	return t_end();
}
