# SPDX-License-Identifier: GPL-2.0-only
"""How figures look: two themes, series told apart by shape and dash as well as by colour, a footer that names the runs.

Where it stands: beside the figures.  Colours are Okabe and Ito's, which differ in lightness, too: they can be read in grey.
"""
from __future__ import annotations

import io
import re
import subprocess
import textwrap
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
except ImportError as error:
    raise SystemExit(f"analysis: {error}: run `make deps-paper` (and /usr/bin/python3: another Python does not see Debian's "
                     "packages)") from None

from .. import ReportError

WIDTH_IN = 7.2


@dataclass(frozen=True)
class Theme:
    paper: str
    ink: str
    faint: str
    grid: str
    series: tuple[str, ...]


THEMES = {
    "light": Theme("#ffffff", "#1a1a1a", "#595959", "#d9d9d9", ("#0072b2", "#d55e00", "#000000", "#009e73", "#9b5f86", "#8a6d00")),
    "dark": Theme("#14181d", "#eceff1", "#aab2ba", "#3a424b", ("#56b4e9", "#e69f00", "#ffffff", "#3fcf9f", "#cc9abf", "#f0e442")),
}
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)))


def draw(paint: Callable[[Any, Theme], str], *, theme: str, faked: bool, height_in: float, rows: int = 1, columns: int = 1) -> str:
    """SVG of one figure.

    paint   gets the axes (an array if there are several) and the theme; returns the footer
    faked   the data are a test's: the picture says so across all of it
    """
    look = THEMES[theme]
    settings = {
        "svg.hashsalt": "abuse", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9, "figure.facecolor": look.paper,
        "axes.facecolor": look.paper, "savefig.facecolor": look.paper, "text.color": look.ink, "axes.labelcolor": look.ink,
        "axes.edgecolor": look.faint, "xtick.color": look.ink, "ytick.color": look.ink, "axes.spines.top": False,
        "axes.spines.right": False, "grid.color": look.grid, "grid.linewidth": 0.6, "legend.frameon": False, "lines.linewidth": 1.6,
        "axes.axisbelow": True,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure, axes = pyplot.subplots(rows, columns, figsize=(WIDTH_IN, height_in), layout="constrained")
        try:
            footer = "\n".join(textwrap.wrap(paint(axes, look), 118))
            # Room for it: constrained layout knows of titles, not of text below.
            figure.supxlabel(footer, fontsize=6.5, color=look.faint, x=0.01, ha="left")
            if faked:
                figure.text(0.5, 0.5, "no guest ran: test data", fontsize=30, color="#c00000", alpha=0.45, ha="center", va="center",
                            rotation=18)
            out = io.StringIO()
            # Without a date, so that the same data give the same bytes.
            figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        finally:
            pyplot.close(figure)
    # Text stays text: it can be read aloud, searched, and is small.  Where that font is not, one of its widths; and in longhand,
    # since WeasyPrint of Debian 12 does not read the shorthand.
    return re.sub(r"font: ([\d.]+)px 'DejaVu Sans'[^;\"]*", r"font-size: \1px; font-family: 'DejaVu Sans', Verdana, sans-serif",
                  out.getvalue())


def png(svg: Path) -> Path:
    """A PNG beside an SVG, for those who look at it without a browser.  ReportError if rsvg-convert fails."""
    target = svg.with_suffix(".png")
    try:
        subprocess.run(["rsvg-convert", "--zoom", "1.6", "--output", str(target), str(svg)], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ReportError(f"rsvg-convert {svg}: {getattr(error, 'stderr', '') or error}: run `make deps-paper`") from None
    return target


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)])
