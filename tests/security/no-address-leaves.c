// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will use a device in all its ways, and search whatever the module
 * shows of it for kernel addresses, in hexadecimal, decimal and binary: sysfs,
 * debugfs, tracepoints, uevents, the kernel log, and the results of ioctls that
 * ioctl/no-kernel-address does not look at.
 *
 * Where it stands: bio > queue > [ioctl, sysfs, debugfs] > who looks.
 *
 * time: 60
 * busted: module=leak-address
 * busted: env=T_TWIN=plants-log
 * busted: env=T_TWIN=plants-file
 * busted: env=T_TWIN=plants-decimal
 * busted: env=T_TWIN=plants-result
 * invariant: I5
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sec.h"
#include "t_block.h"
#include "t_disk.h"

#define BOUND 8
/* Always looked at; empty, but for a twin. */
#define PLANTED "/tmp/planted"
#define TRACING "/sys/kernel/tracing"
#define TEXT_BYTES (1024 * 1024)
/* As the kernel would print a page of the direct map. */
#define AN_ADDRESS 0xffff888003a4c000ull

static int nr_files;

/*
 * The kernel's half of the address space, which with 5-level page tables begins
 * far below ffff...; the last page of it are -1, errnos and their like.
 */
static bool is_address(uint64_t word)
{
	return word >= 0xff00000000000000ull && word < (uint64_t)-4096;
}

static void no_address_text(const char *where, const char *text)
{
	const char *p = text;
	unsigned long long word;
	char *end;

	for (; *p; p++) {
		/* Where a number begins. */
		if (!isxdigit(*p) || (p != text && isalnum(p[-1]) &&
				      !(p[-1] == 'x' && p - text > 1)))
			continue;
		word = strtoull(p, &end, 16);
		T_TRUE(end - p != 16 || !is_address(word),
		       "%s: expected no kernel address, found %.40s", where, p);
		errno = 0;
		word = strtoull(p, &end, 10);
		T_TRUE(errno || !is_address(word),
		       "%s: expected no kernel address, found %.40s, decimal",
		       where, p);
	}
}

static void no_address_words(const char *where, const void *bytes,
			     size_t nr_bytes)
{
	uint64_t word;
	size_t at;

	for (at = 0; at + 8 <= nr_bytes; at += 4) {
		memcpy(&word, (const char *)bytes + at, 8);
		T_TRUE(!is_address(word),
		       "%s, byte %zu: expected no kernel address, found 0x%llx",
		       where, at, (unsigned long long)word);
	}
}

static void no_address_file(const char *path)
{
	static char text[TEXT_BYTES];
	size_t used = 0;
	ssize_t got = 0;
	int fd;

	/*
	 * Where the sections of a module are is the kernel's to tell, and only
	 * to root; notes are the compiler's.
	 */
	if (strstr(path, "/sections/") || strstr(path, "/notes/"))
		return;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	while (used < sizeof(text) - 1 &&
	       (got = read(fd, text + used, sizeof(text) - 1 - used)) > 0)
		used += got;
	close(fd);
	if (got < 0 && !used)
		return; /* to be written only */
	text[used] = '\0';
	no_address_text(path, text);
	nr_files++;
}

static void no_address_below(const char *folder, int nr_files_min)
{
	nr_files = 0;
	sec_walk(folder, no_address_file);
	T_TRUE(nr_files >= nr_files_min,
	       "%s: expected %d files or more, found %d", folder, nr_files_min,
	       nr_files);
}

/* Since the module came: a twin's lines are not the next one's. */
static void no_address_in_log(void)
{
	static char text[TEXT_BYTES];
	char record[4096];
	int fd = T_OK(
		T_RET(open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)));
	size_t used = 0;
	ssize_t got;

	text[0] = '\0';
	for (;;) {
		got = read(fd, record, sizeof(record) - 1);
		if (got < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile */
		if (got <= 0)
			break;
		record[got] = '\0';
		if (strstr(record, "abuse: ") && strstr(record, " devices"))
			used = 0;
		if (strstr(record, "abuse"))
			used += snprintf(text + used, sizeof(text) - used, "%s",
					 record);
		T_TRUE(used < sizeof(text),
		       "the kernel log: expected less about the module, found %zu bytes",
		       used);
	}
	close(fd);
	T_TRUE(used,
	       "the kernel log: expected a line about the module, found none");
	no_address_text("the kernel log", text);
}

/* Texts with a 0 behind each. */
static void no_address_in_uevents(int fd)
{
	char text[8192];
	ssize_t got, i;
	int nr = 0;

	while ((got = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT)) > 0) {
		for (i = 0; i < got; i++)
			if (!text[i])
				text[i] = '\n';
		text[got] = '\0';
		no_address_text("a uevent", text);
		nr++;
	}
	T_TRUE(nr, "uevents: expected some, found none");
}

/* Everything that can be looked at, now. */
static void look(void)
{
	no_address_below("/sys/devices/virtual/block/abuse0", 50);
	no_address_below("/sys/devices/virtual/abuse", 8);
	no_address_below("/sys/devices/virtual/misc/abuse-control", 1);
	no_address_below("/sys/module/abuse", 5);
	no_address_below("/sys/kernel/debug/abuse", 16);
	no_address_below(TRACING "/events/abuse", 10);
	no_address_file(TRACING "/trace");
	no_address_file("/proc/devices");
	no_address_file("/proc/diskstats");
	no_address_file("/proc/partitions");
	no_address_below(PLANTED, 0);
	no_address_in_log();
}

