# SPDX-License-Identifier: GPL-2.0-only
"""Run spin, the compiler and the verifier they make; say what the search found and whether it was exhaustive.

Where it stands: checks > [spin] > trail > check.  A model is built for one set of macros, in a folder of its own; one
build is searched for one or more properties.  A search is exhaustive if it stored every state in full and left none out: no
bit-state hashing, no hash compaction, no reduction, no depth or memory limit reached.
"""
from __future__ import annotations

import re
import resource
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

MODELS = Path(__file__).resolve().parent

# What a whole check may take: the verifier gives up before, and says so.
MEMORY_MIB = 1800
SECONDS_MAX = 300
# Deeper than any of the models; the depth-first stack takes 55 bytes a step.
DEPTH_MAX = 1_000_000
# For a short counterexample the bound grows up to here; then there is no bound.
DEPTHS = (60, 100, 160, 250, 400, 700, 1500)
# Processes of a model, and the claim: pan reserves room for that many under fairness (unit: 2 of 8 processes).
NFAIR = 3


class SpinError(Exception):
    """The tools are missing or could not do it; the message says what to do."""


@dataclass
class Search:
    """What one search found.

    errors      0 or 1: pan stops at the first
    states      stored, in full
    depth       the longest path, steps
    seconds     of the verifier alone, wall clock
    memory_mib  of the verifier
    incomplete  why the search was not exhaustive; "": it was
    violated    what an assertion says, if one failed; else ""
    unreached   statements that no run executes, as "file:line text"
    """

    errors: int = 0
    states: int = 0
    depth: int = 0
    seconds: float = 0.0
    memory_mib: float = 0.0
    incomplete: str = ""
    violated: str = ""
    unreached: list[str] = field(default_factory=list)
    output: str = field(default="", repr=False)


def tools() -> None:
    """SpinError if a program is missing."""
    for name in ("spin", "gcc"):
        if shutil.which(name) is None:
            raise SpinError(f"no {name}: run vm-images/deps (Debian's package {name})")


def flags(defines: dict[str, str]) -> list[str]:
    """-D options; a macro without a value has ""."""
    return [f"-D{name}={value}" if value else f"-D{name}" for name, value in sorted(defines.items())]


def _run(words: list[str], cwd: Path, seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise SpinError(f"{words[0]} took more than {seconds:.0f} s in {cwd}") from None


def build(model: str, defines: dict[str, str], folder: Path, optimise: bool) -> None:
    """Make folder/pan of model (its file's stem).  optimise: for a long search; it takes twice as long to compile.

    Without partial-order reduction: the models' steps share nearly everything, so that it would leave out a fifth at
    most, and its soundness together with fairness need not be argued.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if old.is_file():
            old.unlink()
    made = _run(["spin", "-a", *flags(defines), str(MODELS / f"{model}.pml")], folder, 60)
    # spin warns of processes and variables on stdout, and fails there, too.
    if made.returncode or "Error:" in made.stdout + made.stderr:
        raise SpinError(f"spin cannot read {model}.pml with {' '.join(flags(defines))}: {(made.stdout + made.stderr).strip()}")
    made = _run(["gcc", "-O1" if optimise else "-O0", "-w", f"-DMEMLIM={MEMORY_MIB}", f"-DNFAIR={NFAIR}", "-DNOREDUCE",
                 "-o", "pan", "pan.c"], folder, 120)
    if made.returncode:
        raise SpinError(f"gcc cannot compile what spin made of {model}.pml: {made.stderr.strip()[:400]}")


def parse(output: str) -> Search:
    """What pan printed.  SpinError if that is no result."""
    def number(pattern: str) -> float | None:
        found = re.search(pattern, output)
        return float(found[1]) if found else None

    errors = number(r"errors: (\d+)")
    states = number(r"(?m)^\s*([\d.]+(?:e\+\d+)?) states, stored")
    if errors is None or states is None:
        raise SpinError(f"the verifier said nothing: {output.strip()[-300:] or 'no output'}")
    search = Search(int(errors), int(states), int(number(r"depth reached (\d+)") or 0),
                    memory_mib=number(r"([\d.]+)\s+total actual memory usage") or 0.0, output=output)
    found = re.search(r"pan:\d+: assertion violated (.*) \(at depth \d+\)", output)
    search.violated = found[1].strip() if found else ""
    for sign, why in (("max search depth too small", "depth limit reached"),
                      ("out of memory", "memory limit reached"), ("reached -DMEMLIM", "memory limit reached"),
                      ("Bit statespace", "bit-state hashing"), ("Hash-Compact", "hash compaction"),
                      ("Search not completed", "stopped")):
        if sign in output and not (why == "stopped" and errors):
            search.incomplete = why
            break
    if not search.incomplete and "Full statespace search" not in output:
        search.incomplete = "no full statespace search"
    search.unreached = [f"{file}:{line} {text}" for file, line, text in
                        re.findall(r'(?m)^\t(?:\S*/)?(\w+\.pml):(\d+), state \d+, "(.*)"$', output)]
    return search


def _limits() -> None:
    resource.setrlimit(resource.RLIMIT_AS, ((MEMORY_MIB + 200) << 20, (MEMORY_MIB + 200) << 20))


def search(folder: Path, prop: str, depth: int | None = None, slots_log2: int = 22) -> Search:
    """Search what build() made.

    prop        a formula of the model, or "assertions": these alone
    depth       of the search, at most (default: DEPTH_MAX)
    slots_log2  of the hash table; a small one makes a search slower, never wrong
    """
    # -a -f: cycles that are fair to every process; assertions are looked at all the while.
    words = ["./pan", f"-m{depth or DEPTH_MAX}", f"-w{slots_log2}"]
    words += ["-noclaim"] if prop == "assertions" else ["-a", "-f", "-N", prop]
    for trail in folder.glob("*.trail"):
        trail.unlink()
    start = time.monotonic()
    try:
        ran = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, preexec_fn=_limits)
    except subprocess.TimeoutExpired:
        return Search(seconds=float(SECONDS_MAX), incomplete=f"stopped after {SECONDS_MAX} s")
    seconds = time.monotonic() - start
    result = parse(ran.stdout + ran.stderr)
    result.seconds = seconds
    return result


def counterexample(folder: Path, prop: str) -> Search:
    """A short one: the bound on its length grows until there is one.  Sums up the time of all searches."""
    seconds = 0.0
    for depth in (*DEPTHS, DEPTH_MAX):
        result = search(folder, prop, depth, slots_log2=18)
        seconds += result.seconds
        if result.errors:
            break
    result.seconds = seconds
    return result


def replay(folder: Path, model: str, defines: dict[str, str]) -> str:
    """What spin prints of the run that a search left in folder."""
    trails = list(folder.glob("*.trail"))
    if len(trails) != 1:
        raise SpinError(f"{folder}: {len(trails)} trails where one was to be")
    ran = _run(["spin", "-t", "-k", trails[0].name, *flags(defines), str(MODELS / f"{model}.pml")], folder, 120)
    return ran.stdout


def goes_round(folder: Path) -> bool:
    """Do processes move in the cycle of the trail?  Else all have stopped: a deadlock."""
    lines = next(folder.glob("*.trail")).read_text().split()
    if "-1:-1:-1" not in lines:
        return False
    # step:process:transition; process 0 is the claim.
    return any(line.split(":")[1] != "0" for line in lines[lines.index("-1:-1:-1") + 1:])
