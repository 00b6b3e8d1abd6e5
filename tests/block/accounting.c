// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will do known I/O on a disk and on its partition and read it off
 * the counters that iostat shows: requests, sectors, what is in flight, how
 * long it took; of the partition and of the whole, reads, writes and discards
 * apart.
 *
 * Where it stands: [bio] > queue > ioctl > server > [completion].
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=no-accounting
 * busted: module=times-lost
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE		(4 * T_MIB)
#define PART_SECTOR	2048u
#define PART_SECTORS	2048u
/* How long an answer is kept back; it is counted in ticks, at both ends. */
#define HELD_MS		300
#define TICKS_MS	20

/* Documentation/block/stat.rst, in its order. */
struct stat_fields {
	unsigned long long reads, reads_merged, read_sectors, read_ms;
	unsigned long long writes, writes_merged, write_sectors, write_ms;
	unsigned long long in_flight, io_ms, queue_ms;
	unsigned long long discards, discards_merged, discard_sectors;
};

static struct stat_fields fields_of(const char *text)
{
	struct stat_fields f;

	T_EQ(sscanf(text, "%llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu %llu",
		    &f.reads, &f.reads_merged, &f.read_sectors, &f.read_ms,
		    &f.writes, &f.writes_merged, &f.write_sectors, &f.write_ms,
		    &f.in_flight, &f.io_ms, &f.queue_ms, &f.discards,
		    &f.discards_merged, &f.discard_sectors), 14);
	return f;
}

/* By sysfs and by /proc/diskstats, which must agree. */
static struct stat_fields stat_of(const char *name)
{
	struct stat_fields f = fields_of(t_attr("/sys/class/block/%s/stat",
						name)), g;
	char pattern[40];
	const char *line;

	snprintf(pattern, sizeof(pattern), " %s ", name);
	line = strstr(t_read_text("/proc/diskstats"), pattern);
	T_TRUE(line, "/proc/diskstats: expected %s, found none", name);
	g = fields_of(line + strlen(pattern));
	T_EQ(f.reads, g.reads);
	T_EQ(f.write_sectors, g.write_sectors);
	T_EQ(f.in_flight, g.in_flight);
	return f;
}

/* From the least to the most, give or take ticks; or exactly 0. */
static void time_is(const char *name, unsigned long long found_ms,
		    long least_ms, long most_ms)
{
	long long found = found_ms;

	T_TRUE(least_ms ? found >= least_ms - TICKS_MS &&
			  found <= most_ms + TICKS_MS : !found,
	       "%s: expected to grow by %ld to %ld, found %lld", name,
	       least_ms, least_ms ? most_ms : 0, found);
}

/*
 * One request that is answered late: so long it took and the disk was busy,
 * and not longer than its submitter waited.
 */
static void takes_time(struct t_log *log, bool write)
{
	struct stat_fields from = stat_of("abuse0"), f;
	long began = t_now_ms(), lent, most;
	uint32_t nr = log->nr;
	struct t_io *one;

	log->hold = true;
	one = t_submit(0, write ? T_WRITE : T_READ, 0, T_PAGE, 0);
	T_UNTIL(log->nr > nr);
	for (lent = t_now_ms(); t_now_ms() - lent < HELD_MS; t_pause())
		;
	log->hold = false;
	T_EQ(t_result(one), T_PAGE);
	most = t_now_ms() - began;
	f = stat_of("abuse0");
	time_is("read_ms", f.read_ms - from.read_ms, write ? 0 : HELD_MS, most);
	time_is("write_ms", f.write_ms - from.write_ms, write ? HELD_MS : 0,
		most);
	time_is("queue_ms", f.queue_ms - from.queue_ms, HELD_MS, most);
	time_is("io_ms", f.io_ms - from.io_ms, HELD_MS, most);
}

static void io(const char *path, bool write, int nr, uint32_t len)
{
	pid_t pid = t_fork(false);
	char *data;
	int blk;

	if (!pid) {
		blk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		T_OK(T_RET(blk));
		data = t_shared(len);
		while (nr--) {
			if (write)
				T_EQ(T_RET(pwrite(blk, data, len, 0)), len);
			else
				T_EQ(T_RET(pread(blk, data, len, 0)), len);
		}
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static void discard(const char *path, uint64_t len)
{
	const uint64_t range[2] = { 0, len };
	pid_t pid = t_fork(false);

	if (!pid) {
		int blk = open(path, O_RDWR | O_CLOEXEC);

		T_OK(T_RET(blk));
		T_OK(T_RET(ioctl(blk, BLKDISCARD, range)));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static void grown(const char *name, const struct stat_fields *from,
		  unsigned int reads, unsigned int read_sectors,
		  unsigned int writes, unsigned int write_sectors,
		  unsigned int discards)
{
	struct stat_fields f = stat_of(name);

	T_EQ(f.reads - from->reads, reads);
	T_EQ(f.read_sectors - from->read_sectors, read_sectors);
	T_EQ(f.writes - from->writes, writes);
	T_EQ(f.write_sectors - from->write_sectors, write_sectors);
	T_EQ(f.discards - from->discards, discards);
	T_EQ(f.in_flight, 0);
	T_EQ(f.reads_merged + f.writes_merged, 0);
}

int main(void)
{
	/* The table counts in logical blocks. */
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 8,
		.ab_flags = ABUSE_FLAGS_DISCARD,
	};
	struct stat_fields disk, part;
	struct t_log *log = t_log_make();
	struct t_store store;
	uint64_t on_disk;
	struct t_io *one;
	pid_t server;
	int ctl;

	t_init(55);
	store = t_store_make(SIZE);
	t_part_mbr(store.memory, 0, PART_SECTOR, PART_SECTORS);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log);
	t_part_await(0, 1);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);

	disk = stat_of("abuse0");
	part = stat_of("abuse0p1");
	io("/dev/abuse0", false, 3, 8192);
	io("/dev/abuse0", true, 2, T_PAGE);
	discard("/dev/abuse0", 64 * 1024);
	grown("abuse0", &disk, 3, 48, 2, 16, 1);
	grown("abuse0p1", &part, 0, 0, 0, 0, 0);
	io("/dev/abuse0p1", false, 1, T_PAGE);
	io("/dev/abuse0p1", true, 4, 16384);
	grown("abuse0", &disk, 4, 56, 6, 144, 1);
	grown("abuse0p1", &part, 1, 8, 4, 128, 0);

	/* In flight is what has not been answered, in the queue or lent. */
	log->hold = true;
	on_disk = t_counters(ctl).ab_accepted;
	one = t_submit_accepted(ctl, 0, T_READ, 0, T_PAGE, 0);
	T_UNTIL(t_counters(ctl).ab_accepted > on_disk);
	T_EQ(stat_of("abuse0").in_flight, 1);
	T_TRUE(!one->done,
	       "a read that was held: expected to wait, found it ended");
	log->hold = false;
	T_EQ(t_result(one), T_PAGE);
	grown("abuse0", &disk, 5, 64, 6, 144, 1);
	disk = stat_of("abuse0");
	T_TRUE(disk.io_ms <= disk.queue_ms + 1000,
	       "busy for %llu ms: expected no more than the requests waited, %llu ms",
	       disk.io_ms, disk.queue_ms);
	takes_time(log, false);
	takes_time(log, true);
	t_kill(server, SIGKILL);
	return t_end();
}
