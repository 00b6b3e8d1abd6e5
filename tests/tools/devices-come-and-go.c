// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will add, list and remove devices with abusectl: with a size the
 * first that nobody uses is configured, and a swapserver takes it over as it
 * is; one in use is neither removed nor reset, with exit status 3; and asking
 * for a device that is not there does not make it.
 *
 * Where it stands: [abusectl] > /dev/abuse-control > devices.
 *
 * time: 60
 * busted: module=remove-in-use
 * busted: module=reset-in-use
 * busted: env=T_TWIN=not-served
 * invariant: I10
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"
#include "tool.h"

static void is(const char *text, const char *want)
{
	T_TRUE(!strcmp(text, want), "abusectl: expected \"%s\", found \"%s\"",
	       want, text);
}

static void sizes(void)
{
	is(tool_want(0, "add --size 8M")->out, "/dev/abuse0\n");
	/* That one is taken: the next. */
	is(tool_want(0, "add --size 4M --blocksize 512 --queue 8 --read-only")
		   ->out,
	   "/dev/abuse1\n");
	tool_has(
		tool_want(0, "status 1")->out,
		"/dev/abuse1: configured, 4194304 bytes, block size 512, bound 8, read_only, write_cache");
	/* Of the eight that the module made; without a size a new one. */
	is(tool_want(0, "add")->out, "/dev/abuse8\n");
	tool_want(1, "add 8");
	is(tool_want(0, "add 20 --size 4M")->out, "/dev/abuse20\n");
	tool_want(3, "add 20 --size 4M");
	tool_want(3, "add 0 --size 4M");
	tool_want(2, "add --size 0");
	tool_want(2, "add --blocksize 512");
	/* Not a multiple of the block size; made for nothing, and gone again.
	 */
	tool_want(1, "add 21 --size 4097");
	T_UNTIL(access("/sys/block/abuse21", F_OK));
	tool_has(tool_want(0, "list")->out, "/dev/abuse20");
	tool_has(
		tool_want(0, "list --json")->out,
		"{\"number\":20,\"state\":\"configured\",\"size_bytes\":4194304,\"swap\":false,\"mounted\":false}");
}

static void absent(void)
{
	tool_want(1, "status 30");
	tool_want(1, "drain 30");
	tool_want(1, "reset 30");
	tool_want(1, "scope 30 none");
	tool_want(1, "aside 30 requeue");
	tool_want(1, "policy 30");
	tool_want(1, "remove 30");
	tool_has(tool_want(1, "wait 30 --timeout 1")->err, "after 1 s");
	tool_has(tool_want(1, "wait 30 --pid 4000000")->err, "ended before");
	tool_want(2, "status 1024");
	T_TRUE(access("/sys/block/abuse30", F_OK),
	       "a device asked for: expected none to be made, found /sys/block/abuse30");
}

int main(void)
{
	struct t_swapserver s;
	char text[80];
	int blk;

	t_init(55);
	absent();
	sizes();

	/* Open, and nobody serves it. */
	blk = T_OK(t_blk_open(1, O_RDONLY));
	tool_has(tool_want(3, "reset 1")->err, "(open, or ");
	close(blk);

	/* The size is the device's. */
	s = t_swapserver_start("/dev/abctl0 ram");
	tool_want(0, "wait 0 --timeout 10");
	tool_has(tool_want(0, "status --json")->out,
		 "\"number\":0,\"state\":\"live\",\"size_bytes\":8388608,");
	/* Bound to its store, by the same digits as in sysfs. */
	snprintf(text, sizeof(text), "\"store_id\":\"%s\"",
		 t_attr(T_ABUSE, 0, "store_id"));
	T_EQ(strlen(text), strlen("\"store_id\":\"\"") + 32);
	tool_has(tool_want(0, "status --json")->out, text);
	snprintf(text, sizeof(text), " store=%s\n",
		 t_attr(T_ABUSE, 0, "store_id"));
	tool_has(tool_want(0, "status 0")->out, text);
	tool_has(tool_want(3, "remove 0")->err, "in use");
	/* Idle, and the kernel would; but its server is there. */
	tool_has(tool_want(3, "reset 0")->err, "served by process");
	blk = T_OK(t_blk_open(0, O_RDONLY));
	tool_has(tool_want(3, "reset 0")->err, "in use");
	close(blk);
	if (!t_twin("not-served")) {
		t_mkswap(0);
		T_OK(t_swapon(0));
	}
	tool_has(tool_want(3, "remove 0")->err, "swapped on");
	tool_has(tool_want(3, "reset 0")->err, "swapped on");
	T_OK(t_swapoff(0));
	tool_want(0, "drain 0");
	T_EQ(t_reap(s.pid), 0);

	tool_want(0, "reset 0");
	tool_want(1, "reset 0");
	tool_want(0, "remove 20");
	T_UNTIL(access("/sys/block/abuse20", F_OK));
	tool_want(1, "remove 20");
	tool_want(0, "remove 8");
	tool_want(0, "reset 1");

	/* With flags that the server has not: it is the first, so it decides.
	 */
	tool_want(0, "add 0 --size 4M --queue 8 --discard");
	s = t_swapserver_start("/dev/abctl0 ram");
	tool_has(
		tool_want(0, "status 0")->out,
		"/dev/abuse0: live, 4194304 bytes, block size 4096, bound 8, write_cache, discard, write_zeroes\n");
	tool_want(0, "drain 0");
	T_EQ(t_reap(s.pid), 0);
	tool_want(0, "reset 0");
	return t_end();
}
