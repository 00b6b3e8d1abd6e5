# SPDX-License-Identifier: GPL-2.0-only
"""Intervals and tests for rates, times to hang and measured values; the work is scipy's and statsmodels'.

Where it stands: raw > [inference] > numbers, figures.  Knows numbers only.  The unit is one boot.  Each function is held
against a published example by test_inference.py, which cites it.
"""
from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

try:
    import numpy as np
    from scipy import stats
    with warnings.catch_warnings():
        # pandas of Debian 12 warns of a numpy that is newer than what it was built with.
        warnings.simplefilter("ignore")
        from statsmodels.duration.survfunc import SurvfuncRight, survdiff
except ImportError as error:
    raise SystemExit(f"analysis: {error}: run `make deps-paper` (and /usr/bin/python3: another Python does not see Debian's "
                     "packages)") from None

CONFIDENCE = 0.95
# Resamples: the interval's ends then move by less than what is printed.
RESAMPLES = 9999
# So that the same raw results give the same paper.
SEED = 1


@dataclass(frozen=True)
class Interval:
    """A value with its two-sided interval."""

    value: float
    low: float
    high: float


def wilson(hits: int, boots: int) -> Interval:
    """Wilson's score interval of a rate.  ValueError unless 0 <= hits <= boots, boots > 0."""
    if not 0 <= hits <= boots or not boots:
        raise ValueError(f"{hits} of {boots} is no rate")
    found = stats.binomtest(hits, boots).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(hits / boots, float(found.low), float(found.high))


def none_of(boots: int) -> float:
    """The rate that 0 hangs in `boots` boots exclude: exact (Clopper-Pearson), one-sided."""
    found = stats.binomtest(0, boots, alternative="less").proportion_ci(CONFIDENCE, method="exact")
    return float(found.high)


def fisher(hits: int, boots: int, other_hits: int, other_boots: int) -> float:
    """p of Fisher's exact test, two-sided, that two rates are the same."""
    table = [[hits, boots - hits], [other_hits, other_boots - other_hits]]
    return float(stats.fisher_exact(table).pvalue)


@dataclass(frozen=True)
class Survival:
    """Kaplan and Meier's estimate: the share of boots without a hang after `times_s[i]` is `shares[i]`.

    low, high   95%, by Greenwood's variance of log(-log S): within 0 and 1 also for few boots
    median_s    None if more than half never hung
    """

    times_s: tuple[float, ...]
    shares: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    errors: tuple[float, ...]   # standard errors, Greenwood
    at_risk: tuple[int, ...]
    nr_boots: int
    nr_hangs: int
    median_s: float | None
    last_s: float               # the longest that any boot was seen
    censored_s: tuple[float, ...]


def survival(seen: Sequence[tuple[float, bool]]) -> Survival:
    """Of (seconds, whether it hung then) for each boot.  ValueError for none."""
    if not seen:
        raise ValueError("no boots, no curve")
    times = np.array([time for time, _hung in seen], dtype=float)
    hung = np.array([hung for _time, hung in seen], dtype=int)
    made = SurvfuncRight(times, hung)
    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    low, high = [], []
    for share, error in zip(made.surv_prob, made.surv_prob_se):
        if 0 < share < 1:
            spread = z * error / (share * math.log(share))
            ends = sorted((share ** math.exp(spread), share ** math.exp(-spread)))
        else:
            # All have hung, or none: the formula has no say; the ends are what they are.
            ends = [float(share), float(share)]
        low.append(float(ends[0]))
        high.append(float(ends[1]))
    median = made.quantile(0.5) if any(hung) else float("nan")
    return Survival(tuple(map(float, made.surv_times)), tuple(map(float, made.surv_prob)), tuple(low), tuple(high),
                    tuple(map(float, made.surv_prob_se)), tuple(map(int, made.n_risk)), len(seen), int(hung.sum()),
                    None if math.isnan(median) else float(median), float(times.max()),
                    tuple(sorted(float(time) for time, is_hang in seen if not is_hang)))


def logrank(one: Sequence[tuple[float, bool]], other: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """(chi squared of one degree of freedom, p) of the log-rank test that two curves are the same."""
    both = [*one, *other]
    chi, p = survdiff(np.array([time for time, _hung in both], dtype=float), np.array([hung for _time, hung in both], dtype=int),
                      np.array([0] * len(one) + [1] * len(other)))
    return float(chi), float(p)


def bootstrap(values: Sequence[float], what: Callable[..., Any]) -> Interval:
    """Percentile bootstrap of a statistic, resampling boots.

    what    of numpy's form: takes an array and `axis`
    With fewer than two boots there is no interval: its ends are NaN.
    """
    data = np.asarray(values, dtype=float)
    if len(data) < 2:
        return Interval(float(what(data)), math.nan, math.nan)
    found = stats.bootstrap((data,), what, n_resamples=RESAMPLES, confidence_level=CONFIDENCE, method="percentile",
                            random_state=np.random.default_rng(SEED))
    return Interval(float(what(data)), float(found.confidence_interval.low), float(found.confidence_interval.high))


def bootstrap_error(values: Sequence[float], what: Callable[..., Any]) -> float:
    """Standard error of a statistic by the bootstrap."""
    found = stats.bootstrap((np.asarray(values, dtype=float),), what, n_resamples=RESAMPLES, method="percentile",
                            random_state=np.random.default_rng(SEED))
    return float(found.standard_error)


def median(values: Sequence[float]) -> Interval:
    """The median and its interval over boots."""
    return bootstrap(values, np.median)


def quantile(values: Sequence[float], share: float) -> float:
    """Of one boot's values, interpolated."""
    return float(np.quantile(np.asarray(values, dtype=float), share))
