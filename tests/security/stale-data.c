// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look for data where it does not belong: after a copy that was
 * cut short, a failure after half a copy, a server killed in between, a device
 * that is configured anew with another store and size; around a WRITE that is
 * smaller than its page, in a page that is used again the moment its WRITE is
 * done, and behind what a call was to fill.
 *
 * Where it stands: bio > queue > [ioctl] > server, and who else sees the pages.
 *
 * time: 60
 * busted: module=complete-uncopied
 * busted: env=T_TWIN=keeps-store
 * busted: env=T_TWIN=reuses-early
 * invariant: I11 I12
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sec.h"

#define LEN (4 * T_PAGE)
#define SECRET 0x5e
#define FILLED 0xa7
/* WRITEs that are completed while another thread copies them out. */
#define REUSES 300

static int ctl;

static bool has(const void *data, size_t bytes, int byte)
{
	return memchr(data, byte, bytes);
}

/* ------------------------------------------------- failed after half of it */

/* Through the page cache: what read(2) and a mapping give. */
struct seen {
	volatile bool done;
	volatile long read;
	volatile bool sigbus, secret;
};

static struct seen *seen;

static void on_sigbus(int sig)
{
	(void)sig;
	seen->sigbus = true;
	seen->done = true;
	_exit(0);
}

static pid_t reader_start(void)
{
	const struct sigaction action = { .sa_handler = on_sigbus };
	static char data[LEN];
	pid_t pid;
	char *map;
	int fd;

	*seen = (struct seen){ 0 };
	pid = t_fork(false);
	if (pid)
		return pid;
	sigaction(SIGBUS, &action, NULL);
	fd = T_OK(t_blk_open(0, O_RDONLY));
	/* No read-ahead: a page is asked for because it is wanted. */
	T_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM), 0);
	seen->read = T_RET(pread(fd, data, T_PAGE, 0));
	seen->secret = has(data, LEN, SECRET);
	map = mmap(NULL, T_PAGE, PROT_READ, MAP_SHARED, fd, 0);
	T_TRUE(map != MAP_FAILED, "mmap: %s", strerror(errno));
	seen->secret |= has(map, T_PAGE, SECRET);
	seen->done = true;
	_exit(0);
}

/* Every READ: some of it, or all, copied in, and then it fails. */
static void fail_half_copied(void)
{
	static char secret[LEN];
	pid_t pid;
	int n = 0;

	memset(secret, SECRET, sizeof(secret));
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	pid = reader_start();
	while (!seen->done && !t_ended(pid)) {
		struct abuse_lent lent;
		uint32_t len;
		int err;

		if (t_lend(ctl, &lent, 1) != 1) {
			t_pause();
			continue;
		}
		len = n++ & 1 ? lent.ab_len_bytes : lent.ab_len_bytes / 2;
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, secret, 0,
			    len));
		err = n & 1 ? t_complete(ctl, lent.ab_id) : -EINVAL;
		T_TRUE(err == -EINVAL,
		       "COMPLETE of half a READ: expected -EINVAL, found %s",
		       t_name(err));
		T_OK(t_fail_request(ctl, lent.ab_id, EIO));
	}
	T_EQ(t_reap(pid), 0);
	T_TRUE(seen->read == -EIO && seen->sigbus && !seen->secret,
	       "a READ that failed: expected EIO, SIGBUS and no data, found "
	       "%s, %s and %s",
	       t_name(seen->read), seen->sigbus ? "SIGBUS" : "none",
	       seen->secret ? "some" : "none");
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

/* ---------------------------------------------------- killed in between */

/* Copies all of a READ in, and waits for its end. */
static pid_t half_server_start(void)
{
	volatile bool *copied = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	struct abuse_lent lent;
	char *secret;

	if (pid) {
		T_UNTIL(*copied || t_ended(pid));
		return pid;
	}
	secret = t_shared(LEN);
	memset(secret, SECRET, LEN);
	ctl = t_ctl_open(0);
	lent = t_lend_one(ctl);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, secret, 0, LEN));
	*copied = true;
	for (;;)
		pause();
}

/* The next server must fill the whole of it again. */
static void killed_half_way(void)
{
	static char own[LEN];
	struct abuse_lent lent;
	struct t_io *io;
	pid_t pid;

	memset(own, FILLED, sizeof(own));
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_READ, 0, LEN, 0);
	pid = half_server_start();
	t_kill(pid, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_flags & ABUSE_LENT_AGAIN, ABUSE_LENT_AGAIN);
	T_EQ(t_complete(ctl, lent.ab_id), -EINVAL);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, own, 0, LEN - 1));
	T_EQ(t_complete(ctl, lent.ab_id), -EINVAL);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, own, LEN - 1, 1));
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), LEN);
	T_TRUE(!has(io->data, LEN, SECRET),
	       "a READ with two servers: expected the second one's data, found "
	       "the first one's");
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

/* ------------------------------------------------------ configured anew */

/* All of the device, as far as it goes, through the page cache or past it. */
static void read_all(uint64_t size_bytes, int flags, int want)
{
	pid_t pid = t_fork(false);
	uint64_t at = 0;
	ssize_t got;
	char *data;
	int fd;

	if (pid) {
		T_EQ(t_reap(pid), 0);
		return;
	}
	fd = T_OK(t_blk_open(0, O_RDONLY | flags));
	data = t_shared(LEN);
	while ((got = T_OK(T_RET(pread(fd, data, LEN, at)))) > 0) {
		ssize_t i;

		for (i = 0; i < got; i++)
			T_TRUE((unsigned char)data[i] == want,
			       "byte %llu of %llu: expected 0x%x, found 0x%x",
			       (unsigned long long)(at + i),
			       (unsigned long long)size_bytes, want,
			       (unsigned char)data[i]);
		at += got;
	}
	T_EQ(at, size_bytes);
	_exit(0);
}

