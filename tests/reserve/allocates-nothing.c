// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will serve some hundred requests, by both ABIs and all verbs but
 * forward, while the kernel records every allocation of the serving thread:
 * there is none.
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 60
 * kernels: 6.12 6.1
 * busted: module=alloc-in-serve
 * invariant: I2
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define SIZE	T_MIB
#define LEN	(16 * 1024)
#define NR_LOADS	3
#define ROUNDS	60		/* I/Os of each, read and write */

struct shared {
	volatile bool opens;	/* the server shall open a file: the control */
	volatile bool opened;
	volatile bool serves;
	volatile uint32_t served;
};

static struct shared *s;

static void load(int index)
{
	char *data = t_shared(LEN);
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT)), i;
	uint64_t at = index * 4 * LEN;

	for (i = 0; i < ROUNDS; i++) {
		/* One WRITE in three is meant to fail. */
		long want = i % 3 ? LEN : -EIO;

		t_stamp(data, at, LEN, i);
		T_EQ(T_RET(pwrite(fd, data, LEN, i % 3 ? at : SIZE - LEN)),
		     want);
		T_EQ(T_RET(pread(fd, data, LEN, at)), LEN);
	}
	close(fd);
	_exit(0);
}

static char memory[SIZE] __attribute__((aligned(4096)));
static char bounce[LEN] __attribute__((aligned(4096)));

/* By COPY, COMPLETE, FAIL, REQUEUE. */
static void serve_one(int ctl, const struct abuse_lent *lent, uint32_t turn)
{
	char *at = memory + lent->ab_sector * 512;

	if (lent->ab_sector * 512 == SIZE - LEN) {
		T_OK(t_fail_request(ctl, lent->ab_id, EIO));
		return;
	}
	if (turn % 5 == 0) {
		T_OK(t_requeue(ctl, lent->ab_id));
		return;
	}
	T_OK(t_verb(ctl, lent->ab_command == ABUSE_WRITE ?
		    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN, lent->ab_id, at,
		    0, lent->ab_len_bytes));
	T_OK(t_complete(ctl, lent->ab_id));
}

/* By GET and PUT. */
static void legacy_one(int ctl)
{
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;
	uint32_t bytes;

	if (t_get(ctl, &xfr, vecs))
		return;
	bytes = t_vecs_point(vecs, xfr.ab_vec_count, bounce);
	if (xfr.ab_sector * 512 == SIZE - LEN) {
		T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_MEDIA_FAILURE));
		return;
	}
	if (xfr.ab_command == ABUSE_READ)
		memcpy(bounce, memory + xfr.ab_sector * 512, bytes);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	if (xfr.ab_command == ABUSE_WRITE)
		memcpy(memory + xfr.ab_sector * 512, bounce, bytes);
	s->served++;
}

static void __attribute__((noreturn)) serve(void)
{
	int ctl = t_ctl_open(0), nr, i;
	struct pollfd p = { .fd = ctl, .events = POLLMSG };
	struct abuse_lent lent[4];

	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	memset(memory, 1, sizeof(memory));
	memset(bounce, 1, sizeof(bounce));
	T_OK(t_lend(ctl, lent, 4));
	s->serves = true;
	for (;;) {
		if (s->opens) {
			s->opens = false;
			close(open("/proc/self/stat", O_RDONLY));
			s->opened = true;
		}
		poll(&p, 1, 20);
		legacy_one(ctl);
		nr = T_OK(t_lend(ctl, lent, 4));
		for (i = 0; i < nr; i++)
			serve_one(ctl, &lent[i], ++s->served);
	}
}

int main(void)
{
	pid_t server, loads[NR_LOADS];
	const char *text;
	uint32_t nr;
	int ctl, i;

	t_init(55);
	s = t_shared(sizeof(*s));
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	server = t_fork(false);
	if (!server)
		serve();
	T_UNTIL(s->serves && t_is_live(0));

	/* The control: what allocates is seen. */
	t_alloc_trace_start(server);
	s->opens = true;
	T_UNTIL(s->opened);
	nr = t_alloc_trace_stop(&text);
	T_TRUE(nr > 0, "opening a file: expected allocations to be recorded, found none");

	t_alloc_trace_start(server);
	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	for (i = 0; i < NR_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);
	nr = t_alloc_trace_stop(&text);
	T_TRUE(t_counters(ctl).ab_ended >= NR_LOADS * ROUNDS * 2, "requests served: expected at least %d, found %llu",
	       NR_LOADS * ROUNDS * 2, t_counters(ctl).ab_ended);
	T_TRUE(t_counters(ctl).ab_requeued, "requests given back: expected some, found none");
	T_TRUE(!nr, "while serving %llu requests: expected no allocation, found %u:\n%s",
	       t_counters(ctl).ab_ended, nr, text);
	return t_end();
}
