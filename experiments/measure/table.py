# SPDX-License-Identifier: GPL-2.0-only
"""What the rounds come to: medians with intervals, ratios within rounds, the distance to each target.

Where it stands: record > rounds (judging) > [table] > README, PAPER, analysis/.  Pure; the same lines give the same table.

A ratio is taken within each round, between two devices measured minutes apart at most, and the median of those is told,
not the ratio of two medians.  Intervals are 95%, by the percentile bootstrap over rounds (Efron 1979), with a fixed seed;
where all rounds agree, or there are fewer than three, there is none to tell and both ends are the extremes.
"""
from __future__ import annotations

import random
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .config import Cell, Config, MemoryCase, Target
from .metrics import MORE_IS_BETTER
from .rounds import Judged, cell_of

RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A median over `rounds` rounds, and its interval."""

    median: float
    low: float
    high: float
    rounds: int


def estimate(values: Sequence[float], seed: int = 1) -> Estimate:
    """Median and interval.  ValueError without values."""
    if not values:
        raise ValueError("no values")
    middle = statistics.median(values)
    if len(values) < 3 or len(set(values)) == 1:
        return Estimate(middle, min(values), max(values), len(values))
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    edge = round((1 - CONFIDENCE) / 2 * RESAMPLES)
    return Estimate(middle, medians[edge], medians[-1 - edge], len(values))


# Values of one clock: [cell][metric][device][round]
Values = dict[Cell, dict[str, dict[str, dict[int, float]]]]


def values_of(lines: Iterable[Mapping[str, Any]], clock: str, judged: Judged) -> Values:
    """Those of good rounds, without the controls' second readings."""
    good = {(cell, number) for cell, numbers in judged.good.items() for number in numbers}
    out: Values = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for line in lines:
        if line["clock"] == clock and not line["control"] and "metric" in line and (cell_of(line), line["round"]) in good:
            out[cell_of(line)][line["metric"]][line["device"]][line["round"]] = line["value"]
    return out