static void results(int ctl)
{
	struct abuse_ctl_list list = { 0 };
	struct abuse_ctl one = { .ab_number = -1 };
	struct abuse_backing backing = { 0 };
	struct abuse_scope scope = { 0 };
	struct abuse_counters counters;
	struct abuse_info info;
	uint32_t numbers[64];
	int control, disk;

	memset(numbers, 0, sizeof(numbers));
	list.ab_numbers = (uintptr_t)numbers;
	list.ab_nr = 64;
	control = T_OK(T_RET(open("/dev/abuse-control", O_RDWR | O_CLOEXEC)));
	T_OK(t_ioctl(control, ABUSE_CTL_LIST, &list));
	no_address_words("CTL_LIST", &list, sizeof(list));
	no_address_words("CTL_LIST, numbers", numbers, sizeof(numbers));
	T_OK(t_ioctl(control, ABUSE_CTL_ADD, &one));
	no_address_words("CTL_ADD", &one, sizeof(one));
	T_OK(t_ioctl(control, ABUSE_CTL_REMOVE, &one));
	no_address_words("CTL_REMOVE", &one, sizeof(one));
	close(control);

	T_OK(t_ioctl(ctl, ABUSE_GET_SCOPE, &scope));
	no_address_words("GET_SCOPE", &scope, sizeof(scope));
	disk = T_OK(t_disk_open(T_STORE, O_RDWR));
	backing.ab_fd = disk;
	T_OK(t_ioctl(ctl, ABUSE_SET_BACKING, &backing));
	no_address_words("SET_BACKING", &backing, sizeof(backing));
	close(disk);
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	if (t_twin("plants-result"))
		info.ab_device = AN_ADDRESS;
	no_address_words("GET_STATUS", &info, 44);
	counters = t_counters(ctl);
	no_address_words("GET_COUNTERS", &counters, sizeof(counters));
}

/* One write: the kernel log is no file to be sought in, as dprintf() does. */
static void plant_in(const char *path, const char *format)
{
	int fd = T_OK(T_RET(open(path, O_WRONLY | O_CREAT, 0600)));
	char text[64];
	int len = snprintf(text, sizeof(text), format, AN_ADDRESS);

	T_EQ(T_RET(write(fd, text, len)), len);
	close(fd);
}

static void plant(void)
{
	mkdir(PLANTED, 0700);
	if (t_twin("plants-file"))
		plant_in(PLANTED "/file", "at 0x%llx\n");
	if (t_twin("plants-decimal"))
		plant_in(PLANTED "/file", "at %llu\n");
	if (t_twin("plants-log"))
		plant_in("/dev/kmsg", "<14>abuse0: slot at %llx\n");
}

static void trace(const char *on)
{
	int fd = T_OK(T_RET(open(TRACING "/events/abuse/enable", O_WRONLY)));

	T_EQ(T_RET(write(fd, on, 1)), 1);
	close(fd);
}

int main(void)
{
	struct abuse_store store = { .ab_id = { 0xff, 0xff, 0x88, 0x80, 1 },
				     .ab_flags = ABUSE_STORE_BIND };
	struct abuse_lent lent[BOUND];
	struct t_io *ios[BOUND + 1];
	int ctl, uevents, nr, i;
	uint32_t index;
	pid_t holder;

	t_init(55);
	plant();
	trace("1");
	uevents = t_uevent_open();
	ctl = t_ctl_open(0);
	look(); /* not configured */
	t_configure(ctl, T_MIB, BOUND,
		    ABUSE_FLAGS_WRITE_CACHE | ABUSE_FLAGS_DISCARD);
	T_OK(t_ioctl(ctl, ABUSE_SET_STORE, &store));
	results(ctl);
	t_go_live(ctl);
	for (i = 0; i < BOUND; i++)
		ios[i] = t_submit_accepted(ctl, 0, i & 1 ? T_READ : T_WRITE,
					   i * T_PAGE, T_PAGE, 0);
	/* One waits for a slot. */
	ios[BOUND] = t_submit(0, T_READ, 0, T_PAGE, 0);
	T_UNTIL(ios[BOUND]->done ||
		t_counters(ctl).ab_nr_waiting + t_counters(ctl).ab_stalled);
	look(); /* QUEUED, waiting */

	nr = t_lend(ctl, lent, BOUND / 2);
	T_EQ(nr, BOUND / 2);
	no_address_words("abuse_lent", lent, nr * sizeof(lent[0]));
	index = 0;
	T_OK(t_forward(ctl, lent[0].ab_id, index, 0));
	T_OK(t_fail_request(ctl, lent[1].ab_id, EIO));
	T_OK(t_requeue(ctl, lent[2].ab_id));
	T_EQ(t_verb(ctl, ABUSE_VERB_COPY_IN, lent[3].ab_id, NULL, 0, T_PAGE),
	     -EFAULT);
	look(); /* LENT, FORWARDED or DONE */

	/* A server that is killed with what it was lent. */
	t_requeue(ctl, lent[3].ab_id);
	holder = t_fork(false);
	if (!holder) {
		int own = t_ctl_open(0);

		store.ab_flags = 0;
		T_OK(t_ioctl(own, ABUSE_SET_STORE, &store));
		T_TRUE(t_lend(own, lent, BOUND) > 0,
		       "expected to be lent something, found nothing");
		raise(SIGKILL);
	}
	t_reap(holder);
	look();
	while (!ios[BOUND]->done ||
	       t_counters(ctl).ab_accepted != t_counters(ctl).ab_ended) {
		nr = t_lend(ctl, lent, BOUND);
		for (i = 0; i < nr; i++)
			t_answer(ctl, &lent[i]);
		t_pause();
	}
	for (i = 0; i <= BOUND; i++)
		t_result(ios[i]);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
	look();
	no_address_in_uevents(uevents);
	close(uevents);
	trace("0");
	return t_end();
}
