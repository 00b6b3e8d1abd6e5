# SPDX-License-Identifier: GPL-2.0-only
"""Is what goes into a guest the same wherever the tree lies?

Where it stands: beside the build.  Results name what their guests were made of by its bytes, so that runs of several
clones and machines are known to be of one kind.
"""
from __future__ import annotations

import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
# Parts of a tree that it is made of.
PARTS = ("Makefile", "module", "swapserver", "vm-images", "experiments", "tests")


def built_in(top: Path, *flags: str) -> bytes:
    """The server and its library, made in a folder that stands for a clone."""
    top.mkdir()
    for part in PARTS:
        (top / part).symlink_to(TOP / part)
    subprocess.run(["make", "-s", *flags, "build/guest/swapserver"], cwd=top, check=True, capture_output=True)
    return (top / "build/guest/swapserver").read_bytes()


class Anywhere(unittest.TestCase):
    def test_same_bytes_in_two_places(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.assertEqual(built_in(folder / "here"), built_in(folder / "farther-away"))

    def test_busted_twin_differs(self) -> None:
        flags = "CFLAGS_USER=-std=gnu11 -O2 -g -Imodule/include/uapi"
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.assertNotEqual(built_in(folder / "here", flags), built_in(folder / "farther-away", flags))


if __name__ == "__main__":
    unittest.main()
