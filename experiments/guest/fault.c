// SPDX-License-Identifier: GPL-2.0-only
/*
 * fault.c - puts one kind of fault into a guest under load, and says for each
 * that it came
 *
 * Where it stands: load > swap > device > [server], and beside them this, which
 * acts on the server, on its connection, its disk, or its processor.  The
 * shell cannot: under load a fork waits for memory that the server would have
 * to free.  So everything is opened, forked and locked before, and what is
 * left for the moment of the fault is one system call (locked.h).
 *
 * A line "fault" is written only when the kernel has taken the fault, with
 * what is seen of it; one "fault-failed" if it has not, and why.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <getopt.h>
#include <linux/nbd.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "dm.h"
#include "locked.h"
#include "../../swapserver/board.h"

#define POLL_MS		20
/*
 * To see what became of a signal: a server may be in a system call first.  And
 * for how long nobody may serve: a standby takes over within seconds, or not
 * at all.  A test has less patience.
 */
#ifndef LOOK_MS
#define LOOK_MS		3000
#define SERVED_MS	10000
#endif
/* And of a processor's time. */
#define HOG_MS		500
/* Above the servers' 10, below the agent and us. */
#define HOG_PRIORITY	20
#define TASKS_MAX	64
#define FAULTS_DIR	"/sys/kernel/debug/"
/* When a machine that did fall asleep wakes up: sooner than it counts as lost. */
#define WAKE_S		"+5"

struct options {
	const char *kind;
	const char *report;
	const char *ctl;
	const char *board;
	const char *device;
	const char *disk_stat;
	const char *mapping;
	const char *disk;
	long pid;
	uint64_t after_ms, after_requests, every_ms;
	unsigned long count;
};

/* What was seen of a fault, for its line. */
struct seen {
	char text[256];
	char why[128];	/* it failed */
};

struct kind {
	const char *name;
	int (*prepare)(void);		/* 0, or a line printed and -1 */
	int (*inject)(struct seen *seen); /* 0, or -1 and seen->why */
	bool server;	/* acts on who serves: there has to be somebody */
	bool slow;	/* too long to keep the port from others meanwhile */
};

static struct options opt = {
	.report = "/dev/port/result",
	.ctl = "/dev/abctl0",
	.count = 1,
};
static int ctl = -1, disk_stat = -1;

static int fail(const char *what, int err)
{
	fprintf(stderr, "fault: %s: %s\n", what, strerror(-err));
	return -1;
}

static int __attribute__((format(printf, 2, 3)))
refused(struct seen *seen, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(seen->why, sizeof(seen->why), format, args);
	va_end(args);
	return -1;
}

/* ------------------------------------------------------------ the server */

static const struct board *board;

/* Only looked at; a server without standbys has none. */
static void board_find(void)
{
	struct stat st;
	void *map;
	int fd;

	fd = opt.board ? open(opt.board, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && st.st_size >= (off_t)sizeof(*board)) {
		map = mmap(NULL, sizeof(*board), PROT_READ, MAP_SHARED, fd, 0);
		board = map == MAP_FAILED ? NULL : map;
	}
	close(fd);
	if (board && (board->magic != BOARD_MAGIC ||
		      board->version != BOARD_VERSION))
		board = NULL;
}

/* Who serves now; 0: nobody at this moment. */
static pid_t active_pid(void)
{
	uint32_t slot;

	if (!board)
		return (pid_t)opt.pid;
	slot = atomic_load(&board->active);
	if (slot >= BOARD_SLOTS ||
	    atomic_load(&board->slots[slot].state) != BOARD_ACTIVE)
		return 0;
	return atomic_load(&board->slots[slot].pid);
}

/* The first word behind the name in /proc/PID/stat; '?': it is not there. */
static char state_of(int stat_fd)
{
	char text[512], *p;

	if (!text_read_fd(stat_fd, text, sizeof(text)))
		return '?';
	p = strrchr(text, ')');
	return p && p[1] == ' ' ? p[2] : '?';
}

