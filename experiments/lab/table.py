#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""The table of questions in experiments/README.md, from the question files.

Where it stands: beside the path.  `experiments/lab/table.py --write` puts it between its two marks; a test finds drift.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import questions, stats  # noqa: E402
from lab.vm import REPO  # noqa: E402

README = REPO / "experiments" / "README.md"
BEGIN = "<!-- questions: written by experiments/lab/table.py -->"
END = "<!-- questions end -->"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def table() -> str:
    """The table, with BEGIN and END, without an end of line."""
    lines = [BEGIN, "| claim | question | command `experiments/run ...` | cells, boots, time of one guest at a time | expected |",
             "|---|---|---|---|---|"]
    for path in questions.known():
        asked = questions.load(path)
        boots = sum(cell.runs for cell in asked.cells)
        parts = [f"{len(asked.cells)} cells, {boots} boots"] if asked.cells else []
        parts += [f"{len(asked.checks)} checks"] if asked.checks else []
        parts.append(stats.duration(asked.minutes * 60))
        expected = asked.prediction + (f" Open: {asked.open}" if asked.open else "")
        lines.append(f"| {asked.id}, {_cell(asked.who)}: {_cell(asked.claim)} | {_cell(asked.question)} | `--question {asked.id}` | "
                     f"{', '.join(parts)} | {_cell(expected)} |")
    return "\n".join([*lines, END])


def written(text: str) -> str:
    """A README's text with today's table.  ValueError if it has no marks."""
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no {BEGIN} ... {END}")
    return head + table() + tail


def main() -> int:
    parser = argparse.ArgumentParser(description="Print the table of questions.")
    parser.add_argument("--write", action="store_true", help="into experiments/README.md")
    args = parser.parse_args()
    if args.write:
        README.write_text(written(README.read_text()))
    else:
        print(table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
