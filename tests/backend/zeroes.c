// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will zero and discard ranges through each backend, down to single
 * blocks within a page: what was zeroed reads as zeroes, what was discarded
 * does where the backend promises so, and what is beside them is as it was.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 120
 * busted: env=T_TWIN=not-asked
 * busted: env=T_SPEC=null
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b.h"

#define SIZE	(4 * T_MIB)
#define AT	T_MIB
#define LEN	(64 * 1024u)

/* The backend is asked, or the kernel writes zeroes by itself. */
enum asked { NEVER, ALWAYS, IF_THE_DISK_CAN };

static const struct row {
	const char *spec, *flags;
	enum asked zeroes;
	bool discard_zeroes;
} rows[] = {
	{ "ram", "", ALWAYS, true },
	{ "ram", "--blocksize 512", ALWAYS, true },
	{ "ram", "--naive", ALWAYS, true },
	{ "lz4", "", ALWAYS, true },
	{ "lz4", "--blocksize 512", ALWAYS, true },
	{ "fault:lz4", "", ALWAYS, true },
	{ "fault:ram", "", ALWAYS, true },
	{ "bar,path=%s", "--blocksize 512", ALWAYS, false },
	{ "disk,path=" T_STORE, "--blocksize 512", NEVER, false },
	{ "disk,discard=1,path=" T_STORE, "", NEVER, false },
	{ "forward,path=" T_STORE, "", IF_THE_DISK_CAN, false },
	{ "fault:forward,path=" T_STORE, "", IF_THE_DISK_CAN, false },
};

static int ctl;

static bool is_asked(const struct row *row)
{
	char path[100];

	if (row->zeroes != IF_THE_DISK_CAN)
		return row->zeroes == ALWAYS;
	snprintf(path, sizeof(path), "/sys/block/%s/queue/write_zeroes_max_bytes",
		 t_disk_name(T_STORE));
	return atoll(t_read_text("%s", path)) > 0;
}

/* Between what stays as it was. */
static void zeroed(uint64_t at, uint32_t len)
{
	b_check(AT, at - AT, 1);
	T_EQ(b_is_zero(at, len), true);
	b_check(at + len, AT + LEN - at - len, 1);
	b_write(AT, LEN, 1);
}

static void range(const struct row *row, uint64_t at, uint32_t len)
{
	uint64_t before = t_counters(ctl).ab_discard_bytes;

	if (!t_twin("not-asked")) {
		T_EQ(b_zero(at, len), 0);
		T_EQ(t_counters(ctl).ab_discard_bytes - before,
		     is_asked(row) ? len : 0);
	}
	zeroed(at, len);
}

static void one(const struct row *row)
{
	char arguments[300], spec[200];
	struct t_swapserver s;

	if (strstr(row->spec, "%s"))
		snprintf(spec, sizeof(spec), "bar,path=%s", b_bar());
	else
		snprintf(spec, sizeof(spec), "%s", row->spec);
	snprintf(arguments, sizeof(arguments), "--size %u %s /dev/abctl0 %s",
		 SIZE, row->flags, spec);
	printf("%s\n", arguments);
	s = t_swapserver_start(arguments);
	b_write(AT, LEN, 1);
	range(row, AT + T_PAGE, T_PAGE);
	range(row, AT + T_PAGE, 5 * T_PAGE);
	if (strstr(row->flags, "512")) {
		range(row, AT + T_PAGE + 512, 1024);
		range(row, AT + 512, 2 * T_PAGE);
	}
	if (row->discard_zeroes) {
		T_EQ(b_discard(AT + T_PAGE, 3 * T_PAGE), 0);
		zeroed(AT + T_PAGE, 3 * T_PAGE);
	}
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	b_stop(&s, ctl);
}

int main(void)
{
	const struct row other = { getenv("T_SPEC"), "", NEVER, false };
	size_t i;

	t_init(110);
	ctl = t_ctl_open(0);
	if (other.spec) {
		one(&other);
		return t_end();
	}
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		one(&rows[i]);
	return t_end();
}
