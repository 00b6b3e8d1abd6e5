#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the measurements' host side, without a VM: rounds, judging, ratios, targets, going on after an interrupt.

Where it stands: beside experiments/measure.  Guests are played by a function that answers each line of a plan.  Each rule
has a twin: the same lines, one thing spoilt, must come out otherwise.  Under 5 s.
"""
from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import io
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
import unittest
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab.vm import COUNTED_ACCEL, Guest, LabError  # noqa: E402
from measure import boot as boots, config as settings, metrics, record as records, rounds, table  # noqa: E402
from measure.config import Cell  # noqa: E402

CONFIG = settings.load()
CELL = Cell("randread-4k", 8, 1)
# Requests a second of the played devices: ublk's better form is the second, under the plain clock.
RATES = {"abuse-ram": 40000.0, "abuse-lz4": 9000.0, "abuse-ram-reader-spins": 60000.0, "abuse-lean": 45000.0, "abuse-lean-2": 46000.0, "abuse-disk": 5000.0, "abuse-forward": 18000.0, "ublk": 20000.0,
         "ublk-2-queues": 25000.0, "nbd": 3000.0, "loop": 7000.0, "zram": 15000.0, "brd": 50000.0, "virtio-blk": 19000.0,
         "pmem": 20000.0}


def load_program() -> Any:
    """experiments/bench as a module."""
    loader = importlib.machinery.SourceFileLoader("bench_program", str(HERE / "bench"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module
    loader.exec_module(module)
    return module


BENCH = load_program()


def small(clock: str = "plain", nr_rounds: int = 4, **more: Any) -> settings.Config:
    """The real configuration, cut down to one clock and two works."""
    works = {name: replace(CONFIG.works[name], cells=CONFIG.works[name].cells[:1]) for name in ("randread-4k", "swap")}
    works["randread-4k"] = replace(works["randread-4k"], cells=(CELL,))
    clocks = {clock: replace(CONFIG.clocks[clock], rounds=nr_rounds, rounds_per_boot=2)}
    targets = tuple(target for target in CONFIG.targets if target.cell in (CELL, Cell("swap", 1, 1)) and target.versus_cell is None)
    return replace(CONFIG, works=works, clocks=clocks, targets=targets, **more)


def result_of(tool: str, rate: float) -> dict[str, int]:
    if tool == "swapbench":
        return {"out_pages": 4096, "out_ns": round(4096e9 / rate), "in_pages": 4096, "in_ns": round(4096e9 / rate)}
    return {"requests": 1000, "ns": round(1000e9 / rate), "verified_pages": 1000, "server_ns": 5_000_000}


# A played guest: round, device, whether it is the closing control > what it says; None: it dies here.
Answer = Callable[[int, str, bool], "float | str | None"]


class Played:
    """Stands for boot.run: answers the plan that it is given."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.boots: list[list[str]] = []

    def __call__(self, config: settings.Config, clock: settings.Clock, devices: Any, overlay: dict[str, str], folder: Path,
                 on_line: Callable[[dict[str, Any]], None]) -> boots.Boot:
        plan = overlay.get("/job/plan", "").splitlines()
        self.boots.append(plan)
        seen: Counter[tuple[str, str]] = Counter()
        for text in plan:
            number, device, tool, arguments = text.split(" ", 3)
            seed = int(shlex.split(arguments)[shlex.split(arguments).index("--seed") + 1]) - 1_000_003
            said = self.answer(seed // 1009, device, bool(seed % 1009))
            if said is None:
                return boots.Boot(error="the guest panicked", spoke=True)
            if isinstance(said, str):
                on_line({"event": "not-measured", "n": int(number), "error": said})
            else:
                on_line({"event": "measured", "n": int(number), "result": result_of(tool, said)})
            seen[(device, tool)] += 1
        return boots.Boot(spoke=True)


def steady(_round: int, device: str, _control: bool) -> float:
    return RATES[device]


class Campaign(unittest.TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.root = Path(self._folder.name, "results")

    def run_it(self, config: settings.Config, played: Played) -> Any:
        record = records.Record(self.root)
        record.open({"inputs": {"seed": 1}})
        run = BENCH.Run(config, record, 1, None)
        with mock.patch.object(boots, "run", played), mock.patch.object(boots, "stores_of", lambda *_: boots.Stores()):
            for clock in config.clocks.values():
                run.clock(clock)
        return run

    def judged(self, run: Any, config: settings.Config) -> rounds.Judged:
        return run.judged(next(iter(config.clocks.values())))

    def test_all_rounds_come_in_boots_of_two(self) -> None:
        config, played = small(), Played(steady)
        run = self.run_it(config, played)
        judged = self.judged(run, config)
        self.assertEqual(len(played.boots), 2)
        self.assertEqual(judged.good[CELL], [1, 2, 3, 4])
        self.assertFalse(judged.spoilt)
        # Nothing is left: the same once more boots nothing.
        again = Played(steady)
        self.run_it(config, again)
        self.assertEqual(again.boots, [])

    def test_a_round_in_which_a_control_moved_is_repeated_and_counted(self) -> None:
        def moved(number: int, device: str, control: bool) -> float:
            return RATES[device] * (0.7 if (number, device, control) == (2, "brd", False) else 1.0)

        config = small()
        judged = self.judged(self.run_it(config, Played(moved)), config)
        self.assertEqual(judged.good[CELL], [1, 3, 4, 5])
        self.assertIn("brd moved", judged.spoilt[(CELL, 2)])
        self.assertIn("2 were spoilt", table.spoilt_line("plain", judged))  # both works

    def test_a_control_that_moved_less_than_a_third_does_not_count(self) -> None:
        config = small()
        run = self.run_it(config, Played(lambda number, device, _: RATES[device] * (0.8 if number == 2 else 1.0)))
        self.assertFalse(self.judged(run, config).spoilt)

    def test_the_closing_control_counts_too(self) -> None:
        def moved(number: int, device: str, control: bool) -> float:
            return RATES[device] * (2.0 if control and number == 3 else 1.0)

        config = small()
        self.assertIn((CELL, 3), self.judged(self.run_it(config, Played(moved)), config).spoilt)

    def test_a_boot_that_dies_loses_only_its_open_round(self) -> None:
        deaths = [3]

        def dies(number: int, device: str, _control: bool) -> float | None:
            if number == deaths[0] and device == "nbd":
                deaths[0] = 0
                return None
            return RATES[device]

        config = small()
        run = self.run_it(config, Played(dies))
        judged = self.judged(run, config)
        self.assertEqual(len(judged.good[CELL]), 4)
        self.assertIn((CELL, 3), judged.spoilt)
        self.assertTrue(run.troubles)

    def test_an_interrupt_is_gone_on_from(self) -> None:
        calls = [0]

        def interrupted(number: int, device: str, _control: bool) -> float:
            calls[0] += 1
            if calls[0] == 20:
                raise KeyboardInterrupt
            return RATES[device]

        config = small()
        with self.assertRaises(KeyboardInterrupt):
            self.run_it(config, Played(interrupted))
        run = self.run_it(config, Played(steady))
        self.assertEqual(len(self.judged(run, config).good[CELL]), 4)
        lines = run.record.lines()
        # Each boot has its own number, and no round is of two boots.
        self.assertEqual({line["boot"] for line in lines}, {1, 2, 3})
        by_round: dict[tuple[str, int], set[int]] = {}
        for line in lines:
            by_round.setdefault((line["work"], line["round"]), set()).add(line["boot"])
        self.assertTrue(all(len(held) == 1 for held in by_round.values()))

    def test_a_machine_that_never_holds_still_is_given_up(self) -> None:
        config = small(nr_rounds=3)
        run = self.run_it(config, Played(lambda number, device, _: RATES[device] * 2.0 ** (number % 5)))
        self.assertTrue(BENCH._lacks(run, config) or len(self.judged(run, config).good[CELL]) < 3)
        self.assertLessEqual(self.judged(run, config).last[CELL], 3 * rounds.ATTEMPTS_PER_ROUND)

    def test_boots_that_bring_nothing_end_it(self) -> None:
        config, played = small(), Played(lambda *_: None)
        run = self.run_it(config, played)
        self.assertEqual(len(played.boots), BENCH.BARREN_BOOTS)
        self.assertIn("brought nothing", run.troubles[-1])

    def test_a_device_that_fails_is_told_and_stops_nobody(self) -> None:
        config = small()
        run = self.run_it(config, Played(lambda _n, device, _c: "no" if device == "nbd" else RATES[device]))
        self.assertEqual(len(self.judged(run, config).good[CELL]), 4)
        text, data = BENCH._report(run, config, config)
        self.assertIn("plain: nbd: randread-4k, depth 8, 1 task: no", data["not_measured"])
        self.assertIn("not measured: nbd was not measured", text)
        self.assertTrue(BENCH._lacks(run, config))

    def test_half_a_line_is_measured_again(self) -> None:
        config = small()
        self.run_it(config, Played(steady))
        path = self.root / "measurements.jsonl"
        path.write_bytes(path.read_bytes()[:-1000])
        again = Played(steady)
        run = self.run_it(config, again)
        self.assertEqual(len(again.boots), 1)
        self.assertEqual({cell: len(good) for cell, good in self.judged(run, config).good.items()},
                         {cell: 4 for cell in config.cells_of("plain")})

    def test_a_packed_record_reads_alike(self) -> None:
        """As analysis/keep leaves it: the table is made of either."""
        config = small()
        run = self.run_it(config, Played(steady))
        before = run.record.lines()
        records.pack(self.root, records.MEASUREMENTS)
        self.assertFalse((self.root / records.MEASUREMENTS).exists())
        self.assertEqual(run.record.lines(), before)
        self.assertEqual(records.folders(self.root.parent), [self.root])
        # Nobody goes on in it; a spoilt one is told.
        with self.assertRaisesRegex(LabError, "is packed"):
            run.record.open({"inputs": {}})
        packed = self.root / f"{records.MEASUREMENTS}.xz"
        packed.write_bytes(packed.read_bytes()[:-9])
        with self.assertRaisesRegex(LabError, "measurements.jsonl cannot be read"):
            run.record.lines()

    def test_the_table(self) -> None:
        config = small()
        run = self.run_it(config, Played(steady))
        text, data = BENCH._report(run, config, config)
        rows = {(row["device"], row["metric"]): row for row in data["rows"] if row["work"] == "randread-4k"}
        # Against the better of ublk's two, and brd.
        self.assertAlmostEqual(rows[("abuse-ram", "rate")]["to_ublk"]["median"], 40 / 25, places=3)
        self.assertAlmostEqual(rows[("abuse-ram", "rate")]["to_brd"]["median"], 40 / 50, places=3)
        self.assertEqual(rows[("abuse-ram", "cost")]["unit"], "ns/request")
        target = next(target for target in data["targets"] if target["what"] == "4 KiB random read, depth 8, against ublk")
        self.assertEqual((target["versus"], target["met"]), ("ublk-2-queues", False))
        self.assertAlmostEqual(target["distance"], 1.6 / 1.75 - 1, places=3)
        above = next(target for target in data["targets"] if target["what"].startswith("cost above brd"))
        # (25 - 20) / (40 - 20) microseconds
        self.assertAlmostEqual(above["measured"]["median"], 0.25, places=3)
        self.assertIn("| 4 KiB random read, depth 8, against nbd | plain | at least 10 | 13.33 (13.33-13.33) | nbd | +33%, met |", text)

    def test_a_profile(self) -> None:
        config = small("icount")
        rows = [{"who": "server", "symbol": "abuse_serve", "module": "abuse", "samples": 30},
                {"who": "load", "symbol": "user space", "module": "", "samples": 10}]
        plans: list[str] = []

        def played(_config: Any, _clock: Any, _devices: Any, overlay: dict[str, str], _folder: Path, on_line: Any) -> boots.Boot:
            plans.append(overlay["/job/plan"])
            for number in range(len(overlay["/job/plan"].splitlines())):
                on_line({"event": "measured", "n": number, "result": {"samples": 40, "lost": 0, "rows": rows}})
            return boots.Boot(spoke=True)

        record = records.Record(self.root)
        record.open({"inputs": {}})
        with mock.patch.object(boots, "run", played):
            found = BENCH.Run(config, record, 1, None).profile(config.clocks["icount"])
        self.assertIn(" sampler blockload --rw randread", plans[0])
        self.assertIn(f"--requests {BENCH.PROFILE_REQUESTS}", plans[0])
        self.assertIn("  75.0%  server  abuse_serve [abuse]", BENCH._profile_text(found))
        self.assertEqual(len((self.root / "profile.jsonl").read_text().splitlines()), len(found))

    def test_results_of_another_build_are_refused(self) -> None:
        records.Record(self.root).open({"inputs": {"seed": 1}})
        with self.assertRaisesRegex(LabError, "another build's or another seed's"):
            records.Record(self.root).open({"inputs": {"seed": 2}})


class Order(unittest.TestCase):
    def test_every_device_has_every_place(self) -> None:
        names = [device.name for device in CONFIG.devices_of("plain")]
        orders = [rounds.order(names, 1, "plain", CELL, number) for number in range(1, len(names) + 1)]
        for place in range(len(names)):
            self.assertEqual(sorted(order[place] for order in orders), sorted(names))

    def test_the_seed_decides(self) -> None:
        names = [device.name for device in CONFIG.devices_of("plain")]
        self.assertEqual(rounds.order(names, 1, "plain", CELL, 1), rounds.order(names, 1, "plain", CELL, 1))
        self.assertNotEqual(rounds.order(names, 1, "plain", CELL, 1), rounds.order(names, 2, "plain", CELL, 1))

    def test_rounds_are_interleaved(self) -> None:
        clock = CONFIG.clocks["plain"]
        other = Cell("swap", 1, 1)
        steps = rounds.steps_of(clock, ["brd", "ublk"], 1, {CELL: [1, 2], other: [1, 2]})
        self.assertEqual([(step.round, step.cell) for step in steps[::3]], [(1, CELL), (1, other), (2, CELL), (2, other)])
        self.assertEqual([step.control for step in steps[:3]], [False, False, True])


class Statistics(unittest.TestCase):
    def test_median_and_interval(self) -> None:
        values = [10.0, 11.0, 9.0, 10.5, 9.5, 30.0, 10.2, 9.9, 10.1, 10.0]
        found = table.estimate(values)
        self.assertEqual(found.median, statistics.median(values))
        self.assertTrue(9.0 <= found.low <= found.median <= found.high < 30.0)
        self.assertEqual(found, table.estimate(values))

    def test_the_interval_covers(self) -> None:
        """Of 200 samples of ten, the 95% intervals have the true median about so often; the bootstrap is a bit narrow."""
        import random
        chance = random.Random(7)
        hits = 0
        for number in range(200):
            found = table.estimate([chance.gauss(100, 10) for _ in range(10)], seed=number)
            hits += found.low <= 100 <= found.high
        self.assertGreater(hits, 200 * 0.88)
        self.assertLess(hits, 200)

    def test_few_values_tell_their_extremes(self) -> None:
        self.assertEqual(table.estimate([3.0, 1.0]), table.Estimate(2.0, 1.0, 3.0, 2))
        with self.assertRaises(ValueError):
            table.estimate([])

    def test_a_ratio_is_taken_within_rounds(self) -> None:
        # The machine was half as fast in round 2: the ratio stands, that of the values would not.
        found = table.ratio({1: 20.0, 2: 10.0, 3: 20.0}, {1: 10.0, 2: 5.0, 4: 1.0})
        assert found is not None
        self.assertEqual((found.median, found.rounds), (2.0, 2))
        self.assertIsNone(table.ratio({1: 1.0}, {2: 1.0}))

    def test_of_a_cost_the_best_is_the_least(self) -> None:
        held = {"ublk": {1: 20.0}, "ublk-2-queues": {1: 10.0}}
        self.assertEqual(table.best(["ublk", "ublk-2-queues"], held, "cost"), "ublk-2-queues")
        self.assertEqual(table.best(["ublk", "ublk-2-queues"], held, "rate"), "ublk")


class Metrics(unittest.TestCase):
    def test_each_tool(self) -> None:
        found = {value.metric: value.value for value in metrics.values_of("blockload", result_of("blockload", 1000.0))}
        self.assertEqual(found, {"rate": 1000.0, "cost": 1e6, "server": 5000.0})
        found = {value.metric: value.value for value in metrics.values_of("swapbench", {
            **result_of("swapbench", 2000.0), "fault_p50_ns": 7, "fault_p99_ns": 8, "fault_p999_ns": 9, "fault_max_ns": 10})}
        self.assertEqual((found["out"], found["in"], found["fault_p999"]), (2000.0, 2000.0, 9.0))
        self.assertEqual(metrics.values_of("fio", {"requests_per_s": 12, "kib_per_s": 48})[0].value, 12.0)

    def test_a_counted_clock_gives_instructions(self) -> None:
        found = {value.metric: (value.value, value.unit)
                 for value in metrics.values_of("swapbench", result_of("swapbench", 1000.0), 2)}
        self.assertEqual(found["out_instructions"], (500_000.0, "instructions/page"))
        self.assertNotIn("instructions", {value.metric for value in metrics.values_of("blockload", result_of("blockload", 1.0))})

    def test_nonsense_is_an_error(self) -> None:
        for tool, result in (("blockload", {"requests": 0, "ns": 1}), ("blockload", {}), ("fio", {"kib_per_s": 1}),
                             ("swapbench", {"out_pages": 1}), ("other", {})):
            with self.subTest(tool=tool), self.assertRaises(ValueError):
                metrics.values_of(tool, result)


class Files(unittest.TestCase):
    """What the guest is told."""

    def test_what_a_device_is_comes_from_its_arm(self) -> None:
        self.assertIn("memory 64M allocator=malloc,mlock=true", CONFIG.devices["nbd"].server)
        self.assertIn("--queues 2 --size 64M", CONFIG.devices["ublk-2-queues"].server)
        for name in ("ublk", "nbd", "abuse-ram"):
            self.assertIn("mlock", CONFIG.devices[name].protections_on)

    def test_an_arm_that_has_changed_is_noticed(self) -> None:
        with self.assertRaisesRegex(LabError, "is not in the arm any more"):
            settings._replace_all(CONFIG.devices["nbd"], [["memory 512M", "memory 64M"]], "here")

    def test_unknown_keys_are_errors(self) -> None:
        text = settings.FILE.read_text()
        with tempfile.TemporaryDirectory() as folder:
            for old, new in (("noise_percent = 25", "noise = 25\nnoise_percent = 25"), ("settle_ms = 2000", "settle_s = 2"),
                             ("[work.fault]\ntool", "[work.fault]\nkind = 1\ntool"), ("versus = \"ublk\"", "versus = \"ublkk\""),
                             ("at_least = 1.75\n", "at_least = 1.75\nat_most = 2\n"), ("family = \"ublk\"", "familiar = \"ublk\"")):
                path = Path(folder, "bench.toml")
                path.write_text(text.replace(old, new, 1))
                with self.subTest(new=new), self.assertRaises(LabError):
                    settings.load(path)

    def test_protections_and_switches_must_be_as_wanted(self) -> None:
        device = CONFIG.devices["ublk"]
        said = {"server": {"protections": {"mlock": True, "flusher": True, "oom": True}, "device": "/dev/ublkb0"},
                "facts": {"queue_depth": "64", "write_cache": "write through"}}
        self.assertEqual(boots.wrong_with(device, said), "")
        for path, value in ((("server", "protections", "mlock"), False), (("server", "device"), "/dev/ublkb1"),
                            (("facts", "queue_depth"), "128"), (("facts", "queue_depth"), None)):
            spoilt = json.loads(json.dumps(said))
            place = spoilt
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = value
            with self.subTest(path=path, value=value):
                self.assertTrue(boots.wrong_with(device, spoilt))
        self.assertTrue(boots.wrong_with(device, {"server": None, "facts": said["facts"]}))

    def test_each_line_of_a_plan_writes_another_content(self) -> None:
        clock = CONFIG.clocks["plain"]
        texts = [boots.arguments_of(CONFIG, clock, rounds.Step(number, CELL, "brd", control), 1)
                 for number in range(1, 30) for control in (False, True)]
        self.assertEqual(len(set(texts)), len(texts))

    def test_disks_in_memory_do_not_overlap(self) -> None:
        clock = CONFIG.clocks["icount"]
        stores = boots.stores_of(clock, CONFIG.devices_of("icount"), CONFIG.device_mib)
        places = [text.removeprefix("memmap=").split("!") for text in stores.append.split() if text.startswith("memmap")]
        ends = sorted((int(start[:-1]), int(start[:-1]) + int(size[:-1])) for size, start in places)
        self.assertEqual(len(ends), sum(device.store for device in CONFIG.devices_of("icount")))
        for one, other in zip(ends, ends[1:]):
            self.assertLess(one[1], other[0])
        self.assertLess(ends[-1][1], clock.memory_mib - 256)
        with self.assertRaisesRegex(LabError, "memory_mib is too little"):
            boots.stores_of(replace(clock, memory_mib=1024), CONFIG.devices_of("icount"), CONFIG.device_mib)

    def test_what_the_shell_gets_is_quoted(self) -> None:
        text = boots.device_text(CONFIG.devices["nbd"], "serial:x")
        done = subprocess.run(["sh", "-c", text + 'printf %s "$SERVER"'], capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, CONFIG.devices["nbd"].server)

    def test_the_counted_clock_is_the_guests(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            guest = Guest(kernel=Path("k"), initrds=[], workdir=Path(folder), counted=True, accel="kvm")
            fds = {name: 0 for name in ("qmp", "serial", "result", "heartbeat", "files")}
            guest.accel = COUNTED_ACCEL
            arguments = " ".join(guest._arguments("qemu", Path("i"), fds))
            self.assertIn("-icount shift=1,sleep=off", arguments)
            self.assertIn("virtio-serial-pci,ioeventfd=off", arguments)
            plain = Guest(kernel=Path("k"), initrds=[], workdir=Path(folder), accel="tcg,thread=multi")
            self.assertNotIn("icount", " ".join(plain._arguments("qemu", Path("i"), fds)))


class Memory(unittest.TestCase):
    def lines(self, **more: float) -> list[dict[str, Any]]:
        out = []
        for case in CONFIG.memory.cases:
            full = case.device_mib * (290 if case.device == "abuse-lz4" else 280 if case.device == "zram" else 1030)
            line = {"device": case.device, "device_mib": case.device_mib, "depth": case.depth, "tasks": case.tasks,
                    "servers": case.servers, "idle_kib": 100 + case.depth, "full_kib": full, "used_kib": full,
                    "server_rss_idle_kib": 5000, "server_rss_kib": 5000, "server_locked_kib": 5000, "left_kib": 0}
            out.append({**line, **more})
        return out

    def test_growth(self) -> None:
        grown = {one.device: one for one in table.growth(CONFIG, table.memory_of(self.lines()))}
        self.assertAlmostEqual(grown["abuse-ram"].per_gib_mib or 0, 1030.0)
        self.assertAlmostEqual(grown["abuse-ram"].per_request_kib or 0, 1.0)
        self.assertIsNone(grown["brd"].per_request_kib)

    def test_targets(self) -> None:
        found = {verdict.what: verdict for verdict in table.memory_verdicts(CONFIG, table.memory_of(self.lines()))}
        memory = found["lz4: memory for the same pages, against zram"]
        self.assertEqual((memory.met, memory.word), (False, "not decided"))
        self.assertIn("not decided |", "\n".join(table.target_lines([memory])))
        self.assertTrue(found["server's memory after a load, of that before"].met)
        grew = table.memory_verdicts(CONFIG, table.memory_of(self.lines(server_rss_kib=5004)))
        self.assertFalse(next(verdict for verdict in grew if verdict.what.startswith("server's")).met)


class Command(unittest.TestCase):
    def run_it(self, *arguments: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with mock.patch.object(sys, "argv", ["bench", *arguments]), contextlib.redirect_stdout(out), \
                contextlib.redirect_stderr(err), mock.patch.object(BENCH.signal, "signal"):
            try:
                status = BENCH.main()
            except SystemExit as ended:
                status = int(ended.code or 0)
        return status, out.getvalue(), err.getvalue()

    def test_usage(self) -> None:
        self.assertEqual(self.run_it("--help")[0], 0)
        for arguments in (("--clock", "sundial"), ("--device", "tape"), ("--work", "play"), ("--rounds", "0")):
            with self.subTest(arguments=arguments):
                status, _out, err = self.run_it(*arguments)
                self.assertEqual(status, 2)
                self.assertEqual(err.count("\n"), 1)

    def test_a_missing_file_names_the_command(self) -> None:
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(boots, "BUILD", boots.REPO / "build-is-not-there"):
            status, _out, err = self.run_it("--results", folder, "--quiet")
        self.assertEqual(status, 2)
        self.assertIn("run `make bench-build`", err)


if __name__ == "__main__":
    unittest.main()
