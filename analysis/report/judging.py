# SPDX-License-Identifier: GPL-2.0-only
"""Judges kept runs again, by today's rules or by those of another commit, and says what comes out otherwise.

Where it stands: store > evidence > [judging] > the reader.  The rules are experiments/lab/verdict.py's; here is only the
comparison, and whether the kept evidence is still what the run left (its digest is in the manifest).
"""
from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from lab import evidence, verdict
from lab.store import Store

from . import REPO, ReportError

RULES = "experiments/lab/verdict.py"

# Evidence to (verdict, reason).
Judge = Callable[[verdict.Evidence], tuple[str, str]]


@dataclass(frozen=True)
class Judged:
    """One run: what was said before, and what is said now; `spoilt` says why it cannot be judged."""

    run: str
    before: str = ""
    reason_before: str = ""
    now: str = ""
    reason: str = ""
    spoilt: str = ""

    @property
    def changed(self) -> bool:
        return not self.spoilt and (self.before, self.reason_before) != (self.now, self.reason)


def today(run: verdict.Evidence) -> tuple[str, str]:
    """By the rules of this tree."""
    told = verdict.judge(run)
    return told.verdict, told.reason


def rules_of(commit: str) -> Judge:
    """The rules as they were in a commit.  ReportError if there are none."""
    try:
        text = subprocess.run(["git", "-C", str(REPO), "show", f"{commit}:{RULES}"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        raise ReportError(f"{commit} has no {RULES} ({said[-1] if said else 'git failed'}): name a commit of this repository") from None
    return rules_from(text, f"{commit}:{RULES}")


def rules_from(text: str, name: str) -> Judge:
    """Rules from the text of a verdict.py.  ReportError if it cannot judge."""
    module = types.ModuleType("rules")
    # dataclasses look their module up by name while the class is made.
    sys.modules["rules"] = module
    try:
        exec(compile(text, name, "exec"), module.__dict__)
        made, judge = module.Evidence, module.judge
    except Exception as error:  # whatever an old file does
        raise ReportError(f"{name}: cannot judge ({error!r})") from None
    finally:
        sys.modules.pop("rules", None)
    known = {item.name for item in fields(made)}

    def by_them(run: verdict.Evidence) -> tuple[str, str]:
        told = judge(made(**{item.name: getattr(run, item.name) for item in fields(run) if item.name in known}))
        return told.verdict, told.reason
    return by_them


def _spoilt(folder: Path, manifest: dict[str, Any]) -> str:
    """Why the kept evidence is not what the run left; "" if it is."""
    said = manifest.get("evidence") or {}
    packed = folder / "evidence.tar.xz"
    if said.get("kept") and not packed.is_file():
        return "evidence.tar.xz is gone"
    if packed.is_file() and said.get("sha256") != hashlib.sha256(packed.read_bytes()).hexdigest():
        return "evidence.tar.xz is not what the run left: its sha256 is another"
    return ""


def judge_run(folder: Path, name: str, before: Judge | None, now: Judge = today) -> Judged:
    """One folder.  before: rules to compare with; None: what verdict.json says."""
    try:
        manifest = evidence.manifest_of(folder)
        record = json.loads((folder / "verdict.json").read_text())
        spoilt = _spoilt(folder, manifest)
        if spoilt:
            return Judged(name, spoilt=spoilt)
        run = evidence.load(folder)
        first = (str(record["verdict"]), str(record["reason"])) if before is None else before(run)
        return Judged(name, *first, *now(run))
    except (OSError, KeyError, ValueError, TypeError) as error:
        return Judged(name, spoilt=f"cannot be read: {error!r}")


def folders(root: Path) -> Iterator[tuple[str, Path]]:
    """(name, folder) of each run: of a store, of analysis/keep's single boots, or the folder itself."""
    if (root / "manifest.json").is_file() or (root / "manifest.json.xz").is_file():
        yield root.name, root
        return
    for path in Store(root).finished():
        yield f"{path.parent.name}/{path.name}", path
    for path in sorted(path for path in (root / "single").glob("*") if path.is_dir()):
        yield f"single/{path.name}", path


def judge_all(roots: Sequence[Path], before: Judge | None = None) -> list[Judged]:
    """All runs of some folders.  ReportError if one has none."""
    out = []
    for root in roots:
        found = [judge_run(folder, name, before) for name, folder in folders(root)]
        if not found:
            raise ReportError(f"{root}: no runs here: name a folder of experiments/run or analysis/keep")
        out += found
    return out


def text(judged: Sequence[Judged], before: str) -> str:
    """For people: what differs, then one line of counts."""
    lines = []
    for one in judged:
        if one.spoilt:
            lines.append(f"spoilt   {one.run}: {one.spoilt}")
        elif one.changed:
            lines += [f"changed  {one.run}", f"  {before:12} {one.before}: {one.reason_before}", f"  {'now':12} {one.now}: {one.reason}"]
    changed, spoilt = sum(one.changed for one in judged), sum(bool(one.spoilt) for one in judged)
    lines.append(f"{len(judged)} runs judged: {len(judged) - changed - spoilt} the same, {changed} changed, {spoilt} spoilt")
    return "\n".join(lines)