static int stat_open(pid_t pid)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/stat", (int)pid);
	return open(name, O_RDONLY | O_CLOEXEC);
}

/*
 * Is there somebody to act on?  One that has been killed may stand on the
 * board for a moment yet, and its pid in /proc until its parent looks.
 */
static bool is_served(void)
{
	pid_t pid = active_pid();
	int stat_fd = pid > 0 ? stat_open(pid) : -1;
	char state = state_of(stat_fd);

	if (stat_fd >= 0)
		close(stat_fd);
	return !strchr("?ZX", state);
}

/* ----------------------------------------------------------- the signals */

static int need_server(void)
{
	board_find();
	return is_served() ? 0 : fail("--pid: the server", -ESRCH);
}

static int signal_send(struct seen *seen, int sig)
{
	struct pollfd gone = { .events = POLLIN };
	uint64_t until_ms;
	pid_t pid = active_pid();
	char state = '?';
	bool ended = false;
	int stat_fd;

	if (!is_served())
		return refused(seen, "nobody serves");
	/* Both before the deed: to look at it then takes no memory. */
	gone.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	stat_fd = stat_open(pid);
	if (gone.fd < 0 || syscall(SYS_pidfd_send_signal, gone.fd, sig, NULL, 0)) {
		refused(seen, "signal %d to %d: %s", sig, (int)pid,
			strerror(errno));
		if (gone.fd >= 0)
			close(gone.fd);
		if (stat_fd >= 0)
			close(stat_fd);
		return -1;
	}
	until_ms = now_ms() + LOOK_MS;
	do {
		ended = poll(&gone, 1, 0) == 1;
		state = ended ? 'X' : state_of(stat_fd);
		if (ended || (sig == SIGSTOP && state == 'T'))
			break;
		pause_ms(POLL_MS);
	} while (now_ms() < until_ms);
	close(gone.fd);
	if (stat_fd >= 0)
		close(stat_fd);
	snprintf(seen->text, sizeof(seen->text),
		 ",\"pid\":%d,\"signal\":%d,\"state\":\"%c\",\"acted\":%s",
		 (int)pid, sig, state,
		 ended || (sig == SIGSTOP && state == 'T') ? "true" : "false");
	return 0;
}

static int inject_kill(struct seen *seen)
{
	return signal_send(seen, SIGKILL);
}

static int inject_stop(struct seen *seen)
{
	return signal_send(seen, SIGSTOP);
}

static int inject_segv(struct seen *seen)
{
	return signal_send(seen, SIGSEGV);
}

/* ---------------------------------------------------------- a connection */

static int nbd = -1;

static int prepare_disconnect(void)
{
	nbd = open(opt.device ? opt.device : "", O_RDWR | O_CLOEXEC);
	return nbd < 0 ? fail("--device", -errno) : 0;
}

/* As nbd-client -d does, over a descriptor that was opened before. */
static int inject_disconnect(struct seen *seen)
{
	if (ioctl(nbd, NBD_DISCONNECT))
		return refused(seen, "NBD_DISCONNECT: %s", strerror(errno));
	return 0;
}

/* -------------------------------------------------- allocations that fail */

static const char *faults;	/* failslab or fail_page_alloc */

static int fault_set(const char *key, const char *value)
{
	char path[128];
	int err;

	snprintf(path, sizeof(path), FAULTS_DIR "%s/%s", faults, key);
	err = text_write(path, value);
	/* Not all of these are there in all kernels; the first four are. */
	return err == -ENOENT && strcmp(key, "probability") &&
			       strcmp(key, "task-filter") ?
		       0 : err;
}

/*
 * Every allocation of a task that is marked fails, for ever, whether it may
 * wait or not; nobody is marked yet.
 */
