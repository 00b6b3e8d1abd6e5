// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_beside.c - beside the path: attributes, and devices that come and go
 *
 * Where it stands: [fuzzer] > sysfs, /dev/abuse-control > module.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fz.h"

/* ------------------------------------------------------------ attributes */

int fz_attr_write(int number, const char *name, const char *value)
{
	char path[100];
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/block/abuse%d/abuse/%s", number,
		 name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* Hexadecimal digits that could be an address of the kernel. */
static const char *address_in(const char *text)
{
	const char *p = text;

	while ((p = strstr(p, "ffff"))) {
		if (strspn(p, "0123456789abcdef") >= 16)
			return p;
		p += 4;
	}
	return NULL;
}

static void read_one(struct fz_actor *a, const char *path)
{
	static char text[16384];
	const char *address;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[got > 0 ? got : 0] = '\0';
	address = address_in(text);
	if (address && strcmp(strrchr(path, '/'), "/store_id"))
		fz_finding(a, "%s: expected no address of the kernel, found %.16s",
			   path, address);
}

static void op_read_all(struct fz_actor *a, struct t_rand *r)
{
	static const char * const folders[] = {
		"/sys/block/abuse%d/abuse", "/sys/block/abuse%d",
		"/sys/block/abuse%d/queue", "/sys/kernel/debug/abuse/abuse%d",
	};
	char folder[100], path[400];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), folders[t_below(r, 4)],
		 (int)t_below(r, FZ_DEVICES));
	fz_say(a, "%s", folder);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_type != DT_REG)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		read_one(a, path);
	}
	if (dir)
		closedir(dir);
}

/* An attribute, what it takes, and what it does not. */
static const struct {
	const char *name;
	const char *good[4];
	const char *bad[5];
} attributes[] = {
	{ "no_server", { "wait", "fail", "200", "wait\n" },
	  { "", "0", "-1", "ever", "99999999999" } },
	{ "reset", { "requeue", "fail", "requeue\n", "fail" },
	  { "", "lend", "1", "failing", "req" } },
	{ "forward_error", { "lend", "fail", "lend\n", "fail" },
	  { "", "requeue", "1", "wait", "x" } },
	{ "max_owners", { "0", "1", "16", "3\n" },
	  { "", "-1", "many", "4294967296", "1 2" } },
	{ "scan_timeout_ms", { "1", "5000", "50", "100\n" },
	  { "", "-1", "soon", "99999999999", "0" } },
	{ "aside", { "requeue", "fail", "requeue\n", "requeue" },
	  { "", "0", "lend", "all", "x" } },
};

static void op_write_attribute(struct fz_actor *a, struct t_rand *r)
{
	uint32_t which = t_below(r, sizeof(attributes) / sizeof(attributes[0]));
	bool good = t_one_in(r, 2);
	const char *value = good ? attributes[which].good[t_below(r, 4)] :
				   attributes[which].bad[t_below(r, 5)];
	const char *name = attributes[which].name;
	int device = t_one_in(r, 2) ? FZ_WILD : FZ_CHURN, ret;

	fz_say(a, "abuse%d %s = %s", device, name, value);
	ret = fz_attr_write(device, name, value);
	/* Writing nothing is nothing, not an error. */
	if (good || !*value)
		FZ_EXPECT(a, !ret, "attribute %s = %s: expected 0, found %s",
			  name, value, t_name(ret));
	else
		FZ_EXPECT(a, ret == -EINVAL,
			  "attribute %s = %s: expected -EINVAL, found %s",
			  name, value, t_name(ret));
}

static void op_write_read_only(struct fz_actor *a, struct t_rand *r)
{
	static const char * const names[] = {
		"state", "bound", "slots", "slots_free", "clones", "queued",
		"lent", "store_id", "scope", "servers", "backings",
	};
	const char *name = names[t_below(r, sizeof(names) / sizeof(names[0]))];
	int ret = fz_attr_write(FZ_WILD, name, "1");

	fz_say(a, "%s", name);
	FZ_EXPECT(a, ret < 0,
		  "attribute %s, which is for reading: expected an error, found 0",
		  name);
}

/* Those of the block layer: whatever they say, nothing may break. */
static void op_write_queue(struct fz_actor *a, struct t_rand *r)
{
	static const char * const names[] = {
		"max_sectors_kb", "read_ahead_kb", "nomerges", "rotational",
		"iostats", "write_cache", "discard_max_bytes", "add_random",
		"stable_writes", "max_segments",
	};
	static const char * const values[] = {
		"0", "1", "4", "128", "2048", "write through", "write back",
		"-1", "",
	};
	char path[100];
	int device = t_one_in(r, 2) ? FZ_WILD : FZ_CHURN, fd;
	const char *value = values[t_below(r, 9)];

	snprintf(path, sizeof(path), "/sys/block/abuse%d/queue/%s", device,
		 names[t_below(r, 10)]);
	fz_say(a, "%s = %s", path, value);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)!write(fd, value, strlen(value));
	close(fd);
}

