// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will read the list of requests in debugfs: one line for each that
 * is in care, with its state, owner, command, sector and length; and the
 * counters beside it, which say what ABUSE_GET_COUNTERS says.
 *
 * Where it stands: [debugfs], beside bio > queue > ioctl > server.
 *
 * time: 30
 * busted: module=requests-hidden
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

static void counter_is(const char *name, unsigned long long want)
{
	const char *p = t_attr(FOLDER "/counters");
	unsigned long long found = ~0ull;
	char word[40];

	snprintf(word, sizeof(word), "%s ", name);
	while (p && strncmp(p, word, strlen(word))) {
		p = strchr(p, '\n');
		p += !!p;
	}
	T_TRUE(p, "%s: expected among the counters, found none", name);
	T_EQ(sscanf(p + strlen(word), "%llu", &found), 1);
	T_TRUE(found == want, "%s: expected %llu, found %llu", name, want,
	       found);
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
	c = t_counters(ctl);
	counter_is("accepted", c.ab_accepted);
	counter_is("lent", c.ab_lent);
	counter_is("nr_queued", 2);
	counter_is("nr_lent", 1);
	counter_is("nr_opens", c.ab_nr_opens);
	counter_is("nr_slots", 8);
	counter_is("nr_clones", 8);
	t_kill(holder, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_lent);
	line_is(8, "QUEUED", 0, ABUSE_WRITE, 2 * T_PAGE, 3);
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
	counter_is("flushes", 1);
	return t_end();
}
