// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will fill a device with a secret, then read all of it once another
 * server has been there, and all of a second device, while the first server
 * lives and after it was killed: a store in memory shows nothing but zeroes.
 *
 * Where it stands: bio > queue > ioctl > server > [backend].
 *
 * time: 90
 * busted: env=T_SPEC=disk,path=/dev/store
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "b.h"

#define SIZE	(8 * T_MIB)
#define PIECE	(64 * 1024u)
#define SECRET	"a secret of someone else's, not to be seen again"

static const char *const specs[] = { "ram", "lz4" };

static char *piece;

/* Not all alike, or lz4 would keep it in one word a page. */
static void write_secrets(int number)
{
	pid_t pid = t_fork(false);
	uint32_t at, i;
	int blk;

	if (pid) {
		T_EQ(t_reap(pid), 0);
		return;
	}
	blk = T_OK(t_blk_open(number, O_RDWR | O_DIRECT));
	for (at = 0; at < SIZE; at += PIECE) {
		for (i = 0; i < PIECE; i += 64)
			snprintf(piece + i, 64, "%s%u", SECRET, at + i);
		T_EQ(T_RET(pwrite(blk, piece, PIECE, at)), PIECE);
	}
	_exit(0);
}

/* Bytes that are not 0; the first secret is said. */
static uint64_t look(int number)
{
	volatile uint64_t *nr = t_shared(T_PAGE);
	pid_t pid = t_fork(false);
	uint32_t at, i;
	char *found;
	int blk;

	if (pid) {
		T_EQ(t_reap(pid), 0);
		return *nr;
	}
	blk = T_OK(t_blk_open(number, O_RDONLY | O_DIRECT));
	for (at = 0; at < SIZE; at += PIECE) {
		T_EQ(T_RET(pread(blk, piece, PIECE, at)), PIECE);
		found = memmem(piece, PIECE, SECRET, strlen(SECRET));
		if (found && !*nr)
			printf("at %u: %.63s\n", at, found);
		for (i = 0; i < PIECE; i++)
			*nr += piece[i] != 0;
	}
	_exit(0);
}

static struct t_swapserver begin(int number, const char *spec)
{
	char line[100];

	snprintf(line, sizeof(line), "--size %u /dev/abctl%d %s", SIZE, number,
		 spec);
	return t_swapserver_start(line);
}

static void one(const char *spec)
{
	int first = t_ctl_open(0), second = t_ctl_open(1);
	struct t_swapserver s, other;

	printf("%s\n", spec);
	s = begin(0, spec);
	write_secrets(0);
	/* The scan sees what is there. */
	T_TRUE(look(0) > SIZE / 2, "what was written: expected it found, found too little");
	b_stop(&s, first);

	/* The same device, added anew. */
	s = begin(0, spec);
	T_EQ(look(0), 0);
	write_secrets(0);
	/* A second one, beside it. */
	other = begin(1, spec);
	T_EQ(look(1), 0);
	b_kill(&other);
	T_OK(t_ioctl(second, ABUSE_RESET, NULL));
	/* And one that gets the memory of the first. */
	b_kill(&s);
	other = begin(1, spec);
	T_EQ(look(1), 0);
	b_stop(&other, second);
	T_OK(t_ioctl(first, ABUSE_RESET, NULL));
	t_ctl_close(first);
	t_ctl_close(second);
}

int main(void)
{
	const char *only = getenv("T_SPEC");
	size_t i;

	t_init(80);
	piece = t_shared(PIECE);
	if (only) {
		one(only);
		return t_end();
	}
	for (i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		one(specs[i]);
	return t_end();
}
