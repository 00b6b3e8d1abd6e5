// SPDX-License-Identifier: GPL-2.0-only
/*
 * blockload.c - reads or writes a block device with so many requests in
 * flight, says how long that took, and verifies what it read and wrote
 *
 * Where it stands: bench.sh > [load] > bio > queue > ioctl > server > backend.
 * As little as can be done in user space for a request: one ring a task,
 * registered buffers and file, no library.  What fio adds to each request
 * would be counted as the device's under an instruction clock.
 *
 * The time taken is from the first submission of the first task to the last
 * completion of the last.  Before it the area is filled, for reads; after it
 * what was written is read again.  It changes the device's content.
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
#include <sys/wait.h>

#include "bench.h"
#include "uring.h"

#define DEPTH_MAX	1024u
#define CHUNK_BYTES	(128u * 1024)
#define REQUEST_BYTES_MAX (1u << 20)

struct options {
	const char *device;
	uint64_t area_bytes;
	uint64_t nr_requests; /* 0: until the time is over */
	uint64_t limit_ns;    /* 0: until all requests are done */
	uint64_t seed;
	unsigned long cpus;
	unsigned int bytes; /* of a request */
	unsigned int depth;
	unsigned int nr_tasks;
	unsigned int noise_percent;
	unsigned int settle_ms;
	int server_pid;
	bool check_clock;
	bool write;
	bool random;
};

struct task {
	uint64_t start_ns, end_ns;
	uint64_t nr_requests;
	bool done;
};

/* Of all tasks. */
struct shared {
	pthread_barrier_t start;
	struct task tasks[BENCH_TASKS_MAX];
	unsigned char written[]; /* by page of the area */
};

/* One task's own. */
struct load {
	struct shared *shared;
	struct uring ring;
	char *buffers; /* one a slot */
	uint64_t places[DEPTH_MAX]; /* of the slots' requests, in requests */
	uint64_t nr_places;	    /* in the area */
	uint64_t next;		    /* for a sequential task */
	uint64_t random;
	uint64_t nr_left, nr_done;
	unsigned int nr_inflight;
};

static struct options opt = {
	.area_bytes = 16 << 20,
	.bytes = 4096,
	.depth = 1,
	.nr_tasks = 1,
	.noise_percent = 25,
	.seed = 1,
};

static void *memory(size_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_ANONYMOUS | MAP_POPULATE | flags, -1, 0);

	if (p == MAP_FAILED)
		bench_die("%zu bytes: %m", bytes);
	return p;
}

static int device_open(void)
{
	uint64_t bytes;
	int fd = open(opt.device, O_RDWR | O_DIRECT | O_CLOEXEC);

	if (fd < 0)
		bench_die("%s: %m", opt.device);
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		bench_die("%s: %m (wants a block device)", opt.device);
	if (bytes < opt.area_bytes)
		bench_die("%s has %llu bytes: give a smaller --area",
			  opt.device, (unsigned long long)bytes);
	return fd;
}

/* ------------------------------------------- before and after the clock */

static void stamp_all(char *data, size_t bytes, uint64_t first_page)
{
	for (size_t at = 0; at < bytes; at += BENCH_PAGE_BYTES)
		bench_stamp((uint64_t *)(data + at),
			    first_page + at / BENCH_PAGE_BYTES, opt.seed);
}

static void template_all(char *data, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += BENCH_PAGE_BYTES)
		bench_template((uint64_t *)(data + at), opt.noise_percent);
}

/* The whole area, so that each page can be told by what is in it. */
static void area_fill(int fd)
{
	char *chunk = memory(CHUNK_BYTES, MAP_PRIVATE);

	template_all(chunk, CHUNK_BYTES);
	for (uint64_t at = 0; at < opt.area_bytes; at += CHUNK_BYTES) {
		stamp_all(chunk, CHUNK_BYTES, at / BENCH_PAGE_BYTES);
		if (pwrite(fd, chunk, CHUNK_BYTES, (off_t)at) != CHUNK_BYTES)
			bench_die("%s: filling it at %llu: %m", opt.device,
				  (unsigned long long)at);
	}
	munmap(chunk, CHUNK_BYTES);
}

