// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will read the list of requests in debugfs: one line for each that
 * is in care, with its state, owner, command, sector and length; and the
 * counters beside it, each of which says what ABUSE_GET_COUNTERS says.
 *
 * Where it stands: [debugfs], beside bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=requests-hidden
 * busted: module=counters-swapped
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "t_block.h"

#define FOLDER	"/sys/kernel/debug/abuse/abuse0"

struct line {
	unsigned int slot, generation, age_ms, command, bytes;
	unsigned long long sector;
	char state[20];
	int owner;
};

/* The line of this sector; false if there is none.  *nr: lines in all. */
static bool line_of(uint64_t sector, struct line *found, int *nr)
{
	static const char heading[] =
		"slot generation state owner age_ms command sector bytes";
	const char *p = t_attr(FOLDER "/requests");
	struct line line;
	bool any = false;

	*nr = 0;
	T_TRUE(!strncmp(p, heading, strlen(heading)),
	       "the heading: expected \"%s\", found \"%s\"", heading, p);
	while ((p = strchr(p, '\n'))) {
		p++;
		T_EQ(sscanf(p, "%u %u %19s %d %u %u %llu %u", &line.slot,
			    &line.generation, line.state, &line.owner,
			    &line.age_ms, &line.command, &line.sector,
			    &line.bytes), 8);
		++*nr;
		if (line.sector == sector) {
			*found = line;
			any = true;
		}
	}
	return any;
}

static void line_is(uint64_t sector, const char *state, int owner,
		    uint32_t command, uint32_t bytes, int nr_want)
{
	struct line line = { 0 };
	int nr;

	T_TRUE(line_of(sector, &line, &nr),
	       "sector %llu: expected a line, found none",
	       (unsigned long long)sector);
	T_EQ(nr, nr_want);
	T_TRUE(!strcmp(line.state, state), "sector %llu: expected %s, found %s",
	       (unsigned long long)sector, state, line.state);
	T_EQ(line.owner, owner);
	T_EQ(line.command, command);
	T_EQ(line.bytes, bytes);
}

/* Every counter, as wide as it is and where it stands in the structure. */
static const struct {
	const char *name;
	size_t offset_bytes;
	size_t size_bytes;
} counters[] = {
#define COUNTER(name)							\
	{ #name, offsetof(struct abuse_counters, ab_##name),		\
	  sizeof(((struct abuse_counters *)NULL)->ab_##name) }
	COUNTER(accepted), COUNTER(ended), COUNTER(ended_error),
	COUNTER(read_bytes), COUNTER(write_bytes), COUNTER(swap_write_bytes),
	COUNTER(lent), COUNTER(requeued), COUNTER(stalled), COUNTER(bypassed),
	COUNTER(again), COUNTER(serve_calls), COUNTER(discard_bytes),
	COUNTER(flushes), COUNTER(forwarded), COUNTER(forward_failed),
	COUNTER(timed_out), COUNTER(set_aside), COUNTER(nr_slots),
	COUNTER(nr_free), COUNTER(nr_free_min), COUNTER(nr_queued),
	COUNTER(nr_waiting), COUNTER(nr_lent), COUNTER(nr_servers),
	COUNTER(nr_opens), COUNTER(nr_forwarded), COUNTER(nr_aside),
	COUNTER(nr_clones), COUNTER(nr_clones_free),
	COUNTER(nr_clones_free_min), COUNTER(nr_backings),
#undef COUNTER
};

#define NR_COUNTERS	(sizeof(counters) / sizeof(counters[0]))

/* The file has a line for each, in this order, and no others. */
static struct abuse_counters counters_agree(int ctl)
{
	struct abuse_counters c = t_counters(ctl);
	const char *p = t_attr(FOLDER "/counters");
	size_t bytes = 0, i;

	for (i = 0; i < NR_COUNTERS; i++) {
		unsigned long long found = 0, want = 0;
		char name[40];

		T_TRUE(p && sscanf(p, "%39s %llu", name, &found) == 2,
		       "%s: expected among the counters, found none",
		       counters[i].name);
		T_TRUE(!strcmp(name, counters[i].name),
		       "counter %zu: expected %s, found %s", i,
		       counters[i].name, name);
		/* Little-endian: the rest of the number stays 0. */
		memcpy(&want, (char *)&c + counters[i].offset_bytes,
		       counters[i].size_bytes);
		T_TRUE(found == want, "%s: expected %llu, found %llu", name,
		       want, found);
		bytes += counters[i].size_bytes;
		p = strchr(p, '\n');
		p += !!p;
	}
	T_TRUE(!p || !*p, "expected %zu counters, found more: %s", NR_COUNTERS,
	       p);
	/* None of the structure's is missing here. */
	T_EQ(bytes, sizeof(c));
	return c;
}

int main(void)
{
	struct abuse_counters c;
	struct abuse_lent lent;
	struct t_io *ios[3];
	struct line line;
	pid_t holder;
	int ctl, nr, i;

	t_init(25);
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 8, ABUSE_FLAGS_WRITE_CACHE);
	t_go_live(ctl);
	T_TRUE(!line_of(0, &line, &nr) && !nr,
	       "requests: expected none, found %d", nr);
	ios[0] = t_submit_accepted(ctl, 0, T_WRITE, T_PAGE, 2 * T_PAGE, 0);
	holder = t_holder_start(0, 1);
	T_UNTIL(t_counters(ctl).ab_nr_lent == 1);
	ios[1] = t_submit_accepted(ctl, 0, T_READ, 8 * T_PAGE, T_PAGE, 0);
	ios[2] = t_submit_accepted(ctl, 0, T_FSYNC, 0, 0, 0);
	line_is(8, "LENT", holder, ABUSE_WRITE, 2 * T_PAGE, 3);
	line_is(64, "QUEUED", 0, ABUSE_READ, T_PAGE, 3);
	T_TRUE(line_of(0, &line, &nr) &&
	       line.command == ABUSE_SYNC_NOTIFICATION,
	       "a flush: expected among the requests, found none");
	c = counters_agree(ctl);
	T_EQ(c.ab_nr_queued, 2);
	T_EQ(c.ab_nr_lent, 1);
	T_EQ(c.ab_nr_slots, 8);
	T_EQ(c.ab_nr_clones, 8);
	t_kill(holder, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_lent);
	line_is(8, "QUEUED", 0, ABUSE_WRITE, 2 * T_PAGE, 3);
	c = counters_agree(ctl);
	T_EQ(c.ab_requeued, 1);
	for (i = 0; i < 3; i++) {
		lent = t_lend_one(ctl);
		t_answer(ctl, &lent);
	}
	for (i = 0; i < 3; i++)
		T_TRUE(t_result(ios[i]) >= 0,
		       "request %d: expected success, found %s",
		       i, t_name(ios[i]->result));
	T_TRUE(!line_of(0, &line, &nr) && !nr,
	       "requests: expected none, found %d", nr);
	c = counters_agree(ctl);
	T_EQ(c.ab_flushes, 1);
	T_EQ(c.ab_read_bytes, T_PAGE);
	T_EQ(c.ab_write_bytes, 2 * T_PAGE);
	return t_end();
}
