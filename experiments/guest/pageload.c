// SPDX-License-Identifier: GPL-2.0-only
/*
 * pageload.c - fills memory with pages that can be told apart, rewrites them
 * in passes, and verifies every word of every one of them
 *
 * Where it stands: [load] > swap > device > server > backend.  N workers each
 * map a share of anonymous memory.  A page's content follows from (seed,
 * worker, page, generation) alone: it does not compress (or as far as --noise
 * lets it), no two pages are alike, and a page that came back stale, shifted or
 * from elsewhere says so, since its first word is a stamp that names what it
 * is.
 *
 * With --shared the memory is no longer anonymous: each worker maps a file of
 * its own, shared, on whatever file system that directory is, so that its
 * dirty pages are the file system's to write.  --read-only verifies what such a
 * run has left, over and over, and writes nothing.
 *
 * All workers meet at a barrier before the first page and after the last:
 * none frees its share while another still works, or too small a load would
 * never swap.  A worker that dies counts as having arrived, and is reported.
 *
 * The parent is locked and exempt from the OOM killer, and allocates nothing
 * while it waits; the workers are ordinary.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096
#define PAGE_WORDS	(PAGE_BYTES / sizeof(uint64_t))
#define UNITS_BYTES	4096
#define NR_UNITS	(UNITS_BYTES / sizeof(uint64_t))

/* Also the number of generations and pages that fit into a stamp. */
#define WORKERS_MAX	256u
#define PASSES_MAX	65535u
#define PAGES_MAX	(1ull << 40)

/* The result port has one opener at a time; others close it soon. */
#define REPORT_TRIES	100
#define REPORT_WAIT_NS	100000000

/* What the parent may use of its stack while it waits and reports. */
#define STACK_BYTES	(64 * 1024)

/* In this order: the barrier waits for all to be at least so far. */
enum worker_state {
	WORKER_NEW,
	WORKER_READY,		/* mapped; at the first barrier */
	WORKER_FINISHED,	/* verified; at the last barrier */
	WORKER_GONE,		/* the parent has reaped it */
};

struct worker {
	uint32_t state;
	int32_t exit_status;	/* of waitpid, valid when GONE */
	uint64_t nr_pages;
	uint64_t verified;
	uint64_t mismatches;
	/* The first mismatch, valid if there is one. */
	uint64_t bad_page;
	uint64_t bad_word;
	uint64_t want_stamp;
	uint64_t got_stamp;
};

struct shared {
	uint32_t changes;	/* futex: a worker's state has changed */
	struct worker workers[WORKERS_MAX];
};

struct options {
	uint64_t bytes;
	uint64_t seed;
	uint32_t nr_workers;
	uint32_t nr_passes;
	uint32_t noise_percent;
	bool corrupt;
	bool read_only;
	const char *order;
	const char *shared;
	const char *units;
	const char *report;
};

static struct shared *shared;
static uint64_t *units;
static struct options opt = {
	.nr_workers = 4,
	.nr_passes = 2,
	.noise_percent = 100,
	.order = "mixed",
	.seed = 1,
};
static char report_text[16384];
static size_t report_len;

/* ---------------------------------------------------------- the content */

/* splitmix64 (Steele, Lea, Flood 2014): a good mixer in five operations */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* worker: 8 bits, page: 40 bits, generation: 16 bits */
static inline uint64_t stamp_make(uint32_t worker, uint64_t page, uint32_t gen)
{
	return (uint64_t)worker << 56 | page << 16 | gen;
}

/*
 * Word 0 is the stamp under a key, so that it can be read back when it is not
 * the expected one; the others are the splitmix64 sequence of that stamp, or,
 * beyond the share of noise, all its first number.
 */
static inline uint64_t page_word(uint64_t start, size_t word)
{
	if (word * 100 >= PAGE_WORDS * (size_t)opt.noise_percent)
		word = 0;
	return mix(start + word * 0x9e3779b97f4a7c15ull);
}

static void page_fill(uint64_t *page, uint64_t stamp)
{
	uint64_t start = mix(opt.seed ^ mix(stamp));

	page[0] = stamp ^ mix(opt.seed);
	for (size_t i = 1; i < PAGE_WORDS; i++)
		page[i] = page_word(start, i);
}

