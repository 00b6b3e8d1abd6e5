# SPDX-License-Identifier: GPL-2.0-only
"""Rates of hangs with intervals: by what was taken away from the server (H8, H14), and of other servers and drivers (H6, H7, H15).

Where it stands: raw > [figure] > paper.  Two figures of one form.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lab.questions import Cell

from .. import inference, raw
from ..raw import Boot, Results
from . import base, style

# In the order of the picture: what is complete first, what has nothing last.
FIRST, LAST = ("full", "evict-safe"), ("evict-no-mlock", "none", "naive")
DEMO = (("demo/safe", "make demo, safe"), ("demo/naive", "make demo, naive"))
PEERS = ("H6", "H7", "H15")


def _place(cell: Cell) -> tuple[int, str]:
    name = cell.name
    if name.startswith(FIRST):
        return 0, name
    return (2 + LAST.index(name), name) if name in LAST else (1, name)


def protections() -> list[tuple[str, str]]:
    """(label, name) of H8's cells and H14's.  Pairs are an explorer's look, and a table of their own."""
    cells = [cell for cell in raw.asked()["H8"].cells if not cell.name.startswith("less-two")]
    there = {cell.digest for cell in cells}
    cells += [cell for cell in raw.asked()["H14"].cells if cell.digest not in there]
    return [(cell.label, cell.name.removeprefix("allocates-")) for cell in sorted(cells, key=_place)]


def peers() -> list[tuple[str, str]]:
    """(label, name) of the cells of H6, H7 and H15, each arm once."""
    found: dict[str, tuple[str, str]] = {}
    for question in PEERS:
        for cell in raw.asked()[question].cells:
            # One that cannot be run here has no digest.
            found.setdefault(cell.label if cell.missing else cell.digest, (cell.label, cell.name))
    return list(found.values())


def data(results: Results, *, cells: Callable[[], list[tuple[str, str]]], demo: bool, command: str) -> dict[str, Any]:
    wanted = cells()
    rows, boots_all = [], []
    for label, name in (*wanted, *(DEMO if demo else ())):
        boots: list[Boot] = results.counted(label)
        if not boots:
            continue
        hangs = sum(boot.hang for boot in boots)
        found = inference.wilson(hangs, len(boots))
        rows.append({"name": name, "hangs": hangs, "boots": len(boots), "rate": found.value, "low": found.low, "high": found.high,
                     "other": len(boots) - hangs - sum(boot.verdict == "PASS" for boot in boots)})
        boots_all += boots
    if not rows:
        raise base.Missing(command)
    measured = {row["name"] for row in rows}
    return {"rows": rows, "sources": base.sources(boots_all), "missing": [name for _label, name in wanted if name not in measured]}


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    rows = told["rows"]

    def paint(axes: Any, look: style.Theme) -> str:
        for at, row in enumerate(rows):
            colour = look.series[1] if row["hangs"] else look.series[0]
            axes.plot([row["low"], row["high"]], [at, at], color=colour, linewidth=2.2, solid_capstyle="butt")
            # Filled where it hung, hollow where it did not: to be told apart without colour.
            axes.plot([row["rate"]], [at], marker="s" if row["hangs"] else "o", color=colour, markersize=7,
                      markerfacecolor=colour if row["hangs"] else look.paper, markeredgewidth=1.6)
            axes.text(1.04, at, f"{row['hangs']}/{row['boots']}", va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(-0.02, 1.14)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        axes.set_xlabel("boots that hung; line: Wilson's interval, 95%")
        axes.grid(axis="x")
        return f"{told['sources']}.{_missing(told, ' Not measured yet: {} cells.')}"
    return style.draw(paint, theme=theme, faked=faked, height_in=1.3 + 0.3 * len(rows))


def _missing(told: dict[str, Any], text: str) -> str:
    """`text` with the number of cells without a boot in its {}; nothing if there is none."""
    return text.format(len(told["missing"])) if told["missing"] else ""


def table(told: dict[str, Any]) -> str:
    return style.markdown(["cell", "hangs, boots", "rate [95%]", "ended otherwise"], [
        [row["name"], f"{row['hangs']}/{row['boots']}", f"{row['rate']:.2f} [{row['low']:.2f}, {row['high']:.2f}]", str(row["other"])]
        for row in told["rows"]])


def caption(told: dict[str, Any], *, by: str) -> str:
    return (f"Share of boots that hung (DEADLOCK, LIVELOCK or LOST), {by}. Squares: some hung; circles: none. {told['sources']}"
            f"{_missing(told, '; not measured yet: {} cells')}.")


FIGURE = base.Figure("hangs", "Who hangs", functools.partial(data, cells=protections, demo=True, command="make experiments QUESTION=H8"),
                     draw, table, functools.partial(caption, by="by what was taken away from the server"))
PEERS_FIGURE = base.Figure("hangs-peers", "Who else hangs",
                           functools.partial(data, cells=peers, demo=False, command="make experiments QUESTION=H6, QUESTION=H7, QUESTION=H15"),
                           draw, table, functools.partial(caption, by="other servers and the kernel's own drivers under the same loads"))
