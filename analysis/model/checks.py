# SPDX-License-Identifier: GPL-2.0-only
"""Every check of `make model`: a model, its macros, a property, and what is to come of it.

Where it stands: [checks] > spin > trail > check.  A *base* is a healthy model; `less` removes one protection from it and says how
it is then to fail.  That is all there is to a switch: macros, which README.md explains.
"""
from __future__ import annotations

from dataclasses import dataclass, field

HOLDS = "holds"


@dataclass(frozen=True)
class Check:
    """One search.

    name      unique
    model     progress or owners: the file's stem
    prop      a formula of that file, or "assertions"
    defines   macros, "" for those without a value
    expect    HOLDS, or the cause of the failure as trail.py names it
    without   the protection that is missing; "": none
    says      what it shows, one line
    of        the base it was made from; "": it is one
    """

    name: str
    model: str
    prop: str
    defines: dict[str, str] = field(hash=False)
    expect: str
    says: str
    without: str = ""
    of: str = ""


def _defines(words: str) -> dict[str, str]:
    return {word.partition("=")[0]: word.partition("=")[2] for word in words.split()}


CHECKS: list[Check] = []


def base(name: str, model: str, words: str, says: str, prop: str = "progress") -> Check:
    CHECKS.append(Check(name, model, prop, _defines(words), HOLDS, says))
    return CHECKS[-1]


def less(of: Check, without: str, expect: str, says: str, *, remove: str = "", add: str = "", prop: str = "",
         name: str = "") -> None:
    """`of` without a protection: macros removed and added."""
    defines = {macro: value for macro, value in of.defines.items() if macro not in remove.split()} | _defines(add)
    CHECKS.append(Check(name or f"{of.name}-no-{without}", of.model, prop or of.prop, defines, expect, says,
                        without, of.name))


def same(of: Check, name: str, says: str, *, remove: str = "", add: str = "", prop: str = "", expect: str = HOLDS) -> Check:
    """`of` in other circumstances, no protection missing."""
    defines = {macro: value for macro, value in of.defines.items() if macro not in remove.split()} | _defines(add)
    CHECKS.append(Check(name, of.model, prop or of.prop, defines, expect, says, "", of.name))
    return CHECKS[-1]


# ----------------------------------------------------------------- progress
#
# Small enough to be searched in full, large enough for every wait: five frames of which one is the reserve, which others
# use up (DRAIN); two tasks of the load and kswapd; two slots; two bios in fs_bio_set's reserve, as in the kernel.
MACHINE = "MIN=1 NR_FREE=1 NR_ANON=3 FS_BIOS=2 DRAIN=1 THROTTLE READS=1 WAITERS=6 LOADS=2 SLOTS=2 BATCH=2 WAIT_FOR=1"
FULL = "MLOCK MEMALLOC FLUSHER BYPASS"

full = base("full", "progress", f"{MACHINE} {FULL}", "all protections, a store that needs no memory: progress at zero free pages")
same(full, "full-exhausted", "... and memory does run out in it: no page, no bio of the shared set", prop="exhausted",
     expect="exhausted")
same(full, "full-one-slot", "... the same where every second bio has to wait for a slot", add="SLOTS=1 BATCH=1 LOADS=1")
same(full, "full-one-more-bio", "... and with a bio to spare in the slab", add="FS_BIOS=3 LOADS=1")
same(full, "full-no-flags", "neither PF_MEMALLOC nor IO_FLUSHER: a server that needs no memory does not need them",
     remove="MEMALLOC FLUSHER", add="LOADS=1")
less(full, "mlock", "server page", "its own page is read from its own device", remove="MLOCK")
less(full, "allocate-nothing", "server bio",
     "a page per request, unprotected: its reclaim needs a bio that it would have to end",
     remove="MEMALLOC FLUSHER", add="ALLOC")
less(full, "allocate-nothing", "server throttle", "... or is throttled until writes end that it would have to end",
     remove="MEMALLOC FLUSHER", add="ALLOC", name="full-allocates-throttled")
less(full, "allocate-nothing", "server reclaim", "... IO_FLUSHER alone makes of that a livelock: it is no progress",
     remove="MEMALLOC", add="ALLOC LOADS=1", name="full-allocates-flusher")
less(full, "allocate-nothing", "server memory", "... PF_MEMALLOC alone neither: others use up the reserve",
     add="ALLOC LOADS=1", name="full-allocates-memalloc")

need = base("bounded-need", "progress", f"{MACHINE} {FULL} LOADS=1 DRAIN=0 ALLOC",
            "a page per request, PF_MEMALLOC, and a reserve that nobody else uses up: bounded, and covered")
less(need, "memalloc", "server bio", "the same need met by reclaim", remove="MEMALLOC FLUSHER")

elsewhere = base("elsewhere", "progress",
                 f"{MACHINE} MLOCK FLUSHER DRAIN=0 ALLOC SUPPLY=2 READS=2 NR_ANON=2 LOADS=1 SLOTS=1 BATCH=1 WAITERS=10",
                 "memory comes from elsewhere, the server allocates, its own bios wait for slots: IO_FLUSHER keeps it out of there")
less(elsewhere, "flusher", "server slot", "its reclaim sleeps in its own full queue", remove="FLUSHER")
bypass = same(elsewhere, "elsewhere-bypass", "the same without IO_FLUSHER: I3 keeps it from sleeping there",
              remove="FLUSHER", add="BYPASS")
less(bypass, "bypass", "server slot", "neither: the same", remove="BYPASS")

