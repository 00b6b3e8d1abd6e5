// SPDX-License-Identifier: GPL-2.0-only
/*
 * serve-32.c - today's serve path from a 32-bit program
 *
 * Where it stands: bio > queue > [ioctl] > [server].
 * A server in a few lines by today's header.  First it asks for what a 32-bit
 * program on a 64-bit kernel could get wrong; then it serves for ever.  A
 * status above 0 says which step was not as that header promises.
 *
 *     serve-32 CTL STORE SIZE_BYTES BUFFER
 */
#include "sys.h"

#include <linux/abuse.h>

#define BUFFER_BYTES	(2u << 20)

_Static_assert(sizeof(void *) == 4, "a 32-bit program");
_Static_assert(sizeof(struct abuse_serve) == 32, "the same for both");
_Static_assert(sizeof(struct abuse_verb) == 32, "the same for both");
_Static_assert(sizeof(struct abuse_lent) == 32, "the same for both");
_Static_assert(sizeof(struct abuse_poll) == 16, "the same for both");
_Static_assert(sizeof(struct abuse_store) == 24, "the same for both");
_Static_assert(sizeof(struct abuse_backing) == 16, "the same for both");
_Static_assert(sizeof(struct abuse_ctl) == 8, "the same for both");
_Static_assert(sizeof(struct abuse_ctl_list) == 16, "the same for both");
_Static_assert(sizeof(struct abuse_scope) == 8, "the same for both");
_Static_assert(sizeof(struct abuse_counters) == 18 * 8 + 14 * 4,
	       "the same for both");

static int ctl;

static void must(int ok, int step)
{
	if (!ok)
		_exit(step);
}

static unsigned long number(const char *text)
{
	unsigned long value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (*text++ - '0');
	return value;
}

static int serve(struct abuse_verb *verbs, unsigned int nr,
		 struct abuse_lent *lent, unsigned int room, unsigned int flags)
{
	struct abuse_serve arg = {
		.ab_verbs = (unsigned long)verbs,
		.ab_requests = (unsigned long)lent,
		.ab_nr_verbs = nr,
		.ab_nr_requests = room,
		.ab_flags = flags,
	};
	int ret = ioctl(ctl, ABUSE_SERVE, &arg);

	if (ret >= 0)
		must(arg.ab_nr_verbs_done == nr, 20);
	return ret < 0 ? -errno : ret;
}

/* Numbers that are no address of ours, though their low half may be. */
static void wrong_addresses(struct abuse_lent *lent)
{
	struct abuse_serve arg = {
		.ab_requests = 1ull << 32 | (unsigned long)lent,
		.ab_nr_requests = 1,
		.ab_flags = ABUSE_SERVE_NOWAIT,
	};
	struct abuse_verb verb;

	must(ioctl(ctl, ABUSE_SERVE, &arg) < 0 && errno == EFAULT, 30);
	must(serve(NULL, 0, lent, 1, ABUSE_SERVE_NOWAIT) == 1, 31);
	must(lent->ab_command == ABUSE_WRITE, 32);
	verb = (struct abuse_verb) {
		.ab_id = lent->ab_id,
		.ab_address = 1ull << 32 | (unsigned long)lent,
		.ab_len_bytes = 512,
		.ab_verb = ABUSE_VERB_COPY_OUT,
	};
	must(serve(&verb, 1, NULL, 0, 0) == -EFAULT, 33);
	verb.ab_address = ~0ull - 100;
	must(serve(&verb, 1, NULL, 0, 0) == -EFAULT, 34);
	verb.ab_verb = ABUSE_VERB_REQUEUE;
	must(!serve(&verb, 1, NULL, 0, 0), 35);
}

static void other_calls(void)
{
	struct abuse_poll set = {
		.ab_events = ABUSE_POLL_MSG,
		.ab_threshold = 1,
	};
	struct abuse_counters counters;
	struct abuse_scope scope = { ABUSE_SCOPE_THREAD, 99 };

	must(!ioctl(ctl, ABUSE_SET_POLL, &set), 40);
	memset(&counters, 0xff, sizeof(counters));
	must(!ioctl(ctl, ABUSE_GET_COUNTERS, &counters), 41);
	must(counters.ab_accepted == 1 && counters.ab_nr_queued == 1, 42);
	must(!counters.ab_nr_backings, 43);
	must(!ioctl(ctl, ABUSE_GET_SCOPE, &scope), 44);
	must(scope.ab_scope == ABUSE_SCOPE_NONE, 45);
}

int main(int argc, char **argv)
{
	struct abuse_verb verbs[2];
	struct abuse_lent lent;
	unsigned int nr = 0;
	char *store, *buffer;
	int store_fd, ret;

	must(argc == 5, 2);
	ctl = open(argv[1], O_RDWR);
	must(ctl >= 0, 3);
	store_fd = open(argv[2], O_RDWR);
	must(store_fd >= 0, 4);
	store = mmap(NULL, number(argv[3]), PROT_READ | PROT_WRITE,
		     MAP_SHARED, store_fd, 0);
	must(store != MAP_FAILED, 5);
	buffer = mmap((void *)number(argv[4]), BUFFER_BYTES,
		      PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(buffer != MAP_FAILED, 6);
	other_calls();
	wrong_addresses(&lent);
	for (;;) {
		ret = serve(verbs, nr, &lent, 1, 0);
		nr = 0;
		if (ret == -EINTR)
			continue;
		must(ret == 1, 50);
		must(lent.ab_len_bytes <= BUFFER_BYTES, 51);
		if (lent.ab_command == ABUSE_READ)
			memcpy(buffer, store + lent.ab_sector * 512,
			       lent.ab_len_bytes);
		verbs[nr++] = (struct abuse_verb) {
			.ab_id = lent.ab_id,
			.ab_address = (unsigned long)buffer,
			.ab_len_bytes = lent.ab_len_bytes,
			.ab_verb = lent.ab_command == ABUSE_READ ?
				   ABUSE_VERB_COPY_IN : ABUSE_VERB_COPY_OUT,
		};
		if (lent.ab_command == ABUSE_WRITE) {
			must(!serve(verbs, nr, NULL, 0, 0), 52);
			memcpy(store + lent.ab_sector * 512, buffer,
			       lent.ab_len_bytes);
			nr = 0;
		}
		verbs[nr++] = (struct abuse_verb) {
			.ab_id = lent.ab_id,
			.ab_verb = ABUSE_VERB_COMPLETE,
		};
	}
}
