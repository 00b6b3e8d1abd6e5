#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the formal models and of what runs them, each with a twin on which it must fail.

Where it stands: beside analysis/model.  Some searches are run, the short ones; all of them: make model.
Run: python3 analysis/test_model.py.
"""
from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

sys.dont_write_bytecode = True  # build output goes to build/ only
ANALYSIS = Path(__file__).resolve().parent
MODEL = ANALYSIS / "model"
MODULE = ANALYSIS.parent / "module"
sys.path[:0] = [str(MODEL), str(ANALYSIS)]

import checks  # noqa: E402 (found through the lines above)
import hangs  # noqa: E402
import spin  # noqa: E402
import trail  # noqa: E402
import waitchain  # noqa: E402


def _load(name: str) -> object:
    """A program of analysis/model as a module."""
    loader = SourceFileLoader(f"model_{name}", str(MODEL / name))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


check = _load("check")
versus = _load("versus")
MISSING = [name for name in ("spin", "gcc") if shutil.which(name) is None]
needs_spin = unittest.skipIf(MISSING, f"no {' and no '.join(MISSING)}: run vm-images/deps")

PML = {path.stem: path.read_text() for path in sorted(MODEL.glob("*.pml"))}
# As pan prints it.
PAN = """
(Spin Version 6.5.2 -- 6 December 2019)
Full statespace search for:
	never claim         	+ (progress)
State-vector 120 byte, depth reached 2869, errors: 0
  {states} states, stored (1.2e+06 visited)
  238.019	total actual memory usage
unreached in proctype load
	/somewhere/memory.pml:139, state 80, "-end-"
