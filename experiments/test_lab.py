#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the lab's host side, without a VM: each verdict has a positive control, and a twin that must not get it.

Where it stands: beside experiments/lab.  Run: python3 -m unittest experiments/test_lab.py, or this file; under 2 s.
"""
from __future__ import annotations

import copy
import json
import socket
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import rates, runner, vm  # noqa: E402
from lab.store import Store  # noqa: E402
from lab.verdict import MIB, VERDICTS, Evidence, emulators_fault, impossible_flags, judge, load, stale_int3, stall  # noqa: E402


ARM: dict[str, Any] = {
    "name": "test",
    "device": {"path": "/dev/abuse0", "counters": "abuse"},
    "server": {"command": "/bin/swapserver", "comm": "swapserver", "protections_on": ["mlock"], "protections_off": ["core"]},
    "load": {"pageload": "--bytes 1M", "stress_ng": "--vm 2", "stress_ops": 100},
    "limits": {"stall_s": 20, "silent_s": 15, "total_s": 100},
    "judge": {"swap_mib": 128},
}


def beat(second: int, *, ended: int, units: int, accepted: int | None = None, busy: float = 0.02, **more: Any) -> dict[str, Any]:
    """One heartbeat at that second; busy: processors' worth of work since second 0."""
    counters = {"accepted": ended if accepted is None else accepted, "ended": ended, "ended_error": 0,
                "read_bytes": ended * 2048, "write_bytes": ended * 2048}
    return {"host_s": second + 0.5, "t_ms": second * 1000, "free_kb": 5000, "swap_total_kb": 786432, "swap_free_kb": 1000,
            "pswpin": ended // 2, "pswpout": ended // 2, "oom_kill": 0, "cpu_user_ticks": int(second * busy * 100),
            "cpu_nice_ticks": 0, "cpu_system_ticks": 0, "cpu_idle_ticks": 0, "abuse": counters, "load_units": units, **more}


def finished() -> Evidence:
    """A run that is a PASS."""
    results: list[dict[str, Any]] = [
        {"host_s": 0.1, "event": "step", "name": "insmod"},
        {"host_s": 0.2, "event": "server", "pid": 99, "protections": {"mlock": True, "core": False}},
        {"host_s": 0.6, "event": "step", "name": "swapon"},
        {"host_s": 0.7, "event": "step", "name": "pageload"},
        {"host_s": 20.0, "event": "pageload", "ok": True, "verified": 1000, "mismatches": 0, "died_by_signal": []},
        {"host_s": 20.1, "event": "step", "name": "stress-ng"},
        {"host_s": 30.0, "event": "stress-ng", "status": 0, "ops": 100},
        {"host_s": 30.1, "event": "step", "name": "swapoff"},
        {"host_s": 31.0, "event": "exit", "status": 0},
    ]
    heartbeats: list[dict[str, Any]] = [{"host_s": 0.2, "event": "agent", "mlock": True}]
    heartbeats += [beat(second, ended=second * 20000, units=second * 50) for second in range(31)]
    return Evidence(arm=copy.deepcopy(ARM), heartbeats=heartbeats, results=results, ended="exit", duration_s=32.0,
                    console="[    1.0] all is well\n")


def stalled(busy: float = 0.02, accepted_more: int = 3, **more: Any) -> Evidence:
    """A run that stops moving at second 5 and is watched until second 30."""
    run = finished()
    run.results = run.results[:4]
    run.heartbeats = [beat(second, ended=min(second, 5) * 20000, units=min(second, 5) * 50, busy=busy,
                           accepted=min(second, 5) * 20000 + accepted_more, **more) for second in range(31)]
    run.ended, run.duration_s = "stall", 31.0
    run.sysrq = [{"key": "w", "answered": True}]
    return run


# From a boot of 6.12 under QEMU 7.2, shortened: memory has a NOP of two bytes (66 90) where the processor met an int3.
STALE_INT3 = """\
[    1.808259] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI
[    1.808533] CPU: 0 UID: 0 PID: 1 Comm: swapper/0 Not tainted 6.12.117+deb12-amd64 #1  Debian 6.12.117-1~deb12u1
[    1.808713] RIP: 0010:sched_clock_cpu+0x9/0x190
[    1.808924] Code: 90 90 90 90 90 90 90 f3 0f 1e fa 41 54 55 53 66 <90> e8 41 ac f0 ff 48 03 05 a2 02 d2 01 48 89 c2 5b 48 89
[    1.809659] Call Trace:
[    1.810507] ---[ end trace 0000000000000000 ]---
[    1.810562] RIP: 0010:sched_clock_cpu+0x9/0x190
"""


# From a boot of 6.12 under QEMU 7.2 that swapped on virtio-blk, with no module but that driver, shortened: half a pointer for flags.
IMPOSSIBLE_FLAGS = """\
[    4.800510] WARNING: CPU: 0 PID: 164 at arch/x86/kernel/traps.c:1120 exc_debug_kernel+0xca/0x160
[    4.801477] Modules linked in: virtio_blk
[    4.802193] RIP: 0010:exc_debug_kernel+0xca/0x160
[    4.802473] RSP: 0000:fffffe44e5586f28 EFLAGS: 4f78a002
[    4.803479]  asm_exc_debug+0x1e/0x40
[    4.803687] RIP: 0010:kmem_cache_alloc_noprof+0x6f/0x2f0
[    4.803711] RSP: 0000:ff65e6820040b140 EFLAGS: 4f7ca702
[    4.869276] BUG: kernel NULL pointer dereference, address: 0000000000000040
[    4.878937] Oops: Oops: 0000 [#1] PREEMPT SMP NOPTI
[    4.883707] RIP: 0010:shrink_folio_list+0x17e/0xd70
[    4.887971] RSP: 0018:ff65e68200423450 EFLAGS: 4f7ca646
[    4.927260] Kernel panic - not syncing: Fatal exception
"""


