# SPDX-License-Identifier: GPL-2.0-only
"""Figures, claims and the paper's places follow the raw results: whatever changes there is found here.

Where it stands: beside analysis/report/figures, fill.py, claims.py, quote.py, html.py, reproduce.py.  Each test of a check has its twin, in which
nothing, or something, has changed.
"""
from __future__ import annotations

import collections
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from xml.etree import ElementTree

sys.dont_write_bytecode = True  # build output goes to build/ only
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from report import KEPT, ReportError, chains, claims, figures, fill, html, numbers, quote, raw, reproduce, synthetic  # noqa: E402
from report.figures import base  # noqa: E402
from report.synthetic import Cell  # noqa: E402
from test_raw import change_judged  # noqa: E402

CELLS = (Cell("H8/full-6.12", 6), Cell("H8/less-no-mlock", 4, 3), Cell("H8/naive", 5, 5))
PLACES = """# A paper

<!-- n: H8/naive.of --><!-- /n --> <!-- n: raw.sha256 --><!-- /n --> <!-- n: takeovers.p99_ms --><!-- /n -->

<!-- begin claims -->
<!-- end -->

<!-- begin figure: hangs -->
<!-- end -->

<!-- begin table: hangs -->
<!-- end -->

<!-- begin figure: peers -->
<!-- end -->

<!-- begin code: module/bio.c abuse_bio_end -->
<!-- end -->

<!-- begin runs -->
<!-- end -->
"""


class Folder(unittest.TestCase):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = Path(place.name)
        self.root = self.place / "results"
        synthetic.store(self.root, CELLS)

    def filler(self) -> fill.Filler:
        raw._evidence.cache_clear()
        return fill.Filler(numbers.of([self.root]))


