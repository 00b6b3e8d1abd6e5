# SPDX-License-Identifier: GPL-2.0-only
"""swapserver/README.md and the server's sources: the same files, protections, backends, states, exit codes and limits.

Where it stands: beside the path, [host] > swapserver.  What is compared is what a change of the code would make untrue; each twin
is the document with one such thing changed.
"""
from __future__ import annotations

import re
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SERVER = REPO / "swapserver"
README = SERVER / "README.md"

# Numbers of the text, each with the file and the #define (in the same unit) that it comes from.
LIMITS = (
    (r"arena: (\d+) KiB for each request", "serve.h", r"SERVE_BUFFER_BYTES\s+\((\d+) \* 1024\)"),
    (r"requests above (\d+) KiB", "serve.h", r"SERVE_BUFFER_BYTES\s+\((\d+) \* 1024\)"),
    (r"(\d+) KiB of stack touched", "protect.c", r"PROTECT_STACK_BYTES\s+\((\d+) \* 1024\)"),
    (r"SCHED_FIFO, priority (\d+)", "protect.c", r"PROTECT_RT_PRIORITY\s+(\d+)"),
    (r"more than (\d+) deaths", "crew.c", r"DEATHS_MAX\s+(\d+)"),
    (r"deaths in (\d+) s", "crew.c", r"DEATHS_NS\s+\((\d+) \* SECOND\)"),
    (r"only every (\d+) s", "crew.c", r"REFILL_SLOW_NS\s+\((\d+) \* SECOND\)"),
    (r"again after (\d+) ms", "crew.c", r"REFILL_AGAIN_NS\s+\((\d+) \* MS\)"),
    (r"up to (\d+)-fold", "fence.c", r"FENCE_FACTOR_MAX\s+(\d+)"),
)


def section(text: str, title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found[1] if found else ""


def rows(text: str) -> list[str]:
    """First cells of a table's rows, without what makes them a link or code."""
    cells = [re.sub(r"`|\[|\]\([^)]*\)", "", line.split("|")[1]).strip() for line in text.splitlines() if line.startswith("|")]
    return [cell for cell in cells if not cell.startswith("---")][1:]


def source(name: str) -> str:
    return (SERVER / name).read_text()


def complaints(text: str) -> list[str]:
    found = []
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not (SERVER / target).exists():
            found.append(f"no {target}")
    for path in SERVER.glob("*.c"):
        if not re.search(rf"\b{path.name}\b", text):
            found.append(f"{path.name} is not named")

    order = re.findall(r"\{ PROTECT_(\w+), \w+_apply", source("protect.c"))
    names = dict(re.findall(r'\[PROTECT_(\w+)\] = "(\w+)",', source("protect.c")))
    if rows(section(text, "Protections")) != [names[what] for what in order]:
        found.append(f"protections: not {order}")
    backends = re.findall(r"^extern const struct backend_ops backend_(\w+);", source("backend.h"), re.M)
    if sorted(rows(section(text, "Backends"))) != sorted(backends):
        found.append(f"backends: not {backends}")

    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section(text, "Exit codes").splitlines() if line.startswith("|")]
    codes = {name: [line[0] for line in lines[2:] if line[column] != "-"] for column, name in ((1, "options.h"), (2, "abusectl/abusectl.h"))}
    for name, said in codes.items():
        if said != re.findall(r"^\s+EXIT_\w+ = (\d),", source(name), re.M):
            found.append(f"exit codes of {name}: {said}")

    body = re.search(r"^enum board_state \{(.*?)^\};", source("board.h"), re.M | re.S)
    for state in re.findall(r"^\tBOARD_(\w+),", body[1] if body else "", re.M) or ["no states"]:
        if not re.search(rf"\b{state}\b", section(text, "Processes")):
            found.append(f"state {state}")
    for said, name, define in LIMITS:
        number, value = re.search(said, text), re.search(define, source(name))
        if not number or not value or number[1] != value[1]:
            found.append(f"{said}: {name} has {value and value[1]}")
    # Functions that it names, of whatever file.
    code = "".join(path.read_text() for path in [*SERVER.glob("*.[ch]"), *SERVER.glob("libabuse/*.[ch]")])
    for name in re.findall(r"`([a-z]+_[a-z_]+)(?:\([A-Z]*\))?`", text):
        if name != "no_server" and not re.search(rf"\b{name}\b", code):
            found.append(f"{name} is not there")
    return found


class Readme(unittest.TestCase):
    def test_says_what_is(self) -> None:
        self.assertEqual(complaints(README.read_text()), [])

    def test_twins(self) -> None:
        text = README.read_text()
        for part, instead in (("[turn.c](turn.c)", "[turn.c](turns.c)"), ("[parse.c](parse.c)", "the parser"), ("| `sealed` |", "| `shut` |"),
                              ("| `caps` | capset", "| `core` | capset"), ("| [lz4](lz4.c) |", "| lzo |"), ("\n| 3 | the device", "\n| 4 | the device"),
                              ("| 2 | wrong usage: nothing was done |", "| 2 | - |"), ("STANDBY", "WAITING"), ("`serve_finish`", "`serve_end`"),
                              *((re.search(said, text)[0], re.search(said, text)[0].replace(re.search(said, text)[1], "9"))  # type: ignore[index]
                                for said, _, _ in LIMITS)):
            with self.subTest(part):
                self.assertIn(part, text)
                self.assertTrue(complaints(text.replace(part, instead)))


if __name__ == "__main__":
    unittest.main()
