/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * progress.pml - does every accepted bio end, with free pages at zero?
 *
 * Path: bio > queue > ioctl > server > backend > completion, all of it.
 * Two tasks whose memory is larger than the machine's, kswapd, a server and
 * what stands behind it.  Protections and circumstances are macros; `check`
 * sets them, README.md explains each.  A run may stop for ever in two ways
 * that the property sees alike: nobody can move, or some go round.
 */
#define MAX_OWNERS	0

#include "memory.pml"

bool tick;			/* turns when a task of the load gets its page */
byte turn = SERVER0;		/* who serves: the robust futex */
bool killed[2];
bool dead;
byte nr_supplied;
byte nr_kills;
byte nr_hangs;
chan disk = [SLOTS] of { byte };	/* clones under way, in order */
byte nr_clones = SLOTS;		/* left in the device's own bio_set */

inline page_used()
{
	if
	:: nr_supplied > 0 -> nr_supplied--
	:: else -> nr_anon++
	fi
}

/* The load: it always needs another page. */
proctype load(byte t)
{
	byte b;

	do
	:: page_get(t, b);
#if READS > 0
	   if
	   :: page_read(t)
#if READS < 2
	   :: skip		/* a new page */
#endif
	   fi;
#endif
	   atomic { page_used(); tick = !tick }
	od
}

proctype kswapd()
{
	byte b;

	do
	:: atomic { nr_free < HIGH && has_victim -> page_isolate(b) }
	   page_out(KSWAPD, b)
	od
}

#if DRAIN > 0
/* Others with PF_MEMALLOC use the reserve up, for good, at any moment. */
proctype others()
{
	if
	:: atomic { nr_free > 0 -> nr_free--; printf("@ drain %d\n", nr_free) }
	:: skip
	fi
}
#endif

#ifdef SUPPLY
/*
 * Memory that comes from elsewhere and without this device: clean pages, tasks
 * that exit.  What came so goes again, in page_used().
 */
proctype supply()
{
	do
	:: atomic {
		nr_free <= MIN && (nr_supplied < SUPPLY || !has_victim);
		nr_free++;
		nr_supplied++;
		assert(nr_supplied < 16);
		printf("@ supply\n")
	}
	od
}
#endif

inline serve_complete(t)
{
	s_ = 0;
	n = 0;
	do
	:: n < SLOTS ->
		if
		:: rq[n].state == LENT && rq[n].owner == t ->
			queue_finish(n);
			queue_end(n);
			printf("@ end %d %d\n", t, n)
		:: else
		fi;
		n++
	:: else -> break
	od;
	n = 0
}

inline die_if_killed(t)
{
	if
	:: killed[t - SERVER0] -> goto gone
	:: else
	fi
}

