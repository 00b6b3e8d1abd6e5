#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of what is kept of a run: little, enough to be judged again, never above the limit.

Where it stands: beside experiments/lab/evidence.py.  Under 5 s.
"""
from __future__ import annotations

import io
import json
import lzma
import random
import sys
import tarfile
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

import fakeguest  # noqa: E402
import test_lab  # noqa: E402
from lab import arms, evidence, questions, verdict  # noqa: E402


def noise(nr_bytes: int, seed: int = 1) -> bytes:
    """Text that hardly compresses."""
    return random.Random(seed).randbytes(nr_bytes // 2).hex().encode()


class Reduced(unittest.TestCase):
    def test_every_verdict_is_judged_the_same(self) -> None:
        for cell in questions.controls("6.12", questions.DETECTORS):
            with self.subTest(cell.fires):
                run = fakeguest.evidence(cell.arm)
                again = verdict.Evidence(arm=run.arm, **json.loads(json.dumps(evidence.reduce(run))))
                self.assertEqual(verdict.judge(run).verdict, cell.fires)
                self.assertEqual((verdict.judge(again).verdict, verdict.judge(again).reason),
                                 (verdict.judge(run).verdict, verdict.judge(run).reason))

    def test_what_the_emulator_did_is_kept(self) -> None:
        for text in (test_lab.STALE_INT3, test_lab.IMPOSSIBLE_FLAGS):
            run = test_lab.finished()
            run.ended = "panic"
            run.console = "before\n" * 500 + text + "after\n" * 500
            again = verdict.Evidence(arm=run.arm, **json.loads(json.dumps(evidence.reduce(run))))
            self.assertEqual((verdict.judge(again).verdict, verdict.judge(again).reason), ("INVALID", verdict.judge(run).reason))

    def test_a_death_is_judged_from_all_that_is_kept(self) -> None:
        """What an older rule had left out of the reduced log may be what today's asks for."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            run = test_lab.finished()
            run.ended = "panic"
            whole = test_lab.IMPOSSIBLE_FLAGS
            run.console = "".join(line for line in whole.splitlines(keepends=True) if "EFLAGS" not in line)
            (folder / "judge.json.xz").write_bytes(lzma.compress(json.dumps(evidence.reduce(run)).encode()))
            (folder / "manifest.json").write_text(json.dumps({"arm": run.arm, "evidence": {"judge_from": "judge.json.xz"}}))
            self.assertEqual(verdict.judge(evidence.load(folder)).verdict, "PANIC")
            (folder / "console.log").write_text(whole)
            with tarfile.open(folder / "evidence.tar.xz", "w:xz") as tar:
                tar.add(folder / "console.log", "console.log")
            self.assertIn("4f78a002", evidence.load(folder).console)

    def test_long_runs_are_thinned(self) -> None:
        run = test_lab.finished()
        run.heartbeats += [test_lab.beat(second, ended=second * 20000, units=second * 50) for second in range(31, 900)]
        kept = evidence.reduce(run)["heartbeats"]
        self.assertLess(len(kept), 2 * evidence.BEATS_KEPT)
        self.assertEqual(kept[-1], run.heartbeats[-1])
        again = verdict.Evidence(arm=run.arm, **evidence.reduce(run))
        self.assertEqual(verdict.judge(again).reason, verdict.judge(run).reason)

    def test_stall_at_the_end_of_a_long_run(self) -> None:
        run = test_lab.stalled()
        # It moved for 500 s, then stood for 26.
        run.heartbeats = [test_lab.beat(second, ended=min(second, 500) * 20, units=min(second, 500),
                                        accepted=min(second, 500) * 20 + 3) for second in range(527)]
        again = verdict.Evidence(arm=run.arm, **evidence.reduce(run))
        self.assertEqual(verdict.judge(run).verdict, "DEADLOCK")
        self.assertEqual(verdict.judge(again).reason, verdict.judge(run).reason)

    def test_console_keeps_what_tells(self) -> None:
        run = test_lab.finished()
        run.console = "".join(f"line {number}\n" for number in range(10000))
        run.console = run.console.replace("line 5000", "Kernel panic - not syncing: x")
        kept = evidence.reduce(run)["console"]
        self.assertIn("Kernel panic", kept)
        self.assertIn("line 9999", kept)
        self.assertLess(len(kept), 1000)


class Packed(unittest.TestCase):
    def members(self, packed: bytes) -> dict[str, bytes]:
        with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
            return {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]

    def test_whole_below_the_limit(self) -> None:
        members = {"console.log": b"a\n" * 100000, "events.jsonl": b"{}\n"}
        packed, cut = evidence.pack(members)
        self.assertEqual((self.members(packed), cut), (members, {}))
        self.assertEqual(evidence.pack(members)[0], packed)

    def test_the_middle_of_the_longest_goes(self) -> None:
        text = b"\n".join(noise(1000, seed) for seed in range(300))
        packed, cut = evidence.pack({"console.log": b"first\n" + text + b"\nlast\n", "events.jsonl": b"{}\n"}, 60000)
        self.assertLessEqual(len(packed), 60000)
        kept = self.members(packed)
        self.assertTrue(kept["console.log"].startswith(b"first\n") and kept["console.log"].endswith(b"\nlast\n"))
        self.assertEqual(kept["events.jsonl"], b"{}\n")
        self.assertEqual(list(cut), ["console.log"])

    def test_an_archive_goes_as_a_whole(self) -> None:
        packed, cut = evidence.pack({"files.tar": noise(200000), "console.log": b"x\n"}, 50000)
        self.assertEqual(cut, {"files.tar": 200000})
        self.assertEqual(self.members(packed)["console.log"], b"x\n")


class Kept(unittest.TestCase):
    def keep(self, full: bool, console: bytes = b"") -> Path:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        folder = Path(temporary.name, "run")
        fakeguest.run(arms.load_arm(HERE / "arms" / "naive.toml"), "6.12", folder, 1)
        with open(folder / "console.log", "ab") as log:
            log.write(console)
        self.assertEqual(evidence.keep(folder, {"digest": "d"}, full), "DEADLOCK")
        return folder

    def test_little(self) -> None:
        folder = self.keep(False)
        self.assertEqual(sorted(path.name for path in folder.iterdir()), ["judge.json.xz", "manifest.json", "verdict.json"])
        self.assertEqual(verdict.judge(evidence.load(folder)).verdict, "DEADLOCK")

    def test_what_was_read_back(self) -> None:
        told = json.loads((self.keep(False) / "manifest.json").read_text())["read_back"]
        self.assertEqual((told["toggles"], told["nr_faults"]), ({}, 0))
        self.assertIs(told["server"]["protections"]["mlock"], False)

    def test_full_below_the_limit(self) -> None:
        with mock.patch.object(evidence, "LIMIT_BYTES", 50000):
            folder = self.keep(True, noise(200000))
        self.assertLessEqual((folder / "evidence.tar.xz").stat().st_size, 50000)
        self.assertIn("console.log", json.loads((folder / "manifest.json").read_text())["evidence"]["cut_bytes"])

    def test_kept_in_full_where_little_would_be_judged_otherwise(self) -> None:
        old = evidence.reduce
        with mock.patch.object(evidence, "reduce", lambda run: {**old(run), "heartbeats": []}):
            folder = self.keep(False)
        self.assertTrue((folder / "evidence.tar.xz").is_file())
        self.assertEqual(verdict.judge(evidence.load(folder)).verdict, "DEADLOCK")


if __name__ == "__main__":
    unittest.main()
