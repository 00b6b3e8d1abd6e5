#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every errno that the header lists has a row in ioctl/errno-table.c, and every row its errno in the header.

Where it stands: beside the runner, no guest.  The comments of include/uapi/linux/abuse.h are read for the errnos that each
call may give; the table of the test and that of the fuzzer are compared with them.
"""
from __future__ import annotations

import errno
import re
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = ROOT / "module" / "include" / "uapi" / "linux" / "abuse.h"
TABLE = ROOT / "tests" / "ioctl" / "errno-table.c"
FUZZER = ROOT / "tests" / "fuzz" / "lib" / "fz_calls.c"

# The call whose errors the comment of a structure lists, where it is one.
CALL_OF = {"abuse_info": "SET_STATUS", "abuse_poll": "SET_POLL", "abuse_backing": "SET_BACKING", "abuse_store": "SET_STORE",
           "abuse_ctl_list": "CTL_LIST", "abuse_counters": "GET_COUNTERS"}
# Errnos in comments that no call returns: those that a server hands on.
NO_RESULTS = {"abuse_verb", "abuse_lent"}
# What the header does not say of a call, and every row or list has all the same.  To be as short as can be.
UNSAID = {
    ("GET_STATUS", "EFAULT"), ("GET_STATUS", "EINVAL"), ("RESET", "EINVAL"), ("RESET", "EBUSY"), ("RESET", "EUSERS"),
    ("GET_BIO", "EINVAL"), ("GET_BIO", "EBADF"), ("PUT_BIO", "EUSERS"),
}
# What the header says of two calls at once, and one cannot give.
CANNOT = {("CTL_REMOVE", "ENOMEM")}

_ERRNO = re.compile(r"\bE[A-Z0-9]{2,}\b")
Pairs = set[tuple[str, str]]


def comments(text: str) -> list[tuple[str, str]]:
    """(structure, comment without the stars) of every kernel-doc comment."""
    found = []
    for match in re.finditer(r"/\*\*\n(.*?)\*/", text, re.DOTALL):
        body = re.sub(r"^ \* ?", "", match[1], flags=re.MULTILINE)
        name = re.match(r"struct (\w+)", body)
        found.append((name[1] if name else "", body))
    return found


def errnos(text: str) -> set[str]:
    return {word for word in _ERRNO.findall(text) if hasattr(errno, word)}


def _split(text: str, *prefixes: str) -> list[str]:
    """The text from each of the prefixes to the next."""
    places = [text.index(prefix) for prefix in prefixes] + [len(text)]
    return [text[start:end] for start, end in zip(places, places[1:])]


def _of_transfer(body: str) -> Pairs:
    get, put = _split(body, "GET never waits", "PUT gives")
    return {("GET_BIO", name) for name in errnos(get)} | {("PUT_BIO", name) for name in errnos(put)}


def _of_serve(body: str) -> Pairs:
    call, verb, forward = _split(body, "Errors of the call:", "Errors of a verb:", "of FORWARD also")
    return {("SERVE", name) for name in errnos(call)} | {("VERB", name) for name in errnos(verb)} \
        | {("FORWARD", name) for name in errnos(forward)}


def _of_two(body: str, first: str, second: str, marks: tuple[str, str]) -> Pairs:
    """Errors of two calls: "NAME (MARK: when)" is of one, all others of both."""
    text = body[body.index("Errors:"):]
    pairs: Pairs = set()
    for match in re.finditer(r"\b(E[A-Z0-9]{2,})\b(?:\s*\(([^)]*)\))?", text):
        if not hasattr(errno, match[1]):
            continue
        when = match[2] or ""
        for call, mark, other in ((first, *marks), (second, *marks[::-1])):
            if not re.match(rf"{other}\b", when) or re.match(rf"{mark}\b", when):
                pairs.add((call, match[1]))
    return pairs


def from_header(text: str) -> Pairs:
    """(call, errno) of all comments.  ValueError if one has errnos and is not known here."""
    pairs: Pairs = set()
    for struct, body in comments(text):
        if struct in NO_RESULTS or not errnos(body):
            continue
        if struct == "abuse_xfr_hdr":
            pairs |= _of_transfer(body)
        elif struct == "abuse_serve":
            pairs |= _of_serve(body)
        elif struct == "abuse_ctl":
            pairs |= _of_two(body, "CTL_ADD", "CTL_REMOVE", ("ADD", "REMOVE"))
        elif struct == "abuse_scope":
            pairs |= _of_two(body, "SET_SCOPE", "GET_SCOPE", ("SET", "GET"))
        elif struct in CALL_OF:
            # Before that, counters may be described in terms of errnos.
            pairs |= {(CALL_OF[struct], name) for name in errnos(body[body.index("Errors"):])}
        else:
            raise ValueError(f"abuse.h: the comment of {struct or 'no structure'} lists errnos: whose are they?")
    return pairs


def from_table(text: str) -> Pairs:
    return set(re.findall(r'^\s*(?:MEMORY_|SLOW_)?ROW\("(\w+)", (E\w+), "', text, re.MULTILINE))


def from_fuzzer(text: str) -> Pairs:
    """The fuzzer has one list for SERVE, its verbs and FORWARD."""
    pairs: Pairs = set()
    for call, names in re.findall(r'\{ ABUSE_\w+, "(\w+)".*?LIST\((.*?)\)', text, re.DOTALL):
        pairs |= {(call, name) for name in errnos(names)}
    return pairs


def one_serve(pairs: Pairs) -> Pairs:
    return {("SERVE" if call in ("VERB", "FORWARD") else call, name) for call, name in pairs}


class ErrnoTable(unittest.TestCase):
    def setUp(self) -> None:
        self.said = from_header(HEADER.read_text())
        self.wanted = self.said | UNSAID

    def test_every_errno_has_a_row(self) -> None:
        rows = from_table(TABLE.read_text())
        self.assertEqual(sorted(self.wanted - rows - CANNOT), [], "in the header, without a row in errno-table.c")
        self.assertEqual(sorted(rows - self.wanted), [], "rows in errno-table.c for what the header does not list")

    def test_the_fuzzer_knows_them(self) -> None:
        known = from_fuzzer(FUZZER.read_text())
        wanted = one_serve(self.wanted - CANNOT)
        self.assertEqual(sorted(wanted - known), [], "in the header, but a finding for the fuzzer")
        self.assertEqual(sorted(known - wanted), [], "not in the header, and no finding for the fuzzer")

    def test_lists_are_short(self) -> None:
        self.assertEqual(sorted(UNSAID & self.said), [], "the header says it by now: take it from UNSAID")
        self.assertEqual(sorted(CANNOT - self.said), [], "the header does not say it any more: take it from CANNOT")

    def test_reads_the_header(self) -> None:
        """What is read is what a reader finds, for one of each kind."""
        for pair in (("SET_STATUS", "EFBIG"), ("GET_BIO", "ENOMSG"), ("PUT_BIO", "ESTALE"), ("SERVE", "E2BIG"),
                     ("VERB", "EBUSY"), ("FORWARD", "EPERM"), ("CTL_ADD", "EEXIST"), ("CTL_REMOVE", "ENODEV"),
                     ("SET_SCOPE", "EPERM"), ("GET_SCOPE", "EINVAL"), ("GET_COUNTERS", "EFAULT")):
            self.assertIn(pair, self.said)
        for pair in (("CTL_REMOVE", "EEXIST"), ("CTL_ADD", "ENODEV"), ("GET_SCOPE", "EPERM"), ("SERVE", "ENOSPC")):
            self.assertNotIn(pair, self.said)

    def test_a_new_errno_is_seen(self) -> None:
        """The busted twin of this file: a header with one more errno, and one with a comment that nobody knows."""
        text = HEADER.read_text()
        more = text.replace("Errors: EFAULT, EINVAL (a field is out of its range).",
                            "Errors: EFAULT, EINVAL (a field is out of its range), EXDEV.")
        self.assertNotEqual(more, text)
        self.assertEqual(from_header(more) - self.said, {("SET_POLL", "EXDEV")})
        with self.assertRaises(ValueError):
            from_header(text + "/**\n * struct abuse_new - new\n *\n * Errors: EFAULT.\n */\n")


if __name__ == "__main__":
    unittest.main()
