// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will compare what abusectl status says of a swapserver's
 * protections, as text and as JSON, with those that were left out; take some
 * away from a running server, which then shows as off, and as lost if the board
 * says that the server took it; and find swap, opens and counters in it.
 *
 * Where it stands: [abusectl] > /proc, /sys, the board.
 *
 * time: 90
 * busted: env=SERVER_FLAGS=--no-sched
 * busted: env=SERVER_FLAGS=--no-mlock
 * busted: module=scope-ignored
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t.h"
#include "tool.h"

static const char *const names[] = { "core",	"oom",	   "sched",
				     "mlock",	"flusher", "scope",
				     "nofault", "caps",	   "sealed" };
#define NR_NAMES ((int)(sizeof(names) / sizeof(names[0])))

/* What is left out, and what is off then.  What cannot be seen is unknown. */
static const struct {
	const char *flags, *off, *unknown;
} rows[] = {
	{ "", "", "" },
	{ "--no-core --no-oom --no-caps", "core oom caps", "" },
	{ "--no-sched --no-flusher --no-sealed", "sched flusher sealed", "" },
	{ "--no-mlock", "mlock", "" },
	{ "--no-nofault --no-scope", "scope", "nofault" },
};

static void word_is(const char *text, const char *json, const char *name,
		    const char *word)
{
	char want[64];

	snprintf(want, sizeof(want), "    %-8s %-8s", name, word);
	tool_has(text, want);
	snprintf(want, sizeof(want), "\"%s\":{\"state\":\"%s\"", name, word);
	tool_has(json, want);
}

/* Both forms; the text must be kept, for the next run overwrites it. */
static void all_are(const char *off, const char *unknown, const char *word_off)
{
	static char text[65536];
	const char *json;
	int i;

	strcpy(text, tool_want(0, "status 0")->out);
	json = tool_want(0, "status 0 --json")->out;
	for (i = 0; i < NR_NAMES; i++)
		word_is(text, json, names[i],
			strstr(off, names[i])	    ? word_off
			: strstr(unknown, names[i]) ? "unknown"
						    : "on");
}

static struct t_swapserver start(const char *flags)
{
	char line[200];

	snprintf(line, sizeof(line),
		 "%s --size 16M /dev/abctl0 disk,path=/dev/store", flags);
	return t_swapserver_start(line);
}

/* Idle, hence ended by that. */
static void end(const struct t_swapserver *s)
{
	tool_want(0, "drain 0");
	T_EQ(t_reap(s->pid), 0);
	tool_want(0, "reset 0");
}

static void write_file(const char *text, const char *format, pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), format, pid);
	fd = T_OK(T_RET(open(path, O_WRONLY)));
	T_EQ(T_RET(write(fd, text, strlen(text))), strlen(text));
	close(fd);
}

static void in_use(void)
{
	int blk = T_OK(t_blk_open(0, O_RDONLY));
	const char *text;
	char want[64];

	t_mkswap(0);
	T_OK(t_swapon(0));
	text = tool_want(0, "status 0")->out;
	tool_has(
		text,
		"/dev/abuse0: live, 16777216 bytes, block size 4096, bound 512, write_cache\n");
	tool_has(text, "  in use: swap (0 of 16380 KiB used, priority ");
	/* A swap area counts twice on 6.1: as a file, and as a device. */
	snprintf(want, sizeof(want), " open, by process %d\n", getpid());
	tool_has(text, want);
	tool_has(
		text,
		"no_server=wait max_owners=16 scan_timeout_ms=5000 reset=requeue forward_error=lend spin_us=");
	tool_has(text, " scope=memalloc store=");
	tool_has_not(text, "store=any");
	tool_has(text, "  board: none");
	tool_has(text, "nr_servers 1");
	tool_has(
		tool_want(0, "status --json")->out,
		"\"swap\":[{\"path\":\"/dev/abuse0\",\"size_kib\":16380,\"used_kib\":0,");
	/* To show people, and us. */
	printf("%s", tool_want(0, "status 0")->out);
	close(blk);
	T_OK(t_swapoff(0));
}

int main(void)
{
	const struct rlimit cores = { RLIM_INFINITY, RLIM_INFINITY };
	const struct sched_param plain = { 0 };
	struct t_swapserver s;
	struct board *b;
	size_t i;

	t_init(85);
	/* Or "no core" would be so without the server's doing. */
	T_OK(T_RET(setrlimit(RLIMIT_CORE, &cores)));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s = start(rows[i].flags);
		all_are(rows[i].off, rows[i].unknown, "off");
		if (!i)
			in_use();
		end(&s);
	}

	/* Taken away from outside, after the server has read it back. */
	s = start("");
	T_OK(T_RET(sched_setscheduler(s.pid, SCHED_OTHER, &plain)));
	write_file("0", "/proc/%d/oom_score_adj", s.pid);
	all_are("sched oom", "", "off");
	b = tool_board();
	tool_slot(b, 3, s.pid, BOARD_ACTIVE);
	all_are("sched oom", "", "lost");
	/* Only the server can see that; /proc would say "on". */
	b->slots[3].protections.p[PROTECT_CAPS].on = false;
	tool_has(tool_want(0, "status 0")->out,
		 "    caps     off       the server: as said");
	tool_board_end(b);
	end(&s);
	return t_end();
}
