// SPDX-License-Identifier: GPL-2.0-only
/*
 * server-2009.c - a server as somebody would have written it in 2009
 *
 * Where it stands: bio > queue > ioctl > [server] > backend > completion.
 * Knows the device by the header of 2009 alone; the tests run it unmodified,
 * as a 64-bit and as a 32-bit program.  It never ends by itself; a status
 * above 0 says at which step something was not as that header promised.
 *
 *     server CTL STORE SIZE_BYTES BOUND FLAGS NR_THREADS NOTES_INDEX BUFFER
 *
 * BOUND 0: the device is configured already, do not touch it.  STORE is a file
 * of SIZE_BYTES and a page: struct notes, one for each server.  BUFFER: where
 * in its address space the data passes, 0 for anywhere.
 */
#include "sys.h"

#ifdef __LP64__
#include <pthread.h>
#endif

#include <linux/abuse.h>

#define MAX_VECS	256
#define BUFFER_BYTES	(2u << 20)
#define MAX_THREADS	8
#define PAGE_BYTES	4096u
#ifndef POLLMSG
#define POLLMSG		0x0400
#endif

_Static_assert(sizeof(struct abuse_vec) == 16, "16 bytes in 2009");
_Static_assert(sizeof(struct abuse_xfr_hdr) == 40, "40 bytes in 2009");
_Static_assert(sizeof(struct abuse_info) == (sizeof(long) == 4 ? 44 : 48),
	       "44 bytes in 2009, padded on 64-bit machines");

/* What the test wants to know afterwards. */
struct notes {
	__u32 nr_requests;
	__u32 nr_syncs;
	__u32 nr_threads_that_served;
	__u32 max_vecs;
	__u32 hold_after;	/* by the test: so many requests, 0: never */
	__u32 nr_holding;	/* threads that have PUT and not stored */
	__u32 reserved[2];
};

static struct {
	int fd;
	char *store;
	unsigned int size_bytes;
	struct notes *notes;
	char *buffers;
} server;

static unsigned long number(const char *text)
{
	unsigned long value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}

static void must(int ok, int step)
{
	if (!ok)
		_exit(step);
}

/*
 * The structure at the very end of a page with nothing behind it: a kernel
 * that copies more than was promised faults.
 */
static struct abuse_info *info_at_edge(void)
{
	char *p = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && !munmap(p + PAGE_BYTES, PAGE_BYTES), 10);
	return (struct abuse_info *)(p + PAGE_BYTES -
				     sizeof(struct abuse_info));
}

static void configure(unsigned int bound, unsigned int flags)
{
	struct abuse_info *info = info_at_edge();

	memset(info, 0, sizeof(*info));
	info->ab_size = server.size_bytes;
	info->ab_blocksize = 512;
	info->ab_max_queue = bound;
	info->ab_flags = flags;
	must(!ioctl(server.fd, ABUSE_SET_STATUS, info), 20);
	memset(info, 0xff, sizeof(*info));
	must(!ioctl(server.fd, ABUSE_GET_STATUS, info), 21);
	must(info->ab_size == server.size_bytes, 22);
	must(info->ab_blocksize == 512, 23);
	must(info->ab_max_queue == bound, 24);
	must(info->ab_flags == (flags & ~ABUSE_FLAGS_RECONNECT), 25);
	must(!info->ab_number && !info->ab_errors, 26);
	must(info->ab_max_vecs > 0 && info->ab_max_vecs <= MAX_VECS, 27);
	/* 2009's: the device number of the disk, 60:0 */
	must(info->ab_device == 60 << 8, 28);
}

/* Every vector gets its place in the buffer; bytes of all. */
static unsigned int point(struct abuse_vec *vecs, unsigned int nr,
			  char *buffer)
{
	unsigned int bytes = 0, i;

	for (i = 0; i < nr; i++) {
		vecs[i].ab_address = (unsigned long)buffer + bytes;
		bytes += vecs[i].ab_len;
	}
	must(bytes <= BUFFER_BYTES, 30);
	return bytes;
}

/* The moment in which a server's death costs most, for as long as one likes. */
static void hold(void)
{
	struct notes *notes = server.notes;

	if (!notes->hold_after || notes->nr_requests < notes->hold_after)
		return;
	__sync_fetch_and_add(&notes->nr_holding, 1);
	for (;;)
		poll(NULL, 0, 1000);
}

