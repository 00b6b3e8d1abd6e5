// SPDX-License-Identifier: GPL-2.0-only
/*
 * t.c - beginning, ending and failing; processes
 *
 * Where it stands: [test] > /dev/abctlN, /dev/abuseN > module.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t.h"

#define CHILDREN_MAX	256
#define CTL_MAX		64
#define DEVICES_MAX	2	/* no test uses more */
/* How long a failing test tries to leave an idle device. */
#define CLEAN_MS	4000

static pid_t children[CHILDREN_MAX];
static int nr_children;
static int ctl_fds[CTL_MAX];
static int nr_ctl_fds;
static bool is_child;
static pid_t the_test;

long t_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void t_pause(void)
{
	const struct timespec ms = { 0, 1000000 };

	nanosleep(&ms, NULL);
}

const char *t_name(long long value)
{
	static char text[4][48];
	static int turn;
	char *p = text[turn++ & 3];
	const char *name = value < 0 && value > -4096 ?
			   strerrorname_np(-value) : NULL;

	if (name)
		snprintf(p, sizeof(text[0]), "-%s", name);
	else
		snprintf(p, sizeof(text[0]), "%lld", value);
	return p;
}

bool t_twin(const char *name)
{
	const char *twin = getenv("T_TWIN");

	return twin && !strcmp(twin, name);
}

/*
 * A device that is bound to a store lends to who presents it (I14): sysfs says
 * which.  From a signal handler, too: no stdio.
 */
static void present_store(int fd, int number)
{
	struct abuse_store store = { 0 };
	char path[64], hex[2 * sizeof(store.ab_id)];
	unsigned int i;
	int attr;

	snprintf(path, sizeof(path), "/sys/block/abuse%d/abuse/store_id",
		 number);
	attr = open(path, O_RDONLY | O_CLOEXEC);
	if (attr < 0)
		return;
	if (read(attr, hex, sizeof(hex)) == sizeof(hex)) {
		for (i = 0; i < sizeof(hex); i++)
			store.ab_id[i / 2] = store.ab_id[i / 2] << 4 |
					     (hex[i] <= '9' ? hex[i] - '0' :
					      hex[i] - 'a' + 10);
		ioctl(fd, ABUSE_SET_STORE, &store);
	}
	close(attr);
}

/* Fail everything that is QUEUED.  True if the module holds nothing more. */
static bool drain(int number)
{
	struct abuse_lent lent[16];
	struct abuse_verb verbs[16] = { 0 };
	struct abuse_counters c;
	char path[32];
	int fd, nr, i;
	bool idle;

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return true;
	present_store(fd, number);
	do {
		struct abuse_serve serve = {
			.ab_requests = (uintptr_t)lent,
			.ab_nr_requests = 16,
			.ab_flags = ABUSE_SERVE_NOWAIT,
		};

		nr = ioctl(fd, ABUSE_SERVE, &serve);
		for (i = 0; i < nr; i++) {
			verbs[i].ab_id = lent[i].ab_id;
			verbs[i].ab_verb = ABUSE_VERB_FAIL;
			verbs[i].ab_error = EIO;
		}
		serve.ab_verbs = (uintptr_t)verbs;
		serve.ab_nr_verbs = nr > 0 ? nr : 0;
		serve.ab_nr_requests = 0;
		if (nr > 0)
			ioctl(fd, ABUSE_SERVE, &serve);
	} while (nr > 0);
	idle = !ioctl(fd, ABUSE_GET_COUNTERS, &c) &&
	       c.ab_accepted == c.ab_ended;
	if (idle)
		ioctl(fd, ABUSE_RESET);
	close(fd);
	return idle;
}

static bool all_reaped(void)
{
	int i;

	for (i = 0; i < nr_children; i++)
		if (children[i] && waitpid(children[i], NULL, WNOHANG) != 0)
			children[i] = 0;
	for (i = 0; i < nr_children; i++)
		if (children[i])
			return false;
	return true;
}

/* The device as idle as can be; from a signal handler, too. */
bool t_clean(void)
{
	long start = t_now_ms();
	bool idle;
	int i;

	for (i = 0; i < nr_children; i++)
		if (children[i])
			kill(children[i], SIGKILL);
	for (i = 0; i < nr_ctl_fds; i++)
		close(ctl_fds[i]);
	nr_ctl_fds = 0;
	do {
		t_pause();
		idle = all_reaped();
		for (i = 0; i < DEVICES_MAX; i++)
			idle &= drain(i);
	} while (!idle && t_now_ms() - start < CLEAN_MS);
	if (!idle)
		fputs("the device could not be made idle\n", stderr);
	return idle;
}

void t_fail(const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	char text[1000];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "%s:%d: %s\n", base ? base + 1 : file, line, text);
	if (is_child)
		_exit(1);
	t_clean();
	_exit(1);
}

void t_skip(const char *format, ...)
{
	va_list args;

	t_clean();
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(77);
}

static void on_alarm(int sig)
{
	(void)sig;
	T_FAIL("the test has not come to its end within its limit");
}

/* Of a slow kernel, as the runner says: at least 1. */
double t_time_factor(void)
{
	const char *text = getenv("TIME_FACTOR");
	double factor = text ? strtod(text, NULL) : 1;

	return factor > 1 ? factor : 1;
}

void t_init(int limit_s)
{
	struct sigaction action = { .sa_handler = on_alarm };

	the_test = getpid();
	setvbuf(stderr, NULL, _IOLBF, 0);
	sigaction(SIGALRM, &action, NULL);
	alarm(limit_s * t_time_factor());
}

