// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will produce every errno that the header lists for a call, each
 * in at least one way, from a table with a row for each way.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * tests/test_errno_table.py compares the table with the header's comments: an
 * errno without a row, or a row without its errno there, fails.  Each row runs
 * in a process of its own on device 0, which is made idle and reset after it.
 * Rows that want memory to run out need a kernel with fault injection; the one
 * that wants a thousand devices is last, and not for such a slow kernel.
 *
 * time: 300
 * busted: module=accept-stale
 * busted: module=complete-uncopied
 * busted: module=any-status
 * busted: module=any-store
 * busted: module=forward-unpresented
 * busted: module=remove-in-use
 * not-on: um it has neither userfaultfd nor disks
 * invariant: I4 I5 I7 I10 I11 I12 I14
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define SIZE		(1 * T_MIB)
#define NOWHERE		((void *)0x100000000000ul)	/* nothing is there */
#define DISK		t_scsi_path(0)
#define DISK_SIZE	"dev_size_mb=16"

static char data[4 * T_PAGE] __attribute__((aligned(4096)));
static int ctl;			/* of the row's process */

/* ------------------------------------------------- what the rows begin with */

static struct abuse_info info_of(uint32_t flags)
{
	return (struct abuse_info){
		.ab_size = SIZE, .ab_blocksize = T_PAGE, .ab_max_queue = 8,
		.ab_flags = flags,
	};
}

static void configure(uint32_t flags)
{
	t_configure(ctl, SIZE, 8, flags);
}

static void live(void)
{
	configure(0);
	t_go_live(ctl);
}

/* A request that is LENT to this process. */
static struct abuse_lent lent_one(enum t_op op)
{
	live();
	t_submit_accepted(ctl, 0, op, 0, T_PAGE, 0);
	return t_lend_one(ctl);
}

static int nowhere(unsigned int cmd)
{
	return t_ioctl(ctl, cmd, NOWHERE);
}

static int set_status(struct abuse_info info)
{
	return t_ioctl(ctl, ABUSE_SET_STATUS, &info);
}

static int set_poll(uint32_t events, uint32_t threshold, uint32_t timeout_ms,
		    uint32_t reserved)
{
	struct abuse_poll p = { events, threshold, timeout_ms, reserved };

	return t_ioctl(ctl, ABUSE_SET_POLL, &p);
}

static int set_store(unsigned char first, uint32_t flags, uint32_t reserved)
{
	struct abuse_store s = {
		.ab_id = { first }, .ab_flags = flags, .ab_reserved = reserved,
	};

	return t_ioctl(ctl, ABUSE_SET_STORE, &s);
}

static int lend_one(void)
{
	struct abuse_lent lent;

	return t_lend(ctl, &lent, 1);
}

/* Somebody else binds the device to a store, and we have not presented it. */
static void bind_by_another(void)
{
	pid_t pid;

	configure(0);
	pid = t_fork(false);
	if (!pid) {
		ctl = t_ctl_open(0);
		_exit(set_store(1, ABUSE_STORE_BIND, 0) ? 1 : 0);
	}
	T_EQ(t_reap(pid), 0);
}

/* Eight processes serve through this process's file, and it is the ninth. */
static void eight_others(void)
{
	uint32_t others = t_counters(ctl).ab_nr_servers;
	int i;

	for (i = 0; i < 8; i++)
		if (!t_fork(true)) {
			struct abuse_xfr_hdr xfr;

			t_get(ctl, &xfr, NULL);
			for (;;)
				pause();
		}
	T_UNTIL(t_counters(ctl).ab_nr_servers == others + 8);
}

/* ----------------------------------------------- one call in another thread */

static struct {
	int (*call)(void);
	int result;
	volatile bool done;
	pthread_t thread;
	volatile pid_t tid;
} other;

static void *other_main(void *unused)
{
	(void)unused;
	other.tid = gettid();
	other.result = other.call();
	other.done = true;
	return NULL;
}

static void other_start(int (*call)(void))
{
	other.call = call;
	T_OK(-pthread_create(&other.thread, NULL, other_main, NULL));
}

static int other_result(void)
{
	T_UNTIL(other.done);
	pthread_join(other.thread, NULL);
	return other.result;
}

/* It waits in the module for a request. */
static void other_waits(void)
{
	T_UNTIL(other.tid);
	T_UNTIL(other.done || t_stack_has(other.tid, "abuse_server_wait"));
}

static int wait_for_one(void)
{
	struct abuse_lent lent;

	return t_serve(ctl, NULL, 0, &lent, 1, 0, NULL);
}

static char *stuck_page;	/* a copy to or from it does not end */
static uint64_t stuck_id;
static uint32_t stuck_verb;

static int stuck_copy(void)
{
	return t_verb(ctl, stuck_verb, stuck_id, stuck_page, 0, T_PAGE);
}

/* A request whose copy, by another thread, stands still. */
static struct abuse_lent lent_and_copying(enum t_op op)
{
	struct abuse_lent lent = lent_one(op);

