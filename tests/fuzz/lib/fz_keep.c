// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_keep.c - who keeps it going: the janitor; and who does not: the killer
 *
 * Where it stands: bio > queue > ioctl > [janitor].  The janitor of a device
 * answers what hostile servers leave QUEUED, so that nobody waits for ever.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fz.h"

#define BATCH 16

static char zeroes[64 * 1024];

/* Present the store that the device is bound to. */
static void present_store(struct fz_actor *a, int ctl, int number)
{
	const char *text = t_read_text("/sys/block/abuse%d/abuse/store_id",
				       number);
	struct abuse_store store = { 0 };
	int i;

	for (i = 0; i < 16; i++)
		if (sscanf(text + 2 * i, "%2hhx", &store.ab_id[i]) != 1)
			return;		/* not bound */
	fz_ioctl(a, ctl, ABUSE_SET_STORE, &store);
}

static int one_verb(struct fz_actor *a, int ctl, const struct abuse_verb *v)
{
	struct abuse_serve s = {
		.ab_verbs = (uintptr_t)v,
		.ab_nr_verbs = 1,
	};

	return fz_ioctl(a, ctl, ABUSE_SERVE, &s);
}

/* A READ gets zeroes, all of it or none. */
static bool fill(struct fz_actor *a, int ctl, const struct abuse_lent *l)
{
	struct abuse_verb v = {
		.ab_id = l->ab_id,
		.ab_address = (uintptr_t)zeroes,
		.ab_verb = ABUSE_VERB_COPY_IN,
	};
	uint32_t at, len;

	for (at = 0; at < l->ab_len_bytes; at += len) {
		len = l->ab_len_bytes - at;
		if (len > sizeof(zeroes))
			len = sizeof(zeroes);
		v.ab_offset_bytes = at;
		v.ab_len_bytes = len;
		if (one_verb(a, ctl, &v))
			return false;
	}
	return true;
}

static void answer(struct fz_actor *a, int ctl, const struct abuse_lent *l,
		   bool well)
{
	struct abuse_verb end = {
		.ab_id = l->ab_id,
		.ab_verb = ABUSE_VERB_COMPLETE,
		.ab_error = EIO,
	};
	int ret;

	memset(zeroes, 0, sizeof(zeroes));	/* present, for all scopes */
	if (!well || (l->ab_command == ABUSE_READ && !fill(a, ctl, l)))
		end.ab_verb = ABUSE_VERB_FAIL;
	ret = one_verb(a, ctl, &end);
	FZ_EXPECT(a, !ret, "an answer of the janitor: expected 0, found %s",
		  t_name(ret));
}

/* What is QUEUED now, answered.  Returns the number. */
static int clean(struct fz_actor *a, int ctl, int number, bool well)
{
	struct abuse_lent lent[BATCH] = { 0 };
	struct abuse_serve s = {
		.ab_requests = (uintptr_t)lent,
		.ab_nr_requests = BATCH,
		.ab_flags = ABUSE_SERVE_NOWAIT,
	};
	int nr = fz_ioctl(a, ctl, ABUSE_SERVE, &s), i;

	if (nr == -EMEDIUMTYPE)
		present_store(a, ctl, number);
	for (i = 0; i < nr; i++) {
		fz_check_id(a, lent[i].ab_id);
		if (number < FZ_DEVICES)
			fz_pool_put(a, lent[i].ab_id);
		answer(a, ctl, &lent[i], well);
	}
	return nr;
}

static int janitor_ctl;

static void janitor_start(struct fz_actor *a)
{
	janitor_ctl = fz_ctl_open_nr(a->device, O_CLOEXEC);
	if (janitor_ctl < 0) {
		fz_finding(a, "open of the control node: expected success, found %s",
			   t_name(janitor_ctl));
		_exit(0);
	}
}

static void op_clean(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_counters c;
	bool well = !t_one_in(r, 16);

	if (fz_ioctl(a, janitor_ctl, ABUSE_GET_COUNTERS, &c))
		return;
	fz_counters_check(a, a->device, &c);
	if (c.ab_nr_aside)
		fz_attr_write(a->device, "aside",
			      well ? "requeue" : "fail");
	/* Not before there is need: who asks for work makes it live. */
	if (!c.ab_nr_queued || clean(a, janitor_ctl, a->device, well) <= 0)
		fz_sleep_us(1000);
}

static const struct fz_op janitor_ops[] = {
	{ "clean", 1, op_clean },
	{ 0 }
};

const struct fz_kind fz_janitor = {
	.name = "janitor",
	.ops = janitor_ops,
	.start = janitor_start,
	.patience_ms = 2 * T_PATIENCE_MS,
	.serves = true,
};

bool fz_drain(int number)
{
	static struct fz_actor nobody = { .kind = &fz_janitor };
	long began = t_now_ms();
	struct abuse_counters c = { 0 };
	int ctl = fz_ctl_open_nr(number, O_CLOEXEC);

	nobody.device = number;
	if (ctl < 0)
		return false;
	for (;;) {
		if (fz_ioctl(&nobody, ctl, ABUSE_GET_COUNTERS, &c))
			break;
		if (c.ab_accepted == c.ab_ended ||
		    t_now_ms() - began > t_patience_ms())
			break;
		if (c.ab_nr_aside)
			fz_attr_write(number, "aside", "fail");
		if (!c.ab_nr_queued || clean(&nobody, ctl, number, false) <= 0)
			fz_sleep_us(1000);
	}
	close(ctl);
	return c.ab_accepted == c.ab_ended;
}

/* ---------------------------------------------------------------- killer */

/* A good server's process; 0: there is none just now. */
static pid_t random_server(struct t_rand *r)
{
	uint32_t at = t_below(r, FZ_ACTORS), i;

	for (i = 0; i < fz->nr_actors; i++) {
		struct fz_actor *a = &fz->actors[(at + i) % fz->nr_actors];

		if (a->kind->serves && a->kind != &fz_janitor)
			return a->pid;
	}
	return 0;
}

static void op_kill(struct fz_actor *a, struct t_rand *r)
{
	pid_t pid = random_server(r);

	fz_say(a, "process %d", pid);
	if (pid > 0 && !kill(pid, SIGKILL))
		fz_count(fz->nr_kills, 1);
}

static void op_stop(struct fz_actor *a, struct t_rand *r)
{
	pid_t pid = random_server(r);
	uint32_t us = t_below(r, 50000);

	fz_say(a, "process %d for %u us", pid, us);
	if (pid <= 0 || kill(pid, SIGSTOP))
		return;
	fz_sleep_us(us);
	kill(pid, SIGCONT);
}

static void op_pause(struct fz_actor *a, struct t_rand *r)
{
	(void)a;
	fz_sleep_us(t_below(r, 100000));
}

static const struct fz_op killer_ops[] = {
	{ "kill", 2, op_kill },
	{ "stop", 2, op_stop },
	{ "pause", 4, op_pause },
	{ 0 }
};

const struct fz_kind fz_killer = {
	.name = "killer",
	.ops = killer_ops,
	.patience_ms = T_PATIENCE_MS,
};
