# SPDX-License-Identifier: GPL-2.0-only
"""What the runs came to: a line a cell, judged by today's rules, and at the end all that does not count, with reasons.

Where it stands: store > [summary] > table.  Reads results folders, of one machine or of several, and changes none.

A run counts under its cell and the commit that its guest was built from.  It is INVALID, whatever its own verdict, while a
control that its campaign relied on has not come out as it must.
"""
from __future__ import annotations

import collections
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from . import evidence, plan as planning, rates, stats, verdict
from .store import Store
from .vm import LabError

# The machine does not come back by itself.
HANGS = ("DEADLOCK", "LIVELOCK", "LOST")


@dataclass
class Run:
    """One boot, judged again."""

    folder: str                 # ARM-CELL/RUN
    cell: dict[str, Any]
    arm_name: str
    verdict: str                # by today's rules
    reason: str
    before: str                 # as it was judged when it ran
    reason_before: str
    guest_runner: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return str(self.cell["digest"]), str(self.cell["commit"])


@dataclass
class Row:
    """One cell under one commit."""

    label: str
    labels: list[str]
    series: str
    arm: str
    commit: str
    digest: str
    boots: int = 0
    verdicts: dict[str, int] = field(default_factory=dict)
    hangs: int = 0
    counted: int = 0            # boots without those that prove nothing
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    expect: list[str] = field(default_factory=list)
    as_expected: int | None = None
    fires: str = ""
    void: str = ""              # why nothing of this row counts
    nr_built: int = 1           # different sets of files under this commit


@dataclass
class Summary:
    rows: list[Row] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    invalid: list[dict[str, str]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, str]] = field(default_factory=list)
    dropped: list[dict[str, str]] = field(default_factory=list)
    changed: list[dict[str, str]] = field(default_factory=list)
    faked: int = 0
    # Those that were counted, for who looks at each (analysis/report/raw.py).
    runs: list[Run] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Without the runs."""
        told = asdict(self)
        del told["runs"]
        return told


# ------------------------------------------------------------------ reading


def read(folder: Path, controls: Mapping[str, Any] | None = None) -> Run:
    """A run's folder, judged again.  OSError, KeyError, ValueError, TypeError if it is none.

    controls    of rates.of_store(), for runs that ended before there was one
    """
    manifest = evidence.manifest_of(folder)
    record = json.loads((folder / "verdict.json").read_text())
    run = evidence.load(folder)
    if controls and not run.arm.get("control"):
        control = controls.get(rates.load_key(run.arm, str(manifest["cell"].get("series", ""))))
        run.arm = {**run.arm, "control": control} if control else run.arm
    judged = verdict.judge(run)
    return Run(f"{folder.parent.name}/{folder.name}", manifest["cell"], str(manifest["arm"].get("name", "")), judged.verdict,
               judged.reason, str(record["verdict"]), str(record["reason"]), str(manifest["cell"].get("guest_runner", "")))


def newest_plans(store: Store) -> list[planning.Plan]:
    """The newest plan for each set of questions: what an older one still wanted is nobody's any more."""
    newest: dict[tuple[str, ...], planning.Plan] = {}
    paths = [path for path in (store.root / "plans").glob("*.json") if not path.name.startswith(".")]
    for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
        try:
            plan = planning.read(path)
        except LabError:
            # A plan of an older form: its runs are there all the same.
            continue
        newest[tuple(plan.questions)] = plan
    return list(newest.values())


# ------------------------------------------------------------------ counting


def _fired(runs: Sequence[Run]) -> dict[tuple[str, str], bool]:
    """Which controls have come out as they must, by cell and commit."""
    out: dict[tuple[str, str], bool] = {}
    for key in {run.key for run in runs if run.cell.get("fires")}:
        mine = [run for run in runs if run.key == key]
        fires = str(next(run.cell["fires"] for run in mine if run.cell.get("fires")))
        found = {run.verdict for run in mine}
        out[key] = fires in found and not found - {fires, "INVALID"}
    return out


def _void(run: Run, fired: dict[tuple[str, str], bool], names: dict[str, str]) -> str:
    """Which control keeps a run from counting; "" if none."""
    for digest in run.cell.get("controls", []):
        if digest.startswith("missing:"):
            return f"there is no control of {digest.partition(':')[2]} here"
        if not fired.get((digest, str(run.cell["commit"])), False):
            return f"{names.get(digest, 'control ' + digest)} has not fired"
    return ""


