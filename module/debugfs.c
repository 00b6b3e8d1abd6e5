// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs.c - /sys/kernel/debug/abuse/abuseN: counters and the requests
 *
 * Beside the path: only looks.  For people; a program under memory pressure
 * uses ABUSE_GET_COUNTERS, which allocates nothing.
 */
#include <linux/debugfs.h>
#include <linux/jiffies.h>
#include <linux/seq_file.h>

#include "abuse.h"

static struct dentry *abuse_debugfs_root;

static int counters_show(struct seq_file *m, void *unused)
{
	struct abuse_counters c;

	abuse_counters_read(m->private, &c);
	if (abuse_busted("counters-swapped"))
		swap(c.ab_requeued, c.ab_stalled);
#define SHOW(name) seq_printf(m, "%-18s %llu\n", #name, (u64)c.ab_##name)
	SHOW(accepted);
	SHOW(ended);
	SHOW(ended_error);
	SHOW(read_bytes);
	SHOW(write_bytes);
	SHOW(swap_write_bytes);
	SHOW(lent);
	SHOW(requeued);
	SHOW(stalled);
	SHOW(bypassed);
	SHOW(again);
	SHOW(serve_calls);
	SHOW(discard_bytes);
	SHOW(flushes);
	SHOW(forwarded);
	SHOW(forward_failed);
	SHOW(timed_out);
	SHOW(set_aside);
	SHOW(nr_slots);
	SHOW(nr_free);
	SHOW(nr_free_min);
	SHOW(nr_queued);
	SHOW(nr_waiting);
	SHOW(nr_lent);
	SHOW(nr_servers);
	SHOW(nr_opens);
	SHOW(nr_forwarded);
	SHOW(nr_aside);
	SHOW(nr_clones);
	SHOW(nr_clones_free);
	SHOW(nr_clones_free_min);
	SHOW(nr_backings);
#undef SHOW
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

/* One line a request in care; the lock is taken anew for each. */
static int requests_show(struct seq_file *m, void *unused)
{
	struct abuse_device *dev = m->private;
	u32 i = 0;

	seq_puts(m, "slot generation state owner age_ms command sector bytes\n");
	for (;;) {
		enum abuse_state state = ABUSE_FREE;
		struct abuse_request *rq;
		u32 generation = 0, command = 0, len_bytes = 0;
		unsigned int age_ms = 0;
		u64 sector = 0;
		pid_t owner = 0;
		bool end;

		spin_lock_irq(&dev->lock);
		end = i >= dev->nr_slots;
		if (!end) {
			rq = &dev->slots[i];
			state = rq->state;
			generation = rq->generation;
			age_ms = jiffies_to_msecs(jiffies - rq->start_jiffies);
			/* An entry that was given up keeps its last copy. */
			if (rq->owner && rq->owner->tgid)
				owner = pid_nr(rq->owner->tgid);
			/* DONE: the bio is its submitter's again. */
			if (state != ABUSE_FREE && state != ABUSE_DONE) {
				command = abuse_serve_command(rq->bio);
				sector = rq->bio->bi_iter.bi_sector;
				len_bytes = rq->bio->bi_iter.bi_size;
			}
		}
		spin_unlock_irq(&dev->lock);
		if (end)
			return 0;
		if (abuse_busted("requests-hidden") && state != ABUSE_QUEUED)
			state = ABUSE_FREE;
		if (state != ABUSE_FREE)
			seq_printf(m, "%u %u %s %d %u %u %llu %u\n", i,
				   generation, abuse_queue_state(state), owner,
				   age_ms, command, sector, len_bytes);
		i++;
	}
}
DEFINE_SHOW_ATTRIBUTE(requests);

void abuse_debugfs_add(struct abuse_device *dev)
{
	char name[16];

	snprintf(name, sizeof(name), "abuse%d", dev->number);
	dev->debugfs = debugfs_create_dir(name, abuse_debugfs_root);
	debugfs_create_file("counters", 0400, dev->debugfs, dev,
			    &counters_fops);
	debugfs_create_file("requests", 0400, dev->debugfs, dev,
			    &requests_fops);
}

void abuse_debugfs_remove(struct abuse_device *dev)
{
	debugfs_remove_recursive(dev->debugfs);
}

void abuse_debugfs_init(void)
{
	abuse_debugfs_root = debugfs_create_dir("abuse", NULL);
}

void abuse_debugfs_exit(void)
{
	debugfs_remove_recursive(abuse_debugfs_root);
}
