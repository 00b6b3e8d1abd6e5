// SPDX-License-Identifier: GPL-2.0-only
/*
 * allocaudit.c - records what chosen tasks ask the kernel's memory management
 * for while they serve, each time with stack and flags, and how many requests
 * their device answered meanwhile
 *
 * Where it stands: beside bio > queue > ioctl > [server] > backend, whose tasks
 * it watches; analysis/alloc-audit reads what it writes.  It judges nothing
 * but what --allow names.  In the window it only sleeps and looks at counters;
 * the record is in the kernel's ring, and is written out afterwards.
 *
 * The record is the kernel's own text, each event with its stack behind it,
 * between a first line "# alloc-audit 1" and a last one, "#" and a JSON object
 * (what was watched, how long, how many requests, what was lost).  Without the
 * last it is not complete.
 */
#define _GNU_SOURCE
#include <err.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "ioload.h"
#include "tracefs.h"
#include "tracetext.h"

#define ROLES_MAX	8	/* of tasks, and of --through */
#define TASKS_MAX	512
#define WORDS_MAX	32
/* Room for some ten thousand events with their stacks, on each processor. */
#define BUFFER_KIB	16384
#define WAIT_S		120	/* for a pid, or for swapon */
#define STEP_MS		20

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PARTLY = 3 };

struct task {
	int role;
	pid_t pid, tid;
	char comm[17];
	unsigned long flags, flags_end;		/* PF_ */
	unsigned long long minor, major;	/* faults; at the end: of the window */
	bool ended;
};

struct counts {
	unsigned long long nr[NR_ASKS];
};

struct stat_counts {
	unsigned long long reads, writes, others, sectors;
};

static struct options {
	const char *out, *device, *report, *from;
	bool swap, tree, clean;
	long requests, skip, seconds, buffer_kib, io;
	char **command;
	const char *through[ROLES_MAX];
	int nr_through;
	const char *allow[WORDS_MAX];
	int nr_allow;
} opt = { .buffer_kib = BUFFER_KIB };

static const char *roles[ROLES_MAX];
static int nr_roles;
static struct task tasks[TASKS_MAX];
static int nr_tasks;

/* By role; behind the roles those of --through, then all others. */
#define ROLE_OTHER	(2 * ROLES_MAX)
static struct counts of_task[2 * ROLES_MAX + 1];
static struct counts of_interrupt[2 * ROLES_MAX + 1];
static struct counts allowed[2 * ROLES_MAX + 1];
static struct trace_reader reader;
static FILE *record;

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void __attribute__((noreturn)) usage(FILE *to, int status)
{
	fputs("usage: allocaudit --out FILE --task ROLE=WHO... [OPTION...] [-- COMMAND...]\n"
	      "  --task ROLE=WHO     watch all threads of a process; WHO: a pid, or a file that will hold it,\n"
	      "                      or FILE:KEY, the number behind \"KEY\": in it; may be repeated\n"
	      "  --tree              their children, too\n"
	      "  --through MODULE    also what any other task asks for with that module in its stack\n"
	      "  --device NODE       whose requests are counted, such as /dev/abuse0\n"
	      "  --swap              from its swapon to its swapoff\n"
	      "  --skip N            begin after so many requests of the device\n"
	      "  --requests N        end after so many\n"
	      "  --seconds N         end after so long\n"
	      "  --io N              the load: N writes and reads of the device (what it holds is lost)\n"
	      "  --allow FUNCTION    count apart what has that function in its stack; may be repeated\n"
	      "  --buffer-kib N      the kernel's ring, for each processor (16384)\n"
	      "  --report FILE       the last line of the record goes there, too\n"
	      "  --from FILE         no tracing: read a trace that was saved\n"
	      "  --clean             take away what one that was killed has left\n"
	      "The window ends with COMMAND or --io, by one of the limits, or by SIGTERM.\n"
	      "Exit status: 0 done; 1 it could not; 2 wrong usage; 3 done, but events were lost or a task ended.\n",
	      to);
	exit(status);
}

/* ------------------------------------------------------------------ tasks */