class Emulator(unittest.TestCase):
    def test_impossible_flags(self) -> None:
        told = impossible_flags(["[    1.0] before", *IMPOSSIBLE_FLAGS.splitlines()])
        self.assertEqual(told, "the emulator gave a processor flags that none can have (EFLAGS 4f78a002 at exc_debug_kernel+0xca/0x160)")
        self.assertEqual(emulators_fault(IMPOSSIBLE_FLAGS.splitlines()), told)
        self.assertTrue(emulators_fault(STALE_INT3.splitlines()))
        # A double fault begins with its own name; bit 1 is never clear.
        for flags in ("00000246", "00010046", "00250a83"):
            double = f"[    1.0] PANIC: double fault, error_code: 0x0\n[    1.0] RIP: 0010:f+0x1/0x2\n[    1.0] RSP: 0018:0 EFLAGS: {flags}"
            self.assertIsNone(impossible_flags(double.splitlines()), flags)
            self.assertTrue(impossible_flags(double.replace(flags, "4f7ca646").splitlines()))
        self.assertTrue(impossible_flags(double.replace(flags, "00000244").splitlines()))

    def test_flags_are_no_excuse(self) -> None:
        """Only those of the first complaint: later ones may come of anything."""
        lines = IMPOSSIBLE_FLAGS.splitlines()
        self.assertIsNone(impossible_flags([]))
        self.assertIsNone(impossible_flags(line for line in lines if "EFLAGS" not in line))
        legal = [line.replace("4f78a002", "00010282") for line in lines]
        self.assertIsNone(impossible_flags(legal))
        before = "[    1.0] BUG: KASAN: use-after-free in abuse_x [abuse]"
        self.assertIsNone(impossible_flags([before, "[    1.0] RSP: 0018:0 EFLAGS: 00000246", *lines]))
        self.assertIsNone(impossible_flags([before, *["more"] * 30, *lines]))
        # A dump of a running processor, before anything was wrong, is no complaint.
        self.assertIsNone(impossible_flags(["[    1.0] RSP: 0018:0 EFLAGS: 4f7ca646"]))

    def found(self, *changes: tuple[str, str]) -> str | None:
        text = STALE_INT3
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        return stale_int3(["[    1.0] before", *text.splitlines()])

    def test_stale(self) -> None:
        self.assertEqual(self.found(), "the emulator ran an int3 at sched_clock_cpu+0x9/0x190 that is no longer in memory "
                                       "(66 90 e8 41 ac)")
        # As 6.1 says it, and with a NOP of five bytes.
        self.assertTrue(self.found(("Oops: int3", "int3"), ("66 <90> e8 41 ac", "0f <1f> 44 00 00")))
        self.assertTrue(self.found(("66 <90> e8", "eb <05> e8")))

    def test_no_excuse(self) -> None:
        # It is there: the kernel's own, or a jump into what lies between functions.
        self.assertIsNone(self.found(("53 66 <90>", "53 cc <90>")))
        self.assertIsNone(self.found(("53 66 <90>", "cd 03 <90>")))
        # Not a place that the kernel changes.
        self.assertIsNone(self.found(("66 <90>", "48 <90>")))
        self.assertIsNone(self.found(("Oops: int3: 0000 [#1]", "Oops: int3: 0000 [#2]")))
        self.assertIsNone(self.found(("Oops: int3: 0000 [#1]", "Oops: invalid opcode: 0000 [#1]")))
        self.assertIsNone(self.found(("Code: ", "Code: Unable to access opcode bytes at 0x36. ")))
        self.assertIsNone(self.found(("[    1.808713] RIP", "[    1.808713] XIP")))
        self.assertIsNone(stale_int3([]))
        # The kernel had complained before; another oops came after.
        for before in ("BUG: KASAN: use-after-free in abuse_x [abuse]", "WARNING: CPU: 0", "Out of memory: Killed process 1"):
            self.assertIsNone(stale_int3([f"[    1.0] {before}", *STALE_INT3.splitlines()]))
        self.assertIsNone(stale_int3([*STALE_INT3.splitlines(), "[    2.0] Oops: invalid opcode: 0000 [#2] PREEMPT SMP NOPTI"]))
        # Another processor in the same place at once; in another place; and one that does not show it.
        again = STALE_INT3.replace("[#1]", "[#2]")
        self.assertTrue(stale_int3([*STALE_INT3.splitlines(), *again.splitlines()]))
        code = next(line for line in again.splitlines() if "Code: " in line)
        other = again.replace(code, code.replace("Code: ", "Code: 90 "))
        self.assertIsNone(stale_int3([*STALE_INT3.splitlines(), *other.splitlines()]))
        self.assertIsNone(stale_int3([*STALE_INT3.splitlines(), *again.replace(code, "").splitlines()]))
        lines = STALE_INT3.splitlines()
        self.assertIsNone(stale_int3([*lines[:2], *["more"] * 50, *lines[2:]]))


