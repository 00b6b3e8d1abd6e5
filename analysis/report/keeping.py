# SPDX-License-Identifier: GPL-2.0-only
"""Takes raw results into the folder that the paper is made of: copies, reduces, and never changes what is there.

Where it stands: build/results > [keeping] > analysis/results > raw.
"""
from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab import evidence, identity, runner, summary
from lab.store import Store
from measure import record

from . import ReportError, raw


def _publish(made: Callable[[Path], None], final: Path) -> bool:
    """Make a folder or a file by made(), whole or not at all; False if it is there already."""
    if final.exists():
        return False
    final.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=final.parent, prefix=".partial-") as place:
        partial = Path(place) / final.name
        made(partial)
        os.rename(partial, final)
    return True


def _forget_place(folder: Path) -> None:
    """Make paths below the tree that a run was made in relative to it: where that lay says nothing of the run."""
    found = re.search(r'"(?:[^",]*=)?(/[^",]*)/build/kernels/', (folder / "manifest.json").read_text())
    for path in folder.glob("*") if found else ():
        if found and path.suffix in (".json", ".jsonl", ".log"):
            path.write_bytes(path.read_bytes().replace(f"{found[1]}/".encode(), b""))


def _keep_plans(store: Store, to: Path) -> None:
    """The store's newest plan of each set of questions, instead of what is kept of the same: a clone cannot tell which is the newer."""
    worth = {tuple(plan.questions): plan.id for plan in summary.newest_plans(store)}
    for path in sorted(to.glob("*.json")):
        if worth.get(tuple(json.loads(path.read_text())["questions"]), path.stem) != path.stem:
            path.unlink()
    for name in worth.values():
        _publish(lambda partial, name=name: shutil.copy2(store.root / "plans" / f"{name}.json", partial),  # type: ignore[misc]
                 to / f"{name}.json")


def _copy_run(folder: Path, partial: Path) -> None:
    shutil.copytree(folder, partial)
    if (partial / "manifest.json").is_file():
        evidence.pack_manifest(partial)


def keep_store(source: Path, to: Path) -> int:
    """All finished runs, checks and plans of a results folder; how many runs are new.  ReportError if there is nothing."""
    store = Store(source)
    runs = list(store.finished())
    if not runs and not store.checks.is_dir():
        raise ReportError(f"{source}: no runs and no checks here: `make experiments` first")
    number = sum(_publish(lambda partial, folder=folder: _copy_run(folder, partial),  # type: ignore[misc]
                          to / "runs" / folder.parent.name / folder.name) for folder in runs)
    for path in sorted(path for path in store.checks.glob("*") if path.is_dir()):
        _publish(lambda partial, path=path: shutil.copytree(path, partial), to / "checks" / path.name)  # type: ignore[misc]
    _keep_plans(store, to / "plans")
    dropped = source / "dropped.txt"
    if dropped.is_file():
        there = (to / "dropped.txt").read_text().splitlines() if (to / "dropped.txt").is_file() else []
        more = [line for line in dropped.read_text().splitlines() if line not in there]
        (to / "dropped.txt").write_text("".join(f"{line}\n" for line in [*there, *more]))
    return number


def keep_single(folder: Path, to: Path) -> bool:
    """One boot of `make demo` or `experiments/run --arm`, with all of its evidence.  ReportError if it is none."""
    def made(partial: Path) -> None:
        shutil.copytree(folder, partial)
        for name in ("initrd", "overlay.cpio", "store.raw"):
            (partial / name).unlink(missing_ok=True)
        _forget_place(partial)
        evidence.keep(partial, {}, full=True)
    if not (folder / "verdict.json").is_file():
        raise ReportError(f"{folder}: has no verdict.json: the run has not ended, or is none")
    try:
        return _publish(made, to / "single" / folder.name)
    except (OSError, KeyError, ValueError, shutil.Error) as error:
        raise ReportError(f"{folder}: {error}") from None


def keep_takeovers(log: Path, to: Path, series: str, command: str) -> Path:
    """What standby/kills printed, with the commit of this tree."""
    try:
        text = log.read_text(errors="replace")
    except OSError as error:
        raise ReportError(f"{log}: {error.strerror}") from None
    # Behind what the test printed tests/run has put the console, where it stands once more.
    text = text.partition("\n--- console")[0] + "\n"
    raw.parse_takeovers(text)
    when = datetime.datetime.fromtimestamp(log.stat().st_mtime, datetime.timezone.utc)
    commit = identity.commit()
    told = {"commit": commit, "utc": when.isoformat(timespec="seconds"), "series": series, "command": command,
            # Only the test's own lines: the kernel log behind them is long, and told by nobody.
            "text": "\n".join(line for line in text.splitlines() if "progress:" in line or "takeovers_us:" in line) + "\n"}
    final = to / "takeovers" / f"{when:%Y%m%dT%H%M%SZ}-{commit}.json"
    _publish(lambda partial: partial.write_text(json.dumps(told, indent=1) + "\n") and None, final)
    return final


# Of each search of the model; its trail is made again by `make model`, in seconds.
MODEL_KEPT = ("name", "model", "prop", "without", "expect", "says", "result", "trouble")


def keep_model(path: Path, to: Path) -> Path:
    """What `make model` found (build/model/results.json), with the commit of this tree."""
    try:
        told = json.loads(path.read_text())
        checks = [{**{key: check[key] for key in MODEL_KEPT},
                   "search": {key: check["search"][key] for key in ("states", "depth", "seconds", "incomplete")}} for check in told["checks"]]
        hangs = [{key: hang[key] for key in ("name", "kernel", "without", "trouble", "states")} for hang in told["hangs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: is not what `make model` writes ({error!r})") from None
    when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.timezone.utc)
    commit = runner.commit()
    final = to / "model" / f"{when:%Y%m%dT%H%M%SZ}-{commit}.json"
    kept = {"commit": commit, "utc": when.isoformat(timespec="seconds"), "checks": checks, "hangs": hangs}
    _publish(lambda partial: partial.write_text(json.dumps(kept, indent=1) + "\n") and None, final)
    return final


def keep_bench(path: Path, to: Path) -> Path:
    """A file of benchmark values, or a folder of experiments/bench."""
    final = to / "bench" / path.name
    values = path / record.MEASUREMENTS if path.is_dir() else path
    try:
        text = values.read_text()
    except OSError as error:
        raise ReportError(f"{values}: {error.strerror}") from None
    if not raw.parse_bench(text, path.name):
        raise ReportError(f"{path}: no values in it")

    def made(partial: Path) -> None:
        if path.is_dir():
            # Consoles and drafts of tables stay where they are.
            partial.mkdir()
            for name in ("manifest.json", record.MEASUREMENTS, record.MEMORY):
                if (path / name).is_file():
                    shutil.copy2(path / name, partial / name)
            record.pack(partial, record.MEASUREMENTS)
        else:
            partial.write_text(text)
    if not _publish(made, final) and (record.text_of(final, record.MEASUREMENTS) if path.is_dir() else final.read_text()) != text:
        raise ReportError(f"{final} is there, and is another: results are written once, give it a name of its own")
    return final
