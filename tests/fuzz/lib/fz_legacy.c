// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_legacy.c - a hostile server: GET_BIO, PUT_BIO and poll, as in 2009
 *
 * Where it stands: bio > queue > ioctl > [hostile server].
 */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>

#include "fz_server.h"

static struct abuse_vec vecs[T_VECS];

/* What GET has said of a request, or that it says nonsense. */
static void take_xfr(struct fz_actor *a, const struct fz_fd *fd,
		     const struct abuse_xfr_hdr *xfr, bool told)
{
	struct fz_held held = {
		.id = xfr->ab_id,
		.sector = xfr->ab_sector,
		.file = fd->file,
		.command = xfr->ab_command,
		.nr_vecs = xfr->ab_vec_count,
		.by_get = true,
		.vague = !told,
	};
	uint32_t i;

	FZ_EXPECT(a, xfr->ab_vec_count <= T_VECS &&
		  xfr->ab_command <= ABUSE_WRITE_ZEROES,
		  "GET: expected a request as the header has it, found command %u, %u vectors",
		  xfr->ab_command, xfr->ab_vec_count);
	for (i = 0; told && i < xfr->ab_vec_count && i < T_VECS; i++) {
		FZ_EXPECT(a, vecs[i].ab_len && vecs[i].ab_offset < T_PAGE,
			  "GET, vector %u: expected bytes within a page or after it, found %u at %u",
			  i, vecs[i].ab_len, vecs[i].ab_offset);
		held.len_bytes += vecs[i].ab_len;
	}
	if (held.command > ABUSE_WRITE)
		held.vague = true;
	fz_held_add(a, &held);
}

void fz_op_get(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	uint32_t where = t_below(r, 8);
	struct abuse_xfr_hdr *xfr;
	enum fz_mem mem;
	void *vec_place = vecs;
	int ret;

	xfr = fz_place_arg(r, sizeof(*xfr), &mem);
	if (where == 0)
		vec_place = NULL;
	else if (where == 1)
		vec_place = fz_place_bad(r);
	fz_say(a, "vectors at %p", vec_place);
	if (fz_nr_held > FZ_HELD_MAX / 2)
		return;
	if (mem == FZ_GOOD) {
		memset(xfr, 0xa5, sizeof(*xfr));
		xfr->ab_transfer_address = (uintptr_t)vec_place;
	}
	ret = fz_ioctl(a, fd->fd, ABUSE_GET_BIO, xfr);
	FZ_EXPECT(a, mem == FZ_GOOD || ret < 0,
		  "GET to memory that is not there: expected an error, found %d",
		  ret);
	if (!ret && mem == FZ_GOOD) {
		FZ_EXPECT(a, !xfr->ab_vec_count || vec_place == vecs ||
			  !vec_place,
			  "GET, vectors to memory that is not there: expected -EFAULT, found 0");
		take_xfr(a, fd, xfr, vec_place == vecs);
	}
}

/* How the answer is made wrong. */
enum spoil { RIGHT, SECTOR, COMMAND, COUNT, RESULT, ID, SPOILS };

static void spoil(struct abuse_xfr_hdr *xfr, enum spoil how, uint64_t number)
{
	switch (how) {
	case SECTOR:
		xfr->ab_sector ^= 1 + number % 1000;
		break;
	case COMMAND:
		xfr->ab_command ^= 1 + number % 3;
		break;
	case COUNT:
		xfr->ab_vec_count += 1 + number % 1000;
		break;
	case RESULT:
		xfr->ab_result = 3 + number % 1000;
		break;
	default:
		break;
	}
}

/* The data of each vector: in the arena, or somewhere bad. */
static void point_vecs(struct t_rand *r, uint32_t nr, bool bad)
{
	uint32_t at = t_below(r, T_VECS), i;

	for (i = 0; i < T_VECS; i++)
		vecs[i].ab_address = (uintptr_t)fz_arena();
	if (bad && nr)
		vecs[at % nr].ab_address = (uintptr_t)fz_place_bad(r);
}