proctype server(byte t)
{
	byte b, n, s, i;

	atomic {
		if
		:: turn != t -> W(t, w_turn); turn == NOBODY; w[t] = w_none
		:: else
		fi;
		turn = t
	}
serve:
	/* ABUSE_SERVE: the answers of the last round go in ... */
	atomic { skip; d_step { serve_complete(t) } }
	/* ... what is QUEUED comes out; the first is waited for. */
	do
	:: atomic {
		n < BATCH && nr_queued > 0;
		d_step { queue_lend(s, t) }
		printf("@ lend %d %d\n", t, s);
		s = 0;
		n++
	}
	:: n > 0 && (n == BATCH || (nr_queued == 0 && n >= WAIT_FOR)) -> break
	:: atomic {
		n < WAIT_FOR && nr_queued == 0;
		W(t, (n == 0 -> w_request : w_batch));
		nr_queued > 0 || killed[t - SERVER0];
		w[t] = w_none;
		die_if_killed(t)
	}
	od;
	die_if_killed(t);
#ifdef HANG
	if
	:: atomic { nr_hangs < HANG -> nr_hangs++; W(t, w_hung) }
	   atomic { killed[t - SERVER0]; w[t] = w_none }
	   goto gone
	:: skip
	fi;
#endif
#ifndef MLOCK
	if
	:: server_page[t - SERVER0] == swapped ->
		printf("@ fault %d\n", t);
		page_get(t, b);
		page_read(t);
		server_page[t - SERVER0] = resident
	:: else
	fi;
#endif
#if defined(ALLOC) || defined(STORE_FILE) || defined(STORE_FORWARD)
	do
	:: i < n ->
#ifdef ALLOC
		page_get(t, b);
#endif
#ifdef STORE_FILE
		/* The file system's own bio, of the set that swap uses. */
		atomic { bio_get(t) }
		bio_put();
#endif
#ifdef STORE_FORWARD
#ifndef OWN_BIO_SET
		atomic { bio_get(t) }
#endif
		d_step {
			s_ = 0;
			do
			:: !(rq[s_].state == LENT && rq[s_].owner == t) -> s_++
			:: else -> break
			od;
#ifdef OWN_BIO_SET
			assert(nr_clones > 0);		/* I2 */
			nr_clones--;
#endif
			queue_unlend(s_);
			rq[s_].state = FORWARDED;
			disk!s_;
			printf("@ forward %d %d\n", t, s_)
		}
#endif
#ifdef ALLOC
		nr_free++;
#endif
		i++
	:: else -> break
	od;
	i = 0;
#endif
	/* The disk has answered, or the copy is made: no memory in that. */
	die_if_killed(t);
	goto serve;

gone:
	atomic {
		d_step { queue_requeue_all(t) }
		n = 0;
		i = 0;
		s = 0;
		b = 0;
		turn = NOBODY;
		dead = true;
		printf("@ gone %d\n", t)
	}
#ifdef SPAWN
	atomic { !dead; turn = t }
	goto serve
#endif
}

#ifdef STORE_FORWARD
proctype backing()
{
	byte s;

	do
	:: atomic {
		disk?s;
		d_step {
#ifdef OWN_BIO_SET
			nr_clones++;
#else
			bio_put();
#endif
			queue_finish(s);
			queue_end(s);
			printf("@ clone-end %d\n", s)
		}
		s = 0
	}
	od
}
#endif

#ifdef KILLS
/* SIGKILL to the server, at any moment, or never. */
proctype killer()
{
	do
	:: atomic {
		nr_kills < KILLS && turn != NOBODY;
		nr_kills++;
		killed[turn - SERVER0] = true;
		printf("@ kill %d\n", turn)
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
	:: atomic {
		turn != NOBODY && w[turn] == w_hung && !killed[turn - SERVER0];
		killed[turn - SERVER0] = true;
		printf("@ fence %d\n", turn)
	}
	od
}
#endif

#ifdef SPAWN
/* A new server by fork and exec: that takes a page, for good. */
proctype spawner()
{
	byte b;

	dead;
	page_get(SPAWNER, b);
	atomic { killed[0] = false; dead = false; printf("@ spawned\n") }
}
#endif

init {
	atomic {
		run load(LOAD0);
#if LOADS > 1
		run load(LOAD1);
#endif
		run kswapd();
#if DRAIN > 0
		run others();
#endif
		run server(SERVER0);
#ifdef STANDBY
		run server(SERVER1);
#endif
#ifdef SUPPLY
		run supply();
#endif
#ifdef STORE_FORWARD
		run backing();
#endif
#ifdef KILLS
		run killer();
#endif
#ifdef FENCE
		run supervisor();
#endif
#ifdef SPAWN
		run spawner();
#endif
	}
}

ltl progress {
	!(<>[] (watch == accepted)) && ([]<> tick) && ([]<> !tick)
}

/* Not to hold: that memory runs out is what all this is about. */
ltl exhausted { []!(nr_free == 0 && fs_reserve == 0 && nr_anon > 0) }

#ifdef WANT
/* Is there a run that stops with these two waits?  Not to hold, either. */
ltl wait {
	!(<>[] (watch == accepted && w[WANT_TASK] == WANT && w[ALSO_TASK] == ALSO))
}
#endif
