// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will let servers go in every way there is, each with requests in
 * its hands: these are QUEUED again, ahead of the others and in their order,
 * as soon as the server has gone, and not while it is still there.
 *
 * Where it stands: bio > queue > ioctl > [server].
 *
 * time: 60
 * busted: module=lose-on-release
 * busted: module=requeue-behind
 * busted: module=any-close
 * invariant: I1 I4
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "t_block.h"

#define NR	5
#define NR_HELD	3

/* Between the test and the server that it lets go. */
struct puppet {
	volatile bool holds;
	volatile bool go;
	volatile bool went_on;	/* has done so, and is there */
	volatile pid_t child;	/* has the file, too */
};

static struct puppet *p;
static struct t_io *ios[NR];
static int ctl;

static void __attribute__((noreturn)) sit(void)
{
	for (;;)
		pause();
}

static int hold(void)
{
	struct abuse_lent lent[NR_HELD];
	int mine = t_ctl_open(0);

	T_EQ(t_lend(mine, lent, NR_HELD), NR_HELD);
	p->holds = true;
	while (!p->go)
		t_pause();
	return mine;
}

static void by_close(void)
{
	t_ctl_close(hold());
	sit();
}

/* One of two descriptors: it has the file still. */
static void by_dup(void)
{
	close(dup(hold()));
	p->went_on = true;
	sit();
}

static void by_dup2(void)
{
	int mine = hold();

	/* Another file takes its place: a close by another name. */
	dup2(T_OK(T_RET(open("/dev/null", O_RDWR | O_CLOEXEC))), mine);
	sit();
}

static void by_exit(void)
{
	hold();
	_exit(0);
}

static void by_crash(void)
{
	const struct rlimit none = { 0 };

	setrlimit(RLIMIT_CORE, &none);
	hold();
	raise(SIGSEGV);
}

static void by_wait(void)
{
	hold();
	sit();
}

/* The file is closed by the exec, the process goes on. */
static void by_exec(void)
{
	hold();
	execl("/proc/self/exe", "owner", "sit", NULL);
	_exit(98);
}

/* The file stays open over the exec: nothing has gone. */
static void by_exec_open(void)
{
	int mine = hold();

	fcntl(mine, F_SETFD, 0);
	execl("/proc/self/exe", "owner", "sit", NULL);
	_exit(98);
}

/* A child of the server keeps the open file, and lives on. */
static void by_exit_shared(void)
{
	pid_t pid;

	hold();
	pid = t_fork(true);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		p->child = getpid();
		alarm(20);
		sit();
	}
	while (!p->child)
		t_pause();
	_exit(0);
}

static void *other_thread(void *arg)
{
	(void)arg;
	sit();
}

/* The first thread ends, the process does not. */
static void by_leader(void)
{
	pthread_t thread;

	hold();
	T_OK(-pthread_create(&thread, NULL, other_thread, NULL));
	pthread_exit(NULL);
}

static const struct way {
	const char *name;
	void (*server)(void);
	bool stays;		/* having gone on, it has all it was lent */
	int signal;		/* what ends it, 0: by itself */
} ways[] = {
	{ "close", by_close, false, 0 },
	{ "close of a duplicate", by_dup, true, SIGKILL },
	{ "dup2 over it", by_dup2, false, 0 },
	{ "exit", by_exit, false, 0 },
	{ "crash", by_crash, false, 0 },
	{ "SIGKILL", by_wait, false, SIGKILL },
	{ "SIGTERM", by_wait, false, SIGTERM },
	{ "exec, close-on-exec", by_exec, false, 0 },
	{ "exec, file open", by_exec_open, true, SIGKILL },
	{ "exit, a child has the file", by_exit_shared, false, 0 },
	{ "the first thread ends", by_leader, true, SIGKILL },
};

/* All are QUEUED in their order; left as they were found. */
static void check_order(const char *how)
{
	struct abuse_lent lent[NR];
	int i;

	i = t_lend(ctl, lent, NR);
	T_TRUE(i == NR, "%s: requests QUEUED: expected %d, found %d", how, NR, i);
	for (i = 0; i < NR; i++)
		T_TRUE(lent[i].ab_sector == i * T_PAGE / 512, "%s: request %d of the queue: expected sector %d, found %llu",
		       how, i, i * T_PAGE / 512, lent[i].ab_sector);
	for (i = 0; i < NR_HELD; i++)
		T_EQ(lent[i].ab_flags & ABUSE_LENT_AGAIN, ABUSE_LENT_AGAIN);
	/* From the last to the first, each ahead: the same order again. */
	for (i = NR - 1; i >= 0; i--)
		T_OK(t_requeue(ctl, lent[i].ab_id));
}

/* It says so, or its first thread is a zombie, or its name is another. */
static bool has_gone_on(pid_t pid)
{
	return p->went_on || t_state(pid) == 'Z' ||
	       !strcmp(t_read_text("/proc/%d/cmdline", pid), "owner");
}

static void one(const struct way *way)
{
	uint64_t requeued = t_counters(ctl).ab_requeued;
	uint32_t nr_servers = t_counters(ctl).ab_nr_servers;
	pid_t pid;

	memset(p, 0, sizeof(*p));
	pid = t_fork(false);
	if (!pid) {
		way->server();
		_exit(97);
	}
	T_UNTIL(p->holds || t_ended(pid));
	T_EQ(t_counters(ctl).ab_nr_lent, NR_HELD);
	T_EQ(t_counters(ctl).ab_nr_servers, nr_servers + 1);
	p->go = true;
	if (way->stays) {
		T_UNTIL(has_gone_on(pid));
		T_EQ(t_counters(ctl).ab_nr_lent, NR_HELD);
		T_EQ(t_counters(ctl).ab_requeued, requeued);
	}
	if (way->signal)
		T_OK(T_RET(kill(pid, way->signal)));
	T_UNTIL(t_counters(ctl).ab_nr_lent == 0);
	T_EQ(t_counters(ctl).ab_nr_queued, NR);
	T_EQ(t_counters(ctl).ab_requeued, requeued + NR_HELD);
	T_EQ(t_counters(ctl).ab_nr_servers, nr_servers);
	T_EQ(t_counters(ctl).ab_ended, 0);
	check_order(way->name);
	if (p->child)
		T_OK(T_RET(kill(p->child, SIGKILL)));
	if (!t_ended(pid))
		kill(pid, SIGKILL);
	t_reap(pid);
}

int main(int argc, char **argv)
{
	struct abuse_lent lent;
	size_t i;

	if (argc > 1 && !strcmp(argv[1], "sit")) {
		alarm(20);
		sit();
	}
	t_init(55);
	p = t_shared(sizeof(*p));
	ctl = t_ctl_open(0);
	t_configure(ctl, T_MIB, 16, 0);
	t_go_live(ctl);
	/* That many die here: no request is to be suspected for it. */
	t_policy(0, "max_owners", "0");
	for (i = 0; i < NR; i++)
		ios[i] = t_submit_accepted(ctl, 0, T_WRITE, i * T_PAGE, T_PAGE,
					   0);
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		one(&ways[i]);
	for (i = 0; i < NR; i++) {
		T_TRUE(!ios[i]->done, "I/O %zu: expected to wait, found it ended",
		       i);
		lent = t_lend_one(ctl);
		t_answer(ctl, &lent);
		T_EQ(t_result(ios[i]), T_PAGE);
	}
	T_EQ(t_counters(ctl).ab_ended, NR);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	return t_end();
}