forward = base("forward", "progress", f"{MACHINE} {FULL} LOADS=1 STORE_FORWARD OWN_BIO_SET",
               "pages go on as clones of the device's own bio_set, which is never found empty (I2)")
less(forward, "own-bio-set", "server bio", "clones of fs_bio_set, whose two bios are in requests of the device",
     remove="OWN_BIO_SET")
less(full, "raw-disk", "server bio", "a store in a file: the file system's bios are of fs_bio_set", add="STORE_FILE LOADS=1")

# H22.  No reads: what is asked for are writes, of which reclaim has as many as it has bios for.
batch = base("batch", "progress", f"{MACHINE} {FULL} SLOTS=3 BATCH=3 NR_ANON=4 WAIT_FOR=2 LOADS=1 READS=0",
             "a server that waits for a batch of 2: as many as fs_bio_set has bios")
less(batch, "no-batch-wait", "server batch", "a batch of 3 never fills: both bios are lent", add="WAIT_FOR=3",
     name="batch-waits-for-3")
batch3 = same(batch, "batch-3-bios", "a reserve of 3 bios: a batch of 3 fills",
              add="FS_BIOS=3 SLOTS=4 BATCH=4 NR_ANON=5 WAIT_FOR=3")
less(batch3, "no-batch-wait", "server batch", "a batch of 4 does not: the bound is the reserve", add="WAIT_FOR=4",
     name="batch-3-bios-waits-for-4")

standby = base("standby", "progress", f"{MACHINE} {FULL} LOADS=1 NR_ANON=2 STANDBY KILLS=1",
               "the server is killed at any moment; a standby, locked beforehand, goes on")
less(standby, "standby", "no server", "nobody goes on: the requests wait for ever", remove="STANDBY")
spawn = base("spawn", "progress", f"{MACHINE} {FULL} LOADS=1 DRAIN=0 KILLS=1 SPAWN",
             "no standby, a new server by exec with PF_MEMALLOC: one page, which the reserve has")
less(spawn, "memalloc", "spawner bio", "exec needs a page that only the server it starts could free", remove="MEMALLOC FLUSHER")
fence = base("fence", "progress", f"{MACHINE} {FULL} LOADS=1 STANDBY HANG=1 FENCE",
             "the server hangs with requests LENT; it is killed, waited for, and a standby goes on")
less(fence, "fence", "server hung", "nobody kills it: what is LENT stays so", remove="FENCE")

# ------------------------------------------------------------------- owners

OWNERS = "SERVERS=2 SLOTS=1 MAX_OWNERS=0 STANDBY"

kills = base("kill", "owners", f"{OWNERS} KILLS=2",
             "SIGKILL at any moment, twice: every bio ends, what was acknowledged is read back")
same(kills, "kill-two-slots", "... with a slot for each bio", add="SLOTS=2 KILLS=1", prop="assertions")
less(kills, "requeue", "lost", "what a dead server was lent is not taken back (I4)", add="LOSE_ON_GONE")
less(kills, "passes-only-when-gone", "wrong data", "passed on at the signal: its last write lands on newer data",
     add="PASS_AT_SIGNAL KILLS=1")
less(kills, "standby", "no server", "no other server, and none comes", remove="STANDBY", add="SERVERS=1")
closes = base("close", "owners", f"{OWNERS} CLOSES=2", "its file is closed by another thread, in the middle of a copy, too")
same(closes, "close-two-slots", "... with a slot for each bio", add="SLOTS=2 CLOSES=1", prop="assertions")
less(closes, "copy-mark", "I11", "requeued with a copy under way", add="REQUEUE_COPYING")
forwards = base("forwards", "owners", f"{OWNERS} FORWARDS KILLS=1 FAILS=0", "clones under way while their server is killed")
same(forwards, "forwards-fail", "... and clones that fail: QUEUED again", add="FAILS=1 KILLS=0")
same(forwards, "forwards-two-slots", "... with a slot for each bio", add="SLOTS=2 FAILS=1 KILLS=0", prop="assertions")
less(forwards, "forwarded-state", "I11", "requeued with a clone under way", add="REQUEUE_FORWARDED")
repeats = base("repeat", "owners", f"{OWNERS} REPEATS=2", "an answer is given again: the second time its id is stale (I5)")
less(repeats, "generation", "wrong data", "an id that is a slot alone: another's request is answered", add="ACCEPT_STALE")
haste = base("haste", "owners", f"{OWNERS} HASTE", "a READ is answered with its page not filled: refused (I12)")
less(haste, "copied-check", "wrong data", "a page that nobody filled is handed out", add="COMPLETE_UNCOPIED")
less(repeats, "lend-once", "I4", "GET of 2009: a request stays on the list and is lent twice", add="LEND_TWICE", remove="REPEATS")
less(haste, "push-back", "I3", "a full queue is an error", add="ERROR_WHEN_FULL", remove="HASTE")
hangs = base("hang", "owners", f"{OWNERS} HANGS=2 FENCE",
             "one of two servers hangs with a request LENT; it is killed and waited for")
less(hangs, "fence", "hung", "the other cannot have it: it is LENT", remove="FENCE")
poison = base("poison", "owners", f"{OWNERS} SLOTS=2 POISON MAX_OWNERS=2",
              "a request that kills its servers is set ASIDE: the others end", prop="others")
less(poison, "aside", "round and round", "it is ahead of the others each time", add="MAX_OWNERS=0")


def names() -> list[str]:
    return [check.name for check in CHECKS]
