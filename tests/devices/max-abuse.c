// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will load the module for three devices: there are three, and an
 * open of another one's nodes makes none, for the number was given.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 30
 * module-args: max_abuse=3
 * busted: module=demand-anyway
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "t_block.h"

#define NR	3

int main(void)
{
	uint32_t numbers[NR + 1];
	int i;

	t_init(25);
	T_EQ(t_control_list(numbers, NR + 1), NR);
	for (i = 0; i < NR; i++)
		T_EQ(numbers[i], i);
	T_EQ(T_RET(open(t_mknod(true, ABUSE_MAJOR, NR), O_RDONLY)), -ENXIO);
	T_EQ(T_RET(open(t_mknod(false, ABUSECTL_MAJOR, NR), O_RDWR)), -ENXIO);
	T_EQ(t_control_list(numbers, NR + 1), NR);
	T_TRUE(access("/sys/block/abuse3", F_OK),
	       "abuse3: expected none, found one");
	/* Who asks for it by name gets it. */
	T_EQ(t_control(ABUSE_CTL_ADD, -1), NR);
	T_EQ(t_control_list(numbers, NR + 1), NR + 1);
	T_OK(t_control(ABUSE_CTL_REMOVE, NR));
	return t_end();
}
