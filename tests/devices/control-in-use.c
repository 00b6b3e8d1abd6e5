// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will remove devices that are in use: EBUSY as long as the disk is
 * open, or its control node, or it is swap, or a request is in care; and when
 * that is over the device goes, configured or not.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 40
 * busted: module=remove-in-use
 * invariant: I10
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	T_MIB
#define NUMBER	1

static void busy(void)
{
	uint32_t numbers[2];

	T_EQ(t_control(ABUSE_CTL_REMOVE, NUMBER), -EBUSY);
	T_EQ(t_control_list(numbers, 2), 8);
	T_EQ(numbers[NUMBER], NUMBER);
}

static void goes(void)
{
	T_OK(t_control(ABUSE_CTL_REMOVE, NUMBER));
	T_EQ(t_control(ABUSE_CTL_ADD, NUMBER), NUMBER);
}

/* A process that does one thing and waits until it may end. */
static pid_t swap_user(volatile int *step)
{
	pid_t pid = t_fork(false);

	if (pid)
		return pid;
	t_mkswap(NUMBER);
	T_OK(t_swapon(NUMBER));
	*step = 1;
	while (*step != 2)
		t_pause();
	T_OK(t_swapoff(NUMBER));
	_exit(0);
}

int main(void)
{
	volatile int *step = t_shared(T_PAGE);
	struct t_log *log = t_log_make();
	struct abuse_counters c;
	struct t_store store;
	int ctl, blk, other;
	pid_t server, user;
	struct t_io *io;

	t_init(35);
	store = t_store_make(SIZE);

	blk = t_blk_open(NUMBER, O_RDONLY);
	T_OK(blk);
	busy();
	close(blk);
	goes();

	ctl = t_ctl_open(NUMBER);
	busy();
	/* Not the last descriptor. */
	other = dup(ctl);
	t_ctl_close(ctl);
	busy();
	close(other);
	goes();

	/* A request in care, and no server. */
	ctl = t_ctl_open(NUMBER);
	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, NUMBER, T_WRITE, 0, T_PAGE, 0);
	t_ctl_close(ctl);
	busy();
	server = t_recorder_start(NUMBER, &store, log);
	T_EQ(t_result(io), T_PAGE);
	busy();
	t_kill(server, SIGKILL);

	/* As swap, its server dead, no control node open. */
	server = t_recorder_start(NUMBER, &store, log);
	user = swap_user(step);
	T_UNTIL(*step == 1 || t_ended(user));
	t_kill(server, SIGKILL);
	busy();
	server = t_recorder_start(NUMBER, &store, log);
	*step = 2;
	T_EQ(t_reap(user), 0);
	ctl = t_ctl_open(NUMBER);
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	t_ctl_close(ctl);
	t_kill(server, SIGKILL);
	/* Configured, live, and nobody there: it may go. */
	goes();
	T_EQ(t_attr_number("/sys/block/abuse%d/size", NUMBER), 0);
	return t_end();
}
