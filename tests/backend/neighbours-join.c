// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will queue neighbouring pages while the server is stopped: the disk
 * then gets them in pieces of four pages, each page is where it belongs, and of
 * neighbours of which the disk fails one only that one fails.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * time: 60
 * busted: env=SERVER_FLAGS=--batch=1
 */
#define _GNU_SOURCE
#include <stdio.h>

#include "b.h"

#define NR		8
#define OPTS		"/sys/bus/pseudo/drivers/scsi_debug/opts"
#define MEDIUM_ERROR	"2"
#define BAD_PAGE	512	/* its first sector cannot be read */

static int ctl;

static void joined(const struct t_swapserver *s, enum t_op op)
{
	unsigned long long before = b_requests(T_STORE, op);
	struct t_io *ios[NR];
	int i;

	b_together(s, ctl, op, 3, NR, ios);
	for (i = 0; i < NR; i++) {
		T_EQ(t_result(ios[i]), T_PAGE);
		t_stamp_check(ios[i]->data, (3 + i) * T_PAGE, T_PAGE, 1);
	}
	T_EQ(b_requests(T_STORE, op) - before, NR / 4);
}

static void one_fails(void)
{
	struct t_swapserver s;
	struct t_io *ios[NR];
	char arguments[100];
	int i;

	t_scsi_load("medium_error_start=4096 medium_error_count=8");
	snprintf(arguments, sizeof(arguments),
		 "--size 4M /dev/abctl0 disk,path=%s", t_scsi_path(0));
	s = t_swapserver_start(arguments);
	b_write((BAD_PAGE - 2) * T_PAGE, NR * T_PAGE, 1);
	T_OK(t_attr_set(MEDIUM_ERROR, OPTS));
	b_together(&s, ctl, T_READ, BAD_PAGE - 2, NR, ios);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), i == 2 ? -EIO : (long)T_PAGE);
	T_OK(t_attr_set("0", OPTS));
	b_check((BAD_PAGE - 2) * T_PAGE, NR * T_PAGE, 1);
	b_stop(&s, ctl);
	t_scsi_unload();
}

int main(void)
{
	struct t_swapserver s;

	t_init(50);
	ctl = t_ctl_open(0);
	s = t_swapserver_start("--size 4M /dev/abctl0 disk,path=" T_STORE);
	joined(&s, T_WRITE);
	joined(&s, T_READ);
	b_check(3 * T_PAGE, NR * T_PAGE, 1);
	b_stop(&s, ctl);
	one_fails();
	return t_end();
}
