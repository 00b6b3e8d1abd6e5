#!/usr/bin/env python3
"""Finds and fetches Debian kernel packages through apt: versions, choice, lock files, verified downloads.

Stands between the host's apt (its lists name versions and sha256) and vm-images/kernel, which unpacks what this hands
on. It installs nothing, needs no root, and never refreshes apt's lists: vm-images/deps and apt-get update do.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path

EXIT_FAILED = 1  # anything without a number of its own
EXIT_LISTS = 3  # apt's lists are missing or do not know the series
EXIT_ARCHIVE = 4  # the archive cannot be reached, or no longer has a version
EXIT_SPACE = 5  # not enough room on the disk


class ArchiveError(Exception):
    """One line for the user that says what to do; status is the exit code."""

    def __init__(self, message: str, status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Package:
    """One version of a package as apt's lists describe it. size_bytes and file_name are 0 and "" when they do not know it."""

    name: str
    version: str
    sha256: str
    size_bytes: int = 0
    file_name: str = ""
    depends: str = ""

    def manifest(self) -> dict[str, str]:
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


# Versions, as Debian policy 5.6.12 orders them. In Python, because a comparison through dpkg costs a process.


def _weight(char: str) -> int:
    """Place of a non-digit: ~ before the end of the string (0), letters before the rest."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 256


def _compare_part(left: str, right: str) -> int:
    while left or right:
        left_text, right_text = re.match(r"\D*", left)[0], re.match(r"\D*", right)[0]  # type: ignore[index]
        left, right = left[len(left_text) :], right[len(right_text) :]
        weights_left = [_weight(char) for char in left_text] + [0]
        weights_right = [_weight(char) for char in right_text] + [0]
        if weights_left != weights_right:
            return -1 if weights_left < weights_right else 1
        left_digits, right_digits = re.match(r"\d*", left)[0], re.match(r"\d*", right)[0]  # type: ignore[index]
        left, right = left[len(left_digits) :], right[len(right_digits) :]
        difference = int(left_digits or 0) - int(right_digits or 0)
        if difference:
            return -1 if difference < 0 else 1
    return 0


def compare_versions(left: str, right: str) -> int:
    """Negative, 0 or positive as left is older than, the same as or newer than right."""

    def split(version: str) -> tuple[int, str, str]:
        epoch, colon, rest = version.partition(":")
        if not colon:
            epoch, rest = "0", version
        upstream, dash, revision = rest.rpartition("-")
        return (int(epoch), upstream, revision) if dash else (int(epoch), rest, "")

    left_epoch, *left_parts = split(left)
    right_epoch, *right_parts = split(right)
    if left_epoch != right_epoch:
        return -1 if left_epoch < right_epoch else 1
    for ours, theirs in zip(left_parts, right_parts):
        order = _compare_part(ours, theirs)
        if order:
            return order
    return 0


def newest_first(packages: Iterable[Package]) -> list[Package]:
    return sorted(packages, key=cmp_to_key(lambda a, b: compare_versions(a.version, b.version)), reverse=True)


# What apt knows.


def parse_show(text: str) -> list[Package]:
    """Packages in the output of "apt-cache show"; installed versions that no archive offers are left out (no SHA256)."""
    packages = []
    for stanza in re.split(r"\n\s*\n", text):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): *(.*)$", stanza, re.MULTILINE))
        if "Package" in fields and "Version" in fields and "SHA256" in fields:
            packages.append(
                Package(
                    fields["Package"],
                    fields["Version"],
                    fields["SHA256"],
                    int(fields.get("Size", 0)),
                    os.path.basename(fields.get("Filename", "")),
                    fields.get("Depends", ""),
                )
            )
    return packages


def image_names(series: str, names: Iterable[str]) -> list[str]:
    """Names of the series' signed images of the plain amd64 flavour.

    An ABI name starts with the series and a point ("6.12.117+deb12", "6.1.0-56", "6.1.0-0.deb11.5"): a metapackage
    ("linux-image-6.12-amd64") has none. A flavour (rt, cloud) starts with a letter after a dash, and dbg, unsigned and
    templates follow "amd64": neither fits.
    """
    abi = re.escape(series) + r"\.\d[0-9A-Za-z.+~]*(?:-\d[0-9A-Za-z.+~]*)*"
    pattern = re.compile(rf"linux-image-{abi}-amd64")
    return [name for name in names if pattern.fullmatch(name)]


def known_series(names: Iterable[str]) -> list[str]:
    """Every series with an image, for the message when the one asked for is not among them."""
    found = set()
    for name in names:
        match = re.match(r"linux-image-(\d+\.\d+)\.", name)
        if match and image_names(match[1], [name]):
            found.add(match[1])
    return sorted(found, key=lambda series: [int(part) for part in series.split(".")])


def header_names(depends: str) -> list[str]:
    """Names of the "common" and "kbuild" packages among the Depends of a headers package."""
    names = [part.split()[0] for part in re.split(r"[,|]", depends) if part.strip()]
    wanted = re.compile(r"linux-headers-\S+-common|linux-kbuild-\S+")
    return [name for name in names if wanted.fullmatch(name)]


def choose(series: str, names: Iterable[str], show: Callable[[list[str]], list[Package]]) -> list[Package]:
    """The newest complete set of a series: image, headers, common, kbuild, all of one version.

    names  every package name apt knows that starts with linux-image-
    show   gives the Packages of a list of names (parse_show of apt-cache show)
    A newest image whose headers have not reached the archive yet is passed over. Raises ArchiveError when nothing fits.
    """
    names = list(names)
    candidates = image_names(series, names)
    if not candidates:
        there = ", ".join(known_series(names)) or "no kernel at all"
        raise ArchiveError(
            f"apt's lists have no amd64 image of series {series} (they have: {there}); is it spelt like 6.12, are the "
            "lists up to date (apt-get update), is its suite among the sources?",
            EXIT_LISTS,
        )
    for image in newest_first(show(candidates)):
        headers_name = image.name.replace("linux-image-", "linux-headers-", 1)
        headers = [p for p in show([headers_name]) if p.name == headers_name and p.version == image.version]
        if not headers:
            continue
        others = header_names(headers[0].depends)
        known = newest_first(show(others)) if others else []
        chosen = [image, headers[0]]
        for name in others:
            # The same version where there is one: kbuild of a series is asked for as "at least".
            fitting = [p for p in known if p.name == name and p.version == image.version]
            chosen += (fitting or [p for p in known if p.name == name and compare_versions(p.version, image.version) > 0])[:1]
        if len(chosen) == 2 + len(others) and len(others) == 2:
            return chosen
    raise ArchiveError(
        f"apt's lists have images of {series} but not their headers: apt-get update, then again", EXIT_LISTS
    )


def _run(command: list[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of apt's programs in the C locale, whose messages this module reads."""
    try:
        return subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | {"LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            close_fds=False,  # inherits the lock of vm-images/kernel: a killed run's apt-get is waited for
            check=False,
        )
    except FileNotFoundError:
        raise ArchiveError(f"this host has no {command[0]}: kernels come from a Debian host's archive") from None


