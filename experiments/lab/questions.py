# SPDX-License-Identifier: GPL-2.0-only
"""Questions as data: a claim, what is predicted, and the cells whose runs answer it.

Where it stands: [question] > plan > campaign > run.  Reads experiments/questions/*.toml and the controls; runs nothing.

A file says `claim` (and `who` made it), `question`, `prediction`, `runs` a cell and `minutes` a run, and lists cells:

    [[cell]]
    name = "full"             # a cell is one arm under one kernel
    arm = "safe"              # of experiments/arms
    without = ["mlock"]       # short for server.without; SHORT has the others
    set = { "limits.total_s" = 1200 }     # any other key of an arm
    vary = { memory_mib = [128, 512] }    # a cell for each value, or each combination; the names get a suffix
    expect = ["PASS"]         # verdicts that agree with the prediction
    runs = 30                 # instead of the question's

`vary = { without = "each" }` is a cell for each protection, "pairs" one for each pair.  A question that a program answers
better than a boot has [[check]] instead: a command whose exit status 0 means that the claim was found as predicted.
"""
from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import arms
from .verdict import VERDICTS
from .vm import REPO, LabError

QUESTIONS = REPO / "experiments" / "questions"
CONTROLS = QUESTIONS / "controls.toml"

DEFAULT_SERIES = "6.12"
# Every verdict that says of a run that something broke has a detector; INVALID's is the one for a load that is none.
DETECTORS = ("DEADLOCK", "LIVELOCK", "OOM-KILL", "SIGBUS", "CORRUPT", "IO-ERROR", "PANIC", "LOST", "INVALID")

# What a cell may say for short, and the arm's key that is meant.
SHORT: dict[str, str] = {
    "kernel": "kernel",
    "memory_mib": "guest.memory_mib",
    "cpus": "guest.cpus",
    "without": "server.without",
    "naive": "server.naive",
    "backend": "server.backend",
    "queue": "server.queue",
    "batch": "server.batch",
    "hold": "server.hold",
    "standby": "server.standby",
    "mglru": "vm.mglru",
    "page_cluster": "vm.page_cluster",
    "min_free_kbytes": "vm.min_free_kbytes",
    "swappiness": "vm.swappiness",
    "dirty_ratio": "vm.dirty_ratio",
    "cgroup_mib": "cgroup.memory_max_mib",
    "fault": "fault.kind",
    "workload": "workload",
}
CELL_KEYS = {"name", "arm", "expect", "runs", "minutes", "set", "vary", *SHORT}
CONTROL_KEYS = CELL_KEYS | {"fires"}
CHECK_KEYS = {"name", "command", "minutes"}
QUESTION_KEYS = {"claim", "who", "question", "prediction", "runs", "minutes", "detectors", "cell", "check", "open"}


@dataclass(frozen=True)
class Cell:
    """One arm under one kernel, and how often."""

    question: str
    name: str
    series: str
    arm: dict[str, Any] = field(hash=False)
    runs: int
    minutes: float
    expect: tuple[str, ...] = ()
    fires: str = ""             # of a control: the verdict that it must come out as
    missing: str = ""           # why it cannot be run here; then `arm` is empty

    @property
    def digest(self) -> str:
        return arms.digest(self.arm, self.series)

    @property
    def label(self) -> str:
        return f"{self.question}/{self.name}"


@dataclass(frozen=True)
class Check:
    """A command whose success answers a question without an arm."""

    question: str
    name: str
    command: tuple[str, ...]
    minutes: float

    @property
    def label(self) -> str:
        return f"{self.question}/{self.name}"


@dataclass(frozen=True)
class Question:
    id: str
    claim: str
    who: str
    question: str
    prediction: str
    cells: tuple[Cell, ...]
    checks: tuple[Check, ...]
    detectors: tuple[str, ...]
    # Parts that nobody can run yet, for people.
    open: str = ""

    @property
    def minutes(self) -> float:
        """Of one processor's guests, controls not counted."""
        return sum(cell.runs * cell.minutes for cell in self.cells) + sum(check.minutes for check in self.checks)


def _dotted(into: dict[str, Any], key: str, value: Any) -> None:
    section, _dot, rest = key.partition(".")
    if rest:
        into.setdefault(section, {})[rest] = value
    else:
        into[section] = value


