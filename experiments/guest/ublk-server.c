// SPDX-License-Identifier: GPL-2.0-only
/*
 * ublk-server.c - serves a ublk device from RAM or from a raw disk: the peer
 * that comes closest, set up as well as its documentation allows
 *
 * Where it stands: load > swap > /dev/ublkbN > [server] > RAM or disk.  One
 * thread a queue owns one ring: the driver's commands and the disk's reads and
 * writes complete on it, as Documentation/block/ublk.rst prefers; the main
 * thread sends control commands and never serves.  Buffers are made before the
 * device is, one a tag, and registered; files are registered, too.
 *
 * Each protection is a switch, and counts only when read back.  It is written
 * for one device and one kernel series (6.12); it keeps no metadata.  Whoever
 * wants its device back after its death starts it again with --recover, or has
 * a second one wait, locked and prepared, with --standby.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/fs.h>
#include <linux/ublk_cmd.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "uring.h"

/* Debian 12's headers are of 6.1; these numbers are of 6.12's ublk_cmd.h. */
#ifndef UBLK_F_CMD_IOCTL_ENCODE
#define UBLK_F_CMD_IOCTL_ENCODE (1UL << 6)
#endif
#ifndef UBLK_F_USER_COPY
#define UBLK_F_USER_COPY (1UL << 7)
#endif
#ifndef UBLKSRV_IO_BUF_OFFSET
#define UBLKSRV_IO_BUF_OFFSET 0x80000000
#endif
/* Where a request's data is in the char device: queue, tag, byte. */
#define COPY_TAG_SHIFT 25
#define COPY_QUEUE_SHIFT (COPY_TAG_SHIFT + 16)

#define CONTROL(nr) _IOWR('u', nr, struct ublksrv_ctrl_cmd)
#define CONTROL_READ(nr) _IOR('u', nr, struct ublksrv_ctrl_cmd)
#define IO_COMMAND(nr) _IOWR('u', nr, struct ublksrv_io_cmd)
#define CMD_GET_FEATURES CONTROL_READ(0x13)

/* include/linux/sched.h; no system call tells them. */
#define PF_MEMALLOC_NOIO 0x00080000UL
#define PF_LOCAL_THROTTLE 0x00100000UL
#define FLUSHER_FLAGS (PF_MEMALLOC_NOIO | PF_LOCAL_THROTTLE)

/* One a queue, locked: what a queue's thread needs and no more. */
#define STACK_BYTES (256 * 1024)
#define QUEUES_MAX 8
/* The driver rounds the array of descriptors of each queue up to this many. */
#define DESCS_STRIDE_TAGS 4096
/* A dead server's device is ready to be taken over within so long. */
#define RECOVER_LIMIT_MS 60000
#define WAIT_STEP_MS 10

/* Registered files, by index. */
#define FILE_CHAR 0
#define FILE_STORE 1

/* The upper half of a completion's user data: what it completes. */
#define KIND_COMMAND 0ULL
#define KIND_STORE 1ULL

enum recovery {
	RECOVERY_NONE,	  /* the device goes with its server */
	RECOVERY_REQUEUE, /* it stays; what the server had is failed */
	RECOVERY_REISSUE, /* it stays; all is given to the next server */
};

static const char *const recovery_names[] = {"none", "requeue", "reissue"};

struct options {
	const char *status;
	const char *ready;
	const char *store_path; /* NULL: RAM */
	uint64_t store_bytes;
	enum recovery recovery;
	long recover_id; /* -1: make a device */
	bool standby;	 /* of recover_id, whose server lives */
	unsigned int nr_queues;
	unsigned int depth;
	unsigned int io_bytes;
	bool user_copy;
	bool warm; /* each tag's read is in flight once, beforehand */
	bool mlock;
	bool flusher;
	bool oom;
};

struct server {
	struct options opt;
	struct uring control;
	int control_fd;
	int char_fd;
	int store_fd;
	char *store; /* RAM; NULL: store_fd */
	struct ublksrv_ctrl_dev_info info;
	uint64_t features;
};

struct queue {
	struct server *s;
	unsigned int id;
	pthread_t thread;
	struct uring ring;
	const struct ublksrv_io_desc *descs; /* written by the driver */
	size_t descs_bytes;
	char *buffers; /* one a tag */
	cpu_set_t cpus;
	unsigned int nr_live; /* tags that have not been aborted */
	unsigned long task_flags;
	unsigned int nr_warmed; /* reads that were in flight beforehand */
	uint64_t nr_reads, nr_writes, nr_flushes, nr_errors;
};

static struct queue queues[QUEUES_MAX];
/*
 * The queues' threads and the main one meet three times: all is made that
 * needs no device; the device is there; all tags are offered.
 */
static pthread_barrier_t prepared, opened, offered;