static int role_of(const char *name, size_t len)
{
	int i;

	for (i = 0; i < nr_roles; i++)
		if (strlen(roles[i]) == len && !strncmp(roles[i], name, len))
			return i;
	if (nr_roles == ROLES_MAX)
		errx(EXIT_USAGE, "at most %d roles", ROLES_MAX);
	roles[nr_roles] = strndup(name, len);
	return nr_roles++;
}

/* Words 1, 9, 10 and 12 behind the name: ppid, flags, faults.  Is it there? */
static bool task_stat(pid_t pid, pid_t tid, struct task *t, pid_t *parent)
{
	char path[64], text[1024];
	unsigned long flags;
	int ppid;
	char *p;
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1, " %*c %d %*d %*d %*d %*d %lu %llu %*u %llu", &ppid,
			 &flags, &t->minor, &t->major) != 4)
		return false;
	t->flags_end = flags;
	*parent = ppid;
	*p = '\0';
	p = strchr(text, '(');
	snprintf(t->comm, sizeof(t->comm), "%.16s", p ? p + 1 : "?");
	return true;
}

static void task_add(int role, pid_t pid, pid_t tid)
{
	struct task *t = &tasks[nr_tasks];
	pid_t parent;
	int i;

	for (i = 0; i < nr_tasks; i++)
		if (tasks[i].tid == tid)
			return;
	if (nr_tasks == TASKS_MAX)
		errx(EXIT_FAILED, "more than %d threads", TASKS_MAX);
	*t = (struct task){ .role = role, .pid = pid, .tid = tid };
	if (!task_stat(pid, tid, t, &parent))
		return;
	t->flags = t->flags_end;
	nr_tasks++;
}

static void threads_add(int role, pid_t pid)
{
	struct dirent *entry;
	char path[40];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		errx(EXIT_FAILED, "%s: there is no process %d", roles[role], pid);
	while ((entry = readdir(dir)))
		if (isdigit((unsigned char)entry->d_name[0]))
			task_add(role, pid, atoi(entry->d_name));
	closedir(dir);
}

/* Children of those that are watched, and theirs. */
static void children_add(void)
{
	struct dirent *entry;
	struct task t;
	int before, i;
	pid_t parent;
	DIR *dir;

	do {
		before = nr_tasks;
		dir = opendir("/proc");
		while (dir && (entry = readdir(dir))) {
			pid_t pid = atoi(entry->d_name);

			if (pid <= 0 || !task_stat(pid, pid, &t, &parent))
				continue;
			for (i = 0; i < before; i++)
				if (tasks[i].pid == parent)
					break;
			if (i < before)
				threads_add(tasks[i].role, pid);
		}
		if (dir)
			closedir(dir);
	} while (nr_tasks > before);
}

static void pause_step(void)
{
	const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

	nanosleep(&step, NULL);
}

/* The number in a file, or behind "KEY": in it; 0: there is none yet. */
static pid_t pid_in(const char *path, const char *key)
{
	char text[4096], quoted[64];
	FILE *f = fopen(path, "re");
	char *p = text;
	size_t n;

	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	if (key) {
		snprintf(quoted, sizeof(quoted), "\"%s\":", key);
		p = strstr(text, quoted);
		if (!p)
			return 0;
		p += strlen(quoted);
	}
	/* Half a line may be there: the number ends with something else. */
	p += strspn(p, " ");
	n = strspn(p, "0123456789");
	return n && p[n] ? (pid_t)atoi(p) : 0;
}

static pid_t pid_await(const char *who)
{
	const char *colon = strrchr(who, ':');
	char *path = colon ? strndup(who, (size_t)(colon - who)) : strdup(who);
	long waited_ms;
	pid_t pid = 0;

	for (waited_ms = 0; !stop && waited_ms < WAIT_S * 1000L; waited_ms += STEP_MS) {
		pid = pid_in(path, colon ? colon + 1 : NULL);
		if (pid)
			break;
		pause_step();
	}
	if (!pid)
		errx(EXIT_FAILED, "%s: no pid there within %d s", who, WAIT_S);
	free(path);
	return pid;
}

