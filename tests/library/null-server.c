// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will write to the two null servers, the one on the library and the
 * one on the ioctls alone, and read: zeroes come back whatever was written,
 * also in requests longer than any buffer of theirs, also from a server that
 * comes back to the device of one that was killed; and both say what is wrong
 * when they cannot serve.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: env=T_TWIN=keeps
 * busted: module=short-copy
 */
#define _GNU_SOURCE
#include <string.h>

#include "example.h"

EXAMPLE(null_server, "null");
EXAMPLE(null_raw, "null-raw");
EXAMPLE(thin, "thin");

#define SIZE		(64 * T_MIB)
#define SIZE_TEXT	"67108864"
/* Longer than the buffers of both. */
#define LONG_BYTES	(3 * T_MIB)

static char *data;

static void swallows(uint64_t offset, uint32_t len)
{
	t_stamp(data, offset, len, 1);
	T_EQ(example_io(0, T_WRITE, data, offset, len), len);
	T_EQ(example_io(0, T_READ, data, offset, len), len);
	example_zeroes(data, len);
}

static void round_of(const struct example *example, const char *arguments)
{
	int ctl = t_ctl_open(0);
	pid_t server = example_start(ctl, example, arguments);
	struct abuse_counters c;

	swallows(0, T_PAGE);
	swallows(SIZE - LONG_BYTES, LONG_BYTES);
	example_kill(ctl, server);

	server = example_start(ctl, example, arguments);
	swallows(7 * T_PAGE, 33 * T_PAGE);
	c = t_counters(ctl);
	T_EQ(c.ab_ended_error, 0);
	T_TRUE(c.ab_write_bytes >= LONG_BYTES && c.ab_read_bytes >= LONG_BYTES,
	       "expected %u bytes each way, found %llu written, %llu read",
	       LONG_BYTES, c.ab_write_bytes, c.ab_read_bytes);
	example_end(ctl, server);
}

static void says(const struct example *example, const char *arguments,
		 int status, const char *words)
{
	T_EQ(example_fails(example, arguments), status);
	T_TRUE(strstr(example_words(), words) && strchr(example_words(), '\n'),
	       "%s %s: expected \"%s\", found \"%s\"", example->name,
	       arguments, words, example_words());
}

int main(void)
{
	t_init(55);
	data = t_shared(LONG_BYTES);
	if (t_twin("keeps"))
		round_of(&thin, "0 " SIZE_TEXT " " SIZE_TEXT);
	round_of(&null_server, "0 " SIZE_TEXT);
	round_of(&null_raw, "/dev/abctl0 " SIZE_TEXT);
	says(&null_server, "0", 2, "SIZE");
	says(&null_raw, "/dev/abctl0", 2, "SIZE");
	says(&null_server, "999 4096", 1, "No such file");
	says(&null_raw, "/dev/abctl999 4096", 1, "No such file");
	says(&null_server, "0 4097", 1, "Invalid argument");
	says(&null_raw, "/dev/abctl0 4097", 1, "Invalid argument");
	return t_end();
}
