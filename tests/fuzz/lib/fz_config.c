// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_config.c - a hostile server: the calls beside the serve path
 *
 * Where it stands: bio > queue > [ioctl] > server.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fz_server.h"

#define INFO_BYTES 44u	/* what is copied of struct abuse_info */

/* What a call with memory that is not there must give. */
static bool judge_mem(struct fz_actor *a, const char *what, enum fz_mem mem,
		      const void *arg, int ret)
{
	if (mem == FZ_GOOD)
		return false;
	FZ_EXPECT(a, ret == -EFAULT || (!arg && ret == -EINVAL) ||
		  (mem == FZ_READABLE && ret < 0),
		  "%s with memory that is not there: expected -EFAULT, found %s",
		  what, t_name(ret));
	return true;
}

void fz_op_get_status(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_info info;
	enum fz_mem mem;
	char path[32], *arg = fz_place_arg(r, INFO_BYTES, &mem);
	struct stat st;
	int ret;

	ret = fz_ioctl(a, fd->fd, ABUSE_GET_STATUS, arg);
	if (judge_mem(a, "GET_STATUS", mem, arg, ret))
		return;
	FZ_EXPECT(a, !ret, "GET_STATUS: expected 0, found %s", t_name(ret));
	if (ret)
		return;
	memcpy(&info, arg, INFO_BYTES);
	snprintf(path, sizeof(path), "/dev/abuse%d", a->device);
	/* As new_encode_dev() has it, which is stat's for small numbers. */
	if (!stat(path, &st))
		FZ_EXPECT(a, info.ab_device ==
			  (minor(st.st_rdev) & 0xff) +
			  (major(st.st_rdev) << 8) +
			  ((minor(st.st_rdev) & ~0xffull) << 12),
			  "GET_STATUS, ab_device: expected device %u:%u, found 0x%llx",
			  major(st.st_rdev), minor(st.st_rdev),
			  (unsigned long long)info.ab_device);
	FZ_EXPECT(a, info.ab_number == (uint32_t)a->device,
		  "GET_STATUS, ab_number: expected %d, found %u", a->device,
		  info.ab_number);
	FZ_EXPECT(a, !(info.ab_flags & ~29u) &&
		  info.ab_max_queue <= ABUSE_QUEUE_LIMIT &&
		  info.ab_blocksize <= T_PAGE &&
		  (!info.ab_blocksize || !(info.ab_size % info.ab_blocksize)),
		  "GET_STATUS: expected a device within its bounds, found flags 0x%x, bound %u, blocks of %u bytes",
		  info.ab_flags, info.ab_max_queue, info.ab_blocksize);
}

static bool is_valid(const struct abuse_info *i)
{
	return !(i->ab_flags & ~31u) && i->ab_blocksize >= 512 &&
	       i->ab_blocksize <= T_PAGE &&
	       !(i->ab_blocksize & (i->ab_blocksize - 1)) && i->ab_size &&
	       !(i->ab_size % i->ab_blocksize) &&
	       i->ab_size <= INT64_MAX &&
	       i->ab_max_queue <= ABUSE_QUEUE_LIMIT;
}

static void random_info(struct t_rand *r, struct abuse_info *i)
{
	uint64_t number = t_number(r);

	*i = (struct abuse_info){
		.ab_blocksize = 512u << t_below(r, 4),
		.ab_max_queue = t_one_in(r, 4) ? 0 : 1 + t_below(r, 64),
		.ab_flags = t_below(r, 32),
	};
	i->ab_size = (1 + t_below(r, 4096)) * (uint64_t)i->ab_blocksize;
	/* READ_ONLY and RECONNECT on a new device: seldom. */
	if (t_below(r, 4))
		i->ab_flags &= ~3u;
	switch (t_below(r, 12)) {
	case 0:
		i->ab_size = number;
		break;
	case 1:
		i->ab_blocksize = number;
		break;
	case 2:
		i->ab_flags = number;
		break;
	case 3:
		i->ab_max_queue = number;
		break;
	case 4:
		i->ab_size = number & -(uint64_t)i->ab_blocksize;
		break;
	}
}

