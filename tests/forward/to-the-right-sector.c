// SPDX-License-Identifier: GPL-2.0-only
/*
 * This test will forward READs and WRITEs of many lengths to a disk, at another
 * sector than their own: the data is where it belongs, what lies beside it is
 * as it was, and the server has nothing more to say about the request.  The
 * tracepoint of this stage says so, once a request.
 *
 * Where it stands: bio > queue > ioctl > [forward] > disk.
 *
 * time: 40
 * busted: module=forward-same-sector
 * busted: module=short-forward
 * busted: module=no-trace
 * invariant: I1 I5
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "t_disk.h"

#define TRACING		"/sys/kernel/tracing"
#define SIZE		(8 * T_MIB)
#define SHIFT_BYTES	(2 * T_MIB)	/* where the device begins on the disk */
#define OLD		9	/* generation of what was there before */

static const uint32_t lens_bytes[] = {
	T_PAGE, 3 * T_PAGE, 64 * 1024, 100 * 1024 - 4096, T_MIB,
};

static int ctl;
static uint32_t disk;
static bool traces;	/* this kernel has tracefs */

static void trace(bool on)
{
	traces = !access(TRACING "/trace", F_OK);
	if (traces)
		T_OK(t_attr_set(on ? "1" : "0", TRACING "/events/abuse/enable"));
}

/* Since the last time one line of this stage, and it says where to; forgotten. */
static void traced(const struct abuse_lent *lent)
{
	const char word[] = " abuse_forward: ";
	char want[200], found[200] = "";
	const char *text, *line;
	struct stat st;
	int fd;

	if (!traces)
		return;
	T_OK(T_RET(stat(T_STORE, &st)));
	snprintf(want, sizeof(want),
		 "abuse0 id=%#llx to=%u:%u sector=%llu bytes=%u", lent->ab_id,
		 major(st.st_rdev), minor(st.st_rdev),
		 lent->ab_sector + SHIFT_BYTES / 512, lent->ab_len_bytes);
	text = t_read_text(TRACING "/trace");
	line = strstr(text, word);
	if (line)
		sscanf(line + strlen(word), "%199[^\n]", found);
	T_TRUE(!strcmp(found, want), "abuse_forward: expected \"%s\", found \"%s\"",
	       want, found);
	T_TRUE(!strstr(line + 1, word),
	       "abuse_forward: expected one line, found more in:\n%s", text);
	fd = T_OK(T_RET(open(TRACING "/trace",
			     O_WRONLY | O_TRUNC | O_CLOEXEC)));
	close(fd);
}

static void check_disk(uint64_t offset_bytes, uint32_t len_bytes,
		       uint64_t generation)
{
	static char data[T_MIB];

	t_disk_read(T_STORE, SHIFT_BYTES + offset_bytes, data, len_bytes);
	t_stamp_check(data, offset_bytes, len_bytes, generation);
}

static void one(enum t_op op, uint64_t offset_bytes, uint32_t len_bytes)
{
	struct abuse_counters before = t_counters(ctl), after;
	struct t_io *io = t_submit_accepted(ctl, 0, op, offset_bytes,
					    len_bytes, 0);
	struct abuse_lent lent = t_lend_one(ctl);

	T_EQ(lent.ab_sector, offset_bytes / 512);
	T_EQ(lent.ab_len_bytes, len_bytes);
	T_EQ(lent.ab_error, 0);
	T_OK(t_forward(ctl, lent.ab_id, disk,
		       lent.ab_sector + SHIFT_BYTES / 512));
	/* Not the server's any more, done or not. */
	T_EQ(t_complete(ctl, lent.ab_id), -ESTALE);
	T_EQ(t_forward(ctl, lent.ab_id, disk, 0), -ESTALE);
	T_EQ(t_result(io), len_bytes);
	traced(&lent);
	T_UNTIL(t_counters(ctl).ab_nr_free == t_counters(ctl).ab_nr_slots);

	after = t_counters(ctl);
	T_EQ(after.ab_forwarded, before.ab_forwarded + 1);
	T_EQ(after.ab_forward_failed, 0);
	T_EQ(after.ab_nr_forwarded, 0);
	T_EQ(after.ab_nr_lent, 0);
	T_EQ(after.ab_nr_clones_free, after.ab_nr_clones);
	T_EQ(after.ab_ended, before.ab_ended + 1);
	T_EQ(after.ab_requeued, 0);
	T_EQ(after.ab_read_bytes, before.ab_read_bytes +
	     (op == T_READ ? len_bytes : 0));
	T_EQ(after.ab_write_bytes, before.ab_write_bytes +
	     (op == T_WRITE ? len_bytes : 0));
	if (op == T_READ)
		t_stamp_check(io->data, offset_bytes, len_bytes, 1);
	else
		check_disk(offset_bytes, len_bytes, 1);
}

int main(void)
{
	static char old[SIZE];
	uint64_t offset_bytes = T_PAGE;
	size_t i;

	t_init(35);
	t_stamp(old, 0, SIZE, OLD);
	t_disk_write(T_STORE, SHIFT_BYTES, old, SIZE);
	ctl = t_ctl_open(0);
	t_configure(ctl, SIZE, 8, 0);
	disk = t_backing_of(ctl, T_STORE);
	T_EQ(disk, 0);
	t_go_live(ctl);
	trace(true);
	for (i = 0; i < sizeof(lens_bytes) / sizeof(lens_bytes[0]); i++) {
		one(T_WRITE, offset_bytes, lens_bytes[i]);
		/* Beside it, nothing. */
		check_disk(offset_bytes - T_PAGE, T_PAGE, OLD);
		check_disk(offset_bytes + lens_bytes[i], T_PAGE, OLD);
		one(T_READ, offset_bytes, lens_bytes[i]);
		offset_bytes += lens_bytes[i] + 2 * T_PAGE;
	}
	/* The last page of the device, and of what the disk has for it. */
	one(T_WRITE, SIZE - T_PAGE, T_PAGE);
	trace(false);
	T_EQ(t_counters(ctl).ab_ended_error, 0);
	T_EQ(t_counters(ctl).ab_nr_backings, 1);
	return t_end();
}
