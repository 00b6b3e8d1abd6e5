// SPDX-License-Identifier: GPL-2.0-only
/*
 * agent.c - tells the host once a second how the guest is, even when no
 * memory is left
 *
 * Where it stands: load > swap > device > server, and beside them [agent],
 * whose heartbeat is what the host's verdict rests on.  It must therefore
 * never wait for what it watches: everything is locked, opened and touched
 * before the first beat, lines are built in a static buffer, and the thread
 * asks the abuse module for the memalloc scope, because the kernel side of
 * its system calls allocates (virtio-console's write, /proc/vmstat's start).
 *
 * It takes a protection as held only after reading it back, and says in its
 * first line which ones it holds.  Without /dev/abctl0 it runs all the same,
 * less safely, and says so.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <linux/abuse.h>

#include "whoserves.h"

/* The page that a load shares with us: u64 counters, one a worker. */
#define UNITS_BYTES	4096
#define NR_UNITS	(UNITS_BYTES / sizeof(uint64_t))

/* More than any of the files read here takes (vmstat: about 5 KiB). */
#define FILE_BYTES	16384
#define LINE_BYTES	4096

/* What one beat may use of the stack, libc included: 10 times what it does. */
#define STACK_BYTES	(64 * 1024)

/* Above ordinary tasks, below the kernel's own real-time threads. */
#define FIFO_PRIORITY	50

/* SIGTERM came: one last beat, then the end, so that totals are complete. */
static volatile sig_atomic_t leaving;

/* Asked for before the first beat. */
static uint64_t page_kb;

static char file_text[FILE_BYTES + 1];
static char line[LINE_BYTES];
static size_t line_len;

struct options {
	const char *out;
	const char *ctl;
	const char *units;
	const char *watch;
	const char *board;
	const char *disk;
	long interval_ms;
	long beats;
};

struct sources {
	int out;
	int meminfo;
	int vmstat;
	int stat;
	int ctl;
	int server;
	int disk;
	long server_pid;
	const struct board *board;	/* NULL: the server has no standbys */
	const volatile uint64_t *units;
};

/* ------------------------------------------------- a line, without stdio */

static void put_text(const char *text)
{
	size_t len = strlen(text);

	if (len > sizeof(line) - line_len)
		len = sizeof(line) - line_len;
	memcpy(line + line_len, text, len);
	line_len += len;
}