static void task_option(const char *text)
{
	const char *equals = strchr(text, '=');
	int role;

	if (!equals || equals == text || !equals[1])
		errx(EXIT_USAGE, "--task %s: want ROLE=PID or ROLE=FILE", text);
	role = role_of(text, (size_t)(equals - text));
	if (!isdigit((unsigned char)equals[1]))
		threads_add(role, pid_await(equals + 1));
	else if (opt.from)
		tasks[nr_tasks++] = (struct task){
			.role = role, .pid = atoi(equals + 1),
			.tid = atoi(equals + 1),
		};
	else
		threads_add(role, atoi(equals + 1));
}

static void tasks_end(void)
{
	struct task now;
	pid_t parent;
	int i;

	for (i = 0; i < nr_tasks; i++) {
		struct task *t = &tasks[i];

		t->ended = !task_stat(t->pid, t->tid, &now, &parent);
		t->minor = t->ended ? 0 : now.minor - t->minor;
		t->major = t->ended ? 0 : now.major - t->major;
		t->flags_end = t->ended ? 0 : now.flags_end;
	}
}

/* ----------------------------------------------------------------- window */

/* Fields 1, 3, 5, 7, 12, 14 and 16 of the block layer's stat. */
static struct stat_counts requests_of_device(void)
{
	unsigned long long f[17] = { 0 };
	struct stat_counts c = { 0 };
	const char *slash;
	char path[128];
	FILE *stat;
	int i;

	if (!opt.device)
		return c;
	slash = strrchr(opt.device, '/');
	snprintf(path, sizeof(path), "/sys/class/block/%s/stat",
		 slash ? slash + 1 : opt.device);
	stat = fopen(path, "re");
	if (!stat)
		return c;
	for (i = 0; i < 17; i++)
		if (fscanf(stat, "%llu", &f[i]) != 1)
			break;
	fclose(stat);
	c.reads = f[0];
	c.writes = f[4];
	c.others = f[11] + f[15];
	c.sectors = f[2] + f[6] + f[13];
	return c;
}

static unsigned long long requests_sum(void)
{
	struct stat_counts c = requests_of_device();

	return c.reads + c.writes + c.others;
}

static bool is_swap(void)
{
	size_t len = strlen(opt.device);
	char line[300];
	bool found = false;
	FILE *swaps = fopen("/proc/swaps", "re");

	while (swaps && !found && fgets(line, sizeof(line), swaps))
		found = !strncmp(line, opt.device, len) &&
			strchr(" \t", line[len]);
	if (swaps)
		fclose(swaps);
	return found;
}

static void await_begin(void)
{
	unsigned long long from;
	long waited_ms = 0;

	while (opt.swap && !is_swap()) {
		if (stop || waited_ms > WAIT_S * 1000L)
			errx(EXIT_FAILED, "%s: no swap within %d s", opt.device,
			     WAIT_S);
		pause_step();
		waited_ms += STEP_MS;
	}
	from = requests_sum();
	while (opt.skip && !stop &&
	       requests_sum() - from < (unsigned long long)opt.skip)
		pause_step();
}

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static pid_t command_start(void)
{
	pid_t pid;

	if (!opt.command && !opt.io)
		return 0;
	pid = fork();
	if (pid < 0)
		err(EXIT_FAILED, "fork");
	if (!pid && opt.io)
		_exit(ioload(opt.device, opt.io));
	if (!pid) {
		execvp(opt.command[0], opt.command);
		warn("%s", opt.command[0]);
		/* Not exit(): what we made is the parent's to take away. */
		_exit(127);
	}
	return pid;
}

/* Why the window ended; the command's status in *status. */
static const char *await_end(pid_t command, double begin_s,
			     unsigned long long from, int *status)
{
	for (;;) {
		if (stop)
			return "signal";
		if (command && waitpid(command, status, WNOHANG) == command)
			return "command";
		if (opt.seconds && now_s() - begin_s >= (double)opt.seconds)
			return "seconds";
		if (opt.requests && requests_sum() - from >=
		    (unsigned long long)opt.requests)
			return "requests";
		if (opt.swap && !is_swap())
			return "swapoff";
		pause_step();
	}
}

/* ----------------------------------------------------------------- record */