class Verdicts(unittest.TestCase):
    def expect(self, run: Evidence, verdict: str, word: str = "") -> None:
        result = judge(run)
        self.assertIn(result.verdict, VERDICTS)
        self.assertEqual(result.verdict, verdict, result.reason)
        self.assertIn(word, result.reason)
        json.dumps(result.numbers)

    def test_pass(self) -> None:
        self.expect(finished(), "PASS", "1000 pages verified")

    def test_deadlock(self) -> None:
        self.expect(stalled(), "DEADLOCK", "3 requests in care")

    def test_no_deadlock_while_requests_end(self) -> None:
        run = stalled()
        run.heartbeats[-1]["abuse"]["ended"] += 1
        self.expect(run, "INVALID")

    def test_deadlock_of_a_peer(self) -> None:
        """Requests in flight to a peer that end no more are a hang, in whatever step; none in flight are none."""
        run = stalled()
        run.arm["device"]["counters"] = "vmstat"
        for line in run.heartbeats:
            line["abuse"] = None
            line["disk"] = {"ended": min(line["t_ms"], 5000), "in_flight": 7}
        run.results.append({"host_s": 0.8, "event": "step", "name": "stress-ng"})
        self.expect(run, "DEADLOCK", "7 requests in care")
        moving = copy.deepcopy(run)
        moving.heartbeats[-1]["disk"]["ended"] += 1
        self.expect(moving, "INVALID")
        for line in run.heartbeats:
            line["disk"]["in_flight"] = 0
        self.expect(run, "INVALID")

    def test_no_deadlock_while_the_load_works(self) -> None:
        run = stalled()
        run.heartbeats[-1]["load_units"] += 1
        self.expect(run, "INVALID")

    def test_no_deadlock_when_nothing_is_to_do(self) -> None:
        series = stalled(accepted_more=0).heartbeats
        self.assertIsNotNone(stall(series, "pageload"))
        self.assertIsNone(stall(series, "stress-ng"))

    def test_swap_out_counter_is_no_progress(self) -> None:
        run = stalled()
        for number, line in enumerate(run.heartbeats):
            line["pswpout"] += number * 100
        self.expect(run, "DEADLOCK")

    def test_requests_that_fail_are_no_progress(self) -> None:
        """A full store: each page that it refuses is written again, and again."""
        run = stalled(busy=1.5)
        for second, line in enumerate(run.heartbeats):
            line["abuse"]["ended"] += 3000 * max(0, second - 5)
            line["abuse"]["accepted"] = line["abuse"]["ended"] + 2
            line["abuse"]["ended_error"] = 3000 * max(0, second - 5)
        self.expect(run, "LIVELOCK", "no request ended but with an error")
        self.assertTrue(judge(run).notes[0].startswith("IO-ERROR"))
        # Its twin: some succeed.
        for second, line in enumerate(run.heartbeats):
            line["abuse"]["ended_error"] = 2000 * max(0, second - 5)
        self.expect(run, "IO-ERROR")

    def test_stall_too_short(self) -> None:
        self.assertIsNone(stall(stalled().heartbeats[:20], "pageload"))

    def test_deadlock_with_a_silent_agent(self) -> None:
        run = stalled()
        run.heartbeats, run.ended = run.heartbeats[:8], "silent"
        self.expect(run, "DEADLOCK", "sysrq w")

    def test_livelock_busy_processors(self) -> None:
        self.expect(stalled(busy=1.0), "LIVELOCK", "busy")

    def test_deadlock_with_busy_processors(self) -> None:
        """Nothing ends and the server sleeps: whoever is busy meanwhile waits for it, in a loop."""
        run = stalled(busy=1.0)
        for line in run.heartbeats:
            line["server"] = {"pid": 99, "state": "D", "cpu_ticks": 500}
        self.expect(run, "DEADLOCK", "the server sleeps")

    def test_livelock_of_the_server_that_took_over(self) -> None:
        """Of a server that has gone nothing can be said; while another serves in its place, the processors tell."""
        run = stalled(busy=1.0)
        for number, line in enumerate(run.heartbeats):
            line["server"] = {"pid": 99, "state": "R" if number < 3 else "X", "cpu_ticks": 0}
            line["abuse"]["nr_servers"] = 2
        self.expect(run, "LIVELOCK", "busy")
        for line in run.heartbeats:
            line["abuse"]["nr_servers"] = 0
        self.expect(run, "DEADLOCK", "the server sleeps")

    def test_livelock_running_server(self) -> None:
        run = stalled()
        for number, line in enumerate(run.heartbeats):
            line["server"] = {"pid": 99, "state": "R", "cpu_ticks": number * 90}
        self.expect(run, "LIVELOCK", "server runs")

    def test_lost(self) -> None:
        run = stalled()
        run.heartbeats, run.ended, run.nmi_sent = run.heartbeats[:8], "silent", True
        run.sysrq = [{"key": "w", "answered": False}]
        run.console += "Kernel panic - not syncing: NMI: Not continuing\n"
        self.expect(run, "LOST", "no heartbeat")

    def test_panic(self) -> None:
        run = finished()
        run.console += "[   10.0] Kernel panic - not syncing: Fatal exception\n"
        self.expect(run, "PANIC", "Fatal exception")

    def test_panic_of_the_emulator(self) -> None:
        run = finished()
        run.ended = "panic"
        run.qmp = [{"event": "GUEST_PANICKED"}]
        run.console += STALE_INT3
        self.expect(run, "INVALID", "sched_clock_cpu+0x9/0x190")
        flags = copy.deepcopy(run)
        flags.console = IMPOSSIBLE_FLAGS
        self.expect(flags, "INVALID", "4f78a002")
        # QEMU may have gone before its event of the panic was read.
        flags.ended = "exit"
        self.expect(flags, "INVALID", "4f78a002")
        flags.console = IMPOSSIBLE_FLAGS.replace("4f78a002", "00010282")
        self.expect(flags, "PANIC", "Oops")
        # Its twins: another accelerator runs what is in memory, and so does one thread for all processors; a dump for a hang met it;
        # something else had been found.
        for accel in ("kvm", "tcg,thread=single"):
            run.accel = accel
            self.expect(run, "PANIC", "int3")
        run.accel = "tcg,thread=multi"
        run.ended = "stall"
        self.assertNotEqual(judge(run).verdict, "INVALID")
        run.ended = "panic"
        for result in run.results:
            if result.get("event") == "pageload":
                result.update(mismatches=1)
        self.expect(run, "PANIC", "int3")

    def test_panic_of_a_failed_swap(self) -> None:
        """All of init's pages were out, too: the device's failure killed it like any other."""
        run = finished()
        run.heartbeats[-1]["abuse"]["ended_error"] = 9
        run.qmp = [{"event": "GUEST_PANICKED"}]
        run.console += "[    9.0] Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
        self.expect(run, "SIGBUS", "init died")
        # Its twins: the device answered everything; another complaint came first.
        run.heartbeats[-1]["abuse"]["ended_error"] = 0
        self.expect(run, "PANIC", "Attempted to kill init")
        run.heartbeats[-1]["abuse"]["ended_error"] = 9
        run.console = "[    8.0] BUG: unable to handle page fault\n" + run.console
        self.expect(run, "PANIC", "unable to handle")

    def test_panic_of_the_oom_killer(self) -> None:
        run = finished()
        run.qmp = [{"event": "GUEST_PANICKED"}]
        run.console += ("[    8.0] Out of memory: Killed process 77 (pageload) total-vm:9kB\n"
                        "[    9.0] Kernel panic - not syncing: System is deadlocked on memory\n")
        self.expect(run, "OOM-KILL", "nobody was left to be killed")

    def test_panic_told_by_qemu(self) -> None:
        run = finished()
        run.qmp = [{"event": "GUEST_PANICKED", "data": {}}]
        self.expect(run, "PANIC")

    def test_corrupt(self) -> None:
        run = finished()
        run.results[4].update(ok=False, mismatches=2, first_mismatches=[{
            "worker": 1, "page": 7, "word": 0, "expected": {"worker": 1, "page": 7, "generation": 2},
            "found": {"worker": 1, "page": 7, "generation": 1}}])
        self.expect(run, "CORRUPT", "worker 1 page 7 should be of generation 2")

    def test_oom_kill(self) -> None:
        run = finished()
        run.console += "[   10.0] Out of memory: Killed process 12 (pageload) total-vm:1kB\n"
        self.expect(run, "OOM-KILL", "pageload")

    def test_oom_kill_with_swap_free(self) -> None:
        run = finished()
        run.console += ("[    8.9] 12 pages in swap cache\n[    8.9] Free swap  = 266240kB\n[    8.9] Total swap = 524284kB\n"
                        "[    9.0] Out of memory: Killed process 77 (pageload) total-vm:9kB\n")
        self.expect(run, "OOM-KILL", "(pageload), with 260 of 511 MiB of swap free")
        # Its twins: a report of no swap, and one that belongs to something else.
        run.console = run.console.replace("266240", "0").replace("524284", "0")
        self.expect(run, "OOM-KILL", "Killed process 77 (pageload)")
        self.assertNotIn("swap free", judge(run).reason)
        run.console = ("[    1.0] Free swap  = 266240kB\n[    1.0] Total swap = 524284kB\n" + "x" * 20000
                       + "\n[    9.0] Out of memory: Killed process 77 (pageload) total-vm:9kB\n")
        self.assertNotIn("swap free", judge(run).reason)

    def test_oom_kill_before_the_load(self) -> None:
        """A server too large for the guest says nothing of swapping on what it serves."""
        run = finished()
        run.results = [*run.results[:3], {"host_s": 0.7, "event": "failed", "step": "mkswap", "status": 1}]
        run.console += "[    0.6] Out of memory: Killed process 99 (nbdkit) total-vm:9kB\n"
        self.expect(run, "INVALID", "before the device was in use, in step swapon: the log says: Out of memory")

    def test_oom_kill_counted(self) -> None:
        run = finished()
        run.heartbeats[-1]["oom_kill"] = 1
        self.expect(run, "OOM-KILL", "1 OOM")

    def test_sigbus(self) -> None:
        run = finished()
        run.results[4].update(ok=False, died_by_signal=[{"worker": 2, "signal": 7}])
        self.expect(run, "SIGBUS", "worker 2")

    def test_io_error(self) -> None:
        run = finished()
        run.heartbeats[-1]["abuse"]["ended_error"] = 4
        self.expect(run, "IO-ERROR", "4 requests")

    def test_io_error_in_the_log(self) -> None:
        run = finished()
        run.console += "[   10.0] Read-error on swap-device (252:0:8)\n"
        self.expect(run, "IO-ERROR", "Read-error")

    def test_io_error_of_each_peer(self) -> None:
        for line in ("I/O error, dev nbd0, sector 8 op 0x0:(READ)", "Buffer I/O error on dev ublkb0, logical block 0",
                     "I/O error, dev loop0, sector 8", "Read-error on swap-device (259:0:8)"):
            with self.subTest(line=line):
                run = finished()
                run.console += f"[   10.0] {line}\n"
                self.expect(run, "IO-ERROR")
        run = finished()
        run.console += "[   10.0] I/O error, dev sda, sector 8\n"
        self.expect(run, "PASS")

    def test_worst_first(self) -> None:
        run = finished()
        run.console += "Read-error on swap-device (252:0:8)\nOut of memory: Killed process 12 (x) total\n"
        result = judge(run)
        self.assertEqual(result.verdict, "OOM-KILL")
        self.assertEqual(len(result.notes), 1)


