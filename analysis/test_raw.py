# SPDX-License-Identifier: GPL-2.0-only
"""Raw results are read, judged again, kept and counted as they are, and each way of being wrong is told.

Where it stands: beside analysis/report/raw.py, judging.py, keeping.py, numbers.py.  Guests are experiments/fakeguest.py's, and one
real boot of analysis/results.
"""
from __future__ import annotations

import json
import lzma
import os
import re
import shutil
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True  # build output goes to build/ only
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from report import KEPT, ReportError, judging, keeping, numbers, raw, synthetic  # noqa: E402
from lab import evidence, plan as planning, store, verdict  # noqa: E402 (found through the line above)
from report.synthetic import Cell  # noqa: E402


def change_judged(folder: Path, change) -> None:  # type: ignore[no-untyped-def]
    """Change the raw evidence of a kept run: change(dict) works on it."""
    path = folder / "judge.json.xz"
    told = json.loads(lzma.decompress(path.read_bytes()))
    change(told)
    path.write_bytes(lzma.compress(json.dumps(told).encode()))


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.root = Path(place.name) / "results"
        self.root.mkdir()


class Reading(Folder):
    def test_cells_share_boots_by_what_they_are(self) -> None:
        synthetic.store(self.root, [Cell("H8/full-6.12", 3), Cell("H8/naive", 2, 2)])
        found = numbers.of([self.root])
        self.assertEqual(found.text("H8/full-6.12.of"), "0 of 3")
        # The same arm under other names.
        self.assertEqual(found.text("H10/disk.of"), "0 of 3")
        self.assertEqual(found.text("H1/naive.of"), "2 of 2")
        # The twin: another arm, which nobody ran.
        self.assertEqual(found.text("H10/forward.of"), numbers.NOT_MEASURED)

    def test_commits_are_not_pooled(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 0, commit="0ld000000000"), Cell("H8/naive", 3, 3)])
        self.assertEqual(numbers.of([self.root]).text("H8/naive.of"), "3 of 3")

    def test_a_silent_control_voids(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 2)], controls=["missing:DEADLOCK"])
        found = raw.read([self.root])
        self.assertIn("no control", found.boots[0].void)
        self.assertEqual(numbers.Numbers(found).text("H8/naive.of"), numbers.NOT_MEASURED)

    def test_dropped(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 2)])
        folder = next((self.root / "runs").glob("*/0000*"))
        (self.root / "dropped.txt").write_text(f"{folder.parent.name}/{folder.name} the host was asleep\n")
        found = numbers.of([self.root])
        self.assertEqual(found.text("H8/naive.of"), "1 of 1")
        self.assertEqual(found.text("raw.dropped"), "1")

    def test_time_to_hang(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 1, 1), Cell("H8/full-6.12", 1)])
        by_label = {boot.labels[0]: boot for boot in raw.read([self.root]).boots}
        # fakeguest stops at second 5; its loads end at second 30.
        self.assertEqual(raw.time_to_hang(by_label["H8/naive"]), (5.0, True))
        time_s, hung = raw.time_to_hang(by_label["H8/full-6.12"]) or (0, True)
        self.assertFalse(hung)
        self.assertAlmostEqual(time_s, 30, delta=1)

    def test_no_such_number(self) -> None:
        found = numbers.of([self.root])
        for key in ("H8/full-6.12.speed", "H8/no-such-cell.of", "takeovers.colour", "raw.colour", "H99.measured", "demo/safe",
                    "H8/naive|H8/nobody.p", "H16/nothing.holds"):
            with self.assertRaises(ReportError, msg=key):
                found.text(key)

    def test_the_newest_outcome_of_a_check(self) -> None:
        for commit, utc, status in (("bbb", "2026-01-01T00:00:00+00:00", 0), ("aaa", "2026-01-02T00:00:00+00:00", 1)):
            folder = self.root / "checks" / f"H16-lines-{commit}"
            folder.mkdir(parents=True)
            (folder / "check.json").write_text(json.dumps({"label": "H16/lines", "commit": commit, "status": status, "utc": utc,
                                                           "last_line": f"of {commit}"}))
        found = numbers.of([self.root])
        self.assertEqual(found.text("H16/lines.holds"), "fails")
        self.assertIn("the check lines fails (of aaa)", found.text("H16.measured"))

    def test_each_cell_of_a_name(self) -> None:
        synthetic.store(self.root, [Cell("H8/less-no-mlock", 2, 2), Cell("H8/less-no-oom", 1)])
        self.assertEqual(numbers.of([self.root]).text("H8/less-no-*.of"), "oom 0 of 1, mlock 2 of 2")
        self.assertEqual(numbers.of([self.root]).text("H10/*.of"), numbers.NOT_MEASURED)
        with self.assertRaises(ReportError):
            numbers.of([self.root]).text("H8/nothing-*.of")

    def test_how_far_it_went(self) -> None:
        synthetic.store(self.root, [Cell("H8/full-6.12", 3)])
        # A heartbeat may lack memory or the module's counters.
        beats = [{"free_kb": 4096, "abuse": {"stalled": 3}}, {"free_kb": 2048, "abuse": {"stalled": 7}}, {"abuse": False}, {}]
        with mock.patch.object(raw.Boot, "evidence", lambda _boot: mock.Mock(heartbeats=beats)):
            found = numbers.of([self.root])
            self.assertEqual([found.text(f"H8/full-6.12.{name}") for name in ("free_min", "stalled", "bypassed")],
                             ["2.0 to 2.0 MiB", "7", numbers.NOT_MEASURED])

    def test_sentence(self) -> None:
        synthetic.store(self.root, [Cell("H1/naive", 10, 10)])
        told = numbers.of([self.root]).text("H1.measured")
        self.assertIn("hangs: naive 10/10 = 1.00 [0.72, 1.00]", told)
        self.assertIn("not measured yet: naive-6.1", told)
        # What nobody can run yet belongs to the answer.
        self.assertEqual("Open: " in told, bool(raw.asked()["H1"].open))
        self.assertTrue(numbers.of([self.root]).text("H9.measured").startswith(numbers.NOT_MEASURED))

    def test_takeovers(self) -> None:
        synthetic.takeovers(self.root)
        found = numbers.of([self.root])
        self.assertEqual((found.text("takeovers.nr"), found.text("takeovers.max_ms"), found.value("takeovers.lent_again")),
                         ("10", "27.3", 61.0))
        path = synthetic.takeovers(self.root)
        path.write_text(path.read_text().replace("10 takeovers", "11 takeovers"))
        with self.assertRaisesRegex(ReportError, "not whole"):
            raw.read([self.root])

    def test_bench(self) -> None:
        synthetic.bench(self.root)
        found = raw.read([self.root]).bench
        self.assertEqual((len(found), found[0].commit), (50, synthetic.COMMIT))
        with self.assertRaisesRegex(ReportError, "line 1: wants device"):
            raw.parse_bench('{"device": "abuse", "value": 1}\n')

    def test_a_folder_of_bench(self) -> None:
        """Its lines say more; a round that was measured again counts once, what failed or watches the machine does not."""
        line = {"clock": "plain", "boot": 1, "round": 1, "device": "abuse-ram", "work": "swap", "depth": 1, "tasks": 1, "metric": "out",
                "value": 7.0, "unit": "pages/s", "control": False, "seconds": 1.0}
        folder = self.root.parent / "bench-1"
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps({"commit": "abc", "kernel": {"series": "6.12"}}))
        (folder / "measurements.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (
            line, {**line, "value": 8.0}, {**line, "round": 2}, {**line, "control": True, "round": 3}, {**line, "round": 4, "error": "hung"})))
        (folder / "table.md").write_text("no raw result")
        keeping.keep_bench(folder, self.root)
        found = raw.read([self.root]).bench
        self.assertEqual([(one.round, one.value, one.work, one.commit, one.series) for one in found],
                         [(1, 8.0, "swap depth 1: out (plain)", "abc", "6.12"), (2, 7.0, "swap depth 1: out (plain)", "abc", "6.12")])
        kept = self.root / "bench" / "bench-1"
        self.assertEqual(sorted(path.name for path in kept.iterdir()), ["manifest.json", "measurements.jsonl.xz"])
        # Twice is the same; another's is refused; a spoilt one is told.
        keeping.keep_bench(folder, self.root)
        (folder / "measurements.jsonl").write_text(json.dumps({**line, "value": 9.0}) + "\n")
        with self.assertRaisesRegex(ReportError, "written once"):
            keeping.keep_bench(folder, self.root)
        packed = kept / "measurements.jsonl.xz"
        packed.write_bytes(packed.read_bytes()[:-9])
        with self.assertRaisesRegex(ReportError, "bench-1: its measurements cannot be read"):
            raw.read([self.root])

    def test_digest_sees_every_byte(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 1, 1)])
        before = raw.digest([self.root])
        self.assertEqual(raw.digest([self.root]), before)
        path = next(self.root.rglob("manifest.json"))
        path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
        self.assertNotEqual(raw.digest([self.root]), before)

    def test_no_folder(self) -> None:
        with self.assertRaisesRegex(ReportError, "no such folder"):
            raw.read([self.root / "nowhere"])


