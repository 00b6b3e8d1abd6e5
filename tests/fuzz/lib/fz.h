/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fz.h - what the files of the fuzzer share
 *
 * Where it stands: [fuzzer] > /dev/abctlN, /dev/abuseN, sysfs > module.
 *
 * An *actor* is a process with a part to play: a hostile server, a good one,
 * a submitter.  What an actor does is a row of *operations*, numbered from 0.
 * Operation k of actor a is a function of (seed, a, k) alone: each has a
 * generator of its own, so that what an operation finds (which requests are
 * there) does not change the next.  Scheduling is not replayed.
 *
 * An actor that dies is started again, and goes on with the next operation.
 *
 * A *finding* is anything that the contract does not allow.
 */
#ifndef TESTS_FUZZ_FZ_H
#define TESTS_FUZZ_FZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/abuse.h>

#include "t.h"
#include "t_rand.h"

#define FZ_ACTORS	32
#define FZ_DEVICES	3	/* with actors of their own */
#define FZ_POOL		256	/* ids that somebody once had, per device */
#define FZ_FINDINGS_MAX	16
#define FZ_ERRNO_MAX	134

/* The devices, by what may be done to them. */
enum fz_place {
	FZ_WILD,	/* everything, answers included */
	FZ_MODEL,	/* everything that must not harm the data */
	FZ_CHURN,	/* everything, and often configured anew */
};

/* ---------------------------------------------------------------- actors */

struct fz_actor;

/* One kind of operation; weight: how often, among those of a list. */
struct fz_op {
	const char *name;
	uint32_t weight;
	void (*run)(struct fz_actor *a, struct t_rand *r);
};

struct fz_kind {
	const char *name;
	const struct fz_op *ops;
	/* Before the first operation, after every start; may be NULL. */
	void (*start)(struct fz_actor *a);
	uint32_t patience_ms;	/* an operation may last as long */
	bool serves;		/* others depend on it: stops last */
};

/* Shared: what an actor has done survives it. */
struct fz_actor {
	const struct fz_kind *kind;
	uint32_t index;
	int device;
	uint32_t part;		/* of those of its kind: which */
	pid_t pid;
	volatile bool finished;
	volatile uint64_t step;		/* the operation under way */
	volatile long step_began_ms;
	const char * volatile op;
	char said[160];			/* by fz_say(): its arguments */
	uint64_t nr_ops;
	uint64_t nr_starts;
};

/* What all processes share. */
struct fz_shared {
	uint64_t seed;
	volatile bool stop;		/* those who ask for I/O */
	volatile bool stop_servers;	/* those who answer it, later */
	uint32_t nr_actors;
	struct fz_actor actors[FZ_ACTORS];
	volatile uint32_t nr_findings;
	/* ids that were lent once, for others to try: 0 is none */
	volatile uint64_t pool[FZ_DEVICES][FZ_POOL];
	volatile uint32_t pool_at[FZ_DEVICES];
	/* by call of fz_calls[], and by errno */
	uint64_t nr_calls[32];
	uint64_t nr_errnos[FZ_ERRNO_MAX];
	uint64_t nr_bios;
	uint64_t nr_io;
	uint64_t verified_bytes;
	uint64_t nr_kills;
	uint64_t nr_resets;
	uint64_t nr_configured;
	bool verbose;
	bool has_control;	/* /dev/abuse-control */
	char backing[2][32];	/* paths, or "" */
};

extern struct fz_shared *fz;

extern const struct fz_kind fz_hostile, fz_guest, fz_configurator;
extern const struct fz_kind fz_good_server, fz_good_legacy;
extern const struct fz_kind fz_submitter, fz_wild_io;
extern const struct fz_kind fz_attributes, fz_control, fz_killer, fz_janitor;

/* Run an actor's operations until fz->stop; ends the process. */
void __attribute__((noreturn)) fz_act(struct fz_actor *a, uint64_t from,
				      uint64_t to);
/* The arguments of the operation under way, for findings and --verbose. */
void __attribute__((format(printf, 2, 3)))
fz_say(struct fz_actor *a, const char *format, ...);
void __attribute__((format(printf, 2, 3)))
fz_finding(struct fz_actor *a, const char *format, ...);
/* The same with the words "expected ..., found ...". */
#define FZ_EXPECT(a, cond, ...)						\
	do {								\
		if (!(cond))						\
			fz_finding(a, __VA_ARGS__);			\
	} while (0)
#define fz_count(counter, n) \
	((void)__atomic_fetch_add(&(counter), (n), __ATOMIC_RELAXED))

