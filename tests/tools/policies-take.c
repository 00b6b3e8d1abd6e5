// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will set each policy and the scope with abusectl, and read them
 * back from the device; wrong values are refused with exit status 2 and change
 * nothing; and a request that was set aside is queued again, and the next one
 * failed, as abusectl says.
 *
 * Where it stands: bio > [queue > ioctl], policies; [abusectl].
 *
 * time: 60
 * busted: module=policy-unchecked
 * busted: env=T_TWIN=never-aside
 * invariant: I8 I9
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "t.h"
#include "tool.h"

static void attribute_is(const char *name, const char *want)
{
	char line[64];

	snprintf(line, sizeof(line), "%s\n", want);
	T_TRUE(!strcmp(t_read_text("/sys/block/abuse0/abuse/%s", name), line),
	       "%s: expected %s, found %s", name, want,
	       t_read_text("/sys/block/abuse0/abuse/%s", name));
}

static void policies(void)
{
	static const char all[] =
		"no_server=250\nmax_owners=3\nscan_timeout_ms=70\nreset=fail\nforward_error=fail\nspin_us=20\nread_spin_us=30\n";

	tool_want(
		0,
		"policy 0 no_server=250 max_owners=3 scan_timeout=70 reset=fail forward_error=fail spin_us=20 read_spin_us=30");
	attribute_is("no_server", "250");
	attribute_is("max_owners", "3");
	attribute_is("scan_timeout_ms", "70");
	attribute_is("reset", "fail");
	attribute_is("forward_error", "fail");
	attribute_is("spin_us", "20");
	attribute_is("read_spin_us", "30");
	T_TRUE(!strcmp(tool_want(0, "policy 0")->out, all),
	       "policy: expected %s, found %s", all, tool_run("policy 0")->out);

	tool_has(tool_want(2, "policy 0 no_server=soon")->err,
		 "wants wait, fail");
	tool_want(2, "policy 0 reset=maybe");
	tool_want(2, "policy 0 max_owners");
	tool_want(2, "policy 0 spin_us=10001");
	tool_want(2, "policy 0 read_spin_us=10001");
	/* Not even the one that is right. */
	tool_want(2, "policy 0 no_server=wait unknown=1");
	T_TRUE(!strcmp(tool_run("policy 0")->out, all),
	       "after what was refused: expected %s, found %s", all,
	       tool_run("policy 0")->out);

	tool_want(0,
		  "policy 0 no_server=wait reset=requeue forward_error=lend");
	attribute_is("no_server", "wait");
}

static void scopes(void)
{
	tool_want(0, "scope 0 noio");
	attribute_is("scope", "noio");
	tool_want(0, "scope /dev/abuse0 memalloc");
	attribute_is("scope", "memalloc");
	tool_has(tool_want(0, "status 0")->out, "scope=memalloc");
	tool_want(2, "scope 0 all");
	tool_want(0, "scope 0 none");
	attribute_is("scope", "none");
}

/* A request whose server dies with it. */
static struct t_io *aside(int ctl)
{
	struct t_io *io = t_submit_accepted(ctl, 0, T_WRITE, 0, T_PAGE, 0);
	pid_t holder = t_holder_start(0, 1);

	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 0);
	T_EQ(t_counters(ctl).ab_nr_aside, 1);
	return io;
}

int main(void)
{
	struct abuse_lent lent;
	struct t_io *io;
	int ctl;

	t_init(55);
	policies();
	scopes();

	tool_want(0, "policy 0 max_owners=%d", t_twin("never-aside") ? 0 : 1);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 0, 0);
	t_go_live(ctl);
	tool_want(2, "aside 0 forget");
	io = aside(ctl);
	tool_has(tool_want(0, "status 0")->out, "1 aside");
	tool_want(0, "aside 0 requeue");
	lent = t_lend_one(ctl);
	T_EQ(t_complete(ctl, lent.ab_id), 0);
	T_EQ(t_result(io), T_PAGE);

	io = aside(ctl);
	tool_want(0, "aside 0 fail");
	T_EQ(t_result(io), -EIO);
	T_EQ(t_counters(ctl).ab_nr_aside, 0);
	t_ctl_close(ctl);
	tool_want(0, "reset 0");
	return t_end();
}