/* What the module holds of a device; false if there is no such device. */
static bool counters_of(int number, struct abuse_counters *c)
{
	char path[32];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	ok = fd >= 0 && !ioctl(fd, ABUSE_GET_COUNTERS, c);
	if (fd >= 0)
		close(fd);
	return ok;
}

int t_end(void)
{
	struct abuse_counters c;
	int i;

	for (i = 0; i < nr_children; i++)
		if (children[i])
			t_kill(children[i], SIGKILL);
	while (nr_ctl_fds)
		t_ctl_close(ctl_fds[0]);
	for (i = 0; i < DEVICES_MAX; i++) {
		if (!counters_of(i, &c))
			continue;
		T_TRUE(c.ab_accepted == c.ab_ended && !c.ab_nr_lent &&
		       !c.ab_nr_queued && !c.ab_nr_waiting && !c.ab_nr_servers,
		       "device %d at the end: accepted %llu, ended %llu, %u LENT, %u QUEUED, %u waiting, %u servers",
		       i, c.ab_accepted, c.ab_ended, c.ab_nr_lent,
		       c.ab_nr_queued, c.ab_nr_waiting, c.ab_nr_servers);
		drain(i);
	}
	return 0;
}

/* -------------------------------------------------------------- processes */

pid_t t_fork(bool keep_ctl)
{
	pid_t pid;
	int i;

	fflush(NULL);
	/* The place of one that has been reaped, else a new one. */
	for (i = 0; i < nr_children && children[i]; i++)
		;
	if (i == CHILDREN_MAX)
		T_FAIL("more than %d children", CHILDREN_MAX);
	pid = fork();
	if (pid < 0)
		T_FAIL("fork: %s", strerror(errno));
	if (pid) {
		if (!is_child) {
			children[i] = pid;
			if (i == nr_children)
				nr_children++;
		}
		return pid;
	}
	is_child = true;
	alarm(0);
	signal(SIGALRM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!keep_ctl) {
		for (i = 0; i < nr_ctl_fds; i++)
			close(ctl_fds[i]);
		nr_ctl_fds = 0;
	}
	return 0;
}

bool t_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) &&
	       info.si_pid == pid;
}

int t_reap(pid_t pid)
{
	int status = 0, i;

	T_UNTIL(t_ended(pid));
	waitpid(pid, &status, 0);
	for (i = 0; i < nr_children; i++)
		if (children[i] == pid)
			children[i] = 0;
	/* The slot of the last ones can be used again. */
	while (nr_children && !children[nr_children - 1])
		nr_children--;
	return status;
}

void t_kill(pid_t pid, int sig)
{
	if (kill(pid, sig))
		T_FAIL("kill %d: %s", pid, strerror(errno));
	if (sig == SIGKILL)
		t_reap(pid);
}

const char *t_read_text(const char *format, ...)
{
	static char text[16384];
	char path[200];
	va_list args;
	ssize_t got;
	size_t used = 0;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	text[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return text;
	while (used < sizeof(text) - 1 &&
	       (got = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += got;
	close(fd);
	text[used] = '\0';
	return text;
}

char t_state(pid_t tid)
{
	const char *p = strrchr(t_read_text("/proc/%d/stat", tid), ')');

	return p && p[1] && p[2] ? p[2] : '?';
}

static unsigned long flags_now(pid_t tid)
{
	const char *p;
	unsigned long flags = 0;

	p = tid ? t_read_text("/proc/%d/stat", tid) :
		  t_read_text("/proc/thread-self/stat");
	p = strrchr(p, ')');
	if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1)
		T_FAIL("no flags in /proc/%d/stat", tid);
	return flags;
}

/* Looked at three times: a softirq that borrows a task hides PF_MEMALLOC. */
unsigned long t_flags(pid_t tid)
{
	unsigned long flags = flags_now(tid);
	int i;

	for (i = 0; tid && i < 2; i++) {
		t_pause();
		flags |= flags_now(tid);
	}
	return flags;
}

bool t_stack_has(pid_t tid, const char *function)
{
	return strstr(t_read_text("/proc/%d/stack", tid), function);
}

void *t_shared(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		T_FAIL("mmap of %zu bytes: %s", bytes, strerror(errno));
	return p;
}

/* ----------------------------------------------------------------- device */

int t_ctl_open(int number)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		T_FAIL("%s: %s", path, strerror(errno));
	if (nr_ctl_fds == CTL_MAX)
		T_FAIL("more than %d control files", CTL_MAX);
	ctl_fds[nr_ctl_fds++] = fd;
	return fd;
}

void t_ctl_close(int fd)
{
	int i;

	for (i = 0; i < nr_ctl_fds; i++) {
		if (ctl_fds[i] != fd)
			continue;
		ctl_fds[i] = ctl_fds[--nr_ctl_fds];
		break;
	}
	close(fd);
}

int t_blk_open(int number, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/abuse%d", number);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

long t_ioctl_do(int fd, unsigned int cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

void t_configure(int ctl, uint64_t size_bytes, uint32_t bound, uint32_t flags)
{
	struct abuse_info info = {
		.ab_size = size_bytes,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = bound,
		.ab_flags = flags,
	};

	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
}

void t_go_live(int ctl)
{
	struct pollfd p = { .fd = ctl, .events = POLLMSG };

	if (poll(&p, 1, 0) < 0)
		T_FAIL("poll: %s", strerror(errno));
}

struct abuse_counters t_counters(int ctl)
{
	struct abuse_counters c;

	T_OK(t_ioctl(ctl, ABUSE_GET_COUNTERS, &c));
	return c;
}
