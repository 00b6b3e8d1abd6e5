// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_disk.c - real disks for the tests: behind a server, and to forward to
 *
 * Where it stands: [test] > /dev/abctlN > module > backing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <glob.h>
#include <linux/blkpg.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t_disk.h"

#define SCSI_DRIVER	"/sys/bus/pseudo/drivers/scsi_debug"

void t_modprobe(const char *module, const char *parameters)
{
	char line[500];

	snprintf(line, sizeof(line), "/sbin/modprobe %s %s", module,
		 parameters);
	T_RUN("/bin/busybox", "sh", "-c", line);
}

/* ------------------------------------------------------------------ disks */

int t_disk_open(const char *path, int flags)
{
	return T_RET(open(path, flags | O_CLOEXEC));
}

/* What O_DIRECT can use, and children see. */
static char *bounce(uint32_t len_bytes)
{
	static char *memory;
	static uint32_t have_bytes;

	if (len_bytes > have_bytes) {
		memory = t_shared(len_bytes);
		have_bytes = len_bytes;
	}
	return memory;
}

void t_disk_write(const char *path, uint64_t offset_bytes, const void *data,
		  uint32_t len_bytes)
{
	int fd = T_OK(t_disk_open(path, O_RDWR | O_DIRECT));
	char *memory = bounce(len_bytes);

	memcpy(memory, data, len_bytes);
	T_EQ(T_RET(pwrite(fd, memory, len_bytes, offset_bytes)), len_bytes);
	close(fd);
}

void t_disk_read(const char *path, uint64_t offset_bytes, void *data,
		 uint32_t len_bytes)
{
	int fd = T_OK(t_disk_open(path, O_RDONLY | O_DIRECT));
	char *memory = bounce(len_bytes);

	T_EQ(T_RET(pread(fd, memory, len_bytes, offset_bytes)), len_bytes);
	memcpy(data, memory, len_bytes);
	close(fd);
}

const char *t_disk_name(const char *path)
{
	static char full[4][PATH_MAX];
	static unsigned int turn;
	char *p = full[turn++ % 4];

	T_TRUE(realpath(path, p), "%s: %s", path, strerror(errno));
	return strrchr(p, '/') + 1;
}

uint32_t t_disk_inflight(const char *path)
{
	unsigned int reads = 0, writes = 0;

	T_EQ(sscanf(t_read_text("/sys/block/%s/inflight", t_disk_name(path)),
		    "%u %u", &reads, &writes), 2);
	return reads + writes;
}

void t_disk_partition(const char *path, int nr)
{
	int fd = T_OK(t_disk_open(path, O_RDWR));
	char node[PATH_MAX];
	int i, err;

	for (i = 1; i <= nr; i++) {
		struct blkpg_partition part = {
			.start = (long long)i * T_MIB,
			.length = T_MIB,
			.pno = i,
		};
		struct blkpg_ioctl_arg arg = {
			.op = BLKPG_ADD_PARTITION,
			.datalen = sizeof(part),
			.data = &part,
		};

		err = T_RET(ioctl(fd, BLKPG, &arg));
		/* There already, from a test before this one in the guest. */
		if (err != -EBUSY)
			T_OK(err);
		snprintf(node, sizeof(node), "/dev/%s%d", t_disk_name(path),
			 i);
		T_UNTIL(!access(node, F_OK));
	}
	close(fd);
}

void t_disk_mkswap(const char *path)
{
	static char page[T_PAGE];
	unsigned long long bytes = 0;
	uint32_t version = 1, last_page;
	int fd = T_OK(t_disk_open(path, O_RDONLY));

	T_OK(T_RET(ioctl(fd, BLKGETSIZE64, &bytes)));
	close(fd);
	last_page = bytes / T_PAGE - 1;
	memset(page, 0, sizeof(page));
	/* union swap_header of include/linux/swap.h */
	memcpy(page + 1024, &version, 4);
	memcpy(page + 1028, &last_page, 4);
	memcpy(page + T_PAGE - 10, "SWAPSPACE2", 10);
	t_disk_write(path, 0, page, sizeof(page));
}

/* ------------------------------------------------------------- scsi_debug */

/* /sys/.../block/NAME of a host's only disk, or NULL. */
static const char *scsi_block(int host)
{
	static char path[300];
	char pattern[200];
	const char *found = NULL;
	glob_t names;

	snprintf(pattern, sizeof(pattern), SCSI_DRIVER
		 "/adapter%d/host*/target*/*:*/block/*", host);
	if (glob(pattern, 0, NULL, &names))
		return NULL;
	if (names.gl_pathc == 1) {
		snprintf(path, sizeof(path), "%s", names.gl_pathv[0]);
		found = path;
	}
	globfree(&names);
	return found;
}

