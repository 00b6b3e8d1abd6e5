# SPDX-License-Identifier: GPL-2.0-only
"""What the user sees: a line a test, details of failures, a summary, JSON.

Where it stands: headers > schedule > boot > judge > [report].
"""
from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from . import judge
from .headers import Test
from .schedule import Outcome, Tally

OUTPUT_LINES = 30
KERNEL_LINES = 50
# Of the kernel's lines, so many may come before the first bad one.
BEFORE_LINES = 8
# Of so many failures, the summary shows output and log once more: who keeps only the end of a long run loses them else.
SUMMARY_EXCERPTS = 2

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Line:
    """One line of the report: word is what it starts with, count is what it counts as (None: nothing)."""

    word: str
    count: str | None
    series: str
    label: str
    seconds: float
    why: str = ""
    kind: str = ""

    @property
    def text(self) -> str:
        what = f"{self.word} {self.series} {self.label}" + (
            f" {self.seconds:.1f} s" if self.kind != judge.NOT_SELECTED else "")
        return f"{what}: {self.why}" if self.why else what


def plain_line(outcome: Outcome) -> Line:
    """A test as such."""
    verdict = outcome.verdict
    why = "; ".join(verdict.reasons)
    if verdict.kind == judge.PASS:
        word, count = "ok", PASSED
    elif verdict.kind == judge.SKIP:
        word, count = "skip", SKIPPED
    elif verdict.kind == judge.NOT_SELECTED:
        word, count = "not selected", None
    else:
        word, count = "FAIL", FAILED
        why = f"{verdict.kind}: {why}"
    return Line(word, count, outcome.series, outcome.label, outcome.seconds, why, verdict.kind)


def busted_line(outcome: Outcome, controls: dict[tuple[str, str], str]) -> Line:
    """With --busted: a twin is to be caught.

    controls    how the healthy tests ended, by (kernel, test): one that fails by itself catches nothing
    """
    verdict, item = outcome.verdict, outcome.item
    if item.twin is None:
        line = plain_line(outcome)
        if line.count == SKIPPED or verdict.kind == judge.NOT_SELECTED:
            return line
        # The healthy run is counted through its twins only.
        return Line("healthy" if line.count == PASSED else "FAIL", None, line.series, line.label, line.seconds, line.why,
                    line.kind)
    healthy = controls.get((outcome.series, item.test.label), judge.BOOT)
    how = "; ".join(verdict.reasons)[:160]
    how = f"{verdict.kind}: {how}" if how else verdict.kind
    if healthy == judge.SKIP:
        word, count, why = "skip", SKIPPED, "the test skips without the twin, too"
    elif healthy != judge.PASS:
        word, count, why = "NOT CAUGHT", FAILED, f"the test fails without the twin, too ({healthy})"
    elif verdict.kind in judge.CAUGHT:
        word, count, why = "caught", PASSED, how
    else:
        word, count, why = "NOT CAUGHT", FAILED, how
    return Line(word, count, outcome.series, outcome.label, outcome.seconds, why, verdict.kind)


def without_twin(series: str, test: Test) -> Line:
    return Line("NOT CAUGHT", FAILED, series, test.label, 0.0, "the test has no busted: line, nothing shows that it can fail")


def excerpt(lines: list[str]) -> list[str]:
    """What to show of a failed test: its output and the kernel's lines, bounded, around the first bad one."""
    output, _ = judge.split_log(lines)
    shown = [f"| {line}" for line in output[-OUTPUT_LINES:]]
    if len(output) > OUTPUT_LINES:
        shown.insert(0, f"| ... {len(output) - OUTPUT_LINES} lines before")
    kernel = [line for line in lines if not (judge.kernel_text(line) or "").startswith((judge.OUTPUT, judge.MARK))]
    first = next((number for number, line in enumerate(kernel)
                  if any(pattern.search(line) for pattern in judge.BAD)), None)
    start = max(0, len(kernel) - KERNEL_LINES) if first is None else max(0, first - BEFORE_LINES)
    part = kernel[start:start + KERNEL_LINES]
    if start:
        shown.append(f"... {start} lines before")
    shown += part
    if start + len(part) < len(kernel):
        shown.append(f"... {len(kernel) - start - len(part)} lines more")
    return ["    " + "".join(c if c.isprintable() else "?" for c in line.expandtabs()) for line in shown]


