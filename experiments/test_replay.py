#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of replays without a guest: what counts as the same way, and each thing that is another one.

Where it stands: beside experiments/replay and lab/replay.py.
"""
from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import arms, evidence, replay, runner, symbols  # noqa: E402
from lab.vm import COUNTED_CPU, LabError  # noqa: E402
import test_lab  # noqa: E402


def hung():
    """A stalled run whose first sysrq was sent at 26 s of the host's time."""
    run = test_lab.stalled()
    run.sysrq = [{"key": "w", "answered": True, "host_s": 26.0}]
    run.console = "[    1.0] one\n[    2.0] two\n[   30.0] sysrq: Show Blocked State\n[   30.1] task:a\n"
    return run


class TheSameWay(unittest.TestCase):
    def differs(self, again) -> str | None:
        return replay.differs(replay.trace(hung()), replay.trace(again))

    def test_itself(self) -> None:
        self.assertIsNone(self.differs(hung()))

    def test_the_hosts_time_does_not_count(self) -> None:
        run = hung()
        for line in [*run.heartbeats, *run.results]:
            line["host_s"] = line["host_s"] / 2
        self.assertIsNone(self.differs(run))

    def test_what_the_host_does_does_not_count(self) -> None:
        run = hung()
        run.heartbeats[-1]["free_kb"] = 1
        run.console += "[   31.0] later\n"
        self.assertIsNone(self.differs(run))

    def test_thinned_heartbeats(self) -> None:
        before = hung()
        before.heartbeats = before.heartbeats[::3]
        self.assertIsNone(replay.differs(replay.trace(before), replay.trace(hung())))

    def test_another_heartbeat(self) -> None:
        run = hung()
        run.heartbeats[7]["pswpout"] += 1
        run.heartbeats[7]["free_kb"] = 1
        self.assertIn("another heartbeat at 7000 ms: free_kb was 5000, now 1; pswpout differ", self.differs(run) or "")

    def test_a_heartbeat_at_another_time(self) -> None:
        run = hung()
        run.heartbeats[7]["t_ms"] += 1
        self.assertIn("no heartbeat at 7000 ms", self.differs(run) or "")

    def test_another_result(self) -> None:
        run = hung()
        run.results[1]["pid"] = 100
        self.assertIn("another result, number 2", self.differs(run) or "")

    def test_another_line_of_the_log(self) -> None:
        run = hung()
        run.console = run.console.replace("two", "three")
        self.assertIn("another line of the log, number 2", self.differs(run) or "")


class Counted(unittest.TestCase):
    ARM = {"guest": {"counted": True}, "disk": {"size_mib": 768}}

    def test_disk_in_its_memory(self) -> None:
        arm = arms.compose("safe", self.ARM, "here")
        machine = runner._machine(arm, Path("/nowhere/disk"))
        self.assertEqual((machine["memory_mib"], machine["disks"], machine["cpu"], machine["counted"]),
                         (256 + 768, [], COUNTED_CPU, True))
        self.assertIn("memmap=768M!128M", machine["append"])
        params = dict(line.split("=", 1) for line in runner._params(arm, 7).splitlines())
        self.assertEqual((params["DISK_SERIAL"], params["DISK_NODE"]), ("''", "/dev/pmem0"))

    def test_others_have_a_disk_of_the_host(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            machine = runner._machine(arms.compose("safe", {}, "here"), Path(name, "disk"))
        self.assertEqual((machine["memory_mib"], len(machine["disks"]), machine["counted"]), (256, 1, False))
        self.assertNotIn("memmap", machine["append"])

    def test_nothing_of_the_host_acts_on_it(self) -> None:
        for more in ({"fault": {"kind": "vm-stop"}}, {"disk": {"size_mib": 768, "iops_max": 9}}):
            with self.assertRaisesRegex(LabError, "counted"):
                arms.compose("safe", {**self.ARM, **more}, "here")


class Inputs(unittest.TestCase):
    def test_other_files(self) -> None:
        manifest = {"sha256": {"a": "1", "b": "2"}, "commit": "c0ffee"}
        replay.same_inputs(manifest, copy.deepcopy(manifest["sha256"]))
        for now in ({"a": "1", "b": "3"}, {"a": "1"}, {"a": "1", "b": "2", "c": "3"}):
            with self.assertRaisesRegex(LabError, "^[bc] is another one than in that run .commit c0ffee"):
                replay.same_inputs(manifest, now)


class Command(unittest.TestCase):
    def run_it(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(HERE / "replay"), *words], capture_output=True, text=True)

    def test_no_run(self) -> None:
        done = self.run_it("/nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertIn("not a results folder", done.stderr)

    def test_a_clock_of_the_hosts(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            Path(name, "manifest.json").write_text(json.dumps({"arm": arms.compose("safe", {}, "here"), "series": "6.12", "seed": 1}))
            done = self.run_it(name)
            # As analysis/keep leaves it in the repository.
            evidence.pack_manifest(Path(name))
            packed = self.run_it(name)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (2, 1))
        self.assertIn("[guest] counted = true", done.stderr)
        self.assertEqual((packed.returncode, packed.stderr), (2, done.stderr))

    @unittest.skipUnless(shutil.which("gdb"), "no gdb")
    def test_names_from_the_kernel_itself(self) -> None:
        told = ("ffffffff81000200 T two\nffffffff81000000 T _text\nffffffff81000100 t one\nffffffff82000000 D var\n"
                "ffffffffc0000000 t of_a_module\t[abuse]\n0000000000000000 A per_cpu\n")
        with tempfile.TemporaryDirectory() as name:
            path = Path(name, "elf")
            path.write_bytes(symbols.elf(symbols.parse(told)))
            said = subprocess.run(["gdb", "-q", "-nx", "-batch", "-ex", "info symbol 0xffffffff81000104", "-ex", "info address var",
                                   "-ex", "info address of_a_module", str(path)], capture_output=True, text=True)
        self.assertIn("one + 4", said.stdout)
        self.assertIn('"var" is at 0xffffffff82000000', said.stdout)
        self.assertIn('No symbol "of_a_module"', said.stdout + said.stderr)

    def test_gdb_gets_what_there_is(self) -> None:
        words = replay.gdb_commands(Path("/tmp/port"), Path("/k/vmlinux"), Path("/m/abuse.ko"), "0xffffffffc0000000")
        self.assertEqual(words.index("file /k/vmlinux") < words.index("target remote /tmp/port"), True)
        self.assertIn("add-symbol-file /m/abuse.ko 0xffffffffc0000000", words)
        self.assertFalse([word for word in replay.gdb_commands(Path("/tmp/port"), None, None, None) if "file" in word])


if __name__ == "__main__":
    unittest.main()
