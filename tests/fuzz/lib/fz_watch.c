// SPDX-License-Identifier: GPL-2.0-only
/*
 * fz_watch.c - what the counters promise, while it runs and at the end
 *
 * Where it stands: [fuzzer] > /dev/abctlN > module.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fz.h"

int fz_ctl_open_nr(int number, int flags)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/abctl%d", number);
	fd = open(path, O_RDWR | flags);
	return fd < 0 ? -errno : fd;
}

int fz_blk_open_nr(int number, int flags)
{
	return t_blk_open(number, flags);
}

/*
 * A request that is DONE has been taken off its list, but its slot is not
 * FREE, and its bio may not have been counted as ended yet: so what is held
 * beyond the lists can be no more than the slots that are in no state.
 */
void fz_counters_check(struct fz_actor *a, int number,
		       const struct abuse_counters *c)
{
	uint64_t held = c->ab_accepted - c->ab_ended;
	uint64_t in_slots = (uint64_t)c->ab_nr_queued + c->ab_nr_lent +
			    c->ab_nr_forwarded + c->ab_nr_aside;
	uint64_t listed = in_slots + c->ab_nr_waiting;
	uint64_t used = (uint64_t)c->ab_nr_slots - c->ab_nr_free;

	FZ_EXPECT(a, c->ab_nr_free <= c->ab_nr_slots && in_slots <= used &&
		  held >= listed && held - listed <= used - in_slots,
		  "counters of device %d: expected accepted - ended = QUEUED + waiting + LENT + FORWARDED + ASIDE, found %llu - %llu, %u + %u + %u + %u + %u, %u of %u slots free",
		  number, c->ab_accepted, c->ab_ended, c->ab_nr_queued,
		  c->ab_nr_waiting, c->ab_nr_lent, c->ab_nr_forwarded,
		  c->ab_nr_aside, c->ab_nr_free, c->ab_nr_slots);
	FZ_EXPECT(a, c->ab_nr_free_min <= c->ab_nr_free &&
		  c->ab_nr_clones_free_min <= c->ab_nr_clones_free &&
		  c->ab_nr_clones_free <= c->ab_nr_clones &&
		  c->ab_ended_error <= c->ab_ended &&
		  c->ab_forward_failed <= c->ab_forwarded &&
		  c->ab_lent >= c->ab_requeued + c->ab_nr_lent,
		  "counters of device %d: expected parts no larger than their wholes, found slots %u/%u, clones %u/%u/%u, errors %llu/%llu, failed %llu/%llu, lent %llu/%llu",
		  number, c->ab_nr_free_min, c->ab_nr_free,
		  c->ab_nr_clones_free_min, c->ab_nr_clones_free,
		  c->ab_nr_clones, c->ab_ended_error, c->ab_ended,
		  c->ab_forward_failed, c->ab_forwarded, c->ab_requeued,
		  c->ab_lent);
}

void fz_watch(void)
{
	static uint64_t accepted[FZ_DEVICES];
	static int ctl[FZ_DEVICES];
	struct abuse_counters c;
	int i;

	for (i = 0; i < FZ_DEVICES; i++) {
		if (!ctl[i])
			ctl[i] = fz_ctl_open_nr(i, O_CLOEXEC);
		if (ctl[i] < 0 || t_ioctl(ctl[i], ABUSE_GET_COUNTERS, &c)) {
			fz_finding(NULL, "counters of device %d: expected them, found none",
				   i);
			continue;
		}
		fz_counters_check(NULL, i, &c);
		/* A configuration begins at 0. */
		fz->nr_bios += c.ab_accepted - (c.ab_accepted < accepted[i] ?
						0 : accepted[i]);
		accepted[i] = c.ab_accepted;
	}
}

/* Nobody is left: everything must have ended, and the device must reset. */
static void settle_one(int number)
{
	struct abuse_counters c = { 0 };
	int ctl, ret;

	if (!fz_drain(number)) {
		ctl = fz_ctl_open_nr(number, O_CLOEXEC);
		t_ioctl(ctl, ABUSE_GET_COUNTERS, &c);
		close(ctl);
		fz_finding(NULL, "device %d at the end: expected accepted = ended, found %llu and %llu: %u QUEUED, %u waiting, %u LENT, %u FORWARDED, %u ASIDE, %u servers",
			   number, c.ab_accepted, c.ab_ended, c.ab_nr_queued,
			   c.ab_nr_waiting, c.ab_nr_lent, c.ab_nr_forwarded,
			   c.ab_nr_aside, c.ab_nr_servers);
		return;
	}
	ctl = fz_ctl_open_nr(number, O_CLOEXEC);
	/* The last bio's end leaves its submitter's close to a worker (I15). */
	T_UNTIL(t_ioctl(ctl, ABUSE_GET_COUNTERS, &c) || !c.ab_nr_opens);
	FZ_EXPECT(NULL, !c.ab_nr_lent && !c.ab_nr_servers && !c.ab_nr_opens &&
		  c.ab_nr_free == c.ab_nr_slots &&
		  c.ab_nr_clones_free == c.ab_nr_clones,
		  "device %d at the end: expected nothing lent, nobody there, found %u LENT, %u servers, %u opens, %u of %u slots and %u of %u clones free",
		  number, c.ab_nr_lent, c.ab_nr_servers, c.ab_nr_opens,
		  c.ab_nr_free, c.ab_nr_slots, c.ab_nr_clones_free,
		  c.ab_nr_clones);
	ret = t_ioctl(ctl, ABUSE_RESET, NULL);
	FZ_EXPECT(NULL, !ret || ret == -EINVAL,
		  "RESET of device %d at the end: expected 0, or -EINVAL if it has no configuration, found %s",
		  number, t_name(ret));
	t_ioctl(ctl, ABUSE_GET_COUNTERS, &c);
	FZ_EXPECT(NULL, !c.ab_nr_slots && !c.ab_nr_backings,
		  "device %d after RESET: expected no slots, no backings, found %u and %u",
		  number, c.ab_nr_slots, c.ab_nr_backings);
	close(ctl);
}

void fz_settle(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/sys/block");
	int numbers[64], nr = 0, i;

	while (dir && (entry = readdir(dir)))
		if (!strncmp(entry->d_name, "abuse", 5) && nr < 64)
			numbers[nr++] = atoi(entry->d_name + 5);
	if (dir)
		closedir(dir);
	for (i = 0; i < nr; i++)
		settle_one(numbers[i]);
}
