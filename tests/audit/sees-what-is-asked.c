// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will watch a process that asks for memory in known ways, so and so
 * often: each kind is seen at least that often, page faults as often as the
 * kernel counts them itself, and of a process that sleeps nothing is seen.
 *
 * Where it stands: beside the path, [allocaudit] > the other tests here.
 *
 * time: 60
 * kernels: 6.12 6.1
 * busted: env=T_TWIN=elsewhere
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "audit.h"

#define TOUCHES		200	/* new pages, each touched */
#define OPENS		150
#define READS		8	/* through the page cache, from the disk */
#define STRIDE		(4 * T_MIB)	/* past what is read ahead */
/* What the process does besides, in its loop. */
#define SLACK		8

static volatile struct shared {
	bool begins;
	bool done;
} *s;

static void asks(void)
{
	char byte, *area;
	int fd, i;

	for (i = 0; i < TOUCHES; i++) {
		area = mmap(NULL, T_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		T_TRUE(area != MAP_FAILED, "mmap: %s", strerror(errno));
		*(volatile char *)area = 1;
		munmap(area, T_PAGE);
	}
	for (i = 0; i < OPENS; i++)
		close(open("/proc/self/stat", O_RDONLY | O_CLOEXEC));
	fd = open("/dev/store", O_RDONLY | O_CLOEXEC);
	for (i = 0; i < READS; i++)
		T_EQ(T_RET(pread(fd, &byte, 1, (off_t)i * STRIDE)), 1);
	close(fd);
}

/* A process that does it once it is told to; else sleeps. */
static pid_t asker(bool does)
{
	pid_t pid = t_fork(false);

	if (pid)
		return pid;
	while (!does)
		pause();
	while (!s->begins)
		t_pause();
	asks();
	s->done = true;
	for (;;)
		pause();
}

static void seen(pid_t pid)
{
	pid_t collector = audit_begin(pid, "");
	struct audit a;

	s->begins = true;
	T_UNTIL(s->done);
	a = audit_finish(collector);
	T_TRUE(a.task.fault >= TOUCHES && a.task.page >= TOUCHES,
	       "%d new pages: expected so many faults and pages, found %llu and %llu: %s",
	       TOUCHES, (unsigned long long)a.task.fault,
	       (unsigned long long)a.task.page, a.text);
	T_TRUE(a.task.fault <= a.minor_faults + a.major_faults + SLACK &&
	       a.minor_faults + a.major_faults <= a.task.fault + SLACK,
	       "page faults: expected the kernel's own number, %llu, found %llu",
	       (unsigned long long)(a.minor_faults + a.major_faults),
	       (unsigned long long)a.task.fault);
	T_TRUE(a.task.slab >= OPENS,
	       "%d files opened: expected so many slab objects, found %llu: %s",
	       OPENS, (unsigned long long)a.task.slab, a.text);
	T_TRUE(a.task.pool >= READS,
	       "%d reads of a disk: expected so many bios from a pool, found %llu: %s",
	       READS, (unsigned long long)a.task.pool, a.text);
}

int main(void)
{
	pid_t busy, idle;
	struct audit a;

	t_init(55);
	s = t_shared(sizeof(*s));
	busy = asker(true);
	idle = asker(false);
	a = audit_run(idle, "--seconds 1");
	AUDIT_NOTHING(a, "a process that sleeps");
	seen(t_twin("elsewhere") ? idle : busy);
	return t_end();
}
