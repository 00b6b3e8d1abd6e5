// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward flushes, FUA and PREFLUSH writes, discards and
 * write-zeroes: the disk is asked for each of them as it was asked of the
 * device, and a filesystem that was written through the device is found on the
 * disk itself afterwards.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 60
 * busted: module=forward-plain
 * invariant: I1
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "t_disk.h"

#define TRACING	"/sys/kernel/tracing"
#define EVENT	TRACING "/events/block/block_bio_queue"
#define SIZE	(16 * T_MIB)
#define AT	T_MIB
#define LEN	(64 * 1024)
#define FLAGS	(ABUSE_FLAGS_WRITE_CACHE | ABUSE_FLAGS_DISCARD | \
		 ABUSE_FLAGS_WRITE_ZEROES)
#define FILE_BYTES	(300 * 1024)
#define MOUNT	"/tmp/mnt"

static int ctl;
static uint32_t disk;
static dev_t disk_dev;

/* What the disk is asked for, from now on. */
static void trace_start(void)
{
	char filter[60];

	/* The kernel's own dev_t: 12 and 20 bits. */
	snprintf(filter, sizeof(filter), "dev == %u",
		 major(disk_dev) << 20 | minor(disk_dev));
	T_OK(t_attr_set(filter, EVENT "/filter"));
	close(T_OK(t_disk_open(TRACING "/trace", O_WRONLY | O_TRUNC)));
	T_OK(t_attr_set("1", EVENT "/enable"));
}

/* Was there a bio whose flags (F before, op, F after, ...) contain this? */
static bool trace_has(const char *flags)
{
	char line[500], rwbs[20], *at;
	bool found = false;
	FILE *trace;

	T_OK(t_attr_set("0", EVENT "/enable"));
	trace = fopen(TRACING "/trace", "re");
	T_TRUE(trace, "the trace: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), trace)) {
		at = strstr(line, "block_bio_queue: ");
		found = at && sscanf(at, "block_bio_queue: %*s %19s",
				     rwbs) == 1 && strstr(rwbs, flags);
	}
	fclose(trace);
	return found;
}

#define ASKED(flags)							\
	T_TRUE(trace_has(flags), "expected a bio %s on the disk, found:\n%s", \
	       flags, t_read_text(TRACING "/trace"))

static long discard(void *arg)
{
	uint64_t range[] = { AT, LEN };
	int fd = t_blk_open(0, O_RDWR);
	long ret = fd < 0 ? fd : T_RET(ioctl(fd, BLKDISCARD, range));

	(void)arg;
	close(fd);
	return ret;
}

static long zero_out(void *arg)
{
	uint64_t range[] = { AT, LEN };
	int fd = t_blk_open(0, O_RDWR);
	long ret = fd < 0 ? fd : T_RET(ioctl(fd, BLKZEROOUT, range));

	(void)arg;
	close(fd);
	return ret;
}

static long punch(void *arg)
{
	int fd = t_blk_open(0, O_RDWR);
	long ret = fd < 0 ? fd :
		   T_RET(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				   FALLOC_FL_KEEP_SIZE, AT, LEN));

	(void)arg;
	close(fd);
	return ret;
}

/* Data on the disk, then a range that is to be empty. */
static void range(long (*function)(void *), uint32_t command, uint32_t flags)
{
	static char data[LEN], zeroes[LEN];
	struct abuse_lent lent;
	struct t_call *call;

	t_stamp(data, AT, LEN, 5);
	t_disk_write(t_scsi_path(0), AT, data, LEN);
	trace_start();
	call = t_call_start(function, NULL);
	T_UNTIL(t_counters(ctl).ab_nr_queued || call->done);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, command);
	T_EQ(lent.ab_sector, AT / 512);
	T_EQ(lent.ab_len_bytes, LEN);
	T_EQ(lent.ab_flags & ABUSE_LENT_NOUNMAP, flags);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_EQ(t_call_result(call), 0);
	if (command == ABUSE_DISCARD)
		ASKED("D");
	t_disk_read(t_scsi_path(0), AT, data, LEN);
	T_TRUE(!memcmp(data, zeroes, LEN), "the range on the disk: expected zeroes, found something else");
}

