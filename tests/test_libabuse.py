#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""libabuse: header, version script and manual pages say the same; the serving side does what it says, without a guest.

Where it stands: beside the runner, no guest.  The header is what the others are compared with.  fake-kernel.c of
tests/library/host plays the kernel for the library's own sources; each of its busted twins is a library with one line changed.
"""
from __future__ import annotations

import errno
import re
import shutil
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "swapserver" / "libabuse"
HEADER = LIBRARY / "libabuse.h"
SCRIPT = LIBRARY / "libabuse.map"
PAGES = LIBRARY / "man"
EXAMPLES = ROOT / "swapserver" / "examples"
SHARED = ROOT / "build" / "lib" / "libabuse.so.0"
FAKE_KERNEL = ROOT / "tests" / "library" / "host" / "fake-kernel.c"

# "A null server in about 60 lines": without blank lines and comments.
NULL_SERVER_LINES = 60
SECTIONS = ("NAME", "LIBRARY", "SYNOPSIS", "DESCRIPTION", "RETURN VALUE", "EXAMPLES", "SEE ALSO")
CC = ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wshadow", f"-I{ROOT}/module/include/uapi", f"-I{LIBRARY}"]

# The busted twins of fake-kernel.c: a file of the library, what is broken in it, how.
TWINS = (
    ("serve.c", "verbs += serve.ab_nr_verbs_done;", ""),
    ("serve.c", "verbs->ab_verb == ABUSE_VERB_COPY_OUT)\n\t\t\t\treturn", "verbs->ab_verb == ABUSE_VERB_FAIL)\n\t\t\t\treturn"),
    ("serve.c", "dev->nr_stale++;", ""),
    ("serve.c", "++nr_absent > ABSENT_LIMIT", "++nr_absent > 0"),
    ("serve.c", "batch->nr -= dev->nr_done;", "batch->nr = 0;"),
    ("loop.c", "abuse_forget(&l->a->batch, id);", "l->a->batch.nr = 0;"),
    ("loop.c", "l->a->state[i].gone = true;", "l->a->state[i].result = -EIO;"),
    ("loop.c", "if (state->gone)\n", "if (0)\n"),
    ("loop.c", "len_bytes <= size - offset", "len_bytes <= size"),
    ("loop.c", "lent->ab_flags & ABUSE_LENT_PREFLUSH", "0"),
    ("loop.c", "lent->ab_flags & ABUSE_LENT_FUA", "0"),
    ("loop.c", "lent->ab_flags &\n\t\t\t\t\t\t  ABUSE_LENT_NOUNMAP", "0"),
    ("loop.c", "abuse_copy_in(&l->a->batch, lent, buffer, done, len);",
     "abuse_copy_in(&l->a->batch, lent, buffer, 0, len);"),
    ("loop.c", "loop_offset(lent) + done;", "loop_offset(lent);"),
    ("loop.c", "if (a->state[i].result)\n", "if (0)\n"),
)


@dataclass(frozen=True)
class Function:
    """A function of the header: what its comment and its prototype say."""

    name: str
    prototype: str  # in one line
    context: str
    returns: str  # "": void
    inline: bool

    @property
    def errnos(self) -> set[str]:
        return errnos(self.returns)


def errnos(text: str) -> set[str]:
    """Those that are returned: with a minus, as "-EINVAL" or, in troff, "\\-EINVAL"."""
    return {word for word in re.findall(r"-(E[A-Z0-9]{2,})\b", text) if hasattr(errno, word)}


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("* ", "*").strip()


def functions(header: str) -> dict[str, Function]:
    """ValueError if a prototype has no comment, or the comment is another's."""
    found = {}
    plain = re.sub(r"/\*.*?\*/", lambda m: m[0] if m[0].startswith("/**") else "", header, flags=re.DOTALL)
    pattern = re.compile(r"(?:/\*\*\n((?:(?!\*/).)*)\*/\n)?^((?:static inline )?[a-z][\w ]*[ *\n]+(abuse_\w+)\(([^;{]*?)\))\s*(;|\n\{)",
                         re.DOTALL | re.MULTILINE)
    for comment, prototype, name, _args, _end in pattern.findall(plain):
        body = re.sub(r"^ \* ?", "", comment, flags=re.MULTILINE)
        if not body.startswith(f"{name} - "):
            raise ValueError(f"libabuse.h: {name} has no comment")
        context = re.search(r"^Context: (.*?)(?=^Return:|\Z)", body, re.DOTALL | re.MULTILINE)
        returns = re.search(r"^Return: (.*)", body, re.DOTALL | re.MULTILINE)
        found[name] = Function(name, one_line(prototype.replace("static inline ", "")), context[1] if context else "",
                               one_line(returns[1]) if returns else "", "static inline" in prototype)
    return found


