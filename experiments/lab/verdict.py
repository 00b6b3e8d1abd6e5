#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Judge a run from what it left behind: one word, the sentence that justifies it, and the numbers it rests on.

Where it stands: arm > run > vm > guest, and after them [verdict].  Everything here is a pure function of the evidence,
so that old runs can be judged again by new rules: `experiments/lab/verdict.py RESULTS_DIR`.

    PASS       the loads finished, every word was verified, the protections were on, and the swap traffic was real
    DEADLOCK   nothing moves, and who would have to move it sleeps; sysrq (or the heartbeat) still answers
    LIVELOCK   nothing moves although the server runs; or less than a hundredth of a healthy run's work is done, and
               processors are busy all the while
    OOM-KILL   the kernel killed a process
    SIGBUS     a process died of a page that could not be read back
    CORRUPT    a page came back with other content
    IO-ERROR   the device ended a request with an error
    PANIC      the kernel says it is broken; not where all that it says is that init died of the device's failure (SIGBUS),
               or that nobody is left to be killed (OOM-KILL)
    LOST       no heartbeat and no answer to sysrq
    INVALID    the run proves nothing: it did not get to the load (for want of memory, too), ran out of time while still
               moving, a switch was not shown to have acted, too little was swapped through the device, or the emulator
               ended it (emulators_fault)

Progress is requests that *ended* or work that the load has done: neither submitted requests nor swap-out counters,
which move in a hang, too.

Three ways of being slow, told apart by what a healthy run of the same load does a second (rates.py) and by who works:

    nothing ends, the server sleeps                    DEADLOCK, however busy others are with waiting for it
    nothing ends, the server runs                      LIVELOCK
    below a hundredth of the control, busy             LIVELOCK
    below a hundredth of the control, idle             slow: it waits for a disk, say; INVALID at the limit
    above it                                           slow, whatever it is busy with
