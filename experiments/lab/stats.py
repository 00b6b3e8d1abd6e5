# SPDX-License-Identifier: GPL-2.0-only
"""Intervals for a rate of hangs, in a few lines of standard library.

Where it stands: beside the path, for summary.py.  Knows numbers only.
"""
from __future__ import annotations

import math

# The two-sided 95% quantile of the normal distribution.
Z95 = 1.959963984540054


def wilson(hits: int, runs: int, z: float = Z95) -> tuple[float, float]:
    """Wilson's score interval for a proportion.  ValueError unless 0 <= hits <= runs and runs > 0."""
    if not 0 <= hits <= runs or not runs:
        raise ValueError(f"{hits} of {runs} is no proportion")
    rate = hits / runs
    middle = rate + z * z / (2 * runs)
    half = z * math.sqrt(rate * (1 - rate) / runs + z * z / (4 * runs * runs))
    scale = 1 + z * z / runs
    # Exactly at the edge, where rounding would miss it by 1e-17.
    low = 0.0 if hits == 0 else (middle - half) / scale
    high = 1.0 if hits == runs else (middle + half) / scale
    return low, high


def none_of(runs: int, confidence: float = 0.95) -> float:
    """The rate that 0 hits in `runs` runs exclude: the exact one-sided upper bound."""
    if runs <= 0:
        raise ValueError("no runs, no bound")
    return 1 - (1 - confidence) ** (1 / runs)


def duration(seconds: float) -> str:
    """Seconds for people: "48 s", "12 min", "3:05 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60}:{minutes % 60:02} h"
