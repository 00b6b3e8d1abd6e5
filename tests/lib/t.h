/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * t.h - what the tests written in C share
 *
 * Where it stands: [test] > /dev/abctlN, /dev/abuseN > module.  A test is one
 * file with a main() that begins with t_init() and returns t_end().
 *
 * Rules that keep a failing test from wedging its guest:
 * - who waits for I/O of the device is a process of its own without a control
 *   file (t_submit()), never the process that serves it;
 * - what waits is bounded (T_UNTIL, and the limit of t_init());
 * - a test that fails kills its children, gives back what it was lent and
 *   fails whatever is still QUEUED, so that the device is idle afterwards.
 *
 * Wrappers return what the call returned, or -errno.
 */
#ifndef TESTS_LIB_T_H
#define TESTS_LIB_T_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/abuse.h>

#define T_PAGE		4096u
#define T_MIB		(1024u * 1024u)
/* Plain emulation on a busy machine: long, but below every test's limit. */
#define T_PATIENCE_MS	10000

/* ------------------------------------------------------- begin, end, fail */

/*
 * The test fails by itself after so many seconds: below the header's time.
 * On a slow kernel both are longer, by the same factor.
 */
void t_init(int limit_s);
double t_time_factor(void);
/* Everything reaped, nothing left in the module's care: 0, the exit status. */
int t_end(void);
/* In the children of a test: end with 1; in the test itself: clean up first. */
void __attribute__((noreturn, format(printf, 3, 4)))
t_fail(const char *file, int line, const char *format, ...);
/*
 * What a failing test does: children killed, what they were lent failed.  For
 * a test that ends a hang that it made; false if the device is not idle.
 */
bool t_clean(void);
/* Exit 77, the reason as last line. */
void __attribute__((noreturn, format(printf, 1, 2)))
t_skip(const char *format, ...);
/* Is this run the busted twin of that name (T_TWIN=name)? */
bool t_twin(const char *name);

/* A number as the message shall have it: errnos by name. */
const char *t_name(long long value);

#define T_FAIL(...)	t_fail(__FILE__, __LINE__, __VA_ARGS__)
#define T_TRUE(cond, ...)						\
	do {								\
		if (!(cond))						\
			T_FAIL(__VA_ARGS__);				\
	} while (0)
#define T_EQ(expr, want)						\
	do {								\
		long long t_found = (long long)(expr);			\
		long long t_want = (long long)(want);			\
		if (t_found != t_want)					\
			T_FAIL("%s: expected %s, found %s", #expr,	\
			       t_name(t_want), t_name(t_found));	\
	} while (0)
/* 0 or more, not -errno; the value. */
#define T_OK(expr)							\
	({								\
		long long t_ok = (long long)(expr);			\
		if (t_ok < 0)						\
			T_FAIL("%s: expected success, found %s", #expr,	\
			       t_name(t_ok));				\
		t_ok;							\
	})
/* What a call of the C library returned, or -errno. */
#define T_RET(call)							\
	({								\
		long long t_ret = (long long)(call);			\
		t_ret < 0 ? -errno : t_ret;				\
	})
