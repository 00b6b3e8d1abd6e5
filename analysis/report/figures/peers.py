# SPDX-License-Identifier: GPL-2.0-only
"""Throughput and latency of swap, against peers.

Where it stands: experiments/bench > raw > [figure] > paper, questions H6 and H15.
"""
from __future__ import annotations

import math
import re
from typing import Any

import numpy

from .. import inference
from ..raw import Results
from . import base, style


# Of many works, those that say what swapping costs; a panel each.
PANELS_MAX = 8
TELLING = re.compile(r"^swap\b.*: (?:out|in)\b|^fault\b.*: fault_p(?:50|99)\b|^randread-4k\b.*: rate\b")


def panels(works: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the picture shows; the table has all."""
    telling = [work for work in works if TELLING.search(work["work"])]
    return (telling or works)[:PANELS_MAX]


def higher_is_better(unit: str) -> bool:
    """Rates are; times are not."""
    return unit.endswith("/s") or unit.upper() == "IOPS"


def data(results: Results) -> dict[str, Any]:
    if not results.bench:
        raise base.Missing("experiments/bench, then analysis/keep --bench FILE")
    works: list[dict[str, Any]] = []
    for work, unit in dict.fromkeys((value.work, value.unit) for value in results.bench):
        mine = [value for value in results.bench if (value.work, value.unit) == (work, unit)]
        devices = []
        for device in dict.fromkeys(value.device for value in mine):
            values = [value.value for value in mine if value.device == device]
            found = inference.median(values)
            devices.append({"device": device, "values": values, "median": found.value,
                            "low": None if math.isnan(found.low) else found.low, "high": None if math.isnan(found.high) else found.high})
        devices.sort(key=lambda row: row["median"], reverse=higher_is_better(unit))
        works.append({"work": work, "unit": unit, "devices": devices})
    notes = sorted({value.note for value in results.bench if value.note})
    commits = sorted({value.commit for value in results.bench if value.commit})
    return {"works": works, "notes": notes, "sources": f"{', '.join(sorted({value.source for value in results.bench}))} of "
            f"{', '.join(commits) or 'no commit named'}"}


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    works = panels(told["works"])
    rows = max(len(work["devices"]) for work in works)

    def paint(axes: Any, look: style.Theme) -> str:
        for work, one in zip(works, numpy.atleast_1d(axes)):
            for at, row in enumerate(work["devices"]):
                ours = row["device"].startswith("abuse")
                colour = look.series[1] if ours else look.series[0]
                if row["low"] is not None:
                    one.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
                one.plot(row["values"], [at] * len(row["values"]), linestyle="none", marker="|", markersize=5, color=look.faint)
                one.plot([row["median"]], [at], marker="s" if ours else "o", color=colour, markersize=6)
                one.annotate(f"{row['median']:,.3g}", (row["median"], at), xytext=(0, 6), textcoords="offset points", fontsize=7,
                             ha="center")
            one.set_yticks(range(len(work["devices"])), [row["device"] for row in work["devices"]])
            one.set_ylim(len(work["devices"]) - 0.4, -0.7)
            one.set_xlim(left=0)
            one.margins(x=0.1)
            better = "right" if higher_is_better(work["unit"]) else "left"
            one.set_title(work["work"], fontsize=9, loc="left")
            one.set_xlabel(f"{work['unit']}; better to the {better}")
            one.grid(axis="x")
        return (f"{told['sources']}. Squares: abuse; median of rounds, 95% by the bootstrap over rounds, | a round. " +
                " ".join(told["notes"]))
    return style.draw(paint, theme=theme, faked=faked, height_in=(1.0 + 0.34 * rows) * len(works) + 0.4, rows=len(works))


def table(told: dict[str, Any]) -> str:
    return style.markdown(["work", "device", "median [95%]", "unit", "rounds"], [
        [work["work"], row["device"], f"{row['median']:,.4g}" + ("" if row["low"] is None else f" [{row['low']:,.4g}, {row['high']:,.4g}]"),
         work["unit"], str(len(row["values"]))] for work in told["works"] for row in work["devices"]])


def caption(told: dict[str, Any]) -> str:
    return ("Swap against peers: medians of rounds, with the bootstrap's interval. " + " ".join(told["notes"]) +
            f" {told['sources']}.").replace("  ", " ")


FIGURE = base.Figure("peers", "Against peers", data, draw, table, caption)