/* Whose is it: a role, a module of --through, or nobody's that we want. */
static int event_role(const struct trace_event *e)
{
	char word[80];
	int i;

	for (i = 0; i < nr_tasks; i++)
		if (tasks[i].tid == e->tid)
			return tasks[i].role;
	for (i = 0; i < opt.nr_through; i++) {
		snprintf(word, sizeof(word), "[%s]", opt.through[i]);
		if (trace_has(e, word))
			return ROLES_MAX + i;
	}
	/* By its pid the kernel let it pass: a child, or a new thread. */
	if (!opt.nr_through && nr_roles == 1)
		return 0;
	return ROLE_OTHER;
}

static void event_take(const struct trace_event *e, void *arg)
{
	int role = event_role(e), i;
	enum ask ask = tracefs_ask(e->text + e->name_at, e->name_len);

	(void)arg;
	if (ask == NR_ASKS) {
		reader.strange++;
		return;
	}
	if (e->context != '.') {
		of_interrupt[role].nr[ask]++;
	} else {
		for (i = 0; i < opt.nr_allow; i++)
			if (trace_has(e, opt.allow[i]))
				break;
		if (i < opt.nr_allow)
			allowed[role].nr[ask]++;
		else
			of_task[role].nr[ask]++;
	}
	/* With --through the kernel lets everybody's pass. */
	if (role != ROLE_OTHER || !opt.nr_through)
		fwrite(e->text, 1, e->len, record);
}

static void record_write(const char *path)
{
	FILE *trace = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	if (!trace)
		err(EXIT_FAILED, "%s", path);
	reader.take = event_take;
	while (getline(&line, &room, trace) > 0)
		trace_feed(&reader, line);
	trace_finish(&reader);
	fclose(trace);
	free(line);
}

static void put_string(FILE *to, const char *text)
{
	putc('"', to);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putc('\\', to);
		putc((unsigned char)*text < ' ' ? '?' : *text, to);
	}
	putc('"', to);
}

static void put_counts(FILE *to, const char *name, const struct counts *c)
{
	int i;

	fprintf(to, "\"%s\":{", name);
	for (i = 0; i < NR_ASKS; i++)
		fprintf(to, "%s\"%s\":%llu", i ? "," : "", ask_names[i],
			c->nr[i]);
	putc('}', to);
}

static void put_role(FILE *to, const char *name, int role, bool first)
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

static void put_events(FILE *to)
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

static void put_tasks(FILE *to)
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
	const char *ended;
	double seconds;
	struct stat_counts before, after;
	long long lost;
};

static void put_summary(FILE *to, const struct window *w)
{
	unsigned long long reads = w->after.reads - w->before.reads,
			   writes = w->after.writes - w->before.writes,
			   others = w->after.others - w->before.others;
	struct utsname name;
	int i;

	uname(&name);
	fputs("{\"event\":\"alloc-audit\",\"kernel\":", to);
	put_string(to, opt.from ? "" : name.release);
	fputs(",\"device\":", to);
	put_string(to, opt.device ? opt.device : "");
	fprintf(to, ",\"requests\":%llu,\"reads\":%llu,\"writes\":%llu,\"others\":%llu,\"sectors\":%llu,\"seconds\":%.3f,\"ended\":\"%s\",\"lost\":%lld,\"strange\":%llu,",
		reads + writes + others, reads, writes, others,
		w->after.sectors - w->before.sectors, w->seconds, w->ended,
		w->lost, reader.strange);
	put_events(to);
	fputs(",\"through\":[", to);
	for (i = 0; i < opt.nr_through; i++) {
		fputs(i ? "," : "", to);
		put_string(to, opt.through[i]);
	}
	fputs("],", to);
	put_tasks(to);
	fputs(",\"roles\":{", to);
	for (i = 0; i < nr_roles; i++)
		put_role(to, roles[i], i, !i);
	for (i = 0; i < opt.nr_through; i++) {
		char text[80];

		snprintf(text, sizeof(text), "through %s", opt.through[i]);
		put_role(to, text, ROLES_MAX + i, !i && !nr_roles);
	}
	/* Whose pid is none of those at the beginning. */
	if (!opt.nr_through && nr_roles > 1)
		put_role(to, "born later", ROLE_OTHER, false);
	fputs("}}\n", to);
}

/* --------------------------------------------------------------- the parts */

static bool made;

