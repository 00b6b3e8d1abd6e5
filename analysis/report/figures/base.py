# SPDX-License-Identifier: GPL-2.0-only
"""What a figure is, and how it becomes files: light and dark SVG, PNG for a quick look, its table, and the digest of its data.

Where it stands: raw > [base] > build/figures, analysis/pictures.  Drawing is each figure's own.
"""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..raw import Boot, Results

THEMES = ("light", "dark")


class Missing(Exception):
    """A figure has no data; the text says what would give it some."""


@dataclass(frozen=True)
class Figure:
    """data() raises Missing; what it returns is all that draw(), table() and caption() look at, and is plain JSON."""

    name: str
    title: str
    data: Callable[[Results], dict[str, Any]]
    # (data, theme, faked): the SVG's text
    draw: Callable[[dict[str, Any], str, bool], str]
    table: Callable[[dict[str, Any]], str]
    caption: Callable[[dict[str, Any]], str]


@dataclass(frozen=True)
class Made:
    """One figure, or why there is none."""

    figure: Figure
    data: dict[str, Any] | None
    missing: str
    faked: bool

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.data, sort_keys=True).encode()).hexdigest()[:16]

    def svg(self, theme: str) -> str:
        """The picture, with the digest of its data in a comment: drift is found without drawing it again."""
        assert self.data is not None
        text = self.figure.draw(self.data, theme, self.faked)
        head, root, rest = text.partition("<svg ")
        return f"{head}<!-- data: {self.digest} -->\n{root}{rest}"


def make(figure: Figure, results: Results) -> Made:
    """The figure's data, or why there are none."""
    try:
        return Made(figure, figure.data(results), "", results.faked > 0)
    except Missing as why:
        return Made(figure, None, str(why), False)


def write(made: Made, out: Path, png: bool = False, table: bool = True) -> list[Path]:
    """NAME-light.svg, NAME-dark.svg, and NAME.md if `table`; removes them if there is no data, so that none stays behind."""
    out.mkdir(parents=True, exist_ok=True)
    paths = [out / f"{made.figure.name}-{theme}.svg" for theme in THEMES]
    text = out / f"{made.figure.name}.md"
    if made.data is None:
        for path in (*paths, text, *(path.with_suffix(".png") for path in paths)):
            path.unlink(missing_ok=True)
        return []
    for path, theme in zip(paths, THEMES):
        path.write_text(made.svg(theme))
        if png:
            from . import style
            style.png(path)
    if not table:
        return paths
    text.write_text(f"{made.figure.title}\n\n{made.figure.table(made.data)}\n\n{made.figure.caption(made.data)}\n")
    return [*paths, text]


def sources(boots: Sequence[Boot]) -> str:
    """Which boots a figure is made of: their number, arm, commits."""
    commits = sorted({boot.commit for boot in boots})
    return f"{len(boots)} boots of {', '.join(commits)}"