void fz_sleep_us(uint32_t us);
/* A child of an actor: dies with it. */
pid_t fz_fork(void);
/* Waits for it; kills it, a finding, if it does not end by itself. */
int fz_wait(struct fz_actor *a, pid_t pid);

/* -------------------------------------------------------------- coverage */

#define FZ_TEXT_BYTES	(512u * 1024)	/* the module's text, at the most */

/* Before the first actor; each actor when it starts, and after each operation. */
void fz_cover_init(void);
void fz_cover_start(void);
void fz_cover_take(void);
/* How many places were passed, 0 without KCOV; with T_COVER also which. */
uint64_t fz_cover_report(void);

/* ------------------------------------------------------- calls and errnos */

struct fz_call {
	uint32_t cmd;
	const char *name;
	uint32_t size_bytes;	/* of its argument */
	bool reads;		/* the argument, before anything else */
	bool writes;		/* the argument, when it succeeds */
	const int *errnos;	/* that the header lists; ends with 0 */
};

extern const struct fz_call fz_calls[];
extern const uint32_t fz_nr_calls;
const struct fz_call *fz_call_of(uint32_t cmd);

/*
 * One ioctl: counted; its errno must be in the table, and nothing that it
 * writes to good memory may look like an address of the kernel.
 */
int fz_ioctl(struct fz_actor *a, int fd, uint32_t cmd, void *arg);
/* The same, and it must fail: in which way, the table says. */
int fz_ioctl_bad(struct fz_actor *a, int fd, uint32_t cmd, void *arg,
		 const char *why);
bool fz_is_address(uint64_t value);
void fz_check_id(struct fz_actor *a, uint64_t id);
/* Remember an id for others to try; one that somebody had, or rubbish. */
void fz_pool_put(struct fz_actor *a, uint64_t id);
uint64_t fz_pool_get(struct fz_actor *a, struct t_rand *r);

/* ---------------------------------------------------------------- memory */

enum fz_mem {
	FZ_GOOD,	/* readable and writable */
	FZ_READABLE,	/* readable only */
	FZ_BAD,
};

#define FZ_ARENA_BYTES	(512u * 1024)

/* Each process once: memory below 4 GiB, and holes. */
void fz_memory_init(void);
/* Memory for data: good, at least size_bytes (up to the arena's size). */
char *fz_arena(void);
/*
 * A place for an argument of so many bytes, good most times; good ones may
 * end at the end of the last page that is there.
 */
void *fz_place_arg(struct t_rand *r, uint32_t size_bytes, enum fz_mem *mem);
/* Always good, at the edge now and then. */
void *fz_place_good(struct t_rand *r, uint32_t size_bytes);
void *fz_place_bad(struct t_rand *r);
/* Bytes read from an address that may be anything, or -errno. */
long fz_peek(const void *from, void *to, uint32_t size_bytes);
/* Some of the arena's pages are taken away and given back. */
void fz_memory_churn(struct t_rand *r);

/* ----------------------------------------------------------------- model */

#define FZ_STORE_BYTES	(16u * T_MIB)
#define FZ_SECTORS	(FZ_STORE_BYTES / 512)
#define FZ_ZONE_BYTES	(256u * 1024)	/* odd ones are on the backing */
#define FZ_ZEROES	1u		/* generation of what was zeroed */
#define FZ_UNKNOWN	0u		/* anything may be there */
#define FZ_GOOD_SERVERS	3

struct fz_model {
	char *store;		/* FZ_STORE_BYTES, the even zones */
	uint32_t *generation;	/* of each sector, written by its submitter */
	volatile uint32_t next_generation;
	volatile pid_t servers[FZ_GOOD_SERVERS];
	int hold_fd;		/* of the supervisor: keeps it in use */
};

extern struct fz_model *fz_model;

void fz_model_init(void);

/* --------------------------------------------------------------- devices */

int fz_ctl_open_nr(int number, int flags);
int fz_blk_open_nr(int number, int flags);
/* What the counters promise of each other; number is for the message. */
void fz_counters_check(struct fz_actor *a, int number,
		       const struct abuse_counters *c);
/* Serve and fail all that is QUEUED of a device; true if nothing is left. */
bool fz_drain(int number);
/* Read counters and check them, of all devices that there are. */
void fz_watch(void);
/* At the end: everything balances, every device resets. */
void fz_settle(void);
/* Attribute of /sys/block/abuseN/abuse/; 0 or -errno. */
int fz_attr_write(int number, const char *name, const char *value);

#endif
