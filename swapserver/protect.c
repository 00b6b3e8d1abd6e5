// SPDX-License-Identifier: GPL-2.0-only
/*
 * protect.c - apply the protections, and read each of them back
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Called once a process, after everything is allocated and before the first request.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#include "caps.h"
#include "patience.h"
#include "protect.h"
#include "seal.h"
#include "serve.h"

/* include/linux/sched.h; facts about a task that no system call tells. */
#define PF_MEMALLOC		0x00000800UL
#define PF_MEMALLOC_NOIO	0x00080000UL
#define PF_LOCAL_THROTTLE	0x00100000UL

/* Deeper than the loop ever goes, with room for signal handlers. */
#define PROTECT_STACK_BYTES	(256 * 1024)
/* Above every ordinary task, below the kernel's own threads that need more. */
#define PROTECT_RT_PRIORITY	10

const char *const protect_names[PROTECT_COUNT] = {
	[PROTECT_CORE] = "core",
	[PROTECT_OOM] = "oom",
	[PROTECT_SCHED] = "sched",
	[PROTECT_MLOCK] = "mlock",
	[PROTECT_FLUSHER] = "flusher",
	[PROTECT_SCOPE] = "scope",
	[PROTECT_NOFAULT] = "nofault",
	[PROTECT_CAPS] = "caps",
	[PROTECT_SEALED] = "sealed",
};

const char *const protect_help[PROTECT_COUNT] = {
	[PROTECT_CORE] = "dumps no core",
	[PROTECT_OOM] = "is never chosen by the OOM killer",
	[PROTECT_SCHED] = "has a real-time priority",
	[PROTECT_MLOCK] = "has all its memory, locked, before it serves",
	[PROTECT_FLUSHER] = "starts no I/O in reclaim (PR_SET_IO_FLUSHER)",
	[PROTECT_SCOPE] = "may use the memory reserves, never reclaims (PF_MEMALLOC)",
	[PROTECT_NOFAULT] = "takes no page fault inside the serve call",
	[PROTECT_CAPS] = "keeps no capability",
	[PROTECT_SEALED] = "can make no system call but those that serve (seccomp)",
};

