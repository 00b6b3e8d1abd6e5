# SPDX-License-Identifier: GPL-2.0-only
"""What the files say about themselves: header lines of tests, group.toml of groups.

Where it stands: [headers] > schedule > boot > guest/runner.sh > test.  Everything a run needs to know of a test stands
in the comment at the top of its source; nothing is executed to find it out.
"""
from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from . import kernels

DEFAULT_TIME_S = 30.0
# The group that tests the runner: run by --self-test only.
SELF = "self"

KEYS = ("time", "busted", "twin-limit", "kernels", "not-on", "invariant", "expected-log", "module", "module-args",
        "leak-check", "self-test-expect", "self-test-log", "self-test-busted")
_HEADER = re.compile(r"(" + "|".join(KEYS) + r"):\s*(.*?)\s*(?:\*/)?$", re.IGNORECASE)
# What a test can want of the module, other than to have it loaded: nothing; the one with the KUnit suite in it; nothing,
# but the module that plants a fault.
MODULES = ("none", "kunit", "plant")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*$")

DISK_SERIALS = ("store", "store1", "store2", "store3")
GROUP_KEYS = {"what", "memory_mib", "cpus", "disks", "tools", "modules", "kernels", "um", "debug", "bar", "boot", "manager",
              "counted", "programs"}
# Service managers: the tool archive with its name has the program.
MANAGERS = {"systemd": "/lib/systemd/systemd"}
_SIZE = re.compile(r"(\d+)\s*([KMG])(?:iB|B)?$")
_SIZE_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class HeaderError(ValueError):
    """A file's header or a group.toml is wrong; the message is one line that names the file."""


@dataclass(frozen=True)
class Twin:
    """One deliberately broken variant.

    kind    "module" (value is what the busted module is told to break) or "env" (value is NAME=VALUE)
    """

    kind: str
    value: str

    @property
    def label(self) -> str:
        return f"{self.kind}={self.value}"


@dataclass(frozen=True)
class Test:
    """One test: what its header says."""

    group: str
    name: str
    source: Path
    will: str = ""
    time_s: float = DEFAULT_TIME_S
    twins: tuple[Twin, ...] = ()
    twin_limit_s: float | None = None  # without progress for so long, a twin hangs
    kernels: tuple[str, ...] = ()  # empty: all
    not_on: tuple[tuple[str, str], ...] = ()  # kernel, reason
    invariants: str = ""
    module: bool = True  # load it before the test
    variant: str = ""  # "kunit", "plant"
    module_args: str = ""
    leak_check: bool = False
    expected_log: tuple[re.Pattern[str], ...] = ()
    expect: str = ""  # of --self-test: how the test ends
    expect_log: str = ""  # of --self-test: a word of the reason
    expect_busted: str = ""  # of --self-test: what becomes of its twins

    @property
    def label(self) -> str:
        return f"{self.group}/{self.name}"

    @property
    def is_script(self) -> bool:
        return self.source.suffix == ".sh"


@dataclass(frozen=True)
class Group:
    """One folder of tests: the guest they run in."""

    name: str
    what: str = ""
    memory_mib: int = 256
    cpus: int = 2
    disks: tuple[tuple[str, int], ...] = ()  # serial, bytes
    tools: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()  # empty: all
    um: bool = False  # its tests can run on user-mode Linux
    debug: bool = True  # and on the debug and kcsan kernels
    bar_bytes: int = 0  # of a PCI device's memory, 0: no such device
    boot: str = ""  # arguments of the kernel, not of user-mode Linux
    manager: str = ""  # the first process once the guest is up: "systemd", empty: our own
    counted: bool = False  # its clock counts instructions, 2 ns each
    programs: tuple[str, ...] = ()  # of experiments/guest, in /bin beside those that every guest has
    tests: tuple[Test, ...] = field(default=(), compare=False)


def head_comment(text: str) -> list[str]:
    """The lines of the comments that a source opens with, without the signs of comment."""
    lines: list[str] = []
    in_block = False
    for line in text.splitlines():
        line = line.strip()
        if in_block or line.startswith("/*"):
            in_block = "*/" not in line
            line = re.sub(r"^(/\*+|\*(?!/))", "", line)
        elif line.startswith(("#include", "#define")):
            break
        elif line.startswith("#"):
            line = line.lstrip("#!")
        elif line.startswith("//"):
            line = line[2:]
        elif line:
            break
        lines.append(line.replace("*/", "").strip())
    return lines


def _sentence(lines: list[str]) -> str:
    """From "This test will" to the full stop or the end of the paragraph."""
    words = ""
    for line in lines:
        if not words:
            at = line.lower().find("this test will")
            if at < 0:
                continue
            line = line[at:]
        elif not line or _HEADER.match(line):
            break
        words = f"{words} {line}".strip()
    return words.split(". ")[0].rstrip(".")


