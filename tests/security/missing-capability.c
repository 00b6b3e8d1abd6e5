// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will start swapserver as an ordinary user, each protection alone
 * and all of them: with the capabilities that the manual lists for it (or the
 * limits that do instead) it starts, and without one of them it ends with one
 * line that names it.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 240
 * busted: env=SERVER_FLAGS=--no-mlock
 * busted: env=SERVER_FLAGS=--no-sched
 * busted: env=SERVER_FLAGS=--no-oom --no-flusher --no-scope
 * busted: env=T_TWIN=has-it-anyway
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sec.h"

#define DEVICE "--size 4M /dev/abctl0 ram"

static const char *const all[] = { "core",    "oom",	 "sched",
				   "mlock",   "flusher", "scope",
				   "nofault", "caps",	 "sealed" };
#define NR_ALL (sizeof(all) / sizeof(all[0]))

/*
 * What is on: "all", "none", or one protection; what else is on the command
 * line; and what that needs, one at most where not all are on.
 */
static const struct {
	const char *on, *flags;
	uint64_t needs;
} rows[] = {
	{ "none", "", 0 },
	{ "core", "", 0 },
	{ "oom", "", SEC_CAP(CAP_SYS_RESOURCE) },
	{ "sched", "", SEC_CAP(CAP_SYS_NICE) },
	{ "mlock", "", SEC_CAP(CAP_IPC_LOCK) },
	{ "flusher", "", SEC_CAP(CAP_SYS_RESOURCE) },
	{ "scope", "", SEC_CAP(CAP_SYS_RESOURCE) },
	{ "nofault", "", 0 },
	{ "caps", "", 0 },
	{ "sealed", "", 0 },
	{ "all", "", SEC_PROTECT },
	/* Its spawner has the scope, whatever the servers have. */
	{ "none", "--standby 1", SEC_CAP(CAP_SYS_RESOURCE) },
	{ "all", "--standby 1", SEC_PROTECT },
};

static void command_line(char *line, size_t bytes, const char *on,
			 const char *flags)
{
	size_t used = snprintf(line, bytes, "%s", flags), i;

	for (i = 0; i < NR_ALL && strcmp(on, "all"); i++)
		if (strcmp(on, all[i]))
			used += snprintf(line + used, bytes - used, " --no-%s",
					 all[i]);
	snprintf(line + used, bytes - used, " %s", DEVICE);
}

/* One line, that names the capability. */
static void names_it(const struct t_swapserver *s, const char *line, int which)
{
	const char *text = t_read_text("%s", s->errors);
	const char *end = strchr(text, '\n');

	T_TRUE(!strncmp(text, "swapserver: ", 12) && end && !end[1],
	       "without %s, swapserver %s: expected one line, found \"%s\"",
	       sec_cap_name(which), line, text);
	T_TRUE(strstr(text, sec_cap_name(which)),
	       "swapserver %s: expected a line that names %s, found \"%s\"",
	       line, sec_cap_name(which), text);
}

static void starts(const char *line, uint64_t caps)
{
	struct t_swapserver s = sec_server_run(caps, line);

	sec_server_await(&s);
	t_kill(s.pid, SIGTERM);
	T_EQ(t_reap(s.pid), 0);
	sec_reset();
}

static void refuses(const char *line, uint64_t caps, int without)
{
	struct t_swapserver s;
	int status;

	if (!t_twin("has-it-anyway"))
		caps &= ~SEC_CAP(without);
	s = sec_server_run(caps, line);
	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(t_ended(s.pid),
	       "without %s, swapserver %s: expected to be refused, found it serving",
	       sec_cap_name(without), line);
	status = t_reap(s.pid);
	T_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1,
	       "without %s, swapserver %s: expected exit status 1, found 0x%x",
	       sec_cap_name(without), line, status);
	names_it(&s, line, without);
	sec_reset();
}

static void table(void)
{
	char line[300];
	size_t i;
	int which;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		command_line(line, sizeof(line), rows[i].on, rows[i].flags);
		starts(line, rows[i].needs);
		for (which = 0; which < 64; which++)
			if (rows[i].needs & SEC_CAP(which))
				refuses(line, rows[i].needs, which);
	}
}

/* What a user has been given in their place. */
static void instead_of_capabilities(void)
{
	const struct sec_limits none = sec_limits;
	char line[300];

	sec_limits = (struct sec_limits){ .locked_bytes = RLIM_INFINITY,
					  .rt_priority = 10,
					  .oom_exempt = true };
	command_line(line, sizeof(line), "mlock", "");
	starts(line, 0);
	command_line(line, sizeof(line), "sched", "");
	starts(line, 0);
	command_line(line, sizeof(line), "oom", "");
	starts(line, 0);
	command_line(line, sizeof(line), "all", "");
	starts(line, SEC_CAP(CAP_SYS_RESOURCE));
	sec_limits = none;
}

/* A device that an earlier server has left with the scope. */
static void scope_left_behind(void)
{
	const struct abuse_scope scope = { .ab_target = ABUSE_SCOPE_DEVICE,
					   .ab_scope = ABUSE_SCOPE_MEMALLOC };
	int ctl = t_ctl_open(0);
	char line[300];

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &scope));
	t_ctl_close(ctl);
	command_line(line, sizeof(line), "none", "");
	refuses(line, 0, CAP_SYS_RESOURCE);
}

/* It serves, but is no swap area: that is said, not fatal. */
static void swapon_is_not(void)
{
	struct t_swapserver s = sec_server_run(SEC_PROTECT, "--swapon " DEVICE);

	sec_server_await(&s);
	T_UNTIL(*t_read_text("%s", s.errors));
	T_UNTIL(strchr(t_read_text("%s", s.errors), '\n'));
	names_it(&s, "--swapon", CAP_SYS_ADMIN);
	T_TRUE(!strstr(t_read_text("/proc/swaps"), "abuse0"),
	       "--swapon without CAP_SYS_ADMIN: expected no swap area, found one");
	/* Its own opens are closed when it is through. */
	do {
		t_kill(s.pid, SIGTERM);
		t_pause();
	} while (!t_ended(s.pid));
	T_EQ(t_reap(s.pid), 0);
	sec_reset();
}

/* The open store is taken from a process that dumps no core. */
static void upgrade(void)
{
	const char *line = "--standby 1 " DEVICE;
	const char *again = "--upgrade --standby 1 " DEVICE;
	const uint64_t caps = SEC_PROTECT | SEC_CAP(CAP_SYS_PTRACE);
	struct t_swapserver old = sec_server_run(SEC_PROTECT, line), new;

	sec_server_await(&old);
	new = sec_server_run(SEC_PROTECT, again);
	T_UNTIL(t_ended(new.pid));
	T_TRUE(t_reap(new.pid) == 1 << 8,
	       "--upgrade without CAP_SYS_PTRACE: expected exit status 1, found another");
	names_it(&new, again, CAP_SYS_PTRACE);
	T_TRUE(!t_ended(old.pid),
	       "a failed upgrade: expected the old supervisor there, found it ended");
	new = sec_server_run(caps, again);
	T_UNTIL(t_ended(old.pid));
	T_EQ(t_reap(old.pid), 0);
	sec_server_await(&new);
	sec_has_caps(new.pid, "the new supervisor", 0);
	t_kill(new.pid, SIGTERM);
	T_EQ(t_reap(new.pid), 0);
	sec_reset();
}

int main(void)
{
	t_init(230);
	sec_give_nodes(SEC_UID);
	table();
	instead_of_capabilities();
	scope_left_behind();
	swapon_is_not();
	upgrade();
	sec_give_nodes(0);
	return t_end();
}