def exported(script: str) -> set[str]:
    """The names that a version script exports, all of its nodes."""
    plain = re.sub(r"/\*.*?\*/", "", script, flags=re.DOTALL)
    return {name for part in re.findall(r"global:(.*?)(?:local:|\})", plain, re.DOTALL) for name in re.findall(r"[\w*?]+", part)}


def sections(page: str) -> dict[str, str]:
    parts = re.split(r"^\.SH (.*)\n", page, flags=re.MULTILINE)
    return dict(zip((name.strip('"') for name in parts[1::2]), parts[2::2]))


def plain_troff(text: str) -> str:
    """As a reader sees it; lines stay lines."""
    text = re.sub(r"\\f[BIPR]|\\%", "", text).replace("\\-", "-").replace("\\e", "\\")
    text = re.sub(r"^\.(?:B|I) \"?(.*?)\"?$", r"\1", text, flags=re.MULTILINE)
    return re.sub(r"^\.(?:BR|BI|RI|IR|RB) (.*)$", lambda m: m[1].replace('" "', "").replace(" ", ""), text, flags=re.MULTILINE)


def names_of(page: str) -> list[str]:
    return re.findall(r"\w+", sections(page)["NAME"].split("\\-")[0])


def returns_of(page: str) -> dict[str, str]:
    """What RETURN VALUE says, by function."""
    parts = re.split(r"^\.TP\n\.BR (\w+) \(\)\n", sections(page)["RETURN VALUE"], flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def prototypes_of(page: str) -> set[str]:
    text = one_line(plain_troff(re.sub(r"^\.(nf|fi|PP|B #.*)$", "", sections(page)["SYNOPSIS"], flags=re.MULTILINE)))
    return {part.strip() for part in text.split(";") if part.strip()}


def code_of(page: str) -> str:
    blocks = re.findall(r"^\.EX\n(.*?)^\.EE$", sections(page)["EXAMPLES"], re.DOTALL | re.MULTILINE)
    return plain_troff("\n".join(blocks))


def code_lines(text: str) -> int:
    """Lines that are neither blank nor comment."""
    pattern = r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*'
    text = re.sub(pattern, lambda m: m[0] if m[0].startswith('"') else "", text, flags=re.DOTALL)
    return sum(1 for line in text.splitlines() if line.strip())


def compiles(code: str, language: str = "c") -> str:
    """"" or what the compiler said."""
    # struct abuse_serve and abuse_serve() are one name there, which is allowed, but a shadow.
    command = CC if language == "c" else ["g++", *(word for word in CC[1:] if word not in ("-std=gnu11", "-Wshadow"))]
    run = subprocess.run([*command, "-fsyntax-only", "-x", language, "-"], input=code, text=True, capture_output=True, check=False)
    return "" if run.returncode == 0 else run.stderr or "failed"


def compile_object(source: Path, target: Path) -> None:
    subprocess.run([*CC, "-c", "-o", str(target), str(source)], check=True)


def run_linked(program: Path, objects: list[Path]) -> subprocess.CompletedProcess[str]:
    subprocess.run([CC[0], "-o", str(program), *map(str, objects)], check=True)
    try:
        return subprocess.run([str(program)], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess([], 124, "", "did not end")


class Documents(unittest.TestCase):
    def setUp(self) -> None:
        self.text = HEADER.read_text()
        self.functions = functions(self.text)
        self.pages = {path.stem: path.read_text() for path in sorted(PAGES.glob("*.3"))}
        self.page_of = {name: page for page in self.pages.values() for name in names_of(page)}

    def test_reads_the_header(self) -> None:
        """All that looks like a declaration or a definition was found, by a simpler look."""
        plain = re.sub(r"/\*.*?\*/", "", self.text, flags=re.DOTALL)
        simple = set(re.findall(r"^(?:[a-z][^\n(;]*[ *])?(abuse_\w+)\(", plain, re.MULTILINE))
        self.assertEqual(sorted(simple), sorted(self.functions))
        self.assertGreater(len(self.functions), 30)
        self.assertEqual(self.functions["abuse_open"].prototype, "int abuse_open(struct abuse_dev *dev, unsigned int number)")
        self.assertTrue(self.functions["abuse_append"].inline)

    def test_every_function_is_documented(self) -> None:
        for function in self.functions.values():
            self.assertTrue(function.context, f"libabuse.h: {function.name} has no Context:")
            self.assertEqual(bool(function.returns), not function.prototype.startswith("void"), f"libabuse.h: {function.name}: Return:")

    def test_version_script(self) -> None:
        wanted = {name for name, function in self.functions.items() if not function.inline}
        self.assertEqual(sorted(exported(SCRIPT.read_text())), sorted(wanted))

    @unittest.skipUnless(SHARED.is_file(), "not built: make library")
    def test_shared_library(self) -> None:
        out = subprocess.run(["nm", "-D", "--defined-only", str(SHARED)], check=True, capture_output=True, text=True).stdout
        found = {line.split()[2].split("@")[0] for line in out.splitlines() if line.split()[1] == "T"}
        self.assertEqual(sorted(found), sorted(exported(SCRIPT.read_text())))
        out = subprocess.run(["readelf", "-d", str(SHARED)], check=True, capture_output=True, text=True).stdout
        self.assertIn("[libabuse.so.0]", out)

    def test_a_page_for_every_function(self) -> None:
        named = [name for page in self.pages.values() for name in names_of(page) if name != "libabuse"]
        self.assertEqual(sorted(named), sorted(self.functions))
        self.assertIn("libabuse", self.page_of)
        for name, page in self.pages.items():
            self.assertIn(name, names_of(page) + ["abuse_batch"])
            missing = [section for section in SECTIONS if section not in sections(page)]
            self.assertEqual(missing, [], f"{name}.3")

    def test_overview_names_every_page(self) -> None:
        for name in self.pages:
            if name != "libabuse":
                self.assertIn(f".BR {name} (3)\n", self.pages["libabuse"])

    def test_prototypes(self) -> None:
        for name, page in self.pages.items():
            if name != "libabuse":
                self.assertEqual(prototypes_of(page), {self.functions[it].prototype for it in names_of(page)}, f"{name}.3")

    def test_return_values(self) -> None:
        for name, page in self.pages.items():
            if name == "libabuse":
                continue
            said = returns_of(page)
            self.assertEqual(sorted(said), sorted(names_of(page)), f"{name}.3: RETURN VALUE")
            for function, text in said.items():
                self.assertEqual(errnos(plain_troff(text)), self.functions[function].errnos, f"{name}.3: {function}")

    def test_links(self) -> None:
        """What a page names as a page of section 3 of ours is one."""
        for name, page in self.pages.items():
            for link in re.findall(r"^\.BR (abuse_\w+|libabuse) \(3\)", page, re.MULTILINE):
                self.assertTrue(link in self.page_of or link in self.pages, f"{name}.3: {link}(3)")

    def test_examples_compile(self) -> None:
        for name, page in self.pages.items():
            self.assertEqual(compiles(code_of(page)), "", f"{name}.3: EXAMPLES")

    @unittest.skipUnless(shutil.which("g++"), "no C++ compiler")
    def test_header_is_cplusplus_too(self) -> None:
        self.assertEqual(compiles('#include "libabuse.h"\nint main() { return 0; }\n', "c++"), "")

    def test_null_servers_are_short(self) -> None:
        for name in ("null.c", "null-raw.c"):
            self.assertLessEqual(code_lines((EXAMPLES / name).read_text()), NULL_SERVER_LINES, name)
        self.assertNotIn("libabuse", re.sub(r"/\*.*?\*/", "", (EXAMPLES / "null-raw.c").read_text(), flags=re.DOTALL))

    def test_what_differs_is_seen(self) -> None:
        """The busted twins of this class."""
        with self.assertRaises(ValueError):
            functions(self.text.replace("#ifdef __cplusplus\n}", "int abuse_new(void);\n#ifdef __cplusplus\n}"))
        fewer = functions(self.text.replace("-EBUSY (being\n * reset); ", ""))
        self.assertEqual(self.functions["abuse_configure"].errnos - fewer["abuse_configure"].errnos, {"EBUSY"})
        self.assertIn("abuse_x", exported(SCRIPT.read_text().replace("global:", "global:\n\tabuse_x;")))
        page = self.pages["abuse_open"]
        self.assertNotEqual(prototypes_of(page.replace("unsigned int number", "int number")), prototypes_of(page))
        self.assertNotEqual(compiles(code_of(page).replace("abuse_open", "abuse_opens")), "")
        self.assertEqual(code_lines('a /* b\n c */\n\n// d\ne "//" "/*";\n/* f */ g\n'), 3)
        long = (EXAMPLES / "null.c").read_text() + "int x;\n" * NULL_SERVER_LINES
        self.assertGreater(code_lines(long), NULL_SERVER_LINES)


class Serving(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.objects = {}
        for source in (FAKE_KERNEL, *sorted(LIBRARY.glob("*.c"))):
            cls.objects[source.name] = cls.folder / f"{source.stem}.o"
            compile_object(source, cls.objects[source.name])

    def test_fake_kernel(self) -> None:
        run = run_linked(self.folder / "healthy", list(self.objects.values()))
        self.assertEqual((run.returncode, run.stderr), (0, ""))

    def test_twins_fail(self) -> None:
        for name, old, new in TWINS:
            text = (LIBRARY / name).read_text()
            self.assertIn(old, text, f"{name}: the twin's line is there no more")
            twin = self.folder / name
            twin.write_text(text.replace(old, new, 1))
            compile_object(twin, self.folder / "twin.o")
            run = run_linked(self.folder / "busted", list((self.objects | {name: self.folder / "twin.o"}).values()))
            self.assertNotEqual(run.returncode, 0, f"{name}: not caught: {old} -> {new}")


if __name__ == "__main__":
    unittest.main()
