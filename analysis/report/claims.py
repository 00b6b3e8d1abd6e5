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


def _too_few(check: Check, numbers: Numbers) -> bool:
    """Whether a number is short of what is wanted only since there are fewer boots than that."""
    cell, _dot, field = check.number.rpartition(".")
    boots = numbers.value(f"{cell}.boots") if field in ("boots", "hangs") else None
    return boots is not None and boots < check.low and (field == "boots" or numbers.value(check.number) == boots)


def status(claim: Claim, numbers: Numbers) -> str:
    """In two words what became of a claim."""
    outcomes = [(check, check.outcome(numbers)[1]) for check in claim.checks]
    wrong = [check for check, right in outcomes if right is False]
    if any(not _too_few(check, numbers) for check in wrong):
        return "**contradicted**"
    if any(right is None for _check, right in outcomes):
        return NOT_MEASURED
    return "too few boots" if wrong else "holds"


def table(claims: list[Claim], numbers: Numbers) -> str:
    """The claims as the paper's first table."""
    lines = ["| claim | status | found (wanted) | again, minutes | figure; question; tests; invariants |", "|---|---|---|---|---|"]
    for claim in claims:
        found = []
        for check in claim.checks:
            cell, _dot, field = check.number.rpartition("/")[2].rpartition(".")
            text = check.outcome(numbers)[0]
            found.append(f"{cell} {text}" if field == "holds" else f"{cell}: {field.replace('_', ' ')} {text} ({check.wanted()})")
        became = status(claim, numbers)
        told = "" if became == NOT_MEASURED else f" {'; '.join(found)}"
        lines.append(f"| **{claim.id}** {claim.claim} | {became} |{told} | `make repro ONLY={claim.id}`, {claim.minutes:g} | "
                     f"{'; '.join(part for part in (claim.figure, claim.question, ', '.join(claim.tests), claim.invariants) if part)} |")
    return "\n".join(lines)
