/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * owners.pml - who may answer what: lend, copy, forward, kill, take over
 *
 * Path: bio > [queue] > [ioctl] > [server] > [backend] > [completion].
 * Two submitters, each with a sector of its own that it writes and reads back;
 * two servers over one store; a kill at any moment; a backing device that may
 * fail.  No memory here: progress.pml has that.  What is asserted: each bio is
 * ended once, with no error, and a read returns the last write that was
 * acknowledged.  A sector's content is a bit, GARBAGE until a page is filled.
 */
#define SUBMITTERS	2
#define WAITERS		2
#define GARBAGE		2

#include "device.pml"

/* A bio is the number of its submitter and 1: each has one at most. */
#define B(x)		((x) + 1)
#define SUB(b)		((b) - 1)

bool out[SUBMITTERS];		/* accepted, not ended */
bool is_write[SUBMITTERS];
byte page[SUBMITTERS];		/* the bio's page */
byte store[SUBMITTERS];		/* what the disk holds */

bool failed[SUBMITTERS];	/* ended with an error */

bool dying[SERVERS];		/* SIGKILL is pending */
bool hung[SERVERS];
bool storing[SERVERS];		/* has fetched what it is about to store */

#ifdef REPEATS
/*
 * The id of what a server answered last.  It is slot and generation (I5): as
 * 32 bits of generation do not come round while an id is kept, all that
 * matters of them is whether the slot was lent since, which makes it stale.
 */
byte old[SERVERS] = NOBODY;
bool old_stale[SERVERS];
#endif

byte nr_kills, nr_hangs, nr_closes, nr_repeats, nr_failed;
byte nr_clones = SLOTS;
bool cloned[SLOTS];		/* a clone is under way */

inline bio_ended(b)
{
	assert(out[SUB(b)]);				/* I1 */
	out[SUB(b)] = false
}

inline bio_refused(b)
{
	failed[SUB(b)] = true;
	out[SUB(b)] = false
}

inline slot_refused(t) { skip }
inline slot_given(t) { skip }

hidden byte k_;

inline lend(me, s)
{
	queue_lend(s, me);
#ifdef REPEATS
	k_ = 0;
	do
	:: k_ < SERVERS -> old_stale[k_] = old_stale[k_] || old[k_] == s; k_++
	:: else -> break
	od;
#endif
	printf("@ lend %d %d %d\n", me, s, rq[s].bio)
}

/*
 * abuse_queue_find(): is this the id of a request LENT to this server?  What
 * it has in hand cannot be lent to it again, so that the owner tells enough.
 */
#ifdef ACCEPT_STALE
#define find(me, s, stale) \
	(rq[s].state == LENT && !rq[s].orphaned && !rq[s].copying)
#else
#define find(me, s, stale) \
	(rq[s].state == LENT && !rq[s].orphaned && !rq[s].copying && \
	 rq[s].owner == me && !(stale))
#endif

/* COMPLETE, of an id: refused if stale (I5), or if a READ has no data (I12). */
#ifdef COMPLETE_UNCOPIED
#define has_data(s)	true
#else
#define has_data(s)	(is_write[SUB(rq[s].bio)] || rq[s].copied)
#endif

inline complete(me, s, stale)
{
	if
	:: find(me, s, stale) && has_data(s) ->
		queue_finish(s);
		done = true;
		printf("@ complete %d %d\n", me, s)
	:: else ->
		done = false;
		printf("@ refused %d %d\n", me, s)
	fi
}

proctype submitter(byte x)
{
	bool v;

	do
	:: atomic {
		v = !v;
		page[x] = v;
		is_write[x] = true;
		out[x] = true;
		printf("@ write %d %d\n", x, v);
		d_step { queue_add(B(x), x, true) }
	   }
	   atomic {
		!out[x];
		assert(!failed[x]);			/* I3 */
		page[x] = GARBAGE;
		is_write[x] = false;
		out[x] = true;
		printf("@ read %d\n", x);
		d_step { queue_add(B(x), x, true) }
	   }
	   atomic {
		!out[x];
		printf("@ got %d %d\n", x, page[x]);
		assert(!failed[x]);			/* I3 */
		assert(page[x] == v)	/* [wrong data]: I12, I13 */
	   }
	od
}

