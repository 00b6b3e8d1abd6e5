// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_swap.c - /bin/swapserver and swap areas, for tests
 *
 * Where it stands: [test] > swapserver > /dev/abctlN.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define ARGS_MAX 40

static void exec_swapserver(char *line, const char *errors)
{
	char *argv[ARGS_MAX + 1];
	int nr = 0, fd;
	char *word;

	for (word = strtok(line, " "); word && nr < ARGS_MAX;
	     word = strtok(NULL, " "))
		argv[nr++] = word;
	argv[nr] = NULL;
	fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	execv("/bin/swapserver", argv);
	_exit(127);
}

static struct t_swapserver start(const char *flags, const char *arguments)
{
	static int number;
	struct t_swapserver s;
	char line[1000], *ready;

	number++;
	T_OK(asprintf(&s.status, "/tmp/swapserver.%d.%d.status", getpid(),
		      number));
	T_OK(asprintf(&s.errors, "/tmp/swapserver.%d.%d.errors", getpid(),
		      number));
	T_OK(asprintf(&ready, "%s.ready", s.status));
	mkdir("/tmp", 0777);
	unlink(s.status);
	unlink(ready);
	snprintf(line, sizeof(line), "swapserver --status %s --ready %s %s %s",
		 s.status, ready, flags, arguments);
	free(ready);
	s.pid = t_fork(false);
	if (!s.pid)
		exec_swapserver(line, s.errors);
	return s;
}

bool t_swapserver_ready(const struct t_swapserver *s)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s.ready", s->status);
	return !stat(path, &st) && st.st_size;
}

bool t_is_live(int number)
{
	return atoll(t_read_text("/sys/block/abuse%d/size", number)) > 0;
}

struct t_swapserver t_swapserver_run(const char *arguments)
{
	return start("", arguments);
}

struct t_swapserver t_swapserver_start(const char *arguments)
{
	const char *flags = getenv("SERVER_FLAGS");
	struct t_swapserver s = start(flags ? flags : "", arguments);

	T_UNTIL(t_ended(s.pid) || t_swapserver_ready(&s));
	T_TRUE(!t_ended(s.pid), "swapserver did not start: %s",
	       t_read_text("%s", s.errors));
	/* That ready means so at once is what server/ready-means-live tests. */
	T_UNTIL(t_ended(s.pid) || t_is_live(0));
	return s;
}

void t_mkswap(int number)
{
	static char page[T_PAGE] __attribute__((aligned(4096)));
	unsigned long long bytes = 0;
	uint32_t version = 1, last_page;
	int fd = t_blk_open(number, O_RDWR | O_DIRECT);

	T_OK(fd);
	T_OK(t_ioctl(fd, BLKGETSIZE64, &bytes));
	last_page = bytes / T_PAGE - 1;
	memset(page, 0, sizeof(page));
	/* union swap_header of include/linux/swap.h */
	memcpy(page + 1024, &version, 4);
	memcpy(page + 1028, &last_page, 4);
	memcpy(page + T_PAGE - 10, "SWAPSPACE2", 10);
	if (pwrite(fd, page, sizeof(page), 0) != sizeof(page))
		T_FAIL("writing the swap header: %s", strerror(errno));
	close(fd);
}

int t_swapon(int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/abuse%d", number);
	return swapon(path, 0) ? -errno : 0;
}

int t_swapoff(int number)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/abuse%d", number);
	return swapoff(path) ? -errno : 0;
}

/* An area of /proc/PID/maps whose pages may be in swap. */
static bool evictable(const char *line)
{
	char perms[5], path[100] = "";

	if (sscanf(line, "%*s %4s %*s %*s %*s %99s", perms, path) < 1)
		return false;
	/* Not the kernel's own; and of files only private copies. */
	return strncmp(path, "[v", 2) && (perms[1] == 'w' || !*path);
}

uint64_t t_evict(pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	char line[500], path[40];
	uint64_t bytes = 0;
	FILE *maps;

	T_OK(T_RET(pidfd));
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	T_TRUE(maps, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), maps)) {
		unsigned long start, end;
		struct iovec area;

		if (!evictable(line) ||
		    sscanf(line, "%lx-%lx", &start, &end) != 2)
			continue;
		area.iov_base = (void *)start;
		area.iov_len = end - start;
		/* Locked areas are refused: that is what they are for. */
		if (syscall(SYS_process_madvise, pidfd, &area, 1ul,
			    MADV_PAGEOUT, 0ul) > 0)
			bytes += end - start;
	}
	fclose(maps);
	close(pidfd);
	return bytes;
}

uint64_t t_swapped_kb(pid_t pid)
{
	char line[500], path[40];
	uint64_t sum = 0;
	unsigned long kb;
	FILE *smaps;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "re");
	T_TRUE(smaps, "%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), smaps))
		if (sscanf(line, "Swap: %lu kB", &kb) == 1)
			sum += kb;
	fclose(smaps);
	return sum;
}
