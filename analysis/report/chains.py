# SPDX-License-Identifier: GPL-2.0-only
"""What the server waits for in each hang that counts: a table of all cells, and some chains as text.

Where it stands: console log > analysis/waitchain.py > raw > [chains] > fill > PAPER.md.  Where all evidence of a boot is kept its log is read
again; of the others there is what was found when they ran.
"""
from __future__ import annotations

import collections
import dataclasses
import json
import re
from typing import Any

from . import ReportError, raw
from .figures import chain as figure
from .numbers import NOT_MEASURED
from .raw import Boot, Results

# What the last of a cycle waits for before the cycle closes, by waitchain.py's kind and a part of what it says; the first that fits.
WORDS = (
    ("batch", "", "more requests than there are"),
    ("bio", "", "a bio of `fs_bio_set`"),
    ("page", "", "its own page, from its own device"),
    ("reclaim", "(running)", "free memory, running"),
    ("reclaim", "", "free memory, in reclaim"),
    ("socket", "in its own reclaim", "its socket, in its own reclaim"),
    ("socket", "", "its socket, to send"),
    ("throttle", "", "free memory, asleep"),
    ("qos", "", "room among its device's writes"),
    ("writeback", "", "dirty pages, as who made them"),
)
NO_CYCLE = "no cycle found"
NO_SERVER = "there is no server"
# Said by our module's counters, or by a peer's name, of which no task is in the log.
GONE = re.compile(r"waits for: (?:a server|its server \S+): there is none")


def chain(boot: Boot) -> dict[str, Any]:
    """What waitchain.py makes of a boot's log, or made of it when it ran; {} if the boot has no chain."""
    found = figure.analyse(boot)
    if found is not None:
        return {"cycle": [dataclasses.asdict(edge) for edge in found.cycle or []], "text": found.text()}
    path = boot.folder / "verdict.json"
    told = json.loads(path.read_text()).get("waitchain") if path.is_file() else None
    return dict(told or {})


def why(boot: Boot) -> str:
    """What its server waits for, in WORDS; NO_CYCLE where the log closes none."""
    told = chain(boot)
    cycle = told.get("cycle") or []
    if len(cycle) < 2:
        return NO_SERVER if GONE.search(told.get("text", "")) else NO_CYCLE
    kind, resource = str(cycle[-2]["kind"]), str(cycle[-2]["resource"])
    return next((words for of, part, words in WORDS if of == kind and part in resource), kind)


def _hung(results: Results) -> dict[str, list[Boot]]:
    """Hung boots that count, by cell; a cell that several questions ask is named once, with all its names."""
    cells: dict[tuple[str, ...], tuple[list[str], list[Boot]]] = {}
    for question in raw.asked().values():
        for cell in question.cells:
            hung = [boot for boot in results.counted(cell.label) if boot.hang]
            if hung:
                names, _boots = cells.setdefault(tuple(sorted(boot.name for boot in hung)), ([], hung))
                if cell.label not in names:
                    names.append(cell.label)
    return {", ".join(names): boots for names, boots in cells.values()}


def table(results: Results) -> str:
    """A line a cell that hung: how many boots, how they were judged, and what the server waited for in how many."""
    hung = _hung(results)
    if not hung:
        return f"*The chains: {NOT_MEASURED}.*"
    lines = ["| cell | hung | judged | the server waits for |", "|---|---|---|---|"]
    for names, boots in hung.items():
        waits = collections.Counter(why(boot) for boot in boots)
        judged = collections.Counter(boot.verdict for boot in boots)
        lines.append(f"| {names} | {len(boots)} | {', '.join(f'{name} {n}' for name, n in sorted(judged.items()))} | " +
                     "; ".join(f"{name}: {n}" for name, n in waits.most_common()) + " |")
    return "\n".join(lines)


def text(results: Results, label: str) -> str:
    """The first chain of a cell that closes a cycle, as waitchain.py told it.  ReportError: no such cell."""
    if label not in {cell.label for question in raw.asked().values() for cell in question.cells}:
        raise ReportError(f"no cell is called {label!r}")
    for boot in sorted((boot for boot in results.counted(label) if boot.hang), key=lambda one: (one.utc, one.name)):
        told = chain(boot)
        if told.get("cycle"):
            return f"```text\n{boot.name}\n{told['text']}\n```"
    return f"*The chain of {label}: {NOT_MEASURED}.*"
