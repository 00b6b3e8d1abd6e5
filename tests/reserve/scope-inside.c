// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at the flags of a serving thread from outside, while it
 * waits in ABUSE_SERVE and while it stands still in a copy: there it has the
 * device's scope, before and after it has not, however the call ends.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=scope-not-entered
 * busted: module=scope-kept
 * invariant: I7 I8
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define PF_MEMALLOC		0x00000800ul
#define PF_MEMALLOC_NOIO	0x00080000ul
#define PF_BOTH			(PF_MEMALLOC | PF_MEMALLOC_NOIO)

/* What the other thread does, and where it is. */
struct thread {
	pthread_t thread;
	int ctl;
	const struct abuse_verb *verb;	/* NULL: ask for a request */
	volatile pid_t tid;
	volatile int result;
	volatile bool back;
	volatile bool leave;
};

static int ctl;
/*
 * Shared: to submit is to fork, and a page that a fork has left read-only takes
 * no request without a page fault, which a call in memalloc does not take (I7).
 */
static struct abuse_lent *lent;

static void on_signal(int sig)
{
	(void)sig;
}

static void *serve(void *arg)
{
	struct thread *t = arg;

	t->tid = syscall(SYS_gettid);
	if (t->verb)
		t->result = t_serve(t->ctl, t->verb, 1, NULL, 0, 0, NULL);
	else
		t->result = t_serve(t->ctl, NULL, 0, lent, 1, 0, NULL);
	t->back = true;
	while (!t->leave)
		t_pause();
	return NULL;
}

static unsigned long flags(struct thread *t)
{
	return t_flags(t->tid) & PF_BOTH;
}

static void start(struct thread *t, const struct abuse_verb *verb)
{
	*t = (struct thread){ .ctl = ctl, .verb = verb };
	T_OK(-pthread_create(&t->thread, NULL, serve, t));
	T_UNTIL(t->tid);
}

static void end(struct thread *t, int result)
{
	T_UNTIL(t->back);
	T_EQ(t->result, result);
	T_EQ(flags(t), 0);
	t->leave = true;
	pthread_join(t->thread, NULL);
}

static void set(uint32_t target, uint32_t scope)
{
	const struct abuse_scope s = { .ab_target = target,
				       .ab_scope = scope };
	struct abuse_scope back = { .ab_target = target, .ab_scope = 99 };

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &s));
	T_OK(t_ioctl(ctl, ABUSE_GET_SCOPE, &back));
	T_EQ(back.ab_scope, scope);
}

/* While it waits for a request; left by a request, and by a signal. */
static void waiting(unsigned long want)
{
	struct thread t;
	struct t_io *io;

	start(&t, NULL);
	T_UNTIL(t_stack_has(t.tid, "abuse_server_wait"));
	T_EQ(flags(&t), want);
	io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
	end(&t, 1);
	T_OK(t_complete(ctl, lent->ab_id));
	T_EQ(t_result(io), T_PAGE);

	start(&t, NULL);
	T_UNTIL(t_stack_has(t.tid, "abuse_server_wait"));
	T_EQ(flags(&t), want);
	T_OK(-pthread_kill(t.thread, SIGUSR1));
	end(&t, -EINTR);
}

/* While its copy stands still in a page fault; under memalloc none does. */
static void copying(unsigned long want)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	struct abuse_lent copied = t_lend_one(ctl);
	char *page = t_uffd_area(1);
	const struct abuse_verb verb = {
		.ab_id = copied.ab_id,
		.ab_address = (uintptr_t)page,
		.ab_len_bytes = T_PAGE,
		.ab_verb = ABUSE_VERB_COPY_OUT,
	};
	struct thread t;

	start(&t, &verb);
	if (want == PF_MEMALLOC) {
		end(&t, -EFAULT);
	} else {
		t_uffd_await();
		T_EQ(flags(&t), want);
		t_uffd_fill(page);
		end(&t, 0);
		t_stamp_check(page, 0, T_PAGE, 1);
	}
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_OK(t_complete(ctl, copied.ab_id));
	T_EQ(t_result(io), T_PAGE);
}

/* Calls that are refused leave nothing behind either. */
static void refused(void)
{
	const struct abuse_verb none = { .ab_verb = 99 };

	T_EQ(t_serve(ctl, &none, 1, NULL, 0, 0, NULL), -EINVAL);
	T_EQ(t_serve(ctl, NULL, 0, NULL, 0, ~0u, NULL), -EINVAL);
	T_EQ(t_ioctl(ctl, ABUSE_SERVE, NULL), -EFAULT);
	T_EQ(t_flags(0) & PF_BOTH, 0);
}

int main(void)
{
	static const unsigned long want[] = {
		[ABUSE_SCOPE_NONE] = 0,
		[ABUSE_SCOPE_NOIO] = PF_MEMALLOC_NOIO,
		[ABUSE_SCOPE_MEMALLOC] = PF_MEMALLOC,
	};
	static const char * const names[] = { "none", "noio", "memalloc" };
	const struct sigaction action = { .sa_handler = on_signal };
	uint32_t scope;

	t_init(35);
	sigaction(SIGUSR1, &action, NULL);
	lent = t_shared(sizeof(*lent));
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	for (scope = 0; scope <= ABUSE_SCOPE_MEMALLOC; scope++) {
		set(ABUSE_SCOPE_DEVICE, scope);
		T_TRUE(!strcmp(t_attr(T_ABUSE, 0, "scope"), names[scope]),
		       "the attribute scope: expected %s, found %s",
		       names[scope], t_attr(T_ABUSE, 0, "scope"));
		waiting(want[scope]);
		copying(want[scope]);
		refused();
	}
	set(ABUSE_SCOPE_DEVICE, ABUSE_SCOPE_NONE);
	return t_end();
}
