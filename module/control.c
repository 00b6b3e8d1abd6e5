// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - which devices there are: /dev/abuse-control, and on demand
 *
 * Beside the path.  A device is made at load, by ABUSE_CTL_ADD, or when a node
 * is opened whose device is not there; it goes by ABUSE_CTL_REMOVE or with the
 * module, and only when nobody uses it (I10).
 */
#include <linux/cdev.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/suspend.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "abuse.h"

/* Guards the array, and whether a device may still be opened. */
static DEFINE_MUTEX(abuse_devices_mutex);
static DEFINE_XARRAY(abuse_devices);
static bool abuse_on_demand;
static struct cdev abuse_cdev;

/* Make device @number, or the first that is free if that is negative. */
static struct abuse_device *abuse_control_add(int number)
{
	struct abuse_device *dev;
	int err;

	lockdep_assert_held(&abuse_devices_mutex);
	if (number < 0)
		for (number = 0; number < ABUSE_NR_LIMIT; number++)
			if (!xa_load(&abuse_devices, number))
				break;
	if (number >= ABUSE_NR_LIMIT)
		return ERR_PTR(-ENOSPC);
	/* The place first, so that nothing can fail afterwards. */
	err = xa_insert(&abuse_devices, number, XA_ZERO_ENTRY, GFP_KERNEL);
	if (err)
		return ERR_PTR(err == -EBUSY ? -EEXIST : err);
	dev = abuse_device_create(number);
	if (IS_ERR(dev))
		xa_erase(&abuse_devices, number);
	else
		xa_store(&abuse_devices, number, dev, GFP_KERNEL);
	return dev;
}

/**
 * abuse_control_probe - a block node is opened whose device is not there
 * @devt: of the node
 *
 * Context: Process context; allocates with GFP_KERNEL.
 */
void abuse_control_probe(dev_t devt)
{
	unsigned int number = MINOR(devt) >> abuse_minor_shift;

	if (!abuse_on_demand || number >= ABUSE_NR_LIMIT ||
	    abuse_busted("no-demand"))
		return;
	mutex_lock(&abuse_devices_mutex);
	if (!xa_load(&abuse_devices, number))
		abuse_control_add(number);
	mutex_unlock(&abuse_devices_mutex);
}

/**
 * abuse_control_open - a control node is opened
 * @number: N
 * @file: the open file; put on the device's list, so that the device stays
 *
 * Context: Process context; allocates with GFP_KERNEL if the device is not
 * there.
 * Return: the device, or an ERR_PTR (-ENXIO: there is none).
 */
struct abuse_device *abuse_control_open(int number, struct abuse_file *file)
{
	struct abuse_device *dev;

	mutex_lock(&abuse_devices_mutex);
	dev = xa_load(&abuse_devices, number);
	if (!dev)
		dev = abuse_on_demand && number < ABUSE_NR_LIMIT &&
		      !abuse_busted("no-demand") ?
		      abuse_control_add(number) : ERR_PTR(-ENXIO);
	if (!IS_ERR(dev)) {
		file->dev = dev;
		spin_lock_irq(&dev->lock);
		list_add_tail(&file->list, &dev->files);
		spin_unlock_irq(&dev->lock);
	}
	mutex_unlock(&abuse_devices_mutex);
	return dev;
}

static int abuse_control_get(void __user *arg, struct abuse_ctl *ctl)
{
	if (copy_from_user(ctl, arg, sizeof(*ctl)))
		return -EFAULT;
	if (abuse_busted("control-any"))
		ctl->ab_number %= ABUSE_NR_LIMIT;
	else if (ctl->ab_flags || ctl->ab_number >= ABUSE_NR_LIMIT)
		return -EINVAL;
	return mutex_lock_interruptible(&abuse_devices_mutex) ? -EINTR : 0;
}

static int abuse_control_do_add(void __user *arg)
{
	struct abuse_device *dev;
	struct abuse_ctl ctl;
	int err;

	err = abuse_control_get(arg, &ctl);
	if (err)
		return err;
	if (ctl.ab_number < -1) {
		err = -EINVAL;
	} else {
		dev = abuse_control_add(ctl.ab_number);
		if (IS_ERR(dev))
			err = PTR_ERR(dev);
		else
			ctl.ab_number = dev->number;
	}
	mutex_unlock(&abuse_devices_mutex);
	if (err)
		return err;
	return copy_to_user(arg, &ctl, sizeof(ctl)) ? -EFAULT : 0;
}

static int abuse_control_do_remove(void __user *arg)
{
	struct abuse_device *dev;
	struct abuse_ctl ctl;
	int err;

	err = abuse_control_get(arg, &ctl);
	if (err)
		return err;
	dev = ctl.ab_number < 0 ? NULL :
				  xa_load(&abuse_devices, ctl.ab_number);
	if (ctl.ab_number < 0) {
		err = -EINVAL;
	} else if (!dev) {
		err = -ENODEV;
	} else if (!abuse_device_claim_removal(dev)) {
		err = -EBUSY;
	} else {
		abuse_device_destroy(dev);
		xa_erase(&abuse_devices, ctl.ab_number);
	}
	mutex_unlock(&abuse_devices_mutex);
	return err;
}

