# SPDX-License-Identifier: GPL-2.0-only
"""The plan of a campaign: which runs, in which order, known again by their names.

Where it stands: question > [plan] > campaign or slurm > run.  Pure data, written once to RESULTS/plans/ID.json; that a run
is there already is the store's business.

The order is blocks: each holds one run of every cell that still wants one, shuffled by the seed, so that whatever drifts
on the host (heat, other load) meets all cells alike.  The number of a run gives its load's seed: cells are compared on the
same loads.  Controls come first: a detector that does not fire is found before the long part.
"""
from __future__ import annotations

import hashlib
import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import arms, questions
from .vm import LabError

# A control that comes out INVALID (the host was too slow, say) is tried so often; any other wrong verdict is final.
CONTROL_ATTEMPTS = 3

# Digits of all that a cell's guest is made of, or LabError.
Built = Callable[[dict[str, Any], str], str]


@dataclass(frozen=True)
class Planned:
    """A cell as the plan keeps it; several questions may want the same."""

    digest: str
    folder: str                 # below RESULTS/runs
    labels: list[str]
    series: str
    arm: dict[str, Any]
    runs: int
    minutes: float
    expect: list[str]
    fires: str
    built: str
    controls: list[str]         # digests of the cells that must have fired


@dataclass(frozen=True)
class Task:
    """One run: a cell's digest and the run's number in it.

    again: only if what came before it, of the same cell, did not fire.
    """

    cell: str
    index: int
    again: bool = False


@dataclass(frozen=True)
class Plan:
    seed: int
    commit: str
    questions: list[str]
    cells: dict[str, Planned]
    tasks: list[Task]
    checks: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    # Who runs the guests: "" is QEMU; anything else is a test of the lab itself.
    guest_runner: str = ""

    def run_name(self, task: Task) -> str:
        """The folder of a run, below its cell's."""
        # A run without a guest must never be taken for one.
        fake = "-fake" if self.guest_runner else ""
        return f"{task.index:04}-s{self.seed}-{self.commit}-{self.cells[task.cell].built}{fake}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def id(self) -> str:
        text = json.dumps(self.as_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def minutes(self, tasks: Iterable[Task]) -> float:
        """By the questions' own estimates, on one processor's guests."""
        return sum(self.cells[task.cell].minutes for task in tasks if not task.again)


def load_seed(seed: int, index: int) -> int:
    """The load's seed of run `index`: the same in every cell."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4], "big") >> 1


def _add(cells: dict[str, Planned], cell: questions.Cell, built: str, runs: int, controls: Sequence[str]) -> None:
    digest = cell.digest
    old = cells.get(digest)
    labels = sorted({cell.label, *(old.labels if old else [])})
    cells[digest] = Planned(
        digest=digest, folder=old.folder if old else f"{cell.arm['name']}-{digest}", labels=labels, series=cell.series,
        arm=cell.arm, runs=max(runs, old.runs if old else 0), minutes=max(cell.minutes, old.minutes if old else 0.0),
        expect=list(cell.expect) if not old else sorted({*cell.expect, *old.expect}),
        fires=cell.fires or (old.fires if old else ""), built=built,
        controls=sorted({*controls, *(old.controls if old else [])}))


def _obstacle(cell: questions.Cell, job_text: str, built: Built) -> tuple[str, str]:
    """(why a cell cannot be run here or "", digits of what was built)."""
    if cell.missing:
        return cell.missing, ""
    unread = arms.not_handled(cell.arm, job_text)
    if unread:
        return f"the guest's job does not read {', '.join(unread)} yet", ""
    try:
        return "", built(cell.arm, cell.series)
    except LabError as error:
        return str(error), ""


def make(wanted: Sequence[questions.Question], *, seed: int, commit: str, built: Built, job_text: str, runs: int | None = None,
         cells_like: str = "", kernel: str | None = None, dropped: Callable[[str], int] = lambda folder: 0,
         guest_runner: str = "", control_path: Path | None = None) -> Plan:
    """The plan for some questions.

    runs        so many a cell, instead of what the questions say
    cells_like  only cells whose label has this in it
    kernel      only cells of this series
    dropped     how many runs of a cell's folder do not count, and are to be replaced
    LabError if nothing is left to run.
    """
    cells: dict[str, Planned] = {}
    left_out: list[dict[str, str]] = []
    checks: list[dict[str, Any]] = []
    control_digests: dict[tuple[str, str], str | None] = {}
    asked: set[str] = set()

    def control(series: str, detector: str) -> str | None:
        """Plan the control of a detector; its digest, None if it cannot be run."""
        if (series, detector) not in control_digests:
            cell = questions.controls(series, (detector,), control_path)[0]
            why, digits = _obstacle(cell, job_text, built)
            if why:
                left_out.append({"label": f"{cell.label} ({series})", "why": why})
                control_digests[(series, detector)] = None
            else:
                _add(cells, cell, digits, 1, [])
                control_digests[(series, detector)] = cell.digest
        return control_digests[(series, detector)]

    for question in wanted:
        for check in question.checks:
            if cells_like in check.label:
                checks.append({"label": check.label, "command": list(check.command), "minutes": check.minutes})
        for cell in question.cells:
            if cells_like not in cell.label or (kernel is not None and cell.series != kernel):
                continue
            why, digits = _obstacle(cell, job_text, built)
            if why:
                left_out.append({"label": cell.label, "why": why})
                continue
            needed = [control(cell.series, detector) for detector in question.detectors]
            # A control that cannot be run never fires: the name stands for it, and the results stay INVALID.
            named = [digest or f"missing:{detector}" for digest, detector in zip(needed, question.detectors)]
            _add(cells, cell, digits, runs or cell.runs, named)
            asked.add(cell.digest)
    if not cells and not checks:
        first = left_out[0] if left_out else None
        raise LabError("nothing to run" + (f": {first['label']}: {first['why']}" if first else ": no cell is like that"))
    tasks: list[Task] = []
    # A control that is also a cell of a question is run as often as that wants, whatever comes out.
    fixed = [digest for digest in control_digests.values() if digest and digest not in asked]
    order = random.Random(seed)
    for digest in order.sample(fixed, len(fixed)):
        attempts = CONTROL_ATTEMPTS + dropped(cells[digest].folder)
        tasks += [Task(digest, index, again=index > 0) for index in range(attempts)]
    wants = {digest: cells[digest].runs + dropped(cells[digest].folder) for digest in sorted(asked)}
    for index in range(max(wants.values(), default=0)):
        block = sorted(digest for digest, number in wants.items() if number > index)
        order.shuffle(block)
        tasks += [Task(digest, index) for digest in block]
    return Plan(seed=seed, commit=commit, questions=[question.id for question in wanted], cells=cells, tasks=tasks,
                checks=checks, left_out=left_out, guest_runner=guest_runner)


def save(plan: Plan, root: Path) -> Path:
    """RESULTS/plans/ID.json, written if it is not there; its time says when it was last asked for."""
    path = root / "plans" / f"{plan.id}.json"
    if path.is_file():
        path.touch()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_text(json.dumps(plan.as_dict(), indent=1) + "\n")
        os.replace(partial, path)
    return path


def read(path: Path) -> Plan:
    """A plan of save().  LabError if the file is none."""
    try:
        raw = json.loads(path.read_text())
        raw["cells"] = {digest: Planned(**cell) for digest, cell in raw["cells"].items()}
        raw["tasks"] = [Task(**task) for task in raw["tasks"]]
        return Plan(**raw)
    except OSError as error:
        raise LabError(f"plan {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise LabError(f"plan {path}: not a plan ({error})") from None
