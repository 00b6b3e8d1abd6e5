// SPDX-License-Identifier: GPL-2.0-only
/*
 * t_serve.c - the server's side of a test, by both ABIs
 *
 * Where it stands: bio > queue > ioctl > [server in the test].
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t.h"

int t_serve(int ctl, const struct abuse_verb *verbs, uint32_t nr_verbs,
	    struct abuse_lent *lent, uint32_t max, uint32_t flags,
	    uint32_t *done)
{
	struct abuse_serve serve = {
		.ab_verbs = (uintptr_t)verbs,
		.ab_requests = (uintptr_t)lent,
		.ab_nr_verbs = nr_verbs,
		.ab_nr_requests = max,
		.ab_nr_verbs_done = 0xdeadbeef,
		.ab_flags = flags,
	};
	int ret = t_ioctl(ctl, ABUSE_SERVE, &serve);

	if (done)
		*done = serve.ab_nr_verbs_done;
	return ret;
}

int t_lend(int ctl, struct abuse_lent *lent, uint32_t max)
{
	return t_serve(ctl, NULL, 0, lent, max, ABUSE_SERVE_NOWAIT, NULL);
}

struct abuse_lent t_lend_one(int ctl)
{
	struct abuse_lent lent = { 0 };

	T_EQ(t_lend(ctl, &lent, 1), 1);
	return lent;
}

int t_verb(int ctl, uint32_t verb, uint64_t id, const void *address,
	   uint32_t offset_bytes, uint32_t len_bytes)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_address = (uintptr_t)address,
		.ab_offset_bytes = offset_bytes,
		.ab_len_bytes = len_bytes,
		.ab_verb = verb,
	};

	return t_serve(ctl, &v, 1, NULL, 0, 0, NULL);
}

int t_complete(int ctl, uint64_t id)
{
	return t_verb(ctl, ABUSE_VERB_COMPLETE, id, NULL, 0, 0);
}

int t_fail_request(int ctl, uint64_t id, uint32_t error)
{
	const struct abuse_verb v = {
		.ab_id = id,
		.ab_verb = ABUSE_VERB_FAIL,
		.ab_error = error,
	};

	return t_serve(ctl, &v, 1, NULL, 0, 0, NULL);
}

int t_requeue(int ctl, uint64_t id)
{
	return t_verb(ctl, ABUSE_VERB_REQUEUE, id, NULL, 0, 0);
}

void t_answer(int ctl, const struct abuse_lent *lent)
{
	static const char zeroes[64 * 1024];
	uint32_t done = 0, len;

	while (lent->ab_command == ABUSE_READ && done < lent->ab_len_bytes) {
		len = lent->ab_len_bytes - done;
		if (len > sizeof(zeroes))
			len = sizeof(zeroes);
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent->ab_id, zeroes, done,
			    len));
		done += len;
	}
	T_OK(t_complete(ctl, lent->ab_id));
}

int t_get(int ctl, struct abuse_xfr_hdr *xfr, struct abuse_vec *vecs)
{
	memset(xfr, 0, sizeof(*xfr));
	xfr->ab_transfer_address = (uintptr_t)vecs;
	return t_ioctl(ctl, ABUSE_GET_BIO, xfr);
}

int t_put(int ctl, struct abuse_xfr_hdr *xfr, struct abuse_vec *vecs,
	  uint32_t result)
{
	xfr->ab_transfer_address = (uintptr_t)vecs;
	xfr->ab_result = result;
	return t_ioctl(ctl, ABUSE_PUT_BIO, xfr);
}

uint32_t t_vecs_point(struct abuse_vec *vecs, uint32_t nr, void *buffer)
{
	uint32_t bytes = 0, i;

	for (i = 0; i < nr; i++) {
		vecs[i].ab_address = (uintptr_t)buffer + bytes;
		bytes += vecs[i].ab_len;
	}
	return bytes;
}

/* ------------------------------------------------- servers as processes */

struct t_store t_store_make(uint64_t size_bytes)
{
	struct t_store store = {
		.size_bytes = size_bytes,
		.memory = t_shared(size_bytes),
		.served = t_shared(T_SERVERS * sizeof(struct t_served)),
	};

	return store;
}

static char *store_at(const struct t_store *store, uint64_t sector,
		      uint32_t len_bytes)
{
	uint64_t at = sector * 512;

	if (at + len_bytes > store->size_bytes)
		T_FAIL("a request beyond the end: sector %llu, %u bytes",
		       (unsigned long long)sector, len_bytes);
	return store->memory + at;
}

