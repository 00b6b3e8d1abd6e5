// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will answer many large requests in one call: those that are done
 * are ended after every 64 KiB that were copied, and do not wait for the copies
 * of all the others.
 *
 * Where it stands: bio > queue > [ioctl] > server > [completion].
 *
 * time: 60
 * busted: module=end-late
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"

#define TRACING		"/sys/kernel/tracing"
#define NR		12
#define LEN_BYTES	(32 * 1024)
/* 64 KiB, and the copy with which it is more than that. */
#define UNENDED_BYTES	(64 * 1024 + LEN_BYTES)
/* A call that is to be preempted ends what is done, late or not. */
#define CALLS		10

static char *data;
static int ctl;

static void clear(void)
{
	int fd = open(TRACING "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	T_OK(T_RET(fd));
	close(fd);
}

/* The most that was copied without anything being ended. */
static unsigned long most_unended(void)
{
	char *line = (char *)t_read_text(TRACING "/trace"), *next;
	unsigned long sum = 0, most = 0;
	int nr_ends = 0;

	for (; line; line = next) {
		const char *bytes;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		bytes = strstr(line, " bytes=");
		if (bytes && strstr(line, " abuse_copy: "))
			sum += strtoul(bytes + 7, NULL, 10);
		if (sum > most)
			most = sum;
		if (strstr(line, " abuse_end: ")) {
			nr_ends++;
			sum = 0;
		}
	}
	T_EQ(nr_ends, NR);
	return most;
}

static unsigned long one_call(void)
{
	struct abuse_verb verbs[NR];
	struct abuse_lent lent[NR];
	struct t_io *ios[NR];
	uint32_t done = 0;
	int i;

	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * LEN_BYTES,
					   LEN_BYTES, 0);
	T_EQ(t_lend(ctl, lent, NR), NR);
	for (i = 0; i < NR; i++)
		verbs[i] = (struct abuse_verb) {
			.ab_id = lent[i].ab_id,
			.ab_verb = ABUSE_VERB_COPY_OUT |
				   ABUSE_VERB_AND_COMPLETE,
			.ab_address = (unsigned long)data,
			.ab_len_bytes = LEN_BYTES,
		};
	clear();
	/* A copy that may fault would end what is done before, each time. */
	T_EQ(t_serve(ctl, verbs, NR, NULL, 0,
		     ABUSE_SERVE_NOWAIT | ABUSE_SERVE_NOFAULT, &done), 0);
	T_EQ(done, NR);
	for (i = 0; i < NR; i++)
		T_EQ(t_result(ios[i]), LEN_BYTES);
	return most_unended();
}

int main(void)
{
	unsigned long bytes, most = 0;
	int i;

	t_init(55);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	/* Shared: each fork() would make it absent for writing. */
	data = t_shared(LEN_BYTES);
	memset(data, 0, LEN_BYTES);
	T_OK(t_attr_set("1", TRACING "/events/abuse/enable"));
	for (i = 0; i < CALLS; i++) {
		bytes = one_call();
		most = bytes > most ? bytes : most;
	}
	T_OK(t_attr_set("0", TRACING "/events/abuse/enable"));
	T_TRUE(most >= LEN_BYTES && most <= UNENDED_BYTES,
	       "bytes copied while something done was not ended: expected at most %d, found %lu",
	       UNENDED_BYTES, most);
	t_ctl_close(ctl);
	return t_end();
}