/* However it ends. */
static void take_away(void)
{
	int ret = made ? tracefs_remove() : 0;

	made = false;
	if (ret)
		warnx(TRACEFS_INSTANCE " stays: %s", strerror(-ret));
}

static void die_tracing(const char *what, int error)
{
	if (error == -EEXIST)
		errx(EXIT_FAILED, TRACEFS_INSTANCE " is there: another audit runs; if none does, allocaudit --clean");
	errx(EXIT_FAILED, "tracing: %s: %s (is tracefs mounted at " TRACEFS "?)",
	     what, strerror(-error));
}

static void pids_set(void)
{
	char text[20];
	int i, ret;

	/* Everybody, if we look for those that go through a module. */
	if (opt.nr_through)
		return;
	for (i = 0; i < nr_tasks; i++) {
		snprintf(text, sizeof(text), "%d ", tasks[i].tid);
		ret = tracefs_put(text, INSTANCE("set_event_pid"));
		if (ret)
			die_tracing("set_event_pid", ret);
	}
}

/* A page fault of everybody else would only fill the ring. */
static void faults_filter(void)
{
	char text[4000];
	size_t len = 0, i;
	int t;

	if (!opt.nr_through)
		return;
	for (t = 0; t < nr_tasks && len < sizeof(text) - 40; t++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%scommon_pid == %d", t ? " || " : "",
					tasks[t].tid);
	if (!nr_tasks)
		snprintf(text, sizeof(text), "common_pid == -1");
	for (i = 0; i < NR_EVENTS; i++)
		if (tracefs_events[i].ask == ASK_FAULT)
			(void)tracefs_put(text, INSTANCE("events/%s/%s/filter"),
					  tracefs_events[i].system,
					  tracefs_events[i].name);
}

/* What happens to the machine shall not happen to us: locked, not killed. */
static void protect(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "-1000", 5) != 5)
		warn("oom_score_adj (it goes on)");
	if (fd >= 0)
		close(fd);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		warn("mlockall (it goes on)");
}

static void summary_out(const struct window *w)
{
	FILE *report;

	fputc('#', record);
	put_summary(record, w);
	if (fflush(record) || ferror(record) || fclose(record))
		err(EXIT_FAILED, "%s", opt.out);
	put_summary(stdout, w);
	fflush(stdout);
	if (!opt.report)
		return;
	/* A port has one opener at a time. */
	for (int tries = 0; tries < 100; tries++) {
		report = fopen(opt.report, "we");
		if (report) {
			put_summary(report, w);
			fclose(report);
			return;
		}
		pause_step();
	}
	warn("%s", opt.report);
}

static int audit(void)
{
	struct window w = { .ended = "file" };
	const char *what;
	int ret, status = 0, i;
	double begin_s;
	pid_t command;

	ret = tracefs_make((unsigned int)opt.buffer_kib, opt.tree, &what);
	made = ret != -EEXIST;
	atexit(take_away);
	if (ret)
		die_tracing(what, ret);
	pids_set();
	faults_filter();
	ret = tracefs_enable(true);
	if (ret)
		die_tracing("events", ret);
	protect();
	await_begin();

	w.before = requests_of_device();
	begin_s = now_s();
	ret = tracefs_put("1", INSTANCE("tracing_on"));
	if (ret)
		die_tracing("tracing_on", ret);
	command = command_start();
	w.ended = await_end(command, begin_s, w.before.reads + w.before.writes +
			    w.before.others, &status);
	ret = tracefs_put("0", INSTANCE("tracing_on"));
	w.after = requests_of_device();
	w.seconds = now_s() - begin_s;
	tasks_end();
	if (ret)
		die_tracing("tracing_on", ret);
	(void)tracefs_enable(false);
	/* tracefs_enable(false) left what was recorded as it was. */
	w.lost = tracefs_lost();

	record_write(TRACEFS_INSTANCE "/trace");
	summary_out(&w);
	take_away();
	if (command && strcmp(w.ended, "command")) {
		kill(command, SIGTERM);
		waitpid(command, &status, 0);
	} else if (command && status) {
		errx(EXIT_FAILED, "%s failed: status 0x%x",
		     opt.io ? "--io" : opt.command[0], status);
	}
	for (i = 0; i < nr_tasks && !tasks[i].ended; i++)
		;
	return w.lost || i < nr_tasks ? EXIT_PARTLY : EXIT_DONE;
}

