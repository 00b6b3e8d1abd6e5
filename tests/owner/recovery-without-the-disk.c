// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will stop a server in the middle of the partition scan, so that
 * nobody can open the disk: a new server opens the control node, reconnects,
 * grows the device, sets its scope and asks for work without waiting for the
 * disk, and when the old one is gone it serves, and everything goes on.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * module-args: max_part=4
 * busted: module=reconnect-opens-disk
 * busted: module=lose-on-release
 * invariant: I4 I15
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE	(4 * T_MIB)

struct first {
	volatile int lent;
	volatile uint32_t command;
};

/* It is lent the scan's READ, and stops. */
static void __attribute__((noreturn)) first_server(struct first *f)
{
	int ctl = t_ctl_open(0);
	struct abuse_lent lent;

	t_configure(ctl, SIZE, 8, 0);
	f->lent = t_serve(ctl, NULL, 0, &lent, 1, 0, NULL);
	f->command = lent.ab_command;
	raise(SIGSTOP);
	for (;;)
		pause();
}

static long open_disk(void *arg)
{
	int fd = t_blk_open(0, O_RDONLY);

	(void)arg;
	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

/* All that a server does before it is lent something. */
static long recover(void *arg)
{
	const struct abuse_scope scope = {
		.ab_target = ABUSE_SCOPE_DEVICE,
		.ab_scope = ABUSE_SCOPE_NOIO,
	};
	const struct abuse_poll events = {
		.ab_events = ABUSE_POLL_MSG,
		.ab_threshold = 1,
	};
	struct abuse_info info = { 0 };
	int ctl = t_ctl_open(0);
	struct pollfd p = { .fd = ctl, .events = POLLMSG };
	struct abuse_lent lent;

	(void)arg;
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	T_EQ(info.ab_size, SIZE);
	info.ab_flags |= ABUSE_FLAGS_RECONNECT | ABUSE_FLAGS_READ_ONLY;
	info.ab_size = 2 * SIZE;
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	info.ab_flags &= ~ABUSE_FLAGS_READ_ONLY;
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &scope));
	T_OK(t_ioctl(ctl, ABUSE_SET_POLL, &events));
	T_EQ(poll(&p, 1, 0), 0);
	T_EQ(t_lend(ctl, &lent, 1), 0);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	return 0;
}

/* What a monitor reads. */
static long look(void *arg)
{
	static const char * const names[] = {
		"state", "servers", "backings", "queued", "lent", "slots_free",
		"no_server", "store_id", "oldest_ms",
	};
	size_t i;

	(void)arg;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		t_attr(T_ABUSE, 0, names[i]);
	t_read_text("/sys/kernel/debug/abuse/abuse0/counters");
	t_read_text("/sys/kernel/debug/abuse/abuse0/queue");
	return 0;
}

int main(void)
{
	const struct t_server how = { .index = 0 };
	struct first *f = t_shared(sizeof(*f));
	struct t_call *opener, *call;
	struct t_store store;
	pid_t first, second;
	int ctl;

	t_init(35);
	/* The scan is to last: else it would fail by itself and be over. */
	t_policy(0, "scan_timeout_ms", "600000");
	ctl = t_ctl_open(0);
	first = t_fork(false);
	if (!first)
		first_server(f);
	T_UNTIL(f->lent && t_state(first) == 'T');
	T_EQ(f->lent, 1);
	T_EQ(f->command, ABUSE_READ);
	/* The control: the disk cannot be opened. */
	opener = t_call_start(open_disk, NULL);
	T_UNTIL(opener->begun && t_state(opener->pid) == 'D');

	call = t_call_start(recover, NULL);
	T_EQ(t_call_result(call), 0);
	call = t_call_start(look, NULL);
	T_EQ(t_call_result(call), 0);
	T_EQ(opener->done, false);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);

	store = t_store_make(2 * SIZE);
	second = t_server_start(&store, &how);
	t_kill(first, SIGKILL);
	T_EQ(t_call_result(opener), 0);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	T_TRUE(store.served[0].requests >= 1, "the second server: expected it to have served the scan, found nothing");
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_result(t_submit(0, T_WRITE, 2 * SIZE - T_PAGE, T_PAGE, 0)),
	     T_PAGE);
	t_kill(second, SIGKILL);
	t_policy(0, "scan_timeout_ms", "5000");
	return t_end();
}