static void op_wait(struct fz_actor *a, struct t_rand *r)
{
	(void)a;
	fz_sleep_us(t_below(r, 20000));
}

static const struct fz_op attribute_ops[] = {
	{ "read all", 4, op_read_all },
	{ "write", 10, op_write_attribute },
	{ "write what is for reading", 1, op_write_read_only },
	{ "write the queue's", 3, op_write_queue },
	{ "wait", 10, op_wait },
	{ 0 }
};

const struct fz_kind fz_attributes = {
	.name = "attributes",
	.ops = attribute_ops,
	.patience_ms = 3 * T_PATIENCE_MS,
};

/* --------------------------------------------------- devices come and go */

static int control_fd;

static void control_start(struct fz_actor *a)
{
	fz_memory_init();
	control_fd = open("/dev/abuse-control", O_RDWR | O_CLOEXEC);
	if (control_fd < 0) {
		fz_finding(a, "/dev/abuse-control: expected an open file, found %s",
			   t_name(-errno));
		_exit(0);
	}
}

/* One of few, so that they meet; or any. */
static int random_number(struct t_rand *r)
{
	uint64_t number = t_number(r);

	if (t_one_in(r, 8))
		return (int)number;
	return 8 + t_below(r, 4);
}

static bool in_range(int number)
{
	return number >= 0 && number < ABUSE_NR_LIMIT;
}

static int ctl_call(struct fz_actor *a, struct t_rand *r, uint32_t cmd,
		    struct abuse_ctl *ctl)
{
	enum fz_mem mem;
	struct abuse_ctl *arg = fz_place_arg(r, sizeof(*ctl), &mem);
	bool valid = !ctl->ab_flags &&
		     (in_range(ctl->ab_number) ||
		      (cmd == ABUSE_CTL_ADD && ctl->ab_number == -1));
	int ret;

	fz_say(a, "%d, flags 0x%x", ctl->ab_number, ctl->ab_flags);
	if (mem != FZ_GOOD)	/* a page of zeroes names device 0 */
		return fz_ioctl_bad(a, control_fd, cmd, arg,
				    "memory that is not there, or device 0");
	memcpy(arg, ctl, sizeof(*ctl));
	ret = fz_ioctl(a, control_fd, cmd, arg);
	FZ_EXPECT(a, valid ? ret != -EINVAL : ret == -EINVAL,
		  "device %d, flags 0x%x: expected %s-EINVAL, found %s",
		  ctl->ab_number, ctl->ab_flags,
		  valid ? "anything but " : "", t_name(ret));
	memcpy(ctl, arg, sizeof(*ctl));
	return ret;
}

static void op_add(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_ctl ctl = {
		.ab_number = t_one_in(r, 4) ? -1 : random_number(r),
		.ab_flags = t_one_in(r, 16) ? t_number(r) : 0,
	};
	int ret = ctl_call(a, r, ABUSE_CTL_ADD, &ctl);

	FZ_EXPECT(a, ret || in_range(ctl.ab_number),
		  "ADD: expected a number, found %d", ctl.ab_number);
}

static void op_remove(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_ctl ctl = {
		.ab_number = random_number(r),
		.ab_flags = t_one_in(r, 16) ? t_number(r) : 0,
	};
	int ret;

	/* Those that actors use are open: see ctl_call() for zeroes. */
	if (t_one_in(r, 8))
		ctl.ab_number = t_below(r, FZ_DEVICES);
	ret = ctl_call(a, r, ABUSE_CTL_REMOVE, &ctl);
	FZ_EXPECT(a, ret || ctl.ab_number >= FZ_DEVICES,
		  "REMOVE of device %d, which is open: expected -EBUSY, found 0",
		  ctl.ab_number);
}