const char *t_scsi_path(int host)
{
	static char path[4][40];
	static unsigned int turn;
	char *p = path[turn++ % 4];
	const char *block = scsi_block(host);

	T_TRUE(block, "scsi_debug: expected a disk of host %d, found none",
	       host);
	snprintf(p, sizeof(path[0]), "/dev/%s", strrchr(block, '/') + 1);
	return p;
}

static bool scsi_ready(int host)
{
	const char *block = scsi_block(host);
	const char *name = block ? strrchr(block, '/') + 1 : NULL;
	char node[80];
	int fd;

	if (!name || !atoll(t_read_text("/sys/block/%s/size", name)))
		return false;
	snprintf(node, sizeof(node), "/dev/%s", name);
	/* The node comes last, and whoever looks for partitions goes. */
	fd = open(node, O_RDWR | O_EXCL | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void t_scsi_unload(void)
{
	/* A disk that is slow still, after a test that failed, never goes. */
	T_UNTIL(t_attr_set("0", SCSI_DRIVER "/delay") != -EBUSY);
	/* What closes a disk may do so a moment later. */
	T_UNTIL(!T_RET(syscall(SYS_delete_module, "scsi_debug", O_NONBLOCK)) ||
		errno == ENOENT);
}

void t_scsi_load(const char *parameters)
{
	char line[400];
	const char *hosts = strstr(parameters, "add_host=");
	int nr = hosts ? atoi(hosts + 9) : 1, i;

	t_modprobe("sd_mod", "");
	t_scsi_unload();
	snprintf(line, sizeof(line), "delay=0 %s", parameters);
	t_modprobe("scsi_debug", line);
	for (i = 0; i < nr; i++)
		T_UNTIL(scsi_ready(i));
}

/* Ticks a second: the resolution of the clock that only ticks. */
static unsigned int ticks_per_s(void)
{
	struct timespec tick = { 0 };

	clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
	return (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec;
}

void t_scsi_delay(uint32_t ms)
{
	char text[20];
	int ret;

	snprintf(text, sizeof(text), "%u",
		 (unsigned int)((uint64_t)ms * ticks_per_s() / 1000));
	T_UNTIL((ret = t_attr_set(text, SCSI_DRIVER "/delay")) != -EBUSY);
	T_OK(ret);
}

void t_scsi_state(int host, const char *state)
{
	char line[20];

	/* With the newline: it looks for the whole word. */
	snprintf(line, sizeof(line), "%s\n", state);
	T_OK(t_attr_set(line, "%s/../../state", scsi_block(host)));
}

void t_scsi_delete(int host)
{
	T_OK(t_attr_set("1", "%s/../../delete", scsi_block(host)));
}

/* ---------------------------------------------------------- device mapper */

struct dm_call {
	struct dm_ioctl io;
	struct dm_target_spec spec;
	char params[256];
};

static int dm_try(unsigned long command, const char *name,
		  struct dm_call *call)
{
	int fd = T_OK(t_disk_open("/dev/mapper/control", O_RDWR));
	int ret;

	call->io.version[0] = DM_VERSION_MAJOR;
	call->io.data_size = sizeof(*call);
	call->io.data_start = offsetof(struct dm_call, spec);
	snprintf(call->io.name, sizeof(call->io.name), "%s", name);
	ret = T_RET(ioctl(fd, command, call));
	close(fd);
	return ret;
}

static void dm_do(unsigned long command, const char *name,
		  struct dm_call *call)
{
	T_OK(dm_try(command, name, call));
}

static const char *dm_make(const char *name, const char *target,
			   const char *disk, const char *params)
{
	static char path[4][40];
	static unsigned int turn;
	char *p = path[turn++ % 4];
	struct dm_call call = { 0 };
	unsigned int number;

	/* A test that failed before this one in the guest left its own. */
	dm_try(DM_DEV_REMOVE, name, &call);
	call = (struct dm_call){ 0 };
	dm_do(DM_DEV_CREATE, name, &call);
	/* dev_t as the kernel packs it for user space */
	number = minor(call.io.dev);

	call = (struct dm_call){ .io.target_count = 1 };
	call.spec.length = t_attr_number("/sys/block/%s/size",
					 t_disk_name(disk));
	snprintf(call.spec.target_type, sizeof(call.spec.target_type), "%s",
		 target);
	snprintf(call.params, sizeof(call.params), "%s", params);
	call.spec.next = sizeof(call.spec) + sizeof(call.params);
	dm_do(DM_TABLE_LOAD, name, &call);

	call = (struct dm_call){ 0 };
	dm_do(DM_DEV_SUSPEND, name, &call);	/* without its flag: resume */
	snprintf(p, sizeof(path[0]), "/dev/dm-%u", number);
	T_UNTIL(!access(p, F_OK));
	return p;
}

const char *t_dm_linear(const char *name, const char *disk)
{
	char params[100];

	t_modprobe("dm-mod", "");
	snprintf(params, sizeof(params), "/dev/%s 0", t_disk_name(disk));
	return dm_make(name, "linear", disk, params);
}

const char *t_dm_delay_writes(const char *name, const char *disk,
			      uint32_t delay_ms)
{
	const char *below = t_disk_name(disk);
	char params[200];

	t_modprobe("dm-delay", "");
	snprintf(params, sizeof(params), "/dev/%s 0 0 /dev/%s 0 %u", below,
		 below, delay_ms);
	return dm_make(name, "delay", disk, params);
}

uint32_t t_dm_held_back(const char *name)
{
	struct dm_call call = { 0 };
	unsigned int reads, writes;

	dm_do(DM_TABLE_STATUS, name, &call);
	/* The kernel puts the target's text behind the spec it returns. */
	T_EQ(sscanf(call.params, "%u %u", &reads, &writes), 2);
	return writes;
}

void t_dm_remove(const char *name)
{
	struct dm_call call = { 0 };

	dm_do(DM_DEV_REMOVE, name, &call);
}

/* ---------------------------------------------------------------- forward */

int t_backing(int ctl, int fd, uint32_t *index)
{
	struct abuse_backing b = { .ab_fd = fd, .ab_index = 99 };
	int ret = t_ioctl(ctl, ABUSE_SET_BACKING, &b);

	if (index)
		*index = b.ab_index;
	return ret;
}

uint32_t t_backing_of(int ctl, const char *path)
{
	int fd = T_OK(t_disk_open(path, O_RDWR));
	uint32_t index;

	T_OK(t_backing(ctl, fd, &index));
	close(fd);
	return index;
}

int t_forward(int ctl, uint64_t id, uint32_t backing, uint64_t sector)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_sector = sector,
		.ab_verb = ABUSE_VERB_FORWARD,
		.ab_backing = backing,
	};

	return t_serve(ctl, &v, 1, NULL, 0, 0, NULL);
}

#define FORWARDER_BATCH	16

static void __attribute__((noreturn)) forwarder(int ctl, uint32_t backing)
{
	static struct abuse_verb verbs[FORWARDER_BATCH];
	static struct abuse_lent lent[FORWARDER_BATCH];
	uint32_t nr_verbs = 0;
	int nr, i;

	for (;;) {
		nr = t_serve(ctl, verbs, nr_verbs, lent, FORWARDER_BATCH, 0,
			     NULL);
		nr_verbs = 0;
		if (nr == -EINTR)
			continue;
		T_OK(nr);
		for (i = 0; i < nr; i++) {
			verbs[nr_verbs] = (struct abuse_verb) {
				.ab_id = lent[i].ab_id,
				.ab_sector = lent[i].ab_sector,
				.ab_verb = ABUSE_VERB_FORWARD,
				.ab_backing = backing,
			};
			if (lent[i].ab_flags & ABUSE_LENT_FAILED) {
				verbs[nr_verbs].ab_verb = ABUSE_VERB_FAIL;
				verbs[nr_verbs].ab_error = lent[i].ab_error;
			}
			nr_verbs++;
		}
	}
}

pid_t t_forwarder_start(int number, const char *disk)
{
	pid_t pid = t_fork(false);
	uint32_t backing;
	int ctl;

	if (pid)
		return pid;
	ctl = t_ctl_open(number);
	backing = t_backing_of(ctl, disk);
	T_OK(T_RET(mlockall(MCL_CURRENT | MCL_FUTURE)));
	T_OK(t_attr_set("-1000", "/proc/self/oom_score_adj"));
	forwarder(ctl, backing);
}

/* ------------------------------------------------- calls that may not end */

struct t_call *t_call_start(long (*function)(void *arg), void *arg)
{
	struct t_call *call = t_shared(sizeof(*call));
	pid_t pid = t_fork(false);

	if (pid) {
		call->pid = pid;
		return call;
	}
	call->begun = true;
	call->result = function(arg);
	call->done = true;
	_exit(0);
}

long t_call_result(struct t_call *call)
{
	T_UNTIL(call->done);
	t_reap(call->pid);
	return call->result;
}
