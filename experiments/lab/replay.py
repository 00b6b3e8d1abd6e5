# SPDX-License-Identifier: GPL-2.0-only
"""Whether two runs of one guest went the same way, and a debugger at the place where both stand still.

Where it stands: run > results folder > [replay] > run.  Under the counted clock (guest.counted) a guest depends on its
arm, its seed and the files it is made of, and on nothing of the host, until the host acts on it: the first sysrq.  Up to
there heartbeats, results and the kernel's log must be the same, guest time included.  Of a hang what counts is the time
that it takes to be one: an idle guest is hours further before the host acts, and its lines fill the ports.
"""
from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import symbols, verdict
from .vm import REPO, Guest, LabError

# Keys that the host adds.
HOSTS_OWN = ("host_s",)


@dataclass(frozen=True)
class Trace:
    """What a guest said before the host acted on it.

    beats    line by guest time, ms; of a run in a campaign's store only some are kept
    results  lines in order
    log      lines of the console, or empty where only some were kept
    """

    beats: dict[int, str]
    results: list[str]
    log: list[str]

    @property
    def end_ms(self) -> int:
        return max(self.beats, default=0)


def _line(said: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in said.items() if key not in HOSTS_OWN}, sort_keys=True)


def trace(run: verdict.Evidence, *, whole: bool = True) -> Trace:
    """Of a run's evidence.  whole: all of its console is there."""
    acted_s = min((float(sent["host_s"]) for sent in run.sysrq if "host_s" in sent), default=float("inf"))
    stalled = verdict.stall_of(run) if run.ended == "stall" else None
    limit_s = float(run.arm.get("limits", {}).get("stall_s", verdict.STALL_S))
    end_ms = stalled.last["t_ms"] + 1000 * (limit_s - stalled.window_s) if stalled else float("inf")
    log: list[str] = []
    for line in run.console.splitlines() if whole else []:
        if "sysrq: " in line and run.sysrq:
            break
        log.append(line)
    return Trace(
        {int(beat["t_ms"]): _line(beat) for beat in verdict.beats(run.heartbeats)
         if float(beat.get("host_s", 0.0)) < acted_s and beat["t_ms"] <= end_ms},
        [_line(result) for result in run.results if float(result.get("host_s", 0.0)) < acted_s], log)


def _first_other(one: list[str], other: list[str]) -> int | None:
    """Where two lists, of which the longer may go on, first differ."""
    return next((at for at, (left, right) in enumerate(zip(one, other)) if left != right), None)


def differs(before: Trace, again: Trace) -> str | None:
    """In what the second run differs from the first, in one line; None if in nothing that both told."""
    end_ms = min(before.end_ms, again.end_ms)
    for t_ms, said in sorted(before.beats.items()):
        if t_ms > end_ms:
            break
        if t_ms not in again.beats:
            return f"no heartbeat at {t_ms} ms of guest time, where the first run had one"
        if again.beats[t_ms] != said:
            one, other = json.loads(said), json.loads(again.beats[t_ms])
            keys = [key for key in sorted({*one, *other}) if one.get(key) != other.get(key)]
            return (f"another heartbeat at {t_ms} ms: {keys[0]} was {one.get(keys[0])}, now {other.get(keys[0])}"
                    + (f"; {', '.join(keys[1:])} differ, too" if keys[1:] else ""))
    for what, lines, lines_again in (("result", before.results, again.results), ("line of the log", before.log, again.log)):
        at = _first_other(lines, lines_again)
        if at is not None:
            return f"another {what}, number {at + 1}: was {lines[at]}, now {lines_again[at]}"
    return None


def same_inputs(manifest: dict[str, Any], now: dict[str, str]) -> None:
    """LabError if the guest of that manifest was made of other files than there are now."""
    then = manifest.get("sha256") or {}
    for name in sorted({*then, *now}):
        if then.get(name) != now.get(name):
            raise LabError(f"{name} is another one than in that run (commit {manifest.get('commit')}): check that commit out and "
                           "build it, or say --anyway")


# -------------------------------------------------------------- the debugger


def vmlinux(series: str) -> Path | None:
    """The kernel with symbols: of our own what its build left; of Debian's what its -dbg package has, if it is installed."""
    manifest = REPO / "build" / "kernels" / series / "release"
    release = manifest.read_text().strip() if manifest.is_file() else ""
    places = [REPO / "build" / "linux-build" / series / "vmlinux", Path("/usr/lib/debug/boot") / f"vmlinux-{release}"]
    return next((path for path in places if path.is_file()), None)


def module_text(results: list[dict[str, Any]]) -> str | None:
    """Where the guest's kernel put our module, as the job told it."""
    said = verdict.find(results, "module-text")
    return str(said["address"]) if said and said.get("address") else None


def gdb_commands(port: Path, kernel: Path | None, module: Path | None, address: str | None) -> list[str]:
    """gdb's arguments: kernel, module, and where each processor is."""
    # Programs and module name their sources from the top of the tree.
    words = ["gdb", "-q", "-nx", "-ex", "set pagination off", "-ex", "set confirm off", "-ex", f"directory {REPO}"]
    if kernel is not None:
        words += ["-ex", f"file {kernel}"]
    words += ["-ex", "set architecture i386:x86-64", "-ex", f"target remote {port}"]
    if module is not None and address is not None:
        words += ["-ex", f"add-symbol-file {module} {address}"]
    return [*words, "-ex", "thread apply all info symbol $pc"]


def debug(guest: Guest, series: str, address: str | None, more: list[str]) -> None:
    """Stop the guest where it is, and let gdb have it until it ends.  more: further arguments of gdb.  LabError."""
    if shutil.which("gdb") is None:
        raise LabError("gdb is not installed: apt-get install gdb")
    guest.qmp("stop")
    kernel = vmlinux(series) or symbols.of_kernel(series)
    module = REPO / "build" / "module" / series / "abuse.ko"
    # A socket's path is short.
    with tempfile.TemporaryDirectory(prefix="abuse-gdb.") as folder:
        port = Path(folder) / "gdb"
        guest.qmp("human-monitor-command", **{"command-line": f"gdbserver unix:{port},server=on,wait=off"})
        subprocess.run([*gdb_commands(port, kernel, module if module.is_file() else None, address), *more])
