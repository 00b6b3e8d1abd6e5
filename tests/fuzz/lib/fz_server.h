/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fz_server.h - what a hostile server knows of itself
 *
 * Where it stands: bio > queue > ioctl > [hostile server].
 *
 * A *guest* is a hostile server of the device whose data is verified: it
 * takes requests, spoils them and gives them back, but answers none.
 */
#ifndef TESTS_FUZZ_FZ_SERVER_H
#define TESTS_FUZZ_FZ_SERVER_H

#include "fz.h"

#define FZ_FDS_MAX	6
#define FZ_HELD_MAX	48

/* A descriptor; those that dup(2) made are for the same file. */
struct fz_fd {
	int fd;
	uint32_t file;
};

/* A request that is LENT to this process, as far as it knows. */
struct fz_held {
	uint64_t id;
	uint64_t sector;
	uint32_t file;
	uint32_t len_bytes;
	uint32_t command;
	uint32_t copied_bytes;	/* in ascending order */
	uint32_t nr_vecs;	/* if it came by GET */
	bool by_get;
	bool vague;		/* what a copy will do is not foreseen */
};

extern struct fz_fd fz_fds[FZ_FDS_MAX];
extern uint32_t fz_nr_fds;
extern struct fz_held fz_held[FZ_HELD_MAX];
extern uint32_t fz_nr_held;

bool fz_is_guest(const struct fz_actor *a);
/* Every wait of this process is interrupted, often. */
void fz_timer_start(void);
void fz_server_start(struct fz_actor *a);
struct fz_fd *fz_fd_any(struct t_rand *r);
void fz_fd_open(struct fz_actor *a);
/* What it held through the file's last descriptor is not its any more. */
void fz_fd_close(struct fz_actor *a, uint32_t at);
void fz_held_add(struct fz_actor *a, const struct fz_held *held);
void fz_held_drop(struct fz_actor *a, struct fz_held *held);
void fz_held_drop_file(struct fz_actor *a, uint32_t file);
struct fz_held *fz_held_find(uint32_t file, uint64_t id);
/* One that came through this file, or NULL. */
struct fz_held *fz_held_any(struct t_rand *r, uint32_t file);
/* Everything answered (a guest: given back). */
void fz_give_back(struct fz_actor *a);
/* One call of SERVE that lends up to max requests without waiting. */
int fz_lend(struct fz_actor *a, const struct fz_fd *fd, uint32_t max);

/* fz_serve.c */
void fz_op_serve(struct fz_actor *a, struct t_rand *r);
void fz_op_give_back(struct fz_actor *a, struct t_rand *r);
void fz_op_open(struct fz_actor *a, struct t_rand *r);
void fz_op_close(struct fz_actor *a, struct t_rand *r);
void fz_op_dup(struct fz_actor *a, struct t_rand *r);
void fz_op_memory(struct fz_actor *a, struct t_rand *r);
void fz_op_wait(struct fz_actor *a, struct t_rand *r);

/* fz_legacy.c */
void fz_op_get(struct fz_actor *a, struct t_rand *r);
void fz_op_put(struct fz_actor *a, struct t_rand *r);
void fz_op_poll(struct fz_actor *a, struct t_rand *r);

/* fz_config.c */
void fz_op_get_status(struct fz_actor *a, struct t_rand *r);
void fz_op_set_status(struct fz_actor *a, struct t_rand *r);
void fz_op_reconnect(struct fz_actor *a, struct t_rand *r);
void fz_op_reset(struct fz_actor *a, struct t_rand *r);
void fz_op_set_poll(struct fz_actor *a, struct t_rand *r);
void fz_op_scope(struct fz_actor *a, struct t_rand *r);
void fz_op_counters(struct fz_actor *a, struct t_rand *r);
void fz_op_backing(struct fz_actor *a, struct t_rand *r);
void fz_op_store(struct fz_actor *a, struct t_rand *r);
void fz_op_unknown(struct fz_actor *a, struct t_rand *r);
void fz_op_file(struct fz_actor *a, struct t_rand *r);

/* fz_trouble.c */
void fz_op_fork(struct fz_actor *a, struct t_rand *r);
void fz_op_die(struct fz_actor *a, struct t_rand *r);
void fz_op_close_in_wait(struct fz_actor *a, struct t_rand *r);
void fz_op_reset_in_copy(struct fz_actor *a, struct t_rand *r);
void fz_op_own_io(struct fz_actor *a, struct t_rand *r);

#endif
