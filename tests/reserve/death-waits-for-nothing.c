// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will kill a server of several threads, idle, while the kernel
 * records what they ask for: on their way out, at whose end its requests pass
 * on, is nothing for which a task without the reserve scope would wait.
 *
 * Where it stands: bio > queue > ioctl > [server] > backend.
 *
 * The first thread of a process that ends makes the record in which taskstats
 * sums up all of them, before files are closed; a process none of whose threads
 * has ended before is the control.
 *
 * time: 60
 * kernels: 6.12 6.1
 * busted: env=T_TWIN=no-forerunner
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

#define THREADS	4

static volatile struct shared {
	bool ready;
} *s;

static void *sleeps(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static pid_t control(void)
{
	pthread_t thread;
	pid_t pid;
	int i;

	s->ready = false;
	pid = t_fork(false);
	if (pid) {
		T_UNTIL(s->ready);
		return pid;
	}
	for (i = 1; i < THREADS; i++)
		T_EQ(pthread_create(&thread, NULL, sleeps, NULL), 0);
	s->ready = true;
	sleeps(NULL);
	_exit(1);
}

static int threads(pid_t pid)
{
	const char *line = strstr(t_read_text("/proc/%d/status", pid),
				  "\nThreads:");

	return line ? atoi(line + strlen("\nThreads:")) : 0;
}

static uint32_t waits_for(pid_t pid, const char **text)
{
	t_alloc_trace_waiting(pid);
	t_kill(pid, SIGKILL);
	return t_alloc_trace_stop(text);
}

int main(void)
{
	struct t_swapserver server;
	const char *text;
	uint32_t nr;

	t_init(55);
	s = t_shared(sizeof(*s));
	nr = waits_for(control(), &text);
	T_TRUE(nr && strstr(text, "taskstats_"),
	       "threads that end: expected an allocation by taskstats, found %u: %s",
	       nr, text);

	setenv("SERVER_FLAGS", "--lanes=3", 1);
	server = t_swapserver_start("--size 4M /dev/abctl0 disk,path=" T_STORE);
	T_UNTIL(t_stack_has(server.pid, "abuse_server_wait"));
	T_EQ(threads(server.pid), THREADS);
	nr = waits_for(t_twin("no-forerunner") ? control() : server.pid, &text);
	T_TRUE(!nr, "a server that is killed: expected that it waits for no memory, found %u: %s",
	       nr, text);
	return t_end();
}
