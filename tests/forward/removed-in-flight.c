// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will pull out a slow disk that has a device's requests, and fails
 * half of them: each ends, once, when the disk answers, or is lent again with
 * the disk's error, or fails if the policy says so; all clones come back.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * On a slow kernel the wait for the disk is long enough for khungtaskd.
 *
 * time: 60
 * expected-log: blocked for more than|Call Trace
 * busted: module=forward-error-lost
 * busted: module=forward-policy
 * invariant: I1 I11
 */
#define _GNU_SOURCE
#include <string.h>

#include "t_disk.h"

#define SIZE		(4 * T_MIB)
#define NR		8
#define NR_BAD		(NR / 2)
#define LEN		(16 * 1024)
#define STRIDE		(2 * LEN)	/* the disk's queue merges neighbours */
/* From here on the disk cannot be read: 2 MiB, as t_scsi_load() is told. */
#define BAD_BYTES	(2 * T_MIB)
#define BAD_SECTORS	"medium_error_start=4096 medium_error_count=2048"
#define OPTS		"/sys/bus/pseudo/drivers/scsi_debug/opts"
/* No write cache: a slow disk takes half a minute to flush it as it goes. */
#define NO_CACHE	"0x1000"
#define NO_CACHE_ERROR	"0x1002"	/* and a medium error there */
#define SLOW_MS		3000
#define COPIED		8	/* generation of what is not the disk's */

static int ctl;
static uint32_t disk;

static bool is_bad(int i)
{
	return i & 1;
}

static long pull(void *arg)
{
	(void)arg;
	t_scsi_delete(0);
	return 0;
}

/* All of them at the disk, which has answered none, and going. */
static struct t_call *pull_under(struct t_io **ios)
{
	struct abuse_lent lent[NR];
	struct abuse_counters c;
	struct t_call *call;
	int i;

	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, is_bad(i) ? T_READ : T_WRITE,
					   i * STRIDE + is_bad(i) * BAD_BYTES,
					   LEN, 0);
	T_EQ(t_lend(ctl, lent, NR), NR);
	T_OK(t_attr_set(NO_CACHE_ERROR, OPTS));
	t_scsi_delay(SLOW_MS * t_time_factor());
	for (i = 0; i < NR; i++)
		T_OK(t_forward(ctl, lent[i].ab_id, disk, lent[i].ab_sector));
	T_UNTIL(t_disk_inflight(t_scsi_path(0)) == NR);
	call = t_call_start(pull, NULL);
	/* Nobody gets at it any more, and what it has is waited for. */
	T_UNTIL(t_stack_has(call->pid, "blk_mq_freeze_queue_wait"));
	c = t_counters(ctl);
	T_EQ(c.ab_nr_forwarded, NR);
	T_EQ(c.ab_nr_clones_free, c.ab_nr_clones - NR);
	T_EQ(c.ab_nr_queued, 0);
	for (i = 0; i < NR; i++)
		T_TRUE(!ios[i]->done, "I/O %d: expected to wait for the disk, found it ended",
		       i);
	return call;
}

/* The disk is gone by now: another try is refused, a copy is not. */
static void answer_again(void)
{
	static char data[LEN];
	struct abuse_lent lent[NR];
	int i;

	T_EQ(t_lend(ctl, lent, NR), NR_BAD);
	for (i = 0; i < NR_BAD; i++) {
		T_EQ(lent[i].ab_flags & ABUSE_LENT_FAILED, ABUSE_LENT_FAILED);
		T_EQ(lent[i].ab_error, ENODATA);
		T_EQ(lent[i].ab_command, ABUSE_READ);
		T_EQ(t_forward(ctl, lent[i].ab_id, disk, lent[i].ab_sector),
		     -EINVAL);
		t_stamp(data, lent[i].ab_sector * 512, LEN, COPIED);
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent[i].ab_id, data, 0,
			    LEN));
		T_OK(t_complete(ctl, lent[i].ab_id));
	}
}

static void one(bool fails)
{
	struct t_io *ios[NR];
	struct abuse_counters before, after;
	struct t_call *call;
	int i;

	t_scsi_load("opts=" NO_CACHE " " BAD_SECTORS);
	t_configure(ctl, SIZE, 16, 0);
	disk = t_backing_of(ctl, t_scsi_path(0));
	t_go_live(ctl);
	t_policy(0, "forward_error", fails ? "fail" : "lend");
	before = t_counters(ctl);
	call = pull_under(ios);

	/* The disk had them, and has answered. */
	for (i = 0; i < NR; i++)
		if (!is_bad(i))
			T_EQ(t_result(ios[i]), LEN);
	T_UNTIL(!t_counters(ctl).ab_nr_forwarded);
	T_EQ(t_call_result(call), 0);
	T_EQ(t_counters(ctl).ab_nr_queued, fails ? 0 : NR_BAD);
	if (!fails)
		answer_again();
	for (i = 0; i < NR; i++) {
		if (!is_bad(i))
			continue;
		T_EQ(t_result(ios[i]), fails ? -ENODATA : LEN);
		if (!fails)
			t_stamp_check(ios[i]->data, ios[i]->offset_bytes, LEN,
				      COPIED);
	}
	T_UNTIL(t_counters(ctl).ab_ended == before.ab_ended + NR);
	after = t_counters(ctl);
	T_EQ(after.ab_accepted, before.ab_accepted + NR);
	T_EQ(after.ab_ended_error, before.ab_ended_error + fails * NR_BAD);
	T_EQ(after.ab_forward_failed, before.ab_forward_failed + NR_BAD);
	T_EQ(after.ab_nr_clones_free, after.ab_nr_clones);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	/* The claim on what is no more goes with the configuration. */
	t_scsi_unload();
}

int main(void)
{
	t_init(55);
	ctl = t_ctl_open(0);
	one(false);
	one(true);
	t_policy(0, "forward_error", "lend");
	return t_end();
}
