#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the guest's job without a guest: busybox runs it in an empty root, all programs stand-ins that write down their calls.

Where it stands: beside experiments/guest/job.sh and its parts.  Needs root for chroot(2), and gives it up before the job
starts; busybox-static is what guests have, too.  Run: python3 experiments/test_job.py; under 5 s.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import arms, runner  # noqa: E402

BUSYBOX = Path("/bin/busybox")
NOBODY = 65534
# What busybox would do itself, and nobody's business here: functions come before applets.
NOT_FOR_REAL = ("insmod", "rmmod", "modprobe", "mkswap", "swapon", "swapoff", "mount", "umount", "fallocate")
APPLETS = ("sh", "cat", "sed", "head", "tail", "wc", "usleep", "mkdir", "echo", "grep", "tr", "kill", "df", "awk", "printf", "chmod")
PROGRAMS = ("agent", "swapserver", "fault", "swapcycle", "forkexec", "evict", "pageload", "dm", "stress-ng")
STAND_IN = """#!/bin/busybox sh
echo "$0 $*" >>/log
stay() { trap 'exit 0' TERM; while :; do usleep 20000; done; }
case $0 in
*/agent) stay ;;
*/swapserver)
	echo "{\\"event\\":\\"server\\",\\"pid\\":$$,\\"protections\\":{}}" >/job/state/status
	echo ready >/job/state/ready
	stay ;;
*/fault) [ ! -e /no-fault ] || exit 2; echo ready; stay ;;
*/swapcycle | */forkexec) stay ;;
*/pageload)
	# Shorter than a real load: what goes on beside it must have begun before it ends.
	beside=$(. /job/params; [ "$LOAD_SWAPOFF" != 1 ] || echo swapcycle; [ -z "$LOAD_FORK_EXEC" ] || echo forkexec)
	for name in $beside; do
		tries=250
		until grep -q "/bin/$name" /log || [ $((tries -= 1)) = 0 ]; do usleep 20000; done
	done ;;
*/stress-ng) echo " bogo-ops: 400" >/job/state/stress.yaml ;;
*/dm) echo /dev/dm-7 ;;
esac
"""


