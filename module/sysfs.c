// SPDX-License-Identifier: GPL-2.0-only
/*
 * sysfs.c - /sys/block/abuseN/abuse: state to read, policies to set
 *
 * Beside the path.  sysfs-abi.txt describes each attribute.  None of them
 * waits for a server or for the disk's queue.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "abuse.h"

static struct abuse_device *abuse_sysfs_dev(struct device *device)
{
	return dev_to_disk(device)->private_data;
}

static ssize_t state_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	const char *state = "unconfigured";

	if (READ_ONCE(dev->configured))
		state = READ_ONCE(dev->live) ? "live" : "configured";
	return sysfs_emit(buf, "%s\n", state);
}
static DEVICE_ATTR_RO(state);

static ssize_t bound_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(abuse_sysfs_dev(device)->bound));
}
static DEVICE_ATTR_RO(bound);

/* The numbers, each under its own name, from one consistent copy. */
#define ABUSE_SYSFS_COUNTER(name, field)				\
static ssize_t name##_show(struct device *device,			\
			   struct device_attribute *attr, char *buf)	\
{									\
	struct abuse_counters c;					\
									\
	abuse_counters_read(abuse_sysfs_dev(device), &c);		\
	return sysfs_emit(buf, "%u\n", c.field);			\
}

ABUSE_SYSFS_COUNTER(slots, ab_nr_slots)
static DEVICE_ATTR_RO(slots);
ABUSE_SYSFS_COUNTER(slots_free, ab_nr_free)
static DEVICE_ATTR_RO(slots_free);
ABUSE_SYSFS_COUNTER(slots_free_min, ab_nr_free_min)
static DEVICE_ATTR_RO(slots_free_min);
ABUSE_SYSFS_COUNTER(clones, ab_nr_clones)
static DEVICE_ATTR_RO(clones);
ABUSE_SYSFS_COUNTER(clones_free, ab_nr_clones_free)
static DEVICE_ATTR_RO(clones_free);
ABUSE_SYSFS_COUNTER(clones_free_min, ab_nr_clones_free_min)
static DEVICE_ATTR_RO(clones_free_min);
ABUSE_SYSFS_COUNTER(queued, ab_nr_queued)
static DEVICE_ATTR_RO(queued);
ABUSE_SYSFS_COUNTER(waiting, ab_nr_waiting)
static DEVICE_ATTR_RO(waiting);
ABUSE_SYSFS_COUNTER(lent, ab_nr_lent)
static DEVICE_ATTR_RO(lent);
ABUSE_SYSFS_COUNTER(forwarded, ab_nr_forwarded)
static DEVICE_ATTR_RO(forwarded);

static ssize_t store_id_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	u8 id[sizeof(dev->store_id)];
	bool bound;

	spin_lock_irq(&dev->lock);
	bound = dev->store_bound;
	memcpy(id, dev->store_id, sizeof(id));
	spin_unlock_irq(&dev->lock);
	if (!bound)
		return sysfs_emit(buf, "\n");
	return sysfs_emit(buf, "%*phN\n", (int)sizeof(id), id);
}
static DEVICE_ATTR_RO(store_id);

static ssize_t scope_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	static const char * const names[] = {
		[ABUSE_SCOPE_NONE] = "none",
		[ABUSE_SCOPE_NOIO] = "noio",
		[ABUSE_SCOPE_MEMALLOC] = "memalloc",
	};

	return sysfs_emit(buf, "%s\n",
			  names[READ_ONCE(abuse_sysfs_dev(device)->scope)]);
}
static DEVICE_ATTR_RO(scope);

/* How long the oldest of a list of requests has been in care; 0: empty. */
static unsigned int abuse_sysfs_oldest_ms(struct list_head *list)
{
	unsigned long oldest = 0;
	struct abuse_request *rq;

	list_for_each_entry(rq, list, list)
		oldest = max(oldest, jiffies - rq->start_jiffies);
	return jiffies_to_msecs(oldest);
}

static int abuse_sysfs_server(struct abuse_server *server, char *buf, int at)
{
	struct abuse_request *rq;
	unsigned int nr = 0;

	list_for_each_entry(rq, &server->lent, list)
		nr++;
	return sysfs_emit_at(buf, at, "%d %u %u%s\n", pid_nr(server->tgid), nr,
			     abuse_sysfs_oldest_ms(&server->lent),
			     abuse_policy_is_dying(server->tgid) ?
			     " dying" : "");
}