"""
from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

VERDICTS = ("PASS", "DEADLOCK", "LIVELOCK", "OOM-KILL", "SIGBUS", "CORRUPT", "IO-ERROR", "PANIC", "LOST", "INVALID")

PAGE_BYTES = 4096
MIB = 1 << 20

# Seconds of guest time without progress that make a hang.  A mempool that ran empty polls every 5 s and the NOIO
# throttle lets go after 1 s, so that a machine that can go on does so well within this.
STALL_S = 20.0
# Seconds of host time without a heartbeat, which is due every second: emulation on a busy host delays it by a few.
SILENT_S = 15.0
# Processors' worth of work in the stalled window that tells a livelock from a deadlock.  A deadlocked guest uses below
# 0.1: the agent, kswapd polling.  One task in a loop uses 1.0; half of that leaves room for the emulator's scheduling.
BUSY_CPUS = 0.5
# A server that used less than this of a processor in a stalled window slept: two of its ticks in 20 s are rounding.
ASLEEP_CPUS = 0.05
# Less than this share of what a healthy run does a second is no progress to speak of...
CRAWL_SHARE = 0.01
# ... if it has lasted so long, in guest time.  Longer than the pauses of a healthy run: a throttle, a disk's flush.
CRAWL_S = 60.0
# A part of the window in which more was done breaks it: nothing that comes in bursts is a livelock.
CRAWL_PARTS = 6
# A step that is shorter says little of what is done in a second.
RATE_S = 5.0
# Least traffic in each direction: half of a 256 MiB guest's memory, more than any reserve could swallow.
SWAP_MIB = 128

SIGBUS = 7
SIGKILL = 9

# Steps whose load counts its work, so that no work is no progress.  "loads": several at once.
COUNTING_STEPS = ("pageload", "dirty", "loads")
# The step that begins the use of the device; traffic counts from there.
USE_STEPS = ("mount", "swapon")
# Loads that know each of their pages (guest/pageload.c), and the event that each reports.
PAGE_EVENTS = ("pageload", "dirty")
# Who calls swapoff under load.  The kernel kills it first when what it brings in does not fit: its answer, and no failure.
SWAPOFF_COMM = "swapcycle"

PANIC_TEXT = re.compile(r"Kernel panic - not syncing|\bOops: |kernel BUG at |BUG: unable to handle|general protection fault")
# Two panics that are the end of something else: init itself had a page that could not be read back (its signal's frame may
# lie on another such page), and the OOM killer had nobody left to kill.
INIT_TEXT = re.compile(r"Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000[7b]")
NOBODY_TEXT = re.compile(r"Kernel panic - not syncing: System is deadlocked on memory")
OOM_TEXT = re.compile(r"Out of memory: Killed process \d+ \([^)]*\)|Memory cgroup out of memory: Killed process \d+ \([^)]*\)")
# What the kernel says before it kills: an OOM with much of it left is another finding than one without.
OOM_REPORT_CHARS = 16384
SWAP_LEFT_TEXT = re.compile(r"Free swap +=\s*(\d+)kB[^T]*?Total swap =\s*(\d+)kB")
IO_TEXT = re.compile(r"(?:Read|Write)-error on swap-device|(?:Buffer )?I/O error,? (?:on )?dev (?:abuse|vd|zram|nbd|ublkb|loop|ram)\w*")
SIGBUS_TEXT = re.compile(r"\bSIGBUS\b|Bus error")

# An oops of which stale_int3() tells.  6.1 leaves out the "Oops: ".  "#1": what comes after the first may be its consequence.
INT3_TEXT = re.compile(r"\bint3: [0-9a-f]{4} \[#1\]")
INT3_LINES = 40                 # from its first line to the one with the code
SECOND_TEXT = re.compile(r"\[#(?:[2-9]|\d\d)\]")
INT3_AGAIN_TEXT = re.compile(r"\bint3: [0-9a-f]{4} \[#\d+\]")
# What the kernel may have complained of before: then it is not the emulator's alone.
COMPLAINT_TEXT = re.compile(r"\bBUG\b|\bWARNING\b|\bK[AC]SAN\b|\bUBSAN\b|\bKFENCE\b|general protection|unable to handle|lockup|stall|"
                            r"corruption|blocked for more|page allocation failure|[Oo]ut of memory|oom-kill|I/O error|-error on swap")
PLACE_TEXT = re.compile(r"\bRIP: [0-9a-f]{4}:(\S+)")
# The byte in <> is the one at the instruction pointer: the one after an int3.
CODE_TEXT = re.compile(r"\bCode: ((?:[0-9a-f]{2} )+)<([0-9a-f]{2})>((?: [0-9a-f]{2})*)")
# What the kernel leaves in a place that it has changed: a NOP of two or five bytes, a jump, a call.
CHANGED_CODE = ("66 90", "0f 1f 44 00 00", "eb", "e9", "e8")

# The end of a kernel, where it does not begin by a complaint; and the line that has the flags, some lines below it.
DEATH_TEXT = re.compile(rf"{COMPLAINT_TEXT.pattern}|\bOops\b|double fault|\bint3\b|Kernel panic")
FLAGS_TEXT = re.compile(r"\bEFLAGS: ([0-9a-f]{8})\b")
FLAGS_LINES = 20
# Bits 3, 5, 15 and all above 21, which a processor never sets, and bit 1, which it always sets.
FLAGS_NEVER, FLAGS_ALWAYS = 0xffc08028, 0x00000002


@dataclass
class Evidence:
    """What a run left behind.

    arm         the arm's TOML, as a dict
    heartbeats  lines of the port "heartbeat", in order; each with "host_s", seconds since the guest was started
    results     lines of the port "result", in order; each with "host_s"
    qmp         QEMU's events, in order
    console     the kernel log and what the job printed
    sysrq       {"key", "answered"} for each that was sent
    ended       why the host stopped looking: "exit", "panic", "stall", "crawl", "silent", "limit", "boot" or "teardown"
    duration_s  host seconds from the guest's start to then
    nmi_sent    the host sent an NMI afterwards, so that a panic in the log is its doing
    accel       QEMU's -accel: an emulator has faults of its own (emulators_fault)

    The arm's section "control", if it is there, is what healthy runs of the same load do a second: rates.py puts it there.
    """

    arm: dict[str, Any]
    heartbeats: list[dict[str, Any]] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    qmp: list[dict[str, Any]] = field(default_factory=list)
    console: str = ""
    sysrq: list[dict[str, Any]] = field(default_factory=list)
    ended: str = "exit"
    duration_s: float = 0.0
    nmi_sent: bool = False
    accel: str = "tcg"


@dataclass
class Judgement:
    verdict: str
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass
class Stall:
    """A window at the end of the heartbeats in which nothing progressed."""

    window_s: float
    in_care: int | None         # requests accepted and not ended; None without our module
    busy_cpus: float            # processors' worth of work, mean over the window
    server_cpus: float | None   # of that, the server's; None if it is not watched
    last: dict[str, Any] = field(default_factory=dict)


@dataclass
class Crawl:
    """A window at the end of the heartbeats in which next to nothing was done, measured by a control."""

    window_s: float
    what: str                   # what was counted: "load_units" or "ended"
    per_s: float
    control_per_s: float
    busy_cpus: float            # the least of any part of the window

    @property
    def share(self) -> float:
        return self.per_s / self.control_per_s


# ------------------------------------------------------------------ reading


def beats(heartbeats: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The heartbeats proper: without the agent's first line and what was cut off."""
    return [beat for beat in heartbeats if "t_ms" in beat]


def in_care(beat: dict[str, Any]) -> int | None:
    """Requests in the module's care, or in flight to a peer by the block layer's count; None if neither is told."""
    counters = beat.get("abuse")
    if counters:
        return int(counters["accepted"]) - int(counters["ended"])
    disk = beat.get("disk")
    return int(disk["in_flight"]) if disk else None


def progress(beat: dict[str, Any]) -> tuple[int, int]:
    """What only moves with progress: requests ended well, units of the load.  A page whose write fails is written again for ever."""
    counters = beat.get("abuse")
    if counters:
        ended = int(counters["ended"]) - int(counters.get("ended_error", 0))
    else:
        # A peer has no counters of ours; pages that came back in are ended requests at least.
        ended = int(beat.get("pswpin", 0)) + int((beat.get("disk") or {}).get("ended", 0))
    return ended, int(beat.get("load_units", 0))


def _busy_ticks(beat: dict[str, Any]) -> int:
    return sum(int(beat.get(f"cpu_{kind}_ticks", 0)) for kind in ("user", "nice", "system"))


def _busy_between(first: dict[str, Any], last: dict[str, Any]) -> float:
    """Processors' worth of work between two heartbeats."""
    return (_busy_ticks(last) - _busy_ticks(first)) / 100 / max(0.001, (last["t_ms"] - first["t_ms"]) / 1000)


