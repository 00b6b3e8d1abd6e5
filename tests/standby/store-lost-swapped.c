// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will swap on a store in memory, kill -9 the server, and then go the
 * way out that the manual page describes: with no_server=fail the swapoff comes
 * to its end, whoever needs a page that is lost dies of SIGBUS, nobody else
 * does, and the device serves again from a new store.
 *
 * Where it stands: process > page > swap > bio > queue > [policy].
 *
 * time: 90
 * busted: env=T_TWIN=waits
 * expected-log: Read-error on swap-device|I/O error
 * invariant: I9 I14
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t_disk.h"
#include "sb.h"

#define MEMORY	(4 * T_MIB)
#define LINE	"--size 16M /dev/abctl0 ram"

struct shared {
	volatile bool out, touch;
};

#define GROUP	"/tmp/group/user"

/*
 * What has been written out stays in the swap cache, and needs no server, until
 * somebody wants the page.  A group of its own, since what this test runs in
 * must not be swapped out, too.
 */
static bool all_out(void *memory)
{
	unsigned char there[MEMORY / T_PAGE];
	size_t i;

	/* It may find less than that. */
	t_attr_set("8M", GROUP "/memory.reclaim");
	T_OK(T_RET(mincore(memory, MEMORY, there)));
	for (i = 0; i < sizeof(there) && !(there[i] & 1); i++)
		;
	return i == sizeof(there);
}

static void make_group(void)
{
	T_OK(T_RET(mkdir("/tmp/group", 0777)));
	T_OK(T_RET(mount("none", "/tmp/group", "cgroup2", 0, "")));
	T_OK(t_attr_set("+memory", "/tmp/group/cgroup.subtree_control"));
	T_OK(T_RET(mkdir(GROUP, 0777)));
}

/* Its memory is swapped out; told to, it needs a page of it. */
static pid_t user(struct shared *s)
{
	volatile char *memory;
	uint64_t i;
	pid_t pid = t_fork(false);

	if (pid)
		return pid;
	T_OK(t_attr_set("0", GROUP "/cgroup.procs"));
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < MEMORY; i++)
		memory[i] = (char)(i * 7 + i / T_PAGE);
	T_UNTIL(all_out((void *)memory));
	s->out = true;
	while (!s->touch)
		usleep(1000);
	for (i = 0; i < MEMORY; i += T_PAGE)
		if (memory[i] != (char)(i * 7 + i / T_PAGE))
			_exit(1);
	_exit(0);
}

int main(void)
{
	struct shared *s = t_shared(sizeof(*s));
	pid_t loser, off;
	struct sb sb;
	int status;

	t_init(80);
	sb = sb_start("", LINE, 0);
	t_mkswap(0);
	T_OK(t_swapon(0));
	make_group();
	loser = user(s);
	T_UNTIL(s->out);
	t_kill(sb.s.pid, SIGKILL);

	off = t_fork(false);
	if (!off) {
		T_OK(t_swapoff(0));
		_exit(0);
	}
	T_UNTIL(t_counters(sb.ctl).ab_nr_queued);
	T_TRUE(!t_ended(off), "swapoff: expected it to wait, found it ended");
	T_OK(t_attr_set(t_twin("waits") ? "wait" : "fail", T_ABUSE, 0,
			"no_server"));
	T_EQ(t_reap(off), 0);
	T_TRUE(!t_ended(loser), "whoever has lost a page: expected it to live until it needs it, found it ended");
	s->touch = true;
	status = t_reap(loser);
	T_OK(T_RET(rmdir(GROUP)));
	T_OK(T_RET(umount("/tmp/group")));
	T_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS,
	       "whoever needs a lost page: expected SIGBUS, found status 0x%x",
	       status);

	T_OK(t_attr_set("wait", T_ABUSE, 0, "no_server"));
	T_UNTIL(!t_counters(sb.ctl).ab_nr_opens);
	t_ctl_close(sb.ctl);
	sb = sb_start("", "--anew " LINE, 0);
	T_EQ(t_result(t_submit(0, T_WRITE, 0, T_PAGE, 0)), T_PAGE);
	T_UNTIL(!t_counters(sb.ctl).ab_nr_opens);
	sb_end(&sb);
	T_OK(t_ioctl(sb.ctl, ABUSE_RESET, NULL));
	t_ctl_close(sb.ctl);
	return t_end();
}