/* How long, on this kernel. */
#define t_patience_ms()	((long)(T_PATIENCE_MS * t_time_factor()))
/* Look again until it is so. */
#define T_UNTIL(cond)							\
	do {								\
		long t_waited = t_now_ms();				\
		while (!(cond)) {					\
			if (t_now_ms() - t_waited > t_patience_ms())	\
				T_FAIL("waited %ld ms in vain for: %s",	\
				       t_patience_ms(), #cond);		\
			t_pause();					\
		}							\
	} while (0)

long t_now_ms(void);
void t_pause(void);	/* a millisecond */

/* -------------------------------------------------------------- processes */

/*
 * A child that dies with the test.  Returns 0 in the child, which has none of
 * the test's control files any more unless keep_ctl.
 */
pid_t t_fork(bool keep_ctl);
/* Wait for its end: the status of waitpid(2). */
int t_reap(pid_t pid);
bool t_ended(pid_t pid);	/* without waiting and without reaping */
void t_kill(pid_t pid, int sig);	/* and reap, if SIGKILL */
char t_state(pid_t tid);	/* of /proc/TID/stat: R S D T Z X, or ? */
unsigned long t_flags(pid_t tid);	/* PF_*, 0: of the calling thread */
bool t_stack_has(pid_t tid, const char *function);
/* The text of a small file; static storage. */
const char *t_read_text(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

void *t_shared(size_t bytes);	/* zeroed, the same in all children */

/* ----------------------------------------------------------------- device */

int t_ctl_open(int number);	/* a new open file of /dev/abctlN */
void t_ctl_close(int fd);
int t_blk_open(int number, int flags);

long t_ioctl_do(int fd, unsigned int cmd, void *arg);
/* Which way the data goes is the command's to say: const or not. */
#define t_ioctl(fd, cmd, arg)	t_ioctl_do(fd, cmd, (void *)(arg))
/* bound 0: the default; block size 4096. */
void t_configure(int ctl, uint64_t size_bytes, uint32_t bound, uint32_t flags);
/* The disk gets its capacity.  By poll(2), which makes a server of us. */
void t_go_live(int ctl);
struct abuse_counters t_counters(int ctl);

/* -------------------------------------------------- the server's side */

/* One call of ABUSE_SERVE; requests lent or -errno.  done may be NULL. */
int t_serve(int ctl, const struct abuse_verb *verbs, uint32_t nr_verbs,
	    struct abuse_lent *lent, uint32_t max, uint32_t flags,
	    uint32_t *done);
/* Up to max that are QUEUED now. */
int t_lend(int ctl, struct abuse_lent *lent, uint32_t max);
/* Exactly one, which must be there. */
struct abuse_lent t_lend_one(int ctl);
int t_verb(int ctl, uint32_t verb, uint64_t id, const void *address,
	   uint32_t offset_bytes, uint32_t len_bytes);
int t_complete(int ctl, uint64_t id);
int t_fail_request(int ctl, uint64_t id, uint32_t error);
int t_requeue(int ctl, uint64_t id);
/* Answer a request of any kind well: a READ gets zeroes. */
void t_answer(int ctl, const struct abuse_lent *lent);

/* 2009.  GET fills at most T_VECS vectors. */
#define T_VECS 256
int t_get(int ctl, struct abuse_xfr_hdr *xfr, struct abuse_vec *vecs);
int t_put(int ctl, struct abuse_xfr_hdr *xfr, struct abuse_vec *vecs,
	  uint32_t result);
/* Bytes of all vectors; each gets its address in buffer. */
uint32_t t_vecs_point(struct abuse_vec *vecs, uint32_t nr, void *buffer);

/* A server in a process of its own, with a store that outlives it. */
struct t_store {
	uint64_t size_bytes;
	char *memory;
	struct t_served {
		uint64_t requests;	/* answered */
		uint64_t flushes;
		uint64_t fua;
	} *served;		/* by server number */
};
#define T_SERVERS 8

struct t_server {
	int number;		/* of the device */
	int index;		/* of the server, for t_store.served */
	bool legacy;		/* GET and PUT */
	uint32_t batch;		/* 0: 16 */
	uint32_t piece_bytes;	/* copies of at most this; 0: whole */
	bool pick;		/* now and then give one back */
};

struct t_store t_store_make(uint64_t size_bytes);
pid_t t_server_start(const struct t_store *store, const struct t_server *how);
/* Returns once so many serve, and, if any, the device has its capacity. */
void t_server_await(int ctl, uint32_t nr_servers);
/* A server that is lent nr requests, and then does nothing at all. */
pid_t t_holder_start(int number, uint32_t nr);

/* ----------------------------------------------- the submitter's side */

enum t_op { T_READ, T_WRITE, T_FSYNC };

#define T_NOWAIT	1	/* RWF_NOWAIT */
#define T_DSYNC		2	/* RWF_DSYNC */

/* One I/O, done by a process of its own, O_DIRECT. */
struct t_io {
	enum t_op op;
	uint64_t offset_bytes;
	uint32_t len_bytes;
	int flags;
	pid_t pid;
	volatile bool submitted;	/* io_submit() has returned */
	volatile bool done;
	volatile long result;		/* bytes or -errno */
	char *data;			/* shared */
};

/* Starts it; does not wait for anything. */
struct t_io *t_submit(int number, enum t_op op, uint64_t offset_bytes,
		      uint32_t len_bytes, int flags);
/* The same; a WRITE's stamps are of that generation, not the first. */
struct t_io *t_submit_generation(int number, enum t_op op,
				 uint64_t offset_bytes, uint32_t len_bytes,
				 int flags, uint64_t generation);
/* The same, and it is in the module's care afterwards. */
struct t_io *t_submit_accepted(int ctl, int number, enum t_op op,
			       uint64_t offset_bytes, uint32_t len_bytes,
			       int flags);
/* Its result, once it is there; the process is gone. */
long t_result(struct t_io *io);

/* io_submit(2) and so on: glibc has no wrappers. */
int t_aio_setup(unsigned int nr, unsigned long *ctx);
int t_aio_submit(unsigned long ctx, int fd, enum t_op op, void *data,
		 uint32_t len_bytes, uint64_t offset_bytes, int flags);
long t_aio_result(unsigned long ctx);	/* of the next event */

/* ----------------------------------------------------------------- stamps */

/*
 * Every 512 bytes say where they belong and which write made them.  offset and
 * len are multiples of 512; data need not be aligned.
 */
void t_stamp(void *data, uint64_t offset_bytes, uint32_t len_bytes,
	     uint64_t generation);
/* Fails the test, saying what is there instead. */
void t_stamp_check(const void *data, uint64_t offset_bytes,
		   uint32_t len_bytes, uint64_t generation);
bool t_stamp_is(const void *data, uint64_t offset_bytes, uint32_t len_bytes,
		uint64_t generation);

/* ------------------------------------------------------------- swapserver */

struct t_swapserver {
	pid_t pid;
	char *status;		/* path; a line when ready, one at the end */
	char *errors;		/* path of what it says on stderr */
};

/*
 * /bin/swapserver with these arguments (separated by spaces) and those of the
 * environment variable SERVER_FLAGS before them; returns when it serves.
 */
struct t_swapserver t_swapserver_start(const char *arguments);
/* The same, without waiting and without SERVER_FLAGS. */
struct t_swapserver t_swapserver_run(const char *arguments);
bool t_swapserver_ready(const struct t_swapserver *s);
bool t_is_live(int number);	/* has /dev/abuseN its capacity? */

/*
 * Let a process make a system call (0, one page, ...) where it sleeps in one
 * now, which is given up.  What becomes of it, it sees.
 */
void t_inject(pid_t pid, long nr);

/* A swap area over all of /dev/abuseN; the device must be served. */
void t_mkswap(int number);
int t_swapon(int number);
int t_swapoff(int number);

/* Ask for all of a process's memory to be swapped out; bytes that took it. */
uint64_t t_evict(pid_t pid);
uint64_t t_swapped_kb(pid_t pid);	/* of smaps */

#endif