	stuck_page = t_uffd_area(1);
	stuck_id = lent.ab_id;
	stuck_verb = op == T_WRITE ? ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN;
	other_start(stuck_copy);
	t_uffd_await();
	return lent;
}

/* ------------------------------------------------------ GET_STATUS, RESET */

static int get_status_efault(void)
{
	return nowhere(ABUSE_GET_STATUS);
}

static int get_status_einval(void)
{
	return t_ioctl(ctl, ABUSE_GET_STATUS, NULL);
}

static int reset_einval(void)
{
	return t_ioctl(ctl, ABUSE_RESET, NULL);
}

static int reset_ebusy(void)
{
	live();
	T_OK(t_blk_open(0, O_RDONLY));
	return t_ioctl(ctl, ABUSE_RESET, NULL);
}

static int reset_eusers(void)
{
	eight_others();
	return t_ioctl(ctl, ABUSE_RESET, NULL);
}

/* ------------------------------------------------------------- SET_STATUS */

static int set_status_efault(void)
{
	return nowhere(ABUSE_SET_STATUS);
}

static int set_status_flags(void)
{
	return set_status(info_of(32));
}

static int set_status_blocksize(void)
{
	struct abuse_info info = info_of(0);

	info.ab_blocksize = 3 * 512;
	info.ab_size = 3 * SIZE;
	return set_status(info);
}

static int set_status_size(void)
{
	struct abuse_info info = info_of(0);

	info.ab_size = SIZE + 512;
	return set_status(info);
}

static int set_status_bound(void)
{
	struct abuse_info info = info_of(0);

	info.ab_max_queue = ABUSE_QUEUE_LIMIT + 1;
	return set_status(info);
}

static int set_status_differs(void)
{
	struct abuse_info info = info_of(ABUSE_FLAGS_RECONNECT);

	live();
	info.ab_blocksize = 512;
	return set_status(info);
}

static int set_status_smaller(void)
{
	struct abuse_info info = info_of(ABUSE_FLAGS_RECONNECT);

	live();
	info.ab_size -= T_PAGE;
	return set_status(info);
}

static int set_status_efbig(void)
{
	struct abuse_info info = info_of(0);

	info.ab_size = 1ull << 63;
	return set_status(info);
}

static int set_status_ebusy(void)
{
	configure(0);
	return set_status(info_of(0));
}

static int set_status_enomem(void)
{
	int ret;

	t_fail_alloc_setup();
	t_fail_alloc(true);
	ret = set_status(info_of(0));
	t_fail_alloc(false);
	return ret;
}

/* --------------------------------------------------------------- SET_POLL */

static int set_poll_efault(void)
{
	return nowhere(ABUSE_SET_POLL);
}

static int set_poll_no_events(void)
{
	return set_poll(0, 1, 0, 0);
}

static int set_poll_events(void)
{
	return set_poll(8, 1, 0, 0);
}

static int set_poll_threshold_0(void)
{
	return set_poll(ABUSE_POLL_MSG, 0, 0, 0);
}

static int set_poll_threshold(void)
{
	return set_poll(ABUSE_POLL_MSG, ABUSE_QUEUE_LIMIT + 1, 1, 0);
}

static int set_poll_no_timeout(void)
{
	return set_poll(ABUSE_POLL_MSG, 2, 0, 0);
}

static int set_poll_timeout(void)
{
	return set_poll(ABUSE_POLL_MSG, 2, ABUSE_POLL_TIMEOUT_LIMIT_MS + 1, 0);
}

static int set_poll_needless(void)
{
	return set_poll(ABUSE_POLL_MSG, 1, 1, 0);
}

static int set_poll_reserved(void)
{
	return set_poll(ABUSE_POLL_MSG, 1, 0, 1);
}

/* ------------------------------------------------------- GET_BIO, PUT_BIO */

static struct abuse_vec vecs[T_VECS];

static int get(void)
{
	struct abuse_xfr_hdr xfr;

	return t_get(ctl, &xfr, vecs);
}

static int get_enomsg(void)
{
	live();
	return get();
}

static int get_efault(void)
{
	struct abuse_xfr_hdr xfr;

	live();
	t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	return t_get(ctl, &xfr, NOWHERE);
}

static int get_einval(void)
{
	return t_ioctl(ctl, ABUSE_GET_BIO, NULL);
}

static int get_eusers(void)
{
	eight_others();
	return get();
}

static int get_emediumtype(void)
{
	bind_by_another();
	return get();
}

static int get_stuck(void)
{
	struct abuse_xfr_hdr xfr;

	return t_get(ctl, &xfr, (struct abuse_vec *)stuck_page);
}

/* The file is closed while GET writes its vectors. */
static int get_ebadf(void)
{
	live();
	t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	stuck_page = t_uffd_area(1);
	other_start(get_stuck);
	t_uffd_await();
	t_ctl_close(ctl);
	t_uffd_fill(stuck_page);
	return other_result();
}

