# SPDX-License-Identifier: GPL-2.0-only
"""The figures: each module has a FIGURE, made of raw results alone; what has no data is said to be missing.

Where it stands: raw, inference > [figures] > files, report.  ALL is their order in the paper.
"""
from __future__ import annotations

from . import chain, hangs, memory, peers, survival, takeovers, targets
from .base import Figure, Made, Missing, make, write  # noqa: F401 (for those who import the package)

ALL: tuple[Figure, ...] = (hangs.FIGURE, survival.FIGURE, chain.FIGURE, memory.FIGURE, takeovers.FIGURE, hangs.PEERS_FIGURE,
                           peers.FIGURE, targets.FIGURE)
