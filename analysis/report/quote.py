# SPDX-License-Identifier: GPL-2.0-only
"""Quotes a function of a source file that is compiled, as it stands there.

Where it stands: module, swapserver > [quote] > PAPER.md.  Who renames or takes away the function breaks `make check-paper`.
"""
from __future__ import annotations

import re
from pathlib import Path

from . import REPO, ReportError

LINES_MAX = 60


def compiled(path: str, repo: Path = REPO) -> bool:
    """Whether a build compiles that file: the module's by its Kbuild, the server's, library's and examples' by where they lie."""
    place = Path(path)
    if place.parts[0] == "module":
        return bool(re.search(rf"\b{re.escape(place.stem)}\.o\b", (repo / "module" / "Kbuild").read_text())) and len(place.parts) == 2
    return str(place.parent) in ("swapserver", "swapserver/libabuse", "swapserver/abusectl", "swapserver/examples") and place.suffix == ".c"


def function(path: str, name: str, repo: Path = REPO) -> str:
    """The function's lines, without its comment.  ReportError if it is not in that file, once, or the file is not compiled."""
    source = repo / path
    if not source.is_file():
        raise ReportError(f"{path}: no such file: mend the quotation of {name}")
    if not compiled(path, repo):
        raise ReportError(f"{path}: no build compiles it: quote code that is compiled")
    lines = source.read_text().splitlines()
    # Kernel style: a definition starts in the first column, its body is closed by a brace there.
    starts = []
    for at, line in enumerate(lines):
        if re.match(rf"^[A-Za-z].*\b{re.escape(name)}\(", line) and not line.rstrip().endswith(";"):
            body = next((number for number in range(at, min(at + 8, len(lines))) if lines[number] == "{"), None)
            if body is not None:
                # The type may have a line of its own.
                starts.append(at - 1 if at and re.match(r"^(?:static |const |struct |unsigned |[a-z_]+ ?\*?$)[\w *]*$", lines[at - 1]) else at)
    if len(starts) != 1:
        raise ReportError(f"{path}: {len(starts)} definitions of {name}: mend the quotation")
    end = next((at for at in range(starts[0], len(lines)) if lines[at] == "}"), None)
    if end is None or end - starts[0] >= LINES_MAX:
        raise ReportError(f"{path}: {name} is longer than {LINES_MAX} lines: quote a shorter one")
    return "\n".join(lines[starts[0]:end + 1])