def _row(runs: Sequence[Run], fired: dict[tuple[str, str], bool], names: dict[str, str]) -> Row:
    first = runs[0]
    labels = sorted({label for run in runs for label in run.cell["labels"]})
    row = Row(label=labels[0], labels=labels, series=str(first.cell["series"]), arm=first.arm_name,
              commit=str(first.cell["commit"]), digest=str(first.cell["digest"]), boots=len(runs))
    row.verdicts = dict(collections.Counter(run.verdict for run in runs))
    row.fires = next((str(run.cell["fires"]) for run in runs if run.cell.get("fires")), "")
    row.expect = sorted({name for run in runs for name in run.cell.get("expect", [])})
    row.nr_built = len({run.cell.get("built") for run in runs})
    row.hangs = sum(row.verdicts.get(name, 0) for name in HANGS)
    row.counted = row.boots - row.verdicts.get("INVALID", 0)
    row.void = next((why for why in (_void(run, fired, names) for run in runs) if why), "")
    if row.fires and not fired.get(first.key, False):
        row.void = f"must come out as {row.fires}"
    if row.counted and not row.void:
        row.rate = row.hangs / row.counted
        row.low, row.high = stats.wilson(row.hangs, row.counted)
    if row.expect:
        row.as_expected = sum(row.verdicts.get(name, 0) for name in row.expect)
    return row


def _order(label: str) -> tuple[int, int, str]:
    question = label.partition("/")[0]
    if question == "control":
        return 0, 0, label
    return (1, int(question[1:]), label) if question[1:].isdigit() else (2, 0, label)


def collect(roots: Sequence[Path], plans: Sequence[planning.Plan] | None = None) -> Summary:
    """Summarise results folders.

    plans   what was to be run (default: all plans that lie in the folders)
    A run that is in several folders counts once.  LabError if a folder is none.
    """
    out = Summary()
    runs: dict[str, Run] = {}
    dropped: dict[str, str] = {}
    told_plans: list[planning.Plan] = list(plans or [])
    checks: dict[str, dict[str, Any]] = {}
    for root in roots:
        store = Store(root)
        if not (store.runs.is_dir() or store.checks.is_dir() or (store.root / "plans").is_dir()):
            raise LabError(f"{root}: no results here: neither runs nor plans")
        dropped.update(store.dropped())
        if plans is None:
            told_plans += [plan for plan in newest_plans(store) if plan.id not in {other.id for other in told_plans}]
        controls = rates.of_store(store)
        for folder in store.finished():
            name = f"{folder.parent.name}/{folder.name}"
            if name in runs:
                continue
            try:
                runs[name] = read(folder, controls)
            except (OSError, KeyError, ValueError, TypeError) as error:
                out.invalid.append({"run": name, "reason": f"cannot be read: {error!r}"})
        for path in sorted(store.checks.glob("*/check.json")):
            checks.setdefault(path.parent.name, json.loads(path.read_text()))
    out.dropped = [{"run": name, "reason": reason} for name, reason in sorted(dropped.items()) if name in runs]
    counted = [run for name, run in sorted(runs.items()) if name not in dropped]
    names = {str(run.cell["digest"]): str(run.cell["labels"][0]) for run in counted}
    names.update({digest: cell.labels[0] for plan in told_plans for digest, cell in plan.cells.items()})
    fired = _fired(counted)
    groups: dict[tuple[str, str], list[Run]] = collections.defaultdict(list)
    for run in counted:
        groups[run.key].append(run)
    if plans is not None:
        # Of these campaigns only.
        asked = {(digest, plan.commit) for plan in plans for digest in plan.cells}
        groups = {key: group for key, group in groups.items() if key in asked}  # type: ignore[assignment]
    out.rows = sorted((_row(group, fired, names) for group in groups.values()),
                      key=lambda row: (_order(row.label), row.series, row.commit))
    for group in groups.values():
        for run in group:
            if run.verdict == "INVALID" and not run.cell.get("fires") == "INVALID":
                out.invalid.append({"run": run.folder, "label": run.cell["labels"][0], "reason": run.reason})
            if (run.verdict, run.reason) != (run.before, run.reason_before):
                out.changed.append({"run": run.folder, "before": run.before, "now": run.verdict, "reason": run.reason})
            out.faked += run.guest_runner != ""
    out.checks = [check for _name, check in sorted(checks.items())]
    out.runs = [run for group in groups.values() for run in group]
    _missing(out, told_plans, runs)
    return out


