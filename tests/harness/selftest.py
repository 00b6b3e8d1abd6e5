# SPDX-License-Identifier: GPL-2.0-only
"""The runner's test of itself: are pass, fail, skip, oops, hang and the rest told apart?

Where it stands: beside schedule and report.  The tests of tests/self end in every way a test can end; each says in its
header (self-test-expect) how the runner is to tell it.
"""
from __future__ import annotations

import re

from . import judge
from .headers import Group, why_not
from .report import FAILED, PASSED, Line, Report
from .schedule import Outcome

# What the log must show when a test hung: the stacks, taken before anything was killed.
STACKS = "sysrq: Show Blocked State"


def _expected_line(outcome: Outcome) -> Line:
    test, verdict = outcome.item.test, outcome.verdict
    expect = test.expect or judge.PASS
    why = f"told as {verdict.kind}"
    good = verdict.kind == expect
    if not good:
        why += f", expected {expect}" + (": " + "; ".join(verdict.reasons) if verdict.reasons else "")
    elif test.expect_log and not any(
            re.search(test.expect_log, line) for line in (*verdict.reasons, *judge.split_log(outcome.lines)[1])):
        good, why = False, f"{why}, but not for {test.expect_log}: " + "; ".join(verdict.reasons)
    elif expect in (judge.TIMEOUT, judge.SILENT) and not any(STACKS in line for line in outcome.lines):
        good, why = False, f"{why}, but its log has no stacks"
    return Line("ok" if good else "FAIL", PASSED if good else FAILED, outcome.series, outcome.label, outcome.seconds, why,
                verdict.kind)


def check(groups: list[Group], series: list[str], plain: Report, busted: Report, start: float) -> Report:
    """Compare what two runs of tests/self (as such, and with --busted) reported with what the tests say of themselves.

    start   of the first, time.monotonic()
    """
    result = Report(start=start)
    seen = {(outcome.series, outcome.item.test.label): outcome for outcome in plain.outcomes}
    twins: dict[tuple[str, str], list[Line]] = {}
    for outcome, line in zip(busted.outcomes, busted.lines):
        if outcome.item.twin is not None:
            twins.setdefault((outcome.series, outcome.item.test.label), []).append(line)
    for kernel in series:
        for test in (test for group in groups for test in group.tests if not why_not(test, group, kernel)):
            key = (kernel, test.label)
            if key not in seen:
                result.add_line(Line("FAIL", FAILED, kernel, test.label, 0.0, "did not run"))
                continue
            result.add_line(_expected_line(seen[key]))
            if not test.twins:
                continue
            lines = twins.get(key, [])
            words = {line.word for line in lines}
            wanted = "caught" if test.expect_busted != "missed" else "NOT CAUGHT"
            good = len(lines) == len(test.twins) and words == {wanted}
            why = f"twin told as {', '.join(sorted(words)) or 'nothing'}" + ("" if good else f", expected {wanted}")
            result.add_line(Line("ok" if good else "FAIL", PASSED if good else FAILED, kernel, test.label,
                                 sum(line.seconds for line in lines), why))
    return result
