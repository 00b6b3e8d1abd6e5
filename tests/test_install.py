# SPDX-License-Identifier: GPL-2.0-only
"""make install and make uninstall, into a folder; the units, the completion and dkms.conf that come out.

Where it stands: [host] > Makefile > swapserver/install.  Nothing outside of a temporary folder is touched: DESTDIR is always
set.  The programs are stand-ins if they have not been built; what they are linked with is looked at if they have.
"""
from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
INSTALL = REPO / "swapserver" / "install"
PROGRAMS = ("swapserver", "abusectl")
LIBRARY = ("libabuse.a", "libabuse.so.0")
VERSION = re.search(r"^VERSION := (\S+)$", (REPO / "Makefile").read_text(), re.M)[1]  # type: ignore[index]


class Tree:
    """One installation: prefix, and what is below DESTDIR, by path, without the leading slash."""

    def __init__(self, prefix: str = "/usr/local", build: Path | None = None) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name) / "root"
        self.root.mkdir()
        self.prefix = prefix
        self.build = build or Path(self.folder.name) / "build"
        if build is None:
            self.build.mkdir()
            for name in (*PROGRAMS, *LIBRARY):
                (self.build / name).write_text("a program\n")
            (self.build / "libabuse.so").symlink_to("libabuse.so.0")

    def run(self, what: str) -> subprocess.CompletedProcess[str]:
        arguments = [VERSION, str(self.build), str(self.build.parent / "lib" if self.build.name == "guest" else self.build)]
        command = [str(INSTALL / what), *(arguments if what == "install" else ())]
        # No dkms of this machine's: an empty folder of programs before it would not hide it, DESTDIR does.
        environment = os.environ | {"PREFIX": self.prefix, "DESTDIR": str(self.root)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def files(self) -> set[str]:
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir()}

    def text(self, path: str) -> str:
        return (self.root / path).read_text()


def tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise unittest.SkipTest(f"no {name} on this machine")
    return path


