// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will use a fault-injecting device: it fails what it was told to
 * fail, by place and by turn, with the error it was told, delays what it was
 * told to delay, and does everything else as a disk does.
 *
 * Where it stands: bio > queue > ioctl > [server > backend].
 *
 * time: 120
 * busted: env=T_TWIN=sound
 * busted: env=T_TWIN=rotten
 * busted: env=T_TWIN=prompt
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "example.h"

EXAMPLE(faulty, "faulty");

#define SIZE_TEXT	"8388608"
#define BAD_SECTOR	2049u
#define BAD_OFFSET	(2048 * 512u)	/* of the page with it */
#define DELAY_MS	3000

static char *data;
static int ctl;

static pid_t start(const char *faults)
{
	char arguments[200];

	if (t_twin("sound"))
		faults = "";
	if (t_twin("rotten"))
		faults = " error=EIO";
	snprintf(arguments, sizeof(arguments), "0 " SIZE_TEXT "%s", faults);
	ctl = t_ctl_open(0);
	return example_start(ctl, &faulty, arguments);
}

static long write_at(uint64_t offset, uint32_t len)
{
	t_stamp(data, offset, len, 1);
	return example_io(0, T_WRITE, data, offset, len);
}

static long read_at(uint64_t offset, uint32_t len)
{
	long ret = example_io(0, T_READ, data, offset, len);

	if (ret > 0)
		t_stamp_check(data, offset, ret, 1);
	return ret;
}

static void by_sector(void)
{
	pid_t server = start(" sector=2049 on=read error=EREMOTEIO");

	T_EQ(write_at(BAD_OFFSET - T_PAGE, 3 * T_PAGE), 3 * T_PAGE);
	T_EQ(read_at(BAD_OFFSET - T_PAGE, T_PAGE), T_PAGE);
	T_EQ(read_at(BAD_OFFSET, T_PAGE), -EREMOTEIO);
	T_EQ(read_at(BAD_OFFSET + T_PAGE, T_PAGE), T_PAGE);
	/* The sector itself, and those on either side of it. */
	T_EQ(read_at(512 * (BAD_SECTOR - 1), 512), 512);
	T_EQ(read_at(512 * BAD_SECTOR, 512), -EREMOTEIO);
	T_EQ(read_at(512 * (BAD_SECTOR + 1), 512), 512);
	T_EQ(read_at(BAD_OFFSET - T_PAGE, 3 * T_PAGE), -EREMOTEIO);
	T_EQ(t_counters(ctl).ab_ended_error, 3);
	example_end(ctl, server);
}

static void by_turn(const char *faults, int error)
{
	pid_t server = start(faults);
	int i;

	/* Reads do not count: on=write. */
	for (i = 1; i <= 9; i++) {
		if (i % 3 == 0) {
			T_EQ(write_at(i * T_PAGE, T_PAGE), -error);
			continue;
		}
		T_EQ(write_at(i * T_PAGE, T_PAGE), T_PAGE);
		T_EQ(read_at(i * T_PAGE, T_PAGE), T_PAGE);
	}
	T_EQ(t_counters(ctl).ab_ended_error, 3);
	/* What failed has not been stored. */
	T_EQ(example_io(0, T_READ, data, 3 * T_PAGE, T_PAGE), T_PAGE);
	example_zeroes(data, T_PAGE);
	example_end(ctl, server);
}

static long took_ms(uint64_t offset)
{
	long from = t_now_ms();

	T_EQ(example_io(0, T_READ, data, offset, T_PAGE), T_PAGE);
	return t_now_ms() - from;
}

static void delayed(void)
{
	pid_t server = start(t_twin("prompt") ? "" : " every=2 delay_ms=3000");
	long first = took_ms(0), second = took_ms(T_PAGE);

	T_TRUE(second >= DELAY_MS,
	       "the second read: expected %d ms or more, found %ld",
	       DELAY_MS, second);
	/* A machine under load is slow, but not by chance every other time. */
	T_TRUE(first < DELAY_MS || second >= first + DELAY_MS / 2,
	       "the first read: expected no delay, found %ld ms beside %ld",
	       first, second);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	example_end(ctl, server);
}

int main(void)
{
	t_init(110);
	data = t_shared(16 * T_PAGE);
	by_sector();
	by_turn(" every=3 on=write", EIO);
	by_turn(" every=3 on=write error=ENOSPC", ENOSPC);
	by_turn(" every=3 on=write error=ETIMEDOUT", ETIMEDOUT);
	delayed();
	T_EQ(example_fails(&faulty, "0 4096 sector=x"), 2);
	T_EQ(example_fails(&faulty, "0 4096 error=EPERM"), 2);
	T_EQ(example_fails(&faulty, "0 4096 nonsense"), 2);
	T_EQ(example_fails(&faulty, "0"), 2);
	T_EQ(example_fails(&faulty, "999 4096"), 1);
	return t_end();
}
