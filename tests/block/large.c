// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write and read 8 MiB by one call, from huge pages: it arrives
 * as requests of 2 MiB, the limit that the disk shows, each whole; what is
 * smaller arrives as one, by ABUSE_SERVE and by GET.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * busted: module=no-split
 * busted: module=small-limits
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(16 * T_MIB)
#define LARGE	(8 * T_MIB)
#define LIMIT	(2 * T_MIB)

static char *data;

/* One call of this many bytes, in a process of its own. */
static void transfer(bool write, uint64_t at, uint32_t len, uint64_t stamp)
{
	pid_t pid = t_fork(false);
	int blk;

	if (!pid) {
		blk = t_blk_open(0, O_RDWR | O_DIRECT);
		T_OK(blk);
		if (write) {
			t_stamp(data, at, len, stamp);
			T_EQ(T_RET(pwrite(blk, data, len, at)), len);
		} else {
			memset(data, 0, len);
			T_EQ(T_RET(pread(blk, data, len, at)), len);
			t_stamp_check(data, at, len, stamp);
		}
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

/* From there on the log has this range, in pieces of the limit. */
static void arrived(const struct t_log *log, uint32_t first, uint32_t command,
		    uint64_t at, uint32_t len)
{
	uint32_t nr = (len + LIMIT - 1) / LIMIT, i, piece;

	T_EQ(log->nr - first, nr);
	for (i = 0; i < nr; i++) {
		piece = len < LIMIT ? len : LIMIT;
		T_EQ(log->lent[first + i].ab_command, command);
		T_EQ(log->lent[first + i].ab_sector, at / 512);
		T_EQ(log->lent[first + i].ab_len_bytes, piece);
		at += piece;
		len -= piece;
	}
}

static void both_ways(const struct t_log *log, uint64_t at, uint32_t len,
		      uint64_t stamp)
{
	uint32_t first = log->nr;

	transfer(true, at, len, stamp);
	arrived(log, first, ABUSE_WRITE, at, len);
	first = log->nr;
	transfer(false, at, len, stamp);
	arrived(log, first, ABUSE_READ, at, len);
}

static void by_get(int ctl, struct t_store *store)
{
	const struct t_server how = { .legacy = true };
	uint64_t before = t_counters(ctl).ab_ended;
	pid_t server = t_server_start(store, &how);

	T_UNTIL(t_counters(ctl).ab_nr_servers == 1);
	transfer(true, 0, LIMIT, 20);
	T_EQ(t_counters(ctl).ab_ended - before, 1);
	transfer(false, 0, LIMIT, 20);
	T_EQ(t_counters(ctl).ab_ended - before, 2);
	transfer(true, T_MIB, LARGE, 21);
	transfer(false, T_MIB, LARGE, 21);
	T_EQ(t_counters(ctl).ab_ended - before, 2 + 2 * LARGE / LIMIT);
	t_kill(server, SIGKILL);
}

int main(void)
{
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server;
	int ctl;

	t_init(55);
	/* The group's guest boots with them; user-mode Linux has none. */
	if (access("/proc/sys/vm/nr_hugepages", F_OK))
		t_skip("this kernel has no huge pages");
	T_EQ(t_attr_number("/proc/sys/vm/nr_hugepages"), 5);
	/* Shared: what the submitter's process touches is one page each. */
	data = mmap(NULL, LARGE + LIMIT, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	T_TRUE(data != MAP_FAILED, "five huge pages: %s", strerror(errno));
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	server = t_recorder_start(0, &store, log);
	T_EQ(t_attr_number("/sys/block/abuse0/queue/max_hw_sectors_kb"), 2048);
	T_EQ(t_attr_number("/sys/block/abuse0/queue/max_sectors_kb"), 2048);
	both_ways(log, 0, LARGE, 1);
	both_ways(log, T_MIB, LIMIT, 2);
	both_ways(log, 3 * T_PAGE, LIMIT - T_PAGE, 3);
	both_ways(log, 5 * T_PAGE, LIMIT + T_PAGE, 4);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_servers);
	by_get(ctl, &store);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	munmap(data, LARGE + LIMIT);
	return t_end();
}
