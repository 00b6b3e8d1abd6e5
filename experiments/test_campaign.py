#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of campaigns without a VM: plan, order, resumption, interrupts, controls, summary, job arrays.

Where it stands: beside experiments/lab.  Guests are fakeguest.py's; processes, folders and signals are real.  About 15 s.
A Slurm of its own is tried where one is unpacked already: `make test-slurm` unpacks it.
"""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

import fakeguest  # noqa: E402
import test_lab  # noqa: E402
from lab import arms, campaign, identity, plan as planning, questions, slurm, slurm_node, stats, summary, task as tasks  # noqa: E402
from lab.store import Store  # noqa: E402
from lab.vm import LabError  # noqa: E402

FAKE = str(HERE / "fakeguest.py")
# A slow host is no failure.
LIMIT_S = 600.0


def question(cells: str = '[[cell]]\nname = "full"\narm = "safe"\n', head: str = "") -> questions.Question:
    """A question with these cells, as from a file H99.toml."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "H99.toml")
        path.write_text(f'claim = "c"\nwho = "w"\nquestion = "q"\nprediction = "p"\nminutes = 1\n{head}{cells}')
        return questions.load(path)


TWO = '[[cell]]\nname = "full"\narm = "safe"\nexpect = ["PASS"]\n[[cell]]\nname = "naive"\narm = "naive"\nexpect = ["DEADLOCK"]\n'


