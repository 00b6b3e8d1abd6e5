#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of arms and questions as data, without a VM: what is written down is what runs, and a slip is an error.

Where it stands: beside experiments/lab/arms.py and questions.py.  Under 2 s.
"""
from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import arms, hostfault, questions, runner, table, vm  # noqa: E402
from lab.vm import LabError  # noqa: E402

DEVICE = '[device]\npath = "/dev/x"\n'


class Written(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def write(self, text: str, name: str = "an-arm.toml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def refuse(self, text: str, pattern: str) -> None:
        """The file is refused, by a line with its name and this in it."""
        path = self.write(text)
        with self.assertRaisesRegex(LabError, f"{re.escape(str(path))}.*{pattern}"):
            arms.load_arm(path)


class Arms(Written):
    def test_ours_load(self) -> None:
        paths = sorted((HERE / "arms").glob("*.toml"))
        self.assertTrue(paths)
        for path in paths:
            arm = arms.load_arm(path)
            self.assertEqual(arm["name"], path.stem)
            runner._params(arm, 1)

    def test_hold_reaches_the_server(self) -> None:
        """Nothing reads it back in the guest: the command is what there is."""
        self.assertIn(" --hold 3 ", arms.compose("safe", {"server": {"hold": 3}}, "here")["server"]["command"])
        self.assertNotIn("--hold", arms.compose("safe", {}, "here")["server"]["command"])
        with self.assertRaisesRegex(LabError, "hold.*64"):
            arms.compose("safe", {"server": {"hold": 65}}, "here")

    def test_the_demo_starts_the_servers_it_says(self) -> None:
        safe, naive = (arms.load_arm(HERE / "arms" / f"{name}.toml") for name in ("safe", "naive"))
        tail = "--size 768M --status $STATUS_FILE --ready $READY_FILE disk,path=$DISK"
        self.assertEqual(safe["server"]["command"], f"/bin/swapserver /dev/abctl0 {tail}")
        self.assertEqual(naive["server"]["command"], f"/bin/swapserver /dev/abctl0 --naive {tail}")
        for arm in (safe, naive):
            for key in ("name", "question", "server"):
                arm.pop(key)
        self.assertEqual(safe, naive)

    def test_a_naive_server_may_have_protections(self) -> None:
        server = arms.load_arm(HERE / "arms" / "naive-mlock.toml")["server"]
        self.assertTrue(server["command"].startswith("/bin/swapserver /dev/abctl0 --naive --mlock --size"), server["command"])
        self.assertEqual(server["protections_on"], ["mlock"])
        self.assertNotIn("mlock", server["protections_off"])

    def test_the_warmed_ublk_is_ready_only_after_its_load(self) -> None:
        """The arm's shell, with programs that are played: who swaps before the load has verified its writes swaps on plain ublk."""
        command = arms.load_arm(HERE / "arms" / "ublk-warmed.toml")["server"]["command"]
        for works in (True, False):
            with self.subTest(works=works), tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                programs = {"ublk-server": f'echo ready >"$READY_FILE.first"; while [ ! -e {folder}/loaded ]; do sleep 0.01; done',
                            "blockload": f'[ -e "$READY_FILE" ] && echo early >{folder}/early; touch {folder}/loaded; {"true" if works else "false"}',
                            "usleep": "sleep 0.01"}
                for program, text in programs.items():
                    (folder / program).write_text(f"#!/bin/sh\n{text}\n")
                    (folder / program).chmod(0o755)
                # Output is read to its end, so that the load's part of the shell has ended, too.
                ran = subprocess.run(["/bin/sh", "-c", command.replace("/bin/ublk-server", f"{folder}/ublk-server").replace(
                    "/bin/blockload", f"{folder}/blockload")], stdout=subprocess.PIPE, timeout=60, check=False,
                    env={"PATH": f"{folder}:/usr/bin:/bin", "READY_FILE": f"{folder}/ready", "STATUS_FILE": f"{folder}/status", "DISK": "/dev/null"})
                self.assertEqual(ran.returncode, 0)
                self.assertFalse((folder / "early").exists())
                self.assertEqual((folder / "ready").exists(), works)

    def test_ublk_swaps_only_once_its_standby_is_ready(self) -> None:
        """The arm's shell, with a server that is played; the pid that the lab sees first, and kills, is the first server's."""
        command = arms.load_arm(HERE / "arms" / "ublk-standby.toml")["server"]["command"]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "ublk-server").write_text(
                '#!/bin/sh\ncase "$*" in\n'
                f'*--standby*) [ -s "$READY_FILE.first" ] || touch {folder}/early; echo standby >>"$STATUS_FILE"; echo ready >"$READY_FILE" ;;\n'
                f'*) [ -e "$READY_FILE" ] && touch {folder}/late; echo server >>"$STATUS_FILE"; echo ready >"$READY_FILE.first" ;;\nesac\n')
            (folder / "usleep").write_text("#!/bin/sh\nsleep 0.01\n")
            for program in ("ublk-server", "usleep"):
                (folder / program).chmod(0o755)
            ran = subprocess.run(["/bin/sh", "-c", command.replace("/bin/ublk-server", f"{folder}/ublk-server")], stdout=subprocess.PIPE, timeout=60,
                                 check=False, env={"PATH": f"{folder}:/usr/bin:/bin", "READY_FILE": f"{folder}/ready",
                                                   "STATUS_FILE": f"{folder}/status", "DISK": "/dev/null"})
            self.assertEqual(ran.returncode, 0)
            self.assertFalse((folder / "early").exists() or (folder / "late").exists())
            self.assertEqual((folder / "status").read_text(), "server\nstandby\n")
            self.assertTrue((folder / "ready").exists())

    def test_protections_are_the_servers(self) -> None:
        source = (HERE.parent / "swapserver" / "protect.c").read_text()
        self.assertEqual(tuple(re.findall(r'\[PROTECT_[A-Z]+\] = "([a-z]+)",', source)), arms.PROTECTIONS)

    def test_misspelt(self) -> None:
        self.refuse(DEVICE + "[limits]\nstal_s = 3\n", "unknown key limits.stal_s")
        self.refuse(DEVICE + "[limit]\nstall_s = 3\n", "unknown key limit")
        self.refuse("stall_s = 3\n" + DEVICE, "unknown key stall_s")
        self.refuse('guest = 3\n' + DEVICE, "guest is a section")

    def test_wrong_kinds(self) -> None:
        self.refuse(DEVICE + '[vm]\nmglru = 1\n', "vm.mglru: bool is wanted")
        self.refuse(DEVICE + '[vm]\npage_cluster = true\n', "vm.page_cluster: int is wanted")
        self.refuse(DEVICE + '[vm]\npage_cluster = 11\n', "vm.page_cluster: 11 is not within 0 and 10")
        self.refuse(DEVICE + '[guest]\nimages = "fio"\n', "guest.images: a list of strings")
        self.refuse(DEVICE + '[fault]\nkind = "meteor"\n', "fault.kind: 'meteor' is none of")
        self.refuse('[device]\npath = "/dev/x"\ncounters = "none"\n', "device.counters")

    def test_read_back(self) -> None:
        for table in ('x = { file = "/y" }', 'x = { file = "/y", want = "(" }', 'x = { file = "/y", wants = "z" }', "x = 3",
                      '"x y" = { file = "/y", want = "z" }'):
            self.refuse(DEVICE + f"[readback]\n{table}\n", "readback.x")
        arm = arms.load_arm(self.write(DEVICE + '[readback]\none = { file = "/a", want = "c" }\ntwo = { file = "/d", want = "" }\n'))
        self.assertIn("READ_BACK='one /a two /d'\n", runner._params(arm, 1))

    def test_missing(self) -> None:
        self.refuse("", "device.path is missing")
        self.refuse(DEVICE + '[server]\ncomm = "x"\n', "server.command or server.kind is missing")
        self.refuse(DEVICE + '[server]\nkind = "swapserver"\n', "server.backend is missing")
        self.refuse(DEVICE + '[fault]\nafter_s = 1\n', "fault.kind is missing")
        self.refuse(DEVICE + '[fault]\nkind = "balloon"\n', "fault.size_mib is missing")
        self.refuse("what = [\n", "")
        with self.assertRaisesRegex(LabError, "No such file"):
            arms.load_arm(self.folder / "none.toml")

    def test_faults_need_what_they_act_on(self) -> None:
        server = '[server]\nkind = "swapserver"\nbackend = "forward,path=/x"\n'
        self.refuse(DEVICE + '[fault]\nkind = "kill"\n', "there is no server")
        self.refuse(DEVICE + '[fault]\nkind = "disconnect"\n', "is nbd's")
        self.refuse(DEVICE + '[fault]\nkind = "disk-error"\n', "there is no .disk.")
        self.refuse(DEVICE + server + '[disk]\nsize_mib = 1\n[fault]\nkind = "disk-error"\n', "forward takes none")
        self.refuse(DEVICE + '[disk]\nsize_mib = 1\n[fault]\nkind = "disk-slow"\n', "fault.iops_max is missing")
        arms.load_arm(self.write('[device]\npath = "/dev/nbd0"\n[fault]\nkind = "disconnect"\n'))

    def test_groups(self) -> None:
        self.refuse(DEVICE + '[cgroup]\nholds = "load"\n', "cgroup.memory_max_mib or")
        self.refuse(DEVICE + '[cgroup]\nmemory_max_mib = 9\nholds = "both"\n', "there is no server")

    def test_dirty_mappings_bring_their_tools(self) -> None:
        arm = arms.compose("safe", {}, "here", "dirty")
        self.assertIn("e2fs", arm["guest"]["images"])
        self.assertIn("LOAD_DIRTY='--bytes 384M --passes 1 --seed 9'\n", runner._params(arm, 9))
        self.refuse(DEVICE + '[load]\ndirty = "x"\nswapoff_under_load = true\n', "one use")
        self.refuse(DEVICE + '[load]\ndirty = "x"\nread_only = true\n', "filled beforehand")

    def test_contradictions(self) -> None:
        self.refuse(DEVICE + '[server]\nkind = "swapserver"\nbackend = "ram"\ncommand = "/bin/x"\n', "server.command follows")
        self.refuse(DEVICE + '[server]\ncommand = "/bin/x"\nqueue = 3\n', "server.queue needs")
        self.refuse(DEVICE + '[load]\npageload = "--bytes 3M"\npages_percent = 10\n', "pages_percent")

    def test_base(self) -> None:
        self.write('question = "?"\n[device]\npath = "/dev/x"\ninsmod = "/a"\n[vm]\nswappiness = 3\n[guest]\nmemory_mib = 99\n',
                   "under.toml")
        arm = arms.load_arm(self.write('base = "under"\nvm = false\n[device]\ninsmod = ""\n'))
        self.assertEqual((arm["name"], arm.get("question")), ("an-arm", None))
        self.assertEqual((arm["device"]["path"], arm["device"]["insmod"]), ("/dev/x", ""))
        self.assertEqual(arm["guest"]["memory_mib"], 99)
        self.assertNotIn("vm", arm)
        self.assertNotIn("base", arm)

    def test_base_of_ours(self) -> None:
        arm = arms.load_arm(self.write('base = "safe"\n[server]\nwithout = ["mlock", "core"]\nqueue = 8\n'))
        self.assertIn(" --no-core --no-mlock --size 768M --queue 8 ", arm["server"]["command"])
        self.assertEqual(arm["server"]["protections_off"], ["core", "mlock"])
        self.assertNotIn("mlock", arm["server"]["protections_on"])

    def test_a_file_has_no_scope(self) -> None:
        """Under PF_MEMALLOC file systems misbehave: the server does without, and the arm must not want it read back as on."""
        for name in ("file-direct", "file-buffered", "file-direct-xfs"):
            server = arms.compose(name, {}, "here")["server"]
            self.assertEqual((server["protections_off"], "scope" in server["protections_on"]), (["scope"], False))
        self.assertIn("scope", arms.compose("safe", {}, "here")["server"]["protections_on"])
        held = arms.compose("safe", {"server": {"backend": "fault,delay_ms=1:file,path=/x,unsafe=1"}}, "here")["server"]
        self.assertEqual(held["protections_off"], ["scope"])
        sources = [path.stem for path in (HERE.parent / "swapserver").glob("*.c") if "no_scope = true" in path.read_text()]
        self.assertEqual(tuple(sources), arms.WITHOUT_SCOPE)

    def test_base_that_is_not_there(self) -> None:
        self.refuse('base = "nowhere"\n', "arm 'nowhere'")

    def test_base_of_itself(self) -> None:
        self.write('base = "an-arm"\n', "other.toml")
        path = self.write('base = "other"\n')
        with self.assertRaisesRegex(LabError, "back to itself"):
            arms.load_arm(path)

    def test_base_of_its_own_name(self) -> None:
        arm = arms.load_arm(self.write('base = "safe"\n[server]\nqueue = 8\n', "safe.toml"))
        self.assertIn("--queue 8", arm["server"]["command"])

    def test_error_in_the_base_names_the_base(self) -> None:
        under = self.write("oops = 1\n", "under.toml")
        path = self.write('base = "under"\n')
        with self.assertRaisesRegex(LabError, f"{re.escape(str(under))}: unknown key oops"):
            arms.load_arm(path)

    def test_workloads_load(self) -> None:
        paths = sorted((HERE / "workloads").glob("*.toml"))
        self.assertTrue(paths)
        for path in paths:
            arm = arms.compose("safe", {}, "here", path.stem)
            self.assertNotIn("workload", arm)
        with self.assertRaisesRegex(LabError, "workload 'none'"):
            arms.compose("safe", {}, "here", "none")

    def test_load_grows_with_the_memory(self) -> None:
        arm = arms.compose("safe", {"guest": {"memory_mib": 512}}, "here", "pages")
        self.assertTrue(arm["load"]["pageload"].startswith("--bytes 573M "), arm["load"]["pageload"])

    def test_operations_of_the_stressor_named_first(self) -> None:
        """Behind its own name: stress-ng takes a count for the stressor named last before it, whatever its prefix."""
        params = runner._params(arms.compose("safe", {}, "here", "stress-fork"), 1)
        self.assertIn("--vm 2 --vm-ops 800 --vm-bytes 384M --vm-keep --vm-method write64 --fork 2 --fork-ops 20000", params)

    def test_what_the_scope_implies_is_not_off(self) -> None:
        for without, off in ((["nofault"], []), (["nofault", "mlock"], ["mlock"]), (["nofault", "scope"], ["scope", "nofault"])):
            server = arms.compose("safe", {"server": {"without": without}}, "here")["server"]
            self.assertEqual(server["protections_off"], off)
            self.assertNotIn("nofault", server["protections_on"])

    def test_image_of_a_load_comes_with_it(self) -> None:
        self.assertEqual(arms.compose("safe", {}, "here")["guest"]["images"], ["stress-ng"])
        self.assertEqual(arms.compose("safe", {}, "here", "pages")["guest"]["images"], [])

    def test_overrides_change_nothing_else(self) -> None:
        before = arms.compose("safe", {}, "here")
        arms.compose("safe", {"guest": {"memory_mib": 99}, "server": {"without": ["oom"]}}, "here")
        self.assertEqual(arms.compose("safe", {}, "here"), before)