/* The first word that is wrong, or PAGE_WORDS. */
static size_t page_check(const uint64_t *page, uint64_t stamp)
{
	uint64_t start = mix(opt.seed ^ mix(stamp));

	if (page[0] != (stamp ^ mix(opt.seed)))
		return 0;
	for (size_t i = 1; i < PAGE_WORDS; i++)
		if (page[i] != page_word(start, i))
			return i;
	return PAGE_WORDS;
}

/*
 * A permutation of 0..nr-1 without a table: a full-period congruential
 * generator over the next power of two, its output mixed by a bijection, and
 * what is out of range skipped.
 */
struct order {
	uint64_t mask;
	uint64_t nr;
	uint64_t x;
	uint64_t inc;
	unsigned int half;
	bool linear;
};

static void order_start(struct order *order, uint64_t nr, uint64_t seed,
			bool linear)
{
	unsigned int bits = 1;

	while ((1ull << bits) < nr)
		bits++;
	order->mask = (1ull << bits) - 1;
	order->half = (bits + 1) / 2;
	order->nr = nr;
	order->linear = linear;
	order->x = linear ? order->mask : mix(seed) & order->mask;
	order->inc = mix(seed + 1) | 1;
}

/* Mixed: every other pass, the first one too. */
static bool is_linear(uint32_t gen)
{
	return !strcmp(opt.order, "linear") ||
	       (strcmp(opt.order, "random") && gen % 2 == 0);
}

static uint64_t order_next(struct order *order)
{
	uint64_t y;

	if (order->linear)
		return order->x = (order->x + 1) & order->mask;
	do {
		order->x = (order->x * 0x5851f42d4c957f2dull + order->inc) &
			   order->mask;
		y = order->x ^ (order->x >> order->half);
	} while (y >= order->nr);
	return y;
}

/* ---------------------------------------------------------- the barrier */

