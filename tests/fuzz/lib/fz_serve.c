// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_serve.c - a hostile server: ABUSE_SERVE with verbs of every kind
 *
 * Where it stands: bio > queue > ioctl > [hostile server].  It keeps a list
 * of what it has been lent, foresees what each verb may give, and compares.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "fz_server.h"

#define VERBS_MAX	8
#define NOT_WRITTEN	0xdeadbeefu

struct fz_fd fz_fds[FZ_FDS_MAX];
uint32_t fz_nr_fds;
struct fz_held fz_held[FZ_HELD_MAX];
uint32_t fz_nr_held;
static uint32_t next_file;

bool fz_is_guest(const struct fz_actor *a)
{
	return a->device == FZ_MODEL;
}

static void on_timer(int sig)
{
	(void)sig;
}

/* Every wait of this process is interrupted, often. */
void fz_timer_start(void)
{
	struct sigaction action = { .sa_handler = on_timer };
	struct itimerval often = { { 0, 15000 }, { 0, 15000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
}

void fz_server_start(struct fz_actor *a)
{
	fz_memory_init();
	fz_nr_fds = 0;
	fz_nr_held = 0;
	fz_fd_open(a);
	fz_timer_start();
}

/* ------------------------------------------------- descriptors, requests */

struct fz_fd *fz_fd_any(struct t_rand *r)
{
	return &fz_fds[t_below(r, fz_nr_fds)];
}

void fz_fd_open(struct fz_actor *a)
{
	int fd = fz_ctl_open_nr(a->device, O_CLOEXEC);

	if (fd < 0) {
		fz_finding(a, "open of /dev/abctl%d: expected success, found %s",
			   a->device, t_name(fd));
		_exit(0);
	}
	fz_fds[fz_nr_fds++] = (struct fz_fd){ fd, next_file++ };
}

static uint32_t fds_of(uint32_t file)
{
	uint32_t nr = 0, i;

	for (i = 0; i < fz_nr_fds; i++)
		nr += fz_fds[i].file == file;
	return nr;
}

void fz_fd_close(struct fz_actor *a, uint32_t at)
{
	struct fz_fd fd = fz_fds[at];

	fz_fds[at] = fz_fds[--fz_nr_fds];
	close(fd.fd);
	if (!fds_of(fd.file))
		fz_held_drop_file(a, fd.file);
	if (!fz_nr_fds)
		fz_fd_open(a);
}

static bool in_pool(const struct fz_actor *a, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < FZ_POOL; i++)
		if (fz->pool[a->device][i] == id)
			return true;
	return false;
}

void fz_held_add(struct fz_actor *a, const struct fz_held *held)
{
	fz_check_id(a, held->id);
	FZ_EXPECT(a, !in_pool(a, held->id),
		  "a lend: expected an id that no earlier lend had, found 0x%llx again",
		  (unsigned long long)held->id);
	fz_pool_put(a, held->id);
	if (fz_nr_held < FZ_HELD_MAX)
		fz_held[fz_nr_held++] = *held;
}

void fz_held_drop(struct fz_actor *a, struct fz_held *held)
{
	(void)a;
	*held = fz_held[--fz_nr_held];
}

void fz_held_drop_file(struct fz_actor *a, uint32_t file)
{
	uint32_t i = 0;

	while (i < fz_nr_held) {
		if (fz_held[i].file == file)
			fz_held_drop(a, &fz_held[i]);
		else
			i++;
	}
}

struct fz_held *fz_held_find(uint32_t file, uint64_t id)
{
	uint32_t i;

	for (i = 0; i < fz_nr_held; i++)
		if (fz_held[i].file == file && fz_held[i].id == id)
			return &fz_held[i];
	return NULL;
}

struct fz_held *fz_held_any(struct t_rand *r, uint32_t file)
{
	uint32_t i, at = t_below(r, FZ_HELD_MAX);

	for (i = 0; i < fz_nr_held; i++) {
		struct fz_held *held = &fz_held[(at + i) % fz_nr_held];

		if (held->file == file)
			return held;
	}
	return NULL;
}

/* ------------------------------------------------------------- verbs */

/* What a verb may give. */
struct outcome {
	bool ok, einval, estale, efault, forward;
};

static bool is_allowed(const struct outcome *o, int err)
{
	switch (err) {
	case 0:
		return o->ok;
	case -EINVAL:
		return o->einval;
	case -ESTALE:
		return o->estale;
	case -EFAULT:
		return o->efault;
	case -EPERM:
	case -EOPNOTSUPP:
		return o->forward;
	}
	return false;
}

static bool is_copy(uint32_t verb)
{
	verb &= ~ABUSE_VERB_AND_COMPLETE;
	return verb == ABUSE_VERB_COPY_OUT || verb == ABUSE_VERB_COPY_IN;
}

/* How much of a READ is there once this copy has been made. */
static uint32_t copied_then(const struct fz_held *h, const struct abuse_verb *v)
{
	uint32_t end = v->ab_offset_bytes + v->ab_len_bytes;

	return v->ab_offset_bytes <= h->copied_bytes &&
	       end > h->copied_bytes ? end : h->copied_bytes;
}

static struct outcome foresee_copy(const struct fz_held *h,
				   const struct abuse_verb *v, bool nofault)
{
	uint64_t end = (uint64_t)v->ab_offset_bytes + v->ab_len_bytes;
	bool out = (v->ab_verb & ~ABUSE_VERB_AND_COMPLETE) ==
		   ABUSE_VERB_COPY_OUT;
	uintptr_t arena = (uintptr_t)fz_arena();

	if (h->vague)
		return (struct outcome){ true, true, false, true, false };
	if (h->command != (out ? ABUSE_WRITE : ABUSE_READ) ||
	    end > h->len_bytes)
		return (struct outcome){ .einval = true };
	/* The fuzzer's data is in the arena, all else is bad. */
	if (v->ab_address >= arena &&
	    v->ab_address + v->ab_len_bytes <= arena + FZ_ARENA_BYTES)
		return (struct outcome){ .ok = true, .efault = nofault };
	return (struct outcome){ .ok = !v->ab_len_bytes, .efault = true };
}

/* The copy, and then the end of the request. */
static struct outcome foresee_both(const struct fz_held *h,
				   const struct abuse_verb *v, bool nofault)
{
	struct outcome o = foresee_copy(h, v, nofault);

	if (o.ok && !h->vague && h->command == ABUSE_READ &&
	    copied_then(h, v) < h->len_bytes) {
		o.ok = false;
		o.einval = true;
	}
	return o;
}

static struct outcome foresee(const struct fz_held *h,
			      const struct abuse_verb *v, bool nofault)
{
	bool known = is_copy(v->ab_verb) ||
		     (v->ab_verb >= ABUSE_VERB_COMPLETE &&
		      v->ab_verb <= ABUSE_VERB_FORWARD);

	if (!h || !known)
		return (struct outcome){
			.einval = true, .estale = true,
			.forward = v->ab_verb == ABUSE_VERB_FORWARD,
		};
	switch (v->ab_verb) {
	case ABUSE_VERB_FORWARD:
		return (struct outcome){ .ok = true, .einval = true,
					 .forward = true };
	case ABUSE_VERB_COMPLETE:
		if (h->vague)
			return (struct outcome){ .ok = true, .einval = true };
		if (h->command == ABUSE_READ &&
		    h->copied_bytes < h->len_bytes)
			return (struct outcome){ .einval = true };
		return (struct outcome){ .ok = true };
	case ABUSE_VERB_FAIL:
	case ABUSE_VERB_REQUEUE:
		return (struct outcome){ .ok = true };
	}
	return v->ab_verb & ABUSE_VERB_AND_COMPLETE ?
	       foresee_both(h, v, nofault) : foresee_copy(h, v, nofault);
}

/* What a verb has done to what this process knows. */
static void apply(struct fz_actor *a, struct fz_held *h,
		  const struct abuse_verb *v, int err)
{
	uint64_t end = (uint64_t)v->ab_offset_bytes + v->ab_len_bytes;

	if (!h)
		return;
	switch (v->ab_verb) {
	case ABUSE_VERB_COPY_IN | ABUSE_VERB_AND_COMPLETE:
		/* EINVAL, but for a range outside: the copy has been made. */
		if (err == -EINVAL && h->command == ABUSE_READ &&
		    end <= h->len_bytes)
			h->copied_bytes = copied_then(h, v);
		/* fall through */
	case ABUSE_VERB_COPY_OUT | ABUSE_VERB_AND_COMPLETE:
		if (!err)
			fz_held_drop(a, h);
		else if (err == -EFAULT &&
			 v->ab_offset_bytes < h->copied_bytes)
			h->copied_bytes = v->ab_offset_bytes;
		break;
	case ABUSE_VERB_COPY_IN:
		if (err == -EFAULT)
			h->copied_bytes = v->ab_offset_bytes < h->copied_bytes ?
					  v->ab_offset_bytes : h->copied_bytes;
		else if (!err && v->ab_offset_bytes > h->copied_bytes)
			h->vague = true;	/* not in ascending order */
		else if (!err && end > h->copied_bytes)
			h->copied_bytes = end;
		break;
	case ABUSE_VERB_COMPLETE:
	case ABUSE_VERB_FAIL:
	case ABUSE_VERB_REQUEUE:
	case ABUSE_VERB_FORWARD:
		if (!err)
			fz_held_drop(a, h);
		break;
	}
}

static void judge_verb(struct fz_actor *a, const struct fz_fd *fd,
		       const struct abuse_verb *v, int err, bool nofault)
{
	struct fz_held *h = fz_held_find(fd->file, v->ab_id);
	struct outcome o = foresee(h, v, nofault);

	FZ_EXPECT(a, is_allowed(&o, err),
		  "verb %u, id 0x%llx, bytes %u+%u at 0x%llx, on a request that is %s (command %u, %u of %u bytes copied): expected one of:%s%s%s%s%s, found %s",
		  v->ab_verb, (unsigned long long)v->ab_id,
		  v->ab_offset_bytes, v->ab_len_bytes,
		  (unsigned long long)v->ab_address,
		  h ? "the caller's" : "not the caller's",
		  h ? h->command : 0, h ? h->copied_bytes : 0,
		  h ? h->len_bytes : 0, o.ok ? " 0" : "",
		  o.einval ? " -EINVAL" : "", o.estale ? " -ESTALE" : "",
		  o.efault ? " -EFAULT" : "",
		  o.forward ? " -EPERM -EOPNOTSUPP" : "", t_name(err));
	apply(a, h, v, err);
}

static void random_range(struct t_rand *r, const struct fz_held *h,
			 struct abuse_verb *v)
{
	uint32_t len = h ? h->len_bytes : T_PAGE;
	uint32_t copied = h && h->copied_bytes < len ? h->copied_bytes : 0;

	switch (t_below(r, 8)) {
	case 0:
		v->ab_offset_bytes = t_number(r);
		v->ab_len_bytes = t_number(r);
		return;
	case 1:
		v->ab_offset_bytes = t_below(r, len + 2);
		v->ab_len_bytes = t_below(r, len + 2);
		return;
	case 2:
	case 3:		/* the next piece */
		v->ab_offset_bytes = copied;
		v->ab_len_bytes = t_below(r, len - copied + 1);
		return;
	}
	v->ab_offset_bytes = 0;
	v->ab_len_bytes = len;
}

static uint32_t random_verb(struct t_rand *r, const struct fz_held *h,
			    bool first, bool guest)
{
	bool is_read = h && h->command == ABUSE_READ;
	uint32_t verb = 1 + t_below(r, 6);

	if (t_one_in(r, 16))
		verb = t_number(r);
	else if (t_one_in(r, 2))
		verb = is_read ? ABUSE_VERB_COPY_IN : ABUSE_VERB_COPY_OUT;
	if (!guest && is_copy(verb) && t_one_in(r, 3))
		verb |= ABUSE_VERB_AND_COMPLETE;
	if (!guest || !h)
		return verb;
	/* A guest answers nothing: only what must fail. */
	if (verb == ABUSE_VERB_FAIL)
		return ABUSE_VERB_REQUEUE;
	if (verb == ABUSE_VERB_COMPLETE &&
	    (!first || !is_read || h->vague || h->copied_bytes == h->len_bytes))
		return ABUSE_VERB_REQUEUE;
	return verb;
}

/* Whose request: mostly one of this file, else somebody's. */
static struct fz_held *random_request(struct fz_actor *a, struct t_rand *r,
				      const struct fz_fd *fd, __u64 *id)
{
	struct fz_held *h = fz_held_any(r, fd->file);
	uint64_t other = fz_pool_get(a, r);
	uint32_t which = t_below(r, 8);

	*id = other;
	if (which < 6 && h)
		*id = h->id;
	else if (which == 6 && fz_nr_held)	/* through another file */
		*id = fz_held[t_below(r, fz_nr_held)].id;
	return fz_held_find(fd->file, *id);
}

static struct abuse_verb random_request_verb(struct fz_actor *a,
					     struct t_rand *r,
					     const struct fz_fd *fd,
					     bool first)
{
	bool guest = fz_is_guest(a);
	struct abuse_verb v = { 0 };
	struct fz_held *h = random_request(a, r, fd, &v.ab_id);
	uint64_t number = t_number(r), place = t_u64(r);

	v.ab_verb = random_verb(r, h, first, guest);
	random_range(r, h, &v);
	v.ab_error = number;
	v.ab_address = (uintptr_t)fz_arena();
	if (place % 4 == 0 && v.ab_len_bytes < FZ_ARENA_BYTES)
		v.ab_address += (place >> 8) %
				(FZ_ARENA_BYTES - v.ab_len_bytes + 1);
	else if (place % 8 == 1)
		v.ab_address = (uintptr_t)fz_place_bad(r);
	if (v.ab_verb != ABUSE_VERB_FORWARD)
		return v;
	v.ab_backing = place % 4 ? 0 : number;
	v.ab_sector = place % 3 ? (place >> 8) % (1u << 17) : number;
	if (guest)	/* its data belongs where the good servers put it */
		v.ab_backing = ABUSE_BACKINGS + number % 1000;
	return v;
}

/* ------------------------------------------------------------- SERVE */

static void take_lent(struct fz_actor *a, const struct fz_fd *fd,
		      const struct abuse_lent *lent, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr; i++) {
		const struct abuse_lent *l = &lent[i];
		bool data = l->ab_command != ABUSE_SYNC_NOTIFICATION;

		FZ_EXPECT(a, l->ab_command <= ABUSE_WRITE_ZEROES &&
			  l->ab_flags < 64 && !(l->ab_len_bytes % 512) &&
			  data == !!l->ab_len_bytes &&
			  !(l->ab_flags & ABUSE_LENT_FAILED) == !l->ab_error,
			  "a lend: expected a request as the header has it, found command %u, flags 0x%x, %u bytes, error %u",
			  l->ab_command, l->ab_flags, l->ab_len_bytes,
			  l->ab_error);
		fz_held_add(a, &(struct fz_held){
			.id = l->ab_id,
			.sector = l->ab_sector,
			.file = fd->file,
			.len_bytes = l->ab_len_bytes,
			.command = l->ab_command,
		});
	}
}