/* All pages that were written, or, after reads, all; how many. */
static uint64_t area_verify(int fd, const struct shared *shared)
{
	char *chunk = memory(CHUNK_BYTES, MAP_PRIVATE);
	uint64_t nr = 0, template[BENCH_PAGE_WORDS];

	bench_template(template, opt.noise_percent);
	for (uint64_t at = 0; at < opt.area_bytes; at += CHUNK_BYTES) {
		if (pread(fd, chunk, CHUNK_BYTES, (off_t)at) != CHUNK_BYTES)
			bench_die("%s: verifying it at %llu: %m", opt.device,
				  (unsigned long long)at);
		for (size_t i = 0; i < CHUNK_BYTES; i += BENCH_PAGE_BYTES) {
			uint64_t page = (at + i) / BENCH_PAGE_BYTES;

			if (opt.write && !shared->written[page])
				continue;
			if (!bench_is_whole((uint64_t *)(chunk + i), template,
					    page, opt.seed))
				bench_die("%s: page %llu has not what was "
					  "written",
					  opt.device,
					  (unsigned long long)page);
			nr++;
		}
	}
	munmap(chunk, CHUNK_BYTES);
	return nr;
}

/* ------------------------------------------------------- on the clock */

static char *slot_buffer(const struct load *load, unsigned int slot)
{
	return load->buffers + (size_t)slot * opt.bytes;
}

static uint64_t load_place(struct load *load)
{
	if (!opt.random)
		return load->next++ % load->nr_places;
	load->random = load->random * 6364136223846793005ull +
		       1442695040888963407ull;
	return (load->random >> 33) % load->nr_places;
}

static void load_submit(struct load *load, unsigned int slot)
{
	struct io_uring_sqe *sqe = uring_sqe(&load->ring);
	uint64_t place = load_place(load);
	char *data = slot_buffer(load, slot);

	if (!sqe)
		bench_die("more entries than slots");
	load->places[slot] = place;
	if (opt.write) {
		uint64_t first = place * (opt.bytes / BENCH_PAGE_BYTES);

		stamp_all(data, opt.bytes, first);
		memset(load->shared->written + first, 1,
		       opt.bytes / BENCH_PAGE_BYTES);
	}
	sqe->opcode = opt.write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->fd = 0;
	sqe->addr = (uintptr_t)data;
	sqe->len = opt.bytes;
	sqe->off = place * opt.bytes;
	sqe->buf_index = 0;
	sqe->user_data = slot;
	load->nr_inflight++;
}

static void load_complete(struct load *load, const struct io_uring_cqe *cqe)
{
	unsigned int slot = (unsigned int)cqe->user_data;
	uint64_t first = load->places[slot] * (opt.bytes / BENCH_PAGE_BYTES);
	char *data = slot_buffer(load, slot);

	load->nr_inflight--;
	load->nr_done++;
	if (cqe->res != (int)opt.bytes)
		bench_die("%s: a request ended with %d: %s", opt.device,
			  cqe->res, cqe->res < 0 ? strerror(-cqe->res) : "short");
	if (opt.write)
		return;
	/* Stale, shifted or from elsewhere; all of it is looked at later. */
	for (size_t at = 0; at < opt.bytes; at += BENCH_PAGE_BYTES)
		if (!bench_is_stamped((uint64_t *)(data + at),
				      first + at / BENCH_PAGE_BYTES, opt.seed))
			bench_die("%s: page %llu was read, and is another",
				  opt.device,
				  (unsigned long long)(first +
						       at / BENCH_PAGE_BYTES));
}

static void load_setup(struct load *load, int fd, unsigned int number)
{
	struct iovec iov = {.iov_len = (size_t)opt.depth * opt.bytes};
	int error;

	load->buffers = memory(iov.iov_len, MAP_PRIVATE);
	iov.iov_base = load->buffers;
	template_all(load->buffers, iov.iov_len);
	error = uring_init(&load->ring, opt.depth,
			   IORING_SETUP_COOP_TASKRUN |
				   IORING_SETUP_SINGLE_ISSUER |
				   IORING_SETUP_DEFER_TASKRUN);
	if (!error)
		error = uring_register(&load->ring, IORING_REGISTER_FILES, &fd,
				       1);
	if (!error)
		error = uring_register(&load->ring, IORING_REGISTER_BUFFERS,
				       &iov, 1);
	if (error)
		bench_die("io_uring: %s", strerror(-error));
	load->nr_places = opt.area_bytes / opt.bytes;
	/* Sequential tasks begin in different places, and go all round. */
	load->next = load->nr_places / opt.nr_tasks * number;
	load->random = bench_mix(opt.seed + number);
	load->nr_left = opt.nr_requests ? opt.nr_requests / opt.nr_tasks
					: UINT64_MAX;
}