/* Between two calls a signal ends the process; within one it waits. */
inline user(me)
{
	if
	:: dying[me] -> goto gone
	:: else
	fi
}

/* The beginning of a copy, or of a forward: the request stays as it is (I11). */
inline copy_begin(me)
{
	atomic {
		user(me);
		if
		:: find(me, s, false) ->
			rq[s].copying = true;
			printf("@ copy %d %d\n", me, s)
		:: else -> printf("@ refused %d %d\n", me, s); goto next
		fi
	}
}

/* abuse_queue_copy_end(): whoever wanted it back meanwhile has it now. */
inline copy_end(me)
{
	rq[s].copying = false;
	if
	:: rq[s].orphaned ->
		d_step { rq[s].orphaned = false; queue_requeue(s) }
		printf("@ orphan %d %d\n", me, s);
		goto next
	:: else
	fi
}

/* Under a copy the bio must be there, and LENT to nobody else. */
inline copy_check(me)
{
	assert(rq[s].state == LENT && rq[s].copying);		/* I11 */
	assert(rq[s].owner == me || rq[s].orphaned);		/* I4 */
	assert(out[SUB(rq[s].bio)])				/* I1 */
}

proctype server(byte me)
{
	byte s, buf, x;
	bool done;

	do
	:: atomic {
		nr_queued > 0 && !dying[me];
		d_step { lend(me, s) }
		x = SUB(rq[s].bio)
	   }
#ifdef POISON
	   /* What submitter 0 asks for is what servers die of. */
	   if
	   :: x == 0 -> goto gone
	   :: else
	   fi;
#endif
#ifdef HANGS
	   if
	   :: atomic { nr_hangs < HANGS -> nr_hangs++; hung[me] = true; printf("@ hang %d\n", me) }
	      dying[me];
	      goto gone
	   :: skip
	   fi;
#endif
	   if
#ifdef FORWARDS
	   :: copy_begin(me);
	      atomic {
		copy_check(me);
		copy_end(me);
		assert(nr_clones > 0);			/* I2 */
		nr_clones--;
		d_step { queue_unlend(s); rq[s].state = FORWARDED }
		cloned[s] = true;
		printf("@ forward %d %d\n", me, s);
		goto next
	      }
#endif
	   :: is_write[x] ->
	      copy_begin(me);
	      atomic { copy_check(me); buf = page[x] }
	      atomic { copy_end(me); storing[me] = true; printf("@ fetched %d %d\n", me, buf) }
	      /* Its own write: a call, in the kernel until the disk has it. */
	      atomic { user(me); printf("@ storing %d %d %d\n", me, x, buf) }
	      atomic {
		store[x] = buf;
		storing[me] = false;
		printf("@ stored %d %d %d\n", me, x, buf);
		buf = 0
	      }
	   :: !is_write[x] ->
#ifdef HASTE
	      /* A server that answers a READ without having filled its page. */
	      if
	      :: atomic {
			user(me);
			d_step { complete(me, s, false) }
			if
			:: done -> goto end
			:: else
			fi
		 }
	      :: skip
	      fi;
#endif
	      atomic { user(me); buf = store[x] }
	      copy_begin(me);
	      atomic { copy_check(me); page[x] = buf }
	      atomic {
		rq[s].copied = true;
		copy_end(me);
		printf("@ filled %d %d\n", me, buf);
		buf = 0
	      }
	   fi;
	   atomic {
		user(me);
		d_step { complete(me, s, false) }
		if
		:: done
		:: else -> goto next
		fi
	   }
end:
	   atomic {
		skip;
		d_step { queue_end(s) }
#ifdef REPEATS
		old[me] = s;
		old_stale[me] = false;
#endif
	   }
next:
	   atomic {
		storing[me] = false;
		s = 0;
		buf = 0;
		x = 0;
		done = false
	   }
#ifdef REPEATS
	/* It answers again what it has answered: a call that was started again. */
	:: atomic {
		nr_repeats < REPEATS && old[me] != NOBODY && !dying[me];
		nr_repeats++;
		s = old[me];
		printf("@ repeat %d %d\n", me, s);
		d_step { complete(me, s, old_stale[me]) }
		if
		:: done -> goto end
		:: else -> s = 0
		fi
	   }
#endif
	:: dying[me] ->
gone:
	   /* Its file is closed when all its calls are over: I13. */
	   atomic {
		skip;
#ifndef LOSE_ON_GONE
		d_step { queue_requeue_all(me) }
#endif
#ifdef REQUEUE_FORWARDED
		d_step {
			s_ = 0;
			do
			:: s_ < SLOTS ->
				if
				:: rq[s_].state == FORWARDED -> queue_requeue(s_)
				:: else
				fi;
				s_++
			:: else -> break
			od
		}
#endif
		dying[me] = false;
		hung[me] = false;
#ifdef REPEATS
		old[me] = NOBODY;
		old_stale[me] = false;
#endif
		printf("@ gone %d\n", me)
	   }
#ifdef STANDBY
	   goto next	/* another has its place */
#else
	   break
#endif
	od
}