/*
 * Each verb up to the one that failed, against what was foreseen.  What came
 * after all verbs, lending, is not a verb's error.
 */
static void judge_verbs(struct fz_actor *a, const struct fz_fd *fd,
			const struct abuse_serve *s,
			const struct abuse_verb *verbs, int ret)
{
	bool nofault = true;	/* the device's scope may ask for it */
	bool of_call = ret == -ENODEV || ret == -EUSERS || ret == -EBADF ||
		       ret == -EMEDIUMTYPE;
	uint32_t i;

	for (i = 0; i < s->ab_nr_verbs_done; i++)
		judge_verb(a, fd, &verbs[i], 0, nofault);
	if (ret < 0 && i < s->ab_nr_verbs && !of_call)
		judge_verb(a, fd, &verbs[i], ret, nofault);
	FZ_EXPECT(a, ret < 0 || i == s->ab_nr_verbs,
		  "SERVE: expected all %u verbs done, found %u",
		  s->ab_nr_verbs, i);
}

/* The header was good: what must come of it. */
static void judge_serve(struct fz_actor *a, const struct fz_fd *fd,
			const struct abuse_serve *asked,
			const struct abuse_serve *s,
			const struct abuse_verb *verbs, bool verbs_there,
			int ret)
{
	if (asked->ab_flags > 3) {
		FZ_EXPECT(a, ret == -EINVAL,
			  "SERVE, flags 0x%x: expected -EINVAL, found %s",
			  asked->ab_flags, t_name(ret));
		return;
	}
	if (asked->ab_nr_verbs > ABUSE_SERVE_LIMIT ||
	    asked->ab_nr_requests > ABUSE_SERVE_LIMIT) {
		FZ_EXPECT(a, ret == -E2BIG,
			  "SERVE, %u verbs, %u requests: expected -E2BIG, found %s",
			  asked->ab_nr_verbs, asked->ab_nr_requests,
			  t_name(ret));
		return;
	}
	if (s->ab_nr_verbs_done == NOT_WRITTEN) {
		FZ_EXPECT(a, ret < 0,
			  "SERVE: expected ab_nr_verbs_done written, found it untouched");
		return;
	}
	if (!verbs_there) {
		FZ_EXPECT(a, !s->ab_nr_verbs_done && ret == -EFAULT,
			  "SERVE, verbs that are not there: expected -EFAULT after none, found %s after %u",
			  t_name(ret), s->ab_nr_verbs_done);
		return;
	}
	judge_verbs(a, fd, s, verbs, ret);
}