class Judging(Folder):
    def test_the_same_again(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 2), Cell("H8/full-6.12", 1)])
        judged = judging.judge_all([self.root])
        self.assertEqual([one.changed for one in judged], [False] * 3)
        self.assertIn("3 runs judged: 3 the same", judging.text(judged, "before"))

    def test_evidence_decides_not_the_record(self) -> None:
        folder = synthetic.boot(self.root, Cell("H8/full-6.12", 2), 1)
        change_judged(folder, lambda told: told.update(console=told["console"] + "Out of memory: Killed process 9 (sh) total\n"))
        judged = judging.judge_all([self.root])
        self.assertEqual([(one.before, one.now, one.changed) for one in judged], [("PASS", "OOM-KILL", True)])
        self.assertIn("now          OOM-KILL", judging.text(judged, "before"))

    def test_other_rules(self) -> None:
        """Rules under which 60 seconds make a hang: what was a DEADLOCK is none."""
        synthetic.store(self.root, [Cell("H8/naive", 1, 1)])
        text = (HERE.parent / judging.RULES).read_text()
        lenient = judging.rules_from(text.replace('get("stall_s", STALL_S)', 'get("none", 60)'), "lenient")
        self.assertNotEqual(text, text.replace('get("stall_s", STALL_S)', 'get("none", 60)'))
        judged = judging.judge_all([self.root], lenient)
        self.assertEqual([(one.before, one.now) for one in judged], [("INVALID", "DEADLOCK")])
        same = judging.judge_all([self.root], judging.rules_from(text, "same"))
        self.assertFalse(same[0].changed)
        with self.assertRaisesRegex(ReportError, "cannot judge"):
            judging.rules_from("judge = 1", "none")

    def test_spoilt_evidence(self) -> None:
        folder = synthetic.boot(self.root, Cell("H8/naive", 1, 1), 0)
        (folder / "evidence.tar.xz").write_bytes(b"no longer")
        self.assertIn("sha256", judging.judge_all([self.root])[0].spoilt)

    def test_nothing_to_judge(self) -> None:
        with self.assertRaisesRegex(ReportError, "no runs here"):
            judging.judge_all([self.root])