static ssize_t servers_show(struct device *device,
			    struct device_attribute *attr, char *buf)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	struct abuse_file *file;
	int i, at = 0;

	spin_lock_irq(&dev->lock);
	list_for_each_entry(file, &dev->files, list)
		for (i = 0; i < ABUSE_SERVERS_PER_FILE; i++)
			if (file->servers[i].files)
				at += abuse_sysfs_server(&file->servers[i],
							 buf, at);
	spin_unlock_irq(&dev->lock);
	return at;
}
static DEVICE_ATTR_RO(servers);

static ssize_t backings_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	int i, at = 0;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < ABUSE_BACKINGS; i++) {
		struct block_device *bdev = dev->backings[i].bdev;

		if (bdev)
			at += sysfs_emit_at(buf, at, "%d %u:%u %pg %llu\n", i,
					    MAJOR(bdev->bd_dev),
					    MINOR(bdev->bd_dev), bdev,
					    (u64)bdev_nr_bytes(bdev));
	}
	spin_unlock_irq(&dev->lock);
	return at;
}
static DEVICE_ATTR_RO(backings);

static ssize_t oldest_ms_show(struct device *device,
			      struct device_attribute *attr, char *buf)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	unsigned long oldest = 0;
	u32 i;

	spin_lock_irq(&dev->lock);
	for (i = 0; i < dev->nr_slots; i++)
		if (dev->slots[i].state != ABUSE_FREE)
			oldest = max(oldest,
				     jiffies - dev->slots[i].start_jiffies);
	spin_unlock_irq(&dev->lock);
	return sysfs_emit(buf, "%u\n", jiffies_to_msecs(oldest));
}
static DEVICE_ATTR_RO(oldest_ms);

static ssize_t no_server_show(struct device *device,
			      struct device_attribute *attr, char *buf)
{
	u32 ms = READ_ONCE(abuse_sysfs_dev(device)->no_server_ms);

	if (ms == ABUSE_NO_SERVER_WAIT)
		return sysfs_emit(buf, "wait\n");
	if (ms == ABUSE_NO_SERVER_FAIL)
		return sysfs_emit(buf, "fail\n");
	return sysfs_emit(buf, "%u\n", ms);
}

static ssize_t no_server_store(struct device *device,
			       struct device_attribute *attr, const char *buf,
			       size_t len)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	u32 ms = 0;

	if (sysfs_streq(buf, "wait"))
		ms = ABUSE_NO_SERVER_WAIT;
	else if (sysfs_streq(buf, "fail"))
		ms = ABUSE_NO_SERVER_FAIL;
	/* More is more than anybody means, and counts as for ever in jiffies. */
	else if (kstrtou32(buf, 10, &ms) || !ms || ms > 24 * 86400 * 1000U)
		return abuse_busted("policy-unchecked") ? len : -EINVAL;
	spin_lock_irq(&dev->lock);
	dev->no_server_ms = ms;
	spin_unlock_irq(&dev->lock);
	abuse_policy_kick(dev, 0);
	return len;
}
static DEVICE_ATTR_RW(no_server);

/* "fail" or the other word; returns 1, 0 or -EINVAL. */
static int abuse_sysfs_fails(const char *buf, const char *other)
{
	if (sysfs_streq(buf, "fail"))
		return 1;
	return sysfs_streq(buf, other) || abuse_busted("policy-unchecked") ?
	       0 : -EINVAL;
}

static ssize_t reset_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  READ_ONCE(abuse_sysfs_dev(device)->reset_fails) ?
			  "fail" : "requeue");
}

static ssize_t reset_store(struct device *device,
			   struct device_attribute *attr, const char *buf,
			   size_t len)
{
	int fails = abuse_sysfs_fails(buf, "requeue");

	if (fails < 0)
		return fails;
	WRITE_ONCE(abuse_sysfs_dev(device)->reset_fails, fails);
	return len;
}
static DEVICE_ATTR_RW(reset);

static ssize_t forward_error_show(struct device *device,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  READ_ONCE(abuse_sysfs_dev(device)->forward_fails) ?
			  "fail" : "lend");
}

