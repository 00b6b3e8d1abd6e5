#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the guest's small programs on this machine, as far as that is harmless: faults into a process of the test's own.

Where it stands: beside the C of experiments/guest.  What only a guest can show (swap, eviction, allocations that fail, a mapping
that fails) is shown there, by what each program says of it, and the verdict that rests on it.  Compiles three programs: 3 s.
"""
from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import arms, verdict  # noqa: E402

LIMIT_S = 20.0
# Writes a board as a server with standbys has it: FILE PID VERSION.
BOARD = """
#include <stdio.h>
#include <stdlib.h>
#include "swapserver/board.h"
int main(int argc, char **argv)
{
	static struct board board = { .magic = BOARD_MAGIC, .active = 3 };
	FILE *out = fopen(argv[1], "r+");
	board.version = BOARD_VERSION + atoi(argv[3]);
	board.slots[3].state = BOARD_ACTIVE;
	board.slots[3].pid = atoi(argv[2]);
	if (!out)
		out = fopen(argv[1], "w");
	return argc != 4 || !out || fwrite(&board, sizeof(board), 1, out) != 1 || fclose(out);
}
"""


def sources(name: str) -> list[Path]:
    """Of a program of experiments/guest: a file, or a folder's."""
    return sorted((HERE / "guest" / name).glob("*.c")) or [HERE / "guest" / f"{name}.c"]


