# SPDX-License-Identifier: GPL-2.0-only
"""Quick tests of the runner's host side, without a guest: headers, judging, retries, summary.

Where it stands: beside tests/run; what needs a guest is tests/run --self-test.
"""
from __future__ import annotations

import io
import re
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

TESTS = Path(__file__).resolve().parent
sys.path.insert(0, str(TESTS))

from harness import boot, headers, judge, report, schedule  # noqa: E402 (after the line above)

C_TEST = """\
// SPDX-License-Identifier: GPL-2.0-only
/*
 * a-test.c - something
 *
 * This test will do one thing, over
 * two lines. And more.
 *
 * time: 5
 * busted: module=lifo
 * busted: env=SERVER_FLAGS=--no-mlock --no-oom
 * kernels: 6.12
 * invariant: I1 I4
 * expected-log: I/O error, dev abuse\\d
 * module-args: max_abuse=3
 */
#include <stdio.h>
/* time: 99 */
"""

SH_TEST = """\
#!/bin/busybox sh
# This test will run.
# module: none
# self-test-expect: oops
echo time: 7
"""


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.top = Path(temporary.name)
        self.tests = self.top / "tests"
        (self.tests / "group").mkdir(parents=True)
        (self.top / "module").mkdir()
        (self.top / "module" / "queue.c").write_text('if (abuse_busted("lifo"))')

    def write(self, name: str, text: str) -> Path:
        path = self.tests / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path


class Headers(Folder):
    def test_c(self) -> None:
        test = headers.parse_test(self.write("group/a-test.c", C_TEST), {"lifo"})
        self.assertEqual(test.label, "group/a-test")
        self.assertEqual(test.will, "This test will do one thing, over two lines")
        self.assertEqual(test.time_s, 5)
        self.assertEqual([twin.label for twin in test.twins], ["module=lifo", "env=SERVER_FLAGS=--no-mlock --no-oom"])
        self.assertEqual((test.kernels, test.invariants, test.module_args), (("6.12",), "I1 I4", "max_abuse=3"))
        self.assertTrue(test.expected_log[0].search("I/O error, dev abuse0, sector 0"))
        self.assertTrue(test.module)

    def test_script(self) -> None:
        test = headers.parse_test(self.write("group/b.sh", SH_TEST))
        self.assertEqual((test.module, test.time_s, test.expect, test.is_script), (False, 30, "oops", True))

    def test_errors(self) -> None:
        wrong = {
            "time: soon": "want seconds",
            "twin-limit: 0": "want seconds",
            "kernels: 5.10": "want some of",
            "not-on: um": "want KERNEL REASON",
            "busted: lifo": "want module=NAME",
            "busted: module=fifo": "no abuse_busted",
            "busted: env=FLAG": "want module=NAME",
            "expected-log: (": "missing",
            "module: other": "want one of none kunit plant",
        }
        for line, message in wrong.items():
            with self.subTest(line), self.assertRaisesRegex(headers.HeaderError, message):
                headers.parse_test(self.write("group/x.c", f"/*\n * This test will not.\n * {line}\n */\n"), {"lifo"})
        with self.assertRaisesRegex(headers.HeaderError, "This test will"):
            headers.parse_test(self.write("group/x.c", "/* time: 5 */\nint main;\n"))

    def test_group(self) -> None:
        self.write("group/group.toml", 'what = "w"\nmemory_mib = 320\ndisks = [64, "1G", { size_mib = 8, serial = "spare" }]\ntools = ["fio"]\nbar = "16M"\nboot = "hugepages=5"\n')
        group = headers.parse_group(self.tests / "group")
        self.assertEqual((group.memory_mib, group.cpus, group.disks, group.tools),
                         (320, 2, (("store", 64 << 20), ("store1", 1 << 30), ("spare", 8 << 20)), ("fio",)))
        self.assertEqual((group.bar_bytes, group.boot, group.manager), (16 << 20, "hugepages=5", ""))
        self.write("group/group.toml", 'manager = "systemd"\n')
        self.assertEqual(headers.parse_group(self.tests / "group").manager, "systemd")
        self.assertFalse(headers.parse_group(self.tests / "group").counted)
        self.write("group/group.toml", 'counted = true\nprograms = ["blockload"]\n')
        group = headers.parse_group(self.tests / "group")
        self.assertEqual((group.counted, group.programs), (True, ("blockload",)))
        for text in ("memory = 5", "bar = 0", "bar = \"16M\"\num = true", "disks = [0]", "disks = 64", "what = ", 'manager = "other"',
                     "counted = true\num = true"):
            with self.subTest(text), self.assertRaises(headers.HeaderError):
                self.write("group/group.toml", text + "\n")
                headers.parse_group(self.tests / "group")

    def test_select(self) -> None:
        for group in ("group", "groups", headers.SELF):
            self.write(f"{group}/group.toml", "")
            self.write(f"{group}/a-test.c", C_TEST)
        self.write("group/b.sh", SH_TEST)

        def names(*selectors: str, self_test: bool = False) -> list[str]:
            found = headers.select(self.tests, list(selectors), self_test=self_test)
            return [test.label for group in found for test in group.tests]

        self.assertEqual(names(), ["group/a-test", "group/b", "groups/a-test"])
        self.assertEqual(names("tests/group"), ["group/a-test", "group/b"])
        self.assertEqual(names("tests/group/a"), ["group/a-test"])
        self.assertEqual(names("./tests/group/b.sh", "groups/"), ["group/b", "groups/a-test"])
        self.assertEqual(names(self_test=True), ["self/a-test"])
        with self.assertRaisesRegex(headers.HeaderError, "selects no test"):
            names("group/c")


