# SPDX-License-Identifier: GPL-2.0-only
"""What guarantees an allocation: the table in guarantees.toml, matched against stacks.

Where it stands: record > [guarantees] > table.  A site that no entry knows is unexplained; nothing is forced into one.
"""
from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .record import KINDS, Event

# A site's only function: for whatever nothing else explains.
ANY = ".*"
FILE = Path(__file__).resolve().parent / "guarantees.toml"

# Functions that hand memory out: the site is whoever called them.
ALLOCATOR = re.compile(
    r"_*(?:kmalloc|kzalloc|kvmalloc|kvzalloc|krealloc|kmemdup|memdup|kmem_cache|slab_alloc|slab_post_alloc|new_slab|allocate_slab|"
    r"get_partial|refill_obj|obj_cgroup|memcg_(?:slab|alloc)|shuffle|do_kmalloc|alloc_pages|alloc_page|alloc_frozen_pages|"
    r"alloc_slab_page|folio_alloc|vma_alloc|get_free_pages|get_zeroed_page|mempool_|alloc_percpu|pcpu_|percpu_|try_to_free_pages|"
    r"get_page_from_freelist|do_try_to_free_pages|shrink_|throttle_direct_reclaim|reclaim_throttle|compact_|try_to_compact|"
    r"kmemleak_alloc|create_object|alloc_object|prep_new_page|rmqueue|page_frag_alloc|page_frag_cache)\w*$")
SLAB = re.compile(r"_*(?:slab_alloc|allocate_slab|new_slab|alloc_slab_page)$")
SYSCALL = re.compile(r"_*(?:x64_|ia32_|x32_|se_|do_)*sys_(\w+)$")
# Where a stack comes from that is no system call, outermost first.
ENTRIES = (("asm_exc_page_fault", "page fault"), ("ret_from_fork_asm", "kernel thread"), ("ret_from_fork", "kernel thread"),
           ("asm_common_interrupt", "interrupt"), ("asm_sysvec_apic_timer_interrupt", "interrupt"))


class TableError(ValueError):
    """guarantees.toml is wrong; one line that says where."""


@dataclass(frozen=True)
class Guarantee:
    """A kind of assurance.  sound: with it the request ends, whatever happens to free memory."""

    name: str
    sound: bool
    what: str


@dataclass(frozen=True)
class Site:
    """An entry of the table: whole function names, in this order from the innermost, others between."""

    name: str
    stack: tuple[re.Pattern[str], ...]
    kinds: frozenset[str]
    guarantee: Guarantee
    why: str
    pool: re.Pattern[str] | None = None     # of a pool's event: the symbol that the pool lies in
    flags: re.Pattern[str] | None = None    # to be found in the flags

    def at(self, event: Event) -> int | None:
        """Where in the stack its first function is, from the innermost; None: it is another site.

        Behind all stacks for one that takes any function: it is for what nothing else explains; before all for a pool's.
        """
        if self.kinds and event.kind not in self.kinds or self.flags is not None and not self.flags.search(event.gfp):
            return None
        if self.pool is not None:
            return -1 if self.pool.match(event.fields.get("pool", "")) else None
        if self.stack[0].pattern == ANY:
            return len(event.stack)
        first, at = None, 0
        for wanted in self.stack:
            while at < len(event.stack) and not wanted.fullmatch(event.stack[at]):
                at += 1
            if at == len(event.stack):
                return None
            first = at if first is None else first
            at += 1
        return first


@dataclass(frozen=True)
class Table:
    sites: tuple[Site, ...]

    def site(self, event: Event) -> Site | None:
        """The one whose function is innermost, the first of several; None: unexplained."""
        found = [(at, number) for number, site in enumerate(self.sites) if (at := site.at(event)) is not None]
        return self.sites[min(found)[1]] if found else None


def _site(raw: dict[str, Any], guarantees: dict[str, Guarantee], where: str) -> Site:
    unknown = sorted(set(raw) - {"name", "stack", "kinds", "guarantee", "why", "pool", "flags"})
    if unknown:
        raise TableError(f"{where}: unknown key {unknown[0]}")
    for key in ("name", "guarantee", "why"):
        if not isinstance(raw.get(key), str) or not raw[key]:
            raise TableError(f"{where}: {key} is missing")
    stack = raw.get("stack")
    if not isinstance(stack, list) or not stack or not all(isinstance(text, str) and text for text in stack):
        raise TableError(f"{where}: stack: a list of regular expressions is wanted, innermost first")
    kinds = raw.get("kinds", [])
    if not isinstance(kinds, list) or any(kind not in KINDS.values() for kind in kinds):
        raise TableError(f"{where}: kinds: a list of {', '.join(sorted(set(KINDS.values())))} is wanted")
    if raw["guarantee"] not in guarantees:
        raise TableError(f"{where}: guarantee {raw['guarantee']!r} is none of {', '.join(guarantees)}")
    try:
        patterns = tuple(re.compile(text) for text in stack)
        pool = re.compile(rf"(?:{raw['pool']})\+0x") if "pool" in raw else None
        flags = re.compile(raw["flags"]) if "flags" in raw else None
    except re.error as error:
        raise TableError(f"{where}: {error}") from None
    return Site(raw["name"], patterns, frozenset(kinds), guarantees[raw["guarantee"]], " ".join(raw["why"].split()), pool, flags)


def parse(text: str, where: str = FILE.name) -> Table:
    """The table in a TOML text.  TableError."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{where}: {error}") from None
    guarantees = {}
    for name, about in raw.get("guarantee", {}).items():
        if not isinstance(about.get("sound"), bool) or not isinstance(about.get("what"), str):
            raise TableError(f"{where}: guarantee.{name}: sound (a boolean) and what (a text) are wanted")
        guarantees[name] = Guarantee(name, about["sound"], about["what"])
    sites = tuple(_site(item, guarantees, f"{where}, site {item.get('name', number)}")
                  for number, item in enumerate(raw.get("site", []), 1))
    names = [site.name for site in sites]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"{where}: two sites are called {twice}")
    return Table(sites)


def load(path: Path = FILE) -> Table:
    """The table of a file.  TableError."""
    try:
        return parse(path.read_text(), path.name)
    except OSError as error:
        raise TableError(f"{path}: {error.strerror}") from None


def entry(event: Event) -> str:
    """How the task came into the kernel: a system call's name, or "page fault", "kernel thread", "interrupt", "?"."""
    for name in reversed(event.stack):
        found = SYSCALL.match(name)
        if found:
            return found[1]
        for function, what in ENTRIES:
            if name == function:
                return what
    return "user mode" if event.kind == "fault" else "?"


def place(event: Event, depth: int = 3) -> str:
    """The innermost functions that are no allocator's, "a < b < c", for people."""
    at = 0
    while at < len(event.stack) and (ALLOCATOR.match(event.stack[at]) or event.stack[at] in ("exc_page_fault", "asm_exc_page_fault")):
        at += 1
    names = event.stack[at:at + depth] or event.stack[:1] or ("?",)
    return " < ".join(names)


def refills_slab(event: Event) -> bool:
    """A page for the slab allocator: the object it was needed for is an event of its own."""
    return event.kind == "page" and any(SLAB.match(name) for name in event.stack[:8])
