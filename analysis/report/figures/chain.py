# SPDX-License-Identifier: GPL-2.0-only
"""Who waits for whom in a hang, drawn and as text: the cycle thick, the others thin.

Where it stands: console log > analysis/waitchain.py > [figure] > paper.  graphviz lays it out.
"""
from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path
from typing import Any

import waitchain
from lab import verdict

from .. import ReportError
from ..raw import Boot, Results
from . import base, style

# The naive server's, a campaign's before the demo's.
CELLS = ("H8/naive", "H1/naive", "demo/naive")
OTHERS_MAX = 4
# Blanks around an edge's text, which keep it off the edge.
PAD = "  "


def analyse(boot: Boot) -> waitchain.Analysis | None:
    """The chain of a boot, from its own log; None if only the telling lines of it were kept."""
    run = boot.whole()
    if run is None:
        return None
    series = verdict.beats(run.heartbeats)
    return waitchain.analyse(run.console, server=run.arm.get("server", {}).get("comm"), counters=series[-1].get("abuse") if series else None,
                             hold=int(run.arm.get("server", {}).get("hold", 0)),
                             device=Path(str(run.arm["device"]["path"])).name)


def data(results: Results) -> dict[str, Any]:
    for label in CELLS:
        hung = [boot for boot in results.counted(label) if boot.hang]
        for boot in sorted(hung, key=lambda one: (one.utc, one.name), reverse=True):
            found = analyse(boot)
            if found is not None and found.cycle:
                shown = {id(edge) for edge in found.cycle}
                alike: dict[tuple[str, str], list[waitchain.Edge]] = {}
                for edge in found.edges:
                    if id(edge) not in shown and edge.kind not in ("idle", "request", "child", "futex"):
                        alike.setdefault((edge.resource, edge.function), []).append(edge)
                return {"cycle": [_edge(edge) for edge in found.cycle],
                        "others": [{**_edge(group[0]), "more": len(group) - 1} for group in alike.values()][:OTHERS_MAX],
                        "text": found.text(), "boot": boot.name, "commit": boot.commit, "series": boot.series}
    raise base.Missing("make demo, then analysis/keep --single build/results/*-naive")


def _edge(edge: waitchain.Edge) -> dict[str, Any]:
    return {"waiter": edge.waiter, "resource": edge.resource, "function": edge.function}


def _quote(text: str, width: int = 30, pad: str = "") -> str:
    """A label; pad: blanks around each line, which keep an edge's text off the edge."""
    return '"' + "\\n".join(pad + line.replace('"', "'") + pad for line in textwrap.wrap(text, width)) + '"'


def dot(told: dict[str, Any], theme: str, faked: bool) -> str:
    """The graph in graphviz's language."""
    look = style.THEMES[theme]
    note = f"{told['boot']}, kernel {told['series']}, {told['commit']}" + ("; no guest ran: test data" if faked else "")
    lines = ["digraph chain {",
             f'graph [bgcolor="{look.paper}", rankdir=TB, nodesep=0.35, ranksep=0.35, label={_quote(note, 100)}, fontcolor="{look.faint}", '
             'fontname="DejaVu Sans", fontsize=8, margin=0.1];',
             f'node [fontname="DejaVu Sans", fontsize=10, color="{look.ink}", fontcolor="{look.ink}", margin="0.12,0.06"];',
             f'edge [fontname="DejaVu Sans Mono", fontsize=8, color="{look.faint}", fontcolor="{look.faint}"];']
    nodes: dict[str, str] = {}

    def node(text: str, look_of: str) -> str:
        if text not in nodes:
            nodes[text] = f"n{len(nodes)}"
            lines.append(f"{nodes[text]} [label={_quote(text)}, {look_of}];")
        return nodes[text]

    # Tasks are boxes; what is waited for is round and dashed.
    task, thing = "shape=box, penwidth=2.2", "shape=ellipse, style=dashed, penwidth=1.2"
    thick = f'penwidth=2.4, color="{look.series[1]}"'
    cycle = told["cycle"]
    before = ""
    for at, edge in enumerate(cycle):
        # "that" and "reclaim" stand for what came before.
        waiter = before if edge["waiter"] in ("that", "reclaim") else node(edge["waiter"], task if "[" in edge["waiter"] else thing)
        if before and waiter != before:
            lines.append(f"{before} -> {waiter} [{thick}];")
        after = next((one["waiter"] for one in cycle if edge["resource"].startswith(f"{one['waiter']},")), None)
        how = edge["function"]
        if after is not None:
            # The resource is one of the cycle's own waiters, and the rest of its text says why.
            how = edge["resource"][len(after) + 1:].strip()
        target = node(edge["resource"] if after is None else after, task if after and "[" in after else thing)
        if waiter != target:
            lines.append(f"{waiter} -> {target} [{thick}, label={_quote(how, 26, PAD)}];")
        before = target
    for edge in told["others"]:
        more = f" and {edge['more']} more" if edge["more"] else ""
        lines.append(f"{node(edge['waiter'] + more, 'shape=box')} -> {node(edge['resource'], thing)} [label={_quote(edge['function'], 26, PAD)}];")
    return "\n".join([*lines, "}"]) + "\n"


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    try:
        done = subprocess.run(["dot", "-Tsvg"], input=dot(told, theme, faked), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ReportError(f"dot: {getattr(error, 'stderr', '') or error}: run `make deps-paper`") from None
    return done.stdout


def table(told: dict[str, Any]) -> str:
    """The chain as text, which is its table."""
    return f"```text\n{told['text']}\n```"


def caption(told: dict[str, Any]) -> str:
    return f"Who waits for whom when the naive server hangs: the cycle, thick, and others that wait for a part of it. {told['boot']}."


FIGURE = base.Figure("chain", "The wait chain of a hang", data, draw, table, caption)
