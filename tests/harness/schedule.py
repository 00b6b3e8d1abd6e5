# SPDX-License-Identifier: GPL-2.0-only
"""Which tests run in which boot, on how many cores, and what happens to the rest when a boot ends early.

Where it stands: headers > [schedule] > boot > guest/runner.sh > test; hands outcomes to report as they come.
"""
from __future__ import annotations

import concurrent.futures
import contextlib
import fcntl
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import judge
from .boot import BUILD, LEAKS, LEAKS_S, LEAKS_SOURCE, Boot, Inputs, Interrupted, Item, LabError, Record, boot, log_text
from .headers import Group, Test, why_not
from .kernels import KERNELS

# Two of 145 boots died of a race in the emulator before they did anything: a boot is tried at most so often again.  So is a test
# that the emulator is proven to have ended (lab/verdict.py).
BOOT_RETRIES = 2
# A twin hangs, mostly: it gets this much more than the healthy test took, and five times that.  runner.sh does the same.
TWIN_FLOOR_S = 5.0
TWIN_FACTOR = 5.0

BootFunction = Callable[..., Boot]


@dataclass
class Outcome:
    """How one test, or one twin, ended on one kernel."""

    series: str
    item: Item
    verdict: judge.Verdict
    seconds: float = 0.0
    lines: list[str] = field(default_factory=list)
    log: Path | None = None

    @property
    def label(self) -> str:
        return self.item.label


@dataclass
class Tally:
    """What the whole run cost; written under `lock`."""

    boots: int = 0
    retries: int = 0
    retry_reasons: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(frozen=True)
class Job:
    """One (kernel, group): its boots follow each other; jobs run beside each other."""

    series: str
    group: Group
    busted: bool = False
    environment: tuple[str, ...] = ()
    limit_s: float | None = None  # of each test, whatever its header says
    live: bool = False  # show its tests' progress

    @property
    def folder(self) -> Path:
        return BUILD / "tests" / self.series / (self.group.name + ("-busted" if self.busted else ""))


def items_of(tests: Sequence[Test], *, busted: bool, factor: float = 1.0, limit_s: float | None = None) -> list[Item]:
    """What to run, in order: the tests, with --busted each followed by its twins.

    factor      of all limits: a slow kernel
    limit_s     instead of the headers'
    """
    items: list[Item] = []
    for test in tests:
        if busted and not test.twins:
            continue
        control = len(items)
        time_s = limit_s or test.time_s * factor
        # The healthy run's progress is watched, too: what it needs, the twin gets.
        stall_s = test.twin_limit_s * factor if busted and test.twin_limit_s else None
        items.append(Item(test, limit_s=time_s, stall_s=stall_s))
        if busted:
            items += [Item(test, twin, time_s, control, stall_s) for twin in test.twins]
    return items


def rest_of(items: Sequence[Item], done: dict[tuple[str, str], float]) -> list[Item]:
    """The items not in `done` (seconds by key), their controls found again or turned into limits."""
    left: list[Item] = []
    places: dict[tuple[str, str], int] = {}
    for item in items:
        if item.key in done:
            continue
        places[item.key] = len(left)
        if item.twin is not None:
            healthy = (item.test.label, "")
            limit_s = item.limit_s
            if healthy in done and item.control is not None:
                limit_s = min(limit_s, TWIN_FLOOR_S + TWIN_FACTOR * done[healthy])
            # How long the healthy run paused is known in its own boot only.
            stall_s = item.stall_s if healthy in places else None
            item = replace(item, control=places.get(healthy), limit_s=limit_s, stall_s=stall_s)
        left.append(item)
    return left


def runs_on(test: Test, group: Group, series: str) -> bool:
    return not why_not(test, group, series)


def leaks_item(group: Group, factor: float) -> Item:
    """The last item of a boot on a kernel with kmemleak."""
    test = Test(group.name, LEAKS, LEAKS_SOURCE, will="This test will find nothing that the module leaked", module=False)
    return Item(test, limit_s=LEAKS_S * factor)


def say_not_selected(job: Job, on_outcome: Callable[[Outcome], None]) -> list[Test]:
    """Report the tests that are not for this kernel, a group of them in one line; return the others."""
    reasons = {test: why_not(test, job.group, job.series) for test in job.group.tests}
    here = [test for test in job.group.tests if not reasons[test]]
    if not here and len(reasons) > 1:
        whole = replace(job.group.tests[0], name="*")
        why = "; ".join(dict.fromkeys(reasons.values()))
        on_outcome(Outcome(job.series, Item(whole), judge.Verdict(judge.NOT_SELECTED, (f"{len(reasons)} tests: {why}",))))
        return here
    for test, reason in reasons.items():
        if reason:
            on_outcome(Outcome(job.series, Item(test), judge.Verdict(judge.NOT_SELECTED, (reason,))))
    return here


def file_name(item: Item) -> str:
    """Of an item's log, without the suffix."""
    return item.test.name + ("@" + re.sub(r"[^A-Za-z0-9.=_-]+", "_", item.twin.label) if item.twin else "")


