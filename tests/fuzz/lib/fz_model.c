// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_model.c - the good servers of the device whose data is verified
 *
 * Where it stands: bio > queue > ioctl > [server > backend].  Their store is
 * shared memory, and, for every other zone of 256 KiB, a backing device if
 * there is one: there they forward what lies in one zone, and write and read
 * themselves what does not.  They die now and then, at any point.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fz_server.h"

#define BATCH	8u

struct fz_model *fz_model;

static int ctl;
static int backing_fd = -1;	/* its own: for what is not forwarded */
static uint32_t backing_index;
static char *bounce;		/* one request's data */
#define BOUNCE_BYTES	(4u * T_MIB)

void fz_model_init(void)
{
	uint32_t i;

	fz_model = t_shared(sizeof(*fz_model));
	fz_model->store = t_shared(FZ_STORE_BYTES);
	fz_model->generation = t_shared(FZ_SECTORS * sizeof(uint32_t));
	fz_model->next_generation = FZ_ZEROES + 1;
	for (i = 0; i < FZ_SECTORS; i++)
		fz_model->generation[i] =
			i / (FZ_ZONE_BYTES / 512) % 2 && fz->backing[0][0] ?
			FZ_UNKNOWN : FZ_ZEROES;
}

static void good_start(struct fz_actor *a)
{
	struct abuse_backing b = { 0 };
	int ret;

	ctl = fz_ctl_open_nr(a->device, O_CLOEXEC);
	if (ctl < 0) {
		fz_finding(a, "open of the control node: expected success, found %s",
			   t_name(ctl));
		_exit(0);
	}
	bounce = mmap(NULL, BOUNCE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (fz->backing[0][0]) {
		backing_fd = open(fz->backing[0],
				  O_RDWR | O_DIRECT | O_CLOEXEC);
		b.ab_fd = backing_fd;
		ret = fz_ioctl(a, ctl, ABUSE_SET_BACKING, &b);
		FZ_EXPECT(a, !ret, "presenting the backing: expected 0, found %s",
			  t_name(ret));
		backing_index = b.ab_index;
	}
	fz_timer_start();
}

/* Memory that a copy without faults would miss. */
static void touch(char *data, uint32_t len_bytes)
{
	uint32_t at;

	if (!len_bytes)
		return;
	for (at = 0; at < len_bytes; at += 512)
		__atomic_fetch_or(data + at, 0, __ATOMIC_RELAXED);
	__atomic_fetch_or(data + len_bytes - 1, 0, __ATOMIC_RELAXED);
}

/* One verb, which must succeed; memory that was not there is touched. */
static int do_verb(struct fz_actor *a, const struct abuse_verb *v)
{
	struct abuse_serve s = {
		.ab_verbs = (uintptr_t)v,
		.ab_nr_verbs = 1,
	};
	int ret, tries;

	for (tries = 0; tries < 100; tries++) {
		ret = fz_ioctl(a, ctl, ABUSE_SERVE, &s);
		if (ret != -EFAULT)
			break;
		if (v->ab_len_bytes)
			touch((char *)(uintptr_t)v->ab_address,
			      v->ab_len_bytes);
	}
	return ret;
}

static void must(struct fz_actor *a, const struct abuse_verb *v)
{
	int ret = do_verb(a, v);

	FZ_EXPECT(a, !ret,
		  "verb %u, id 0x%llx, bytes %u+%u, of a good server: expected 0, found %s",
		  v->ab_verb, (unsigned long long)v->ab_id,
		  v->ab_offset_bytes, v->ab_len_bytes, t_name(ret));
}

static void end_with(struct fz_actor *a, uint64_t id, uint32_t verb)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_verb = verb,
		.ab_error = EIO,
	};

	must(a, &v);
}

static bool on_backing(uint64_t offset_bytes)
{
	return backing_fd >= 0 && offset_bytes / FZ_ZONE_BYTES % 2;
}

/* Bytes of the range that lie in its first zone. */
static uint32_t in_zone(uint64_t offset_bytes, uint32_t len_bytes)
{
	uint64_t left = FZ_ZONE_BYTES - offset_bytes % FZ_ZONE_BYTES;

	return len_bytes < left ? len_bytes : left;
}

/* Between a plain buffer and the store, wherever it is. */
static void store_move(struct fz_actor *a, uint64_t offset_bytes, char *data,
		       uint32_t len_bytes, bool write)
{
	ssize_t moved;
	uint32_t len;

	for (; len_bytes; len_bytes -= len, offset_bytes += len, data += len) {
		len = in_zone(offset_bytes, len_bytes);
		if (!on_backing(offset_bytes)) {
			char *at = fz_model->store + offset_bytes;

			memcpy(write ? at : data, write ? data : at, len);
			continue;
		}
		moved = write ? pwrite(backing_fd, data, len, offset_bytes) :
				pread(backing_fd, data, len, offset_bytes);
		FZ_EXPECT(a, moved == len,
			  "the backing: expected %u bytes, found %zd", len,
			  moved);
	}
}

