// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 the main process of the unit, the supervisor, while
 * pages are in swap: the servers go on, systemd starts the unit again, which
 * takes over from them, and at the end a drain ends it well, no page lost.
 *
 * Where it stands: systemd > [supervisor], servers > disk.
 *
 * time: 90
 * busted: env=T_TWIN=plain
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "sd.h"

#define BYTES	(4 * T_MIB)

int main(int argc, char **argv)
{
	struct sd_holder holder;
	struct board *board;
	pid_t main_pid, active;

	sd_init(argc, argv, 85);
	board = sd_start(SD_DISK);
	holder = sd_holder_start(BYTES);
	active = sd_active(board);
	main_pid = atoi(sd_show("MainPID"));
	T_EQ(board->supervisor, main_pid);
	T_OK(T_RET(kill(main_pid, SIGKILL)));
	/* Until there is a new one, the same server serves. */
	SD_AWAIT(board->supervisor != main_pid || !sd_lives(active));
	T_TRUE(board->supervisor != main_pid, "without a supervisor: expected server %d to go on, found it gone",
	       active);
	SD_AWAIT(sd_is("active"));
	T_EQ(atoi(sd_show("MainPID")), board->supervisor);
	T_EQ(atoi(sd_show("NRestarts")), 1);
	SD_AWAIT(!sd_lives(active));
	T_TRUE(sd_active(board) != active, "after the restart: expected another server, found the same");
	T_TRUE(sd_swap_is_on(), "after the restart: expected swap on, found it off");
	sd_holder_check(&holder);
	sd_drain();
	T_TRUE(sd_is("inactive") && !strcmp(sd_show("Result"), "success"),
	       "after a drain: expected the unit inactive and its result success, found %s",
	       sd_show("Result"));
	return t_end();
}
