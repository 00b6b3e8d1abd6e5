# SPDX-License-Identifier: GPL-2.0-only
"""Runs the claims' commands from nothing, and holds what comes out against each claim's tolerance.

Where it stands: claims.toml > [reproduce] > a new results folder > numbers > one line a claim.  A campaign's command goes on where
it stopped, so this does.
"""
from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import REPO, ReportError, numbers, raw
from .claims import Claim

# Runs a command's words in the tree; its exit status.
Runner = Callable[[Sequence[str]], int]


def run(words: Sequence[str]) -> int:
    """As it is, with its output where ours goes."""
    sys.stdout.flush()
    try:
        return subprocess.run(list(words), cwd=REPO).returncode
    except OSError as error:
        raise ReportError(f"{words[0]}: {error.strerror}") from None


@dataclass
class Outcome:
    """One claim: right is None if a number of it was not measured."""

    claim: Claim
    right: bool | None
    told: list[str] = field(default_factory=list)
    failed: str = ""            # the command that did not end with 0
    seconds: float = 0.0


def words_of(command: Sequence[str], results: Path) -> list[str]:
    """The command with the results' folder filled in."""
    return [word.replace("{results}", str(results)) for word in command]


def look(claim: Claim, results: Path) -> Outcome:
    """What the results say of a claim."""
    found = numbers.Numbers(raw.read([results]))
    out = Outcome(claim, True)
    if found.results.faked:
        out.told.append(f"{found.results.faked} boots had no guest")
    for check in claim.checks:
        text, right = check.outcome(found)
        mark = {True: "as expected", False: "NOT as expected", None: ""}[right]
        out.told.append(f"{check.number} is {text}" + (f" (expected {check.wanted()}): {mark}" if mark else ""))
        out.right = None if right is None or out.right is None else out.right and right
    return out


def reproduce(claims: Sequence[Claim], results: Path, runner: Runner = run, tell: Callable[[str], None] = print) -> list[Outcome]:
    """Run and look at each claim.  A command that fails does not end it: the others are still of use."""
    results.mkdir(parents=True, exist_ok=True)
    out = []
    for claim in claims:
        tell(f"{claim.id}: {claim.claim}")
        start = time.monotonic()
        failed = ""
        for command in claim.commands:
            words = words_of(command, results)
            tell(f"  {' '.join(words)}")
            status = runner(words)
            if status:
                failed = f"{' '.join(words)} ended with {status}"
                break
        outcome = look(claim, results)
        outcome.failed, outcome.seconds = failed, time.monotonic() - start
        if failed:
            outcome.told.append(failed)
            outcome.right = False if outcome.right is False else None
        out.append(outcome)
        tell("\n".join(f"  {line}" for line in outcome.told))
    return out


def text(outcomes: Sequence[Outcome]) -> str:
    """One line a claim."""
    words = {True: "holds", False: "DOES NOT HOLD", None: "not measured"}
    lines = [f"{outcome.claim.id}  {words[outcome.right]:13}  {outcome.seconds / 60:4.0f} min  {outcome.claim.claim}" for outcome in outcomes]
    return "\n".join([*lines, f"{sum(outcome.right is True for outcome in outcomes)} of {len(outcomes)} claims hold"])