class Install(unittest.TestCase):
    def installed(self, prefix: str = "/usr/local", build: Path | None = None) -> Tree:
        tree = Tree(prefix, build)
        self.addCleanup(tree.folder.cleanup)
        result = tree.run("install")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("the module is not built: DESTDIR is set", result.stdout)
        return tree

    def test_every_file_is_where_it_should_be(self) -> None:
        tree = self.installed()
        files = tree.files()
        module = {f"usr/local/src/abuse-{VERSION}/{path.name}" for suffix in ("c", "h") for path in (REPO / "module").glob(f"*.{suffix}")}
        self.assertLessEqual(module, files)
        for path in ("sbin/swapserver", "sbin/abusectl", "share/man/man8/swapserver.8", "share/man/man8/abusectl.8",
                     "include/linux/abuse.h", "share/bash-completion/completions/abusectl",
                     "share/bash-completion/completions/swapserver", "lib/systemd/system/abuse-swap@.service",
                     "share/doc/abuse/examples/abuse0.conf", "share/doc/abuse/examples/dev-abuse0.swap",
                     "share/doc/abuse/examples/fstab", "share/doc/abuse/sysfs-abi.txt", f"src/abuse-{VERSION}/dkms.conf",
                     f"src/abuse-{VERSION}/Kbuild", f"src/abuse-{VERSION}/include/uapi/linux/abuse.h"):
            self.assertIn(f"usr/local/{path}", files)
        self.assertIn("etc/udev/rules.d/60-abuse.rules", files)
        for path in ("include/libabuse.h", "lib/libabuse.a", "lib/libabuse.so", "lib/libabuse.so.0", "lib/pkgconfig/libabuse.pc"):
            self.assertIn(f"usr/local/{path}", files)
        for source, folder in ((REPO / "swapserver/libabuse/man", "man/man3"), (REPO / "swapserver/examples", "doc/abuse/examples")):
            names = {f"usr/local/share/{folder}/{path.name}" for path in source.iterdir()}
            self.assertTrue(names and names <= files)
        # Every name of a page is found; the files are listed, with the folders that were made for them.
        self.assertEqual(os.readlink(tree.root / "usr/local/share/man/man3/abuse_open_path.3"), "abuse_open.3")
        listed = re.findall(r"^file /(.*)$", tree.text("usr/local/share/abuse/installed"), re.M)
        self.assertEqual(sorted(listed), sorted(files))

    def test_modes(self) -> None:
        tree = self.installed()
        for path in tree.files():
            mode = stat.S_IMODE((tree.root / path).lstat().st_mode)
            want = 0o755 if "/sbin/" in path else 0o777 if (tree.root / path).is_symlink() else 0o644
            self.assertEqual(oct(mode), oct(want), path)

    def test_a_package_has_its_files_below_usr(self) -> None:
        tree = self.installed("/usr")
        self.assertLessEqual({"usr/sbin/abusectl", "usr/lib/systemd/system/abuse-swap@.service",
                              "usr/lib/udev/rules.d/60-abuse.rules"}, tree.files())
        self.assertFalse([path for path in tree.files() if not path.startswith("usr/") or path.startswith("usr/local")])
        self.assertIn("@/usr/sbin/swapserver @swapserver", tree.text("usr/lib/systemd/system/abuse-swap@.service"))

    def test_nothing_is_left_to_fill_in(self) -> None:
        tree = self.installed("/opt/abuse")
        for path in tree.files():
            if not path.endswith((".c", ".h", ".a", ".so.0", "sbin/swapserver", "sbin/abusectl")):
                self.assertNotRegex(tree.text(path), r"(?<![\w@])@[A-Z]+@", path)
        self.assertIn(f'PACKAGE_VERSION="{VERSION}"', tree.text(f"opt/abuse/src/abuse-{VERSION}/dkms.conf"))

    def test_uninstall_leaves_nothing(self) -> None:
        for prefix in ("/usr/local", "/usr", "/opt/abuse"):
            tree = self.installed(prefix)
            # The programs are not there any more.
            for name in PROGRAMS:
                (tree.build / name).unlink()
            result = tree.run("uninstall")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(list(tree.root.rglob("*")), [])

    def test_uninstall_leaves_what_is_others(self) -> None:
        tree = self.installed()
        others = ["usr/local/sbin/other", "usr/local/include/linux/other.h", "etc/udev/rules.d/70-other.rules"]
        for path in others:
            (tree.root / path).touch()
        (tree.root / "usr/local/empty").mkdir()
        said = tree.run("uninstall")
        self.assertEqual(said.returncode, 0)
        self.assertEqual(tree.files(), set(others))
        self.assertTrue((tree.root / "usr/local/empty").is_dir())
        # The innermost folders, and no other.
        self.assertEqual(sorted(re.findall(r"^left: (\S+) has something", said.stdout, re.M)),
                         sorted(str((tree.root / path).parent) for path in others))

    def test_folders_that_were_there_stay(self) -> None:
        tree = Tree()
        self.addCleanup(tree.folder.cleanup)
        for path in ("usr/local/sbin", "usr/local/src", "etc/udev/rules.d"):
            (tree.root / path).mkdir(parents=True)
        before = sorted(tree.root.rglob("*"))
        self.assertEqual((tree.run("install").returncode, tree.run("uninstall").returncode), (0, 0))
        self.assertEqual(sorted(tree.root.rglob("*")), before)

    def test_never_through_a_link(self) -> None:
        """A unit that was masked is a link to /dev/null, a library may be one to another version."""
        tree = self.installed()
        for path in ("lib/systemd/system/abuse-swap@.service", "lib/libabuse.so.0", "share/man/man3/abuse_open.3"):
            (tree.root / "elsewhere").write_text("not ours\n")
            (tree.root / "usr/local" / path).unlink()
            (tree.root / "usr/local" / path).symlink_to(tree.root / "elsewhere")
            self.assertEqual(tree.run("install").returncode, 0)
            self.assertEqual((tree.root / "elsewhere").read_text(), "not ours\n")
            self.assertFalse((tree.root / "usr/local" / path).is_symlink())

    def test_twice_is_once(self) -> None:
        tree = self.installed()
        files = tree.files()
        self.assertEqual(tree.run("install").returncode, 0)
        self.assertEqual(tree.files(), files)
        self.assertEqual(tree.run("uninstall").returncode, 0)
        self.assertEqual(tree.run("uninstall").returncode, 0)

    def test_what_is_missing_is_said_before_anything_is_done(self) -> None:
        tree = Tree()
        self.addCleanup(tree.folder.cleanup)
        (tree.build / "abusectl").unlink()
        result = tree.run("install")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, r"\Ainstall: \S+/abusectl is missing: run make server library first\n\Z")
        self.assertEqual(tree.files(), set())

    def test_a_prefix_that_makes_no_sense(self) -> None:
        for prefix in ("usr", "/a b"):
            tree = Tree(prefix)
            self.addCleanup(tree.folder.cleanup)
            result = tree.run("install")
            self.assertEqual((result.returncode, tree.files()), (1, set()), result.stderr)

    def test_programs_need_nothing(self) -> None:
        """The bare chroot: a static program of the installation runs with nothing else below the root."""
        build = REPO / "build" / "guest"
        if not all((build / name).exists() for name in (*PROGRAMS, *(f"../lib/{name}" for name in LIBRARY))):
            self.skipTest("not built: make server library")
        tree = self.installed(build=build)
        for name in PROGRAMS:
            path = tree.root / "usr/local/sbin" / name
            linked = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
            self.assertRegex(linked.stdout + linked.stderr, "not a dynamic executable|statically linked")
            told = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True).stdout
            self.assertEqual(told, f"{name} {VERSION}\n")
            if os.geteuid() == 0:
                told = subprocess.run(["chroot", str(tree.root), f"/usr/local/sbin/{name}", "--help"], capture_output=True,
                                      text=True, check=True).stdout
                self.assertIn("usage:", told)

    def test_header_compiles_alone(self) -> None:
        tree = self.installed()
        subprocess.run(["cc", "-xc", "-fsyntax-only", "-Wall", "-Werror", "-I", str(tree.root / "usr/local/include"), "-"],
                       input="#include <linux/abuse.h>\nstruct abuse_info i;\n", text=True, check=True)

    def test_make_calls_it(self) -> None:
        with tempfile.TemporaryDirectory() as root:
            said = subprocess.run(["make", "-s", "-n", "install", f"DESTDIR={root}"], cwd=REPO, capture_output=True, text=True, check=True)
            self.assertIn(f"swapserver/install/install '{VERSION}'", said.stdout)


