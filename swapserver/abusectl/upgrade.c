// SPDX-License-Identifier: GPL-2.0-only
/*
 * upgrade.c - another binary takes over from the running server
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * The new one is started as the old one was: its arguments and --upgrade, its
 * environment, folder, cgroup, and where its messages go.  It starts standbys
 * of its own and takes the office; the old one sees that and goes.  All that
 * is theirs: here one starts it, waits, and says what came of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../parse.h"
#include "abusectl.h"
#include "notify.h"
#include "task.h"
#include "view.h"

#define UPGRADE_ARGS_MAX 256
#define UPGRADE_DEFAULT_S 60
#define UPGRADE_LOOK_MS 20
/* How long an upgrade that is called off may take to end. */
#define UPGRADE_END_S 20

struct upgrade {
	int number;
	char binary[PATH_MAX];
	unsigned long timeout_s;
	pid_t old;
	int old_fd;	 /* a pidfd */
	char procs[400]; /* cgroup.procs of the old, or "" */
	char *argv[UPGRADE_ARGS_MAX + 2];
	char *envp[UPGRADE_ARGS_MAX + 1];
	char version[16]; /* of the old */
};

static int upgrade_parse(struct upgrade *u, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "binary", required_argument, NULL, 'b' },
		{ "timeout", required_argument, NULL, 't' },
		{ NULL, 0, NULL, 0 },
	};
	const char *binary = NULL;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'b')
			binary = optarg;
		else if (c != 't')
			return wrong_usage("upgrade", "unknown option");
		else if (!parse_number(optarg, 1, 1000000, &u->timeout_s))
			return wrong_usage("upgrade",
					   "not a number of seconds");
	}
	if (argc - optind != 1 || !binary)
		return wrong_usage("upgrade",
				   "a device and --binary PATH, please");
	u->number = parse_device(argv[optind]);
	if (u->number < 0)
		return EXIT_USAGE;
	if (!realpath(binary, u->binary) || access(u->binary, X_OK))
		return complain(EXIT_FAILED, "%s: %s; a program, please",
				binary, strerror(errno));
	return EXIT_DONE;
}

/*
 * Not of the next command line: it may have come by an upgrade itself, and the
 * store that was to be a new one holds pages by now.
 */
static bool upgrade_is_spent(const char *argument)
{
	return !strcmp(argument, "--upgrade") || !strcmp(argument, "--anew");
}

/* The texts of a file of /proc, each with a 0 behind it, as an array. */
static int upgrade_split(char *text, ssize_t bytes, char **array, int nr_max)
{
	ssize_t at;
	int nr = 0;

	for (at = 0; at < bytes; at += strlen(text + at) + 1) {
		if (nr && upgrade_is_spent(text + at))
			continue;
		if (nr == nr_max)
			return -E2BIG;
		array[nr++] = text + at;
	}
	array[nr] = NULL;
	return nr;
}

static int upgrade_arguments(struct upgrade *u)
{
	static char text[16384];
	ssize_t bytes = task_command_line(u->old, text, sizeof(text));
	int nr;

	if (bytes <= 0)
		return bytes ? bytes : -ESRCH;
	nr = upgrade_split(text, bytes, u->argv, UPGRADE_ARGS_MAX);
	if (nr <= 0)
		return nr ? nr : -ESRCH;
	memmove(&u->argv[2], &u->argv[1], nr * sizeof(u->argv[0]));
	u->argv[1] = (char *)"--upgrade";
	return 0;
}

static int upgrade_environment(struct upgrade *u)
{
	static char text[16384];
	ssize_t got;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", u->old);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got < 0 || got == sizeof(text) - 1)
		return got < 0 ? -EIO : -E2BIG;
	text[got] = '\0';
	got = upgrade_split(text, got, u->envp, UPGRADE_ARGS_MAX);
	return got < 0 ? got : 0;
}

/* Of the one hierarchy of today; "" if there is none. */
static void upgrade_cgroup(struct upgrade *u)
{
	char line[300], path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", u->old);
	f = fopen(path, "re");
	if (!f)
		return;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(u->procs, sizeof(u->procs),
			 "/sys/fs/cgroup%s/cgroup.procs",
			 strcmp(line, "0::/") ? line + 3 : "");
		if (access(u->procs, W_OK))
			u->procs[0] = '\0';
	}
	fclose(f);
}

/* The version of the servers of the supervisor in office. */
static void upgrade_version(const struct view *v, char version[16])
{
	const struct board *b = &v->board;
	int i;

	snprintf(version, 16, "unknown");
	for (i = 0; i < BOARD_SLOTS; i++)
		if (b->slots[i].crew == b->crew &&
		    b->slots[i].state != BOARD_EMPTY &&
		    b->slots[i].state != BOARD_ENDED)
			snprintf(version, 16, "%.15s", b->slots[i].version);
}

static int upgrade_look(struct upgrade *u)
{
	const struct view *v = view_of(u->number);
	int err;

	if (!v->usable || !v->board.supervisor)
		return complain(
			EXIT_FAILED,
			"/dev/abuse%d has no supervisor that could hand over (board %s: %s); start its server with --standby",
			u->number, view_path(u->number),
			v->usable ? "its supervisor is gone" : v->why_not);
	/* What it is started with is theirs to choose: not with our rights. */
	if (v->owner != geteuid())
		return complain(
			EXIT_FAILED,
			"/dev/abuse%d is served by user %u: only that user can upgrade its server, with the capabilities of swapserver(8)",
			u->number, v->owner);
	u->old = v->board.supervisor;
	upgrade_version(v, u->version);
	u->old_fd = syscall(SYS_pidfd_open, u->old, 0);
	if (u->old_fd < 0)
		return complain(EXIT_FAILED, "supervisor %d: %s", u->old,
				strerror(errno));
	err = upgrade_arguments(u);
	if (!err)
		err = upgrade_environment(u);
	if (err)
		return complain(
			EXIT_FAILED,
			"supervisor %d: its arguments cannot be read: %s; run as root",
			u->old, strerror(-err));
	upgrade_cgroup(u);
	return EXIT_DONE;
}

