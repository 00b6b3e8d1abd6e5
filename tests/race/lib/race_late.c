// SPDX-License-Identifier: GPL-2.0-only
/*
 * race_late.c - servers that are late: what they had is others' by then
 *
 * Where it stands: bio > queue > ioctl > [late server].  They take requests of
 * the device whose data is verified, give them back by RESET (which is EBUSY,
 * for the device is in use, and gives them back all the same), and then go on
 * as if they had them still: every such answer must be refused.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "race.h"

static void give_back(int fd)
{
	int ret = t_ioctl(fd, ABUSE_RESET, NULL);

	race_count(nr_resets_busy, 1);
	RACE_EXPECT(ret == -EBUSY,
		    "RESET of a device in use: expected -EBUSY, found %s",
		    t_name(ret));
}

/* Answers that come after the request has gone to somebody else. */
static void answer_late(struct t_rand *r, int fd)
{
	static char data[T_PAGE];
	struct abuse_lent lent[4];
	int nr = t_serve(fd, NULL, 0, lent, 4, ABUSE_SERVE_NOWAIT, NULL);
	uint32_t verb = 1 + t_below(r, 5);
	int i, ret;

	if (nr <= 0)
		return;
	give_back(fd);
	race_sleep_us(t_below(r, 300));
	for (i = 0; i < nr; i++) {
		ret = t_verb(fd, verb, lent[i].ab_id, data, 0, 512);
		race_count(nr_late, 1);
		RACE_EXPECT(ret == -ESTALE,
			    "verb %u on a request that was given back: expected -ESTALE, found %s",
			    verb, t_name(ret));
	}
}

struct copier {
	int fd;
	uint32_t verb;
	struct abuse_lent lent;
	char *data;
	int ret;
};

static void *copy(void *arg)
{
	struct copier *c = arg;

	c->ret = t_verb(c->fd, c->verb, c->lent.ab_id, c->data, 0,
			c->lent.ab_len_bytes < 2 * T_PAGE ?
			c->lent.ab_len_bytes : 2 * T_PAGE);
	return NULL;
}

/*
 * A copy stands still half-way, in a page fault, while its request is given
 * back: it may go to nobody before the copy has ended.
 */
static void copy_late(struct t_rand *r, int fd, int uffd)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct copier c = { .fd = fd };
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffdio_zeropage zero;
	struct uffd_msg msg;
	pthread_t thread;

	if (t_serve(fd, NULL, 0, &c.lent, 1, ABUSE_SERVE_NOWAIT, NULL) != 1)
		return;
	if (c.lent.ab_command > ABUSE_WRITE) {
		give_back(fd);
		return;
	}
	c.verb = c.lent.ab_command == ABUSE_WRITE ? ABUSE_VERB_COPY_OUT :
						    ABUSE_VERB_COPY_IN;
	c.data = mmap(NULL, 2 * T_PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* The second page is the one that is missing, if there is one. */
	if (c.lent.ab_len_bytes > T_PAGE)
		memset(c.data, 0xee, T_PAGE);
	reg.range.start = (uintptr_t)c.data;
	reg.range.len = 2 * T_PAGE;
	T_OK(T_RET(ioctl(uffd, UFFDIO_REGISTER, &reg)));
	T_OK(-pthread_create(&thread, NULL, copy, &c));
	T_EQ(poll(&p, 1, t_patience_ms()), 1);
	T_EQ(read(uffd, &msg, sizeof(msg)), (long)sizeof(msg));
	give_back(fd);
	race_sleep_us(t_below(r, 3000));
	zero = (struct uffdio_zeropage){
		.range = { msg.arg.pagefault.address & -(uint64_t)T_PAGE,
			   T_PAGE },
	};
	T_OK(T_RET(ioctl(uffd, UFFDIO_ZEROPAGE, &zero)));
	pthread_join(thread, NULL);
	race_count(nr_late, 1);
	RACE_EXPECT(c.ret == -ESTALE,
		    "a copy whose request was given back meanwhile: expected -ESTALE, found %s",
		    t_name(c.ret));
	munmap(c.data, 2 * T_PAGE);
}

void race_late(struct t_rand *r, uint32_t index)
{
	struct uffdio_api api = { .api = UFFD_API };
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int fd = t_ctl_open(RACE_DATA);

	(void)index;
	T_OK(T_RET(uffd));
	T_OK(T_RET(ioctl(uffd, UFFDIO_API, &api)));
	while (!race->stop) {
		if (t_one_in(r, 2))
			answer_late(r, fd);
		else
			copy_late(r, fd, uffd);
		race_sleep_us(t_below(r, 5000));
	}
	t_ctl_close(fd);
}