class Temporary(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        self.store = Store(self.root)

    def plan(self, asked: questions.Question | None = None, **more: Any) -> planning.Plan:
        given: dict[str, Any] = {"seed": 7, "commit": "abc", "built": lambda arm, series: "b" * 8, "job_text": "",
                                 "guest_runner": FAKE, "runs": 3, "dropped": self.store.nr_dropped, **more}
        return planning.make([asked or question(TWO)], **given)

    def do(self, plan: planning.Plan, numbers: list[int] | None = None) -> None:
        """Run tasks in this process, in order."""
        for number in range(len(plan.tasks)) if numbers is None else numbers:
            tasks.run(plan, self.store, number)


class Plans(Temporary):
    def test_controls_first_then_blocks(self) -> None:
        plan = self.plan()
        first = len(questions.DETECTORS) * planning.CONTROL_ATTEMPTS
        self.assertTrue(all(plan.cells[task.cell].fires for task in plan.tasks[:first]))
        rest = plan.tasks[first:]
        self.assertEqual([task.index for task in rest], [0, 0, 1, 1, 2, 2])
        for block in (rest[0:2], rest[2:4], rest[4:6]):
            self.assertEqual(len({task.cell for task in block}), 2)

    def test_seed_decides_the_order(self) -> None:
        cells = '[[cell]]\nname = "a"\narm = "safe"\nvary = { without = "each" }\n'
        orders = [[task.cell for task in self.plan(question(cells), seed=seed).tasks] for seed in (1, 1, 2)]
        self.assertEqual(orders[0], orders[1])
        self.assertNotEqual(orders[0], orders[2])

    def test_cells_see_the_same_loads(self) -> None:
        seen: dict[int, set[int]] = {}
        plan = self.plan()
        with mock.patch.object(tasks, "guest_runner", lambda _path: lambda arm, series, out, seed: (
                seen.setdefault(number_of(out), set()).add(seed), fakeguest.run(arm, series, out, seed))):
            def number_of(out: Path) -> int:
                return int(out.name[:4])
            self.do(plan)
        self.assertEqual([len(seeds) for _index, seeds in sorted(seen.items())], [1, 1, 1])
        self.assertEqual(len(set.union(*seen.values())), 3)

    def test_one_cell_of_two_questions(self) -> None:
        one, other = question(TWO), question('[[cell]]\nname = "same"\narm = "safe"\nruns = 9\n')
        plan = planning.make([one, other], seed=1, commit="abc", built=lambda arm, series: "b", job_text="")
        full = next(cell for cell in plan.cells.values() if "H99/full" in cell.labels)
        self.assertEqual((full.labels, full.runs), (["H99/full", "H99/same"], 10))

    def test_what_cannot_run_is_left_out_with_a_reason(self) -> None:
        cells = TWO + '[[cell]]\nname = "a"\narm = "nowhere"\n[[cell]]\nname = "b"\narm = "safe"\nmglru = false\n'
        plan = self.plan(question(cells))
        self.assertEqual([left["label"] for left in plan.left_out], ["H99/a", "H99/b"])
        self.assertIn("does not read VM_MGLRU", plan.left_out[1]["why"])
        self.assertEqual(self.plan(question(cells), job_text="${VM_MGLRU:-}").left_out, plan.left_out[:1])

    def test_what_is_not_built_is_left_out(self) -> None:
        def built(arm: dict[str, Any], series: str) -> str:
            if arm["name"] == "naive":
                raise LabError("x is missing: run `make all`")
            return "b"
        self.assertEqual(self.plan(built=built).left_out, [{"label": "H99/naive", "why": "x is missing: run `make all`"}])

    def test_nothing_to_run(self) -> None:
        with self.assertRaisesRegex(LabError, "nothing to run: H99/a: .*nowhere"):
            self.plan(question('[[cell]]\nname = "a"\narm = "nowhere"\n'))
        with self.assertRaisesRegex(LabError, "no cell is like that"):
            self.plan(cells_like="hm")

    def test_saved_and_read(self) -> None:
        plan = self.plan()
        path = planning.save(plan, self.root)
        self.assertEqual(planning.read(path), plan)
        self.assertEqual(planning.read(planning.save(plan, self.root)).id, plan.id)
        path.write_text("{}")
        with self.assertRaisesRegex(LabError, "not a plan"):
            planning.read(path)

    def test_a_control_that_cannot_run_is_named(self) -> None:
        plan = self.plan(built=lambda arm, series: self.no_fault(arm))
        full = next(cell for cell in plan.cells.values() if "H99/full" in cell.labels)
        self.assertIn("missing:LOST", full.controls)

    @staticmethod
    def no_fault(arm: dict[str, Any]) -> str:
        if "fault" in arm:
            raise LabError("not here")
        return "b"


class Identity(Temporary):
    """The commit that goes into a run's name."""

    def git(self, *command: str) -> str:
        return subprocess.run(["git", "-C", str(self.root), "-c", "user.name=t", "-c", "user.email=t@localhost", *command],
                              check=True, capture_output=True, text=True).stdout.strip()

    def change(self, *names: str) -> str:
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(path.read_text() + "x" if path.exists() else "x")
        self.git("add", "-A")
        self.git("commit", "-qm", "c")
        return self.git("rev-parse", "HEAD")[:12]

    def asked(self) -> str:
        with mock.patch.object(identity, "REPO", self.root):
            return identity.commit.__wrapped__()

    def test_documents_leave_it_as_it_is(self) -> None:
        self.git("init", "-q")
        first = self.change("module/bio.c", "swapserver/README.md")
        self.change("swapserver/README.md", "module/README.md", "swapserver/swapserver.8", "swapserver/libabuse/man/libabuse.3", "tests/a.c")
        self.assertEqual(self.asked(), first)
        (self.root / "swapserver/README.md").write_text("dirty")
        self.assertEqual(self.asked(), first)
        # Twins: code, a script, and code that is not committed.
        second = self.change("experiments/guest/job.sh")
        self.assertEqual(self.asked(), second)
        third = self.change("vm-images/packages.txt")
        self.assertEqual(self.asked(), third)
        (self.root / "module/bio.c").write_text("dirty")
        self.assertEqual(self.asked(), third + "-dirty")


class Runs(Temporary):
    def test_written_once(self) -> None:
        plan = self.plan()
        self.do(plan)
        folders = {path: path.stat().st_mtime_ns for path in self.store.finished()}
        self.assertEqual(len(folders), len(questions.DETECTORS) + 6)
        self.do(plan)
        self.assertEqual({path: path.stat().st_mtime_ns for path in self.store.finished()}, folders)

    def test_another_seed_commit_or_build_is_another_run(self) -> None:
        names = {self.plan(**more).run_name(planning.Task(next(iter(self.plan().cells)), 0))
                 for more in ({}, {"seed": 8}, {"commit": "abd"}, {"built": lambda arm, series: "c" * 8}, {"guest_runner": ""})}
        self.assertEqual(len(names), 5)

    def test_failed_run_leaves_nothing(self) -> None:
        plan = self.plan()
        for error in (LabError("x"), KeyboardInterrupt()):
            def broken(_arm: Any, _series: str, out: Path, _seed: int) -> None:
                out.mkdir()
                (out / "console.log").write_text("x")
                raise error
            with mock.patch.object(tasks, "guest_runner", lambda _path: broken), self.assertRaises(type(error)):
                tasks.run(plan, self.store, 0)
            self.assertEqual(list((self.root / ".partial").iterdir()), [])
            self.assertEqual(list(self.store.finished()), [])

    def test_built_anew_under_a_plan(self) -> None:
        plan = self.plan(guest_runner="")
        with mock.patch.object(tasks.identity, "built", lambda arm, series: "c" * 8), \
                mock.patch.object(tasks, "_qemu", side_effect=AssertionError), self.assertRaisesRegex(LabError, "built anew"):
            tasks.run(plan, self.store, 0)

    def test_two_at_a_time_keep_one(self) -> None:
        one, other = self.store.partial("a"), self.store.partial("b")
        for path in (one, other):
            path.mkdir()
            (path / "x").write_text(path.name)
        final = self.store.run("cell", "run")
        self.assertTrue(self.store.publish(one, final))
        self.assertFalse(self.store.publish(other, final))
        self.assertTrue((final / "x").read_text().startswith("a."))
        self.assertFalse(other.exists())

    def test_healthy_runs_measure_later_ones(self) -> None:
        """What a load does a second when all is well goes into the next run of that load."""
        seen: list[Any] = []
        plan = self.plan(runs=1)
        mine = [number for number, task in enumerate(plan.tasks) if not plan.cells[task.cell].fires]
        mine.sort(key=lambda number: plan.cells[plan.tasks[number].cell].arm["name"] != "safe")
        with mock.patch.object(tasks, "guest_runner", lambda _path: lambda arm, series, out, seed: (
                seen.append(arm.get("control")), fakeguest.run(arm, series, out, seed))):
            self.do(plan, mine)
        self.assertEqual(seen, [None, {"runs": 1, "steps": {"pageload": {"what": "load_units", "per_s": 50.0},
                                                            "stress-ng": {"what": "load_units", "per_s": 50.0}}}])

    def test_sweep(self) -> None:
        dead = subprocess.Popen(["true"])
        dead.wait()
        mine = self.store.partial("run-of-mine.x")
        mine.mkdir()
        left = mine.with_name(mine.name.replace(str(os.getpid()), str(dead.pid)))
        left.mkdir()
        elsewhere = mine.with_name("run.another-host.1")
        elsewhere.mkdir()
        self.assertEqual(self.store.sweep(), 1)
        self.assertEqual(sorted(path.name for path in (self.root / ".partial").iterdir()), sorted([mine.name, elsewhere.name]))

    def test_full_evidence_once_a_cell_and_verdict(self) -> None:
        self.do(self.plan())
        full = [path.parent.parent.name for path in self.root.glob("runs/*/*/evidence.tar.xz")]
        self.assertEqual(len(full), len(set(full)))
        self.assertEqual(len(full), len(questions.DETECTORS) + 2)
        for path in self.store.finished():
            kept = json.loads((path / "manifest.json").read_text())["evidence"]
            self.assertEqual(kept["kept"], (path / "evidence.tar.xz").is_file())
            self.assertEqual(len(kept["sha256"]), 64)
            self.assertLess(sum(part.stat().st_size for part in path.iterdir()), 20000)

    def test_claim_outlives_an_interrupt(self) -> None:
        final = self.store.run("cell", "run")
        self.assertTrue(self.store.claim_full(final, "PASS"))
        self.assertTrue(self.store.claim_full(final, "PASS"))
        self.assertFalse(self.store.claim_full(final.with_name("other"), "PASS"))
        self.assertTrue(self.store.claim_full(final.with_name("other"), "LOST"))


class Controls(Temporary):
    def control(self, plan: planning.Plan, fires: str) -> str:
        return next(digest for digest, cell in plan.cells.items() if cell.fires == fires)

    def numbers(self, plan: planning.Plan, digest: str) -> list[int]:
        return [number for number, task in enumerate(plan.tasks) if task.cell == digest]

    def with_verdict(self, name: str) -> Any:
        return mock.patch.object(fakeguest, "wanted", lambda arm: name)

    def run_here(self, plan: planning.Plan, number: int) -> None:
        with mock.patch.object(tasks, "guest_runner", lambda _path: fakeguest.run):
            tasks.run(plan, self.store, number)

    def test_all_fire(self) -> None:
        plan = self.plan()
        self.do(plan)
        for name in questions.DETECTORS:
            self.assertTrue(tasks.fired(plan, self.store, self.control(plan, name)), name)
        told = summary.collect([self.root], plans=[plan])
        self.assertEqual([row.void for row in told.rows], [""] * len(told.rows))
        self.assertEqual(told.missing, [])

    def test_deaf_detector_makes_the_results_invalid(self) -> None:
        for name in ("LIVELOCK", "INVALID"):
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                store, plan = Store(Path(folder)), self.plan()
                with mock.patch.dict(os.environ, {"FAKE_DEAF": name}):
                    for number in range(len(plan.tasks)):
                        tasks.run(plan, store, number)
                self.assertFalse(tasks.fired(plan, store, self.control(plan, name)))
                told = summary.collect([Path(folder)])
                rows = {row.label: row for row in told.rows}
                self.assertIn("has not fired", rows["H99/full"].void)
                self.assertIsNone(rows["H99/full"].rate)
                self.assertIn("INVALID", next(line for line in summary.text(told).splitlines() if "H99/full" in line))

    def test_missing_control_makes_the_results_invalid(self) -> None:
        plan = self.plan()
        planning.save(plan, self.root)
        control = self.control(plan, "LOST")
        self.do(plan, [number for number, task in enumerate(plan.tasks) if task.cell != control])
        self.assertIn("stands-still has not fired", summary.collect([self.root]).rows[-1].void)
        self.do(plan, self.numbers(plan, control))
        self.assertEqual(summary.collect([self.root]).rows[-1].void, "")

    def test_invalid_control_is_tried_again(self) -> None:
        plan = self.plan()
        first, second, third = self.numbers(plan, self.control(plan, "LOST"))
        self.assertFalse(tasks.needed(plan, self.store, second))
        with self.with_verdict("INVALID"):
            self.run_here(plan, first)
        self.assertTrue(tasks.needed(plan, self.store, second))
        self.assertFalse(tasks.needed(plan, self.store, third))
        self.run_here(plan, second)
        self.assertFalse(tasks.needed(plan, self.store, third))
        self.assertTrue(tasks.fired(plan, self.store, self.control(plan, "LOST")))

    def test_wrong_control_stands(self) -> None:
        plan = self.plan()
        first, second, _third = self.numbers(plan, self.control(plan, "CORRUPT"))
        with self.with_verdict("PASS"):
            self.run_here(plan, first)
        self.assertFalse(tasks.needed(plan, self.store, second))
        self.assertFalse(tasks.fired(plan, self.store, self.control(plan, "CORRUPT")))

    def test_dropped_control_is_replaced(self) -> None:
        plan = self.plan()
        first, *_ = self.numbers(plan, self.control(plan, "LOST"))
        with self.with_verdict("PASS"):
            self.run_here(plan, first)
        cell = plan.cells[self.control(plan, "LOST")]
        (self.root / "dropped.txt").write_text(f"{cell.folder}/{plan.run_name(plan.tasks[first])} the host slept\n")
        again = self.plan()
        numbers = self.numbers(again, cell.digest)
        self.assertEqual(len(numbers), planning.CONTROL_ATTEMPTS + 1)
        self.run_here(again, numbers[1])
        self.assertTrue(tasks.fired(again, self.store, cell.digest))


class Summaries(Temporary):
    def test_counts_and_interval(self) -> None:
        plan = self.plan(runs=10)
        self.do(plan)
        rows = {row.label: row for row in summary.collect([self.root]).rows}
        full, naive = rows["H99/full"], rows["H99/naive"]
        self.assertEqual((full.boots, full.verdicts, full.hangs, full.as_expected), (10, {"PASS": 10}, 0, 10))
        self.assertAlmostEqual(full.high or 0, 0.2775, places=4)
        self.assertEqual((naive.hangs, naive.rate, naive.high), (10, 1.0, 1.0))
        json.dumps(summary.collect([self.root]).as_dict())

    def test_missing_and_left_out(self) -> None:
        plan = self.plan(question(TWO + '[[cell]]\nname = "a"\narm = "nowhere"\n'))
        planning.save(plan, self.root)
        last = [number for number, task in enumerate(plan.tasks) if task.index == 2 and not task.again]
        self.do(plan, [number for number in range(len(plan.tasks)) if number not in last])
        told = summary.collect([self.root])
        self.assertEqual(sorted(entry["label"] for entry in told.missing), ["H99/full", "H99/naive"])
        self.assertEqual({(entry["boots"], entry["of"]) for entry in told.missing}, {(1, 3)})
        text = summary.text(told)
        self.assertIn("missing   H99/full (6.12): 1 of 3", text)
        self.assertIn("left out  H99/a: experiments/arms/nowhere.toml", text)

    def test_missing_is_a_line_a_cell(self) -> None:
        """Asked for by two campaigns, of two commits, neither of which has all boots: not one line each."""
        plans = [self.plan(commit=commit) for commit in ("abc", "abd")]
        for plan, indices in zip(plans, ((0,), (0, 1))):
            self.do(plan, [number for number, task in enumerate(plan.tasks)
                           if plan.cells[task.cell].fires or task.index in indices or "H99/naive" in plan.cells[task.cell].labels])
        missing = summary.collect([self.root], plans).missing
        self.assertEqual([(entry["label"], entry["commit"], entry["boots"], entry["of"]) for entry in missing], [("H99/full", "abd", 1, 3)])
        self.assertIn("of other commits: 1 of abc", missing[0]["reason"])

    def test_invalid_boots_have_reasons(self) -> None:
        plan = self.plan()
        with mock.patch.object(fakeguest, "wanted", lambda arm: "INVALID"), \
                mock.patch.object(tasks, "guest_runner", lambda _path: fakeguest.run):
            number = next(number for number, task in enumerate(plan.tasks) if plan.cells[task.cell].labels == ["H99/full"])
            tasks.run(plan, self.store, number)
        told = summary.collect([self.root])
        self.assertEqual(told.rows[0].counted, 0)
        self.assertIn("too little swapping", told.invalid[0]["reason"])

    def test_judged_again(self) -> None:
        plan = self.plan()
        self.do(plan)
        path = next(path for path in self.store.finished() if "PASS" in (path / "verdict.json").read_text())
        record = json.loads((path / "verdict.json").read_text())
        (path / "verdict.json").write_text(json.dumps({**record, "verdict": "LOST"}))
        changed, = summary.collect([self.root]).changed
        self.assertEqual((changed["before"], changed["now"]), ("LOST", "PASS"))

    def test_judged_by_a_control_that_came_later(self) -> None:
        """A run that crept to its limit proves nothing, until it is known what a healthy one does."""
        plan = self.plan(runs=1)
        names = {plan.cells[task.cell].arm["name"]: number for number, task in enumerate(plan.tasks)
                 if not plan.cells[task.cell].fires}

        def crept(arm: dict[str, Any]) -> Any:
            run = test_lab.creeping(0.1, control_per_s=0)
            run.arm = arm
            return run
        with mock.patch.object(tasks, "guest_runner", lambda _path: fakeguest.run):
            with mock.patch.object(fakeguest, "evidence", crept):
                self.do(plan, [names["naive"]])
            before = {row.arm: row.verdicts for row in summary.collect([self.root]).rows}
            self.do(plan, [names["safe"]])
        told = summary.collect([self.root])
        self.assertEqual(before, {"naive": {"INVALID": 1}})
        self.assertEqual({row.arm: row.verdicts for row in told.rows}, {"naive": {"LIVELOCK": 1}, "safe": {"PASS": 1}})
        self.assertEqual([(entry["before"], entry["now"]) for entry in told.changed], [("INVALID", "LIVELOCK")])

    def test_merged_by_copying(self) -> None:
        plan = self.plan()
        with tempfile.TemporaryDirectory() as name:
            there = Store(Path(name))
            for number, task in enumerate(plan.tasks):
                tasks.run(plan, self.store if task.index == 0 else there, number)
            both = summary.collect([self.root, there.root])
            self.assertEqual({row.label: row.boots for row in both.rows}["H99/full"], 3)
            subprocess.run(["cp", "-r", f"{there.root}/runs", str(self.root)], check=True)
            # In both folders: counted once.
            self.assertEqual(summary.collect([self.root, there.root]).rows, both.rows)

    def test_dropped_with_a_reason(self) -> None:
        plan = self.plan()
        self.do(plan)
        path = next(path for path in self.store.finished() if path.name.startswith("0001"))
        (self.root / "dropped.txt").write_text(f"{path.parent.name}/{path.name}\n")
        with self.assertRaisesRegex(LabError, "without a reason"):
            summary.collect([self.root])
        (self.root / "dropped.txt").write_text(f"# why\n{path.parent.name}/{path.name} the host slept\n")
        told = summary.collect([self.root])
        self.assertEqual(told.dropped[0]["reason"], "the host slept")
        self.assertEqual(sum(row.boots for row in told.rows), len(questions.DETECTORS) + 5)
        again = self.plan()
        self.assertEqual(sum(tasks.needed(again, self.store, number) for number in range(len(again.tasks))), 1)

    def test_other_commits_are_rows_of_their_own(self) -> None:
        for commit in ("abc", "abd"):
            self.do(self.plan(commit=commit))
        rows = [row for row in summary.collect([self.root]).rows if row.label == "H99/full"]
        self.assertEqual([row.commit for row in rows], ["abc", "abd"])

    def test_unreadable_run_is_told(self) -> None:
        plan = self.plan()
        self.do(plan)
        path = next(self.store.finished())
        (path / "judge.json.xz").write_bytes(b"x")
        self.assertIn("cannot be read", summary.text(summary.collect([self.root])))

    def test_not_a_results_folder(self) -> None:
        with self.assertRaisesRegex(LabError, "no results here"):
            summary.collect([self.root])

    def test_nothing_fake_goes_unsaid(self) -> None:
        self.do(self.plan())
        self.assertIn("had no guest", summary.text(summary.collect([self.root])))


class Checks(Temporary):
    def test_holds_and_fails(self) -> None:
        plan = self.plan(question('[[check]]\nname = "a"\ncommand = ["echo", "48 lines"]\n'
                                  '[[check]]\nname = "b"\ncommand = ["false"]\n[[check]]\nname = "c"\ncommand = ["/no/such"]\n'))
        self.assertEqual([tasks.check(plan, self.store, number).verdict for number in range(2)], ["holds", "fails"])
        with self.assertRaisesRegex(LabError, "could not do its work"):
            tasks.check(plan, self.store, 2)
        planning.save(plan, self.root)
        self.assertEqual(tasks.check(plan, self.store, 0).reason, "it is there")
        text = summary.text(summary.collect([self.root]))
        self.assertIn("H99/a  check: holds: 48 lines", text)
        self.assertIn("H99/b  check: FAILS", text)
        self.assertIn("missing   H99/c", text)


class Command(Temporary):
    """experiments/run as a process of its own, like a user's."""

    # One control and four runs.
    NR_SHORT = 5

    def command(self, *more: str) -> list[str]:
        return [sys.executable, str(HERE / "run"), "--arm", str(HERE / "arms" / "safe.toml"), "--runs", "3", "--jobs", "2",
                "--results", str(self.root / "results"), "--guest-runner", FAKE, *more]

    def short(self, *more: str) -> list[str]:
        """The command for a campaign that relies on one detector."""
        path = self.root / "H98.toml"
        path.write_text('claim = "c"\nwho = "w"\nquestion = "q"\nprediction = "p"\ndetectors = ["LOST"]\nruns = 4\n'
                        '[[cell]]\nname = "full"\narm = "safe"\n')
        return [sys.executable, str(HERE / "run"), "--question", str(path), "--jobs", "2",
                "--results", str(self.root / "results"), "--guest-runner", FAKE, *more]

    def setUp(self) -> None:
        super().setUp()
        # What was built does not matter here; that all of a guest of 6.12 is there does.
        try:
            identity.built(arms.load_arm(HERE / "arms" / "safe.toml"), "6.12")
        except LabError as what:
            self.skipTest(str(what))

    def start(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, **environment})
        self.process = process
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            self.addCleanup(stream.close)
        return process

    def wait_for(self, condition: Callable[[], bool], what: str, lives: bool = True) -> None:
        deadline = time.monotonic() + LIMIT_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            if lives and self.process.poll() is not None and not condition():
                assert self.process.stderr is not None
                self.fail(f"{what}: it has ended before: {self.process.stderr.read()}")
            time.sleep(0.02)

    def finished(self) -> int:
        return len(list(self.root.glob("results/runs/*/[0-9]*")))

    def partial(self) -> int:
        return len(list(self.root.glob("results/.partial/*")))

    def test_a_campaign(self) -> None:
        out, err = (process := self.start(self.command())).communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("[12/12]", err)
        self.assertRegex(out, r"arm/safe +safe +6.12 +3 boots  PASS 3 +hangs 0/3 = 0.00 \[0.000, 0.561\]")
        out, err = self.start(self.command()).communicate(timeout=LIMIT_S)
        self.assertIn("12 of 12 runs are there already", err)
        self.assertNotIn("[", err)

    def test_interrupt_leaves_no_half_run_and_goes_on(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start(self.short("--seed", str(int(number))), FAKE_SLEEP_S="1")
            before = self.finished()
            self.wait_for(lambda: self.finished() > before and self.partial() > 0, "runs under way")
            process.send_signal(number)
            _out, err = process.communicate(timeout=LIMIT_S)
            self.assertEqual(process.returncode, 130, err)
            self.assertIn("To go on:\n  experiments/run --question", err)
            self.assertEqual(self.partial(), 0)
            there = self.finished()
            _out, err = (process := self.start(self.short("--seed", str(int(number))))).communicate(timeout=LIMIT_S)
            self.assertEqual(process.returncode, 0, err)
            self.assertIn(f"{there - before} of {self.NR_SHORT} runs are there already", err)
            self.assertEqual(self.finished(), before + self.NR_SHORT)

    def test_killed_campaign_goes_on(self) -> None:
        process = self.start(self.short(), FAKE_SLEEP_S="1")
        self.wait_for(lambda: self.finished() > 0 and self.partial() > 0, "runs under way")
        process.kill()
        process.wait()
        # Its runs end by themselves, as runs under nobody: wait for them.
        self.wait_for(lambda: self.partial() == 0, "orphans to end", lives=False)
        _out, err = (process := self.start(self.short())).communicate(timeout=LIMIT_S)
        self.assertEqual((process.returncode, self.finished()), (0, self.NR_SHORT), err)

    def test_deaf_detector(self) -> None:
        out, err = (process := self.start(self.short(), FAKE_DEAF="LOST")).communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn("did not come out as LOST", err)
        self.assertIn("INVALID: control/stands-still has not fired", out)

    def test_broken_lab_ends_the_campaign(self) -> None:
        _out, err = (process := self.start(self.short(), FAKE_BREAK="1")).communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 2, err)
        self.assertIn("3 runs in a row left no result", err)
        self.assertEqual(self.finished(), 0)

    def test_plan_runs_nothing(self) -> None:
        out, _err = self.start(self.command("--plan")).communicate(timeout=LIMIT_S)
        self.assertRegex(out, r"plan \w{10}: 12 runs to go, about \d+ min with 2 at a time")
        self.assertFalse((self.root / "results").exists())

    def test_slips(self) -> None:
        for more, said in ((["--jobs", "0"], "--jobs is 1"), (["--cells", "hm"], "no cell is like that")):
            _out, err = (process := self.start(self.command(*more))).communicate(timeout=LIMIT_S)
            self.assertEqual((process.returncode, len(err.splitlines())), (2, 1), err)
            self.assertIn(said, err)

    def test_summary(self) -> None:
        self.start(self.short()).communicate(timeout=LIMIT_S)
        told = json.loads(subprocess.run([str(HERE / "summary"), str(self.root / "results"), "--json"], capture_output=True,
                                         text=True, check=True).stdout)
        self.assertEqual(sum(row["boots"] for row in told["rows"]), self.NR_SHORT)


