/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t_block.h - what the tests of block devices and their attributes share
 *
 * Where it stands: [test] > /dev/abuseN, sysfs, /dev/abuse-control > module.
 * Beside t.h: a server that writes down what it is lent, small files, uevents,
 * programs of the guest, io_uring.
 *
 * Wrappers return what the call returned, or -errno.
 */
#ifndef TESTS_LIB_T_BLOCK_H
#define TESTS_LIB_T_BLOCK_H

#include <sys/uio.h>

#include "t.h"

/* ------------------------------------------------------- recording server */

#define T_LOG_MAX	8192

/* What a recording server was lent, in order; shared with the test. */
struct t_log {
	volatile uint32_t nr;		/* written down, answered or not */
	volatile uint32_t nr_answered;
	volatile bool hold;		/* written down, not answered */
	struct abuse_lent lent[T_LOG_MAX];
};

struct t_log *t_log_make(void);
/*
 * A server that answers everything from the store, and zeroes what is
 * discarded; one request a call, so that the order is that of lending.
 */
pid_t t_recorder_start(int number, const struct t_store *store,
		       struct t_log *log);
/* The same, of a device that is bound to the store with this id. */
pid_t t_recorder_start_bound(int number, const struct t_store *store,
			     struct t_log *log, const uint8_t id[16]);
/* Of those from first on: how many with this command, and all these flags? */
uint32_t t_log_count(const struct t_log *log, uint32_t first, uint32_t command,
		     uint32_t flags);
/* The first of these; it must be there. */
struct abuse_lent t_log_find(const struct t_log *log, uint32_t first,
			     uint32_t command, uint32_t flags);

/* ------------------------------------------------------------ small files */

/* Its text without the newline; static storage. */
const char *t_attr(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
long long t_attr_number(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
/* 0 or -errno of open(2) or write(2). */
int t_attr_set(const char *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* /sys/block/abuseN/abuse/NAME */
#define T_ABUSE		"/sys/block/abuse%d/abuse/%s"
/* It must be writable and have this value afterwards. */
void t_policy(int number, const char *name, const char *value);

/* ---------------------------------------------------------------- devices */

/* ABUSE_CTL_*; ADD with -1: the number that was given. */
int t_control(unsigned int cmd, int number);
/* The numbers of the devices there are. */
uint32_t t_control_list(uint32_t *numbers, uint32_t room);
/* A node of our own in /tmp: its path, static storage. */
const char *t_mknod(bool block, unsigned int major, unsigned int minor);
/* Does this kernel make disks when a node is opened?  An option of its own. */
bool t_block_on_demand(void);
/* Major and minor as sysfs has them: "60:0"; false if there is none. */
bool t_devt(const char *path, unsigned int *major, unsigned int *minor);

/* ---------------------------------------------------- programs and uevents */

/* Run it and wait: its exit status, or 128 + signal; output in /tmp/run.log */
int t_run(const char *program, ...) __attribute__((sentinel));
/* The same, but it must succeed. */
#define T_RUN(...)							\
	do {								\
		int t_status = t_run(__VA_ARGS__, (char *)NULL);	\
		if (t_status)						\
			T_FAIL("%s: expected status 0, found %d: %s",	\
			       #__VA_ARGS__, t_status,			\
			       t_read_text("/tmp/run.log"));		\
	} while (0)

/* A netlink socket on which the kernel's uevents arrive from now on. */
int t_uevent_open(void);
/* An event whose text has all of these (up to NULL) is there in time. */
bool t_uevent_has(int fd, ...) __attribute__((sentinel));

/* --------------------------------------------------------------- io_uring */

struct t_uring {
	int fd;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
	unsigned int sq_tail, sq_mask, sq_array, sq_tail_off;
	unsigned int cq_head_off, cq_tail_off, cq_mask, cqes_off;
};

/* 0, or -errno; -ENOSYS and -EPERM: this kernel has none. */
int t_uring_open(struct t_uring *ring, unsigned int entries);
int t_uring_buffer(struct t_uring *ring, void *data, size_t bytes);
/* Hand in one read or write, from the fixed buffer or not; does not wait. */
int t_uring_submit(struct t_uring *ring, int fd, enum t_op op, void *data,
		   uint32_t len_bytes, uint64_t offset_bytes, bool fixed);
bool t_uring_ready(struct t_uring *ring);
long t_uring_result(struct t_uring *ring);	/* of the next, waits */

#endif
