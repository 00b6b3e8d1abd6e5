// SPDX-License-Identifier: GPL-2.0-only
/*
 * null-raw.c - shows the contract itself: the device of zeroes by ioctl alone
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * null.c without the library: open, SET_STATUS, then SERVE over and over.  A
 * call of SERVE hands in the answer to the last request and waits for the next.
 * It takes no protection: not to be swapped on.
 *
 *	null-raw NODE SIZE	null-raw /dev/abctl0 1073741824
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/abuse.h>

static char zeroes[1024 * 1024];

/* The answer: zeroes for all of a READ, as often as it takes; then the end. */
static unsigned int answer(struct abuse_verb *verbs,
			   const struct abuse_lent *lent)
{
	unsigned int nr = 0, done = 0, len;

	while (lent->ab_command == ABUSE_READ && done < lent->ab_len_bytes) {
		len = lent->ab_len_bytes - done;
		if (len > sizeof(zeroes))
			len = sizeof(zeroes);
		verbs[nr++] = (struct abuse_verb){
			.ab_id = lent->ab_id,
			.ab_verb = ABUSE_VERB_COPY_IN,
			.ab_address = (uintptr_t)zeroes,
			.ab_offset_bytes = done,
			.ab_len_bytes = len,
		};
		done += len;
	}
	verbs[nr++] = (struct abuse_verb){ .ab_id = lent->ab_id,
					   .ab_verb = ABUSE_VERB_COMPLETE };
	return nr;
}

int main(int argc, char **argv)
{
	static struct abuse_verb verbs[ABUSE_SERVE_LIMIT];
	/* RECONNECT: or come back to a device that is configured alike. */
	struct abuse_info info = { .ab_blocksize = 4096,
				   .ab_flags = ABUSE_FLAGS_RECONNECT };
	struct abuse_lent lent;
	struct abuse_serve serve = {
		.ab_verbs = (uintptr_t)verbs,
		.ab_requests = (uintptr_t)&lent,
		.ab_nr_requests = 1,
	};
	int fd, got;

	if (argc != 3) {
		fputs("null-raw: give NODE SIZE (in bytes)\n", stderr);
		return 2;
	}
	info.ab_size = strtoull(argv[2], NULL, 0);
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	got = fd < 0 ? -1 : ioctl(fd, ABUSE_SET_STATUS, &info);
	while (got >= 0 || errno == EINTR) {
		got = ioctl(fd, ABUSE_SERVE, &serve);
		serve.ab_nr_verbs = got > 0 ? answer(verbs, &lent) : 0;
	}
	fprintf(stderr,
		"null-raw: %s: %s; is the module loaded, SIZE a multiple of 4096?\n",
		argv[1], strerror(errno));
	return 1;
}
