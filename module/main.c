// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the module comes and goes, and which devices it has
 *
 * Beside the path.  Start reading at the top of abuse.h.
 */
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#include "abuse.h"
#include "compat.h"

/* As in 2009: this many devices, if max_abuse does not say otherwise. */
#define ABUSE_NR_DEFAULT	8
/* Minors of a disk that may have partitions: as many as other disks take. */
#define ABUSE_PARTS_LIMIT	255

static unsigned int max_abuse;
module_param(max_abuse, uint, 0444);
MODULE_PARM_DESC(max_abuse, "Number of devices, at most 1024 (default 8, and more when their nodes are opened)");

static unsigned int max_part;
module_param(max_part, uint, 0444);
MODULE_PARM_DESC(max_part, "Partitions of a device that have minors of the major, at most 255 (default 0: no partitions)");

static unsigned int major = ABUSE_MAJOR;
module_param(major, uint, 0444);
MODULE_PARM_DESC(major, "Major of the disks (default 60); 0: whatever is free, for the control nodes, too");

static unsigned int ctl_major = ABUSECTL_MAJOR;
module_param(ctl_major, uint, 0444);
MODULE_PARM_DESC(ctl_major, "Major of the control nodes (default 61); 0: whatever is free");

static bool synchronous;
module_param(synchronous, bool, 0444);
MODULE_PARM_DESC(synchronous, "For experiments: swap waits for each folio, with a bio on its own stack (6.11 and later; default off)");

#ifndef MODULE
/* Built in: the name of 2009, beside abuse.max_abuse=. */
static int __init abuse_setup(char *arg)
{
	return !kstrtouint(arg, 0, &max_abuse);
}
__setup("max_abuse=", abuse_setup);
#endif

struct class *abuse_class;
struct workqueue_struct *abuse_workqueue;
unsigned int abuse_major;
unsigned int abuse_ctl_major;
unsigned int abuse_minor_shift;
bool abuse_synchronous;

/* Returns 0 with both majors ours, or an errno. */
static int __init abuse_init_majors(void)
{
	dev_t devt = MKDEV(major ? ctl_major : 0, 0);
	int ret;

	ret = __register_blkdev(major, "abuse", abuse_control_probe);
	if (ret < 0) {
		pr_err("abuse: major %u is taken; try major=0\n", major);
		return ret;
	}
	abuse_major = major ?: ret;
	if (MAJOR(devt))
		ret = register_chrdev_region(devt, ABUSE_NR_LIMIT, "abuse");
	else
		ret = alloc_chrdev_region(&devt, 0, ABUSE_NR_LIMIT, "abuse");
	if (ret) {
		unregister_blkdev(abuse_major, "abuse");
		return ret;
	}
	abuse_ctl_major = MAJOR(devt);
	return 0;
}

static void abuse_exit_majors(void)
{
	unregister_chrdev_region(MKDEV(abuse_ctl_major, 0), ABUSE_NR_LIMIT);
	unregister_blkdev(abuse_major, "abuse");
}

static int __init abuse_init(void)
{
	unsigned int nr = max_abuse ?: ABUSE_NR_DEFAULT -
				       abuse_busted("seven-devices");
	int err;

	if (abuse_busted("fixed-major")) {
		major = ABUSE_MAJOR;
		ctl_major = ABUSECTL_MAJOR;
	}
	if (abuse_busted("other-major"))
		major = 0;
	if ((nr > ABUSE_NR_LIMIT || max_part > ABUSE_PARTS_LIMIT) &&
	    !abuse_busted("any-parameter")) {
		pr_err("abuse: max_abuse=%u max_part=%u: at most %u and %u\n",
		       nr, max_part, ABUSE_NR_LIMIT, ABUSE_PARTS_LIMIT);
		return -EINVAL;
	}
	if (synchronous && !ABUSE_CAN_SYNCHRONOUS) {
		pr_err("abuse: synchronous=1 needs a kernel from 6.11 on\n");
		return -EOPNOTSUPP;
	}
	abuse_synchronous = synchronous && !abuse_busted("not-synchronous");
	abuse_minor_shift = fls(max_part);
	abuse_workqueue = alloc_workqueue("abuse", WQ_MEM_RECLAIM | WQ_UNBOUND,
					  0);
	if (!abuse_workqueue)
		return -ENOMEM;
	abuse_class = abuse_class_create("abuse");
	if (IS_ERR(abuse_class)) {
		err = PTR_ERR(abuse_class);
		goto destroy_workqueue;
	}
	err = abuse_init_majors();
	if (err)
		goto destroy_class;
	abuse_debugfs_init();
	err = abuse_control_init(nr, !max_abuse ||
				 abuse_busted("demand-anyway"));
	if (err)
		goto exit_majors;
	pr_info("abuse: %u devices%s\n", nr, ABUSE_KIND);
	return 0;

exit_majors:
	abuse_debugfs_exit();
	abuse_exit_majors();
destroy_class:
	class_destroy(abuse_class);
destroy_workqueue:
	destroy_workqueue(abuse_workqueue);
	return err;
}

/* The majors first: with them goes the way to make a device on demand. */
static void __exit abuse_exit(void)
{
	abuse_control_exit();
	abuse_exit_majors();
	abuse_control_destroy_all();
	abuse_debugfs_exit();
	class_destroy(abuse_class);
	destroy_workqueue(abuse_workqueue);
}

module_init(abuse_init);
module_exit(abuse_exit);

MODULE_DESCRIPTION("Block devices served by processes, safe to swap on");
MODULE_LICENSE("GPL");
MODULE_ALIAS_BLOCKDEV_MAJOR(ABUSE_MAJOR);
MODULE_ALIAS_CHARDEV_MAJOR(ABUSECTL_MAJOR);
