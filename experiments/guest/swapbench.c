// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapbench.c - swaps pages out to a device and in again, says how long each
 * took, and verifies every page
 *
 * Where it stands: bench.sh > [load] > swap > bio > queue > ioctl > server >
 * backend.  N tasks each map a share of memory and fill it.  Out: all at once
 * ask for their shares to be paged out (MADV_PAGEOUT), until the device has
 * nothing in flight any more.  Between: what stayed behind, the swap cache
 * too, is taken away through the tasks' cgroup, or the next step would read
 * memory and not the device.  In: each task touches its pages, one by one.
 *
 * A step counts the pages that the kernel says it swapped (pswpout, pswpin),
 * and fails if they are far from all: memory without memory pressure may do
 * something else than what one asked for.  It writes a swap header over the
 * device's beginning.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>

#include "bench.h"

/* linux/swap.h's union swap_header: where what stands in the first page. */
#define HEADER_VERSION_AT   1024
#define HEADER_LAST_PAGE_AT 1028
#define HEADER_MAGIC	    "SWAPSPACE2"
#define HEADER_MAGIC_AT	    (BENCH_PAGE_BYTES - 10)

#define CGROUP_ROOT "/sys/fs/cgroup"
#define CGROUP CGROUP_ROOT "/swapbench"
/* So much of what was asked for must have been swapped, or nothing is said. */
#define SWAPPED_MIN_PERCENT 90
/* Rounds of looking for what stayed in memory, and for the last request. */
#define TRIES_MAX 2000
/* So often in a row nothing has left: what is still there is held. */
#define STUCK_MAX 20
#define PRIORITY  100

struct options {
	const char *device;
	uint64_t bytes; /* of all tasks */
	uint64_t seed;
	unsigned long cpus;
	unsigned int nr_tasks;
	unsigned int noise_percent;
	unsigned int page_cluster;
	int server_pid;
	bool latency;
};

struct task {
	uint64_t start_ns, end_ns; /* of the latest step */
	bool done;
};

/* Of all tasks.  Each step begins and ends with all of them and the parent. */
struct shared {
	pthread_barrier_t step;
	struct task tasks[BENCH_TASKS_MAX];
	uint32_t latencies_ns[]; /* by page, of the first touch */
};

/* What a step came to. */
struct measured {
	uint64_t ns, nr_pages, server_ns;
};

static struct options opt = {
	.bytes = 16 << 20,
	.nr_tasks = 1,
	.noise_percent = 25,
	.page_cluster = 3,
	.seed = 1,
};
static struct shared *shared;
static uint64_t nr_pages_task;
static bool is_swapped_on;

static void die_clean(const char *what)
{
	int error = errno;

	/* Else the device stays in use, and all that comes after fails. */
	if (is_swapped_on)
		swapoff(opt.device);
	errno = error;
	bench_die("%s: %s: %m", opt.device, what);
}

/* --------------------------------------------------- the kernel's files */

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		die_clean(path);
	close(fd);
}

/* The number behind `key` in a file of lines; 0 if there is none. */
static uint64_t number_of(const char *path, const char *key)
{
	static char text[65536];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = strlen(key);
	ssize_t got = 0, more;
	char *line;

	if (fd < 0)
		die_clean(path);
	while ((more = read(fd, text + got, sizeof(text) - 1 - (size_t)got)) >
	       0)
		got += more;
	close(fd);
	text[got] = '\0';
	for (line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, key, len) && line[len] == ' ')
			return strtoull(line + len, NULL, 10);
	}
	return 0;
}

/* Has the device any request in flight? */
static bool is_busy(void)
{
	const char *name = strrchr(opt.device, '/') + 1;
	unsigned long reads = 0, writes = 0;
	char path[128], text[64];
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/block/%s/inflight", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		die_clean(path);
	close(fd);
	text[got] = '\0';
	sscanf(text, "%lu %lu", &reads, &writes);
	return reads || writes;
}

static void wait_idle(void)
{
	for (int i = 0; is_busy(); i++) {
		if (i == TRIES_MAX) {
			errno = ETIMEDOUT;
			die_clean("requests stay in flight");
		}
		bench_sleep_us(50);
	}
}

static void cgroup_make(void)
{
	write_text(CGROUP_ROOT "/cgroup.subtree_control", "+memory");
	if (mkdir(CGROUP, 0755) && errno != EEXIST)
		die_clean(CGROUP);
}

