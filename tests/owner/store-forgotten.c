// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have a server present its store, reset the device and bind it
 * to another store.  The server, its file still open, must be lent nothing: it
 * has the wrong store now.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * busted: module=store-remembered
 * invariant: I14
 */
#include <signal.h>
#include <unistd.h>

#include "t.h"

#define SIZE T_MIB

static const struct abuse_store first = { .ab_id = { 1 } };
static const struct abuse_store second = { .ab_id = { 2 } };

struct shared {
	volatile bool presented;
	volatile bool go;
	volatile int result;
	volatile bool done;
};

static int present(int ctl, const struct abuse_store *store, uint32_t flags)
{
	struct abuse_store s = *store;

	s.ab_flags = flags;
	return t_ioctl(ctl, ABUSE_SET_STORE, &s);
}

static void serve(struct shared *s)
{
	int ctl = t_ctl_open(0);
	struct abuse_lent lent;

	T_OK(present(ctl, &first, ABUSE_STORE_BIND));
	T_EQ(t_serve(ctl, NULL, 0, &lent, 1, ABUSE_SERVE_NOWAIT, NULL), 0);
	s->presented = true;
	T_UNTIL(s->go);
	s->result = t_serve(ctl, NULL, 0, &lent, 1, ABUSE_SERVE_NOWAIT, NULL);
	s->done = true;
	for (;;)
		pause();
}

int main(void)
{
	struct shared *s;
	struct t_io *io;
	pid_t pid;
	int ctl;

	t_init(25);
	s = t_shared(sizeof(*s));
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 4, 0);
	pid = t_fork(false);
	if (!pid)
		serve(s);
	T_UNTIL(s->presented);

	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_configure(ctl, SIZE, 4, 0);
	T_OK(present(ctl, &second, ABUSE_STORE_BIND));
	t_go_live(ctl);
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	s->go = true;
	T_UNTIL(s->done);
	T_EQ(s->result, -EMEDIUMTYPE);
	T_EQ(t_counters(ctl).ab_nr_lent, 0);

	t_kill(pid, SIGKILL);
	T_OK(t_complete(ctl, t_lend_one(ctl).ab_id));
	T_EQ(t_result(io), T_PAGE);
	return t_end();
}