def creeping(per_s: float, busy: float = 1.5, control_per_s: float = 1000.0, seconds: int = 90) -> Evidence:
    """A run that does `per_s` units of its load a second, and is watched to its limit."""
    run = finished()
    run.results = run.results[:4]
    run.heartbeats = [beat(second, ended=second * 10, units=int(second * per_s), busy=busy) for second in range(seconds)]
    run.ended, run.duration_s = "limit", float(seconds + 1)
    run.sysrq = [{"key": "w", "answered": True}]
    if control_per_s:
        run.arm["control"] = {"runs": 3, "steps": {"pageload": {"what": "load_units", "per_s": control_per_s}}}
    return run


class Crawls(unittest.TestCase):
    """A livelock that still does something, against what a healthy run does; its twins are slow, and no livelock."""

    def expect(self, run: Evidence, verdict: str, word: str = "") -> None:
        result = judge(run)
        self.assertEqual(result.verdict, verdict, result.reason)
        self.assertIn(word, result.reason)

    def test_livelock(self) -> None:
        self.expect(creeping(5.0), "LIVELOCK", "5.00 pages of the load a second were done, a healthy run does 1000")

    def test_slow_is_not(self) -> None:
        self.expect(creeping(10.0), "INVALID", "still moving")
        self.expect(creeping(200.0), "INVALID", "still moving")

    def test_waiting_for_a_disk_is_not(self) -> None:
        self.expect(creeping(5.0, busy=0.1), "INVALID", "still moving")

    def test_without_a_control_nothing_can_be_said(self) -> None:
        self.expect(creeping(5.0, control_per_s=0), "INVALID", "still moving")

    def test_another_steps_rate_is_none(self) -> None:
        run = creeping(5.0)
        run.arm["control"]["steps"] = {"stress-ng": {"what": "ended", "per_s": 1e6}}
        self.expect(run, "INVALID", "still moving")

    def test_a_burst_breaks_it(self) -> None:
        run = creeping(5.0)
        for line in run.heartbeats[60:]:
            line["load_units"] += 150
        self.expect(run, "INVALID", "still moving")

    def test_an_idle_part_breaks_it(self) -> None:
        run = creeping(5.0)
        for line in run.heartbeats:
            line["cpu_user_ticks"] = min(line["cpu_user_ticks"], 75 * 150)
        self.expect(run, "INVALID", "still moving")

    def test_window_within_the_step(self) -> None:
        run = creeping(5.0)
        run.results[-1]["host_s"] = 40.0
        self.expect(run, "INVALID", "still moving")
        self.expect(creeping(5.0, seconds=60), "INVALID", "still moving")

    def test_window_of_the_arm(self) -> None:
        run = creeping(5.0, seconds=31)
        run.arm["limits"]["crawl_s"] = 20
        self.expect(run, "LIVELOCK", "for 20 s")

    def test_requests_where_the_load_counts_nothing(self) -> None:
        run = creeping(0.0)
        run.results[-1]["name"] = "stress-ng"
        run.arm["control"]["steps"] = {"stress-ng": {"what": "ended", "per_s": 2000.0}}
        self.expect(run, "LIVELOCK", "10.00 requests a second")
        run.arm["control"]["steps"]["stress-ng"]["per_s"] = 900.0
        self.expect(run, "INVALID", "still moving")

    def test_it_ends_a_run(self) -> None:
        """The host stops when it sees one, as for a stall."""
        with tempfile.TemporaryDirectory() as name:
            recorder = runner.Recorder(creeping(5.0).arm, Path(name))
            recorder.evidence = creeping(5.0)
            recorder.start, recorder.first_word_s = time.monotonic() - 90.0, 1.0
            recorder.last_beat_s = recorder.now()
            limits = {"boot_s": 60, "stall_s": 20, "silent_s": 15, "total_s": 900}
            self.assertEqual(runner._trouble(recorder, limits), "crawl")
            recorder.evidence.arm.pop("control")
            self.assertIsNone(runner._trouble(recorder, limits))
            recorder.close()


