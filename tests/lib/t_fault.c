// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_fault.c - memory that does not come: userfaultfd, failed allocations
 *
 * Where it stands: [test] > ioctl > module > copy.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "t_disk.h"
#include "t_fault.h"

/* ------------------------------------------------------------ userfaultfd */

static int uffd = -1;
static pid_t uffd_owner;

char *t_uffd_area(uint32_t nr_pages)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	char *area = mmap(NULL, nr_pages * T_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	T_TRUE(area != MAP_FAILED, "mmap: %s", strerror(errno));
	if (uffd_owner != getpid()) {
		uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		T_OK(T_RET(uffd));
		T_OK(T_RET(ioctl(uffd, UFFDIO_API, &api)));
		uffd_owner = getpid();
	}
	reg.range.start = (uintptr_t)area;
	reg.range.len = nr_pages * T_PAGE;
	T_OK(T_RET(ioctl(uffd, UFFDIO_REGISTER, &reg)));
	return area;
}

void t_uffd_await(void)
{
	struct pollfd p = { .fd = uffd, .events = POLLIN };
	struct uffd_msg msg;

	T_EQ(poll(&p, 1, t_patience_ms()), 1);
	T_EQ(read(uffd, &msg, sizeof(msg)), sizeof(msg));
	T_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
}

void t_uffd_fill(char *page)
{
	static char zeroes[T_PAGE] __attribute__((aligned(4096)));
	struct uffdio_copy copy = {
		.dst = (uintptr_t)page,
		.src = (uintptr_t)zeroes,
		.len = T_PAGE,
	};

	T_OK(T_RET(ioctl(uffd, UFFDIO_COPY, &copy)));
}

/* -------------------------------------------- allocations that are failed */

static const char * const injectors[] = { "failslab", "fail_page_alloc" };

#define INJECTIONS	100000000	/* never used up: counts down */

static void injector_set(const char *injector, const char *name,
			 const char *value)
{
	T_OK(t_attr_set(value, "/sys/kernel/debug/%s/%s", injector, name));
}

/* None fails before there is a task that asks for it, or a probability. */
static void injectors_setup(bool by_task)
{
	char times[20];
	int i;

	snprintf(times, sizeof(times), "%d", INJECTIONS);
	for (i = 0; i < 2; i++) {
		if (access("/sys/kernel/debug/failslab", F_OK))
			t_skip("this kernel has no fault injection");
		injector_set(injectors[i], "probability", "0");
		injector_set(injectors[i], "task-filter", by_task ? "Y" : "N");
		injector_set(injectors[i], "interval", "1");
		injector_set(injectors[i], "space", "0");
		injector_set(injectors[i], "times", times);
		injector_set(injectors[i], "verbose", "0");
		injector_set(injectors[i], "ignore-gfp-wait", "N");
	}
	injector_set("fail_page_alloc", "ignore-gfp-highmem", "N");
	injector_set("fail_page_alloc", "min-order", "0");
	injector_set("failslab", "cache-filter", "N");
}

static void injectors_probability(const char *percent)
{
	int i;

	for (i = 0; i < 2; i++)
		injector_set(injectors[i], "probability", percent);
}

/* Only with code from here to there on the stack; 0 and ~0ul: any. */
static void injectors_require(unsigned long start, unsigned long end)
{
	char text[20];
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), "0x%lx", start);
		injector_set(injectors[i], "require-start", text);
		snprintf(text, sizeof(text), "0x%lx", end);
		injector_set(injectors[i], "require-end", text);
	}
}

void t_fail_alloc_setup(void)
{
	injectors_setup(true);
	injectors_require(0, ~0ul);
	injectors_probability("100");
}

/* The pages with the module's functions. */
static void module_text(unsigned long *start, unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	unsigned long at;
	char line[300], type;

	T_TRUE(symbols, "/proc/kallsyms: %s", strerror(errno));
	*start = ~0ul;
	*end = 0;
	while (fgets(line, sizeof(line), symbols)) {
		if (!strstr(line, "\t[abuse]") ||
		    sscanf(line, "%lx %c", &at, &type) != 2 ||
		    (type != 't' && type != 'T'))
			continue;
		if (at < *start)
			*start = at;
		if (at > *end)
			*end = at;
	}
	fclose(symbols);
	T_TRUE(*start && *start < *end,
	       "the module's functions: expected addresses, found 0x%lx to 0x%lx",
	       *start, *end);
	/* The last may go on beyond its page; text takes whole pages. */
	*start &= ~(unsigned long)(T_PAGE - 1);
	*end = (*end | (T_PAGE - 1)) + 1 + T_PAGE;
}

