# SPDX-License-Identifier: GPL-2.0-only
"""One boot of one guest that runs a list of tests, watched to its end.

Where it stands: headers > schedule > [boot] > guest/runner.sh > test.  Receives items, hands back a record for each that
ran; those without one are for the next boot.  It does not judge and does not retry.
"""
from __future__ import annotations

import json
import re
import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
BUILD = REPO / "build"
sys.path[:0] = [str(REPO / "experiments"), str(REPO / "vm-images")]

import cpio  # noqa: E402 (found through the line above)
from lab.vm import COUNTED_CPU, Disk, Event, Guest, LabError, find_qemu, make_disk  # noqa: E402
from lab.verdict import emulated, emulators_fault  # noqa: E402

from . import judge  # noqa: E402
from .headers import MANAGERS, Group, Test, Twin  # noqa: E402
from .kernels import KERNELS, Kernel  # noqa: E402
from .uml import UmlGuest  # noqa: E402

# All of these are for Debian's kernels; slower ones get more (Kernel.time_factor).
# A boot takes 3 to 6 s on an idle machine, and several times that on a busy one.
BOOT_S = 60.0
# Between two events of a guest that works: a module is loaded, leftovers are looked for and killed.
STEP_S = 20.0
# What the host grants beyond a test's limit before it calls the guest silent.
GRACE_S = 3.0
# From the watchdog's word to the test's end: stacks, kill, settling.
TIMEOUT_S = 25.0
# The console may be behind the result port by this much.
LOG_S = 5.0
# Looking for the reasons of a silence costs at most this much for each question.
ASK_S = 5.0
QUIET_S = 1.0

# Item numbers are names of files that sort, and JSON numbers: no leading zeros.
FIRST_ITEM = 1001

# The item at the end of each boot of a kernel with kmemleak, which looks for what the module leaked.
LEAKS = "leaks"
LEAKS_SOURCE = REPO / "tests" / "guest" / "leaks.sh"
LEAKS_S = 40.0

PROGRAMS = ("swapserver", "abusectl", "agent", "pageload")

_MARK = re.compile(re.escape(judge.MARK) + r"(begin|end) (\d+)")


@dataclass(frozen=True)
class Item:
    """One thing to run: a test, or one of its twins.

    limit_s     in the guest
    control     index in the same list of the healthy run that this twin follows: bounds its time; None: limit_s stands
    stall_s     watch its progress: a twin without any for so long hangs; None: do not
    """

    test: Test
    twin: Twin | None = None
    limit_s: float = 30.0
    control: int | None = None
    stall_s: float | None = None

    @property
    def is_leaks(self) -> bool:
        return self.test.source == LEAKS_SOURCE

    @property
    def key(self) -> tuple[str, str]:
        return self.test.label, self.twin.label if self.twin else ""

    @property
    def label(self) -> str:
        return self.test.label + (f" {self.twin.label}" if self.twin else "")


@dataclass
class Record:
    """What is known of one item: `result` is the guest's last word on it, None if it had none."""

    item: Item
    started: float = 0.0  # time.monotonic()
    ended: str | None = None  # judge.OOPS, DIED, SILENT: how the guest ended during it
    timed_out: bool = False
    limit_s: float = 0.0
    stall_s: float = 0.0  # how long without progress it may be; 0: that does not matter
    stalled: bool = False  # that is why it was ended
    result: dict[str, Any] | None = None
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    log_complete: bool = True
    result_at: float = 0.0
    end_mark: bool = False
    status: int = 0  # its exit status, where the guest went away before it told the result
    emulator_fault: str = ""  # why its end says nothing of it; the emulator's doing, see lab/verdict.py


@dataclass
class Boot:
    """What came of one boot.

    why     "done"; "spoiled" (the kernel complained: what comes next needs a new one); "stuck"; "boot"; or how it ended
            (judge.OOPS, DIED, SILENT)
    """

    records: list[Record]
    why: str
    seconds: float
    error: str = ""


class Interrupted(Exception):
    """The user wants to stop."""