static void futex_wait(uint32_t *word, uint32_t value)
{
	syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void state_set(struct worker *worker, enum worker_state state)
{
	__atomic_store_n(&worker->state, state, __ATOMIC_RELEASE);
	__atomic_fetch_add(&shared->changes, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &shared->changes, FUTEX_WAKE, INT32_MAX, NULL,
		NULL, 0);
}

static bool state_reached(enum worker_state state)
{
	for (uint32_t i = 0; i < opt.nr_workers; i++)
		if (__atomic_load_n(&shared->workers[i].state,
				    __ATOMIC_ACQUIRE) < state)
			return false;
	return true;
}

static void barrier(struct worker *worker, enum worker_state state)
{
	state_set(worker, state);
	for (;;) {
		/* Read before the states, so that no change is slept over. */
		uint32_t changes = __atomic_load_n(&shared->changes,
						   __ATOMIC_ACQUIRE);

		if (state_reached(state))
			return;
		futex_wait(&shared->changes, changes);
	}
}

/* ---------------------------------------------------------- the workers */

static void unit_count(uint32_t number)
{
	if (units)
		__atomic_fetch_add(&units[number % NR_UNITS], 1,
				   __ATOMIC_RELAXED);
}

static void page_verify(struct worker *worker, const uint64_t *page,
			uint64_t index, uint64_t stamp)
{
	size_t word = page_check(page, stamp);

	worker->verified++;
	if (word == PAGE_WORDS)
		return;
	if (!worker->mismatches++) {
		worker->bad_page = index;
		worker->bad_word = word;
		worker->want_stamp = stamp;
		worker->got_stamp = page[0] ^ mix(opt.seed);
	}
}

/* Anonymous, or a file with all its blocks reserved: full is no fault of ours. */
static uint64_t *memory_map(uint32_t number, size_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, fd = -1;
	int access = PROT_READ | (opt.read_only ? 0 : PROT_WRITE);
	struct stat st;
	char path[256];
	void *memory;

	if (opt.shared) {
		snprintf(path, sizeof(path), "%s/pageload-%u", opt.shared,
			 number);
		fd = open(path, O_CLOEXEC | (opt.read_only ? O_RDONLY :
					     O_RDWR | O_CREAT | O_TRUNC), 0600);
		if (fd >= 0 && opt.read_only && !fstat(fd, &st) &&
		    st.st_size != (off_t)bytes) {
			fprintf(stderr, "pageload: %s: of another run (give the same --bytes, --workers, --passes, --seed)\n",
				path);
			return NULL;
		}
		if (fd < 0 || (!opt.read_only &&
			       fallocate(fd, 0, 0, (off_t)bytes) &&
			       (errno != EOPNOTSUPP ||
				ftruncate(fd, (off_t)bytes)))) {
			fprintf(stderr, "pageload: %s: %m\n", path);
			return NULL;
		}
		flags = MAP_SHARED;
	}
	memory = mmap(NULL, bytes, access, flags, fd, 0);
	if (fd >= 0)
		close(fd);
	return memory == MAP_FAILED ? NULL : memory;
}

static int worker_run(uint32_t number)
{
	struct worker *worker = &shared->workers[number];
	uint64_t nr = worker->nr_pages;
	struct order order;
	uint64_t *memory;

	memory = memory_map(number, nr * PAGE_BYTES);
	if (!memory)
		return 2;
	barrier(worker, WORKER_READY);

	/* Pass 0 fills; pass g verifies generation g - 1 and writes g. */
	for (uint32_t gen = 0; gen <= opt.nr_passes; gen++) {
		order_start(&order, nr, opt.seed + gen, is_linear(gen));
		for (uint64_t i = 0; i < nr; i++) {
			uint64_t index = order_next(&order);
			uint64_t *page = memory + index * PAGE_WORDS;

			if (opt.read_only)
				page_verify(worker, page, index,
					    stamp_make(number, index,
						       opt.nr_passes));
			else if (gen)
				page_verify(worker, page, index,
					    stamp_make(number, index, gen - 1));
			if (!opt.read_only)
				page_fill(page, stamp_make(number, index, gen));
			unit_count(number);
		}
		if (opt.corrupt && !number && !gen)
			memory[PAGE_WORDS / 2] ^= 1;
	}
	order_start(&order, nr, opt.seed, true);
	/* Who only reads has verified each as often already. */
	for (uint64_t i = 0; i < nr && !opt.read_only; i++) {
		uint64_t index = order_next(&order);

		page_verify(worker, memory + index * PAGE_WORDS, index,
			    stamp_make(number, index, opt.nr_passes));
		unit_count(number);
	}
	barrier(worker, WORKER_FINISHED);
	return worker->mismatches ? 1 : 0;
}

/* ----------------------------------------------------------- the parent */

static bool oom_score_set(const char *score)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	bool done;

	if (fd < 0)
		return false;
	done = write(fd, score, strlen(score)) == (ssize_t)strlen(score);
	close(fd);
	return done;
}

static __attribute__((noinline)) void stack_touch(void)
{
	volatile char pages[STACK_BYTES];

	for (size_t i = 0; i < sizeof(pages); i += 1024)
		pages[i] = 1;
}