class Drifting(Folder):
    """The test of check-paper: one raw value is changed."""

    def setUp(self) -> None:
        super().setUp()
        self.text, drift = self.filler().fill(PLACES)
        self.assertEqual(len(drift), 9)

    def places(self) -> list[str]:
        return [drift.place for drift in self.filler().fill(self.text)[1]]

    def test_nothing_has_changed(self) -> None:
        """The twin of all others."""
        self.assertEqual(self.places(), [])

    def test_a_boot_that_hung_no_more(self) -> None:
        """One heartbeat says that a request ended after all: the boot is no hang, and the numbers follow."""
        folder = next(self.root.glob("runs/*naive*/0000*"))
        change_judged(folder, lambda told: told["heartbeats"][-1]["abuse"].update(ended=10 ** 6))
        self.assertIn("number H8/naive.of", self.places())
        self.assertIn("number raw.sha256", self.places())
        self.assertIn("block table hangs", self.places())

    def test_a_value_that_no_number_shows(self) -> None:
        """Free memory of one heartbeat: nothing in the text, but the digest of the raw results, is another."""
        folder = next(self.root.glob("runs/*naive*/0001*"))
        change_judged(folder, lambda told: told["heartbeats"][3].update(free_kb=1))
        self.assertEqual(self.places(), ["number raw.sha256"])

    def test_a_boot_more(self) -> None:
        synthetic.boot(self.root, Cell("H8/naive", 6, 6), 5)
        self.assertIn("number H8/naive.of", self.places())

    def test_a_number_changed_in_the_text(self) -> None:
        self.text = self.text.replace("5 of 5", "5 of 4")
        self.assertEqual(self.places(), ["number H8/naive.of"])

    def test_code_changed_in_the_text(self) -> None:
        self.text = self.text.replace("bio_endio(bio);", "bio_endio(bio); bio_endio(bio);")
        self.assertEqual(self.places(), ["block code module/bio.c abuse_bio_end"])

    def test_what_others_generate(self) -> None:
        """Text between another document's marks is taken as it is; without it that is said."""
        filler = self.filler()
        told = filler.block("marked", ["experiments/README.md", "questions"])
        self.assertIn("| H1, Amsden 2009", told)
        self.assertIn(numbers.NOT_MEASURED, filler.block("marked", ["experiments/README.md", "no", "such", "mark"]))
        self.assertIn(numbers.NOT_MEASURED, filler.block("marked", ["nowhere/README.md", "questions"]))

    def test_the_model(self) -> None:
        self.assertIn(numbers.NOT_MEASURED, self.filler().block("model", []))
        folder = self.root / "model"
        folder.mkdir()
        check = {"name": "full-no-mlock", "without": "mlock", "expect": "page", "result": "page", "trouble": "", "says": "waits for its page",
                 "search": {"states": 1234}}
        (folder / "a.json").write_text(json.dumps({"commit": "abc", "utc": "2026", "checks": [check], "hangs": []}))
        self.assertIn("| full-no-mlock | mlock | page | page | 1,234 |", self.filler().block("model", []))
        (folder / "a.json").write_text(json.dumps({"commit": "abc", "utc": "2026", "checks": [{**check, "trouble": "holds"}], "hangs": []}))
        self.assertIn("not as expected", self.filler().block("model", []))

    def test_what_servers_wait_for(self) -> None:
        """A cell's hangs by the last wait of their cycles; without a cycle that is said."""
        # Of the first all evidence is kept: its log is read again, whatever was said of it.
        folders = sorted(self.root.glob("runs/*naive*/*"))[1:]
        edges = [{"kind": kind, "resource": ""} for kind in ("slot", "device", "bio", "sync")]
        for folder, told in zip(folders, ({"cycle": edges, "text": "a cycle"}, {"cycle": [], "text": "waits for: a server: there is none"},
                                          {"cycle": [], "text": "no cycle found"})):
            path = folder / "verdict.json"
            path.write_text(json.dumps({**json.loads(path.read_text()), "waitchain": told}))
        results = raw.read([self.root])
        told = dict(collections.Counter(chains.why(boot) for boot in results.counted("H8/naive")))
        self.assertEqual(told["a bio of `fs_bio_set`"], 1)
        self.assertEqual(told[chains.NO_SERVER], 1)
        self.assertTrue(chains.GONE.search("a request of /dev/ublkb0 waits for: its server ublk-server: there is none"))
        self.assertFalse(chains.GONE.search("a request of /dev/ublkb0 waits for: its server ublk-server, which has nothing to do"))
        self.assertGreaterEqual(told[chains.NO_CYCLE], 1)
        self.assertIn("H8/naive, H21/naive-6.12 | 5 | DEADLOCK 5 | ", chains.table(results))
        self.assertIn("a cycle", chains.text(results, "H8/naive"))
        self.assertIn(numbers.NOT_MEASURED, chains.text(results, "H8/less-no-mlock"))
        with self.assertRaises(ReportError):
            chains.text(results, "H8/no-such")

    def test_many_cells_are_told_by_their_rates(self) -> None:
        told = [("a", boots := numbers.of([self.root]).results.counted("H8/naive")), ("b", boots),
                ("c", numbers.of([self.root]).results.counted("H8/full-6.12"))]
        self.assertEqual(numbers._by_rate(told), "; hung 5/5 = 1.00 [0.57, 1.00]: a, b; did not hang 0/6 = 0.00 [0.00, 0.39], below 0.393: c")

    def test_pictures(self) -> None:
        pictures = self.place / "pictures"
        filler = self.filler()
        for made in filler.made.values():
            figures.write(made, pictures)
        self.assertEqual(filler.pictures(self.text, pictures), [])
        synthetic.boot(self.root, Cell("H8/naive", 6, 6), 5)
        self.assertEqual({drift.place for drift in self.filler().pictures(self.text, pictures)},
                         {"picture hangs-light.svg", "picture hangs-dark.svg"})

    def test_places_without_a_meaning(self) -> None:
        for text in ("<!-- n: H8/naive.colour --><!-- /n -->", "<!-- n: H8/naive.of -->", "<!-- begin song -->\n<!-- end -->\n",
                     "<!-- begin figure: song -->\n<!-- end -->\n", "<!-- begin code: module/bio.c -->\n<!-- end -->\n",
                     "<!-- begin figure: hangs -->\n"):
            with self.assertRaises(ReportError, msg=text):
                self.filler().fill(text)

    def test_what_a_paper_must_have(self) -> None:
        lacking = self.filler().lacking(self.text)
        self.assertEqual(len(lacking), 22)
        self.assertIn("no place for H22.measured", lacking[-1])
        whole = self.text + "".join(f"<!-- n: H{number}.measured --><!-- /n -->\n" for number in range(1, 23))
        self.assertEqual(self.filler().lacking(whole), [])
        self.assertIn("no block of claims", self.filler().lacking("")[-1])

    def test_no_paper_of_guests_that_never_were(self) -> None:
        with self.assertRaisesRegex(ReportError, "had no guest"):
            fill.results_for_paper([self.root])