@dataclass(frozen=True)
class Inputs:
    """Files of one (kernel, group)."""

    series: str
    group: Group
    kernel: Path
    images: tuple[Path, ...]
    overlay: tuple[tuple[str, Path, int], ...]  # place in the guest, host file, mode
    accel: str | None = None
    environment: tuple[str, ...] = ()  # NAME=VALUE, for every test

    @property
    def about(self) -> Kernel:
        return KERNELS[self.series]

    @staticmethod
    def of(series: str, group: Group, *, busted: bool) -> Inputs:
        """Find them.  LabError names the first that is missing and the command that makes it."""
        about = KERNELS[series]
        if not about.uml:
            find_qemu()
        kernel = BUILD / "kernels" / series / about.image
        tools = (*group.tools, *filter(None, (group.manager,)))
        images = [BUILD / "images" / f"{series}-base.cpio", *(BUILD / "images" / f"{tool}.cpio" for tool in tools)]
        overlay: list[tuple[str, Path, int]] = [("/job/run", REPO / "tests" / "guest" / "runner.sh", 0o755)]
        if about.leaks:
            overlay += [(f"/tests/{group.name}/{LEAKS}", LEAKS_SOURCE, 0o755), ("/job/leaks", LEAKS_SOURCE, 0o755)]
        wanted = [(kernel, about.make), *((path, about.make) for path in images[:1]), *((path, "images") for path in images[1:])]
        for test in group.tests:
            program = test.source if test.is_script else BUILD / "guest" / "tests" / test.group / test.name
            overlay.append((f"/tests/{test.label}", program, 0o755))
            wanted.append((program, "test-build"))
        # What scripts of this group source.
        overlay += [(f"/tests/{group.name}/lib/{path.name}", path, 0o644)
                    for path in sorted((REPO / "tests" / group.name / "lib").glob("*.sh"))]
        programs = (*PROGRAMS, *group.programs)
        overlay += [(f"/bin/{name}", BUILD / "guest" / name, 0o755) for name in programs]
        wanted += [(BUILD / "guest" / name, "test-build") for name in programs]
        for variant in sorted(variants(group, busted=busted) if not about.builtin else ()):
            name = "abuse_plant.ko" if variant == "-plant" else "abuse.ko"
            module = BUILD / "module" / f"{series}{variant}" / name
            overlay.append((place_of(variant), module, 0o644))
            target = "test-build-busted" if "busted" in variant else "test-build"
            wanted.append((module, f"{target} KERNEL={series}" if about.ours else target))
        for path, target in wanted:
            if not path.is_file():
                raise LabError(f"{path.relative_to(REPO)} is missing: run `make {target}`")
        return Inputs(series, group, kernel, tuple(images), tuple(overlay))

    def write_overlay(self, path: Path) -> Path:
        """The part of the initrd that all boots of this group share."""
        entries = [cpio.Entry.file(place, source, mode) for place, source, mode in self.overlay]
        serials = " ".join(serial for serial, _size in self.group.disks)
        group = f"DISKS={shlex.quote(serials)}\nMANAGER={shlex.quote(self.group.manager)}\n"
        entries.append(cpio.Entry.file("/job/group", group))
        if self.group.manager:
            entries.append(cpio.Entry.file("/job/manager", MANAGERS[self.group.manager] + "\n"))
        cpio.write_cpio(path, entries)
        return path


def variants(group: Group, *, busted: bool) -> set[str]:
    """The builds of the module that a group's tests need: the ends of their folders' names in build/module."""
    needed: set[str] = set()
    for test in group.tests:
        variant = f"-{test.variant}" if test.variant else ""
        if test.module or variant:
            needed.add(variant)
        if busted and any(twin.kind == "module" for twin in test.twins):
            needed.add(f"{variant}-busted")
    return needed


def place_of(variant: str) -> str:
    """Where one of them stands in the guest."""
    return f"/lib/abuse/abuse{variant}.ko"


