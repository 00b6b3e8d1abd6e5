# SPDX-License-Identifier: GPL-2.0-only
"""Read what experiments/guest/allocaudit.c wrote: events with their stacks, and what was watched.

Where it stands: guest/allocaudit > [record] > guarantees > table.  The text is the kernel's own (6.1 and 6.12), so that a
trace taken by hand is read, too; without allocaudit's last line it has no requests and no roles, and is not complete.
Judges nothing.
"""
from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIRST_LINE = "# alloc-audit 1"

# Kinds of asking, by the event's name; as in experiments/guest/tracefs.h.
KINDS: dict[str, str] = {
    "kmalloc": "slab",
    "kmem_cache_alloc": "slab",
    "slab_bulk": "slab",
    "mm_page_alloc": "page",
    "percpu_alloc_percpu": "percpu",
    "pool_alloc": "pool",
    "page_fault_user": "fault",
    "page_fault_kernel": "fault",
    "mm_vmscan_direct_reclaim_begin": "reclaim",
    "mm_vmscan_memcg_reclaim_begin": "reclaim",
    "mm_vmscan_throttled": "reclaim",
    "mm_compaction_try_to_compact_pages": "reclaim",
}

# include/linux/sched.h: the task may use the reserves, and never reclaims by itself.
PF_MEMALLOC = 0x800

# "  swapserver-123   [000] d..1.   12.345678: kmalloc: call_site=..."; a tgid in between if that option is on.
_ENTRY = re.compile(r"^\s*(?P<comm>.{1,16}?)-(?P<tid>\d+)\s+(?:\(\s*[-\d]+\)\s+)?\[(?P<cpu>\d+)\]\s+(?P<flags>\S{4,6})\s+"
                    r"(?P<time>\d+\.\d+): (?:(?P<stack><stack trace>)|(?P<name>\w+): (?P<rest>.*))$")
_FRAME = re.compile(r"^ => (?P<name>\S+?)(?:\+0x[0-9a-f]+(?:/0x[0-9a-f]+)?)?(?: \[(?P<module>\w+)[^]]*\])?$")
_FIELD = re.compile(r"(\w+)=(\S+)")
# A compiler's clones are the same function to us; since 6.10 allocating functions have a wrapper and a second name.
_CLONE = re.compile(r"\.(?:constprop|isra|part|cold|llvm)(?:\.\d+)*")
# The tracer's own frames, innermost; an address is a trampoline's.
_TRACER = re.compile(r"(?:__)?(?:save_stack_trace|stack_trace_save|ftrace_trace_stack|trace_buffer_unlock_commit_regs|"
                     r"trace_event_buffer_commit|trace_event_raw_event_\w+|traceiter_\w+|trace_stack|kprobe_\w+|kretprobe_\w+|"
                     r"ftrace_\w+|arch_ftrace_\w+|optimized_callback|opt_pre_handler|aggr_pre_handler|perf_trace_\w+|do_int3|"
                     r"exc_int3|asm_exc_int3|0x[0-9a-f]+)$")


class RecordError(ValueError):
    """A record that cannot be read, or that must not be relied on; the message says why, in one line."""


def function(name: str) -> str:
    """A function's name as in the source."""
    return _CLONE.sub("", name).removesuffix("_noprof")


@dataclass(frozen=True)
class Event:
    """One asking.

    stack       functions, innermost first, without the tracer's own
    modules     of the stack's functions, those that are in one: name by function
    context     "task", or "interrupt" if an interrupt asked on top of it
    """

    comm: str
    tid: int
    cpu: int
    context: str
    time_s: float
    name: str
    fields: dict[str, str]
    stack: tuple[str, ...]
    modules: frozenset[str]

    @property
    def kind(self) -> str:
        return KINDS[self.name]

    @property
    def gfp(self) -> str:
        """The flags as the kernel prints them; a number where it is a probe that says them; "" if there are none."""
        return self.fields.get("gfp_flags", self.fields.get("gfp", ""))

    @property
    def objects(self) -> int:
        """How many were asked for: above 1 where slab objects come by the dozen."""
        return int(self.fields.get("nr", "1")) if self.name == "slab_bulk" else 1

    @property
    def failed(self) -> bool:
        """The kernel had none."""
        if self.kind == "page":
            return self.fields.get("pfn") in ("0x0", "0")
        return self.fields.get("ptr") in ("(null)", "0000000000000000")