"""


def by_name(name: str) -> checks.Check:
    return next(one for one in checks.CHECKS if one.name == name)


class Verifier(unittest.TestCase):
    """What pan prints."""

    def test_numbers(self) -> None:
        found = spin.parse(PAN.format(states="25691"))
        self.assertEqual((found.errors, found.states, found.depth, found.memory_mib, found.incomplete),
                         (0, 25691, 2869, 238.019, ""))
        self.assertEqual(found.unreached, ["memory.pml:139 -end-"])

    def test_large_numbers(self) -> None:
        self.assertEqual(spin.parse(PAN.format(states="1.5e+06")).states, 1_500_000)

    def test_limits_are_seen(self) -> None:
        for line, why in (("error: max search depth too small", "depth"), ("pan: out of memory", "memory"),
                          ("pan: reached -DMEMLIM bound", "memory"), ("Warning: Search not completed", "stopped"),
                          ("Bit statespace search for:", "bit-state")):
            self.assertIn(why, spin.parse(f"{line}\n{PAN.format(states='9')}").incomplete)

    def test_no_claim_of_a_full_search_is_incomplete(self) -> None:
        self.assertTrue(spin.parse(PAN.format(states="9").replace("Full statespace", "Hash-Compact")).incomplete)

    def test_a_search_that_stops_at_its_error_is_not_incomplete(self) -> None:
        text = "Warning: Search not completed\n" + PAN.format(states="9").replace("errors: 0", "errors: 1")
        self.assertEqual(spin.parse(text).incomplete, "")

    def test_nothing(self) -> None:
        with self.assertRaisesRegex(spin.SpinError, "no output"):
            spin.parse("")

    def test_assertion(self) -> None:
        self.assertEqual(spin.parse("pan:1: assertion violated (page[x]==v) (at depth 159)\n" + PAN.format(states="9")).violated,
                         "(page[x]==v)")


FINAL = {"w[0]": "w_page", "w[3]": "w_bio", "turn": "3", "rq[0].state": "LENT", "rq[0].owner": "3", "rq[1].state": "QUEUED"}


def replayed(steps: str = "@ submit 0 1\n @ lend 3 0", failed: str = "", **changed: str) -> trail.Trail:
    variables = "".join(f"\t\t{name} = {value}\n" for name, value in {**FINAL, **changed}.items())
    return trail.parse(f"{steps}\n{failed}\n{variables}", "progress", False, {"FS_BIOS": "2"})


class Trails(unittest.TestCase):
    """What spin prints."""

    def test_sentences(self) -> None:
        self.assertEqual(replayed().steps, ["load 0 submits a page to be written to swap", "server 0 is lent request 0"])

    def test_chain(self) -> None:
        found = replayed()
        self.assertEqual((found.cause, found.cycle), ("server bio", True))
        self.assertEqual(trail.signature(found.chain),
                         [("task", "page"), ("request", "device"), ("server", "bio"), ("that", "sync")])
        self.assertIn("server 0 waits for: a bio of a bio_set: fs_bio_set, reserve 2", found.text())

    def test_a_server_that_could_go_on_is_no_cycle(self) -> None:
        found = replayed(**{"w[3]": "w_none"})
        self.assertEqual((found.cause, found.cycle), ("round and round", False))

    def test_nobody_serves(self) -> None:
        found = replayed(**{"w[3]": "w_none", "turn": "255"})
        self.assertEqual((found.cause, found.cycle), ("no server", False))

    def test_the_chain_is_as_waitchain_says_it(self) -> None:
        """Of the same stop: chain 1, from stacks and from the model."""
        import test_waitchain as samples
        for stack, equal in ((samples.BIO, True), (samples.SWAP_IN, False)):
            log = samples.HEADER + samples.LOAD + samples.task("swapserver", 99, "D", *stack)
            seen = waitchain.analyse(log, counters=samples.LENT)
            assert seen.cycle is not None
            self.assertEqual(trail.signature(seen.cycle) == trail.signature(replayed().chain), equal)

    def test_invariants(self) -> None:
        self.assertEqual(trail.invariants("assert(a); /* I11, I4 */"), "I4 I11")
        self.assertEqual(trail.invariants("assert(a) /* [wrong data]: I12 */"), "wrong data")

    def test_a_failed_assertion_is_named_by_its_source(self) -> None:
        line = next(number for number, text in enumerate(PML["owners"].splitlines(), 1) if "[wrong data]" in text)
        found = replayed(failed=f"spin: /x/owners.pml:{line}, Error: assertion violated")
        self.assertEqual(found.cause, "wrong data")


class Words(unittest.TestCase):
    """Models, checks, documents and code use the same words."""

    def test_states_are_the_module_s(self) -> None:
        enum = re.search(r"enum abuse_state \{(.*?)\}", (MODULE / "abuse.h").read_text(), re.DOTALL)
        states = re.search(r"mtype:state = \{(.*?)\}", PML["device"])
        assert enum and states
        self.assertEqual({name.removeprefix("ABUSE_") for name in re.findall(r"ABUSE_[A-Z]+(?=,)", enum[1])} - {"NR_STATES"},
                         set(re.findall(r"\w+", states[1])))

    def cited(self, text: str) -> list[str]:
        """Functions of the module that a text cites and that are not there."""
        code = "".join(path.read_text() for path in MODULE.glob("*.c"))
        return [name for name in re.findall(r"\babuse_\w+(?=\(\))", text)
                if not re.search(rf"^[\w\s*]*\b{name}\(", code, re.MULTILINE)]

    def test_functions_are_the_module_s(self) -> None:
        for text in PML.values():
            self.assertEqual(self.cited(text), [])
        self.assertEqual(self.cited("abuse_queue_nothing()"), ["abuse_queue_nothing"])

    def test_transitions_are_queue_c_s(self) -> None:
        code = (MODULE / "queue.c").read_text()
        for name in ("fill", "add", "fill_waiting", "lend", "unlend", "requeue", "requeue_all", "finish"):
            self.assertIn(f"inline queue_{name}(", PML["device"])
            self.assertRegex(code, rf"\babuse_queue_{name}\(")

    def test_waits_are_waitchain_s(self) -> None:
        waits = re.search(r"mtype:wait = \{(.*?)\}", PML["memory"], re.DOTALL)
        assert waits
        kinds = {name.removeprefix("w_") for name in re.findall(r"w_\w+", waits[1])} - {"none"}
        self.assertEqual(kinds - set(waitchain.RESOURCES) - set(trail.MODEL_KINDS), set())
        self.assertEqual(set(trail.MODEL_KINDS) & set(waitchain.RESOURCES), set())

    def test_tasks(self) -> None:
        names = ("LOAD0", "LOAD1", "KSWAPD", "SERVER0", "SERVER1", "SPAWNER")
        numbers = dict(re.findall(r"#define (\w+)\s+(\d)", PML["memory"]))
        self.assertEqual([trail.TASKS[int(numbers[name])] for name in names], list(trail.TASKS))

    def test_each_macro_is_one_of_its_model(self) -> None:
        for one in checks.CHECKS:
            text = PML["device"] + PML[one.model] + (PML["memory"] if one.model == "progress" else "")
            for macro in one.defines:
                self.assertRegex(text, rf"\b{macro}\b", one.name)

    def test_names_are_unique(self) -> None:
        self.assertEqual(len(set(checks.names())), len(checks.CHECKS))

    def test_each_switch_is_one_of_a_healthy_model(self) -> None:
        for one in checks.CHECKS:
            if one.without:
                self.assertNotEqual(one.expect, checks.HOLDS, one.name)
                self.assertEqual(by_name(one.of).expect, checks.HOLDS, one.name)
                self.assertNotEqual(by_name(one.of).defines, one.defines, one.name)

    def test_each_protection_has_a_switch(self) -> None:
        wanted = {"mlock", "allocate-nothing", "memalloc", "flusher", "bypass", "own-bio-set", "raw-disk", "no-batch-wait",
                  "standby", "fence", "requeue", "passes-only-when-gone", "copy-mark", "forwarded-state", "generation",
                  "lend-once", "copied-check", "push-back", "aside"}
        self.assertEqual({one.without for one in checks.CHECKS if one.without}, wanted)

    def test_the_page_names_every_switch(self) -> None:
        page = (MODEL / "README.md").read_text()
        for one in checks.CHECKS:
            if one.without and not one.name.startswith("full-allocates"):
                self.assertIn(one.name, page)

    def test_twins_that_the_page_names_are_the_module_s(self) -> None:
        code = "".join(path.read_text() for path in MODULE.glob("*.[ch]"))
        twins = re.findall(r"twin `([\w-]+)`", (MODEL / "README.md").read_text())
        self.assertGreater(len(twins), 5)
        for twin in twins:
            self.assertIn(f'abuse_busted("{twin}")', code)


class Arms(unittest.TestCase):
    """A recorded server as macros."""

    def test_naive(self) -> None:
        for hang in hangs.recorded():
            self.assertEqual("ALLOC" in hang.defines, "naive" in hang.name)
            self.assertEqual("MLOCK" in hang.defines, "mlock" not in hang.without)

    def test_one_that_waits_for_a_batch(self) -> None:
        found = hangs.circumstances("/bin/swapserver /dev/abctl0 --size 1M --hold 3 disk,path=/dev/vda", [], "/dev/abuse0")
        self.assertEqual((found["WAIT_FOR"], found["SLOTS"]), ("3", "3"))
        # 1 is none, and more than there are bios is as good as many more.
        for hold, wait_for in (("1", "1"), ("2", "2"), ("32", "3")):
            found = hangs.circumstances(f"/bin/swapserver /dev/abctl0 --hold {hold} disk,path=/dev/vda", [], "/dev/abuse0")
            self.assertEqual(found["WAIT_FOR"], wait_for)
            self.assertEqual("READS" in found and found["READS"], "1" if hold == "1" else "0")

    def test_protections(self) -> None:
        found = hangs.circumstances("/bin/swapserver /dev/abctl0 file,path=/mnt/store", ["mlock"], "/dev/abuse0")
        self.assertEqual({name for name in found if not found[name]} - {"THROTTLE"},
                         {"BYPASS", "MEMALLOC", "FLUSHER", "STORE_FILE"})

    def test_names_of_protections(self) -> None:
        """What peers' arms call memalloc is the scope; a name that nobody knows would leave a protection in."""
        for name in ("scope", "memalloc"):
            self.assertNotIn("MEMALLOC", hangs.circumstances("server-2009", [name], "/dev/abuse0"))
        with self.assertRaisesRegex(hangs.HangError, "does not know: luck"):
            hangs.circumstances("server-2009", ["luck"], "/dev/abuse0")

    def test_others_devices(self) -> None:
        with self.assertRaisesRegex(hangs.HangError, "/dev/nbd0"):
            hangs.circumstances("nbd-server", [], "/dev/nbd0")

    def test_twins_of_the_module(self) -> None:
        command = "/bin/swapserver /dev/abctl0 forward,path=/dev/vdb"
        self.assertIn("OWN_BIO_SET", hangs.circumstances(command, [], "/dev/abuse0", "/lib/abuse.ko"))
        self.assertNotIn("OWN_BIO_SET", hangs.circumstances(command, [], "/dev/abuse0", "/lib/abuse.ko busted=shared-bio-set"))
        with self.assertRaisesRegex(hangs.HangError, "does not have that twin"):
            hangs.circumstances(command, [], "/dev/abuse0", "/lib/abuse.ko busted=lifo")

    def test_no_results_folder(self) -> None:
        with tempfile.TemporaryDirectory() as folder, self.assertRaisesRegex(hangs.HangError, "not a results folder"):
            hangs.of_results(Path(folder))

    def test_packed_evidence_is_read(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "console.log").write_text("as it was")
            with tarfile.open(folder / "evidence.tar.xz", "w:xz") as packed:
                packed.add(folder / "console.log", "console.log")
            (folder / "console.log").unlink()
            self.assertEqual(hangs._text(folder, "console.log"), "as it was")
            with self.assertRaises(KeyError):
                hangs._text(folder, "heartbeat.jsonl")

    def test_spoilt_sample(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a.json").write_text("{}")
            with self.assertRaisesRegex(hangs.HangError, "a.json"):
                hangs.recorded(Path(folder))


@needs_spin
class Searches(unittest.TestCase):
    """Short searches, and what they must not be taken for."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_check(self, one: checks.Check) -> object:
        return check.run(one, self.folder)

    def test_healthy_holds(self) -> None:
        result = self.run_check(by_name("poison"))
        self.assertEqual((result.result, result.trouble, result.search.incomplete), ("holds", "", ""))

    def test_healthy_with_an_error_is_trouble(self) -> None:
        one = by_name("poison-no-aside")
        result = self.run_check(replace(one, expect=checks.HOLDS))
        self.assertEqual(result.result, "round and round")
        self.assertIn("was to hold", result.trouble)

    def test_busted_finds_it(self) -> None:
        for name in ("full-no-allocate-nothing", "batch-waits-for-3", "kill-no-standby", "repeat-no-lend-once",
                     "forward-no-own-bio-set"):
            result = self.run_check(by_name(name))
            self.assertEqual((result.result, result.trouble), (result.check.expect, ""), name)
            self.assertTrue((self.folder / name / "trail.txt").read_text())

    def test_busted_without_a_counterexample_is_trouble(self) -> None:
        one = by_name("poison-no-aside")
        result = self.run_check(replace(one, defines=by_name("poison").defines))
        self.assertIn("no counterexample", result.trouble)

    def test_another_cause_is_trouble(self) -> None:
        result = self.run_check(replace(by_name("repeat-no-lend-once"), expect="I1"))
        self.assertIn("expected: I1", result.trouble)

    def test_a_limit_is_trouble(self) -> None:
        one = by_name("poison")
        self.addCleanup(setattr, spin, "DEPTH_MAX", spin.DEPTH_MAX)
        spin.DEPTH_MAX = 100
        result = self.run_check(one)
        self.assertEqual(result.result, "unknown")
        self.assertIn("not exhaustive", result.trouble)

    def test_a_model_that_spin_cannot_read(self) -> None:
        with self.assertRaisesRegex(spin.SpinError, "cannot read"):
            spin.build("progress", {}, self.folder / "x", optimise=False)

    def test_recorded_hangs_are_found(self) -> None:
        recorded = hangs.recorded()
        self.assertTrue(recorded)
        for hang in recorded:
            found = hangs.match(hang, self.folder)
            self.assertEqual(found.trouble, "", found.text())

    def test_a_protected_server_has_no_such_run(self) -> None:
        """The busted twin of the comparison: the same hang, had the server asked for nothing and been locked."""
        hang = next(hang for hang in hangs.recorded() if hang.name == "naive-bio")
        defines = {name: value for name, value in hang.defines.items() if name != "ALLOC"} | {"MLOCK": "", "LOADS": "1"}
        found = hangs.match(replace(hang, defines=defines), self.folder)
        self.assertIn("no such run", found.trouble)

    def test_who_waits_for_as_many_as_there_are_bios_has_no_such_run(self) -> None:
        hang = next(hang for hang in hangs.recorded() if hang.name == "hold-3")
        found = hangs.match(replace(hang, defines={**hang.defines, "WAIT_FOR": "2"}), self.folder)
        self.assertIn("no such run", found.trouble)


def a_run(folder: Path, verdict: str, command: str, off: tuple[str, ...] = (), device: str = "/dev/abuse0") -> None:
    """A results folder with what versus reads."""
    folder.mkdir(parents=True)
    arm = {"device": {"path": device}, "server": {"command": command, "protections_off": list(off)}}
    (folder / "manifest.json").write_text(json.dumps({"arm": arm}))
    (folder / "verdict.json").write_text(json.dumps({"verdict": verdict}))


SAFE = "/bin/swapserver /dev/abctl0 disk,path=/dev/vdb"
NAIVE = "/bin/swapserver /dev/abctl0 --naive disk,path=/dev/vdb"


class Versus(unittest.TestCase):
    """The model beside the verdicts of guests."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def call(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(MODEL / "versus"), str(self.folder)], capture_output=True, text=True, timeout=120)

    def test_kinds(self) -> None:
        a_run(self.folder / "a", "PASS", SAFE)
        a_run(self.folder / "b", "PASS", SAFE, ("oom", "caps"))
        a_run(self.folder / "c", "DEADLOCK", NAIVE, ("mlock", "scope", "flusher"))
        a_run(self.folder / "d", "INVALID", SAFE)
        a_run(self.folder / "e", "DEADLOCK", "nbd-server", device="/dev/nbd0")
        a_run(self.folder / "f", "DEADLOCK", "/bin/swapserver fault,hold=1:disk")
        a_run(self.folder / "g", "DEADLOCK", SAFE.replace("/dev/abctl0", "/dev/abctl0 --hold 8"))
        a_run(self.folder / "h", "LIVELOCK", SAFE)
        (self.folder / "h" / "verdict.json").write_text(json.dumps({
            "verdict": "LIVELOCK", "notes": ["IO-ERROR: 361835 requests ended with an error"]}))
        kinds, left = versus.gather([self.folder])
        self.assertEqual({kind.name: (kind.hung, kind.verdicts.total()) for kind in kinds.values()},
                         {"all protections": (0, 2), "no mlock, no memalloc, no flusher, a page per request": (1, 1),
                          "waits for 3 requests or more": (1, 1)})
        self.assertEqual(dict(left), {"INVALID": 1, "another device": 1, "store fault": 1, "the store refused requests": 1})

    def test_no_run(self) -> None:
        with self.assertRaises(hangs.HangError):
            versus.gather([self.folder])

    @needs_spin
    def test_agreement(self) -> None:
        a_run(self.folder / "a", "PASS", SAFE)
        a_run(self.folder / "c", "DEADLOCK", NAIVE, ("mlock", "scope", "flusher"))
        ran = self.call()
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertEqual(ran.stdout.count("  agrees"), 2)

    @needs_spin
    def test_a_hang_that_the_model_does_not_have_refutes_it(self) -> None:
        a_run(self.folder / "a", "LIVELOCK", SAFE)
        ran = self.call()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("CONTRADICTED", ran.stdout)


@needs_spin
class Command(unittest.TestCase):
    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(MODEL / "check"), *words], capture_output=True, text=True, timeout=120)

    def test_json(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.json"
            ran = self.call("hang-no-fence", "--no-hangs", "--json", str(out))
            self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
            self.assertIn("1 searches, 0 not as expected", ran.stdout)
            told = json.loads(out.read_text())["checks"][0]
            self.assertEqual((told["name"], told["result"], told["without"]), ("hang-no-fence", "hung", "fence"))
            self.assertTrue(told["trail"]["steps"])

    def test_unknown(self) -> None:
        ran = self.call("nothing")
        self.assertEqual((ran.returncode, ran.stdout), (2, ""))
        self.assertIn("--list", ran.stderr)

    def test_list(self) -> None:
        self.assertEqual(len(self.call("--list").stdout.splitlines()), len(checks.CHECKS))


if __name__ == "__main__":
    unittest.main()
