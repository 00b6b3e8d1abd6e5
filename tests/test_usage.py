# SPDX-License-Identifier: GPL-2.0-only
"""What the programs say of themselves: source, --help, manual page and completion name the same options and exit codes.

Where it stands: beside the path, [host] > swapserver and abusectl.  --help is what the others are compared with.  Each twin is
one of these texts with one option, or one code, taken out of it: the same look must find that.
"""
from __future__ import annotations

import re
import subprocess
import tempfile
import unittest
from dataclasses import dataclass, replace
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
SERVER = REPO / "swapserver"
PROGRAMS = REPO / "build" / "guest"
# Not for people: what a spawner hands down to a server.
HIDDEN = {"inherit"}
# Of no command.
GENERAL = {"help": False, "version": False}


@dataclass(frozen=True)
class Texts:
    """All that is said of one program."""

    name: str
    help: str
    page: str
    completion: str
    sources: dict[str, str]  # by the command that a file is of; "": the program
    codes: str  # where the enum of the exit codes is


def texts(name: str) -> Texts:
    shown = subprocess.run([str(PROGRAMS / name), "--help"], capture_output=True, text=True, check=True).stdout
    if name == "swapserver":
        sources, codes = {"": (SERVER / "options.c").read_text()}, SERVER / "options.h"
    else:
        found = {path.stem: path.read_text() for path in (SERVER / "abusectl").glob("*.c")}
        sources, codes = {stem: text for stem, text in found.items() if "getopt_long" in text}, SERVER / "abusectl/abusectl.h"
    return Texts(name, shown, (SERVER / f"{name}.8").read_text(), (SERVER / "install/completion" / name).read_text(), sources,
                 codes.read_text())


def options_in(text: str) -> dict[str, bool]:
    """Option to whether it takes a value, as in "[--size 4G] [--discard]"."""
    return {name: bool(value) for name, value in re.findall(r"--(?!no-(?![a-z]))([a-z][a-z-]*[a-z])(?:[ ]([A-Z0-9]+)\b)?", text)}


def told(t: Texts) -> dict[str, dict[str, bool]]:
    """By --help: the options of each command, of the program ("")."""
    if t.name == "swapserver":
        lines = re.findall(r"^  (--.*)$", t.help, re.M)
        return {"": {name: value for line in lines for name, value in options_in(line.split("  ")[0]).items()}}
    lines = re.findall(r"^  ([a-z]+)(.*)$", t.help, re.M)
    return {"": dict(GENERAL), **{command: options_in(rest) for command, rest in lines}}


def troff_options(text: str) -> set[str]:
    return options_in(text.replace("\\-", "-").replace('"', " ")).keys() | set()


def page_options(t: Texts) -> dict[str, set[str]]:
    sections = re.split(r"^\.SH (.*)\n", t.page, flags=re.M)
    section = dict(zip(sections[1::2], sections[2::2]))
    if t.name == "swapserver":
        return {"": {name for line in re.findall(r"^\.TP\n(\.B.*)$", section["OPTIONS"], re.M) for name in troff_options(line)}}
    parts = re.split(r"^\.B abusectl (\w+)\n", section["SYNOPSIS"], flags=re.M)
    synopsis = {command: troff_options(text) for command, text in zip(parts[1::2], parts[2::2])}
    parts = re.split(r"^\.TP\n\.B (\w+)\n", section["COMMANDS"], flags=re.M)
    described = {command for command in parts[1::2]}
    return {command: options for command, options in synopsis.items() if command in described}


def source_options(text: str) -> dict[str, bool]:
    return {name: kind == "required" for name, kind in re.findall(r'\{ "([a-z-]+)", (required|no)_argument,', text)}


