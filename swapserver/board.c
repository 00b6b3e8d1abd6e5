// SPDX-License-Identifier: GPL-2.0-only
/*
 * board.c - make, find and map the board of a device
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * Called while a process starts; what is on the board is read and written by
 * those who map it, without a call.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>
#include <linux/magic.h>

#include "board.h"

#define BOARD_LOCK	BOARD_DIR "/lock"

uint64_t board_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void board_path(char *path, size_t path_bytes, int device)
{
	snprintf(path, path_bytes, BOARD_DIR "/abuse%d.board", device);
}

static struct board *board_fail(const char *path, const char *what)
{
	fprintf(stderr, "swapserver: %s: %s\n", path, what);
	return NULL;
}

bool board_is_manned(const struct board *board)
{
	int i;

	for (i = 0; i < 2; i++)
		if (turn_holder(&board->office[i].supervisor))
			return true;
	for (i = 0; i < BOARD_SLOTS; i++)
		if (turn_holder(&board->slots[i].life))
			return true;
	return false;
}

void board_touch(struct board *board)
{
	char *page;

	/* Others write there at the same time. */
	for (page = (char *)board; page < (char *)(board + 1); page += 4096)
		atomic_fetch_or((_Atomic uint32_t *)page, 0);
}

static struct board *board_map_file(int fd)
{
	void *board = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);

	return board == MAP_FAILED ? NULL : board;
}

/* Is it one of ours, as this program knows them? */
static bool board_fits(const struct board *board)
{
	return board->magic == BOARD_MAGIC && board->version == BOARD_VERSION &&
	       board->bytes == sizeof(*board);
}

struct board *board_map(int fd)
{
	struct board *board = board_map_file(fd);

	if (!board || !board_fits(board))
		return board_fail("the board", board ? "of another version" :
						       strerror(errno));
	return board;
}

/* The file, if it is there; 0: it is not; -1: a line was printed. */
static int board_open_file(const char *path, int *fd, struct stat *st)
{
	*fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (*fd < 0 && errno == ENOENT)
		return 0;
	if (*fd < 0 || fstat(*fd, st)) {
		board_fail(path, strerror(errno));
		return -1;
	}
	return 1;
}

struct board *board_open(int device, int *fd)
{
	struct board *board = NULL;
	struct stat st;
	char path[64];
	int found;

	board_path(path, sizeof(path), device);
	found = board_open_file(path, fd, &st);
	if (!found)
		board_fail(path, "not there: nothing to upgrade; start without --upgrade");
	if (found <= 0)
		return NULL;
	/* Whom it names we signal, and his descriptors we take. */
	if (st.st_uid != geteuid())
		board_fail(path, "of another user: only he can upgrade his server");
	else if (st.st_size != sizeof(*board))
		board_fail(path, "of another version: it cannot be upgraded while it serves");
	else
		board = board_map(*fd);
	if (!board)
		close(*fd);
	return board;
}

/* What is known of those who live on a board. */
enum board_manned {
	BOARD_EMPTY_OR_NONE,
	BOARD_MANNED,
	BOARD_ORPHANED,
	BOARD_OTHER_VERSION, /* who can say */
};

static bool board_is_supervised(const struct board *board)
{
	return turn_holder(&board->office[0].supervisor) ||
	       turn_holder(&board->office[1].supervisor);
}

/* Of a board by its path; -1: a line was printed. */
static int board_look(const char *path)
{
	int manned = BOARD_OTHER_VERSION;
	struct board *board = NULL;
	struct stat st;
	int fd, found = board_open_file(path, &fd, &st);

	if (found <= 0)
		return found;
	if (st.st_size == sizeof(*board))
		board = board_map_file(fd);
	if (board) {
		if (board_fits(board) && board_is_supervised(board))
			manned = BOARD_MANNED;
		else if (board_fits(board) && board_is_manned(board))
			manned = BOARD_ORPHANED;
		else if (board_fits(board))
			manned = BOARD_EMPTY_OR_NONE;
		munmap(board, sizeof(*board));
	}
	close(fd);
	return manned;
}

/* Somebody lives on an old board: it must not go.  -1 if so, a line printed. */
static int board_check_old(const char *path)
{
	switch (board_look(path)) {
	case BOARD_EMPTY_OR_NONE:
		return 0;
	case BOARD_MANNED:
		board_fail(path, "the device is being served; --upgrade replaces its server");
		break;
	case BOARD_ORPHANED:
		board_fail(path, "the device is being served, by servers that have lost their supervisor; give --standby to take over from them");
		break;
	case BOARD_OTHER_VERSION:
		board_fail(path, "made by another version, whose servers may live: end them as that version does; remove the file if there are none");
		break;
	}
	return -1;
}

int board_check_free(int device)
{
	char path[64];

	board_path(path, sizeof(path), device);
	return board_check_old(path);
}

bool board_is_orphaned(int device)
{
	char path[64];

	board_path(path, sizeof(path), device);
	return board_look(path) == BOARD_ORPHANED;
}

/* Pages of a real file system could need a page to be written to. */
static bool board_is_memory(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);
}

/* Complete before it has its name, so that nobody sees a part of it. */
static struct board *board_create(const char *path, const struct board *first,
				  int *fd)
{
	struct board *board = NULL;
	char temporary[80];

	snprintf(temporary, sizeof(temporary), "%s.%d", path, getpid());
	*fd = open(temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (*fd < 0)
		return board_fail(temporary, strerror(errno));
	if (!board_is_memory(*fd)) {
		board_fail(path, "not on a tmpfs; mount one on /run");
		goto out;
	}
	if (ftruncate(*fd, sizeof(*board)) ||
	    !(board = board_map_file(*fd))) {
		board_fail(path, strerror(errno));
		goto out;
	}
	*board = *first;
	turn_try(&board->office[first->crew & 1].supervisor);
	if (!rename(temporary, path))
		return board;
	board_fail(path, strerror(errno));
	munmap(board, sizeof(*board));
out:
	unlink(temporary);
	close(*fd);
	return NULL;
}

struct board *board_make(int device, const struct board *first, int *fd)
{
	struct board *board = NULL;
	char path[64];
	int lock;

	board_path(path, sizeof(path), device);
	if (mkdir(BOARD_DIR, 0755) && errno != EEXIST)
		return board_fail(BOARD_DIR, strerror(errno));
	/*
	 * Two who start at the same time: one after the other.  A file that
	 * nobody else can open: who can, can make us wait.
	 */
	lock = open(BOARD_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0 || flock(lock, LOCK_EX))
		board_fail(BOARD_LOCK, strerror(errno));
	else if (!board_check_old(path))
		board = board_create(path, first, fd);
	if (lock >= 0)
		close(lock);
	return board;
}
