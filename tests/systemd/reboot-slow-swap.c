// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will reboot the guest by systemctl while /dev/abuse0 has pages in
 * swap that come back slowly: systemd gives the swapoff up and kills all that
 * is left, the server not, by the @ of its name; so what lives on still has its
 * pages, every one, and the reboot comes.
 *
 * Where it stands: systemd > swapoff > bio > queue > ioctl > [server] > disk.
 *
 * time: 90
 * busted: env=T_TWIN=no-at
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sd.h"

/*
 * 192 pages of 80 ms.  systemd has patience with a swapoff for 2 s, three times,
 * and then with what does not end for 5 s, twice (DefaultTimeoutStopSec=).
 */
#define BYTES	(768 * 1024)
#define SLOW	"fault,only=read,delay_ms=80:" SD_DISK
#define DROP_IN	"/etc/systemd/system/dev-abuse0.swap.d"

/* The command line begins with something else than it does. */
static void take_at(pid_t pid)
{
	const char *p = strrchr(t_read_text("/proc/%d/stat", pid), ')');
	unsigned long start = 0;
	char path[32];
	int field, fd;

	/* Field 48 is arg_start; the one behind the name is number 3. */
	for (field = 3; p && field < 48; field++)
		p = strchr(p + 1, ' ');
	if (p)
		p = strchr(p + 1, ' ');
	T_TRUE(p && sscanf(p, "%lu", &start) == 1 && start,
	       "stat of %d: expected arg_start, found none", pid);
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = T_OK(T_RET(open(path, O_WRONLY | O_CLOEXEC)));
	T_EQ(T_RET(pwrite(fd, "s", 1, start)), 1);
	close(fd);
	T_EQ(t_read_text("/proc/%d/cmdline", pid)[0], 's');
}

static void take_all_ats(const struct board *board)
{
	int i;

	take_at(board->supervisor);
	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&board->slots[i].life))
			take_at(turn_holder(&board->slots[i].life));
}

int main(int argc, char **argv)
{
	struct sd_holder holder;
	struct board *board;
	pid_t active;

	sd_init(argc, argv, 85);
	mkdir(DROP_IN, 0755);
	sd_write(DROP_IN "/patience.conf", "[Swap]\nTimeoutSec=2\n");
	board = sd_start(SLOW);
	holder = sd_holder_start(BYTES);
	active = sd_active(board);
	if (t_twin("no-at"))
		take_all_ats(board);
	T_TRUE(sd_shutdown("reboot"), "when the final kill began: expected swap still on, found it off");
	T_TRUE(sd_lives(active) && sd_lives(board->supervisor),
	       "at the end of the shutdown: expected server %d and supervisor %d, found one of them gone",
	       active, board->supervisor);
	/* By a swapoff that systemd has given up, or by this. */
	sd_holder_check(&holder);
	SD_AWAIT(!sd_swap_is_on());
	sd_end(board);
	return t_end();
}
