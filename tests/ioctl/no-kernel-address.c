// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will look at every word that the ioctls and the debugfs files
 * give out, and see that none is a kernel address (2009: ab_id was one).
 *
 * Where it stands: bio > queue > [ioctl] > server.
 *
 * time: 30
 * busted: module=leak-address
 * invariant: I5
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "t.h"

#define ROUNDS 20

static void check(const char *what, const void *bytes, size_t nr_bytes)
{
	uint64_t word;
	size_t at;

	for (at = 0; at + 8 <= nr_bytes; at += 4) {
		memcpy(&word, (const char *)bytes + at, 8);
		/* The kernel's half, with 5-level page tables, too. */
		T_TRUE(word < 0xff00000000000000ull ||
		       word == ~0ull, "%s, byte %zu: expected no address, found 0x%llx",
		       what, at, (unsigned long long)word);
	}
}

static void check_text(const char *name)
{
	const char *text = t_read_text("/sys/kernel/debug/abuse/abuse0/%s",
				       name);

	T_TRUE(*text, "debugfs %s: expected some text, found none", name);
	T_TRUE(!strstr(text, "ffff"), "debugfs %s: expected no address, found ffff...",
	       name);
}

int main(void)
{
	struct abuse_counters counters;
	struct abuse_info info;
	struct stat st;
	uint64_t seen = 0;
	int ctl, i;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 4, 0);
	t_go_live(ctl);
	T_OK(stat("/dev/abuse0", &st));
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	/* As stat(2) gives it; both encodings agree for these majors. */
	T_EQ(info.ab_device, st.st_rdev);
	T_EQ(info.ab_device, makedev(ABUSE_MAJOR, 0));
	check("GET_STATUS", &info, 44);
	counters = t_counters(ctl);
	check("GET_COUNTERS", &counters, sizeof(counters));

	for (i = 0; i < ROUNDS; i++) {
		struct t_io *io = t_submit_accepted(ctl, 0, i & 1 ? T_READ :
						    T_WRITE, 0, T_PAGE, 0);
		struct abuse_vec vecs[T_VECS] = { { 0 } };
		struct abuse_xfr_hdr xfr;
		struct abuse_lent lent;

		lent = t_lend_one(ctl);
		check("abuse_lent", &lent, sizeof(lent));
		T_EQ(lent.ab_error, 0);
		T_TRUE((uint32_t)lent.ab_id < 4, "id 0x%llx: expected a slot below 4 in the low half, found another",
		       lent.ab_id);
		T_TRUE(lent.ab_id >> 32 && lent.ab_id >> 32 <= 3 * ROUNDS,
		       "id 0x%llx: expected a generation in the high half, found another",
		       lent.ab_id);
		T_TRUE(lent.ab_id != seen, "id 0x%llx: expected a new one for each lend, found it twice",
		       lent.ab_id);
		check_text("requests");
		T_OK(t_requeue(ctl, lent.ab_id));
		T_OK(t_get(ctl, &xfr, vecs));
		/* Without the address that we gave ourselves. */
		check("abuse_xfr_hdr", &xfr, 32);
		T_TRUE(xfr.ab_id != lent.ab_id, "id 0x%llx: expected a new one after a requeue, found it again",
		       lent.ab_id);
		seen = xfr.ab_id;
		T_EQ(xfr.ab_vec_count, 1);
		check("abuse_vec", vecs, sizeof(vecs));
		lent.ab_id = xfr.ab_id;
		t_answer(ctl, &lent);
		T_EQ(t_result(io), T_PAGE);
	}
	check_text("counters");
	return t_end();
}
