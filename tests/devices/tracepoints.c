// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will trace single requests through the module: each stage of the
 * path says so once, in its order, with the request's id, sector and length;
 * a stall, a requeue and a request set aside have their own, and nothing else
 * is said.
 *
 * Where it stands: all of bio > queue > ioctl > server > completion.
 *
 * time: 40
 * busted: module=no-trace
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"

#define TRACING	"/sys/kernel/tracing"
#define EVENTS	TRACING "/events/abuse"

static const char *const stages[] = {
	"abuse_accept", "abuse_stall", "abuse_queue", "abuse_lend",
	"abuse_copy", "abuse_forward", "abuse_requeue", "abuse_aside",
	"abuse_end",
};
#define STAGES (sizeof(stages) / sizeof(stages[0]))

static int ctl;

static void clear(void)
{
	int fd = open(TRACING "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	T_OK(T_RET(fd));
	close(fd);
}

/* The nth line of this stage, or NULL; and what stands there. */
static const char *line_of(const char *text, const char *stage, int nth)
{
	char word[40];
	const char *p = text;

	snprintf(word, sizeof(word), " %s: ", stage);
	while ((p = strstr(p, word)) && nth--)
		p++;
	return p;
}

/* Exactly these, in the order of their first lines; then forgotten. */
static void traced(const char *what)
{
	static char text[16384];
	const char *at = text, *line;
	int counts[STAGES] = { 0 };
	size_t i;

	snprintf(text, sizeof(text), "%s", t_read_text(TRACING "/trace"));
	for (i = 0; i < STAGES; i++)
		while (line_of(text, stages[i], counts[i]))
			counts[i]++;
	/* "accept lend:2 ..." */
	while (*what) {
		char name[20], stage[30];
		int want = 1, used = 0;

		T_EQ(sscanf(what, " %19[a-z]%n", name, &used), 1);
		what += used;
		if (*what == ':') {
			T_EQ(sscanf(what, ":%d%n", &want, &used), 1);
			what += used;
		}
		what += *what == ' ';
		snprintf(stage, sizeof(stage), "abuse_%s", name);
		for (i = 0; i < STAGES && strcmp(stages[i], stage); i++)
			;
		T_TRUE(i < STAGES, "no such stage %s", stage);
		T_TRUE(counts[i] == want,
		       "%s: expected %d times, found %d in:\n%s",
		       stage, want, counts[i], text);
		counts[i] = 0;
		line = line_of(text, stage, 0);
		T_TRUE(line > at,
		       "%s: expected after the stage before it, found before it in:\n%s",
		       stage, text);
		at = line;
	}
	for (i = 0; i < STAGES; i++)
		T_TRUE(!counts[i], "%s: expected none, found %d in:\n%s",
		       stages[i], counts[i], text);
	clear();
}

/* The line of this stage has that in it. */
static void says(const char *stage, const char *what)
{
	const char *line = line_of(t_read_text(TRACING "/trace"), stage, 0);
	char text[300] = "";

	if (line)
		sscanf(line, " %299[^\n]", text);
	T_TRUE(strstr(text, what), "%s: expected to say \"%s\", found \"%s\"",
	       stage, what, text);
}

static struct t_io *submit(enum t_op op, int page)
{
	return t_submit_accepted(ctl, 0, op, page * T_PAGE, T_PAGE, 0);
}

static void one_write(void)
{
	static char data[T_PAGE];
	struct t_io *io = submit(T_WRITE, 3);
	struct abuse_lent lent = t_lend_one(ctl);
	char id[40];

	T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent.ab_id, data, 0, T_PAGE));
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	snprintf(id, sizeof(id), "id=%#llx ", lent.ab_id);
	says("abuse_accept", "abuse0 op=1 ");
	says("abuse_accept", "sector=24 bytes=4096");
	says("abuse_queue", "sector=24 bytes=4096");
	says("abuse_lend", id);
	says("abuse_lend", "command=1 sector=24 bytes=4096");
	says("abuse_copy", id);
	says("abuse_copy", "out offset=0 bytes=4096 error=0");
	says("abuse_end", id);
	says("abuse_end", "sector=24 bytes=4096 error=0");
	traced("accept queue lend copy end");
}

int main(void)
{
	struct abuse_lent lent, second;
	struct t_io *io, *other;
	struct abuse_xfr_hdr xfr;
	struct abuse_vec vecs[T_VECS];
	char data[T_PAGE];
	pid_t holder;

	t_init(35);
	if (access(TRACING "/trace", F_OK))
		t_skip("this kernel has no tracefs");
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 1, 0);
	t_go_live(ctl);
	T_OK(t_attr_set("1", EVENTS "/enable"));
	clear();
	one_write();

	/* By GET and PUT; the answer is settled by the next GET. */
	io = submit(T_WRITE, 0);
	T_OK(t_get(ctl, &xfr, vecs));
	t_vecs_point(vecs, xfr.ab_vec_count, data);
	T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
	T_EQ(t_get(ctl, &xfr, vecs), -ENOMSG);
	T_EQ(t_result(io), T_PAGE);
	traced("accept queue lend copy end");

	/* One that has to wait for a slot, and one that is given back. */
	io = submit(T_WRITE, 0);
	other = submit(T_WRITE, 1);
	lent = t_lend_one(ctl);
	T_OK(t_requeue(ctl, lent.ab_id));
	lent = t_lend_one(ctl);
	T_OK(t_complete(ctl, lent.ab_id));
	T_EQ(t_result(io), T_PAGE);
	second = t_lend_one(ctl);
	T_OK(t_fail_request(ctl, second.ab_id, EIO));
	T_EQ(t_result(other), -EIO);
	says("abuse_stall", "sector=8 bytes=4096");
	traced("accept:2 queue:2 stall lend:3 requeue end:2");

	/* One that its owner did not survive. */
	t_policy(0, "max_owners", "1");
	io = submit(T_WRITE, 0);
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	t_kill(holder, SIGKILL);
	T_UNTIL(t_counters(ctl).ab_nr_aside == 1);
	T_OK(t_attr_set("fail", T_ABUSE, 0, "aside"));
	T_EQ(t_result(io), -EIO);
	says("abuse_end", "error=-5");
	traced("accept queue lend aside end");
	T_OK(t_attr_set("0", EVENTS "/enable"));
	return t_end();
}