def offers(t: Texts, *lines: str) -> list[set[str]]:
    """What bash offers for the last word of each line, which is what follows the program's name."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "completion").write_text(t.completion)
        # It asks the program for what --help says.
        (Path(folder) / "help").write_text(t.help)
        program = Path(folder) / t.name
        program.write_text("#!/bin/sh\ncat help\n")
        program.chmod(0o755)
        script = '. ./completion; name=$1; shift; for line in "$@"; do COMPREPLY=(); read -ra COMP_WORDS <<<"./$name $line"; ' \
                 'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "_$name" || :; printf "%s " "${COMPREPLY[@]}"; echo; done'
        done = subprocess.run(["bash", "--norc", "-uec", script, "bash", t.name, *lines], cwd=folder, capture_output=True, text=True,
                              check=True)
        return [set(line.split()) for line in done.stdout.splitlines()]


def complaints(t: Texts) -> list[str]:
    """What one text has and another has not."""
    found = []
    wanted = told(t)
    page = page_options(t)
    lines = [(command, option) for command, options in wanted.items() for option in (None, *(o for o, v in options.items() if v))]
    asked = (f"{command} --{option} --" if option else f"{command} --" for command, option in lines)
    for (command, option), offered in zip(lines, offers(t, *(line.strip() for line in asked)), strict=True):
        names = {f"--{name}" for name in wanted[command]}
        if option:  # the next word is its value
            found += [f"completion: {command} --{option}: offers {offered & names}"] if offered & names else []
        elif offered - {"--no-"} != names:
            found.append(f"completion: {command}: {sorted((offered - {'--no-'}) ^ names)}")
    for command, options in wanted.items():
        if t.name == "abusectl" and not command:
            continue
        if page.get(command) != options.keys():
            found.append(f"page: {command}: {sorted(page.get(command, set()) ^ options.keys())}")
    for command, text in t.sources.items():
        options = {name: value for name, value in source_options(text).items() if name not in HIDDEN}
        if options != wanted.get(command):
            found.append(f"source: {command}: {sorted(options.items() ^ wanted.get(command, {}).items())}")
    return found + code_complaints(t)


def code_complaints(t: Texts) -> list[str]:
    line = re.search(r"^exit status: (.*)$", t.help, re.M)
    says = set(re.findall(r"(?:^|; )(\d)\b", line[1])) if line else set()
    section = re.search(r"^\.SH EXIT STATUS\n(.*?)^\.SH ", t.page, re.M | re.S)
    page = set(re.findall(r"^\.TP\n(\d)$", section[1], re.M)) if section else set()
    source = set(re.findall(r"^\s+EXIT_\w+ = (\d)", t.codes, re.M))
    return [f"exit codes: --help {sorted(says)}, page {sorted(page)}, source {sorted(source)}"] if not says == page == source else []


@unittest.skipUnless(all((PROGRAMS / name).exists() for name in ("swapserver", "abusectl")), "not built: make server")
class Usage(unittest.TestCase):
    def test_the_texts_agree(self) -> None:
        for name in ("swapserver", "abusectl"):
            self.assertEqual(complaints(texts(name)), [], name)

    def test_the_look_sees_them(self) -> None:
        """None of the four finds its options by chance in nothing."""
        self.assertGreater(len(told(texts("swapserver"))[""]), 12)
        options = told(texts("abusectl"))
        self.assertEqual(options["add"], {"size": True, "blocksize": True, "queue": True, "discard": False, "read-only": False})
        self.assertEqual(options["upgrade"], {"binary": True, "timeout": True})
        self.assertEqual(set(texts("abusectl").sources), {"add", "drain", "upgrade", "wait"})

    def test_twins(self) -> None:
        server, control = texts("swapserver"), texts("abusectl")
        for t, field, part in (
                (server, "help", "  --swapon  "), (server, "help", "  --priority P "), (server, "help", "1 failed; "),
                (server, "page", ".B \\-\\-swapon\n"), (server, "page", '.BI \\-\\-hang\\-timeout " SECONDS"'),
                (server, "page", ".TP\n2\nWrong"), (server, "completion", " | --hang-timeout"), (server, "completion", "|, --[a-z-]+"),
                (control, "help", " [--force]"), (control, "help", " [--pid P]"), (control, "page", ".RB [ \\-\\-read\\-only ]"),
                (control, "page", ".TP\n.B upgrade\n"), (control, "completion", "--discard"), (control, "completion", " | --queue"),
                (control, "completion", " --force"), (control, "page", ".TP\n3\n"), (control, "codes", "EXIT_IN_USE = 3")):
            with self.subTest(t.name, field=field, part=part):
                text = getattr(t, field)
                self.assertIn(part, text)
                self.assertTrue(complaints(replace(t, **{field: text.replace(part, "")})))
        for t, command, part in ((server, "", '{ "batch", required_argument'), (control, "wait", '{ "pid", required_argument')):
            text = t.sources[command]
            self.assertIn(part, text)
            self.assertTrue(complaints(replace(t, sources={**t.sources, command: text.replace(part, '{ "other", required_argument')})))

    def test_the_page_has_every_name(self) -> None:
        """Backends, their options, protections: those of the source."""
        page = texts("swapserver").page.replace("\\-", "-")
        files = [path.read_text() for path in SERVER.glob("*.c")]
        backends = [name for text in files for name in re.findall(r"^const struct backend_ops backend_(\w+) =", text, re.M)]
        self.assertEqual(len(backends), 8)
        for name in backends:
            self.assertRegex(page, rf"(?m)^\.B {name}\b")
        keys = [key for text in files for table in re.findall(r"const char \*const \w+_keys\[\] = \{(.*?)\}", text, re.S)
                for key in re.findall(r'"(\w+)"', table)]
        self.assertGreater(len(keys), 12)
        for key in keys:
            self.assertRegex(page, rf"(?m)^\.B .*\b{key}=")
        names = re.findall(r'\[PROTECT_\w+\] = "(\w+)",', (SERVER / "protect.c").read_text())
        self.assertEqual(len(names), 9)
        for name in names:
            self.assertIn(f".TP\n.B {name}\n", page)


if __name__ == "__main__":
    unittest.main()