static int audit_of_file(void)
{
	struct window w = { .ended = "file" };

	record_write(opt.from);
	summary_out(&w);
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ begin */

static long number(const char *name, const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0)
		errx(EXIT_USAGE, "--%s %s: want a number", name, text);
	return value;
}

static const struct option long_options[] = {
	{ "out", 1, NULL, 'o' },	{ "task", 1, NULL, 't' },
	{ "tree", 0, NULL, 'T' },	{ "through", 1, NULL, 'm' },
	{ "device", 1, NULL, 'd' },	{ "swap", 0, NULL, 's' },
	{ "skip", 1, NULL, 'k' },	{ "requests", 1, NULL, 'n' },
	{ "seconds", 1, NULL, 'S' },	{ "allow", 1, NULL, 'a' },
	{ "buffer-kib", 1, NULL, 'b' },	{ "report", 1, NULL, 'r' },
	{ "from", 1, NULL, 'f' },	{ "clean", 0, NULL, 'C' },
	{ "io", 1, NULL, 'i' },		{ "help", 0, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

/* Files that are waited for come last: nothing else may wait for them. */
static const char *task_texts[WORDS_MAX];
static int nr_task_texts;

static void options_parse(int argc, char **argv)
{
	int c, i = 0;

	while ((c = getopt_long(argc, argv, "+h", long_options, &i)) != -1) {
		const char *name = c != '?' ? long_options[i].name : "";

		switch (c) {
		case 'o':
			opt.out = optarg;
			break;
		case 'T':
			opt.tree = true;
			break;
		case 'd':
			opt.device = optarg;
			break;
		case 's':
			opt.swap = true;
			break;
		case 'k':
			opt.skip = number(name, optarg);
			break;
		case 'n':
			opt.requests = number(name, optarg);
			break;
		case 'S':
			opt.seconds = number(name, optarg);
			break;
		case 'b':
			opt.buffer_kib = number(name, optarg);
			break;
		case 'i':
			opt.io = number(name, optarg);
			break;
		case 'r':
			opt.report = optarg;
			break;
		case 'f':
			opt.from = optarg;
			break;
		case 'C':
			opt.clean = true;
			break;
		case 't':
			if (nr_task_texts == WORDS_MAX)
				errx(EXIT_USAGE, "at most %d --task", WORDS_MAX);
			task_texts[nr_task_texts++] = optarg;
			break;
		case 'm':
			if (opt.nr_through == ROLES_MAX)
				errx(EXIT_USAGE, "at most %d --through", ROLES_MAX);
			opt.through[opt.nr_through++] = optarg;
			break;
		case 'a':
			if (opt.nr_allow == WORDS_MAX)
				errx(EXIT_USAGE, "at most %d --allow", WORDS_MAX);
			opt.allow[opt.nr_allow++] = optarg;
			break;
		case 'h':
			usage(stdout, EXIT_DONE);
		default:
			usage(stderr, EXIT_USAGE);
		}
	}
	if (optind < argc)
		opt.command = argv + optind;
	if (opt.clean)
		return;
	if (!opt.out || (!nr_task_texts && !opt.nr_through))
		usage(stderr, EXIT_USAGE);
	if ((opt.swap || opt.requests || opt.skip || opt.io) && !opt.device)
		errx(EXIT_USAGE, "--swap, --io, --requests and --skip want --device");
	if (opt.io && (opt.swap || opt.command))
		errx(EXIT_USAGE, "--io is a load of its own, and swap would be lost");
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	int i, ret;

	options_parse(argc, argv);
	if (opt.clean) {
		ret = tracefs_remove();
		if (ret)
			errx(EXIT_FAILED, "%s: %s", TRACEFS_INSTANCE,
			     strerror(-ret));
		return EXIT_DONE;
	}
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	for (i = 0; i < nr_task_texts; i++)
		task_option(task_texts[i]);
	if (opt.tree && !opt.from)
		children_add();
	record = fopen(opt.out, "we");
	if (!record)
		err(EXIT_FAILED, "%s", opt.out);
	fputs("# alloc-audit 1\n", record);
	return opt.from ? audit_of_file() : audit();
}