def _missing(out: Summary, plans: Sequence[planning.Plan], runs: Mapping[str, Run]) -> None:
    """What was asked for and is not there, an entry a cell, by all its names, however many plans have it.

    Boots of two plans are not pooled: those of the one that has most of them count, of other commits is only told.  A cell that has
    as many boots as a row (one commit), by whatever plan, lacks none.
    """
    there = set(runs)
    rows = collections.Counter(run.key for run in runs.values())
    most_of: collections.Counter[str] = collections.Counter()
    for (digest, _commit), number in rows.items():
        most_of[digest] = max(most_of[digest], number)
    labels: dict[str, dict[str, None]] = collections.defaultdict(dict)
    have: dict[str, list[tuple[int, int, planning.Plan]]] = collections.defaultdict(list)
    for plan in plans:
        for digest, cell in plan.cells.items():
            names = {f"{cell.folder}/{plan.run_name(task)}" for task in plan.tasks if task.cell == digest and not task.again}
            labels[digest].update(dict.fromkeys(cell.labels))
            have[digest].append((len(names & there), len(names), plan))
    for digest, found in have.items():
        asked = max(of for _number, of, _plan in found)
        most, _of, plan = max(found, key=lambda one: one[0])
        if max(most, most_of[digest]) >= asked:
            continue
        others = {other.commit: max(number for number, _of, one in found if one.commit == other.commit)
                  for number, _of, other in found if number and other.commit != plan.commit}
        told = ", ".join(f"{number} of {commit}" for commit, number in sorted(others.items()))
        out.missing.append({"label": ", ".join(labels[digest]), "series": plan.cells[digest].series, "commit": plan.commit,
                            "boots": asked - most, "of": asked,
                            "reason": "not run yet, or ended without a result" + (f" (of other commits: {told})" if told else "")})
    done = {(check["label"], check["commit"]) for check in out.checks}
    asking: dict[str, list[str]] = collections.defaultdict(list)
    for plan in plans:
        for check in plan.checks:
            asking[str(check["label"])].append(plan.commit)
    for label, commits in asking.items():
        if not any((label, commit) in done for commit in commits):
            out.missing.append({"label": label, "series": "check", "commit": commits[-1], "boots": 1, "of": 1,
                                "reason": "not run yet, or could not do its work"})
    for plan in plans:
        for left in plan.left_out:
            if left not in out.left_out:
                out.left_out.append(left)


# ------------------------------------------------------------------ telling


def _rate(row: Row) -> str:
    if row.void:
        return f"INVALID: {row.void}"
    if row.fires:
        return "fires"
    if row.rate is None:
        return "no boot that counts"
    told = f"hangs {row.hangs}/{row.counted} = {row.rate:.2f} [{row.low:.3f}, {row.high:.3f}]"
    return told if row.hangs else f"{told}, below {stats.none_of(row.counted):.3f}"


def _verdicts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {counts[name]}" for name in verdict.VERDICTS if name in counts)


def text(summary: Summary) -> str:
    """The summary for people."""
    lines = []
    commits = sorted({row.commit for row in summary.rows})
    width = max((len(row.label) for row in summary.rows), default=0)
    arm_width = max((len(row.arm) for row in summary.rows), default=0)
    counts_width = max((len(_verdicts(row.verdicts)) for row in summary.rows), default=0)
    if len(commits) == 1:
        lines.append(f"guests built from {commits[0]}; hangs are DEADLOCK, LIVELOCK, LOST; intervals are Wilson's, 95%; "
                     "below: what no hang excludes, exact, one-sided")
    for row in summary.rows:
        line = f"{row.label:{width}}  {row.arm:{arm_width}}  {row.series:5} {row.boots:4} boots  {_verdicts(row.verdicts):{counts_width}}  {_rate(row)}"
        if row.as_expected is not None and row.as_expected != row.boots:
            line += f"  expected {' or '.join(row.expect)}: {row.as_expected} of {row.boots}"
        if len(row.labels) > 1:
            line += f"  (also {', '.join(row.labels[1:])})"
        if len(commits) > 1:
            line += f"  {row.commit}"
        if row.nr_built > 1:
            line += f"  (of {row.nr_built} different builds)"
        lines.append(line)
    for check in summary.checks:
        lines.append(f"{check['label']:{width}}  check: {'holds' if check['status'] == 0 else 'FAILS'}: {check['last_line']}")
    for entry in summary.invalid:
        lines.append(f"INVALID   {entry['label'] + ': ' if 'label' in entry else ''}{entry['run']}: {entry['reason']}")
    for entry in summary.missing:
        lines.append(f"missing   {entry['label']} ({entry['series']}): {entry['boots']} of {entry['of']}: {entry['reason']}")
    for left in summary.left_out:
        lines.append(f"left out  {left['label']}: {left['why']}")
    for entry in summary.dropped:
        lines.append(f"dropped   {entry['run']}: {entry['reason']}")
    for entry in summary.changed:
        lines.append(f"changed   {entry['run']}: {entry['before']}, by today's rules {entry['now']}: {entry['reason']}")
    if summary.faked:
        lines.append(f"{summary.faked} of these runs had no guest: a test of the lab itself")
    return "\n".join(lines) if lines else "no runs"
