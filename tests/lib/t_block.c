// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_block.c - a recording server, small files, devices, programs, uevents
 *
 * Where it stands: [test] > /dev/abuseN, sysfs, /dev/abuse-control > module.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t_block.h"

#define RUN_LOG "/tmp/run.log"

/* ------------------------------------------------------- recording server */

struct t_log *t_log_make(void)
{
	return t_shared(sizeof(struct t_log));
}

static void record_answer(int ctl, const struct t_store *store,
			  const struct abuse_lent *lent)
{
	char *data = store->memory + lent->ab_sector * 512;

	if (lent->ab_command != ABUSE_SYNC_NOTIFICATION)
		T_TRUE(lent->ab_sector * 512 + lent->ab_len_bytes <=
		       store->size_bytes,
		       "a request within %llu bytes expected, found sector %llu, %u bytes",
		       (unsigned long long)store->size_bytes, lent->ab_sector,
		       lent->ab_len_bytes);
	switch (lent->ab_command) {
	case ABUSE_READ:
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent->ab_id, data, 0,
			    lent->ab_len_bytes));
		break;
	case ABUSE_WRITE:
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent->ab_id, data, 0,
			    lent->ab_len_bytes));
		break;
	case ABUSE_DISCARD:
	case ABUSE_WRITE_ZEROES:
		memset(data, 0, lent->ab_len_bytes);
		break;
	}
	T_OK(t_complete(ctl, lent->ab_id));
}

static void __attribute__((noreturn))
record_loop(int ctl, const struct t_store *store, struct t_log *log)
{
	struct abuse_lent lent;
	int ret;

	for (;;) {
		ret = t_serve(ctl, NULL, 0, &lent, 1, 0, NULL);
		if (ret == -EINTR)
			continue;
		T_EQ(ret, 1);
		T_TRUE(log->nr < T_LOG_MAX, "more than %d requests", T_LOG_MAX);
		log->lent[log->nr] = lent;
		__sync_fetch_and_add(&log->nr, 1);
		while (log->hold)
			t_pause();
		record_answer(ctl, store, &lent);
		__sync_fetch_and_add(&log->nr_answered, 1);
	}
}

pid_t t_recorder_start(int number, const struct t_store *store,
		       struct t_log *log)
{
	return t_recorder_start_bound(number, store, log, NULL);
}

pid_t t_recorder_start_bound(int number, const struct t_store *store,
			     struct t_log *log, const uint8_t id[16])
{
	pid_t pid = t_fork(false);

	if (!pid) {
		int ctl = t_ctl_open(number);

		if (id) {
			struct abuse_store presented = { 0 };

			memcpy(presented.ab_id, id, sizeof(presented.ab_id));
			T_OK(t_ioctl(ctl, ABUSE_SET_STORE, &presented));
		}
		record_loop(ctl, store, log);
	}
	T_UNTIL(t_is_live(number) || t_ended(pid));
	T_TRUE(!t_ended(pid), "the server: expected to serve, found it ended");
	return pid;
}

static bool log_is(const struct abuse_lent *lent, uint32_t command,
		   uint32_t flags)
{
	return lent->ab_command == command && !(flags & ~lent->ab_flags);
}

uint32_t t_log_count(const struct t_log *log, uint32_t first, uint32_t command,
		     uint32_t flags)
{
	uint32_t nr = 0;

	for (; first < log->nr; first++)
		nr += log_is(&log->lent[first], command, flags);
	return nr;
}

struct abuse_lent t_log_find(const struct t_log *log, uint32_t first,
			     uint32_t command, uint32_t flags)
{
	for (; first < log->nr; first++)
		if (log_is(&log->lent[first], command, flags))
			return log->lent[first];
	T_FAIL("command %u with flags 0x%x: expected to be seen, found none in %u requests",
	       command, flags, log->nr);
}

/* ------------------------------------------------------------ small files */

const char *t_attr(const char *format, ...)
{
	char path[200], *end;
	const char *text;
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	T_TRUE(!access(path, F_OK), "%s: expected to be there, found none",
	       path);
	text = t_read_text("%s", path);
	end = strrchr(text, '\n');
	if (end && !end[1])
		*end = '\0';
	return text;
}

long long t_attr_number(const char *format, ...)
{
	char path[200], *end;
	const char *text;
	long long number;
	va_list args;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	text = t_attr("%s", path);
	number = strtoll(text, &end, 10);
	T_TRUE(end != text && !*end, "%s: expected a number, found \"%s\"",
	       path, text);
	return number;
}

