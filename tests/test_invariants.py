# SPDX-License-Identifier: GPL-2.0-only
"""Each invariant of the module has a test that names it, and a twin on which that test fails.

Where it stands: beside tests/run, on the host.  Reads the header lines "invariant:" and "busted:" of all tests.  Run
alone it prints the table: PYTHONPATH=tests python3 tests/test_invariants.py
"""
from __future__ import annotations

import re
import sys
import unittest
from pathlib import Path

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))

from harness import headers  # noqa: E402 (after the line above)

# The design's; module/abuse.h states those that the module itself keeps.
INVARIANTS = tuple(f"I{number}" for number in range(1, 16))


def tests() -> list[headers.Test]:
    """All tests but those of the runner itself."""
    return [headers.parse_test(source) for folder in headers.groups_of(TESTS) if folder.name != headers.SELF
            for source in headers.sources_of(folder)]


def table(of: list[headers.Test]) -> dict[str, list[headers.Test]]:
    """The tests that name each invariant, by invariant.  ValueError for a name that is none."""
    found: dict[str, list[headers.Test]] = {name: [] for name in INVARIANTS}
    for test in of:
        for name in test.invariants.split():
            if name not in found:
                raise ValueError(f"{test.label}: invariant: {name}: want some of {INVARIANTS[0]} to {INVARIANTS[-1]}")
            found[name].append(test)
    return found


def missing(of: list[headers.Test]) -> list[str]:
    """The invariants that no test with a busted twin names."""
    return [name for name, proofs in table(of).items() if not any(test.twins for test in proofs)]


class Coverage(unittest.TestCase):
    def test_each_has_a_test_with_a_twin(self) -> None:
        self.assertEqual(missing(tests()), [], "no test with a busted twin says \"invariant: ...\" for these")

    def test_what_is_missing_is_seen(self) -> None:
        twin = headers.Twin("module", "lifo")
        proof = headers.Test("group", "a", TESTS, twins=(twin,), invariants=" ".join(INVARIANTS[1:]))
        without_twin = headers.Test("group", "b", TESTS, invariants="I1")
        self.assertEqual(missing([proof, without_twin]), ["I1"])
        with self.assertRaisesRegex(ValueError, "group/c: invariant: I16"):
            table([headers.Test("group", "c", TESTS, invariants="I16")])

    def test_the_module_states_no_other(self) -> None:
        text = (TESTS.parent / "module" / "abuse.h").read_text()
        stated = set(re.findall(r"^ \* (I\d+)\s", text, re.MULTILINE))
        self.assertTrue(stated)
        self.assertEqual(stated - set(INVARIANTS), set())


def main() -> None:
    for name, proofs in table(tests()).items():
        print(f"{name:4} {' '.join(test.label for test in proofs)}")


if __name__ == "__main__":
    main()
