// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let an ordinary user's server of device 0 do what it likes,
 * first with each kind of address that is not its own, then from several
 * threads and processes at random, while a good server serves verified I/O on
 * device 1: that device's data and counters are untouched, nobody's memory is
 * read or written, the kernel says nothing, and all that was accepted ends;
 * also if it waits for itself, in a mapping of its own device.
 *
 * Where it stands: bio > queue > ioctl > [two servers that must not meet].
 *
 * What the single calls give is tested in ioctl/errors and by the fuzzer, whose
 * addresses all lie below 4 GiB.
 *
 * time: 90
 * busted: env=T_TWIN=attacks-the-other
 * busted: env=T_TWIN=shares-memory
 * busted: module=short-copy
 * invariant: I1 I4 I5 I11
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sec.h"
#include "t_block.h"
#include "t_rand.h"

#define SIZE (1 * T_MIB)
#define LEN (4 * T_PAGE)
#define ATTACK_MS 4000
#define THREADS 4
#define SUBMITTERS 3
#define BOUND 16
/* Rounds of device 1's load that must fit beside the attack. */
#define ROUNDS_MIN 5

/* Each sector of device 1, and the secret page, has words above this. */
#define SECRET 0x5ec12e7000000000ull
#define SECRETS 0x0000000100000000ull

/* Where one process has its secret, and others have nothing. */
#define FOREIGN ((char *)0x6d0000000000ull)
/* Where user space ends: with 5-level page tables, and with 4-level ones. */
#define USER_END_5 0x00fffffffffff000ull
#define USER_END_4 0x00007ffffffff000ull

struct shared {
	volatile bool stop_attack, stop_load, stop_submitters;
	volatile uint64_t rounds, load_bytes;
	volatile uint64_t hits;	   /* operations of the attack */
	volatile uint64_t last_id; /* any that an attacker has seen */
	volatile bool leaked;	   /* a secret where it must not be */
};

static struct shared *sh;

static bool has_secret(const void *data, size_t bytes)
{
	const uint64_t *word = data;
	size_t i;

	for (i = 0; i < bytes / sizeof(*word); i++)
		if (word[i] - SECRET < SECRETS)
			return true;
	return false;
}

static char *page_at(void *at, uint32_t nr, int prot, int flags)
{
	char *p = mmap(at, nr * (size_t)T_PAGE, prot, flags | MAP_ANONYMOUS, -1,
		       0);

	T_TRUE(p != MAP_FAILED, "mmap at %p: %s", at, strerror(errno));
	return p;
}

/* ------------------------------------------------------------ the others */

/* A process that has nothing to do with any of this. */
static pid_t bystander_start(void)
{
	const int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE;
	volatile bool *ready = t_shared(T_PAGE);
	uint64_t *secret;
	pid_t pid;
	int i;

	if (t_twin("shares-memory"))
		page_at(FOREIGN, LEN / T_PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED_NOREPLACE);
	pid = t_fork(false);
	if (pid) {
		T_UNTIL(*ready || t_ended(pid));
		return pid;
	}
	if (!t_twin("shares-memory"))
		page_at(FOREIGN, LEN / T_PAGE, PROT_READ | PROT_WRITE, flags);
	secret = (uint64_t *)FOREIGN;
	for (i = 0; i < (int)(LEN / 8); i++)
		secret[i] = SECRET + i;
	*ready = true;
	while (!sh->stop_load)
		t_pause();
	for (i = 0; i < (int)(LEN / 8); i++)
		T_TRUE(secret[i] == SECRET + i,
		       "a bystander's memory, word %d: expected it as it was, "
		       "found 0x%llx",
		       i, (unsigned long long)secret[i]);
	_exit(0);
}

/* Device 1: writes, reads back, verifies; counts what it has done. */
static void load(void)
{
	int fd = T_OK(t_blk_open(1, O_RDWR | O_DIRECT));
	char *data = t_shared(LEN);
	uint64_t n;

	for (n = 0; !sh->stop_load; n++) {
		uint64_t offset = n % (SIZE / LEN) * LEN;

		t_stamp(data, offset, LEN, SECRET + n);
		T_EQ(T_RET(pwrite(fd, data, LEN, offset)), LEN);
		memset(data, 0, LEN);
		T_EQ(T_RET(pread(fd, data, LEN, offset)), LEN);
		t_stamp_check(data, offset, LEN, SECRET + n);
		sh->load_bytes += LEN;
		sh->rounds = n + 1;
	}
	close(fd);
	_exit(0);
}