static void random_serve(struct fz_actor *a, struct t_rand *r,
			 struct abuse_serve *s)
{
	uint64_t number = t_number(r);

	s->ab_nr_verbs = t_below(r, VERBS_MAX + 1);
	s->ab_nr_requests = t_one_in(r, 3) ? 0 : 1 + t_below(r, 8);
	s->ab_flags = ABUSE_SERVE_NOWAIT;
	s->ab_nr_verbs_done = NOT_WRITTEN;
	switch (t_below(r, 16)) {
	case 0:
		s->ab_nr_verbs = number;
		break;
	case 1:
		s->ab_nr_requests = number;
		break;
	case 2:
		s->ab_flags = number;
		break;
	case 3:
	case 4:
		s->ab_flags = 0;	/* the timer ends the wait */
		break;
	case 5:
	case 6:
		s->ab_flags |= ABUSE_SERVE_NOFAULT;
		break;
	}
	if (fz_nr_held > FZ_HELD_MAX / 2)
		s->ab_nr_requests = 0;
	fz_say(a, "%u verbs, %u requests, flags 0x%x", s->ab_nr_verbs,
	       s->ab_nr_requests, s->ab_flags);
}

void fz_op_serve(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd *fd = fz_fd_any(r);
	static struct abuse_verb verbs[VERBS_MAX];
	static struct abuse_lent lent[FZ_HELD_MAX];
	enum fz_mem mem;
	struct abuse_serve s, *arg;
	void *place, *requests;
	uint32_t i, nr;
	int ret;

	random_serve(a, r, &s);
	for (i = 0; i < VERBS_MAX; i++)
		verbs[i] = random_request_verb(a, r, fd, !i);
	/* None of them is there, or all: one that begins well is another's. */
	place = t_one_in(r, 8) ? fz_place_bad(r) : verbs;
	requests = t_one_in(r, 8) ? fz_place_bad(r) : lent;
	arg = fz_place_arg(r, sizeof(s), &mem);
	/* A count within the limit but beyond the arrays: do not. */
	if (s.ab_nr_verbs > VERBS_MAX && s.ab_nr_verbs <= ABUSE_SERVE_LIMIT)
		s.ab_nr_verbs = VERBS_MAX;
	if (s.ab_nr_requests > FZ_HELD_MAX / 2 &&
	    s.ab_nr_requests <= ABUSE_SERVE_LIMIT)
		s.ab_nr_requests = FZ_HELD_MAX / 2;
	s.ab_verbs = (uintptr_t)place;
	s.ab_requests = (uintptr_t)requests;
	nr = s.ab_nr_verbs;
	if (mem == FZ_GOOD)
		memcpy(arg, &s, sizeof(s));
	ret = fz_ioctl(a, fd->fd, ABUSE_SERVE, arg);
	if (mem != FZ_GOOD) {
		FZ_EXPECT(a, ret == -EFAULT || (mem == FZ_READABLE && ret < 0),
			  "SERVE with memory that is not there: expected -EFAULT, found %s",
			  t_name(ret));
		return;
	}
	judge_serve(a, fd, &s, arg, verbs, place == verbs || !nr, ret);
	if (ret > 0 && (uint32_t)ret <= s.ab_nr_requests && requests == lent)
		take_lent(a, fd, lent, ret);
	else
		FZ_EXPECT(a, ret <= 0,
			  "SERVE: expected at most %u requests%s, found %d",
			  s.ab_nr_requests,
			  requests == lent ? "" : " and memory for them", ret);
}