class ToTheGuest(unittest.TestCase):
    def test_params(self) -> None:
        arm = arms.compose("safe", {"vm": {"mglru": False, "page_cluster": 0}, "cgroup": {"memory_max_mib": 99},
                                    "fault": {"kind": "kill", "after_s": 5}}, "here")
        params = dict(line.split("=", 1) for line in runner._params(arm, 7).splitlines())
        self.assertEqual((params["VM_MGLRU"], params["VM_PAGE_CLUSTER"], params["VM_SWAPPINESS"]), ("0", "0", "''"))
        self.assertEqual((params["CGROUP_MEMORY_MAX_MIB"], params["FAULT_KIND"], params["FAULT_AFTER_S"]), ("99", "kill", "5"))
        self.assertIn("--seed 7", params["PAGELOAD"])

    def test_what_the_job_does_not_read(self) -> None:
        arm = arms.compose("safe", {"vm": {"mglru": False}, "cgroup": {"memory_max_mib": 9}}, "here")
        self.assertEqual(arms.not_handled(arm, "[ -z \"$VM_MGLRU\" ]"), ["CGROUP_MEMORY_MAX_MIB"])
        self.assertEqual(arms.not_handled(arms.compose("safe", {}, "here"), ""), [])

    def test_host_faults_are_not_the_guests(self) -> None:
        arm = arms.compose("safe", {"fault": {"kind": "vm-stop", "after_s": 5}}, "here")
        self.assertEqual(arms.not_handled(arm, ""), [])
        self.assertEqual(arms.guest_params(arm)["FAULT_AFTER_S"], "")

    def test_the_job_reads_all(self) -> None:
        """No switch of any cell is left out because the guest does not know it."""
        text = arms.job_text()
        for path in questions.known():
            for cell in questions.load(path).cells:
                self.assertEqual(arms.not_handled(cell.arm, text) if cell.arm else [], [], cell.label)

    def test_every_param_has_its_key(self) -> None:
        for section, key in arms.GUEST_PARAMS.values():
            self.assertIn(key, arms.SCHEMA[section])

    def test_toggles(self) -> None:
        arm = arms.compose("safe", {"vm": {"mglru": True}, "cgroup": {"memory_max_mib": 9, "holds": "load"}}, "here")
        self.assertEqual(arms.toggles(arm), {"mglru": "1", "cgroup_memory_max_mib": "9"})