class Rates(unittest.TestCase):
    """What a healthy run does becomes the measure of others with the same load."""

    def test_of_a_run(self) -> None:
        self.assertEqual(judge(finished()).numbers["rates"], {"pageload": {"what": "load_units", "per_s": 50.0},
                                                              "stress-ng": {"what": "load_units", "per_s": 50.0}})

    def test_short_steps_tell_nothing(self) -> None:
        run = finished()
        run.results[5]["host_s"] = 4.0
        self.assertNotIn("pageload", judge(run).numbers["rates"])

    def test_median(self) -> None:
        one, two, three = ({"pageload": {"what": "load_units", "per_s": value}} for value in (1.0, 90.0, 50.0))
        self.assertEqual(rates.median([one, {}, two, three]),
                         {"runs": 3, "steps": {"pageload": {"what": "load_units", "per_s": 50.0}}})
        self.assertEqual(rates.median([]), {})

    def test_who_may_be_a_control(self) -> None:
        record = {"verdict": "PASS", "numbers": {"rates": {"pageload": {"what": "load_units", "per_s": 1.0}}}}
        self.assertTrue(rates.healthy({"arm": ARM}, record))
        self.assertFalse(rates.healthy({"arm": {**ARM, "fault": {"kind": "kill"}}}, record))
        self.assertFalse(rates.healthy({"arm": {**ARM, "disk": {"iops_max": 3}}}, record))
        self.assertFalse(rates.healthy({"arm": ARM}, {**record, "verdict": "DEADLOCK"}))

    def test_of_the_same_load_only(self) -> None:
        other = copy.deepcopy(ARM)
        other["server"] = {"command": "/bin/other"}
        self.assertEqual(rates.load_key(ARM, "6.12"), rates.load_key(other, "6.12"))
        self.assertNotEqual(rates.load_key(ARM, "6.12"), rates.load_key(ARM, "6.1"))
        other["load"]["pageload"] = "--bytes 2M"
        self.assertNotEqual(rates.load_key(ARM, "6.12"), rates.load_key(other, "6.12"))

    def test_of_a_store(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            place = Store(Path(name))
            for number, per_s in enumerate((10.0, 30.0)):
                folder = place.run("safe-x", f"{number}")
                folder.mkdir(parents=True)
                (folder / "manifest.json").write_text(json.dumps({"arm": ARM, "series": "6.12"}))
                (folder / "verdict.json").write_text(json.dumps({
                    "verdict": "PASS", "numbers": {"rates": {"pageload": {"what": "load_units", "per_s": per_s}}}}))
            key = rates.load_key(ARM, "6.12")
            self.assertEqual(rates.of_store(place)[key]["steps"]["pageload"]["per_s"], 20.0)
            (Path(name) / "dropped.txt").write_text("safe-x/1 spoilt\n")
            self.assertEqual(rates.of_store(place)[key]["steps"]["pageload"]["per_s"], 10.0)


class Invalid(unittest.TestCase):
    """Runs that look like a PASS and prove nothing."""

    def expect(self, run: Evidence, word: str) -> None:
        result = judge(run)
        self.assertEqual(result.verdict, "INVALID", result.reason)
        self.assertIn(word, result.reason)

    def test_too_little_read_back(self) -> None:
        run = finished()
        for line in run.heartbeats[1:]:
            line["abuse"]["read_bytes"] = 127 * MIB
        run.heartbeats[1]["abuse"]["read_bytes"] = 0
        self.expect(run, "read_bytes is 127 MiB")

    def test_traffic_before_swapon_does_not_count(self) -> None:
        run = finished()
        for line in run.heartbeats[1:]:
            line["pswpout"] = 10**6
        self.expect(run, "pswpout")

    def test_protection_not_on(self) -> None:
        for value in (False, "off", None, {"on": False}):
            run = finished()
            run.results[1]["protections"]["mlock"] = value
            self.expect(run, "mlock")

    def test_read_back(self) -> None:
        """A device that is not as the arm says proves nothing, nor does one that says nothing."""
        run = finished()
        run.arm["readback"] = {"direct_io": {"file": "/sys/block/loop0/loop/dio", "want": "^1$"}}
        for said in (None, {"direct_io": None}, {"direct_io": "0"}):
            with self.subTest(said=said):
                attempt = copy.deepcopy(run)
                if said is not None:
                    attempt.results.insert(3, {"host_s": 0.65, "event": "read-back", **said})
                self.expect(attempt, "direct_io")
        run.results.insert(3, {"host_s": 0.65, "event": "read-back", "direct_io": "1"})
        self.assertEqual(judge(run).verdict, "PASS")

    def test_protection_not_off(self) -> None:
        run = finished()
        run.results[1]["protections"]["core"] = True
        self.expect(run, "core")

    def test_no_word_of_the_server(self) -> None:
        run = finished()
        del run.results[1]
        self.expect(run, "did not say")

    def test_stress_ng_stopped_early(self) -> None:
        run = finished()
        run.results[6]["ops"] = 99
        self.expect(run, "99 of 100")

    def test_unverified(self) -> None:
        run = finished()
        run.results[4]["ok"] = False
        self.expect(run, "did not verify")

    def test_toggle_not_read_back(self) -> None:
        run = finished()
        run.arm["vm"] = {"mglru": False, "page_cluster": 0}
        self.expect(run, "did not read mglru back")
        run.results.insert(2, {"host_s": 0.3, "event": "toggle", "name": "mglru", "value": 0})
        run.results.insert(2, {"host_s": 0.3, "event": "toggle", "name": "page_cluster", "value": 3})
        self.expect(run, "page_cluster to be 0, and the guest read 3")
        run.results[2]["value"] = "0"
        self.assertEqual(judge(run).verdict, "PASS")

    def test_hang_without_the_toggle_is_another_arms(self) -> None:
        run = stalled()
        run.arm["vm"] = {"mglru": False}
        self.expect(run, "did not read mglru back")
        self.assertIn("DEADLOCK", judge(run).notes[0])

    def test_fault_that_never_came(self) -> None:
        run = finished()
        run.arm["fault"] = {"kind": "kill", "count": 2}
        run.results.insert(4, {"host_s": 1.0, "event": "fault", "kind": "kill"})
        self.expect(run, "kill came 1 times of 2")
        run.results.insert(4, {"host_s": 1.0, "event": "fault", "kind": "kill", "acted": False})
        run.results.insert(4, {"host_s": 1.0, "event": "fault-failed", "kind": "kill", "why": "nobody serves"})
        self.expect(run, "kill came 1 times of 2: nobody serves")
        run.results.insert(4, {"host_s": 1.0, "event": "fault", "kind": "kill", "acted": True})
        self.assertEqual(judge(run).verdict, "PASS")

    def test_server_that_never_held(self) -> None:
        for hold, held, passes in ((2, None, False), (2, 0, False), (2, 7, True), (1, None, True)):
            run = finished()
            run.arm["server"] = {**run.arm["server"], "hold": hold}
            if held is not None:
                run.results.insert(-1, {"host_s": 30.0, "event": "server-end", "held": held})
            self.assertEqual(judge(run).verdict, "PASS" if passes else "INVALID", judge(run).reason)

    def test_hang_before_the_fault_was_told(self) -> None:
        run = stalled()
        run.arm["fault"] = {"kind": "disconnect"}
        self.assertEqual((judge(run).verdict, judge(run).notes), ("DEADLOCK", ["INVALID: the fault disconnect came 0 times of 1"]))
        run.results.append({"host_s": 1.0, "event": "fault", "kind": "disconnect", "number": 1})
        self.assertEqual(judge(run).notes, [])

    def also(self, word: str, section: str, keys: dict[str, Any], *results: dict[str, Any], then: str = "PASS",
             console: str = "", **beat_keys: Any) -> None:
        """With these keys in the arm the run is INVALID, for a reason with `word`; with the last of `results`, `then`."""
        run = finished()
        run.arm.setdefault(section, {}).update(keys)
        run.console += console
        run.heartbeats[-1].update(beat_keys)
        for result in results[:-1]:
            run.results.insert(-1, {"host_s": 29.0, **result})
        self.expect(run, word)
        run.results.insert(-1, {"host_s": 30.0, **results[-1]})
        self.assertEqual(judge(run).verdict, then, judge(run).reason)

    def test_group_that_held_nothing(self) -> None:
        keys = {"memory_max_mib": 128, "holds": "load"}
        toggles = {"event": "toggle", "name": "cgroup_memory_max_mib", "value": 128}
        run = finished()
        run.arm["cgroup"] = keys
        run.results.insert(2, {"host_s": 0.3, **toggles})
        self.expect(run, "did not say what its control group held")
        for peak_mib, passes in ((3, False), (127, True)):
            attempt = copy.deepcopy(run)
            attempt.results.insert(-1, {"host_s": 30.0, "event": "cgroup", "peak_bytes": peak_mib * MIB})
            self.assertEqual(judge(attempt).verdict == "PASS", passes, judge(attempt).reason)

    def test_dirty_mappings(self) -> None:
        self.also("dirty mappings were not finished", "load", {"dirty": "--bytes 1M"},
                  {"event": "dirty", "ok": True, "verified": 5, "mismatches": 0})
        self.also("not all pages of the dirty", "load", {"dirty": "--bytes 1M"}, {"event": "dirty", "ok": False},
                  {"event": "dirty", "ok": True})

    def test_fork_exec(self) -> None:
        self.also("did not tell", "load", {"fork_exec": "x"}, {"event": "fork-exec", "spawned": 9})
        self.also("started no process", "load", {"fork_exec": "x"}, {"event": "fork-exec", "spawned": 0},
                  {"event": "fork-exec", "spawned": 9})

    def test_eviction(self) -> None:
        done = {"event": "evict", "ok": True, "decoy_before_kb": 4096, "decoy_after_kb": 12}
        self.also("did not tell", "load", {"evict_passes": 3}, done)
        self.also("evicts nobody", "load", {"evict_passes": 3}, {**done, "decoy_after_kb": 4096}, done)

    def test_swapoff_under_load(self) -> None:
        done = {"event": "swapoff-under-load", "result": "done", "used_kb": 4000}
        self.also("did not tell", "load", {"swapoff_under_load": True}, done)
        self.also("before anything", "load", {"swapoff_under_load": True}, {**done, "used_kb": 0}, done)
        self.also("swapoff under load: failed", "load", {"swapoff_under_load": True}, {**done, "result": "failed"}, done)

    def test_swapoff_that_the_kernel_ends(self) -> None:
        """Who asks for swapoff is killed when what it brings in does not fit: no OOM-KILL of the arm."""
        killed = {"event": "swapoff-under-load", "result": "killed", "used_kb": 4000}
        text = "[   10.0] Out of memory: Killed process 70 (swapcycle) total-vm:1kB\n"
        self.also("did not tell", "load", {"swapoff_under_load": True}, killed, console=text, oom_kill=1)
        run = finished()
        run.arm["load"]["swapoff_under_load"] = True
        run.console += text.replace("swapcycle", "pageload")
        self.assertEqual(judge(run).verdict, "OOM-KILL")
        run = finished()
        run.console += text
        self.assertEqual(judge(run).verdict, "OOM-KILL")

    def test_traffic_without_swap(self) -> None:
        """A file system over the device: what counts is what went through the device."""
        run = finished()
        run.arm["judge"] = {"swap_mib": 0, "write_mib": 200, "read_mib": 0}
        run.results[2]["name"] = "mount"
        for line in run.heartbeats[1:]:
            line["pswpin"] = line["pswpout"] = 0
        self.assertEqual(judge(run).verdict, "PASS", judge(run).reason)
        for line in run.heartbeats[1:]:
            line["abuse"]["write_bytes"] = line["t_ms"]
        self.expect(run, "write_bytes")

    def test_job_failed(self) -> None:
        run = finished()
        run.results = [{"host_s": 1.0, "event": "failed", "step": "insmod", "status": 1}]
        self.expect(run, "insmod")

    def test_status(self) -> None:
        run = finished()
        run.results[-1]["status"] = 1
        self.expect(run, "status 1")

    def test_boot(self) -> None:
        self.expect(Evidence(arm=ARM, ended="boot"), "did not get to its job")

    def test_server_that_does_not_end(self) -> None:
        """The agent's silence after it was told to end is no hang of the machine."""
        run = finished()
        run.results[-1:] = [{"host_s": 31.0, "event": "step", "name": "agent-stop"},
                            {"host_s": 31.1, "event": "step", "name": "server-stop"}]
        run.ended, run.duration_s = "teardown", 160.0
        run.sysrq = [{"key": "w", "answered": True}]
        self.expect(run, "server-stop")

    def test_power_off_half_way(self) -> None:
        run = finished()
        del run.results[-1]
        self.expect(run, "without telling")

    def test_limit(self) -> None:
        run = finished()
        del run.results[-1]
        run.ended = "limit"
        self.expect(run, "still moving")


class Folders(unittest.TestCase):
    def test_judged_again_from_its_files(self) -> None:
        run = stalled()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            recorder = runner.Recorder(run.arm, folder)
            recorder.start = time.monotonic()
            for result in run.results:
                recorder.take(vm.Event("result", {k: v for k, v in result.items() if k != "host_s"}))
            recorder.note("sysrq", run.sysrq[0])
            recorder.end("stall")
            recorder.close()
            (folder / "manifest.json").write_text(json.dumps({"arm": run.arm}))
            (folder / "heartbeat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in run.heartbeats) + '{"cut')
            again = load(folder)
        self.assertEqual(len(again.heartbeats), len(run.heartbeats))
        self.assertEqual(again.sysrq, run.sysrq)
        self.assertEqual(judge(again).verdict, "DEADLOCK")


class Machine(unittest.TestCase):
    def test_missing_inputs_say_what_to_run(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            guest = vm.Guest(kernel=Path(name, "none"), initrds=[], workdir=Path(name), accel="tcg")
            with self.assertRaisesRegex(vm.LabError, "make kernels|make deps"):
                guest.start()

    def test_disks_where_io_uring_is_forbidden(self) -> None:
        def args(nr: int, accel: str) -> str:
            vm.disk_aio.cache_clear()
            with tempfile.TemporaryDirectory() as name, mock.patch.object(vm, "SYS_IO_URING_SETUP", nr):
                guest = vm.Guest(kernel=Path(name, "none"), initrds=[], workdir=Path(name), accel=accel,
                                 disks=[vm.Disk(Path(name, "disk"), "store")])
                return " ".join(guest._arguments("qemu", Path("initrd"), dict.fromkeys(("qmp", "serial", *vm.PORTS), 3)))
        self.addCleanup(vm.disk_aio.cache_clear)
        self.assertIn("aio=threads", args(1000000, "tcg"))
        self.assertIn("serial=store,ioeventfd=off", args(1000000, "tcg,thread=multi"))
        self.assertNotIn("ioeventfd", args(1000000, "kvm"))

    def test_arguments_do_not_tell_where_things_lie(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, ".partial", "run.vm.1")
            words = [f"{vm.REPO}/build/kernels/6.12/vmlinuz", f"{folder}/initrd", f"file={folder}/store.raw,format=raw", "root=/dev/ramfs"]
            self.assertEqual(runner.without_places(words, folder),
                             ["build/kernels/6.12/vmlinuz", "initrd", "file=store.raw,format=raw", "root=/dev/ramfs"])

    def test_qmp_sends_names_as_they_are(self) -> None:
        """QMP has both bps_rd and command-line."""
        with tempfile.TemporaryDirectory() as name:
            guest = vm.Guest(kernel=Path(name, "none"), initrds=[], workdir=Path(name), accel="tcg")
            ours, theirs = socket.socketpair()
            with ours, theirs:
                guest._sockets["qmp"] = ours
                with self.assertRaisesRegex(vm.LabError, "no answer"):
                    guest.qmp("x", timeout=0.01, bps_rd=0, **{"command-line": "y"})
                self.assertEqual(json.loads(theirs.recv(4096))["arguments"], {"bps_rd": 0, "command-line": "y"})

    def test_no_space(self) -> None:
        with self.assertRaisesRegex(vm.LabError, "no space"):
            vm.need_space(Path("/"), 1 << 60)

    def test_disk_is_sparse(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = vm.make_disk(Path(name, "disk"), 1 << 30)
            self.assertEqual(path.stat().st_size, 1 << 30)
            self.assertLess(path.stat().st_blocks, 64)

    def test_lines_over_chunks(self) -> None:
        lines = vm._Lines()
        self.assertEqual(lines.feed(b"one\r\ntw"), ["one"])
        self.assertEqual(lines.feed(b"o\nthree"), ["two"])
        self.assertEqual(lines.rest(), "three")


if __name__ == "__main__":
    unittest.main()