class Space(Temporary):
    def test_too_little(self) -> None:
        plan = self.plan()
        with mock.patch.object(campaign, "RUN_BYTES", 1 << 60), self.assertRaisesRegex(LabError, "no space"):
            campaign.Local(plan, self.store, jobs=1, stream=None).run()
        self.assertEqual(list(self.store.finished()), [])

    def test_counted(self) -> None:
        plan = self.plan()
        self.assertEqual(campaign.space_bytes(plan, [0, 1], 2), 2 * ((1024 << 20) + campaign.RUN_BYTES) + 2 * campaign.KEPT_BYTES)


class TimeLeft(Temporary):
    def test_from_estimates_then_from_what_runs_take(self) -> None:
        plan = self.plan()
        progress = campaign.Progress(plan, 2, None)
        numbers = [number for number, task in enumerate(plan.tasks) if not plan.cells[task.cell].fires]
        self.assertEqual(progress.left_s(numbers), 6 * 60 / 2)
        progress.done(numbers[0], "PASS", "", 30.0, numbers[1:])
        # Half of what was said: the other cell is taken to be as quick.
        self.assertEqual(progress.left_s(numbers[1:]), 5 * 30 / 2)
        self.assertIn("left  PASS 1", progress.text(numbers[1:], 1))


class Numbers(unittest.TestCase):
    def test_wilson(self) -> None:
        for hits, runs, low, high in ((0, 30, 0.0, 0.1135), (5, 10, 0.2366, 0.7634), (1, 3, 0.0615, 0.7923), (10, 10, 0.7225, 1.0)):
            self.assertAlmostEqual(stats.wilson(hits, runs)[0], low, places=4)
            self.assertAlmostEqual(stats.wilson(hits, runs)[1], high, places=4)
        for hits, runs in ((1, 0), (3, 2), (-1, 2)):
            with self.assertRaises(ValueError):
                stats.wilson(hits, runs)

    def test_none_of(self) -> None:
        for runs, bound in ((30, 0.095), (60, 0.049), (100, 0.030), (300, 0.010)):
            self.assertAlmostEqual(stats.none_of(runs), bound, places=3)

    def test_duration(self) -> None:
        self.assertEqual([stats.duration(value) for value in (7, 99.4, 1200, 20 * 3600)], ["7 s", "99 s", "20 min", "20:00 h"])


