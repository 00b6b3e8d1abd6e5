# SPDX-License-Identifier: GPL-2.0-only
"""Run a plan on the cores at hand: one process a run, so many at a time, controls first, and go on where it stopped.

Where it stands: plan > [campaign] > task > run.  Each run is `experiments/run --task PLAN N`, as in a job array: an
interrupt reaches it as SIGINT, it ends its guest, removes its half run, and is waited for.
"""
from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from . import plan as planning, stats, task as tasks
from .store import Store
from .vm import REPO, LabError, need_space

# Beside its disk, a guest under way has an initrd and a console.
RUN_BYTES = 256 << 20
# Evidence at its limit, and the rest.
KEPT_BYTES = (2 << 20) + (64 << 10)
# An interrupted run gets so long to end its guest.
STOP_S = 20.0
# So many runs that fail for the lab's own reasons end a campaign: the next would, too.
LAB_FAILURES = 3


@dataclass
class Progress:
    """Counts and time left, on one line of a terminal, or a line a run elsewhere."""

    plan: planning.Plan
    jobs: int
    stream: TextIO | None
    nr_total: int = 0
    nr_done: int = 0
    later: list[int] = field(default_factory=list)  # runs that wait until those at hand have ended
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    _shown_s: float = 0.0
    spent_s: collections.defaultdict[str, list[float]] = field(default_factory=lambda: collections.defaultdict(list))

    def cell_s(self, digest: str) -> float:
        """What a run of this cell takes: as it has, else as the others have against their estimates."""
        if self.spent_s[digest]:
            return sum(self.spent_s[digest]) / len(self.spent_s[digest])
        known = [(sum(spent), len(spent) * self.plan.cells[other].minutes * 60)
                 for other, spent in self.spent_s.items() if spent]
        pace = sum(took for took, _said in known) / sum(said for _took, said in known) if known else 1.0
        return self.plan.cells[digest].minutes * 60 * pace

    def left_s(self, waiting: list[int]) -> float:
        """Of what is certain to come: second attempts are not."""
        sure = collections.Counter(self.plan.tasks[number].cell for number in [*waiting, *self.later]
                                   if not self.plan.tasks[number].again)
        return sum(nr * self.cell_s(digest) for digest, nr in sure.items()) / max(1, self.jobs)

    def done(self, number: int, verdict: str, reason: str, took_s: float, waiting: list[int]) -> None:
        task = self.plan.tasks[number]
        cell = self.plan.cells[task.cell]
        self.nr_done += 1
        self.counts[verdict] += 1
        self.spent_s[task.cell].append(took_s)
        wrong = cell.expect and verdict not in cell.expect or cell.fires and verdict != cell.fires
        # A terminal has it on the line below.
        left = "" if self.stream is None or self.stream.isatty() else f", {stats.duration(self.left_s(waiting))} left"
        self.say(f"[{self.nr_done}/{self.nr_total}] {cell.labels[0]} #{task.index} {verdict} {took_s:.0f} s{left}"
                 + (f": {reason}" if wrong or verdict == "INVALID" else ""))

    def text(self, waiting: list[int], nr_running: int) -> str:
        counts = " ".join(f"{verdict} {number}" for verdict, number in sorted(self.counts.items()))
        return (f"{self.nr_done}/{self.nr_total} runs, {nr_running} under way, {stats.duration(self.left_s(waiting))} left"
                + (f"  {counts}" if counts else ""))

    def status(self, waiting: list[int], nr_running: int) -> None:
        now_s = time.monotonic()
        if self.stream is not None and self.stream.isatty() and now_s - self._shown_s >= 1:
            self._shown_s = now_s
            self.stream.write(f"\r{self.text(waiting, nr_running)}\x1b[K")
            self.stream.flush()

    def say(self, line: str) -> None:
        if self.stream is not None:
            self.stream.write((f"\r{line}\x1b[K" if self.stream.isatty() else line) + "\n")
            self.stream.flush()


@dataclass
class Worker:
    """A run under way."""

    process: subprocess.Popen[bytes]
    number: int
    start_s: float
    limit_s: float


def space_bytes(plan: planning.Plan, waiting: list[int], jobs: int) -> int:
    """Disk space that the runs still to come may take."""
    disks = [int(plan.cells[plan.tasks[number].cell].arm.get("disk", {}).get("size_mib", 0)) << 20 for number in waiting]
    return jobs * (max(disks, default=0) + RUN_BYTES) + len(waiting) * KEPT_BYTES


def command(plan_path: Path, root: Path, kind: str, number: int) -> list[str]:
    """How a run of a plan is started, by any engine.  kind: "task" or "check"."""
    return [sys.executable, str(REPO / "experiments" / "run"), f"--{kind}", str(plan_path), str(number), "--results", str(root)]


