// SPDX-License-Identifier: GPL-2.0-only
/*
 * sec.c - what the tests of security share
 *
 * Where it stands: [test] > an ordinary user's process > /dev/abctlN.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sec.h"

#define FOLDER "/tmp/sec"
#define ARGS_MAX 40
#define VICTIM_BYTES (4 * T_MIB)
/* A page just written stays in the swap cache for a while. */
#define PASSES_MAX 20

struct sec_limits sec_limits = { .locked_bytes = 65536 };

/* ----------------------------------------------------------- capabilities */

static const struct {
	const char *name;
	int which;
} names[] = {
	{ "CAP_IPC_LOCK", CAP_IPC_LOCK },
	{ "CAP_SYS_NICE", CAP_SYS_NICE },
	{ "CAP_SYS_RESOURCE", CAP_SYS_RESOURCE },
	{ "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
	{ "CAP_SYS_PTRACE", CAP_SYS_PTRACE },
};
#define NR_NAMES (sizeof(names) / sizeof(names[0]))

uint64_t sec_caps_all(void)
{
	int last = atoi(t_read_text("/proc/sys/kernel/cap_last_cap"));

	return (2ull << last) - 1;
}

const char *sec_cap_name(int which)
{
	size_t i;

	for (i = 0; i < NR_NAMES; i++)
		if (names[i].which == which)
			return names[i].name;
	return "?";
}

uint64_t sec_caps_of_env(const char *variable)
{
	const char *text = getenv(variable);
	size_t i;

	for (i = 0; text && i < NR_NAMES; i++)
		if (!strcmp(text, names[i].name))
			return SEC_CAP(names[i].which);
	return 0;
}

static void set_caps(uint64_t caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];
	int i;

	for (i = 0; i < 2; i++)
		data[i].permitted = data[i].effective = data[i].inheritable =
			(uint32_t)(caps >> 32 * i);
	T_OK(T_RET(syscall(SYS_capset, &header, data)));
}

static void set_oom_score(const char *score)
{
	int fd = T_OK(T_RET(open("/proc/self/oom_score_adj", O_WRONLY)));

	T_EQ(T_RET(write(fd, score, strlen(score))), strlen(score));
	close(fd);
}

void sec_become(uint64_t caps)
{
	const struct rlimit locked = { sec_limits.locked_bytes,
				       sec_limits.locked_bytes };
	const struct rlimit priority = { sec_limits.rt_priority,
					 sec_limits.rt_priority };
	uint64_t all = sec_caps_all();
	int i;

	for (i = 0; i < 64; i++)
		if (all & ~caps & SEC_CAP(i))
			T_OK(T_RET(prctl(PR_CAPBSET_DROP, i, 0, 0, 0)));
	T_OK(T_RET(setrlimit(RLIMIT_MEMLOCK, &locked)));
	T_OK(T_RET(setrlimit(RLIMIT_RTPRIO, &priority)));
	set_oom_score(sec_limits.oom_exempt ? "-1000" : "0");
	T_OK(T_RET(prctl(PR_SET_KEEPCAPS, 1)));
	T_OK(T_RET(setgroups(0, NULL)));
	T_OK(T_RET(setresgid(SEC_UID, SEC_UID, SEC_UID)));
	T_OK(T_RET(setresuid(SEC_UID, SEC_UID, SEC_UID)));
	set_caps(caps);
	for (i = 0; i < 64; i++)
		if (caps & SEC_CAP(i))
			T_OK(T_RET(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE,
					 i, 0, 0)));
	/* What changing the user has taken away. */
	T_OK(T_RET(prctl(PR_SET_PDEATHSIG, SIGKILL)));
	T_OK(T_RET(prctl(PR_SET_DUMPABLE, 1)));
}

static uint64_t status_number(pid_t pid, const char *name, int base)
{
	const char *p = strstr(t_read_text("/proc/%d/status", pid), name);

	T_TRUE(p, "status of %d: expected %s, found none", pid, name + 1);
	return strtoull(p + strlen(name), NULL, base);
}

struct sec_task sec_task_of(pid_t pid)
{
	return (struct sec_task){
		.uid = status_number(pid, "\nUid:", 10),
		.inheritable = status_number(pid, "\nCapInh:", 16),
		.permitted = status_number(pid, "\nCapPrm:", 16),
		.effective = status_number(pid, "\nCapEff:", 16),
		.ambient = status_number(pid, "\nCapAmb:", 16),
		.no_new_privs = status_number(pid, "\nNoNewPrivs:", 10),
		.seccomp = status_number(pid, "\nSeccomp:", 10),
	};
}

void sec_has_caps(pid_t pid, const char *who, uint64_t caps)
{
	struct sec_task t = sec_task_of(pid);

	T_TRUE(t.permitted == caps && t.effective == caps &&
		       t.inheritable == caps && t.ambient == caps,
	       "%s, pid %d: expected the capabilities 0x%llx in all sets, found permitted 0x%llx, effective 0x%llx, inheritable 0x%llx, ambient 0x%llx",
	       who, pid, (unsigned long long)caps,
	       (unsigned long long)t.permitted, (unsigned long long)t.effective,
	       (unsigned long long)t.inheritable,
	       (unsigned long long)t.ambient);
}

