# SPDX-License-Identifier: GPL-2.0-only
"""The same plan as a job array: one element a run, and nothing of our own that schedules.

Where it stands: plan > [slurm] > task > run.  Writes a batch script beside the plan, hands it to sbatch, and is done: no
daemon, no polling.  The results folder must be one that the nodes see, or be copied together afterwards.

An element is `experiments/run --task PLAN N`: the one of a run that is there already ends at once, so that submitting
again after failures is harmless.  Second attempts of a control are submitted by the next call, if they are needed.
"""
from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import campaign, plan as planning, task as tasks
from .store import Store
from .vm import LabError

# slurm.conf's MaxArraySize where nothing else is said: indices are below it.
MAX_ARRAY = 1001
# A guest on a loaded node takes longer than the question's estimate; a job beyond its time is killed.
TIME_FACTOR = 4
# QEMU, the guest's memory apart.
OVERHEAD_MIB = 512


@dataclass(frozen=True)
class Array:
    """One job array: a script and which numbers of the plan its elements are."""

    script: Path
    numbers: list[int]


def _ranges(numbers: Sequence[int]) -> str:
    """[0, 1, 2, 5] as "0-2,5"."""
    out: list[list[int]] = []
    for number in sorted(numbers):
        if out and out[-1][1] == number - 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in out)


def _ask(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise LabError(f"{command[0]}: {error.strerror}: is Slurm installed here?") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise LabError(f"{command[0]}: {said[-1] if said else f'status {done.returncode}'}")
    return done.stdout


def max_array() -> int:
    """The cluster's MaxArraySize; its default if it cannot be asked."""
    if shutil.which("scontrol") is None:
        return MAX_ARRAY
    try:
        found = re.search(r"^MaxArraySize\s*=\s*(\d+)", _ask(["scontrol", "show", "config"]), re.MULTILINE)
    except LabError:
        return MAX_ARRAY
    return int(found.group(1)) if found else MAX_ARRAY


def script(plan: planning.Plan, path: Path, store: Store, numbers: Sequence[int], *, offset: int, jobs: int) -> str:
    """The batch script for some tasks of the plan; element I is task I + offset."""
    cells = [plan.cells[plan.tasks[number].cell] for number in numbers]
    # Never below what a run allows itself.
    own_s = max(cell.arm["limits"]["boot_s"] + cell.arm["limits"]["total_s"] for cell in cells)
    minutes = max(5, round(TIME_FACTOR * max(cell.minutes for cell in cells)), round(own_s / 60) + 5)
    memory_mib = max(cell.arm["guest"]["memory_mib"] for cell in cells) + OVERHEAD_MIB
    cpus = max(cell.arm["guest"]["cpus"] for cell in cells)
    command = campaign.command(path, store.root, "task", 0)
    words = [shlex.quote(word) for word in command]
    words[words.index("0")] = f"$((SLURM_ARRAY_TASK_ID + {offset}))" if offset else '"$SLURM_ARRAY_TASK_ID"'
    indices = _ranges([number - offset for number in numbers])
    return "\n".join([
        "#!/bin/bash",
        f"# Runs of plan {plan.id}, one an element: written by experiments/run --engine slurm.",
        f"#SBATCH --job-name=abuse-{plan.id}",
        f"#SBATCH --array={indices}" + (f"%{jobs}" if jobs else ""),
        "#SBATCH --ntasks=1",
        f"#SBATCH --cpus-per-task={cpus}",
        f"#SBATCH --mem={memory_mib}M",
        f"#SBATCH --time={minutes}",
        f"#SBATCH --output={store.root}/plans/{plan.id}-%A_%a.log",
        "set -euo pipefail",
        # exec: scancel's SIGTERM is for the run, which ends its guest and leaves nothing behind.
        "exec " + " ".join(words),
        "",
    ])


def write(plan: planning.Plan, store: Store, *, jobs: int, limit: int = MAX_ARRAY) -> list[Array]:
    """Scripts for all runs that are missing, as many as the cluster's limit on indices wants."""
    path = planning.save(plan, store.root)
    waiting = [number for number in range(len(plan.tasks)) if tasks.needed(plan, store, number)]
    arrays = []
    for offset in range(0, len(plan.tasks), limit):
        numbers = [number for number in waiting if offset <= number < offset + limit]
        if not numbers:
            continue
        target = path.with_name(f"{plan.id}-{offset}.sbatch")
        partial = target.with_name(f".{target.name}.{os.getpid()}")
        partial.write_text(script(plan, path, store, numbers, offset=offset, jobs=jobs))
        os.replace(partial, target)
        arrays.append(Array(target, numbers))
    return arrays


def submit(plan: planning.Plan, store: Store, *, jobs: int, options: Sequence[str] = ()) -> list[tuple[str, int]]:
    """Submit what is missing; [(job id, how many runs)].  `options` go to sbatch, before the script.

    LabError if there is no sbatch, or it refuses.
    """
    if shutil.which("sbatch") is None:
        raise LabError("sbatch is not installed: --engine slurm is for a machine that submits to a Slurm cluster")
    out = []
    for array in write(plan, store, jobs=jobs, limit=max_array()):
        said = _ask(["sbatch", "--parsable", *options, str(array.script)])
        out.append((said.strip().split(";")[0], len(array.numbers)))
    return out