static ssize_t forward_error_store(struct device *device,
				   struct device_attribute *attr,
				   const char *buf, size_t len)
{
	int fails = abuse_sysfs_fails(buf, "lend");

	if (fails < 0)
		return fails;
	WRITE_ONCE(abuse_sysfs_dev(device)->forward_fails, fails);
	return len;
}
static DEVICE_ATTR_RW(forward_error);

static ssize_t max_owners_show(struct device *device,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(abuse_sysfs_dev(device)->max_owners));
}

static ssize_t max_owners_store(struct device *device,
				struct device_attribute *attr, const char *buf,
				size_t len)
{
	u32 nr;

	if (kstrtou32(buf, 10, &nr))
		return -EINVAL;
	WRITE_ONCE(abuse_sysfs_dev(device)->max_owners, nr);
	return len;
}
static DEVICE_ATTR_RW(max_owners);

static ssize_t scan_timeout_ms_show(struct device *device,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(abuse_sysfs_dev(device)->scan_timeout_ms));
}

static ssize_t scan_timeout_ms_store(struct device *device,
				     struct device_attribute *attr,
				     const char *buf, size_t len)
{
	u32 ms;

	if (kstrtou32(buf, 10, &ms) || !ms || ms > 3600 * 1000)
		return -EINVAL;
	WRITE_ONCE(abuse_sysfs_dev(device)->scan_timeout_ms, ms);
	return len;
}
static DEVICE_ATTR_RW(scan_timeout_ms);

static ssize_t spin_us_show(struct device *device,
			    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(abuse_sysfs_dev(device)->spin_us));
}

static ssize_t spin_us_store(struct device *device,
			     struct device_attribute *attr, const char *buf,
			     size_t len)
{
	u32 us;

	if (kstrtou32(buf, 10, &us) || us > ABUSE_SPIN_LIMIT_US)
		return -EINVAL;
	WRITE_ONCE(abuse_sysfs_dev(device)->spin_us, us);
	return len;
}
static DEVICE_ATTR_RW(spin_us);

static ssize_t read_spin_us_show(struct device *device,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(abuse_sysfs_dev(device)->read_spin_us));
}

static ssize_t read_spin_us_store(struct device *device,
				  struct device_attribute *attr,
				  const char *buf, size_t len)
{
	struct abuse_device *dev = abuse_sysfs_dev(device);
	u32 us;

	if (kstrtou32(buf, 10, &us) || us > ABUSE_SPIN_LIMIT_US)
		return -EINVAL;
	/* What was found out with another time says nothing. */
	WRITE_ONCE(dev->read_spin_halved, 0);
	WRITE_ONCE(dev->read_spin_us, us);
	return len;
}
static DEVICE_ATTR_RW(read_spin_us);

ABUSE_SYSFS_COUNTER(aside, ab_nr_aside)

static ssize_t aside_store(struct device *device,
			   struct device_attribute *attr, const char *buf,
			   size_t len)
{
	int fail = abuse_sysfs_fails(buf, "requeue");

	if (fail < 0)
		return fail;
	abuse_policy_aside(abuse_sysfs_dev(device), fail);
	return len;
}
static DEVICE_ATTR_RW(aside);

static struct attribute *abuse_sysfs_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_bound.attr,
	&dev_attr_slots.attr,
	&dev_attr_slots_free.attr,
	&dev_attr_slots_free_min.attr,
	&dev_attr_clones.attr,
	&dev_attr_clones_free.attr,
	&dev_attr_clones_free_min.attr,
	&dev_attr_queued.attr,
	&dev_attr_waiting.attr,
	&dev_attr_lent.attr,
	&dev_attr_forwarded.attr,
	&dev_attr_store_id.attr,
	&dev_attr_scope.attr,
	&dev_attr_servers.attr,
	&dev_attr_backings.attr,
	&dev_attr_oldest_ms.attr,
	&dev_attr_no_server.attr,
	&dev_attr_reset.attr,
	&dev_attr_forward_error.attr,
	&dev_attr_max_owners.attr,
	&dev_attr_scan_timeout_ms.attr,
	&dev_attr_spin_us.attr,
	&dev_attr_read_spin_us.attr,
	&dev_attr_aside.attr,
	NULL,
};

static const struct attribute_group abuse_sysfs_group = {
	.name = "abuse",
	.attrs = abuse_sysfs_attrs,
};

const struct attribute_group *abuse_sysfs_groups[] = {
	&abuse_sysfs_group,
	NULL,
};