def _axis(key: str, values: Any, where: str) -> list[tuple[str, Any]]:
    """(suffix of the name, value) for one axis of `vary`."""
    if key == "without" and values == "each":
        return [(f"no-{name}", [name]) for name in arms.PROTECTIONS]
    if key == "without" and values == "pairs":
        return [(f"no-{one}-{two}", [one, two]) for one, two in itertools.combinations(arms.PROTECTIONS, 2)]
    if not isinstance(values, list) or not values:
        raise LabError(f"{where}: vary.{key}: a list of values is wanted" + (', or "each", or "pairs"' if key == "without" else ""))
    named = []
    for value in values:
        if isinstance(value, list):
            text = "-".join(str(item) for item in value) or "none"
        elif isinstance(value, bool):
            text = "on" if value else "off"
        else:
            text = str(value)
        short = {"workload": text, "kernel": text, "arm": text}.get(key, f"{key.replace('_', '-')}-{text}")
        named.append((short, value))
    return named


def _combinations(raw: Mapping[str, Any], where: str) -> list[tuple[str, dict[str, Any]]]:
    """(name, keys) of each cell that one [[cell]] stands for."""
    vary = raw.get("vary", {})
    if not isinstance(vary, dict):
        raise LabError(f"{where}: vary is a table")
    for key in vary:
        if key not in SHORT and key != "arm":
            raise LabError(f"{where}: unknown key vary.{key}")
    plain = {key: value for key, value in raw.items() if key not in ("name", "vary")}
    axes = [[(key, suffix, value) for suffix, value in _axis(key, values, where)] for key, values in vary.items()]
    out = []
    for point in itertools.product(*axes):
        name = "-".join([raw["name"], *(suffix for _key, suffix, _value in point)])
        out.append((name, {**plain, **{key: value for key, _suffix, value in point}}))
    return out


def _verdicts(value: Any, where: str, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or any(item not in VERDICTS for item in value):
        raise LabError(f"{where}: {key}: a list of {', '.join(VERDICTS)} is wanted")
    return tuple(value)


def _number(value: Any, where: str, key: str, kinds: tuple[type, ...] = (int, float)) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool) or value <= 0:
        raise LabError(f"{where}: {key}: a number above 0 is wanted")
    return value


def _cell(question: str, name: str, raw: Mapping[str, Any], runs: int, minutes: float, where: str) -> Cell:
    where = f"{where}, cell {name}"
    overrides: dict[str, Any] = {}
    extra = raw.get("set", {})
    if not isinstance(extra, dict):
        raise LabError(f"{where}: set is a table")
    for key, value in extra.items():
        # set = { "guest.append" = "x" } and set = { guest.append = "x" } are both TOML.
        for inner, held in (value.items() if isinstance(value, dict) else [("", value)]):
            _dotted(overrides, f"{key}.{inner}" if inner else key, held)
    for key, path in SHORT.items():
        if key in raw and key != "workload":
            _dotted(overrides, path, raw[key])
    series = overrides.pop("kernel", None)
    expect = _verdicts(raw["expect"], where, "expect") if "expect" in raw else ()
    fires = raw.get("fires", "")
    if fires and fires not in DETECTORS:
        raise LabError(f"{where}: fires: one of {', '.join(DETECTORS)} is wanted")
    runs = _number(raw.get("runs", runs), where, "runs", (int,))
    minutes = _number(raw.get("minutes", minutes), where, "minutes")
    if not isinstance(raw.get("arm"), str):
        raise LabError(f"{where}: arm is missing: a file of experiments/arms, without .toml")
    # Peers come and go with what is packaged: one that is not there is left out with its name, and counted.
    if not (arms.ARMS / f"{raw['arm']}.toml").is_file():
        return Cell(question, name, str(series or DEFAULT_SERIES), {}, runs, float(minutes), expect, fires,
                    f"experiments/arms/{raw['arm']}.toml is not there")
    arm = arms.compose(raw["arm"], overrides, where, raw.get("workload"))
    series = series or arm.get("kernel") or DEFAULT_SERIES
    return Cell(question, name, str(series), arm, runs, float(minutes), expect, fires)