static void op_list(struct fz_actor *a, struct t_rand *r)
{
	static uint32_t numbers[ABUSE_NR_LIMIT];
	struct abuse_ctl_list list = {
		.ab_numbers = (uintptr_t)numbers,
		.ab_nr = t_one_in(r, 2) ? ABUSE_NR_LIMIT : t_below(r, 16),
		.ab_reserved = t_one_in(r, 16) ? t_number(r) : 0,
	};
	uint32_t room = list.ab_nr, i;
	enum fz_mem mem;
	struct abuse_ctl_list *arg = fz_place_arg(r, sizeof(list), &mem);
	bool bad = t_one_in(r, 8);
	int ret;

	if (bad)
		list.ab_numbers = (uintptr_t)fz_place_bad(r);
	if (mem == FZ_GOOD)
		memcpy(arg, &list, sizeof(list));
	ret = fz_ioctl(a, control_fd, ABUSE_CTL_LIST, arg);
	if (mem != FZ_GOOD || ret || bad)
		return;
	FZ_EXPECT(a, !list.ab_reserved && arg->ab_nr >= FZ_DEVICES,
		  "LIST: expected at least %d devices, found %u", FZ_DEVICES,
		  arg->ab_nr);
	for (i = 1; i < arg->ab_nr && i < room; i++)
		FZ_EXPECT(a, numbers[i] > numbers[i - 1],
			  "LIST: expected ascending numbers, found %u after %u",
			  numbers[i], numbers[i - 1]);
}

/* A node made by hand, and opened: the device comes by itself. */
static void op_on_demand(struct fz_actor *a, struct t_rand *r)
{
	int number = random_number(r), fd;
	bool block = t_one_in(r, 2);
	struct stat st;
	dev_t dev;

	if (stat(block ? "/dev/abuse0" : "/dev/abctl0", &st))
		return;
	dev = makedev(major(st.st_rdev), (unsigned int)number);
	fz_say(a, "%s %d", block ? "block" : "control", number);
	unlink("/tmp/fz-node");
	if (mknod("/tmp/fz-node", (block ? S_IFBLK : S_IFCHR) | 0600, dev))
		return;
	fd = open("/tmp/fz-node", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	FZ_EXPECT(a, fd >= 0 || errno == ENXIO || errno == ENODEV ||
		  errno == EINTR || errno == ENOMEM,
		  "open of a node: expected success or -ENXIO, found %s",
		  t_name(-errno));
	FZ_EXPECT(a, fd < 0 || in_range(number),
		  "open of node %d: expected an error, found success", number);
	if (fd >= 0)
		close(fd);
}

/* One device's life: made, configured, served, in use, gone. */
static void op_life(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_ctl ctl = { .ab_number = -1 };
	struct abuse_info info = {
		.ab_size = (1 + t_below(r, 256)) * 4096ull,
		.ab_blocksize = T_PAGE,
		.ab_max_queue = 1 + t_below(r, 64),
	};
	bool block = t_one_in(r, 2);
	int fd, ret;

	if (fz_ioctl(a, control_fd, ABUSE_CTL_ADD, &ctl))
		return;
	fz_say(a, "device %d", ctl.ab_number);
	fd = fz_ctl_open_nr(ctl.ab_number, O_CLOEXEC);
	if (fd < 0)
		return;
	if (!fz_ioctl(a, fd, ABUSE_SET_STATUS, &info))
		fz_count(fz->nr_configured, 1);
	ret = fz_ioctl(a, control_fd, ABUSE_CTL_REMOVE, &ctl);
	FZ_EXPECT(a, ret == -EBUSY || ret == -EINTR,
		  "REMOVE while the control node is open: expected -EBUSY, found %s",
		  t_name(ret));
	if (block) {
		close(fd);
		fd = fz_blk_open_nr(ctl.ab_number, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			return;
		ret = fz_ioctl(a, control_fd, ABUSE_CTL_REMOVE, &ctl);
		FZ_EXPECT(a, ret == -EBUSY || ret == -EINTR,
			  "REMOVE while the disk is open: expected -EBUSY, found %s",
			  t_name(ret));
	}
	close(fd);
	ret = fz_ioctl(a, control_fd, ABUSE_CTL_REMOVE, &ctl);
	/* Somebody who looks at what appears may have it open. */
	FZ_EXPECT(a, !ret || ret == -EBUSY || ret == -EINTR || ret == -ENODEV,
		  "REMOVE: expected 0 or -EBUSY, found %s", t_name(ret));
}

static const struct fz_op control_ops[] = {
	{ "add", 4, op_add },
	{ "remove", 6, op_remove },
	{ "list", 2, op_list },
	{ "on demand", 2, op_on_demand },
	{ "life", 3, op_life },
	{ "wait", 4, op_wait },
	{ 0 }
};

const struct fz_kind fz_control = {
	.name = "control",
	.ops = control_ops,
	.start = control_start,
	.patience_ms = 3 * T_PATIENCE_MS,
};