/* One that came by GET, its answer ready. */
static struct abuse_xfr_hdr got_one(enum t_op op)
{
	struct abuse_xfr_hdr xfr;

	live();
	t_submit_accepted(ctl, 0, op, 0, T_PAGE, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	return xfr;
}

static int put_enomsg(void)
{
	struct abuse_xfr_hdr xfr = { 0 };

	live();
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_estale_answered(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_estale_given_back(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	T_OK(t_requeue(ctl, xfr.ab_id));
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_einval_sector(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	xfr.ab_sector++;
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_einval_count(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	xfr.ab_vec_count++;
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_einval_command(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	xfr.ab_command = ABUSE_WRITE;
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_einval_result(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	return t_put(ctl, &xfr, vecs, 3);
}

static int put_efault(void)
{
	struct abuse_xfr_hdr xfr = got_one(T_READ);

	vecs[0].ab_address = (uintptr_t)NOWHERE;
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

static int put_ebusy(void)
{
	struct abuse_lent lent = lent_and_copying(T_WRITE);
	struct abuse_xfr_hdr xfr = { .ab_id = lent.ab_id };
	int ret = t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);

	t_uffd_fill(stuck_page);
	T_OK(other_result());
	return ret;
}

static int put_emediumtype(void)
{
	struct abuse_xfr_hdr xfr = { 0 };

	bind_by_another();
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_DEVICE_FAILURE);
}

static int put_eusers(void)
{
	struct abuse_xfr_hdr xfr = { 0 };

	eight_others();
	return t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY);
}

/* ------------------------------------------------------------------ SERVE */

static int serve_efault(void)
{
	live();
	return nowhere(ABUSE_SERVE);
}

static int serve_efault_verbs(void)
{
	live();
	return t_serve(ctl, NOWHERE, 1, NULL, 0, 0, NULL);
}

static int serve_efault_requests(void)
{
	live();
	t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	return t_lend(ctl, NOWHERE, 1);
}

static int serve_efault_nofault(void)
{
	struct abuse_lent *absent = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	live();
	t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	return t_serve(ctl, NULL, 0, absent, 1, ABUSE_SERVE_NOWAIT |
		       ABUSE_SERVE_NOFAULT, NULL);
}

static int serve_einval(void)
{
	live();
	return t_serve(ctl, NULL, 0, NULL, 0, 4, NULL);
}

static int serve_e2big_verbs(void)
{
	live();
	return t_serve(ctl, NULL, ABUSE_SERVE_LIMIT + 1, NULL, 0, 0, NULL);
}

static int serve_e2big_requests(void)
{
	live();
	return t_serve(ctl, NULL, 0, NULL, ABUSE_SERVE_LIMIT + 1,
		       ABUSE_SERVE_NOWAIT, NULL);
}

static void nothing(int sig)
{
	(void)sig;
}

static int serve_eintr(void)
{
	struct sigaction action = { .sa_handler = nothing };

	live();
	sigaction(SIGUSR1, &action, NULL);
	other_start(wait_for_one);
	other_waits();
	syscall(SYS_tgkill, getpid(), other.tid, SIGUSR1);
	return other_result();
}

static int serve_enodev(void)
{
	return lend_one();
}

static int serve_enodev_reset(void)
{
	live();
	other_start(wait_for_one);
	other_waits();
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	return other_result();
}

static int serve_ebadf(void)
{
	live();
	other_start(wait_for_one);
	other_waits();
	t_ctl_close(ctl);
	return other_result();
}

static int serve_eusers(void)
{
	configure(0);	/* who polls to make it live is a server */
	eight_others();
	return lend_one();
}

static int serve_emediumtype(void)
{
	bind_by_another();
	return lend_one();
}

/* ------------------------------------------------------------------ verbs */

static int verb_einval_unknown(void)
{
	return t_verb(ctl, 77, lent_one(T_WRITE).ab_id, data, 0, 512);
}

static int verb_einval_id(void)
{
	live();
	return t_complete(ctl, 0);
}

static int verb_einval_range(void)
{
	return t_verb(ctl, ABUSE_VERB_COPY_OUT, lent_one(T_WRITE).ab_id, data,
		      512, T_PAGE);
}

static int verb_einval_direction(void)
{
	return t_verb(ctl, ABUSE_VERB_COPY_IN, lent_one(T_WRITE).ab_id, data,
		      0, 512);
}

static int verb_einval_uncopied(void)
{
	struct abuse_lent lent = lent_one(T_READ);

	T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, data, 0, 512));
	return t_complete(ctl, lent.ab_id);
}

static int verb_estale_given_back(void)
{
	uint64_t id = lent_one(T_WRITE).ab_id;

	T_OK(t_requeue(ctl, id));
	return t_complete(ctl, id);
}

static int verb_estale_others(void)
{
	uint64_t id = lent_one(T_WRITE).ab_id;

	return t_complete(t_ctl_open(0), id);
}

static int verb_efault(void)
{
	return t_verb(ctl, ABUSE_VERB_COPY_OUT, lent_one(T_WRITE).ab_id,
		      NOWHERE, 0, T_PAGE);
}

static int verb_ebusy(void)
{
	int ret = t_complete(ctl, lent_and_copying(T_WRITE).ab_id);

	t_uffd_fill(stuck_page);
	T_OK(other_result());
	return ret;
}

/* ---------------------------------------------- SET_BACKING, verb FORWARD */

static int backing(const char *path, int flags)
{
	return t_backing(ctl, (int)T_OK(t_disk_open(path, flags)), NULL);
}

/* A request of a device that has the disk as its backing 0. */
static struct abuse_lent lent_with_backing(const char *path)
{
	configure(ABUSE_FLAGS_DISCARD);
	T_EQ(t_backing_of(ctl, path), 0);
	t_go_live(ctl);
	t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	return t_lend_one(ctl);
}

static int forward_einval_backing(void)
{
	return t_forward(ctl, lent_with_backing(DISK).ab_id, 1, 0);
}

static int forward_einval_range(void)
{
	return t_forward(ctl, lent_with_backing(DISK).ab_id, 0, 1ull << 40);
}

static int forward_eperm(void)
{
	struct abuse_lent lent = lent_with_backing(DISK);

	T_OK(t_requeue(ctl, lent.ab_id));
	ctl = t_ctl_open(0);	/* another file: not presented through it */
	return t_forward(ctl, t_lend_one(ctl).ab_id, 0, 0);
}

static int forward_eopnotsupp(void)
{
	uint64_t range[2] = { 0, T_PAGE };
	struct abuse_lent lent;
	pid_t pid;

	configure(ABUSE_FLAGS_DISCARD);
	T_EQ(t_backing_of(ctl, DISK), 0);
	t_go_live(ctl);
	pid = t_fork(false);
	if (!pid) {
		ioctl(t_blk_open(0, O_RDWR), BLKDISCARD, range);
		_exit(0);
	}
	T_UNTIL(t_counters(ctl).ab_nr_queued == 1);
	lent = t_lend_one(ctl);
	T_EQ(lent.ab_command, ABUSE_DISCARD);
	return t_forward(ctl, lent.ab_id, 0, 0);
}

static int set_backing_efault(void)
{
	configure(0);
	return nowhere(ABUSE_SET_BACKING);
}

static int set_backing_ebadf(void)
{
	configure(0);
	return t_backing(ctl, -1, NULL);
}

static int set_backing_ebadf_mode(void)
{
	configure(0);
	return backing(DISK, O_RDONLY);
}

static int set_backing_enotblk(void)
{
	configure(0);
	return backing("/dev/null", O_RDWR);
}

static int set_backing_enodev(void)
{
	return backing(DISK, O_RDWR);
}

static int set_backing_ebusy_claimed(void)
{
	configure(0);
	T_OK(t_disk_open(DISK, O_RDWR | O_EXCL));
	return backing(DISK, O_RDWR);
}

static int set_backing_ebusy_live(void)
{
	live();
	return backing(DISK, O_RDWR);
}

static int set_backing_einval(void)
{
	configure(0);
	return backing("/dev/abuse1", O_RDWR | O_NONBLOCK);
}

static int set_backing_enospc(void)
{
	char path[40];
	int i;

	configure(0);
	t_disk_partition(DISK, ABUSE_BACKINGS + 1);
	for (i = 1; i <= ABUSE_BACKINGS; i++) {
		snprintf(path, sizeof(path), "%s%d", DISK, i);
		T_OK(backing(path, O_RDWR));
	}
	snprintf(path, sizeof(path), "%s%d", DISK, i);
	return backing(path, O_RDWR);
}

/* Pulled out while we have it open; the next row finds a new one. */
static int set_backing_enxio(void)
{
	int fd = T_OK(t_disk_open(DISK, O_RDWR)), ret;

	configure(0);
	t_scsi_delete(0);
	ret = t_backing(ctl, fd, NULL);
	close(fd);
	t_scsi_load(DISK_SIZE);
	return ret;
}

static int set_backing_enomem(void)
{
	int fd = T_OK(t_disk_open(DISK, O_RDWR)), ret;

	configure(0);
	t_fail_alloc_setup();
	t_fail_alloc(true);
	ret = t_backing(ctl, fd, NULL);
	t_fail_alloc(false);
	return ret;
}

static int set_backing_eusers(void)
{
	configure(0);
	eight_others();
	return backing(DISK, O_RDWR);
}

/* -------------------------------------------------------------- SET_STORE */

static int set_store_efault(void)
{
	return nowhere(ABUSE_SET_STORE);
}

static int set_store_flags(void)
{
	return set_store(1, 2, 0);
}

static int set_store_reserved(void)
{
	return set_store(1, 0, 1);
}

static int set_store_id(void)
{
	return set_store(0, 0, 0);
}

static int set_store_enodev(void)
{
	return set_store(1, ABUSE_STORE_BIND, 0);
}

static int set_store_emediumtype(void)
{
	bind_by_another();
	return set_store(2, ABUSE_STORE_BIND, 0);
}

static int set_store_enomedium(void)
{
	configure(0);
	return set_store(1, 0, 0);
}

static int set_store_ebusy(void)
{
	live();
	return set_store(1, ABUSE_STORE_BIND, 0);
}

static int set_store_eusers(void)
{
	configure(0);
	eight_others();
	return set_store(1, ABUSE_STORE_BIND, 0);
}

/* ------------------------------------------------------ /dev/abuse-control */

#define NUMBER	8	/* not there at load */

static int control = -1;

static int ctl_call(unsigned int cmd, int number, uint32_t flags)
{
	struct abuse_ctl arg = { number, flags };

	if (control < 0)
		control = T_OK(t_disk_open("/dev/abuse-control", O_RDWR));
	return t_ioctl(control, cmd, &arg);
}

static int ctl_nowhere(unsigned int cmd)
{
	ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
	return t_ioctl(control, cmd, NOWHERE);
}

static int add_efault(void)
{
	return ctl_nowhere(ABUSE_CTL_ADD);
}

static int add_flags(void)
{
	return ctl_call(ABUSE_CTL_ADD, NUMBER, 1);
}

static int add_number(void)
{
	return ctl_call(ABUSE_CTL_ADD, ABUSE_NR_LIMIT, 0);
}

static int add_negative(void)
{
	return ctl_call(ABUSE_CTL_ADD, -2, 0);
}

static int add_eexist(void)
{
	return ctl_call(ABUSE_CTL_ADD, 0, 0);
}

static int add_enospc(void)
{
	int ret, i;

	do {
		ret = ctl_call(ABUSE_CTL_ADD, -1, 0);
	} while (!ret);
	for (i = NUMBER; i < ABUSE_NR_LIMIT; i++)
		ctl_call(ABUSE_CTL_REMOVE, i, 0);
	return ret;
}

static int add_enomem(void)
{
	int ret;

	ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
	t_fail_alloc_setup();
	t_fail_alloc(true);
	ret = ctl_call(ABUSE_CTL_ADD, NUMBER, 0);
	t_fail_alloc(false);
	return ret;
}

static int remove_efault(void)
{
	return ctl_nowhere(ABUSE_CTL_REMOVE);
}

static int remove_flags(void)
{
	return ctl_call(ABUSE_CTL_REMOVE, NUMBER, 1);
}

static int remove_number(void)
{
	return ctl_call(ABUSE_CTL_REMOVE, -1, 0);
}

static int remove_enodev(void)
{
	return ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
}

static int remove_ebusy_disk(void)
{
	int ret, fd;

	T_OK(ctl_call(ABUSE_CTL_ADD, NUMBER, 0));
	fd = T_OK(t_blk_open(NUMBER, O_RDONLY | O_NONBLOCK));
	ret = ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
	close(fd);
	T_OK(ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0));
	return ret;
}

static int remove_ebusy_node(void)
{
	int ret, fd;

	T_OK(ctl_call(ABUSE_CTL_ADD, NUMBER, 0));
	fd = t_ctl_open(NUMBER);
	ret = ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
	t_ctl_close(fd);
	T_OK(ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0));
	return ret;
}

static int list(uint32_t *numbers, uint32_t reserved)
{
	struct abuse_ctl_list arg = {
		.ab_numbers = (uintptr_t)numbers, .ab_nr = 4,
		.ab_reserved = reserved,
	};

	if (control < 0)
		control = T_OK(t_disk_open("/dev/abuse-control", O_RDWR));
	return t_ioctl(control, ABUSE_CTL_LIST, &arg);
}

static int list_efault(void)
{
	return ctl_nowhere(ABUSE_CTL_LIST);
}

static int list_efault_numbers(void)
{
	return list(NOWHERE, 0);
}

static int list_einval(void)
{
	static uint32_t numbers[4];

	return list(numbers, 1);
}

static int list_now(void)
{
	static uint32_t numbers[4];

	return list(numbers, 0);
}

static int list_enomem(void)
{
	int ret;

	/* Opens the node. */
	T_OK(list_now());
	t_fail_alloc_setup();
	t_fail_alloc(true);
	ret = list_now();
	t_fail_alloc(false);
	return ret;
}

/*
 * A call that a signal interrupts while another process makes and removes a
 * device: until it has happened, for it may come between.
 */
static int interrupted(int (*call)(void))
{
	struct sigaction action = { .sa_handler = nothing };
	struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	pid_t pid = t_fork(false);
	int ret;

	if (!pid)
		for (control = -1;;) {
			ctl_call(ABUSE_CTL_ADD, NUMBER, 0);
			ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
		}
	sigaction(SIGVTALRM, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	T_UNTIL((ret = call()) == -EINTR);
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	t_kill(pid, SIGKILL);
	ctl_call(ABUSE_CTL_REMOVE, NUMBER, 0);
	return ret;
}

static int remove_now(void)
{
	return ctl_call(ABUSE_CTL_REMOVE, NUMBER + 1, 0);
}

static int add_eintr(void)
{
	return interrupted(add_eexist);
}

static int remove_eintr(void)
{
	return interrupted(remove_now);
}

static int list_eintr(void)
{
	return interrupted(list_now);
}

/* ----------------------------------------------- SET_SCOPE, GET_SCOPE, ... */

static int scope(unsigned int cmd, uint32_t target, uint32_t value)
{
	struct abuse_scope s = { target, value };

	return t_ioctl(ctl, cmd, &s);
}

static int set_scope_efault(void)
{
	return nowhere(ABUSE_SET_SCOPE);
}

static int set_scope_target(void)
{
	return scope(ABUSE_SET_SCOPE, 2, ABUSE_SCOPE_NONE);
}

static int set_scope_value(void)
{
	return scope(ABUSE_SET_SCOPE, ABUSE_SCOPE_DEVICE, 3);
}

static int set_scope_eperm(void)
{
	/* Not root any more, so without capabilities. */
	T_OK(T_RET(syscall(SYS_setresuid, 65534, 65534, 65534)));
	return scope(ABUSE_SET_SCOPE, ABUSE_SCOPE_THREAD, ABUSE_SCOPE_NOIO);
}

static int get_scope_efault(void)
{
	return nowhere(ABUSE_GET_SCOPE);
}

static int get_scope_einval(void)
{
	return scope(ABUSE_GET_SCOPE, 2, 0);
}

static int get_counters_efault(void)
{
	return nowhere(ABUSE_GET_COUNTERS);
}

/* -------------------------------------------------------------- the table */

#define ROW_MS		40000
/*
 * A thousand devices: making and removing one waits for the kernel's grace
 * periods; on a machine under load 9 more than the 40 s of the other rows.
 */
#define SLOW_ROW_MS	200000
enum kernel { ANY, WITH_FAULTS, WITHOUT_FAULTS };

#define ROW(...)	{ __VA_ARGS__, ANY }
#define MEMORY_ROW(...)	{ __VA_ARGS__, WITH_FAULTS }
#define SLOW_ROW(...)	{ __VA_ARGS__, WITHOUT_FAULTS }

/* One row a line, as tests/test_errno_table.py reads them. */
static const struct row {
	const char *call;
	int err;
	const char *when;
	int (*produce)(void);
	enum kernel kernel;
} rows[] = {
	ROW("GET_STATUS", EFAULT, "nowhere", get_status_efault),
	ROW("GET_STATUS", EINVAL, "NULL", get_status_einval),
	ROW("RESET", EINVAL, "not configured", reset_einval),
	ROW("RESET", EBUSY, "the disk is open", reset_ebusy),
	ROW("RESET", EUSERS, "the ninth server", reset_eusers),
	ROW("SET_STATUS", EFAULT, "nowhere", set_status_efault),
	ROW("SET_STATUS", EINVAL, "flags", set_status_flags),
	ROW("SET_STATUS", EINVAL, "block size", set_status_blocksize),
	ROW("SET_STATUS", EINVAL, "size", set_status_size),
	ROW("SET_STATUS", EINVAL, "bound", set_status_bound),
	ROW("SET_STATUS", EINVAL, "reconnect differs", set_status_differs),
	ROW("SET_STATUS", EINVAL, "reconnect shrinks", set_status_smaller),
	ROW("SET_STATUS", EFBIG, "2^63 bytes", set_status_efbig),
	ROW("SET_STATUS", EBUSY, "configured", set_status_ebusy),
	MEMORY_ROW("SET_STATUS", ENOMEM, "no memory", set_status_enomem),
	ROW("SET_POLL", EFAULT, "nowhere", set_poll_efault),
	ROW("SET_POLL", EINVAL, "no events", set_poll_no_events),
	ROW("SET_POLL", EINVAL, "unknown events", set_poll_events),
	ROW("SET_POLL", EINVAL, "threshold 0", set_poll_threshold_0),
	ROW("SET_POLL", EINVAL, "threshold too high", set_poll_threshold),
	ROW("SET_POLL", EINVAL, "no time-out", set_poll_no_timeout),
	ROW("SET_POLL", EINVAL, "time-out too long", set_poll_timeout),
	ROW("SET_POLL", EINVAL, "needless time-out", set_poll_needless),
	ROW("SET_POLL", EINVAL, "reserved", set_poll_reserved),
	ROW("GET_BIO", ENOMSG, "nothing QUEUED", get_enomsg),
	ROW("GET_BIO", EFAULT, "vectors nowhere", get_efault),
	ROW("GET_BIO", EINVAL, "NULL", get_einval),
	ROW("GET_BIO", EUSERS, "the ninth server", get_eusers),
	ROW("GET_BIO", EMEDIUMTYPE, "not presented", get_emediumtype),
	ROW("GET_BIO", EBADF, "closed meanwhile", get_ebadf),
	ROW("PUT_BIO", ENOMSG, "id 0", put_enomsg),
	ROW("PUT_BIO", ESTALE, "answered", put_estale_answered),
	ROW("PUT_BIO", ESTALE, "given back", put_estale_given_back),
	ROW("PUT_BIO", EINVAL, "sector", put_einval_sector),
	ROW("PUT_BIO", EINVAL, "count", put_einval_count),
	ROW("PUT_BIO", EINVAL, "command", put_einval_command),
	ROW("PUT_BIO", EINVAL, "result", put_einval_result),
	ROW("PUT_BIO", EFAULT, "data nowhere", put_efault),
	ROW("PUT_BIO", EBUSY, "another thread copies", put_ebusy),
	ROW("PUT_BIO", EMEDIUMTYPE, "not presented", put_emediumtype),
	ROW("PUT_BIO", EUSERS, "the ninth server", put_eusers),
	ROW("SERVE", EFAULT, "nowhere", serve_efault),
	ROW("SERVE", EFAULT, "verbs nowhere", serve_efault_verbs),
	ROW("SERVE", EFAULT, "requests nowhere", serve_efault_requests),
	ROW("SERVE", EFAULT, "absent, NOFAULT", serve_efault_nofault),
	ROW("SERVE", EINVAL, "flags", serve_einval),
	ROW("SERVE", E2BIG, "verbs", serve_e2big_verbs),
	ROW("SERVE", E2BIG, "requests", serve_e2big_requests),
	ROW("SERVE", EINTR, "a signal", serve_eintr),
	ROW("SERVE", ENODEV, "not configured", serve_enodev),
	ROW("SERVE", ENODEV, "reset meanwhile", serve_enodev_reset),
	ROW("SERVE", EBADF, "closed meanwhile", serve_ebadf),
	ROW("SERVE", EUSERS, "the ninth server", serve_eusers),
	ROW("SERVE", EMEDIUMTYPE, "not presented", serve_emediumtype),
	ROW("VERB", EINVAL, "unknown", verb_einval_unknown),
	ROW("VERB", EINVAL, "id 0", verb_einval_id),
	ROW("VERB", EINVAL, "range", verb_einval_range),
	ROW("VERB", EINVAL, "direction", verb_einval_direction),
	ROW("VERB", EINVAL, "READ not copied", verb_einval_uncopied),
	ROW("VERB", ESTALE, "given back", verb_estale_given_back),
	ROW("VERB", ESTALE, "through another file", verb_estale_others),
	ROW("VERB", EFAULT, "nowhere", verb_efault),
	ROW("VERB", EBUSY, "another thread copies", verb_ebusy),
	ROW("FORWARD", EINVAL, "no such backing", forward_einval_backing),
	ROW("FORWARD", EINVAL, "beyond its end", forward_einval_range),
	ROW("FORWARD", EPERM, "not presented", forward_eperm),
	ROW("FORWARD", EOPNOTSUPP, "no discard", forward_eopnotsupp),
	ROW("SET_BACKING", EFAULT, "nowhere", set_backing_efault),
	ROW("SET_BACKING", EBADF, "no descriptor", set_backing_ebadf),
	ROW("SET_BACKING", EBADF, "for reading only", set_backing_ebadf_mode),
	ROW("SET_BACKING", ENOTBLK, "/dev/null", set_backing_enotblk),
	ROW("SET_BACKING", ENODEV, "not configured", set_backing_enodev),
	ROW("SET_BACKING", EBUSY, "claimed", set_backing_ebusy_claimed),
	ROW("SET_BACKING", EBUSY, "live", set_backing_ebusy_live),
	ROW("SET_BACKING", EINVAL, "no hardware", set_backing_einval),
	ROW("SET_BACKING", ENOSPC, "a fifth", set_backing_enospc),
	ROW("SET_BACKING", ENXIO, "pulled out", set_backing_enxio),
	MEMORY_ROW("SET_BACKING", ENOMEM, "no memory", set_backing_enomem),
	ROW("SET_BACKING", EUSERS, "the ninth server", set_backing_eusers),
	ROW("SET_STORE", EFAULT, "nowhere", set_store_efault),
	ROW("SET_STORE", EINVAL, "flags", set_store_flags),
	ROW("SET_STORE", EINVAL, "reserved", set_store_reserved),
	ROW("SET_STORE", EINVAL, "id 0", set_store_id),
	ROW("SET_STORE", ENODEV, "not configured", set_store_enodev),
	ROW("SET_STORE", EMEDIUMTYPE, "another store", set_store_emediumtype),
	ROW("SET_STORE", ENOMEDIUM, "not bound", set_store_enomedium),
	ROW("SET_STORE", EBUSY, "live", set_store_ebusy),
	ROW("SET_STORE", EUSERS, "the ninth server", set_store_eusers),
	ROW("CTL_ADD", EFAULT, "nowhere", add_efault),
	ROW("CTL_ADD", EINVAL, "flags", add_flags),
	ROW("CTL_ADD", EINVAL, "number too high", add_number),
	ROW("CTL_ADD", EINVAL, "number negative", add_negative),
	ROW("CTL_ADD", EEXIST, "it is there", add_eexist),
	MEMORY_ROW("CTL_ADD", ENOMEM, "no memory", add_enomem),
	ROW("CTL_ADD", EINTR, "a signal", add_eintr),
	ROW("CTL_REMOVE", EFAULT, "nowhere", remove_efault),
	ROW("CTL_REMOVE", EINVAL, "flags", remove_flags),
	ROW("CTL_REMOVE", EINVAL, "number", remove_number),
	ROW("CTL_REMOVE", ENODEV, "not there", remove_enodev),
	ROW("CTL_REMOVE", EBUSY, "the disk is open", remove_ebusy_disk),
	ROW("CTL_REMOVE", EBUSY, "the node is open", remove_ebusy_node),
	ROW("CTL_REMOVE", EINTR, "a signal", remove_eintr),
	ROW("CTL_LIST", EFAULT, "nowhere", list_efault),
	ROW("CTL_LIST", EFAULT, "numbers nowhere", list_efault_numbers),
	ROW("CTL_LIST", EINVAL, "reserved", list_einval),
	MEMORY_ROW("CTL_LIST", ENOMEM, "no memory", list_enomem),
	ROW("CTL_LIST", EINTR, "a signal", list_eintr),
	ROW("SET_SCOPE", EFAULT, "nowhere", set_scope_efault),
	ROW("SET_SCOPE", EINVAL, "target", set_scope_target),
	ROW("SET_SCOPE", EINVAL, "scope", set_scope_value),
	ROW("SET_SCOPE", EPERM, "not root", set_scope_eperm),
	ROW("GET_SCOPE", EFAULT, "nowhere", get_scope_efault),
	ROW("GET_SCOPE", EINVAL, "target", get_scope_einval),
	ROW("GET_COUNTERS", EFAULT, "nowhere", get_counters_efault),
	SLOW_ROW("CTL_ADD", ENOSPC, "all are there", add_enospc),
};

/* The row in a process of its own; what it found. */
static int run_row(const struct row *row)
{
	long limit_ms = row->kernel == WITHOUT_FAULTS ? SLOW_ROW_MS : ROW_MS;
	volatile int *found = t_shared(sizeof(*found));
	long began;
	pid_t pid;
	int ret;

	*found = 1;
	pid = t_fork(false);
	if (!pid) {
		ctl = t_ctl_open(0);
		*found = row->produce();
		_exit(0);
	}
	began = t_now_ms();
	while (!t_ended(pid) && t_now_ms() - began < limit_ms)
		t_pause();
	T_TRUE(t_ended(pid), "%s, %s: expected %s, found no end within %ld ms: %s",
	       row->call, row->when, t_name(-row->err), limit_ms,
	       t_read_text("/proc/%d/stack", pid));
	t_reap(pid);
	ret = *found;
	munmap((void *)found, sizeof(*found));
	return ret;
}

/* The submitters of the row get errors; the device loses what it was. */
static void tidy(void)
{
	struct abuse_lent lent;
	int fd = t_ctl_open(0), ret;

	T_UNTIL(({
		while (t_lend(fd, &lent, 1) == 1)
			t_fail_request(fd, lent.ab_id, EIO);
		ret = t_ioctl(fd, ABUSE_RESET, NULL);
		!ret || ret == -EINVAL;
	}));
	t_ctl_close(fd);
}

static enum kernel kernel_here(void)
{
	return access("/sys/kernel/debug/failslab", F_OK) ? WITHOUT_FAULTS :
							     WITH_FAULTS;
}

int main(void)
{
	uint32_t nr = sizeof(rows) / sizeof(rows[0]), nr_run = 0, i;
	long began = t_now_ms();
	int found;

	t_init(295);
	t_scsi_load(DISK_SIZE);
	for (i = 0; i < nr; i++) {
		if (rows[i].kernel != ANY && rows[i].kernel != kernel_here())
			continue;
		if (getenv("T_VERBOSE"))
			printf("%ld ms: %s, %s\n", t_now_ms() - began,
			       rows[i].call, rows[i].when);
		fflush(stdout);
		found = run_row(&rows[i]);
		nr_run++;
		T_TRUE(found == -rows[i].err,
		       "%s, %s: expected %s, found %s", rows[i].call,
		       rows[i].when, t_name(-rows[i].err), t_name(found));
		tidy();
	}
	printf("%u of %u rows\n", nr_run, nr);
	t_scsi_unload();
	return t_end();
}