static void serve_one(struct abuse_xfr_hdr *xfr, struct abuse_vec *vecs,
		      char *buffer)
{
	unsigned long at = xfr->ab_sector * 512;
	unsigned int bytes = 0;

	if (xfr->ab_command == ABUSE_SYNC_NOTIFICATION) {
		must(!xfr->ab_vec_count && !xfr->ab_sector, 31);
		__sync_fetch_and_add(&server.notes->nr_syncs, 1);
	} else {
		must(xfr->ab_command == ABUSE_READ ||
		     xfr->ab_command == ABUSE_WRITE, 32);
		must(xfr->ab_vec_count && xfr->ab_vec_count <= MAX_VECS, 33);
		bytes = point(vecs, xfr->ab_vec_count, buffer);
		must(at + bytes <= server.size_bytes, 34);
		if (xfr->ab_vec_count > server.notes->max_vecs)
			server.notes->max_vecs = xfr->ab_vec_count;
	}
	if (xfr->ab_command == ABUSE_READ)
		memcpy(buffer, server.store + at, bytes);
	xfr->ab_result = ABUSE_RESULT_OKAY;
	must(!ioctl(server.fd, ABUSE_PUT_BIO, xfr), 35);
	/* Only now is the data of a WRITE here. */
	if (xfr->ab_command == ABUSE_WRITE) {
		hold();
		memcpy(server.store + at, buffer, bytes);
	}
	__sync_fetch_and_add(&server.notes->nr_requests, 1);
}

static void *serve(void *buffer)
{
	struct pollfd p = { .fd = server.fd, .events = POLLMSG };
	struct abuse_vec vecs[MAX_VECS];
	struct abuse_xfr_hdr xfr;
	int first = 1;

	for (;;) {
		memset(&xfr, 0, sizeof(xfr));
		xfr.ab_transfer_address = (unsigned long)vecs;
		if (!ioctl(server.fd, ABUSE_GET_BIO, &xfr)) {
			if (first)
				__sync_fetch_and_add(&server.notes->nr_threads_that_served, 1);
			first = 0;
			serve_one(&xfr, vecs, buffer);
			continue;
		}
		must(errno == ENOMSG, 40);
		if (poll(&p, 1, -1) < 0)
			must(errno == EINTR, 41);
		else
			must(p.revents == POLLMSG, 42);
	}
	return NULL;
}

static void start_threads(unsigned int nr_threads)
{
#ifdef __LP64__
	pthread_t thread;
	unsigned int i;

	for (i = 1; i < nr_threads; i++)
		must(!pthread_create(&thread, NULL, serve, server.buffers +
				     (unsigned long)i * BUFFER_BYTES), 50);
#else
	must(nr_threads == 1, 51);
#endif
}

int main(int argc, char **argv)
{
	unsigned int nr_threads;
	unsigned long wanted;
	int store_fd;

	must(argc == 9, 2);
	nr_threads = number(argv[6]);
	must(nr_threads >= 1 && nr_threads <= MAX_THREADS, 3);
	server.size_bytes = number(argv[3]);
	server.fd = open(argv[1], O_RDWR);
	must(server.fd >= 0, 4);
	store_fd = open(argv[2], O_RDWR);
	must(store_fd >= 0, 5);
	server.store = mmap(NULL, server.size_bytes + PAGE_BYTES,
			    PROT_READ | PROT_WRITE, MAP_SHARED, store_fd, 0);
	must(server.store != MAP_FAILED, 6);
	server.notes = (struct notes *)(server.store + server.size_bytes) +
		       number(argv[7]);
	wanted = number(argv[8]);
	server.buffers = mmap((void *)wanted, nr_threads * BUFFER_BYTES,
			      PROT_READ | PROT_WRITE, MAP_PRIVATE |
			      MAP_ANONYMOUS | (wanted ? MAP_FIXED : 0), -1, 0);
	must(server.buffers != MAP_FAILED, 7);
	if (number(argv[4]))
		configure(number(argv[4]), number(argv[5]));
	start_threads(nr_threads);
	serve(server.buffers);
	return 1;
}
