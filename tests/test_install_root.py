# SPDX-License-Identifier: GPL-2.0-only
"""make install and make uninstall in a clean root, and all that they have put there used from within it.

Where it stands: [host] > Makefile > swapserver/install.  The root is cleanroot.py's: a small Debian in a folder.  What a user
would do is done in there, by its programs: the manual is read, an example compiled against the library, the completion
sourced, the module built by DKMS.  Each twin is an installation with one thing broken, in which the same look must find
something.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from cleanroot import CleanRoot, differences

REPO = Path(__file__).resolve().parent.parent
BUILD = REPO / "build"
VERSION = re.search(r"^VERSION := (\S+)$", (REPO / "Makefile").read_text(), re.M)[1]  # type: ignore[index]
BUILT = ("guest/swapserver", "guest/abusectl", "lib/libabuse.a", "lib/libabuse.so.0", "lib/libabuse.so")
KERNEL = BUILD / "kernels" / "6.12"

# In there; VERSION, PREFIX and EXAMPLES are set.  A line for each thing that is not as it should be.
LOOK = r"""
cd /tmp
linted=()
said() { printf '%s\n' "$*"; }
for program in swapserver abusectl; do
	[ "$(command -v $program)" = "$PREFIX/sbin/$program" ] || said "$program is not $PREFIX/sbin/$program"
	[[ $($program --help 2>&1) == usage:* ]] || said "$program --help"
	[ "$($program --version 2>&1)" = "$program $VERSION" ] || said "$program --version"
	[[ $(bash --norc -euc ". $PREFIX/share/bash-completion/completions/$program; complete -p $program" 2>&1) == \
		"complete -F _$program $program" ]] || said "completion of $program"
done
names=$(sed -n '/^global:/,/^local:/s/^\t\(abuse_[a-z_]*\);/3:\1/p' /src/swapserver/libabuse/libabuse.map)
for name in 8:swapserver 8:abusectl 3:libabuse $names; do
	page=$(man -w "${name%:*}" "${name#*:}" 2>&1) || page="no page"
	[[ $page == "$PREFIX/share/man/man${name%:*}/"* ]] || { said "man $name: $page"; continue; }
	# A page has several names.
	[[ " ${linted[*]} " != *" $page "* ]] || continue
	linted+=("$page")
	lint=$(groff -ww -man -Tutf8 -z "$page" 2>&1) || :
	[ -z "$lint" ] || said "groff: $lint"
done
[ "$(pkg-config --modversion libabuse 2>&1)" = "$VERSION" ] || said "pkg-config --modversion"
examples=$PREFIX/share/doc/abuse/examples
for example in $EXAMPLES; do
	for link in "" --static; do
		gcc -Wall -Werror ${link/--/-} -o "$example" "$examples/$example.c" $(pkg-config $link --cflags --libs libabuse 2>&1) 2>errors ||
			{ said "compile $link $example: $(head -n 3 errors)"; continue; }
		needs=$(readelf -d "$example" | grep -c 'NEEDED.*\[libabuse.so.0\]') || :
		[ "$needs" = "$([ -n "$link" ] && echo 0 || echo 1)" ] || said "$example $link: linked to the shared library $needs times"
		# Far enough to show that it starts: wrong usage.
		status=0
		out=$(./$example 2>&1) || status=$?
		[[ $status = 2 && $out == "$example: give "* ]] || said "$example $link: status $status: $out"
	done
done
gcc -Wall -Werror -o null-raw "$examples/null-raw.c" 2>errors || said "compile null-raw: $(head -n 3 errors)"
for file in abuse0.conf dev-abuse0.swap fstab; do
	[ -s "$examples/$file" ] || said "no $examples/$file"
