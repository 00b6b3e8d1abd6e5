// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will read what a server of 2009 read of its device: the bound that
 * 0 asks for is 512, the largest 4096, and each is the bound at which
 * submitters wait; ab_queue_size counts what is in care, ab_errors what failed
 * since the last RESET, and no GET hands out more than ab_max_vecs vectors.
 *
 * Where it stands: [configuration] > bio > queue > ioctl > server.
 *
 * time: 60
 * busted: module=any-status
 * busted: module=put-unchecked
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t.h"

#define SIZE	(32 * T_MIB)

static int ctl;

static struct abuse_info status(void)
{
	struct abuse_info info;

	memset(&info, 0xff, sizeof(info));
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	return info;
}

/* As many reads as it has room for, and two more, by one process. */
static pid_t flood(uint32_t nr)
{
	pid_t pid = t_fork(false);
	unsigned long ctx;
	char *data;
	uint32_t i;
	int blk;

	if (pid)
		return pid;
	blk = t_blk_open(0, O_RDONLY | O_DIRECT);
	T_OK(blk);
	data = t_shared(T_PAGE);
	T_OK(t_aio_setup(nr, &ctx));
	for (i = 0; i < nr; i++)
		T_OK(t_aio_submit(ctx, blk, T_READ, data, T_PAGE,
				  (uint64_t)i * T_PAGE, 0));
	_exit(0);
}

static void bound_is(uint32_t asked, uint32_t want)
{
	struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = asked,
	};
	struct abuse_xfr_hdr xfr = { 0 };
	pid_t pid;

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	info = status();
	T_EQ(info.ab_max_queue, want);
	T_EQ(info.ab_queue_size, 0);
	T_TRUE(info.ab_max_vecs >= 1 && info.ab_max_vecs <= T_VECS,
	       "ab_max_vecs: expected 1 to %u, found %u", T_VECS,
	       info.ab_max_vecs);
	t_go_live(ctl);
	pid = flood(want + 2);
	T_UNTIL(t_counters(ctl).ab_nr_queued == want &&
		t_counters(ctl).ab_nr_waiting == 1);
	T_EQ(status().ab_queue_size, want + 1);
	T_TRUE(!t_ended(pid),
	       "a submitter beyond the bound: expected to wait, found it ended");
	/* All of it at once; the last two come when there is room. */
	xfr.ab_result = ABUSE_RESULT_DEVICE_FAILURE;
	while (!t_ended(pid) || status().ab_queue_size) {
		T_OK(t_ioctl(ctl, ABUSE_PUT_BIO, &xfr));
		t_pause();
	}
	T_EQ(t_reap(pid), 0);
	info = status();
	T_EQ(info.ab_errors, want + 2);
	T_EQ(info.ab_queue_size, 0);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	T_EQ(status().ab_errors, 0);
	T_EQ(status().ab_max_queue, 0);
}

/* Errors are counted, and forgotten at RESET even of a device in use. */
static void errors(void)
{
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;
	struct t_io *io;
	uint32_t i;
	int blk;

	t_configure(ctl, SIZE, 8, 0);
	t_go_live(ctl);
	for (i = 1; i <= 3; i++) {
		io = t_submit_accepted(ctl, 0, i & 1 ? T_READ : T_WRITE, 0,
				       T_PAGE, 0);
		T_OK(t_get(ctl, &xfr, vecs));
		T_OK(t_put(ctl, &xfr, NULL, ABUSE_RESULT_MEDIA_FAILURE));
		T_EQ(t_result(io), -EIO);
		T_EQ(status().ab_errors, i);
	}
	blk = t_blk_open(0, O_RDONLY);
	T_OK(blk);
	T_EQ(t_ioctl(ctl, ABUSE_RESET, NULL), -EBUSY);
	T_EQ(status().ab_errors, 0);
	T_EQ(status().ab_size, SIZE);
	close(blk);
	/* A wrong answer is none of the device's errors. */
	io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	xfr.ab_sector++;
	T_EQ(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY), -EINVAL);
	T_EQ(status().ab_errors, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	T_OK(t_put(ctl, &xfr, NULL, ABUSE_RESULT_MEDIA_FAILURE));
	T_EQ(t_result(io), -EIO);
	T_EQ(status().ab_errors, 1);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	t_init(55);
	ctl = t_ctl_open(0);
	bound_is(0, ABUSE_QUEUE_DEFAULT);
	bound_is(1, 1);
	bound_is(ABUSE_QUEUE_LIMIT, ABUSE_QUEUE_LIMIT);
	errors();
	return t_end();
}
