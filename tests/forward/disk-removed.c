// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will pull out the disk that a device forwards to, under load: what
 * it does not take any more is lent again with an error, what is not even sent
 * to it stays LENT, and all of that is answered by copying.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 60
 * busted: module=forward-error-lost
 * busted: module=forward-policy
 * invariant: I1 I11
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"

#define SIZE		(4 * T_MIB)
#define NR_LOADS	4
#define LEN		(16 * 1024)
#define SHARE		(SIZE / NR_LOADS)
#define BEFORE		20	/* I/Os of each before, and after */

struct shared {
	volatile uint32_t nr[NR_LOADS];
	volatile bool stop;
	char *copied;		/* where the server writes without the disk */
	volatile uint32_t nr_failed;	/* lent again with an error */
	volatile uint32_t nr_refused;	/* a disk that is gone has no sectors */
};

static struct shared *s;

/* Write and read back, over its own share, the stamps counting up. */
static void load(int index)
{
	char *data = t_shared(LEN);
	int fd = T_OK(t_blk_open(0, O_RDWR | O_DIRECT));
	uint64_t at, generation = 1;

	for (at = 0; !s->stop; at = (at + LEN) % SHARE) {
		uint64_t offset_bytes = index * SHARE + at;

		t_stamp(data, offset_bytes, LEN, generation);
		T_EQ(T_RET(pwrite(fd, data, LEN, offset_bytes)), LEN);
		memset(data, 0, LEN);
		T_EQ(T_RET(pread(fd, data, LEN, offset_bytes)), LEN);
		t_stamp_check(data, offset_bytes, LEN, generation);
		s->nr[index]++;
		generation++;
	}
	_exit(0);
}

/*
 * A mirror: each WRITE to memory, then to the disk; each READ from the disk, or
 * from memory if the disk does not do it.
 */
static void serve_one(int ctl, uint32_t disk, const struct abuse_lent *lent)
{
	char *at = s->copied + lent->ab_sector * 512;
	bool out = lent->ab_command == ABUSE_WRITE;
	int err;

	if (out)
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent->ab_id, at, 0,
			    lent->ab_len_bytes));
	if (lent->ab_flags & ABUSE_LENT_FAILED) {
		T_TRUE(lent->ab_error, "a request that failed: expected an errno, found 0");
		s->nr_failed++;
	} else {
		err = t_forward(ctl, lent->ab_id, disk, lent->ab_sector);
		if (!err)
			return;
		T_EQ(err, -EINVAL);
		s->nr_refused++;
	}
	if (!out)
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent->ab_id, at, 0,
			    lent->ab_len_bytes));
	T_OK(t_complete(ctl, lent->ab_id));
}

static void __attribute__((noreturn)) serve(void)
{
	int ctl = t_ctl_open(0);
	uint32_t disk = t_backing_of(ctl, t_scsi_path(0));
	struct abuse_lent lent[8];
	int nr, i;

	for (;;) {
		nr = T_OK(t_serve(ctl, NULL, 0, lent, 8, 0, NULL));
		for (i = 0; i < nr; i++)
			serve_one(ctl, disk, &lent[i]);
	}
}

static bool all_past(const uint32_t *from)
{
	bool past = true;
	int i;

	for (i = 0; i < NR_LOADS; i++)
		past &= s->nr[i] >= from[i] + BEFORE;
	return past;
}

static void wait_past(void)
{
	uint32_t from[NR_LOADS];
	int i;

	for (i = 0; i < NR_LOADS; i++)
		from[i] = s->nr[i];
	T_UNTIL(all_past(from));
}

int main(void)
{
	pid_t loads[NR_LOADS], server;
	int ctl, i;

	t_init(55);
	t_scsi_load("");
	s = t_shared(sizeof(*s));
	s->copied = t_shared(SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 16, 0);
	t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	server = t_fork(false);
	if (!server)
		serve();
	for (i = 0; i < NR_LOADS; i++) {
		loads[i] = t_fork(false);
		if (!loads[i])
			load(i);
	}
	wait_past();
	T_EQ(s->nr_failed, 0);
	/* As hardware does: it answers no more, then it is known to be gone. */
	t_scsi_state(0, "offline");
	wait_past();
	T_TRUE(s->nr_failed >= BEFORE, "requests that the disk failed: expected at least %d, found %u",
	       BEFORE, s->nr_failed);
	T_EQ(s->nr_refused, 0);
	t_scsi_delete(0);
	wait_past();
	T_TRUE(s->nr_refused >= BEFORE, "requests refused: expected at least %d, found %u",
	       BEFORE, s->nr_refused);
	s->stop = true;
	for (i = 0; i < NR_LOADS; i++)
		T_EQ(t_reap(loads[i]), 0);
	T_UNTIL(t_counters(ctl).ab_ended == t_counters(ctl).ab_accepted);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_forward_failed, s->nr_failed);
	T_EQ(t_counters(ctl).ab_nr_clones_free, t_counters(ctl).ab_nr_clones);
	t_kill(server, SIGKILL);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
	/* The claim on what is no more goes with the configuration. */
	t_scsi_unload();
	return t_end();
}
