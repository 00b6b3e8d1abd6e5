# SPDX-License-Identifier: GPL-2.0-only
"""A record as a table: for each role what it asked for per request, by site and flags, and what guarantees it.

Where it stands: record > guarantees > [table] > analysis/alloc-audit, README.  A task's verdict is one of

    none          it asked for nothing at all
    sound         all that it asked for has a guarantee
    unsound       it asked for something that nothing guarantees
    unexplained   it asked for something that guarantees.toml does not know

Askings in an interrupt on top of a task are shown, and are not the task's.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .guarantees import Table, entry, place, refills_slab
from .record import Record

NONE, SOUND, UNSOUND, UNEXPLAINED = VERDICTS = ("none", "sound", "unsound", "unexplained")

# ___GFP_DIRECT_RECLAIM of 6.1 to 6.12, where a probe tells the flags as a number.
GFP_DIRECT_RECLAIM = 0x400
# Named sets that have it in them; GFP_ATOMIC and GFP_NOWAIT do not.
RECLAIMS = ("GFP_KERNEL", "GFP_NOIO", "GFP_NOFS", "GFP_USER", "GFP_HIGHUSER", "GFP_TRANSHUGE", "__GFP_DIRECT_RECLAIM", "__GFP_RECLAIM")


def may_reclaim(gfp: str, memalloc: bool) -> bool:
    """Whether an allocation with these flags may reclaim or wait.  memalloc: the task has PF_MEMALLOC, and never does."""
    if memalloc or not gfp:
        return False
    if gfp.startswith("0x"):
        return bool(int(gfp, 16) & GFP_DIRECT_RECLAIM)
    parts = gfp.split("|")
    # GFP_TRANSHUGE_LIGHT is the one without.
    return any(part.startswith(RECLAIMS) and not part.endswith("_LIGHT") for part in parts)


@dataclass
class Row:
    """Askings that are alike.

    kind        of record.KINDS; "refill" for pages that the slab allocator took, whose object is in a row of its own
    entry       how the task came into the kernel
    nr          askings; objects: what was asked for by the dozen counts as such
    """

    role: str
    context: str
    kind: str
    site: str
    entry: str
    gfp: str
    guarantee: str
    sound: bool | None              # None: unexplained
    why: str
    places: Counter[str] = field(default_factory=Counter)
    nr: int = 0
    objects: int = 0
    failed: int = 0
    reclaims: bool = False
    stack: tuple[str, ...] = ()

    def as_dict(self, requests: int) -> dict[str, Any]:
        return {"role": self.role, "context": self.context, "kind": self.kind, "site": self.site, "entry": self.entry, "gfp": self.gfp,
                "guarantee": self.guarantee, "sound": self.sound, "nr": self.nr, "objects": self.objects, "failed": self.failed,
                "per_request": round(self.nr / requests, 4) if requests else None, "may_reclaim": self.reclaims,
                "places": [name for name, _nr in self.places.most_common(3)], "stack": list(self.stack)}


@dataclass
class Audit:
    """What a record comes to.  rows: most first, by role."""

    record: Record
    rows: list[Row]
    memalloc: dict[str, bool]

    @property
    def roles(self) -> list[str]:
        extra = [row.role for row in self.rows]
        return list(dict.fromkeys([*self.record.roles(), *extra]))

    def of(self, role: str, context: str = "task") -> list[Row]:
        return [row for row in self.rows if row.role == role and row.context == context]

    def verdict(self, role: str) -> str:
        rows = self.of(role)
        if not rows:
            return NONE
        if any(row.sound is None for row in rows):
            return UNEXPLAINED
        return SOUND if all(row.sound for row in rows) else UNSOUND

    def asked(self, role: str) -> int:
        """Times that a role's tasks asked for memory: objects, pages (but not to refill a slab), per-cpu areas, faults."""
        return sum(row.nr for row in self.of(role) if row.kind in ("slab", "page", "percpu", "fault"))

    def per_request(self, role: str) -> float:
        return self.asked(role) / self.record.requests if self.record.requests else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For scripts, and to be kept."""
        about = self.record.about
        kept = {key: about[key] for key in ("kernel", "device", "requests", "reads", "writes", "others", "sectors", "seconds", "ended",
                                            "lost", "events", "probes", "missing") if key in about}
        tasks = [{key: task[key] for key in ("role", "comm", "flags", "minor_faults", "major_faults")} for task in about.get("tasks", ())]
        return {**kept, "tasks": tasks,
                "roles": {role: {"verdict": self.verdict(role), "asked": self.asked(role), "per_request": round(self.per_request(role), 4),
                                 "memalloc": self.memalloc.get(role, False)} for role in self.roles},
                "rows": [row.as_dict(self.record.requests) for row in self.rows]}


def audit(record: Record, table: Table) -> Audit:
    """All events of `record` that are a role's, put into rows.  Changes neither."""
    rows: dict[tuple[str, ...], Row] = {}
    memalloc = {role: record.memalloc(role) for role in record.roles()}
    for event in record.events:
        role = record.role(event)
        if role is None:
            continue
        site = table.site(event)
        kind = "refill" if refills_slab(event) else event.kind
        name = site.name if site else place(event)
        key = (role, event.context, kind, name, entry(event), event.gfp)
        row = rows.get(key)
        if row is None:
            row = rows[key] = Row(role, event.context, kind, name, key[4], event.gfp, site.guarantee.name if site else "unexplained",
                                  site.guarantee.sound if site else None, site.why if site else "",
                                  reclaims=may_reclaim(event.gfp, memalloc.get(role, False)), stack=event.stack)
        row.nr += 1
        row.objects += event.objects
        row.failed += event.failed
        row.places[place(event)] += 1
    order = record.roles()
    ranked = sorted(rows.values(), key=lambda row: (order.index(row.role) if row.role in order else len(order), row.context != "task",
                                                    -row.nr, row.kind, row.site, row.gfp))
    return Audit(record, ranked, memalloc)


