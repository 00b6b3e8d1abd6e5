// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will queue neighbouring pages while a server that forwards is
 * stopped: the disk then gets them as one request, each page where it belongs.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 40
 * busted: module=no-plug
 */
#define _GNU_SOURCE
#include "b.h"

#define NR	8

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
	T_EQ(b_requests(T_STORE, op) - before, 1);
}

int main(void)
{
	struct t_swapserver s;

	t_init(35);
	ctl = t_ctl_open(0);
	s = t_swapserver_start("--size 4M /dev/abctl0 forward,path=" T_STORE);
	joined(&s, T_WRITE);
	joined(&s, T_READ);
	b_check(3 * T_PAGE, NR * T_PAGE, 1);
	b_stop(&s, ctl);
	return t_end();
}
