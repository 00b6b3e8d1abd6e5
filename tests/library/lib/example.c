// SPDX-License-Identifier: GPL-2.0-only
/*
 * example.c - an example of swapserver/examples inside the test that runs it
 *
 * Where it stands: bio > queue > ioctl > [server].
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "example.h"

#define WORDS_PATH	"/tmp/example.words"
#define ARGS_MAX	16

static pid_t run(const struct example *example, const char *arguments)
{
	size_t bytes = example->end - example->begin;
	char *argv[ARGS_MAX] = { (char *)example->name }, *copy;
	pid_t pid = t_fork(false);
	int fd, nr = 1;

	if (pid)
		return pid;
	copy = strdup(arguments);
	while (nr < ARGS_MAX - 1 && (argv[nr] = strsep(&copy, " ")))
		nr++;
	argv[nr] = NULL;
	fd = open(WORDS_PATH, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	fd = memfd_create(example->name, MFD_CLOEXEC);
	if (fd < 0 || write(fd, example->begin, bytes) != (ssize_t)bytes)
		_exit(126);
	fexecve(fd, argv, (char *[]){ NULL });
	_exit(127);
}

const char *example_words(void)
{
	return t_read_text(WORDS_PATH);
}

pid_t example_start(int ctl, const struct example *example,
		    const char *arguments)
{
	pid_t pid = run(example, arguments);

	T_UNTIL(t_ended(pid) || t_counters(ctl).ab_nr_servers == 1);
	T_TRUE(!t_ended(pid), "%s: expected to serve, found it ended: %s",
	       example->name, example_words());
	t_server_await(ctl, 1);
	return pid;
}

void example_kill(int ctl, pid_t pid)
{
	t_kill(pid, SIGKILL);
	t_server_await(ctl, 0);
}

void example_end(int ctl, pid_t pid)
{
	example_kill(ctl, pid);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	t_ctl_close(ctl);
}

int example_fails(const struct example *example, const char *arguments)
{
	int status = t_reap(run(example, arguments));

	T_TRUE(WIFEXITED(status), "%s: expected an exit status, found signal %d",
	       example->name, WTERMSIG(status));
	return WEXITSTATUS(status);
}

long example_io(int number, enum t_op op, void *data, uint64_t offset_bytes,
		uint32_t len_bytes)
{
	volatile long *result = t_shared(T_PAGE);
	long ret;
	pid_t pid;
	int blk;

	if (op == T_READ)
		memset(data, 0x5a, len_bytes);
	pid = t_fork(false);
	if (!pid) {
		blk = t_blk_open(number, O_RDWR | O_DIRECT);
		T_OK(blk);
		*result = op == T_READ ?
			  T_RET(pread(blk, data, len_bytes, offset_bytes)) :
			  T_RET(pwrite(blk, data, len_bytes, offset_bytes));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	ret = *result;
	munmap((void *)result, T_PAGE);
	return ret;
}

int example_range(int number, unsigned long cmd, uint64_t offset_bytes,
		  uint64_t len_bytes)
{
	const uint64_t range[2] = { offset_bytes, len_bytes };
	volatile int *result = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	int blk, ret;

	if (!pid) {
		blk = t_blk_open(number, O_RDWR);
		T_OK(blk);
		*result = T_RET(ioctl(blk, cmd, range));
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
	ret = *result;
	munmap((void *)result, T_PAGE);
	return ret;
}

void example_zeroes(const void *data, uint32_t len_bytes)
{
	const unsigned char *p = data;
	uint32_t i;

	for (i = 0; i < len_bytes; i++)
		T_TRUE(!p[i], "byte %u of %u: expected 0, found 0x%x", i,
		       len_bytes, p[i]);
}
