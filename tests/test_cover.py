#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""tests/cover reads a disassembly and a log as they are; no guest, no module."""
from __future__ import annotations

import importlib.util
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path

_loader = SourceFileLoader("cover", str(Path(__file__).resolve().parent / "cover"))
cover = importlib.util.module_from_spec(importlib.util.spec_from_loader("cover", _loader))
_loader.exec_module(cover)

LISTING = """\
0000000000000010 <abuse_queue_id>:
  10:\tcall   15 <abuse_queue_id+0x5>
\t\t\t11: R_X86_64_PLT32\t__fentry__-0x4
  15:\tpush   %rbx
  16:\tcall   1b <abuse_queue_id+0xb>
\t\t\t17: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
  1b:\tmov    %rdi,%rbx
  1e:\tcall   23 <abuse_queue_id+0x13>
\t\t\t1f: R_X86_64_PLT32\t__sanitizer_cov_trace_pc-0x4
  23:\tret
"""


class Cover(unittest.TestCase):
    def test_places_are_what_the_calls_return_to(self) -> None:
        self.assertEqual(cover.all_places(LISTING.splitlines()), [0x1B, 0x23])

    def test_the_log_names_those_passed(self) -> None:
        log = ["seed 1, 20 s", "<6>[   12.3] | cover: 1b 23", "cover: 40", "{\"test\":\"fuzz\"}"]
        self.assertEqual(cover.seen_places(log), {0x1B, 0x23, 0x40})

    def test_ranges(self) -> None:
        self.assertEqual(cover.ranges([3, 1, 2, 7, 7]), "1-3 7")
        self.assertEqual(cover.ranges([]), "")


if __name__ == "__main__":
    unittest.main()
