# SPDX-License-Identifier: GPL-2.0-only
"""Do the server's backends keep what they are given, whoever dies?  What can be tried without a device and a guest.

Where it stands: beside tests/backend, which needs guests.  Compiles backend/host/lz4-store.c with the server's own
sources, and its busted twins, which must fail.
"""
from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SERVER = TOP / "swapserver"
PROGRAM = TOP / "tests" / "backend" / "host" / "lz4-store.c"
# All backends: they are found by the table in backend.c.
SOURCES = ["backend", "null", "ram", "lz4", "disk", "forward", "bar", "file", "fault", "lz4pool", "memory", "fdio", "blockdev"]
FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-static"]
LIMIT_S = 300
# Parts of the program, and the build in which each must fail.
PARTS = {
    "model": "LZ4POOL_BUSTED_LEAK",
    "full": "LZ4POOL_BUSTED_LEAK",
    "step": "LZ4POOL_BUSTED_PUBLISH_FIRST",
    "kill": "LZ4POOL_BUSTED_PUBLISH_FIRST",
}


class Lz4Store(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        for name in ("", *set(PARTS.values())):
            subprocess.run(["gcc", *FLAGS, *([f"-D{name}"] if name else []), f"-I{TOP / 'module/include/uapi'}", f"-I{SERVER}",
                            "-o", cls.program(name), PROGRAM, *(SERVER / f"{source}.c" for source in SOURCES), "-llz4"], check=True)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    @classmethod
    def program(cls, name: str) -> Path:
        return Path(cls.folder.name, f"lz4-store-{name}")

    def run_part(self, name: str, part: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.program(name), part], capture_output=True, text=True, timeout=LIMIT_S)

    def test_parts(self) -> None:
        for part in (*PARTS, "attach"):
            with self.subTest(part):
                done = self.run_part("", part)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_busted_twins_fail(self) -> None:
        for part, name in PARTS.items():
            with self.subTest(part):
                done = self.run_part(name, part)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("lz4-store: expected", done.stderr)


if __name__ == "__main__":
    unittest.main()