def step_at_end(results: list[dict[str, Any]]) -> str:
    """Name of the job's last step; "" before the first."""
    names = [result["name"] for result in results if result.get("event") == "step"]
    return str(names[-1]) if names else ""


def used(results: list[dict[str, Any]]) -> bool:
    """Whether the job got past the steps that bring the device into use: what was too much for the memory before is no finding."""
    names = [str(result.get("name")) for result in results if result.get("event") == "step"]
    last = max((at for at, name in enumerate(names) if name in USE_STEPS), default=-1)
    return 0 <= last < len(names) - 1


def agent_stopped(results: list[dict[str, Any]]) -> bool:
    """Whether the job has told the agent to end: no heartbeat is due any more."""
    return any(result.get("event") == "step" and result.get("name") == "agent-stop" for result in results)


def find(results: list[dict[str, Any]], event: str) -> dict[str, Any] | None:
    """The last result of that event."""
    found = [result for result in results if result.get("event") == event]
    return found[-1] if found else None


def stall(heartbeats: list[dict[str, Any]], step: str, limit_s: float = STALL_S,
          step_host_s: float = 0.0) -> Stall | None:
    """The stall at the end of `heartbeats`, if it has lasted `limit_s` seconds of guest time.

    A machine with nothing to do does not progress either: there must be a request in care, or a load that counts its
    work (COUNTING_STEPS).  step_host_s: when the step began; the window does not reach back before it.
    """
    series = [beat for beat in beats(heartbeats) if beat.get("host_s", 0.0) >= step_host_s]
    if len(series) < 2:
        return None
    last = series[-1]
    first = last
    for beat in reversed(series):
        if progress(beat) != progress(last):
            break
        first = beat
    window_s = (last["t_ms"] - first["t_ms"]) / 1000
    held = in_care(last)
    waiting = bool(held) or step in COUNTING_STEPS or (not last.get("abuse") and step == "swapoff")
    if window_s < limit_s or not waiting:
        return None
    busy_cpus = _busy_between(first, last)
    server_cpus = None
    # Where others serve in the place of the one that is watched, nobody knows what they use.
    replaced = (last.get("server") or {}).get("state") in ("X", "Z") and (last.get("abuse") or {}).get("nr_servers")
    if first.get("server") and last.get("server") and first["server"]["pid"] == last["server"]["pid"] and not replaced:
        # A process that has gone reports no ticks.
        used = last["server"]["cpu_ticks"] - first["server"]["cpu_ticks"]
        server_cpus = max(0, used) / 100 / window_s
    return Stall(window_s, held, busy_cpus, server_cpus, last)


def stall_of(evidence: Evidence) -> Stall | None:
    """The stall at the end of a run, under its arm's limits."""
    steps = [result for result in evidence.results if result.get("event") == "step"]
    limit_s = float(evidence.arm.get("limits", {}).get("stall_s", STALL_S))
    return stall(evidence.heartbeats, step_at_end(evidence.results), limit_s,
                 float(steps[-1].get("host_s", 0.0)) if steps else 0.0)


def crawl(heartbeats: list[dict[str, Any]], step: str, control: dict[str, Any], window_s: float = CRAWL_S,
          step_host_s: float = 0.0) -> Crawl | None:
    """The crawl at the end of `heartbeats`: in the last `window_s` seconds of guest time, and in each of CRAWL_PARTS of
    them, less than CRAWL_SHARE of what the control does was done, with BUSY_CPUS processors busy; None if it is none.

    control: {"steps": {STEP: {"what", "per_s"}}}, see rates.py; without a rate for `step` nothing can be said.  The window lies within the step.
    """
    rate = (control.get("steps") or {}).get(step)
    if not rate or float(rate["per_s"]) <= 0:
        return None
    series = [beat for beat in beats(heartbeats) if beat.get("host_s", 0.0) >= step_host_s]
    if not series or series[-1]["t_ms"] - series[0]["t_ms"] < window_s * 1000:
        return None
    index = 1 if rate["what"] == "load_units" else 0
    last = series[-1]
    # Ends of the parts, each the first heartbeat at or after its time.
    marks = [last["t_ms"] - window_s * 1000 * (CRAWL_PARTS - part) / CRAWL_PARTS for part in range(CRAWL_PARTS)]
    ends = [next(beat for beat in series if beat["t_ms"] >= mark) for mark in marks] + [last]
    limit_per_s = float(rate["per_s"]) * CRAWL_SHARE
    busy: list[float] = []
    for first, then in zip(ends, ends[1:]):
        seconds = (then["t_ms"] - first["t_ms"]) / 1000
        if seconds <= 0 or (progress(then)[index] - progress(first)[index]) / seconds >= limit_per_s:
            return None
        busy.append(_busy_between(first, then))
    if min(busy) < BUSY_CPUS:
        return None
    seconds = (last["t_ms"] - ends[0]["t_ms"]) / 1000
    return Crawl(seconds, str(rate["what"]), (progress(last)[index] - progress(ends[0])[index]) / seconds,
                 float(rate["per_s"]), min(busy))


def crawl_of(evidence: Evidence) -> Crawl | None:
    """The crawl at the end of a run, under its arm's limits."""
    steps = [result for result in evidence.results if result.get("event") == "step"]
    return crawl(evidence.heartbeats, step_at_end(evidence.results), evidence.arm.get("control") or {},
                 float(evidence.arm.get("limits", {}).get("crawl_s", CRAWL_S)),
                 float(steps[-1].get("host_s", 0.0)) if steps else 0.0)