static int prepare_alloc(const char *name)
{
	static const char * const keys[][2] = {
		{ "task-filter", "Y" },	  { "interval", "1" },
		{ "times", "-1" },	  { "verbose", "0" },
		{ "ignore-gfp-wait", "N" }, { "ignore-gfp-highmem", "N" },
		{ "min-order", "0" },	  { "stacktrace-depth", "0" },
		{ "cache-filter", "N" },  { "probability", "100" },
	};
	int err;

	faults = name;
	if (need_server())
		return -1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		err = fault_set(keys[i][0], keys[i][1]);
		if (err)
			return fail(name, err);	/* a kernel without it: ENOENT */
	}
	return 0;
}

static int prepare_failslab(void)
{
	return prepare_alloc("failslab");
}

static int prepare_fail_page_alloc(void)
{
	return prepare_alloc("fail_page_alloc");
}

/*
 * A child that marks itself and then needs memory: opening a file takes an
 * object of a slab, writing to a fresh pipe a page.
 */
static bool decoy_fails(void)
{
	bool page = !strcmp(faults, "fail_page_alloc");
	int ends[2], status;
	pid_t pid;

	if (pipe(ends))
		return false;
	pid = fork();
	if (!pid) {
		bool failed;

		if (text_write("/proc/self/make-it-fail", "1"))
			_exit(2);
		if (page)
			failed = write(ends[1], "x", 1) < 0;
		else
			failed = open("/dev/null", O_RDONLY) < 0;
		_exit(failed && errno == ENOMEM ? 0 : 1);
	}
	close(ends[0]);
	close(ends[1]);
	return pid > 0 && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && !WEXITSTATUS(status);
}

/* Marks each task of the server; nr: how many. */
static int tasks_mark(pid_t pid, int *nr)
{
	char path[128], text[16];
	struct dirent *entry;
	int err = 0;
	DIR *tasks;

	*nr = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	while (tasks && !err && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/make-it-fail",
			 (int)pid, entry->d_name);
		err = text_write(path, "1");
		/* Read back: what was written is not yet what holds. */
		if (!err && text_read(path, text, sizeof(text)) && text[0] == '1')
			(*nr)++;
	}
	if (tasks)
		closedir(tasks);
	return err;
}

static int inject_alloc(struct seen *seen)
{
	pid_t pid = active_pid();
	int nr, err;

	if (pid <= 0)
		return refused(seen, "nobody serves");
	err = tasks_mark(pid, &nr);
	if (err || !nr)
		return refused(seen, "make-it-fail of %d: %s", (int)pid,
			       err ? strerror(-err) : "not read back as 1");
	if (!decoy_fails())
		return refused(seen, "%s: an allocation that should fail did not",
			       faults);
	snprintf(seen->text, sizeof(seen->text),
		 ",\"pid\":%d,\"tasks\":%d,\"decoy_failed\":true", (int)pid, nr);
	return 0;
}

/* ---------------------------------------------------------- a processor */

static pid_t hogs[TASKS_MAX];
static int nr_hogs, hog_gate[2];

/* Locked, or it would wait for its own page instead of hogging. */
static void hog_run(int cpu)
{
	const struct sched_param param = { .sched_priority = HOG_PRIORITY };
	cpu_set_t set;
	char go;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "rt-hog");
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if ((!locked_memory() && !locked_trial) ||
	    sched_setaffinity(0, sizeof(set), &set) ||
	    read(hog_gate[0], &go, 1) != 1 ||
	    sched_setscheduler(0, SCHED_FIFO, &param))
		_exit(1);
	for (;;)
		__asm__ volatile("" ::: "memory");
}

