# SPDX-License-Identifier: GPL-2.0-only
"""One boot at the edge of its memory: what is free, what is swapped out, and the server, which asks for nothing.

Where it stands: raw > [figure] > paper, questions H9 and H10.
"""
from __future__ import annotations

from typing import Any

from lab import verdict

from .. import numbers
from ..raw import Boot, Results
from . import base, style

CELLS = ("H8/full-6.12", "demo/safe")


def _points(boot: Boot) -> list[dict[str, float]]:
    """A point a heartbeat from swapon to swapoff."""
    run = boot.evidence()
    steps = {result.get("name"): float(result.get("host_s", 0.0)) for result in run.results if result.get("event") == "step"}
    if "swapon" not in steps:
        return []
    series = [beat for beat in verdict.beats(run.heartbeats)
              if steps["swapon"] <= float(beat.get("host_s", 0.0)) <= steps.get("swapoff", float("inf"))]
    out = []
    for beat in series:
        if not {"free_kb", "swap_total_kb", "swap_free_kb"} <= set(beat):
            continue
        point = {"s": (beat["t_ms"] - series[0]["t_ms"]) / 1000, "free_mib": beat["free_kb"] / 1024,
                 "swapped_mib": (beat["swap_total_kb"] - beat["swap_free_kb"]) / 1024}
        # Agents that look at the server's memory tell it; older ones do not.
        rss = (beat.get("server") or {}).get("rss_kb")
        if rss is not None:
            point["server_mib"] = rss / 1024
        out.append(point)
    return out


def data(results: Results) -> dict[str, Any]:
    for label in CELLS:
        passed = [boot for boot in results.counted(label) if boot.verdict == "PASS"]
        # The newest; one boot is a picture, not a rate.
        for boot in sorted(passed, key=lambda one: (one.utc, one.name), reverse=True):
            points = _points(boot)
            if len(points) > 2:
                return {"points": points, "faults": numbers.server_faults(boot), "boot": boot.name, "commit": boot.commit,
                        "series": boot.series}
    raise base.Missing("make demo, then analysis/keep --single build/results/*-safe")


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    points = told["points"]
    times = [point["s"] for point in points]

    def paint(axes: Any, look: style.Theme) -> str:
        for at, (key, name) in enumerate((("swapped_mib", "swapped out"), ("free_mib", "free"), ("server_mib", "resident in the server"))):
            if key in points[0]:
                axes.plot(times, [point.get(key) for point in points], color=look.series[at], linestyle=style.DASHES[at], label=name)
        axes.set_xlim(0, times[-1])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("seconds of guest time since swapon")
        axes.set_ylabel("MiB")
        axes.grid()
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=8)
        return (f"{told['boot']}, kernel {told['series']}, {told['commit']}. {_faults(told)}" +
                ("" if "server_mib" in points[0] else " The server's resident memory over time is not recorded yet."))
    return style.draw(paint, theme=theme, faked=faked, height_in=3.0)


def _faults(told: dict[str, Any]) -> str:
    if told["faults"] is None:
        return "The server did not tell its page faults."
    return f"Page faults of the server from its first request to its last: {told['faults']}."


def table(told: dict[str, Any]) -> str:
    points = told["points"]

    def span(key: str) -> str:
        values = [point[key] for point in points if key in point]
        return f"{min(values):.0f} to {max(values):.0f}" if values else "not recorded yet"
    return style.markdown(["seconds", "free, MiB", "swapped out, MiB", "server, MiB", "page faults of the server"], [
        [f"{points[-1]['s']:.0f}", span("free_mib"), span("swapped_mib"), span("server_mib"),
         "not told" if told["faults"] is None else str(told["faults"])]])


def caption(told: dict[str, Any]) -> str:
    return f"Memory of the guest while the server answers, one boot with all protections. {_faults(told)} {told['boot']}."


FIGURE = base.Figure("memory", "Memory while serving", data, draw, table, caption)