/* ----------------------------------------------------------------- server */

void sec_give_nodes(uint32_t uid)
{
	static const char *const nodes[] = { "/dev/abctl0", "/dev/abuse0",
					     "/dev/store" };
	size_t i;

	for (i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		T_OK(T_RET(chown(nodes[i], uid, uid)));
	mkdir("/run", 0755);
	mkdir("/run/abuse", 0755);
	T_OK(T_RET(chown("/run/abuse", uid, uid)));
}

static void __attribute__((noreturn)) exec_server(char *line, uint64_t caps)
{
	char *argv[ARGS_MAX + 1], *word;
	int nr = 0;

	for (word = strtok(line, " "); word && nr < ARGS_MAX;
	     word = strtok(NULL, " "))
		argv[nr++] = word;
	argv[nr] = NULL;
	sec_become(caps);
	execv("/bin/swapserver", argv);
	_exit(127);
}

struct t_swapserver sec_server_run(uint64_t caps, const char *arguments)
{
	const char *flags = getenv("SERVER_FLAGS");
	static int number;
	struct t_swapserver s;
	char line[1000];
	int fd;

	number++;
	mkdir("/tmp", 0755);
	mkdir(FOLDER, 0755);
	T_OK(T_RET(chown(FOLDER, SEC_UID, SEC_UID)));
	T_OK(asprintf(&s.status, FOLDER "/%d.%d.status", getpid(), number));
	T_OK(asprintf(&s.errors, FOLDER "/%d.%d.errors", getpid(), number));
	snprintf(line, sizeof(line),
		 "swapserver --status %s --ready %s.ready %s %s", s.status,
		 s.status, flags ? flags : "", arguments);
	s.pid = t_fork(false);
	if (s.pid)
		return s;
	fd = open(s.errors, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(126);
	exec_server(line, caps);
}

void sec_server_await(const struct t_swapserver *s)
{
	T_UNTIL(t_ended(s->pid) || (t_swapserver_ready(s) && t_is_live(0)));
	T_TRUE(!t_ended(s->pid),
	       "swapserver: expected it to serve, found it ended: %s",
	       t_read_text("%s", s->errors));
}

void sec_reset(void)
{
	const struct abuse_scope none = { .ab_target = ABUSE_SCOPE_DEVICE };
	int ctl = t_ctl_open(0);

	/* Whoever closes the disk last may just be about to. */
	T_UNTIL(t_ioctl(ctl, ABUSE_RESET, NULL) != -EBUSY);
	T_OK(t_ioctl(ctl, ABUSE_SET_SCOPE, &none));
	t_ctl_close(ctl);
}

/* ------------------------------------------------------------------- swap */

static void wake(int sig)
{
	(void)sig;
}

static pid_t victim_start(volatile int *go)
{
	const struct sigaction action = { .sa_handler = wake };
	pid_t pid = t_fork(false);
	char *memory;

	if (pid)
		return pid;
	sigaction(SIGUSR1, &action, NULL);
	memory = mmap(NULL, VICTIM_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(2);
	t_stamp(memory, 0, VICTIM_BYTES, 11);
	go[0] = 1;
	while (!go[1])
		usleep(1000);
	t_stamp_check(memory, 0, VICTIM_BYTES, 11);
	_exit(0);
}

/* From a process of its own, which waits with everybody if nobody serves. */
static void evict(pid_t victim)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		t_evict(victim);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

void sec_swap_and_verify(void)
{
	volatile int *go = t_shared(T_PAGE);
	uint64_t written, want_kb = VICTIM_BYTES / 1024 / 2;
	int ctl = t_ctl_open(0), pass;
	pid_t victim = victim_start(go);

	written = t_counters(ctl).ab_write_bytes;
	T_UNTIL(go[0]);
	for (pass = 0; pass < PASSES_MAX; pass++) {
		evict(victim);
		if (t_swapped_kb(victim) >= want_kb)
			break;
		usleep(200000);
	}
	T_TRUE(t_swapped_kb(victim) >= want_kb,
	       "a process: expected %llu kB of it swapped out, found %llu kB",
	       (unsigned long long)want_kb,
	       (unsigned long long)t_swapped_kb(victim));
	T_TRUE(t_counters(ctl).ab_write_bytes - written >= want_kb * 1024,
	       "the device: expected %llu kB written, found %llu bytes",
	       (unsigned long long)want_kb,
	       t_counters(ctl).ab_write_bytes - written);
	t_ctl_close(ctl);
	go[1] = 1;
	T_EQ(t_reap(victim), 0);
}

/* ------------------------------------------------------------------ files */

void sec_walk(const char *folder, void (*each)(const char *path))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[512];
	struct stat st;

	T_TRUE(dir, "%s: %s", folder, strerror(errno));
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", folder,
			     entry->d_name) >= (int)sizeof(path))
			T_FAIL("%s: expected a shorter path", folder);
		/* Links lead to what is not ours, and back. */
		if (lstat(path, &st) || S_ISLNK(st.st_mode))
			continue;
		if (S_ISDIR(st.st_mode))
			sec_walk(path, each);
		else
			each(path);
	}
	closedir(dir);
}