static void flushes(void)
{
	struct abuse_counters before = t_counters(ctl);
	struct abuse_lent lent;
	struct t_io *io;

	trace_start();
	io = t_submit_accepted(ctl, 0, T_FSYNC, 0, 0, 0);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_SYNC_NOTIFICATION);
	/* No data: no sector that could be out of range. */
	T_OK(t_forward(ctl, lent.ab_id, disk, 0));
	T_EQ(t_result(io), 0);
	ASKED("F");
	T_UNTIL(t_counters(ctl).ab_flushes == before.ab_flushes + 1);

	trace_start();
	io = t_submit_accepted(ctl, 0, T_WRITE, AT, LEN, T_DSYNC);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_WRITE);
	T_EQ(lent.ab_flags & ABUSE_LENT_FUA, ABUSE_LENT_FUA);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_EQ(t_result(io), LEN);
	ASKED("WF");

	trace_start();
	io = t_submit_accepted(ctl, 0, T_WRITE, AT, LEN, 0);
	lent = t_lend_one(ctl);
	T_OK(t_forward(ctl, lent.ab_id, disk, lent.ab_sector));
	T_EQ(t_result(io), LEN);
	T_TRUE(!trace_has("F"), "a plain WRITE: expected neither flush nor FUA on the disk, found:\n%s",
	       t_read_text(TRACING "/trace"));
}

static void fs_file(const char *device, bool write_it)
{
	static char data[FILE_BYTES];
	int fd;

	mkdir(MOUNT, 0777);
	T_OK(T_RET(mount(device, MOUNT, "ext4", 0, NULL)));
	fd = T_OK(t_disk_open(MOUNT "/file", write_it ? O_RDWR | O_CREAT :
			      O_RDONLY));
	if (write_it) {
		t_stamp(data, 0, FILE_BYTES, 3);
		T_EQ(T_RET(write(fd, data, FILE_BYTES)), FILE_BYTES);
		T_OK(T_RET(fsync(fd)));
	} else {
		T_EQ(T_RET(read(fd, data, FILE_BYTES)), FILE_BYTES);
		t_stamp_check(data, 0, FILE_BYTES, 3);
	}
	close(fd);
	T_OK(T_RET(umount(MOUNT)));
}

static long write_fs(void *arg)
{
	(void)arg;
	T_EQ(system("/sbin/mkfs.ext4 -q -F /dev/abuse0 >/dev/null"), 0);
	trace_start();
	fs_file("/dev/abuse0", true);
	return 0;
}

/* jbd2 commits with PREFLUSH and FUA in one bio. */
static void filesystem(void)
{
	uint64_t forwarded = t_counters(ctl).ab_forwarded;
	pid_t server = t_forwarder_start(0, t_scsi_path(0));
	uint32_t nr = t_counters(ctl).ab_nr_servers;

	T_UNTIL(t_counters(ctl).ab_nr_servers > nr || nr > 1);
	T_EQ(t_call_result(t_call_start(write_fs, NULL)), 0);
	ASKED("FWF");
	T_TRUE(t_counters(ctl).ab_forwarded > forwarded + 10, "expected a filesystem's requests to be forwarded, found %llu",
	       t_counters(ctl).ab_forwarded - forwarded);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	fs_file(t_scsi_path(0), false);
}

int main(void)
{
	struct stat st;

	t_init(55);
	t_scsi_load("dev_size_mb=16 lbpu=1 lbpws=1 lbprz=1");
	T_OK(T_RET(stat(t_scsi_path(0), &st)));
	disk_dev = st.st_rdev;
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, FLAGS);
	disk = t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	flushes();
	range(discard, ABUSE_DISCARD, 0);
	range(zero_out, ABUSE_WRITE_ZEROES, ABUSE_LENT_NOUNMAP);
	range(punch, ABUSE_WRITE_ZEROES, 0);
	T_UNTIL(t_counters(ctl).ab_discard_bytes == 3 * LEN);
	filesystem();
	return t_end();
}
