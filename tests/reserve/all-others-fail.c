// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let every allocation of the serving thread fail, of the slab
 * and of pages, while it answers some hundred requests by all verbs, forward
 * among them, and by GET and PUT: all of them end as they should.
 *
 * Where it stands: bio > queue > [ioctl] > forward > disk.
 *
 * time: 120
 * kernels: debug
 * busted: module=alloc-in-serve
 * busted: module=clones-of-two
 * invariant: I2
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define SIZE	T_MIB
#define LEN	(16 * 1024)
#define NR_LOADS	3
#define ROUNDS	60

struct shared {
	volatile bool ready;
	volatile int open_error;	/* the controls, while it is set */
	volatile int mmap_error;
	volatile uint32_t served;
	volatile uint32_t forwarded;
	volatile uint32_t legacy;
};

static struct shared *s;
static char memory[SIZE] __attribute__((aligned(4096)));
static char bounce[LEN] __attribute__((aligned(4096)));

/*
 * Its own share of the device, written and read back.  The first half goes by
 * copies, the second to the disk: a request is in one of them.
 */
static void load(int index)
{
	char *data = t_shared(LEN);
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT)), i;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t at = (i & 1) * (SIZE / 2) + index * LEN;

		t_stamp(data, at, LEN, i);
		T_EQ(T_RET(pwrite(fd, data, LEN, at)), LEN);
		memset(data, 0, LEN);
		T_EQ(T_RET(pread(fd, data, LEN, at)), LEN);
		t_stamp_check(data, at, LEN, i);
		if (i % 8 == 0)
			T_EQ(T_RET(pread(fd, data, LEN, SIZE - LEN)), -EIO);
		if (i % 8 == 1)
			T_OK(T_RET(fsync(fd)));
	}
	close(fd);
	_exit(0);
}

static void serve_one(int ctl, uint32_t disk, const struct abuse_lent *lent)
{
	uint64_t at = lent->ab_sector * 512;

	s->served++;
	if (lent->ab_len_bytes && at == SIZE - LEN) {
		T_OK(t_fail_request(ctl, lent->ab_id, EIO));
	} else if (s->served % 7 == 0) {
		T_OK(t_requeue(ctl, lent->ab_id));
	} else if (!lent->ab_len_bytes || at >= SIZE / 2) {
		T_OK(t_forward(ctl, lent->ab_id, disk, lent->ab_sector));
		s->forwarded++;
	} else {
		T_OK(t_verb(ctl, lent->ab_command == ABUSE_WRITE ?
			    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
			    lent->ab_id, memory + at, 0, lent->ab_len_bytes));
		T_OK(t_complete(ctl, lent->ab_id));
	}
}

/* GET and PUT for the half that is copied; the rest is given back. */
static void legacy_one(int ctl)
{
	static struct abuse_vec vecs[T_VECS];
	static struct abuse_xfr_hdr xfr;
	uint64_t at;
	uint32_t bytes;

	if (t_get(ctl, &xfr, vecs))
		return;
	at = xfr.ab_sector * 512;
	if (xfr.ab_command == ABUSE_SYNC_NOTIFICATION || at >= SIZE / 2) {
		T_OK(t_requeue(ctl, xfr.ab_id));
		return;
	}
	bytes = t_vecs_point(vecs, xfr.ab_vec_count, bounce);
	if (xfr.ab_command == ABUSE_READ)
		memcpy(bounce, memory + at, bytes);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	if (xfr.ab_command == ABUSE_WRITE)
		memcpy(memory + at, bounce, bytes);
	s->legacy++;
}

static void __attribute__((noreturn)) serve(void)
{
	int ctl = t_ctl_open(0), nr, i;
	uint32_t disk = t_backing_of(ctl, T_STORE);
	struct pollfd p = { .fd = ctl, .events = POLLMSG };
	static struct abuse_lent lent[4];
	void *map;

	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	memset(memory, 1, sizeof(memory));
	memset(bounce, 1, sizeof(bounce));
	T_OK(t_lend(ctl, lent, 4));
	t_fail_alloc(true);
	s->open_error = T_RET(open("/proc/self/stat", O_RDONLY));
	map = mmap(NULL, T_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0);
	s->mmap_error = map == MAP_FAILED ? -errno : 0;
	s->ready = true;
	for (;;) {
		poll(&p, 1, 20);
		legacy_one(ctl);
		nr = T_OK(t_lend(ctl, lent, 4));
		for (i = 0; i < nr; i++)
			serve_one(ctl, disk, &lent[i]);
	}
}

int main(void)
{
	pid_t server, loads[NR_LOADS];
	struct abuse_counters c;
	uint64_t injected;
	int ctl, i;

	t_init(115);
	t_fail_alloc_setup();
	s = t_shared(sizeof(*s));
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, ABUSE_FLAGS_WRITE_CACHE);
	t_backing_of(ctl, T_STORE);
	server = t_fork(false);
	if (!server)
		serve();
	T_UNTIL(s->ready && t_is_live(0));
	/* The controls: it acts, on the slab and so on mmap. */
	T_EQ(s->open_error, -ENOMEM);
	T_EQ(s->mmap_error, -ENOMEM);
	injected = t_fail_alloc_count();
	T_TRUE(injected >= 2, "failed allocations: expected at least 2, found %llu",
	       (unsigned long long)injected);

	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	for (i = 0; i < NR_LOADS; i++) {
		T_UNTIL(t_ended(loads[i]) || t_ended(server) ||
			t_counters(ctl).ab_ended < NR_LOADS * ROUNDS);
		T_TRUE(!t_ended(server), "the server: expected it to serve, found it ended");
		while (!t_ended(loads[i]) && !t_ended(server))
			t_pause();
		T_EQ(t_reap(loads[i]), 0);
	}
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, NR_LOADS * ((ROUNDS + 7) / 8));
	T_EQ(c.ab_forwarded, s->forwarded);
	T_EQ(c.ab_forward_failed, 0);
	T_TRUE(s->forwarded >= ROUNDS && s->legacy >= 10 && c.ab_requeued,
	       "expected all ways to be used, found %u forwarded, %u by PUT, %llu given back",
	       s->forwarded, s->legacy, c.ab_requeued);
	t_kill(server, SIGKILL);
	return t_end();
}
