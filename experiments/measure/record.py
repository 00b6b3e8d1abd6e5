# SPDX-License-Identifier: GPL-2.0-only
"""What was measured, kept: a folder of JSON lines that only grows, so that an interrupted run goes on.

Where it stands: boot > [record] > rounds (judging), table.  A folder belongs to one state of all that goes into a guest
and to one seed: its name says so, and manifest.json in full.

    manifest.json           what was measured with: commit, digests of files, settings, seed, QEMU, host
    measurements.jsonl      {"clock", "boot", "round", "device", "work", "depth", "tasks", "metric", "value", "unit", "control",
                            "seconds"}, or "error" instead of metric, value and unit.  seconds: host time it took
    memory.jsonl            {"clock", "boot", "device", "device_mib", "depth", "tasks", "servers", "round", "idle_kib", ...}
    profile.jsonl           {"clock", "boot", "device", "work", "depth", "tasks", "samples", "lost", "rows": [...]}: --profile
    boots/N.json            QEMU's arguments, the plan, what each device said of itself and what was read back
    boots/N.log             the guest's console
    table.md, table.json    written anew by each run of experiments/bench

analysis/keep packs the measurements (measurements.jsonl.xz, a sixteenth); text_of() reads either.
"""
from __future__ import annotations

import hashlib
import json
import lzma
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.vm import LabError


def digest(inputs: Mapping[str, Any]) -> str:
    """Eight digits of all that makes a run another run."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()[:8]


MEASUREMENTS, MEMORY = "measurements.jsonl", "memory.jsonl"


def text_of(folder: Path, name: str) -> str:
    """A file of a record, as it was written or as it was packed; "": there is none.  OSError, ValueError: it is spoilt."""
    if (folder / name).is_file():
        return (folder / name).read_text()
    packed = folder / f"{name}.xz"
    if not packed.is_file():
        return ""
    try:
        return lzma.decompress(packed.read_bytes()).decode()
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{packed}: {error}") from None


def pack(folder: Path, name: str) -> None:
    """NAME into NAME.xz.  OSError."""
    path = folder / name
    (folder / f"{name}.xz").write_bytes(lzma.compress(path.read_bytes()))
    path.unlink()


def folders(root: Path) -> list[Path]:
    """The records in a folder of them, by name."""
    return sorted({path.parent for end in ("", ".xz") for path in root.glob(f"*/{MEASUREMENTS}{end}")})


class Record:
    """One results folder.  One process at a time writes it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boots = root / "boots"

    def open(self, manifest: Mapping[str, Any]) -> None:
        """Begin, or go on: `manifest` must be that of the run that began.  LabError if it is another's."""
        try:
            self.boots.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"{self.root}: {error.strerror}") from None
        if any(self.root.glob("*.xz")):
            raise LabError(f"{self.root} is packed, and is kept as it is: name another folder by --results")
        path = self.root / "manifest.json"
        if path.is_file():
            before = json.loads(path.read_text())
            if before["inputs"] != json.loads(json.dumps(manifest["inputs"])):
                raise LabError(f"{self.root} has another build's or another seed's results: name another folder by --results")
            return
        path.write_text(json.dumps(manifest, indent=1) + "\n")

    def _append(self, name: str, *lines: Mapping[str, Any]) -> None:
        with open(self.root / name, "ab+") as out:
            if out.tell():
                out.seek(-1, os.SEEK_END)
                # Half a line, of a run that was killed while it wrote, must not spoil this one.
                if out.read(1) != b"\n":
                    out.write(b"\n")
            # In one write: what belongs together is there, or is not.
            out.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))

    def _read(self, name: str) -> list[dict[str, Any]]:
        lines = []
        try:
            whole = text_of(self.root, name)
        except (OSError, ValueError) as error:
            raise LabError(f"{self.root}: {name} cannot be read ({error})") from None
        for text in whole.splitlines():
            try:
                lines.append(json.loads(text))
            except ValueError:
                # That half: what it would have said is measured again.
                continue
        return lines

    def add(self, *lines: Mapping[str, Any]) -> None:
        """The values of one measurement."""
        self._append(MEASUREMENTS, *lines)

    def add_memory(self, line: Mapping[str, Any]) -> None:
        self._append(MEMORY, line)

    def add_profile(self, line: Mapping[str, Any]) -> None:
        self._append("profile.jsonl", line)

    def lines(self) -> list[dict[str, Any]]:
        return self._read(MEASUREMENTS)

    def memory_lines(self) -> list[dict[str, Any]]:
        return self._read(MEMORY)

    def next_boot(self) -> int:
        numbers = [int(path.stem) for path in self.boots.glob("*.json") if path.stem.isdigit()]
        return max(numbers, default=0) + 1

    def write_boot(self, number: int, what: Mapping[str, Any]) -> None:
        (self.boots / f"{number}.json").write_text(json.dumps(what, indent=1) + "\n")