/* The data of one request, in pieces, in ascending order. */
static void serve_data(int ctl, const struct t_store *store,
		       const struct t_server *how,
		       const struct abuse_lent *lent)
{
	uint32_t piece = how->piece_bytes ?: lent->ab_len_bytes;
	char *data = store_at(store, lent->ab_sector, lent->ab_len_bytes);
	uint32_t done, len;

	for (done = 0; done < lent->ab_len_bytes; done += len) {
		len = lent->ab_len_bytes - done;
		if (len > piece)
			len = piece;
		T_OK(t_verb(ctl, lent->ab_command == ABUSE_WRITE ?
			    ABUSE_VERB_COPY_OUT : ABUSE_VERB_COPY_IN,
			    lent->ab_id, data + done, done, len));
	}
}

static void __attribute__((noreturn))
serve_loop(int ctl, const struct t_store *store, const struct t_server *how)
{
	struct t_served *served = &store->served[how->index];
	uint32_t batch = how->batch ?: 16;
	struct abuse_verb verbs[64];
	struct abuse_lent lent[64];
	uint32_t nr_verbs = 0, turn = 0;
	int nr, i;

	for (;;) {
		nr = t_serve(ctl, verbs, nr_verbs, lent, batch, 0, NULL);
		nr_verbs = 0;
		if (nr == -EINTR)
			continue;
		T_OK(nr);
		for (i = 0; i < nr; i++) {
			verbs[nr_verbs] = (struct abuse_verb) {
				.ab_id = lent[i].ab_id,
				.ab_verb = ABUSE_VERB_COMPLETE,
			};
			if (how->pick && !(++turn % 7) &&
			    !(lent[i].ab_flags & ABUSE_LENT_AGAIN))
				verbs[nr_verbs].ab_verb = ABUSE_VERB_REQUEUE;
			else
				served->requests++;
			nr_verbs++;
			if (lent[i].ab_flags & ABUSE_LENT_FUA)
				served->fua++;
			if (lent[i].ab_command == ABUSE_SYNC_NOTIFICATION)
				served->flushes++;
			else
				serve_data(ctl, store, how, &lent[i]);
		}
	}
}

/*
 * As in 2009: wait by poll, take one, answer it; the data of a WRITE arrives
 * with the answer and is stored after it.
 */
static void __attribute__((noreturn))
legacy_loop(int ctl, const struct t_store *store, const struct t_server *how)
{
	static char bounce[8 * T_MIB];
	struct t_served *served = &store->served[how->index];
	struct pollfd p = { .fd = ctl, .events = POLLMSG };
	/* Room for more than the contract allows: it is to be seen. */
	struct abuse_vec vecs[2 * T_VECS];
	struct abuse_xfr_hdr xfr;
	struct abuse_info info;
	uint32_t bytes;
	int ret;

	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	for (;;) {
		ret = t_get(ctl, &xfr, vecs);
		if (ret == -ENOMSG) {
			poll(&p, 1, -1);
			continue;
		}
		T_OK(ret);
		T_TRUE(xfr.ab_vec_count <= info.ab_max_vecs,
		       "a request by GET: expected at most %u vectors, found %u",
		       info.ab_max_vecs, xfr.ab_vec_count);
		bytes = 0;
		if (xfr.ab_command == ABUSE_SYNC_NOTIFICATION)
			served->flushes++;
		else
			bytes = t_vecs_point(vecs, xfr.ab_vec_count, bounce);
		if (bytes > sizeof(bounce))
			T_FAIL("a request of %u bytes", bytes);
		if (xfr.ab_command == ABUSE_READ)
			memcpy(bounce, store_at(store, xfr.ab_sector, bytes),
			       bytes);
		T_OK(t_put(ctl, &xfr, vecs, ABUSE_RESULT_OKAY));
		if (xfr.ab_command == ABUSE_WRITE)
			memcpy(store_at(store, xfr.ab_sector, bytes), bounce,
			       bytes);
		served->requests++;
	}
}

pid_t t_server_start(const struct t_store *store, const struct t_server *how)
{
	pid_t pid = t_fork(false);
	int ctl;

	if (pid)
		return pid;
	ctl = t_ctl_open(how->number);
	if (how->legacy)
		legacy_loop(ctl, store, how);
	serve_loop(ctl, store, how);
}

void t_server_await(int ctl, uint32_t nr_servers)
{
	struct abuse_info info;

	T_UNTIL(t_counters(ctl).ab_nr_servers == nr_servers);
	/* The entry is made first, the capacity shown after it. */
	T_OK(t_ioctl(ctl, ABUSE_GET_STATUS, &info));
	if (nr_servers)
		T_UNTIL(t_is_live(info.ab_number));
}

pid_t t_holder_start(int number, uint32_t nr)
{
	struct abuse_lent lent[64];
	pid_t pid = t_fork(false);
	uint32_t have = 0;
	int ctl, ret;

	if (pid)
		return pid;
	ctl = t_ctl_open(number);
	while (have < nr) {
		ret = t_serve(ctl, NULL, 0, lent, nr - have, 0, NULL);
		if (ret != -EINTR)
			have += T_OK(ret);
	}
	for (;;)
		pause();
}
