# SPDX-License-Identifier: GPL-2.0-only
"""Results of guests that never were, for tests of what is made of results: whoever reads them finds them marked so.

Where it stands: in the place of run > evidence > store; the guests are experiments/fakeguest.py's.
"""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import fakeguest
from lab import evidence, questions
from lab.store import Store

from . import raw

COMMIT = "c0ffee000000"
TAKEOVERS_US = (10200, 5700, 10400, 16400, 2100, 1600, 1200, 22800, 6500, 27300)


@dataclass(frozen=True)
class Cell:
    """Boots to make: of the cell `label`, `boots` in all, of which the first `hang` hang; "" commit: COMMIT."""

    label: str
    boots: int
    hang: int = 0
    commit: str = COMMIT


def _planned(label: str) -> questions.Cell:
    """The question's cell of that label.  KeyError if there is none."""
    return {cell.label: cell for question in raw.asked().values() for cell in question.cells}[label]


def boot(root: Path, cell: Cell, index: int, controls: Sequence[str] = ()) -> Path:
    """One run of a cell."""
    planned = _planned(cell.label)
    store = Store(root)
    run_name = f"{index:04}-s1-{cell.commit}-00000000-fake"
    partial = store.partial(run_name)
    with mock.patch.object(fakeguest, "wanted", lambda _arm: "DEADLOCK" if index < cell.hang else "PASS"):
        fakeguest.run(planned.arm, planned.series, partial, index)
    manifest = json.loads((partial / "manifest.json").read_text())
    manifest["utc"] = f"2026-01-01T00:00:{index:02}+00:00"
    (partial / "manifest.json").write_text(json.dumps(manifest))
    about = {"digest": planned.digest, "labels": [cell.label], "series": planned.series, "index": index, "campaign_seed": 1,
             "commit": cell.commit, "built": "00000000", "controls": list(controls), "fires": "", "expect": list(planned.expect),
             "guest_runner": fakeguest.__file__, "duration_s": 1.0}
    final = store.run(f"{planned.arm['name']}-{planned.digest}", run_name)
    evidence.keep(partial, about, full=index == 0)
    store.publish(partial, final)
    return final


def store(root: Path, cells: Sequence[Cell], *, controls: Sequence[str] = ()) -> Path:
    """A results folder with all boots of some cells."""
    for cell in cells:
        for index in range(cell.boots):
            boot(root, cell, index, controls)
    return root


def takeovers(root: Path, times_us: Sequence[int] = TAKEOVERS_US) -> Path:
    """What a run of standby/kills would leave."""
    path = root / "takeovers" / "20260101T000000Z-c0ffee000000.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = (f"takeovers_us: {' '.join(map(str, times_us))}\nprogress: 123456 requests, 61 of them lent again; {len(times_us)} takeovers, "
            "from the kill to the first answer: min 1.2 ms; 0 page faults in all\n")
    path.write_text(json.dumps({"commit": COMMIT, "utc": "2026-01-01T00:00:00+00:00", "series": "6.12", "command": "fake",
                                "text": text}))
    return path


def bench(root: Path) -> Path:
    """Values of a benchmark that was not run."""
    path = root / "bench" / "fake.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"manifest": {"commit": COMMIT, "series": "6.12", "note": "fake"}})]
    for device, rate, late in (("abuse", 210.0, 35.0), ("abuse forward", 320.0, 30.0), ("ublk", 180.0, 41.0), ("nbd", 45.0, 160.0),
                               ("virtio-blk", 400.0, 22.0)):
        for number in range(1, 6):
            lines.append(json.dumps({"device": device, "work": "swap out", "round": number, "value": rate * (1 + 0.02 * (number - 3)),
                                     "unit": "MB/s"}))
            lines.append(json.dumps({"device": device, "work": "swap in, one page", "round": number,
                                     "value": late * (1 + 0.03 * (number - 3)), "unit": "us"}))
    path.write_text("\n".join(lines) + "\n")
    return path


def targets(root: Path, rate: float = 2.0, build: str = "fake-build", utc: str = "2026-01-01T00:00:00+00:00") -> Path:
    """Three rounds of a folder of experiments/bench, of one cell, on three devices: abuse-ram does `rate` times what ublk does."""
    folder = root / "bench" / build
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"commit": COMMIT, "utc": utc}))
    lines = []
    for number in (1, 2, 3):
        for device, value, control in (("abuse-ram", 100.0 * rate, False), ("ublk", 100.0, False), ("brd", 300.0, False), ("brd", 300.0, True)):
            cost = {"abuse-ram": 15.0, "ublk": 20.0, "brd": 10.0}[device]
            for metric, amount, unit in (("rate", value, "requests/s"), ("cost", cost, "ns/request")):
                lines.append({"clock": "icount", "boot": 1, "round": number, "device": device, "work": "randread-4k", "depth": 8, "tasks": 1,
                              "metric": metric, "value": amount, "unit": unit, "seconds": 1.0, "control": control})
    (folder / "measurements.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder
