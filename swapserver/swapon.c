// SPDX-License-Identifier: GPL-2.0-only
/*
 * swapon.c - make a swap area of the device, and swap on it
 *
 * Beside the path: once, at the start, in a process of its own that serves
 * nothing, is not locked, and ends when it is done.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/swap.h>
#include <unistd.h>
#include <linux/fs.h>

#include "caps.h"
#include "swapon.h"

/*
 * union swap_header of include/linux/swap.h; its page is 4096 bytes wherever
 * the driver runs.
 */
struct swap_header {
	char boot[1024];
	uint32_t version;
	uint32_t last_page;
	uint32_t nr_bad_pages;
	unsigned char uuid[16];
	char label[16];
	char rest[4096 - 1024 - 3 * 4 - 2 * 16 - 10];
	char magic[10];
} __attribute__((packed));

/* Where file systems and volume managers have what they are known by. */
#define SWAPON_LOOK_BYTES	(128 * 1024)

static int go_fd = -1;

static int fail(const char *node, const char *what)
{
	fprintf(stderr, "swapserver: --swapon: %s: %s\n", node, what);
	return -1;
}

/* Nothing there, or an old swap area: it is ours to write to. */
static bool swapon_is_free(int fd, char *data)
{
	const struct swap_header *header = (const void *)data;
	ssize_t got = pread(fd, data, SWAPON_LOOK_BYTES, 0), i;

	if (got < (ssize_t)sizeof(*header))
		return false;
	if (!memcmp(header->magic, "SWAPSPACE2", sizeof(header->magic)))
		return true;
	for (i = 0; i < got && !data[i]; i++)
		;
	return i == got;
}

static int swapon_write_header(int fd, char *data, const char *node)
{
	struct swap_header *header = (void *)data;
	unsigned long long bytes;

	if (!swapon_is_free(fd, data))
		return fail(node, "the store holds something; mkswap and swapon by hand if it may go");
	if (ioctl(fd, BLKGETSIZE64, &bytes))
		return fail(node, strerror(errno));
	memset(header, 0, sizeof(*header));
	header->version = 1;
	header->last_page = bytes / 4096 - 1 > UINT32_MAX ?
			    UINT32_MAX : (uint32_t)(bytes / 4096 - 1);
	if (getrandom(header->uuid, sizeof(header->uuid), 0) !=
	    sizeof(header->uuid))
		return fail(node, "no random UUID");
	/* RFC 4122: version 4, random. */
	header->uuid[6] = (header->uuid[6] & 0x0f) | 0x40;
	header->uuid[8] = (header->uuid[8] & 0x3f) | 0x80;
	memcpy(header->magic, "SWAPSPACE2", sizeof(header->magic));
	if (pwrite(fd, header, sizeof(*header), 0) != sizeof(*header) ||
	    fsync(fd))
		return fail(node, strerror(errno));
	return 0;
}

static int swapon_run(const struct options *o)
{
	int flags = 0, fd, err = -1;
	char *data, node[32];

	snprintf(node, sizeof(node), "/dev/abuse%d", o->device);
	/* Past the page cache: nothing of the old content stays in it. */
	fd = open(node, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		return fail(node, strerror(errno));
	data = aligned_alloc(4096, SWAPON_LOOK_BYTES);
	if (data)
		err = swapon_write_header(fd, data, node);
	close(fd);
	if (err)
		return -1;
	if (o->priority >= 0)
		flags = SWAP_FLAG_PREFER | (o->priority & SWAP_FLAG_PRIO_MASK);
	if (swapon(node, flags))
		return fail(node, errno == EPERM ?
			    "not permitted; needs CAP_SYS_ADMIN: run as root" :
			    strerror(errno));
	fprintf(stderr, "swapserver: swapping on %s\n", node);
	return 0;
}

/* In the process of its own. */
static int swapon_child(const struct options *o, int go_end)
{
	const cap_value_t needed = CAP_SYS_ADMIN;
	int err = 0;
	char go;

	/*
	 * Nothing of the server's: it would keep the store claimed, and the
	 * device served, when the server is killed while this waits for it.
	 */
	if (dup2(go_end, STDERR_FILENO + 1) < 0 ||
	    close_range(STDERR_FILENO + 2, ~0u, 0))
		return fail("close_range", strerror(errno));
	go_end = STDERR_FILENO + 1;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	if (o->protections.p[PROTECT_CAPS].wanted)
		err = caps_keep(&needed, 1, false);
	if (err)
		return fail("capset", strerror(-err));
	/* Nothing: the server has ended before it was live. */
	return read(go_end, &go, 1) == 1 ? swapon_run(o) : -1;
}

bool swapon_is_on(int device)
{
	FILE *f = fopen("/proc/swaps", "re");
	char node[32], line[256];
	bool found = false;

	/* With the blank behind it: not another's whose number begins so. */
	snprintf(node, sizeof(node), "/dev/abuse%d ", device);
	while (f && !found && fgets(line, sizeof(line), f))
		found = !strncmp(line, node, strlen(node));
	if (f)
		fclose(f);
	return found;
}

int swapon_prepare(const struct options *o)
{
	const struct sigaction reap = { .sa_handler = SIG_DFL,
					.sa_flags = SA_NOCLDWAIT };
	int ends[2];
	pid_t pid;

	if (!o->swapon)
		return 0;
	/* Who serves alone waits for no child; a supervisor does. */
	if (!o->nr_standbys)
		sigaction(SIGCHLD, &reap, NULL);
	if (pipe2(ends, O_CLOEXEC))
		return fail("pipe", strerror(errno));
	pid = fork();
	if (pid < 0)
		return fail("fork", strerror(errno));
	if (!pid) {
		close(ends[1]);
		_exit(swapon_child(o, ends[0]) ? EXIT_FAILED : EXIT_SERVED);
	}
	close(ends[0]);
	go_fd = ends[1];
	return 0;
}

void swapon_go(void)
{
	if (go_fd < 0)
		return;
	if (write(go_fd, "", 1) != 1)
		go_fd = -1;	/* it has ended by itself, and said why */
}
