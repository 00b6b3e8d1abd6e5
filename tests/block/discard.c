// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will discard and zero ranges of a device: a server that asked for
 * them sees DISCARD and WRITE_ZEROES, with NOUNMAP where the caller wants to
 * keep the space, and no data; one that did not is never asked, zeroes come as
 * writes, and the disk shows no such limits.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: module=drop-flags
 * busted: module=no-nounmap
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(4 * T_MIB)
#define HUGE	(16ull << 30)

#define PUNCH	(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define ZERO	(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE)

/* What an operation on a range was told. */
static int ranged(unsigned long cmd, int mode, uint64_t at, uint64_t len)
{
	volatile int *result = t_shared(T_PAGE);
	uint64_t range[2] = { at, len };
	pid_t pid = t_fork(false);
	int blk;

	if (!pid) {
		blk = t_blk_open(0, O_RDWR);
		T_OK(blk);
		*result = cmd ? T_RET(ioctl(blk, cmd, range)) :
				T_RET(fallocate(blk, mode, at, len));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	return *result;
}

static long long limit(const char *name)
{
	return t_attr_number("/sys/block/abuse0/queue/%s", name);
}

static bool is_zero(const char *data, uint32_t len)
{
	return !*data && !memcmp(data, data + 1, len - 1);
}

/* The range has become 0, what is around it has not. */
static void zeroed(struct t_store *store, uint64_t at, uint32_t len)
{
	t_stamp_check(store->memory + at - T_PAGE, at - T_PAGE, T_PAGE, 1);
	T_TRUE(is_zero(store->memory + at, len),
	       "%u bytes at %llu: expected zeroes, found others",
	       len, (unsigned long long)at);
	t_stamp_check(store->memory + at + len, at + len, T_PAGE, 1);
	t_stamp(store->memory + at, at, len, 1);
}

static void no_such(const struct t_log *log, uint32_t first)
{
	T_EQ(t_log_count(log, first, ABUSE_DISCARD, 0), 0);
	T_EQ(t_log_count(log, first, ABUSE_WRITE_ZEROES, 0), 0);
}

static void lent_is(const struct t_log *log, uint32_t at, uint32_t command,
		    uint64_t from, uint32_t len, uint32_t flags)
{
	T_EQ(log->nr, at + 1);
	T_EQ(log->lent[at].ab_command, command);
	T_EQ(log->lent[at].ab_sector, from / 512);
	T_EQ(log->lent[at].ab_len_bytes, len);
	T_EQ(log->lent[at].ab_flags, flags);
}

static void round_of(int ctl, uint32_t flags)
{
	bool discards = flags & ABUSE_FLAGS_DISCARD;
	bool zeroes = flags & ABUSE_FLAGS_WRITE_ZEROES;
	struct t_store store = t_store_make(SIZE);
	struct t_log *log = t_log_make();
	uint64_t bytes = 0;
	pid_t server;
	uint32_t at;

	t_stamp(store.memory, 0, SIZE, 1);
	t_configure(ctl, SIZE, 8, flags);
	server = t_recorder_start(0, &store, log);
	T_EQ(limit("discard_max_bytes") > 0, discards);
	T_EQ(limit("discard_max_hw_bytes") > 0, discards);
	T_EQ(limit("write_zeroes_max_bytes") > 0, zeroes);
	if (discards)
		T_EQ(limit("discard_granularity"), T_PAGE);

	at = log->nr;
	if (discards) {
		T_EQ(ranged(BLKDISCARD, 0, T_MIB, T_MIB), 0);
		lent_is(log, at, ABUSE_DISCARD, T_MIB, T_MIB, 0);
		zeroed(&store, T_MIB, T_MIB);
		bytes += T_MIB;
	} else {
		T_EQ(ranged(BLKDISCARD, 0, T_MIB, T_MIB), -EOPNOTSUPP);
		T_EQ(log->nr, at);
	}

	at = log->nr;
	T_EQ(ranged(BLKZEROOUT, 0, 2 * T_MIB, 8 * T_PAGE), 0);
	zeroed(&store, 2 * T_MIB, 8 * T_PAGE);
	if (zeroes) {
		lent_is(log, at, ABUSE_WRITE_ZEROES, 2 * T_MIB, 8 * T_PAGE,
			ABUSE_LENT_NOUNMAP);
		bytes += 8 * T_PAGE;
	} else {
		T_TRUE(t_log_count(log, at, ABUSE_WRITE, 0) > 0,
		       "zeroes without WRITE_ZEROES: expected writes, found none");
		no_such(log, at);
	}

	at = log->nr;
	if (zeroes) {
		T_EQ(ranged(0, PUNCH, T_MIB, 4 * T_PAGE), 0);
		lent_is(log, at, ABUSE_WRITE_ZEROES, T_MIB, 4 * T_PAGE, 0);
		zeroed(&store, T_MIB, 4 * T_PAGE);
		T_EQ(ranged(0, ZERO, T_MIB, 4 * T_PAGE), 0);
		lent_is(log, at + 1, ABUSE_WRITE_ZEROES, T_MIB, 4 * T_PAGE,
			ABUSE_LENT_NOUNMAP);
		zeroed(&store, T_MIB, 4 * T_PAGE);
		bytes += 8 * T_PAGE;
	} else {
		T_EQ(ranged(0, PUNCH, T_MIB, 4 * T_PAGE), -EOPNOTSUPP);
		T_EQ(log->nr, at);
	}
	T_EQ(t_counters(ctl).ab_discard_bytes, bytes);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

/* No data, and more bytes than a request can name. */
static void whole_device(int ctl)
{
	struct abuse_lent lent;
	uint64_t at = 0;
	char data[512];
	pid_t pid;
	int blk;

	t_configure(ctl, HUGE, 8, ABUSE_FLAGS_DISCARD);
	t_go_live(ctl);
	pid = t_fork(false);
	if (!pid) {
		const uint64_t range[2] = { 0, HUGE };

		blk = t_blk_open(0, O_RDWR);
		T_OK(blk);
		T_OK(T_RET(ioctl(blk, BLKDISCARD, range)));
		_exit(0);
	}
	while (at < HUGE) {
		T_UNTIL(t_counters(ctl).ab_nr_queued || t_ended(pid));
		lent = t_lend_one(ctl);
		T_EQ(lent.ab_command, ABUSE_DISCARD);
		T_EQ(lent.ab_sector, at / 512);
		T_TRUE(lent.ab_len_bytes && !(lent.ab_len_bytes % T_PAGE),
		       "a discard: expected whole blocks, found %u bytes",
		       lent.ab_len_bytes);
		T_EQ(t_verb(ctl, ABUSE_VERB_COPY_IN, lent.ab_id, data, 0, 1),
		     -EINVAL);
		T_EQ(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, 1),
		     -EINVAL);
		T_OK(t_complete(ctl, lent.ab_id));
		at += lent.ab_len_bytes;
	}
	T_EQ(t_reap(pid), 0);
	T_EQ(at, HUGE);
	T_EQ(t_counters(ctl).ab_discard_bytes, HUGE);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	int ctl;

	t_init(55);
	ctl = t_ctl_open(0);
	round_of(ctl, 0);
	round_of(ctl, ABUSE_FLAGS_DISCARD);
	round_of(ctl, ABUSE_FLAGS_WRITE_ZEROES);
	round_of(ctl, ABUSE_FLAGS_DISCARD | ABUSE_FLAGS_WRITE_ZEROES);
	/* The limits of the last configuration are not kept. */
	round_of(ctl, 0);
	whole_device(ctl);
	return t_end();
}
