# SPDX-License-Identifier: GPL-2.0-only
"""One run of a plan, from its number to its folder: what every engine's workers do.

Where it stands: plan > campaign or slurm > [task] > run > evidence > store.  An interrupted task leaves nothing behind.
"""
from __future__ import annotations

import datetime
import importlib.util
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import evidence, identity, plan as planning, rates, runner
from .store import Store
from .vm import REPO, LabError

# (arm, series, folder that is not there yet, the load's seed): leaves there what runner.run_arm() leaves.
GuestRunner = Callable[[dict[str, Any], str, Path, int], None]


@dataclass
class Done:
    """What became of a task."""

    verdict: str                # "" if it was not run
    reason: str
    folder: Path | None
    duration_s: float


def _qemu(arm: dict[str, Any], series: str, out: Path, seed: int) -> None:
    runner.run_arm(arm, series, out=out, seed=seed)


def guest_runner(path: str) -> GuestRunner:
    """QEMU, or the function run() of a Python file, for tests of the lab.  LabError if there is none."""
    if not path:
        return _qemu
    spec = importlib.util.spec_from_file_location("lab_guest_runner", path)
    if spec is None or spec.loader is None:
        raise LabError(f"guest runner {path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        return module.run  # type: ignore[no-any-return]
    except (OSError, AttributeError) as error:
        raise LabError(f"guest runner {path}: {error}") from None


def outcome(folder: Path) -> tuple[str, str]:
    """(verdict, reason) as a run's folder has them; INVALID if they cannot be read."""
    try:
        record = json.loads((folder / "verdict.json").read_text())
        return str(record["verdict"]), str(record["reason"])
    except (OSError, ValueError, KeyError) as error:
        return "INVALID", f"no verdict: {error}"


def fired(plan: planning.Plan, store: Store, digest: str) -> bool:
    """Whether a control has come out as it must, for what this plan's guests are made of, and never as anything else.

    INVALID says nothing of a detector, unless it is the one that is tried.
    """
    cell = plan.cells[digest]
    dropped = store.dropped()
    found = set()
    for task in plan.tasks:
        folder = store.run(cell.folder, plan.run_name(task)) if task.cell == digest else None
        if folder is not None and folder.is_dir() and f"{cell.folder}/{folder.name}" not in dropped:
            found.add(outcome(folder)[0])
    return cell.fires in found and not found - {cell.fires, "INVALID"}


def needed(plan: planning.Plan, store: Store, number: int) -> bool:
    """Whether task `number` is still to be run."""
    task = plan.tasks[number]
    cell = plan.cells[task.cell]
    if store.run(cell.folder, plan.run_name(task)).is_dir():
        return False
    if not task.again:
        return True
    # After a first attempt that proved nothing; a wrong verdict stands.
    dropped = store.dropped()
    before = [other for other in plan.tasks if other.cell == task.cell and other.index < task.index]
    for other in before:
        folder = store.run(cell.folder, plan.run_name(other))
        if not folder.is_dir():
            return False
        if f"{cell.folder}/{folder.name}" not in dropped and outcome(folder)[0] != "INVALID":
            return False
    return not fired(plan, store, task.cell)


def run(plan: planning.Plan, store: Store, number: int) -> Done:
    """Run task `number`, unless it is there.  LabError if the lab fails; then, and at an interrupt, nothing is left."""
    if not 0 <= number < len(plan.tasks):
        raise LabError(f"the plan has tasks 0 to {len(plan.tasks) - 1}, {number} is none")
    task = plan.tasks[number]
    cell = plan.cells[task.cell]
    name = plan.run_name(task)
    final = store.run(cell.folder, name)
    if not needed(plan, store, number):
        return Done("", "it is there", final if final.is_dir() else None, 0.0)
    if not plan.guest_runner and identity.built(cell.arm, cell.series) != cell.built:
        raise LabError("what guests are made of was built anew since this plan: start the campaign again")
    start = time.monotonic()
    partial = store.partial(name)
    # A process runs a task once; what has this name was left by another of the same number.
    shutil.rmtree(partial, ignore_errors=True)
    try:
        # What healthy runs of this load do, as far as there are any: the measure for one that creeps.
        control = rates.of_store(store).get(rates.load_key(cell.arm, cell.series))
        arm = {**cell.arm, "control": control} if control else cell.arm
        guest_runner(plan.guest_runner)(arm, cell.series, partial, planning.load_seed(plan.seed, task.index))
        verdict, reason = outcome(partial)
        about = {"digest": cell.digest, "labels": cell.labels, "series": cell.series, "index": task.index,
                 "campaign_seed": plan.seed, "commit": plan.commit, "built": cell.built, "controls": cell.controls,
                 "fires": cell.fires, "expect": cell.expect, "guest_runner": plan.guest_runner,
                 "duration_s": round(time.monotonic() - start, 1)}
        try:
            evidence.keep(partial, about, store.claim_full(final, f"{verdict}-{plan.commit}"))
        except (KeyError, ValueError, TypeError) as error:
            raise LabError(f"{name}: what the run left cannot be read: {error}") from None
        store.publish(partial, final)
        return Done(verdict, reason, final, time.monotonic() - start)
    except OSError as error:
        raise LabError(f"{name}: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_folder(plan: planning.Plan, store: Store, number: int) -> Path:
    """Where the outcome of a check goes."""
    return store.checks / f"{plan.checks[number]['label'].replace('/', '-')}-{plan.commit}"


def check(plan: planning.Plan, store: Store, number: int) -> Done:
    """Run check `number`, unless its outcome is there; "holds" or "fails" takes the verdict's place.

    Exit status 0 holds, 1 fails; any other says that the command could not do its work: LabError, and nothing is kept.
    """
    final = check_folder(plan, store, number)
    if final.is_dir():
        return Done("", "it is there", final, 0.0)
    about = plan.checks[number]
    partial = store.partial(final.name)
    partial.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    try:
        try:
            done = subprocess.run(about["command"], cwd=REPO, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            status, output = done.returncode, done.stdout
        except OSError as error:
            status, output = 127, str(error).encode()
        last = (output.decode(errors="replace").strip().splitlines() or [""])[-1][:300]
        if status not in (0, 1):
            raise LabError(f"{about['label']}: {' '.join(about['command'])} could not do its work (status {status}): {last}")
        record = {"label": about["label"], "command": about["command"], "commit": plan.commit, "status": status, "last_line": last,
                  "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "duration_s": round(time.monotonic() - start, 1)}
        packed, cut = evidence.pack({"output.log": output})
        (partial / "output.tar.xz").write_bytes(packed)
        (partial / "check.json").write_text(json.dumps({**record, "cut_bytes": cut}, indent=1) + "\n")
        store.publish(partial, final)
        return Done("holds" if status == 0 else "fails", last, final, time.monotonic() - start)
    except OSError as error:
        raise LabError(f"{about['label']}: {error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
