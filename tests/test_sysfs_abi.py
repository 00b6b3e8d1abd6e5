# SPDX-License-Identifier: GPL-2.0-only
"""Does module/sysfs-abi.txt describe exactly the attributes that module/sysfs.c makes, and whether they can be written?

Where it stands: beside tests/devices/attributes, which asks the attributes themselves in a guest.
"""
from __future__ import annotations

import re
import unittest
from pathlib import Path

MODULE = Path(__file__).resolve().parent.parent / "module"
FIELDS = ("What", "Date", "KernelVersion", "Description")
PLACE = "/sys/block/abuse<N>/abuse/"


def made(source: str) -> dict[str, str]:
    """Name and mode, RO or RW, of each attribute that the C source defines, in its order."""
    return {name: mode for mode, name in re.findall(r"^static DEVICE_ATTR_(RO|RW)\((\w+)\);", source, re.MULTILINE)}


def listed(source: str) -> set[str]:
    """The attributes that the C source puts into its array."""
    return set(re.findall(r"&dev_attr_(\w+)\.attr\b", source))


def described(text: str) -> dict[str, str]:
    """Name and mode of each attribute of the document, in its order; ValueError if an entry is not in the form."""
    found: dict[str, str] = {}
    for entry in re.split(r"^(?=What:)", text, flags=re.MULTILINE)[1:]:
        keys = re.findall(r"^(\w+):", entry, re.MULTILINE)
        what = re.match(r"What:\t\t(\S+)\n", entry)
        mode = re.search(r"^Description:\n\t\t\((RO|RW)\) \S", entry, re.MULTILINE)
        if tuple(keys) != FIELDS or not what or not what[1].startswith(PLACE) or not mode:
            raise ValueError(f"an entry is not in the form: {entry.splitlines()[0]}")
        name = what[1].removeprefix(PLACE)
        if name in found:
            raise ValueError(f"{name} is described twice")
        found[name] = mode[1]
    return found


class SysfsAbi(unittest.TestCase):
    def setUp(self) -> None:
        self.source = (MODULE / "sysfs.c").read_text()
        self.text = (MODULE / "sysfs-abi.txt").read_text()

    def test_the_document_has_what_the_module_has(self) -> None:
        self.assertTrue(made(self.source))
        self.assertEqual(made(self.source), described(self.text))

    def test_every_attribute_that_is_defined_is_made(self) -> None:
        self.assertEqual(set(made(self.source)), listed(self.source))

    def test_a_difference_is_seen(self) -> None:
        """The busted twins: an attribute more, one less, one that can suddenly be written, an entry out of form."""
        more = self.source + "static DEVICE_ATTR_RO(planted);\n"
        self.assertNotEqual(made(more), described(self.text))
        less = self.source.replace("static DEVICE_ATTR_RO(state);", "")
        self.assertNotEqual(made(less), described(self.text))
        written = self.source.replace("DEVICE_ATTR_RO(state)", "DEVICE_ATTR_RW(state)")
        self.assertNotEqual(made(written), described(self.text))
        with self.assertRaises(ValueError):
            described(self.text.replace("Date:", "Dates:", 1))
        with self.assertRaises(ValueError):
            described(self.text + self.text)


if __name__ == "__main__":
    unittest.main()