done
rm -f $EXAMPLES null-raw errors
"""


def verify_unit(root: Path) -> list[str]:
    """What systemd says of the unit as it lies in the root; nothing where there is no systemd."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return []
    said = subprocess.run([analyze, "verify", f"--root={root}", "--man=no", "abuse-swap@0.service"], text=True, capture_output=True,
                          env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"}, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if "abuse" in line or said.returncode]


class Root(unittest.TestCase):
    """A clean root with the sources in /src, built; before: all that is in it."""

    packages: tuple[str, ...]
    root: CleanRoot
    before: dict[str, str]

    @classmethod
    def setUpClass(cls) -> None:
        if not CleanRoot.is_possible():
            raise unittest.SkipTest("this machine gives no user namespace (unshare --mount --map-root-user)")
        folder = tempfile.TemporaryDirectory(dir=BUILD, prefix="root-")
        cls.addClassCleanup(folder.cleanup)
        cls.root = CleanRoot(Path(folder.name))
        cls.root.make(*cls.packages)
        cls.sources().mkdir()
        for name in ("Makefile", "swapserver", "module"):
            subprocess.run(["cp", "-a", "--parents", name, str(cls.sources())], cwd=REPO, check=True)
        for name in BUILT:
            (cls.sources() / "build" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(BUILD / name, cls.sources() / "build" / name, follow_symlinks=False)
        cls.furnish()
        cls.before = cls.root.state()

    @classmethod
    def sources(cls) -> Path:
        return cls.root.path / "src"

    @classmethod
    def furnish(cls) -> None:
        """What else is to be in it."""

    def run_in(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.root.run(*command)

    def make(self, what: str, **variables: str) -> str:
        """As a user does, in there; what it has printed."""
        done = self.run_in("make", "-s", "-C", "/src", what, *(f"{key}={value}" for key, value in variables.items()))
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def as_it_was(self) -> list[str]:
        return differences(self.before, self.root.state())


@unittest.skipUnless(all((BUILD / name).exists() for name in BUILT), "not built: make server library")
class InstallRoot(Root):
    packages = ("gcc", "groff-base", "libc6-dev", "make", "man-db", "pkgconf")

    @classmethod
    def furnish(cls) -> None:
        # Others', in folders that it uses; and folders that are empty, or begin like ours.
        for name in ("usr/local/sbin/other", "usr/local/share/doc/abuse/other", "usr/local/include/linux/other.h"):
            (cls.root.path / name).parent.mkdir(parents=True, exist_ok=True)
            (cls.root.path / name).write_text("not ours\n")
        (cls.root.path / "etc/udev/rules.d").mkdir(parents=True)
        (cls.root.path / "usr/local/src/abuse-0").mkdir()

    def look(self, prefix: str, examples: str = "null") -> list[str]:
        done = self.root.run("bash", "--norc", "-euc", LOOK, PREFIX=prefix, VERSION=VERSION, EXAMPLES=examples,
                             path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [*done.stdout.splitlines(), *verify_unit(self.root.path)]

    def test_by_hand(self) -> None:
        self.assertIn("the module is not built: there is no dkms", self.make("install"))
        installed = self.root.state()
        self.assertGreater(len(installed), len(self.before) + 80)
        self.assertEqual(self.look("/usr/local", "null thin faulty"), [])
        self.make("install")
        self.assertEqual(differences(installed, self.root.state()), [])
        self.make("uninstall")
        self.assertEqual(self.as_it_was(), [])
        self.assertIn("nothing to take away", self.make("uninstall"))

    def test_as_a_package(self) -> None:
        """From outside, below DESTDIR, as a package is built; then the root has it as if it had been unpacked there."""
        variables = ["PREFIX=/usr", f"DESTDIR={self.root.path}"]
        for target in ("install", "install", "uninstall"):
            done = subprocess.run(["make", "-s", target, *variables], cwd=REPO, capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
            if target == "install":
                self.root.run("ldconfig", check=True)
                self.assertEqual(self.look("/usr"), [])
        self.root.run("ldconfig", check=True)
        self.assertEqual(self.as_it_was(), [])

    def test_over_another_version(self) -> None:
        self.make("install", VERSION="0.0.9")
        self.assertTrue((self.root.path / "usr/local/src/abuse-0.0.9/Kbuild").exists())
        self.make("install")
        self.assertFalse((self.root.path / "usr/local/src/abuse-0.0.9").exists())
        self.assertEqual(self.look("/usr/local"), [])
        # By the sources of another version, too.
        self.make("uninstall", VERSION="0.0.9")
        self.assertEqual(self.as_it_was(), [])

    def test_what_others_have_put_there_stays(self) -> None:
        self.make("install")
        other = self.root.path / f"usr/local/src/abuse-{VERSION}/notes"
        other.write_text("not ours\n")
        (self.root.path / "usr/local/sbin/abusectl").unlink()
        self.assertIn(f"left: /usr/local/src/abuse-{VERSION} has", self.make("uninstall"))
        self.assertEqual(other.read_text(), "not ours\n")
        other.unlink()
        other.parent.rmdir()
        self.assertEqual(self.as_it_was(), [])

    def test_half_an_installation_goes(self) -> None:
        script = self.sources() / "swapserver/install/install"
        text = script.read_text()
        self.addCleanup(script.write_text, text)
        script.write_text(text.replace('\tput "$mode"', '\t[[ $target != *.pc ]] || exit 1\n\tput "$mode"'))
        self.assertEqual(self.root.run("make", "-s", "-C", "/src", "install").returncode, 2)
        self.assertTrue((self.root.path / "usr/local/sbin/abusectl").exists())
        self.make("uninstall")
        script.write_text(text)
        self.assertEqual(self.as_it_was(), [])

    def test_twins_of_the_look(self) -> None:
        """Each thing that is installed is looked at: without it, the look says so."""
        self.make("install")
        self.addCleanup(self.make, "uninstall")
        base = self.root.path / "usr/local"
        for name, said in {"sbin/swapserver": "swapserver --help", "share/man/man8/abusectl.8": "man 8:abusectl",
                           "share/man/man3/abuse_open_path.3": "man 3:abuse_open_path", "lib/libabuse.so.0": "null : linked to the shared library 0 times",
                           "lib/libabuse.a": "compile --static null", "lib/pkgconfig/libabuse.pc": "pkg-config",
                           "include/linux/abuse.h": "compile null-raw", "include/libabuse.h": "compile  null",
                           "share/bash-completion/completions/abusectl": "completion of abusectl",
                           "share/doc/abuse/examples/fstab": "no /usr/local"}.items():
            with self.subTest(name):
                (base / name).rename(base / "away")
                self.assertIn(said, "\n".join(self.look("/usr/local")))
                (base / "away").rename(base / name)
        page = base / "share/man/man8/swapserver.8"
        text = page.read_text()
        page.write_text(text + ".NOSUCH\n")
        self.assertIn("NOSUCH", "\n".join(self.look("/usr/local")))
        page.write_text(text)
        if shutil.which("systemd-analyze"):
            unit = base / "lib/systemd/system/abuse-swap@.service"
            text = unit.read_text()
            unit.write_text(text.replace("/sbin/swapserver", "/sbin/no-server"))
            self.assertIn("no-server", "\n".join(verify_unit(self.root.path)))
            unit.write_text(text)

    def test_twins_of_the_scripts(self) -> None:
        """Each must be found out: by the look, or by what is left or missing at the end."""
        scripts = self.sources() / "swapserver/install"
        for name, part, instead in (
                ("install", 'note_folders "$file"', ":"),
                ("install", 'files+=("$LIST")', ":"),
                ("install", "linker_cache\n", ":\n"),
                ("install", 'write_list "${files[@]}"\n', 'write_list "${files[@]:1}"\n'),
                ("place.sh", '! rmdir "$DESTDIR', '! : "$DESTDIR'),
                ("uninstall", "remove_folders", 'rm -rf "$DESTDIR$PREFIX/share/doc/abuse"; remove_folders'),
                ("uninstall", "linker_cache", ":"),
                ("plan.sh", "|| printf 'link", "|| : printf 'link"),
                ("files", "0644 @LIBRARY@/libabuse.so.0 ", "# ")):
            with self.subTest(name, part=part):
                text = (scripts / name).read_text()
                self.assertIn(part, text)
                (scripts / name).write_text(text.replace(part, instead))
                self.root.run("make", "-s", "-C", "/src", "install")
                found = self.look("/usr/local")
                self.root.run("make", "-s", "-C", "/src", "uninstall")
                (scripts / name).write_text(text)
                after = self.root.state()
                self.assertTrue(found + differences(self.before, after))
                self.clean(after)
        self.assertEqual(self.as_it_was(), [])

    def clean(self, after: dict[str, str]) -> None:
        """After a twin: as it was, by hand."""
        for name in sorted(after.keys() - self.before.keys(), reverse=True):
            path = self.root.path / name
            path.rmdir() if after[name].startswith("folder") else path.unlink()
        for name in self.before.keys() - after.keys():
            if self.before[name].startswith("file"):
                (self.root.path / name).parent.mkdir(parents=True, exist_ok=True)
                (self.root.path / name).write_text("not ours\n")
        self.root.run("ldconfig", check=True)


@unittest.skipUnless(os.environ.get("INSTALL_BUILDS_MODULE"), "half a minute: set INSTALL_BUILDS_MODULE=1, as make test does")
@unittest.skipUnless((KERNEL / "headers").is_dir(), "no headers: make kernels")
@unittest.skipUnless(all((BUILD / name).exists() for name in BUILT), "not built: make server library")
class Dkms(Root):
    """DKMS builds the module for a kernel whose headers are there; that this machine runs another one, it is not told."""

    packages = ("diffutils", "dkms", "findutils", "gcc-12", "kmod", "libc6-dev", "libelf1", "make")
    release: str
    path = "/pretend:/usr/sbin:/usr/bin"

    @classmethod
    def furnish(cls) -> None:
        cls.release = (KERNEL / "release").read_text().strip()
        modules = cls.root.path / "usr/lib/modules" / cls.release
        modules.mkdir(parents=True)
        (modules / "build").symlink_to(f"/usr/src/linux-headers-{cls.release}")
        (cls.root.path / "dev/fd").symlink_to("/proc/self/fd")
        cls.runs(cls.release)
        cls.enter("depmod", cls.release)

    @classmethod
    def runs(cls, release: str) -> None:
        """Which kernel runs, by what programs are told in there."""
        uname = cls.root.path / "pretend/uname"
        uname.parent.mkdir(exist_ok=True)
        uname.write_text(f'#!/bin/sh\n[ "$*" = -r ] && echo {release} || exec /usr/bin/uname "$@"\n')
        uname.chmod(0o755)

    @classmethod
    def enter(cls, *command: str) -> subprocess.CompletedProcess[str]:
        return cls.root.run(*command, path=cls.path, mounts=((Path("/proc"), "/proc"),
                                                             (KERNEL / "headers", f"/usr/src/linux-headers-{cls.release}")))

    def run_in(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.enter(*command)

    def modinfo(self, field: str) -> str:
        return self.enter("modinfo", "-k", self.release, "-F", field, "abuse").stdout.strip()

    def test_built_and_removed(self) -> None:
        said = self.make("install")
        self.assertIn(f"the module is built and installed for kernel {self.release}: modprobe abuse", said)
        self.assertEqual(self.modinfo("filename"), f"/lib/modules/{self.release}/updates/dkms/abuse.ko")
        self.assertEqual(self.modinfo("vermagic").split()[0], self.release)
        self.assertIn(f"abuse/{VERSION}, {self.release}, x86_64: installed", self.enter("dkms", "status").stdout)
        source = self.root.path / f"usr/local/src/abuse-{VERSION}"
        self.assertEqual([path.name for path in source.iterdir() if path.suffix not in (".c", ".h", ".conf")
                          and path.name not in ("Kbuild", "include")], [])

        # Over itself; what was built is built again.
        module = self.root.path / f"usr/lib/modules/{self.release}/updates/dkms/abuse.ko"
        module.write_text("not a module\n")
        self.make("install")
        self.assertEqual(self.modinfo("vermagic").split()[0], self.release)

        # The twin: an uninstall that cannot ask DKMS leaves what that has built, and says so.
        hidden = self.root.path / "usr/sbin/dkms"
        hidden.rename(hidden.with_suffix(".hidden"))
        self.assertIn("dkms is gone", self.make("uninstall"))
        hidden.with_suffix(".hidden").rename(hidden)
        self.assertIn(f"left over: usr/lib/modules/{self.release}/updates/dkms/abuse.ko", self.as_it_was())
        # The next installation finds that, and takes it over.
        self.make("install")
        self.make("uninstall")
        self.assertEqual(self.as_it_was(), [])

    def test_no_headers(self) -> None:
        """All else is installed, it says why it has failed, and it goes away like any other."""
        self.runs("9.9.9")
        self.addCleanup(self.runs, self.release)
        done = self.enter("make", "-s", "-C", "/src", "install")
        self.assertEqual(done.returncode, 2)
        self.assertIn("install: DKMS could not build the module; all else is installed: are the headers of kernel 9.9.9 there?", done.stderr)
        self.assertIn("usage:", self.enter("/usr/local/sbin/abusectl", "--help").stdout)
        self.make("uninstall")
        self.runs(self.release)
        self.assertEqual(self.as_it_was(), [])


if __name__ == "__main__":
    unittest.main()
