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
#include <signal.h>
#include <stdio.h>

#include "b.h"

#define NR	8

static int ctl;

/* Requests that the disk has had. */
static unsigned long long requests(enum t_op op)
{
	unsigned long long reads = 0, writes = 0;

	T_EQ(sscanf(t_read_text("/sys/block/%s/stat", t_disk_name(T_STORE)),
		    "%llu %*u %*u %*u %llu", &reads, &writes), 2);
	return op == T_READ ? reads : writes;
}

/* All of them are QUEUED before the server sees one. */
static void together(const struct t_swapserver *s, enum t_op op)
{
	unsigned long long before = requests(op);
	struct t_io *ios[NR];
	int i;

	t_kill(s->pid, SIGSTOP);
	T_UNTIL(t_state(s->pid) == 'T');
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, op, (3 + i) * T_PAGE,
					   T_PAGE, 0);
	t_kill(s->pid, SIGCONT);
	for (i = 0; i < NR; i++) {
		T_EQ(t_result(ios[i]), T_PAGE);
		t_stamp_check(ios[i]->data, (3 + i) * T_PAGE, T_PAGE, 1);
	}
	T_EQ(requests(op) - before, 1);
}

int main(void)
{
	struct t_swapserver s;

	t_init(35);
	ctl = t_ctl_open(0);
	s = t_swapserver_start("--size 4M /dev/abctl0 forward,path=" T_STORE);
	together(&s, T_WRITE);
	together(&s, T_READ);
	b_check(3 * T_PAGE, NR * T_PAGE, 1);
	b_stop(&s, ctl);
	return t_end();
}
