// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server whose write to the store is still on its way, to
 * a disk that holds writes back: the next server gets the request only when
 * that write has ended, so that it cannot overwrite what came after it.
 *
 * Where it stands: bio > queue > ioctl > [server] > disk.
 *
 * time: 40
 * busted: module=pass-at-signal
 * busted: module=lose-on-release
 * invariant: I4 I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "t_disk.h"

#define HELD_BACK_MS	4000

static const char *slow;
static int ctl;

/* As a server with O_DIRECT on a raw disk does it. */
static void __attribute__((noreturn)) first_server(void)
{
	int fd = T_OK(t_disk_open(slow, O_RDWR | O_DIRECT));
	char *data = t_shared(T_PAGE);
	struct abuse_lent lent;

	ctl = t_ctl_open(0);
	lent = t_lend_one(ctl);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, T_PAGE));
	T_EQ(T_RET(pwrite(fd, data, T_PAGE, lent.ab_sector * 512)), T_PAGE);
	/* Not reached: it is killed in the line before. */
	_exit(1);
}

/* The second server has no such delay. */
static void store_one(struct t_io *io)
{
	static char data[T_PAGE];
	struct abuse_lent lent;
	int nr;

	T_UNTIL((nr = t_lend(ctl, &lent, 1)) != 0);
	T_EQ(nr, 1);
	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, T_PAGE));
	t_disk_write(T_STORE, lent.ab_sector * 512, data, T_PAGE);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
}

int main(void)
{
	static char data[T_PAGE];
	struct t_io *io;
	bool early;
	pid_t pid;

	t_init(35);
	slow = t_dm_delay_writes("late", T_STORE, HELD_BACK_MS);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	pid = t_fork(false);
	if (!pid)
		first_server();
	/* On its way, not only begun: killed earlier, it would never be sent. */
	T_UNTIL(t_dm_held_back("late") == 1 &&
		t_stack_has(pid, "blkdev_direct_IO"));
	T_OK(T_RET(kill(pid, SIGKILL)));
	/* The control: it is killed, and not gone. */
	T_EQ(t_ended(pid), false);

	store_one(io);
	early = !t_ended(pid);
	/* The submitter knows that it is stored, and goes on. */
	io = t_submit_generation(0, T_WRITE, 0, T_PAGE, 0, 2);
	store_one(io);
	t_reap(pid);
	t_disk_read(T_STORE, 0, data, T_PAGE);
	t_stamp_check(data, 0, T_PAGE, 2);
	T_TRUE(!early, "the first server's write: expected it to have ended before the second got the request, found it on its way");
	t_dm_remove("late");
	return t_end();
}