/* All processors but the last, at least one: the machine is not to stand still. */
static int prepare_hog(void)
{
	long nr = sysconf(_SC_NPROCESSORS_ONLN);

	if (pipe(hog_gate))
		return fail("pipe", -errno);
	nr_hogs = nr > 1 ? (int)nr - 1 : 1;
	if (nr_hogs > TASKS_MAX)
		nr_hogs = TASKS_MAX;
	for (int i = 0; i < nr_hogs; i++) {
		hogs[i] = fork();
		if (!hogs[i])
			hog_run(i);
		if (hogs[i] < 0)
			return fail("fork", -errno);
	}
	return 0;
}

static uint64_t cpu_ms(pid_t pid)
{
	struct timespec used = { 0 };
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

static int inject_hog(struct seen *seen)
{
	uint64_t before_ms[TASKS_MAX], least_ms = UINT64_MAX;

	for (int i = 0; i < nr_hogs; i++) {
		before_ms[i] = cpu_ms(hogs[i]);
		if (write(hog_gate[1], "x", 1) != 1)
			return refused(seen, "pipe: %s", strerror(errno));
	}
	pause_ms(HOG_MS);
	for (int i = 0; i < nr_hogs; i++) {
		uint64_t used_ms = cpu_ms(hogs[i]) - before_ms[i];

		if (used_ms < least_ms)
			least_ms = used_ms;
		if (sched_getscheduler(hogs[i]) != SCHED_FIFO)
			return refused(seen, "the hog %d is not SCHED_FIFO", i);
	}
	/* An emulated processor may be late; a tenth says that it runs. */
	if (least_ms < HOG_MS / 10)
		return refused(seen, "a hog ran %llu ms of %d",
			       (unsigned long long)least_ms, HOG_MS);
	snprintf(seen->text, sizeof(seen->text),
		 ",\"hogs\":%d,\"priority\":%d,\"used_ms\":%llu,\"of_ms\":%d",
		 nr_hogs, HOG_PRIORITY, (unsigned long long)least_ms, HOG_MS);
	return 0;
}

/* ---------------------------------------------------------------- sleep */

static int power = -1, wake = -1;

static int prepare_suspend(void)
{
	power = open("/sys/power/state", O_WRONLY | O_CLOEXEC);
	/* Without it a machine that does sleep never wakes: no attempt. */
	wake = open("/sys/class/rtc/rtc0/wakealarm", O_WRONLY | O_CLOEXEC);
	if (power < 0 || wake < 0)
		return fail(power < 0 ? "/sys/power/state" : "wakealarm", -errno);
	return 0;
}

/* An attempt is the fault; that it is refused may be the right answer. */
static int inject_suspend(struct seen *seen)
{
	uint64_t start_ms = now_ms();
	int err = 0;

	if (write(wake, "0", 1) != 1 ||
	    write(wake, WAKE_S, strlen(WAKE_S)) != (ssize_t)strlen(WAKE_S))
		return refused(seen, "wakealarm: %s", strerror(errno));
	if (write(power, "freeze", 6) != 6)
		err = errno;
	snprintf(seen->text, sizeof(seen->text),
		 ",\"slept\":%s,\"errno\":%d,\"took_ms\":%llu",
		 err ? "false" : "true", err,
		 (unsigned long long)(now_ms() - start_ms));
	return 0;
}

/* --------------------------------------------------------------- a disk */

static int dm_control = -1;

/* The table that fails everything is made now, beside the one in use. */
static int prepare_disk_error(void)
{
	char path[64], sectors[32];
	int err;

	dm_control = open(DM_CONTROL, O_RDWR | O_CLOEXEC);
	if (dm_control < 0 || !opt.mapping || !opt.disk)
		return fail(DM_CONTROL ", --mapping, --disk",
			    dm_control < 0 ? -errno : -EINVAL);
	snprintf(path, sizeof(path), "/sys/block/%s/size",
		 strrchr(opt.disk, '/') ? strrchr(opt.disk, '/') + 1 : opt.disk);
	if (!text_read(path, sectors, sizeof(sectors)))
		return fail(path, -ENOENT);
	err = dm_load(dm_control, opt.mapping, strtoull(sectors, NULL, 10),
		      "error", "");
	return err ? fail(opt.mapping, err) : 0;
}

static int inject_disk_error(struct seen *seen)
{
	char type[32];
	int err = dm_resume(dm_control, opt.mapping);

	if (err)
		return refused(seen, "resume of %s: %s", opt.mapping,
			       strerror(-err));
	err = dm_type(dm_control, opt.mapping, type, sizeof(type));
	if (err || strcmp(type, "error"))
		return refused(seen, "the table of %s is still '%s'", opt.mapping,
			       type);
	return 0;
}

/* ----------------------------------------------------------------- main */

static const struct kind kinds[] = {
	{ "kill", need_server, inject_kill, true, false },
	{ "stop", need_server, inject_stop, true, false },
	{ "segv", need_server, inject_segv, true, false },
	{ "disconnect", prepare_disconnect, inject_disconnect, false, true },
	{ "failslab", prepare_failslab, inject_alloc, true, false },
	{ "fail-page-alloc", prepare_fail_page_alloc, inject_alloc, true, false },
	{ "rt-hog", prepare_hog, inject_hog, false, false },
	{ "suspend", prepare_suspend, inject_suspend, false, true },
	{ "disk-error", prepare_disk_error, inject_disk_error, false, false },
};

/* Requests that the device has ended, by the module's count or the kernel's. */
static uint64_t nr_ended(void)
{
	struct abuse_counters counters;
	char text[512], *p = text;
	uint64_t fields[16] = { 0 };

	if (ctl >= 0 && !ioctl(ctl, ABUSE_GET_COUNTERS, &counters))
		return counters.ab_ended;
	if (!text_read_fd(disk_stat, text, sizeof(text)))
		return 0;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fields[i] = strtoull(p, &p, 10);
	return fields[0] + fields[4] + fields[11] + fields[15];
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: fault --kind KIND [options]\n"
		"Put a fault into a guest under load; SIGTERM ends it.  KIND:\n ");
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(to, " %s", kinds[i].name);
	fprintf(to,
		"\n"
		"  -s, --after-s N      seconds from now (0)\n"
		"  -q, --after-requests N  and when the device has ended so many more (0)\n"
		"  -e, --every-s N      and again, so many seconds later (1)\n"
		"  -n, --count N        so often in all (1)\n"
		"  -p, --pid N          the server\n"
		"  -b, --board PATH     or the active one of this board, if it is there\n"
		"  -d, --device PATH    the device, to be disconnected\n"
		"  -S, --disk-stat PATH its stat in sysfs, where the module does not count\n"
		"  -c, --ctl PATH       control node of the abuse device (/dev/abctl0)\n"
		"  -m, --mapping NAME   device mapper name of the disk that is to fail\n"
		"  -k, --disk PATH      and its node, /dev/dm-N\n"
		"  -r, --report PATH    where lines go (/dev/port/result)\n"
		"  -t, --trial          on a desk: go on where it cannot be locked\n"
		"  -h, --help\n"
		"Exit status: 0 all came, or SIGTERM; 1 one failed; 2 it could not start.\n");
}