def kernel(*texts: str) -> list[str]:
    return [f"[    1.{number:06d}] {text}" for number, text in enumerate(texts)]


class Judge(unittest.TestCase):
    def kind(self, **arguments: object) -> str:
        return judge.judge(ended=None, **arguments).kind if "ended" not in arguments \
            else judge.judge(**arguments).kind  # type: ignore[arg-type]

    def test_kinds(self) -> None:
        self.assertEqual(self.kind(), judge.PASS)
        self.assertEqual(self.kind(status=77), judge.SKIP)
        self.assertEqual(self.kind(status=1), judge.FAIL)
        self.assertEqual(self.kind(status=137, timed_out=True), judge.TIMEOUT)
        self.assertEqual(self.kind(dirty="abuse0 nr_lent=1"), judge.DIRTY)
        self.assertEqual(self.kind(status=77, dirty="abuse0 nr_lent=1"), judge.DIRTY)
        self.assertEqual(self.kind(setup="insmod: no"), judge.SETUP)
        self.assertEqual(self.kind(log_complete=False), judge.LOG)
        self.assertEqual(self.kind(ended=judge.SILENT), judge.SILENT)
        self.assertEqual(self.kind(ended=judge.OOPS, lines=kernel("Kernel panic - not syncing: x")), judge.OOPS)
        self.assertEqual(self.kind(ended=judge.DIED), judge.DIED)

    def test_reasons(self) -> None:
        lines = kernel("| expected 1, came 2", "abuse: 8 devices")
        self.assertEqual(judge.judge(ended=None, status=3, lines=lines).reasons, ("exit status 3: expected 1, came 2",))
        self.assertEqual(judge.judge(ended=None, status=139).reasons, ("killed by signal 11",))
        self.assertEqual(judge.judge(ended=None, status=77, lines=kernel("| no disk")).reasons, ("no disk",))

    def test_log(self) -> None:
        for text in ("BUG: KASAN: slab-out-of-bounds", "WARNING: CPU: 1 PID: 5 at x", "refcount_t: underflow",
                     "INFO: task dd:51 blocked for more than 10 seconds.", " Call Trace:",
                     "Oops: general protection fault", "WARNING: possible circular locking dependency detected",
                     "INFO: lockdep is turned off."):
            with self.subTest(text):
                self.assertEqual(self.kind(lines=kernel(text)), judge.LOG)
        for text in ("| BUG: printed by a test", "# Call Trace: of a dump", "abuse0: detected capacity change from 0 to 8",
                     "DEBUGGING", " ? lockdep_hardirqs_on_prepare+0x271/0x3e0"):
            with self.subTest(text):
                self.assertEqual(self.kind(lines=kernel(text)), judge.PASS)
        # Stacks that were asked for; what comes after them counts again.
        asked = [judge.DUMP_BEGIN, "sysrq: Show Blocked State", "Call Trace:", judge.DUMP_END]
        self.assertEqual(self.kind(lines=kernel(*asked)), judge.PASS)
        self.assertEqual(self.kind(lines=kernel(*asked, "WARNING: x")), judge.LOG)
        # The debug kernel prints the caller, too.
        self.assertEqual(self.kind(lines=["[   12.345678][  T123] BUG: x"]), judge.LOG)
        self.assertEqual(self.kind(lines=["BUG: no line of the kernel log"]), judge.PASS)

    RACE = ("=" * 66, "BUG: KCSAN: data-race in {0} / {1}", "", "write to 0xffff88 of 8 bytes by task 7 on cpu 0:",
            " {0}", " deep+0x1/0x2", " deeper+0x1/0x2", " {2}", "", "read to 0xffff88 of 8 bytes by task 8 on cpu 1:",
            " {1}", " deep+0x1/0x2", "", "value changed: 0x1 -> 0x2", "", "=" * 66)

    def race(self, one: str, other: str, below: str) -> list[str]:
        return kernel(*(line.format(one, other, below) for line in self.RACE))

    def test_races(self) -> None:
        ours, theirs = "abuse_lend+0x10/0x20 [abuse]", "tick_do+0x10/0x20"
        self.assertEqual(self.kind(lines=self.race(ours, theirs, theirs)), judge.LOG)
        self.assertEqual(self.kind(lines=self.race(theirs, ours, theirs)), judge.LOG)
        self.assertEqual(self.kind(lines=self.race("plant+0x1/0x2 [abuse_plant]", theirs, theirs)), judge.LOG)
        # The kernel's own, even where the module called; what comes after it counts.
        self.assertEqual(self.kind(lines=self.race(theirs, theirs, theirs)), judge.PASS)
        self.assertEqual(self.kind(lines=self.race(theirs, theirs, ours)), judge.PASS)
        self.assertEqual(self.kind(lines=[*self.race(theirs, theirs, theirs), *kernel("BUG: x")]), judge.LOG)
        # One that was cut off is not understood.
        self.assertEqual(self.kind(lines=self.race(theirs, theirs, theirs)[:-1]), judge.LOG)

    def test_benign_report(self) -> None:
        benign = [judge.Benign(re.compile("flush_tlb_mm"), "why", whole=True)]
        report_of = ["=" * 29, "WARNING: suspicious RCU usage", "6.12.1-um #1 Tainted: G", "-" * 29, "", "Call Trace:",
                     " [<61>] mas_walk+0x1/0x2", " [<62>] flush_tlb_mm+0x1/0x2", ""]
        self.assertEqual(self.kind(lines=kernel(*report_of)), judge.LOG)
        self.assertEqual(self.kind(lines=kernel(*report_of), benign=benign), judge.PASS)
        self.assertEqual(self.kind(lines=kernel(*report_of, "BUG: x"), benign=benign), judge.LOG)
        ours = [line.replace("mas_walk+0x1/0x2", "abuse_lend+0x1/0x2 [abuse]") for line in report_of]
        self.assertEqual(self.kind(lines=kernel(*ours), benign=benign), judge.LOG)
        # A pattern for a whole report says nothing of a line of its own.
        self.assertEqual(self.kind(lines=kernel("BUG: in flush_tlb_mm"), benign=[
            judge.Benign(re.compile("flush_tlb_mm"), "why")]), judge.PASS)

    def test_stalled(self) -> None:
        verdict = judge.judge(ended=None, timed_out=True, limit_s=240, stalled_s=30)
        self.assertEqual((verdict.kind, verdict.reasons), (judge.TIMEOUT, ("no progress for 30 s",)))

    def test_allowed(self) -> None:
        lines = kernel("WARNING: Spectre v2 mitigation")
        self.assertEqual(self.kind(lines=lines, expected=[re.compile("Spectre")]), judge.PASS)
        self.assertEqual(self.kind(lines=lines, benign=[judge.Benign(re.compile("v2 mit"), "why")]), judge.PASS)
        self.assertEqual(self.kind(lines=[*lines, *kernel("BUG: x")], expected=[re.compile("Spectre")]), judge.LOG)

    def test_benign_file(self) -> None:
        self.assertTrue(all(item.reason for item in judge.load_benign(TESTS / "benign.txt")))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "benign.txt")
            path.write_text("# a comment\nWARNING: no reason given\n")
            with self.assertRaisesRegex(judge.BenignError, "benign.txt:2"):
                judge.load_benign(path)


