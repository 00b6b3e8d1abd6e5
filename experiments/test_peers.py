#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the peers' programs as far as the host can run them: what is refused before any device is touched.

Where it stands: beside experiments/guest.  What needs a kernel is a run of the arm.
"""
from __future__ import annotations

import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
BUSYBOX = Path("/bin/busybox")
UBLK_SERVER = HERE.parent / "build" / "guest" / "ublk-server"


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=30)


@unittest.skipUnless(BUSYBOX.exists(), "no busybox: vm-images/deps")
class Peer(unittest.TestCase):
    def test_wants_all_of_its_options(self) -> None:
        whole = ["--status", "/nowhere/s", "--ready", "/nowhere/r", "--device", "/dev/null", "--listening", "/nowhere/l",
                 "--attach", "true"]
        for left_out in range(0, len(whole), 2):
            with self.subTest(left_out=whole[left_out]):
                done = run(BUSYBOX, "sh", HERE / "guest" / "peer.sh", *whole[:left_out], *whole[left_out + 2:], "--", "false")
                self.assertEqual(done.returncode, 1)
                self.assertIn("want --status", done.stderr)
        done = run(BUSYBOX, "sh", HERE / "guest" / "peer.sh", *whole, "--")
        self.assertIn("want --status", done.stderr)

    def test_server_that_ends_at_once(self) -> None:
        done = run(BUSYBOX, "sh", HERE / "guest" / "peer.sh", "--status", "/nowhere/s", "--ready", "/nowhere/r", "--device",
                   "/dev/null", "--listening", "/nowhere/l", "--attach", "true", "--", "false")
        self.assertEqual(done.returncode, 1)
        self.assertIn("ended before it listened", done.stderr)

    def test_misspelt_option(self) -> None:
        done = run(BUSYBOX, "sh", HERE / "guest" / "peer.sh", "--statsu", "x")
        self.assertEqual(done.returncode, 1)
        self.assertIn("--statsu", done.stderr)


@unittest.skipUnless(UBLK_SERVER.exists(), "not built: make guest")
class UblkServer(unittest.TestCase):
    def test_refused(self) -> None:
        for words, said in (
            ([], "name one store"),
            (["ram", "ram"], "name one store"),
            (["disk"], "the store is"),
            (["disk,path="], "the store is"),
            (["--recovery", "always", "ram"], "none, requeue or reissue"),
            (["--queues", "0", "ram"], "at least 1"),
            (["--queues", "9", "ram"], "9"),
            (["--depth", "4097", "ram"], "4097"),
            (["--io", "100", "ram"], "whole pages"),
            (["--size", "-1", "ram"], "-1"),
            (["--size", "12Q", "ram"], "12Q"),
            # Its store went with the server that had it.
            (["--recover", "0", "--size", "1M", "ram"], "is gone"),
        ):
            with self.subTest(words=words):
                done = run(UBLK_SERVER, *words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)

    def test_help_names_every_option(self) -> None:
        done = run(UBLK_SERVER, "--help")
        self.assertEqual(done.returncode, 0)
        for option in ("size", "queues", "depth", "io", "recovery", "recover", "user-copy", "no-mlock", "no-flusher", "no-oom",
                       "naive", "status", "ready"):
            self.assertIn(f"--{option} ", done.stdout)


if __name__ == "__main__":
    unittest.main()