def traffic(evidence: Evidence) -> dict[str, int]:
    """Bytes that went through the device and the swap code since it came into use.

    Keys: pswpin_bytes, pswpout_bytes; read_bytes, write_bytes, if our module or the block layer counts them; with our
    module also nr_ended, nr_ended_error.
    """
    swapon_s = next((float(result.get("host_s", 0.0)) for result in evidence.results
                     if result.get("event") == "step" and result.get("name") in USE_STEPS), None)
    series = beats(evidence.heartbeats)
    if swapon_s is None or not series:
        return {}
    before = [beat for beat in series if beat.get("host_s", 0.0) <= swapon_s]
    first, last = (before or series)[-1 if before else 0], series[-1]
    numbers = {name + "_bytes": (int(last.get(name, 0)) - int(first.get(name, 0))) * PAGE_BYTES
               for name in ("pswpin", "pswpout")}
    # The agent's control node is gone once the module is: take the last beat that had it.
    counted = [beat["abuse"] for beat in series if beat.get("abuse")]
    if counted:
        start = first.get("abuse") or {}
        for ours, theirs in (("read_bytes", "read_bytes"), ("write_bytes", "write_bytes"),
                             ("nr_ended", "ended"), ("nr_ended_error", "ended_error")):
            numbers[ours] = int(counted[-1][theirs]) - int(start.get(theirs, 0))
    elif "read_bytes" in (last.get("disk") or {}):
        start = first.get("disk") or {}
        for name in ("read_bytes", "write_bytes"):
            numbers[name] = int(last["disk"][name]) - int(start.get(name, 0))
    return numbers


def rates(evidence: Evidence) -> dict[str, dict[str, Any]]:
    """Work a second of guest time in each step of the run that lasted: {STEP: {"what", "per_s"}}.

    Units of the load where it counts them, else requests that ended.  What a later run is measured by (rates.py).
    """
    steps = [result for result in evidence.results if result.get("event") == "step"]
    found: dict[str, dict[str, Any]] = {}
    for number, step in enumerate(steps):
        end_s = float(steps[number + 1]["host_s"]) if number + 1 < len(steps) else evidence.duration_s
        series = [beat for beat in beats(evidence.heartbeats) if float(step["host_s"]) <= beat.get("host_s", 0.0) <= end_s]
        seconds = (series[-1]["t_ms"] - series[0]["t_ms"]) / 1000 if series else 0.0
        if seconds < RATE_S:
            continue
        ended, units = (after - before for before, after in zip(progress(series[0]), progress(series[-1])))
        done = ("load_units", units) if units else ("ended", ended)
        if done[1]:
            found[str(step["name"])] = {"what": done[0], "per_s": round(done[1] / seconds, 3)}
    return found


def is_on(value: Any) -> bool:
    """Whether a server's word for a protection means that it is in force."""
    if isinstance(value, dict):
        value = value.get("on", value.get("value", False))
    if isinstance(value, str):
        return value.lower() not in ("", "off", "none", "no", "false", "0")
    return bool(value)


# ------------------------------------------------------------------ judging


def _numbers(evidence: Evidence) -> dict[str, Any]:
    numbers: dict[str, Any] = dict(traffic(evidence))
    series = beats(evidence.heartbeats)
    numbers["nr_heartbeats"] = len(series)
    numbers["duration_s"] = round(evidence.duration_s, 1)
    numbers["step"] = step_at_end(evidence.results)
    if series:
        last = series[-1]
        numbers["free_kb"] = last.get("free_kb")
        numbers["load_units"] = last.get("load_units")
        numbers["last_heartbeat_host_s"] = round(float(last.get("host_s", 0.0)), 1)
        if last.get("abuse"):
            numbers["counters"] = last["abuse"]
    return numbers


def emulated(accel: str) -> bool:
    """Whether processors that run at the same time are emulated, as emulators_fault() needs it."""
    return accel.startswith("tcg") and "thread=single" not in accel


def _same_int3(log: Sequence[str], first: str) -> bool:
    """Whether each further oops is an int3, too, and its code, byte by byte, the first one's: another processor in the same place."""
    for number, line in enumerate(log):
        if not SECOND_TEXT.search(line):
            continue
        match = next((found for later in log[number:number + INT3_LINES] if (found := CODE_TEXT.search(later))), None)
        if not INT3_AGAIN_TEXT.search(line) or match is None or match[0] != first:
            return False
    return True


def stale_int3(lines: Iterable[str]) -> str | None:
    """A sentence that names the place if all that a kernel log complains of is the emulator's stale int3; else None.

    The kernel changes its own code while it runs: it writes int3 (0xcc) over an instruction's first byte, then the new rest, then
    the new first byte.  Emulated processors run translations of memory.  QEMU (7.2) can translate the int3 on one processor while
    another one writes over it, and then keeps that translation for good.  Whoever comes by next traps, long after the kernel has
    finished, and the kernel rightly knows of no int3 there.  It happens once in some hundred boots, to any task.

    The log proves it: the kernel prints the bytes around the trap as memory has them, and where the processor is said to have met
    an int3 there is none, but one of the instructions that the kernel puts in such places.  Two processors may come by at once.
    """
    log = list(lines)
    at = next((number for number, line in enumerate(log) if INT3_TEXT.search(line)), None)
    if at is None or any(COMPLAINT_TEXT.search(line) for line in log[:at]):
        return None
    place, match = "", None
    for line in log[at:at + INT3_LINES]:
        place = place or (found[1] if (found := PLACE_TEXT.search(line)) else "")
        match = CODE_TEXT.search(line)
        if match:
            break
    if not place or match is None or not _same_int3(log[at:], match[0]):
        return None
    # An "int $3" is two bytes, and ends in 03: it is not in the list.
    code = f"{match[1].split()[-1]} {match[2]}{match[3]}"
    return f"the emulator ran an int3 at {place} that is no longer in memory ({code[:14].rstrip()})" if code.startswith(CHANGED_CODE) else None