static void device_1_is_untouched(int ctl, const struct t_store *store)
{
	struct abuse_counters c = t_counters(ctl);
	uint64_t n = sh->rounds - 1, offset = n % (SIZE / LEN) * LEN;
	struct abuse_info info;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_errors, 0);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_accepted, c.ab_ended);
	T_EQ(c.ab_write_bytes, sh->load_bytes);
	T_EQ(c.ab_read_bytes, sh->load_bytes);
	T_EQ(c.ab_requeued, 0);
	T_EQ(c.ab_lent, c.ab_ended);
	T_EQ(c.ab_set_aside + c.ab_timed_out + c.ab_again, 0);
	T_EQ(c.ab_nr_servers, 1);
	t_stamp_check(store->memory + offset, offset, LEN, SECRET + n);
}

/* Device 0: whatever comes of it, but no secret may. */
static void submitter(int number)
{
	struct t_rand r = t_rand_of(1, 100 + number, 0);
	char *data = t_shared(LEN);
	int fd;

	while (!sh->stop_submitters) {
		uint32_t len = (1 + t_below(&r, LEN / T_PAGE)) * T_PAGE;
		uint64_t offset =
			t_below(&r, (SIZE - LEN) / T_PAGE) * (uint64_t)T_PAGE;
		bool reads = t_one_in(&r, 2);

		/* Not open all the time: the attacker may RESET. */
		fd = t_blk_open(0, O_RDWR | O_DIRECT);
		if (fd < 0)
			continue;
		memset(data, 0x30 + number, LEN);
		if (reads && pread(fd, data, len, offset) > 0 &&
		    has_secret(data, LEN))
			sh->leaked = true;
		if (!reads && pwrite(fd, data, len, offset) < 0)
			t_pause();
		close(fd);
	}
	_exit(0);
}

/* -------------------------------------------------- address by address */

static struct {
	const char *what;
	uint64_t address;
	bool readable; /* a READ's data may come from there */
} bad[32];
static int nr_bad;

static void add_bad(const char *what, uint64_t address, bool readable)
{
	bad[nr_bad].what = what;
	bad[nr_bad].address = address;
	bad[nr_bad++].readable = readable;
}

/* A file's mapping, with the file's end before it. */
static char *beyond_file(void)
{
	int fd = T_OK(T_RET(memfd_create("short", MFD_CLOEXEC)));
	char *p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	T_TRUE(p != MAP_FAILED, "mmap: %s", strerror(errno));
	close(fd);
	return p;
}

/* The last page that a process can have; returns where it ends. */
static uint64_t map_last_page(void)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	const uint64_t ends[] = { USER_END_5, USER_END_4 };
	void *last;
	int i;

	for (i = 0; i < 2; i++) {
		last = (void *)(ends[i] - T_PAGE);
		if (mmap(last, T_PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) ==
		    last)
			return ends[i];
	}
	T_FAIL("the last page of user space: expected to map it, found %s",
	       strerror(errno));
}

