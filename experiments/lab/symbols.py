# SPDX-License-Identifier: GPL-2.0-only
"""Names of a kernel's functions and variables for gdb, where no vmlinux is at hand: from the kernel's own mouth.

Where it stands: replay > [symbols] > vm.  Debian's kernels come without symbols, and the package that has them is a gigabyte;
but a guest has /proc/kallsyms.  What comes of it is an ELF file with a table of symbols and nothing else: names and
addresses, no types, no lines, no way to unwind a stack.  Good for a kernel with nokaslr alone, as counted guests are.
"""
from __future__ import annotations

import os
import struct
import sys
import tempfile
from pathlib import Path

from .vm import REPO, Guest, LabError

sys.path.insert(0, str(REPO / "vm-images"))
import cpio  # noqa: E402 (found through the line above)

JOB = "#!/bin/busybox sh\ncat /proc/kallsyms >/dev/port/files\n"
BOOT_S = 180.0
# The kernel's text and data with nokaslr; modules lie above, and move from boot to boot.
LOW, HIGH = 0xFFFFFFFF80000000, 0xFFFFFFFFC0000000
FUNCTIONS = "tTwW"


def parse(text: str) -> list[tuple[int, str, str]]:
    """(address, letter, name) of what lies in the kernel itself, by address."""
    found = []
    for line in text.splitlines():
        words = line.split()
        # A fourth word is a module's name.
        if len(words) == 3 and LOW <= int(words[0], 16) < HIGH:
            found.append((int(words[0], 16), words[1], words[2]))
    return sorted(found)


def elf(symbols: list[tuple[int, str, str]]) -> bytes:
    """A 64-bit ELF file for x86-64 with these symbols, each as long as it is to the next."""
    start, end = symbols[0][0], symbols[-1][0] + 16
    names, table = bytearray(b"\0"), bytearray(24)
    for at, (address, letter, name) in enumerate(symbols):
        after = symbols[at + 1][0] if at + 1 < len(symbols) else end
        kind = 2 if letter in FUNCTIONS else 1  # STT_FUNC, STT_OBJECT
        # All are STB_LOCAL: those would have to come first.
        table += struct.pack("<IBBHQQ", len(names), kind, 0, 1, address, after - address)
        names += name.encode() + b"\0"
    section_names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0"
    table_at = 64
    names_at = table_at + len(table)
    section_names_at = names_at + len(names)
    headers_at = section_names_at + len(section_names) + -(section_names_at + len(section_names)) % 8

    def header(name: bytes, kind: int, flags: int, address: int, at: int, size: int, link: int = 0, info: int = 0, entry: int = 0) -> bytes:
        return struct.pack("<IIQQQQIIQQ", section_names.index(name + b"\0"), kind, flags, address, at, size, link, info, 8, entry)

    headers = bytes(64)
    headers += header(b".text", 8, 6, start, table_at, end - start)  # NOBITS: the guest has it
    headers += header(b".symtab", 2, 0, 0, table_at, len(table), 3, len(table) // 24, 24)
    headers += header(b".strtab", 3, 0, 0, names_at, len(names))
    headers += header(b".shstrtab", 3, 0, 0, section_names_at, len(section_names))
    top = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, headers_at, 0, 64, 0, 0, 64, 5, 4)
    body = top + bytes(table) + bytes(names) + section_names
    return body + bytes(headers_at - len(body)) + headers


def of_kernel(series: str) -> Path:
    """build/kernels/SERIES/symbols.elf, asked of a guest once.  LabError."""
    folder = REPO / "build" / "kernels" / series
    path, kernel = folder / "symbols.elf", folder / "vmlinuz"
    if path.is_file() and path.stat().st_mtime >= kernel.stat().st_mtime:
        return path
    with tempfile.TemporaryDirectory(prefix="abuse-symbols.") as name:
        work = Path(name)
        cpio.write_cpio(work / "job.cpio", [cpio.Entry.file("/job/run", JOB, 0o755)])
        text = ""
        with Guest(kernel=kernel, initrds=[REPO / "build" / "images" / f"{series}-base.cpio", work / "job.cpio"], workdir=work,
                   append="nokaslr") as guest:
            for event in guest.events(BOOT_S):
                if event.kind == "files" and (got := event.payload.read_text(errors="replace")).count("\n") > 1000:
                    text = got
                    break
        symbols = parse(text)
        if not symbols:
            raise LabError(f"the kernel {series} did not tell its symbols")
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(elf(symbols))
        os.replace(partial, path)
    return path
