// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will take a server's buffer away between two copies, in the three
 * ways in which also a touched one goes: swapped out, write-protected by a
 * fork, and moved about by compaction.  Under NOFAULT, and in the memalloc
 * scope, the copy is EFAULT, the request stays LENT, and a touch and the same
 * call again do it.
 *
 * Where it stands: bio > queue > [ioctl] > copy > server.
 *
 * time: 60
 * busted: module=fault-anyway
 * busted: module=fault-requeues
 * invariant: I7
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/swap.h>
#include <unistd.h>

#include "t_disk.h"

#define LEN		(64 * 1024)
#define ROUNDS		40		/* of compaction */

static int ctl;
static char *buffer;

static int copy(uint64_t id, uint32_t verb, uint32_t flags)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_address = (uintptr_t)buffer,
		.ab_len_bytes = LEN,
		.ab_verb = verb,
	};

	return t_serve(ctl, &v, 1, NULL, 0, flags, NULL);
}

static void touch(void)
{
	uint32_t at;

	/* A write: what a fork has left shared is ours again after it. */
	for (at = 0; at < LEN; at += T_PAGE)
		((volatile char *)buffer)[at] = buffer[at];
}

/* Pages of the buffer that are mapped: bit 63 of pagemap. */
static uint32_t nr_present(void)
{
	uint64_t entries[LEN / T_PAGE];
	int fd = T_OK(t_disk_open("/proc/self/pagemap", O_RDONLY));
	uint32_t i, nr = 0;

	T_EQ(T_RET(pread(fd, entries, sizeof(entries),
			 (uintptr_t)buffer / T_PAGE * sizeof(uint64_t))),
	     sizeof(entries));
	close(fd);
	for (i = 0; i < LEN / T_PAGE; i++)
		nr += entries[i] >> 63;
	return nr;
}

static void swap_out(void)
{
	/* More than once: those just touched may not be on a list yet. */
	T_UNTIL(!madvise(buffer, LEN, MADV_PAGEOUT) && !nr_present());
}

/* A child that shares the pages lives until it is killed. */
static pid_t share(void)
{
	pid_t pid = t_fork(false);

	if (!pid)
		for (;;)
			pause();
	return pid;
}

/* The copy is refused once, and done after a touch. */
static void refused_once(struct t_io *io, uint64_t id, uint32_t verb,
			 uint32_t flags)
{
	struct abuse_counters before = t_counters(ctl);

	T_EQ(copy(id, verb, flags), -EFAULT);
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	T_EQ(t_counters(ctl).ab_requeued, before.ab_requeued);
	T_TRUE(!io->done, "the I/O: expected to wait, found it ended");
	/* A READ of which not all has come is not complete (I12). */
	if (verb == ABUSE_VERB_COPY_IN)
		T_EQ(t_complete(ctl, id), -EINVAL);
	touch();
	T_OK(copy(id, verb, flags));
}

static void write_out(const char *how, uint32_t flags)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
	struct abuse_lent lent = t_lend_one(ctl);
	pid_t sharer = 0;

	touch();
	if (!strcmp(how, "swapped"))
		swap_out();
	else
		sharer = share();
	refused_once(io, lent.ab_id, ABUSE_VERB_COPY_OUT, flags);
	t_stamp_check(buffer, 0, LEN, 1);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), LEN);
	if (sharer)
		t_kill(sharer, SIGKILL);
}

static void read_in(uint32_t flags)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_READ, 0, LEN, 0);
	struct abuse_lent lent = t_lend_one(ctl);

	t_stamp(buffer, 0, LEN, 4);
	swap_out();
	refused_once(io, lent.ab_id, ABUSE_VERB_COPY_IN, flags);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), LEN);
	t_stamp_check(io->data, 0, LEN, 4);
}

/* Pages that move: refused or done, never lost. */
static void compaction(void)
{
	volatile bool *stop = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	uint32_t nr_refused = 0, round;
	struct abuse_lent lent;
	struct t_io *io;
	int err;

	if (!pid) {
		while (!*stop)
			T_OK(t_attr_set("1", "/proc/sys/vm/compact_memory"));
		_exit(0);
	}
	T_OK(T_RET(mlock(buffer, LEN)));
	for (round = 0; round < ROUNDS; round++) {
		io = t_submit_accepted(ctl, 0, T_WRITE, 0, LEN, 0);
		lent = t_lend_one(ctl);
		memset(buffer, 0, LEN);
		while ((err = copy(lent.ab_id, ABUSE_VERB_COPY_OUT,
				   ABUSE_SERVE_NOFAULT)) == -EFAULT) {
			T_EQ(t_counters(ctl).ab_nr_lent, 1);
			nr_refused++;
			touch();
		}
		T_OK(err);
		t_stamp_check(buffer, 0, LEN, 1);
		T_OK(t_complete(ctl, lent.ab_id));
		T_EQ(t_result(io), LEN);
	}
	*stop = true;
	T_EQ(t_reap(pid), 0);
	fprintf(stderr, "compaction: %u copies refused in %d rounds\n",
		nr_refused, ROUNDS);
	T_OK(T_RET(munlock(buffer, LEN)));
}

static void scope(uint32_t to)
{
	const struct abuse_scope s = { .ab_target = ABUSE_SCOPE_DEVICE,
				       .ab_scope = to };

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &s));
}

int main(void)
{
	t_init(55);
	/* Swap of another disk: its own would have to be served. */
	swapoff(T_STORE1);	/* a twin that failed has left it on */
	t_disk_mkswap(T_STORE1);
	T_OK(T_RET(swapon(T_STORE1, 0)));
	buffer = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	T_TRUE(buffer != MAP_FAILED, "mmap: no buffer");
	T_OK(T_RET(madvise(buffer, LEN, MADV_NOHUGEPAGE)));
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);

	write_out("swapped", ABUSE_SERVE_NOFAULT);
	write_out("shared", ABUSE_SERVE_NOFAULT);
	read_in(ABUSE_SERVE_NOFAULT);
	scope(ABUSE_SCOPE_MEMALLOC);
	write_out("swapped", 0);
	write_out("shared", 0);
	read_in(0);
	scope(ABUSE_SCOPE_NONE);
	compaction();
	T_OK(T_RET(swapoff(T_STORE1)));
	return t_end();
}