static bool number(const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return *text && !*end && !errno && *text != '-';
}

static bool options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "kind", required_argument, NULL, 'K' },
		{ "after-s", required_argument, NULL, 's' },
		{ "after-requests", required_argument, NULL, 'q' },
		{ "every-s", required_argument, NULL, 'e' },
		{ "count", required_argument, NULL, 'n' },
		{ "pid", required_argument, NULL, 'p' },
		{ "board", required_argument, NULL, 'b' },
		{ "device", required_argument, NULL, 'd' },
		{ "disk-stat", required_argument, NULL, 'S' },
		{ "ctl", required_argument, NULL, 'c' },
		{ "mapping", required_argument, NULL, 'm' },
		{ "disk", required_argument, NULL, 'k' },
		{ "report", required_argument, NULL, 'r' },
		{ "trial", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	uint64_t value;
	int c;

	opt.every_ms = 1000;
	while ((c = getopt_long(argc, argv, "K:s:q:e:n:p:b:d:S:c:m:k:r:th", names,
				NULL)) >= 0) {
		value = 0;
		if (strchr("sqenp", c) && !number(optarg, &value)) {
			fprintf(stderr, "fault: -%c %s: a number is wanted\n", c,
				optarg);
			return false;
		}
		switch (c) {
		case 'K':
			opt.kind = optarg;
			break;
		case 's':
			opt.after_ms = value * 1000;
			break;
		case 'q':
			opt.after_requests = value;
			break;
		case 'e':
			opt.every_ms = value * 1000;
			break;
		case 'n':
			opt.count = value;
			break;
		case 'p':
			opt.pid = (long)value;
			break;
		case 'b':
			opt.board = optarg;
			break;
		case 'd':
			opt.device = optarg;
			break;
		case 'S':
			opt.disk_stat = optarg;
			break;
		case 'c':
			opt.ctl = optarg;
			break;
		case 'm':
			opt.mapping = optarg;
			break;
		case 'k':
			opt.disk = optarg;
			break;
		case 'r':
			opt.report = optarg;
			break;
		case 't':
			locked_trial = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return optind == argc && opt.kind;
}

/* The n-th of them; 0, or -1 if it failed. */
static int inject(const struct kind *kind, unsigned long n)
{
	struct seen seen = { 0 };
	int port = kind->slow ? -1 : report_open(opt.report), err;

	err = kind->inject(&seen);
	if (kind->slow)
		port = report_open(opt.report);
	if (err)
		report_send(port,
			    "{\"event\":\"fault-failed\",\"kind\":\"%s\",\"number\":%lu,\"why\":\"%s\"}",
			    kind->name, n, seen.why);
	else if (!report_send(port,
			      "{\"event\":\"fault\",\"kind\":\"%s\",\"number\":%lu%s}",
			      kind->name, n, seen.text))
		err = -1;
	return err;
}

static int run(const struct kind *kind)
{
	uint64_t due_ms = now_ms() + opt.after_ms;
	uint64_t due_requests = nr_ended() + opt.after_requests;
	int status = 0;

	for (unsigned long n = 1; n <= opt.count; n++) {
		while (!locked_leaving &&
		       (now_ms() < due_ms || nr_ended() < due_requests))
			pause_ms(POLL_MS);
		/* After a takeover somebody has to come first. */
		for (uint64_t until_ms = now_ms() + SERVED_MS;
		     kind->server && !is_served() && !locked_leaving &&
		     now_ms() < until_ms;)
			pause_ms(POLL_MS);
		if (locked_leaving)
			break;
		if (inject(kind, n))
			status = 1;
		due_ms = now_ms() + opt.every_ms;
	}
	/* Hogs go on as long as the loads do, and marked tasks fail. */
	while (!locked_leaving)
		pause_ms(POLL_MS);
	for (int i = 0; i < nr_hogs; i++)
		kill(hogs[i], SIGKILL);
	return status;
}

int main(int argc, char **argv)
{
	const struct kind *kind = NULL;

	if (!options_parse(argc, argv)) {
		usage(stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, opt.kind))
			kind = &kinds[i];
	if (!kind) {
		usage(stderr);
		return 2;
	}
	ctl = open(opt.ctl, O_RDWR | O_CLOEXEC);
	if (opt.disk_stat)
		disk_stat = open(opt.disk_stat, O_RDONLY | O_CLOEXEC);
	/* Children first: they are to have none of what we take. */
	if (kind->prepare() || !locked_take("fault", ctl))
		return 2;
	/* The first reading of a /proc or sysfs file gives it its buffer. */
	nr_ended();
	printf("fault: ready\n");
	fflush(stdout);
	return run(kind);
}
