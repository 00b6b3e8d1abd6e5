/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.pml - the slots of a device and the states they pass through
 *
 * Path: bio > [queue] > [ioctl] > server > backend > [completion].
 * The transitions of module/queue.c, each under its name there.  Every inline
 * is one section under dev->lock and is called within an atomic or d_step.
 * Whoever includes this says what a bio is (a byte, 0: none) and defines
 *
 *	bio_ended(b)	bio_endio(): what its end means to the submitter
 *	bio_refused(b)	the same, with an error (a busted device only)
 *	slot_refused(t)	the task t (or NOBODY) is to sleep until it has a slot
 *	slot_given(t)	it has one
 *
 * Assertions are marked with the invariant of module/abuse.h that they state.
 */
#define NOBODY	255

mtype:state = { FREE, QUEUED, LENT, FORWARDED, ASIDE, DONE };

typedef request {
	mtype:state state = FREE;
	byte bio;		/* 0: none */
	byte owner = NOBODY;	/* of a LENT one */
	byte nr_owners_gone;
	bool copying;		/* I11 */
	bool orphaned;
	bool copied;		/* I12: a READ's data, since this lend */
};

request rq[SLOTS];
byte queue[SLOTS];		/* the first nr_queued: slots, in order */
byte nr_queued;
byte waiting[WAITERS];		/* bios chained through themselves */
byte waiter[WAITERS];		/* who sleeps for it, or NOBODY (I3) */
byte nr_waiting;

hidden byte i_;			/* of the loops below; no state */
hidden byte s_;
hidden byte b_;
hidden byte n_;

inline queue_append(s)
{
	queue[nr_queued] = s;
	nr_queued++
}

inline queue_prepend(s)
{
	i_ = nr_queued;
	do
	:: i_ > 0 -> queue[i_] = queue[i_ - 1]; i_--
	:: else -> break
	od;
	queue[0] = s;
	nr_queued++
}

/* Unused entries are 0, so that equal queues are equal states. */
inline queue_remove(at)
{
	i_ = at;
	nr_queued--;
	do
	:: i_ < nr_queued -> queue[i_] = queue[i_ + 1]; i_++
	:: else -> queue[i_] = 0; break
	od
}

/* s_: the first FREE slot, or SLOTS. */
inline slot_find()
{
	s_ = 0;
	do
	:: s_ < SLOTS && rq[s_].state != FREE -> s_++
	:: else -> break
	od
}

/* abuse_queue_fill(): FREE to QUEUED, with the bio. */
inline queue_fill(s, b)
{
	assert(rq[s].state == FREE && rq[s].bio == 0);
	rq[s].state = QUEUED;
	rq[s].bio = b;
	rq[s].nr_owners_gone = 0;
	queue_append(s)
}

/*
 * abuse_bio_submit(): the bio b of a task is accepted.  It gets a slot, or
 * waits chained through itself: no memory is asked for (I2), no error is
 * given (I3).  sleeps: the task is to wait until it has its slot.
 */
inline queue_add(b, task, sleeps)
{
	slot_find();
	if
	:: nr_waiting == 0 && s_ < SLOTS ->
		queue_fill(s_, b)
#ifdef ERROR_WHEN_FULL
	:: else -> bio_refused(b)
#else
	:: else ->
		assert(nr_waiting < WAITERS);
		waiting[nr_waiting] = b;
		waiter[nr_waiting] = (sleeps -> task : NOBODY);
		slot_refused(waiter[nr_waiting]);
		nr_waiting++
#endif
	fi
}

/* abuse_queue_fill_waiting(): who waited longest has the slot that is FREE. */
inline queue_fill_waiting()
{
	slot_find();
	if
	:: nr_waiting > 0 && s_ < SLOTS ->
		b_ = waiting[0];
		n_ = waiter[0];
		nr_waiting--;
		i_ = 0;
		do
		:: i_ < nr_waiting ->
			waiting[i_] = waiting[i_ + 1];
			waiter[i_] = waiter[i_ + 1];
			i_++
		:: else ->
			waiting[i_] = 0;
			waiter[i_] = 0;
			break
		od;
		queue_fill(s_, b_);
		slot_given(n_)
	:: else
	fi
}

/* abuse_queue_lend(): the first QUEUED request, to a server. */
inline queue_lend(s, server)
{
	s = queue[0];
	assert(rq[s].state == QUEUED);			/* I4: never lent twice */
	assert(rq[s].owner == NOBODY && !rq[s].copying);/* I4, I11 */
#ifndef LEND_TWICE
	queue_remove(0);
#endif
	rq[s].state = LENT;
	rq[s].owner = server;
	rq[s].copied = false
}

/* abuse_queue_unlend() */
inline queue_unlend(s)
{
	rq[s].owner = NOBODY;
	rq[s].orphaned = false;
	rq[s].copied = false
}

/* abuse_queue_requeue(): LENT or FORWARDED to QUEUED, ahead; or ASIDE. */
inline queue_requeue(s)
{
	if
#ifndef REQUEUE_COPYING
	:: rq[s].copying -> rq[s].orphaned = true	/* I11 */
#endif
	:: else ->
		queue_unlend(s);
		if
		:: MAX_OWNERS && rq[s].nr_owners_gone >= MAX_OWNERS ->
			rq[s].state = ASIDE
		:: else ->
			rq[s].state = QUEUED;
			queue_prepend(s)
		fi
	fi
}

/*
 * abuse_queue_requeue_all(): all that a server has, for it is gone.  From the
 * last slot to the first: with what the models have that is the old order.
 */
inline queue_requeue_all(server)
{
	s_ = SLOTS;
	do
	:: s_ > 0 ->
		s_--;
		if
		:: rq[s_].state == LENT && rq[s_].owner == server ->
			rq[s_].nr_owners_gone = (MAX_OWNERS ->
						 rq[s_].nr_owners_gone + 1 : 0);
			queue_requeue(s_)
		:: else
		fi
	:: else -> break
	od
}

/* abuse_queue_finish(): to DONE.  Whoever did it, and nobody else, ends it. */
inline queue_finish(s)
{
	assert(rq[s].state == LENT || rq[s].state == FORWARDED); /* I1 */
	assert(!rq[s].copying);					/* I11 */
	queue_unlend(s);
	rq[s].state = DONE
}

/* abuse_bio_end(), abuse_queue_free(): the bio is ended, the slot is FREE. */
inline queue_end(s)
{
	assert(rq[s].state == DONE && rq[s].bio != 0);		/* I1 */
	b_ = rq[s].bio;
	bio_ended(b_);
	rq[s].bio = 0;
	rq[s].nr_owners_gone = 0;
	rq[s].state = FREE;
	queue_fill_waiting()
}
