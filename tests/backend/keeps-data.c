// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write stamps through the device to each backend that keeps
 * data, in pieces of 512 bytes to a MiB, read them back, overwrite and discard
 * parts, flush, and, where the store outlives the server, kill that and read
 * them from the next.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 240
 * busted: env=T_SPEC=null
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b.h"

#define SIZE		(16 * T_MIB)
#define FILE_PATH	B_MNT "/file"

static struct row {
	const char *spec;
	const char *flags;
	bool persists;		/* beyond its server */
	bool discards;
	bool zeroes;		/* what was discarded reads so */
} rows[] = {
	{ "ram", "", false, true, false },
	{ "lz4", "", false, true, true },
	{ "lz4,store=8M", "--blocksize 512", false, true, true },
	{ "disk,path=" T_STORE, "", true, false, false },
	{ "disk,path=" T_STORE ",discard=1", "", true, true, false },
	{ "forward,path=" T_STORE, "", true, true, false },
	{ "forward,path=" T_STORE ",offset=8M", "--batch 1", true, true,
	  false },
	{ "bar,path=%s", "", true, false, false },
	/* A file system under PF_MEMALLOC warns: without that protection. */
	{ "file,unsafe=1,direct=0,path=" FILE_PATH, "--no-scope", true, false,
	  false },
	{ "file,unsafe=1,path=" FILE_PATH, "--no-scope", true, false, false },
	{ "fault,delay_ms=1:lz4", "", false, true, true },
	{ "fault:forward,path=" T_STORE, "", true, true, false },
};

static struct t_swapserver begin(const struct row *row)
{
	char arguments[300], spec[200];

	if (strstr(row->spec, "%s"))
		snprintf(spec, sizeof(spec), "bar,path=%s", b_bar());
	else
		snprintf(spec, sizeof(spec), "%s", row->spec);
	snprintf(arguments, sizeof(arguments), "--size %u %s /dev/abctl0 %s",
		 SIZE, row->flags, spec);
	return t_swapserver_start(arguments);
}

static void verify(const struct row *row)
{
	b_check(0, T_PAGE, 1);
	b_check(T_PAGE, 15 * T_PAGE, 1);
	b_check(T_MIB, T_PAGE, 1);
	b_check(T_MIB + T_PAGE, 2 * T_PAGE, 2);
	b_check(T_MIB + 3 * T_PAGE, T_MIB / 2 - 3 * T_PAGE, 1);
	b_check(T_MIB + T_MIB / 2 + 16 * T_PAGE, T_MIB / 2 - 16 * T_PAGE, 1);
	b_check(SIZE - T_PAGE, T_PAGE, 3);
	if (row->zeroes)
		T_EQ(b_is_zero(T_MIB + T_MIB / 2, 16 * T_PAGE), true);
	if (strstr(row->flags, "512")) {
		b_check(4 * T_MIB + 512, 512, 4);
		T_EQ(b_is_zero(4 * T_MIB, 512), true);
	}
}

static void keeps(const struct row *row, int ctl)
{
	struct t_swapserver s = begin(row);
	int ret;

	printf("%s\n", row->spec);
	b_write(0, T_PAGE, 1);
	b_write(T_PAGE, 15 * T_PAGE, 1);
	b_write(T_MIB, T_MIB, 1);
	b_write(SIZE - T_PAGE, T_PAGE, 1);
	b_check(T_MIB, T_MIB, 1);
	T_EQ(b_io(T_FSYNC, 0, 0), 0);
	b_write(T_MIB + T_PAGE, 2 * T_PAGE, 2);
	T_EQ(t_result(t_submit_generation(0, T_WRITE, SIZE - T_PAGE, T_PAGE,
					  T_DSYNC, 3)),
	     T_PAGE);
	if (strstr(row->flags, "512"))
		b_write(4 * T_MIB + 512, 512, 4);
	ret = b_discard(T_MIB + T_MIB / 2, 16 * T_PAGE);
	T_EQ(ret, row->discards ? 0 : -EOPNOTSUPP);
	T_EQ(t_counters(ctl).ab_discard_bytes,
	     row->discards ? 16 * T_PAGE : 0);
	verify(row);
	if (row->persists) {
		b_kill(&s);
		s = begin(row);
		verify(row);
	}
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	b_stop(&s, ctl);
}

/* All of it written: a file with holes is refused. */
static void make_file(void)
{
	static char data[T_MIB];
	int fd = T_OK(T_RET(open(FILE_PATH, O_RDWR | O_CREAT | O_TRUNC, 0600)));
	unsigned int i;

	memset(data, 0x55, sizeof(data));
	for (i = 0; i < SIZE / T_MIB; i++)
		T_EQ(write(fd, data, sizeof(data)), sizeof(data));
	T_OK(T_RET(fsync(fd)));
	close(fd);
}

int main(void)
{
	const char *only = getenv("T_SPEC");
	struct row other = { only, "", false, true, false };
	int ctl;
	size_t i;

	t_init(230);
	ctl = t_ctl_open(0);
	if (only) {
		keeps(&other, ctl);
		return t_end();
	}
	b_mount(T_STORE1);
	make_file();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		keeps(&rows[i], ctl);
	b_umount();
	return t_end();
}
