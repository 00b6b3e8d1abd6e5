# SPDX-License-Identifier: GPL-2.0-only
"""A small Debian in a folder, made of the files of packages that are installed here, to run programs in.

Where it stands: [host], for test_install_root.py.  It is clean: it has what packages ship, and nothing that this machine has
besides.  No network, no root (a user namespace does where there is none), a second or two, some 220 MB while it is there.
"""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

# What a shell script wants; with it comes all that these depend on.
BASE = ("base-files", "bash", "coreutils", "dash", "grep", "libc-bin", "sed")
# Not looked at by any program in there.
LEFT_OUT = ("/usr/share/doc/", "/usr/share/locale/", "/usr/share/man/", "/usr/share/info/", "/usr/share/lintian/")
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")  # links to usr/ on Debian 12
# As base-files makes them after it was unpacked.
FOLDERS = ("dev", "etc", "proc", "root", "sys", "tmp", "var/tmp", *(f"usr/local/{name}" for name in
           ("bin", "etc", "games", "include", "lib", "sbin", "share", "src")))
# A root of its own, of a namespace.
ALONE = ("unshare", "--mount", "--map-root-user")
# Files of programs about themselves, which are made anew whenever they run.
CACHES = re.compile(r"var/cache/ldconfig(/|$)|tmp(/|$)|root/")


class CleanRootError(Exception):
    """One line that says what to do."""


def closure(names: Iterable[str]) -> list[str]:
    """These packages and all that they depend on, as they are installed here."""
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}\t${Package}\t${Pre-Depends}, ${Depends}\t${Provides}\n"],
                           capture_output=True, text=True, check=True).stdout
    depends: dict[str, str] = {}
    provides: dict[str, str] = {}
    for line in shown.splitlines():
        status, package, needs, gives = line.split("\t")
        if status != "installed":
            continue
        depends[package] = needs
        for word in gives.split(","):
            provides.setdefault(word.split("(")[0].strip(), package)
    found: set[str] = set()
    wanted = list(names)
    while wanted:
        name = wanted.pop()
        package = name if name in depends else provides.get(name, "")
        if not package:
            raise CleanRootError(f"package {name} is not installed: make deps")
        if package in found:
            continue
        found.add(package)
        for group in depends[package].split(","):
            choices = [re.split(r"[ (:]", choice.strip())[0] for choice in group.split("|")]
            # The first that is there; none: one that nobody has misses nothing.
            wanted += next(([choice] for choice in choices if choice and (choice in depends or choice in provides)), [])
    return sorted(found)


class CleanRoot:
    """A folder that is there, and empty; make() fills it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        # By what changes with the content: of thousands of files most are read once.
        self.hashes: dict[tuple[int, ...], str] = {}

    @staticmethod
    def is_possible() -> bool:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0

    def make(self, *packages: str) -> None:
        names = closure([*BASE, *packages])
        shown = subprocess.run(["dpkg-query", "-L", *names], capture_output=True, text=True, check=True).stdout
        for name in MERGED:
            if Path("/", name).is_symlink():
                (self.path / "usr" / name).mkdir(parents=True, exist_ok=True)
                (self.path / name).symlink_to(f"usr/{name}")
        for name in FOLDERS:
            (self.path / name).mkdir(parents=True, exist_ok=True)
        for line in sorted(set(shown.splitlines())):
            if line.startswith("/") and not line.startswith(LEFT_OUT):
                self.copy(Path(line))
        self.alternatives()
        (self.path / "dev/null").touch()  # to be covered by the real one
        (self.path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\n")
        (self.path / "etc/group").write_text("root:x:0:\n")
        self.run("ldconfig", check=True)

    def copy(self, source: Path) -> None:
        """One file or folder of a package, from its place to the same place."""
        if not source.exists() and not source.is_symlink():
            return
        target = self.path / str(source.parent.resolve())[1:] / source.name
        if source.is_symlink():
            if not target.is_symlink() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(os.readlink(source))
        elif source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            os.chmod(target, stat.S_IMODE(source.stat().st_mode) & 0o777)

    def alternatives(self) -> None:
        """Names like awk that packages give to one of theirs when they are installed, as they are given here."""
        for folder in ("usr/bin", "usr/sbin"):
            for link in Path("/", folder).iterdir():
                target = str(link.resolve())[1:]
                if os.path.islink(link) and os.readlink(link).startswith("/etc/alternatives/") and (self.path / target).is_file():
                    (self.path / folder / link.name).symlink_to(f"/{target}")

    def run(self, *command: str, check: bool = False, path: str = "/usr/sbin:/usr/bin", mounts: Iterable[tuple[Path, str]] = (),
            **environment: str) -> subprocess.CompletedProcess[str]:
        """A program in there, as root of a namespace of its own: it can change what lies in there, and nothing of this machine.

        It sees none of this machine's variables, and of its files /dev/null and what mounts names (place here, place there), to be
        read only.
        """
        steps = ['mount --bind /dev/null "$0/dev/null"']
        for _, inside in mounts:
            (self.path / inside.lstrip("/")).mkdir(parents=True, exist_ok=True)
            # Flags that the mount may have here and must not lose in there.
            flags = "ro,nosuid,nodev" + (",noexec" if inside == "/proc" else "")
            steps.append(f'mount --rbind "$1" "$0{inside}"; mount -o remount,bind,{flags} "$0{inside}"; shift')
        steps.append('exec chroot "$0" "$@"')
        done = subprocess.run([*ALONE, "bash", "-euc", "; ".join(steps), str(self.path),
                               *(str(outside) for outside, _ in mounts), "env", "-i", f"PATH={path}", "LC_ALL=C.UTF-8", "HOME=/root",
                               *(f"{key}={value}" for key, value in environment.items()), *command],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise CleanRootError(f"{' '.join(command)}: status {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def state(self) -> dict[str, str]:
        """All that is in there: path to kind, mode and content (sha256, or where a link leads)."""
        found = {}
        for path in self.path.rglob("*"):
            name = str(path.relative_to(self.path))
            if CACHES.match(name):
                continue
            if path.is_symlink():
                found[name] = f"link {os.readlink(path)}"
                continue
            mode = oct(stat.S_IMODE(path.stat().st_mode))
            if path.is_dir():
                found[name] = f"folder {mode}"
            else:
                found[name] = f"file {mode} {self.hash(path)}"
        return found

    def hash(self, path: Path) -> str:
        status = path.stat()
        key = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if key not in self.hashes:
            self.hashes[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self.hashes[key]


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """What is not as it was, one a line."""
    return [*(f"missing: {name}" for name in sorted(before.keys() - after.keys())),
            *(f"left over: {name}" for name in sorted(after.keys() - before.keys())),
            *(f"changed: {name}" for name in sorted(before.keys() & after.keys()) if before[name] != after[name])]
