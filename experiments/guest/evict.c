// SPDX-License-Identifier: GPL-2.0-only
/*
 * evict.c - takes a process's pages out of memory, then reads its device once
 *
 * Where it stands: [evict] > reclaim > swap > device > server.  The cheapest
 * trigger there is: no pressure, the server's own pages on its own device, and
 * one request that it has to answer.  A server that is locked does not notice.
 * One pass is not enough, for pages stay in the swap cache until they are
 * written and asked for again.
 *
 * Beside the server a child that nothing protects is evicted in the same way:
 * if its memory stays, nobody's went, and the run proves nothing.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <inttypes.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "locked.h"

#define PAGE_BYTES	4096
#define PASS_MS		1000
#define DECOY_BYTES	(4 * 1024 * 1024)
/* Areas of a process; more are left alone. */
#define AREAS_MAX	512

static struct iovec areas[AREAS_MAX];
static char maps_text[65536];
static char page[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));

/* Resident memory of a process in KiB; 0: not known. */
static uint64_t resident_kb(pid_t pid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return text_read(path, text, sizeof(text)) ?
		       text_number(text, "VmRSS:") : 0;
}

static int areas_find(pid_t pid)
{
	char path[64], *line = maps_text;
	size_t len = 0;
	ssize_t got;
	int fd, nr = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (len < sizeof(maps_text) - 1 &&
	       (got = read(fd, maps_text + len, sizeof(maps_text) - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	maps_text[len] = '\0';
	while (nr < AREAS_MAX && line && *line) {
		uintptr_t start, end;

		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2 &&
		    !strstr(strtok(line, "\n"), "[v")) {
			areas[nr].iov_base = (void *)start;
			areas[nr++].iov_len = end - start;
		}
		line += strlen(line) + 1;
	}
	return nr;
}

/* One pass; bytes that were advised, or -errno if none were. */
static int64_t evict(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), err = 0;
	int nr = areas_find(pid);
	int64_t bytes = 0;

	if (pidfd < 0 || nr < 0)
		return pidfd < 0 ? -errno : nr;
	/* One by one: a locked area refuses, and is no reason to stop. */
	for (int i = 0; i < nr; i++) {
		ssize_t n = syscall(SYS_process_madvise, pidfd, &areas[i], 1,
				    MADV_PAGEOUT, 0);

		if (n > 0)
			bytes += n;
		else
			err = errno;
	}
	close(pidfd);
	/* Of a server that is locked everywhere nothing is left to advise. */
	return bytes || err == EINVAL ? bytes : -err;
}

static pid_t decoy_start(void)
{
	pid_t pid = fork();

	if (!pid) {
		char *memory = malloc(DECOY_BYTES);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Not of zeroes, which 6.12 does not write. */
		for (size_t i = 0; memory && i < DECOY_BYTES; i += 512)
			memory[i] = (char)(i / 512 + 1);
		for (;;)
			pause();
	}
	return pid;
}

static int device_read(const char *device)
{
	int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, page, sizeof(page), 0) != (ssize_t)sizeof(page))
		err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

static void usage(FILE *to)
{
	fprintf(to,
		"usage: evict --pid N --device PATH [options]\n"
		"Page a process out, then read its device.\n"
		"  -p, --pid N          the server; may be repeated\n"
		"  -d, --device PATH    what it serves\n"
		"  -n, --passes N       times a second apart (3)\n"
		"  -r, --report PATH    where the line goes (/dev/port/result)\n"
		"  -t, --trial          on a desk: go on where it cannot be locked\n"
		"  -h, --help\n"
		"Exit status: 0 the device answered; 1 it failed; 2 it could not start.\n");
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "pid", required_argument, NULL, 'p' },
		{ "device", required_argument, NULL, 'd' },
		{ "passes", required_argument, NULL, 'n' },
		{ "report", required_argument, NULL, 'r' },
		{ "trial", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *device = NULL, *report = "/dev/port/result", *why = "";
	pid_t pids[64], decoy;
	uint64_t before_kb = 0, after_kb = 0, decoy_before_kb, decoy_after_kb;
	int64_t advised = 0;
	unsigned long passes = 3;
	int nr = 0, c, err;

	while ((c = getopt_long(argc, argv, "p:d:n:r:th", names, NULL)) >= 0) {
		switch (c) {
		case 'p':
			if (nr < 64)
				pids[nr++] = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 'd':
			device = optarg;
			break;
		case 'n':
			passes = strtoul(optarg, NULL, 10);
			break;
		case 'r':
			report = optarg;
			break;
		case 't':
			locked_trial = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			usage(stderr);
			return 2;
		}
	}
	if (optind < argc || !nr || !device) {
		usage(stderr);
		return 2;
	}
	decoy = decoy_start();
	if (decoy < 0 || !locked_take("evict", -1))
		return 2;
	pause_ms(PASS_MS);
	decoy_before_kb = resident_kb(decoy);
	for (int i = 0; i < nr; i++)
		before_kb += resident_kb(pids[i]);
	for (unsigned long pass = 0; pass < passes; pass++) {
		uint64_t start_ms = now_ms();

		evict(decoy);
		for (int i = 0; i < nr; i++) {
			int64_t bytes = evict(pids[i]);

			if (bytes < 0)
				why = strerror((int)-bytes);
			else
				advised += bytes;
		}
		while (now_ms() < start_ms + PASS_MS)
			pause_ms(PASS_MS / 10);
	}
	decoy_after_kb = resident_kb(decoy);
	for (int i = 0; i < nr; i++)
		after_kb += resident_kb(pids[i]);
	/* Where the server needs a page of its own, this is the last of us. */
	err = device_read(device);
	if (err)
		why = strerror(-err);
	kill(decoy, SIGKILL);
	report_send(report_open(report),
		    "{\"event\":\"evict\",\"ok\":%s,\"why\":\"%s\",\"passes\":%lu,\"advised_bytes\":%lld,\"before_kb\":%llu,\"after_kb\":%llu,\"decoy_before_kb\":%llu,\"decoy_after_kb\":%llu}",
		    *why ? "false" : "true", why, passes, (long long)advised,
		    (unsigned long long)before_kb, (unsigned long long)after_kb,
		    (unsigned long long)decoy_before_kb,
		    (unsigned long long)decoy_after_kb);
	return *why ? 1 : 0;
}
