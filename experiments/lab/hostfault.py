# SPDX-License-Identifier: GPL-2.0-only
"""Faults that the host puts into a running guest, from outside.

Where it stands: run > [fault] > vm.  The guest's own faults (kill, stop, failslab, ...) are its job's; arms.py has both lists.

    vm-stop    the machine stands still: no heartbeat, no answer; the positive control of LOST
    balloon    the host takes memory away until `size_mib` are left; it came when QEMU has got all of it, or, of a guest that
               has no more to give, half of it within BALLOON_S
    disk-slow  the store's disk answers `iops_max` requests a second from then on
"""
from __future__ import annotations

from typing import Any

from . import arms, verdict
from .vm import Guest, LabError


# Seconds in which a balloon is blown up; and how often the guest is asked.
BALLOON_S = 30.0
BALLOON_ASK_S = 1.0


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
        self._memory_mib = int(arm.get("guest", {}).get("memory_mib", 0))
        self._asked_s: float | None = None
        self._looked_s = 0.0

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
            elif self._asked_s is None:
                guest.qmp("balloon", value=int(fault["size_mib"]) << 20)
                self._asked_s = self._looked_s = now_s
                return None
            else:
                return self._balloon(guest, now_s)
        except LabError as error:
            return self._failed(str(error))
        return self._came()

    def _came(self, **more: Any) -> dict[str, Any]:
        assert self._fault is not None
        self._done += 1
        return {"event": "fault", "kind": self._fault["kind"], "number": self._done, **more}

    def _failed(self, why: str) -> dict[str, Any]:
        assert self._fault is not None
        self._done = self._fault.get("count", 1)
        return {"event": "fault-failed", "kind": self._fault["kind"], "why": why}

    def _balloon(self, guest: Guest, now_s: float) -> dict[str, Any] | None:
        """Whether QEMU has got the memory that it asked for: a guest without a driver for it gives none."""
        assert self._fault is not None and self._asked_s is not None
        if now_s - self._looked_s < BALLOON_ASK_S:
            return None
        self._looked_s = now_s
        left_mib = int(guest.qmp("query-balloon")["actual"]) >> 20
        wanted_mib = int(self._fault["size_mib"])
        late = now_s - self._asked_s > BALLOON_S
        if left_mib <= wanted_mib or late and left_mib <= (self._memory_mib + wanted_mib) // 2:
            return self._came(left_mib=left_mib)
        return self._failed(f"the guest gave memory until {left_mib} MiB were left, not {wanted_mib}") if late else None
