// SPDX-License-Identifier: GPL-2.0-only
/*
 * sampler.c - where the processors are while a command runs: by function of
 * the kernel, and by who was running
 *
 * Where it stands: bench.sh > [sampler] > blockload > device.  The kernel's
 * cpu-clock event on each processor, which needs no hardware; under an
 * instruction clock its samples are evenly spaced in instructions, and the
 * same in each run.  What runs with interrupts off is seen where they come on
 * again.  A sample costs something itself: shares are told, not times.
 *
 * Prints one line of JSON: {"samples":N,"lost":N,"rows":[{"who":"server",
 * "symbol":"abuse_serve","module":"abuse","samples":N},...]}, the most frequent
 * first.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define CPUS_MAX  64
#define PAGES	  256u /* of the buffer of each processor; a power of two */
#define ROWS_MAX  4096
#define SYMBOL_BYTES 64

struct symbol {
	uint64_t address;
	char name[SYMBOL_BYTES];
	char module[32];
};

enum who { LOAD, SERVER, OTHER, NR_WHO };

static const char *const who_names[NR_WHO] = {"load", "server", "other"};

struct row {
	enum who who;
	const struct symbol *symbol; /* NULL: user space */
	uint64_t nr;
};

/* One processor's event. */
struct cpu {
	int fd;
	struct perf_event_mmap_page *page;
	char *data;
};

static struct {
	uint64_t period_ns;
	unsigned int top;
	int server_pid;
} opt = {
	.period_ns = 20011, /* a prime: no loop keeps pace with it */
	.top = 40,
};

static struct cpu cpus[CPUS_MAX];
static long nr_cpus;
static struct symbol *symbols;
static size_t nr_symbols;
static struct row rows[ROWS_MAX];
static size_t nr_rows;
static uint64_t nr_samples, nr_lost;

/* ------------------------------------------------------------ the symbols */

static int symbol_compare(const void *one, const void *other)
{
	const struct symbol *a = one, *b = other;

	return a->address < b->address ? -1 : a->address > b->address;
}

static void symbols_load(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	size_t room = 0;
	char line[512];

	if (!f)
		bench_die("/proc/kallsyms: %m");
	while (fgets(line, sizeof(line), f)) {
		unsigned long long address;
		struct symbol s = {0};
		char type;

		if (sscanf(line, "%llx %c %63s [%31[^]]", &address, &type,
			   s.name, s.module) < 3 ||
		    !strchr("tTwW", type))
			continue;
		if (nr_symbols == room) {
			room = room ? 2 * room : 1 << 17;
			symbols = realloc(symbols, room * sizeof(*symbols));
			if (!symbols)
				bench_die("symbols: %m");
		}
		s.address = address;
		symbols[nr_symbols++] = s;
	}
	fclose(f);
	if (!nr_symbols || !symbols[nr_symbols / 2].address)
		bench_die("/proc/kallsyms tells no addresses");
	qsort(symbols, nr_symbols, sizeof(*symbols), symbol_compare);
}

/* The last one at or below the address; NULL: it is not the kernel's. */
static const struct symbol *symbol_of(uint64_t address)
{
	size_t low = 0, high = nr_symbols;

	if (address < 1ull << 63)
		return NULL;
	while (low + 1 < high) {
		size_t middle = (low + high) / 2;

		if (symbols[middle].address <= address)
			low = middle;
		else
			high = middle;
	}
	return &symbols[low];
}

/* ------------------------------------------------------------- the events */

static void cpu_open(struct cpu *cpu, int number)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = opt.period_ns,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID,
		.disabled = 1,
		.exclude_idle = 1,
	};
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);

	cpu->fd = (int)syscall(SYS_perf_event_open, &attr, -1, number, -1,
			       PERF_FLAG_FD_CLOEXEC);
	if (cpu->fd < 0)
		bench_die("cpu-clock on processor %d: %m", number);
	cpu->page = mmap(NULL, (PAGES + 1) * page_bytes,
			 PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			 cpu->fd, 0);
	if (cpu->page == MAP_FAILED)
		bench_die("buffer of processor %d: %m", number);
	cpu->data = (char *)cpu->page + page_bytes;
}

static void row_count(enum who who, const struct symbol *symbol)
{
	for (size_t i = 0; i < nr_rows; i++) {
		if (rows[i].who != who || rows[i].symbol != symbol)
			continue;
		rows[i].nr++;
		return;
	}
	if (nr_rows < ROWS_MAX)
		rows[nr_rows++] = (struct row){who, symbol, 1};
}

struct sample {
	struct perf_event_header header;
	uint64_t address;
	uint32_t pid, tid;
};