class Dkms(unittest.TestCase):
    def test_configuration(self) -> None:
        """As DKMS reads it: sourced by bash, with its words."""
        tree = Tree()
        self.addCleanup(tree.folder.cleanup)
        tree.run("install")
        source = tree.root / f"usr/local/src/abuse-{VERSION}"
        script = f'kernel_source_dir=/k dkms_tree=/d; . "{source}/dkms.conf"; set -u; printf "%s\\n" "$PACKAGE_NAME" ' \
                 '"$PACKAGE_VERSION" "${BUILT_MODULE_NAME[0]}" "${DEST_MODULE_LOCATION[0]}" "${MAKE[0]}" "$AUTOINSTALL"'
        said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        self.assertEqual(said.stdout.splitlines(), [
            "abuse", VERSION, "abuse", "/updates/dkms", f"make -C /k M=/d/abuse/{VERSION}/build modules", "yes"])
        # What Kbuild names is there.
        objects = re.search(r"abuse-y := (.*?)[^\\]\n", (source / "Kbuild").read_text(), re.S)
        assert objects
        for name in re.findall(r"(\w+)\.o", objects[0]):
            self.assertTrue((source / f"{name}.c").exists(), name)


class Units(unittest.TestCase):
    UNIT = "usr/local/lib/systemd/system/abuse-swap@.service"

    def setUp(self) -> None:
        self.tree = Tree()
        self.addCleanup(self.tree.folder.cleanup)
        self.assertEqual(self.tree.run("install").returncode, 0)

    def settings(self) -> dict[str, str]:
        lines = self.tree.text(self.UNIT).splitlines()
        return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z]\w+=", line))

    def test_what_keeps_it_alive(self) -> None:
        settings = self.settings()
        for key, value in {"OOMScoreAdjust": "-1000", "OOMPolicy": "continue", "ManagedOOMPreference": "omit",
                           "TimeoutStopSec": "infinity", "SendSIGKILL": "no", "KillMode": "process",
                           "LimitMEMLOCK": "infinity", "MemorySwapMax": "0", "DefaultDependencies": "no",
                           "IgnoreOnIsolate": "yes", "RefuseManualStop": "yes", "Slice": "-.slice",
                           "RuntimeDirectoryPreserve": "yes", "StartLimitIntervalSec": "0"}.items():
            self.assertEqual(settings.get(key), value, key)
        # What would have it stopped at shutdown.
        self.assertNotIn("Conflicts", settings)
        self.assertNotIn("Requires", settings)
        # Not the swap unit: systemd would know it before it is in /proc/swaps, and not swap off at shutdown.
        self.assertEqual(settings["Before"].split(), ["swap.target"])
        # argv[0] of the main process begins with @, and the path of the program does not.
        self.assertRegex(settings["ExecStart"], r"\A@/\S+/swapserver @swapserver ")
        self.assertRegex(settings["ExecStop"], r"MAINPID.*abusectl drain %i")

    def test_systemd_accepts_them(self) -> None:
        analyze = tool("systemd-analyze")
        units = self.tree.root / "units"
        units.mkdir()
        # A unit's programs must be there to be accepted: those of the installation, by their place in the folder.
        text = self.tree.text(self.UNIT).replace("/usr/local/sbin", f"{self.tree.root}/usr/local/sbin")
        (units / "abuse-swap@.service").write_text(text)
        shutil.copy(INSTALL / "examples/dev-abuse0.swap", units)
        for name in ("abuse-swap@0.service", "dev-abuse0.swap"):
            said = subprocess.run([analyze, "verify", "--man=no", "--recursive-errors=no", f"{units}/{name}"],
                                  env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_LOG_LEVEL": "warning"},
                                  capture_output=True, text=True, check=False)
            # Of this machine's own units, others' matter.
            lines = [line for line in (said.stdout + said.stderr).splitlines() if "abuse" in line]
            self.assertEqual((lines, said.returncode), ([], 0), said.stderr)

    def test_examples(self) -> None:
        conf = (INSTALL / "examples/abuse0.conf").read_text()
        self.assertRegex(conf, r"(?m)^BACKEND=\S+$")
        self.assertRegex(conf, r"(?m)^OPTIONS=.*--standby 1.*$")
        line = [line for line in (INSTALL / "examples/fstab").read_text().splitlines() if not line.startswith("#")]
        self.assertEqual(len(line), 1)
        self.assertEqual(line[0].split()[:3], ["/dev/abuse0", "none", "swap"])
        self.assertEqual(len(line[0].split()), 6)


