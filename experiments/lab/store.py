# SPDX-License-Identifier: GPL-2.0-only
"""Where runs are kept: each a folder that is written once and comes into being whole.

Where it stands: plan > campaign > run > [store] > summary.

    RESULTS/runs/ARM-CELL/NUMBER-sSEED-COMMIT-BUILT/    one run; see evidence.py for what is in it
    RESULTS/runs/ARM-CELL/.full-VERDICT-COMMIT          names the run that keeps the full evidence of that verdict
    RESULTS/checks/LABEL-COMMIT/                        one command that answers without a guest
    RESULTS/plans/ID.json                               what was to be run
    RESULTS/dropped.txt                                 runs that do not count: a line each, ARM-CELL/RUN and the reason
    RESULTS/.partial/                                   runs under way

Names hold all that identifies a run, so that results of several machines merge by copying folders.
"""
from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from .vm import LabError


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


class Store:
    """One results folder.  Several processes, on several machines, may use it at a time."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.runs = self.root / "runs"
        self.checks = self.root / "checks"
        self._partial = self.root / ".partial"

    def run(self, cell_folder: str, run_name: str) -> Path:
        return self.runs / cell_folder / run_name

    def partial(self, run_name: str) -> Path:
        """A path, not there yet, for a run under way of this process."""
        self._partial.mkdir(parents=True, exist_ok=True)
        return self._partial / f"{run_name}.{socket.gethostname()}.{os.getpid()}"

    def publish(self, partial: Path, final: Path) -> bool:
        """Make a finished run visible; False if another process was first, and ours is dropped.

        LabError if the folder cannot be moved.
        """
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            # A folder that is not empty is never replaced by rename().
            os.rename(partial, final)
        except OSError as error:
            if final.is_dir():
                shutil.rmtree(partial, ignore_errors=True)
                return False
            raise LabError(f"{final}: {error.strerror}") from None
        return True

    def claim_full(self, final: Path, what: str) -> bool:
        """Whether the run that will be `final` keeps the full evidence: the first of its cell and `what` does."""
        final.parent.mkdir(parents=True, exist_ok=True)
        marker = final.parent / f".full-{what}"
        try:
            with open(marker, "x") as out:
                out.write(final.name + "\n")
        except FileExistsError:
            owner = marker.read_text().strip()
            # Claimed by a run that was interrupted before it was published, and is now run again.
            return owner == final.name
        return True

    def sweep(self) -> int:
        """Remove what runs of this machine left behind that were killed; how many."""
        nr = 0
        for path in self._partial.glob("*"):
            _name, _dot, rest = path.name.partition(f".{socket.gethostname()}.")
            if rest.isdigit() and not _alive(int(rest)):
                shutil.rmtree(path, ignore_errors=True)
                nr += 1
        return nr

    def dropped(self) -> dict[str, str]:
        """{"ARM-CELL/RUN": reason}.  LabError if a line has none."""
        path = self.root / "dropped.txt"
        out = {}
        for line in path.read_text().splitlines() if path.is_file() else []:
            if not line.strip() or line.startswith("#"):
                continue
            name, _blank, reason = line.strip().partition(" ")
            if not reason.strip():
                raise LabError(f"{path}: {name} is dropped without a reason: write one behind it")
            out[name] = reason.strip()
        return out

    def nr_dropped(self, cell_folder: str) -> int:
        return sum(1 for name in self.dropped() if name.startswith(f"{cell_folder}/") and (self.runs / name).is_dir())

    def finished(self) -> Iterator[Path]:
        """All runs there are, in the order of their names."""
        yield from sorted(path for path in self.runs.glob("*/*") if path.is_dir() and not path.name.startswith("."))