def item_text(item: Item, control_number: int | None, about: Kernel | None = None,
              environment: Sequence[str] = ()) -> str:
    """An item as guest/runner.sh sources it."""
    test, twin = item.test, item.twin
    busted = twin.value if twin and twin.kind == "module" else ""
    variant = (f"-{test.variant}" if test.variant else "") + ("-busted" if busted else "")
    builtin = about is not None and about.builtin
    values = {
        "NAME": test.label,
        "LIMIT_S": str(max(1, round(item.limit_s))),
        "KO": place_of(variant) if test.module and not builtin else "",
        "BUILTIN": "1" if builtin else "",
        "MODULE_ARGS": " ".join(filter(None, (test.module_args, f"busted={busted}" if busted else ""))),
        "BUSTED": busted,
        "TWIN_ENV": twin.value if twin and twin.kind == "env" else "",
        "CONTROL": str(control_number or ("" if twin is None else "-")),
        "STALL_S": str(round(item.stall_s)) if item.stall_s else "",
        "LEAK_CHECK": "1" if test.leak_check and about is not None and about.leaks else "",
        "LAST": "1" if item.is_leaks else "",
        "ENVIRONMENT": " ".join(environment),
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def write_plan(path: Path, items: Sequence[Item], about: Kernel, environment: Sequence[str] = ()) -> Path:
    """The part of the initrd that is this boot's own: what to run."""
    entries = []
    for number, item in enumerate(items, FIRST_ITEM):
        control = None if item.control is None else FIRST_ITEM + item.control
        entries.append(cpio.Entry.file(f"/job/items/{number}", item_text(item, control, about, environment)))
    cpio.write_cpio(path, entries)
    return path


class _Watcher:
    """Follows one guest.  One instance a boot."""

    def __init__(self, items: Sequence[Item], stop: threading.Event, on_record: Callable[[Record], None],
                 factor: float = 1.0, on_progress: Callable[[str], None] | None = None) -> None:
        self._stop = stop
        self._on_record = on_record
        self._on_progress = on_progress
        self._factor = factor
        self.items = list(items)
        self.records: dict[int, Record] = {}
        self.finished: list[Record] = []
        self.early: list[str] = []  # the console outside tests
        self._at: int | None = None  # the item whose lines the console shows
        self._current: int | None = None  # the item that the guest says it runs
        self._deadline = time.monotonic() + BOOT_S * factor
        self.why = ""
        self.error = ""

    def _extend(self, seconds: float) -> None:
        """seconds: of the runner's own; those of a test's limit are with the factor in them already."""
        self._deadline = time.monotonic() + seconds * self._factor

    def _extend_test(self, record: Record) -> None:
        """A test runs: its limit, and less if it must show progress."""
        now = time.monotonic()
        end = record.started + record.limit_s
        if record.stall_s:
            # Progress is told once a second.
            end = min(end, now + record.stall_s + 1.0)
        self._deadline = end + GRACE_S * self._factor

    def _record(self, number: int) -> Record | None:
        if not FIRST_ITEM <= number < FIRST_ITEM + len(self.items):
            return None
        if number not in self.records:
            self.records[number] = Record(self.items[number - FIRST_ITEM], started=time.monotonic())
        return self.records[number]

    def _console(self, line: str) -> None:
        text = judge.kernel_text(line)
        mark = _MARK.match(text) if text else None
        if mark:
            number = int(mark[2])
            record = self._record(number)
            if record is not None and mark[1] == "end":
                record.end_mark = True
                self._at = None
            else:
                self._at = number
            return
        if text and self._on_progress is not None and text.startswith(f"{judge.OUTPUT}progress:"):
            self._on_progress(text.removeprefix(judge.OUTPUT))
        if self._at is not None and self._at in self.records:
            self.records[self._at].lines.append(line)
        else:
            self.early.append(line)

    def _result(self, payload: dict[str, Any]) -> None:
        event = payload.get("event")
        record = self._record(int(payload.get("item", 0)))
        if event == "ready":
            self._extend(STEP_S)
        elif event == "setup":
            self.error = str(payload.get("error"))
        elif event == "exit" and not self.why:
            self.error = self.error or f"the job ended with status {payload.get('status')}"
            self.why = judge.DIED
        elif event in ("done", "spoiled"):
            self.why = event
        elif record is None:
            return
        elif event == "start":
            record.started = time.monotonic()
            record.limit_s = float(payload["limit_s"])
            record.stall_s = float(payload.get("stall_s", 0))
            self._current = int(payload["item"])
            # insmod comes in between.
            self._extend_test(record)
        elif event == "alive":
            self._extend_test(record)
        elif event == "timeout":
            record.timed_out = True
            record.stalled = bool(payload.get("stalled"))
            self._extend(TIMEOUT_S)
        elif event == "ended":
            record.status = int(payload.get("status", 0))
            self._extend(STEP_S)
        elif event in ("test", "stuck"):
            if event == "stuck":
                payload = {"status": 137, "timeout": True, "ms": (time.monotonic() - record.started) * 1000,
                           "dirty": "cannot be killed", "stuck": True}
            record.result = payload
            record.result_at = time.monotonic()
            record.seconds = float(payload["ms"]) / 1000
            record.timed_out = record.timed_out or bool(payload.get("timeout"))
            self._current = None
            self._extend(STEP_S)
            if payload.get("stuck"):
                self.why = "stuck"

    def _finish(self, number: int) -> None:
        record = self.records.pop(number)
        if not record.seconds:
            record.seconds = time.monotonic() - record.started
        self.finished.append(record)
        self._on_record(record)

    def _sweep(self, *, all_of_them: bool = False) -> None:
        """Hand over what is complete: result and log."""
        for number in sorted(self.records):
            record = self.records[number]
            if record.result is None:
                continue
            if record.end_mark:
                self._finish(number)
            elif all_of_them or time.monotonic() - record.result_at > LOG_S:
                record.log_complete = False
                self._finish(number)

    def _take(self, event: Event) -> None:
        if event.kind == "console":
            self._console(event.payload)
        elif event.kind == "result":
            self._result(event.payload)
        elif event.kind == "qmp" and event.payload.get("event") == "GUEST_PANICKED":
            self.why = judge.OOPS
        elif event.kind == "exit" and not self.why:
            self.why = judge.DIED
            self.error = self.error or event.payload.get("stderr", "")

    def _drain(self, guest: Guest | UmlGuest, limit_s: float) -> None:
        """Take events until the guest has been quiet for a while."""
        deadline = time.monotonic() + limit_s
        while (left := deadline - time.monotonic()) > 0:
            event = guest.get_event(min(QUIET_S, left))
            if event is None or event.kind == "exit":
                return
            self._take(event)

    def _ask(self, guest: Guest | UmlGuest) -> None:
        """Stacks of a guest that says nothing, to its log, before it is killed."""
        self._console(f"[    0.000000] {judge.DUMP_BEGIN}")
        try:
            if guest.sysrq("w", timeout=ASK_S):
                self._drain(guest, ASK_S)
                guest.sysrq("l", timeout=ASK_S)
                self._drain(guest, ASK_S)
                return
            # Nothing answers: an NMI makes the kernel panic and print where it is; paused, it could not.
            guest.qmp("set-action", panic="none")
            guest.nmi()
            self._drain(guest, ASK_S)
        except LabError:
            return

    def follow(self, guest: Guest | UmlGuest) -> None:
        """Until the guest has done its work or will not."""
        while not self.why:
            if self._stop.is_set():
                raise Interrupted
            left = self._deadline - time.monotonic()
            event = guest.get_event(max(0.0, min(left, 0.5)))
            if event is not None:
                self._take(event)
            elif left <= 0:
                record = self.records.get(self._current or 0)
                if record is not None and record.stall_s:
                    record.stalled = time.monotonic() < record.started + record.limit_s
                self._ask(guest)
                # What it may have said meanwhile counts no more.
                self.why = judge.SILENT
            self._sweep()
        if self.why in ("done", "spoiled", "stuck"):
            deadline = time.monotonic() + LOG_S
            while self.records and any(r.result and not r.end_mark for r in self.records.values()) \
                    and time.monotonic() < deadline:
                event = guest.get_event(0.5)
                if event is None and not guest.running:
                    break
                if event is not None and event.kind != "exit":
                    self._take(event)
        elif self.why == judge.OOPS:
            # Nothing more comes while QEMU holds a guest that panicked.
            self._drain(guest, ASK_S)
        self._sweep(all_of_them=True)
        if self._current is not None and self._current in self.records:
            record = self.records[self._current]
            record.ended = self.why
            if self.why == judge.DIED and any("Kernel panic" in line for line in record.lines):
                record.ended = self.why = judge.OOPS
            # Not of a test that had failed before.
            if self.why == judge.OOPS and isinstance(guest, Guest) and emulated(str(guest.accel)) and not record.timed_out and \
                    record.status in (0, judge.SKIP_STATUS):
                record.emulator_fault = emulators_fault(record.lines) or ""
            self._finish(self._current)


def _guest(inputs: Inputs, workdir: Path, initrds: list[Path], disks: list[Disk]) -> Guest | UmlGuest:
    """The machine for one boot, not started yet."""
    about = inputs.about
    modules = ",".join(inputs.group.modules)
    append = " ".join(filter(None, (f"abuse.modules={modules}" if modules else "", about.append,
                                    "" if about.uml else inputs.group.boot)))
    memory_mib = round(inputs.group.memory_mib * about.memory_factor)
    if about.uml:
        return UmlGuest(kernel=inputs.kernel, initrds=initrds, workdir=workdir, append=append, memory_mib=memory_mib)
    extra: list[str] = []
    if inputs.group.bar_bytes:
        # Its BAR 2 is this file: memory that is not the guest's.
        bar = make_disk(workdir / "bar.raw", inputs.group.bar_bytes)
        extra = ["-object", f"memory-backend-file,id=bar,mem-path={bar},size={inputs.group.bar_bytes},share=on",
                 "-device", "ivshmem-plain,memdev=bar"]
    return Guest(kernel=inputs.kernel, initrds=initrds, workdir=workdir, append=append, memory_mib=memory_mib,
                 cpus=inputs.group.cpus, disks=disks, accel=inputs.accel, cpu=COUNTED_CPU if inputs.group.counted else "max",
                 counted=inputs.group.counted, extra=extra)


def boot(inputs: Inputs, items: Sequence[Item], folder: Path, name: str, shared: Path, stop: threading.Event,
         on_record: Callable[[Record], None], on_progress: Callable[[str], None] | None = None) -> Boot:
    """Boot once and run `items` in order, as far as it goes.

    folder      for the logs: NAME-console.log, NAME-plan.json
    shared      the overlay of Inputs.write_overlay()
    on_progress called with each line "progress: ..." of a test

    LabError if the lab fails; Interrupted if `stop` is set.
    """
    start = time.monotonic()
    workdir = folder / name
    workdir.mkdir(parents=True, exist_ok=True)
    about = inputs.about
    # What a test may wait for is longer on a slower kernel: tests that know it scale their own limits.
    environment = (f"TIME_FACTOR={about.time_factor:g}", f"LOAD_PERCENT={about.load_percent}", *inputs.environment)
    plan = write_plan(workdir / "plan.cpio", items, about, environment)
    disks = [Disk(make_disk(workdir / f"{serial}.raw", size), serial)
             for serial, size in inputs.group.disks]
    guest = _guest(inputs, workdir, [*inputs.images, shared, plan], disks)
    watcher = _Watcher(items, stop, on_record, about.time_factor, on_progress)
    try:
        with guest:
            watcher.follow(guest)
    finally:
        for path in (workdir / "initrd", plan, workdir / "files.tar", workdir / "bar.raw", *(disk.path for disk in disks)):
            path.unlink(missing_ok=True)
    started = bool(watcher.finished)
    error = watcher.error or _last_words(watcher.early)
    return Boot(watcher.finished, watcher.why if started else "boot", time.monotonic() - start, error)


def _last_words(lines: Sequence[str]) -> str:
    """Of a boot that died: the first line that looks bad, else the last."""
    texts = [judge.kernel_text(line) or line for line in lines]
    return next(iter(judge.bad_lines(texts, (), ())), next((text for text in reversed(texts) if text.strip()),
                                                          "nothing on the console"))


def log_text(record: Record) -> Iterator[str]:
    """A record's file: what was printed by the test, then the console since its mark."""
    output, _kernel = judge.split_log(record.lines)
    yield f"{record.item.label}\n"
    yield json.dumps({"result": record.result, "ended": record.ended, "timed_out": record.timed_out}) + "\n"
    yield "\n--- output\n"
    yield from (line + "\n" for line in output)
    yield "\n--- console since the mark\n"
    yield from (line + "\n" for line in record.lines)