def impossible_flags(lines: Iterable[str]) -> str | None:
    """A sentence that names the place if what a kernel log first complains of came with flags that no processor has; else None.

    QEMU (7.2) computes a processor's flags when somebody asks for them, from what the last instructions left; once in some 800
    boots it took the lower half of a pointer for them.  A trap flag in it ends in a debug exception in the middle of the kernel,
    another bit in a return to nowhere.  The registers that the kernel prints prove it: flags that it was interrupted with are
    written by the processor, not by code, and these have bits that a processor keeps at zero.
    """
    log = list(lines)
    at = next((number for number, line in enumerate(log) if DEATH_TEXT.search(line)), None)
    if at is None:
        return None
    place = ""
    for line in log[at:at + FLAGS_LINES]:
        place = place or (found[1] if (found := PLACE_TEXT.search(line)) else "")
        match = FLAGS_TEXT.search(line)
        if match:
            flags = int(match[1], 16)
            wrong = flags & FLAGS_NEVER or not flags & FLAGS_ALWAYS
            return f"the emulator gave a processor flags that none can have (EFLAGS {match[1]} at {place or 'no place'})" if wrong else None
    return None


def emulators_fault(lines: Iterable[str]) -> str | None:
    """What a kernel log proves the emulator to have done, if that is how the kernel died; else None."""
    log = list(lines)
    return stale_int3(log) or impossible_flags(log)


def _init_died(evidence: Evidence) -> bool:
    """Whether the kernel's first complaint is that init is gone, where the device had failed before."""
    found = PANIC_TEXT.search(evidence.console)
    return bool(found and INIT_TEXT.match(evidence.console, found.start()) and _io_error(evidence, {}))


def _panic(evidence: Evidence) -> str | None:
    if evidence.nmi_sent:
        return None
    found = PANIC_TEXT.search(evidence.console)
    if found and (_init_died(evidence) or NOBODY_TEXT.match(evidence.console, found.start())):
        return None
    if found:
        line = evidence.console[found.start():].split("\n", 1)[0]
        return f"the kernel reports: {line.strip()}"
    if any(event.get("event") == "GUEST_PANICKED" for event in evidence.qmp):
        return "the guest told QEMU of a panic"
    return None


def _corrupt(evidence: Evidence) -> str | None:
    for result in evidence.results:
        if result.get("event") in PAGE_EVENTS and result.get("mismatches"):
            first = (result.get("first_mismatches") or [{}])[0]
            where = ""
            if first.get("expected"):
                where = (f": worker {first['worker']} page {first['page']} should be of generation "
                         f"{first['expected']['generation']}, names itself worker {first['found']['worker']} page "
                         f"{first['found']['page']} generation {first['found']['generation']}")
            return f"{result['mismatches']} of {result.get('verified', '?')} pages had other content{where}"
    return None


def _hang(evidence: Evidence, numbers: dict[str, Any]) -> tuple[str, str] | None:
    if find(evidence.results, "exit") is not None or evidence.ended in ("exit", "panic", "boot", "teardown"):
        return None
    answered = [sent["key"] for sent in evidence.sysrq if sent.get("answered")]
    series = beats(evidence.heartbeats)
    last_s = float(series[-1].get("host_s", 0.0)) if series else 0.0
    silent_limit_s = float(evidence.arm.get("limits", {}).get("silent_s", SILENT_S))
    if evidence.ended == "silent":
        numbers["silent_s"] = round(evidence.duration_s - last_s, 1)
    if evidence.ended == "silent" and evidence.duration_s - last_s >= silent_limit_s:
        if not answered:
            return "LOST", (f"no heartbeat for {evidence.duration_s - last_s:.0f} s, and sysrq over the serial line was "
                            "not answered")
        return "DEADLOCK", (f"even the locked agent has been silent for {evidence.duration_s - last_s:.0f} s, while the "
                            f"kernel still answers sysrq {answered[0]}")
    stalled = stall_of(evidence)
    if stalled is None:
        return _crawl(evidence, numbers)
    numbers["stall"] = {key: value for key, value in asdict(stalled).items() if key != "last"}
    held = f"{stalled.in_care} requests in care" if stalled.in_care is not None else f"in step {numbers['step']}"
    failing = int((stalled.last.get("abuse") or {}).get("ended_error", 0)) > 0
    what = (f"no request ended{' but with an error' if failing else ''} and the load did nothing for {stalled.window_s:.0f} s of "
            f"guest time, {held}")
    if stalled.server_cpus is not None and stalled.server_cpus >= BUSY_CPUS:
        return "LIVELOCK", f"{what}; the server runs ({stalled.server_cpus:.1f} processors) without getting anywhere"
    if stalled.busy_cpus < BUSY_CPUS:
        return "DEADLOCK", f"{what}, and the processors idle ({stalled.busy_cpus:.2f} busy)"
    if stalled.server_cpus is not None and stalled.server_cpus < ASLEEP_CPUS:
        return "DEADLOCK", f"{what}; {stalled.busy_cpus:.1f} processors are busy, but the server sleeps"
    return "LIVELOCK", f"{what}; {stalled.busy_cpus:.1f} processors are busy all the same"