void t_fail_alloc_of_module(bool fail)
{
	unsigned long start, end;

	if (fail) {
		injectors_setup(false);
		module_text(&start, &end);
		injectors_require(start, end);
		injectors_probability("100");
	} else {
		injectors_probability("0");
		injectors_require(0, ~0ul);
	}
}

void t_fail_alloc(bool fail)
{
	/* Opened beforehand: with it set, nothing can be opened. */
	static _Thread_local int fd = -1;

	if (fd < 0)
		fd = T_OK(t_disk_open("/proc/thread-self/make-it-fail",
				      O_RDWR));
	T_EQ(T_RET(pwrite(fd, fail ? "1" : "0", 1, 0)), 1);
}

uint64_t t_fail_alloc_count(void)
{
	uint64_t count = 0;
	int i;

	for (i = 0; i < 2; i++)
		count += INJECTIONS -
			 t_attr_number("/sys/kernel/debug/%s/times",
				       injectors[i]);
	return count;
}

/* ------------------------------------------- allocations that are recorded */

#define TRACING	"/sys/kernel/tracing"

/* Not kfree and its like: giving back is no asking. */
static const char * const events[] = {
	"kmalloc", "kmem_cache_alloc", "mm_page_alloc",
};

static void events_enable(bool enable)
{
	size_t i;

	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		T_OK(t_attr_set(enable ? "1" : "0",
				TRACING "/events/kmem/%s/enable", events[i]));
}

/* Whose, or of which kind, as the kernel's event filters say it. */
static void trace_start(const char *which)
{
	char filter[300];
	size_t i;

	/* 24: in a hard or a soft interrupt, which is nobody's own. */
	T_TRUE(snprintf(filter, sizeof(filter), "(%s) && !(common_flags & 24)",
			which) < (int)sizeof(filter), "too long: %s", which);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		T_OK(t_attr_set(filter, TRACING "/events/kmem/%s/filter",
				events[i]));
	/* Opening it to write empties it. */
	close(T_OK(t_disk_open(TRACING "/trace", O_WRONLY | O_TRUNC)));
	events_enable(true);
}

void t_alloc_trace_start(pid_t tid)
{
	char which[40];

	snprintf(which, sizeof(which), "common_pid == %d", tid);
	trace_start(which);
}

void t_alloc_trace_waiting(pid_t pid)
{
	char path[40], which[200] = "";
	struct dirent *entry;
	DIR *tasks;
	int len = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	T_TRUE(tasks, "%s: %s", path, strerror(errno));
	/* 0x400: __GFP_DIRECT_RECLAIM, since 4.4. */
	while ((entry = readdir(tasks)) && len < (int)sizeof(which))
		if (entry->d_name[0] != '.')
			len += snprintf(which + len, sizeof(which) - len,
					"%scommon_pid == %s", len ? " || " :
					"gfp_flags & 0x400 && (",
					entry->d_name);
	closedir(tasks);
	if (len < (int)sizeof(which))
		len += snprintf(which + len, sizeof(which) - len, ")");
	T_TRUE(len < (int)sizeof(which), "too many threads: %s", which);
	trace_start(which);
}

uint32_t t_alloc_trace_stop(const char **text)
{
	static char kept[2000];
	char line[500];
	uint32_t nr = 0;
	FILE *trace;
	size_t i;

	events_enable(false);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		T_OK(t_attr_set("0", TRACING "/events/kmem/%s/filter",
				events[i]));
	trace = fopen(TRACING "/trace", "re");
	T_TRUE(trace, TRACING "/trace: %s", strerror(errno));
	kept[0] = '\0';
	while (fgets(line, sizeof(line), trace)) {
		if (line[0] == '#')
			continue;
		nr++;
		if (strlen(kept) + strlen(line) < sizeof(kept))
			strcat(kept, line);
	}
	fclose(trace);
	if (text)
		*text = kept;
	return nr;
}