#ifdef FORWARDS
/* The clone of a slot, on the backing device: it may take its time, and fail. */
proctype backing(byte s)
{
	byte x;

	do
	:: atomic {
		cloned[s];
		assert(rq[s].state == FORWARDED);		/* I11 */
		assert(out[SUB(rq[s].bio)]);			/* I1 */
		cloned[s] = false;
		nr_clones++;
		x = SUB(rq[s].bio);
		if
		:: nr_failed < FAILS ->
			nr_failed++;
			printf("@ clone-failed %d\n", s);
			d_step { queue_requeue(s) }
		:: is_write[x] ->
			store[x] = page[x];
			printf("@ clone-end %d\n", s);
			d_step { queue_finish(s) }
		:: !is_write[x] ->
			page[x] = store[x];
			printf("@ clone-end %d\n", s);
			d_step { queue_finish(s) }
		fi;
		x = rq[s].state == DONE
	   }
	   if
	   :: atomic { x == 1 -> x = 0; d_step { queue_end(s) } }
	   :: x == 0
	   fi
	od
}
#endif

#ifdef KILLS
/* SIGKILL to any server, at any moment, or never. */
proctype killer()
{
	byte me;

	do
	:: atomic {
		nr_kills < KILLS;
		nr_kills++;
		select(me : 0 .. SERVERS - 1);
		dying[me] = true;
		printf("@ kill %d\n", me);
#ifdef PASS_AT_SIGNAL
		d_step { queue_requeue_all(me) }
#endif
		me = 0
	   }
	:: break
	od
}
#endif

#ifdef CLOSES
/* Another thread of a server's process closes its file, and opens it again. */
proctype closer()
{
	byte me;

	do
	:: atomic {
		nr_closes < CLOSES;
		select(me : 0 .. SERVERS - 1);
		!storing[me];		/* README: that would break I13 itself */
		nr_closes++;
		printf("@ close %d\n", me);
		d_step { queue_requeue_all(me) }
		me = 0
	   }
	:: break
	od
}
#endif

#ifdef FENCE
/* The supervisor: a server that hangs is killed. */
proctype supervisor()
{
	do
	:: atomic { hung[0] && !dying[0] -> dying[0] = true; printf("@ fence 0\n") }
#if SERVERS > 1
	:: atomic { hung[1] && !dying[1] -> dying[1] = true; printf("@ fence 1\n") }
#endif
	od
}
#endif

init {
	atomic {
		run submitter(0);
		run submitter(1);
		run server(0);
#if SERVERS > 1
		run server(1);
#endif
#ifdef FORWARDS
		run backing(0);
#if SLOTS > 1
		run backing(1);
#endif
#endif
#ifdef KILLS
		run killer();
#endif
#ifdef CLOSES
		run closer();
#endif
#ifdef FENCE
		run supervisor();
#endif
	}
}

ltl progress { !(<>[] out[0]) && !(<>[] out[1]) }
ltl others { !(<>[] out[1]) }