/* One line to stderr; always -1, for return. */
static int __attribute__((format(printf, 2, 3)))
fail(enum protection what, const char *format, ...)
{
	char text[200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fprintf(stderr, "swapserver: %s: %s (or leave it out with --no-%s)\n",
		protect_names[what], text, protect_names[what]);
	return -1;
}

static void __attribute__((format(printf, 3, 4)))
seen(struct protection_state *p, bool on, const char *format, ...)
{
	va_list args;

	p->on = on;
	va_start(args, format);
	vsnprintf(p->seen, sizeof(p->seen), format, args);
	va_end(args);
}

/* It cannot be looked at: not as it is wanted, whatever that is. */
static void seen_not(struct protection_state *p, int err)
{
	seen(p, !p->wanted, "not to be seen: %s", strerror(-err));
}

/*
 * Is it worth another look at something in /proc about ourselves?  It is there:
 * what may be missing is memory for its inode, which /proc calls ENOENT.  Leaves
 * errno as it was.
 */
static bool again(void)
{
	int err = errno;
	struct statfs fs;
	bool yes;

	if (err != ENOENT && err != ENOMEM)
		return false;
	yes = !statfs("/proc", &fs) && fs.f_type == PROC_SUPER_MAGIC &&
	      patience("memory to look into /proc");
	errno = err;
	return yes;
}

static int open_proc(const char *path, int flags)
{
	int fd;

	do {
		fd = open(path, flags | O_CLOEXEC);
	} while (fd < 0 && again());
	return fd;
}

/*
 * The start of a small file of /proc, as text.  0 or -1.  What the kernel
 * writes it into is allocated by the read.
 */
static int read_text(const char *path, char *text, size_t bytes)
{
	int fd = open_proc(path, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return -1;
	do {
		got = read(fd, text, bytes - 1);
	} while (got < 0 && again());
	close(fd);
	if (got < 0)
		return -1;
	text[got] = '\0';
	return 0;
}

/* NULL and errno, as opendir(). */
static DIR *open_proc_dir(const char *path)
{
	DIR *dir;

	do {
		dir = opendir(path);
	} while (!dir && again());
	return dir;
}

/* The PF_ flags of a thread: field 9 of its stat. */
static unsigned long flags_of(const char *stat)
{
	const char *p = strrchr(stat, ')');	/* the name may hold anything */
	unsigned long flags = 0;

	if (p)
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags);
	return flags;
}

/* Of this thread.  0 or -errno. */
static int task_flags(unsigned long *flags)
{
	char text[1024];

	if (read_text("/proc/thread-self/stat", text, sizeof(text)))
		return -errno;
	*flags = flags_of(text);
	return 0;
}

int protect_has_memalloc(void)
{
	unsigned long flags = 0;
	int err = task_flags(&flags);

	return err ?: !!(flags & PF_MEMALLOC);
}

/* ------------------------------------------------------------------ core */

static int core_apply(struct server *s)
{
	const struct rlimit none = { 0, 0 };

	(void)s;
	/* A limit of 0 does not stop a dump into a pipe; DUMPABLE does. */
	if (setrlimit(RLIMIT_CORE, &none) || prctl(PR_SET_DUMPABLE, 0))
		return fail(PROTECT_CORE, "%s", strerror(errno));
	return 0;
}

static void core_read(struct server *s, struct protection_state *p)
{
	int dumpable = prctl(PR_GET_DUMPABLE);

	(void)s;
	seen(p, dumpable == 0, "dumpable %d", dumpable);
}

/* ------------------------------------------------------------------- oom */

static int oom_apply(struct server *s)
{
	int fd = open_proc("/proc/self/oom_score_adj", O_WRONLY);
	bool ok = fd >= 0 && write(fd, "-1000", 5) == 5;

	(void)s;
	if (!ok)
		fail(PROTECT_OOM, "oom_score_adj: %s%s", strerror(errno),
		     errno == EACCES || errno == EPERM ?
		     "; needs CAP_SYS_RESOURCE: run as root" : "");
	if (fd >= 0)
		close(fd);
	return ok ? 0 : -1;
}

static void oom_read(struct server *s, struct protection_state *p)
{
	char text[32] = "";

	(void)s;
	read_text("/proc/self/oom_score_adj", text, sizeof(text));
	text[strcspn(text, "\n")] = '\0';
	seen(p, !strcmp(text, "-1000"), "oom_score_adj %s", text);
}

/* ----------------------------------------------------------------- sched */

static int sched_apply(struct server *s)
{
	const struct sched_param param = {
		.sched_priority = PROTECT_RT_PRIORITY,
	};

	(void)s;
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		return fail(PROTECT_SCHED,
			    "SCHED_FIFO %d: %s; needs CAP_SYS_NICE: run as root",
			    PROTECT_RT_PRIORITY, strerror(errno));
	return 0;
}

static void sched_read(struct server *s, struct protection_state *p)
{
	struct sched_param param = { 0 };
	int policy = sched_getscheduler(0);

	(void)s;
	sched_getparam(0, &param);
	seen(p, policy == SCHED_FIFO && param.sched_priority > 0,
	     "policy %d, priority %d", policy, param.sched_priority);
}

/* ----------------------------------------------------------------- mlock */

/* Make the stack as deep as it will ever be. */
static void __attribute__((noinline)) touch_stack(void)
{
	volatile char stack[PROTECT_STACK_BYTES];
	size_t i;

	for (i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
}

struct mlock_sum {
	unsigned long size_kb, absent_kb, unlocked_kb;
	/* of the area being read */
	unsigned long area_kb, area_rss_kb;
	bool skip;
};

/* A line of smaps.  mlockall() hides errors and VmLck counts areas, not pages. */
static void mlock_line(struct mlock_sum *sum, const char *line)
{
	unsigned long start, end;
	char perms[5];

	if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) == 3) {
		/* Guard areas have no pages; vsyscall and vvar are the kernel's. */
		sum->skip = !strncmp(perms, "---", 3) ||
			    strstr(line, "[v") != NULL;
		return;
	}
	if (sum->skip)
		return;
	if (sscanf(line, "Size: %lu", &sum->area_kb) == 1 ||
	    sscanf(line, "Rss: %lu", &sum->area_rss_kb) == 1)
		return;
	if (strncmp(line, "VmFlags:", 8))
		return;
	/* A device's memory (pci_mmap_resource): mapped whole, for good. */
	if (strstr(line, " pf") && strstr(line, " io"))
		return;
	sum->size_kb += sum->area_kb;
	if (sum->area_rss_kb < sum->area_kb)
		sum->absent_kb += sum->area_kb - sum->area_rss_kb;
	if (!strstr(line, " lo"))
		sum->unlocked_kb += sum->area_kb;
}