@unittest.skipUnless(os.geteuid() == 0 and BUSYBOX.is_file(), "needs root, to chroot, and busybox")
class Job(unittest.TestCase):
    def setUp(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.addCleanup(self._folder.cleanup)
        self.root = Path(self._folder.name)
        self.root.chmod(0o755)
        for name in ("bin", "sbin", "job/lib", "dev/port", "proc/sys/vm", "sys/block/vdb", "sys/kernel/mm/lru_gen",
                     "sys/fs/cgroup/arm", "tmp", "dirty"):
            (self.root / name).mkdir(parents=True)
        shutil.copy2(BUSYBOX, self.root / "bin" / "busybox")
        for name in APPLETS:
            (self.root / "bin" / name).symlink_to("busybox")
        stand_in = self.root / "bin" / "stand-in"
        stand_in.write_text(STAND_IN)
        stand_in.chmod(0o755)
        for name in PROGRAMS:
            (self.root / "bin" / name).symlink_to("stand-in")
        (self.root / "sbin" / "mkfs.ext4").symlink_to("/bin/stand-in")
        job, *parts = arms.job_files()
        shutil.copy2(job, self.root / "job" / "run")
        for part in parts:
            # The port is a device, to which each line is an addition.
            text = part.read_text().replace(">/dev/port/result", ">>/dev/port/result")
            (self.root / "job" / "lib" / part.name).write_text(text)
        for name, text in {"dev/port/result": "", "log": "", "dev/null": "", "sys/block/vdb/serial": "store\n",
                           "sys/kernel/mm/lru_gen/enabled": "0x0007\n", "proc/sys/vm/page-cluster": "3\n", "proc/swaps": "none\n",
                           "sys/fs/cgroup/arm/memory.events": "high 2\noom_kill 0\n",
                           "sys/fs/cgroup/arm/memory.peak": "9000000\n"}.items():
            (self.root / name).write_text(text)

    def _confine(self) -> None:
        os.chroot(self.root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    def run_job(self, workload: str | None = None, series: str = "safe", **sections: Any) -> tuple[int, list[dict[str, Any]], list[str]]:
        """(exit status, results, calls) of the job under an arm."""
        stubs = "".join(f'{name}() {{ echo "{name} $*" >>/log; }}\n' for name in NOT_FOR_REAL)
        params = runner._params(arms.compose(series, sections, "here", workload), 5)
        (self.root / "job" / "params").write_text(stubs + params)
        # A guest runs its job once.
        shutil.rmtree(self.root / "job" / "state", ignore_errors=True)
        for name in ("log", "dev/port/result"):
            (self.root / name).write_text("")
        for path in (self.root, *self.root.rglob("*")):
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        # A job that fails leaves its agent and its server to the guest's power-off: here they go with its session.
        with open(self.root / "console", "w+") as console:
            job = subprocess.Popen(["/bin/busybox", "sh", "/job/run"], preexec_fn=self._confine, env={"PATH": "/sbin:/bin"},
                                   stdout=console, stderr=subprocess.STDOUT, start_new_session=True)
            try:
                status = job.wait(60)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(job.pid, signal.SIGKILL)
                job.wait()
            self.output = (self.root / "console").read_text()
        results = [json.loads(line) for line in (self.root / "dev" / "port" / "result").read_text().splitlines()]
        return status, results, (self.root / "log").read_text().splitlines()

    @staticmethod
    def steps(results: list[dict[str, Any]]) -> list[str]:
        return [result["name"] for result in results if result["event"] == "step"]

    @staticmethod
    def values(results: list[dict[str, Any]], name: str) -> list[Any]:
        return [result["value"] for result in results if result["event"] == "toggle" and result["name"] == name]

    def test_plain(self) -> None:
        status, results, calls = self.run_job()
        self.assertEqual(status, 0, self.output)
        self.assertEqual(self.steps(results), ["insmod", "agent", "server", "swapon", "pageload", "stress-ng", "swapoff", "agent-stop",
                                               "server-stop", "rmmod"])
        self.assertIn("swapon /dev/abuse0", calls)
        self.assertFalse([call for call in calls if call.startswith(("/bin/fault", "/bin/swapcycle", "/bin/forkexec"))])

    def test_toggles_are_read_back(self) -> None:
        status, results, _calls = self.run_job(vm={"swappiness": 60, "page_cluster": 0, "min_free_kbytes": 512, "dirty_ratio": 90})
        self.assertEqual(status, 0, self.output)
        # Before the device comes into use, and after the loads.
        self.assertEqual(self.values(results, "swappiness"), [60, 60])
        self.assertEqual(self.values(results, "page_cluster"), [0, 0])
        first = next(number for number, result in enumerate(results) if result["event"] == "step")
        self.assertEqual([result["event"] for result in results[:first]], ["toggle"] * 4)

    def test_a_toggle_that_the_kernel_refuses(self) -> None:
        """What was asked for is not what is told: here writing changes nothing."""
        vm = self.root / "proc" / "sys" / "vm"
        (vm / "swappiness").mkdir()
        (vm / "page-cluster").unlink()
        (vm / "page-cluster").symlink_to("/dev/none/there")
        _status, results, _calls = self.run_job(vm={"swappiness": 60, "page_cluster": 5})
        self.assertEqual(self.values(results, "swappiness"), [None, None])
        self.assertEqual(self.values(results, "page_cluster"), [None, None])

    def test_mglru(self) -> None:
        lru = self.root / "sys" / "kernel" / "mm" / "lru_gen" / "enabled"
        lru.unlink()
        for text, value in (("0x0007\n", 1), ("0x0006\n", 0), ("0x0000\n", 0)):
            with self.subTest(text=text):
                # The kernel takes y and n, and says a number: an unwritable file stands in for it.
                (self.root / "job" / "lib" / "toggles.sh").write_text(
                    (HERE / "guest" / "job" / "toggles.sh").read_text().replace(">$LRU", ">/tmp/written"))
                lru.write_text(text)
                _status, results, _calls = self.run_job(vm={"mglru": True})
                self.assertEqual(self.values(results, "mglru"), [value, value])
                self.assertEqual((self.root / "tmp" / "written").read_text(), "y\n")

    def test_group_holds_the_load(self) -> None:
        for holds, joins in (("load", 2), ("server", 1), ("both", 3)):
            with self.subTest(holds=holds):
                procs = self.root / "sys" / "fs" / "cgroup" / "arm" / "cgroup.procs"
                procs.write_text("")
                # Each "0" that is written moves the writer: count them.
                text = (HERE / "guest" / "job" / "toggles.sh").read_text().replace(">$GROUP/cgroup.procs", ">>$GROUP/cgroup.procs")
                (self.root / "job" / "lib" / "toggles.sh").write_text(text)
                status, results, _calls = self.run_job(cgroup={"memory_max_mib": 128, "holds": holds})
                self.assertEqual(status, 0, self.output)
                self.assertEqual(procs.read_text().split(), ["0"] * joins)
                self.assertEqual(self.values(results, "cgroup_memory_max_mib"), [128, 128])
                said, = [result for result in results if result["event"] == "cgroup"]
                self.assertEqual((said["peak_bytes"], said["high"]), (9000000, 2))

    def test_fault_starts_before_the_load(self) -> None:
        status, _results, calls = self.run_job(fault={"kind": "kill", "after_s": 5, "count": 2, "every_s": 3}, workload="pages")
        self.assertEqual(status, 0, self.output)
        names = [call.split()[0] for call in calls]
        self.assertLess(names.index("/bin/fault"), names.index("/bin/pageload"))
        call = calls[names.index("/bin/fault")]
        for words in ("--kind kill", "--after-s 5", "--after-requests 0", "--every-s 3", "--count 2",
                      "--board /run/abuse/abuse0.board", "--device /dev/abuse0"):
            self.assertIn(words, call)
        self.assertRegex(call, r"--pid [1-9]")

    def test_fault_that_cannot_start(self) -> None:
        (self.root / "no-fault").write_text("")
        status, results, calls = self.run_job(fault={"kind": "failslab"}, workload="pages")
        self.assertEqual((status, results[-1]), (1, {"event": "failed", "step": "fault", "status": 2}))
        self.assertFalse([call for call in calls if call.startswith("/bin/pageload")])

    def test_disk_that_is_to_fail(self) -> None:
        _status, _results, calls = self.run_job(fault={"kind": "disk-error"}, workload="pages")
        self.assertIn("/bin/dm linear store /dev/vdb", calls)
        server, = [call for call in calls if call.startswith("/bin/swapserver")]
        self.assertIn("disk,path=/dev/dm-7", server)

    def test_dirty_alone_has_no_swap(self) -> None:
        status, results, calls = self.run_job("dirty")
        self.assertEqual(status, 0, self.output)
        self.assertEqual(self.steps(results)[3:7], ["mkfs", "mount", "dirty", "umount"])
        self.assertFalse([call for call in calls if call.startswith(("swapon", "mkswap"))])
        self.assertTrue([call for call in calls if call.startswith("/bin/pageload") and "--shared /dirty" in call and "--seed 5" in call])

    def test_read_only(self) -> None:
        """Filled before anybody serves, mounted for reading once they do."""
        status, results, calls = self.run_job("read-only")
        self.assertEqual(status, 0, self.output)
        self.assertEqual(self.steps(results), ["insmod", "agent", "fill", "server", "mount", "dirty", "umount", "agent-stop",
                                               "server-stop", "rmmod"])
        self.assertIn("/sbin/mkfs.ext4 -q -F /dev/vdb 640M", calls)
        self.assertIn("mount -t ext4 -o ro /dev/abuse0 /dirty", calls)
        fill, load = [call for call in calls if call.startswith("/bin/pageload")]
        self.assertNotIn("--read-only", fill)
        self.assertIn("--read-only", load)
        self.assertFalse([call for call in calls if call.startswith(("swapon", "mkswap"))])

    def test_dirty_beside_swap(self) -> None:
        status, results, calls = self.run_job("dirty-and-swap")
        self.assertEqual(status, 0, self.output)
        self.assertEqual(self.steps(results)[3:9], ["mkfs", "mount", "swapon", "loads", "swapoff", "umount"])
        self.assertIn("swapon /dirty/swap", calls)
        self.assertEqual(len([call for call in calls if call.startswith("/bin/pageload")]), 2)

    def test_others(self) -> None:
        for workload, program, words in (("evict", "/bin/evict", "--passes 3"), ("swapoff", "/bin/swapcycle", "/dev/abuse0"),
                                         ("fork-exec", "/bin/forkexec", "--workers 2")):
            with self.subTest(workload=workload):
                status, _results, calls = self.run_job(workload)
                self.assertEqual(status, 0, self.output)
                self.assertTrue([call for call in calls if call.startswith(program) and words in call], calls)

    def test_hooks(self) -> None:
        _status, _results, calls = self.run_job("pages", device={
            "attach": 'echo attach >>/log', "detach": 'echo detach >>/log', "setup": 'echo setup >>/log'})
        names = [call.split()[0] for call in calls]
        order = ["setup", "/bin/swapserver", "attach", "swapon", "/bin/pageload", "swapoff", "detach", "rmmod"]
        self.assertEqual([name for name in names if name in order], order)

    def test_hook_that_fails(self) -> None:
        status, results, _calls = self.run_job("pages", device={"attach": "false"})
        self.assertEqual((status, results[-1]), (1, {"event": "failed", "step": "attach", "status": 1}))


class Switches(unittest.TestCase):
    def test_every_variable_is_read(self) -> None:
        """What an arm can set and the job does not know would be a switch that does nothing."""
        text = arms.job_text()
        for name in arms.GUEST_PARAMS:
            self.assertRegex(text, rf"\$\{{?{name}\b", name)

    def test_parts_go_into_the_guest(self) -> None:
        self.assertEqual({path.name for path in arms.job_files()}, {"job.sh", "say.sh", "toggles.sh", "loads.sh", "disturb.sh"})


class Say(unittest.TestCase):
    def first_line(self, path: str) -> str:
        script = f". {HERE}/guest/job/say.sh; first_line {path}"
        return subprocess.run([BUSYBOX, "sh", "-uc", script], capture_output=True, text=True).stdout.rstrip("\n")

    def test_first_line_of_the_kernels_files(self) -> None:
        """Of those behind whose first byte there is nothing for who reads on."""
        for path in ("/proc/sys/vm/swappiness", "/proc/sys/vm/min_free_kbytes", "/proc/self/oom_score_adj"):
            self.assertRegex(self.first_line(path), r"^-?\d+$", path)

    def test_first_line_of_others(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            for text, want in (("one\ntwo\n", "one"), ("no end", "no end"), ("", "")):
                Path(name, "file").write_text(text)
                self.assertEqual(self.first_line(f"{name}/file"), want)
        self.assertEqual(self.first_line("/nowhere"), "")


if __name__ == "__main__":
    unittest.main()
