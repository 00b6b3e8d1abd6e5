// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_trouble.c - a hostile server: forks, threads, deaths
 *
 * Where it stands: bio > queue > ioctl > [hostile server].
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fz_server.h"

/* ------------------------------------------------------- other processes */

/* The parent's requests are not the child's, whatever it does. */
static void try_parents(struct fz_actor *a, const struct fz_held *held,
			uint32_t nr, struct t_rand *r)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		struct fz_fd *fd = fz_fd_any(r);
		struct abuse_verb v = {
			.ab_id = held[i].id,
			.ab_address = (uintptr_t)fz_arena(),
			.ab_len_bytes = 512,
			.ab_verb = 1 + t_below(r, 6),
		};
		struct abuse_serve s = {
			.ab_verbs = (uintptr_t)&v,
			.ab_nr_verbs = 1,
		};
		int ret = fz_ioctl(a, fd->fd, ABUSE_SERVE, &s);

		FZ_EXPECT(a, ret < 0,
			  "verb %u on the parent's request: expected an error, found %d",
			  v.ab_verb, ret);
	}
}

static void end_child(struct t_rand *r)
{
	char *const argv[] = { "true", NULL };
	uint32_t i;

	switch (t_below(r, 5)) {
	case 0:
		kill(getpid(), SIGKILL);
		break;
	case 1:		/* closes what is close-on-exec */
		execv("/bin/true", argv);
		break;
	case 2:
		for (i = 0; i < fz_nr_fds; i++)
			close(fz_fds[i].fd);
		break;
	case 3:		/* a table of its own, late */
		syscall(SYS_unshare, 0x400 /* CLONE_FILES */);
		break;
	}
	_exit(0);
}

void fz_op_fork(struct fz_actor *a, struct t_rand *r)
{
	struct fz_held held[FZ_HELD_MAX];
	uint32_t nr = fz_nr_held, steps = t_below(r, 4);
	pid_t pid;

	memcpy(held, fz_held, sizeof(held));
	fz_say(a, "%u calls, the parent has %u requests", steps, nr);
	pid = fz_fork();
	if (pid > 0)
		fz_wait(a, pid);
	if (pid)
		return;
	fz_nr_held = 0;
	fz_timer_start();	/* not inherited */
	try_parents(a, held, nr, r);
	while (steps--)
		fz_op_serve(a, r);
	end_child(r);
}

void fz_op_die(struct fz_actor *a, struct t_rand *r)
{
	(void)r;
	fz_say(a, "with %u requests", fz_nr_held);
	fz_count(fz->nr_kills, 1);
	a->nr_ops++;
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* --------------------------------------------------------------- threads */

struct call {
	struct fz_actor *a;
	int fd;
	struct abuse_serve s;
	struct abuse_verb v;
	struct abuse_lent lent[4];
	volatile bool began;
	volatile int ret;
};

static void *call_serve(void *arg)
{
	struct call *c = arg;

	c->began = true;
	c->ret = fz_ioctl(c->a, c->fd, ABUSE_SERVE, &c->s);
	return NULL;
}

/* False if it does not come to its end. */
static bool join(struct fz_actor *a, pthread_t thread)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += t_patience_ms() / 1000;
	if (!pthread_timedjoin_np(thread, NULL, &until))
		return true;
	fz_finding(a, "a thread in SERVE: expected its end within %ld ms, found none",
		   t_patience_ms());
	return false;
}

static void await_began(const struct call *c, uint32_t us)
{
	while (!c->began)
		fz_sleep_us(50);
	fz_sleep_us(us);
}

/* One thread waits for requests, another closes its file. */
void fz_op_close_in_wait(struct fz_actor *a, struct t_rand *r)
{
	static struct call c;
	uint32_t us = t_below(r, 2000), at;
	pthread_t thread;

	memset(&c, 0, sizeof(c));
	if (fz_nr_fds == FZ_FDS_MAX)
		return;
	fz_fd_open(a);
	at = fz_nr_fds - 1;
	c.a = a;
	c.fd = fz_fds[at].fd;
	c.s.ab_requests = (uintptr_t)c.lent;
	c.s.ab_nr_requests = 1 + t_below(r, 4);
	fz_say(a, "after %u us", us);
	if (pthread_create(&thread, NULL, call_serve, &c))
		return;
	await_began(&c, us);
	fz_fd_close(a, at);
	if (!join(a, thread))
		_exit(0);
	/*
	 * What it was lent before the close is QUEUED again.  The descriptor
	 * may have been gone before the call began, too.
	 */
	FZ_EXPECT(a, c.ret > 0 || c.ret == -EBADF || c.ret == -EINTR ||
		  c.ret == -ENODEV || c.ret == -EMEDIUMTYPE ||
		  c.ret == -EUSERS,
		  "SERVE while another thread closes the file: expected requests or -EBADF, found %s",
		  t_name(c.ret));
}