static void load_run(struct load *load, struct task *task)
{
	uint64_t until_ns;
	struct io_uring_cqe cqe;
	int error;

	task->start_ns = bench_now_ns();
	until_ns = opt.limit_ns ? task->start_ns + opt.limit_ns : 0;
	for (unsigned int slot = 0; slot < opt.depth && load->nr_left; slot++) {
		load->nr_left--;
		load_submit(load, slot);
	}
	while (load->nr_inflight) {
		error = uring_enter(&load->ring, 1);
		if (error)
			bench_die("io_uring: %s", strerror(-error));
		if (until_ns && bench_now_ns() >= until_ns)
			load->nr_left = 0;
		while (uring_reap(&load->ring, &cqe)) {
			load_complete(load, &cqe);
			if (load->nr_left) {
				load->nr_left--;
				load_submit(load, (unsigned int)cqe.user_data);
			}
		}
	}
	task->end_ns = bench_now_ns();
	task->nr_requests = load->nr_done;
	task->done = true;
}

static void task_run(int fd, struct shared *shared, unsigned int number)
{
	static struct load load;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	load.shared = shared;
	bench_pin(opt.cpus);
	load_setup(&load, fd, number);
	pthread_barrier_wait(&shared->start);
	load_run(&load, &shared->tasks[number]);
	_exit(0);
}

/* All tasks, to their ends. */
static void tasks_run(int fd, struct shared *shared)
{
	pthread_barrierattr_t attr;

	if (pthread_barrierattr_init(&attr) ||
	    pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) ||
	    pthread_barrier_init(&shared->start, &attr, opt.nr_tasks))
		bench_die("no barrier");
	for (unsigned int i = 0; i < opt.nr_tasks; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bench_die("fork: %m");
		if (!pid)
			task_run(fd, shared, i);
	}
	for (unsigned int i = 0; i < opt.nr_tasks; i++) {
		int status;

		/* Those that wait for it at the barrier die with us. */
		if (wait(&status) < 0 || status)
			bench_die("a task failed");
	}
}

/*
 * What an instruction takes on the clock, in picoseconds: 2000 in a guest
 * whose clock counts them, and anything elsewhere.  Of the stretches that were
 * timed the shortest counts: the others had an interrupt in them.
 */
static uint64_t clock_ps(void)
{
	const uint64_t nr_instructions = 1000000;
	uint64_t ns, best_ns = UINT64_MAX;

	bench_pin(opt.cpus);
	for (unsigned int i = 0; i < 20; i++) {
		uint64_t left = nr_instructions / 2, start_ns = bench_now_ns();

		__asm__ volatile("1: dec %0\n\tjnz 1b"
				 : "+r"(left) : : "cc");
		ns = bench_now_ns() - start_ns;
		if (ns < best_ns)
			best_ns = ns;
	}
	return best_ns * 1000 / nr_instructions;
}

/* ------------------------------------------------------------------ main */

static void usage(FILE *to)
{
	fputs("usage: blockload --device PATH --rw MODE [options]\n"
	      "       blockload --check-clock [--cpus MASK]\n"
	      "Measure a block device; its content is lost.  One line of JSON.\n"
	      "  --rw MODE         read, write, randread or randwrite\n"
	      "  --bytes N         of a request, with K or M (4K)\n"
	      "  --depth N         requests in flight, each task (1)\n"
	      "  --tasks N         processes (1)\n"
	      "  --requests N      of all tasks, or\n"
	      "  --ms N            as long as this; one of the two, or both\n"
	      "  --area N          from the device's beginning (16M)\n"
	      "  --seed N          of places and content (1)\n"
	      "  --noise PERCENT   of a page that does not compress (25)\n"
	      "  --cpus MASK       where the tasks run (anywhere)\n"
	      "  --server-pid PID  also tell its time on the processors\n"
	      "  --settle-ms N     wait first, for what the boot has left to do\n"
	      "  --check-clock     what an instruction takes on the guest's clock\n"
	      "  --help\n"
	      "Exit status: 0 measured and verified, 1 failed, 2 usage.\n",
	      to);
}

static void parse_mode(const char *mode)
{
	opt.random = !strncmp(mode, "rand", 4);
	if (opt.random)
		mode += 4;
	opt.write = !strcmp(mode, "write");
	if (!opt.write && strcmp(mode, "read"))
		bench_misused("--rw is read, write, randread or randwrite");
}