int t_attr_set(const char *text, const char *format, ...)
{
	char path[200];
	va_list args;
	ssize_t wrote;
	int fd, err;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	wrote = write(fd, text, strlen(text));
	err = wrote < 0 ? -errno : 0;
	close(fd);
	return err;
}

void t_policy(int number, const char *name, const char *value)
{
	int err = t_attr_set(value, T_ABUSE, number, name);

	T_TRUE(!err, "writing %s to %s: expected success, found %s", value,
	       name, t_name(err));
	T_TRUE(!strcmp(t_attr(T_ABUSE, number, name), value),
	       "%s: expected %s, found %s", name, value,
	       t_attr(T_ABUSE, number, name));
}

/* ---------------------------------------------------------------- devices */

int t_control(unsigned int cmd, int number)
{
	struct abuse_ctl arg = { .ab_number = number };
	int fd = open("/dev/abuse-control", O_RDWR | O_CLOEXEC);
	int ret;

	T_TRUE(fd >= 0, "/dev/abuse-control: %s", strerror(errno));
	ret = t_ioctl(fd, cmd, &arg);
	close(fd);
	return ret < 0 ? ret : arg.ab_number;
}

uint32_t t_control_list(uint32_t *numbers, uint32_t room)
{
	struct abuse_ctl_list arg = {
		.ab_numbers = (uintptr_t)numbers,
		.ab_nr = room,
	};
	int fd = open("/dev/abuse-control", O_RDWR | O_CLOEXEC);

	T_TRUE(fd >= 0, "/dev/abuse-control: %s", strerror(errno));
	T_OK(t_ioctl(fd, ABUSE_CTL_LIST, &arg));
	close(fd);
	return arg.ab_nr;
}

const char *t_mknod(bool block, unsigned int major, unsigned int minor)
{
	static char path[80];

	snprintf(path, sizeof(path), "/tmp/node-%c-%u-%u", block ? 'b' : 'c',
		 major, minor);
	unlink(path);
	T_OK(T_RET(mknod(path, (block ? S_IFBLK : S_IFCHR) | 0600,
			 makedev(major, minor))));
	return path;
}

bool t_block_on_demand(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	char line[300], name[200];
	bool found = false;

	T_TRUE(symbols, "/proc/kallsyms: %s", strerror(errno));
	/* Built with CONFIG_BLOCK_LEGACY_AUTOLOAD only. */
	while (!found && fgets(line, sizeof(line), symbols))
		found = sscanf(line, "%*s %*s %199s", name) == 1 &&
			!strcmp(name, "blk_request_module");
	fclose(symbols);
	if (!found)
		puts("this kernel makes no disk when its node is opened: not tested");
	return found;
}

bool t_devt(const char *path, unsigned int *major, unsigned int *minor)
{
	return sscanf(t_read_text("%s/dev", path), "%u:%u", major, minor) == 2;
}

/* ---------------------------------------------------- programs and uevents */

int t_run(const char *program, ...)
{
	char *argv[30] = { (char *)program };
	int nr = 1, status, fd;
	va_list args;
	pid_t pid;

	va_start(args, program);
	while (nr < 29 && (argv[nr] = va_arg(args, char *)))
		nr++;
	va_end(args);
	pid = t_fork(false);
	if (!pid) {
		fd = open(RUN_LOG, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
			_exit(126);
		execv(program, argv);
		_exit(127);
	}
	status = t_reap(pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) :
				     WEXITSTATUS(status);
}

int t_uevent_open(void)
{
	struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = 1,		/* the kernel's own, not udev's */
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			NETLINK_KOBJECT_UEVENT);

	T_OK(T_RET(fd));
	T_OK(T_RET(bind(fd, (struct sockaddr *)&address, sizeof(address))));
	return fd;
}

/* Is there a string with this beginning? The text is one string after another. */
static bool uevent_is(const char *text, ssize_t len, const char *wanted)
{
	const char *p;

	for (p = text; p < text + len; p += strlen(p) + 1)
		if (!strncmp(p, wanted, strlen(wanted)))
			return true;
	return false;
}

bool t_uevent_has(int fd, ...)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	long start = t_now_ms(), left;
	char text[4096];
	const char *wanted;
	va_list args;
	ssize_t len;
	bool all;

	while ((left = start + t_patience_ms() - t_now_ms()) > 0) {
		if (poll(&p, 1, left) <= 0)
			break;
		len = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
		if (len <= 0)
			continue;
		text[len] = '\0';
		all = true;
		va_start(args, fd);
		while ((wanted = va_arg(args, const char *)))
			all &= uevent_is(text, len, wanted);
		va_end(args);
		if (all)
			return true;
	}
	return false;
}