static void __attribute__((format(printf, 1, 2), noreturn))
die(const char *format, ...)
{
	va_list args;

	fputs("ublk-server: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	/* Not exit(): a thread that fails must not wait for the others. */
	_exit(1);
}

/* ------------------------------------------------------------- the store */

static void store_open(struct server *s)
{
	uint64_t disk_bytes;

	s->store_fd = -1;
	if (!s->opt.store_path) {
		if (!s->opt.store_bytes)
			die("ram: how big? (--size N)");
		/* Populated now: serving must not ask for memory. */
		s->store =
			mmap(NULL, s->opt.store_bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (s->store == MAP_FAILED)
			die("ram: %m (%llu bytes)",
			    (unsigned long long)s->opt.store_bytes);
		return;
	}
	/* A standby shares it with the server it waits for, who opened it
	 * exclusively, and keeps the same descriptor when it takes over. */
	s->store_fd =
		open(s->opt.store_path, O_RDWR | O_DIRECT | O_CLOEXEC |
						(s->opt.standby ? 0 : O_EXCL));
	if (s->store_fd < 0)
		die("%s: %m (wants a raw disk%s)", s->opt.store_path,
		    s->opt.standby ? "" : " that nobody else uses");
	if (ioctl(s->store_fd, BLKGETSIZE64, &disk_bytes) < 0)
		die("%s: %m (wants a raw disk)", s->opt.store_path);
	if (!s->opt.store_bytes)
		s->opt.store_bytes = disk_bytes;
	if (s->opt.store_bytes > disk_bytes)
		die("%s is too small: %llu bytes", s->opt.store_path,
		    (unsigned long long)disk_bytes);
}

/* -------------------------------------------------- control commands */

/* One command, waited for.  What the driver says: 0 or more, or -errno. */
static int control(struct server *s, unsigned int op, void *buffer,
		   unsigned int bytes, uint64_t data)
{
	struct io_uring_sqe *sqe = uring_sqe(&s->control);
	struct ublksrv_ctrl_cmd *cmd = (struct ublksrv_ctrl_cmd *)sqe->cmd;
	struct io_uring_cqe cqe;
	int error;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = s->control_fd;
	sqe->cmd_op = op;
	cmd->dev_id = s->info.dev_id;
	cmd->queue_id = UINT16_MAX;
	cmd->addr = (uintptr_t)buffer;
	cmd->len = (uint16_t)bytes;
	cmd->data[0] = data;
	do {
		error = uring_enter(&s->control, 1);
		if (error)
			return error;
	} while (!uring_reap(&s->control, &cqe));
	return cqe.res;
}

static void sleep_ms(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

static void device_add(struct server *s)
{
	struct ublksrv_ctrl_dev_info *info = &s->info;
	int error;

	info->dev_id = UINT32_MAX; /* the driver chooses */
	info->nr_hw_queues = (uint16_t)s->opt.nr_queues;
	info->queue_depth = (uint16_t)s->opt.depth;
	info->max_io_buf_bytes = s->opt.io_bytes;
	info->flags = UBLK_F_CMD_IOCTL_ENCODE;
	if (s->opt.user_copy)
		info->flags |= UBLK_F_USER_COPY;
	if (s->opt.recovery != RECOVERY_NONE)
		info->flags |= UBLK_F_USER_RECOVERY;
	if (s->opt.recovery == RECOVERY_REISSUE)
		info->flags |= UBLK_F_USER_RECOVERY_REISSUE;
	error = control(s, CONTROL(UBLK_CMD_ADD_DEV), info, sizeof(*info), 0);
	if (error)
		die("the driver adds no device: %s", strerror(-error));
}

/* What a device that is there was made with: a server of it needs the same. */
static void device_learn(struct server *s)
{
	int error;

	s->info.dev_id = (uint32_t)s->opt.recover_id;
	error = control(s, CONTROL_READ(UBLK_CMD_GET_DEV_INFO), &s->info,
			sizeof(s->info), 0);
	if (error)
		die("device %ld: %s", s->opt.recover_id, strerror(-error));
	s->opt.nr_queues = s->info.nr_hw_queues;
	s->opt.depth = s->info.queue_depth;
	s->opt.io_bytes = s->info.max_io_buf_bytes;
	s->opt.user_copy = s->info.flags & UBLK_F_USER_COPY;
	if (s->opt.nr_queues > QUEUES_MAX)
		die("device %ld has %u queues, more than %u", s->opt.recover_id,
		    s->opt.nr_queues, QUEUES_MAX);
	if (!(s->info.flags & UBLK_F_USER_RECOVERY))
		die("device %ld goes with its server: it was made without "
		    "--recovery",
		    s->opt.recover_id);
	s->opt.recovery = RECOVERY_REQUEUE;
	if (s->info.flags & UBLK_F_USER_RECOVERY_REISSUE)
		s->opt.recovery = RECOVERY_REISSUE;
}

/* Take over a device whose server has gone. */
static void device_recover(struct server *s)
{
	int error, waited_ms = 0;

	/* Busy until the dead server's rings are gone and all is quiet. */
	while ((error = control(s, CONTROL(UBLK_CMD_START_USER_RECOVERY), NULL,
				0, 0)) == -EBUSY) {
		if (waited_ms >= RECOVER_LIMIT_MS)
			break;
		sleep_ms(WAIT_STEP_MS);
		waited_ms += WAIT_STEP_MS;
	}
	if (error == -ENODEV && s->opt.standby) {
		fprintf(stderr,
			"ublk-server: device %ld ended in order: there is "
			"nothing to take over\n",
			s->opt.recover_id);
		exit(0);
	}
	if (error)
		die("device %ld cannot be recovered: %s (does its server "
		    "still live?)",
		    s->opt.recover_id, strerror(-error));
}

static void device_set_params(struct server *s)
{
	struct ublk_params params = {
		.len = sizeof(params),
		.types = UBLK_PARAM_TYPE_BASIC,
		.basic =
			{
				.logical_bs_shift = 9,
				.physical_bs_shift = 12,
				.io_min_shift = 12,
				.io_opt_shift = 12,
				.max_sectors = s->info.max_io_buf_bytes >> 9,
				.dev_sectors = s->opt.store_bytes >> 9,
			},
	};
	int error;

	/* A disk may keep writes in its cache: flushes must reach it. */
	if (!s->store)
		params.basic.attrs |= UBLK_ATTR_VOLATILE_CACHE;
	error = control(s, CONTROL(UBLK_CMD_SET_PARAMS), &params,
			sizeof(params), 0);
	if (error)
		die("the driver takes no parameters: %s", strerror(-error));
}

static void control_open(struct server *s)
{
	int error = uring_init(&s->control, 4, IORING_SETUP_SQE128);

	if (error)
		die("io_uring: %s", strerror(-error));
	s->control_fd = open("/dev/ublk-control", O_RDWR | O_CLOEXEC);
	if (s->control_fd < 0)
		die("/dev/ublk-control: %m (modprobe ublk_drv)");
	s->info.dev_id = UINT32_MAX;
	/* Since 6.5; what is asked for and not there is an error, not less. */
	error = control(s, CMD_GET_FEATURES, &s->features, sizeof(s->features),
			0);
	if (error)
		die("this ublk is older than 6.5: %s", strerror(-error));
}

static void char_open(struct server *s)
{
	char path[32];
	int waited_ms = 0;

	snprintf(path, sizeof(path), "/dev/ublkc%u", s->info.dev_id);
	while ((s->char_fd = open(path, O_RDWR | O_CLOEXEC)) < 0) {
		if (errno != ENOENT || waited_ms >= RECOVER_LIMIT_MS)
			die("%s: %m", path);
		sleep_ms(WAIT_STEP_MS);
		waited_ms += WAIT_STEP_MS;
	}
}

/* The processors whose requests come to this queue. */
static void queue_affinity(struct queue *q)
{
	CPU_ZERO(&q->cpus);
	if (control(q->s, CONTROL_READ(UBLK_CMD_GET_QUEUE_AFFINITY), &q->cpus,
		    sizeof(q->cpus), q->id) < 0)
		CPU_ZERO(&q->cpus); /* anywhere, then */
}

/* ----------------------------------------------------- serving: a queue */

/* Each tag has at most one entry at a time, so the ring is never full. */
static struct io_uring_sqe *queue_sqe(struct queue *q, uint64_t kind,
				      unsigned int tag)
{
	struct io_uring_sqe *sqe = uring_sqe(&q->ring);

	if (!sqe)
		die("queue %u: more entries than tags", q->id);
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->user_data = kind << 32 | tag;
	return sqe;
}

static char *queue_buffer(struct queue *q, unsigned int tag)
{
	return q->buffers + (size_t)tag * q->s->opt.io_bytes;
}

/* Offer a tag to the driver, and with it the result of what it last was. */
static void queue_command(struct queue *q, unsigned int op, unsigned int tag,
			  int result)
{
	struct io_uring_sqe *sqe = queue_sqe(q, KIND_COMMAND, tag);
	struct ublksrv_io_cmd *cmd = (struct ublksrv_io_cmd *)sqe->cmd;

	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = FILE_CHAR;
	sqe->cmd_op = op;
	cmd->q_id = (uint16_t)q->id;
	cmd->tag = (uint16_t)tag;
	cmd->result = result;
	if (!q->s->opt.user_copy)
		cmd->addr = (uintptr_t)queue_buffer(q, tag);
	if (op == IO_COMMAND(UBLK_IO_COMMIT_AND_FETCH_REQ) && result < 0)
		q->nr_errors++;
}

static void queue_commit(struct queue *q, unsigned int tag, int result)
{
	queue_command(q, IO_COMMAND(UBLK_IO_COMMIT_AND_FETCH_REQ), tag, result);
}

/* Where the driver keeps a request's data when we are to copy it. */
static off_t copy_offset(const struct queue *q, unsigned int tag)
{
	return (off_t)UBLKSRV_IO_BUF_OFFSET +
	       ((off_t)q->id << COPY_QUEUE_SHIFT) +
	       ((off_t)tag << COPY_TAG_SHIFT);
}

/* All of it between the request and memory; bytes, or -errno. */
static int copy_data(struct queue *q, unsigned int tag, char *memory,
		     size_t bytes, bool out)
{
	off_t offset = copy_offset(q, tag);
	ssize_t done = out ? pread(q->s->char_fd, memory, bytes, offset)
			   : pwrite(q->s->char_fd, memory, bytes, offset);

	if (done < 0)
		return -errno;
	return (size_t)done == bytes ? (int)bytes : -EIO;
}

/* A request served from RAM, at once. */
static int ram_serve(struct queue *q, unsigned int tag, bool write,
		     uint64_t offset, size_t bytes)
{
	char *place = q->s->store + offset;
	char *buffer = queue_buffer(q, tag);

	if (q->s->opt.user_copy)
		return copy_data(q, tag, place, bytes, write);
	if (write)
		memcpy(place, buffer, bytes);
	else
		memcpy(buffer, place, bytes);
	return (int)bytes;
}

/* A request passed on to the disk; it ends with the disk's completion. */
static void disk_start(struct queue *q, unsigned int tag, bool write,
		       uint64_t offset, size_t bytes)
{
	struct io_uring_sqe *sqe;

	if (write && q->s->opt.user_copy) {
		int copied =
			copy_data(q, tag, queue_buffer(q, tag), bytes, true);

		if (copied < 0) {
			queue_commit(q, tag, copied);
			return;
		}
	}
	sqe = queue_sqe(q, KIND_STORE, tag);
	sqe->opcode = write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED;
	sqe->fd = FILE_STORE;
	sqe->addr = (uintptr_t)queue_buffer(q, tag);
	sqe->len = (uint32_t)bytes;
	sqe->off = offset;
	sqe->buf_index = (uint16_t)tag;
}

static void disk_flush(struct queue *q, unsigned int tag)
{
	struct io_uring_sqe *sqe = queue_sqe(q, KIND_STORE, tag);

	sqe->opcode = IORING_OP_FSYNC;
	sqe->fd = FILE_STORE;
	sqe->fsync_flags = IORING_FSYNC_DATASYNC;
}

/* A request has come with this tag. */
static void queue_serve(struct queue *q, unsigned int tag)
{
	const struct ublksrv_io_desc *desc = &q->descs[tag];
	uint64_t offset = desc->start_sector << 9;
	size_t bytes = (size_t)desc->nr_sectors << 9;
	unsigned int op = ublksrv_get_op(desc);
	bool write = op == UBLK_IO_OP_WRITE;

	switch (op) {
	case UBLK_IO_OP_READ:
	case UBLK_IO_OP_WRITE:
		q->nr_writes += write;
		q->nr_reads += !write;
		if (bytes > q->s->opt.io_bytes ||
		    offset + bytes > q->s->opt.store_bytes)
			queue_commit(q, tag, -EIO);
		else if (q->s->store)
			queue_commit(q, tag,
				     ram_serve(q, tag, write, offset, bytes));
		else
			disk_start(q, tag, write, offset, bytes);
		return;
	case UBLK_IO_OP_FLUSH:
		q->nr_flushes++;
		if (q->s->store)
			queue_commit(q, tag, 0);
		else
			disk_flush(q, tag);
		return;
	default:
		queue_commit(q, tag, -EOPNOTSUPP);
	}
}

/* The disk is done with this tag's request. */
static void queue_stored(struct queue *q, unsigned int tag, int result)
{
	if (q->s->opt.user_copy && result > 0 &&
	    ublksrv_get_op(&q->descs[tag]) == UBLK_IO_OP_READ)
		result = copy_data(q, tag, queue_buffer(q, tag), (size_t)result,
				   false);
	queue_commit(q, tag, result);
}

static void queue_complete(struct queue *q, const struct io_uring_cqe *cqe)
{
	unsigned int tag = (unsigned int)cqe->user_data;

	if (cqe->user_data >> 32 == KIND_STORE) {
		queue_stored(q, tag, cqe->res);
	} else if (cqe->res == UBLK_IO_RES_OK) {
		queue_serve(q, tag);
	} else {
		/* -ENODEV: the device stops, and this tag is not used again. */
		if (cqe->res != UBLK_IO_RES_ABORT)
			die("queue %u tag %u: the driver answers %s", q->id,
			    tag, strerror(-cqe->res));
		q->nr_live--;
	}
}

/* The PF_ flags of this thread: field 9 of its stat. */
static unsigned long task_flags(void)
{
	unsigned long flags = 0;
	char text[1024], *p;
	int fd = open("/proc/thread-self/stat", O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	p = strrchr(text, ')'); /* the name may hold anything */
	if (p)
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags);
	return flags;
}

/*
 * As many reads at once as there are tags: the ring allocates the state of a
 * read or write the first time that so many are in flight, with GFP_KERNEL,
 * and keeps it (6.12, io_alloc_async_data).  Under swap that first time would
 * be the wrong one.
 */
static void queue_warm(struct queue *q)
{
	struct io_uring_cqe cqe;
	unsigned int nr_left = q->s->opt.depth;
	int error;

	for (unsigned int tag = 0; tag < q->s->opt.depth; tag++) {
		struct io_uring_sqe *sqe = queue_sqe(q, KIND_STORE, tag);

		sqe->flags = 0; /* files are registered with the device's */
		sqe->opcode = IORING_OP_READ_FIXED;
		sqe->fd = q->s->store_fd;
		sqe->addr = (uintptr_t)queue_buffer(q, tag);
		sqe->len = 4096;
		sqe->buf_index = (uint16_t)tag;
	}
	while (nr_left) {
		error = uring_enter(&q->ring, 1);
		if (error)
			die("queue %u: %s", q->id, strerror(-error));
		while (uring_reap(&q->ring, &cqe)) {
			if (cqe.res != 4096)
				die("%s: a read beforehand gave %d",
				    q->s->opt.store_path, cqe.res);
			nr_left--;
		}
	}
	q->nr_warmed = q->s->opt.depth;
}

/*
 * What can be had without the device.  What is left for later is small: the
 * char device's file and mapping, the table of files, and the state of the
 * driver's commands, one a tag.
 */
static void queue_prepare(struct queue *q)
{
	struct server *s = q->s;
	struct iovec *vectors;
	int error;

	/* It may be impossible in a cpuset; the thread serves all the same. */
	if (CPU_COUNT(&q->cpus))
		(void)sched_setaffinity(0, sizeof(q->cpus), &q->cpus);
	error = uring_init(&q->ring, s->opt.depth,
			   IORING_SETUP_COOP_TASKRUN |
				   IORING_SETUP_SINGLE_ISSUER |
				   IORING_SETUP_DEFER_TASKRUN);
	if (error)
		die("queue %u: io_uring: %s", q->id, strerror(-error));
	if (!s->store) {
		vectors = calloc(s->opt.depth, sizeof(*vectors));
		if (!vectors)
			die("queue %u: %m", q->id);
		for (unsigned int tag = 0; tag < s->opt.depth; tag++) {
			vectors[tag].iov_base = queue_buffer(q, tag);
			vectors[tag].iov_len = s->opt.io_bytes;
		}
		error = uring_register(&q->ring, IORING_REGISTER_BUFFERS,
				       vectors, s->opt.depth);
		if (error)
			die("queue %u: buffers: %s", q->id, strerror(-error));
		free(vectors);
	}
	if (s->opt.warm)
		queue_warm(q);
	q->task_flags = task_flags();
}

/* The device is there, and ours. */
static void queue_attach(struct queue *q)
{
	struct server *s = q->s;
	const int files[] = {s->char_fd, s->store_fd};
	size_t descs_bytes = s->opt.depth * sizeof(struct ublksrv_io_desc);
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	size_t stride_bytes =
		DESCS_STRIDE_TAGS * sizeof(struct ublksrv_io_desc);
	void *descs;
	int error;

	descs_bytes = (descs_bytes + page_bytes - 1) & ~(page_bytes - 1);
	descs = mmap(NULL, descs_bytes, PROT_READ, MAP_SHARED | MAP_POPULATE,
		     s->char_fd,
		     (off_t)(UBLKSRV_CMD_BUF_OFFSET + q->id * stride_bytes));
	if (descs == MAP_FAILED)
		die("queue %u: descriptors: %m", q->id);
	q->descs = descs;
	q->descs_bytes = descs_bytes;
	error = uring_register(&q->ring, IORING_REGISTER_FILES, files,
			       s->store ? 1 : 2);
	if (error)
		die("queue %u: files: %s", q->id, strerror(-error));
}

static void *queue_run(void *arg)
{
	struct queue *q = arg;
	struct io_uring_cqe cqe;
	int error;

	queue_prepare(q);
	pthread_barrier_wait(&prepared);
	pthread_barrier_wait(&opened);
	queue_attach(q);
	q->nr_live = q->s->opt.depth;
	for (unsigned int tag = 0; tag < q->s->opt.depth; tag++)
		queue_command(q, IO_COMMAND(UBLK_IO_FETCH_REQ), tag, -1);
	error = uring_enter(&q->ring, 0);
	if (error)
		die("queue %u: %s", q->id, strerror(-error));
	pthread_barrier_wait(&offered);
	while (q->nr_live) {
		error = uring_enter(&q->ring, 1);
		if (error)
			die("queue %u: %s", q->id, strerror(-error));
		while (uring_reap(&q->ring, &cqe))
			queue_complete(q, &cqe);
	}
	/* DEL_DEV waits for the last who has the char device open or mapped. */
	munmap((void *)(uintptr_t)q->descs, q->descs_bytes);
	uring_exit(&q->ring);
	return NULL;
}

static void queues_prepare(struct server *s)
{
	unsigned int nr_threads = s->opt.nr_queues + 1;
	pthread_attr_t attr;

	if (pthread_attr_init(&attr) ||
	    pthread_attr_setstacksize(&attr, STACK_BYTES) ||
	    pthread_barrier_init(&prepared, NULL, nr_threads) ||
	    pthread_barrier_init(&opened, NULL, nr_threads) ||
	    pthread_barrier_init(&offered, NULL, nr_threads))
		die("threads: %m");
	for (unsigned int i = 0; i < s->opt.nr_queues; i++) {
		struct queue *q = &queues[i];
		int error;

		q->s = s;
		q->id = i;
		q->buffers =
			mmap(NULL, (size_t)s->opt.depth * s->opt.io_bytes,
			     PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (q->buffers == MAP_FAILED)
			die("buffers: %m (fewer queues, less --depth or --io)");
		queue_affinity(q);
		error = pthread_create(&q->thread, &attr, queue_run, q);
		if (error)
			die("thread: %s", strerror(error));
	}
	pthread_barrier_wait(&prepared);
}

static void queues_start(void)
{
	pthread_barrier_wait(&opened);
	pthread_barrier_wait(&offered);
}

/* ------------------------------------------------------- protections */

/* Before the threads are made: PR_SET_IO_FLUSHER passes to them. */
static void protect(const struct options *opt)
{
	int fd;

	if (opt->oom) {
		fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "-1000", 5) != 5)
			die("oom_score_adj: %m (needs CAP_SYS_RESOURCE)");
		close(fd);
	}
	if (opt->flusher && prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		die("PR_SET_IO_FLUSHER: %m (needs CAP_SYS_RESOURCE)");
	if (opt->mlock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
		die("mlockall: %m (needs CAP_IPC_LOCK, or RLIMIT_MEMLOCK)");
}

/* The number after `key` in a file of /proc; 0: not there. */
static long proc_number(const char *path, const char *key)
{
	char text[4096], *p;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	if (got <= 0)
		return 0;
	text[got] = '\0';
	p = strstr(text, key);
	return p ? strtol(p + strlen(key), NULL, 10) : 0;
}

static const char *yes_no(bool yes)
{
	return yes ? "true" : "false";
}

/* What the kernel says is held, into the status line; all of it, or die. */
static void report(const struct server *s, int status_fd, const char *event)
{
	long locked_kb = proc_number("/proc/self/status", "VmLck:");
	long resident_kb = proc_number("/proc/self/status", "VmRSS:");
	bool oom = proc_number("/proc/self/oom_score_adj", "") == -1000;
	unsigned long flags = ~0UL;
	unsigned int nr_warmed = 0;
	bool flusher;

	for (unsigned int i = 0; i < s->opt.nr_queues; i++) {
		flags &= queues[i].task_flags;
		nr_warmed += queues[i].nr_warmed;
	}
	flusher = (flags & FLUSHER_FLAGS) == FLUSHER_FLAGS;
	if (s->opt.mlock && !locked_kb)
		die("mlockall took no effect: VmLck is 0");
	if (s->opt.flusher && !flusher)
		die("PR_SET_IO_FLUSHER took no effect: flags 0x%lx", flags);
	if (s->opt.oom && !oom)
		die("oom_score_adj is not -1000");
	dprintf(status_fd,
		"{\"event\":\"%s\",\"pid\":%d,"
		"\"device\":\"/dev/ublkb%u\",\"queues\":%u,\"depth\":%u,"
		"\"io_bytes\":%u,\"recovery\":\"%s\",\"user_copy\":%s,",
		event, getpid(), s->info.dev_id, s->opt.nr_queues, s->opt.depth,
		s->opt.io_bytes, recovery_names[s->opt.recovery],
		yes_no(s->info.flags & UBLK_F_USER_COPY));
	dprintf(status_fd,
		"\"features\":\"0x%llx\",\"device_flags\":\"0x%llx\","
		"\"task_flags\":\"0x%lx\",\"warmed\":%u,"
		"\"locked_kb\":%ld,\"resident_kb\":%ld,",
		(unsigned long long)s->features,
		(unsigned long long)s->info.flags, flags, nr_warmed, locked_kb,
		resident_kb);
	dprintf(status_fd,
		"\"protections\":{\"mlock\":%s,\"flusher\":%s,\"oom\":%s}}\n",
		yes_no(locked_kb), yes_no(flusher), yes_no(oom));
}

/* ------------------------------------------------------------------ main */

static void usage(FILE *to)
{
	fputs("usage: ublk-server [options] ram | disk,path=PATH\n"
	      "Serve a ublk device until SIGTERM.\n"
	      "  --size N          of the device, with K, M or G (whole disk)\n"
	      "  --queues N        one thread each, at most 8 (1)\n"
	      "  --depth N         requests at a time, each queue (64)\n"
	      "  --io N            most bytes of a request (128K)\n"
	      "  --recovery MODE   when the server dies: none, the device "
	      "goes;\n"
	      "                    requeue, it stays, what the server had is\n"
	      "                    failed; reissue, it stays, all is given to\n"
	      "                    the next server (none)\n"
	      "  --recover ID      take over device ID, whose server has died\n"
	      "  --standby ID      wait, ready and locked, until the server "
	      "of\n"
	      "                    device ID dies; then take it over\n"
	      "  --user-copy       copy by pread and pwrite on the char "
	      "device\n"
	      "  --warm            read once with each tag before serving, so "
	      "that\n"
	      "                    the ring has what it allocates then (a "
	      "disk)\n"
	      "  --no-mlock        leave out that all memory is locked\n"
	      "  --no-flusher      leave out PR_SET_IO_FLUSHER\n"
	      "  --no-oom          leave out being spared by the OOM killer\n"
	      "  --naive           leave out all three\n"
	      "  --status PATH     append a line of JSON when ready, and at "
	      "the\n"
	      "                    end\n"
	      "  --ready PATH      create this file; a line in it when ready\n"
	      "  --help\n"
	      "Exit status: 0 stopped in order, 1 failed, 2 usage.\n",
	      to);
}

static void __attribute__((noreturn)) misused(const char *what)
{
	fprintf(stderr, "ublk-server: %s (see --help)\n", what);
	exit(2);
}

static uint64_t parse_number(const char *text, uint64_t max)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	switch (*end) {
	case 'G':
		value <<= 10;
		/* fall through */
	case 'M':
		value <<= 10;
		/* fall through */
	case 'K':
		value <<= 10;
		end++;
		break;
	}
	if (errno || end == text || *end || *text == '-' || value > max)
		misused(text);
	return value;
}

static void parse_store(struct options *opt, const char *text)
{
	const char *prefix = "disk,path=";

	if (!strncmp(text, prefix, strlen(prefix)) && text[strlen(prefix)])
		opt->store_path = text + strlen(prefix);
	else if (strcmp(text, "ram"))
		misused("the store is ram, or disk,path=PATH");
}

static enum recovery parse_recovery(const char *text)
{
	for (unsigned int i = 0; i <= RECOVERY_REISSUE; i++)
		if (!strcmp(text, recovery_names[i]))
			return i;
	misused("--recovery is none, requeue or reissue");
}

static void parse(struct options *opt, int argc, char **argv)
{
	static const struct option names[] = {
		{"size", required_argument, NULL, 's'},
		{"queues", required_argument, NULL, 'q'},
		{"depth", required_argument, NULL, 'd'},
		{"io", required_argument, NULL, 'i'},
		{"recovery", required_argument, NULL, 'r'},
		{"recover", required_argument, NULL, 'R'},
		{"standby", required_argument, NULL, 'B'},
		{"user-copy", no_argument, NULL, 'u'},
		{"warm", no_argument, NULL, 'w'},
		{"no-mlock", no_argument, NULL, 'M'},
		{"no-flusher", no_argument, NULL, 'F'},
		{"no-oom", no_argument, NULL, 'O'},
		{"naive", no_argument, NULL, 'N'},
		{"status", required_argument, NULL, 'S'},
		{"ready", required_argument, NULL, 'y'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", names, NULL)) >= 0) {
		switch (c) {
		case 's':
			opt->store_bytes = parse_number(optarg, 1ULL << 50);
			break;
		case 'q':
			opt->nr_queues =
				(unsigned int)parse_number(optarg, QUEUES_MAX);
			break;
		case 'd':
			opt->depth = (unsigned int)parse_number(
				optarg, UBLK_MAX_QUEUE_DEPTH);
			break;
		case 'i':
			opt->io_bytes =
				(unsigned int)parse_number(optarg, 32 << 20);
			break;
		case 'r':
			opt->recovery = parse_recovery(optarg);
			break;
		case 'B':
			opt->standby = true;
			/* fall through */
		case 'R':
			opt->recover_id = (long)parse_number(optarg, INT32_MAX);
			break;
		case 'u':
			opt->user_copy = true;
			break;
		case 'w':
			opt->warm = true;
			break;
		case 'M':
			opt->mlock = false;
			break;
		case 'F':
			opt->flusher = false;
			break;
		case 'O':
			opt->oom = false;
			break;
		case 'N':
			opt->mlock = opt->flusher = opt->oom = false;
			break;
		case 'S':
			opt->status = optarg;
			break;
		case 'y':
			opt->ready = optarg;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			exit(2);
		}
	}
	if (optind != argc - 1)
		misused("name one store");
	parse_store(opt, argv[optind]);
	if (!opt->nr_queues || !opt->depth || opt->io_bytes < 4096 ||
	    opt->io_bytes % 4096 || opt->store_bytes % 4096)
		misused("queues and depth are at least 1, sizes whole pages");
	if (opt->recover_id >= 0 && !opt->store_path)
		misused("what was in RAM is gone with the server that had it");
	if (opt->warm && !opt->store_path)
		misused("--warm is for a disk: from RAM nothing is read");
}

static int open_appending(const char *path)
{
	int fd = open(path ? path : "/dev/null",
		      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: %m", path);
	return fd;
}

/* Wait for the signal that may end us; the device must be out of use then. */
static void wait_for_end(const struct server *s, const sigset_t *signals)
{
	char path[32];
	int number, fd;

	snprintf(path, sizeof(path), "/dev/ublkb%u", s->info.dev_id);
	for (;;) {
		if (sigwait(signals, &number))
			continue;
		/* Swap and mounts hold it exclusively. */
		fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		if (fd >= 0 || errno != EBUSY)
			return;
		fprintf(stderr,
			"ublk-server: %s is in use: swapoff or umount first\n",
			path);
	}
}

/* Until the device's server has died; ends this one on a signal. */
static void wait_for_death(const struct server *s, const sigset_t *signals)
{
	struct pollfd watched[2] = {{.events = POLLIN}, {.events = POLLIN}};

	watched[0].fd = pidfd_open(s->info.ublksrv_pid, 0);
	if (watched[0].fd < 0 && errno == ESRCH)
		return;
	watched[1].fd = signalfd(-1, signals, SFD_CLOEXEC);
	if (watched[0].fd < 0 || watched[1].fd < 0)
		die("the server %d cannot be watched: %m", s->info.ublksrv_pid);
	while (poll(watched, 2, -1) < 0)
		if (errno != EINTR)
			die("poll: %m");
	if (!watched[0].revents)
		exit(0);
	close(watched[0].fd);
	close(watched[1].fd);
}

static void say_ready(const struct server *s, int ready_fd)
{
	if (write(ready_fd, "ready\n", 6) != 6)
		die("%s: %m", s->opt.ready);
}

static void device_end(struct server *s, int status_fd)
{
	uint64_t nr_reads = 0, nr_writes = 0, nr_flushes = 0, nr_errors = 0;
	int error = control(s, CONTROL(UBLK_CMD_STOP_DEV), NULL, 0, 0);

	if (error)
		die("the device does not stop: %s", strerror(-error));
	for (unsigned int i = 0; i < s->opt.nr_queues; i++) {
		pthread_join(queues[i].thread, NULL);
		nr_reads += queues[i].nr_reads;
		nr_writes += queues[i].nr_writes;
		nr_flushes += queues[i].nr_flushes;
		nr_errors += queues[i].nr_errors;
	}
	close(s->char_fd);
	error = control(s, CONTROL(UBLK_CMD_DEL_DEV), NULL, 0, 0);
	if (error)
		die("the device does not go: %s", strerror(-error));
	dprintf(status_fd,
		"{\"event\":\"server-totals\",\"reads\":%llu,\"writes\":%llu,"
		"\"flushes\":%llu,\"errors\":%llu}\n",
		(unsigned long long)nr_reads, (unsigned long long)nr_writes,
		(unsigned long long)nr_flushes, (unsigned long long)nr_errors);
}

int main(int argc, char **argv)
{
	static struct server server = {
		.opt =
			{
				.recover_id = -1,
				.nr_queues = 1,
				.depth = 64,
				.io_bytes = 128 * 1024,
				.mlock = true,
				.flusher = true,
				.oom = true,
			},
	};
	struct server *s = &server;
	int status_fd, ready_fd, error;
	bool recovers;
	sigset_t signals;

	parse(&s->opt, argc, argv);
	recovers = s->opt.recover_id >= 0;
	/* No arena of its own for each thread: what it reserved would be
	 * locked. */
	mallopt(M_ARENA_MAX, 1);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	status_fd = open_appending(s->opt.status);
	ready_fd = open_appending(s->opt.ready);
	protect(&s->opt);
	store_open(s);
	control_open(s);
	if (s->opt.user_copy && !(s->features & UBLK_F_USER_COPY))
		die("this kernel's ublk has no user copy");
	if (recovers) {
		device_learn(s);
	} else {
		device_add(s);
		device_set_params(s);
	}
	if (s->opt.standby && s->info.ublksrv_pid <= 0)
		die("device %ld has no server: start a standby once there is "
		    "one, or --recover",
		    s->opt.recover_id);
	queues_prepare(s);
	if (s->opt.standby) {
		report(s, status_fd, "standby");
		say_ready(s, ready_fd);
		wait_for_death(s, &signals);
	}
	if (recovers)
		device_recover(s);
	char_open(s);
	queues_start();
	error = control(s,
			recovers ? CONTROL(UBLK_CMD_END_USER_RECOVERY)
				 : CONTROL(UBLK_CMD_START_DEV),
			NULL, 0, (uint64_t)getpid());
	if (error)
		die("the device does not start: %s", strerror(-error));
	report(s, status_fd, "server");
	if (!s->opt.standby)
		say_ready(s, ready_fd);
	wait_for_end(s, &signals);
	device_end(s, status_fd);
	return 0;
}
