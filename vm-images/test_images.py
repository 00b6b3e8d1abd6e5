#!/usr/bin/env python3
"""Quick host-side tests of the cpio writer and of the choice of a kernel version: no archive, no guest, no root.

Each states what would break. Run: python3 -m unittest discover -s vm-images
"""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.pycache_prefix = str(HERE.parent / "build" / "pycache")

import archive  # noqa: E402
import cpio  # noqa: E402
import tree  # noqa: E402
from archive import ArchiveError, Package, compare_versions  # noqa: E402
from cpio import Entry  # noqa: E402


def program(name: str) -> ModuleType:
    """One of the programs without a suffix, as a module."""
    loader = SourceFileLoader(f"program_{name}", str(HERE / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look there
    loader.exec_module(module)
    return module


class Versions(unittest.TestCase):
    def test_order_of_debian_policy(self) -> None:
        """Ten comes after nine, a tilde before nothing, an epoch before all: sorting as text gets each wrong."""
        ordered = [
            "6.1.0~rc1-1",
            "6.1.0-1",
            "6.1.9-1",
            "6.1.10-1",
            "6.12.9-1~deb12u1",
            "6.12.9-1",
            "6.12.117-1~bpo12+1",
            "6.12.117-1~deb12u1",
            "6.12.117-1~deb12u2",
            "6.12.117-1~deb12u10",
            "6.12.117-1",
            "6.12.117-1+b1",
            "1:1.0-1",
        ]
        for index, left in enumerate(ordered):
            for other, right in enumerate(ordered):
                sign = (index > other) - (index < other)
                self.assertEqual(compare_versions(left, right), sign, f"{left} {right}")

    def test_agrees_with_dpkg(self) -> None:
        pairs = [("1.0-1", "1.0"), ("1.0-0", "1.0"), ("1.0a", "1.0"), ("1.0+", "1.0a"), ("1.0~~", "1.0~"), ("01.0", "1.0"), ("0:1", "1")]
        for left, right in pairs:
            ours = compare_versions(left, right)
            relation = "lt" if ours < 0 else "gt" if ours > 0 else "eq"
            status = subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode
            self.assertEqual(status, 0, f"dpkg does not hold {left} {relation} {right}")


NAMES = """
linux-image-6.1.0-9-amd64 linux-image-6.1.0-10-amd64 linux-image-6.1.0-10-amd64-dbg linux-image-6.1.0-10-amd64-unsigned
linux-image-6.1.0-11-rt-amd64 linux-image-6.1.0-11-cloud-amd64 linux-image-6.1.0-12-amd64-unsigned
linux-image-6.1.0-0.deb11.5-amd64 linux-image-6.1-amd64 linux-image-amd64 linux-image-rt-amd64
linux-image-6.12-amd64 linux-image-6.12-amd64-dbg linux-image-6.12-rt-amd64 linux-image-6.12-amd64-signed-template
linux-image-6.12.9+deb12-amd64 linux-image-6.12.117+deb12-amd64 linux-image-6.12.117+deb12-rt-amd64
linux-image-6.12.118+deb12-cloud-amd64 linux-image-6.12.119+deb12-amd64-unsigned linux-image-6.12.120+deb12-amd64-dbg
linux-image-6.12.121+deb12-arm64 linux-image-6.12.118+deb12-amd64
""".split()


def stanza(name: str, version: str, depends: str = "") -> str:
    text = f"Package: {name}\nVersion: {version}\nInstalled-Size: 1\n"
    if depends:
        text += f"Depends: {depends}\n"
    return text + f"Description: Linux\n Version: 99 in a long description\nFilename: pool/{name}_1_amd64.deb\nSize: 42\nSHA256: {'0' * 64}\n\n"


def series_12(version: str, abi: str) -> str:
    return (
        stanza(f"linux-headers-{abi}-amd64", version, f"linux-base, linux-headers-{abi}-common (= {version}), linux-image-{abi}-amd64 (= {version}) | linux-image-{abi}-amd64-unsigned (= {version}), linux-kbuild-{abi}, gcc-12")
        + stanza(f"linux-headers-{abi}-common", version)
        + stanza(f"linux-kbuild-{abi}", version)
        + stanza(f"linux-image-{abi}-amd64", version)
    )


SHOW = (
    stanza("linux-image-6.1.0-9-amd64", "6.1.27-1")
    + stanza("linux-image-6.1.0-10-amd64", "6.1.37-1")
    + stanza("linux-image-6.1.0-10-amd64", "6.1.38-1")
    + stanza("linux-image-6.1.0-0.deb11.5-amd64", "6.1.12-1~bpo11+1")
    + stanza("linux-headers-6.1.0-10-amd64", "6.1.38-1", "linux-headers-6.1.0-10-common (= 6.1.38-1), linux-kbuild-6.1 (>= 6.1.38-1), linux-compiler-gcc-12-x86")
    + stanza("linux-headers-6.1.0-10-common", "6.1.38-1")
    + stanza("linux-kbuild-6.1", "6.1.37-1")
    + stanza("linux-kbuild-6.1", "6.1.192-2")
    + series_12("6.12.9-1~deb12u1", "6.12.9+deb12")
    + series_12("6.12.117-1~deb12u1", "6.12.117+deb12")
    # the newest has no headers yet; and one that is installed from nowhere
    + stanza("linux-image-6.12.118+deb12-amd64", "6.12.118-1~deb12u1")
    + "Package: linux-image-6.12.117+deb12-amd64\nStatus: install ok installed\nVersion: 6.12.999-1\n\n"
)


def show(names: list[str]) -> list[Package]:
    return [package for package in archive.parse_show(SHOW) if package.name in names]


class Choice(unittest.TestCase):
    def test_flavours_and_metapackages_are_no_candidates(self) -> None:
        self.assertEqual(
            sorted(archive.image_names("6.1", NAMES)),
            ["linux-image-6.1.0-0.deb11.5-amd64", "linux-image-6.1.0-10-amd64", "linux-image-6.1.0-9-amd64"],
        )
        self.assertEqual(
            sorted(archive.image_names("6.12", NAMES)),
            ["linux-image-6.12.117+deb12-amd64", "linux-image-6.12.118+deb12-amd64", "linux-image-6.12.9+deb12-amd64"],
        )

    def test_newest_with_headers_and_their_packages(self) -> None:
        """6.12.118 has no headers yet, 6.12.999 is in no archive, 6.12.9 is older although it sorts last as text."""
        chosen = [(package.name, package.version) for package in archive.choose("6.12", NAMES, show)]
        self.assertEqual(
            chosen,
            [
                (name, "6.12.117-1~deb12u1")
                for name in (
                    "linux-image-6.12.117+deb12-amd64",
                    "linux-headers-6.12.117+deb12-amd64",
                    "linux-headers-6.12.117+deb12-common",
                    "linux-kbuild-6.12.117+deb12",
                )
            ],
        )

    def test_ten_is_newer_than_nine_and_kbuild_may_be_newer_but_not_older(self) -> None:
        chosen = [(package.name, package.version) for package in archive.choose("6.1", NAMES, show)]
        self.assertEqual(
            chosen,
            [
                ("linux-image-6.1.0-10-amd64", "6.1.38-1"),
                ("linux-headers-6.1.0-10-amd64", "6.1.38-1"),
                ("linux-headers-6.1.0-10-common", "6.1.38-1"),
                ("linux-kbuild-6.1", "6.1.192-2"),
            ],
        )

    def test_unknown_series_names_those_that_are_there(self) -> None:
        with self.assertRaises(ArchiveError) as caught:
            archive.choose("6.13", NAMES, show)
        self.assertIn("6.1, 6.12", str(caught.exception))
        self.assertEqual(caught.exception.status, archive.EXIT_LISTS)


class Lock(unittest.TestCase):
    def test_written_series_stand_side_by_side(self) -> None:
        one, two = Package("a", "1:1.0-1~x", "1" * 64), Package("b", "2", "2" * 64)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "lock")
            archive.write_lock(path, "6.12", [one])
            archive.write_lock(path, "6.1", [two])
            archive.write_lock(path, "6.12", [two, one])
            self.assertEqual(archive.read_lock(path), {"6.1": [two], "6.12": [two, one]})

    def test_damaged_line_is_named(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "lock")
            path.write_text("# head\n6.12 a 1\n")
            with self.assertRaisesRegex(ArchiveError, "lock:2"):
                archive.read_lock(path)


class Cpio(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        self.out = self.directory / "out.cpio"

    def entries(self) -> list[Entry]:
        source = self.directory / "source"
        source.write_bytes(b"from the host")
        return [
            Entry.file("/bin/program", source, 0o755),
            Entry.file("/etc/empty", b""),
            *[Entry.file(f"/pad/{size}", b"x" * size) for size in range(1, 6)],
            Entry.symlink("/bin/link", "program"),
            Entry.character("/dev/console", 5, 1),
            Entry.directory("/tmp", 0o1777),
        ]

    def test_what_is_written_is_read_back(self) -> None:
        size = cpio.write_cpio(self.out, self.entries())
        self.assertEqual(size, self.out.stat().st_size)
        self.assertEqual(size % cpio.BLOCK_BYTES, 0)
        members = {entry.path: entry for entry in cpio.read_cpio(self.out)}
        self.assertEqual(members["bin/program"], Entry("bin/program", stat.S_IFREG | 0o755, b"from the host"))
        self.assertEqual(members["bin/link"].data, b"program")
        self.assertEqual(members["dev/console"].device, (5, 1))
        self.assertEqual(members["tmp"].mode, stat.S_IFDIR | 0o1777)
        self.assertEqual(members["pad/3"].data, b"xxx")

    def test_parents_come_first(self) -> None:
        """The kernel makes no directories by itself: a file before its directory is lost without a word."""
        cpio.write_cpio(self.out, [Entry.file("/a/b/c", b"1"), Entry.file("/a-b", b"2"), Entry.directory("/a", 0o700)])
        members = list(cpio.read_cpio(self.out))
        self.assertEqual([member.path for member in members], ["a", "a-b", "a/b", "a/b/c"])
        self.assertEqual(members[0].mode, stat.S_IFDIR | 0o700)

    def test_same_bytes_whatever_the_order_the_time_and_the_umask(self) -> None:
        cpio.write_cpio(self.out, self.entries())
        first = self.out.read_bytes()
        entries = list(reversed(self.entries()))
        os.utime(self.directory / "source", (1, 1))
        old = os.umask(0o077)
        try:
            cpio.write_cpio(self.out, entries)
        finally:
            os.umask(old)
        self.assertEqual(self.out.read_bytes(), first)

    def test_busted_twin_of_the_comparison(self) -> None:
        """A writer that let one bit of the host through would be seen by comparing bytes."""
        cpio.write_cpio(self.out, self.entries())
        first = self.out.read_bytes()
        cpio.write_cpio(self.out, [*self.entries()[:-1], Entry.directory("/tmp", 0o777)])
        self.assertNotEqual(self.out.read_bytes(), first)

    def test_contradictions_are_refused_and_leave_the_old_file(self) -> None:
        cpio.write_cpio(self.out, self.entries())
        first = self.out.read_bytes()
        for entries in (
            [Entry.file("/a", b"1"), Entry.file("a", b"2")],
            [Entry.file("/a", b"1"), Entry.file("/a/b", b"2")],
            [Entry.file("/../etc/passwd", b"")],
            [Entry.directory("/")],
            [Entry.file("/a", self.directory)],
        ):
            with self.assertRaises(ValueError):
                cpio.write_cpio(self.out, entries)
        with self.assertRaises(OSError):
            cpio.write_cpio(self.out, [Entry.file("/a", self.directory / "absent")])
        self.assertEqual(self.out.read_bytes(), first)
        self.assertEqual(sorted(path.name for path in self.directory.iterdir()), ["out.cpio", "source"])

    def test_concatenated_and_cut_off_archives(self) -> None:
        cpio.write_cpio(self.out, [Entry.file("/a", b"1")])
        raw = self.out.read_bytes()
        self.out.write_bytes(raw + raw)
        self.assertEqual([entry.path for entry in cpio.read_cpio(self.out)], ["a", "a"])
        self.out.write_bytes(raw[:112])
        with self.assertRaises(ValueError):
            list(cpio.read_cpio(self.out))


class Programs(unittest.TestCase):
    def test_modules_txt_is_understood(self) -> None:
        self.assertEqual(tree.parse_modules("a\n# c\n\nb? # why\n"), [("a", False), ("b", True)])
        names = dict(tree.parse_modules((HERE / "modules.txt").read_text()))
        self.assertEqual({name: names[name] for name in ("virtio_blk", "ublk_drv")}, {"virtio_blk": False, "ublk_drv": True})

    def test_an_option_that_does_not_take_is_named(self) -> None:
        source = program("kernel-source")
        wanted = source.options("# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\nCONFIG_D=n\nCONFIG_E=\"x y\"\n")
        self.assertEqual(wanted, {"CONFIG_B": "y", "CONFIG_C": "m", "CONFIG_D": "n", "CONFIG_E": '"x y"'})
        taken = source.options("CONFIG_B=y\nCONFIG_C=y\n# CONFIG_D is not set\nCONFIG_E=\"x y\"\n")
        self.assertEqual(source.refused(wanted, taken), ["CONFIG_C=m (is y)"])
        self.assertEqual(source.refused({"CONFIG_F": "y"}, taken), ["CONFIG_F=y (is n)"])

    def test_fragments_are_there_and_say_what_is_theirs(self) -> None:
        source = program("kernel-source")
        for kernel in source.OURS.values():
            wanted = source.wanted_options(kernel)
            self.assertEqual(wanted["CONFIG_LOCALVERSION"], f'"-abuse-{kernel.name}"')

    def test_overlay_takes_the_executable_bit_and_nothing_else(self) -> None:
        image = program("image")
        with tempfile.TemporaryDirectory() as directory:
            job = Path(directory, "job")
            (job / "sub").mkdir(parents=True)
            (job / "run").write_text("#!/bin/sh\n")
            (job / "run").chmod(0o700)
            (job / "sub" / "data").write_text("1")
            (job / "sub" / "data").chmod(0o600)
            entries = {e.path: e for e in image.overlay_entries([f"{job}=/job", f"{job}/run=/other:0640"], False)}
            self.assertEqual(stat.S_IMODE(entries["/job/run"].mode), 0o755)
            self.assertEqual(stat.S_IMODE(entries["/job/sub/data"].mode), 0o644)
            self.assertEqual(stat.S_IMODE(entries["/other"].mode), 0o640)
            for wrong in ("nothing", f"{job}=", f"{job}/run=/x:999", f"{job}/absent=/x"):
                with self.assertRaises(image.ImageError):
                    image.overlay_entries([wrong], False)

    def test_fetched_programs_are_not_installed(self) -> None:
        """A server that deps installed would run on the host; one in two tables would be of unknown origin."""
        image = program("image")
        installed = (HERE / "packages.txt").read_text()
        names = {line.partition("#")[0].strip() for line in installed.splitlines()}
        for name, about in image.FETCHED.items():
            self.assertNotIn(name, image.TOOLS)
            self.assertFalse({package for package in about.packages if "lib" not in package} & names)
            self.assertTrue(about.programs)


if __name__ == "__main__":
    unittest.main()