class Programs(unittest.TestCase):
    _folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls._folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls._folder.cleanup)
        cls.bin = Path(cls._folder.name)
        for name in ("agent", "fault", "forkexec", "pageload"):
            subprocess.run(["cc", "-std=gnu11", "-O1", "-DLOOK_MS=2000", "-DSERVED_MS=500", "-I", str(HERE.parent / "module" / "include" / "uapi"), "-o",
                            str(cls.bin / name), *map(str, sources(name))], check=True)

        (cls.bin / "board.c").write_text(BOARD)
        subprocess.run(["cc", "-std=gnu11", "-I", str(HERE.parent), "-o", str(cls.bin / "board"), str(cls.bin / "board.c")],
                       check=True)

    def setUp(self) -> None:
        self.report = self.bin / f"report-{self.id().rpartition('.')[2]}"

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.report.read_text().splitlines()] if self.report.exists() else []

    def until(self, what: str, reached: Any) -> None:
        end = time.monotonic() + LIMIT_S
        while not reached():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def victim(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["sleep", "60"])
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def fault(self, *words: str, lines: int = 1) -> list[dict[str, Any]]:
        """Runs it until it has told so much; then SIGTERM, as the job does."""
        process = subprocess.Popen([str(self.bin / "fault"), "--trial", "--report", str(self.report), *words],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        with process.stdout:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), "fault: ready\n")
            self.until("a line on the report", lambda: len(self.told()) >= lines)
            process.terminate()
            self.status = process.wait(LIMIT_S)
        return self.told()

    def test_kill(self) -> None:
        victim = self.victim()
        line, = self.fault("--kind", "kill", "--pid", str(victim.pid))
        self.assertEqual((line["event"], line["kind"], line["number"], line["acted"], self.status), ("fault", "kill", 1, True, 0))
        self.assertEqual(victim.wait(LIMIT_S), -signal.SIGKILL)

    def test_segv(self) -> None:
        victim = self.victim()
        line, = self.fault("--kind", "segv", "--pid", str(victim.pid))
        self.assertTrue(line["acted"])
        self.assertEqual(victim.wait(LIMIT_S), -signal.SIGSEGV)

    def test_stop(self) -> None:
        victim = self.victim()
        line, = self.fault("--kind", "stop", "--pid", str(victim.pid))
        self.assertEqual((line["state"], line["acted"]), ("T", True))
        self.assertIsNone(victim.poll())

    def test_the_active_one_of_a_board(self) -> None:
        active, other = self.victim(), self.victim()
        path = str(self.bin / "a.board")
        subprocess.run([str(self.bin / "board"), path, str(active.pid), "0"], check=True)
        line, = self.fault("--kind", "kill", "--pid", str(other.pid), "--board", path)
        self.assertEqual(line["pid"], active.pid)
        self.assertIsNone(other.poll())

    def test_a_board_of_another_version(self) -> None:
        """Nothing is read out of what has another layout: then the pid counts."""
        active, other = self.victim(), self.victim()
        path = str(self.bin / "b.board")
        subprocess.run([str(self.bin / "board"), path, str(active.pid), "1"], check=True)
        line, = self.fault("--kind", "kill", "--pid", str(other.pid), "--board", path)
        self.assertEqual(line["pid"], other.pid)

    def test_agent_follows_the_active_one(self) -> None:
        """After a takeover the heartbeat tells of the new server; without a board, of the one that it was told."""
        first, second = self.victim(), self.victim()
        board, pid_file, out = (self.bin / name for name in ("c.board", "c.pid", "c.beats"))
        pid_file.write_text(f"{first.pid}\n")
        subprocess.run([str(self.bin / "board"), str(board), str(first.pid), "0"], check=True)

        def pids() -> list[int]:
            return [beat["server"]["pid"] for beat in map(json.loads, out.read_text().splitlines()) if "server" in beat]
        for words, last in (((), first.pid), (("--board", str(board)), second.pid)):
            out.write_text("")
            subprocess.run([str(self.bin / "board"), str(board), str(first.pid), "0"], check=True)
            agent = subprocess.Popen([str(self.bin / "agent"), "--out", str(out), "--watch", str(pid_file), "--interval", "50",
                                      *words], stderr=subprocess.DEVNULL)
            self.addCleanup(agent.wait)
            self.addCleanup(agent.kill)
            self.until("a heartbeat", lambda: pids()[:1] == [first.pid])
            # As a takeover does: the same file, which is mapped.
            subprocess.run([str(self.bin / "board"), str(board), str(second.pid), "0"], check=True)
            seen = len(pids())
            self.until("another heartbeat", lambda: len(pids()) > seen + 2)
            agent.terminate()
            agent.wait(LIMIT_S)
            self.assertEqual(pids()[-1], last, words)

    def test_agent_tells_the_memory_of_the_server(self) -> None:
        held_mib = 64
        victim = subprocess.Popen(["python3", "-c", f"import time; held = b'x' * ({held_mib} << 20); print('held', flush=True); time.sleep(60)"],
                                  stdout=subprocess.PIPE, text=True)
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        assert victim.stdout is not None
        with victim.stdout:
            victim.stdout.readline()
        pid_file, out = self.bin / "m.pid", self.bin / "m.beats"
        pid_file.write_text(f"{victim.pid}\n")
        out.write_text("")
        subprocess.run([str(self.bin / "agent"), "--out", str(out), "--watch", str(pid_file), "--interval", "20", "--beats", "3"],
                       stderr=subprocess.DEVNULL, check=True, timeout=LIMIT_S)
        told = [beat["server"]["rss_kb"] for beat in map(json.loads, out.read_text().splitlines()) if "server" in beat][-1]
        resident_kb = int(Path("/proc", str(victim.pid), "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") // 1024
        self.assertGreater(told, held_mib * 1024)
        # The kernel counts a few pages behind.
        self.assertLess(abs(told - resident_kb), 1024)

    def test_a_signal_that_does_not_act_is_told(self) -> None:
        """The twin: the kernel took it, and the victim does not mind."""
        ready = self.bin / "ignores"
        victim = subprocess.Popen(["sh", "-c", f"trap '' SEGV; : >{ready}; while :; do sleep 0.1; done"])
        self.addCleanup(victim.wait)
        self.addCleanup(victim.kill)
        self.until("the trap", ready.exists)
        line, = self.fault("--kind", "segv", "--pid", str(victim.pid))
        self.assertEqual((line["event"], line["acted"]), ("fault", False))

    def test_nobody_to_kill_any_more(self) -> None:
        victim = self.victim()
        lines = self.fault("--kind", "kill", "--pid", str(victim.pid), "--count", "1", "--after-s", "1")
        victim.wait(LIMIT_S)
        self.assertEqual(lines[0]["event"], "fault")
        self.report.unlink()
        victim = self.victim()
        process = subprocess.Popen([str(self.bin / "fault"), "--trial", "--report", str(self.report), "--kind", "kill", "--pid",
                                    str(victim.pid), "--after-s", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
            victim.kill()
            victim.wait(LIMIT_S)
            self.until("a line on the report", lambda: self.told())
            process.terminate()
            self.assertEqual(process.wait(LIMIT_S), 1)
        self.assertEqual([line["event"] for line in self.told()], ["fault-failed"])

    def test_again_and_after(self) -> None:
        victim = self.victim()
        start = time.monotonic()
        lines = self.fault("--kind", "stop", "--pid", str(victim.pid), "--after-s", "1", "--every-s", "1", "--count", "2", lines=2)
        self.assertGreaterEqual(time.monotonic() - start, 2.0)
        self.assertEqual([line["number"] for line in lines], [1, 2])

    def test_cannot_start(self) -> None:
        for words, status in ((["--kind", "luck"], 2), ([], 2), (["--kind", "kill", "--count", "x"], 2),
                              (["--kind", "disconnect", "--device", "/dev/null/none"], 2), (["--kind", "kill", "--pid", "0"], 2)):
            done = subprocess.run([str(self.bin / "fault"), "--trial", *words], capture_output=True, text=True)
            self.assertEqual(done.returncode, status, words)
            self.assertTrue(done.stderr, words)

    def test_forkexec(self) -> None:
        process = subprocess.Popen([str(self.bin / "forkexec"), "--workers", "2", "--report", str(self.report)])
        self.addCleanup(process.kill)
        time.sleep(1.0)
        process.terminate()
        self.assertEqual(process.wait(LIMIT_S), 0)
        line, = self.told()
        self.assertEqual((line["event"], line["workers"], line["failed"], line["ended"]), ("fork-exec", 2, 0, True))
        self.assertGreater(line["spawned"], 0)

    def pages(self, *words: str) -> dict[str, Any]:
        subprocess.run([str(self.bin / "pageload"), "--bytes", "256K", "--workers", "2", "--report", str(self.report), *words],
                       capture_output=True)
        return self.told()[-1]

    def test_shared_pages(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            line = self.pages("--shared", folder)
            self.assertEqual((line["event"], line["ok"], line["verified"]), ("dirty", True, 64 * 3))
            self.assertEqual({path.stat().st_size for path in Path(folder).iterdir()}, {128 << 10})
            line = self.pages("--shared", folder, "--read-only")
            self.assertEqual((line["event"], line["ok"], line["verified"]), ("dirty", True, 64 * 3))
            self.assertFalse(self.pages("--shared", folder, "--read-only", "--seed", "9")["ok"])
            self.assertFalse(self.pages("--shared", folder, "--read-only", "--workers", "1")["ok"])
            self.assertFalse(self.pages("--shared", folder, "--corrupt")["ok"])
            self.assertFalse(self.pages("--shared", f"{folder}/none")["ok"])
        self.assertEqual(self.pages()["event"], "pageload")

    def test_orders(self) -> None:
        for order in ("linear", "random", "mixed"):
            self.assertTrue(self.pages("--order", order)["ok"])
        done = subprocess.run([str(self.bin / "pageload"), "--bytes", "256K", "--order", "luck"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (2, "pageload: --order is linear, random or mixed\n"))


class Names(unittest.TestCase):
    def test_kinds_are_the_arms(self) -> None:
        text = (HERE / "guest" / "fault" / "main.c").read_text()
        table = text[text.index("kinds[] = {"):]
        kinds = re.findall(r"&kind_([a-z_]+),", table[:table.index("};")])
        self.assertEqual(tuple(kind.replace("_", "-") for kind in kinds), arms.GUEST_FAULTS)

    def test_swapoff_is_known_by_its_name(self) -> None:
        self.assertIn(f'PR_SET_NAME, "{verdict.SWAPOFF_COMM}"', (HERE / "guest" / "swapcycle.c").read_text())

    def test_programs_are_there(self) -> None:
        arm = arms.compose("safe", {"fault": {"kind": "disk-error"}, "load": {
            "fork_exec": "x", "evict_passes": 1, "swapoff_under_load": True}}, "here")
        for name in arms.guest_programs(arm):
            self.assertTrue(all(path.is_file() for path in sources(name)), name)
        self.assertEqual(arms.guest_programs(arms.compose("safe", {}, "here")), ["agent", "pageload"])


if __name__ == "__main__":
    unittest.main()
