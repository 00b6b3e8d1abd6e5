// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on a partition and have the partition table read again,
 * the partition removed, another laid over it: refused; another made, resized
 * and removed beside it: harmless.  Its device number stays, what is in the
 * swap comes back, and once nobody uses it the table can be read again.
 *
 * It is the kernel that refuses: the twin has nobody who uses the partition, so
 * that the same requests are granted.
 *
 * Where it stands: reclaim > bio > queue > ioctl > server.
 *
 * time: 60
 * module-args: max_part=15
 * busted: env=T_TWIN=no-swap
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/blkpg.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include "t_block.h"
#include "t_part.h"

#define SIZE	(16 * T_MIB)
#define START	2048u
#define SECTORS	(8 * T_MIB / 512)
#define MEMORY	(2 * T_MIB)
#define NODE	"/dev/abuse0p1"

static volatile int *step;

static void until(int n)
{
	while (*step < n)
		t_pause();
}

static void swap_header(void)
{
	char *page = t_shared(T_PAGE);
	const uint32_t version = 1, last_page = SECTORS * 512 / T_PAGE - 1;
	int blk = open(NODE, O_RDWR | O_DIRECT | O_CLOEXEC);

	T_OK(T_RET(blk));
	memcpy(page + 1024, &version, 4);
	memcpy(page + 1028, &last_page, 4);
	memcpy(page + T_PAGE - 10, "SWAPSPACE2", 10);
	T_EQ(T_RET(pwrite(blk, page, T_PAGE, 0)), T_PAGE);
	close(blk);
}

/* Its memory goes to the partition, and must come back. */
static void __attribute__((noreturn)) victim(void)
{
	char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int i;

	swap_header();
	if (!t_twin("no-swap"))
		T_OK(T_RET(swapon(NODE, 0)));
	t_stamp(memory, 0, MEMORY, 11);
	for (i = 0; i < 20 && t_swapped_kb(getpid()) < MEMORY / 2048; i++)
		madvise(memory, MEMORY, MADV_PAGEOUT);
	*step = 1;
	until(2);
	t_stamp_check(memory, 0, MEMORY, 11);
	if (!t_twin("no-swap"))
		T_OK(T_RET(swapoff(NODE)));
	_exit(0);
}

static void meddle(void)
{
	const uint64_t part = START * 512ull, len = SECTORS * 512ull;
	int blk = t_blk_open(0, O_RDWR);

	T_OK(blk);
	T_EQ(T_RET(ioctl(blk, BLKRRPART)), -EBUSY);
	T_EQ(t_part_blkpg(blk, BLKPG_DEL_PARTITION, 1, 0, 0), -EBUSY);
	T_EQ(t_part_blkpg(blk, BLKPG_ADD_PARTITION, 1, part, len), -EBUSY);
	T_EQ(t_part_blkpg(blk, BLKPG_ADD_PARTITION, 2, part + T_MIB, T_MIB),
	     -EBUSY);
	T_EQ(t_part_blkpg(blk, BLKPG_RESIZE_PARTITION, 1, part + T_MIB, len),
	     -EINVAL);
	T_OK(t_part_blkpg(blk, BLKPG_ADD_PARTITION, 2, part + len, T_MIB));
	T_OK(t_part_blkpg(blk, BLKPG_RESIZE_PARTITION, 2, part + len,
			  2 * T_MIB));
	T_EQ(t_attr_number("/sys/class/block/abuse0p2/size"), 2 * T_MIB / 512);
	T_OK(t_part_blkpg(blk, BLKPG_DEL_PARTITION, 2, 0, 0));
	close(blk);
}

static void in_a_child(void (*what)(void))
{
	pid_t pid = t_fork(false);

	if (!pid) {
		what();
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static void read_again(void)
{
	int blk = t_blk_open(0, O_RDONLY);

	T_OK(blk);
	T_OK(T_RET(ioctl(blk, BLKRRPART)));
	close(blk);
}

static dev_t number(void)
{
	struct stat st;

	T_OK(T_RET(stat(NODE, &st)));
	return st.st_rdev;
}

int main(void)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 32,
	};
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server, user;
	dev_t devt;
	int ctl;

	t_init(55);
	step = t_shared(T_PAGE);
	store = t_store_make(SIZE);
	t_part_mbr(store.memory, 0, START, SECTORS);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log);
	t_part_await(0, 1);
	devt = number();
	user = t_fork(false);
	if (!user)
		victim();
	T_UNTIL(*step == 1 || t_ended(user));
	T_TRUE(!t_ended(user),
	       "the user of the swap: expected to go on, found it ended");
	in_a_child(meddle);
	T_EQ(number(), devt);
	*step = 2;
	T_EQ(t_reap(user), 0);
	/* Nobody uses it any more: now it may. */
	in_a_child(read_again);
	t_part_await(0, 1);
	T_EQ(number(), devt);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