class Arrays(Temporary):
    """Job arrays, on an sbatch that is none."""

    def fake(self, script: str) -> dict[str, str]:
        folder = self.root / "bin"
        folder.mkdir(exist_ok=True)
        for name in ("sbatch", "scontrol"):
            path = folder / name
            path.write_text(f"#!/bin/bash\n{script if name == 'sbatch' else 'echo MaxArraySize = 1001'}\n")
            path.chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    def test_script(self) -> None:
        plan = self.plan()
        array, = slurm.write(plan, self.store, jobs=4)
        text = array.script.read_text()
        subprocess.run(["bash", "-n", str(array.script)], check=True)
        self.assertIn("%4\n", text)
        self.assertIn("#SBATCH --array=0,3,6,9,12,15,18,21,24,27-32%4", text)
        self.assertIn("#SBATCH --mem=768M", text)
        self.assertIn("#SBATCH --cpus-per-task=2", text)
        self.assertEqual(len(array.numbers), len(questions.DETECTORS) + 6)

    def test_an_element_runs_its_task(self) -> None:
        plan = self.plan()
        array, = slurm.write(plan, self.store, jobs=0)
        number = array.numbers[-1]
        subprocess.run(["bash", str(array.script)], check=True, capture_output=True,
                       env={**os.environ, "SLURM_ARRAY_TASK_ID": str(number)})
        self.assertFalse(tasks.needed(plan, self.store, number))
        self.assertEqual(len(list(self.store.finished())), 1)

    def test_limit_of_indices(self) -> None:
        plan = self.plan()
        arrays = slurm.write(plan, self.store, jobs=0, limit=10)
        self.assertEqual(sorted(number for array in arrays for number in array.numbers),
                         [number for number in range(len(plan.tasks)) if tasks.needed(plan, self.store, number)])
        text = arrays[-1].script.read_text()
        self.assertIn("#SBATCH --array=0-2\n", text)
        subprocess.run(["bash", str(arrays[-1].script)], check=True, capture_output=True,
                       env={**os.environ, "SLURM_ARRAY_TASK_ID": "0"})
        self.assertFalse(tasks.needed(plan, self.store, 30))

    def test_submitted(self) -> None:
        plan = self.plan()
        with mock.patch.dict(os.environ, self.fake(f'echo "$@" >>{self.root}/calls; echo "17;cluster"')):
            self.assertEqual(slurm.submit(plan, self.store, jobs=0, options=["--partition=x"]), [("17", 15)])
            self.do(plan)
            self.assertEqual(slurm.submit(plan, self.store, jobs=0), [])
        self.assertIn("--parsable --partition=x", (self.root / "calls").read_text())

    def test_refused(self) -> None:
        with mock.patch.dict(os.environ, self.fake("echo 'sbatch: error: no partition' >&2; exit 1")), \
                self.assertRaisesRegex(LabError, "no partition"):
            slurm.submit(self.plan(), self.store, jobs=0)
        with mock.patch.dict(os.environ, {"PATH": str(self.root)}), self.assertRaisesRegex(LabError, "sbatch is not installed"):
            slurm.submit(self.plan(), self.store, jobs=0)

    def test_ranges(self) -> None:
        self.assertEqual(slurm._ranges([5, 0, 1, 2]), "0-2,5")


