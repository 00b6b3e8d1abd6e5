// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve by today's calls from a 32-bit program: layouts are the
 * same, an address above 4 GiB is refused though its low half is one of the
 * server's own, and data passes below 2 GiB and above.
 *
 * Where it stands: bio > queue > [ioctl] > [server].
 *
 * time: 60
 * busted: module=no-compat
 * busted: module=short-copy
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>

#include "t.h"
#include "server/load.h"
#include "server/program.h"

#define SIZE		T_MIB

PROGRAM("serve-32");

static pid_t start(const char *address)
{
	char size[20];

	sprintf(size, "%u", SIZE);
	return program_start(program_begin, program_end, (char *[]){
		"serve-32", "/dev/abctl0", STORE_PATH, size, (char *)address,
		NULL });
}

static void serve_at(int ctl, const char *address)
{
	const struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = 512,
		.ab_max_queue = 16,
	};
	pid_t server, loads[LOAD_SUBMITTERS];
	struct t_io *io;

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	t_go_live(ctl);
	/* The server's first steps are about this one. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	server = start(address);
	T_UNTIL(io->done || t_ended(server));
	program_alive(server, "the 32-bit server");
	T_EQ(t_result(io), T_PAGE);
	load_start(loads, SIZE, 1);
	load_wait(loads);
	program_alive(server, "the 32-bit server");
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	int ctl;

	t_init(55);
	program_store(SIZE);
	ctl = t_ctl_open(0);
	serve_at(ctl, "1048576");
	serve_at(ctl, "4026531840");
	return t_end();
}