def _twin(value: str, breakable: set[str] | None) -> Twin:
    kind, _, what = value.partition("=")
    kind, what = kind.strip(), what.strip()
    if kind == "module" and re.fullmatch(r"[a-z0-9-]+", what):
        if breakable is not None and what not in breakable:
            raise ValueError(f"busted: {value}: no abuse_busted(\"{what}\") in module/*.c")
        return Twin(kind, what)
    if kind == "env" and re.match(r"[A-Za-z_][A-Za-z0-9_]*=", what):
        return Twin(kind, what)
    raise ValueError(f"busted: {value}: want module=NAME or env=NAME=VALUE")


def _kernels(value: str) -> tuple[str, ...]:
    names = tuple(re.split(r"[,\s]+", value))
    for name in names:
        if name not in kernels.NAMES:
            raise ValueError(f"kernels: {name}: want some of {' '.join(kernels.NAMES)}")
    return names


def _seconds(key: str, value: str) -> float:
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*s?", value)
    if number is None or float(number[1]) <= 0:
        raise ValueError(f"{key}: {value}: want seconds")
    return float(number[1])


def parse_test(source: Path, breakable: set[str] | None = None) -> Test:
    """Read one test's header.

    breakable   what the busted module can break; None: do not check

    HeaderError if it is wrong, OSError if the file cannot be read.
    """
    lines = head_comment(source.read_text(errors="replace"))
    values: dict[str, object] = {}
    twins: list[Twin] = []
    patterns: list[re.Pattern[str]] = []
    not_on: list[tuple[str, str]] = []
    try:
        if not _NAME.match(source.stem):
            raise ValueError("names of tests are of a-z, 0-9 and -")
        for line in lines:
            match = _HEADER.match(line)
            if match is None:
                continue
            key, value = match[1].lower(), match[2]
            if key == "busted":
                twins.append(_twin(value, breakable))
            elif key == "expected-log":
                patterns.append(re.compile(value))
            elif key == "time":
                values["time_s"] = _seconds(key, value)
            elif key == "twin-limit":
                values["twin_limit_s"] = _seconds(key, value)
            elif key == "kernels":
                values["kernels"] = _kernels(value)
            elif key == "not-on":
                name, _, reason = value.partition(" ")
                _kernels(name)
                if not reason.strip():
                    raise ValueError(f"not-on: {value}: want KERNEL REASON")
                not_on.append((name, reason.strip()))
            elif key == "module":
                if value not in MODULES:
                    raise ValueError(f"module: {value}: want one of {' '.join(MODULES)}")
                values["module"] = value == "kunit"
                values["variant"] = value if value != "none" else ""
            elif key == "leak-check":
                if value != "yes":
                    raise ValueError(f"leak-check: {value}: the only value is yes")
                values["leak_check"] = True
            else:
                name = {"invariant": "invariants", "module-args": "module_args", "self-test-expect": "expect",
                        "self-test-log": "expect_log", "self-test-busted": "expect_busted"}[key]
                values[name] = value
        will = _sentence(lines)
        if not will:
            raise ValueError("the head comment has no sentence \"This test will ...\"")
    except (ValueError, re.error) as error:
        raise HeaderError(f"tests/{source.parent.name}/{source.name}: {error}") from None
    return Test(group=source.parent.name, name=source.stem, source=source, will=will, twins=tuple(twins),
                expected_log=tuple(patterns), not_on=tuple(not_on), **values)  # type: ignore[arg-type]


def _disk(value: object, serial: str) -> tuple[str, int]:
    """(serial, bytes) of a disk: an integer in MiB, a text such as "64M", or { size_mib = 64, serial = "store" }."""
    if isinstance(value, dict) and set(value) <= {"size_mib", "serial"}:
        value, serial = value.get("size_mib"), str(value.get("serial", serial))
    match = _SIZE.match(str(value))
    size_bytes = int(match[1]) * _SIZE_BYTES[match[2]] if match else value << 20 if isinstance(value, int) else 0
    if size_bytes <= 0 or not re.fullmatch(r"[A-Za-z0-9_-]{1,20}", serial):
        raise ValueError(f"disks: {value}: want MiB, a text such as \"64M\", or {{ size_mib = 64, serial = \"store\" }}")
    return serial, size_bytes


