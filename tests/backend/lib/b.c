// SPDX-License-Identifier: GPL-2.0-only
/*
 * b.c - what the tests of the backends share
 *
 * Where it stands: [test] > /dev/abuse0 > swapserver > backend.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "b.h"

void b_stop(struct t_swapserver *s, int ctl)
{
	int status;

	/* It refuses while a submitter of ours still has the device open. */
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(s->pid, SIGTERM);
	status = t_reap(s->pid);
	T_TRUE(WIFEXITED(status) && !WEXITSTATUS(status),
	       "the server's end: expected status 0, found 0x%x: %s", status,
	       t_read_text("%s", s->errors));
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

void b_kill(struct t_swapserver *s)
{
	t_kill(s->pid, SIGKILL);
}

void b_write(uint64_t offset_bytes, uint32_t len_bytes, uint64_t generation)
{
	T_EQ(t_result(t_submit_generation(0, T_WRITE, offset_bytes, len_bytes,
					  0, generation)),
	     len_bytes);
}

void b_check(uint64_t offset_bytes, uint32_t len_bytes, uint64_t generation)
{
	struct t_io *io = t_submit(0, T_READ, offset_bytes, len_bytes, 0);

	T_EQ(t_result(io), len_bytes);
	t_stamp_check(io->data, offset_bytes, len_bytes, generation);
}

void b_together(const struct t_swapserver *s, int ctl, enum t_op op,
		uint32_t page, int nr, struct t_io *ios[])
{
	int i;

	t_kill(s->pid, SIGSTOP);
	T_UNTIL(t_state(s->pid) == 'T');
	for (i = 0; i < nr; i++)
		ios[i] = t_submit_accepted(ctl, 0, op,
					   (uint64_t)(page + i) * T_PAGE,
					   T_PAGE, 0);
	t_kill(s->pid, SIGCONT);
}

unsigned long long b_requests(const char *disk, enum t_op op)
{
	unsigned long long reads = 0, writes = 0;

	T_EQ(sscanf(t_read_text("/sys/block/%s/stat", t_disk_name(disk)),
		    "%llu %*u %*u %*u %llu", &reads, &writes), 2);
	return op == T_READ ? reads : writes;
}

long b_io(enum t_op op, uint64_t offset_bytes, uint32_t len_bytes)
{
	return t_result(t_submit(0, op, offset_bytes, len_bytes, 0));
}

bool b_is_zero(uint64_t offset_bytes, uint32_t len_bytes)
{
	struct t_io *io = t_submit(0, T_READ, offset_bytes, len_bytes, 0);

	T_EQ(t_result(io), len_bytes);
	return !io->data[0] && !memcmp(io->data, io->data + 1, len_bytes - 1);
}

int b_discard(uint64_t offset_bytes, uint64_t len_bytes)
{
	volatile int *result = t_shared(T_PAGE);
	uint64_t range[2] = { offset_bytes, len_bytes };
	pid_t pid = t_fork(false);

	if (!pid) {
		int blk = t_blk_open(0, O_RDWR);

		T_OK(blk);
		*result = T_RET(ioctl(blk, BLKDISCARD, range));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	return *result;
}

int b_zero(uint64_t offset_bytes, uint64_t len_bytes)
{
	volatile int *result = t_shared(T_PAGE);
	pid_t pid = t_fork(false);

	if (!pid) {
		int blk = t_blk_open(0, O_RDWR);

		T_OK(blk);
		*result = T_RET(fallocate(blk, FALLOC_FL_ZERO_RANGE |
					  FALLOC_FL_KEEP_SIZE, offset_bytes,
					  len_bytes));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	return *result;
}

const char *b_bar(void)
{
	static char path[200];
	glob_t found;
	size_t i;

	T_EQ(glob("/sys/bus/pci/devices/*", 0, NULL, &found), 0);
	for (i = 0; i < found.gl_pathc && !*path; i++)
		/* QEMU's ivshmem */
		if (!strcmp(t_attr("%s/vendor", found.gl_pathv[i]), "0x1af4") &&
		    !strcmp(t_attr("%s/device", found.gl_pathv[i]), "0x1110"))
			snprintf(path, sizeof(path), "%s/resource2",
				 found.gl_pathv[i]);
	globfree(&found);
	T_TRUE(*path, "the group's bar: expected an ivshmem device, found none");
	return path;
}

void b_mount(const char *disk)
{
	T_RUN("/sbin/mkfs.ext4", "-q", "-F", disk);
	mkdir(B_MNT, 0777);
	T_OK(T_RET(mount(disk, B_MNT, "ext4", 0, "")));
}

void b_umount(void)
{
	T_OK(T_RET(umount(B_MNT)));
}
