/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * turn.h - locks on the board that the kernel lets go of when a process dies
 *
 * Path: bio > queue > ioctl > [server] > backend > completion.
 *
 * Robust futexes, see set_robust_list(2): the word has the holder's thread id.
 * When that thread ends, however it ends, the kernel writes FUTEX_OWNER_DIED
 * there instead, and wakes one of those who sleep on it.  Passing a lock on
 * so takes no memory, and no process but the one that gets it.
 *
 * Not pthread_mutex_t: a supervisor has to see who holds the turn, and who of
 * the others lives, without a race against reused process ids; and the layout
 * is shared by an old binary and a new one, whatever their C library.
 */
#ifndef SWAPSERVER_TURN_H
#define SWAPSERVER_TURN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/futex.h>

struct turn {
	struct robust_list entry;	/* the holder's */
	_Atomic uint32_t word;		/* thread id, FUTEX_WAITERS, _OWNER_DIED */
};

/*
 * Tell the kernel where to look for this thread's locks.  Once in each process
 * that holds one, after fork and exec: neither passes this on.  0 or -errno.
 */
int turn_init(void);

/*
 * Take a lock; sleeps while another has it.  Allocates nothing, and makes no
 * system call but futex.  Returns 0, or -EINTR: a signal came, and the lock
 * is not taken.
 */
int turn_take(struct turn *turn);

/* Take a lock if nobody has it; does not sleep.  False: another has it. */
bool turn_try(struct turn *turn);

/*
 * The thread that holds it now; 0: none does.  Here, so that who only looks
 * at a board needs no more than this file.
 */
static inline pid_t turn_holder(const struct turn *turn)
{
	return (pid_t)(atomic_load(&turn->word) & FUTEX_TID_MASK);
}

/*
 * Wake all who sleep on a lock without a holder: for the case that the one
 * whom the kernel woke was stopped before it could take it.
 */
void turn_nudge(struct turn *turn);

#endif
