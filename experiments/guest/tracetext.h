/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tracetext.h - the text of a trace, line by line: whose event, and its stack
 *
 * Where it stands: kernel's trace > [tracetext] > allocaudit.  A stack is an
 * entry of its own, which follows its event on the same processor and in the
 * same context, but not always at once: an interrupt or another processor may
 * come in between.  Here each event gets its own stack back.
 */
#ifndef GUEST_TRACETEXT_H
#define GUEST_TRACETEXT_H

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct trace_line {
	bool is_stack;		/* its frames are the lines that follow */
	int tid, cpu;
	char context;		/* '.': the task's own; else an interrupt */
	const char *name;	/* of the event */
	size_t name_len;
};

/*
 * "  comm-tid   [cpu] flags  seconds: name: ..." or "...: <stack trace>".
 * False: not the first line of an entry.
 */
static inline bool trace_line_parse(const char *line, struct trace_line *t)
{
	const char *open = line, *p, *q;

	for (;;) {
		open = strstr(open, " [");
		if (!open)
			return false;
		for (p = open + 2; isdigit((unsigned char)*p); p++)
			;
		if (p > open + 2 && p[0] == ']' && p[1] == ' ')
			break;
		open++;
	}
	/* Backwards: spaces, perhaps "(tgid)", the tid, a dash, the name. */
	for (q = open; q > line && *q == ' '; q--)
		;
	if (*q == ')') {
		while (q > line && *q != '(')
			q--;
		for (q--; q > line && *q == ' '; q--)
			;
	}
	if (!isdigit((unsigned char)*q))
		return false;
	while (q > line && isdigit((unsigned char)q[-1]))
		q--;
	if (q == line || q[-1] != '-')
		return false;
	t->tid = atoi(q);
	t->cpu = atoi(open + 2);
	for (p += 2; *p == ' '; p++)
		;
	/* irqs-off, need-resched, hardirq/softirq, preempt-depth, ... */
	if (strcspn(p, " \n") < 4)
		return false;
	t->context = p[2];
	p += strcspn(p, " \n");
	while (*p == ' ')
		p++;
	p = strstr(p, ": ");
	if (!p)
		return false;
	p += 2;
	t->is_stack = !strncmp(p, "<stack trace>", 13);
	t->name = p;
	t->name_len = strcspn(p, ":\n");
	return t->is_stack || p[t->name_len] == ':';
}

/* An event of which the stack may still come. */
struct trace_event {
	int cpu;
	char context;
	int tid;
	bool live;
	char *text;		/* its lines */
	size_t len, room;
	size_t name_at, name_len;
};

#define TRACE_PENDING 256	/* processors x contexts; more go without stack */

struct trace_reader {
	struct trace_event pending[TRACE_PENDING];
	struct trace_event *stack_of;	/* who the frames that come belong to */
	void (*take)(const struct trace_event *event, void *arg);
	void *arg;
	unsigned long long strange;	/* lines that nobody knows */
};

static inline void trace_event_add(struct trace_event *e, const char *line)
{
	size_t len = strlen(line);

	if (e->len + len + 1 > e->room) {
		e->room = (e->len + len + 1) * 2;
		e->text = realloc(e->text, e->room);
		if (!e->text)
			abort();
	}
	memcpy(e->text + e->len, line, len + 1);
	e->len += len;
}

static inline void trace_event_end(struct trace_reader *r,
				   struct trace_event *e)
{
	if (e->live)
		r->take(e, r->arg);
	e->live = false;
	e->len = 0;
}

/* The place for events of that processor and context. */
static inline struct trace_event *trace_place(struct trace_reader *r, int cpu,
					      char context)
{
	struct trace_event *empty = NULL;
	size_t i;

	for (i = 0; i < TRACE_PENDING; i++) {
		struct trace_event *e = &r->pending[i];

		if (e->live && e->cpu == cpu && e->context == context)
			return e;
		if (!e->live && !empty)
			empty = e;
	}
	if (empty)
		return empty;
	trace_event_end(r, &r->pending[0]);
	return &r->pending[0];
}

/* The next line of a trace; events go to take() once they are complete. */
static inline void trace_feed(struct trace_reader *r, const char *line)
{
	struct trace_line t;
	struct trace_event *e;

	if (line[0] == '#' || line[0] == '\n' || !line[0])
		return;
	if (!strncmp(line, " => ", 4)) {
		if (r->stack_of)
			trace_event_add(r->stack_of, line);
		return;
	}
	r->stack_of = NULL;
	if (!trace_line_parse(line, &t)) {
		/* "CPU:1 [LOST n EVENTS]" is counted by tracefs_lost(). */
		if (strncmp(line, "CPU:", 4))
			r->strange++;
		return;
	}
	e = trace_place(r, t.cpu, t.context);
	if (t.is_stack) {
		/* Of another event than the one we have: nobody's. */
		if (!e->live || e->tid != t.tid) {
			r->strange++;
			return;
		}
		trace_event_add(e, line);
		r->stack_of = e;
		return;
	}
	trace_event_end(r, e);
	e->live = true;
	e->cpu = t.cpu;
	e->context = t.context;
	e->tid = t.tid;
	trace_event_add(e, line);
	e->name_at = (size_t)(t.name - line);
	e->name_len = t.name_len;
}

static inline void trace_finish(struct trace_reader *r)
{
	size_t i;

	r->stack_of = NULL;
	for (i = 0; i < TRACE_PENDING; i++)
		trace_event_end(r, &r->pending[i]);
}

/*
 * Is a function, or a compiler's clone of it ("name.part.0"), or a module in
 * its stack?  "name" or "[name]"; the text has "name+0x1/0x2 [module]".
 */
static inline bool trace_has(const struct trace_event *e, const char *word)
{
	size_t len = strlen(word);
	const char *p = e->text;

	while ((p = strstr(p, word))) {
		if (p > e->text && strchr(" \n", p[-1]) &&
		    strchr(" .+\n", p[len]))
			return true;
		p += len;
	}
	return false;
}

#endif
