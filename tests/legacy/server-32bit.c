// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will run the server of 2009 as a 32-bit program: its status is 44
 * bytes, at the end of its memory; its data passes at addresses low and above
 * 2 GiB; two processes serve, one is killed, and every stamp holds.
 *
 * Where it stands: bio > queue > [ioctl] > [server].
 *
 * time: 60
 * busted: module=no-compat
 * busted: module=info-48
 * busted: module=short-copy
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>

#include "t.h"
#include "server/load.h"
#include "server/program.h"

#define SIZE		T_MIB
#define LOW_ADDRESS	"1048576"	/* 1 MiB */
#define HIGH_ADDRESS	"4026531840"	/* 0xf0000000 */

PROGRAM("server-2009-32");

static pid_t start(const char *index, const char *bound, const char *address)
{
	char size[20];

	sprintf(size, "%u", SIZE);
	return program_start(program_begin, program_end, (char *[]){
		"server-2009-32", "/dev/abctl0", STORE_PATH, size,
		(char *)bound, "0", "1", (char *)index, (char *)address,
		NULL });
}

int main(void)
{
	pid_t low, high, loads[LOAD_SUBMITTERS];
	struct abuse_counters c;
	volatile struct notes *notes;
	int ctl;

	t_init(55);
	notes = (struct notes *)(program_store(SIZE) + SIZE);
	ctl = t_ctl_open(0);
	low = start("0", "16", LOW_ADDRESS);
	T_UNTIL(t_is_live(0) || t_ended(low));
	program_alive(low, "the server with low addresses");
	high = start("1", "0", HIGH_ADDRESS);
	T_UNTIL(t_counters(ctl).ab_nr_servers == 2 || t_ended(high));
	program_alive(high, "the server with high addresses");
	/* One after the other: both at once, one may take it all. */
	T_OK(T_RET(kill(high, SIGSTOP)));
	T_UNTIL(t_state(high) == 'T');
	load_start(loads, SIZE, 2);
	T_UNTIL(notes[0].nr_requests > 5);
	T_OK(T_RET(kill(low, SIGSTOP)));
	T_UNTIL(t_state(low) == 'T');
	T_OK(T_RET(kill(high, SIGCONT)));
	T_UNTIL(notes[1].nr_requests > 5);
	t_kill(low, SIGKILL);
	load_wait(loads);
	program_alive(high, "the server with high addresses");
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_write_bytes, 2 * SIZE);
	T_EQ(c.ab_read_bytes, 2 * SIZE);
	t_kill(high, SIGKILL);
	return t_end();
}