class Checking(unittest.TestCase):
    """The command itself: this tree's PAPER.md over a copy of its raw results."""

    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.copy = Path(place.name) / "results"
        shutil.copytree(KEPT, self.copy)

    def check(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run([HERE / "paper", "--check", self.copy], capture_output=True, text=True)

    def test_nothing_has_changed(self) -> None:
        done = self.check()
        self.assertEqual((done.returncode, done.stdout), (0, ""), "run `make paper`, and read the difference")

    def test_one_raw_value(self) -> None:
        folder = next((self.copy / "single").glob("*-naive"))
        change_judged(folder, lambda told: told["heartbeats"][-1]["abuse"].update(ended=10 ** 6))
        done = self.check()
        self.assertEqual(done.returncode, 1)
        for name in ("PAPER.md", "README.md"):
            self.assertRegex(done.stdout, rf"drift: {name}, number demo/naive.of: there is '\d+ of \d+'")


class Commands(unittest.TestCase):
    def run_command(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([HERE / words[0], *words[1:]], capture_output=True, text=True)

    def test_each_has_help_with_its_exit_statuses(self) -> None:
        for name in ("judge", "keep", "figures", "paper", "repro"):
            done = self.run_command(name, "--help")
            self.assertEqual(done.returncode, 0, name)
            self.assertIn("Exit status: 0", done.stdout)

    def test_judge(self) -> None:
        self.assertLess(self.run_command("judge").returncode, 2)
        done = self.run_command("judge", "/nowhere")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"^judge: /nowhere: no runs here: .*\n$")
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place) / "results"
            shutil.copytree(KEPT, copy)
            folder = next((copy / "single").glob("*-naive"))
            change_judged(folder, lambda told: told["heartbeats"][-1]["abuse"].update(ended=10 ** 6))
            done = self.run_command("judge", copy)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"changed  single/{folder.name}", done.stdout)

    def test_what_cannot_be_done_says_what_to_do(self) -> None:
        for words, said in ((("keep",), "nothing to keep"), (("keep", "--single", "/nowhere"), "has no verdict.json"),
                            (("figures", "/nowhere"), "no such folder"), (("paper", "--check", "/nowhere"), "no such folder"),
                            (("repro", "--only", "C99"), "no claim is called C99: C1")):
            done = self.run_command(*words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(said, done.stderr)

    def test_plan_of_repro(self) -> None:
        done = self.run_command("repro", "--plan", "--only", "C6")
        self.assertEqual(done.returncode, 0)
        self.assertIn("make test-kill KILLS=100", done.stdout)


class Pictures(Folder):
    def setUp(self) -> None:
        super().setUp()
        synthetic.takeovers(self.root)
        synthetic.bench(self.root)
        synthetic.targets(self.root)
        self.results = raw.read([self.root])

    def test_targets(self) -> None:
        """One that is met, one that is missed and says what the rest is; a value changed is another verdict."""
        told = figures.targets.FIGURE.data(self.results)
        rows = {row["what"]: row["clocks"]["icount"] for row in told["rows"]}
        self.assertEqual({what: (one["median"], one["met"]) for what, one in rows.items()},
                         {"4 KiB random read, depth 8, against ublk": (2.0, True), "cost above brd, random read, depth 8, of ublk's": (0.5, False)})
        text = figures.targets.table(told)
        self.assertIn("| 4 KiB random read, depth 8, against ublk | at least 1.75 | 2 |  |", text)
        self.assertIn("0.5, **missed** | At depth 32", text)
        self.assertIn("Targets met: 1 of 2 under icount.", figures.targets.short(told))
        synthetic.targets(self.root, 1.7)
        again = figures.targets.table(figures.targets.FIGURE.data(raw.read([self.root])))
        self.assertIn("1.7, **missed**", again)

    def test_two_builds_are_not_pooled(self) -> None:
        """The newer folder's values alone, whatever the older one has."""
        synthetic.targets(self.root, 9.0, "older", "2025-01-01T00:00:00+00:00")
        told = figures.peers.FIGURE.data(raw.read([self.root]))
        (rate,) = [work for work in told["works"] if work["work"].startswith("randread-4k depth 8: rate")]
        self.assertEqual({row["device"]: row["values"] for row in rate["devices"]}["abuse-ram"], [200.0] * 3)
        self.assertIn("bench/fake-build of", told["sources"])

    def test_every_figure_in_both_themes(self) -> None:
        for figure in figures.ALL:
            if figure.name == "chain":
                continue
            made = figures.make(figure, self.results)
            self.assertEqual(made.missing, "", figure.name)
            texts = [made.svg(theme) for theme in base.THEMES]
            for text in texts:
                ElementTree.fromstring(text)
                self.assertIn(made.digest, text)
            self.assertNotEqual(*texts)
            # Drawn again it is the same, byte by byte.
            self.assertEqual(made.svg("light"), texts[0])
            self.assertIn("|", figure.table(made.data or {}))

    def test_made_of_no_guest_and_says_so(self) -> None:
        made = figures.make(figures.hangs.FIGURE, self.results)
        self.assertTrue(made.faked)
        honest = dataclasses.replace(made, faked=False)
        self.assertNotEqual(made.svg("light"), honest.svg("light"))

    def test_missing_is_said_and_nothing_stays_behind(self) -> None:
        made = figures.make(figures.takeovers.FIGURE, self.results)
        out = self.place / "figures"
        self.assertEqual(len(figures.write(made, out)), 3)
        for path in (self.root / "takeovers").glob("*"):
            path.unlink()
        without = figures.make(figures.takeovers.FIGURE, raw.read([self.root]))
        self.assertIn("make test-kill", without.missing)
        self.assertEqual(figures.write(without, out), [])
        self.assertEqual(list(out.iterdir()), [])

    def test_hangs(self) -> None:
        told = figures.hangs.FIGURE.data(self.results)
        self.assertEqual([(row["name"], row["hangs"], row["boots"]) for row in told["rows"]],
                         [("full-6.12", 0, 6), ("less-no-mlock", 3, 4), ("naive", 5, 5)])

    def test_hangs_of_peers(self) -> None:
        """An arm that several questions have is one row; H8's are not among them, but for the arm that all share."""
        told = figures.hangs.PEERS_FIGURE.data(self.results)
        self.assertEqual([(row["name"], row["boots"]) for row in told["rows"]], [("abuse", 6)])
        self.assertEqual(len(told["missing"]), len(set(told["missing"])))
        self.results.boots = []
        with self.assertRaisesRegex(base.Missing, "QUESTION=H6"):
            figures.hangs.PEERS_FIGURE.data(self.results)

    def test_survival(self) -> None:
        told = figures.survival.data(self.results)
        self.assertEqual({curve["name"]: curve["median_s"] for curve in told["curves"]},
                         {"all protections": None, "without mlock": 5.0, "naive, 256 MiB": 5.0})

    def test_the_chain_of_a_real_hang(self) -> None:
        results = raw.read([KEPT])
        told = figures.chain.data(results)
        self.assertIn("swapserver", told["text"])
        graph = figures.chain.dot(told, "light", False)
        self.assertIn("fs_bio_set", graph)
        ElementTree.fromstring(figures.chain.draw(told, "dark", False))
        # The twin: boots that passed have none.
        results.boots = [boot for boot in results.boots if not boot.hang]
        with self.assertRaises(base.Missing):
            figures.chain.data(results)

    def test_memory_of_a_real_boot(self) -> None:
        told = figures.memory.data(raw.read([KEPT]))
        self.assertGreater(max(point["swapped_mib"] for point in told["points"]), 100)


class Quoting(unittest.TestCase):
    def test_a_function(self) -> None:
        text = quote.function("module/bio.c", "abuse_bio_end")
        self.assertTrue(text.startswith("static void abuse_bio_end("))
        self.assertTrue(text.endswith("\n}"))

    def test_what_cannot_be_quoted(self) -> None:
        for path, name in (("module/bio.c", "no_such_function"), ("module/nowhere.c", "f"), ("tests/lib/t.c", "t_init"),
                           ("module/abuse.h", "abuse_bio_end")):
            with self.assertRaises(ReportError):
                quote.function(path, name)


class Claims(Folder):
    def test_the_files_are_right(self) -> None:
        """Each claim's numbers exist, its figure, too; together they take less than two hours."""
        found = claims.load()
        empty = numbers.Numbers(raw.Results([self.place]))
        for claim in found:
            for check in claim.checks:
                self.assertEqual(empty.text(check.number), numbers.NOT_MEASURED)
            self.assertIn(claim.figure, ["", *(figure.name for figure in figures.ALL)])
        self.assertLess(sum(claim.minutes for claim in found), 120)

    def test_what_is_wrong_with_a_file(self) -> None:
        path = self.place / "claims.toml"
        whole = ('[[claim]]\nid = "C1"\nclaim = "x"\nquestion = "H8"\ncommands = [["true"]]\nminutes = 1\ntests = []\ninvariants = ""\n'
                 '[[claim.check]]\nnumber = "H8/naive.hangs"\nexpected = 5\ntolerance = 1\n')
        path.write_text(whole)
        check = claims.load(path)[0].checks[0]
        self.assertEqual((check.low, check.high, check.wanted()), (4, 6, "4 to 6"))
        for old, new, said in (("minutes = 1\n", "", "minutes is missing"), ("H8\"", "H99\"", "no question"),
                               ("tests = []", 'tests = ["no/test"]', "no test"),
                               ("expected = 5\n", "", "at_least"), ("id =", "ID =", "unknown key ID")):
            path.write_text(whole.replace(old, new, 1))
            with self.assertRaisesRegex(ReportError, said):
                claims.load(path)
        path.write_text(whole + whole)
        with self.assertRaisesRegex(ReportError, "the same id"):
            claims.load(path)

    def test_each_is_held_against_its_tolerance(self) -> None:
        claim = claims.Claim("C0", "x", "", "H8", (("make-boots", "{results}"),), 1, (), "",
                             (claims.Check("H8/naive.hangs", 4, 6), claims.Check("H8/full-6.12.hangs", 0, 0)))
        asked: list[list[str]] = []

        def runner(words):  # type: ignore[no-untyped-def]
            asked.append(list(words))
            return 0
        told: list[str] = []
        outcome = reproduce.reproduce([claim], self.root, runner, told.append)[0]
        self.assertEqual((outcome.right, asked), (True, [["make-boots", str(self.root)]]))
        self.assertIn("1 of 1 claims hold", reproduce.text([outcome]))
        # Its twins: another expectation; nothing measured; a command that fails.
        for changed, right in ((dataclasses.replace(claim, checks=(claims.Check("H8/naive.hangs", 0, 0),)), False),
                               (dataclasses.replace(claim, checks=(claims.Check("H10/forward.hangs", 0, 0),)), None)):
            self.assertEqual(reproduce.reproduce([changed], self.root, runner, told.append)[0].right, right)
        self.assertIsNone(reproduce.reproduce([claim], self.root, lambda _words: 2, told.append)[0].right)

    def test_table(self) -> None:
        found = numbers.of([self.root])
        text = claims.table(claims.load(), found)
        # Five of five, of seven wanted: too few.  Of what was not measured not each number says so.
        self.assertIn("| too few boots | naive: hangs 5 (at least 7); naive: hang median s", text)
        self.assertRegex(text, r"\*\*C3\*\*[^|]*\| not measured yet \| \|")
        claim = claims.Claim("C0", "x", "", "H8", (("make-boots",),), 1, (), "", (claims.Check("H8/naive.hangs", 4, 6),))
        for check, wanted in ((claim.checks[0], "holds"), (claims.Check("H8/naive.hangs", 0, 0), "**contradicted**"),
                              # No hang of six: that it wants seven hangs is no matter of boots.
                              (claims.Check("H8/full-6.12.hangs", 7, float("inf")), "**contradicted**"),
                              (claims.Check("H10/forward.hangs", 0, 0), "not measured yet")):
            self.assertEqual(claims.status(dataclasses.replace(claim, checks=(check,)), found), wanted, check)


class Report(Folder):
    def test_page_and_pdf(self) -> None:
        pictures = self.place / "analysis" / "pictures"
        filler = self.filler()
        for made in filler.made.values():
            figures.write(made, pictures)
        text = filler.fill(PLACES)[0]
        page = html.page(text, dark=True, root=self.place)
        for wanted in ("<h1", "<nav>", "5 of 5", "<table>", "prefers-color-scheme: dark", "data:image/svg+xml", "bio_endio(bio);"):
            self.assertIn(wanted, page)
        self.assertNotIn("<!-- ", page)
        out = self.place / "paper.pdf"
        html.pdf(text, out, root=self.place)
        self.assertTrue(out.read_bytes().startswith(b"%PDF"))
        with self.assertRaisesRegex(ReportError, "make paper"):
            html.page(text, dark=True, root=self.place / "nowhere")


class Dependencies(unittest.TestCase):
    # A module that is imported, and the Debian package that has it.
    PACKAGES = {"scipy": "python3-scipy", "numpy": "python3-scipy", "statsmodels": "python3-statsmodels", "matplotlib": "python3-matplotlib",
                "markdown": "python3-markdown", "weasyprint": "weasyprint"}

    @staticmethod
    def foreign() -> set[str]:
        """Modules that report/ imports and that are neither Python's nor the project's."""
        found: set[str] = set()
        for path in (HERE / "report").rglob("*.py"):
            found |= set(re.findall(r"^\s*(?:import|from) (\w+)", path.read_text(), re.MULTILINE))
        return found - set(sys.stdlib_module_names) - {"lab", "measure", "waitchain", "fakeguest"}

    def test_each_has_a_package_with_its_reason(self) -> None:
        listed = (HERE.parent / "vm-images" / "packages-paper.txt").read_text()
        for module in self.foreign():
            self.assertRegex(listed, rf"(?m)^{self.PACKAGES[module]} +# \w+", module)
        # The twin: one that nobody lists.
        self.assertNotRegex(listed, r"(?m)^python3-pandas ")


if __name__ == "__main__":
    unittest.main()