/* A range of one zone in memory: straight. */
static void copy_straight(struct fz_actor *a, const struct abuse_lent *l,
			  struct t_rand *r)
{
	char *data = fz_model->store + l->ab_sector * 512;
	uint32_t at, len;

	for (at = 0; at < l->ab_len_bytes; at += len) {
		len = l->ab_len_bytes - at;
		if (a->part == 1)	/* in pieces of any length */
			len = 1 + t_below(r, len);
		must(a, &(struct abuse_verb){
			.ab_id = l->ab_id,
			.ab_address = (uintptr_t)data + at,
			.ab_offset_bytes = at,
			.ab_len_bytes = len,
			.ab_verb = l->ab_command == ABUSE_WRITE ?
				   ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
		});
	}
}

/* By way of a buffer. */
static void copy_bounced(struct fz_actor *a, const struct abuse_lent *l)
{
	bool write = l->ab_command == ABUSE_WRITE;
	struct abuse_verb v = {
		.ab_id = l->ab_id,
		.ab_address = (uintptr_t)bounce,
		.ab_len_bytes = l->ab_len_bytes,
		.ab_verb = write ? ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
	};

	if (write)
		must(a, &v);
	store_move(a, l->ab_sector * 512, bounce, l->ab_len_bytes, write);
	if (!write)
		must(a, &v);
}

/* The whole of it, to or from where it is kept, and it is done. */
static void copied_and_completed(struct fz_actor *a, const struct abuse_lent *l)
{
	must(a, &(struct abuse_verb){
		.ab_id = l->ab_id,
		.ab_address = (uintptr_t)fz_model->store + l->ab_sector * 512,
		.ab_len_bytes = l->ab_len_bytes,
		.ab_verb = (l->ab_command == ABUSE_WRITE ?
			    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN) |
			   ABUSE_VERB_AND_COMPLETE,
	});
}

static bool forward(struct fz_actor *a, const struct abuse_lent *l)
{
	struct abuse_verb v = {
		.ab_id = l->ab_id,
		.ab_sector = l->ab_sector,
		.ab_verb = ABUSE_VERB_FORWARD,
		.ab_backing = backing_index,
	};
	int ret = do_verb(a, &v);

	FZ_EXPECT(a, !ret, "FORWARD of a good server: expected 0, found %s",
		  t_name(ret));
	return !ret;
}

/* Anything but data: a range becomes zeroes. */
static void zero_range(struct fz_actor *a, const struct abuse_lent *l)
{
	uint64_t offset = l->ab_sector * 512;
	uint32_t left = l->ab_len_bytes, len;

	for (; left; left -= len, offset += len) {
		len = left < BOUNCE_BYTES ? left : BOUNCE_BYTES;
		memset(bounce, 0, len);
		store_move(a, offset, bounce, len, true);
	}
}

static bool in_store(struct fz_actor *a, const struct abuse_lent *l)
{
	bool ok = l->ab_sector * 512 + l->ab_len_bytes <= FZ_STORE_BYTES &&
		  (l->ab_len_bytes <= BOUNCE_BYTES ||
		   l->ab_command > ABUSE_WRITE);

	FZ_EXPECT(a, ok, "a lend: expected a range within the device, found sector %llu, %u bytes",
		  (unsigned long long)l->ab_sector, l->ab_len_bytes);
	FZ_EXPECT(a, !(l->ab_flags & ABUSE_LENT_FAILED),
		  "a lend: expected no failure of the backing, found error %u",
		  l->ab_error);
	return ok;
}

/* A request's data; false if it has gone on without us. */
static bool serve_data(struct fz_actor *a, const struct abuse_lent *l,
		       struct t_rand *r)
{
	uint64_t offset = l->ab_sector * 512;
	bool one_zone = in_zone(offset, l->ab_len_bytes) == l->ab_len_bytes;

	if (l->ab_command == ABUSE_SYNC_NOTIFICATION)
		return true;
	if (!in_store(a, l))
		return true;
	if (l->ab_command > ABUSE_WRITE) {
		zero_range(a, l);
		return true;
	}
	if (one_zone && on_backing(offset) &&
	    (a->part == 0 || t_one_in(r, 2)))
		return !forward(a, l);
	if (one_zone && !on_backing(offset) && t_one_in(r, 3)) {
		copied_and_completed(a, l);
		return false;
	}
	if (one_zone && !on_backing(offset))
		copy_straight(a, l, r);
	else
		copy_bounced(a, l);
	return true;
}