@contextlib.contextmanager
def _own(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Nobody else runs this group on this kernel meanwhile: the logs would mix."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"wait {folder.parent.name} {folder.name}: another tests/run has it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != ".lock":
                path.unlink()
        yield


def run_job(job: Job, *, accel: str | None, benign: Sequence[judge.Benign], tally: Tally, stop: threading.Event,
            on_outcome: Callable[[Outcome], None], say: Callable[[str], None],
            boot_function: BootFunction = boot) -> None:
    """Run one group on one kernel, in as many boots as it takes.  LabError if the lab fails."""
    about = KERNELS[job.series]
    here = say_not_selected(job, on_outcome)
    items = items_of(here, busted=job.busted, factor=about.time_factor, limit_s=job.limit_s)
    if not items:
        return
    group = replace(job.group, tests=tuple(here))
    inputs = replace(Inputs.of(job.series, group, busted=job.busted), accel=accel, environment=job.environment)
    # A twin may leak on purpose: there, only tests that say leak-check are looked at.
    last = [leaks_item(group, about.time_factor)] if about.leaks and not job.busted else []
    on_progress = (lambda text: say(f"     {job.series} {text}")) if job.live else None
    done: dict[tuple[str, str], float] = {}
    nr_again: dict[tuple[str, str], int] = {}

    def retry(reason: str) -> None:
        with tally.lock:
            tally.retries += 1
            tally.retry_reasons.append(reason)
        say(f"boot {reason}: retried")

    def on_record(record: Record) -> None:
        path = job.folder / f"{file_name(record.item)}.log"
        path.write_text("".join(log_text(record)))
        again = nr_again.get(record.item.key, 0)
        # Not where the boot's end would have been looked at for leaks: those of the tests before are not known.
        if record.emulator_fault and again < BOOT_RETRIES and not about.leaks:
            nr_again[record.item.key] = again + 1
            path.rename(path.with_suffix(f".emulator{again + 1}.log"))
            retry(f"{job.series} {record.item.label}: {record.emulator_fault}")
            return
        result = record.result or {}
        verdict = judge.judge(
            ended=record.ended, status=int(result.get("status", 0)), timed_out=record.timed_out,
            setup=str(result.get("setup", "")), dirty=str(result.get("dirty", "")), log_complete=record.log_complete,
            lines=record.lines, expected=record.item.test.expected_log, benign=benign, limit_s=record.limit_s,
            stalled_s=record.stall_s if record.stalled else 0.0)
        if record.emulator_fault and record.item.twin is not None:
            # It did not end by what was done to it: that catches nothing.
            verdict = judge.Verdict(judge.BOOT, (record.emulator_fault,))
        if not record.item.is_leaks:
            done[record.item.key] = record.seconds
        on_outcome(Outcome(job.series, record.item, verdict, record.seconds, record.lines, path))

    with _own(job.folder, say):
        shared = inputs.write_overlay(job.folder / "overlay.cpio")
        number = died = 0
        try:
            while (left := rest_of(items, done)):
                if stop.is_set():
                    raise Interrupted
                number += 1
                came = boot_function(inputs, [*left, *last], job.folder, f"boot{number}", shared, stop, on_record,
                                     on_progress)
                with tally.lock:
                    tally.boots += 1
                if any(not record.item.is_leaks for record in came.records):
                    died = 0
                    continue
                died += 1
                reason = f"{job.series} {job.group.name} boot{number}: {came.error}"
                if died <= BOOT_RETRIES:
                    retry(reason)
                    continue
                for item in left:
                    on_outcome(Outcome(job.series, item, judge.Verdict(
                        judge.BOOT, (f"{died} boots died before any test: {came.error}",)),
                        log=job.folder / f"boot{number}" / "console.log"))
                return
        finally:
            shared.unlink(missing_ok=True)


def run_jobs(jobs: Sequence[Job], nr_parallel: int, *, accel: dict[str, str], benign: Sequence[judge.Benign],
             tally: Tally, on_outcome: Callable[[Outcome], None], say: Callable[[str], None]) -> None:
    """Run all jobs, `nr_parallel` at a time, those that may take longest first.

    LabError of the first that failed; KeyboardInterrupt after all guests have been stopped.
    """
    stop = threading.Event()
    longest_first = sorted(jobs, key=lambda job: -sum(
        (job.limit_s or test.time_s) * (1 + len(test.twins) * job.busted)
        for test in job.group.tests if runs_on(test, job.group, job.series)))
    with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, nr_parallel)) as pool:
        futures = [pool.submit(run_job, job, accel=accel.get(job.series), benign=benign, tally=tally, stop=stop,
                               on_outcome=on_outcome, say=say) for job in longest_first]
        try:
            for future in concurrent.futures.as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            for future in futures:
                future.cancel()
            raise


__all__ = ["BOOT_RETRIES", "Interrupted", "Job", "LabError", "Outcome", "Tally", "items_of", "rest_of", "run_job", "run_jobs"]
