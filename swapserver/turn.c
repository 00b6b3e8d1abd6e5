// SPDX-License-Identifier: GPL-2.0-only
/*
 * turn.c - locks on the board that the kernel lets go of when a process dies
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 * The other half is the kernel's: handle_futex_death() in kernel/futex/core.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "turn.h"

static struct robust_list_head held;
static uint32_t self;

int turn_init(void)
{
	held.list.next = &held.list;
	held.futex_offset = (long)offsetof(struct turn, word) -
			    (long)offsetof(struct turn, entry);
	held.list_op_pending = NULL;
	self = (uint32_t)syscall(SYS_gettid);
	return syscall(SYS_set_robust_list, &held, sizeof(held)) ? -errno : 0;
}

static long futex(const struct turn *turn, int op, uint32_t value)
{
	return syscall(SYS_futex, &turn->word, op, value, NULL, NULL, 0);
}

/*
 * From here until turn_settle() the kernel looks at this lock, too, should we
 * die: it may be ours without being on the list.  The kernel reads both when
 * we are dead, so it is only the compiler that must keep the order.
 */
static void turn_begin(struct turn *turn)
{
	held.list_op_pending = &turn->entry;
	atomic_signal_fence(memory_order_seq_cst);
}

static void turn_settle(struct turn *turn)
{
	turn->entry.next = held.list.next;
	atomic_signal_fence(memory_order_seq_cst);
	held.list.next = &turn->entry;
	atomic_signal_fence(memory_order_seq_cst);
	held.list_op_pending = NULL;
}

int turn_take(struct turn *turn)
{
	uint32_t word;

	while (!turn_try(turn)) {
		/* From here on, so that a wake-up is not lost with us. */
		turn_begin(turn);
		word = atomic_load(&turn->word);
		if (!(word & FUTEX_TID_MASK))
			continue;
		if (!(word & FUTEX_WAITERS) &&
		    !atomic_compare_exchange_strong(&turn->word, &word,
						    word | FUTEX_WAITERS))
			continue;
		/* Not private: it is known by its file, not by an address. */
		if (futex(turn, FUTEX_WAIT, word | FUTEX_WAITERS) &&
		    errno == EINTR) {
			held.list_op_pending = NULL;
			return -EINTR;
		}
	}
	return 0;
}

bool turn_try(struct turn *turn)
{
	uint32_t word = atomic_load(&turn->word);

	turn_begin(turn);
	while (!(word & FUTEX_TID_MASK)) {
		/* Others may sleep still: their mark stays. */
		if (!atomic_compare_exchange_weak(&turn->word, &word,
						  self | (word & FUTEX_WAITERS)))
			continue;
		turn_settle(turn);
		return true;
	}
	held.list_op_pending = NULL;
	return false;
}

void turn_nudge(struct turn *turn)
{
	if (!turn_holder(turn))
		futex(turn, FUTEX_WAKE, INT_MAX);
}
