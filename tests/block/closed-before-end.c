// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will close the device before the I/O on it has ended, so that the
 * end drops the last reference of the open file: the device is closed although
 * its only server goes to sleep at once, and that server is there to answer
 * the writes that the last close begins.
 *
 * Where it stands: bio > queue > ioctl > server > [completion].
 *
 * time: 40
 * busted: module=end-in-task
 * invariant: I15
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(4 * T_MIB)

struct turn {
	bool hold;	/* the server waits, what it is lent in its hands */
	bool lent;
	bool closed;	/* by the submitter, which waits for its I/O */
};

/* Dirty pages that this close leaves behind: it is not the last one. */
static void make_dirty(void)
{
	static char data[T_PAGE];
	int blk = t_blk_open(0, O_RDWR);

	T_OK(blk);
	t_stamp(data, T_MIB, sizeof(data), 5);
	T_EQ(T_RET(pwrite(blk, data, sizeof(data), T_MIB)), sizeof(data));
	close(blk);
}

static void __attribute__((noreturn)) submitter(volatile bool *closed)
{
	char *data = t_shared(T_PAGE);
	int blk = t_blk_open(0, O_RDWR | O_DIRECT);
	unsigned long ctx;

	T_OK(blk);
	T_OK(t_aio_setup(1, &ctx));
	t_stamp(data, 0, T_PAGE, 4);
	T_OK(t_aio_submit(ctx, blk, T_WRITE, data, T_PAGE, 0, 0));
	close(blk);
	*closed = true;
	T_EQ(t_aio_result(ctx), T_PAGE);
	_exit(0);
}

/* It ends one request and sleeps for the next in one call, as swapserver. */
static void __attribute__((noreturn))
serve(const struct t_store *store, volatile struct turn *turn)
{
	struct abuse_verb end = { .ab_verb = ABUSE_VERB_COMPLETE };
	struct abuse_lent lent;
	uint32_t nr_verbs = 0;
	int ctl = t_ctl_open(0);

	for (;;) {
		T_EQ(t_serve(ctl, &end, nr_verbs, &lent, 1, 0, NULL), 1);
		nr_verbs = 1;
		end.ab_id = lent.ab_id;
		turn->lent = true;
		while (turn->hold)
			t_pause();
		T_OK(t_verb(ctl, lent.ab_command == ABUSE_WRITE ?
			    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
			    lent.ab_id, store->memory + lent.ab_sector * 512,
			    0, lent.ab_len_bytes));
	}
}

static void round_of(int ctl, const struct t_store *store, bool dirty)
{
	volatile struct turn *turn = t_shared(sizeof(*turn));
	pid_t server = t_fork(false), pid, writer;

	if (!server)
		serve(store, turn);
	t_server_await(ctl, 1);
	T_UNTIL(!t_counters(ctl).ab_nr_opens &&
		t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	turn->hold = true;
	turn->lent = false;
	pid = t_fork(false);
	if (!pid)
		submitter(&turn->closed);
	T_UNTIL(turn->closed && turn->lent);
	T_EQ(t_counters(ctl).ab_nr_opens, 1);
	if (dirty) {
		writer = t_fork(false);
		if (!writer) {
			make_dirty();
			_exit(0);
		}
		T_EQ(t_reap(writer), 0);
	}
	turn->hold = false;
	T_EQ(t_reap(pid), 0);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	if (dirty)
		t_stamp_check(store->memory + T_MIB, T_MIB, T_PAGE, 5);
	t_kill(server, SIGKILL);
	t_server_await(ctl, 0);
}

int main(void)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 16,
	};
	struct t_store store;
	int ctl;

	t_init(35);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	round_of(ctl, &store, false);	/* asleep, it would keep it open */
	round_of(ctl, &store, true);	/* and here, wait for itself */
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