static void report_add(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

static void report_add(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(report_text + report_len,
		      sizeof(report_text) - report_len, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < sizeof(report_text) - report_len)
		report_len += (size_t)n;
}

static void report_stamp(const char *name, uint64_t stamp)
{
	report_add(",\"%s\":{\"worker\":%llu,\"page\":%llu,\"generation\":%llu}",
		   name, (unsigned long long)(stamp >> 56),
		   (unsigned long long)(stamp >> 16 & (PAGES_MAX - 1)),
		   (unsigned long long)(stamp & 0xffff));
}

static bool report_build(uint64_t duration_ms)
{
	uint64_t pages = 0, verified = 0, mismatches = 0;
	uint32_t nr_failed = 0;
	bool died = false, ok;

	for (uint32_t i = 0; i < opt.nr_workers; i++) {
		const struct worker *worker = &shared->workers[i];

		pages += worker->nr_pages;
		verified += worker->verified;
		mismatches += worker->mismatches;
		if (WIFSIGNALED(worker->exit_status))
			died = true;
		else if (WEXITSTATUS(worker->exit_status) > 1)
			nr_failed++;
	}
	ok = !died && !nr_failed && !mismatches &&
	     verified == pages * (opt.nr_passes + 1ull);
	report_add("{\"event\":\"%s\",\"bytes\":%llu,\"workers\":%u,"
		   "\"pages\":%llu,\"passes\":%u,\"seed\":%llu,"
		   "\"verified\":%llu,\"mismatches\":%llu,"
		   "\"duration_ms\":%llu,\"died_by_signal\":[",
		   opt.shared ? "dirty" : "pageload",
		   (unsigned long long)(pages * PAGE_BYTES), opt.nr_workers,
		   (unsigned long long)pages, opt.nr_passes,
		   (unsigned long long)opt.seed, (unsigned long long)verified,
		   (unsigned long long)mismatches,
		   (unsigned long long)duration_ms);
	died = false;
	for (uint32_t i = 0; i < opt.nr_workers; i++) {
		if (!WIFSIGNALED(shared->workers[i].exit_status))
			continue;
		report_add("%s{\"worker\":%u,\"signal\":%d}", died ? "," : "",
			   i, WTERMSIG(shared->workers[i].exit_status));
		died = true;
	}
	report_add("],\"not_mapped\":%u,\"first_mismatches\":[", nr_failed);
	died = false;
	for (uint32_t i = 0; i < opt.nr_workers; i++) {
		const struct worker *worker = &shared->workers[i];

		if (!worker->mismatches)
			continue;
		report_add("%s{\"worker\":%u,\"page\":%llu,\"word\":%llu",
			   died ? "," : "", i,
			   (unsigned long long)worker->bad_page,
			   (unsigned long long)worker->bad_word);
		report_stamp("expected", worker->want_stamp);
		report_stamp("found", worker->got_stamp);
		report_add("}");
		died = true;
	}
	report_add("],\"ok\":%s}\n", ok ? "true" : "false");
	return ok;
}

static bool write_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static bool report_send(void)
{
	const struct timespec wait = { .tv_nsec = REPORT_WAIT_NS };
	int fd = -1;
	bool sent = write_all(STDOUT_FILENO, report_text, report_len);

	if (!opt.report)
		return sent;
	for (int i = 0; i < REPORT_TRIES && fd < 0; i++) {
		fd = open(opt.report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			  0644);
		if (fd < 0 && errno != EBUSY)
			break;
		if (fd < 0)
			nanosleep(&wait, NULL);
	}
	if (fd < 0 || !write_all(fd, report_text, report_len)) {
		fprintf(stderr, "pageload: report to %s: %m\n", opt.report);
		return false;
	}
	close(fd);
	return true;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void workers_start(pid_t *pids)
{
	pid_t parent = getpid();

	for (uint32_t i = 0; i < opt.nr_workers; i++) {
		pids[i] = fork();
		if (pids[i] < 0) {
			fprintf(stderr, "pageload: fork: %m\n");
			exit(2);
		}
		if (pids[i])
			continue;
		/* Not an orphan that eats memory, should the parent end. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(2);
		/* A lock is not inherited over fork; this exemption is. */
		oom_score_set("0");
		_exit(worker_run(i));
	}
}

static void workers_wait(const pid_t *pids)
{
	for (uint32_t left = opt.nr_workers; left;) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		if (pid < 0 && errno == EINTR)
			continue;
		if (pid < 0)
			return;
		for (uint32_t i = 0; i < opt.nr_workers; i++) {
			if (pids[i] != pid)
				continue;
			shared->workers[i].exit_status = status;
			state_set(&shared->workers[i], WORKER_GONE);
			left--;
		}
	}
}

static bool shared_make(void)
{
	uint64_t nr_pages = opt.bytes / PAGE_BYTES;
	int fd;

	/* Locked with the rest of the parent, and so for the workers, too. */
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		fprintf(stderr, "pageload: mmap: %m\n");
		return false;
	}
	for (uint32_t i = 0; i < opt.nr_workers; i++)
		shared->workers[i].nr_pages = nr_pages / opt.nr_workers +
			(i < nr_pages % opt.nr_workers);
	if (!opt.units)
		return true;
	fd = open(opt.units, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, UNITS_BYTES) < 0) {
		fprintf(stderr, "pageload: %s: %m (needs a writable file on ramfs)\n",
			opt.units);
		return false;
	}
	units = mmap(NULL, UNITS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	close(fd);
	if (units == MAP_FAILED) {
		fprintf(stderr, "pageload: mmap %s: %m\n", opt.units);
		return false;
	}
	return true;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: pageload --bytes N [options]\n"
		"Fill, rewrite and verify memory whose every page can be told.\n"
		"  -b, --bytes N        memory in total; suffix K, M or G\n"
		"  -w, --workers N      processes that share it (4)\n"
		"  -p, --passes N       times each page is verified and rewritten (2)\n"
		"  -s, --seed N         what the content derives from (1)\n"
		"  -n, --noise PERCENT  of each page that does not compress (100)\n"
		"  -S, --shared DIR     map files of this directory, shared, instead of\n"
		"                       memory; the result is called \"dirty\"\n"
		"  -o, --order ORDER    of a pass: linear, random, or mixed (linear first)\n"
		"  -R, --read-only      verify the files that a run with the same options left\n"
		"  -u, --units PATH     page of counters shared with the agent\n"
		"  -r, --report PATH    where the result goes besides stdout\n"
		"  -x, --corrupt        spoil one bit after the fill, to be found\n"
		"  -h, --help\n"
		"Exit status: 0 all verified, 1 a mismatch or a dead worker,\n"
		"2 it could not start or not report.\n");
}

