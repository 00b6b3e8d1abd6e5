// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will run a server that was written and compiled against the header
 * of 2009 alone: three processes of two threads each on one device, one of
 * them killed in the middle.  Every stamp holds, no submitter is told of an
 * error, and a fourth process comes by RECONNECT and answers a flush.
 *
 * Where it stands: bio > queue > [ioctl] > [server].
 *
 * time: 60
 * busted: module=end-in-put
 * busted: module=lose-on-release
 * busted: module=short-copy
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>

#include "t.h"
#include "server/load.h"
#include "server/program.h"

#define SIZE		(2 * T_MIB)
#define SERVERS		3
#define ROUNDS		3
/* What each server must have had of the work: one processor is not fair. */
#define SHARE		1

PROGRAM("server-2009");

static pid_t start(int index, unsigned int bound, unsigned int flags)
{
	char size[20], bounds[20], flag[20], number[20];

	sprintf(size, "%u", SIZE);
	sprintf(bounds, "%u", bound);
	sprintf(flag, "%u", flags);
	sprintf(number, "%d", index);
	return program_start(program_begin, program_end, (char *[]){
		"server-2009", "/dev/abctl0", STORE_PATH, size, bounds, flag,
		"2", number, "0", NULL });
}

int main(void)
{
	pid_t servers[SERVERS + 1], loads[LOAD_SUBMITTERS];
	struct abuse_counters c;
	struct abuse_info info;
	volatile struct notes *notes;
	struct t_io *io;
	unsigned int nr_threads = 0;
	int ctl, i;

	t_init(55);
	notes = (struct notes *)(program_store(SIZE) + SIZE);
	ctl = t_ctl_open(0);
	servers[0] = start(0, 64, ABUSE_FLAGS_WRITE_CACHE);
	T_UNTIL(t_is_live(0) || t_ended(servers[0]));
	program_alive(servers[0], "the first server");
	for (i = 1; i < SERVERS; i++)
		servers[i] = start(i, 0, 0);
	T_UNTIL(t_counters(ctl).ab_nr_servers == SERVERS);
	/* It dies with what it has PUT and not stored: nothing is lost. */
	notes[1].hold_after = SHARE;
	load_start(loads, SIZE, ROUNDS);
	T_UNTIL(notes[1].nr_holding || t_ended(servers[1]));
	program_alive(servers[1], "the second server");
	t_kill(servers[1], SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_servers == SERVERS - 1);
	load_wait(loads);
	program_alive(servers[0], "the first server");
	program_alive(servers[2], "the third server");
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	T_EQ(c.ab_write_bytes, ROUNDS * SIZE);
	T_EQ(c.ab_read_bytes, ROUNDS * SIZE);
	for (i = 0; i < SERVERS; i++) {
		nr_threads += notes[i].nr_threads_that_served;
		T_TRUE(notes[i].nr_requests >= SHARE,
		       "server %d: expected a share of the work, found %u requests",
		       i, notes[i].nr_requests);
	}
	T_TRUE(nr_threads > SERVERS,
	       "threads that served: expected more than one of a server, found %u of %u servers",
	       nr_threads, SERVERS);

	servers[3] = start(3, 32, ABUSE_FLAGS_WRITE_CACHE |
				  ABUSE_FLAGS_RECONNECT);
	T_UNTIL(t_counters(ctl).ab_nr_servers == SERVERS ||
		t_ended(servers[3]));
	program_alive(servers[3], "a server that comes back");
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_max_queue, 32);
	T_EQ(info.ab_flags, ABUSE_FLAGS_WRITE_CACHE);
	t_kill(servers[0], SIGKILL);
	t_kill(servers[2], SIGKILL);
	io = t_submit(0, T_FSYNC, 0, 0, 0);
	T_EQ(t_result(io), 0);
	T_EQ(notes[3].nr_syncs, 1);
	T_EQ(t_counters(ctl).ab_flushes, 1);
	t_kill(servers[3], SIGKILL);
	return t_end();
}
