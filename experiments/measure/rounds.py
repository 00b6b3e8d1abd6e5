# SPDX-License-Identifier: GPL-2.0-only
"""Which round measures what, in which order, and which rounds are good.

Where it stands: config > [rounds] > boot > guest > record > table.  Pure, but for the seed: the same seed, the same order.

A *round* of a cell is that cell once on every device, one after the other, in an order that each round rotates, and the
first control once more at its end.  A round in which a control moved by more than a third, against the median of all
rounds of that cell, is *spoilt*: it does not count, is repeated, and is told.  So is one that did not come to its end.
"""
from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .config import Cell, Clock, Config
from .metrics import PRIMARY

# How far a control may be from its median, either way.
CONTROL_FACTOR = 4 / 3
# A machine on which more of the rounds are spoilt than are not is no machine to measure on.
ATTEMPTS_PER_ROUND = 3


@dataclass(frozen=True)
class Step:
    """One measurement of a plan.  control: not for the table, only to see whether the control moved within the round."""

    round: int
    cell: Cell
    device: str
    control: bool = False


def order(devices: Sequence[str], seed: int, clock: str, cell: Cell, number: int) -> list[str]:
    """The devices in the order of round `number`: a shuffle by the seed, rotated so that each has every place in turn."""
    base = list(devices)
    random.Random(f"{seed}/{clock}/{cell.label}").shuffle(base)
    at = number % len(base)
    return base[at:] + base[:at]


def steps_of(clock: Clock, devices: Sequence[str], seed: int, wanted: Mapping[Cell, Sequence[int]]) -> list[Step]:
    """The plan of one boot: round by round, in each its cells in turn.  wanted: numbers of rounds, by cell."""
    rows = max((len(numbers) for numbers in wanted.values()), default=0)
    plan: list[Step] = []
    for row in range(rows):
        for cell, numbers in wanted.items():
            if row >= len(numbers):
                continue
            number = numbers[row]
            plan += [Step(number, cell, device) for device in order(devices, seed, clock.name, cell, number)]
            controls = [device for device in clock.controls if device in devices]
            plan += [Step(number, cell, device, control=True) for device in controls[:1]]
    return plan


# ------------------------------------------------------------------ judging


@dataclass
class Judged:
    """Of one clock.  good: numbers of rounds by cell; spoilt: (cell, number) and why."""

    good: dict[Cell, list[int]] = field(default_factory=dict)
    spoilt: dict[tuple[Cell, int], str] = field(default_factory=dict)
    last: dict[Cell, int] = field(default_factory=dict)


def cell_of(line: Mapping[str, Any]) -> Cell:
    return Cell(line["work"], line["depth"], line["tasks"])


def _moved(values: Mapping[tuple[str, str], list[float]], medians: Mapping[tuple[str, str], float]) -> str:
    """The first control that is too far from its median; empty if none is."""
    for key, held in values.items():
        for value in held:
            if max(value / medians[key], medians[key] / value) > CONTROL_FACTOR:
                return f"{key[0]} moved: {key[1]} {value:.0f}, median {medians[key]:.0f}"
    return ""


def judge(lines: Iterable[Mapping[str, Any]], config: Config, clock: Clock, devices: Collection[str]) -> Judged:
    """Sort the rounds of `clock`.

    lines   records as record.py keeps them: a value or an error each

    A device that failed takes part with its error; a round without a word of some device did not come to its end.
    """
    seen: dict[tuple[Cell, int], set[str]] = defaultdict(set)
    controls: dict[tuple[Cell, int], dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    ends: dict[tuple[Cell, int], bool] = {}
    for line in lines:
        if line["clock"] != clock.name or line["work"] not in config.works:
            continue
        at = (cell_of(line), line["round"])
        ends.setdefault(at, False)
        if line["control"]:
            ends[at] = True
        else:
            seen[at].add(line["device"])
        if line["device"] in clock.controls and line.get("metric") in PRIMARY[config.works[at[0].work].tool]:
            controls[at][(line["device"], line["metric"])].append(line["value"])
    pooled: dict[Cell, dict[tuple[str, str], list[float]]] = defaultdict(lambda: defaultdict(list))
    for (cell, _number), values in controls.items():
        for key, held in values.items():
            pooled[cell][key] += held
    medians = {cell: {key: statistics.median(held) for key, held in values.items()} for cell, values in pooled.items()}
    judged = Judged()
    closes = bool([device for device in clock.controls if device in devices])
    for at in sorted(ends):
        cell, number = at
        judged.last[cell] = max(judged.last.get(cell, 0), number)
        missing = sorted(set(devices) - seen[at])
        why = _moved(controls[at], medians.get(cell, {})) if at in controls else ""
        if missing or (closes and not ends[at]):
            why = f"it did not come to its end: {', '.join(missing) or 'no closing control'}"
        if why:
            judged.spoilt[at] = why
        else:
            judged.good.setdefault(cell, []).append(number)
    return judged


def wanted(judged: Judged, cells: Sequence[Cell], nr_rounds: int, most: int) -> dict[Cell, list[int]]:
    """Numbers of rounds for the next boot, at most `most` a cell; a cell that was spoilt too often gets none any more."""
    out: dict[Cell, list[int]] = {}
    for cell in cells:
        lack = nr_rounds - len(judged.good.get(cell, ()))
        last = judged.last.get(cell, 0)
        left = ATTEMPTS_PER_ROUND * nr_rounds - last
        count = max(0, min(lack, most, left))
        if count:
            out[cell] = list(range(last + 1, last + 1 + count))
    return out