class Keeping(Folder):
    def test_what_is_kept_does_not_tell_where_it_was_made(self) -> None:
        for path in sorted(KEPT.glob("bench/*/manifest.json")):
            # No arguments of QEMU there: in no word of it.
            self.assertNotRegex(path.read_text(), r'"/(?!dev/|bin/|lib/|sys/|proc/|job/)')
        runs = dict(judging.folders(KEPT))
        self.assertTrue(runs)
        for name, folder in runs.items():
            words = evidence.manifest_of(folder)["qemu_args"][1:]
            # The kernel's arguments are one word, and of the guest.
            told = [word for word in words if " " not in word and re.search(r"(?:^|=)/(?!dev/)", word)]
            self.assertEqual(told, [], name)

    def test_what_was_to_be_done_to_a_guest_was_done(self) -> None:
        """A boot that hung before its fault came says so in a note alone: it is dropped, or it would count as the fault's doing."""
        dropped, seen = store.Store(KEPT).dropped(), {"fault": 0, "warm": 0}
        for name, folder in judging.folders(KEPT):
            arm = evidence.manifest_of(folder)["arm"]
            warm = "--warm" in arm.get("server", {}).get("command", "")
            if name in dropped or not (warm or arm.get("fault")):
                continue
            run = evidence.load(folder)
            with self.subTest(name):
                self.assertFalse([note for note in verdict.judge(run).notes if "the fault " in note])
                seen["fault"] += bool(arm.get("fault"))
                for said in (one for one in run.results if warm and one.get("event") == "server"):
                    self.assertEqual(said["warmed"], said["depth"] * said["queues"])
                    seen["warm"] += 1
        self.assertTrue(all(seen.values()), seen)

    def test_what_is_kept_is_whole(self) -> None:
        """The real ones: none is spoilt.  That one comes out otherwise than when it ran is for `analysis/judge` to say."""
        judged = judging.judge_all([KEPT])
        self.assertTrue(judged)
        self.assertEqual([one.run for one in judged if one.spoilt], [])

    def test_a_store(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 2)])
        to = self.root.parent / "kept"
        self.assertEqual(keeping.keep_store(self.root, to), 2)
        self.assertEqual(keeping.keep_store(self.root, to), 0)
        self.assertEqual(numbers.of([to]).text("H8/naive.of"), "2 of 2")

    def test_manifests_are_packed_and_read_the_same(self) -> None:
        synthetic.store(self.root, [Cell("H8/naive", 2, 2)])
        to = self.root.parent / "kept"
        keeping.keep_store(self.root, to)
        self.assertEqual(list(to.rglob("manifest.json")), [])
        for _, folder in judging.folders(to):
            self.assertEqual(evidence.manifest_of(folder), evidence.manifest_of(self.root / folder.relative_to(to)))
            (folder / "manifest.json.xz").write_bytes(b"no longer")
        self.assertIn("cannot be read", judging.judge_all([to])[0].spoilt)

    def test_of_plans_the_newest(self) -> None:
        """Of each set of questions one; a plan of others stays, whatever its age."""
        synthetic.store(self.root, [Cell("H8/naive", 2, 2)])
        to = self.root.parent / "kept"
        for age, questions in enumerate((["H8"], ["H1", "H8"], ["H8"])):
            path = planning.save(planning.Plan(age, "abc", questions, {}, []), self.root)
            os.utime(path, (age, age))
            keeping.keep_store(self.root, to)
        kept = [planning.read(path) for path in (to / "plans").glob("*.json")]
        self.assertEqual(sorted((plan.questions, plan.seed) for plan in kept), [(["H1", "H8"], 1), (["H8"], 2)])

    def test_a_single_boot_is_not_written_twice(self) -> None:
        synthetic.boot(self.root, Cell("H8/naive", 1, 1), 0)
        folder = next((self.root / "runs").glob("*/0000*"))
        to = self.root.parent / "kept"
        # It has been reduced already: no longer what a run leaves.
        with self.assertRaises(ReportError):
            keeping.keep_single(folder / "nowhere", to)

    def test_takeovers_of_a_log(self) -> None:
        told = json.loads(synthetic.takeovers(self.root).read_text())
        log = self.root / "kills.log"
        log.write_text("# a line of the kernel\n" + told["text"] + "\n--- console since the mark\n[    9.000000] | " + told["text"])
        kept = keeping.keep_takeovers(log, self.root.parent / "kept", "6.12", "make test-kill")
        self.assertEqual(json.loads(kept.read_text())["text"], told["text"])
        log.write_text("nothing\n")
        with self.assertRaisesRegex(ReportError, "no takeover times"):
            keeping.keep_takeovers(log, self.root.parent / "kept", "6.12", "")

    def test_the_model(self) -> None:
        """What `make model` writes, without its trails."""
        check = {"name": "full", "model": "progress", "prop": "progress", "without": "", "expect": "holds", "says": "it goes on",
                 "result": "holds", "trouble": "", "defines": {}, "search": {"states": 12345, "depth": 7, "seconds": 0.1, "incomplete": "",
                                                                             "unreached": ["progress.pml:1"]}}
        told = {"checks": [check, {**check, "name": "full-no-mlock", "without": "mlock", "result": "page", "trail": {"steps": []}}],
                "hangs": [{"name": "naive-bio", "kernel": "6.12", "without": ["mlock"], "trouble": "", "states": 5, "defines": {}}], "seconds": 1}
        path = self.root / "results.json"
        path.write_text(json.dumps(told))
        to = self.root.parent / "kept"
        kept = json.loads(keeping.keep_model(path, to).read_text())
        self.assertNotIn("trail", kept["checks"][1])
        found = numbers.of([to])
        self.assertEqual([found.text(f"model.{field}") for field in ("healthy", "busted", "trouble", "hangs", "hangs_found", "states")],
                         ["1", "1", "0", "1", "1", "12,345"])
        self.assertEqual(numbers.of([self.root]).text("model.busted"), numbers.NOT_MEASURED)
        path.write_text("{}")
        with self.assertRaisesRegex(ReportError, "make model"):
            keeping.keep_model(path, to)

    def test_bench_is_written_once(self) -> None:
        path = synthetic.bench(self.root)
        to = self.root.parent / "kept"
        keeping.keep_bench(path, to)
        keeping.keep_bench(path, to)
        path.write_text(path.read_text().replace("210", "211"))
        shutil.copy(path, self.root / "copy")
        with self.assertRaisesRegex(ReportError, "written once"):
            keeping.keep_bench(path, to)


if __name__ == "__main__":
    unittest.main()
