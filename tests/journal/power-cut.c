// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will put ext4 on a server whose write cache is lost when the power
 * goes, cut the power the moment fsync returns, and mount what is left: the
 * file is there, whole.  So flushes, PREFLUSH and FUA reached the server, each
 * before what relies on it; with the data in the journal and beside it.
 *
 * Where it stands: ext4 > bio > queue > ioctl > [server].
 *
 * time: 90
 * busted: module=drop-flags
 * busted: module=no-preflush
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(16 * T_MIB)
#define FILE_BYTES (64 * 1024u)
#define DIR	"/tmp/mnt"

/* What a disk with a volatile cache has: as seen, and as on its platter. */
struct cached {
	struct t_store seen, platter;
	volatile uint32_t nr_flushes, nr_preflush, nr_fua;
	volatile uint32_t nr_dirty;	/* writes since the last flush */
	volatile uint32_t max_dirty;
};

static void flush(struct cached *c)
{
	memcpy(c->platter.memory, c->seen.memory, SIZE);
	c->nr_dirty = 0;
}

static void serve_one(int ctl, struct cached *c, const struct abuse_lent *lent)
{
	uint64_t at = lent->ab_sector * 512;
	uint32_t len = lent->ab_len_bytes;

	T_TRUE(at + len <= SIZE, "a request within the device expected");
	if (lent->ab_command == ABUSE_SYNC_NOTIFICATION ||
	    lent->ab_flags & ABUSE_LENT_PREFLUSH)
		flush(c);
	switch (lent->ab_command) {
	case ABUSE_SYNC_NOTIFICATION:
		c->nr_flushes++;
		break;
	case ABUSE_READ:
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_IN, lent->ab_id,
			    c->seen.memory + at, 0, len));
		break;
	case ABUSE_WRITE:
		T_OK(t_verb(ctl, ABUSE_VERB_COPY_OUT, lent->ab_id,
			    c->seen.memory + at, 0, len));
		c->nr_preflush += !!(lent->ab_flags & ABUSE_LENT_PREFLUSH);
		if (lent->ab_flags & ABUSE_LENT_FUA) {
			c->nr_fua++;
			memcpy(c->platter.memory + at, c->seen.memory + at,
			       len);
		} else if (++c->nr_dirty > c->max_dirty) {
			c->max_dirty = c->nr_dirty;
		}
		break;
	}
	T_OK(t_complete(ctl, lent->ab_id));
}

static pid_t server_start(struct cached *c)
{
	pid_t pid = t_fork(false);
	struct abuse_lent lent;
	int ctl, ret;

	if (pid) {
		T_UNTIL(t_is_live(0) || t_ended(pid));
		return pid;
	}
	ctl = t_ctl_open(0);
	for (;;) {
		ret = t_serve(ctl, NULL, 0, &lent, 1, 0, NULL);
		if (ret != -EINTR) {
			T_EQ(ret, 1);
			serve_one(ctl, c, &lent);
		}
	}
}

static void in_a_child(void (*what)(const char *), const char *options)
{
	pid_t pid = t_fork(false);

	if (!pid) {
		what(options);
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

static volatile bool *synced;
static volatile bool *cut;

/* Write, fsync; then the power goes, and what follows is not on the platter. */
static void write_file(const char *options)
{
	static char data[FILE_BYTES];
	int fd;

	T_OK(T_RET(mount("/dev/abuse0", DIR, "ext4", 0, options)));
	fd = open(DIR "/file", O_RDWR | O_CREAT, 0600);
	T_OK(T_RET(fd));
	t_stamp(data, 0, FILE_BYTES, 7);
	T_EQ(T_RET(write(fd, data, FILE_BYTES)), FILE_BYTES);
	T_OK(T_RET(fsync(fd)));
	*synced = true;
	while (!*cut)
		t_pause();
	close(fd);
	T_OK(T_RET(umount(DIR)));
}

static void read_file(const char *options)
{
	static char data[FILE_BYTES];
	int fd;

	T_OK(T_RET(mount("/dev/abuse0", DIR, "ext4", 0, options)));
	fd = open(DIR "/file", O_RDONLY);
	T_OK(T_RET(fd));
	T_EQ(T_RET(read(fd, data, FILE_BYTES)), FILE_BYTES);
	t_stamp_check(data, 0, FILE_BYTES, 7);
	close(fd);
	T_OK(T_RET(umount(DIR)));
}

static void power_cut(int ctl, const char *options)
{
	struct cached *c = t_shared(sizeof(*c));
	struct t_store left = t_store_make(SIZE);
	pid_t server, pid;

	c->seen = t_store_make(SIZE);
	c->platter = t_store_make(SIZE);
	*synced = false;
	*cut = false;
	t_configure(ctl, SIZE, 16, ABUSE_FLAGS_WRITE_CACHE);
	server = server_start(c);
	T_RUN("/sbin/mkfs.ext4", "-q", "-F", "-b", "4096", "/dev/abuse0");
	c->nr_preflush = 0;
	c->nr_fua = 0;
	pid = t_fork(false);
	if (!pid) {
		write_file(options);
		_exit(0);
	}
	T_UNTIL(*synced || t_ended(pid));
	memcpy(left.memory, c->platter.memory, SIZE);
	*cut = true;
	T_EQ(t_reap(pid), 0);
	T_TRUE(c->nr_preflush > 0 && c->nr_fua > 0,
	       "a commit: expected PREFLUSH and FUA, found %u and %u",
	       c->nr_preflush, c->nr_fua);
	/* Else nothing could have been lost. */
	T_TRUE(c->max_dirty > 1, "writes in the cache: expected some, found %u",
	       c->max_dirty);
	T_TRUE(!t_ended(server),
	       "the server: expected to serve, found it ended");

	/* The same machine, after a while. */
	memcpy(c->seen.memory, left.memory, SIZE);
	memcpy(c->platter.memory, left.memory, SIZE);
	in_a_child(read_file, options);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	T_UNTIL(!t_counters(ctl).ab_nr_opens);
	T_OK(t_ioctl(ctl, ABUSE_RESET, NULL));
}

int main(void)
{
	int ctl;

	t_init(85);
	synced = t_shared(T_PAGE);
	cut = synced + 1;
	mkdir(DIR, 0700);
	ctl = t_ctl_open(0);
	power_cut(ctl, "data=ordered");
	power_cut(ctl, "data=journal");
	return t_end();
}