/* Records may wrap: byte by byte is quick enough after the measurement. */
static void cpu_copy(const struct cpu *cpu, uint64_t at, void *to, size_t bytes)
{
	uint64_t mask = (uint64_t)PAGES * (uint64_t)sysconf(_SC_PAGESIZE) - 1;

	for (size_t i = 0; i < bytes; i++)
		((char *)to)[i] = cpu->data[(at + i) & mask];
}

static void cpu_take(const struct cpu *cpu, pid_t child)
{
	/* Pairs with the kernel's barrier: the records are written. */
	uint64_t head = __atomic_load_n(&cpu->page->data_head,
					__ATOMIC_ACQUIRE);

	for (uint64_t at = 0; at < head;) {
		struct sample s = {0};
		enum who who = OTHER;

		cpu_copy(cpu, at, &s.header, sizeof(s.header));
		if (!s.header.size)
			bench_die("a record of no size");
		if (s.header.type == PERF_RECORD_SAMPLE) {
			cpu_copy(cpu, at, &s, sizeof(s));
			if (opt.server_pid && (int)s.pid == opt.server_pid)
				who = SERVER;
			else if ((pid_t)s.pid >= child)
				who = LOAD; /* it, and what it forked */
			row_count(who, symbol_of(s.address));
			nr_samples++;
		} else if (s.header.type == PERF_RECORD_LOST) {
			uint64_t lost[2];

			cpu_copy(cpu, at + sizeof(s.header), lost,
				 sizeof(lost));
			nr_lost += lost[1];
		}
		at += s.header.size;
	}
}

static void cpus_control(unsigned long what)
{
	for (long i = 0; i < nr_cpus; i++)
		if (ioctl(cpus[i].fd, what, 0))
			bench_die("processor %ld: %m", i);
}

/* ------------------------------------------------------------------ main */

static int row_compare(const void *one, const void *other)
{
	const struct row *a = one, *b = other;

	return a->nr > b->nr ? -1 : a->nr < b->nr;
}

static void print(void)
{
	qsort(rows, nr_rows, sizeof(*rows), row_compare);
	printf("{\"samples\":%llu,\"lost\":%llu,\"rows\":[",
	       (unsigned long long)nr_samples, (unsigned long long)nr_lost);
	for (size_t i = 0; i < nr_rows && i < opt.top; i++) {
		const struct symbol *s = rows[i].symbol;

		printf("%s{\"who\":\"%s\",\"symbol\":\"%s\",\"module\":\"%s\","
		       "\"samples\":%llu}",
		       i ? "," : "", who_names[rows[i].who],
		       s ? s->name : "user space", s ? s->module : "",
		       (unsigned long long)rows[i].nr);
	}
	puts("]}");
}

static void usage(FILE *to)
{
	fputs("usage: sampler [options] COMMAND [ARGUMENTS...]\n"
	      "Where the processors are while a command runs.  One line of "
	      "JSON.\n"
	      "  --period-ns N      between samples of a processor (20011)\n"
	      "  --server-pid PID   this process is the server\n"
	      "  --top N            so many functions (40)\n"
	      "  --help\n"
	      "Exit status: 0 done, 1 failed, or the command did, 2 usage.\n",
	      to);
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"period-ns", required_argument, NULL, 'n'},
		{"server-pid", required_argument, NULL, 'p'},
		{"top", required_argument, NULL, 't'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	/* +: what comes after the command is the command's. */
	while ((c = getopt_long(argc, argv, "+h", names, NULL)) >= 0) {
		switch (c) {
		case 'n':
			opt.period_ns = bench_number(optarg, 1000000000);
			break;
		case 'p':
			opt.server_pid = (int)bench_number(optarg, INT32_MAX);
			break;
		case 't':
			opt.top = (unsigned int)bench_number(optarg, ROWS_MAX);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind == argc)
		bench_misused("wants a command");
	if (opt.period_ns < 1000)
		bench_misused("--period-ns below 1000 leaves no time between");
}

static pid_t command_start(char **argv)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork: %m");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Its line is of no use: it was measured while it was sampled. */
	if (!freopen("/dev/null", "w", stdout))
		bench_die("/dev/null: %m");
	execvp(argv[0], argv);
	bench_die("%s: %m", argv[0]);
}

int main(int argc, char **argv)
{
	pid_t child;
	int status;

	bench_name = "sampler";
	parse(argc, argv);
	nr_cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (nr_cpus > CPUS_MAX)
		bench_die("more than %d processors", CPUS_MAX);
	symbols_load();
	for (long i = 0; i < nr_cpus; i++)
		cpu_open(&cpus[i], (int)i);
	cpus_control(PERF_EVENT_IOC_ENABLE);
	child = command_start(argv + optind);
	if (waitpid(child, &status, 0) < 0 || status)
		bench_die("%s failed", argv[optind]);
	cpus_control(PERF_EVENT_IOC_DISABLE);
	for (long i = 0; i < nr_cpus; i++)
		cpu_take(&cpus[i], child);
	print();
	return 0;
}
