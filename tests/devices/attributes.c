// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will read each attribute in /sys/block/abuseN/abuse as the device
 * goes from unconfigured to live, in use and back, and write each that can be
 * written: good values stay, over a RESET too, others are refused.
 *
 * Where it stands: [attributes], beside bio > queue > ioctl > server.
 *
 * time: 40
 * busted: module=policy-unchecked
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"

#define BOUND	4

static int ctl;

static void is(const char *name, const char *want)
{
	const char *found = t_attr(T_ABUSE, 0, name);

	T_TRUE(!strcmp(found, want), "%s: expected \"%s\", found \"%s\"", name,
	       want, found);
}

static void number_is(const char *name, long long want)
{
	long long found = t_attr_number(T_ABUSE, 0, name);

	T_TRUE(found == want, "%s: expected %lld, found %lld", name, want,
	       found);
}

static void refuses(const char *name, const char *const *values)
{
	int err;

	for (; *values; values++) {
		err = t_attr_set(*values, T_ABUSE, 0, name);
		T_TRUE(err == -EINVAL, "%s to %s: expected -EINVAL, found %s",
		       *values, name, t_name(err));
	}
}

#define REFUSES(name, ...)						\
	refuses(name, (const char *const[]){ __VA_ARGS__, NULL })

static void policies(void)
{
	is("no_server", "wait");
	is("reset", "requeue");
	is("forward_error", "lend");
	number_is("max_owners", 16);
	number_is("scan_timeout_ms", 5000);
	number_is("aside", 0);
	t_policy(0, "spin_us", "10000");
	REFUSES("spin_us", "\n", "10001", "-1", "long", "99999999999999");
	number_is("spin_us", 10000);
	number_is("read_spin_us", 0);
	t_policy(0, "read_spin_us", "10000");
	REFUSES("read_spin_us", "\n", "10001", "-1", "long", "99999999999999");
	number_is("read_spin_us", 10000);
	REFUSES("no_server", "\n", "never", "0", "-1", "1.5", "10 s",
		"99999999999999", "waiting");
	REFUSES("reset", "\n", "0", "failed", "lend");
	REFUSES("forward_error", "\n", "0", "requeue");
	REFUSES("max_owners", "\n", "many", "-1", "99999999999999");
	REFUSES("scan_timeout_ms", "\n", "0", "-1", "soon", "99999999999999");
	REFUSES("aside", "\n", "0", "wait");
	is("no_server", "wait");
	is("reset", "requeue");
	is("forward_error", "lend");
	number_is("max_owners", 16);
	number_is("scan_timeout_ms", 5000);
	t_policy(0, "no_server", "fail");
	t_policy(0, "no_server", "1234");
	t_policy(0, "reset", "fail");
	t_policy(0, "forward_error", "fail");
	t_policy(0, "max_owners", "5");
	t_policy(0, "scan_timeout_ms", "77");
	/* As a shell writes it. */
	T_OK(t_attr_set("requeue\n", T_ABUSE, 0, "reset"));
	is("reset", "requeue");
	T_OK(t_attr_set("requeue", T_ABUSE, 0, "aside"));
	T_OK(t_attr_set("fail", T_ABUSE, 0, "aside"));
}

/* What nobody may write, and nobody but root. */
static void modes(void)
{
	static const char *const read_only[] = {
		"state", "bound", "slots", "slots_free", "slots_free_min",
		"clones", "clones_free", "clones_free_min", "queued",
		"waiting", "lent", "forwarded", "store_id", "scope",
		"servers", "backings", "oldest_ms",
	};
	size_t i;
	int err;

	for (i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		t_attr(T_ABUSE, 0, read_only[i]);
		err = t_attr_set("1", T_ABUSE, 0, read_only[i]);
		T_TRUE(err < 0,
		       "writing to %s: expected to be refused, found success",
		       read_only[i]);
	}
}

static void unconfigured(void)
{
	is("state", "unconfigured");
	number_is("bound", 0);
	number_is("slots", 0);
	number_is("slots_free", 0);
	number_is("clones", 0);
	number_is("clones_free", 0);
	number_is("oldest_ms", 0);
	is("store_id", "");
	is("backings", "");
	is("servers", "");
	is("scope", "none");
}

/* Scope and store: each a call, each an attribute. */
static void named(void)
{
	const struct abuse_scope noio = { ABUSE_SCOPE_DEVICE,
					  ABUSE_SCOPE_NOIO };
	struct abuse_store store = { .ab_flags = ABUSE_STORE_BIND };
	int i;

	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &noio));
	is("scope", "noio");
	for (i = 0; i < 16; i++)
		store.ab_id[i] = 0xf0 + i;
	T_OK(t_ioctl(ctl, ABUSE_SET_STORE, &store));
	is("store_id", "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
}

static void in_use(void)
{
	struct t_io *ios[BOUND + 1];
	struct abuse_lent lent[2];
	char line[40];
	int i;

	for (i = 0; i < BOUND + 1; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	T_EQ(t_lend(ctl, lent, 2), 2);
	number_is("queued", BOUND - 2);
	number_is("lent", 2);
	number_is("waiting", 1);
	number_is("forwarded", 0);
	number_is("slots_free", 0);
	number_is("slots_free_min", 0);
	number_is("clones_free", BOUND);
	T_UNTIL(t_attr_number(T_ABUSE, 0, "oldest_ms") >= 50);
	snprintf(line, sizeof(line), "%d 2 ", getpid());
	T_TRUE(!strncmp(t_attr(T_ABUSE, 0, "servers"), line, strlen(line)),
	       "servers: expected \"%s...\", found \"%s\"", line,
	       t_attr(T_ABUSE, 0, "servers"));
	T_TRUE(atoi(t_attr(T_ABUSE, 0, "servers") + strlen(line)) >= 50,
	       "servers: expected to have the oldest for 50 ms, found \"%s\"",
	       t_attr(T_ABUSE, 0, "servers"));
	t_answer(ctl, &lent[0]);
	t_answer(ctl, &lent[1]);
	while (t_counters(ctl).ab_nr_queued) {
		lent[0] = t_lend_one(ctl);
		t_answer(ctl, &lent[0]);
	}
	for (i = 0; i < BOUND + 1; i++)
		T_EQ(t_result(ios[i]), T_PAGE);
	number_is("slots_free", BOUND);
	number_is("slots_free_min", 0);
	number_is("oldest_ms", 0);
}

int main(void)
{
	t_init(35);
	ctl = t_ctl_open(0);
	unconfigured();
	policies();
	modes();
	t_configure(ctl, T_MIB, BOUND, 0);
	is("state", "configured");
	number_is("bound", BOUND);
	number_is("slots", BOUND);
	number_is("slots_free", BOUND);
	number_is("slots_free_min", BOUND);
	number_is("clones", BOUND);
	number_is("clones_free_min", BOUND);
	named();
	t_go_live(ctl);
	is("state", "live");
	in_use();
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
	T_UNTIL(!*t_attr(T_ABUSE, 0, "servers"));
	is("state", "unconfigured");
	is("store_id", "");
	/* The device's, not the configuration's. */
	number_is("no_server", 1234);
	is("reset", "requeue");
	is("forward_error", "fail");
	number_is("max_owners", 5);
	number_is("scan_timeout_ms", 77);
	return t_end();
}