/* All of it, or -1. */
static int mlock_sum_up(struct mlock_sum *sum)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	int err;

	*sum = (struct mlock_sum){ 0 };
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		mlock_line(sum, line);
	err = ferror(f) ? errno : 0;
	fclose(f);
	errno = err;
	return err ? -1 : 0;
}

/* Is memory missing still, or too short to tell? */
static bool mlock_is_short(void)
{
	struct mlock_sum sum;

	if (mlock_sum_up(&sum))
		return errno == ENOENT || errno == ENOMEM;
	return sum.absent_kb;
}

static int mlock_apply(struct server *s)
{
	struct rlimit limit = { 0, 0 };
	int err;

	(void)s;
	/* khugepaged would take pages away to put them together. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return fail(PROTECT_MLOCK, "PR_SET_THP_DISABLE: %s",
			    strerror(errno));
	touch_stack();
	do {
		err = mlockall(MCL_CURRENT | MCL_FUTURE);
		/* Without memory for all of it that is no error, and part of it. */
	} while (!err && mlock_is_short() && patience("memory to lock"));
	if (!err)
		return 0;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	return fail(PROTECT_MLOCK,
		    "mlockall: %s; RLIMIT_MEMLOCK is %llu bytes: needs CAP_IPC_LOCK (run as root), a higher limit (ulimit -l unlimited), or a smaller --size",
		    strerror(errno), (unsigned long long)limit.rlim_cur);
}

static void mlock_read(struct server *s, struct protection_state *p)
{
	struct mlock_sum sum;
	int ret;

	(void)s;
	do {
		ret = mlock_sum_up(&sum);
	} while (ret && again());
	if (ret) {
		seen_not(p, -errno);
		return;
	}
	seen(p, sum.size_kb && !sum.absent_kb && !sum.unlocked_kb &&
		prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1,
	     "%lu kB mapped, %lu kB absent, %lu kB not locked", sum.size_kb,
	     sum.absent_kb, sum.unlocked_kb);
}

/* --------------------------------------------------------------- flusher */

static int flusher_apply(struct server *s)
{
	(void)s;
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0))
		return fail(PROTECT_FLUSHER,
			    "PR_SET_IO_FLUSHER: %s; needs CAP_SYS_RESOURCE: run as root",
			    strerror(errno));
	return 0;
}

static void flusher_read(struct server *s, struct protection_state *p)
{
	const unsigned long both = PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE;
	unsigned long flags = 0;
	int err = task_flags(&flags);

	(void)s;
	if (err) {
		seen_not(p, err);
		return;
	}
	seen(p, (flags & both) == both, "task flags 0x%lx", flags);
}

/* ----------------------------------------------------------------- scope */

