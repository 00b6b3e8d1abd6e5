// SPDX-License-Identifier: GPL-2.0-only
/*
 * abuse_plant.c - one fault, on purpose, for the kernel's detectors to find
 *
 * Beside the path: loaded by tests/self/plants-*.sh, which show that a kernel
 * of our own has its detectors on and that the runner hears them.  One fault a
 * boot: after the first report most of them are silent.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/timer.h>

static char *fault = "";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "What to do: use-after-free, lock-order, irq-lock, sleep-in-atomic, leak, race, list, object");

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);
static DEFINE_SPINLOCK(lock);
static long plant_number;

static noinline void plant_use_after_free(void)
{
	char *memory = kzalloc(64, GFP_KERNEL);
	char *freed = memory;

	/* The compiler would see it, too. */
	OPTIMIZER_HIDE_VAR(freed);
	kfree(memory);
	if (freed)
		pr_info("plant: read %d\n", freed[8]);
}

static noinline void plant_lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static noinline void plant_irq_lock(void)
{
	unsigned long flags;

	local_irq_save(flags);
	lockdep_hardirq_enter();
	spin_lock(&lock);
	spin_unlock(&lock);
	lockdep_hardirq_exit();
	local_irq_restore(flags);
	spin_lock(&lock);
	spin_unlock(&lock);
}

static noinline void plant_sleep_in_atomic(void)
{
	spin_lock(&lock);
	might_sleep();
	spin_unlock(&lock);
}

static noinline void plant_leak(void)
{
	char *memory = kzalloc(1000, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(memory);
	if (!memory)
		pr_info("plant: there was nothing to leak\n");
}

static noinline int plant_racer(void *unused)
{
	while (!kthread_should_stop()) {
		plant_number++;
		cond_resched();
	}
	return 0;
}

static noinline int plant_race(void)
{
	struct task_struct *one, *other;

	one = kthread_run(plant_racer, NULL, "plant-one");
	if (IS_ERR(one))
		return PTR_ERR(one);
	other = kthread_run(plant_racer, NULL, "plant-other");
	if (!IS_ERR(other)) {
		msleep(5000);
		kthread_stop(other);
	}
	kthread_stop(one);
	return PTR_ERR_OR_ZERO(other);
}

static noinline void plant_list(void)
{
	LIST_HEAD(list);
	struct list_head entry;

	list_add(&entry, &list);
	entry.prev = &entry;
	list_del(&entry);
}

/* Harmless where nobody looks: what is all 0 is on no list. */
static noinline void plant_object(void)
{
	static struct timer_list timer;

	timer_delete_sync(&timer);
}

static int __init plant_init(void)
{
	if (!strcmp(fault, "use-after-free"))
		plant_use_after_free();
	else if (!strcmp(fault, "lock-order"))
		plant_lock_order();
	else if (!strcmp(fault, "irq-lock"))
		plant_irq_lock();
	else if (!strcmp(fault, "sleep-in-atomic"))
		plant_sleep_in_atomic();
	else if (!strcmp(fault, "leak"))
		plant_leak();
	else if (!strcmp(fault, "race"))
		return plant_race();
	else if (!strcmp(fault, "list"))
		plant_list();
	else if (!strcmp(fault, "object"))
		plant_object();
	else
		return -EINVAL;
	return 0;
}

static void __exit plant_exit(void)
{
}

module_init(plant_init);
module_exit(plant_exit);
MODULE_DESCRIPTION("Plants one fault for the kernel's detectors");
MODULE_LICENSE("GPL");
