// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will submit READs and WRITEs one after the other and see them
 * lent in that order, by both ABIs and past the bound.
 *
 * Where it stands: bio > [queue] > ioctl > server.
 *
 * time: 60
 * busted: module=lifo
 */
#define _GNU_SOURCE
#include "t.h"

#define NR	24

static struct t_io *ios[NR];

static enum t_op op_of(int i)
{
	return i % 3 ? T_WRITE : T_READ;
}

static void submit_all(int ctl)
{
	int i;

	/* Far apart and not ascending: nobody can merge or sort them. */
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, op_of(i),
					   (uint64_t)(i * 37 % 64) * 2 * T_PAGE,
					   T_PAGE, 0);
}

static void expect(int i, uint64_t sector, uint32_t command)
{
	T_TRUE(sector * 512 == ios[i]->offset_bytes &&
	       command == (ios[i]->op == T_READ ? ABUSE_READ : ABUSE_WRITE),
	       "lend %d: expected the I/O at byte %llu, found the one at byte %llu",
	       i, (unsigned long long)ios[i]->offset_bytes,
	       (unsigned long long)sector * 512);
}

static void finish_all(void)
{
	int i;

	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
}

static void by_serve(int ctl, uint32_t batch)
{
	struct abuse_lent lent[NR];
	int i = 0, j, nr;

	submit_all(ctl);
	while (i < NR) {
		nr = t_lend(ctl, lent, batch);
		T_TRUE(nr > 0, "lend %d: expected a request, found %s", i,
		       t_name(nr));
		for (j = 0; j < nr; j++)
			expect(i + j, lent[j].ab_sector, lent[j].ab_command);
		for (j = 0; j < nr; j++)
			t_answer(ctl, &lent[j]);
		i += nr;
	}
	finish_all();
}

static void by_get(int ctl)
{
	static char data[T_PAGE];
	struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr;
	int i;

	submit_all(ctl);
	for (i = 0; i < NR; i++) {
		T_OK(t_get(ctl, &xfr, vecs));
		expect(i, xfr.ab_sector, xfr.ab_command);
		t_vecs_point(vecs, xfr.ab_vec_count, data);
		T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	}
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	finish_all();
}

int main(void)
{
	int ctl;

	t_init(55);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 64, 0);
	t_go_live(ctl);
	by_serve(ctl, NR);
	by_serve(ctl, 1);
	by_get(ctl);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	/* Most of them wait for a slot first. */
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	by_serve(ctl, 3);
	by_get(ctl);
	return t_end();
}