static int scope_apply(struct server *s)
{
	int err = abuse_set_scope(&s->client, ABUSE_SCOPE_DEVICE,
				   ABUSE_SCOPE_MEMALLOC);

	if (!err)
		err = abuse_set_scope(&s->client, ABUSE_SCOPE_THREAD,
				       ABUSE_SCOPE_MEMALLOC);
	if (err)
		return fail(PROTECT_SCOPE,
			    "ABUSE_SET_SCOPE: %s; needs CAP_SYS_RESOURCE: run as root",
			    strerror(-err));
	return 0;
}

static void scope_read(struct server *s, struct protection_state *p)
{
	unsigned int device = 0, thread = 0;
	unsigned long flags = 0;
	int err = task_flags(&flags);
	bool on;

	if (err) {
		seen_not(p, err);
		return;
	}

	abuse_get_scope(&s->client, ABUSE_SCOPE_DEVICE, &device);
	abuse_get_scope(&s->client, ABUSE_SCOPE_THREAD, &thread);
	/* Off means off: a part of it, inherited or left over, is not. */
	if (p->wanted)
		on = device == ABUSE_SCOPE_MEMALLOC &&
		     thread == ABUSE_SCOPE_MEMALLOC && flags & PF_MEMALLOC;
	else
		on = device == ABUSE_SCOPE_MEMALLOC || flags & PF_MEMALLOC;
	seen(p, on, "device %u, thread %u, task flags 0x%lx", device, thread,
	     flags);
}

/* --------------------------------------------------------------- nofault */

static int nofault_apply(struct server *s)
{
	s->client.flags |= ABUSE_SERVE_NOFAULT;
	return 0;
}

static void nofault_read(struct server *s, struct protection_state *p)
{
	bool refuses = false;
	int err;

	/* The probe needs a page that is absent: it comes before mlock. */
	err = abuse_probe_nofault(&s->client, &refuses);
	seen(p, !err && refuses, "absent page %s",
	     err ? strerror(-err) : refuses ? "refused" : "faulted in");
}

/* ------------------------------------------------------------------ caps */

static int caps_apply(struct server *s)
{
	int err;

	(void)s;
	/* The kernel makes a new set of credentials. */
	do {
		err = caps_keep(NULL, 0, false);
	} while (err == -ENOMEM && patience("memory to give up capabilities"));
	return err ? fail(PROTECT_CAPS, "capset: %s", strerror(-err)) : 0;
}

static void caps_read(struct server *s, struct protection_state *p)
{
	unsigned long long effective = ~0ULL, permitted = ~0ULL;
	char text[4096], *line;

	(void)s;
	if (read_text("/proc/self/status", text, sizeof(text))) {
		seen_not(p, -errno);
		return;
	}
	line = strstr(text, "\nCapPrm:");
	if (line)
		sscanf(line, "\nCapPrm: %llx", &permitted);
	line = strstr(text, "\nCapEff:");
	if (line)
		sscanf(line, "\nCapEff: %llx", &effective);
	seen(p, !effective && !permitted, "permitted 0x%llx, effective 0x%llx",
	     permitted, effective);
}

/* ----------------------------------------------------------------- lanes */

/* What the kernel keeps of each thread, of those that matter here. */
struct lanes_seen {
	unsigned long flags;
	int policy;
};

static int lanes_read(const char *tid, struct lanes_seen *seen)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/task/%s/stat", tid);
	if (read_text(path, text, sizeof(text)))
		return -errno;
	seen->flags = flags_of(text) & (PF_MEMALLOC | PF_MEMALLOC_NOIO |
					PF_LOCAL_THROTTLE);
	seen->policy = sched_getscheduler(atoi(tid));
	return 0;
}

/*
 * A softirq that has borrowed a thread takes PF_MEMALLOC off it meanwhile: what
 * differs is looked at again, and counts once it has differed for so long.
 */
#define LANES_LOOKS	100
#define LANES_LOOK_US	10000