/* Where the old one's messages go, there shall the new one's go. */
static void upgrade_take_output(const struct upgrade *u, int fd)
{
	int theirs = syscall(SYS_pidfd_getfd, u->old_fd, fd, 0);

	if (theirs < 0)
		return;
	dup2(theirs, fd);
	close(theirs);
}

/* In the child: become the new one.  Returns the errno of what failed. */
static int upgrade_become(const struct upgrade *u)
{
	char path[64];
	int err, null;

	setsid();
	err = notify_join(u->procs);
	if (err)
		return -err;
	snprintf(path, sizeof(path), "/proc/%d/cwd", u->old);
	if (chdir(path))
		return errno;
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null >= 0)
		dup2(null, STDIN_FILENO);
	upgrade_take_output(u, STDOUT_FILENO);
	upgrade_take_output(u, STDERR_FILENO);
	execve(u->binary, u->argv, u->envp);
	return errno;
}

/* The new one's pid, or -errno: it did not even start. */
static pid_t upgrade_start(const struct upgrade *u)
{
	int said[2], err = 0;
	pid_t pid;

	if (pipe2(said, O_CLOEXEC))
		return -errno;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		close(said[0]);
		err = upgrade_become(u);
		_exit(write(said[1], &err, sizeof(err)) < 0);
	}
	close(said[1]);
	/* exec closes it. */
	if (read(said[0], &err, sizeof(err)) == sizeof(err) && err) {
		close(said[0]);
		waitpid(pid, NULL, 0);
		return -err;
	}
	close(said[0]);
	return pid;
}

static bool upgrade_is_gone(const struct upgrade *u)
{
	struct task t;

	return !task_look(u->old, &t) ||
	       syscall(SYS_pidfd_send_signal, u->old_fd, 0, NULL, 0);
}

/* Until it is in office, and alone.  An exit code, a line printed. */
static int upgrade_await(const struct upgrade *u, pid_t pid)
{
	uint64_t end_ms = now_ms() + u->timeout_s * 1000;
	bool called_off = false;
	char version[16];
	int status;

	for (;;) {
		const struct view *v = view_of(u->number);
		bool in_office = v->board.supervisor == pid;

		if (in_office && upgrade_is_gone(u)) {
			upgrade_version(v, version);
			printf("/dev/abuse%d: %s (%d) > %s (%d)\n", u->number,
			       u->version, u->old, version, pid);
			return EXIT_DONE;
		}
		if (waitpid(pid, &status, WNOHANG) == pid)
			return called_off && !in_office ? complain(
				EXIT_FAILED,
				"the new server (%d) was not in office after %lu s and was told to end; the old one (%d) goes on",
				pid, u->timeout_s, u->old) : complain(
				EXIT_FAILED,
				"the new server ended with %s %d; %s: see its messages, where those of %d went",
				WIFEXITED(status) ? "status" : "signal",
				WIFEXITED(status) ? WEXITSTATUS(status)
						  : WTERMSIG(status),
				in_office ? "it was in office already"
					  : "the old one goes on",
				u->old);
		if (now_ms() <= end_ms) {
			pause_ms(UPGRADE_LOOK_MS);
			continue;
		}
		if (in_office)
			return complain(
				EXIT_FAILED,
				"the new server (%d) is in office, but the old one (%d) has not gone after %lu s; abusectl status %d shows both",
				pid, u->old, u->timeout_s, u->number);
		if (called_off)
			return complain(
				EXIT_FAILED,
				"the new server (%d) is not in office after %lu s, was told to end, and has not; the old one (%d) goes on; abusectl status %d shows both",
				pid, u->timeout_s, u->old, u->number);
		/* If it is in office by the time that it comes: no harm. */
		kill(pid, SIGUSR2);
		called_off = true;
		end_ms = now_ms() + UPGRADE_END_S * 1000;
	}
}

int upgrade_command(int argc, char **argv)
{
	static struct upgrade u = { .timeout_s = UPGRADE_DEFAULT_S };
	int status = upgrade_parse(&u, argc, argv), err, i;
	const char *manager = NULL;
	struct notify notify;
	pid_t pid;

	if (!status)
		status = upgrade_look(&u);
	if (status)
		return status;
	for (i = 0; u.envp[i]; i++)
		if (!strncmp(u.envp[i], "NOTIFY_SOCKET=", 14))
			manager = u.envp[i] + 14;
	err = notify_begin(&notify, manager, u.procs, u.old);
	if (err)
		return complain(
			EXIT_FAILED,
			"the service manager cannot be told of the new server (%s): not begun; run as root",
			strerror(-err));
	pid = upgrade_start(&u);
	if (pid < 0)
		status = complain(EXIT_FAILED, "%s: %s; the old server goes on",
				  u.binary, strerror(-pid));
	else
		status = upgrade_await(&u, pid);
	notify_end(&notify,
		   view_of(u.number)->board.supervisor == pid ? pid : u.old);
	return status;
}