def _crawl(evidence: Evidence, numbers: dict[str, Any]) -> tuple[str, str] | None:
    crept = crawl_of(evidence)
    if crept is None:
        return None
    numbers["crawl"] = {**asdict(crept), "share": crept.share}
    what = "pages of the load" if crept.what == "load_units" else "requests"
    return "LIVELOCK", (f"for {crept.window_s:.0f} s of guest time {crept.per_s:.2f} {what} a second were done, a healthy run "
                        f"does {crept.control_per_s:.0f}, and {crept.busy_cpus:.1f} processors are busy at least")


def _killed(evidence: Evidence) -> tuple[str, str] | None:
    for result in evidence.results:
        for dead in result.get("died_by_signal") or []:
            if result.get("event") in PAGE_EVENTS and dead.get("signal") == SIGBUS:
                return "SIGBUS", f"worker {dead.get('worker')} of {result['event']} died of SIGBUS"
    if _init_died(evidence):
        return "SIGBUS", "init died of a page that could not be read back, and the kernel with it"
    found = SIGBUS_TEXT.search(evidence.console)
    if found:
        line_start = evidence.console.rfind("\n", 0, found.start()) + 1
        return "SIGBUS", f"the log says: {evidence.console[line_start:].splitlines()[0].strip()}"
    cycles = bool(evidence.arm.get("load", {}).get("swapoff_under_load"))
    told = list(OOM_TEXT.finditer(evidence.console))
    meant = [found for found in told if cycles and f"({SWAPOFF_COMM})" in found.group(0)]
    found = next((found for found in told if found not in meant), None)
    if found:
        last = "; then nobody was left to be killed, and it panicked" if NOBODY_TEXT.search(evidence.console) else ""
        return "OOM-KILL", f"the log says: {found.group(0)}{_swap_left(evidence.console, found.start())}{last}"
    if NOBODY_TEXT.search(evidence.console):
        return "OOM-KILL", "out of memory, and nobody was there to be killed: the kernel panicked"
    series = beats(evidence.heartbeats)
    kills = int(series[-1].get("oom_kill", 0)) - len(meant) if series else 0
    if kills > 0:
        return "OOM-KILL", f"vmstat counts {kills} OOM kills"
    for result in evidence.results:
        for dead in result.get("died_by_signal") or []:
            if result.get("event") in PAGE_EVENTS and dead.get("signal") == SIGKILL:
                return "OOM-KILL", f"worker {dead.get('worker')} of {result['event']} was killed (SIGKILL)"
    return None


def _swap_left(console: str, at: int) -> str:
    """What was free of the swap when the kernel killed at `at`, by its report; "" if it told none."""
    told = list(SWAP_LEFT_TEXT.finditer(console, max(0, at - OOM_REPORT_CHARS), at))
    if not told or not int(told[-1].group(2)):
        return ""
    free_kib, total_kib = (int(word) for word in told[-1].groups())
    return f", with {free_kib >> 10} of {total_kib >> 10} MiB of swap free"


def _io_error(evidence: Evidence, numbers: dict[str, Any]) -> str | None:
    counted = [beat["abuse"] for beat in beats(evidence.heartbeats) if beat.get("abuse")]
    if counted and counted[-1]["ended_error"]:
        return f"{counted[-1]['ended_error']} requests ended with an error"
    found = IO_TEXT.search(evidence.console)
    return f"the log says: {found.group(0)}" if found else None


def _toggle(evidence: Evidence) -> str | None:
    """Which toggle of the kernel, wanted by the arm, was not read back as such.

    They are set before the load: without them it is another arm that hung or passed.
    """
    if not any(result.get("event") == "step" and result.get("name") in USE_STEPS for result in evidence.results):
        return None
    read = {str(result.get("name")): result for result in evidence.results if result.get("event") == "toggle"}
    wanted = {key: value for key, value in evidence.arm.get("vm", {}).items()}
    wanted.update({f"cgroup_{key}": value for key, value in evidence.arm.get("cgroup", {}).items() if key != "holds"})
    for name, value in wanted.items():
        if name not in read:
            return f"the guest did not read {name} back"
        if str(read[name].get("value")) != str(int(value)):
            return f"the arm wants {name} to be {int(value)}, and the guest read {read[name].get('value')}"
    return None


def _cgroup(evidence: Evidence) -> str | None:
    """Why the arm's limit cannot have acted: the group held nothing to speak of."""
    cgroup = evidence.arm.get("cgroup")
    if not cgroup:
        return None
    said = find(evidence.results, "cgroup")
    if said is None:
        return "the guest did not say what its control group held"
    limit_mib = min(int(cgroup[key]) for key in ("memory_max_mib", "memory_high_mib") if key in cgroup)
    # A server is small, and what holds the load reaches the limit.
    least_bytes = 1 if cgroup.get("holds", "load") == "server" else limit_mib * MIB // 2
    peak_bytes = int(said.get("peak_bytes") or 0)
    if peak_bytes < least_bytes:
        return (f"the control group held {peak_bytes // MIB} MiB at most, of {limit_mib} allowed: its limit cannot have "
                "acted")
    return None