static int lanes_compare(const char *tid, const struct lanes_seen *mine)
{
	struct lanes_seen its;
	int looks, err;

	for (looks = 0; looks < LANES_LOOKS; looks++) {
		err = lanes_read(tid, &its);
		if (err || (its.flags == mine->flags &&
			    its.policy == mine->policy))
			return err;
		usleep(LANES_LOOK_US);
	}
	return -EPROTO;
}

/* Lanes are as their maker is, or there are none. */
static int lanes_apply(struct server *s)
{
	struct lanes_seen mine;
	struct dirent *entry;
	unsigned int nr = 0;
	char tid[16];
	int err = lanes_start(s->lanes);
	DIR *tasks = err ? NULL : open_proc_dir("/proc/self/task");

	snprintf(tid, sizeof(tid), "%d", getpid());
	if (!err && (!tasks || lanes_read(tid, &mine)))
		err = -errno;
	while (!err && (entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		err = lanes_compare(entry->d_name, &mine);
		nr++;
	}
	if (tasks)
		closedir(tasks);
	if (!err && nr != (unsigned int)s->nr_lanes + 1)
		err = -ESRCH;
	if (err)
		fprintf(stderr, "swapserver: lanes: %s (or do without, with --lanes 0)\n",
			err == -EPROTO ? "a thread has not the protections of its maker" :
					 strerror(-err));
	return err;
}

/* ---------------------------------------------------------------- sealed */

static int sealed_apply(struct server *s)
{
	int err;

	do {
		err = seal(s->client.fd, &s->backend, s->hold > 0);
	} while (err == -ENOMEM && patience("memory for the filter of system calls"));
	if (err)
		return fail(PROTECT_SEALED, "seccomp: %s", strerror(-err));
	return 0;
}

static void sealed_read(struct server *s, struct protection_state *p)
{
	int mode = prctl(PR_GET_SECCOMP);

	(void)s;
	seen(p, mode == 2, "seccomp mode %d", mode);
}

/* In the order of application, and why there. */
static const struct {
	enum protection what;
	int (*apply)(struct server *s);
	void (*read)(struct server *s, struct protection_state *p);
} steps[] = {
	/* its file is root's once the process dumps no core: before core */
	{ PROTECT_OOM, oom_apply, oom_read },
	{ PROTECT_CORE, core_apply, core_read },
	{ PROTECT_SCHED, sched_apply, sched_read },
	/* its probe wants a page that is not there: before mlock */
	{ PROTECT_NOFAULT, nofault_apply, nofault_read },
	{ PROTECT_FLUSHER, flusher_apply, flusher_read },
	/* the heap is used until here: what follows adds no mapping */
	{ PROTECT_MLOCK, mlock_apply, mlock_read },
	{ PROTECT_SCOPE, scope_apply, scope_read },
	/* all the above needed capabilities */
	{ PROTECT_CAPS, caps_apply, caps_read },
	/* all the above needed system calls */
	{ PROTECT_SEALED, sealed_apply, sealed_read },
};

int protect_apply(struct protections *prot, unsigned int mask,
		  struct server *s)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		enum protection what = steps[i].what;
		struct protection_state *p = &prot->p[what];

		if (!(mask & 1u << what))
			continue;
		/* They inherit all that came before; the seal is for all. */
		if (what == PROTECT_SEALED && s->lanes && lanes_apply(s))
			return -1;
		if (p->wanted && steps[i].apply(s))
			return -1;
		steps[i].read(s, p);
		if (p->wanted && !p->on)
			return fail(what, "did not take: %s", p->seen);
		if (what == PROTECT_SCOPE && p->on &&
		    s->backend.ops->no_scope) {
			fprintf(stderr,
				"swapserver: %s: not under the reserve scope, and it is on: %s; end whoever else configures the device\n",
				s->backend.ops->name, p->seen);
			return -1;
		}
	}
	/* I7: what the probe saw before that is no longer so. */
	if (prot->p[PROTECT_SCOPE].on && !prot->p[PROTECT_NOFAULT].on)
		seen(&prot->p[PROTECT_NOFAULT], true, "implied by scope");
	return 0;
}
