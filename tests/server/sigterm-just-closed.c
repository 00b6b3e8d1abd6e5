// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will close the device before its last I/O has ended, and send
 * SIGTERM to swapserver as soon as that has: a worker of the kernel is yet to
 * close the file, and the server ends all the same, with status 0.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=T_TWIN=kept-open
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define ROUNDS 10

/* No byte of the file is left to us when the event is there. */
static void __attribute__((noreturn)) submitter(pid_t server)
{
	char *data = t_shared(T_PAGE);
	int blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	unsigned long ctx;

	T_OK(blk);
	T_OK(t_aio_setup(1, &ctx));
	T_OK(t_aio_submit(ctx, blk, T_READ, data, T_PAGE, 0, 0));
	if (!t_twin("kept-open"))
		close(blk);
	T_EQ(t_aio_result(ctx), T_PAGE);
	kill(server, SIGTERM);
	while (t_twin("kept-open"))
		pause();
	_exit(0);
}

int main(void)
{
	struct t_swapserver s;
	pid_t pid;
	int i;

	t_init(55);
	for (i = 0; i < ROUNDS; i++) {
		s = t_swapserver_start("--size 4M /dev/abctl0 fault,only=read,delay_ms=20:null");
		pid = t_fork(false);
		if (!pid)
			submitter(s.pid);
		T_EQ(t_reap(s.pid), 0);
		T_EQ(t_reap(pid), 0);
	}
	return t_end();
}
