# SPDX-License-Identifier: GPL-2.0-only
"""What a run was made of, in a few digits, so that it is known again.

Where it stands: plan > [identity] > store.  Asks git and reads what was built; builds nothing.

A run is the same run if its cell, its seed and its number agree, and what went into the guest is from the same commit
and is the same, byte by byte.  A commit that touched none of that (a document, a rule of the judge) leaves it the same.
"""
from __future__ import annotations

import functools
import hashlib
import subprocess
from pathlib import Path
from typing import Any

from . import runner
from .vm import REPO

# What ends up in a guest; what documents it does not.
SOURCES = ("module", "swapserver", "experiments/guest", "vm-images",
           ":(exclude,glob)**/*.md", ":(exclude,glob)**/*.[1-9]")


@functools.cache
def _file_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file; read again only if it has changed."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


def _git(*command: str) -> str:
    try:
        return subprocess.run(["git", "-C", str(REPO), *command], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


@functools.cache
def commit() -> str:
    """The last commit that touched what goes into a guest, "-dirty" behind it if that has changed since."""
    digits = _git("log", "-1", "--format=%H", "--", *SOURCES)[:12]
    if not digits:
        return "nocommit"
    return digits + ("-dirty" if _git("status", "--porcelain", "--", *SOURCES) else "")


def built(arm: dict[str, Any], series: str) -> str:
    """Eight digits of all files that a guest of that arm would get.  LabError names the first that is missing."""
    inputs = runner.Inputs.of(arm, series)
    text = [f"{place} {file_digest(source)}" for source, place, _mode in inputs.overlay_files]
    text += [f"{path.name} {file_digest(path)}" for path in (inputs.kernel, *inputs.images)]
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:8]