def parse_group(folder: Path) -> Group:
    """Read a folder's group.toml, without its tests.  HeaderError if it is wrong."""
    path = folder / "group.toml"
    try:
        raw = tomllib.loads(path.read_text())
        unknown = sorted(set(raw) - GROUP_KEYS)
        if unknown:
            raise ValueError(f"unknown key {unknown[0]}")
        wanted = raw.get("disks", [])
        if len(wanted) > len(DISK_SERIALS):
            raise ValueError(f"disks: at most {len(DISK_SERIALS)}")
        disks = tuple(_disk(value, serial) for value, serial in zip(wanted, DISK_SERIALS))
        _serial, bar_bytes = _disk(raw["bar"], "bar") if "bar" in raw else ("", 0)
        if raw.get("um") and (disks or bar_bytes):
            raise ValueError("um: a group with disks or a bar cannot run there")
        if raw.get("um") and raw.get("counted"):
            raise ValueError("um: nothing counts instructions there")
        if raw.get("manager", "") not in ("", *MANAGERS):
            raise ValueError(f"manager: want one of {' '.join(MANAGERS)}")
        return Group(name=folder.name, what=str(raw.get("what", "")), memory_mib=int(raw.get("memory_mib", 256)),
                     cpus=int(raw.get("cpus", 2)), disks=disks,
                     tools=tuple(map(str, raw.get("tools", []))), modules=tuple(map(str, raw.get("modules", []))),
                     kernels=_kernels(" ".join(map(str, raw["kernels"]))) if raw.get("kernels") else (),
                     um=bool(raw.get("um", False)), debug=bool(raw.get("debug", True)), bar_bytes=bar_bytes,
                     boot=str(raw.get("boot", "")), manager=str(raw.get("manager", "")),
                     counted=bool(raw.get("counted", False)), programs=tuple(map(str, raw.get("programs", []))))
    except (OSError, ValueError, TypeError) as error:
        raise HeaderError(f"tests/{folder.name}/group.toml: {error}") from None


def why_not(test: Test, group: Group, kernel: str) -> str:
    """Why a test does not run on a kernel; empty if it does.  A series names all kernels that are made from it."""
    this = kernels.KERNELS[kernel]
    for names in (test.kernels, group.kernels):
        if names and this.name not in names and this.series not in names:
            return f"only for {' '.join(names)}"
    named = this.name in test.kernels + group.kernels
    if this.uml and not group.um and not named:
        return "its group.toml has no um = true"
    if this.builtin and not named:
        return "abuse is built in there"
    if this.ours and not this.uml and not group.debug and not named:
        return "its group.toml says debug = false"
    if test.variant == "kunit" and not this.kunit:
        return "that kernel has no KUnit"
    for name, reason in test.not_on:
        if name == this.name:
            return reason
    return ""


def breakable(module_folder: Path) -> set[str]:
    """What the busted module can break."""
    text = "".join(path.read_text(errors="replace") for path in sorted(module_folder.glob("*.c")))
    return set(re.findall(r'abuse_busted\("([^"]+)"\)', text))


def groups_of(tests_folder: Path) -> list[Path]:
    """The folders that are groups, by name."""
    return sorted(path.parent for path in tests_folder.glob("*/group.toml"))


def sources_of(folder: Path) -> list[Path]:
    """The tests of a group, by name.  HeaderError if two have the same."""
    sources = sorted([*folder.glob("*.c"), *folder.glob("*.sh")], key=lambda path: path.stem)
    for one, other in zip(sources, sources[1:]):
        if one.stem == other.stem:
            raise HeaderError(f"tests/{folder.name}: {one.name} and {other.name} have the same name")
    return sources


def selects(selector: str, label: str) -> bool:
    """Whether "tests/ioctl", "ioctl/errors", "ioctl/err" or a source's path selects the test `label`."""
    wanted = selector.removeprefix("./").removeprefix("tests/").rstrip("/")
    wanted = re.sub(r"\.(c|sh)$", "", wanted)
    # A group's name selects that group only; part of a test's name selects all that begin so.
    return label == wanted or label.startswith(wanted + "/") or ("/" in wanted and label.startswith(wanted)) \
        or wanted in ("", ".", "tests")


def select(tests_folder: Path, selectors: list[str], *, self_test: bool = False) -> list[Group]:
    """The groups with those of their tests that are selected.

    HeaderError if a selected test's header is wrong, or a selector selects nothing.
    """
    known = breakable(tests_folder.parent / "module")
    groups: list[Group] = []
    used: set[str] = set()
    for folder in groups_of(tests_folder):
        if (folder.name == SELF) != self_test:
            continue
        chosen: list[Test] = []
        for source in sources_of(folder):
            hits = {selector for selector in selectors if selects(selector, f"{folder.name}/{source.stem}")}
            used |= hits
            if hits or not selectors:
                chosen.append(parse_test(source, known))
        if chosen:
            group = parse_group(folder)
            groups.append(Group(**{**group.__dict__, "tests": tuple(chosen)}))
    for selector in selectors:
        if selector not in used:
            raise HeaderError(f"{selector} selects no test: tests/run --list shows them")
    return groups