# ---------------------------------------------------------------------- text


def _columns(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]


def rate(nr: int, requests: int) -> str:
    """Per request, in three digits; the bare number if it is less than one in a thousand."""
    if not requests:
        return f"{nr}x"
    value = nr / requests
    return f"{value:.3g}" if value >= 0.001 else f"{nr} in all"


def short(found: Audit) -> str:
    """An audit in a clause: how often each role that asked for memory did so, a request."""
    requests = found.record.requests
    return ", ".join(f"{role} {rate(found.asked(role), requests)} ({found.verdict(role)})"
                     for role in found.roles if found.verdict(role) != NONE) or "nothing"


def text(found: Audit, *, stacks: bool = False) -> str:
    """The table for people."""
    about, requests = found.record.about, found.record.requests
    lines = []
    if about:
        lines.append(f"{about['requests']} requests of {about['device'] or 'no device'} in {about['seconds']:.1f} s, kernel {about['kernel']}"
                     + (f"; {about['lost']} events lost" if about["lost"] else ""))
        unseen = [name for name in about["missing"] if name in ("pool_alloc", "slab_bulk", "page_fault_user", "percpu_alloc_percpu")]
        if unseen:
            lines.append(f"this kernel does not tell: {', '.join(unseen)}")
    for role in found.roles:
        reserves = ", may use the reserves (PF_MEMALLOC)" if found.memalloc.get(role) else ""
        asks = f"asks {rate(found.asked(role), requests)} times a request" if found.asked(role) else "asks for nothing"
        lines.append(f"\n{role}: {found.verdict(role)}; {asks}{reserves}")
        body = [("per request", "kind", "flags", "site", "in", "guarantee")]
        rows = [row for context in ("task", "interrupt") for row in found.of(role, context)]
        for row in rows:
            kind = row.kind + (" (interrupt)" if row.context != "task" else "") + (f", {row.failed} failed" if row.failed else "")
            guarantee = row.guarantee if row.sound is not None else "UNEXPLAINED"
            body.append((rate(row.nr, requests), kind, row.gfp or "-", row.site, row.entry, guarantee))
        if rows:
            lines += [f"  {line}" for line in _columns(body)]
        for row in rows if stacks else []:
            lines += [f"  {row.site} ({row.kind}, {row.gfp or '-'}):", *(f"    {name}" for name in row.stack)]
    return "\n".join(lines).lstrip("\n")


def unexplained(found: Audit) -> list[Row]:
    """Rows that guarantees.toml has no entry for, in any context of a task."""
    return [row for row in found.rows if row.sound is None]
