// SPDX-License-Identifier: GPL-2.0-only
/*
 * sd.c - what the tests under a service manager share
 *
 * Where it stands: [test] > systemctl > systemd > abuse-swap@0.service.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sd.h"

#define UNITS		"/usr/local/lib/systemd/system"
#define CONF		"/etc/abuse/abuse0.conf"
#define BOARD		"/run/abuse/abuse0.board"
#define CGROUP		"/sys/fs/cgroup/holder"
#define HOOKS		"/lib/systemd/system-shutdown"
/* Between the hook, the test, and vm-images/init; the root is read-only by then. */
#define SHUTDOWN	"/dev/shm/shutdown"
#define OVER		"/dev/shm/over"
#define HOOK_MS		60000

extern const char unit_text[], unit_end[], conf_text[], conf_end[];
__asm__(".section .rodata\n"
	".globl unit_text, unit_end, conf_text, conf_end\n"
	"unit_text: .incbin \"build/guest/systemd" UNITS "/abuse-swap@.service\"\n"
	"unit_end: .byte 0\n"
	"conf_text: .incbin \"swapserver/install/examples/abuse0.conf\"\n"
	"conf_end: .byte 0\n"
	".previous\n");

/* A server like any other: what the protections are there against. */
static const char plain_text[] =
	"[Unit]\n"
	"Description=Server of /dev/abuse%i, as anybody would write it\n"
	"[Service]\n"
	"Type=exec\n"
	"EnvironmentFile=/etc/abuse/abuse%i.conf\n"
	"RuntimeDirectory=abuse\n"
	"ExecStart=/usr/local/sbin/swapserver $OPTIONS /dev/abctl%i $BACKEND\n"
	"Restart=on-failure\n"
	"TimeoutStopSec=5\n";

static const char *self;

void sd_write(const char *path, const char *text)
{
	int fd = T_OK(T_RET(open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				 0644)));

	T_EQ(T_RET(write(fd, text, strlen(text))), strlen(text));
	close(fd);
}

/* ------------------------------------------------------------ the shutdown */

/*
 * Started by systemd-shutdown when all processes are killed, all file systems
 * and swap areas off, and nothing is left but reboot(2).
 */
static void __attribute__((noreturn)) hook(void)
{
	long start = t_now_ms();

	/* The runner takes such for the service manager's. */
	prctl(PR_SET_NAME, "systemd-hook");
	sd_write(SHUTDOWN, "");
	while (access(OVER, F_OK) && t_now_ms() - start < HOOK_MS)
		t_pause();
	unlink(SHUTDOWN);
	_exit(0);
}

static void install_hook(void)
{
	char text[200];

	snprintf(text, sizeof(text), "#!/bin/sh\nexec %s hook\n", self);
	mkdir(HOOKS, 0755);
	sd_write(HOOKS "/test", text);
	T_OK(T_RET(chmod(HOOKS "/test", 0755)));
}

static bool is_final(void)
{
	return !strncmp(t_read_text("/proc/1/comm"), "systemd-shutdow", 15);
}

bool sd_shutdown(const char *verb)
{
	bool was_on;
	long start;

	install_hook();
	start = t_now_ms();
	sd_ctl(NULL, "%s", verb);
	SD_AWAIT(is_final() || !access(SHUTDOWN, F_OK));
	was_on = sd_swap_is_on();
	printf("progress: after %ld ms systemd-shutdown kills what is left, swap is %s\n",
	       t_now_ms() - start, was_on ? "on" : "off");
	fflush(stdout);
	SD_AWAIT(!access(SHUTDOWN, F_OK));
	printf("progress: after %ld ms it is about to %s, swap is %s\n",
	       t_now_ms() - start, verb, sd_swap_is_on() ? "on" : "off");
	fflush(stdout);
	return was_on;
}

void sd_end(const struct board *board)
{
	pid_t supervisor = board->supervisor;

	T_OK(T_RET(kill(supervisor, SIGTERM)));
	SD_AWAIT(!sd_lives(supervisor));
}

/* ------------------------------------------------------------------ begin */

void sd_init(int argc, char **argv, int limit_s)
{
	if (argc > 1 && !strcmp(argv[1], "hook"))
		hook();
	self = strdup(argv[0]);
	/* Spared by the final kill; children have it, too. */
	argv[0][0] = '@';
	t_init(limit_s);
	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	SD_AWAIT(!sd_ctl(NULL, "is-active multi-user.target"));
}

