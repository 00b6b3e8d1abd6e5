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
#include <signal.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>

#include "auditreport.h"
#include "audittasks.h"
#include "ioload.h"
#include "tracefs.h"
#include "tracetext.h"

#define WORDS_MAX	32
/* Room for some ten thousand events with their stacks, on each processor. */
#define BUFFER_KIB	16384

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
		if (stop || waited_ms > TASKS_WAIT_S * 1000L)
			errx(EXIT_FAILED, "%s: no swap within %d s", opt.device,
			     TASKS_WAIT_S);
		pause_step();
		waited_ms += TASKS_STEP_MS;
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

static struct window window_of(const char *ended)
{
	static struct utsname name;

	uname(&name);
	return (struct window){
		.ended = ended,
		.kernel = opt.from ? "" : name.release,
		.device = opt.device ? opt.device : "",
		.through = opt.through,
		.nr_through = opt.nr_through,
	};
}

static int audit(void)
{
	struct window w = window_of("");
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
	warnx("watching");
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
	w.strange = reader.strange;
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
	struct window w = window_of("file");

	record_write(opt.from);
	w.strange = reader.strange;
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
		task_option(task_texts[i], !opt.from, &stop);
	if (opt.tree && !opt.from)
		children_add();
	record = fopen(opt.out, "we");
	if (!record)
		err(EXIT_FAILED, "%s", opt.out);
	fputs("# alloc-audit 1\n", record);
	return opt.from ? audit_of_file() : audit();
}