class Local:
    """The local engine."""

    def __init__(self, plan: planning.Plan, store: Store, *, jobs: int, stream: TextIO | None) -> None:
        self.plan = plan
        self.store = store
        self.jobs = jobs
        self.path = planning.save(plan, store.root)
        self.progress = Progress(plan, jobs, stream)
        self._workers: list[Worker] = []
        self._again = {task.cell for task in plan.tasks if task.again}
        self._lab_failures = 0

    # --------------------------------------------------------------- workers

    def _limit_s(self, number: int) -> float:
        """A run that has not ended by then is not going to: its own limits have failed."""
        limits = self.plan.cells[self.plan.tasks[number].cell].arm["limits"]
        return 3 * (limits["boot_s"] + 60) + 2 * limits["total_s"] + 300

    def _start(self, number: int) -> None:
        log = open(self.store.root / "plans" / f"{self.plan.id}.log", "ab")
        with log:
            # A session of its own: an interrupt at the terminal is ours to pass on, once.
            process = subprocess.Popen(command(self.path, self.store.root, "task", number), stdin=subprocess.DEVNULL,
                                       stdout=log, stderr=log, start_new_session=True)
        self._workers.append(Worker(process, number, time.monotonic(), self._limit_s(number)))

    def _ended(self, worker: Worker, waiting: list[int]) -> None:
        task = self.plan.tasks[worker.number]
        cell = self.plan.cells[task.cell]
        took_s = time.monotonic() - worker.start_s
        folder = self.store.run(cell.folder, self.plan.run_name(task))
        if folder.is_dir():
            self._lab_failures = 0
            self.progress.done(worker.number, *tasks.outcome(folder), took_s, waiting)
            return
        self._lab_failures += 1
        self.progress.nr_done += 1
        self.progress.counts["no result"] += 1
        self.progress.say(f"[{self.progress.nr_done}/{self.progress.nr_total}] {cell.labels[0]} #{task.index} left no result "
                          f"(status {worker.process.returncode}): see {self.store.root}/plans/{self.plan.id}.log")
        if self._lab_failures >= LAB_FAILURES:
            raise LabError(f"{LAB_FAILURES} runs in a row left no result: see {self.store.root}/plans/{self.plan.id}.log")

    def _stop(self) -> None:
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + STOP_S
        for worker in self._workers:
            try:
                worker.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                # QEMU goes with it (PR_SET_PDEATHSIG), its half run with the next sweep.
                worker.process.kill()
                worker.process.wait()
        self._workers = []
        self.store.sweep()

    def _run(self, waiting: list[int]) -> None:
        """Run these tasks.  Conditional ones are looked at when their turn comes."""
        waiting = list(waiting)
        try:
            while waiting or self._workers:
                while waiting and len(self._workers) < self.jobs:
                    # An attempt waits for the one before it.
                    busy = {self.plan.tasks[worker.number].cell for worker in self._workers
                            if self.plan.tasks[worker.number].cell in self._again}
                    at = next((at for at, number in enumerate(waiting) if self.plan.tasks[number].cell not in busy), None)
                    if at is None:
                        break
                    number = waiting.pop(at)
                    if tasks.needed(self.plan, self.store, number):
                        self._start(number)
                        if self.plan.tasks[number].again:
                            self.progress.nr_total += 1
                # Their ends are conditions that have no file descriptor in common: look four times a second.
                time.sleep(0.25 if self.plan.guest_runner == "" else 0.02)
                for worker in [worker for worker in self._workers if worker.process.poll() is not None]:
                    self._workers.remove(worker)
                    self._ended(worker, waiting)
                for worker in self._workers:
                    if time.monotonic() - worker.start_s > worker.limit_s:
                        worker.process.kill()
                self.progress.status(waiting, len(self._workers))
        finally:
            self._stop()

    # ------------------------------------------------------------------ whole

    def run(self) -> int:
        """Run what is missing.  Returns how many controls have not fired.  LabError, KeyboardInterrupt.

        After an interrupt nothing half is left, and the same command goes on.
        """
        self.store.sweep()
        numbers = range(len(self.plan.tasks))
        waiting = [number for number in numbers if tasks.needed(self.plan, self.store, number)]
        planned = [number for number in numbers if not self.plan.tasks[number].again]
        need_space(self.store.root, space_bytes(self.plan, waiting, self.jobs))
        missing = set(waiting)
        self.progress.nr_total = len(planned)
        self.progress.nr_done = sum(1 for number in planned if number not in missing)
        if self.progress.nr_done:
            self.progress.say(f"{self.progress.nr_done} of {len(planned)} runs are there already")
        controls = [number for number in numbers if self.plan.tasks[number].cell in self._again]
        main = [number for number in waiting if self.plan.tasks[number].cell not in self._again]
        self.progress.later = main
        self._run(controls)
        self.progress.later = []
        silent = [cell for digest, cell in self.plan.cells.items() if cell.fires and not tasks.fired(self.plan, self.store, digest)]
        for cell in silent:
            self.progress.say(f"{cell.labels[0]} ({cell.series}) did not come out as {cell.fires}: "
                              "what rests on this detector is INVALID until it does")
        self._run(main)
        self._checks()
        return len(silent)

    def _checks(self) -> None:
        for number, check in enumerate(self.plan.checks):
            if tasks.check_folder(self.plan, self.store, number).is_dir():
                continue
            self.progress.say(f"{check['label']}: {' '.join(check['command'])}")
            with subprocess.Popen(command(self.path, self.store.root, "check", number), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, start_new_session=True) as process:
                try:
                    process.wait()
                except KeyboardInterrupt:
                    # What it started is in its session, with it.
                    os.killpg(process.pid, signal.SIGINT)
                    raise
            folder = tasks.check_folder(self.plan, self.store, number)
            self.progress.say(f"{check['label']} " + ("is answered" if folder.is_dir() else "left no result"))