def _held(evidence: Evidence) -> str | None:
    """Why a server that is to hold writes back cannot have done so; None if it did, or is to hold none."""
    wanted = int((evidence.arm.get("server") or {}).get("hold", 0))
    if wanted < 2:
        return None
    said = find(evidence.results, "server-end")
    if said is None or "held" not in said:
        return "the server did not say how often it held writes back"
    return None if said["held"] else f"never did {wanted} writes come together because the server had waited for them"


def _other_loads(evidence: Evidence) -> str | None:
    """Which load of the arm, besides pageload and stress-ng, was not shown to have done its work."""
    load = evidence.arm.get("load", {})
    if load.get("dirty"):
        pages = find(evidence.results, "dirty")
        if pages is None or not pages.get("ok"):
            return "the dirty mappings were not finished" if pages is None else "not all pages of the dirty mappings were verified"
    if load.get("fork_exec"):
        said = find(evidence.results, "fork-exec")
        if said is None or not said.get("spawned"):
            return "fork-exec started no process" if said else "fork-exec did not tell what it did"
    if load.get("evict_passes"):
        said = find(evidence.results, "evict")
        if said is None or not said.get("ok"):
            return f"the eviction failed: {said.get('why')}" if said else "the eviction did not tell what it did"
        before, after = int(said.get("decoy_before_kb", 0)), int(said.get("decoy_after_kb", 0))
        if after * 2 > before:
            return f"the eviction left {after} of {before} KiB of a process that nothing protects: it evicts nobody"
    if load.get("swapoff_under_load"):
        said = find(evidence.results, "swapoff-under-load")
        if said is None or said.get("result") not in ("done", "killed", "no-memory"):
            return f"swapoff under load: {said.get('result')}" if said else "swapoff under load did not tell what it did"
        if not said.get("used_kb"):
            return "swapoff came before anything was swapped out"
    return None


def _fault(evidence: Evidence) -> str | None:
    """Whether the arm's fault did not come as often as wanted."""
    fault = evidence.arm.get("fault")
    if fault:
        # "acted" is said of signals alone: the kernel takes one also for a process that never acts on it.
        came = [result for result in evidence.results if result.get("event") == "fault" and result.get("acted", True)]
        if len(came) < int(fault.get("count", 1)):
            refused = find(evidence.results, "fault-failed")
            return (f"the fault {fault['kind']} came {len(came)} times of {fault.get('count', 1)}"
                    + (f": {refused.get('why')}" if refused else ""))
    return None


def _unread(evidence: Evidence, numbers: dict[str, Any]) -> str | None:
    """What of the device was not as the arm says, by the kernel's own word; None if all was."""
    wanted = evidence.arm.get("readback") or {}
    if not wanted:
        return None
    said = find(evidence.results, "read-back") or {}
    numbers["read_back"] = {name: said.get(name) for name in wanted}
    for name, entry in wanted.items():
        value = said.get(name)
        if value is None or not re.search(entry["want"], str(value)):
            return f"the arm wants {name} to be /{entry['want']}/, and {entry['file']} says {value!r}"
    return None


def _void(evidence: Evidence, numbers: dict[str, Any]) -> str | None:
    """Why the run proves nothing, although nothing broke; None if it does prove something."""
    arm = evidence.arm
    if evidence.ended == "boot":
        return "the guest did not get to its job"
    if evidence.ended == "teardown":
        return f"the swap area is gone, but what served it does not end, in step {numbers['step']}"
    failed = find(evidence.results, "failed")
    if failed is not None:
        return f"the job failed at {failed.get('step')} (status {failed.get('status')})"
    ended = find(evidence.results, "exit")
    if ended is None:
        if evidence.ended == "limit":
            return (f"still moving at the limit of {arm.get('limits', {}).get('total_s', '?')} s, in step "
                    f"{numbers['step'] or 'boot'}: neither finished nor hung")
        return f"the guest ended in step {numbers['step'] or 'boot'} without telling its result"
    server = arm.get("server")
    if server:
        said = find(evidence.results, "server")
        if said is None:
            return "the server did not say which protections it holds"
        held = said.get("protections") or {}
        numbers["protections"] = held
        missing = [name for name in server.get("protections_on", []) if not is_on(held.get(name))]
        if missing:
            return f"the arm wants these protections, and the server did not read them back as on: {', '.join(missing)}"
        extra = [name for name in server.get("protections_off", []) if is_on(held.get(name))]
        if extra:
            return f"the arm wants these protections off, and the server holds them: {', '.join(extra)}"
    unread = _unread(evidence, numbers)
    if unread:
        return unread
    fault = _fault(evidence)
    if fault:
        return fault
    cgroup = _cgroup(evidence)
    if cgroup:
        return cgroup
    held = _held(evidence)
    if held:
        return held
    load = arm.get("load", {})
    if load.get("pageload"):
        pages = find(evidence.results, "pageload")
        if pages is None or not pages.get("ok"):
            return "pageload did not finish" if pages is None else "pageload finished, but did not verify all of its pages"
    if load.get("stress_ng"):
        stress = find(evidence.results, "stress-ng")
        wanted = int(load.get("stress_ops", 0))
        if stress is None or stress.get("status") != 0:
            return f"stress-ng did not finish (status {stress.get('status') if stress else 'none'})"
        if int(stress.get("ops", 0)) < wanted:
            return f"stress-ng did {stress.get('ops')} of {wanted} operations"
    other = _other_loads(evidence)
    if other:
        return other
    if ended.get("status") != 0:
        return f"the job ended with status {ended.get('status')}"
    need_mib = int(arm.get("judge", {}).get("swap_mib", SWAP_MIB))
    # Without swap: what must have been written to the device, and read from it, if the load does that.
    write_mib, read_mib = (int(arm.get("judge", {}).get(key, need_mib)) for key in ("write_mib", "read_mib"))
    wanted = {"pswpin_bytes": need_mib, "pswpout_bytes": need_mib}
    if arm.get("device", {}).get("counters") == "abuse" or "write_mib" in arm.get("judge", {}):
        wanted.update(read_bytes=read_mib, write_bytes=write_mib)
    numbers["needed_bytes"] = need_mib * MIB
    for name, mib in wanted.items():
        if numbers.get(name, 0) < mib * MIB:
            return f"too little swapping to prove anything: {name} is {numbers.get(name, 0) // MIB} MiB, {mib} needed"
    return None