void fz_op_set_status(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_info info;
	enum fz_mem mem;
	char *arg = fz_place_arg(r, INFO_BYTES, &mem);
	int ret;

	random_info(r, &info);
	if (fz_is_guest(a))	/* whatever is valid must be refused there */
		info.ab_flags &= ~ABUSE_FLAGS_RECONNECT;
	fz_say(a, "%llu bytes in blocks of %u, bound %u, flags 0x%x",
	       (unsigned long long)info.ab_size, info.ab_blocksize,
	       info.ab_max_queue, info.ab_flags);
	if (mem == FZ_GOOD)
		memcpy(arg, &info, INFO_BYTES);
	ret = fz_ioctl(a, fd->fd, ABUSE_SET_STATUS, arg);
	if (judge_mem(a, "SET_STATUS", mem, arg, ret))
		return;
	if (!ret)
		fz_count(fz->nr_configured, 1);
	FZ_EXPECT(a, ret || is_valid(&info),
		  "SET_STATUS out of its range: expected -EINVAL, found 0");
	FZ_EXPECT(a, ret || !fz_is_guest(a),
		  "SET_STATUS of a configured device: expected -EBUSY, found 0");
	/* What is valid is no bad argument; but a reconnect must fit. */
	FZ_EXPECT(a, ret != -EINVAL || !is_valid(&info) ||
		  info.ab_flags & ABUSE_FLAGS_RECONNECT,
		  "SET_STATUS within its range: expected anything but -EINVAL, found it");
}

/* A server that comes back, with what the device has, or nearly. */
void fz_op_reconnect(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	uint32_t change = t_below(r, 8), more = 1 + t_below(r, 64);
	struct abuse_info info = { 0 };

	if (fz_ioctl(a, fd->fd, ABUSE_GET_STATUS, &info) || !info.ab_size)
		return;
	info.ab_flags |= ABUSE_FLAGS_RECONNECT;
	fz_say(a, "change %u by %u", change, more);
	switch (change) {
	case 0:
		info.ab_max_queue = more;
		break;
	case 1:
		if (fz_is_guest(a))
			break;
		info.ab_size += (uint64_t)more * info.ab_blocksize;
		break;
	case 2:
		info.ab_size -= info.ab_blocksize;
		break;
	case 3:
		info.ab_blocksize ^= 512u | 4096u;
		break;
	case 4:
		info.ab_flags ^= ABUSE_FLAGS_WRITE_CACHE;
		break;
	case 5:
		if (!fz_is_guest(a))
			info.ab_flags ^= ABUSE_FLAGS_READ_ONLY;
		break;
	}
	fz_ioctl(a, fd->fd, ABUSE_SET_STATUS, &info);
}

void fz_op_reset(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	int ret = fz_ioctl(a, fd->fd, ABUSE_RESET, NULL);

	/* What was LENT to the caller is not any more. */
	if (ret != -EUSERS)
		fz_held_drop_file(a, fd->file);
	if (!ret)
		fz_count(fz->nr_resets, 1);
	FZ_EXPECT(a, !fz_is_guest(a) || ret == -EBUSY || ret == -EUSERS,
		  "RESET of a device that is open: expected -EBUSY, found %s",
		  t_name(ret));
}

void fz_op_set_poll(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_poll p = {
		.ab_events = t_below(r, 8),
		.ab_threshold = 1 + t_below(r, 8),
		.ab_timeout_ms = 1 + t_below(r, 20),
	};
	enum fz_mem mem;
	struct abuse_poll *arg = fz_place_arg(r, sizeof(p), &mem);
	uint64_t number = t_number(r);
	bool valid;
	int ret;

	if (p.ab_threshold == 1)
		p.ab_timeout_ms = 0;
	switch (t_below(r, 8)) {
	case 0:
		p.ab_events = number;
		break;
	case 1:
		p.ab_threshold = number;
		break;
	case 2:
		p.ab_timeout_ms = number;
		break;
	case 3:
		p.ab_reserved = number;
		break;
	}
	fz_say(a, "events 0x%x, threshold %u, %u ms, reserved %u", p.ab_events,
	       p.ab_threshold, p.ab_timeout_ms, p.ab_reserved);
	valid = p.ab_events && p.ab_events < 8 && p.ab_threshold &&
		p.ab_threshold <= ABUSE_QUEUE_LIMIT && !p.ab_reserved &&
		(p.ab_threshold == 1 ? !p.ab_timeout_ms :
		 p.ab_timeout_ms &&
		 p.ab_timeout_ms <= ABUSE_POLL_TIMEOUT_LIMIT_MS);
	if (mem == FZ_GOOD)
		memcpy(arg, &p, sizeof(p));
	ret = fz_ioctl(a, fd->fd, ABUSE_SET_POLL, arg);
	if (!judge_mem(a, "SET_POLL", mem, arg, ret))
		FZ_EXPECT(a, ret == (valid ? 0 : -EINVAL),
			  "SET_POLL: expected %s, found %s",
			  valid ? "0" : "-EINVAL", t_name(ret));
}

