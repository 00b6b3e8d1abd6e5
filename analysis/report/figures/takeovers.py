# SPDX-License-Identifier: GPL-2.0-only
"""From kill -9 of the active server to the first answer of the next, under live swap.

Where it stands: tests/standby/kills > raw > [figure] > paper, questions H3 and H11.
"""
from __future__ import annotations

from typing import Any

from .. import inference
from ..raw import Results
from . import base, style

QUANTILES = (("median", 0.5), ("90%", 0.9), ("99%", 0.99))


def data(results: Results) -> dict[str, Any]:
    if not results.takeovers:
        raise base.Missing("make test-kill KILLS=200, then analysis/keep --takeovers build/tests/6.12/standby/kills.log")
    run = results.takeovers[-1]
    return {"times_ms": [time / 1000 for time in sorted(run.times_us)], "lent_again": run.nr_lent_again, "faults": run.nr_faults,
            "requests": run.nr_requests, "sources": f"{run.name}: {len(run.times_us)} kills in one boot, kernel {run.series}, {run.commit}"}


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    times = told["times_ms"]

    def paint(axes: Any, look: style.Theme) -> str:
        shares = [(at + 1) / len(times) for at in range(len(times))]
        axes.step([times[0], *times], [0.0, *shares], where="post", color=look.series[0])
        for at, (name, share) in enumerate(QUANTILES):
            value = inference.quantile(times, share)
            axes.plot([value], [share], marker=style.MARKERS[at], color=look.series[1], markersize=6)
            axes.annotate(f"{name} {value:.1f} ms", (value, share), xytext=(8, -9), textcoords="offset points", fontsize=8)
        axes.set_xscale("log")
        axes.set_xlim(times[0] * 0.8, times[-1] * 2.2)
        ticks = [tick for tick in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if times[0] * 0.8 <= tick <= times[-1] * 2.2]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(0, 1.04)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        axes.set_xlabel("milliseconds from the kill to the first answer")
        axes.set_ylabel("takeovers so far")
        axes.grid()
        return f"{told['sources']}. {told['requests']:,} requests, {told['lent_again']} of them lent again."
    return style.draw(paint, theme=theme, faked=faked, height_in=3.0)


def table(told: dict[str, Any]) -> str:
    times = told["times_ms"]
    return style.markdown(["kills", "min", *(name for name, _share in QUANTILES), "max", "lent again", "page faults of the next server"], [
        [str(len(times)), f"{times[0]:.1f} ms", *(f"{inference.quantile(times, share):.1f} ms" for _name, share in QUANTILES),
         f"{times[-1]:.1f} ms", str(told["lent_again"]), str(told["faults"])]])


def caption(told: dict[str, Any]) -> str:
    return ("Time from kill -9 of the active server to the first answer of its standby, while the machine swaps on the device. "
            f"{told['sources']}.")


FIGURE = base.Figure("takeovers", "When the server is killed", data, draw, table, caption)
