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
from .targets import newest


# Of many works, those that say what swapping costs; a panel each.
PANELS_MAX = 8
TELLING = re.compile(r"^swap\b.*: (?:out|in)\b|^fault\b.*: fault_p(?:50|99)\b|^randread-4k\b.*: rate\b")


# What the table shows: what is done in a second, how long a fault takes, what a request or page takes of all processors and of the server.
# Left out are times that are one of these upside down, and what is in the raw results alone.
TOLD = re.compile(r": (?:rate|out|in|fault_\w+|requests_per_s|(?:in_|out_)?(?:instructions|server))\b")


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
    # Different code is a different device: never pooled.
    folder = newest(results)
    told = [value for value in results.bench if folder is None or value.source == f"bench/{folder.name}"]
    for work, unit in dict.fromkeys((value.work, value.unit) for value in told):
        mine = [value for value in told if (value.work, value.unit) == (work, unit)]
        devices = []
        for device in dict.fromkeys(value.device for value in mine):
            values = [value.value for value in mine if value.device == device]
            found = inference.median(values)
            devices.append({"device": device, "values": values, "median": found.value,
                            "low": None if math.isnan(found.low) else found.low, "high": None if math.isnan(found.high) else found.high})
        devices.sort(key=lambda row: row["median"], reverse=higher_is_better(unit))
        works.append({"work": work, "unit": unit, "devices": devices})
    notes = sorted({value.note for value in told if value.note})
    commits = sorted({value.commit for value in told if value.commit})
    return {"works": works, "notes": notes, "sources": f"{', '.join(sorted({value.source for value in told}))} of "
            f"{', '.join(commits) or 'no commit named'}"}


def _short(value: float) -> str:
    """A value above its mark."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _panel(work: dict[str, Any], axes: Any, look: style.Theme, small: bool) -> None:
    for at, row in enumerate(work["devices"]):
        ours = row["device"].startswith("abuse")
        colour = look.series[1] if ours else look.series[0]
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
        axes.plot(row["values"], [at] * len(row["values"]), linestyle="none", marker="|", markersize=5, color=look.faint)
        axes.plot([row["median"]], [at], marker="s" if ours else "o", color=colour, markersize=4.5 if small else 6)
        axes.annotate(_short(row["median"]), (row["median"], at), xytext=(0, 4 if small else 6), textcoords="offset points",
                      fontsize=6 if small else 7, ha="center")
    axes.set_yticks(range(len(work["devices"])), [row["device"] for row in work["devices"]])
    axes.set_ylim(len(work["devices"]) - 0.4, -0.9)
    axes.margins(x=0.12)
    axes.set_xlim(left=0)
    axes.locator_params(axis="x", nbins=4)
    axes.xaxis.set_major_formatter(lambda value, _at: f"{value:,.12g}")
    better = "right" if higher_is_better(work["unit"]) else "left"
    axes.set_title(work["work"], fontsize=7 if small else 9, loc="left")
    axes.set_xlabel(f"{work['unit']}; better to the {better}", fontsize=7 if small else 9)
    axes.tick_params(labelsize=7 if small else 9)
    axes.grid(axis="x")


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    works = panels(told["works"])
    columns = 1 if len(works) <= 2 else 2
    rows = -(-len(works) // columns)
    devices = max(len(work["devices"]) for work in works)

    def paint(axes: Any, look: style.Theme) -> str:
        places = numpy.atleast_1d(axes).ravel()
        for work, place in zip(works, places):
            _panel(work, place, look, columns > 1)
        for place in places[len(works):]:
            place.set_axis_off()
        return (f"{told['sources']}. Squares: abuse; median of rounds, 95% by the bootstrap over rounds, | a round. " +
                " ".join(told["notes"]))
    height_in = (1.0 + (0.24 if columns > 1 else 0.34) * devices) * rows + 0.4
    return style.draw(paint, theme=theme, faked=faked, height_in=height_in, rows=rows, columns=columns)


def table(told: dict[str, Any]) -> str:
    """A line a work, a column a device: medians."""
    works = [work for work in told["works"] if TOLD.search(work["work"])] or told["works"]
    names = sorted(dict.fromkeys(row["device"] for work in works for row in work["devices"]), key=lambda name: (not name.startswith("abuse"), name))
    lines = []
    for work in works:
        medians = {row["device"]: _short(row["median"]) for row in work["devices"]}
        rounds = sorted({len(row["values"]) for row in work["devices"]})
        lines.append([work["work"], work["unit"], "-".join(map(str, dict.fromkeys((rounds[0], rounds[-1])))), *(medians.get(name, "") for name in names)])
    return style.markdown(["work", "unit", "rounds", *names], lines)


def caption(told: dict[str, Any]) -> str:
    return ("Swap against peers: medians of rounds, with the bootstrap's interval. " + " ".join(told["notes"]) +
            f" {told['sources']}.").replace("  ", " ")


FIGURE = base.Figure("peers", "Against peers", data, draw, table, caption)
