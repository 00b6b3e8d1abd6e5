# SPDX-License-Identifier: GPL-2.0-only
"""What both ways to a kernel share: the shape of build/kernels/<name>, its modules, and how a program of the lab ends.

Stands below vm-images/kernel (Debian's kernels, unpacked) and vm-images/kernel-source (our own, built). A finished tree
has an image, config, release, manifest.json, modules/lib/modules/<release>/ and headers/, and appears in one step.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
BUILD = TOP / "build"
DEBS = BUILD / "debs"
KERNELS = BUILD / "kernels"
MODULES_TXT = TOP / "vm-images" / "modules.txt"

EPILOG = """\
exit: 0 done or nothing to do, 1 failed, 2 usage, 3 apt's lists are missing or lack the series,
      4 the archive is out of reach or no longer has a version, 5 no disk space
"""


def say(program: str, message: str) -> None:
    print(f"{program}: {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Alone while it lasts. Children keep the lock: a killed run's last tar, apt-get or make is waited for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        os.set_inheritable(stream.fileno(), True)
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def read_manifest(tree: Path, layout: int) -> dict | None:
    """The manifest of a finished tree made by this layout, or None."""
    try:
        manifest = json.loads((tree / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    return manifest if manifest.get("layout") == layout else None


def parse_modules(text: str) -> list[tuple[str, bool]]:
    """(name, optional) of each line of modules.txt."""
    names = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [(name.rstrip("?"), name.endswith("?")) for name in names if name]


def unpack(deb: Path, target: Path, *members: str) -> None:
    """Unpack a package, or the named members of it, below target. Raises OSError."""
    import subprocess

    # dpkg-deb -x would do, but as root it gives the files to the package's owners.
    target.mkdir(parents=True, exist_ok=True)
    # close_fds: they inherit the lock.
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE, close_fds=False) as source:
        command = ["tar", "-x", "--no-same-owner", "--no-same-permissions", "-C", target, *members]
        tar = subprocess.run(command, stdin=source.stdout, close_fds=False, check=False)
    if source.returncode or tar.returncode:
        raise OSError(f"{deb} could not be unpacked: no space left, or the file is damaged (delete it then)")


def only(root: Path, *patterns: str) -> Path:
    """The one path under root that matches; patterns are tried in order. Raises OSError when there is none or several."""
    for pattern in patterns:
        found = sorted(path for path in root.glob(pattern) if not path.is_symlink())
        if len(found) == 1:
            return found[0]
        if found:
            raise OSError(f"{pattern} is not unique in the package")
    raise OSError(f"the package has no {patterns[0]}: Debian changed its layout, mend vm-images/kernel")


def keep_modules(source: Path, target: Path, wanted: list[tuple[str, bool]]) -> dict[str, object]:
    """Move the wanted modules and all they depend on from source (…/lib/modules/<release>) to target; index them.

    Returns what the manifest says about them. Raises OSError when a name without '?' is neither a module nor built in.
    """
    import subprocess

    def plain(name: str) -> str:
        return name.replace("-", "_")

    files = {plain(path.name.partition(".ko")[0]): path for path in source.glob("kernel/**/*.ko*")}
    builtin = {plain(Path(line).stem) for line in (source / "modules.builtin").read_text().split()}

    found: dict[str, str] = {}
    closure: set[str] = set()
    todo: list[str] = []
    for name, optional in wanted:
        if plain(name) in files:
            found[name] = "module"
            todo.append(plain(name))
        elif plain(name) in builtin:
            found[name] = "builtin"
        elif optional:
            found[name] = "missing"
        else:
            raise OSError(f"modules.txt: this kernel has no module {name} (write {name}? if that is all right)")
    while todo:
        name = todo.pop()
        if name in closure:
            continue
        closure.add(name)
        depends = subprocess.run(
            ["modinfo", "-F", "depends", files[name]], stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()
        todo += [plain(other) for other in depends.split(",") if other]

    for path in sorted(files[name] for name in closure):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        path.rename(copy)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        (source / name).rename(target / name)
    subprocess.run(["depmod", "-b", target.parents[2], target.name], check=True)
    return {"wanted": found, "files": sorted(closure)}


def recover(name: str) -> None:
    """Put back the old tree of a run that died between taking it away and putting the new one there."""
    tree, old = KERNELS / name, KERNELS / f".old-{name}"
    if old.exists() and not tree.exists():
        old.rename(tree)


def finish(name: str, new: Path, manifest: dict) -> None:
    """Write the manifest into the new tree and put it in place of the old one. Says what came of it."""
    tree, old = KERNELS / name, KERNELS / f".old-{name}"
    (new / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    if tree.exists():
        tree.rename(old)
    new.rename(tree)
    shutil.rmtree(old, ignore_errors=True)


def lacking(manifest: dict) -> str:
    """The optional modules that a tree has not, in words."""
    names = [name for name, state in manifest["modules"]["wanted"].items() if state == "missing"]
    return f" (without {', '.join(names)})" if names else ""


def status_of(program: str, work: Callable[[], None]) -> int:
    """Do the work; the exit status, after a line on stderr for each way in which it can fail."""
    try:
        work()
        return 0
    except KeyboardInterrupt:
        say(program, "interrupted; run it again to go on")
        return 130
    except Exception as error:
        # Imported here: when there is nothing to do, it is quicker without.
        import errno
        import subprocess

        import archive

        if isinstance(error, archive.ArchiveError):
            say(program, str(error))
            return error.status
        if isinstance(error, FileNotFoundError) and "/" not in str(error.filename):
            say(program, f"{error.filename} is missing: run vm-images/deps")  # a program
            return archive.EXIT_FAILED
        if isinstance(error, subprocess.CalledProcessError):
            say(program, f"{error.cmd[0]} failed with {error.returncode}")
            return archive.EXIT_FAILED
        if isinstance(error, OSError):
            say(program, str(error))
            return archive.EXIT_SPACE if error.errno == errno.ENOSPC else archive.EXIT_FAILED
        raise