/* The tasks' pages that have a place on the device leave memory. */
static void drop_swap_cache(void)
{
	uint64_t bytes, before = 0;
	int fd, nr_stuck = 0;
	char text[32];

	for (int i = 0; i < TRIES_MAX && nr_stuck < STUCK_MAX; i++) {
		bytes = number_of(CGROUP "/memory.stat", "swapcached");
		if (!bytes)
			return;
		nr_stuck = bytes == before ? nr_stuck + 1 : 0;
		before = bytes;
		fd = open(CGROUP "/memory.reclaim", O_WRONLY | O_CLOEXEC);
		if (fd < 0)
			die_clean(CGROUP "/memory.reclaim");
		snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
		/* It says EAGAIN when it found less; the next look tells. */
		(void)!write(fd, text, strlen(text));
		close(fd);
		if (i)
			bench_sleep_us(100);
	}
	/* They are not read again, and step_check() sees if they are many. */
}

/* ---------------------------------------------------------- the device */

static void device_swapon(void)
{
	uint32_t version = 1, last_page;
	char *header;
	uint64_t bytes;
	int fd = open(opt.device, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		die_clean("no block device");
	if (bytes < opt.bytes + (1 << 20)) {
		errno = ENOSPC;
		die_clean("smaller than --bytes");
	}
	header = calloc(1, BENCH_PAGE_BYTES);
	if (!header)
		die_clean("header");
	last_page = (uint32_t)(bytes / BENCH_PAGE_BYTES - 1);
	memcpy(header + HEADER_VERSION_AT, &version, sizeof(version));
	memcpy(header + HEADER_LAST_PAGE_AT, &last_page, sizeof(last_page));
	memcpy(header + HEADER_MAGIC_AT, HEADER_MAGIC, strlen(HEADER_MAGIC));
	if (pwrite(fd, header, BENCH_PAGE_BYTES, 0) != BENCH_PAGE_BYTES ||
	    fsync(fd))
		die_clean("writing the swap header");
	close(fd);
	free(header);
	if (swapon(opt.device, SWAP_FLAG_PREFER | PRIORITY))
		die_clean("swapon");
	is_swapped_on = true;
}

/* ------------------------------------------------------------- the tasks */

static void step_wait(void)
{
	pthread_barrier_wait(&shared->step);
}

static uint64_t *page_at(char *share, uint64_t page)
{
	return (uint64_t *)(share + page * BENCH_PAGE_BYTES);
}

static uint64_t place_of(unsigned int number, uint64_t page)
{
	return number * nr_pages_task + page;
}

static void share_fill(char *share, unsigned int number)
{
	uint64_t template[BENCH_PAGE_WORDS];

	bench_template(template, opt.noise_percent);
	for (uint64_t page = 0; page < nr_pages_task; page++) {
		memcpy(page_at(share, page), template, sizeof(template));
		bench_stamp(page_at(share, page), place_of(number, page),
			    opt.seed);
	}
}

static void share_verify(char *share, unsigned int number)
{
	uint64_t template[BENCH_PAGE_WORDS];

	bench_template(template, opt.noise_percent);
	for (uint64_t page = 0; page < nr_pages_task; page++)
		if (!bench_is_whole(page_at(share, page), template,
				    place_of(number, page), opt.seed))
			bench_die("%s: page %llu of task %u has not what was "
				  "written",
				  opt.device, (unsigned long long)page, number);
}

/* In order, as read-ahead likes it; each is looked at as soon as it is there. */
static void share_touch(char *share, unsigned int number)
{
	for (uint64_t page = 0; page < nr_pages_task; page++)
		if (!bench_is_stamped(page_at(share, page),
				      place_of(number, page), opt.seed))
			bench_die("%s: page %llu of task %u came back as "
				  "another",
				  opt.device, (unsigned long long)page, number);
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* In an order that no read-ahead guesses, each on the clock alone. */
static void share_touch_timed(char *share, unsigned int number)
{
	uint64_t stride = nr_pages_task * 5 / 8 + 1, page = 0;

	/* Nothing in common with their number: all pages are met. */
	while (common_divisor(stride, nr_pages_task) > 1)
		stride++;
	for (uint64_t i = 0; i < nr_pages_task; i++) {
		uint64_t start_ns = bench_now_ns(), ns;

		(void)*(volatile uint64_t *)page_at(share, page);
		ns = bench_now_ns() - start_ns;
		shared->latencies_ns[place_of(number, page)] =
			ns < UINT32_MAX ? (uint32_t)ns : UINT32_MAX;
		page = (page + stride) % nr_pages_task;
	}
}

static void task_step(unsigned int number, char *share,
		      void (*step)(char *share, unsigned int number))
{
	struct task *task = &shared->tasks[number];

	step_wait();
	task->start_ns = bench_now_ns();
	step(share, number);
	task->end_ns = bench_now_ns();
	step_wait();
}

static void share_out(char *share, unsigned int number)
{
	(void)number;
	if (madvise(share, nr_pages_task * BENCH_PAGE_BYTES, MADV_PAGEOUT))
		bench_die("MADV_PAGEOUT: %m");
}

static void __attribute__((noreturn)) task_run(unsigned int number)
{
	size_t bytes = nr_pages_task * BENCH_PAGE_BYTES;
	char *share;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	write_text(CGROUP "/cgroup.procs", "0");
	bench_pin(opt.cpus);
	share = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (share == MAP_FAILED)
		bench_die("%zu bytes: %m", bytes);
	/* One page a fault, on every kernel and whatever its setting. */
	(void)madvise(share, bytes, MADV_NOHUGEPAGE);
	share_fill(share, number);
	task_step(number, share, share_out);
	/* Untimed: what was on its way to a list at the first time. */
	step_wait();
	share_out(share, number);
	step_wait();
	task_step(number, share, opt.latency ? share_touch_timed : share_touch);
	share_verify(share, number);
	shared->tasks[number].done = true;
	_exit(0);
}

/* ------------------------------------------------------------ the steps */

/*
 * One step of all tasks: how long, and how many pages by the kernel's count.
 * drain: it lasts until the device has nothing in flight; else to the end of
 * the last task.
 */
static struct measured step_measure(const char *counter, bool drain)
{
	uint64_t start_ns = UINT64_MAX, end_ns = 0;
	struct measured m;

	m.server_ns = bench_server_ns(opt.server_pid);
	m.nr_pages = number_of("/proc/vmstat", counter);
	step_wait();
	step_wait();
	wait_idle();
	if (drain)
		end_ns = bench_now_ns();
	m.nr_pages = number_of("/proc/vmstat", counter) - m.nr_pages;
	m.server_ns = bench_server_ns(opt.server_pid) - m.server_ns;
	for (unsigned int i = 0; i < opt.nr_tasks; i++) {
		if (shared->tasks[i].start_ns < start_ns)
			start_ns = shared->tasks[i].start_ns;
		if (shared->tasks[i].end_ns > end_ns)
			end_ns = shared->tasks[i].end_ns;
	}
	m.ns = end_ns - start_ns;
	return m;
}

static void step_check(const struct measured *m, const char *what)
{
	uint64_t nr_pages = nr_pages_task * opt.nr_tasks;

	if (m->nr_pages >= nr_pages * SWAPPED_MIN_PERCENT / 100)
		return;
	if (is_swapped_on)
		swapoff(opt.device);
	bench_die("%s: only %llu of %llu pages went %s", opt.device,
		  (unsigned long long)m->nr_pages, (unsigned long long)nr_pages,
		  what);
}

static int compare(const void *one, const void *other)
{
	uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;

	return a < b ? -1 : a > b;
}

/* Per mille of the touches were at most so long. */
static uint32_t latency_ns(uint64_t nr, unsigned int per_mille)
{
	uint64_t rank = (nr * per_mille + 999) / 1000;

	return shared->latencies_ns[rank ? rank - 1 : 0];
}

static void print_step(const char *name, const struct measured *m)
{
	printf("\"%s_pages\":%llu,\"%s_ns\":%llu,", name,
	       (unsigned long long)m->nr_pages, name,
	       (unsigned long long)m->ns);
	if (opt.server_pid)
		printf("\"%s_server_ns\":%llu,", name,
		       (unsigned long long)m->server_ns);
}

static void print_latencies(void)
{
	uint64_t nr = nr_pages_task * opt.nr_tasks;

	qsort(shared->latencies_ns, nr, sizeof(uint32_t), compare);
	printf("\"fault_p50_ns\":%u,\"fault_p99_ns\":%u,"
	       "\"fault_p999_ns\":%u,\"fault_max_ns\":%u,",
	       latency_ns(nr, 500), latency_ns(nr, 990), latency_ns(nr, 999),
	       latency_ns(nr, 1000));
}

/* -------------------------------------------------------------- the whole */

static void tasks_start(void)
{
	pthread_barrierattr_t attr;

	if (pthread_barrierattr_init(&attr) ||
	    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ||
	    pthread_barrier_init(&shared->step, &attr, opt.nr_tasks + 1))
		bench_die("no barrier");
	for (unsigned int i = 0; i < opt.nr_tasks; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die_clean("fork");
		if (!pid)
			task_run(i);
	}
}

static void tasks_end(void)
{
	bool failed = false;
	int status;

	for (unsigned int i = 0; i < opt.nr_tasks; i++)
		failed |= wait(&status) < 0 || status;
	for (unsigned int i = 0; i < opt.nr_tasks; i++)
		failed |= !shared->tasks[i].done;
	if (swapoff(opt.device))
		bench_die("%s: swapoff: %m", opt.device);
	is_swapped_on = false;
	rmdir(CGROUP);
	if (failed)
		bench_die("%s: a task failed", opt.device);
}

/*
 * A task that dies leaves the others at a barrier: its end is told by a
 * signal, which ends the program, and those die with it.
 */
static void on_child(int number)
{
	siginfo_t child = {0};

	(void)number;
	/* Left to be reaped: most end well. */
	if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) ||
	    !child.si_pid || (child.si_code == CLD_EXITED && !child.si_status))
		return;
	swapoff(opt.device);
	bench_die("%s: a task failed", opt.device);
}