void fz_op_scope(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_scope s = { t_below(r, 2), t_below(r, 3) };
	enum fz_mem mem;
	struct abuse_scope *arg = fz_place_arg(r, sizeof(s), &mem);
	uint64_t number = t_number(r);
	bool set = t_one_in(r, 2), valid;
	int ret;

	switch (t_below(r, 8)) {
	case 0:
		s.ab_target = number;
		break;
	case 1:
		s.ab_scope = number;
		break;
	}
	fz_say(a, "%s target %u, scope %u", set ? "SET" : "GET", s.ab_target,
	       s.ab_scope);
	valid = s.ab_target < 2 && (!set || s.ab_scope < 3);
	if (mem == FZ_GOOD)
		memcpy(arg, &s, sizeof(s));
	ret = fz_ioctl(a, fd->fd, set ? ABUSE_SET_SCOPE : ABUSE_GET_SCOPE,
		       arg);
	if (mem == FZ_READABLE && set)	/* it asks for NONE, well */
		return;
	if (!judge_mem(a, "SET_SCOPE or GET_SCOPE", mem, arg, ret))
		FZ_EXPECT(a, ret == (valid ? 0 : -EINVAL),
			  "SET_SCOPE or GET_SCOPE: expected %s, found %s",
			  valid ? "0" : "-EINVAL", t_name(ret));
}

void fz_op_counters(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_counters c;
	enum fz_mem mem;
	void *arg = fz_place_arg(r, sizeof(c), &mem);
	int ret = fz_ioctl(a, fd->fd, ABUSE_GET_COUNTERS, arg);

	if (judge_mem(a, "GET_COUNTERS", mem, arg, ret))
		return;
	FZ_EXPECT(a, !ret, "GET_COUNTERS: expected 0, found %s", t_name(ret));
	memcpy(&c, arg, sizeof(c));
	fz_counters_check(a, a->device, &c);
}

/* A descriptor of some kind; *is_file: not a block device. */
static int random_fd(struct fz_actor *a, struct t_rand *r, bool *close_it,
		     int *want)
{
	char path[32];
	int fd;

	*close_it = true;
	*want = 0;
	switch (t_below(r, 8)) {
	case 0:
		*close_it = false;
		*want = -EBADF;
		return -1 - (int)t_below(r, 3);
	case 1:
		*want = -ENOTBLK;
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 2:
		*close_it = false;
		*want = -ENOTBLK;
		return fz_fd_any(r)->fd;
	case 3:
		*want = -EBADF;
		return open(fz->backing[0], O_RDONLY | O_CLOEXEC);
	case 4:		/* itself: no hardware */
		/* An open may wait for who waits for what we hold. */
		fz_give_back(a);
		snprintf(path, sizeof(path), "/dev/abuse%d", a->device);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0)
			*want = -EINVAL;
		return fd;
	}
	return open(fz->backing[fz_is_guest(a) ? 0 : 1], O_RDWR | O_CLOEXEC);
}