int fz_lend(struct fz_actor *a, const struct fz_fd *fd, uint32_t max)
{
	static struct abuse_lent lent[FZ_HELD_MAX];
	struct abuse_serve s = {
		.ab_requests = (uintptr_t)lent,
		.ab_nr_requests = max,
		.ab_flags = ABUSE_SERVE_NOWAIT,
	};
	int ret;

	if (fz_nr_held > FZ_HELD_MAX / 2)
		return 0;
	ret = fz_ioctl(a, fd->fd, ABUSE_SERVE, &s);
	if (ret > 0)
		take_lent(a, fd, lent, ret);
	return ret;
}

/* The verbs that answer one request well. */
static uint32_t answer_verbs(struct fz_actor *a, const struct fz_held *h,
			     struct abuse_verb *verbs)
{
	struct abuse_verb end = {
		.ab_id = h->id,
		.ab_verb = fz_is_guest(a) ? ABUSE_VERB_REQUEUE :
			   h->vague || h->len_bytes > FZ_ARENA_BYTES ?
			   ABUSE_VERB_FAIL : ABUSE_VERB_COMPLETE,
		.ab_error = EIO,
	};
	uint32_t nr = 0;

	if (end.ab_verb == ABUSE_VERB_COMPLETE && h->command == ABUSE_READ)
		verbs[nr++] = (struct abuse_verb){
			.ab_id = h->id,
			.ab_address = (uintptr_t)fz_arena(),
			.ab_len_bytes = h->len_bytes,
			.ab_verb = ABUSE_VERB_COPY_IN,
		};
	verbs[nr++] = end;
	return nr;
}