static void measure(void)
{
	char cluster[16];
	struct measured out, in;

	snprintf(cluster, sizeof(cluster), "%u", opt.page_cluster);
	write_text("/proc/sys/vm/page-cluster", cluster);
	cgroup_make();
	device_swapon();
	signal(SIGCHLD, on_child);
	tasks_start();
	out = step_measure("pswpout", true);
	step_check(&out, "out");
	step_wait();
	step_wait();
	wait_idle();
	drop_swap_cache();
	in = step_measure("pswpin", false);
	signal(SIGCHLD, SIG_DFL);
	tasks_end();
	step_check(&in, "in");
	putchar('{');
	print_step("out", &out);
	print_step("in", &in);
	if (opt.latency)
		print_latencies();
	printf("\"verified_pages\":%llu}\n",
	       (unsigned long long)(nr_pages_task * opt.nr_tasks));
}

static void usage(FILE *to)
{
	fputs("usage: swapbench --device PATH [options]\n"
	      "Measure swap on a block device; its content is lost.  One line "
	      "of JSON.\n"
	      "  --bytes N          to swap out and in, with K or M, of all "
	      "tasks (16M)\n"
	      "  --tasks N          processes (1)\n"
	      "  --page-cluster N   2^N pages are read ahead (3); 0: none\n"
	      "  --latency          touch in random order, each on the clock\n"
	      "  --seed N           of the content (1)\n"
	      "  --noise PERCENT    of a page that does not compress (25)\n"
	      "  --cpus MASK        where the tasks run (anywhere)\n"
	      "  --server-pid PID   also tell its time on the processors\n"
	      "  --help\n"
	      "Exit status: 0 measured and verified, 1 failed, 2 usage.\n",
	      to);
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"device", required_argument, NULL, 'd'},
		{"bytes", required_argument, NULL, 'b'},
		{"tasks", required_argument, NULL, 't'},
		{"page-cluster", required_argument, NULL, 'r'},
		{"latency", no_argument, NULL, 'l'},
		{"seed", required_argument, NULL, 's'},
		{"noise", required_argument, NULL, 'z'},
		{"cpus", required_argument, NULL, 'c'},
		{"server-pid", required_argument, NULL, 'p'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) >= 0) {
		switch (c) {
		case 'd':
			opt.device = optarg;
			break;
		case 'b':
			opt.bytes = bench_number(optarg, 1ull << 36);
			break;
		case 't':
			opt.nr_tasks = (unsigned int)bench_number(
				optarg, BENCH_TASKS_MAX);
			break;
		case 'r':
			opt.page_cluster =
				(unsigned int)bench_number(optarg, 10);
			break;
		case 'l':
			opt.latency = true;
			break;
		case 's':
			opt.seed = bench_number(optarg, UINT64_MAX);
			break;
		case 'z':
			opt.noise_percent =
				(unsigned int)bench_number(optarg, 100);
			break;
		case 'c':
			opt.cpus = bench_number(optarg, ULONG_MAX);
			break;
		case 'p':
			opt.server_pid = (int)bench_number(optarg, INT32_MAX);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind != argc || !opt.device || !strchr(opt.device, '/'))
		bench_misused("wants --device, the path of one");
	if (!opt.nr_tasks)
		bench_misused("--tasks wants at least 1");
	nr_pages_task = opt.bytes / BENCH_PAGE_BYTES / opt.nr_tasks;
	if (!nr_pages_task)
		bench_misused("--bytes wants a page for each task");
}

int main(int argc, char **argv)
{
	size_t bytes;

	bench_name = "swapbench";
	parse(argc, argv);
	bytes = sizeof(*shared) +
		nr_pages_task * opt.nr_tasks * sizeof(uint32_t);
	/* There from the start: the clock must not see it come. */
	shared = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED || mlock(shared, bytes))
		bench_die("%zu bytes: %m", bytes);
	bench_pin(opt.cpus);
	measure();
	return 0;
}
