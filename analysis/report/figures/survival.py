# SPDX-License-Identifier: GPL-2.0-only
"""How soon: the share of boots that have not hung yet, over the time since swapon.

Where it stands: raw > [figure] > paper, questions H5 and H8.
"""
from __future__ import annotations

from typing import Any

from .. import inference, raw
from ..raw import Results
from . import base, style

# At most as many as there are dashes to tell them apart.
CURVES = (("H8/full-6.12", "all protections"), ("H8/less-no-mlock", "without mlock"), ("H8/none", "no protection, nothing allocated"),
          ("H8/naive", "naive, 256 MiB"), ("H5/naive-memory-mib-128", "naive, 128 MiB"), ("H5/naive-memory-mib-512", "naive, 512 MiB"))
DEMO = (("demo/safe", "make demo, safe"), ("demo/naive", "make demo, naive"))
# Heartbeats come once a second: nothing is known of what is sooner.
FIRST_S = 0.5


def data(results: Results) -> dict[str, Any]:
    curves, boots_all = [], []
    measured = [(label, name) for label, name in CURVES if results.counted(label)]
    for label, name in measured or DEMO:
        boots = results.counted(label)
        seen = [one for boot in boots if (one := raw.time_to_hang(boot)) is not None]
        if not seen:
            continue
        found = inference.survival(seen)
        curves.append({"name": name, "boots": found.nr_boots, "hangs": found.nr_hangs, "times_s": list(found.times_s),
                       "shares": list(found.shares), "low": list(found.low), "high": list(found.high), "median_s": found.median_s,
                       "last_s": found.last_s, "censored_s": list(found.censored_s)})
        boots_all += boots
    if not curves:
        raise base.Missing("make experiments QUESTION=H5, and QUESTION=H8")
    return {"curves": curves, "sources": base.sources(boots_all)}


def _share_at(curve: dict[str, Any], time_s: float) -> float:
    share = 1.0
    for at, value in zip(curve["times_s"], curve["shares"]):
        if at <= time_s:
            share = value
    return share


def draw(told: dict[str, Any], theme: str, faked: bool) -> str:
    def paint(axes: Any, look: style.Theme) -> str:
        end = max(curve["last_s"] for curve in told["curves"])
        for at, curve in enumerate(told["curves"]):
            colour = look.series[at % len(look.series)]
            # Only where something was seen: up to the last boot of the curve.
            times = [FIRST_S, *[max(FIRST_S, time) for time in curve["times_s"]], max(FIRST_S, curve["last_s"])]
            shares = [1.0, *curve["shares"]]
            axes.step(times, [*shares, shares[-1]], where="post", color=colour, linestyle=style.DASHES[at % len(style.DASHES)],
                      label=f"{curve['name']} ({curve['hangs']} of {curve['boots']} hung)")
            if curve["hangs"]:
                low, high = [1.0, *curve["low"]], [1.0, *curve["high"]]
                axes.fill_between(times, [*low, low[-1]], [*high, high[-1]], step="post", color=colour, alpha=0.15, linewidth=0)
            axes.plot(curve["censored_s"], [_share_at(curve, time) for time in curve["censored_s"]], linestyle="none", marker="|",
                      markersize=9, color=colour)
        axes.set_xscale("log")
        axes.set_xlim(FIRST_S, end * 1.2)
        ticks = [tick for tick in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if tick <= end * 1.2]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.set_ylim(-0.03, 1.05)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25%", "50%", "75%", "100%"])
        axes.set_xlabel("seconds of guest time since swapon")
        axes.set_ylabel("boots that have not hung")
        axes.grid()
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, fontsize=8)
        return (f"{told['sources']}. Kaplan and Meier's estimate, 95% (log-log); | a boot that ended without a hang. To the second: that is "
                "how often the agent beats.")
    return style.draw(paint, theme=theme, faked=faked, height_in=3.6)


def table(told: dict[str, Any]) -> str:
    return style.markdown(["boots of", "hung", "first hang, s", "median, s", "longest seen, s"], [
        [curve["name"], f"{curve['hangs']}/{curve['boots']}", f"{curve['times_s'][0]:.0f}" if curve["hangs"] else "-",
         "-" if curve["median_s"] is None else f"{curve['median_s']:.0f}", f"{curve['last_s']:.0f}"] for curve in told["curves"]])


def caption(told: dict[str, Any]) -> str:
    return ("Share of boots that have not hung, over the guest's time since swapon; boots that ended otherwise are censored at their end. "
            f"{told['sources']}.")


FIGURE = base.Figure("survival", "How soon", data, draw, table, caption)
