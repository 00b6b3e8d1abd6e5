#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the peers' arms, without a VM: they differ from ours in device and server, and each switch is read back.

Where it stands: beside experiments/arms.  Under 1 s.
"""
from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(HERE))

from lab import arms, runner, vm  # noqa: E402

# nbdkit's program has 192 MiB of zeroed data, and --swap locks all of it, and the stacks of its 16 threads, 8 MiB each; a store in
# memory is on top of the guest's.
NBDKIT_LOCKED_MIB = 344
STORE_MIB = 512


class Peers(unittest.TestCase):
    @staticmethod
    def peers() -> list[tuple[Path, dict[str, Any]]]:
        """All arms but those of our own server, and those that do not swap."""
        found = [(path, runner.load_arm(path)) for path in sorted((HERE / "arms").glob("*.toml"))]
        return [(path, arm) for path, arm in found
                if arm.get("server", {}).get("kind") != "swapserver" and not arm["load"].get("dirty")]

    def test_peers_have_the_load_of_safe(self) -> None:
        """What differs between peers is device and server; zram's load compresses, or it would be another brd."""
        safe = runner.load_arm(HERE / "arms" / "safe.toml")
        for path, arm in self.peers():
            load = dict(arm["load"])
            if path.stem == "zram":
                load["pageload"] = load["pageload"].replace(" --noise 25", "")
            with self.subTest(arm=path.stem):
                self.assertEqual(load, safe["load"])
                self.assertEqual(arm["judge"], safe["judge"])
                self.assertEqual(arm["guest"]["memory_mib"], safe["guest"]["memory_mib"] + self.extra_mib(arm))
                self.assertEqual(arm["guest"].get("locked_mib", 0), self.extra_mib(arm))
                self.assertEqual({key: arm["limits"][key] for key in ("stall_s", "silent_s")},
                                 {key: safe["limits"][key] for key in ("stall_s", "silent_s")})

    def test_a_load_by_the_memory_is_the_same_load(self) -> None:
        safe = arms.compose("safe", {}, "here", "pages")
        for path, arm in self.peers():
            if arm["device"]["path"] != "/dev/zram0":
                with self.subTest(arm=path.stem):
                    self.assertEqual(arms.compose(path.stem, {}, "here", "pages")["load"], safe["load"])

    @staticmethod
    def extra_mib(arm: dict[str, Any]) -> int:
        """What a guest has more, so that as much is left for the load."""
        command = arm.get("server", {}).get("command", "")
        return (NBDKIT_LOCKED_MIB * ("nbdkit --swap" in command)
                + STORE_MIB * (command.endswith(" ram") or " memory 512M " in command))

    def test_every_switch_is_read_back(self) -> None:
        """An arm with a server names what is on and what is off; one with a device of the kernel's reads something of it."""
        for path, arm in self.peers():
            with self.subTest(arm=path.stem):
                if arm.get("server"):
                    self.assertTrue(arm["server"]["protections_on"] + arm["server"]["protections_off"])
                    self.assertFalse(set(arm["server"]["protections_on"]) & set(arm["server"]["protections_off"]))
                elif path.stem != "virtio-blk":
                    self.assertTrue(arm["readback"])

    def test_pairs_differ_in_the_switch_only(self) -> None:
        pairs = (("ublk", "ublk-bare"), ("ublk", "ublk-recover"), ("ublk", "ublk-reissue"), ("ublk", "ublk-user-copy"),
                 ("nbd-swap", "nbd"), ("nbd-swap", "nbd-swap-netlink"), ("nbd-server-swap", "nbd-server"),
                 ("loop-disk", "loop-disk-buffered"), ("loop-ext4", "loop-ext4-buffered"))
        for names in pairs:
            first, second = (runner.load_arm(HERE / "arms" / f"{name}.toml") for name in names)
            for arm in (first, second):
                arm["guest"]["memory_mib"] -= arm["guest"].pop("locked_mib", 0)
                for key in ("name", "question", "server"):
                    arm.pop(key, None)
                # Which of the two is on is in the setup, and in what is read back.
                arm["device"]["setup"] = arm["device"]["setup"].replace("--direct-io=on", "--direct-io=off")
                arm["readback"].pop("direct_io", None)
            with self.subTest(pair=names):
                self.assertEqual(first, second)

    def test_a_script_may_be_the_server(self) -> None:
        """peer.sh is no program that make builds: it comes from experiments/guest."""
        arm = runner.load_arm(HERE / "arms" / "nbd-swap.toml")
        try:
            files = runner.Inputs.of(arm, "6.12").overlay_files
        except vm.LabError as error:
            self.assertNotIn("peer.sh", str(error))
            return
        self.assertIn((HERE / "guest" / "peer.sh", "/bin/peer.sh", "755"), files)


if __name__ == "__main__":
    unittest.main()
