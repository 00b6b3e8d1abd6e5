# SPDX-License-Identifier: GPL-2.0-only
"""Do the server's backends keep what they are given, whoever dies?  What can be tried without a device and a guest.

Where it stands: beside tests/backend, which needs guests.  Compiles backend/host/*.c with the server's own sources, and
their busted twins, which must fail.
"""
from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SERVER = TOP / "swapserver"
HOST = TOP / "tests" / "backend" / "host"
# All backends: they are found by the table in backend.c.
SOURCES = ["backend", "null", "ram", "lz4", "disk", "forward", "bar", "file", "fault", "lz4pool", "memory", "fdio", "blockdev", "blockid",
           "storeid", "parse"]
FLAGS = ["-std=gnu11", "-O2", "-g", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-static"]
LIMIT_S = 300
# Parts of the program, and the build in which each must fail.
PARTS = {
    "model": "LZ4POOL_BUSTED_LEAK",
    "full": "LZ4POOL_BUSTED_LEAK",
    "step": "LZ4POOL_BUSTED_PUBLISH_FIRST",
    "kill": "LZ4POOL_BUSTED_PUBLISH_FIRST",
}


def compile_program(program: Path, name: str, sources: list[str], define: str = "", *libraries: str) -> None:
    subprocess.run(["gcc", *FLAGS, *([f"-D{define}"] if define else []), f"-I{TOP / 'module/include/uapi'}", f"-I{SERVER}",
                    f"-I{SERVER / 'libabuse'}",
                    "-o", program, HOST / f"{name}.c", *(SERVER / f"{source}.c" for source in sources), *libraries], check=True)


class ServeLoop(unittest.TestCase):
    def test_parts(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program, busted = Path(folder, "serve-loop"), Path(folder, "busted")
            compile_program(program, "serve-loop", ["serve", "hold", "lanes", "patience"])
            compile_program(busted, "serve-loop", ["serve", "hold", "lanes", "patience"], "SERVE_BUSTED_NO_JOIN")
            for part in ("joins", "isolates", "refused"):
                with self.subTest(part):
                    done = subprocess.run([program, part], capture_output=True, text=True, timeout=LIMIT_S)
                    self.assertEqual(done.returncode, 0, done.stderr)
            done = subprocess.run([busted, "joins"], capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1, done.stderr)


class Patience(unittest.TestCase):
    """Is a start that finds no memory given the time that it says, and no more?"""

    def run_patience(self, define: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder, "patience")
            compile_program(program, "patience", ["patience"], define)
            return subprocess.run([program], capture_output=True, text=True, timeout=LIMIT_S)

    def test_waits_and_says_so(self) -> None:
        done = self.run_patience("PATIENCE_MS=1500")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr, "swapserver: short of tests: waiting, 1 s at most\n")

    def test_busted_twin_fails(self) -> None:
        done = self.run_patience("PATIENCE_MS=1")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("patience: expected a wait", done.stderr)


class StoreId(unittest.TestCase):
    """Parts of store-id.c, and the define under which each must fail."""

    PARTS = {"text": "STOREID_BUSTED_NO_PRIME", "disks": "BLOCKID_BUSTED_PATH", "memory": "MEMORY_BUSTED_SAME_ID"}

    def run_part(self, define: str, part: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as folder:
            program, sysfs = Path(folder, "store-id"), Path(folder, "sys")
            sysfs.mkdir()
            compile_program(program, "store-id", SOURCES, define, "-llz4")
            return subprocess.run([program, part, sysfs], capture_output=True, text=True, timeout=LIMIT_S)

    def test_parts(self) -> None:
        for part in self.PARTS:
            with self.subTest(part):
                done = self.run_part("", part)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_busted_twins_fail(self) -> None:
        for part, define in self.PARTS.items():
            with self.subTest(part):
                done = self.run_part(define, part)
                self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
                self.assertIn("store-id: expected", done.stderr)


class Lz4Store(unittest.TestCase):
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        for name in ("", *set(PARTS.values())):
            compile_program(cls.program(name), "lz4-store", SOURCES, name, "-llz4")

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