static void put_u64(uint64_t value)
{
	char digits[21];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do {
		*--p = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	put_text(p);
}

/* ,"key":value - the first one of an object comes without the comma */
static void put_field(const char *key, uint64_t value)
{
	if (line_len && line[line_len - 1] != '{')
		put_text(",");
	put_text("\"");
	put_text(key);
	put_text("\":");
	put_u64(value);
}

static void put_bool(const char *key, bool value)
{
	put_text(",\"");
	put_text(key);
	put_text(value ? "\":true" : "\":false");
}

static int line_send(int fd)
{
	size_t done = 0;

	put_text("\n");
	while (done < line_len) {
		ssize_t n = write(fd, line + done, line_len - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			done += (size_t)n;
	}
	line_len = 0;
	return 0;
}

/* ----------------------------------------------------------- the sources */

/* All of a /proc file into file_text; seq_file gives a page at a time. */
static bool file_read(int fd)
{
	size_t len = 0;

	file_text[0] = '\0';
	if (fd < 0)
		return false;
	while (len < FILE_BYTES) {
		ssize_t n = pread(fd, file_text + len, FILE_BYTES - len,
				  (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	file_text[len] = '\0';
	return len > 0;
}

/* The number after `key` at the start of a line of file_text; 0: not there. */
static uint64_t file_number(const char *key)
{
	size_t len = strlen(key);
	const char *p = file_text;

	while (p && *p) {
		if (!strncmp(p, key, len))
			return strtoull(p + len, NULL, 10);
		p = strchr(p, '\n');
		if (p)
			p++;
	}
	return 0;
}

static void put_memory(const struct sources *from)
{
	if (!file_read(from->meminfo))
		return;
	put_field("free_kb", file_number("MemFree:"));
	put_field("available_kb", file_number("MemAvailable:"));
	put_field("swap_total_kb", file_number("SwapTotal:"));
	put_field("swap_free_kb", file_number("SwapFree:"));
}

static void put_vmstat(const struct sources *from)
{
	if (!file_read(from->vmstat))
		return;
	put_field("pswpin", file_number("pswpin "));
	put_field("pswpout", file_number("pswpout "));
	put_field("oom_kill", file_number("oom_kill "));
}

/* "cpu  user nice system idle iowait ...", in ticks of 1/100 s */
static void put_cpu(const struct sources *from)
{
	static const char * const names[] = {
		"cpu_user_ticks", "cpu_nice_ticks", "cpu_system_ticks",
		"cpu_idle_ticks", "cpu_iowait_ticks",
	};
	char *p;

	if (!file_read(from->stat) || strncmp(file_text, "cpu ", 4))
		return;
	p = file_text + 4;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		put_field(names[i], strtoull(p, &p, 10));
}

static void put_abuse(const struct sources *from)
{
	struct abuse_counters c;

	if (from->ctl < 0 || ioctl(from->ctl, ABUSE_GET_COUNTERS, &c) < 0) {
		put_text(",\"abuse\":null");
		return;
	}
	put_text(",\"abuse\":{");
	put_field("accepted", c.ab_accepted);
	put_field("ended", c.ab_ended);
	put_field("ended_error", c.ab_ended_error);
	put_field("read_bytes", c.ab_read_bytes);
	put_field("write_bytes", c.ab_write_bytes);
	put_field("swap_write_bytes", c.ab_swap_write_bytes);
	put_field("lent", c.ab_lent);
	put_field("requeued", c.ab_requeued);
	put_field("stalled", c.ab_stalled);
	put_field("bypassed", c.ab_bypassed);
	put_field("again", c.ab_again);
	put_field("serve_calls", c.ab_serve_calls);
	put_field("nr_slots", c.ab_nr_slots);
	put_field("nr_free", c.ab_nr_free);
	put_field("nr_free_min", c.ab_nr_free_min);
	put_field("nr_queued", c.ab_nr_queued);
	put_field("nr_waiting", c.ab_nr_waiting);
	put_field("nr_lent", c.ab_nr_lent);
	put_field("nr_servers", c.ab_nr_servers);
	put_field("nr_opens", c.ab_nr_opens);
	put_text("}");
}

/*
 * "pid (comm) S ...": state is the first word after the last ')', user and
 * system time are the words 12 and 13 after it, resident pages the 22nd.
 */
static void put_server(const struct sources *from)
{
	uint64_t ticks = 0, rss_pages = 0;
	char state[2] = "?";
	char *p;

	if (!from->server_pid)
		return;
	if (!file_read(from->server)) {
		/* ESRCH: it has been reaped. */
		state[0] = 'X';
	} else {
		p = strrchr(file_text, ')');
		if (p && p[1] == ' ') {
			state[0] = p[2];
			for (int word = 0; p && word < 12; word++)
				p = strchr(p + 1, ' ');
			if (p) {
				ticks = strtoull(p, &p, 10);
				ticks += strtoull(p, &p, 10);
				for (int word = 15; p && word <= 22; word++)
					p = strchr(p + 1, ' ');
				if (p)
					rss_pages = strtoull(p, NULL, 10);
			}
		}
	}
	put_text(",\"server\":{");
	put_field("pid", (uint64_t)from->server_pid);
	put_text(",\"state\":\"");
	put_text(state);
	put_text("\"");
	put_field("cpu_ticks", ticks);
	put_field("rss_kb", rss_pages * page_kb);
	put_text("}");
}

/*
 * Requests that a device has ended and has in flight, by the block layer's own
 * count: fields 1, 5, 12 and 16 of its stat, and field 9; fields 3 and 7 are
 * sectors read and written.  For devices that the abuse module knows nothing
 * of.
 */
static void put_disk(const struct sources *from)
{
	uint64_t fields[16] = { 0 };
	char *p = file_text;

	if (!file_read(from->disk))
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		fields[i] = strtoull(p, &p, 10);
	put_text(",\"disk\":{");
	put_field("ended", fields[0] + fields[4] + fields[11] + fields[15]);
	put_field("in_flight", fields[8]);
	put_field("read_bytes", fields[2] * 512);
	put_field("write_bytes", fields[6] * 512);
	put_text("}");
}

/* The device comes after us, too. */
static void disk_open(struct sources *from, const char *path)
{
	if (path && from->disk < 0)
		from->disk = open(path, O_RDONLY | O_CLOEXEC);
}

static void server_open(struct sources *from, long pid)
{
	char name[64];

	if (from->server >= 0)
		close(from->server);
	from->server_pid = pid;
	snprintf(name, sizeof(name), "/proc/%ld/stat", pid);
	from->server = open(name, O_RDONLY | O_CLOEXEC);
}

/*
 * The server starts after us: look for its pid until it is there.  With
 * standbys the one that counts is who serves now, which the board tells; while
 * nobody does it is the last who did.
 */
static void watch_open(struct sources *from, const struct options *opt)
{
	long pid = 0;
	int fd;

	if (from->server_pid) {
		if (from->board)
			pid = board_active(from->board);
		if (pid && pid != from->server_pid)
			server_open(from, pid);
		return;
	}
	fd = opt->watch ? open(opt->watch, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	if (file_read(fd))
		pid = strtol(file_text, NULL, 10);
	close(fd);
	if (pid <= 0)
		return;
	server_open(from, pid);
	from->board = board_look(opt->board);
}

static int beat(const struct sources *from)
{
	struct timespec now;
	uint64_t units = 0;

	clock_gettime(CLOCK_MONOTONIC, &now);
	put_text("{");
	put_field("t_ms", (uint64_t)now.tv_sec * 1000 +
			  (uint64_t)now.tv_nsec / 1000000);
	put_memory(from);
	put_vmstat(from);
	put_cpu(from);
	put_abuse(from);
	put_server(from);
	put_disk(from);
	if (from->units)
		for (size_t i = 0; i < NR_UNITS; i++)
			units += from->units[i];
	put_field("load_units", units);
	put_text("}");
	return line_send(from->out);
}

/* ------------------------------------------------------- the protections */

static bool protect_mlock(void)
{
	int fd;
	bool held;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		return false;
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	held = file_read(fd) && file_number("VmLck:") > 0;
	if (fd >= 0)
		close(fd);
	return held;
}

static bool protect_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
	bool held;

	if (fd < 0)
		return false;
	held = write(fd, "-1000", 5) == 5 && file_read(fd) &&
	       strtol(file_text, NULL, 10) == -1000;
	close(fd);
	return held;
}

static bool protect_sched(void)
{
	struct sched_param param = { .sched_priority = FIFO_PRIORITY };

	return !sched_setscheduler(0, SCHED_FIFO, &param) &&
	       sched_getscheduler(0) == SCHED_FIFO;
}

/* The scope the kernel says we have, whether we set it or inherited it. */
static const char *protect_scope(int ctl)
{
	struct abuse_scope scope = {
		.ab_target = ABUSE_SCOPE_THREAD,
		.ab_scope = ABUSE_SCOPE_MEMALLOC,
	};

	if (ctl < 0)
		return "none";
	/* A failure shows in what is read back. */
	(void)ioctl(ctl, ABUSE_SET_SCOPE, &scope);
	scope.ab_scope = ABUSE_SCOPE_NONE;
	if (ioctl(ctl, ABUSE_GET_SCOPE, &scope) < 0)
		return "none";
	switch (scope.ab_scope) {
	case ABUSE_SCOPE_MEMALLOC:
		return "memalloc";
	case ABUSE_SCOPE_NOIO:
		return "noio";
	default:
		return "none";
	}
}

static __attribute__((noinline)) void stack_touch(void)
{
	volatile char pages[STACK_BYTES];

	for (size_t i = 0; i < sizeof(pages); i += 1024)
		pages[i] = 1;
}

/* ----------------------------------------------------------------- main */

static void on_sigterm(int number)
{
	(void)number;
	leaving = 1;
}

static const volatile uint64_t *units_map(const char *path)
{
	uint64_t *units;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, UNITS_BYTES) < 0) {
		fprintf(stderr, "agent: %s: %m (needs a writable file on ramfs)\n",
			path);
		exit(2);
	}
	units = mmap(NULL, UNITS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (units == MAP_FAILED) {
		fprintf(stderr, "agent: mmap %s: %m\n", path);
		exit(2);
	}
	/* Gives the file its page now. */
	__atomic_fetch_add(&units[0], 0, __ATOMIC_RELAXED);
	close(fd);
	return units;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: agent [options]\n"
		"Write the guest's state once a second as a JSON line; on SIGTERM\n"
		"write a last one and end.\n"
		"  -o, --out PATH       where to (/dev/port/heartbeat)\n"
		"  -c, --ctl PATH       control node of the abuse device (/dev/abctl0)\n"
		"  -u, --units PATH     page of counters that the load shares\n"
		"  -w, --watch PATH     file that will hold the server's pid\n"
		"  -b, --board PATH     the server's board: the active one counts\n"
		"  -d, --disk PATH      the device's stat in sysfs, once it is there\n"
		"  -i, --interval MS    time between two lines (1000)\n"
		"  -n, --beats N        stop after N lines (0: never)\n"
		"  -h, --help\n"
		"Exit status: 0 done, 1 the output failed, 2 it could not start.\n");
}

static struct options options_parse(int argc, char **argv)
{
	static const struct option names[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "ctl", required_argument, NULL, 'c' },
		{ "units", required_argument, NULL, 'u' },
		{ "watch", required_argument, NULL, 'w' },
		{ "board", required_argument, NULL, 'b' },
		{ "disk", required_argument, NULL, 'd' },
		{ "interval", required_argument, NULL, 'i' },
		{ "beats", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct options opt = {
		.out = "/dev/port/heartbeat",
		.ctl = "/dev/abctl0",
		.interval_ms = 1000,
	};
	int c;

	while ((c = getopt_long(argc, argv, "o:c:u:w:b:d:i:n:h", names, NULL)) >= 0) {
		switch (c) {
		case 'o':
			opt.out = optarg;
			break;
		case 'c':
			opt.ctl = optarg;
			break;
		case 'u':
			opt.units = optarg;
			break;
		case 'w':
			opt.watch = optarg;
			break;
		case 'b':
			opt.board = optarg;
			break;
		case 'd':
			opt.disk = optarg;
			break;
		case 'i':
			opt.interval_ms = strtol(optarg, NULL, 10);
			break;
		case 'n':
			opt.beats = strtol(optarg, NULL, 10);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind < argc || opt.interval_ms < 1 || opt.beats < 0) {
		usage(stderr);
		exit(2);
	}
	return opt;
}

int main(int argc, char **argv)
{
	struct options opt = options_parse(argc, argv);
	struct sources from = { .server = -1, .disk = -1 };
	struct sigaction action = { .sa_handler = on_sigterm };
	bool mlocked, oom, sched;
	struct timespec next;
	const char *scope;

	page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
	/* Only write: a virtio port of the host's may not be readable. */
	from.out = open(opt.out, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (from.out < 0) {
		fprintf(stderr, "agent: %s: %m (is it open elsewhere?)\n",
			opt.out);
		return 2;
	}
	from.meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	from.vmstat = open("/proc/vmstat", O_RDONLY | O_CLOEXEC);
	from.stat = open("/proc/stat", O_RDONLY | O_CLOEXEC);
	if (from.meminfo < 0 || from.vmstat < 0 || from.stat < 0) {
		fprintf(stderr, "agent: /proc: %m (is it mounted?)\n");
		return 2;
	}
	from.ctl = open(opt.ctl, O_RDWR | O_CLOEXEC);
	if (opt.units)
		from.units = units_map(opt.units);

	sigaction(SIGTERM, &action, NULL);
	stack_touch();
	oom = protect_oom();
	sched = protect_sched();
	mlocked = protect_mlock();
	scope = protect_scope(from.ctl);

	put_text("{\"event\":\"agent\"");
	put_field("pid", (uint64_t)getpid());
	put_bool("mlock", mlocked);
	put_bool("oom", oom);
	put_bool("sched", sched);
	put_bool("abuse", from.ctl >= 0);
	put_text(",\"scope\":\"");
	put_text(scope);
	put_text("\"}");
	if (line_send(from.out) < 0)
		return 1;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (long n = 0; !opt.beats || n < opt.beats; n++) {
		watch_open(&from, &opt);
		disk_open(&from, opt.disk);
		if (beat(&from) < 0)
			return 1;
		next.tv_sec += opt.interval_ms / 1000;
		next.tv_nsec += opt.interval_ms % 1000 * 1000000;
		if (next.tv_nsec >= 1000000000) {
			next.tv_nsec -= 1000000000;
			next.tv_sec++;
		}
		while (!leaving && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
						   &next, NULL) == EINTR)
			;
		if (leaving)
			return beat(&from) < 0;
	}
	return 0;
}
