// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will make a device read-only under a process that has it open for
 * writing, by RECONNECT and by BLKROSET: the writes, discards and zeroes of
 * that process fail and no server hears of them, reads go on, and the two
 * switches are one, as GET_STATUS says.
 *
 * Where it stands: [bio] > queue > ioctl > server.
 *
 * time: 40
 * busted: module=write-anyway
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	T_MIB
#define FLAGS	(ABUSE_FLAGS_DISCARD | ABUSE_FLAGS_WRITE_ZEROES)

enum { WRITE = 1, READ, DISCARD, ZERO, DIRTY, SYNC, END };

/* The process that has it open: an operation at a time. */
struct writer {
	volatile int op;
	volatile long result;
};

static struct writer *writer;
static int ctl;

static void __attribute__((noreturn)) writer_run(void)
{
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	int cached = t_blk_open(0, O_RDWR);
	const uint64_t range[2] = { 0, T_PAGE };
	char *data = t_shared(T_PAGE);

	T_OK(blk);
	T_OK(cached);
	writer->op = 0;
	for (;;) {
		while (!writer->op)
			t_pause();
		switch (writer->op) {
		case WRITE:
			writer->result = T_RET(pwrite(blk, data, T_PAGE, 0));
			break;
		case READ:
			writer->result = T_RET(pread(blk, data, T_PAGE, 0));
			break;
		case DISCARD:
			writer->result = T_RET(ioctl(blk, BLKDISCARD, range));
			break;
		case ZERO:
			writer->result = T_RET(ioctl(blk, BLKZEROOUT, range));
			break;
		case DIRTY:
			writer->result = T_RET(pwrite(cached, data, T_PAGE,
						      T_PAGE));
			break;
		case SYNC:
			writer->result = T_RET(fsync(cached));
			break;
		case END:
			_exit(0);
		}
		writer->op = 0;
	}
}

static long ask(int op)
{
	writer->op = op;
	T_UNTIL(!writer->op);
	return writer->result;
}

static void writable(const struct t_log *log, bool is)
{
	uint32_t at = log->nr;
	struct abuse_info info;
	long err;
	int op;

	T_EQ(t_attr_number("/sys/block/abuse0/ro"), !is);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(!(info.ab_flags & ABUSE_FLAGS_READ_ONLY), is);
	T_EQ(ask(READ), T_PAGE);
	T_EQ(log->nr, at + 1);
	for (op = WRITE; op <= ZERO; op++) {
		if (op == READ)
			continue;
		err = ask(op);
		if (is)
			T_OK(err);
		else
			T_TRUE(err == -EIO || err == -EPERM || err == -EROFS ||
			       err == -EACCES,
			       "operation %d on a read-only disk: expected an error, found %s",
			       op, t_name(err));
	}
	T_EQ(log->nr, at + (is ? 4 : 1));
}

static void reconnect(int read_only)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 8,
		.ab_flags = (read_only ? ABUSE_FLAGS_READ_ONLY : 0) | FLAGS |
			    ABUSE_FLAGS_RECONNECT,
	};

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
}

/*
 * What was written to the page cache while that was allowed: the block layer
 * lets it pass, with a word in the log.  The refusal is the module's.
 */
static void cached_write(const struct t_log *log, bool refused,
			 void (*switch_to)(int read_only))
{
	uint32_t at;
	long err;

	T_EQ(ask(DIRTY), T_PAGE);
	switch_to(refused);
	at = log->nr;
	err = ask(SYNC);
	T_TRUE(refused ? err == -EIO : !err,
	       "writing the cache back: expected %s, found %s",
	       refused ? "-EIO" : "success", t_name(err));
	T_EQ(t_log_count(log, at, ABUSE_WRITE, 0), !refused);
	switch_to(0);
}

/* As `blockdev --setro` does, from another process. */
static void roset(int read_only)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		int blk = t_blk_open(0, O_RDONLY);

		T_OK(blk);
		T_OK(T_RET(ioctl(blk, BLKROSET, &read_only)));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

int main(void)
{
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server, pid;

	t_init(35);
	store = t_store_make(SIZE);
	writer = t_shared(sizeof(*writer));
	writer->op = -1;
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, FLAGS);
	server = t_recorder_start(0, &store, log);
	pid = t_fork(false);
	if (!pid)
		writer_run();
	T_UNTIL(!writer->op);
	writable(log, true);
	reconnect(1);
	writable(log, false);
	reconnect(0);
	writable(log, true);
	roset(1);
	writable(log, false);
	/* A server that comes back without the flag makes it writable. */
	reconnect(0);
	writable(log, true);
	reconnect(1);
	roset(0);
	writable(log, true);
	cached_write(log, false, reconnect);
	cached_write(log, true, reconnect);
	cached_write(log, true, roset);
	writer->op = END;
	T_EQ(t_reap(pid), 0);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
