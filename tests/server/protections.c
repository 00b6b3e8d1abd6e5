// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start swapserver with every protection and with each left out
 * in turn, and compare what it says of itself with what /proc and the device
 * say of it.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 120
 * busted: env=SERVER_FLAGS=--no-core
 * busted: env=SERVER_FLAGS=--no-oom
 * busted: env=SERVER_FLAGS=--no-sched
 * busted: env=SERVER_FLAGS=--no-mlock
 * busted: env=SERVER_FLAGS=--no-flusher
 * busted: env=SERVER_FLAGS=--no-scope
 * busted: env=SERVER_FLAGS=--no-nofault
 * busted: env=SERVER_FLAGS=--no-caps
 * busted: env=SERVER_FLAGS=--no-sealed
 * busted: module=scope-ignored
 * busted: module=fault-anyway
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "t.h"

#define PF_MEMALLOC		0x00000800ul
#define PF_LOCAL_THROTTLE	0x00100000ul
/* Less than the arena. */
#define LOCKED_KB		1024

/* The number behind a name in /proc/PID/FILE; -1 if there is none. */
static long number(pid_t pid, const char *file, const char *name, int base)
{
	const char *p = strstr(t_read_text("/proc/%d/%s", pid, file), name);

	return p ? strtol(p + strlen(name), NULL, base) : -1;
}

static bool core(pid_t pid)
{
	const char *p = strstr(t_read_text("/proc/%d/limits", pid),
			       "Max core file size");

	if (!p)
		return false;
	p += strlen("Max core file size");
	p += strspn(p, " ");
	return *p == '0';	/* or a number, or "unlimited" */
}

static bool oom(pid_t pid)
{
	return atoi(t_read_text("/proc/%d/oom_score_adj", pid)) == -1000;
}

/* Field 41 of stat is the policy: SCHED_FIFO is 1. */
static bool sched(pid_t pid)
{
	const char *p = strrchr(t_read_text("/proc/%d/stat", pid), ')');
	int i;

	for (i = 2; p && i < 41; i++)
		p = strchr(p + 1, ' ');
	return p && atoi(p + 1) == 1;
}

static bool mlocked(pid_t pid)
{
	return number(pid, "status", "VmLck:", 10) >= LOCKED_KB;
}

static bool flusher(pid_t pid)
{
	return t_flags(pid) & PF_LOCAL_THROTTLE;
}

static bool scope(pid_t pid)
{
	struct abuse_scope s = { .ab_target = ABUSE_SCOPE_DEVICE };
	int ctl = t_ctl_open(0);

	T_OK(t_ioctl(ctl, ABUSE_GET_SCOPE, &s));
	t_ctl_close(ctl);
	T_EQ(s.ab_scope == ABUSE_SCOPE_MEMALLOC,
	     !!(t_flags(pid) & PF_MEMALLOC));
	return s.ab_scope == ABUSE_SCOPE_MEMALLOC;
}

static bool caps(pid_t pid)
{
	return number(pid, "status", "CapEff:", 16) == 0 &&
	       number(pid, "status", "CapPrm:", 16) == 0;
}

static bool sealed(pid_t pid)
{
	return number(pid, "status", "Seccomp:", 10) == 2;
}

static const struct {
	const char *name;
	bool (*outside)(pid_t pid);	/* NULL: cannot be seen */
} all[] = {
	{ "core", core },
	{ "oom", oom },
	{ "sched", sched },
	{ "mlock", mlocked },
	{ "flusher", flusher },
	{ "scope", scope },
	{ "nofault", NULL },
	{ "caps", caps },
	{ "sealed", sealed },
};
#define NR ((int)(sizeof(all) / sizeof(all[0])))

static bool said(const struct t_swapserver *s, const char *name)
{
	const char *p = t_read_text("%s", s->status);
	char want[40];

	p = strstr(p, "\"protections\":{");
	T_TRUE(p, "the status line: expected protections, found none");
	snprintf(want, sizeof(want), "\"%s\":true", name);
	if (strstr(p, want))
		return true;
	snprintf(want, sizeof(want), "\"%s\":false", name);
	T_TRUE(strstr(p, want), "the status line: expected protection %s, found none",
	       name);
	return false;
}

/* What is left out, and what is off then. */
static const struct {
	const char *flags, *off;
} rows[] = {
	{ "", "" },
	{ "--no-core", "core" },
	{ "--no-oom", "oom" },
	{ "--no-sched", "sched" },
	{ "--no-mlock", "mlock" },
	{ "--no-flusher", "flusher" },
	{ "--no-scope", "scope" },
	{ "--no-nofault", "" },		/* the scope implies it (I7) */
	{ "--no-nofault --no-scope", "nofault scope" },
	{ "--no-caps", "caps" },
	{ "--no-sealed", "sealed" },
};

static void compare(const struct t_swapserver *s, const char *flags,
		    const char *off)
{
	bool want, found;
	int i;

	for (i = 0; i < NR; i++) {
		want = !strstr(off, all[i].name);
		found = said(s, all[i].name);
		T_TRUE(found == want, "with \"%s\", what the server says of %s: expected %s, found %s",
		       flags, all[i].name, want ? "on" : "off",
		       found ? "on" : "off");
		if (!all[i].outside)
			continue;
		found = all[i].outside(s->pid);
		T_TRUE(found == want, "with \"%s\", what /proc says of %s: expected %s, found %s",
		       flags, all[i].name, want ? "on" : "off",
		       found ? "on" : "off");
	}
}

int main(void)
{
	const struct rlimit cores = { RLIM_INFINITY, RLIM_INFINITY };
	struct t_swapserver s;
	char line[100];
	struct t_io *io;
	size_t i;
	int ctl;

	t_init(110);
	/* Or "no core" would be so without the server's doing. */
	T_OK(T_RET(setrlimit(RLIMIT_CORE, &cores)));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(line, sizeof(line),
			 "%s --size 8M /dev/abctl0 disk,path=/dev/store",
			 rows[i].flags);
		s = t_swapserver_start(line);
		io = t_submit(0, T_WRITE, 0, T_PAGE, 0);
		T_EQ(t_result(io), T_PAGE);
		compare(&s, rows[i].flags, rows[i].off);
		io = t_submit(0, T_READ, 0, T_PAGE, 0);
		T_EQ(t_result(io), T_PAGE);
		t_stamp_check(io->data, 0, T_PAGE, 1);
		t_kill(s.pid, SIGTERM);
		T_EQ(t_reap(s.pid), 0);
		ctl = t_ctl_open(0);
		T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
		t_ctl_close(ctl);
	}
	return t_end();
}
