// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server that cannot die, for its write to the store does
 * not end: it is waited for, named in the kernel log after ten seconds, once,
 * and shown to be dying in sysfs; its request waits for it, and passes on when
 * it has gone at last.
 *
 * Where it stands: bio > queue > ioctl > [server] > disk.
 *
 * time: 60
 * busted: module=dying-unreported
 * busted: module=pass-at-signal
 * expected-log: blocked for more than
 * expected-log: INFO: task
 * expected-log: Call Trace
 * invariant: I13
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define HELD_BACK_MS	14000
#define AFTER_MS	10000	/* how soon it may be reported */

static const char *slow;

static void __attribute__((noreturn)) first_server(void)
{
	int fd = T_OK(t_disk_open(slow, O_RDWR | O_DIRECT));
	int ctl = t_ctl_open(0);
	char *data = t_shared(T_PAGE);

	t_lend_one(ctl);
	T_EQ(T_RET(pwrite(fd, data, T_PAGE, 0)), T_PAGE);
	_exit(1);
}

/* Lines of the log since fd was opened that name the device and the server. */
static int reports(int log, pid_t pid)
{
	char line[2000], number[20];
	ssize_t len;
	int nr = 0;

	snprintf(number, sizeof(number), " %d ", pid);
	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		/* What the runner writes about us is no report. */
		nr += strstr(line, ";abuse0: ") && strstr(line, number);
	}
	return nr;
}

/* "PID LENT OLDEST_MS [dying]", of this server. */
static bool is_dying(pid_t pid)
{
	const char *text = t_attr(T_ABUSE, 0, "servers"), *line;
	char start[20];

	snprintf(start, sizeof(start), "%d 1 ", pid);
	line = strstr(text, start);
	T_TRUE(line, "servers: expected a line \"%s...\", found:\n%s", start,
	       text);
	text = strstr(line, "dying");
	return text && text < line + strcspn(line, "\n");
}

int main(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	int ctl, log, nr = 0;
	long killed_ms;
	pid_t pid;

	t_init(55);
	slow = t_dm_delay_writes("dying", T_STORE, HELD_BACK_MS);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 8, 0);
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	pid = t_fork(false);
	if (!pid)
		first_server();
	/* On its way, not only begun: killed earlier, it would never be sent. */
	T_UNTIL(t_dm_held_back("dying") == 1);
	T_EQ(is_dying(pid), false);
	log = T_OK(t_disk_open("/dev/kmsg", O_RDONLY | O_NONBLOCK));
	lseek(log, 0, SEEK_END);
	T_OK(T_RET(kill(pid, SIGKILL)));
	killed_ms = t_now_ms();
	T_UNTIL(is_dying(pid));

	while (!nr && t_now_ms() - killed_ms < HELD_BACK_MS) {
		nr = reports(log, pid);
		T_EQ(t_lend(ctl, &lent, 1), 0);
		t_pause();
	}
	T_TRUE(nr == 1, "reports of a server that does not die: expected 1, found %d",
	       nr);
	/* A timer that looks once a second may see it late, not early. */
	T_TRUE(t_now_ms() - killed_ms >= AFTER_MS, "the report: expected after %d ms, found after %ld",
	       AFTER_MS, t_now_ms() - killed_ms);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_EQ(t_counters(ctl).ab_requeued, 0);
	T_TRUE(!io->done, "the I/O: expected to wait, found it ended");

	t_reap(pid);
	T_EQ(reports(log, pid), 0);
	lent = t_lend_one(ctl);
	t_answer(ctl, &lent);
	T_EQ(t_result(io), T_PAGE);
	t_dm_remove("dying");
	return t_end();
}