class Faults(unittest.TestCase):
    def setUp(self) -> None:
        self.guest = mock.Mock(spec=vm.Guest)
        self.load = [{"host_s": 9.0, "event": "step", "name": "swapon"}, {"host_s": 10.0, "event": "step", "name": "pageload"}]

    def fault(self, **keys: object) -> hostfault.HostFault:
        return hostfault.HostFault({"fault": keys})

    def test_waits_for_the_load(self) -> None:
        fault = self.fault(kind="vm-stop", after_s=3)
        self.assertIsNone(fault.step(self.guest, 99.0, []))
        self.assertIsNone(fault.step(self.guest, 99.0, self.load[:1]))
        self.assertIsNone(fault.step(self.guest, 12.9, self.load))
        self.guest.qmp.assert_not_called()
        self.assertEqual(fault.step(self.guest, 13.0, self.load), {"event": "fault", "kind": "vm-stop", "number": 1})
        self.guest.qmp.assert_called_once_with("stop")
        self.assertIsNone(fault.step(self.guest, 99.0, self.load))

    def balloon(self, *left_mib: int, **keys: object) -> list[object]:
        """What is told, second by second, of a guest of 256 MiB in which so much is left."""
        fault = hostfault.HostFault({"guest": {"memory_mib": 256}, "fault": {"kind": "balloon", "size_mib": 128, **keys}})
        self.assertIsNone(fault.step(self.guest, 99.0, self.load))
        self.guest.qmp.assert_called_once_with("balloon", value=128 << 20)
        told = []
        for second, mib in enumerate(left_mib):
            self.guest.qmp.return_value = {"actual": mib << 20}
            told.append(fault.step(self.guest, 100.0 + second, self.load))
        return told

    def test_balloon(self) -> None:
        came = {"event": "fault", "kind": "balloon", "number": 1, "left_mib": 128}
        self.assertEqual(self.balloon(200, 150, 128, 128), [None, None, came, None])

    def test_balloon_of_a_guest_that_has_no_more(self) -> None:
        told = self.balloon(*[140] * 40)
        self.assertEqual([line["event"] for line in told if line], ["fault"])  # type: ignore[index]

    def test_balloon_that_nobody_blows_up(self) -> None:
        """Without the driver QEMU takes the order all the same."""
        (line,) = [line for line in self.balloon(*[256] * 40) if line]
        self.assertEqual((line["event"], line["why"]), (  # type: ignore[index]
            "fault-failed", "the guest gave memory until 256 MiB were left, not 128"))

    def test_balloon_has_its_driver(self) -> None:
        arm = arms.compose("safe", {"fault": {"kind": "balloon", "size_mib": 128}}, "here")
        self.assertEqual(arm["guest"]["modules"], ["virtio_balloon"])

    def test_disk_becomes_slow(self) -> None:
        self.fault(kind="disk-slow", iops_max=50).step(self.guest, 99.0, self.load)
        (name,), keys = self.guest.qmp.call_args
        self.assertEqual((name, keys["device"], keys["iops"]), ("block_set_io_throttle", "disk0", 50))

    def test_waits_for_the_last_step_of_use(self) -> None:
        """A file system is mounted, then a swap file on it: the load comes after both."""
        steps = [{"host_s": at, "event": "step", "name": name} for at, name in ((8.0, "mount"), (9.0, "swapon"), (10.0, "loads"))]
        self.assertIsNone(self.fault(kind="vm-stop").step(self.guest, 99.0, steps[:2]))
        self.assertIsNotNone(self.fault(kind="vm-stop").step(self.guest, 99.0, steps))
        self.assertIsNotNone(self.fault(kind="vm-stop").step(self.guest, 99.0, [steps[0], steps[2]]))

    def test_again(self) -> None:
        fault = self.fault(kind="vm-stop", every_s=5, count=2)
        self.assertIsNotNone(fault.step(self.guest, 10.0, self.load))
        self.assertIsNone(fault.step(self.guest, 14.0, self.load))
        self.assertIsNotNone(fault.step(self.guest, 15.0, self.load))

    def test_refused(self) -> None:
        self.guest.qmp.side_effect = LabError("no")
        told = self.fault(kind="vm-stop").step(self.guest, 10.0, self.load)
        assert told is not None
        self.assertEqual((told["event"], told["why"]), ("fault-failed", "no"))

    def test_not_ours(self) -> None:
        self.assertIsNone(self.fault(kind="kill").step(self.guest, 99.0, self.load))