def a_test(name: str, *twins: str, **more: object) -> headers.Test:
    return headers.Test("group", name, Path(f"{name}.sh"), twins=tuple(headers.Twin("env", twin) for twin in twins),
                        **more)  # type: ignore[arg-type]


class Schedule(unittest.TestCase):
    def run_job(self, tests: list[headers.Test], boots: list[object], *, busted: bool = False) \
            -> tuple[report.Report, schedule.Tally, list[list[str]], str]:
        """boots: per boot, the records it makes: a number (so many pass), or a list of Records' changes."""
        plans: list[list[str]] = []
        script = iter(boots)

        def fake(_inputs: object, items: list[boot.Item], _folder: Path, _name: str, _shared: Path,
                 _stop: threading.Event, on_record: object, _on_progress: object = None) -> boot.Boot:
            plans.append([item.label for item in items])
            does = next(script)
            ends: list[dict[str, object]] = [{} for _ in range(does)] if isinstance(does, int) else does  # type: ignore
            records = []
            for item, end in zip(items, ends):
                record = boot.Record(item, seconds=1.0, result={"status": 0, "ms": 1000})
                record.__dict__.update(end)
                records.append(record)
                on_record(record)  # type: ignore[operator]
            return boot.Boot(records, "done" if records else "boot", 1.0, "" if records else "int3")

        out = io.StringIO()
        result = report.Report(busted=busted, out=out)
        tally = schedule.Tally()
        inputs = boot.Inputs("6.12", headers.Group("group"), Path("k"), (), ())
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(schedule.Inputs, "of", return_value=inputs), \
                mock.patch.object(boot.Inputs, "write_overlay", return_value=Path(folder, "o")), \
                mock.patch.object(schedule, "BUILD", Path(folder)):
            schedule.run_job(schedule.Job("6.12", headers.Group("group", tests=tuple(tests)), busted), accel=None, benign=[],
                             tally=tally, stop=threading.Event(), on_outcome=result.outcome, say=result.say,
                             boot_function=fake)
        return result, tally, plans, out.getvalue()

    def last_line(self, result: report.Report, tally: schedule.Tally) -> str:
        return result.summary(tally).splitlines()[-1]

    def test_summary(self) -> None:
        tests = [a_test("a"), a_test("b"), a_test("c", kernels=("6.1",)), a_test("d")]
        result, tally, _plans, out = self.run_job(tests, [[{}, {"result": {"status": 1}}, {"result": {"status": 77}}]])
        self.assertEqual(self.last_line(result, tally), "1 passed, 1 failed, 1 skipped")
        self.assertEqual(result.exit_status(), 1)
        self.assertIn("ok 6.12 group/a 1.0 s\n", out)
        self.assertIn("FAIL 6.12 group/b 1.0 s: fail: exit status 1\n", out)
        self.assertIn("not selected 6.12 group/c: only for 6.1\n", out)
        self.assertEqual(result.as_json(tally)["tests"][0]["kind"], "not selected")
        self.assertIn("1 not selected for a kernel", result.summary(tally))

    def test_nothing_ran(self) -> None:
        result, tally, _plans, _out = self.run_job([a_test("a")], [[{"result": {"status": 77}}]])
        self.assertEqual((self.last_line(result, tally), result.exit_status()), ("0 passed, 0 failed, 1 skipped", 1))

    def test_rest_in_a_new_boot(self) -> None:
        ends: list[object] = [[{}, {"result": None, "ended": judge.SILENT}], 1]
        result, tally, plans, out = self.run_job([a_test("a"), a_test("b"), a_test("c")], ends)
        self.assertEqual(plans, [["group/a", "group/b", "group/c"], ["group/c"]])
        self.assertEqual((tally.boots, tally.retries), (2, 0))
        self.assertEqual(self.last_line(result, tally), "2 passed, 1 failed, 0 skipped")
        self.assertIn("FAIL 6.12 group/b 1.0 s: silent", out)

    def test_boot_is_retried_twice(self) -> None:
        result, tally, _plans, _out = self.run_job([a_test("a"), a_test("b")], [0, 0, 1, 0, 1])
        self.assertEqual((tally.boots, tally.retries, result.exit_status()), (5, 3, 0))
        self.assertIn("5 boots, 3 retried", result.summary(tally))
        result, tally, _plans, _out = self.run_job([a_test("a"), a_test("b")], [0, 0, 0])
        self.assertEqual((tally.boots, tally.retries), (3, 2))
        self.assertEqual(self.last_line(result, tally), "0 passed, 2 failed, 0 skipped")

    def test_what_the_emulator_ended_runs_again(self) -> None:
        trap = {"result": None, "ended": judge.OOPS, "emulator_fault": "an int3 that is not there"}
        result, tally, plans, out = self.run_job([a_test("a"), a_test("b")], [[{}, trap], [trap], 1])
        self.assertEqual(plans, [["group/a", "group/b"], ["group/b"], ["group/b"]])
        self.assertEqual((tally.boots, tally.retries, result.exit_status()), (3, 2, 0))
        self.assertEqual(self.last_line(result, tally), "2 passed, 0 failed, 0 skipped")
        self.assertIn("boot retried: 6.12 group/b: an int3 that is not there", result.summary(tally))
        # Not for ever: then it is a failure.
        result, tally, plans, out = self.run_job([a_test("a"), a_test("b")], [[trap], [trap], [trap], 1])
        self.assertEqual(plans, [["group/a", "group/b"]] * 3 + [["group/b"]])
        self.assertIn("FAIL 6.12 group/a 1.0 s: oops", out)
        # And an oops without that proof is one at once; a twin is not caught by what the emulator does.
        result, tally, plans, out = self.run_job([a_test("a")], [[{**trap, "emulator_fault": ""}]])
        self.assertEqual((tally.retries, result.exit_status()), (0, 1))
        result, tally, plans, out = self.run_job([a_test("a", "X=1")], [[{}, trap], [trap], [trap]], busted=True)
        self.assertIn("NOT CAUGHT 6.12 group/a env=X=1 1.0 s: boot: an int3", out)
        result, tally, plans, out = self.run_job([a_test("a", "X=1")], [[{}, trap], 1], busted=True)
        self.assertEqual(plans, [["group/a", "group/a env=X=1"], ["group/a env=X=1"]])
        self.assertIn("NOT CAUGHT 6.12 group/a env=X=1 1.0 s: pass", out)

    def test_busted(self) -> None:
        tests = [a_test("a", "X=1", "Y=1"), a_test("none"), a_test("b", "X=1")]
        fail = {"result": {"status": 1}}
        result, tally, plans, out = self.run_job(tests, [[{}, fail, {}, fail, fail]], busted=True)
        self.assertEqual(plans, [["group/a", "group/a env=X=1", "group/a env=Y=1", "group/b", "group/b env=X=1"]])
        self.assertIn("caught 6.12 group/a env=X=1 1.0 s: fail: exit status 1\n", out)
        self.assertIn("NOT CAUGHT 6.12 group/a env=Y=1 1.0 s: pass\n", out)
        # It proves nothing: the healthy test failed, too.
        self.assertIn("NOT CAUGHT 6.12 group/b env=X=1", out)
        self.assertEqual(self.last_line(result, tally), "1 passed, 2 failed, 0 skipped")

    def test_twin_that_never_ran_is_not_caught(self) -> None:
        result, _tally, _plans, out = self.run_job(
            [a_test("a", "X=1")], [[{}, {"result": {"status": 0, "setup": "insmod: no"}}]], busted=True)
        self.assertIn("NOT CAUGHT 6.12 group/a env=X=1 1.0 s: setup: insmod: no\n", out)
        self.assertEqual(result.exit_status(), 1)

    def test_limits_of_twins(self) -> None:
        items = schedule.items_of([a_test("a", "X=1", time_s=60.0)], busted=True)
        self.assertEqual((items[1].control, items[1].limit_s), (0, 60))
        # In a new boot the healthy run is known by its time only.
        left = schedule.rest_of(items, {("group/a", ""): 1.0})
        self.assertEqual((left[0].control, left[0].limit_s), (None, 10))
        self.assertEqual(schedule.rest_of(items, {})[1].control, 0)

    def test_slow_kernels_and_pauses(self) -> None:
        test = a_test("a", "X=1", time_s=60.0, twin_limit_s=10.0)
        healthy, twin = schedule.items_of([test], busted=True, factor=5.0)
        self.assertEqual((healthy.limit_s, twin.limit_s, healthy.stall_s, twin.stall_s), (300, 300, 50, 50))
        # As such it may pause as long as it likes; and so may a twin whose healthy run was in another boot.
        self.assertIsNone(schedule.items_of([test], busted=False)[0].stall_s)
        self.assertIsNone(schedule.rest_of([healthy, twin], {healthy.key: 1.0})[0].stall_s)
        self.assertEqual(schedule.items_of([test], busted=False, factor=5.0, limit_s=7.0)[0].limit_s, 7)

    def test_selection(self) -> None:
        group = headers.Group("group")
        on_um = headers.Group("group", um=True)
        slow = headers.Group("group", debug=False)
        cases = [
            (a_test("a"), group, "6.1", ""), (a_test("a"), group, "debug", ""), (a_test("a"), group, "um", "um = true"),
            (a_test("a"), on_um, "um", ""), (a_test("a"), slow, "kcsan", "debug = false"), (a_test("a"), slow, "6.12", ""),
            (a_test("a", kernels=("6.12",)), group, "debug", ""), (a_test("a", kernels=("debug",)), group, "6.12", "only for"),
            (a_test("a", kernels=("6.1",)), group, "kcsan", "only for"), (a_test("a", kernels=("debug",)), slow, "debug", ""),
            (a_test("a", not_on=(("um", "two processors"),)), on_um, "um", "two processors"),
            (a_test("a", variant="kunit"), group, "6.12", "KUnit"), (a_test("a"), on_um, "um-builtin", "built in"),
        ]
        for test, where, kernel_name, why in cases:
            with self.subTest(f"{test} {where} {kernel_name}"):
                found = headers.why_not(test, where, kernel_name)
                self.assertIn(why, found)
                self.assertEqual(bool(found), bool(why))

    def test_whole_group_not_selected_is_one_line(self) -> None:
        result, tally, _plans, out = self.run_job([a_test("a", kernels=("6.1",)), a_test("b", kernels=("um",))], [])
        self.assertEqual(out, "not selected 6.12 group/*: 2 tests: only for 6.1; only for um\n")
        self.assertEqual(self.last_line(result, tally), "0 passed, 0 failed, 0 skipped")

    def test_item_text(self) -> None:
        item = boot.Item(a_test("a", module_args="max_abuse=3"), headers.Twin("module", "lifo"), 5.0)
        text = boot.item_text(item, None)
        for line in ("KO=/lib/abuse/abuse-busted.ko", "MODULE_ARGS='max_abuse=3 busted=lifo'", "LIMIT_S=5", "CONTROL=-"):
            self.assertIn(line + "\n", text)
        self.assertIn("CONTROL=''\n", boot.item_text(boot.Item(a_test("a")), None))

    def test_excerpt_is_bounded(self) -> None:
        lines = kernel(*(f"line {n}" for n in range(500)), "BUG: here", *(f"after {n}" for n in range(500)),
                       *(f"| output {n}" for n in range(500)))
        shown = report.excerpt(lines)
        self.assertLess(len(shown), 90)
        self.assertTrue(any("BUG: here" in line for line in shown))
        self.assertTrue(any("output 499" in line for line in shown))

    def test_summary_shows_the_first_failures_once_more(self) -> None:
        bad = {"result": {"status": 1}, "lines": kernel("traps: PANIC: double fault", "RIP: here")}
        result, tally, _plans, _out = self.run_job([a_test(name) for name in "abcd"], [[{}, bad, bad, bad]])
        shown = result.summary(tally)
        self.assertIn("once more: 6.12 group/b\n", shown)
        self.assertEqual(shown.count("RIP: here"), report.SUMMARY_EXCERPTS)
        self.assertNotIn("once more: 6.12 group/a", shown)
        self.assertEqual(shown.splitlines()[-1], "1 passed, 3 failed, 0 skipped")


if __name__ == "__main__":
    unittest.main()