static int fd_of_file(uint32_t file)
{
	uint32_t i;

	for (i = 0; i < fz_nr_fds; i++)
		if (fz_fds[i].file == file)
			return fz_fds[i].fd;
	return -1;
}

void fz_give_back(struct fz_actor *a)
{
	while (fz_nr_held) {
		struct fz_held *h = &fz_held[fz_nr_held - 1];
		struct fz_fd fd = { fd_of_file(h->file), h->file };
		struct abuse_verb verbs[2];
		struct abuse_serve s = {
			.ab_verbs = (uintptr_t)verbs,
			.ab_nr_verbs = answer_verbs(a, h, verbs),
			.ab_nr_verbs_done = NOT_WRITTEN,
		};
		int ret;

		/* What copies would touch is there, whatever the scope. */
		memset(fz_arena(), 0x5a, FZ_ARENA_BYTES / 8);
		ret = fz_ioctl(a, fd.fd, ABUSE_SERVE, &s);
		judge_serve(a, &fd, &s, &s, verbs, true, ret);
		if (ret >= 0)
			continue;
		if (!h->vague && s.ab_nr_verbs_done != NOT_WRITTEN) {
			h->vague = true;	/* fail it, then */
			continue;
		}
		fz_finding(a, "giving back what is lent: expected success, found %s",
			   t_name(ret));
		fz_held_drop(a, h);
	}
}

/* ------------------------------------------------------------ operations */

void fz_op_give_back(struct fz_actor *a, struct t_rand *r)
{
	(void)r;
	fz_say(a, "%u requests", fz_nr_held);
	fz_give_back(a);
}

void fz_op_open(struct fz_actor *a, struct t_rand *r)
{
	(void)r;
	if (fz_nr_fds < FZ_FDS_MAX)
		fz_fd_open(a);
}

void fz_op_close(struct fz_actor *a, struct t_rand *r)
{
	fz_fd_close(a, t_below(r, fz_nr_fds));
}

void fz_op_dup(struct fz_actor *a, struct t_rand *r)
{
	struct fz_fd fd = *fz_fd_any(r);

	(void)a;
	if (fz_nr_fds == FZ_FDS_MAX)
		return;
	fd.fd = fcntl(fd.fd, F_DUPFD_CLOEXEC, 0);
	if (fd.fd >= 0)
		fz_fds[fz_nr_fds++] = fd;
}

void fz_op_memory(struct fz_actor *a, struct t_rand *r)
{
	(void)a;
	fz_memory_churn(r);
}

void fz_op_wait(struct fz_actor *a, struct t_rand *r)
{
	(void)a;
	fz_sleep_us(t_below(r, 3000));
}
