#!/usr/bin/env python3
"""Deterministic writer (and reader) of "newc" cpio archives: the guest's initramfs.

Stands between image files on the host and the kernel's unpacker. Receives a list of Entry, hands on one file;
the same entries give the same bytes, whoever runs it and when: no times, owners or inode numbers of the host.
It does not compress, does not follow links of the host, and needs no root (device nodes are only headers).
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 512  # archives are padded to this, so that concatenated ones start aligned
MAX_FILE_BYTES = 0xFFFFFFFF  # newc has eight hex digits for a size
MAGIC = b"070701"
HEADER_BYTES = 110
TRAILER = "TRAILER!!!"
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Entry:
    """One member of an archive.

    path    where it goes in the guest, absolute or relative: "/bin/agent" and "bin/agent" are the same
    mode    type and permission bits as in st_mode; use the constructors below
    data    content of a file (bytes), or target of a symlink; empty otherwise
    source  host file to take the content from instead of data
    device  (major, minor) of a device node
    """

    path: str
    mode: int
    data: bytes = b""
    source: Path | None = None
    device: tuple[int, int] = (0, 0)

    @staticmethod
    def directory(path: str, permissions: int = 0o755) -> Entry:
        return Entry(path, stat.S_IFDIR | permissions)

    @staticmethod
    def file(path: str, content: bytes | str | Path, permissions: int = 0o644) -> Entry:
        """A regular file; content is bytes, text, or the Path of a host file."""
        if isinstance(content, Path):
            return Entry(path, stat.S_IFREG | permissions, source=content)
        if isinstance(content, str):
            content = content.encode()
        return Entry(path, stat.S_IFREG | permissions, content)

    @staticmethod
    def symlink(path: str, target: str) -> Entry:
        return Entry(path, stat.S_IFLNK | 0o777, target.encode())

    @staticmethod
    def character(path: str, major: int, minor: int, permissions: int = 0o600) -> Entry:
        return Entry(path, stat.S_IFCHR | permissions, device=(major, minor))


def clean_path(path: str) -> str:
    """Path as stored: relative, normalised. Raises ValueError for the root itself and for what leaves it."""
    clean = posixpath.normpath(path.lstrip("/"))
    if clean == "." or clean == ".." or clean.startswith("../") or clean == TRAILER or "\0" in clean:
        raise ValueError(f"not a path inside the image: {path!r}")
    return clean


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """Entries with clean paths, sorted so that parents come first, missing parents added as 0755 directories.

    Raises ValueError when two entries want the same path (equal directories are one), or when a parent is no
    directory: the kernel would silently let the later one win.
    """
    by_path: dict[str, Entry] = {}
    for entry in entries:
        path = clean_path(entry.path)
        entry = Entry(path, entry.mode, entry.data, entry.source, entry.device)
        if path in by_path and not (stat.S_ISDIR(entry.mode) and by_path[path] == entry):
            raise ValueError(f"two entries for /{path}")
        by_path[path] = entry
    for path in list(by_path):
        parent = posixpath.dirname(path)
        while parent:
            above = by_path.setdefault(parent, Entry.directory(parent))
            if not stat.S_ISDIR(above.mode):
                raise ValueError(f"/{path} lies under /{parent}, which is no directory")
            parent = posixpath.dirname(parent)
    return [by_path[path] for path in sorted(by_path)]


def _header(inode: int, entry: Entry, size: int, name: bytes) -> bytes:
    """One header with its name, padded. inode numbers count up from 1; nlink 1 keeps the kernel from looking for links."""
    fields = (
        inode,
        entry.mode,
        0,  # uid
        0,  # gid
        2 if stat.S_ISDIR(entry.mode) else 1,  # nlink
        0,  # mtime
        size,
        0,
        0,  # device that holds the file
        *entry.device,
        len(name) + 1,
        0,  # check
    )
    raw = MAGIC + b"".join(b"%08X" % field for field in fields) + name + b"\0"
    return raw + b"\0" * (-len(raw) % 4)


def _copy(out: BinaryIO, source: Path, size: int) -> None:
    left = size
    with source.open("rb") as stream:
        while left:
            chunk = stream.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise ValueError(f"{source} shrank while it was read")
            out.write(chunk)
            left -= len(chunk)
        if stream.read(1):
            raise ValueError(f"{source} grew while it was read")


def write_cpio(path: str | Path, entries: Iterable[Entry]) -> int:
    """Write the archive through a temporary file next to it, so that path is whole or as before; return its size in bytes.

    Raises ValueError for entries that contradict each other, OSError for files that cannot be read or written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as out:
            for inode, entry in enumerate(arrange(entries), 1):
                size = len(entry.data)
                if entry.source is not None:
                    info = entry.source.stat()
                    if not stat.S_ISREG(info.st_mode):
                        raise ValueError(f"{entry.source} is no regular file")
                    size = info.st_size
                if size > MAX_FILE_BYTES:
                    raise ValueError(f"{entry.path} is too large for a cpio archive: {size} bytes")
                out.write(_header(inode, entry, size, os.fsencode(entry.path)))
                if entry.source is not None:
                    _copy(out, entry.source, size)
                else:
                    out.write(entry.data)
                out.write(b"\0" * (-size % 4))
            out.write(_header(0, Entry(TRAILER, 0), 0, TRAILER.encode()))
            out.write(b"\0" * (-out.tell() % BLOCK_BYTES))
            size = out.tell()
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return size


def read_cpio(path: str | Path) -> Iterator[Entry]:
    """The members of one archive or of several concatenated ones, in order, contents in memory. ValueError if it is damaged."""
    raw = Path(path).read_bytes()
    at = 0
    while at < len(raw):
        if raw[at] == 0:  # padding between archives
            at += 4
            continue
        if raw[at : at + 6] != MAGIC:
            raise ValueError(f"{path}: no cpio header at byte {at}")
        fields = [int(raw[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        name = os.fsdecode(raw[at + HEADER_BYTES : at + HEADER_BYTES + fields[11] - 1])
        start = at + HEADER_BYTES + fields[11]
        start += -start % 4
        end = start + fields[6]
        if end > len(raw):
            raise ValueError(f"{path}: {name} is cut off")
        if name != TRAILER:
            yield Entry(name, fields[1], raw[start:end], None, (fields[9], fields[10]))
        at = end + -end % 4
