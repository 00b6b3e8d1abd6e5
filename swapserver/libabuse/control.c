// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - /dev/abuse-control: add, remove and list devices
 *
 * Beside the path: for tools, not for servers while they serve.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/ioctl.h>

#include "libabuse.h"

int abuse_control_open(void)
{
	int fd = open("/dev/abuse-control", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int abuse_add(int control, int number)
{
	struct abuse_ctl ctl = { .ab_number = number };

	return ioctl(control, ABUSE_CTL_ADD, &ctl) ? -errno : ctl.ab_number;
}

int abuse_remove(int control, int number)
{
	struct abuse_ctl ctl = { .ab_number = number };

	return ioctl(control, ABUSE_CTL_REMOVE, &ctl) ? -errno : 0;
}

int abuse_list(int control, uint32_t *numbers, unsigned int room)
{
	struct abuse_ctl_list list = {
		.ab_numbers = (uintptr_t)numbers,
		.ab_nr = room,
	};

	return ioctl(control, ABUSE_CTL_LIST, &list) ? -errno : (int)list.ab_nr;
}
