# SPDX-License-Identifier: GPL-2.0-only
"""What a healthy run of a load does in a second, from runs that passed: the measure for runs that creep.

Where it stands: store > [rates] > task, summary > verdict.  Reads verdict.json and manifest.json of finished runs; the
rates themselves are verdict.rates().

Two arms are measured by the same control if load, memory, processors and kernel agree; device and server are what is
compared.  The control of a load is the median of all runs of it that passed without a fault.  Hosts may differ, a
hundredth leaves room for that; runs under KVM and under emulation do not belong into one results folder.
"""
from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from . import evidence
from .store import Store


def load_key(arm: Mapping[str, Any], series: str) -> str:
    """Ten digits for the load of an arm, and for all beside device and server that decides how fast it goes."""
    guest = arm.get("guest", {})
    said = [series, arm.get("load", {}), guest.get("memory_mib"), guest.get("cpus")]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:10]


def healthy(manifest: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rates of a run that may serve as a control; {} of any other."""
    arm = manifest.get("arm", {})
    # A slow disk is a fault of its own kind.
    if record.get("verdict") != "PASS" or arm.get("fault") or arm.get("disk", {}).get("iops_max"):
        return {}
    return dict(record.get("numbers", {}).get("rates") or {})


def median(found: Iterable[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """The section "control" of an arm, {"runs", "steps": {STEP: {"what", "per_s"}}}; {} if there is no run."""
    runs = [one for one in found if one]
    steps: dict[str, dict[str, Any]] = {}
    for name in sorted({step for one in runs for step in one}):
        kinds = [str(one[name]["what"]) for one in runs if name in one]
        # A step that counts units in one run does so in all; should it not, the more frequent count is taken.
        what = max(sorted(set(kinds)), key=kinds.count)
        values = [float(one[name]["per_s"]) for one in runs if name in one and one[name]["what"] == what]
        steps[name] = {"what": what, "per_s": statistics.median(values)}
    return {"runs": len(runs), "steps": steps} if steps else {}


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    try:
        return evidence.manifest_of(folder), json.loads((folder / "verdict.json").read_text())
    except (OSError, ValueError):
        return None


def of_store(store: Store) -> dict[str, dict[str, Any]]:
    """The controls of all loads that have passed, by load_key()."""
    found: dict[str, list[dict[str, dict[str, Any]]]] = {}
    dropped = store.dropped()
    for folder in store.finished():
        both = None if f"{folder.parent.name}/{folder.name}" in dropped else _read(folder)
        if both is None:
            continue
        manifest, record = both
        rates = healthy(manifest, record)
        if rates:
            series = str(manifest.get("series") or manifest.get("cell", {}).get("series", ""))
            found.setdefault(load_key(manifest["arm"], series), []).append(rates)
    return {key: median(runs) for key, runs in found.items()}