static int abuse_control_do_list(void __user *arg)
{
	struct abuse_ctl_list list;
	struct abuse_device *dev;
	unsigned long number;
	u32 *numbers, nr = 0;
	int err = -EINTR;

	if (copy_from_user(&list, arg, sizeof(list)))
		return -EFAULT;
	if (list.ab_reserved)
		return -EINVAL;
	numbers = kmalloc_array(ABUSE_NR_LIMIT, sizeof(*numbers), GFP_KERNEL);
	if (!numbers)
		return -ENOMEM;
	if (mutex_lock_interruptible(&abuse_devices_mutex))
		goto out;
	xa_for_each(&abuse_devices, number, dev)
		numbers[nr++] = number;
	mutex_unlock(&abuse_devices_mutex);

	err = -EFAULT;
	if (copy_to_user(u64_to_user_ptr(list.ab_numbers), numbers,
			 min(nr, list.ab_nr) * sizeof(*numbers)))
		goto out;
	list.ab_nr = nr;
	if (!copy_to_user(arg, &list, sizeof(list)))
		err = 0;
out:
	kfree(numbers);
	return err;
}

static long abuse_control_ioctl(struct file *filp, unsigned int cmd,
				unsigned long arg)
{
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case ABUSE_CTL_ADD:
		return abuse_control_do_add(uarg);
	case ABUSE_CTL_REMOVE:
		return abuse_control_do_remove(uarg);
	case ABUSE_CTL_LIST:
		return abuse_control_do_list(uarg);
	}
	return -ENOTTY;
}

static const struct file_operations abuse_control_fops = {
	.owner = THIS_MODULE,
	.open = nonseekable_open,
	.unlocked_ioctl = abuse_control_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice abuse_control_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "abuse-control",
	.fops = &abuse_control_fops,
	.mode = 0600,
};

/*
 * A frozen server answers nobody, and the memory image of hibernation would
 * have to come from a disk that only the frozen serve.
 */
static bool abuse_control_any_in_use(void)
{
	struct abuse_device *dev;
	unsigned long number;
	bool in_use = false;

	/* Whoever adds or removes devices now can do so after the suspend. */
	if (!mutex_trylock(&abuse_devices_mutex))
		return true;
	xa_for_each(&abuse_devices, number, dev)
		if (READ_ONCE(dev->live) &&
		    READ_ONCE(dev->counters.ab_nr_opens))
			in_use = true;
	mutex_unlock(&abuse_devices_mutex);
	return in_use;
}

static int abuse_control_pm(struct notifier_block *nb, unsigned long event,
			    void *unused)
{
	if (event != PM_SUSPEND_PREPARE && event != PM_HIBERNATION_PREPARE)
		return NOTIFY_DONE;
	if (abuse_busted("suspend-anyway") || !abuse_control_any_in_use())
		return NOTIFY_DONE;
	pr_warn("abuse: no suspend while a disk of a server is in use; swapoff or unmount it\n");
	return notifier_from_errno(-EBUSY);
}

static struct notifier_block abuse_control_pm_nb = {
	.notifier_call = abuse_control_pm,
};

/**
 * abuse_control_destroy_all - unmake all devices, which nobody has open
 *
 * Context: Process context, as the module comes or goes.
 */
void abuse_control_destroy_all(void)
{
	struct abuse_device *dev;
	unsigned long number;

	mutex_lock(&abuse_devices_mutex);
	xa_for_each(&abuse_devices, number, dev) {
		xa_erase(&abuse_devices, number);
		abuse_device_destroy(dev);
	}
	mutex_unlock(&abuse_devices_mutex);
	xa_destroy(&abuse_devices);
}

/**
 * abuse_control_init - make the first devices and the control nodes
 * @nr: devices to make
 * @on_demand: more may be made when nodes are opened
 *
 * Context: Process context, as the module comes.
 * Return: 0 or an errno; nothing is left then.
 */
int abuse_control_init(unsigned int nr, bool on_demand)
{
	struct abuse_device *dev;
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		mutex_lock(&abuse_devices_mutex);
		dev = abuse_control_add(i);
		mutex_unlock(&abuse_devices_mutex);
		err = PTR_ERR_OR_ZERO(dev);
		/* A node may have been opened already. */
		if (err && err != -EEXIST)
			goto destroy;
	}
	cdev_init(&abuse_cdev, &abctl_fops);
	abuse_cdev.owner = THIS_MODULE;
	err = cdev_add(&abuse_cdev, MKDEV(abuse_ctl_major, 0), ABUSE_NR_LIMIT);
	if (err)
		goto destroy;
	err = misc_register(&abuse_control_misc);
	if (err)
		goto del_cdev;
	register_pm_notifier(&abuse_control_pm_nb);
	abuse_on_demand = on_demand;
	return 0;

del_cdev:
	cdev_del(&abuse_cdev);
destroy:
	abuse_control_destroy_all();
	return err;
}

/**
 * abuse_control_exit - take the control nodes away
 *
 * Context: Process context, as the module goes.
 */
void abuse_control_exit(void)
{
	abuse_on_demand = false;
	unregister_pm_notifier(&abuse_control_pm_nb);
	misc_deregister(&abuse_control_misc);
	cdev_del(&abuse_cdev);
}