void fz_op_backing(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct abuse_backing b = { .ab_index = 0xa5a5a5a5 };
	enum fz_mem mem;
	struct abuse_backing *arg = fz_place_arg(r, sizeof(b), &mem);
	bool close_it;
	int ret, want;

	b.ab_fd = random_fd(a, r, &close_it, &want);
	fz_say(a, "descriptor %d, %s", b.ab_fd, t_name(want));
	if (mem == FZ_GOOD)
		memcpy(arg, &b, sizeof(b));
	ret = fz_ioctl(a, fd->fd, ABUSE_SET_BACKING, arg);
	if (b.ab_fd >= 0 && close_it)
		close(b.ab_fd);
	if (judge_mem(a, "SET_BACKING", mem, arg, ret))
		return;
	FZ_EXPECT(a, ret < 0 || (!want && arg->ab_index < ABUSE_BACKINGS),
		  "SET_BACKING: expected %s, found %s, index %u",
		  want ? t_name(want) : "success with an index", t_name(ret),
		  arg->ab_index);
}

void fz_op_store(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	static const uint8_t none[16];
	struct abuse_store s = { .ab_flags = t_below(r, 2) };
	enum fz_mem mem;
	struct abuse_store *arg = fz_place_arg(r, sizeof(s), &mem);
	uint64_t number = t_number(r);
	bool valid;
	int ret;

	/* Three ids, so that others come upon them again; 0 is none. */
	s.ab_id[t_below(r, 16)] = t_below(r, 4);
	if (s.ab_id[15] || number % 2)
		memset(s.ab_id, 1 + number / 2 % 3, sizeof(s.ab_id));
	if (t_one_in(r, 8))
		s.ab_flags = number;
	if (t_one_in(r, 8))
		s.ab_reserved = number;
	fz_say(a, "id %02x%02x..., flags 0x%x, reserved %u", s.ab_id[0],
	       s.ab_id[1], s.ab_flags, s.ab_reserved);
	valid = s.ab_flags < 2 && !s.ab_reserved &&
		memcmp(s.ab_id, none, sizeof(none));
	if (mem == FZ_GOOD)
		memcpy(arg, &s, sizeof(s));
	ret = fz_ioctl(a, fd->fd, ABUSE_SET_STORE, arg);
	if (judge_mem(a, "SET_STORE", mem, arg, ret))
		return;
	FZ_EXPECT(a, ret == -EINVAL ? !valid : ret == -ENODEV ||
		  ret == -EUSERS || valid,
		  "SET_STORE: expected %s, found %s",
		  valid ? "anything but -EINVAL" : "-EINVAL", t_name(ret));
}

void fz_op_unknown(struct fz_actor *a, struct t_rand *r)
{
	static const uint32_t near[] = {
		0x411f, 0x412c, 0x412d, 0x412e, 0x412f, 0x4130, 0x40004120,
		0xc0004126, 0x80004129, 0x4126ffff, 0x1260, 0xffffffff,
	};
	struct fz_fd *fd = fz_fd_any(r);
	uint32_t cmd = near[t_below(r, sizeof(near) / sizeof(near[0]))];
	void *arg = t_one_in(r, 2) ? fz_place_bad(r) : fz_place_good(r, 512);

	uint32_t other = t_u64(r), type = other >> 8 & 0xff;
	int ret;

	/* Not a call of ours, nor one that every file has. */
	if (t_one_in(r, 4) && !fz_call_of(other)->cmd && type > 0x20 &&
	    !strchr("TfX\x94", type))
		cmd = other;
	fz_say(a, "0x%x", cmd);
	ret = T_RET(ioctl(fd->fd, cmd, arg));
	FZ_EXPECT(a, ret == -ENOTTY,
		  "ioctl 0x%x of a control node: expected -ENOTTY, found %s",
		  cmd, t_name(ret));
}

/* What a control node is not: a file of bytes. */
void fz_op_file(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	uint32_t which = t_below(r, 5);
	char byte[8] = { 0 };
	long ret = -1;
	void *p;

	fz_say(a, "%u", which);
	switch (which) {
	case 0:
		ret = read(fd->fd, byte, sizeof(byte));
		break;
	case 1:
		ret = write(fd->fd, byte, sizeof(byte));
		break;
	case 2:
		ret = lseek(fd->fd, 1, SEEK_SET);
		break;
	case 3:
		p = mmap(NULL, T_PAGE, PROT_READ, MAP_SHARED, fd->fd, 0);
		ret = p == MAP_FAILED ? -1 : 0;
		break;
	case 4:
		ret = fsync(fd->fd);
		break;
	}
	FZ_EXPECT(a, ret < 0, "file call %u of a control node: expected an error, found %ld",
		  which, ret);
}
