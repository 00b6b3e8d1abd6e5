// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let the fault backend be slow, fail by sector and by chance,
 * hold a request until the server is continued, run round and round with one,
 * and die before and after the store: each does what its manual page says, and
 * no more than that.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 120
 * busted: env=T_TWIN=no-faults
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "b.h"

#define DELAY_MS	300
#define DRAWS		64
/* At the end of a short wait a server that runs is seen running. */
#define SPIN_LOOKS	5

static struct t_swapserver begin(const char *faults, const char *inner)
{
	char arguments[200];

	snprintf(arguments, sizeof(arguments),
		 "--size 4M --batch 1 /dev/abctl0 fault%s%s:%s",
		 *faults && !t_twin("no-faults") ? "," : "",
		 t_twin("no-faults") ? "" : faults, inner);
	return t_swapserver_start(arguments);
}

static void slow(int ctl)
{
	struct t_swapserver s = begin("delay_ms=300", "lz4");
	long start = t_now_ms();

	b_write(0, T_PAGE, 1);
	T_TRUE(t_now_ms() - start >= DELAY_MS, "a write: expected %d ms at least, found %ld",
	       DELAY_MS, t_now_ms() - start);
	b_check(0, T_PAGE, 1);
	b_stop(&s, ctl);
}

static void by_sector(int ctl)
{
	struct t_swapserver s = begin("error_sector=17,only=read", "ram");

	b_write(0, 4 * T_PAGE, 1);
	T_EQ(b_io(T_READ, 2 * T_PAGE, T_PAGE), -EIO);
	T_EQ(b_io(T_READ, 0, 4 * T_PAGE), -EIO);
	b_check(T_PAGE, T_PAGE, 1);
	b_check(3 * T_PAGE, T_PAGE, 1);
	b_stop(&s, ctl);

	s = begin("error_sector=17,only=write,error=enospc", "ram");
	T_EQ(b_io(T_WRITE, 2 * T_PAGE, T_PAGE), -ENOSPC);
	T_EQ(b_io(T_READ, 2 * T_PAGE, T_PAGE), T_PAGE);
	b_stop(&s, ctl);
}

/* Which of DRAWS reads fail: the same ones for the same seed. */
static uint64_t draw(const char *faults, int ctl)
{
	struct t_swapserver s = begin(faults, "null");
	uint64_t failed = 0;
	int i;

	for (i = 0; i < DRAWS; i++)
		if (b_io(T_READ, 0, T_PAGE) < 0)
			failed |= 1ull << i;
	b_stop(&s, ctl);
	return failed;
}

static void by_chance(int ctl)
{
	/* Partition scans and the like read, too, each server the same. */
	uint64_t first = draw("error_one_in=4,seed=3,only=read", ctl);
	int nr = __builtin_popcountll(first);

	T_TRUE(nr >= 4 && nr <= 40, "reads of %d that failed, one in four: expected about 16, found %d",
	       DRAWS, nr);
	T_TRUE(draw("error_one_in=4,seed=3,only=read", ctl) == first,
	       "the same seed: expected the same to fail, found others");
	T_TRUE(draw("error_one_in=4,seed=4,only=read", ctl) != first,
	       "another seed: expected others to fail, found the same");
}

static void held(int ctl)
{
	struct t_swapserver s = begin("hold=2,only=write", "lz4");
	struct t_io *io;

	b_write(0, T_PAGE, 1);
	io = t_submit(0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_UNTIL(t_state(s.pid) == 'T' || io->done);
	T_EQ(t_state(s.pid), 'T');
	T_TRUE(!io->done, "the second write: expected to wait, found it done");
	T_EQ(t_counters(ctl).ab_nr_lent, 1);
	t_kill(s.pid, SIGCONT);
	T_EQ(t_result(io), T_PAGE);
	b_write(2 * T_PAGE, T_PAGE, 1);
	b_check(0, 3 * T_PAGE, 1);
	b_stop(&s, ctl);
}

/* It runs, and does not answer; whoever comes next finishes it. */
static void spins(int ctl)
{
	struct t_swapserver s = begin("spin=2,only=write", "disk,path=" T_STORE);
	struct t_io *io;
	int i;

	b_write(0, T_PAGE, 1);
	io = t_submit(0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1 || io->done);
	for (i = 0; i < SPIN_LOOKS; i++) {
		t_pause();
		T_TRUE(!io->done, "the second write: expected no answer, found one");
		T_EQ(t_state(s.pid), 'R');
	}
	t_kill(s.pid, SIGKILL);
	s = begin("", "disk,path=" T_STORE);
	T_EQ(t_result(io), T_PAGE);
	b_check(0, 2 * T_PAGE, 1);
	b_stop(&s, ctl);
}

/* The server dies with the second write; the disk has it already, or not. */
static void dies(bool after, int ctl)
{
	static char data[T_PAGE];
	struct t_swapserver s;
	struct t_io *io;
	int status;

	memset(data, 0, sizeof(data));
	t_disk_write(T_STORE, T_PAGE, data, T_PAGE);
	s = begin(after ? "die_at=2,die=after,only=write" :
			  "die_at=2,only=write", "disk,path=" T_STORE);
	b_write(0, T_PAGE, 1);
	io = t_submit(0, T_WRITE, T_PAGE, T_PAGE, 0);
	T_UNTIL(t_ended(s.pid) || io->done);
	T_TRUE(t_ended(s.pid), "the second write: expected the server's death, found an answer");
	status = t_reap(s.pid);
	T_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	       "the server: expected SIGKILL, found 0x%x", status);
	T_TRUE(!io->done, "the second write: expected to wait, found it done");
	t_disk_read(T_STORE, T_PAGE, data, T_PAGE);
	T_EQ(t_stamp_is(data, T_PAGE, T_PAGE, 1), after);
	/* The next one finishes it. */
	s = begin("", "disk,path=" T_STORE);
	T_EQ(t_result(io), T_PAGE);
	b_check(0, 2 * T_PAGE, 1);
	b_stop(&s, ctl);
}

int main(void)
{
	int ctl;

	t_init(110);
	ctl = t_ctl_open(0);
	slow(ctl);
	by_sector(ctl);
	by_chance(ctl);
	held(ctl);
	spins(ctl);
	dies(false, ctl);
	dies(true, ctl);
	return t_end();
}
