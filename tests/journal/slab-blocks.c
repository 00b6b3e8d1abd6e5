// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will have ext4 with blocks of 1 KiB write its journal from a slab:
 * blocks that begin like the journal's own are copied and changed before they
 * are written.  The server copies them out (hardened usercopy refuses that to
 * a copy that lets it look), and the file reads back as it was written.
 *
 * Where it stands: ext4 > bio > queue > [ioctl] > server.
 *
 * time: 60
 * busted: module=usercopy-checked
 * busted: module=short-copy
 */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t_block.h"

#define SIZE	(8 * T_MIB)
#define BLOCK	1024u
#define BLOCKS	32u
#define DIR	"/tmp/mnt"
/* JBD2_MAGIC_NUMBER, on disk big-endian; such a block has to be escaped. */
#define JOURNAL_MAGIC 0xc03b3998u

static void file_make(char *data)
{
	uint32_t magic = htobe32(JOURNAL_MAGIC), i;

	t_stamp(data, 0, BLOCKS * BLOCK, 5);
	for (i = 0; i < BLOCKS; i++)
		memcpy(data + i * BLOCK, &magic, sizeof(magic));
}

static void write_file(void)
{
	static char data[BLOCKS * BLOCK];
	int fd;

	T_OK(T_RET(mount("/dev/abuse0", DIR, "ext4", 0, "data=journal")));
	fd = open(DIR "/file", O_RDWR | O_CREAT, 0600);
	T_OK(T_RET(fd));
	file_make(data);
	T_EQ(T_RET(write(fd, data, sizeof(data))), sizeof(data));
	T_OK(T_RET(fsync(fd)));
	close(fd);
	T_OK(T_RET(umount(DIR)));
}

static void read_file(void)
{
	static char data[BLOCKS * BLOCK], want[BLOCKS * BLOCK];
	int fd;

	T_OK(T_RET(mount("/dev/abuse0", DIR, "ext4", 0, "data=journal")));
	fd = open(DIR "/file", O_RDONLY);
	T_OK(T_RET(fd));
	file_make(want);
	T_EQ(T_RET(read(fd, data, sizeof(data))), sizeof(data));
	T_TRUE(!memcmp(data, want, sizeof(data)),
	       "the file: expected as it was written, found another");
	close(fd);
	T_OK(T_RET(umount(DIR)));
}

static void in_a_child(void (*what)(void))
{
	pid_t pid = t_fork(false);

	if (!pid) {
		what();
		_exit(0);
	}
	T_EQ(t_reap(pid), 0);
}

/*
 * In the journal such a block begins with 0: the copy from the slab arrived.
 * As often as it was written: once is enough.
 */
static uint32_t escaped(const struct t_store *store)
{
	static char want[BLOCKS * BLOCK];
	uint32_t nr = 0, i;
	uint64_t at;

	file_make(want);
	for (i = 0; i < BLOCKS; i++)
		memset(want + i * BLOCK, 0, 4);
	for (at = 0; at < SIZE; at += BLOCK)
		for (i = 0; i < BLOCKS; i++)
			nr += !memcmp(store->memory + at, want + i * BLOCK,
				      BLOCK);
	return nr;
}

int main(void)
{
	struct abuse_info info = {
		.ab_size = SIZE,
		.ab_blocksize = BLOCK,
		.ab_max_queue = 32,
		.ab_flags = ABUSE_FLAGS_WRITE_CACHE,
	};
	struct t_log *log = t_log_make();
	struct t_store store;
	pid_t server;
	int ctl;

	t_init(55);
	mkdir(DIR, 0700);
	store = t_store_make(SIZE);
	ctl = t_ctl_open(0);
	T_OK(t_ioctl(ctl, ABUSE_SET_STATUS, &info));
	server = t_recorder_start(0, &store, log);
	T_RUN("/sbin/mkfs.ext4", "-q", "-F", "-b", "1024", "/dev/abuse0");
	in_a_child(write_file);
	T_TRUE(escaped(&store) >= BLOCKS,
	       "escaped blocks in the journal: expected at least %u, found %u",
	       BLOCKS, escaped(&store));
	in_a_child(read_file);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	t_kill(server, SIGKILL);
	return t_end();
}
