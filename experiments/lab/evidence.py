# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a run: enough to judge it again in a few KB, and all of it once per cell and verdict.

Where it stands: run > [evidence] > store > summary.  Works on the folder that runner.py wrote, before it is published:

    manifest.json      as runner.py wrote it, with "cell" (plan, cell, number, seeds) and "evidence" (digest, size, kept or not)
    verdict.json       verdict, reason, numbers, wait chain
    judge.json.xz      what the judge needs: results, events, some heartbeats, telling lines of the console
    evidence.tar.xz    everything, at most LIMIT_BYTES, if this run is the first of its cell and verdict, or if judge.json.xz
                       would be judged otherwise

What must be left out to keep the limit is named in the manifest, with what was cut.  analysis/keep packs the manifest, too
(manifest.json.xz); manifest_of() reads either.
"""
from __future__ import annotations

import hashlib
import io
import json
import lzma
import re
import tarfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import verdict

LIMIT_BYTES = 2 << 20
# Heartbeats kept for judging and for a curve of the run; one a second is more than either wants.
BEATS_KEPT = 40
# Lines of the console for judging, and how many of its last.
CONSOLE_LINES = 120
CONSOLE_TAIL = 15
# Wider than today's rules: tomorrow's may look for something else.
TELLING = re.compile(r"panic|oops|\bBUG\b|WARNING|error|killed|out of memory|bus error|sigbus|blocked for more|general protection|(?:free|total) swap|"
                     r"\bint3\b|double fault|\bRIP: |\bEFLAGS: |\bCode: ",
                     re.IGNORECASE)
KEPT_FILES = ("manifest.json", "verdict.json", "judge.json.xz", "evidence.tar.xz")


# ----------------------------------------------------------------- judge.json


def _thin(run: verdict.Evidence) -> list[dict[str, Any]]:
    """Heartbeats without which a rule could come out otherwise, and some between them."""
    lines = run.heartbeats
    if len(lines) <= BEATS_KEPT:
        return lines
    keep = {0, 1, len(lines) - 2, len(lines) - 1}
    # Around swapon, for the traffic; around each step's start, for the stalls.
    for step in run.results:
        if step.get("event") == "step":
            after = next((number for number, beat in enumerate(lines) if beat.get("host_s", 0.0) > step["host_s"]), None)
            keep |= {after - 1, after} if after else set()
    # The last that had counters, and where the last stall began.
    series = [number for number, beat in enumerate(lines) if "t_ms" in beat]
    counted = [number for number in series if lines[number].get("abuse")]
    keep |= set(counted[-1:])
    if series:
        moved = verdict.progress(lines[series[-1]])
        still = next((at for at in range(len(series) - 1, -1, -1) if verdict.progress(lines[series[at]]) != moved), -1)
        keep |= {series[at] for at in (still, still + 1) if 0 <= at < len(series)}
        # All of the last minute or so: a livelock is told from its parts.
        crawl_s = float(run.arm.get("limits", {}).get("crawl_s", verdict.CRAWL_S))
        start_ms = lines[series[-1]]["t_ms"] - 1000 * (crawl_s + 1)
        parts = [number for number in series if lines[number]["t_ms"] >= start_ms] if run.ended in ("limit", "crawl") else []
        keep |= set(parts[::3]) | set(parts[-1:])
    keep |= set(range(0, len(lines), max(1, len(lines) // BEATS_KEPT)))
    return [lines[number] for number in sorted(keep) if number >= 0]


def _telling(console: str) -> str:
    lines = console.splitlines()
    told = [number for number, line in enumerate(lines) if TELLING.search(line)][:CONSOLE_LINES]
    last = range(max(0, len(lines) - CONSOLE_TAIL), len(lines))
    return "\n".join(lines[number][:400] for number in sorted({*told, *last})) + "\n"


def reduce(run: verdict.Evidence) -> dict[str, Any]:
    """The evidence without what the judge does not look at; as JSON."""
    out = asdict(run)
    out.pop("arm")
    out["heartbeats"] = _thin(run)
    out["console"] = _telling(run.console)
    return out


def manifest_of(folder: Path) -> dict[str, Any]:
    """A run's manifest, as it was written or as analysis/keep has packed it.  OSError, ValueError if there is none."""
    packed = folder / "manifest.json.xz"
    if not packed.is_file():
        return dict(json.loads((folder / "manifest.json").read_text()))
    try:
        return dict(json.loads(lzma.decompress(packed.read_bytes())))
    except (lzma.LZMAError, EOFError) as error:
        raise ValueError(f"{packed}: {error}") from None


def pack_manifest(folder: Path) -> None:
    """manifest.json into manifest.json.xz: a third of its size, and the larger part of a run that passed.  OSError."""
    path = folder / "manifest.json"
    (folder / "manifest.json.xz").write_bytes(lzma.compress(path.read_bytes(), preset=_preset(path.stat().st_size)))
    path.unlink()


