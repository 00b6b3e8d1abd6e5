# SPDX-License-Identifier: GPL-2.0-only
"""The paper's claims as data: what is claimed, what shows it, and within which tolerance.

Where it stands: analysis/claims.toml > [claims] > the paper's first table, analysis/repro.  Runs nothing.

    [[claim]]
    claim = "..."                       # a sentence
    figure = "hangs"                    # of report/figures, or ""
    question = "H8"                     # of experiments/questions
    commands = [["experiments/run", ...]]   # words; {results} is the folder of the results
    minutes = 30                        # of all commands together, on two processors
    tests = ["swap/pressure"]
    invariants = "I2 I3"
    [[claim.check]]
    number = "H8/full-6.12.hangs"       # of report/numbers.py
    expected = 0
    tolerance = 0                       # how far the number may be off; or instead of both at_least, at_most
"""
from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import ANALYSIS, REPO, ReportError, raw
from .numbers import NOT_MEASURED, Numbers

CLAIMS = ANALYSIS / "claims.toml"

CLAIM_KEYS = {"id", "claim", "figure", "question", "commands", "minutes", "tests", "invariants", "check"}
CHECK_KEYS = {"number", "expected", "tolerance", "at_least", "at_most"}


@dataclass(frozen=True)
class Check:
    """One number and the range it must lie in."""

    number: str
    low: float
    high: float

    def wanted(self) -> str:
        """The range, for people."""
        if self.low == float("-inf"):
            return f"at most {self.high:g}"
        if self.high == float("inf"):
            return f"at least {self.low:g}"
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"

    def outcome(self, numbers: Numbers) -> tuple[str, bool | None]:
        """(the number as text, whether it lies in the range); None: not measured."""
        text = numbers.text(self.number)
        if text == NOT_MEASURED:
            return text, None
        if self.number.endswith(".holds"):
            # A check of the laboratory is a number, too: 1 holds, 0 fails.
            value = 1.0 if text == "holds" else 0.0
        else:
            found = numbers.value(self.number)
            assert found is not None
            value = found
        return text, self.low <= value <= self.high


@dataclass(frozen=True)
class Claim:
    id: str
    claim: str
    figure: str
    question: str
    commands: tuple[tuple[str, ...], ...]
    minutes: float
    tests: tuple[str, ...]
    invariants: str
    checks: tuple[Check, ...]


def _check(raw_check: dict[str, Any], where: str) -> Check:
    unknown = sorted(set(raw_check) - CHECK_KEYS)
    if unknown:
        raise ReportError(f"{where}: unknown key check.{unknown[0]}")
    number = raw_check.get("number")
    if not isinstance(number, str):
        raise ReportError(f"{where}: check.number is missing: a name of report/numbers.py")
    if "expected" in raw_check:
        expected, off = float(raw_check["expected"]), float(raw_check.get("tolerance", 0))
        return Check(number, expected - off, expected + off)
    if not {"at_least", "at_most"} & set(raw_check):
        raise ReportError(f"{where}: check {number}: expected and tolerance, or at_least, or at_most")
    return Check(number, float(raw_check.get("at_least", "-inf")), float(raw_check.get("at_most", "inf")))


def load(path: Path = CLAIMS) -> list[Claim]:
    """All claims.  ReportError names what is wrong with the file."""
    try:
        read = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ReportError(f"{path}: {error}") from None
    out = []
    for number, item in enumerate(read.get("claim", []), 1):
        where = f"{path.name}, claim {item.get('id', number)}"
        unknown = sorted(set(item) - CLAIM_KEYS)
        if unknown:
            raise ReportError(f"{where}: unknown key {unknown[0]}")
        lacking = sorted(CLAIM_KEYS - set(item) - {"figure"})
        if lacking:
            raise ReportError(f"{where}: {lacking[0]} is missing")
        if item["question"] not in raw.asked():
            raise ReportError(f"{where}: no question is called {item['question']}")
        for test in item["tests"]:
            if not list((REPO / "tests").glob(f"{test}.*")):
                raise ReportError(f"{where}: no test is called {test}")
        out.append(Claim(item["id"], item["claim"], item.get("figure", ""), item["question"],
                         tuple(tuple(command) for command in item["commands"]), float(item["minutes"]), tuple(item["tests"]),
                         item["invariants"], tuple(_check(one, where) for one in item["check"])))
    if len({claim.id for claim in out}) != len(out):
        raise ReportError(f"{path.name}: two claims have the same id")
    return out


def table(claims: list[Claim], numbers: Numbers) -> str:
    """The claims as the paper's first table."""
    lines = ["| claim | found | expected | figure; question | again, minutes | tests; invariants |", "|---|---|---|---|---|---|"]
    for claim in claims:
        found, wanted = [], []
        for check in claim.checks:
            text, right = check.outcome(numbers)
            name = check.number.rpartition("/")[2].replace("_", " ")
            found.append(f"{name} {text}" + ("" if right is not False else " **(not as expected)**"))
            wanted.append(f"{name} {check.wanted()}")
        if all(part.endswith(NOT_MEASURED) for part in found):
            found = [NOT_MEASURED]
        lines.append(f"| **{claim.id}** {claim.claim} | {'; '.join(found)} | {'; '.join(wanted)} | {claim.figure or 'none'}; {claim.question} | "
                     f"`make repro ONLY={claim.id}`, {claim.minutes:g} | {', '.join(claim.tests)}; {claim.invariants or 'none'} |")
    return "\n".join(lines)
