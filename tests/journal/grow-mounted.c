// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make a device larger by RECONNECT while ext4 is mounted on
 * it, then the file system, and fill part of what is new with a file that
 * reads back.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 60
 * busted: module=no-grow
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/ioctl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "t_block.h"

#define SMALL	(16 * T_MIB)
#define LARGE	(48 * T_MIB)
#define FILE_BYTES (20 * T_MIB)
#define DIR	"/tmp/mnt"
/* fs/ext4/ext4.h: EXT4_IOC_RESIZE_FS, in blocks */
#define RESIZE_FS _IOW('f', 16, uint64_t)

static volatile int *step;

static void until(int n)
{
	while (*step < n)
		t_pause();
}

static void user(void)
{
	char *data = t_shared(T_MIB);
	uint64_t blocks = LARGE / T_PAGE, at;
	struct statvfs before, after;
	int fd;

	T_OK(T_RET(mount("/dev/abuse0", DIR, "ext4", 0, "")));
	T_OK(T_RET(statvfs(DIR, &before)));
	*step = 1;
	until(2);
	fd = open(DIR, O_RDONLY | O_DIRECTORY);
	T_OK(T_RET(fd));
	T_OK(T_RET(ioctl(fd, RESIZE_FS, &blocks)));
	close(fd);
	T_OK(T_RET(statvfs(DIR, &after)));
	T_TRUE(after.f_blocks > 2 * before.f_blocks,
	       "blocks: expected more than twice %lu, found %lu",
	       before.f_blocks, after.f_blocks);
	fd = open(DIR "/file", O_RDWR | O_CREAT | O_DIRECT, 0600);
	T_OK(T_RET(fd));
	for (at = 0; at < FILE_BYTES; at += T_MIB) {
		t_stamp(data, at, T_MIB, 3);
		T_EQ(T_RET(pwrite(fd, data, T_MIB, at)), T_MIB);
	}
	for (at = 0; at < FILE_BYTES; at += T_MIB) {
		T_EQ(T_RET(pread(fd, data, T_MIB, at)), T_MIB);
		t_stamp_check(data, at, T_MIB, 3);
	}
	close(fd);
	T_OK(T_RET(umount(DIR)));
}

int main(void)
{
	const struct abuse_info larger = {
		.ab_size = LARGE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 32,
		.ab_flags = ABUSE_FLAGS_RECONNECT,
	};
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server, pid;
	int ctl;

	t_init(55);
	step = t_shared(T_PAGE);
	mkdir(DIR, 0700);
	store = t_store_make(LARGE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SMALL, 32, 0);
	server = t_recorder_start(0, &store, log);
	T_RUN("/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "/dev/abuse0");
	pid = t_fork(false);
	if (!pid) {
		user();
		_exit(0);
	}
	T_UNTIL(*step == 1 || t_ended(pid));
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &larger));
	*step = 2;
	T_EQ(t_reap(pid), 0);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
