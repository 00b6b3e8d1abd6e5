/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * auditreport.h - the last line of a record: one JSON object with what was
 * watched, for how long, and what was counted
 *
 * Where it stands: allocaudit > record > [report] > tests, analysis/audit.
 */
#ifndef GUEST_AUDITREPORT_H
#define GUEST_AUDITREPORT_H

#include <stdio.h>
#include <string.h>

#include "audittasks.h"
#include "tracefs.h"

struct counts {
	unsigned long long nr[NR_ASKS];
};

struct stat_counts {
	unsigned long long reads, writes, others, sectors;
};

/* By role; behind the roles those of --through, then all others. */
#define ROLE_OTHER	(2 * ROLES_MAX)
static struct counts of_task[2 * ROLES_MAX + 1];
static struct counts of_interrupt[2 * ROLES_MAX + 1];
static struct counts allowed[2 * ROLES_MAX + 1];

static inline void put_string(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', to);
		putc((unsigned char)*text < ' ' ? '?' : *text, to);
	}
	putc('"', to);
}

static inline void put_counts(FILE *to, const char *name, const struct counts *c)
{
	int i;

	fprintf(to, "\"%s\":{", name);
	for (i = 0; i < NR_ASKS; i++)
		fprintf(to, "%s\"%s\":%llu", i ? "," : "", ask_names[i],
			c->nr[i]);
	putc('}', to);
}

static inline void put_role(FILE *to, const char *name, int role, bool first)
{
	fputs(first ? "" : ",", to);
	put_string(to, name);
	fputs(":{", to);
	put_counts(to, "task", &of_task[role]);
	putc(',', to);
	put_counts(to, "allowed", &allowed[role]);
	putc(',', to);
	put_counts(to, "interrupt", &of_interrupt[role]);
	putc('}', to);
}

static inline void put_events(FILE *to)
{
	const char *comma = "";
	size_t i;

	fputs("\"events\":[", to);
	for (i = 0; i < NR_EVENTS; i++)
		if (tracefs_has_event[i]) {
			fprintf(to, "%s\"%s\"", comma, tracefs_events[i].name);
			comma = ",";
		}
	fputs("],\"probes\":{", to);
	comma = "";
	for (i = 0; i < NR_PROBES; i++)
		if (tracefs_probed[i]) {
			fprintf(to, "%s\"%s\":\"%s\"", comma,
				tracefs_probes[i].name, tracefs_probed[i]);
			comma = ",";
		}
	fputs("},\"missing\":[", to);
	comma = "";
	for (i = 0; i < NR_EVENTS; i++)
		if (!tracefs_has_event[i]) {
			fprintf(to, "%s\"%s\"", comma, tracefs_events[i].name);
			comma = ",";
		}
	for (i = 0; i < NR_PROBES; i++)
		if (!tracefs_probed[i]) {
			fprintf(to, "%s\"%s\"", comma, tracefs_probes[i].name);
			comma = ",";
		}
	fputs("]", to);
}

static inline void put_tasks(FILE *to)
{
	int i;

	fputs("\"tasks\":[", to);
	for (i = 0; i < nr_tasks; i++) {
		const struct task *t = &tasks[i];

		fputs(i ? ",{\"role\":" : "{\"role\":", to);
		put_string(to, roles[t->role]);
		fprintf(to, ",\"pid\":%d,\"tid\":%d,\"comm\":", t->pid, t->tid);
		put_string(to, t->comm);
		fprintf(to, ",\"flags\":\"0x%lx\",\"flags_end\":\"0x%lx\",\"minor_faults\":%llu,\"major_faults\":%llu,\"ended\":%s}",
			t->flags, t->flags_end, t->minor, t->major,
			t->ended ? "true" : "false");
	}
	putc(']', to);
}

struct window {
	const char *kernel;	/* its release; "": of a trace that was saved */
	const char *device;
	const char * const *through;
	int nr_through;
	const char *ended;
	double seconds;
	struct stat_counts before, after;
	long long lost;
	unsigned long long strange;
};

static inline void put_summary(FILE *to, const struct window *w)
{
	unsigned long long reads = w->after.reads - w->before.reads,
			   writes = w->after.writes - w->before.writes,
			   others = w->after.others - w->before.others;
	int i;

	fputs("{\"event\":\"alloc-audit\",\"kernel\":", to);
	put_string(to, w->kernel);
	fputs(",\"device\":", to);
	put_string(to, w->device);
	fprintf(to, ",\"requests\":%llu,\"reads\":%llu,\"writes\":%llu,\"others\":%llu,\"sectors\":%llu,\"seconds\":%.3f,\"ended\":\"%s\",\"lost\":%lld,\"strange\":%llu,",
		reads + writes + others, reads, writes, others,
		w->after.sectors - w->before.sectors, w->seconds, w->ended,
		w->lost, w->strange);
	put_events(to);
	fputs(",\"through\":[", to);
	for (i = 0; i < w->nr_through; i++) {
		fputs(i ? "," : "", to);
		put_string(to, w->through[i]);
	}
	fputs("],", to);
	put_tasks(to);
	fputs(",\"roles\":{", to);
	for (i = 0; i < nr_roles; i++)
		put_role(to, roles[i], i, !i);
	for (i = 0; i < w->nr_through; i++) {
		char text[80];

		snprintf(text, sizeof(text), "through %s", w->through[i]);
		put_role(to, text, ROLES_MAX + i, !i && !nr_roles);
	}
	/* Whose pid is none of those at the beginning. */
	if (!w->nr_through && nr_roles > 1)
		put_role(to, "born later", ROLE_OTHER, false);
	fputs("}}\n", to);
}

#endif