@unittest.skipUnless((slurm_node.UNPACKED / "root").is_dir() or os.environ.get("ABUSE_TEST_SLURM"),
                     "no Slurm is unpacked: make test-slurm")
class RealSlurm(Temporary):
    def test_a_plan_as_a_job_array(self) -> None:
        plan = self.plan(question(TWO, 'detectors = ["LOST"]\n'))
        with slurm_node.OneNode(self.root / "node") as node, mock.patch.dict(os.environ, node.environment):
            (job, number), = slurm.submit(plan, self.store, jobs=2)
            self.assertEqual(number, 7)
            self.assertEqual(slurm.max_array(), 1001)
            node.wait("all runs have ended", 300, "squeue", "-h", until="")
            told = summary.collect([self.root])
            self.assertEqual((told.missing, sum(row.boots for row in told.rows)), ([], 7), job)
            self.assertEqual(slurm.submit(plan, self.store, jobs=2), [])

    def test_cancelled_runs_leave_nothing(self) -> None:
        plan = self.plan(question(TWO, 'detectors = ["LOST"]\n'))
        with slurm_node.OneNode(self.root / "node") as node, \
                mock.patch.dict(os.environ, {**node.environment, "FAKE_SLEEP_S": "600"}):
            slurm.submit(plan, self.store, jobs=2)
            deadline = time.monotonic() + LIMIT_S
            while not list(self.root.glob(".partial/*")):
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            node.ask("scancel", "--name", f"abuse-{plan.id}")
            node.wait("the jobs are gone", LIMIT_S, "squeue", "-h", until="")
            self.assertEqual(list(self.root.glob(".partial/*")), [])
        self.assertEqual(list(self.store.finished()), [])


if __name__ == "__main__":
    unittest.main()