static void parse(int argc, char **argv)
{
	static const struct option names[] = {
		{"device", required_argument, NULL, 'd'},
		{"rw", required_argument, NULL, 'w'},
		{"bytes", required_argument, NULL, 'b'},
		{"depth", required_argument, NULL, 'q'},
		{"tasks", required_argument, NULL, 't'},
		{"requests", required_argument, NULL, 'n'},
		{"ms", required_argument, NULL, 'm'},
		{"area", required_argument, NULL, 'a'},
		{"seed", required_argument, NULL, 's'},
		{"noise", required_argument, NULL, 'z'},
		{"cpus", required_argument, NULL, 'c'},
		{"server-pid", required_argument, NULL, 'p'},
		{"settle-ms", required_argument, NULL, 'S'},
		{"check-clock", no_argument, NULL, 'C'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *mode = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) >= 0) {
		switch (c) {
		case 'd':
			opt.device = optarg;
			break;
		case 'w':
			mode = optarg;
			break;
		case 'b':
			opt.bytes = (unsigned int)bench_number(
				optarg, REQUEST_BYTES_MAX);
			break;
		case 'q':
			opt.depth =
				(unsigned int)bench_number(optarg, DEPTH_MAX);
			break;
		case 't':
			opt.nr_tasks = (unsigned int)bench_number(
				optarg, BENCH_TASKS_MAX);
			break;
		case 'n':
			opt.nr_requests = bench_number(optarg, 1ull << 40);
			break;
		case 'm':
			opt.limit_ns =
				bench_number(optarg, 3600000) * 1000000u;
			break;
		case 'a':
			opt.area_bytes = bench_number(optarg, 1ull << 36);
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
		case 'S':
			opt.settle_ms =
				(unsigned int)bench_number(optarg, 3600000);
			break;
		case 'C':
			opt.check_clock = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (opt.check_clock)
		return;
	if (optind != argc || !opt.device || !mode)
		bench_misused("wants --device and --rw");
	parse_mode(mode);
	if (!opt.nr_requests && !opt.limit_ns)
		bench_misused("how long? --requests or --ms");
	if (!opt.bytes || opt.bytes % BENCH_PAGE_BYTES || !opt.area_bytes ||
	    opt.area_bytes % CHUNK_BYTES || opt.area_bytes % opt.bytes)
		bench_misused("--bytes wants whole pages, --area whole 128K "
			      "and whole requests");
	if (!opt.depth || !opt.nr_tasks)
		bench_misused("--depth and --tasks want at least 1");
	if (opt.nr_requests && opt.nr_requests < opt.nr_tasks)
		bench_misused("--requests wants one for each task");
}

int main(int argc, char **argv)
{
	uint64_t start_ns = UINT64_MAX, end_ns = 0, nr_requests = 0;
	uint64_t server_ns, nr_verified;
	struct shared *shared;
	int fd;

	bench_name = "blockload";
	parse(argc, argv);
	if (opt.check_clock) {
		printf("{\"ps_per_instruction\":%llu}\n",
		       (unsigned long long)clock_ps());
		return 0;
	}
	shared = memory(sizeof(*shared) + opt.area_bytes / BENCH_PAGE_BYTES,
			MAP_SHARED);
	if (opt.settle_ms)
		bench_sleep_us(opt.settle_ms * 1000l);
	fd = device_open();
	if (!opt.write)
		area_fill(fd);
	server_ns = bench_server_ns(opt.server_pid);
	tasks_run(fd, shared);
	server_ns = bench_server_ns(opt.server_pid) - server_ns;
	for (unsigned int i = 0; i < opt.nr_tasks; i++) {
		const struct task *task = &shared->tasks[i];

		if (!task->done)
			bench_die("a task did not come to its end");
		if (task->start_ns < start_ns)
			start_ns = task->start_ns;
		if (task->end_ns > end_ns)
			end_ns = task->end_ns;
		nr_requests += task->nr_requests;
	}
	nr_verified = area_verify(fd, shared);
	printf("{\"requests\":%llu,\"ns\":%llu,\"verified_pages\":%llu",
	       (unsigned long long)nr_requests,
	       (unsigned long long)(end_ns - start_ns),
	       (unsigned long long)nr_verified);
	if (opt.server_pid)
		printf(",\"server_ns\":%llu", (unsigned long long)server_ns);
	puts("}");
	return 0;
}