static void judge_put(struct fz_actor *a, struct fz_held *h, enum spoil how,
		      bool bad, int ret)
{
	if (!h) {
		FZ_EXPECT(a, ret == -ENOMSG || ret == -ESTALE,
			  "PUT of what is not the caller's: expected -ENOMSG or -ESTALE, found %s",
			  t_name(ret));
		return;
	}
	if (how != RIGHT)
		FZ_EXPECT(a, ret == -EINVAL,
			  "PUT that does not match (%d): expected -EINVAL, found %s",
			  how, t_name(ret));
	else
		FZ_EXPECT(a, !ret || ret == -EFAULT ||
			  (!h->by_get && ret == -EINVAL),
			  "PUT that matches: expected 0%s, found %s",
			  bad ? " or -EFAULT" : "", t_name(ret));
	/* Done, answered, or QUEUED again: not ours to answer any more. */
	fz_held_drop(a, h);
}

/* The device has failed: all that this file was lent, and all QUEUED. */
static void fail_device(struct fz_actor *a, const struct fz_fd *fd)
{
	struct abuse_xfr_hdr xfr = { .ab_result = ABUSE_RESULT_DEVICE_FAILURE };
	int ret = fz_ioctl(a, fd->fd, ABUSE_PUT_BIO, &xfr);

	if (!ret)
		fz_held_drop_file(a, fd->file);
	else
		FZ_EXPECT(a, ret == -EUSERS || ret == -EMEDIUMTYPE,
			  "PUT of DEVICE_FAILURE: expected 0, found %s",
			  t_name(ret));
}

void fz_op_put(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct fz_held *h = fz_held_any(r, fd->file);
	uint64_t other = fz_pool_get(a, r), number = t_u64(r);
	enum spoil how = t_one_in(r, 2) ? RIGHT : t_below(r, SPOILS);
	bool bad = t_one_in(r, 8), vecs_bad = t_one_in(r, 16);
	struct abuse_xfr_hdr xfr = { 0 }, *arg;
	enum fz_mem mem;
	int ret;

	arg = fz_place_arg(r, sizeof(xfr), &mem);
	point_vecs(r, h ? h->nr_vecs : 1, bad);
	if (fz_is_guest(a) && how == RIGHT)
		how = SECTOR;
	if (!fz_is_guest(a) && number % 32 == 0) {
		fail_device(a, fd);
		return;
	}
	if (how == ID)
		h = NULL;
	xfr.ab_id = h ? h->id : other;
	if (!h)		/* may be ours all the same */
		h = fz_held_find(fd->file, other);
	if (h) {
		xfr.ab_sector = h->sector;
		xfr.ab_command = h->command;
		xfr.ab_vec_count = h->nr_vecs;
	}
	xfr.ab_result = number / 32 % 8 ? ABUSE_RESULT_OKAY :
					  ABUSE_RESULT_MEDIA_FAILURE;
	if (how == ID && h)
		how = RESULT;
	if (how == COUNT && h && !h->by_get)	/* it could be the right one */
		how = RESULT;
	spoil(&xfr, how, number / 256);
	xfr.ab_transfer_address = vecs_bad ? (uintptr_t)fz_place_bad(r) :
					     (uintptr_t)vecs;
	fz_say(a, "id 0x%llx, spoil %d", (unsigned long long)xfr.ab_id, how);
	if (mem == FZ_GOOD)
		memcpy(arg, &xfr, sizeof(xfr));
	ret = fz_ioctl(a, fd->fd, ABUSE_PUT_BIO, arg);
	if (mem != FZ_GOOD)
		FZ_EXPECT(a, ret < 0,
			  "PUT from memory that is not there, or of id 0: expected an error, found %d",
			  ret);
	else if (ret != -EUSERS)
		judge_put(a, h, how, bad || vecs_bad, ret);
}

void fz_op_poll(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	struct pollfd p = {
		.fd = fd->fd,
		.events = POLLMSG | POLLIN | POLLPRI | POLLOUT,
	};
	int ms = t_one_in(r, 4) ? t_below(r, 10) : 0;
	int ret = poll(&p, 1, ms);

	FZ_EXPECT(a, ret >= 0 || errno == EINTR,
		  "poll: expected success, found %s", t_name(-errno));
	FZ_EXPECT(a, ret <= 0 || !(p.revents & ~(POLLMSG | POLLIN | POLLPRI)),
		  "poll: expected POLLMSG, POLLIN or POLLPRI, found 0x%x",
		  p.revents);
}