def ratio(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate | None:
    """Of two devices, within rounds; None if they share none."""
    shared = [one[number] / other[number] for number in sorted(set(one) & set(other)) if other[number]]
    return estimate(shared) if shared else None


def best(names: Sequence[str], by_device: Mapping[str, Mapping[int, float]], metric: str) -> str:
    """Of a family, the device with the best median; empty if none was measured."""
    medians = {name: statistics.median(by_device[name].values()) for name in names if by_device.get(name)}
    if not medians:
        return ""
    pick = max if metric in MORE_IS_BETTER else min
    return pick(medians, key=lambda name: medians[name])


# ------------------------------------------------------------------ targets


@dataclass(frozen=True)
class Verdict:
    """One target under one clock.

    measured    None: what it needs was not measured, see `why`
    distance    measured over wanted, minus 1; beyond zero on the good side the target is met
    undecided   as the target's; such a one is not met
    """

    what: str
    clock: str
    wanted: str
    measured: Estimate | None
    versus: str = ""
    distance: float | None = None
    met: bool = False
    why: str = ""
    undecided: str = ""

    @property
    def word(self) -> str:
        return "not decided" if self.undecided else "met" if self.met else "missed"


def _above(one: Mapping[int, float], other: Mapping[int, float], floor: Mapping[int, float]) -> Estimate | None:
    """Of what both cost more than the floor, within rounds."""
    shared = sorted(set(one) & set(other) & set(floor))
    parts = [(one[n] - floor[n]) / (other[n] - floor[n]) for n in shared if other[n] != floor[n]]
    return estimate(parts) if parts else None


def _measured(config: Config, clock: str, target: Target, values: Values) -> tuple[Estimate | None, str, str]:
    """(what was measured, against whom, why not)."""
    assert target.cell is not None
    here = values.get(target.cell, {}).get(target.metric, {})
    device = best(config.family(target.device, clock), here, target.metric)
    if not device:
        return None, "", f"{target.device} was not measured"
    if target.versus_cell is not None:
        there = values.get(target.versus_cell, {}).get(target.metric, {}).get(device, {})
        # Other rounds of other cells: the medians are what can be compared.
        if not there:
            return None, "", f"{target.versus_cell.label} was not measured"
        scale = statistics.median(there.values())
        return estimate([value / scale for value in here[device].values()]), target.versus_cell.label, ""
    versus = best(config.family(target.versus, clock), here, target.metric)
    if not versus:
        return None, "", f"{target.versus} was not measured"
    if target.above:
        floor = here.get(target.above, {})
        found = _above(here[device], here[versus], floor)
        return found, versus, "" if found else f"{target.above} was not measured"
    found = ratio(here[device], here[versus])
    return found, versus, "" if found else "no round has both"


def _judge(target: Target, clock: str, found: Estimate | None, versus: str, why: str) -> Verdict:
    wanted = f"at least {target.at_least:g}" if target.at_least is not None else f"at most {target.at_most:g}"
    if found is None:
        return Verdict(target.what, clock, wanted, None, why=why)
    limit = target.at_least if target.at_least is not None else target.at_most
    assert limit is not None
    met = found.median >= limit if target.at_least is not None else found.median <= limit
    return Verdict(target.what, clock, wanted, found, versus, found.median / limit - 1, met and not target.undecided,
                   undecided=target.undecided)


def verdicts(config: Config, clock: str, values: Values) -> list[Verdict]:
    """All targets but those of memory."""
    return [_judge(target, clock, *_measured(config, clock, target, values))
            for target in config.targets if target.cell is not None]


# ------------------------------------------------------------------- memory

MEMORY_FIELDS = ("idle_kib", "full_kib", "used_kib", "server_rss_idle_kib", "server_rss_kib", "server_locked_kib", "left_kib")


def memory_of(lines: Iterable[Mapping[str, Any]]) -> dict[MemoryCase, dict[str, float]]:
    """Medians by case, KiB."""
    held: dict[MemoryCase, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        case = MemoryCase(line["device"], line["device_mib"], line["depth"], line["tasks"], line["servers"])
        for name in MEMORY_FIELDS:
            held[case][name].append(line[name])
    return {case: {name: statistics.median(values) for name, values in fields.items()} for case, fields in held.items()}


@dataclass(frozen=True)
class Growth:
    """What one device takes, and how that grows.  None: it does not vary, or was not measured."""

    device: str
    per_gib_mib: float | None  # when full
    base_full_kib: float
    per_request_kib: float | None  # of queue depth
    per_task_kib: float | None
    per_server_kib: float | None
    server_grew_kib: float  # resident after a load, minus before: the largest of all cases


def growth(config: Config, memory: Mapping[MemoryCase, Mapping[str, float]]) -> list[Growth]:
    """One for each device that has its base case.  The base is the first case of a device in bench.toml."""
    out = []
    for name in dict.fromkeys(case.device for case in config.memory.cases):
        cases = [case for case in config.memory.cases if case.device == name and case in memory]
        base = next((case for case in config.memory.cases if case.device == name), None)
        if base is None or base not in memory:
            continue

        def slope(axis: str, figure: str) -> float | None:
            other = next((case for case in cases if getattr(case, axis) != getattr(base, axis)), None)
            if other is None:
                return None
            return (memory[other][figure] - memory[base][figure]) / (getattr(other, axis) - getattr(base, axis))

        grew = max(memory[case]["server_rss_kib"] - memory[case]["server_rss_idle_kib"] for case in cases)
        # KiB a MiB are MiB a GiB.
        out.append(Growth(name, slope("device_mib", "full_kib"), memory[base]["full_kib"],
                          slope("depth", "idle_kib"), slope("tasks", "used_kib"), slope("servers", "idle_kib"), grew))
    return out


def memory_verdicts(config: Config, memory: Mapping[MemoryCase, Mapping[str, float]]) -> list[Verdict]:
    out = []
    for target in config.targets:
        if not target.memory:
            continue
        clock = config.memory.clock
        base = {case.device: case for case in reversed(config.memory.cases) if case in memory}
        ours = base.get(target.device)
        if ours is None:
            out.append(_judge(target, clock, None, "", f"{target.device} was not measured"))
        elif target.memory == "constant":
            parts = [memory[case]["server_rss_kib"] / memory[case]["server_rss_idle_kib"] for case in memory
                     if case.device == target.device and memory[case]["server_rss_idle_kib"]]
            worst = max(parts, default=None)
            found = None if worst is None else Estimate(worst, min(parts), worst, len(parts))
            out.append(_judge(target, clock, found, "itself before the load", "it has no server"))
        elif target.versus not in base:
            out.append(_judge(target, clock, None, "", f"{target.versus} was not measured"))
        else:
            part = memory[ours][f"{target.memory}_kib"] / memory[base[target.versus]][f"{target.memory}_kib"]
            out.append(_judge(target, clock, Estimate(part, part, part, 1), target.versus, ""))
    return out


# ------------------------------------------------------------------ the text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _interval(found: Estimate) -> str:
    return f"{found.median:.2f} ({found.low:.2f}-{found.high:.2f})"


def target_lines(found: Sequence[Verdict]) -> list[str]:
    """A Markdown table."""
    out = ["| target | clock | wanted | measured (95%) | against | distance |", "|---|---|---|---|---|---|"]
    for verdict in found:
        if verdict.measured is None:
            out.append(f"| {verdict.what} | {verdict.clock} | {verdict.wanted} | - | | not measured: {verdict.why} |")
            continue
        assert verdict.distance is not None
        out.append(f"| {verdict.what} | {verdict.clock} | {verdict.wanted} | {_interval(verdict.measured)} | {verdict.versus} "
                   f"| {verdict.distance:+.0%}, {verdict.word} |")
    return out


def rows_of(config: Config, clock: str, values: Values, units: Mapping[str, str]) -> list[dict[str, Any]]:
    """What a figure wants: one dict for each device, cell and metric."""
    out = []
    for cell in config.cells_of(clock):
        for metric, by_device in values.get(cell, {}).items():
            references = {name: best(config.family(name, clock), by_device, metric) for name in ("ublk", "brd")}
            for device in config.devices_of(clock):
                held = by_device.get(device.name)
                if not held:
                    continue
                row: dict[str, Any] = {"clock": clock, "work": cell.work, "depth": cell.depth, "tasks": cell.tasks,
                                       "device": device.name, "metric": metric, "unit": units[metric],
                                       **asdict(estimate(list(held.values())))}
                for name, reference in references.items():
                    found = ratio(held, by_device[reference]) if reference else None
                    row[f"to_{name}"] = asdict(found) if found else None
                out.append(row)
    return out


def row_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Markdown tables, one a cell and metric."""
    out: list[str] = []
    head: tuple[Any, ...] = ()
    for row in rows:
        this = (row["work"], row["depth"], row["tasks"], row["metric"])
        if this != head:
            head = this
            cell = Cell(row["work"], row["depth"], row["tasks"])
            out += ["", f"{cell.label}: {row['metric']}, {row['unit']}", "",
                    "| device | median | 95% | rounds | to ublk | to brd |", "|---|---|---|---|---|---|"]
        ratios = [_interval(Estimate(**row[key])) if row[key] else "" for key in ("to_ublk", "to_brd")]
        out.append(f"| {row['device']} | {_number(row['median'])} | {_number(row['low'])}-{_number(row['high'])} | {row['rounds']} "
                   f"| {ratios[0]} | {ratios[1]} |")
    return out


def growth_lines(found: Sequence[Growth]) -> list[str]:
    """A Markdown table."""
    out = ["| device | full, KiB | per GiB of device, MiB | per request of depth, KiB | per task, KiB | per server, KiB | server grew, KiB |",
           "|---|---|---|---|---|---|---|"]
    for one in found:
        cells = [one.per_gib_mib, one.per_request_kib, one.per_task_kib, one.per_server_kib]
        texts = ["" if value is None else _number(value) for value in cells]
        out.append(f"| {one.device} | {_number(one.base_full_kib)} | {' | '.join(texts)} | {_number(one.server_grew_kib)} |")
    return out


def spoilt_line(clock: str, judged: Judged) -> str:
    """How many rounds count, and how many were repeated, and the first reasons."""
    good = sum(map(len, judged.good.values()))
    line = f"{clock}: {good} rounds of a work count, {len(judged.spoilt)} were spoilt and repeated"
    reasons = [f"{cell.label} round {number}: {why}" for (cell, number), why in list(judged.spoilt.items())[:3]]
    return line + (f" ({'; '.join(reasons)}{'; ...' if len(judged.spoilt) > 3 else ''})" if reasons else "")
