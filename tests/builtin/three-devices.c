// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will find the driver in the kernel with as many devices as its
 * command line says, and read back from the last of them what it wrote.
 *
 * Where it stands: [devices] > bio > queue > ioctl > server.
 *
 * time: 20
 * busted: env=WANTED=4
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

static uint32_t nr_devices(void)
{
	char path[32];
	uint32_t nr = 0;

	do {
		snprintf(path, sizeof(path), "/sys/block/abuse%u", nr);
	} while (!access(path, F_OK) && ++nr);
	return nr;
}

int main(void)
{
	const char *wanted = getenv("WANTED");
	const char *said = strstr(t_read_text("/proc/cmdline"), "max_abuse=");
	struct t_store store = t_store_make(T_MIB);
	struct t_server how = { 0 };
	struct t_io *io;
	uint32_t nr;
	pid_t server;
	int ctl;

	t_init(15);
	T_TRUE(said, "expected max_abuse= on the command line");
	nr = strtoul(wanted ?: said + strlen("max_abuse="), NULL, 10);
	T_EQ(nr_devices(), nr);
	how.number = nr - 1;
	ctl = t_ctl_open(how.number);
	t_configure(ctl, T_MIB, 0, 0);
	server = t_server_start(&store, &how);
	t_server_await(ctl, 1);
	io = t_submit(how.number, T_WRITE, 8 * T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(store.memory + 8 * T_PAGE, 8 * T_PAGE, T_PAGE, 1);
	io = t_submit(how.number, T_READ, 8 * T_PAGE, T_PAGE, 0);
	T_EQ(t_result(io), T_PAGE);
	t_stamp_check(io->data, 8 * T_PAGE, T_PAGE, 1);
	T_EQ(t_counters(ctl).ab_ended, 2);
	t_kill(server, SIGKILL);
	return t_end();
}
