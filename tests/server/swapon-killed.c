// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill -9 a server while its own swapon waits for it: another
 * is started on the same store, the swapon comes to its end, and it swaps.
 *
 * Where it stands: swapon > bio > queue > ioctl > [server] > disk.
 *
 * time: 60
 * busted: env=T_TWIN=claimed
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* Another test's swap header would be taken as it is, and nothing written. */
static void wipe(void)
{
	static const char zeroes[16 * T_PAGE];
	int fd = T_OK(T_RET(open("/dev/store", O_WRONLY)));

	T_EQ(T_RET(write(fd, zeroes, sizeof(zeroes))), sizeof(zeroes));
	T_OK(T_RET(fsync(fd)));
	close(fd);
}

int main(void)
{
	struct t_swapserver s;
	int ctl;

	t_init(55);
	wipe();
	ctl = t_ctl_open(0);
	s = t_swapserver_start("--swapon /dev/abctl0 fault,only=write,hold=1:disk,path=/dev/store");
	T_UNTIL(t_state(s.pid) == 'T' && t_counters(ctl).ab_nr_lent == 1);
	t_kill(s.pid, SIGKILL);
	/* As the process that waits did, which had it from the server. */
	if (t_twin("claimed"))
		T_OK(T_RET(open("/dev/store", O_RDWR | O_EXCL)));
	s = t_swapserver_start("/dev/abctl0 disk,path=/dev/store");
	T_UNTIL(strstr(t_read_text("/proc/swaps"), "/dev/abuse0"));
	T_OK(t_swapoff(0));
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	t_kill(s.pid, SIGTERM);
	T_EQ(t_reap(s.pid), 0);
	return t_end();
}
