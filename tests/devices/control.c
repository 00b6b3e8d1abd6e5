// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will add, list and remove devices by /dev/abuse-control: the first
 * free number or the one that was asked for, in ascending order, nodes and all
 * that belongs to them gone afterwards, and every wrong argument refused.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=control-any
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"

#define NR	8
#define ROOM	16

static int fd;

static int raw(unsigned int cmd, int number, uint32_t flags)
{
	const struct abuse_ctl arg = { number, flags };

	return t_ioctl(fd, cmd, &arg);
}

static void nodes_are(int number, bool there)
{
	static const char *const nodes[] = {
		"/dev/abuse%d", "/dev/abctl%d", "/sys/block/abuse%d",
		"/sys/class/abuse/abctl%d", "/sys/kernel/debug/abuse/abuse%d",
	};
	char path[60];
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		snprintf(path, sizeof(path), nodes[i], number);
		T_TRUE(!access(path, F_OK) == there,
		       "%s: expected %s, found %s",
		       path, there ? "one" : "none", there ? "none" : "one");
	}
}

static void refused(void)
{
	struct abuse_ctl_list list = { .ab_nr = 1, .ab_numbers = 16 };

	T_EQ(raw(ABUSE_CTL_ADD, 20, 1), -EINVAL);
	T_EQ(raw(ABUSE_CTL_ADD, -2, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_ADD, ABUSE_NR_LIMIT, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_ADD, INT32_MAX, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_ADD, INT32_MIN, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_ADD, 3, 0), -EEXIST);
	T_EQ(raw(ABUSE_CTL_REMOVE, 3, 1), -EINVAL);
	T_EQ(raw(ABUSE_CTL_REMOVE, -1, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_REMOVE, ABUSE_NR_LIMIT, 0), -EINVAL);
	T_EQ(raw(ABUSE_CTL_REMOVE, 20, 0), -ENODEV);
	T_EQ(t_ioctl(fd, ABUSE_CTL_ADD, NULL), -EFAULT);
	T_EQ(t_ioctl(fd, ABUSE_CTL_REMOVE, NULL), -EFAULT);
	T_EQ(t_ioctl(fd, ABUSE_CTL_LIST, NULL), -EFAULT);
	T_EQ(t_ioctl(fd, ABUSE_CTL_LIST, &list), -EFAULT);
	list.ab_reserved = 1;
	T_EQ(t_ioctl(fd, ABUSE_CTL_LIST, &list), -EINVAL);
	T_EQ(t_ioctl(fd, ABUSE_SERVE, &list), -ENOTTY);
	T_EQ(t_ioctl(fd, ABUSE_GET_STATUS, &list), -ENOTTY);
	T_EQ(t_control_list(NULL, 0), NR);
}

int main(void)
{
	uint32_t numbers[ROOM];
	int i;

	t_init(25);
	fd = open("/dev/abuse-control", O_RDWR | O_CLOEXEC);
	T_OK(T_RET(fd));
	refused();

	T_EQ(t_control(ABUSE_CTL_ADD, -1), NR);
	nodes_are(NR, true);
	T_EQ(t_control(ABUSE_CTL_ADD, 100), 100);
	T_EQ(t_control(ABUSE_CTL_ADD, -1), NR + 1);
	T_EQ(t_control(ABUSE_CTL_ADD, 100), -EEXIST);
	T_EQ(t_control(ABUSE_CTL_ADD, ABUSE_NR_LIMIT - 1), ABUSE_NR_LIMIT - 1);

	/* All of them, and as many as there is room for. */
	T_EQ(t_control_list(numbers, ROOM), NR + 4);
	for (i = 0; i < NR + 2; i++)
		T_EQ(numbers[i], i);
	T_EQ(numbers[NR + 2], 100);
	T_EQ(numbers[NR + 3], ABUSE_NR_LIMIT - 1);
	memset(numbers, 0xff, sizeof(numbers));
	T_EQ(t_control_list(numbers, 3), NR + 4);
	T_EQ(numbers[2], 2);
	T_EQ(numbers[3], 0xffffffff);

	/* A hole is filled first. */
	T_OK(t_control(ABUSE_CTL_REMOVE, 4));
	nodes_are(4, false);
	T_EQ(t_control(ABUSE_CTL_REMOVE, 4), -ENODEV);
	T_EQ(t_control_list(numbers, ROOM), NR + 3);
	T_EQ(numbers[4], 5);
	T_EQ(t_control(ABUSE_CTL_ADD, -1), 4);
	nodes_are(4, true);

	T_OK(t_control(ABUSE_CTL_REMOVE, NR + 1));
	T_OK(t_control(ABUSE_CTL_REMOVE, NR));
	T_OK(t_control(ABUSE_CTL_REMOVE, ABUSE_NR_LIMIT - 1));
	nodes_are(ABUSE_NR_LIMIT - 1, false);
	nodes_are(NR, false);
	T_EQ(t_control_list(numbers, ROOM), NR + 1);
	close(fd);
	return t_end();
}