def load(folder: Path) -> verdict.Evidence:
    """Evidence of a run's folder, kept or as runner.py left it.  OSError, KeyError, ValueError, TypeError if it is none."""
    kept = folder / "judge.json.xz"
    if not kept.is_file():
        return verdict.load(folder)
    manifest = manifest_of(folder)
    try:
        full = folder / "evidence.tar.xz"
        if manifest["evidence"].get("judge_from") != full.name:
            little = verdict.Evidence(arm=manifest["arm"], **json.loads(lzma.decompress(kept.read_bytes())))
            # Of what a kernel says at its death a rule may want more than was thought of when it was reduced.
            if not (full.is_file() and verdict.PANIC_TEXT.search(little.console)):
                return little
        with tarfile.open(full) as tar:
            files = {name: tar.extractfile(name) for name in tar.getnames()}
            texts = {name: stream.read().decode(errors="replace") for name, stream in files.items() if stream is not None}
    except (lzma.LZMAError, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{folder}: spoilt: {error}") from None
    return verdict.load_texts(manifest, lambda name: texts.get(name, ""))


# --------------------------------------------------------------- evidence.tar


def _preset(nr_bytes: int) -> int:
    """xz's: a large dictionary costs time to set up, and gains nothing on what fits into a small one."""
    return 1 if nr_bytes < 1 << 20 else 6


def _tar(members: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:xz", preset=_preset(sum(map(len, members.values())))) as tar:
        for name, data in sorted(members.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(data))
    return raw.getvalue()


def pack(members: dict[str, bytes], limit_bytes: int | None = None) -> tuple[bytes, dict[str, int]]:
    """A tar.xz of at most `limit_bytes` (LIMIT_BYTES), the same bytes for the same members; {name: bytes cut from its middle}.

    A hang tells in its beginning and its end: the middle of the longest file goes first.
    """
    members = dict(members)
    limit_bytes = LIMIT_BYTES if limit_bytes is None else limit_bytes
    cut: dict[str, int] = {}
    while True:
        packed = _tar(members)
        if len(packed) <= limit_bytes or not any(members.values()):
            return packed, cut
        name = max(members, key=lambda item: len(members[item]))
        data = members[name]
        side = len(data) // 4
        if not name.endswith((".log", ".jsonl")) or side < 1024:
            # The half of an archive is no archive.
            cut[name] = cut.get(name, 0) + len(data)
            members[name] = b""
            continue
        cut[name] = cut.get(name, 0) + len(data) - 2 * side
        # At line ends, so that JSON lines stay whole.
        head, tail = data[:side].rpartition(b"\n")[0] + b"\n", data[-side:].partition(b"\n")[2]
        members[name] = head + tail


# --------------------------------------------------------------------- a run


def _same(one: verdict.Judgement, other: verdict.Judgement) -> bool:
    return (one.verdict, one.reason) == (other.verdict, other.reason)


def keep(folder: Path, cell: dict[str, Any], full: bool) -> str:
    """Turn what runner.py left in `folder` into what is kept; returns the verdict.

    cell    goes into the manifest
    full    keep everything, too; else only its digest
    OSError, KeyError, ValueError if the folder is no run.
    """
    manifest = json.loads((folder / "manifest.json").read_text())
    record = json.loads((folder / "verdict.json").read_text())
    run = verdict.load(folder)
    reduced = reduce(run)
    again = verdict.Evidence(arm=manifest["arm"], **json.loads(json.dumps(reduced)))
    whole = _same(verdict.judge(again), verdict.judge(run))
    names = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name not in KEPT_FILES and path.stat().st_size]
    packed, cut = pack({path.name: path.read_bytes() for path in names})
    full = full or not whole
    manifest["cell"] = cell
    # What the guest said of its switches, in one place.
    manifest["read_back"] = {
        **manifest.get("read_back", {}), "server": verdict.find(run.results, "server"),
        "toggles": {str(line.get("name")): line.get("value") for line in run.results if line.get("event") == "toggle"},
        "nr_faults": sum(line.get("event") == "fault" for line in run.results),
    }
    manifest["evidence"] = {
        "sha256": hashlib.sha256(packed).hexdigest(), "bytes": len(packed), "kept": full,
        "judge_from": "judge.json.xz" if whole else "evidence.tar.xz", "cut_bytes": cut,
    }
    text = json.dumps(reduced).encode()
    (folder / "judge.json.xz").write_bytes(lzma.compress(text, preset=_preset(len(text))))
    if full:
        (folder / "evidence.tar.xz").write_bytes(packed)
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    for path in names:
        path.unlink()
    for path in folder.iterdir():
        if path.name not in KEPT_FILES and path.is_file():
            path.unlink()
    return str(record["verdict"])
