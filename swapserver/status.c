// SPDX-License-Identifier: GPL-2.0-only
/*
 * status.c - what the server tells about itself, as lines of JSON
 *
 * Beside the path.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "patience.h"
#include "status.h"

static int status_fd = -1;
static int ready_fd = -1;
static int status_pid;		/* a sealed server cannot ask for it */
static struct rusage status_marked;

static int open_for(const char *option, const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		fprintf(stderr, "swapserver: %s %s: %s\n", option, path,
			strerror(errno));
	return fd;
}

int status_open(const char *status_path, const char *ready_path)
{
	status_pid = getpid();
	if (status_path && !strcmp(status_path, "-"))
		status_fd = STDOUT_FILENO;
	else if (status_path)
		status_fd = open_for("--status", status_path, O_APPEND);
	if (ready_path)
		ready_fd = open_for("--ready", ready_path, O_TRUNC);
	return (status_path && status_fd < 0) || (ready_path && ready_fd < 0) ?
	       -1 : 0;
}

int status_descriptor(void)
{
	return status_fd;
}

void status_inherit(int fd)
{
	status_pid = getpid();
	status_fd = fd;
}

/* All of a text, or -1 and errno. */
static int write_all(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t put = write(fd, text, bytes);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		text += put;
		bytes -= put;
	}
	return 0;
}

static size_t ready_line(char *line, size_t bytes, const struct server *s,
			 const struct protections *prot,
			 const struct status_who *who)
{
	char store_id[STOREID_TEXT_BYTES];
	size_t used;
	int i;

	storeid_write(store_id, s->backend.store_id);
	used = snprintf(line, bytes,
			"{\"event\":\"server\",\"pid\":%d,\"role\":\"%s\",\"slot\":%d,\"backend\":\"%s\",\"store_id\":\"%s\",\"size_bytes\":%llu,\"batch\":%u,\"lanes\":%d,\"allocates\":%s,\"protections\":{",
			status_pid, who->role, who->slot, s->backend.ops->name,
			store_id, (unsigned long long)s->backend.size_bytes,
			s->batch, s->nr_lanes, s->allocate ? "true" : "false");
	for (i = 0; i < PROTECT_COUNT; i++)
		used += snprintf(line + used, bytes - used, "%s\"%s\":%s",
				 i ? "," : "", protect_names[i],
				 prot->p[i].on ? "true" : "false");
	used += snprintf(line + used, bytes - used, "},\"seen\":{");
	for (i = 0; i < PROTECT_COUNT; i++)
		used += snprintf(line + used, bytes - used, "%s\"%s\":\"%s\"",
				 i ? "," : "", protect_names[i],
				 prot->p[i].seen);
	used += snprintf(line + used, bytes - used, "}}\n");
	return used;
}

int status_server(const struct server *s, const struct protections *prot,
		  const struct status_who *who)
{
	/* Room for all names and all that was seen, each bounded. */
	char line[4096];
	size_t bytes = ready_line(line, sizeof(line), s, prot, who);
	int err = 0;

	/* Whole or not at all: what it goes to may need memory for it. */
	while (status_fd >= 0) {
		err = write_all(status_fd, line, bytes);
		if (!err || (errno != ENOMEM && errno != ENOBUFS) ||
		    !patience("memory to tell the status"))
			break;
	}
	if (err) {
		fprintf(stderr, "swapserver: --status: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

int status_ready(void)
{
	if (ready_fd >= 0 && write_all(ready_fd, "ready\n", 6)) {
		fprintf(stderr, "swapserver: --ready: %s\n", strerror(errno));
		return -1;
	}
	return 0;
}

void status_say(const char *text)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	if (poll(&out, 1, 0) == 1 && out.revents == POLLOUT &&
	    write(STDERR_FILENO, text, strlen(text)) < 0)
		return;		/* nobody to tell */
}

void status_mark(void)
{
	getrusage(RUSAGE_SELF, &status_marked);
}

void status_end(const struct server *s, int err)
{
	struct rusage now;
	char line[400];
	int used;

	if (status_fd < 0)
		return;
	getrusage(RUSAGE_SELF, &now);
	/* Integers and one word only: this snprintf neither locks nor allocates. */
	used = snprintf(line, sizeof(line),
			"{\"event\":\"server-end\",\"error\":%d,\"major_faults\":%ld,\"minor_faults\":%ld,\"absent\":%llu,\"stale\":%llu,\"held\":%llu}\n",
			err, now.ru_majflt - status_marked.ru_majflt,
			now.ru_minflt - status_marked.ru_minflt,
			s->client.nr_absent, s->client.nr_stale,
			s->nr_held);
	write_all(status_fd, line, used);
}
