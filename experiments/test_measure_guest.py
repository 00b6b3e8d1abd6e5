#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the programs that measure in guests, without one: a file plays the disk, and a played kernel swaps nothing.

Where it stands: beside experiments/guest.  What is spoilt must be noticed, a task that dies must hang nobody, and the device
is given back each time.  tests/perf runs the same programs on the real device.  Under 10 s.
"""
from __future__ import annotations

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
WRAPPED = ("ioctl", "open", "swapon", "swapoff", "mkdir", "rmdir", "madvise", "pread")
LIMIT_S = 60


class Programs(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        for name in ("blockload", "swapbench"):
            subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-o", cls.path(name),
                            str(HERE / "guest" / f"{name}.c"), str(HERE / "host" / "played-disk.c"),
                            *(f"-Wl,--wrap={function}" for function in WRAPPED)], check=True)
        for name in ("sampler", "lean-server"):
            subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-I", str(HERE.parent / "module/include/uapi"),
                            "-o", cls.path(name), str(HERE / "guest" / f"{name}.c")], check=True)
        with open(cls.path("disk"), "wb") as disk:
            disk.truncate(64 << 20)

    @classmethod
    def path(cls, name: str) -> str:
        return str(Path(cls.folder.name, name))

    def run_it(self, name: str, arguments: str, play: str = "") -> tuple[int, str, str]:
        done = subprocess.run([self.path(name), *arguments.split()], capture_output=True, text=True, timeout=LIMIT_S,
                              env={**os.environ, "PLAY": play})
        return done.returncode, done.stdout, done.stderr

    def blockload(self, arguments: str, play: str = "") -> tuple[int, dict[str, Any], str]:
        status, out, err = self.run_it("blockload", f"--device {self.path('disk')} --area 2M {arguments}", play)
        if "io_uring: Operation not permitted" in err or "io_uring: Function not implemented" in err:
            self.skipTest("this host has no io_uring for us")
        if "Invalid argument" in err:
            self.skipTest("this host's file system has no O_DIRECT, or its io_uring is older than 6.1")
        return status, json.loads(out) if out else {}, err

    def swapbench(self, arguments: str, play: str = "") -> tuple[int, dict[str, Any], str]:
        status, out, err = self.run_it("swapbench", f"--device {self.path('disk')} --bytes 2M {arguments}", play)
        return status, json.loads(out) if out else {}, err

    def test_requests(self) -> None:
        for arguments in ("--rw randread --depth 8", "--rw randwrite --depth 4 --tasks 2", "--rw read --bytes 128K --depth 2",
                          "--rw write --bytes 128K --tasks 2", "--rw randread --tasks 8"):
            with self.subTest(arguments=arguments):
                status, said, err = self.blockload(f"{arguments} --requests 64 --server-pid {os.getpid()}")
                self.assertEqual((status, err), (0, ""))
                self.assertEqual(said["requests"], 64)
                self.assertGreater(said["ns"], 0)
                self.assertEqual(said["verified_pages"] == 512, "128K" in arguments or "read" in arguments)
                self.assertIn("server_ns", said)

    def test_a_time_limit(self) -> None:
        status, said, _err = self.blockload("--rw randread --depth 2 --ms 20")
        self.assertEqual(status, 0)
        self.assertGreaterEqual(said["ns"], 20_000_000)

    def test_what_is_read_is_verified(self) -> None:
        for mode in ("randread", "randwrite"):
            with self.subTest(mode=mode):
                status, said, err = self.blockload(f"--rw {mode} --requests 16", play="spoil")
                self.assertEqual((status, said), (1, {}))
                self.assertIn("has not what was written", err)

    def test_swap(self) -> None:
        for arguments in ("--tasks 1 --page-cluster 0", "--tasks 8", f"--tasks 3 --server-pid {os.getpid()}"):
            with self.subTest(arguments=arguments):
                status, said, err = self.swapbench(arguments)
                self.assertEqual(status, 0, err)
                self.assertEqual(said["verified_pages"], 510 if "3" in arguments.split()[1] else 512)
                self.assertGreater(said["out_ns"], 0)
                self.assertGreater(said["in_ns"], 0)
                self.assertEqual(err.count("swapon"), err.count("swapoff"))

    def test_latencies(self) -> None:
        status, said, _err = self.swapbench("--latency")
        self.assertEqual(status, 0)
        self.assertTrue(0 < said["fault_p50_ns"] <= said["fault_p99_ns"] <= said["fault_p999_ns"] <= said["fault_max_ns"])

    def test_what_comes_back_changed_is_noticed(self) -> None:
        for arguments in ("--tasks 1", "--tasks 8", "--tasks 1 --latency"):
            with self.subTest(arguments=arguments):
                status, said, err = self.swapbench(arguments, play="spoil")
                self.assertEqual((status, said), (1, {}))
                self.assertIn("page 8 of task", err)
                self.assertEqual(err.count("swapon"), err.count("swapoff"))

    def test_what_did_not_swap_is_no_measurement(self) -> None:
        status, said, err = self.swapbench("--tasks 2", play="stay")
        self.assertEqual((status, said), (1, {}))
        self.assertIn("only 0 of 512 pages went out", err)
        self.assertIn("swapoff", err)

    def test_a_task_that_dies_hangs_nobody(self) -> None:
        for tasks in (1, 8):
            with self.subTest(tasks=tasks):
                status, _said, err = self.swapbench(f"--tasks {tasks}", play="die")
                self.assertEqual(status, 1)
                self.assertIn("a task failed", err)
                self.assertIn("swapoff", err)

    def test_a_device_that_cannot_be_swapped_on(self) -> None:
        status, _said, err = self.swapbench("--tasks 1", play="off")
        self.assertEqual(status, 1)
        self.assertIn("swapon: Invalid argument", err)

    def test_usage(self) -> None:
        for name, wrong in (("blockload", "--device x --rw play --ms 5"), ("blockload", "--device x --rw read"),
                            ("blockload", "--device x --rw read --ms 5 --bytes 1000"), ("swapbench", "--device /x --tasks 0"),
                            ("swapbench", "--bytes 5M"), ("sampler", ""), ("sampler", "--period-ns 5 true"),
                            ("lean-server", "/dev/null"), ("blockload", "--nonsense")):
            with self.subTest(name=name, wrong=wrong):
                status, out, err = self.run_it(name, wrong)
                self.assertEqual((status, out), (2, ""))
                self.assertEqual(err.count("\n"), 1)
        for name in ("blockload", "swapbench", "sampler", "lean-server"):
            status, out, err = self.run_it(name, "--help")
            self.assertEqual((status, err), (0, ""))
            self.assertIn(f"usage: {name}", out)

    def test_the_clock_is_told(self) -> None:
        status, out, _err = self.run_it("blockload", "--check-clock")
        self.assertEqual(status, 0)
        self.assertGreater(json.loads(out)["ps_per_instruction"], 0)


if __name__ == "__main__":
    unittest.main()
