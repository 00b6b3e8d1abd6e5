#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Hangs that a guest was seen in, and whether the model has a run that ends in the same wait chain.

Where it stands: recorded hang > waitchain.py > [hangs] > spin > trail.  A *sample* is one hang of the laboratory, reduced to
the stacks that make its chain; hangs/*.json are such, made by `analysis/model/hangs.py --add RESULTS_DIR`.  Its wait chain is
derived again each time, its arm becomes macros of progress.pml, and the model is asked for a run in which the same two tasks
wait for the same.
"""
from __future__ import annotations

import argparse
import json
import sys
import tarfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # build output goes to build/ only
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "experiments")]

import spin  # noqa: E402 (found through the line above)
import trail as trails  # noqa: E402
import waitchain  # noqa: E402
from lab import evidence  # noqa: E402

SAMPLES = HERE / "hangs"
# As checks.MACHINE, with one slot: a recorded device's bound is full, too.
MACHINE = {"MIN": "1", "NR_FREE": "1", "NR_ANON": "3", "FS_BIOS": "2", "DRAIN": "1", "THROTTLE": "", "READS": "1", "WAITERS": "6",
           "LOADS": "2", "SLOTS": "1", "BATCH": "1", "WAIT_FOR": "1"}


# Of a recorded server, and their macros; peers' arms say memalloc for what the scope is.
PROTECTIONS = {"mlock": "MLOCK", "scope": "MEMALLOC", "memalloc": "MEMALLOC", "flusher": "FLUSHER"}
# Of no consequence in the model.
OTHER_PROTECTIONS = {"core", "oom", "sched", "nofault", "caps", "sealed"}


class HangError(Exception):
    """Not a hang that the model could have; the message says why."""


@dataclass
class Hang:
    """name; the macros of its arm; its wait chain, as waitchain.py derives it."""

    name: str
    kernel: str
    without: list[str]
    defines: dict[str, str]
    cycle: list[waitchain.Edge]


@dataclass
class Match:
    """A recorded hang and the model's run; trouble: what differs, or ""."""

    hang: Hang
    trail: trails.Trail | None = None
    trouble: str = ""
    states: int = 0
    seconds: float = 0.0
    links: list[tuple[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {"name": self.hang.name, "kernel": self.hang.kernel, "without": self.hang.without, "defines": self.hang.defines,
                "recorded": [asdict(edge) for edge in self.hang.cycle],
                "model": [asdict(edge) for edge in self.trail.chain] if self.trail else None,
                "trouble": self.trouble, "states": self.states, "seconds": self.seconds}

    def text(self) -> str:
        lines = [f"recorded hang {self.hang.name} ({self.hang.kernel}), without {', '.join(self.hang.without) or 'nothing'}:"]
        model = self.trail.chain if self.trail else []
        for number, edge in enumerate(self.hang.cycle):
            lines.append(f"  recorded: {edge.waiter} waits for: {edge.resource}")
            if number < len(model):
                lines.append(f"  model:    {model[number].waiter} waits for: {model[number].resource}")
        lines.append(f"  NOT FOUND: {self.trouble}" if self.trouble else "  the same cycle")
        return "\n".join(lines)


def wanted(task: int, kind: str, also_task: int | None = None, also: str = "") -> dict[str, str]:
    """Macros of progress.pml's formula "wait": the run ends with these waits."""
    return {"WANT_TASK": str(task), "WANT": f"w_{kind}", "ALSO_TASK": str(task if also_task is None else also_task),
            "ALSO": f"w_{also or kind}"}


def held(command: str) -> int:
    """How many requests a server of this command waits for before it answers one; 0: it does not wait."""
    words = command.split()
    return int(words[words.index("--hold") + 1]) if "--hold" in words[:-1] else 0


def circumstances(command: str, off: list[str], device: str, insmod: str = "") -> dict[str, str]:
    """An arm's server as macros.  insmod: of the module, with "busted=NAME" for a twin.  HangError if the model has no such."""
    if not device.startswith("/dev/abuse"):
        raise HangError(f"{device}: the model has this project's device only")
    out = {**MACHINE, "BYPASS": ""}
    unknown = set(off) - PROTECTIONS.keys() - OTHER_PROTECTIONS
    if unknown:
        raise HangError(f"protections that the model does not know: {', '.join(sorted(unknown))}")
    out.update({macro: "" for macro in PROTECTIONS.values()})
    for name in off:
        out.pop(PROTECTIONS.get(name, ""), None)
    words = command.split()
    busted = next((word.partition("=")[2] for word in insmod.split() if word.startswith("busted=")), "")
    if busted not in ("", "shared-bio-set"):
        raise HangError(f"{insmod}: the model does not have that twin")
    # Only the naive server asks for memory: the other one does not where it merely may.
    if "--naive" in words:
        out["ALLOC"] = ""
    # As check "batch": what it waits for are writes.  One more than there are bios is as good as many more.
    hold = min(held(command), int(MACHINE["FS_BIOS"]) + 1)
    if hold > 1:
        out.update(WAIT_FOR=str(hold), BATCH=str(hold), SLOTS=str(hold), NR_ANON=str(hold + 1), LOADS="1", READS="0")
    backend = words[-1].partition(",")[0] if words else ""
    if backend == "file":
        out["STORE_FILE"] = ""
    elif backend == "forward":
        out["STORE_FORWARD"] = ""
        if busted != "shared-bio-set":
            out["OWN_BIO_SET"] = ""
    return out


def _hang(sample: dict[str, Any], name: str) -> Hang:
    result = waitchain.analyse("\n".join(sample["console"]), server=sample["server"], counters=sample["counters"],
                               device=Path(sample["device"]).name, hold=held(sample["command"]))
    if not result.cycle:
        raise HangError(f"{name}: no cycle in it")
    without = [protection for protection in sample["protections_off"]]
    if held(sample["command"]) > 1:
        without.append("no-batch-wait")
    if "--naive" in sample["command"].split():
        without.append("allocate-nothing")
    without += [word for word in sample["insmod"].split() if word.startswith("busted=")]
    return Hang(name, sample["kernel"], without, circumstances(sample["command"], sample["protections_off"], sample["device"], sample["insmod"]),
                result.cycle)


def recorded(folder: Path = SAMPLES) -> list[Hang]:
    """The samples of a folder, by name.  HangError if one is spoilt."""
    out = []
    for path in sorted(folder.glob("*.json")):
        try:
            out.append(_hang(json.loads(path.read_text()), path.stem))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HangError(f"{path}: {error!r}") from None
    return out


def _text(folder: Path, name: str) -> str:
    """A file of a results folder, as it was written or as experiments/lab/evidence.py has packed it.  OSError, KeyError."""
    if (folder / name).is_file() or not (folder / "evidence.tar.xz").is_file():
        return (folder / name).read_text(errors="replace")
    with tarfile.open(folder / "evidence.tar.xz") as packed:
        stream = packed.extractfile(name)
        return stream.read().decode(errors="replace") if stream else ""


def reduce(folder: Path) -> dict[str, Any]:
    """The sample of a results folder that experiments/run wrote.  HangError if it is none, or no hang."""
    try:
        manifest = evidence.manifest_of(folder)
        record = json.loads(_text(folder, "verdict.json"))
        console = _text(folder, "console.log")
        beats = [json.loads(line) for line in _text(folder, "heartbeat.jsonl").splitlines() if line.strip()]
        arm = manifest["arm"]
        counters = next((beat["abuse"] for beat in reversed(beats) if beat.get("abuse")), None)
        sample = {"from": folder.name, "utc": manifest["utc"], "commit": manifest["commit"], "arm": arm["name"],
                  "kernel": manifest["kernel"]["release"], "verdict": record["verdict"], "device": arm["device"]["path"],
                  "insmod": arm["device"]["insmod"], "server": arm["server"]["comm"], "command": arm["server"]["command"],
                  "protections_off": arm["server"]["protections_off"], "counters": counters}
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise HangError(f"{folder}: not a results folder with its console ({error!r})") from None
    whole = waitchain.analyse(console, server=sample["server"], counters=counters, device=Path(sample["device"]).name,
                              hold=held(str(sample["command"])))
    if not whole.cycle:
        raise HangError(f"{folder}: no cycle in it ({sample['verdict']})")
    sample["console"] = _excerpt(console, {edge.pid for edge in whole.cycle if edge.pid}, str(sample["server"]))
    if trails.signature(_hang(sample, folder.name).cycle) != trails.signature(whole.cycle):
        raise HangError(f"{folder}: its chain is not in the stacks that would be kept")
    return sample


def of_results(folder: Path) -> Hang:
    """The hang of a results folder.  HangError if it is none."""
    return _hang(reduce(folder), folder.name)


def _excerpt(console: str, pids: set[int], server: str) -> list[str]:
    """The last dump of the tasks that matter: those of the cycle, the server's, kswapd's."""
    blocks: dict[int, list[str]] = {}
    current: list[str] | None = None
    for raw in console.splitlines():
        line = waitchain.STAMP.sub("", raw.rstrip("\r"))
        found = waitchain.TASK.search(line)
        if found:
            pid, comm = int(found["pid"]), found["comm"].strip()
            current = [] if pid in pids or comm == server or comm.startswith("kswapd") else None
            if current is not None:
                blocks[pid] = current
        elif waitchain.BLOCK_ENDS.match(line):
            current = None
        if current is not None and (found or waitchain.FRAME.match(line)):
            current.append(raw.rstrip())
    return [line for block in blocks.values() for line in block]


def match(hang: Hang, build: Path) -> Match:
    """Ask the model for a run that ends as the hang did.  spin.SpinError."""
    out = Match(hang)
    links = trails.signature(hang.cycle)
    server = next((kind for role, kind in links if role == "server"), None)
    if server is None:
        out.trouble = "no server in the recorded chain"
        return out
    first_role, first_kind = links[0]
    place = build / f"hang-{hang.name}"
    defines = {**hang.defines, **wanted(trails.SERVERS[0], server, 2 if first_role == "kswapd" else 0, first_kind)}
    spin.build("progress", defines, place, optimise=False)
    search = spin.counterexample(place, "wait")
    out.states, out.seconds = search.states, search.seconds
    if not search.errors:
        out.trouble = "the model has no such run" + (f" ({search.incomplete})" if search.incomplete else "")
        return out
    out.trail = trails.parse(spin.replay(place, "progress", defines), "progress", spin.goes_round(place), defines)
    (place / "trail.txt").write_text("\n".join([*out.trail.steps, "", out.trail.text(), ""]))
    if trails.signature(out.trail.chain) != links:
        out.trouble = f"the model's chain is {trails.signature(out.trail.chain)}, the recorded one {links}"
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a sample of a hang that experiments/run has recorded.",
                                     epilog="Exit status: 0 written; 1 there is no hang with a cycle in that folder.")
    parser.add_argument("--add", type=Path, required=True, metavar="RESULTS_DIR")
    parser.add_argument("--name", help="of the sample (default: the arm's and what the server waits for)")
    args = parser.parse_args()
    try:
        sample = reduce(args.add)
        kind = dict(trails.signature(_hang(sample, args.add.name).cycle))["server"]
    except (HangError, KeyError) as error:
        print(f"hangs: {error}", file=sys.stderr)
        return 1
    path = SAMPLES / f"{args.name or sample['arm'] + '-' + kind}.json"
    SAMPLES.mkdir(exist_ok=True)
    path.write_text(json.dumps(sample, indent=1) + "\n")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