static void tenant(struct t_store *store, uint64_t size_bytes,
		   uint32_t blocksize_bytes, int byte)
{
	const struct t_server how = { 0 };
	struct abuse_info info = { .ab_size = size_bytes,
				   .ab_blocksize = blocksize_bytes };
	pid_t server;

	/* By poll(2), and by RESET, this process is a server, and would count. */
	t_ctl_close(ctl);
	ctl = t_ctl_open(0);
	if (byte == SECRET || !t_twin("keeps-store"))
		memset(store->memory, byte, size_bytes);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_server_start(store, &how);
	t_server_await(ctl, 1);
	/* Twice through the page cache: the second time it is there. */
	read_all(size_bytes, 0, byte);
	read_all(size_bytes, 0, byte);
	read_all(size_bytes, O_DIRECT, byte);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

/* The cache of the one must not answer for the other. */
static void configured_anew(void)
{
	struct t_store store = t_store_make(2 * T_MIB);

	tenant(&store, T_MIB, T_PAGE, SECRET);
	tenant(&store, T_MIB / 2, 512, 0);
	tenant(&store, 2 * T_MIB, 1024, FILLED);
}

/* ------------------------------------------------ smaller than its page */

/* 512 bytes of a page that holds something else beside them. */
static void around_a_write(void)
{
	struct abuse_info info = { .ab_size = T_MIB, .ab_blocksize = 512 };
	static char got[2 * T_PAGE];
	struct abuse_vec vecs[T_VECS] = { { 0 } };
	struct abuse_xfr_hdr xfr;
	struct abuse_lent lent[8];
	char *page = t_shared(T_PAGE);
	size_t i;
	pid_t pid;
	int fd;

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	t_go_live(ctl);
	memset(page, SECRET, T_PAGE);
	memset(page + 1024, 0, 512);
	pid = t_fork(false);
	if (!pid) {
		fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT));
		T_EQ(T_RET(pwrite(fd, page + 1024, 512, 0)), 512);
		_exit(0);
	}
	T_UNTIL(t_counters(ctl).ab_nr_queued);
	memset(lent, FILLED, sizeof(lent));
	T_EQ(t_lend(ctl, lent, 8), 1);
	/* Room for more, and nothing in it. */
	for (i = sizeof(lent[0]); i < sizeof(lent); i++)
		T_EQ(((unsigned char *)lent)[i], FILLED);
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent[0].ab_id, got, 0, 513),
	     -EINVAL);
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent[0].ab_id, got, 512, 1),
	     -EINVAL);
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent[0].ab_id, got, 0xfffffe00u,
		    1024),
	     -EINVAL);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent[0].ab_id, got, 0, 512));
	T_OK(t_requeue(ctl, lent[0].ab_id));

	/* As in 2009, where the length is the kernel's to say. */
	T_OK(t_get(ctl, &xfr, vecs));
	T_EQ(xfr.ab_vec_count, 1);
	vecs[0].ab_address = (uintptr_t)got;
	vecs[0].ab_len = 2 * T_PAGE;
	vecs[0].ab_offset = 0;
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_reap(pid), 0);
	T_TRUE(!has(got, sizeof(got), SECRET),
	       "a WRITE of 512 bytes: expected these, found what lay beside "
	       "them in the page");
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

/* --------------------------------------------------------- used again */

static struct {
	volatile uint64_t id; /* lent now */
	volatile bool stop;
	volatile uint64_t copies;
} race;

/* Copies out whatever is lent: what it gets was written, or is refused. */
static void *copier(void *unused)
{
	static char got[LEN];

	(void)unused;
	while (!race.stop) {
		memset(got, 0, sizeof(got));
		if (t_verb(ctl, ABUSE_VERB_COPY_OUT, race.id, got, 0, LEN))
			continue;
		race.copies++;
		T_TRUE(!has(got, LEN, SECRET),
		       "COPY_OUT: expected what was written, found what the "
		       "page held after the WRITE was done");
	}
	return NULL;
}

static pid_t reuser_start(bool early)
{
	pid_t pid = t_fork(false);
	char *data;
	int fd, n;

	if (pid)
		return pid;
	fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT));
	data = t_shared(LEN);
	for (n = 0; n < REUSES; n++) {
		memset(data, early ? SECRET : FILLED, LEN);
		T_EQ(T_RET(pwrite(fd, data, LEN, 0)), LEN);
		memset(data, SECRET, LEN);
	}
	_exit(0);
}

static void used_again(void)
{
	pthread_t thread;
	int nr = 0;
	pid_t pid;

	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	pid = reuser_start(t_twin("reuses-early"));
	T_EQ(pthread_create(&thread, NULL, copier, NULL), 0);
	while (!t_ended(pid)) {
		struct abuse_lent lent;
		int err;

		if (t_lend(ctl, &lent, 1) != 1)
			continue;
		race.id = lent.ab_id;
		/* The other thread runs, too: a busy host keeps it from that. */
		if (!(nr++ % 8)) {
			uint64_t before = race.copies;

			T_UNTIL(race.copies > before);
		}
		/* EBUSY: the other thread copies just now. */
		do {
			err = t_complete(ctl, lent.ab_id);
		} while (err == -EBUSY);
		T_OK(err);
	}
	race.stop = true;
	T_EQ(pthread_join(thread, NULL), 0);
	T_EQ(t_reap(pid), 0);
	T_TRUE(race.copies, "the race: expected some copies, found none");
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	t_init(55);
	seen = t_shared(sizeof(*seen));
	ctl = t_ctl_open(0);
	fail_half_copied();
	killed_half_way();
	configured_anew();
	around_a_write();
	used_again();
	return t_end();
}