class Digests(unittest.TestCase):
    def test_names_and_prose_do_not_count(self) -> None:
        arm = arms.compose("safe", {}, "here")
        other = {**copy.deepcopy(arm), "name": "x", "question": "y"}
        self.assertEqual(arms.digest(arm, "6.12"), arms.digest(other, "6.12"))

    def test_everything_else_does(self) -> None:
        arm = arms.compose("safe", {}, "here")
        self.assertNotEqual(arms.digest(arm, "6.12"), arms.digest(arm, "6.1"))
        other = copy.deepcopy(arm)
        other["limits"]["stall_s"] += 1
        self.assertNotEqual(arms.digest(arm, "6.12"), arms.digest(other, "6.12"))


# Arms that questions name and that are still to be written: taken off this list when they are there.
TO_COME: set[str] = set()


class Questions(Written):
    HEAD = 'claim = "c"\nwho = "w"\nquestion = "q"\nprediction = "p"\n'

    def question(self, text: str) -> questions.Question:
        return questions.load(self.write(self.HEAD + text, "H99.toml"))

    def refuse_question(self, text: str, pattern: str) -> None:
        path = self.write(self.HEAD + text, "H99.toml")
        with self.assertRaisesRegex(LabError, f"{re.escape(str(path))}.*{pattern}"):
            questions.load(path)

    def test_all_are_there(self) -> None:
        found = [questions.load(path) for path in questions.known()]
        self.assertEqual([question.id for question in found], [f"H{number}" for number in range(1, 23)])
        for question in found:
            self.assertTrue(question.cells or question.checks)

    def test_readme_has_them_as_they_are(self) -> None:
        text = table.README.read_text()
        self.assertEqual(text, table.written(text), "run experiments/lab/table.py --write")

    def test_arms_they_name(self) -> None:
        named = {cell.missing for path in questions.known() for cell in questions.load(path).cells if cell.missing}
        missing = {re.sub(r".*/(.*)\.toml.*", r"\1", why) for why in named}
        self.assertLessEqual(missing, TO_COME)

    def test_controls(self) -> None:
        for series in ("6.12", "6.1"):
            cells = questions.controls(series, questions.DETECTORS)
            self.assertEqual([cell.fires for cell in cells], list(questions.DETECTORS))
            self.assertEqual({cell.series for cell in cells}, {series})
        self.assertEqual(len({cell.digest for cell in cells}), len(cells))

    def test_a_cell(self) -> None:
        found = self.question('runs = 4\nminutes = 0.5\n[[cell]]\nname = "a"\narm = "safe"\nkernel = "6.1"\nmemory_mib = 128\n'
                              'without = ["mlock"]\nmglru = false\nset = { "limits.total_s" = 5, device.setup = "x" }\n'
                              'expect = ["PASS"]\n')
        cell, = found.cells
        self.assertEqual((cell.label, cell.series, cell.runs, cell.minutes, cell.expect), ("H99/a", "6.1", 4, 0.5, ("PASS",)))
        self.assertEqual(cell.arm["guest"]["memory_mib"], 128)
        self.assertEqual(cell.arm["server"]["protections_off"], ["mlock"])
        self.assertEqual((cell.arm["limits"]["total_s"], cell.arm["device"]["setup"], cell.arm["vm"]), (5, "x", {"mglru": False}))
        self.assertEqual(found.minutes, 2.0)

    def test_vary(self) -> None:
        found = self.question('[[cell]]\nname = "a"\narm = "safe"\nvary = { kernel = ["6.1", "6.12"], memory_mib = [128, 256] }\n')
        self.assertEqual([cell.name for cell in found.cells],
                         ["a-6.1-memory-mib-128", "a-6.1-memory-mib-256", "a-6.12-memory-mib-128", "a-6.12-memory-mib-256"])
        self.assertEqual(len({cell.digest for cell in found.cells}), 4)

    def test_each_and_pairs(self) -> None:
        found = self.question('[[cell]]\nname = "a"\narm = "safe"\nvary = { without = "each" }\n'
                              '[[cell]]\nname = "b"\narm = "safe"\nvary = { without = "pairs" }\n')
        self.assertEqual(len(found.cells), 9 + 36)
        self.assertEqual(found.cells[3].name, "a-no-mlock")
        self.assertEqual(found.cells[9].arm["server"]["protections_off"], ["core", "oom"])

    def test_slips(self) -> None:
        cell = '[[cell]]\nname = "a"\narm = "safe"\n'
        self.refuse_question("hm = 1\n" + cell, "unknown key hm")
        self.refuse_question(cell + "memory = 1\n", "unknown key cell.memory, in cell a")
        self.refuse_question(cell + 'set = { "limits.stal_s" = 1 }\n', "cell a: unknown key limits.stal_s")
        self.refuse_question(cell + "vary = { memory = [1] }\n", "unknown key vary.memory")
        self.refuse_question(cell + "vary = { queue = 3 }\n", "vary.queue: a list")
        self.refuse_question(cell + 'without = ["luck"]\n', "server.without: 'luck'")
        self.refuse_question(cell + 'expect = ["FINE"]\n', "expect: a list of PASS")
        self.refuse_question(cell + 'workload = "hm"\n', "workload 'hm'")
        self.refuse_question(cell + "runs = 0\n", "runs: a number above 0")
        self.refuse_question(cell + cell, "two cells are called a")
        self.refuse_question('[[cell]]\nname = "a"\n', "arm is missing")
        self.refuse_question('[[cell]]\narm = "safe"\n', "cell 1: name is missing")
        self.refuse_question("", "nothing would answer it")
        self.refuse_question('detectors = ["LUCK"]\n' + cell, "detectors")
        self.refuse_question('[[check]]\nname = "a"\ncommand = "ls"\n', "check.command")

    def test_an_arm_that_is_not_there_is_told(self) -> None:
        cell, = self.question('[[cell]]\nname = "a"\narm = "hm"\n').cells
        self.assertIn("experiments/arms/hm.toml is not there", cell.missing)

    def test_find(self) -> None:
        self.assertEqual(questions.find("H8").name, "H8.toml")
        with self.assertRaisesRegex(LabError, "H1, H2"):
            questions.find("H77")

    def test_serialises(self) -> None:
        for path in questions.known():
            for cell in questions.load(path).cells:
                json.dumps(cell.arm)


if __name__ == "__main__":
    unittest.main()
