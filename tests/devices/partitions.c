// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve disks with partition tables, MBR and GPT: the scan at
 * go-live finds the partitions, with minors of the disk's own, their I/O
 * arrives where they lie, and a disk configured anew without a table has none.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: module=no-scan
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE	(4 * T_MIB)
#define START	2048u
#define SECTORS	1024u
#define MINORS	16

static const struct abuse_info info = {
	.ab_size = SIZE,
	.ab_blocksize = 512,
	.ab_max_queue = 8,
};

/* A page in, and out again, by this node. */
static void transfer(const char *path, uint64_t at, uint64_t generation)
{
	pid_t pid = t_fork(false);
	char *data;
	int blk;

	if (!pid) {
		blk = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
		T_OK(T_RET(blk));
		data = t_shared(T_PAGE);
		t_stamp(data, at, T_PAGE, generation);
		T_EQ(T_RET(pwrite(blk, data, T_PAGE, at)), T_PAGE);
		memset(data, 0, T_PAGE);
		T_EQ(T_RET(pread(blk, data, T_PAGE, at)), T_PAGE);
		t_stamp_check(data, at, T_PAGE, generation);
		/* Beyond its end there is nothing. */
		T_EQ(T_RET(pread(blk, data, T_PAGE, SECTORS * 512)), 0);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static void partition_is(int number, int partition, uint64_t start,
			 const struct t_store *store, uint64_t generation)
{
	char path[40];
	struct stat st;

	t_part_await(number, partition);
	T_EQ(t_attr_number("/sys/class/block/abuse%dp%d/start", number,
			   partition), start);
	T_EQ(t_attr_number("/sys/class/block/abuse%dp%d/size", number,
			   partition), SECTORS);
	snprintf(path, sizeof(path), "/dev/abuse%dp%d", number, partition);
	T_OK(T_RET(stat(path, &st)));
	T_EQ(major(st.st_rdev), ABUSE_MAJOR);
	T_EQ(minor(st.st_rdev), number * MINORS + partition);
	transfer(path, 7 * T_PAGE, generation);
	t_stamp_check(store->memory + start * 512 + 7 * T_PAGE, 7 * T_PAGE,
		      T_PAGE, generation);
}

static bool is_there(const char *path)
{
	return !access(path, F_OK);
}

/* Returns once a scan has begun. */
static pid_t serve(int ctl, int number, const struct t_store *store)
{
	struct t_log *log = t_log_make();
	pid_t server;

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(number, store, log);
	T_UNTIL(log->nr);
	return server;
}

static void end(int ctl, pid_t server)
{
	/* A scan under way would wait for a server. */
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(server, SIGKILL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	struct t_store mbr, gpt, none;
	pid_t server, other;
	int ctl, ctl1;

	t_init(55);
	mbr = t_store_make(SIZE);
	gpt = t_store_make(SIZE);
	none = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	ctl1 = t_ctl_open(1);
	t_part_mbr(mbr.memory, 0, START, SECTORS);
	t_part_mbr(mbr.memory, 2, START + SECTORS, SECTORS);
	t_part_gpt(gpt.memory, SIZE, START, SECTORS);
	server = serve(ctl, 0, &mbr);
	other = serve(ctl1, 1, &gpt);
	partition_is(0, 1, START, &mbr, 1);
	partition_is(0, 3, START + SECTORS, &mbr, 2);
	partition_is(1, 1, START, &gpt, 3);
	T_TRUE(!is_there("/dev/abuse0p2"),
	       "abuse0p2: expected none, found one");
	T_TRUE(!is_there("/dev/abuse1p2"),
	       "abuse1p2: expected none, found one");
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	end(ctl, server);
	end(ctl1, other);

	/* What the old disk had is not the new one's. */
	server = serve(ctl, 0, &none);
	T_UNTIL(!is_there("/sys/class/block/abuse0p1") &&
		!is_there("/sys/class/block/abuse0p3"));
	end(ctl, server);
	server = serve(ctl, 0, &gpt);
	partition_is(0, 1, START, &gpt, 4);
	T_TRUE(!is_there("/dev/abuse0p3"),
	       "abuse0p3: expected none, found one");
	end(ctl, server);
	return t_end();
}
