# SPDX-License-Identifier: GPL-2.0-only
"""How far each speed target is, under each clock, and what the rest is.

Where it stands: experiments/bench > raw > [figure] > paper, README.  The same code judges that `experiments/bench --table`
has; the newest folder that was kept counts.
"""
from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from measure import config as settings
from measure import record, rounds
from measure import table as judging

from ..raw import Results
from . import base, style

# What README shows, by the beginning of a target's text.
MAIN = ("4 KiB random read, depth 32, against ublk", "4 KiB random read, depth 1, against ublk, a lone", "swap-out, 1 task, against",
        "swap-in without read-ahead, against ublk, a lone", "cost above brd, random read, depth 32", "4 KiB random read, depth 32, against nbd",
        "forward, random read, depth 32", "lz4, swap-out", "lz4: memory")
# In the order of the columns.
CLOCKS = ("icount", "plain", "icount-erms")
# README has these.
MAIN_CLOCKS = CLOCKS[:2]


def newest(results: Results) -> Path | None:
    """The folder of the benchmark that was begun last."""
    folders = [folder for root in results.roots for folder in record.folders(root / "bench")]
    return max(folders, key=lambda folder: str(json.loads((folder / "manifest.json").read_text()).get("utc", "")), default=None)


def _lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in record.text_of(folder, name).splitlines() if line.strip()]


def judge(folder: Path, config: settings.Config) -> tuple[dict[str, list[judging.Verdict]], dict[str, str]]:
    """The verdicts of each clock that was measured, and a line on its rounds; memory counts as the clock's that it was measured by."""
    lines, memory = _lines(folder, record.MEASUREMENTS), judging.memory_of(_lines(folder, record.MEMORY))
    found: dict[str, list[judging.Verdict]] = {}
    told: dict[str, str] = {}
    for name, clock in config.clocks.items():
        if not any(line["clock"] == name for line in lines):
            continue
        # Those that were chosen for it, if not all were.
        measured = {line["device"] for line in lines if line["clock"] == name}
        judged = rounds.judge(lines, config, clock, [device.name for device in config.devices_of(name) if device.name in measured])
        found[name] = judging.verdicts(config, name, judging.values_of(lines, name, judged))
        told[name] = judging.spoilt_line(name, judged)
    if memory:
        found.setdefault(config.memory.clock, []).extend(judging.memory_verdicts(config, memory))
    return found, told


def data(results: Results) -> dict[str, Any]:
    folder = newest(results)
    if folder is None:
        raise base.Missing("experiments/bench, then analysis/keep --bench FOLDER")
    config = settings.load()
    found, told = judge(folder, config)
    rows = []
    for target in config.targets:
        row: dict[str, Any] = {"what": target.what, "remains": target.undecided or target.remains, "clocks": {}}
        for clock, verdicts in found.items():
            for verdict in verdicts:
                if verdict.what == target.what and verdict.measured is not None:
                    row["wanted"], row["versus"] = verdict.wanted, verdict.versus
                    row["clocks"][clock] = {"median": verdict.measured.median, "low": verdict.measured.low, "high": verdict.measured.high,
                                            "rounds": verdict.measured.rounds, "met": verdict.met, "word": verdict.word,
                                            # Above 1: met.  Of a target that is a floor, and of one that is a ceiling.
                                            "share": _share(verdict, target)}
        if row["clocks"]:
            rows.append(row)
    grown = judging.growth(config, judging.memory_of(_lines(folder, record.MEMORY)))
    commit = json.loads((folder / "manifest.json").read_text()).get("commit", "no commit named")
    return {"rows": rows, "clocks": [clock for clock in CLOCKS if clock in found], "rounds": told,
            "growth": [dataclasses.asdict(one) for one in grown], "source": f"bench/{folder.name} of {commit}"}


def _share(verdict: judging.Verdict, target: settings.Target) -> float:
    assert verdict.measured is not None
    if target.at_least is not None:
        return verdict.measured.median / target.at_least
    assert target.at_most is not None
    return target.at_most / verdict.measured.median if verdict.measured.median > 0 else math.inf


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    rows = told["rows"]

    def paint(axes: Any, look: style.Theme) -> str:
        for at, row in enumerate(rows):
            for number, clock in enumerate(told["clocks"]):
                one = row["clocks"].get(clock)
                if one and math.isfinite(one["share"]):
                    axes.plot([one["share"]], [at + 0.18 * (number - 0.5)], linestyle="none", marker=style.MARKERS[number], markersize=5,
                              color=look.series[number], markerfacecolor=look.series[number] if one["met"] else look.paper)
        axes.axvline(1.0, color=look.ink, linewidth=0.8)
        axes.set_xscale("log")
        ticks = [0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 4]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_yticks(range(len(rows)), [row["what"] for row in rows], fontsize=7)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel("measured / wanted; to the right of the line: met")
        axes.grid(axis="x")
        marks = ", ".join(f"{('circles', 'squares', 'triangles')[number]}: {clock}" for number, clock in enumerate(told["clocks"]))
        return f"{told['source']}. {marks}; hollow: missed, or not decided."
    return style.draw(paint, theme=theme, faked=faked, height_in=0.8 + 0.21 * len(rows))


def _cell(one: dict[str, Any] | None) -> str:
    if one is None:
        return ""
    spread = "" if one["low"] == one["high"] else f" [{one['low']:.4g}, {one['high']:.4g}]"
    # So many digits that one sees why it is missed.
    return f"{one['median']:.4g}{spread}" + ("" if one["met"] else f", **{one['word']}**")


def table(told: dict[str, Any]) -> str:
    return style.markdown(["target", "wanted", *told["clocks"], "what the rest is"], [
        [row["what"], row["wanted"], *(_cell(row["clocks"].get(clock)) for clock in told["clocks"]),
         row["remains"] if not all(one["met"] for one in row["clocks"].values()) else ""] for row in told["rows"]])


def short(told: dict[str, Any]) -> str:
    """The main lines, and how many of all are met under each of the main clocks."""
    clocks = [clock for clock in told["clocks"] if clock in MAIN_CLOCKS]
    rows = [row for row in told["rows"] if row["what"].startswith(MAIN)]
    met = ", ".join(f"{sum(row['clocks'][clock]['met'] for row in told['rows'] if clock in row['clocks'])} of "
                    f"{sum(clock in row['clocks'] for row in told['rows'])} under {clock}" for clock in clocks)
    return style.markdown(["work", "wanted", *clocks], [
        [row["what"], row["wanted"], *(_cell(row["clocks"].get(clock)) for clock in clocks)] for row in rows]) + f"\n\nTargets met: {met}."


def growth(told: dict[str, Any]) -> str:
    """What each device takes of the memory, and how that grows."""
    if not told["growth"]:
        return "*Memory: not measured yet.*"
    return "\n".join(judging.growth_lines([judging.Growth(**one) for one in told["growth"]]))


def caption(told: dict[str, Any]) -> str:
    return ("Distance to each target of speed: medians of ratios within rounds, 95% by the bootstrap over rounds. "
            f"{' '.join(line + '.' for line in told['rounds'].values())} {told['source']}.")


FIGURE = base.Figure("targets", "Distance to the targets of speed", data, draw, table, caption)