/* All of what begins here is not the process's; LEN bytes are asked for. */
static void find_bad(void)
{
	char *p = page_at(NULL, 16, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	uint64_t end = map_last_page();

	memset(p, 0x11, 16 * T_PAGE);
	T_OK(T_RET(mprotect(p, 4 * T_PAGE, PROT_READ)));
	T_OK(T_RET(mprotect(p + 4 * T_PAGE, 4 * T_PAGE, PROT_NONE)));
	T_OK(T_RET(munmap(p + 8 * T_PAGE, 4 * T_PAGE)));
	T_OK(T_RET(munmap(p + 15 * T_PAGE, T_PAGE)));
	add_bad("read-only", (uintptr_t)p, true);
	add_bad("no access", (uintptr_t)p + 4 * T_PAGE, false);
	add_bad("unmapped", (uintptr_t)p + 8 * T_PAGE, false);
	add_bad("the end unmapped", (uintptr_t)p + 12 * T_PAGE, false);
	add_bad("beyond a file", (uintptr_t)beyond_file(), false);
	add_bad("another process's", (uintptr_t)FOREIGN, false);
	add_bad("nothing", 0, false);
	add_bad("nearly nothing", 64, false);
	add_bad("across the end of user space", end - T_PAGE / 2, false);
	add_bad("the end of user space", end, false);
	add_bad("beyond 47 bits", 0x800000000000ull, false);
	add_bad("not canonical", 0x8000000000000000ull, false);
	add_bad("not canonical, high", 0xffff7ffffffff000ull, false);
	add_bad("the kernel's half", 0xffff800000000000ull, false);
	add_bad("the kernel's half, 57 bits", 0xff00000000000000ull, false);
	add_bad("the direct map", 0xffff888000001000ull, false);
	add_bad("the direct map, 57 bits", 0xff11000000001000ull, false);
	add_bad("the kernel's text", 0xffffffff81000000ull, false);
	add_bad("vsyscall", 0xffffffffff600000ull, false);
	add_bad("the last page", 0xfffffffffffff000ull, false);
	add_bad("around the end of all", 0xffffffffffffff00ull, false);
}

static void want_fault(const char *call, int i, long found)
{
	T_TRUE(found == -EFAULT,
	       "%s, address 0x%llx (%s): expected -EFAULT, found %s", call,
	       (unsigned long long)bad[i].address, bad[i].what, t_name(found));
}

/* The data of a WRITE and of a READ that are lent. */
static void bad_data(int ctl, int i, uint64_t out_id, uint64_t in_id)
{
	void *at = (void *)bad[i].address;

	want_fault("COPY_OUT", i,
		   t_verb(ctl, ABUSE_VERB_COPY_OUT, out_id, at, 0, LEN));
	if (bad[i].readable)
		return;
	want_fault("COPY_IN", i,
		   t_verb(ctl, ABUSE_VERB_COPY_IN, in_id, at, 0, LEN));
	T_EQ(t_complete(ctl, in_id), -EINVAL);
}

/* In the attacker: nothing of this reaches anything, and the requests stay. */
static void address_by_address(int ctl, uint32_t nr_requests)
{
	struct abuse_lent lent[3], *out = NULL, *in = NULL;
	int i, nr = t_lend(ctl, lent, nr_requests);

	T_EQ(nr, (int)nr_requests);
	for (i = 0; i < nr; i++) {
		if (lent[i].ab_command == ABUSE_WRITE)
			out = &lent[i];
		else
			in = &lent[i];
	}
	T_TRUE(out && in, "expected a READ and a WRITE, found none");
	for (i = 0; i < nr_bad; i++)
		bad_data(ctl, i, out->ab_id, in->ab_id);
	T_OK(t_fail_request(ctl, out->ab_id, EIO));
	T_OK(t_fail_request(ctl, in->ab_id, EIO));
}

/* ------------------------------------------------------ all that it likes */

static char *arena; /* LEN of the attacker's own, now and then */
static int attack_ctl;

static uint64_t any_address(struct t_rand *r)
{
	if (t_one_in(r, 3))
		return bad[t_below(r, nr_bad)].address + t_below(r, 64);
	if (t_one_in(r, 20))
		return t_number(r);
	return (uintptr_t)arena + t_below(r, LEN);
}

static uint64_t any_id(struct t_rand *r)
{
	uint64_t id = sh->last_id;

	switch (t_below(r, 6)) {
	case 0:
		return t_number(r);
	case 1: /* an earlier or later lend of that slot */
		return id + ((uint64_t)t_below(r, 5) << 32) - (2ull << 32);
	case 2: /* another slot */
		return (id & ~0xffffffffull) | t_below(r, BOUND + 2);
	default:
		return id;
	}
}

static uint32_t any_bytes(struct t_rand *r)
{
	switch (t_below(r, 4)) {
	case 0:
		return t_number(r);
	case 1:
		return t_below(r, LEN + 2);
	case 2:
		return 0;
	default:
		return LEN;
	}
}

static void any_serve(struct t_rand *r)
{
	struct abuse_verb verbs[6];
	struct abuse_lent lent[8];
	struct abuse_serve serve = {
		.ab_verbs = t_one_in(r, 20) ? any_address(r) : (uintptr_t)verbs,
		.ab_requests =
			t_one_in(r, 20) ? any_address(r) : (uintptr_t)lent,
		.ab_nr_verbs = t_one_in(r, 30) ? t_number(r) : t_below(r, 7),
		.ab_nr_requests = t_one_in(r, 3) ? t_below(r, 9) : 0,
		.ab_flags = ABUSE_SERVE_NOWAIT |
			    (t_one_in(r, 4) ? ABUSE_SERVE_NOFAULT : 0),
	};
	int nr, i;

	for (i = 0; i < 6; i++)
		verbs[i] = (struct abuse_verb){
			.ab_id = any_id(r),
			.ab_address = any_address(r),
			.ab_offset_bytes = t_one_in(r, 2) ? 0 : any_bytes(r),
			.ab_len_bytes = any_bytes(r),
			.ab_verb = t_below(r, 9),
			.ab_error = t_number(r),
		};
	nr = t_ioctl(attack_ctl, ABUSE_SERVE, &serve);
	if (nr > 0 && nr <= 8 && serve.ab_requests == (uintptr_t)lent)
		sh->last_id = lent[t_below(r, nr)].ab_id;
}

static void any_legacy(struct t_rand *r)
{
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr = { 0 };
	int i;

	for (i = 0; i < T_VECS; i++)
		vecs[i] = (struct abuse_vec){ .ab_address = any_address(r),
					      .ab_len = any_bytes(r),
					      .ab_offset = t_number(r) };
	if (t_one_in(r, 2)) {
		xfr.ab_transfer_address =
			t_one_in(r, 5) ? any_address(r) : (uintptr_t)vecs;
		if (!t_ioctl(attack_ctl, ABUSE_GET_BIO, &xfr))
			sh->last_id = xfr.ab_id;
		return;
	}
	xfr.ab_id = any_id(r);
	xfr.ab_sector = t_number(r);
	xfr.ab_command = t_below(r, 3);
	xfr.ab_vec_count = t_one_in(r, 2) ? t_below(r, 6) : t_number(r);
	xfr.ab_result = t_below(r, 4);
	xfr.ab_transfer_address =
		t_one_in(r, 5) ? any_address(r) : (uintptr_t)vecs;
	t_ioctl(attack_ctl, ABUSE_PUT_BIO, &xfr);
}

static void any_other(struct t_rand *r)
{
	static const unsigned int calls[] = {
		ABUSE_GET_STATUS,  ABUSE_SET_STATUS, ABUSE_SET_POLL,
		ABUSE_SET_SCOPE,   ABUSE_GET_SCOPE,  ABUSE_GET_COUNTERS,
		ABUSE_SET_BACKING, ABUSE_SET_STORE,  ABUSE_CTL_ADD,
		ABUSE_CTL_REMOVE,  0x412f,
	};
	uint64_t words[32];
	size_t i;

	for (i = 0; i < 32; i++)
		words[i] = t_number(r);
	t_ioctl(attack_ctl, calls[t_below(r, sizeof(calls) / sizeof(*calls))],
		t_one_in(r, 4) ? (void *)any_address(r) : words);
}

/* Its own device: never for long without a configuration. */
static void reconfigure(struct t_rand *r)
{
	struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = t_one_in(r, 2) ? BOUND : 1 + t_below(r, BOUND),
		.ab_flags = t_one_in(r, 2) ? ABUSE_FLAGS_RECONNECT : 0,
	};

	if (t_one_in(r, 20))
		t_ioctl(attack_ctl, ABUSE_RESET, NULL);
	t_ioctl(attack_ctl, ABUSE_SET_STATUS, &info);
}