def _named(raw: Any, allowed: set[str], where: str, kind: str) -> list[dict[str, Any]]:
    """The tables of [[cell]] or [[check]], each with a name and no unknown key."""
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise LabError(f"{where}: {kind} is a list of tables, [[{kind}]]")
    for number, item in enumerate(raw, 1):
        unknown = sorted(set(item) - allowed)
        if unknown:
            raise LabError(f"{where}: unknown key {kind}.{unknown[0]}, in {kind} {item.get('name', number)}")
        if not isinstance(item.get("name"), str) or not item["name"]:
            raise LabError(f"{where}: {kind} {number}: name is missing")
    return raw


def _cells(question: str, raw: Mapping[str, Any], allowed: set[str], where: str) -> list[Cell]:
    runs = _number(raw.get("runs", 10), where, "runs", (int,))
    minutes = _number(raw.get("minutes", 2), where, "minutes")
    out = [_cell(question, name, keys, runs, minutes, where)
           for item in _named(raw.get("cell", []), allowed, where, "cell")
           for name, keys in _combinations(item, where)]
    names = [cell.name for cell in out]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise LabError(f"{where}: two cells are called {twice[0]}")
    return out


def load(path: Path) -> Question:
    """The question of a file.  LabError if it is not one."""
    where = f"question {path}"
    raw = arms.read_toml(path, "question")
    unknown = sorted(set(raw) - QUESTION_KEYS)
    if unknown:
        raise LabError(f"{where}: unknown key {unknown[0]}")
    for key in ("claim", "who", "question", "prediction"):
        if not isinstance(raw.get(key), str) or not raw[key]:
            raise LabError(f"{where}: {key} is missing")
    cells = _cells(path.stem, raw, CELL_KEYS, where)
    checks = []
    for item in _named(raw.get("check", []), CHECK_KEYS, where, "check"):
        command = item.get("command")
        if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
            raise LabError(f"{where}: check.command: a list of words is wanted")
        checks.append(Check(path.stem, item["name"], tuple(command), float(_number(item.get("minutes", 2), where, "minutes"))))
    if not cells and not checks:
        raise LabError(f"{where}: neither [[cell]] nor [[check]]: nothing would answer it")
    detectors = raw.get("detectors", [name for name in DETECTORS] if cells else [])
    if not isinstance(detectors, list) or any(name not in DETECTORS for name in detectors):
        raise LabError(f"{where}: detectors: a list of {', '.join(DETECTORS)} is wanted")
    return Question(path.stem, raw["claim"], raw["who"], raw["question"], raw["prediction"], tuple(cells), tuple(checks),
                    tuple(detectors), str(raw.get("open", "")))


def controls(series: str, detectors: tuple[str, ...], path: Path | None = None) -> list[Cell]:
    """The positive control of each detector, on kernel `series`.  LabError if one has none."""
    path = path or CONTROLS
    where = f"controls {path}"
    raw = arms.read_toml(path, "controls")
    unknown = sorted(set(raw) - {"minutes", "cell"})
    if unknown:
        raise LabError(f"{where}: unknown key {unknown[0]}")
    found = {}
    for item in raw.get("cell", []):
        if isinstance(item, dict):
            item["kernel"] = series
    for cell in _cells("control", {**raw, "runs": 1}, CONTROL_KEYS, where):
        if not cell.fires:
            raise LabError(f"{where}, cell {cell.name}: fires is missing: the verdict it must come out as")
        found[cell.fires] = cell
    lacking = [name for name in detectors if name not in found]
    if lacking:
        raise LabError(f"{where}: no cell fires {lacking[0]}")
    return [found[name] for name in detectors]


def _order(path: Path) -> tuple[str, int]:
    digits = path.stem.lstrip("H")
    return ("H", int(digits)) if digits.isdigit() else (path.stem, 0)


def known(folder: Path | None = None) -> list[Path]:
    """All question files, H1 before H10."""
    paths = [path for path in (folder or QUESTIONS).glob("*.toml") if path.name != CONTROLS.name]
    return sorted(paths, key=_order)


def find(name: str) -> Path:
    """The file of a question by its id, or a path.  LabError names those there are."""
    for path in (QUESTIONS / f"{name}.toml", Path(name)):
        if path.is_file() and path.suffix == ".toml":
            return path
    raise LabError(f"question {name!r} is not there; there are {', '.join(path.stem for path in known())}")