def judge(evidence: Evidence) -> Judgement:
    """The verdict.  What broke worst comes first; whatever else broke becomes a note.

    Before that: a run whose kernel was not set up as its arm says is INVALID, whatever happened in it.  One that the emulator
    ended is, if nothing else had happened.
    """
    numbers = _numbers(evidence)
    found: list[tuple[str, str]] = []
    toggle = _toggle(evidence)
    if toggle:
        found.append(("INVALID", toggle))
    panic = _panic(evidence)
    if panic:
        found.append(("PANIC", panic))
    corrupt = _corrupt(evidence)
    if corrupt:
        found.append(("CORRUPT", corrupt))
    hang = _hang(evidence, numbers)
    if hang:
        found.append(hang)
    killed = _killed(evidence)
    if killed and killed[0] == "OOM-KILL" and not used(evidence.results):
        killed = "INVALID", f"before the device was in use, in step {numbers['step'] or 'boot'}: {killed[1]}"
    if killed:
        found.append(killed)
    io_error = _io_error(evidence, numbers)
    if io_error:
        found.append(("IO-ERROR", io_error))
    void = _void(evidence, numbers)
    if [name for name, _reason in found] == ["PANIC"] and evidence.ended in ("panic", "exit") and emulated(evidence.accel) and \
            (fault_of_it := emulators_fault(evidence.console.splitlines())):
        # Nothing else had been found, and it was no dump for a hang that met it.
        found = [("INVALID", fault_of_it)]
    if void and not found:
        found.append(("INVALID", void))
    elif found and (fault := _fault(evidence)):
        # What broke may have broken without it, or have kept it from being told: a note, for the reader to decide.
        found.append(("INVALID", fault))
    if found:
        notes = [f"{verdict}: {reason}" for verdict, reason in found[1:]]
        return Judgement(found[0][0], found[0][1], numbers, notes)
    written = numbers.get("write_bytes", numbers.get("pswpout_bytes", 0)) // MIB
    read = numbers.get("read_bytes", numbers.get("pswpin_bytes", 0)) // MIB
    numbers["rates"] = rates(evidence)
    verified_pages = sum(int((find(evidence.results, event) or {}).get("verified", 0)) for event in PAGE_EVENTS)
    verified = f", {verified_pages} pages verified" if verified_pages else ""
    return Judgement("PASS", f"the loads finished{verified}; {written} MiB went out to the device and {read} MiB came back",
                     numbers)


# -------------------------------------------------------------------- files


def _lines(text: str) -> list[dict[str, Any]]:
    out = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            out.append(value)
    return out


def load_texts(manifest: dict[str, Any], text: Callable[[str], str]) -> Evidence:
    """Evidence from the manifest and the texts of the other files, by name; "" for one that is not there."""
    evidence = Evidence(arm=manifest["arm"], heartbeats=_lines(text("heartbeat.jsonl")), console=text("console.log"),
                        accel=str(manifest.get("accel", "tcg")))
    for line in _lines(text("events.jsonl")):
        kind, payload = line.get("kind"), line.get("payload")
        if kind == "result":
            evidence.results.append({**payload, "host_s": line["host_s"]})
        elif kind == "qmp":
            evidence.qmp.append(payload)
        elif kind == "sysrq":
            evidence.sysrq.append(payload)
        elif kind == "nmi":
            evidence.nmi_sent = True
        elif kind == "ended":
            evidence.ended, evidence.duration_s = payload["why"], float(line["host_s"])
    return evidence


def load(folder: Path) -> Evidence:
    """Evidence of a results folder, as experiments/run wrote it.  OSError, KeyError, ValueError if it is not one."""
    manifest = json.loads((folder / "manifest.json").read_text())

    def text(name: str) -> str:
        path = folder / name
        return path.read_text(errors="replace") if path.is_file() else ""

    return load_texts(manifest, text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Judge finished runs again, from their folders.")
    parser.add_argument("results", type=Path, nargs="+", help="folders that experiments/run wrote")
    parser.add_argument("--json", action="store_true", help="one JSON object a run")
    args = parser.parse_args()
    status = 0
    for folder in args.results:
        try:
            result = judge(load(folder))
        except (OSError, KeyError, ValueError, TypeError) as error:
            print(f"verdict: {folder}: not a results folder ({error})", file=sys.stderr)
            status = 2
            continue
        if args.json:
            print(json.dumps({"results": str(folder), **asdict(result)}))
        else:
            print(f"{folder.name}: {result.verdict}: {result.reason}")
    return status


if __name__ == "__main__":
    sys.exit(main())
