// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will power the guest off by systemctl while /dev/abuse0 has pages
 * in swap, on the unit as it is installed: swapoff comes first, the server is
 * there until nothing is left but reboot(2), and no page is lost.
 *
 * Where it stands: systemd > swapoff > bio > queue > ioctl > [server] > disk.
 *
 * time: 90
 * busted: env=T_TWIN=plain
 */
#include "sd.h"

#define BYTES	(8 * T_MIB)

int main(int argc, char **argv)
{
	struct sd_holder holder;
	struct board *board;
	pid_t active;

	sd_init(argc, argv, 85);
	board = sd_start(SD_DISK);
	holder = sd_holder_start(BYTES);
	active = sd_active(board);
	T_TRUE(!sd_shutdown("poweroff"), "when the final kill began: expected swap off, found it on");
	T_TRUE(sd_lives(active) && sd_lives(board->supervisor),
	       "at the end of the shutdown: expected server %d and supervisor %d, found one of them gone",
	       active, board->supervisor);
	T_TRUE(!sd_swap_is_on(), "at the end of the shutdown: expected swap off, found it on");
	sd_holder_check(&holder);
	sd_end(board);
	return t_end();
}