class Completion(unittest.TestCase):
    def complete(self, line: str) -> list[str]:
        """What bash offers for the last word of a line."""
        words = line.split(" ")
        script = '. "$1"; shift; program=$1; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "_${program##*/}" || :; ' \
                 'printf "%s\\n" "${COMPREPLY[@]}"'
        command = ["bash", "--norc", "-uec", script, "bash", str(INSTALL / "completion" / Path(words[0]).name), *words]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        return sorted(said.stdout.split())

    def test_abusectl(self) -> None:
        self.assertEqual(self.complete("abusectl d"), ["drain"])
        self.assertEqual(self.complete("abusectl add --s"), ["--size"])
        self.assertEqual(self.complete("abusectl add --size "), [])
        self.assertEqual(self.complete("abusectl aside 0 r"), ["requeue"])
        self.assertEqual(self.complete("abusectl scope 0 m"), ["memalloc"])
        self.assertEqual(self.complete("abusectl policy 0 no"), ["no_server="])
        self.assertEqual(self.complete("abusectl policy 0 reset = f"), ["fail"])
        self.assertIn("/etc/passwd", self.complete("abusectl upgrade 0 --binary /etc/passw"))

    def test_abusectl_knows_every_command(self) -> None:
        text = (REPO / "swapserver/abusectl/abusectl.c").read_text()
        commands = re.findall(r'\{ "(\w+)",', text[text.index("commands[] = {"):text.index("NR_COMMANDS")])
        self.assertEqual(self.complete("abusectl "), sorted([*commands, "--help", "--version"]))
        page = (REPO / "swapserver/abusectl.8").read_text()
        for name in commands:
            self.assertIn(f".B abusectl {name}\n", page)
            self.assertIn(f".TP\n.B {name}\n", page)

    def test_swapserver(self) -> None:
        program = REPO / "build/guest/swapserver"
        if not program.exists():
            self.skipTest("not built: make server")
        self.assertIn("--size", self.complete(f"{program} --"))
        self.assertIn("--no-mlock", self.complete(f"{program} --no-"))
        self.assertEqual(self.complete(f"{program} /dev/abctl0 dis"), ["disk"])
        self.assertEqual(self.complete(f"{program} --size "), [])


class Version(unittest.TestCase):
    def test_one_version_everywhere(self) -> None:
        pages = [*(REPO / "swapserver").glob("*.8"), *(REPO / "swapserver/libabuse/man").glob("*.3")]
        self.assertGreater(len(pages), 5)
        for page in pages:
            self.assertIn(f'"abuse {VERSION}"', page.read_text().splitlines()[1], page)


if __name__ == "__main__":
    unittest.main()