/* The memory under the copies of all threads. */
static void move_arena(struct t_rand *r)
{
	if (t_one_in(r, 2))
		madvise(arena, LEN, MADV_DONTNEED);
	else
		mprotect(arena, LEN,
			 t_one_in(r, 2) ? PROT_NONE : PROT_READ | PROT_WRITE);
}

/* Another process that shares the file, for a moment. */
static void fork_shared(struct t_rand *r)
{
	pid_t pid = fork();
	int i;

	if (!pid) {
		for (i = 0; i < 20; i++)
			any_serve(r);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

static void *attacker(void *number)
{
	struct t_rand r = t_rand_of(1, 1 + (uintptr_t)number, 0);

	while (!sh->stop_attack) {
		switch (t_below(&r, 64)) {
		default:
			any_serve(&r);
			break;
		case 0 ... 12:
			any_legacy(&r);
			break;
		case 13 ... 17:
			any_other(&r);
			break;
		case 18 ... 19:
			reconfigure(&r);
			break;
		case 20 ... 24:
			move_arena(&r);
			break;
		case 25:
			if (t_one_in(&r, 10))
				fork_shared(&r);
			break;
		}
		__atomic_fetch_add(&sh->hits, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The process that means harm: a user's, who has the node of device 0. */
static pid_t attack_start(const struct t_store *not_its_own,
			  uint32_t nr_requests)
{
	pthread_t threads[THREADS];
	pid_t pid = t_fork(false);
	uintptr_t i;

	if (pid)
		return pid;
	munmap(not_its_own->memory, not_its_own->size_bytes);
	sec_become(0);
	attack_ctl = t_ctl_open(0);
	find_bad();
	arena = page_at(NULL, LEN / T_PAGE + 1, PROT_READ | PROT_WRITE,
			MAP_PRIVATE);
	address_by_address(attack_ctl, nr_requests);
	if (t_twin("attacks-the-other"))
		attack_ctl = t_ctl_open(1);
	for (i = 0; i < THREADS; i++)
		T_EQ(pthread_create(&threads[i], NULL, attacker, (void *)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* What was copied out to it was device 0's. */
	mprotect(arena, LEN, PROT_READ | PROT_WRITE);
	if (has_secret(arena, LEN))
		sh->leaked = true;
	_exit(0);
}

/* ------------------------------------------------------------------- end */

static int log_begin(void)
{
	int fd = T_OK(
		T_RET(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)));

	T_OK(T_RET(lseek(fd, 0, SEEK_END)));
	return fd;
}

/* Of the kernel itself (facility 0), about the module; the rest is judged. */
static void log_is_silent(int fd)
{
	char record[2048];
	ssize_t got;

	for (;;) {
		got = read(fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile */
		if (got <= 0)
			break;
		record[got] = '\0';
		T_TRUE(atoi(record) / 8 || !strstr(record, "abuse"),
		       "the kernel log: expected nothing, found %s", record);
	}
	close(fd);
}

/* If the attacker has bound the device to a store: to that one. */
static void present_store(int ctl)
{
	const char *text = t_attr(T_ABUSE, 0, "store_id");
	struct abuse_store store = { 0 };
	unsigned int byte;
	int i;

	for (i = 0; i < 16 && sscanf(text + 2 * i, "%2x", &byte) == 1; i++)
		store.ab_id[i] = byte;
	t_ioctl(ctl, ABUSE_SET_STORE, &store);
}

/* Whoever still waits for device 0: it fails. */
static void fail_waiting(int ctl)
{
	struct abuse_info info = { .ab_size = SIZE, .ab_blocksize = T_PAGE };
	struct abuse_lent lent[BOUND];
	int nr = t_lend(ctl, lent, BOUND), i;

	if (nr == -ENODEV)
		t_ioctl(ctl, ABUSE_SET_STATUS, &info);
	else if (nr == -EMEDIUMTYPE)
		present_store(ctl);
	for (i = 0; i < nr; i++)
		T_OK(t_fail_request(ctl, lent[i].ab_id, EIO));
	/* Too many of the attacker's processes have gone with it. */
	if (t_counters(ctl).ab_nr_aside)
		T_OK(t_attr_set("fail", T_ABUSE, 0, "aside"));
	if (nr <= 0)
		t_pause();
}

static void fail_rest(int ctl, const pid_t *pids)
{
	int i;

	for (i = 0; i < SUBMITTERS; i++) {
		while (!t_ended(pids[i]))
			fail_waiting(ctl);
		T_EQ(t_reap(pids[i]), 0);
	}
}

/*
 * A server that wants a WRITE's data in a mapping of its own device: only it
 * could answer the page fault, and it waits for that.  It can be killed, and
 * what it leaves behind is the next one's.
 */
static void own_mapping(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	pid_t pid;
	int ctl = t_ctl_open(0);

	T_UNTIL(t_ioctl(ctl, ABUSE_RESET, NULL) != -EBUSY);
	t_configure(ctl, SIZE, BOUND, 0);
	pid = t_fork(false);
	if (!pid) {
		char *map;
		int own, blk;

		sec_become(0);
		own = t_ctl_open(0);
		T_EQ(t_serve(own, NULL, 0, &lent, 1, 0, NULL), 1);
		blk = T_OK(t_blk_open(0, O_RDWR));
		map = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, blk,
			   0);
		T_TRUE(map != MAP_FAILED, "mmap of /dev/abuse0: %s",
		       strerror(errno));
		t_verb(own, ABUSE_VERB_COPY_OUT, lent.ab_id, map, 0, LEN);
		_exit(3);
	}
	T_UNTIL(t_is_live(0));
	io = t_submit(0, T_WRITE, SIZE / 2, LEN, 0);
	T_UNTIL((t_counters(ctl).ab_nr_lent == 1 &&
		 t_counters(ctl).ab_nr_queued) ||
		t_ended(pid));
	T_TRUE(!t_ended(pid),
	       "a copy to a mapping of the server's own device: expected it to wait, found it done");
	T_OK(T_RET(kill(pid, SIGKILL)));
	while (!t_ended(pid) || !io->done)
		if (t_lend(ctl, &lent, 1) == 1)
			t_answer(ctl, &lent);
		else
			t_pause();
	t_reap(pid);
	T_EQ(t_result(io), LEN);
	T_EQ(t_counters(ctl).ab_accepted, t_counters(ctl).ab_ended);
	t_ctl_close(ctl);
}

int main(void)
{
	pid_t submitters[SUBMITTERS], bystander, good, loader, attack;
	struct t_server how = { .number = 1 };
	struct t_store store;
	int ctl, good_ctl, log, i;
	struct t_io *in, *out;
	uint64_t rounds;
	long start;

	t_init(80);
	sh = t_shared(sizeof(*sh));
	store = t_store_make(SIZE);
	T_OK(T_RET(chown("/dev/abctl0", SEC_UID, SEC_UID)));
	T_OK(T_RET(chown("/dev/abuse0", SEC_UID, SEC_UID)));
	if (t_twin("attacks-the-other"))
		T_OK(T_RET(chown("/dev/abctl1", SEC_UID, SEC_UID)));
	bystander = bystander_start();
	good_ctl = t_ctl_open(1);
	t_configure(good_ctl, SIZE, 0, 0);
	good = t_server_start(&store, &how);
	t_server_await(good_ctl, 1);
	loader = t_fork(false);
	if (!loader)
		load();

	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, BOUND, 0);
	t_go_live(ctl);
	/* By poll(2) we are a server that wants work: not any more. */
	t_ctl_close(ctl);
	ctl = t_ctl_open(0);
	in = t_submit_accepted(ctl, 0, T_READ, 0, LEN, 0);
	out = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	log = log_begin();
	attack = attack_start(&store, 2);
	T_UNTIL((in->done && out->done) || t_ended(attack));
	if (t_ended(attack))
		T_EQ(t_reap(attack), 0);
	T_EQ(t_result(in), -EIO);
	T_EQ(t_result(out), -EIO);
	T_TRUE(!has_secret(in->data, LEN),
	       "a READ of device 0: expected no secret in it, found one");

	rounds = sh->rounds;
	for (i = 0; i < SUBMITTERS; i++) {
		submitters[i] = t_fork(false);
		if (!submitters[i])
			submitter(i);
	}
	start = t_now_ms();
	while (t_now_ms() - start < ATTACK_MS && !t_ended(attack) &&
	       !t_ended(loader))
		t_pause();
	T_TRUE(!t_ended(loader),
	       "the I/O on device 1: expected it to go on, found it ended");
	T_UNTIL(sh->rounds - rounds >= ROUNDS_MIN);
	T_TRUE(sh->hits > 100,
	       "the attack: expected more than 100 operations, found %llu",
	       (unsigned long long)sh->hits);
	sh->stop_submitters = true;
	sh->stop_attack = true;
	T_EQ(t_reap(attack), 0);
	fail_rest(ctl, submitters);
	t_ctl_close(ctl);
	log_is_silent(log);
	own_mapping();
	ctl = t_ctl_open(0);
	sh->stop_load = true;
	T_EQ(t_reap(loader), 0);
	T_EQ(t_reap(bystander), 0);
	T_TRUE(!sh->leaked, "data of device 0: expected no secret of another's "
			    "in it, found one");
	device_1_is_untouched(good_ctl, &store);
	T_EQ(t_counters(ctl).ab_accepted, t_counters(ctl).ab_ended);
	printf("%llu operations of the attack, %llu rounds beside it\n",
	       (unsigned long long)sh->hits,
	       (unsigned long long)(sh->rounds - rounds));
	t_kill(good, SIGKILL);
	T_OK(T_RET(chown("/dev/abctl0", 0, 0)));
	T_OK(T_RET(chown("/dev/abuse0", 0, 0)));
	T_OK(T_RET(chown("/dev/abctl1", 0, 0)));
	return t_end();
}