class Report:
    """Takes outcomes from any thread, prints as they come."""

    def __init__(self, *, busted: bool = False, out: TextIO = sys.stdout, quiet_details: bool = False,
                 start: float | None = None) -> None:
        self.busted = busted
        self.lines: list[Line] = []
        self.outcomes: list[Outcome] = []
        self._out = out
        self._quiet_details = quiet_details
        self._controls: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self._start = time.monotonic() if start is None else start

    def say(self, text: str) -> None:
        with self._lock:
            print(text, file=self._out, flush=True)

    def add_line(self, line: Line) -> None:
        with self._lock:
            self.lines.append(line)
            print(line.text, file=self._out, flush=True)

    def outcome(self, outcome: Outcome) -> None:
        """Report one outcome; for a failure, with its output and log."""
        with self._lock:
            self.outcomes.append(outcome)
            if outcome.item.twin is None:
                self._controls[outcome.series, outcome.item.test.label] = outcome.verdict.kind
            line = busted_line(outcome, self._controls) if self.busted else plain_line(outcome)
            self.lines.append(line)
            text = [line.text]
            if line.word in ("FAIL", "NOT CAUGHT") and not self._quiet_details:
                text += excerpt(outcome.lines)
                if outcome.log is not None:
                    text.append(f"    log: {_short(outcome.log)}")
            print("\n".join(text), file=self._out, flush=True)

    def count(self, what: str) -> int:
        return sum(line.count == what for line in self.lines)

    def exit_status(self) -> int:
        return 1 if self.count(FAILED) or not self.count(PASSED) else 0

    def summary(self, tally: Tally) -> str:
        """The end of the report; its last line has a fixed form."""
        text = [""]
        text += [f"boot retried: {reason}" for reason in tally.retry_reasons]
        text += self._last_excerpts()
        text += [line.text for line in self.lines if line.count == FAILED]
        not_selected = sum(line.kind == judge.NOT_SELECTED for line in self.lines)
        if not_selected:
            text.append(f"{not_selected} not selected for a kernel")
        text.append(f"{tally.boots} boots, {tally.retries} retried, {time.monotonic() - self._start:.1f} s")
        text.append(f"{self.count(PASSED)} passed, {self.count(FAILED)} failed, {self.count(SKIPPED)} skipped")
        return "\n".join(text)

    def _last_excerpts(self) -> list[str]:
        if self.busted or self._quiet_details:
            return []
        failed = [outcome for outcome in self.outcomes if plain_line(outcome).count == FAILED]
        text: list[str] = []
        for outcome in failed[:SUMMARY_EXCERPTS]:
            text += [f"once more: {outcome.series} {outcome.label}", *excerpt(outcome.lines)]
        return text

    def as_json(self, tally: Tally) -> dict[str, Any]:
        return {
            "passed": self.count(PASSED), "failed": self.count(FAILED), "skipped": self.count(SKIPPED),
            "boots": tally.boots, "boots_retried": tally.retries, "busted": self.busted,
            "seconds": round(time.monotonic() - self._start, 1),
            "tests": [{"kernel": line.series, "test": line.label, "word": line.word, "count": line.count,
                       "kind": line.kind, "seconds": round(line.seconds, 2), "why": line.why} for line in self.lines],
        }

    def write_json(self, path: Path, tally: Tally) -> None:
        path.write_text(json.dumps(self.as_json(tally), indent=1) + "\n")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