/* A page whose first fault waits until somebody fills it. */
static char *guarded_page(int *uffd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *page;

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0)
		return NULL;
	page = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.start = (uintptr_t)page;
	reg.range.len = T_PAGE;
	if (page == MAP_FAILED || ioctl(*uffd, UFFDIO_API, &api) ||
	    ioctl(*uffd, UFFDIO_REGISTER, &reg)) {
		close(*uffd);
		return NULL;
	}
	return page;
}

static void fill_page(int uffd, char *page)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)page, T_PAGE },
	};

	ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
}

/* Not if the device's scope refuses the fault.  Signals come all the time. */
static bool has_faulted(struct pollfd *p)
{
	long began = t_now_ms();

	while (t_now_ms() - began < 100)
		if (poll(p, 1, 20) == 1)
			return true;
	return false;
}

/* True if what came through this file is not the caller's any more. */
static bool close_or_reset(struct fz_actor *a, const struct fz_fd *fd,
			   bool do_close)
{
	uint32_t nr_before = fz_nr_held, at;
	int ret;

	if (!do_close) {
		ret = fz_ioctl(a, fd->fd, ABUSE_RESET, NULL);
		if (ret != -EUSERS)
			fz_held_drop_file(a, fd->file);
		return ret != -EUSERS;
	}
	for (at = 0; fz_fds[at].fd != fd->fd; at++)
		;
	fz_fd_close(a, at);
	/* Unless it was one descriptor of two. */
	return fz_nr_held < nr_before;
}

/*
 * A copy stands still in a page fault while another thread resets the device,
 * or closes the file: that gives the request back, but only when the copy has
 * ended, and the copier is told.
 */
void fz_op_reset_in_copy(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd fd = *fz_fd_any(r);
	struct fz_held *h = fz_held_any(r, fd.file);
	bool do_close = t_one_in(r, 2), faulted, gone;
	static struct call c;
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	char *page;

	if (!h || h->vague || h->command > ABUSE_WRITE)
		return;
	page = guarded_page(&p.fd);
	if (!page)
		return;
	memset(&c, 0, sizeof(c));
	c.a = a;
	c.fd = fd.fd;
	c.v = (struct abuse_verb){
		.ab_id = h->id,
		.ab_address = (uintptr_t)page,
		.ab_len_bytes = 512,
		.ab_verb = h->command == ABUSE_WRITE ? ABUSE_VERB_COPY_OUT :
						       ABUSE_VERB_COPY_IN,
	};
	h->vague = true;
	c.s.ab_verbs = (uintptr_t)&c.v;
	c.s.ab_nr_verbs = 1;
	fz_say(a, "%s", do_close ? "close" : "RESET");
	if (pthread_create(&thread, NULL, call_serve, &c))
		_exit(0);
	faulted = has_faulted(&p);
	gone = close_or_reset(a, &fd, do_close);
	fill_page(p.fd, page);
	if (!join(a, thread))
		_exit(0);
	FZ_EXPECT(a, c.ret == -ESTALE || !faulted || !gone,
		  "a copy during %s: expected -ESTALE, found %s",
		  do_close ? "the file's close" : "RESET", t_name(c.ret));
	munmap(page, T_PAGE);
	close(p.fd);
}

/* ------------------------------------------------------- I/O of a server */

/*
 * A server's own bio does not wait for a slot, but it waits for another
 * server: so it holds nothing meanwhile.
 */
void fz_op_own_io(struct fz_actor *a, struct t_rand *r)
{
	static char data[T_PAGE] __attribute__((aligned(4096)));
	int fd;

	(void)r;
	if (fz_is_guest(a))
		return;
	fz_give_back(a);
	fd = fz_blk_open_nr(a->device, O_RDONLY | O_DIRECT);
	if (fd < 0)
		return;
	(void)!pread(fd, data, sizeof(data), 0);
	close(fd);
}
