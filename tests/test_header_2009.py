# SPDX-License-Identifier: GPL-2.0-only
"""Is a server of 2009 the same program by today's header as by the one of that time?

Where it stands: beside tests/legacy, which runs it.  Object code is compared, 64-bit and 32-bit: a number, a layout or a
name that had changed would show.  The header of that time is here as its bare ABI; the one that was posted, cut from the
mail, is compared too by

    HEADER_2009=path/of/abuse.h python3 -m unittest tests/test_header_2009.py
"""
from __future__ import annotations

import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
SERVER = TOP / "tests" / "legacy" / "server" / "server-2009.c"
HEADER_2009 = TOP / "tests" / "legacy" / "abuse-2009.h"
TODAY = TOP / "module" / "include" / "uapi" / "linux" / "abuse.h"
FLAGS = {
    "64-bit": ["-std=gnu11"],
    "32-bit": ["-std=gnu11", "-m32", "-ffreestanding", "-fno-pic", "-fno-stack-protector", "-idirafter", "/usr/include/x86_64-linux-gnu"],
}


def compiled(header: str, flags: list[str]) -> bytes:
    """The object code of the server with this text as its <linux/abuse.h>."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder, "include", "linux")
        place.mkdir(parents=True)
        (place / "abuse.h").write_text(header)
        # A relative name: the object shall not know the folder.
        subprocess.run(["gcc", "-O2", "-Wall", "-Werror", *flags, "-Iinclude", "-c", "-o", "server.o", SERVER], cwd=folder, check=True)
        return Path(folder, "server.o").read_bytes()


class Header2009(unittest.TestCase):
    def test_the_server_is_the_same_program(self) -> None:
        for name, flags in FLAGS.items():
            with self.subTest(name):
                self.assertEqual(compiled(HEADER_2009.read_text(), flags), compiled(TODAY.read_text(), flags))

    @unittest.skipUnless("HEADER_2009" in os.environ, "HEADER_2009 names no header as it was posted")
    def test_the_posted_header_is_the_same(self) -> None:
        posted = Path(os.environ["HEADER_2009"]).read_text()
        self.assertIn("struct abuse_xfr_hdr", posted)
        for name, flags in FLAGS.items():
            with self.subTest(name):
                self.assertEqual(compiled(posted, flags), compiled(TODAY.read_text(), flags))

    def test_a_difference_is_seen(self) -> None:
        """The busted twins: another number, and two members that changed places."""
        old = HEADER_2009.read_text()
        number = re.sub(r"0x4124", "0x4126", old)
        places = old.replace("ab_id, ab_sector", "ab_sector, ab_id")
        for flags in FLAGS.values():
            for other in (number, places):
                self.assertNotEqual(other, old)
                self.assertNotEqual(compiled(other, flags), compiled(old, flags))


if __name__ == "__main__":
    unittest.main()
