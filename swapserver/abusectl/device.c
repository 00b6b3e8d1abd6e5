// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - the control nodes and the attributes of the devices
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abusectl.h"
#include "device.h"

#define DEVICE_CONTROL "/dev/abuse-control"
/* devtmpfs and udev make nodes within milliseconds; a loaded machine may not.
 */
#define DEVICE_NODES_MS 10000

bool device_exists(int number)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/abuse%d/abuse", number);
	return !access(path, F_OK);
}

const char *device_hint(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
		return "; is the module loaded? (modprobe abuse)";
	case EACCES:
	case EPERM:
		return "; run as root";
	default:
		return "";
	}
}

int device_open(int number)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	if (!device_exists(number)) {
		complain(
			EXIT_FAILED,
			"/dev/abuse%d: no such device; abusectl list shows those there are",
			number);
		return -1;
	}
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		complain(EXIT_FAILED, "%s: %s%s", path, strerror(errno),
			 device_hint(errno));
	return fd;
}

int device_control(unsigned int command, void *argument)
{
	int fd = open(DEVICE_CONTROL, O_RDWR | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, command, argument))
		err = -errno;
	close(fd);
	return err;
}

int device_list(__u32 numbers[ABUSE_NR_LIMIT])
{
	struct abuse_ctl_list list = {
		.ab_numbers = (uintptr_t)numbers,
		.ab_nr = ABUSE_NR_LIMIT,
	};
	int err = device_control(ABUSE_CTL_LIST, &list);

	if (!err)
		return list.ab_nr;
	complain(EXIT_FAILED, DEVICE_CONTROL ": %s%s", strerror(-err),
		 device_hint(-err));
	return -1;
}

static int device_attribute(int number, const char *name, int flags)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/abuse%d/abuse/%s", number,
		 name);
	return open(path, flags | O_CLOEXEC);
}

int device_read(int number, const char *name, char *text, size_t bytes)
{
	int fd = device_attribute(number, name, O_RDONLY);
	ssize_t got;
	int err;

	text[0] = '\0';
	if (fd < 0)
		return -errno;
	got = read(fd, text, bytes - 1);
	err = got < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	if (got && text[got - 1] == '\n')
		got--;
	text[got] = '\0';
	return 0;
}

int device_write(int number, const char *name, const char *text)
{
	int fd = device_attribute(number, name, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int device_await_nodes(int number)
{
	uint64_t end_ms = now_ms() + DEVICE_NODES_MS;
	char disk[32], control[32];

	snprintf(disk, sizeof(disk), "/dev/abuse%d", number);
	snprintf(control, sizeof(control), "/dev/abctl%d", number);
	while (access(disk, F_OK) || access(control, F_OK)) {
		if (now_ms() > end_ms)
			return -ETIMEDOUT;
		pause_ms(10);
	}
	return 0;
}