static int lend(struct fz_actor *a, struct abuse_lent *lent, uint32_t max)
{
	struct abuse_serve s = {
		.ab_requests = (uintptr_t)lent,
		.ab_nr_requests = max,
	};
	int ret = fz_ioctl(a, ctl, ABUSE_SERVE, &s);

	FZ_EXPECT(a, ret > 0 || ret == -EINTR || ret == -EFAULT,
		  "SERVE of a good server: expected requests, found %s",
		  t_name(ret));
	return ret;
}

static void op_batch(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_lent lent[BATCH] = { 0 };
	int nr = lend(a, lent, 1 + t_below(r, BATCH)), i;

	for (i = 0; i < nr; i++) {
		fz_check_id(a, lent[i].ab_id);
		fz_pool_put(a, lent[i].ab_id);
	}
	for (i = 0; i < nr; i++)
		if (serve_data(a, &lent[i], r))
			end_with(a, lent[i].ab_id, ABUSE_VERB_COMPLETE);
}

/* Some of it served, some of it begun, and then nothing more. */
static void op_die(struct fz_actor *a, struct t_rand *r)
{
	struct abuse_lent lent[BATCH] = { 0 };
	int nr = lend(a, lent, 1 + t_below(r, BATCH)), i;
	int nr_served = t_below(r, BATCH), nr_ended = t_below(r, BATCH);

	for (i = 0; i < nr && i < nr_served; i++)
		if (serve_data(a, &lent[i], r) && i < nr_ended)
			end_with(a, lent[i].ab_id, ABUSE_VERB_COMPLETE);
	fz_op_die(a, r);
}

static const struct fz_op good_ops[] = {
	{ "serve a batch", 150, op_batch },
	{ "die", 1, op_die },
	{ 0 }
};

const struct fz_kind fz_good_server = {
	.name = "good server",
	.ops = good_ops,
	.start = good_start,
	.patience_ms = 3 * T_PATIENCE_MS,
	.serves = true,
};

/* ----------------------------------------------------------------- 2009 */

/*
 * Vectors of any length, one after the other in the buffer.  What is no data
 * it cannot tell the length of: given back for another server.
 */
static void legacy_serve(struct fz_actor *a, struct abuse_xfr_hdr *xfr,
			 struct abuse_vec *vecs)
{
	uint32_t bytes = 0;
	int ret;

	if (xfr->ab_command > ABUSE_SYNC_NOTIFICATION) {
		end_with(a, xfr->ab_id, ABUSE_VERB_REQUEUE);
		return;
	}
	if (xfr->ab_command != ABUSE_SYNC_NOTIFICATION)
		bytes = t_vecs_point(vecs, xfr->ab_vec_count, bounce);
	if (xfr->ab_command == ABUSE_READ)
		store_move(a, xfr->ab_sector * 512, bounce, bytes, false);
	touch(bounce, bytes);
	xfr->ab_result = ABUSE_RESULT_OKAY;
	ret = fz_ioctl(a, ctl, ABUSE_PUT_BIO, xfr);
	/* Without faults: the next server, or the next time. */
	FZ_EXPECT(a, !ret || ret == -EFAULT,
		  "PUT of a good server: expected 0, found %s", t_name(ret));
	if (!ret && xfr->ab_command == ABUSE_WRITE)
		store_move(a, xfr->ab_sector * 512, bounce, bytes, true);
}

static void op_legacy(struct fz_actor *a, struct t_rand *r)
{
	static struct abuse_vec vecs[T_VECS];
	struct abuse_xfr_hdr xfr = {
		.ab_transfer_address = (uintptr_t)vecs,
	};
	int ret;

	(void)r;
	touch((char *)vecs, sizeof(vecs));
	ret = fz_ioctl(a, ctl, ABUSE_GET_BIO, &xfr);
	if (ret == -ENOMSG) {
		fz_sleep_us(300);
		return;
	}
	FZ_EXPECT(a, !ret || ret == -EFAULT,
		  "GET of a good server: expected 0, found %s", t_name(ret));
	if (!ret) {
		fz_check_id(a, xfr.ab_id);
		fz_pool_put(a, xfr.ab_id);
		legacy_serve(a, &xfr, vecs);
	}
}

static void op_legacy_die(struct fz_actor *a, struct t_rand *r)
{
	uint32_t nr = 1 + t_below(r, 3);

	while (nr--)
		op_legacy(a, r);
	fz_op_die(a, r);
}

static const struct fz_op legacy_ops[] = {
	{ "serve as in 2009", 300, op_legacy },
	{ "die", 1, op_legacy_die },
	{ 0 }
};

const struct fz_kind fz_good_legacy = {
	.name = "good server of 2009",
	.ops = legacy_ops,
	.start = good_start,
	.patience_ms = 3 * T_PATIENCE_MS,
	.serves = true,
};
