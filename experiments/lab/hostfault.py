# SPDX-License-Identifier: GPL-2.0-only
"""Faults that the host puts into a running guest, from outside.

Where it stands: run > [fault] > vm.  The guest's own faults (kill, stop, failslab, ...) are its job's; arms.py has both lists.

    vm-stop    the machine stands still: no heartbeat, no answer; the positive control of LOST
    balloon    the host takes memory away until `size_mib` are left
    disk-slow  the store's disk answers `iops_max` requests a second from then on
"""
from __future__ import annotations

from typing import Any

from . import arms, verdict
from .vm import Guest, LabError


def devices(arm: dict[str, Any]) -> list[str]:
    """QEMU's arguments for what the fault needs."""
    balloon = arm.get("fault", {}).get("kind") == "balloon"
    return ["-device", "virtio-balloon-pci,id=balloon"] if balloon else []


class HostFault:
    """The fault of one run; step() is called about four times a second.

    `after_s` counts from the first step behind those that bring the device into use: earlier there is nothing to disturb.
    """

    def __init__(self, arm: dict[str, Any]) -> None:
        fault = arm.get("fault", {})
        self._fault = fault if fault.get("kind") in arms.HOST_FAULTS else None
        self._done = 0

    def step(self, guest: Guest, now_s: float, results: list[dict[str, Any]]) -> dict[str, Any] | None:
        """Put it in when it is due; returns what to note as a result of the run, then."""
        fault = self._fault
        if fault is None or self._done >= fault.get("count", 1):
            return None
        steps = [result for result in results if result.get("event") == "step"]
        behind = [float(step["host_s"]) for last, step in zip(steps, steps[1:])
                  if last.get("name") in verdict.USE_STEPS and step.get("name") not in verdict.USE_STEPS]
        start_s = behind[0] if behind else None
        if start_s is None or now_s < start_s + fault.get("after_s", 0) + self._done * fault.get("every_s", 0):
            return None
        try:
            if fault["kind"] == "vm-stop":
                guest.qmp("stop")
            elif fault["kind"] == "disk-slow":
                # The arm's only disk; all six limits have to be named.
                guest.qmp("block_set_io_throttle", device="disk0", bps=0, bps_rd=0, bps_wr=0, iops=int(fault["iops_max"]),
                          iops_rd=0, iops_wr=0)
            else:
                guest.qmp("balloon", value=int(fault["size_mib"]) << 20)
        except LabError as error:
            self._done = fault.get("count", 1)
            return {"event": "fault-failed", "kind": fault["kind"], "why": str(error)}
        self._done += 1
        return {"event": "fault", "kind": fault["kind"], "number": self._done}
