// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let every allocation fail that is asked for with the module's
 * code on the stack, by whatever task and in interrupts, while processes write
 * and read, a process is swapped out and in, and requests go by copies and to
 * a disk: all of them end well, and every clone came from the reserve.
 *
 * Where it stands: [bio] > queue > [ioctl] > forward > disk > [completion].
 *
 * all-others-fail has the server's allocations fail, those of code that the
 * module calls included; here it is the submitters', reclaim's and the disk's
 * interrupt, too.
 *
 * time: 120
 * kernels: debug
 * busted: module=alloc-in-submit
 * busted: module=alloc-in-end
 * busted: module=alloc-in-serve
 * busted: module=clones-of-two
 * invariant: I2
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define SIZE		(4 * T_MIB)
#define LEN		(16 * 1024u)	/* odd ones are forwarded */
#define NR_LOADS	3
#define ROUNDS		40
#define SWAPPED		(2 * T_MIB)
#define USE_MS		20000

struct shared {
	volatile bool ready;
	volatile uint32_t forwarded;
	volatile uint32_t copied;
	volatile bool filled;		/* the memory that is to go to swap */
	volatile bool look;		/* and then come back */
};

static struct shared *s;
static char memory[SIZE] __attribute__((aligned(4096)));

/* Its own share of the device, written and read back. */
static void load(int index)
{
	char *data = t_shared(LEN);
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT)), i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t at = (2 * index + (i & 1)) * LEN;

		t_stamp(data, at, LEN, i);
		T_EQ(T_RET(pwrite(fd, data, LEN, at)), LEN);
		memset(data, 0, LEN);
		T_EQ(T_RET(pread(fd, data, LEN, at)), LEN);
		t_stamp_check(data, at, LEN, i);
		if (i % 8 == 1)
			T_OK(T_RET(fsync(fd)));
	}
	close(fd);
	_exit(0);
}

/* Memory that reclaim takes away, and that page faults bring back. */
static void swapped(void)
{
	char *data = mmap(NULL, SWAPPED, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_TRUE(data != MAP_FAILED, "mmap: %s", strerror(errno));
	T_OK(T_RET(madvise(data, SWAPPED, MADV_NOHUGEPAGE)));
	t_stamp(data, 0, SWAPPED, 1);
	s->filled = true;
	while (!s->look)
		t_pause();
	t_stamp_check(data, 0, SWAPPED, 1);
	_exit(0);
}

static void serve_one(int ctl, uint32_t disk, const struct abuse_lent *lent)
{
	uint64_t at = lent->ab_sector * 512;

	/* No clone has failed. */
	T_EQ(lent->ab_flags & ABUSE_LENT_FAILED, 0);
	if (!lent->ab_len_bytes || at / LEN % 2) {
		T_OK(t_forward(ctl, lent->ab_id, disk, lent->ab_sector));
		s->forwarded++;
		return;
	}
	T_OK(t_verb(ctl, lent->ab_command == ABUSE_WRITE ?
		    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
		    lent->ab_id, memory + at, 0, lent->ab_len_bytes));
	T_OK(t_complete(ctl, lent->ab_id));
	s->copied++;
}

static void __attribute__((noreturn)) serve(void)
{
	static struct abuse_lent lent[4];
	int ctl = t_ctl_open(0), nr, i;
	uint32_t disk = t_backing_of(ctl, T_STORE);

	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	memset(memory, 1, sizeof(memory));
	memset(lent, 0, sizeof(lent));
	T_OK(t_lend(ctl, lent, 4));
	s->ready = true;
	for (;;) {
		nr = T_OK(t_serve(ctl, NULL, 0, lent, 4, 0, NULL));
		for (i = 0; i < nr; i++)
			serve_one(ctl, disk, &lent[i]);
	}
}

/* All that happens while allocations fail; the swap area is off at its end. */
static void __attribute__((noreturn)) use_device(void)
{
	pid_t loads[NR_LOADS], sleeper;
	int fd, i;

	/* The controls: it acts on the module's allocations, and no others. */
	T_EQ(T_RET(open("/dev/abctl1", O_RDWR | O_CLOEXEC)), -ENOMEM);
	T_EQ(t_fail_alloc_count(), 1);
	fd = T_OK(t_disk_open("/proc/self/stat", O_RDONLY));
	close(fd);
	T_EQ(t_fail_alloc_count(), 1);

	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	for (i = 0; i < NR_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);

	/* From reclaim: the pages of a process that is asked to swap out. */
	t_mkswap(0);
	T_OK(t_swapon(0));
	sleeper = t_fork(false);
	if (!sleeper)
		swapped();
	T_UNTIL(s->filled);
	T_UNTIL(t_evict(sleeper) &&
		t_swapped_kb(sleeper) * 1024 >= SWAPPED / 2);
	s->look = true;
	T_EQ(t_reap(sleeper), 0);
	T_OK(t_swapoff(0));
	_exit(0);
}

int main(void)
{
	pid_t server, user;
	struct abuse_counters c;
	uint64_t injected;
	int ctl;
	long began;

	t_init(115);
	s = t_shared(sizeof(*s));
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, ABUSE_FLAGS_WRITE_CACHE);
	t_backing_of(ctl, T_STORE);
	server = t_fork(false);
	if (!server)
		serve();
	T_UNTIL(s->ready && t_is_live(0));

	/*
	 * Nothing here may fail while allocations do: what cleans up opens
	 * control nodes, and the next module would be loaded where this was.
	 */
	t_fail_alloc_of_module(true);
	user = t_fork(false);
	if (!user)
		use_device();
	began = t_now_ms();
	while (!t_ended(user) && !t_ended(server) &&
	       t_now_ms() - began < USE_MS * t_time_factor())
		t_pause();
	injected = t_fail_alloc_count();
	t_fail_alloc_of_module(false);

	T_TRUE(!t_ended(server),
	       "the server: expected it to serve, found it ended");
	T_TRUE(t_ended(user), "expected all I/O to end, found it waiting");
	T_EQ(t_reap(user), 0);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_forward_failed, 0);
	T_EQ(c.ab_forwarded, s->forwarded);
	T_TRUE(c.ab_swap_write_bytes >= SWAPPED / 2,
	       "expected %u bytes or more of swap, found %llu", SWAPPED / 2,
	       c.ab_swap_write_bytes);
	T_TRUE(s->forwarded >= ROUNDS && s->copied >= ROUNDS,
	       "expected both ways to be used, found %u forwarded, %u copied",
	       s->forwarded, s->copied);
	/* Each clone was asked of the slab, first. */
	T_TRUE(injected > s->forwarded,
	       "failed allocations: expected one for each of %u clones, found %llu",
	       s->forwarded, (unsigned long long)injected);
	printf("%llu allocations failed, %u clones, %u copies\n",
	       (unsigned long long)injected, s->forwarded, s->copied);
	t_kill(server, SIGKILL);
	return t_end();
}
