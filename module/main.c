// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the module comes and goes, and which devices it has
 *
 * Beside the path.  Start reading at the top of abuse.h.
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "abuse.h"
#include "compat.h"

/* As in 2009: this many devices, if max_abuse does not say otherwise. */
#define ABUSE_NR_DEFAULT	8
/* More than anybody needs; a bound, so that a typing error is one. */
#define ABUSE_NR_LIMIT		1024

static unsigned int max_abuse;
module_param(max_abuse, uint, 0444);
MODULE_PARM_DESC(max_abuse, "Number of devices (default 8, at most 1024)");

#ifdef ABUSE_BUSTED
static char *busted = "";
module_param(busted, charp, 0444);
MODULE_PARM_DESC(busted, "Property to break, for the tests");

bool abuse_busted(const char *name)
{
	return !strcmp(busted, name);
}
#endif

struct class *abuse_class;
static struct abuse_device **abuse_devices;
static unsigned int abuse_nr_devices;

static void abuse_devices_destroy(void)
{
	while (abuse_nr_devices)
		abuse_device_destroy(abuse_devices[--abuse_nr_devices]);
	kfree(abuse_devices);
}

static int abuse_devices_create(unsigned int nr)
{
	struct abuse_device *dev;

	abuse_devices = kcalloc(nr, sizeof(*abuse_devices), GFP_KERNEL);
	if (!abuse_devices)
		return -ENOMEM;
	while (abuse_nr_devices < nr) {
		dev = abuse_device_create(abuse_nr_devices);
		if (IS_ERR(dev)) {
			abuse_devices_destroy();
			return PTR_ERR(dev);
		}
		abuse_devices[abuse_nr_devices++] = dev;
	}
	return 0;
}

static int __init abuse_init(void)
{
	unsigned int nr = max_abuse ?: ABUSE_NR_DEFAULT;
	int err;

	if (nr > ABUSE_NR_LIMIT) {
		pr_err("abuse: max_abuse=%u: at most %u\n", nr,
		       ABUSE_NR_LIMIT);
		return -EINVAL;
	}
	err = register_blkdev(ABUSE_MAJOR, "abuse");
	if (err)
		return err;
	err = register_chrdev_region(MKDEV(ABUSECTL_MAJOR, 0), ABUSE_NR_LIMIT,
				     "abuse");
	if (err)
		goto unregister_blkdev;
	abuse_class = abuse_class_create("abuse");
	if (IS_ERR(abuse_class)) {
		err = PTR_ERR(abuse_class);
		goto unregister_chrdev;
	}
	abuse_debugfs_init();
	err = abuse_devices_create(nr);
	if (err)
		goto destroy_class;
	pr_info("abuse: %u devices%s\n", nr,
		IS_ENABLED(ABUSE_BUSTED) ? ", busted twin" : "");
	return 0;

destroy_class:
	abuse_debugfs_exit();
	class_destroy(abuse_class);
unregister_chrdev:
	unregister_chrdev_region(MKDEV(ABUSECTL_MAJOR, 0), ABUSE_NR_LIMIT);
unregister_blkdev:
	unregister_blkdev(ABUSE_MAJOR, "abuse");
	return err;
}

static void __exit abuse_exit(void)
{
	abuse_devices_destroy();
	abuse_debugfs_exit();
	class_destroy(abuse_class);
	unregister_chrdev_region(MKDEV(ABUSECTL_MAJOR, 0), ABUSE_NR_LIMIT);
	unregister_blkdev(ABUSE_MAJOR, "abuse");
}

module_init(abuse_init);
module_exit(abuse_exit);

MODULE_DESCRIPTION("Block devices served by processes, safe to swap on");
MODULE_LICENSE("GPL");
MODULE_ALIAS_BLOCKDEV_MAJOR(ABUSE_MAJOR);
MODULE_ALIAS_CHARDEV_MAJOR(ABUSECTL_MAJOR);