int sd_run(const char **said, char *const args[])
{
	static char text[8192];
	size_t used = 0;
	int out[2], status;
	ssize_t got;
	pid_t pid;

	T_OK(T_RET(pipe2(out, O_CLOEXEC)));
	pid = t_fork(false);
	if (!pid) {
		dup2(out[1], 1);
		dup2(out[1], 2);
		execv(args[0], args);
		_exit(127);
	}
	close(out[1]);
	while (used < sizeof(text) - 1 &&
	       (got = read(out[0], text + used, sizeof(text) - 1 - used)) > 0)
		used += got;
	text[used] = '\0';
	close(out[0]);
	SD_AWAIT(t_ended(pid));
	status = t_reap(pid);
	if (said)
		*said = text;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int sd_ctl(const char **said, const char *format, ...)
{
	char *args[20] = { (char *)"/bin/systemctl", (char *)"--no-pager" };
	char line[300], *word;
	va_list list;
	int nr = 2;

	va_start(list, format);
	vsnprintf(line, sizeof(line), format, list);
	va_end(list);
	for (word = strtok(line, " "); word && nr < 19;
	     word = strtok(NULL, " "))
		args[nr++] = word;
	return sd_run(said, args);
}

void sd_drain(void)
{
	char *const args[] = { (char *)"/bin/abusectl", (char *)"drain",
			       (char *)"0", NULL };
	const char *said;
	int status = sd_run(&said, args);

	T_TRUE(!status, "abusectl drain: expected status 0, found %d: %s",
	       status, said);
	SD_AWAIT(sd_is("inactive") || sd_is("failed"));
}

const char *sd_show(const char *property)
{
	const char *said;

	T_EQ(sd_ctl(&said, "show --value --property=%s " SD_UNIT, property), 0);
	((char *)said)[strcspn(said, "\n")] = '\0';
	return said;
}

bool sd_is(const char *state)
{
	return !strcmp(sd_show("ActiveState"), state);
}

/* ------------------------------------------------------- the unit, started */

/* A line of the example, with another value. */
static void conf_set(char *text, size_t text_bytes, const char *name,
		     const char *value)
{
	char *line = strstr(text, name), rest[2000];

	T_TRUE(line && strchr(line, '\n'), "the example's configuration: expected a line%s, found none",
	       name);
	line += strlen(name);
	snprintf(rest, sizeof(rest), "%s", strchr(line, '\n'));
	snprintf(line, text_bytes - (size_t)(line - text), "%s%s", value, rest);
}

static void write_conf(const char *backend, const char *options)
{
	char text[3000];

	snprintf(text, sizeof(text), "%s", conf_text);
	conf_set(text, sizeof(text), "\nBACKEND=", backend);
	if (options)
		conf_set(text, sizeof(text), "\nOPTIONS=", options);
	sd_write(CONF, text);
}

void sd_install(const char *backend, const char *options)
{
	static const char *const folders[] = {
		"/etc/abuse", "/usr/local", "/usr/local/sbin", "/usr/local/lib",
		"/usr/local/lib/systemd", UNITS,
	};
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(folders[i], 0755);
	symlink("/bin/swapserver", "/usr/local/sbin/swapserver");
	symlink("/bin/abusectl", "/usr/local/sbin/abusectl");
	sd_write(UNITS "/abuse-swap@.service",
		 t_twin("plain") ? plain_text : unit_text);
	write_conf(backend, options);
	T_EQ(sd_ctl(NULL, "daemon-reload"), 0);
}

static struct board *board_look(void)
{
	int fd = T_OK(T_RET(open(BOARD, O_RDWR | O_CLOEXEC)));
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0);

	close(fd);
	T_TRUE(board != MAP_FAILED, "mmap of the board: %s", strerror(errno));
	T_EQ(board->bytes, sizeof(*board));
	return board;
}

struct board *sd_start(const char *backend)
{
	const char *said;
	int status;

	sd_install(backend, NULL);
	status = sd_ctl(&said, "start " SD_UNIT);
	T_TRUE(!status, "systemctl start: expected status 0, found %d: %s",
	       status, said);
	SD_AWAIT(sd_swap_is_on());
	return board_look();
}

pid_t sd_active(const struct board *board)
{
	SD_AWAIT(turn_holder(&board->turn));
	return turn_holder(&board->turn);
}

bool sd_lives(pid_t pid)
{
	return pid && !strchr("ZX?", t_state(pid));
}

bool sd_swap_is_on(void)
{
	return strstr(t_read_text("/proc/swaps"), "/dev/abuse0") != NULL;
}

/* ------------------------------------------------------------------ pages */

/* In a cgroup of its own, so that nobody else's pages are taken. */
static void holder_join(void)
{
	mkdir(CGROUP, 0755);
	sd_write(CGROUP "/cgroup.procs", "0");
}

/* Pages that are in swap and still in memory, too. */
static unsigned long cached_kb(void)
{
	const char *p = strstr(t_read_text("/proc/meminfo"), "SwapCached:");
	unsigned long kb = 0;

	if (p)
		sscanf(p, "SwapCached: %lu", &kb);
	return kb;
}

static void swap_out(pid_t pid, uint32_t bytes)
{
	/* EAGAIN: not as much as that; the loop looks for itself. */
	int fd = T_OK(T_RET(open(CGROUP "/memory.reclaim",
				 O_WRONLY | O_CLOEXEC)));

	SD_AWAIT((write(fd, "64M", 3),
		  t_swapped_kb(pid) * 1024 >= bytes &&
		  cached_kb() * 1024 <= bytes / 8));
	close(fd);
}

struct sd_holder sd_holder_start(uint32_t bytes)
{
	volatile bool *flags = t_shared(T_PAGE);	/* look, ready */
	struct sd_holder h = { .look = flags };
	void *memory;

	h.pid = t_fork(false);
	if (!h.pid) {
		/* Nobody but the test ends it. */
		signal(SIGTERM, SIG_IGN);
		T_OK(T_RET(munlockall()));
		holder_join();
		memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		T_TRUE(memory != MAP_FAILED, "mmap: %s", strerror(errno));
		t_stamp(memory, 0, bytes, 7);
		flags[1] = true;
		while (!*h.look)
			t_pause();
		t_stamp_check(memory, 0, bytes, 7);
		_exit(0);
	}
	SD_AWAIT(flags[1] || t_ended(h.pid));
	swap_out(h.pid, bytes);
	return h;
}

void sd_holder_check(const struct sd_holder *h)
{
	*h->look = true;
	SD_AWAIT(t_ended(h->pid));
	T_EQ(t_reap(h->pid), 0);
	SD_AWAIT(!rmdir(CGROUP) || errno == ENOENT);
}