/* 0: not a number */
static uint64_t bytes_parse(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	switch (*end) {
	case 'G':
		value <<= 10;
		/* fall through */
	case 'M':
		value <<= 10;
		/* fall through */
	case 'K':
		value <<= 10;
		end++;
	}
	return *end ? 0 : value;
}

static void options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "bytes", required_argument, NULL, 'b' },
		{ "workers", required_argument, NULL, 'w' },
		{ "passes", required_argument, NULL, 'p' },
		{ "seed", required_argument, NULL, 's' },
		{ "noise", required_argument, NULL, 'n' },
		{ "shared", required_argument, NULL, 'S' },
		{ "order", required_argument, NULL, 'o' },
		{ "read-only", no_argument, NULL, 'R' },
		{ "units", required_argument, NULL, 'u' },
		{ "report", required_argument, NULL, 'r' },
		{ "corrupt", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "b:w:p:s:n:S:o:Ru:r:xh", names, NULL)) >= 0) {
		switch (c) {
		case 'b':
			opt.bytes = bytes_parse(optarg);
			break;
		case 'w':
			opt.nr_workers = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			opt.nr_passes = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 's':
			opt.seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			opt.noise_percent = (uint32_t)strtoul(optarg, NULL, 10);
			break;
		case 'S':
			opt.shared = optarg;
			break;
		case 'o':
			opt.order = optarg;
			break;
		case 'R':
			opt.read_only = true;
			break;
		case 'u':
			opt.units = optarg;
			break;
		case 'r':
			opt.report = optarg;
			break;
		case 'x':
			opt.corrupt = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (strcmp(opt.order, "linear") && strcmp(opt.order, "random") &&
	    strcmp(opt.order, "mixed")) {
		fprintf(stderr, "pageload: --order is linear, random or mixed\n");
		exit(2);
	}
	if (opt.read_only && (!opt.shared || opt.corrupt)) {
		fprintf(stderr, "pageload: --read-only goes with --shared, and not with --corrupt\n");
		exit(2);
	}
	if (optind < argc || !opt.nr_workers || opt.nr_workers > WORKERS_MAX ||
	    opt.nr_passes > PASSES_MAX ||
	    opt.bytes / PAGE_BYTES < opt.nr_workers ||
	    opt.bytes / PAGE_BYTES >= PAGES_MAX) {
		fprintf(stderr, "pageload: --bytes must give each of 1 to %u workers a page, --passes be at most %u\n",
			WORKERS_MAX, PASSES_MAX);
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static pid_t pids[WORKERS_MAX];
	uint64_t start_ms;
	bool ok;

	options_parse(argc, argv);
	if (!shared_make())
		return 2;
	stack_touch();
	/* Where we are not root (a trial on a desk) it works without. */
	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		fprintf(stderr, "pageload: mlockall: %m; going on unlocked\n");
	if (!oom_score_set("-1000"))
		fprintf(stderr, "pageload: oom_score_adj: %m; going on without\n");
	start_ms = now_ms();
	workers_start(pids);
	workers_wait(pids);
	ok = report_build(now_ms() - start_ms);
	if (!report_send())
		return 2;
	return ok ? 0 : 1;
}
