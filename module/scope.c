// SPDX-License-Identifier: GPL-2.0-only
/*
 * scope.c - the reserve scope: which memory a serving task may use (I8)
 *
 * Path: bio > queue > [ioctl] > server > backend > completion.
 * ctl.c puts the serve ioctls into the device's scope; a thread may ask for
 * the scope for all its system calls.
 */
#include <linux/capability.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "abuse.h"

/**
 * abuse_scope_enter - enter a reserve scope
 * @scope: ABUSE_SCOPE_*
 *
 * Context: Any task; changes its allocation flags only.
 * Return: what abuse_scope_leave() wants back.
 */
unsigned int abuse_scope_enter(u32 scope)
{
	switch (scope) {
	case ABUSE_SCOPE_NOIO:
		return memalloc_noio_save();
	case ABUSE_SCOPE_MEMALLOC:
		return memalloc_noreclaim_save();
	}
	return 0;
}

/**
 * abuse_scope_leave - leave the scope that abuse_scope_enter() entered
 * @scope: the same scope
 * @saved: what it returned
 *
 * Context: The same task.
 */
void abuse_scope_leave(u32 scope, unsigned int saved)
{
	switch (scope) {
	case ABUSE_SCOPE_NOIO:
		memalloc_noio_restore(saved);
		break;
	case ABUSE_SCOPE_MEMALLOC:
		memalloc_noreclaim_restore(saved);
		break;
	}
}

/**
 * abuse_scope_nofault - is the calling task in the memalloc scope?
 *
 * A page fault there would take its memory from the reserves without a
 * bound, so the scope implies NOFAULT (I7).
 */
bool abuse_scope_nofault(void)
{
	return current->flags & PF_MEMALLOC;
}

/* The scope of the calling thread, from the flags that decide. */
static u32 abuse_scope_thread(void)
{
	if (current->flags & PF_MEMALLOC)
		return ABUSE_SCOPE_MEMALLOC;
	if (current->flags & PF_MEMALLOC_NOIO)
		return ABUSE_SCOPE_NOIO;
	return ABUSE_SCOPE_NONE;
}

/*
 * A thread's flags are its own to change: current->flags is not written by
 * others.  These outlast the call on purpose, so not the _save helpers.
 */
static void abuse_scope_set_thread(u32 scope)
{
	unsigned int flags = current->flags & ~PF_MEMALLOC;

	/* PR_SET_IO_FLUSHER sets both; its NOIO is not ours to take. */
	if (!(flags & PF_LOCAL_THROTTLE))
		flags &= ~PF_MEMALLOC_NOIO;
	if (scope == ABUSE_SCOPE_MEMALLOC)
		flags |= PF_MEMALLOC;
	else if (scope == ABUSE_SCOPE_NOIO)
		flags |= PF_MEMALLOC_NOIO;
	if (abuse_busted("scope-ignored"))
		return;
	current->flags = flags;
}

/**
 * abuse_scope_set - ABUSE_SET_SCOPE
 * @dev: the device
 * @arg: struct abuse_scope
 *
 * Context: Process context.  Takes dev->config_mutex for a device.
 * Return: 0, -EFAULT, -EINVAL, -EPERM (no CAP_SYS_RESOURCE).
 */
int abuse_scope_set(struct abuse_device *dev, void __user *arg)
{
	struct abuse_scope s;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	if (s.ab_scope > ABUSE_SCOPE_MEMALLOC)
		return -EINVAL;
	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	switch (s.ab_target) {
	case ABUSE_SCOPE_DEVICE:
		mutex_lock(&dev->config_mutex);
		WRITE_ONCE(dev->scope, s.ab_scope);
		mutex_unlock(&dev->config_mutex);
		return 0;
	case ABUSE_SCOPE_THREAD:
		abuse_scope_set_thread(s.ab_scope);
		return 0;
	}
	return -EINVAL;
}

/**
 * abuse_scope_get - ABUSE_GET_SCOPE
 * @dev: the device
 * @arg: struct abuse_scope; ab_target is read, ab_scope written
 *
 * Context: Process context.
 * Return: 0, -EFAULT, -EINVAL.
 */
int abuse_scope_get(struct abuse_device *dev, void __user *arg)
{
	struct abuse_scope s;

	if (copy_from_user(&s, arg, sizeof(s)))
		return -EFAULT;
	switch (s.ab_target) {
	case ABUSE_SCOPE_DEVICE:
		s.ab_scope = READ_ONCE(dev->scope);
		break;
	case ABUSE_SCOPE_THREAD:
		s.ab_scope = abuse_scope_thread();
		break;
	default:
		return -EINVAL;
	}
	return copy_to_user(arg, &s, sizeof(s)) ? -EFAULT : 0;
}
