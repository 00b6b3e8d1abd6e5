# SPDX-License-Identifier: GPL-2.0-only
"""From raw results to figures, tables, the paper's numbers and their checks; analysis/README.md is the map."""
from __future__ import annotations

import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
ANALYSIS = REPO / "analysis"
# What the paper is made of; the same layout as build/results/lab, and a few files more (README.md, "Raw results").
KEPT = ANALYSIS / "results"

# The laboratory's rules and formats are its own: nothing of them is written a second time here.
for _place in (REPO / "experiments", ANALYSIS):
    if str(_place) not in sys.path:
        sys.path.insert(0, str(_place))


class ReportError(Exception):
    """Something that the user can mend; the text says how."""
