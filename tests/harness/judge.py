# SPDX-License-Identifier: GPL-2.0-only
"""How a test ended, from what the guest and its kernel log said.

Where it stands: headers > schedule > boot > [judge] > report.  Pure functions: the same record gives the same verdict.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

SKIP_STATUS = 77

# How a test can end.
PASS = "pass"
SKIP = "skip"
FAIL = "fail"  # exit status
TIMEOUT = "timeout"  # its limit; the guest's watchdog acted
SILENT = "silent"  # its limit; the guest did not say so itself
OOPS = "oops"  # the kernel panicked
DIED = "died"  # the guest went away without a panic
DIRTY = "dirty"  # the test passed, but left something behind
LOG = "log"  # the test passed, but the kernel complained, or its log is incomplete
SETUP = "setup"  # never ran: the module did not load, the program is missing
BOOT = "boot"  # never ran: no guest came up
NOT_SELECTED = "not selected"  # never ran: it is not for this kernel

# What counts as a twin that was caught.
CAUGHT = {FAIL, TIMEOUT, SILENT, OOPS, DIED, DIRTY, LOG}

# Prefixes in the kernel log by which guest/runner.sh tells its own lines.
OUTPUT = "| "
DUMPED = "# "
MARK = "abuse-test: "
DUMP_BEGIN, DUMP_END = "abuse-test: dump", "abuse-test: dumped"

# "[   12.345678] text", with the caller behind the time in kernels that print it: "[   12.345678][  T123] text".
_TIME = re.compile(r"^\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?(.*)$")

BAD = [re.compile(pattern) for pattern in (
    r"\bBUG\b",
    r"\bWARNING\b",
    r"\bOops\b",
    r"Kernel panic",
    r"\bK[AC]SAN\b|\bKMSAN\b|\bUBSAN\b|\bKFENCE\b",
    r"kmemleak: \d+ new suspected",
    r"blocked for more than",
    r"rcu.*detected (?:stalls|expedited stalls)|self-detected stall",
    r"(?:soft|hard) lockup|Hard LOCKUP",
    r"trying to register non-static key|turning off the locking correctness validator",
    # Not its functions as frames, which any stack may have: a report has a title, and frames a "Call Trace" above them.
    r"lockdep(?!\w*\+0x)|possible circular locking|possible recursive locking|possible irq lock inversion|DEBUG_LOCKS_WARN",
    r"ODEBUG:",
    r"^\s*not ok \d",  # KUnit
    r"inconsistent lock state|bad unlock balance|held lock freed|suspicious RCU usage|lock held when returning",
    r"scheduling while atomic|sleeping function called from invalid context",
    r"refcount_t|refcount:",
    r"list_(?:add|del) corruption",
    r"general protection|unable to handle|double fault|stack-protector",
    r"Bad page|bad pte|page dumped because",
    r"page allocation failure",
    r"INFO: task",
    r"Out of memory|oom-kill",
    r"Call Trace",
    r"cut here",
)]


# In benign.txt, before a pattern: it is about the whole report.
WHOLE = "report:"
# A report of another kind: from its title through all that looks like its body.
TITLE = re.compile(r"^(?:WARNING|BUG|INFO): ")
BODY = re.compile(r"^\s|^$|^[=-]{5,}$|^(?:CPU|Tainted|Workqueue|Hardware name|RIP|R..|CR2|FS|Code|Stack|Call Trace|Modules linked in):|"
                  r"^other info|^stack backtrace|^rcu_scheduler_active|^\d+ locks? held|^no locks held|"
                  r"^\d+\.\d+\.\d+\S* #|suspicious rcu_dereference")
# A KCSAN report: from its title to a rule; below "read to" or "write to" the frames of one of the two, indented by one.
RULE = re.compile(r"^={20,}$")
REPORT_LINES = 200
TOP_FRAMES = 3
OURS = re.compile(r"\[abuse(?:_\w+)?\]|^ abuse_")


class BenignError(ValueError):
    """tests/benign.txt is wrong; the message is one line."""


@dataclass(frozen=True)
class Benign:
    """A kernel line that means no harm, and why.

    whole   the report that such a line is in means none, either, unless the module is in its stack
    """

    pattern: re.Pattern[str]
    reason: str
    whole: bool = False


def load_benign(path: Path) -> list[Benign]:
    """Read the list: a line "[report: ]REGEX  ## REASON" each.  BenignError if a reason or the file is missing."""
    found: list[Benign] = []
    try:
        text = path.read_text()
    except OSError as error:
        raise BenignError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        pattern, _, reason = line.partition("##")
        if not pattern.strip() or not reason.strip():
            raise BenignError(f"{path.name}:{number}: want REGEX ## REASON")
        try:
            pattern = pattern.strip()
            bare = pattern.removeprefix(WHOLE)
            found.append(Benign(re.compile(bare.strip()), reason.strip(), bare != pattern))
        except re.error as error:
            raise BenignError(f"{path.name}:{number}: {error}") from None
    return found


def kernel_text(line: str) -> str | None:
    """What the kernel log says on this line of the console, without the time; None if it is no line of that log."""
    match = _TIME.match(line)
    return match[1] if match else None


def split_log(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """(what the test printed, what the kernel printed unasked), of the console's lines of one test."""
    output: list[str] = []
    kernel: list[str] = []
    asked = False
    for line in lines:
        text = kernel_text(line)
        if text is None:
            continue
        if text.startswith(OUTPUT):
            output.append(text[len(OUTPUT):])
        elif text == DUMP_BEGIN:
            asked = True
        elif text == DUMP_END:
            asked = False
        elif not asked and not text.startswith((DUMPED, MARK)) and text + " " != DUMPED:
            kernel.append(text)
    return output, kernel


