// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will close a control file while another thread's copy from a
 * request stands still in a page fault (userfaultfd): the request is QUEUED
 * only after that copy has ended, and while it lasts nothing else can be done
 * with the request.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 40
 * busted: module=requeue-copying
 * invariant: I4 I6 I11
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t.h"

struct copier {
	int ctl;
	uint32_t verb;
	uint64_t id;
	char *page;
	int result;
};

static int uffd = -1;

/* A page whose first fault waits until release() fills it. */
static char *guarded_page(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *page = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (uffd < 0) {
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		if (uffd < 0)
			t_skip("userfaultfd: %s", t_name(-errno));
		T_OK(t_ioctl(uffd, UFFDIO_API, &api));
	}
	reg.range.start = (uintptr_t)page;
	reg.range.len = T_PAGE;
	T_OK(t_ioctl(uffd, UFFDIO_REGISTER, &reg));
	return page;
}

static void await_fault(void)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	T_EQ(poll(&p, 1, t_patience_ms()), 1);
	T_EQ(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	T_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
}

static void release(char *page)
{
	static char zeroes[T_PAGE] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page,
		.src = (uintptr_t)zeroes,
		.len = T_PAGE,
	};

	T_OK(t_ioctl(uffd, UFFDIO_COPY, &copy));
}

static void *copy(void *arg)
{
	struct copier *c = arg;

	c->result = t_verb(c->ctl, c->verb, c->id, c->page, 0, T_PAGE);
	return NULL;
}

static void one(int watch, enum t_op op)
{
	struct copier c = {
		.ctl = t_ctl_open(0),
		.verb = op == T_WRITE ? ABUSE_VERB_COPY_OUT :
					ABUSE_VERB_COPY_IN,
		.page = guarded_page(),
		.result = 1,
	};
	struct t_io *io = t_submit_accepted(watch, 0, op, 0, T_PAGE, 0);
	uint64_t requeued = t_counters(watch).ab_requeued;
	/* The watcher may have become one. */
	uint32_t nr_servers = t_counters(watch).ab_nr_servers;
	static char data[T_PAGE];
	struct abuse_lent lent;
	pthread_t thread;

	c.id = t_lend_one(c.ctl).ab_id;
	T_OK(-pthread_create(&thread, NULL, copy, &c));
	await_fault();

	/* No lock is held: the device answers.  The request is busy. */
	T_EQ(t_counters(watch).ab_nr_lent, 1);
	T_EQ(t_complete(c.ctl, c.id), -EBUSY);
	T_EQ(t_fail_request(c.ctl, c.id, EIO), -EBUSY);
	T_EQ(t_requeue(c.ctl, c.id), -EBUSY);
	T_EQ(t_verb(c.ctl, c.verb, c.id, data, 0, T_PAGE), -EBUSY);

	t_ctl_close(c.ctl);
	T_EQ(t_counters(watch).ab_nr_servers, nr_servers);
	T_EQ(t_counters(watch).ab_nr_queued, 0);
	T_EQ(t_counters(watch).ab_nr_lent, 1);
	T_EQ(t_lend(watch, &lent, 1), 0);
	T_TRUE(!io->done, "the I/O while its data is copied: expected to wait, found it ended");

	release(c.page);
	pthread_join(thread, NULL);
	T_EQ(c.result, -ESTALE);
	/* The copy's end, not the file's, gave it back. */
	T_EQ(t_counters(watch).ab_nr_queued, 1);
	T_EQ(t_counters(watch).ab_requeued, requeued + 1);
	lent = t_lend_one(watch);
	T_EQ(lent.ab_flags & ABUSE_LENT_AGAIN, ABUSE_LENT_AGAIN);
	/* What the first server copied in does not count for the second. */
	if (op == T_READ)
		T_EQ(t_complete(watch, lent.ab_id), -EINVAL);
	t_answer(watch, &lent);
	T_EQ(t_result(io), T_PAGE);
}

int main(void)
{
	int watch;

	t_init(35);
	watch = t_ctl_open(0);
	t_configure(watch, T_MIB, 4, 0);
	t_go_live(watch);
	one(watch, T_WRITE);
	one(watch, T_READ);
	return t_end();
}
