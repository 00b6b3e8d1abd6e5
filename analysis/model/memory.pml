/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * memory.pml - pages, reclaim, and the bios that swap allocates
 *
 * Path: [bio] > queue > ioctl > server > backend > completion.
 * What stands before the first stage: a task that needs a page, finds none
 * above the watermark and writes another to swap.  Pages have no content here.
 *
 *	nr_free		free pages.  The last MIN are the reserve: only tasks
 *			with PF_MEMALLOC may have them
 *	nr_anon		resident pages of the load; each can be written to swap
 *	fs_reserve	bios left in fs_bio_set's reserve of FS_BIOS
 *
 * What a task waits for is in w[]; the words are the kinds of
 * analysis/waitchain.py, and some that no stack shows.
 */
#include "device.pml"

#define HIGH	(MIN + 2)	/* up to here kswapd reclaims */

mtype:wait = {
	w_none, w_request, w_slot, w_bio, w_page, w_throttle, w_reclaim,
	w_batch, w_turn, w_hung, w_memory
};

/* Tasks: their numbers. */
#define LOAD0	0
#define LOAD1	1
#define KSWAPD	2
#define SERVER0	3
#define SERVER1	4
#define SPAWNER	5
#define TASKS	6

#define is_server(t)	((t) == SERVER0 || (t) == SERVER1)

mtype:wait w[TASKS] = w_none;
byte nr_free = NR_FREE;
byte nr_anon = NR_ANON;
byte fs_reserve = FS_BIOS;
bool slotless[TASKS];		/* sleeps for a slot */
bool reading[TASKS];		/* sleeps for its page */

mtype:place = { resident, leaving, swapped };
mtype:place server_page[2] = resident;	/* a page of the server's own */

/* A bio is a byte: what it carries, and whether it is the one that is watched. */
#define B_PAGE		1		/* write a page of the load */
#define B_SERVER(k)	(2 + (k))	/* write a page of server k */
#define B_READ(t)	(8 + (t))	/* read a page for task t */
#define B_WATCHED	32

/*
 * One bio, chosen freely, is watched from its acceptance to its end; after
 * that another may be.  What holds of any one holds of all.
 */
mtype:fate = { unwatched, accepted };
mtype:fate watch = unwatched;

inline bio_put()
{
	/* mempool_free(): its reserve is filled first. */
	fs_reserve = (fs_reserve < FS_BIOS -> fs_reserve + 1 : fs_reserve)
}

inline bio_ended(b)
{
	if
	:: b >= B_WATCHED -> watch = unwatched; b = b - B_WATCHED
	:: else
	fi;
	if
	:: b >= B_READ(0) ->
		reading[b - B_READ(0)] = false
	:: b == B_SERVER(0) || b == B_SERVER(1) ->
		server_page[b - B_SERVER(0)] = swapped;
		nr_free++
	:: else ->
		nr_free++
	fi;
	bio_put()
}

inline slot_refused(t)
{
	if
	:: t != NOBODY -> slotless[t] = true
	:: else
	fi
}

inline slot_given(t)
{
	if
	:: t != NOBODY -> slotless[t] = false
	:: else
	fi
}

/* What a task is exempt from, by its protections. */
#ifdef MEMALLOC
#define has_memalloc(t)	(is_server(t) || (t) == SPAWNER)
#else
#define has_memalloc(t)	false
#endif
#ifdef FLUSHER
#define has_noio(t)	(is_server(t) || (t) == SPAWNER)
#else
#define has_noio(t)	false
#endif
#ifdef BYPASS
#define sleeps_for_slot(t) (!is_server(t))
#else
#define sleeps_for_slot(t) true
#endif
#ifdef THROTTLE
#define is_throttled(t)	(nr_free == 0 && (t) != KSWAPD)
#else
#define is_throttled(t)	false
#endif

/*
 * Each wait is one atomic section: w[] is set only while the task sleeps, and
 * what it waited for is taken in the step that ends the sleep.
 */
#define W(t, why)	w[t] = why; printf("@ wait %d %e\n", t, w[t])

/*
 * bio_alloc() from fs_bio_set: of the slab while there is memory, else of the
 * reserve, else sleep.  PF_MEMALLOC is no help: a mempool adds
 * __GFP_NOMEMALLOC.
 */
#define bio_there	(nr_free > MIN || fs_reserve > 0)

inline bio_get(t)
{
	if
	:: !bio_there -> W(t, w_bio); bio_there; w[t] = w_none
	:: else
	fi;
	fs_reserve = (nr_free > MIN -> fs_reserve : fs_reserve - 1)
}

/* submit_bio(): the device accepts b; the task may have to sleep for a slot. */
inline bio_submit(t, b)
{
	printf("@ submit %d %d\n", t, b);
	if
	:: watch == unwatched ->
		watch = accepted;
		d_step { queue_add(b + B_WATCHED, t, sleeps_for_slot(t)) }
	:: d_step { queue_add(b, t, sleeps_for_slot(t)) }
	fi;
	if
	:: slotless[t] -> W(t, w_slot); !slotless[t]; w[t] = w_none
	:: else
	fi
}

/* A page's content from swap, into a page that the task has. */
inline page_read(t)
{
	atomic {
		bio_get(t);
		reading[t] = true;
		bio_submit(t, B_READ(t));
		if
		:: reading[t] -> W(t, w_page); !reading[t]; w[t] = w_none
		:: else
		fi
	}
}

#ifdef MLOCK
#define is_victim(k)	false
#else
#define is_victim(k)	(server_page[k] == resident)
#endif
#define has_victim	(nr_anon > 0 || is_victim(0))

/* shrink_folio_list(): one page is isolated, to be written to swap. */
inline page_isolate(b)
{
	if
	:: nr_anon > 0 -> nr_anon--; b = B_PAGE
	:: is_victim(0) -> server_page[0] = leaving; b = B_SERVER(0)
	fi
}

/* pageout(): it is sent on its way, and not waited for. */
inline page_out(t, b)
{
	atomic {
		bio_get(t);
		bio_submit(t, b);
		b = 0
	}
}

#define may_take(t)	(nr_free > MIN || (has_memalloc(t) && nr_free > 0))
#define may_reclaim(t)	(!has_memalloc(t) && !has_noio(t) && has_victim && \
			 nr_free <= MIN && !is_throttled(t))
#define why_not(t)	(has_memalloc(t) -> w_memory : \
			 (is_throttled(t) && !has_noio(t) -> w_throttle : w_reclaim))

/*
 * alloc_page() and what it does below the watermark.  With PF_MEMALLOC it
 * takes of the reserve and never reclaims; where there is none it fails, and
 * whoever needs the page tries again.  Without __GFP_IO (FLUSHER) reclaim
 * writes nothing, so that it goes round.  Going round is a wait here.
 */
inline page_get(t, b)
{
	do
	:: atomic { may_take(t) -> nr_free--; break }
	:: atomic { may_reclaim(t) -> page_isolate(b) }
	   page_out(t, b)
	:: atomic {
		!may_take(t) && !may_reclaim(t);
		W(t, why_not(t));
		may_take(t) || may_reclaim(t);
		w[t] = w_none
	   }
	od
}