def _touches_abuse(report: Sequence[str]) -> bool:
    """Whether a KCSAN report is about the module: its code is at the top of one of the two stacks."""
    depth = TOP_FRAMES
    for line in report:
        if not line.startswith(" "):
            depth = 0
        elif (depth := depth + 1) <= TOP_FRAMES and OURS.search(line):
            return True
    return False


def without_other_races(kernel: Iterable[str]) -> list[str]:
    """The lines without the KCSAN reports that are not about the module: the kernel has races of its own."""
    kept: list[str] = []
    report: list[str] = []  # the one that we are in
    for line in kernel:
        if report:
            report.append(line)
            if RULE.match(line) or len(report) > REPORT_LINES:
                kept += report if _touches_abuse(report) else []
                report = []
        elif "BUG: KCSAN:" in line:
            report.append(line)
        else:
            kept.append(line)
    # One that does not end is not understood: it stays.
    return kept + report


def without_benign_reports(kernel: Iterable[str], benign: Sequence[Benign]) -> list[str]:
    """The lines without the reports that are benign as a whole and have no code of the module in their stacks."""
    kept: list[str] = []
    report: list[str] = []

    def end() -> None:
        known = any(item.whole and item.pattern.search(line) for item in benign for line in report)
        if not known or any(OURS.search(line) for line in report):
            kept.extend(report)
        report.clear()

    for line in kernel:
        if TITLE.match(line):
            end()
            report.append(line)
        elif report and BODY.search(line):
            report.append(line)
        else:
            end()
            kept.append(line)
    end()
    return kept


def bad_lines(kernel: Iterable[str], expected: Sequence[re.Pattern[str]], benign: Sequence[Benign]) -> list[str]:
    """The lines that must not be there."""
    return [line for line in without_benign_reports(without_other_races(kernel), benign)
            if any(pattern.search(line) for pattern in BAD)
            and not any(pattern.search(line) for pattern in expected)
            and not any(item.pattern.search(line) for item in benign if not item.whole)]


def exit_text(status: int, output: Sequence[str]) -> str:
    """An exit status in words, with the line that says what was expected, else the last one with a word in it."""
    said = next((line.strip() for line in output if re.search(r"\bexpected\b", line)),
                next((line.strip() for line in reversed(output) if re.search(r"\w", line)), ""))
    how = f"killed by signal {status - 128}" if 128 < status < 193 else f"exit status {status}"
    return f"{how}: {said}" if said else how


@dataclass(frozen=True)
class Verdict:
    """kind is one of the words above; reasons are in order of weight, empty for a pass."""

    kind: str
    reasons: tuple[str, ...] = ()


def judge(*, ended: str | None, status: int = 0, timed_out: bool = False, setup: str = "", dirty: str = "",
          log_complete: bool = True, lines: Sequence[str] = (), expected: Sequence[re.Pattern[str]] = (),
          benign: Sequence[Benign] = (), limit_s: float = 0.0, stalled_s: float = 0.0) -> Verdict:
    """Judge one test.

    ended       how the guest came to its end during the test: OOPS, DIED, SILENT; None: it did not
    lines       the console's lines since the test's mark
    stalled_s   the limit that passed without progress, when that is why it was ended; 0: it was not
    """
    how_long = f"no progress for {stalled_s:.0f} s" if stalled_s else f"not done after {limit_s:.0f} s"
    output, kernel = split_log(lines)
    bad = bad_lines(kernel, expected, benign)
    found: list[tuple[str, str]] = []
    if setup:
        found.append((SETUP, setup))
    if ended == OOPS:
        found.append((OOPS, bad[0] if bad else "the kernel panicked"))
    elif ended == DIED:
        found.append((DIED, "the guest went away without a word"))
    elif ended == SILENT and not timed_out:
        found.append((SILENT, f"the guest said nothing for {stalled_s or limit_s:.0f} s"))
    if timed_out:
        found.append((TIMEOUT, how_long + (", then silent" if ended == SILENT else "")))
    elif ended is None and not setup and status not in (0, SKIP_STATUS):
        found.append((FAIL, exit_text(status, output)))
    if dirty:
        found.append((DIRTY, dirty.rstrip("; ")))
    if ended is None:
        if bad:
            telling = next((line for line in bad if not re.search(r"cut here|Call Trace", line)), bad[0])
            found.append((LOG, "kernel log: " + telling + (f" (and {len(bad) - 1} lines more)" if len(bad) > 1 else "")))
        if not log_complete:
            found.append((LOG, "the kernel log is incomplete"))
    if found:
        return Verdict(found[0][0], tuple(text for _kind, text in found))
    if status == SKIP_STATUS:
        return Verdict(SKIP, (next((line.strip() for line in reversed(output) if line.strip()), "no reason given"),))
    return Verdict(PASS)
