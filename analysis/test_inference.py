# SPDX-License-Identifier: GPL-2.0-only
"""The statistics against published worked examples, each with a twin that must not agree.

Where it stands: beside analysis/report/inference.py.
"""
from __future__ import annotations

import math
import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(Path(__file__).resolve().parent))

from report import inference  # noqa: E402
from lab import stats as lab_stats  # noqa: E402

# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17 (1998) 857-872, table I, method 3.
NEWCOMBE = (((81, 263), (0.2553, 0.3662)), ((15, 148), (0.0624, 0.1605)), ((0, 20), (0.0, 0.1611)), ((1, 29), (0.0061, 0.1718)))
# Freireich et al. 1963, remission of leukaemia in weeks, (time, relapsed); as in Cox, "Regression models and life-tables",
# J. Royal Statistical Society B 34 (1972) 187-220, and worked out in Kleinbaum and Klein, "Survival analysis", chapter 2.
SIX_MP = [(6, True)] * 3 + [(7, True), (10, True), (13, True), (16, True), (22, True), (23, True)] + [
    (week, False) for week in (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)]
PLACEBO = [(week, True) for week in (1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23)]
# Efron and Tibshirani, "An introduction to the bootstrap" (1993), table 2.1: survival of mice, treatment.
MICE = (94, 197, 16, 38, 99, 141, 23)


class Rates(unittest.TestCase):
    def test_wilson(self) -> None:
        for (hits, boots), (low, high) in NEWCOMBE:
            found = inference.wilson(hits, boots)
            self.assertAlmostEqual(found.low, low, places=4)
            self.assertAlmostEqual(found.high, high, places=4)

    def test_the_textbook_interval_is_told_apart(self) -> None:
        """Wald's, Newcombe's method 1, is another: 0 of 20 would be an interval of no width."""
        self.assertGreater(inference.wilson(0, 20).high, 0.1)

    def test_the_laboratory_agrees(self) -> None:
        """The summary computes it without a library; both must print the same."""
        for hits, boots in ((0, 1), (0, 30), (5, 10), (10, 10), (3, 452)):
            found = inference.wilson(hits, boots)
            for ours, theirs in zip((found.low, found.high), lab_stats.wilson(hits, boots)):
                self.assertAlmostEqual(ours, theirs, places=12)
            self.assertAlmostEqual(inference.none_of(boots), lab_stats.none_of(boots), places=12)

    def test_no_hang_excludes(self) -> None:
        """The rule of three: Hanley and Lippman-Hand, JAMA 249 (1983) 1743-1745: about 3/n, 1 - .05^(1/n) exactly."""
        for boots in (30, 100, 300):
            self.assertAlmostEqual(inference.none_of(boots), 1 - 0.05 ** (1 / boots), places=10)
            self.assertLess(abs(inference.none_of(boots) * boots - 3), 0.15)

    def test_no_rate(self) -> None:
        for hits, boots in ((1, 0), (2, 1), (-1, 3)):
            with self.assertRaises(ValueError):
                inference.wilson(hits, boots)

    def test_fisher(self) -> None:
        """The lady who tasted tea: Fisher, "The design of experiments" (1935), chapter 2; 3 of 4 right: 34/70 on both sides."""
        self.assertAlmostEqual(inference.fisher(3, 4, 1, 4), 34 / 70, places=10)
        # All right: 2 of 70 ways.
        self.assertAlmostEqual(inference.fisher(4, 4, 0, 4), 2 / 70, places=10)

    def test_fisher_of_hangs(self) -> None:
        self.assertAlmostEqual(inference.fisher(5, 10, 0, 30), 0.0004, places=4)
        self.assertAlmostEqual(inference.fisher(3, 7, 0, 8), 0.08, places=2)
        self.assertEqual(inference.fisher(0, 10, 0, 10), 1.0)


class Times(unittest.TestCase):
    def test_kaplan_meier(self) -> None:
        found = inference.survival(SIX_MP)
        shares = dict(zip(found.times_s, found.shares))
        errors = dict(zip(found.times_s, found.errors))
        published = {6: (0.857, 0.0764), 7: (0.807, 0.0869), 10: (0.753, 0.0963), 13: (0.690, 0.1068), 16: (0.627, 0.1141),
                     22: (0.538, 0.1282), 23: (0.448, 0.1346)}
        for week, (share, error) in published.items():
            self.assertAlmostEqual(shares[week], share, places=3)
            self.assertAlmostEqual(errors[week], error, places=4)
        self.assertEqual(found.median_s, 23)
        self.assertEqual(inference.survival(PLACEBO).median_s, 8)
        self.assertEqual((found.nr_boots, found.nr_hangs, found.last_s), (21, 9, 35))

    def test_censoring_matters(self) -> None:
        """The twin: with those censored left out the curve is another."""
        found = inference.survival([one for one in SIX_MP if one[1]])
        self.assertLess(found.shares[0], 0.7)

    def test_interval_stays_within(self) -> None:
        found = inference.survival(SIX_MP)
        for low, share, high in zip(found.low, found.shares, found.high):
            self.assertTrue(0 <= low < share < high <= 1)

    def test_none_hung(self) -> None:
        found = inference.survival([(100.0, False)] * 5)
        self.assertIsNone(found.median_s)
        self.assertEqual(found.nr_hangs, 0)
        with self.assertRaises(ValueError):
            inference.survival([])

    def test_logrank(self) -> None:
        """Kleinbaum and Klein, chapter 2: 16.79."""
        chi, p = inference.logrank(SIX_MP, PLACEBO)
        self.assertAlmostEqual(chi, 16.79, places=2)
        self.assertLess(p, 0.0001)
        chi, p = inference.logrank(SIX_MP, SIX_MP)
        self.assertAlmostEqual(chi, 0.0)
        self.assertAlmostEqual(p, 1.0)


class Bootstrap(unittest.TestCase):
    def test_standard_errors(self) -> None:
        """Efron and Tibshirani, table 2.2: for ever more resamples the errors tend to 23.36 (mean) and 37.83 (median)."""
        import numpy as np
        self.assertLess(abs(inference.bootstrap_error(MICE, np.mean) - 23.36), 0.5)
        self.assertLess(abs(inference.bootstrap_error(MICE, np.median) - 37.83), 0.8)
        # The twin: of the usual formula, with n - 1, the mean's is 25.24.
        self.assertGreater(25.24 - inference.bootstrap_error(MICE, np.mean), 1)

    def test_the_same_each_time(self) -> None:
        self.assertEqual(inference.median(MICE), inference.median(MICE))

    def test_one_boot_has_no_interval(self) -> None:
        found = inference.median([5.0])
        self.assertEqual(found.value, 5.0)
        self.assertTrue(math.isnan(found.low))

    def test_quantile(self) -> None:
        self.assertEqual(inference.quantile([1, 2, 3, 4, 5], 0.5), 3)


if __name__ == "__main__":
    unittest.main()