def apt_names() -> list[str]:
    """Names of all kernel image packages. Raises ArchiveError when apt has no lists."""
    names = _run(["apt-cache", "pkgnames", "linux-image-"]).stdout.split()
    if not names:
        raise ArchiveError("apt has no package lists: run apt-get update as root, then this again", EXIT_LISTS)
    return names


def apt_show(names: list[str]) -> list[Package]:
    """All versions of the named packages; unknown names are left out."""
    return parse_show(_run(["apt-cache", "show", "--", *names]).stdout) if names else []


def resolve(series: str) -> list[Package]:
    return choose(series, apt_names(), apt_show)


# Lock files.

LOCK_HEAD = "# Exact kernel packages, written by vm-images/kernel --write-lock. A line: series package version sha256\n"


def read_lock(path: Path) -> dict[str, list[Package]]:
    """Packages of a lock file by series. Raises ArchiveError when it cannot be read."""
    locked: dict[str, list[Package]] = {}
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise ArchiveError(f"lock file {path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        fields = line.partition("#")[0].split()
        if not fields:
            continue
        if len(fields) != 4 or not re.fullmatch(r"[0-9a-f]{64}", fields[3]):
            raise ArchiveError(f"{path}:{number}: want: series package version sha256")
        locked.setdefault(fields[0], []).append(Package(fields[1], fields[2], fields[3]))
    return locked


def write_lock(path: Path, series: str, packages: list[Package]) -> None:
    """Put a series' packages into the lock file; those of other series stay."""
    locked = read_lock(path) if path.exists() else {}
    locked[series] = packages
    lines = [
        f"{key} {package.name} {package.version} {package.sha256}\n" for key in sorted(locked) for package in locked[key]
    ]
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(LOCK_HEAD + "".join(lines))
    temporary.replace(path)


# Downloads.


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def cached(package: Package, debs: Path) -> Path | None:
    """The file in debs that holds exactly this version, checked by its sha256, or None."""
    version = package.version.partition(":")[2] or package.version
    for path in sorted(debs.glob(f"{package.name}_{version}_*.deb")):
        if sha256_of(path) == package.sha256:
            return path
    return None


def _complaint(result: subprocess.CompletedProcess[str]) -> str:
    lines = [line[3:] for line in result.stderr.splitlines() if line.startswith("E: ")]
    return lines[0] if lines else f"apt-get ended with {result.returncode}"


def download(packages: list[Package], debs: Path, say: Callable[[str], None]) -> list[Path]:
    """Files of the packages, in their order, fetched into debs where they are not there yet, each checked by sha256.

    A file appears under its name only when it is whole and right; what is there already is not fetched again.
    Raises ArchiveError: a version that the archive lacks, an archive that cannot be reached, a wrong sha256.
    """
    debs.mkdir(parents=True, exist_ok=True)
    partial = debs / "partial"
    paths = []
    for package in packages:
        path = cached(package, debs)
        if path is None:
            path = _fetch(package, debs, partial, say)
        paths.append(path)
    shutil.rmtree(partial, ignore_errors=True)
    return paths


def _fetch(package: Package, debs: Path, partial: Path, say: Callable[[str], None]) -> Path:
    offered = [p for p in apt_show([package.name]) if p.name == package.name and p.version == package.version]
    if not offered:
        raise ArchiveError(
            f"the archive no longer has {package.name} {package.version} (per apt's lists): put its .deb into {debs}, "
            "or take the newest with --latest",
            EXIT_ARCHIVE,
        )
    if all(p.sha256 != package.sha256 for p in offered):
        raise ArchiveError(
            f"the archive's {package.name} {package.version} is another file than the locked one (sha256 differs)",
            EXIT_ARCHIVE,
        )
    say(f"downloading {package.name} {package.version} ({offered[0].size_bytes >> 20} MiB)")
    # A directory of its own: what apt leaves there when it is interrupted is never taken for a finished file.
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    # Sandbox::User: as root, apt would download as a user who may not write here, and warns about it.
    command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{package.name}={package.version}"]
    result = _run(command, partial)
    files = list(partial.glob("*.deb"))
    if result.returncode or len(files) != 1:
        raise ArchiveError(
            f"cannot download {package.name} {package.version}: {_complaint(result)}; is the network there, are apt's "
            "lists up to date (apt-get update)?",
            EXIT_ARCHIVE,
        )
    if sha256_of(files[0]) != package.sha256:
        raise ArchiveError(f"{files[0].name}: sha256 is not what apt's lists say; run this again", EXIT_ARCHIVE)
    return files[0].rename(debs / offered[0].file_name)