@dataclass
class Record:
    """events in the order of the file; about: allocaudit's last line, {} without one; strange: lines that nobody knows.

    cut     events at the very end whose stacks were not written any more, as recording was ended in between; not in `events`
    """

    events: list[Event] = field(default_factory=list)
    cut: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    strange: int = 0

    @property
    def requests(self) -> int:
        return int(self.about.get("requests", 0))

    def roles(self) -> list[str]:
        """Those that were watched, in their order."""
        return list(self.about.get("roles", {})) or ["all"]

    def role(self, event: Event) -> str | None:
        """Whose event: as allocaudit counts it.  None: nobody's that was asked for."""
        for task in self.about.get("tasks", ()):
            if task["tid"] == event.tid:
                return str(task["role"])
        for module in self.about.get("through", ()):
            if module in event.modules:
                return f"through {module}"
        if not self.about:
            return "all"
        if self.about.get("through"):
            return None
        names = self.roles()
        return names[0] if len(names) == 1 else "born later"

    def memalloc(self, role: str) -> bool:
        """Whether all tasks of a role had PF_MEMALLOC, from the beginning to the end."""
        flags = [int(task[key], 16) for task in self.about.get("tasks", ()) if task["role"] == role
                 for key in ("flags", "flags_end")]
        return bool(flags) and all(value & PF_MEMALLOC for value in flags)

    def check(self) -> None:
        """RecordError if nothing can be concluded from it."""
        if not self.about:
            raise RecordError("it has no last line of allocaudit: the guest ended before the record was written")
        if self.about["lost"]:
            raise RecordError(f"{self.about['lost']} events were lost for want of room: fewer requests, or a larger --buffer-kib")
        if self.strange:
            raise RecordError(f"{self.strange} lines are of no known form")
        if not self.requests:
            raise RecordError("the device answered no request meanwhile")
        for name in ("kmalloc", "kmem_cache_alloc", "mm_page_alloc"):
            if name not in self.about["events"]:
                raise RecordError(f"this kernel has no event {name}")
        gone = sorted({task["role"] for task in self.about["tasks"] if task["ended"]})
        if gone:
            raise RecordError(f"a task of {', '.join(gone)} ended meanwhile")


def _stack(lines: list[tuple[str, str]]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Functions and modules of (name, module), innermost first."""
    at = 0
    while at < len(lines) and _TRACER.match(_CLONE.sub("", lines[at][0])):
        at += 1
    kept = lines[at:]
    return tuple(function(name) for name, _module in kept), frozenset(module for _name, module in kept if module)


@dataclass
class _Open:
    """An event whose stack may still come; begun: it did."""

    entry: re.Match[str]
    begun: bool = False
    frames: list[tuple[str, str]] = field(default_factory=list)

    def event(self) -> Event:
        stack, modules = _stack(self.frames)
        entry = self.entry
        return Event(entry["comm"].strip(), int(entry["tid"]), int(entry["cpu"]), "task" if entry["flags"][2] == "." else "interrupt",
                     float(entry["time"]), entry["name"], dict(_FIELD.findall(entry["rest"])), stack, modules)


def parse(lines: Iterable[str]) -> Record:
    """The record in the lines of a file.  RecordError if its last line is not JSON.

    A stack follows its event on the same processor and in the same context, with others perhaps in between.
    """
    record = Record()
    waiting: dict[tuple[str, str], _Open] = {}
    frames: list[tuple[str, str]] | None = None
    stacks = False
    for line in lines:
        line = line.rstrip("\n")
        if line.startswith("#{"):
            try:
                record.about = json.loads(line[1:])
            except ValueError:
                raise RecordError("its last line is cut off") from None
            continue
        if not line or line.startswith(("#", "CPU:")):
            continue
        frame = _FRAME.match(line)
        if frame:
            if frames is not None:
                frames.append((frame["name"], frame["module"] or ""))
            continue
        frames = None
        entry = _ENTRY.match(line)
        if entry is None:
            record.strange += 1
            continue
        place = (entry["cpu"], entry["flags"][2])
        if entry["stack"]:
            found = waiting.get(place)
            if found is None or found.entry["tid"] != entry["tid"]:
                record.strange += 1
                continue
            frames = found.frames
            found.begun = stacks = True
            continue
        if place in waiting:
            record.events.append(waiting.pop(place).event())
        if entry["name"] in KINDS:
            waiting[place] = _Open(entry)
        else:
            record.strange += 1
    whole = [found.event() for found in waiting.values() if found.begun or not stacks]
    record.cut = len(waiting) - len(whole)
    record.events += whole
    record.events.sort(key=lambda event: event.time_s)
    return record


def read(path: Path) -> Record:
    """The record of a file, plain or .xz.  RecordError names it."""
    try:
        if path.suffix == ".xz":
            with lzma.open(path, "rt", errors="replace") as stream:
                return parse(stream)
        with open(path, errors="replace") as stream:
            return parse(stream)
    except (OSError, lzma.LZMAError) as error:
        raise RecordError(f"{path}: {getattr(error, 'strerror', None) or error}") from None
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
