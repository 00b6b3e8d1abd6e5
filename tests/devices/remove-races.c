// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will add and remove a device while processes open and close its
 * nodes, configure and reset it, list the devices and make it on demand: each
 * call is answered as it can be, and whoever has it open has it whole.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=remove-in-use
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"

#define NUMBER	30
#define MS	2500
#define MOST_MS	25000
#define USERS	4

struct counts {
	volatile unsigned int opened;
	volatile bool end;
};

static struct counts *counts;

static bool is_one_of(int err, int a, int b)
{
	return err >= 0 || err == a || err == b;
}

/* By the node of devtmpfs, which comes and goes with the device. */
static void user_block(void)
{
	uint64_t bytes;
	int fd;

	fd = t_blk_open(NUMBER, O_RDONLY);
	T_TRUE(is_one_of(fd, -ENOENT, -ENXIO),
	       "opening the disk: expected to succeed, or to find none, found %s",
	       t_name(fd));
	if (fd < 0)
		return;
	T_OK(T_RET(ioctl(fd, BLKGETSIZE64, &bytes)));
	T_OK(T_RET(ioctl(fd, BLKROGET, &bytes)));
	counts->opened++;
	close(fd);
}

/* By a node of its own: makes the device if it is not there. */
static void user_demand(void)
{
	int fd = open(t_mknod(true, ABUSE_MAJOR, NUMBER * 16),
		      O_RDONLY | O_CLOEXEC);

	T_TRUE(is_one_of(T_RET(fd), -ENXIO, -ENXIO),
	       "opening a disk on demand: expected to succeed, found %s",
	       t_name(-errno));
	if (fd >= 0)
		close(fd);
}

static void user_control(void)
{
	struct abuse_info info = {
		.ab_size = T_MIB,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 8,
	};
	int fd = open(t_mknod(false, ABUSECTL_MAJOR, NUMBER),
		      O_RDWR | O_CLOEXEC);
	int err;

	T_OK(T_RET(fd));
	/* EBUSY: it was open when the last one wanted to RESET it. */
	err = t_ioctl(fd, ABUSE_SET_STATUS, &info);
	T_TRUE(is_one_of(err, -EBUSY, -EBUSY),
	       "SET_STATUS: expected success or -EBUSY, found %s",
	       t_name(err));
	T_OK(t_ioctl(fd, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_number, NUMBER);
	T_EQ(info.ab_max_queue, 8);
	T_EQ(t_control(ABUSE_CTL_REMOVE, NUMBER), -EBUSY);
	t_ioctl(fd, ABUSE_RESET, NULL);
	T_OK(t_ioctl(fd, ABUSE_GET_STATUS, &info));
	counts->opened++;
	close(fd);
}

static void user_attributes(void)
{
	uint32_t numbers[64];

	t_control_list(numbers, 64);
	t_read_text("/sys/block/abuse%d/abuse/state", NUMBER);
	t_read_text("/sys/block/abuse%d/abuse/servers", NUMBER);
	t_read_text("/sys/kernel/debug/abuse/abuse%d/requests", NUMBER);
	t_read_text("/sys/kernel/debug/abuse/abuse%d/counters", NUMBER);
}

static void (*const users[USERS])(void) = {
	user_block, user_demand, user_control, user_attributes,
};

int main(void)
{
	int removed = 0, added = 0, err, i;
	pid_t pids[USERS];
	long start;

	t_init(55);
	counts = t_shared(sizeof(*counts));
	for (i = 0; i < USERS; i++) {
		pids[i] = t_fork(false);
		if (pids[i])
			continue;
		while (!counts->end) {
			users[i]();
			/* Else somebody always has it, on one processor. */
			t_pause();
		}
		_exit(0);
	}
	start = t_now_ms();
	/* On a slow kernel as long as it takes for something to have happened. */
	while (t_now_ms() - start < MS ||
	       ((removed <= 3 || counts->opened <= 3) &&
		t_now_ms() - start < MOST_MS)) {
		err = t_control(ABUSE_CTL_ADD, NUMBER);
		T_TRUE(is_one_of(err, -EEXIST, -EEXIST),
		       "ADD: expected success or -EEXIST, found %s", t_name(err));
		added += err >= 0;
		err = t_control(ABUSE_CTL_REMOVE, NUMBER);
		T_TRUE(is_one_of(err, -EBUSY, -ENODEV),
		       "REMOVE: expected success, -EBUSY or -ENODEV, found %s", t_name(err));
		removed += err >= 0;
		for (i = 0; i < USERS; i++)
			T_TRUE(!t_ended(pids[i]),
			       "user %d: expected to go on, found it ended", i);
	}
	counts->end = true;
	for (i = 0; i < USERS; i++)
		T_EQ(t_reap(pids[i]), 0);
	T_TRUE(removed > 3 && counts->opened > 3,
	       "expected several removals and opens, found %d and %u (%d added)",
	       removed, counts->opened, added);
	err = t_control(ABUSE_CTL_REMOVE, NUMBER);
	T_TRUE(is_one_of(err, -ENODEV, -ENODEV),
	       "REMOVE of what nobody uses: expected success, found %s", t_name(err));
	T_EQ(t_control_list(NULL, 0), 8);
	return t_end();
}
