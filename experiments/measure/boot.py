# SPDX-License-Identifier: GPL-2.0-only
"""One guest in which all devices are up, side by side, and a plan is carried out.

Where it stands: rounds > [boot] > guest/bench.sh > blockload, swapbench, fio > record.  Hands on each line as it comes; it
judges nothing but whether what was set up is what was wanted.
"""
from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import vm
from lab.vm import REPO, Disk, Guest, LabError, make_disk

from .config import Clock, Config, Device, MemoryCase
from .rounds import Step

sys.path.insert(0, str(REPO / "vm-images"))
import cpio  # noqa: E402 (found through the line above)

BUILD = REPO / "build"
GUEST = REPO / "experiments" / "guest"
PROGRAMS = ("blockload", "swapbench", "sampler", "lean-server", "swapserver", "ublk-server")
# To the first word, and between two words: a measurement of a slow device on a busy host, with its filling and verifying.
FIRST_S = 240.0
SILENT_S = 300.0
COUNTED_NS = vm.COUNTED_NS
# The shortest of twenty stretches of known length: reading the clock takes its part.
CLOCK_OFF_MAX = 0.01
# A boot that dies before its first word is an accident of the emulator (2 of 145): tried again so often.
BOOT_RETRIES = 2

# The places of disks in memory (pmem): every other 128 MiB from 256 MiB on, away from what the loader puts at the top.
PMEM_FIRST_MIB, PMEM_STRIDE_MIB = 256, 256
# Partly used content: fio's own options are not those of the others.
FIO = "--ioengine=io_uring --direct=1 --thread --norandommap --time_based --registerfiles --fixedbufs"


@dataclass
class Inputs:
    """Files that go into a guest."""

    kernel: Path
    images: list[Path]
    files: dict[str, tuple[Path, int]]  # place in the guest: host file, mode

    @staticmethod
    def of(config: Config, clock: Clock) -> Inputs:
        """Find them.  LabError names the first that is missing, and the command that makes it."""
        series = config.kernel
        images = [BUILD / "images" / f"{series}-base.cpio"]
        images += [BUILD / "images" / f"{name}.cpio" for name in (*config.images, *clock.images)]
        files = {"/job/run": (GUEST / "bench.sh", 0o755), "/bin/peer.sh": (GUEST / "peer.sh", 0o755),
                 "/lib/abuse/abuse.ko": (BUILD / "module" / series / "abuse.ko", 0o644)}
        files |= {f"/bin/{name}": (BUILD / "guest" / name, 0o755) for name in PROGRAMS}
        kernel = BUILD / "kernels" / series / "vmlinuz"
        for path in (kernel, *images, *(path for path, _mode in files.values())):
            if not path.is_file():
                raise LabError(f"{path.relative_to(REPO)} is missing: run `make bench-build`")
        return Inputs(kernel, images, files)

    def all(self) -> list[Path]:
        return [self.kernel, *self.images, *(path for path, _mode in self.files.values())]


# ------------------------------------------------------------------- stores


@dataclass
class Stores:
    """Where devices that want a disk find it."""

    disk_of: dict[str, str] = field(default_factory=dict)  # as bench.sh takes it: a path, or serial:S
    serials: list[str] = field(default_factory=list)
    append: str = ""  # boot arguments
    modules: list[str] = field(default_factory=list)


def stores_of(clock: Clock, devices: Sequence[Device], device_mib: int) -> Stores:
    """Give each device that wants one a disk: of virtio, or of memory set aside at boot (pmem)."""
    stores = Stores()
    wanting = [device for device in devices if device.store]
    if clock.store == "virtio-blk":
        for device in wanting:
            stores.disk_of[device.name] = f"serial:{device.name}"
            stores.serials.append(device.name)
    elif clock.store == "pmem":
        places = []
        for number, device in enumerate(wanting):
            start_mib = PMEM_FIRST_MIB + number * PMEM_STRIDE_MIB
            if start_mib + device_mib > clock.memory_mib - PMEM_STRIDE_MIB:
                raise LabError(f"clock.{clock.name}: memory_mib is too little for {len(wanting)} disks of {device_mib} MiB")
            stores.disk_of[device.name] = f"/dev/pmem{number}"
            places.append(f"memmap={device_mib}M!{start_mib}M")
        # Without address randomization nothing else is put there, and every build lies in the same places.
        stores.append = " ".join(["nokaslr", *places])
        stores.modules = ["nd_e820", "nd_pmem"]
    else:
        raise LabError(f"clock.{clock.name}: store {clock.store!r} is neither virtio-blk nor pmem")
    return stores


# ------------------------------------------------------------- the guest's side


def _shell(values: Mapping[str, str]) -> str:
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def device_text(device: Device, disk: str = "", more: Mapping[str, str] | None = None) -> str:
    """A file of /job/devices, as bench.sh sources it."""
    read_back = " ".join(f"{name} {file}" for name, (file, _want) in device.read_back.items())
    return _shell({"NAME": device.name, "DISK": disk, "INSMOD": device.insmod, "SETUP": device.setup, "DEVICE": device.path,
                   "SERVER": device.server, "READ_BACK": read_back, "TEARDOWN": device.teardown, **(more or {})})


def arguments_of(config: Config, clock: Clock, step: Step, seed: int) -> str:
    """Of the step's tool, but the device and its server, which the guest knows."""
    work, cell = config.works[step.cell.work], step.cell
    limits = dict(getattr(clock, work.tool))
    # Another content each time: what an earlier one left must not pass for what this one wrote.
    seed = seed * 1_000_003 + step.round * 1009 + step.control * 500
    cpus = f" --cpus 0x{clock.load_cpus}" if clock.load_cpus else ""
    if work.tool == "fio":
        return (f"{FIO} {work.arguments} --iodepth={cell.depth} --numjobs={cell.tasks} --size={config.device_mib // 4}M "
                f"--randseed={seed} --runtime={limits['ms']}ms")
    common = f"{work.arguments} --tasks {cell.tasks} --seed {seed} --noise {config.noise_percent}{cpus}"
    if work.tool == "swapbench":
        return f"{common} --bytes {limits['mib']}M"
    length = "".join(f" --{name} {value // work.share if name == 'requests' else value}" for name, value in limits.items())
    return f"{common} --depth {cell.depth} --area {config.device_mib // 4}M{length}"


def plan_text(config: Config, clock: Clock, steps: Sequence[Step], seed: int, *, sampled: bool = False) -> str:
    """/job/plan; lines are numbered as `steps` are, from 0.  sampled: each under the sampler, instead of on the clock."""
    prefix = "sampler " if sampled else ""
    return "".join(
        f"{number} {step.device} {prefix}{config.works[step.cell.work].tool} {arguments_of(config, clock, step, seed)}\n"
        for number, step in enumerate(steps))


def memory_text(case: MemoryCase, device: Device, noise_percent: int) -> str:
    """A file of /job/memory."""
    everything = f"--area {case.device_mib}M --noise {noise_percent}"
    fill = f"--rw write --bytes 128K --requests {case.device_mib * 8} {everything}"
    load = f"--rw randread --bytes 4K --depth 32 --tasks {case.tasks} --ms 500 {everything}"
    return device_text(device, more={"FILL": fill, "LOADS": load})


# ------------------------------------------------------------------ watching


def wrong_with(device: Device, said: Mapping[str, Any]) -> str:
    """What of a device is not as its arm has it; empty if all is.  said: its event "device"."""
    server, facts = said.get("server"), said.get("facts") or {}
    if device.server:
        if not isinstance(server, dict):
            return "its server said nothing of itself"
        protections = server.get("protections") or {}
        for name in (*device.protections_on, *device.protections_off):
            if protections.get(name) is not (name in device.protections_on):
                return f"protection {name} is {protections.get(name)}, not {name in device.protections_on}"
        if server.get("device") not in (None, device.path):
            return f"its server serves {server['device']}, not {device.path}"
    for name, (_file, want) in device.read_back.items():
        if not re.search(want, str(facts.get(name))):
            return f"{name} is {facts.get(name)!r}, not {want}"
    return ""


@dataclass
class Boot:
    """What a boot came to.  error: empty if it went through its plan."""

    devices: dict[str, Any] = field(default_factory=dict)
    ps_per_instruction: int = 0
    error: str = ""
    spoke: bool = False
    qemu_args: list[str] = field(default_factory=list)
    accel: str = ""


def _take(boot: Boot, event: Mapping[str, Any], clock: Clock, devices: Mapping[str, Device],
          on_line: Callable[[Mapping[str, Any]], None]) -> bool:
    """One line of the guest; False: it is the last."""
    kind = event.get("event")
    boot.spoke = boot.spoke or kind != "module"
    if kind == "clock":
        boot.ps_per_instruction = int(event["result"]["ps_per_instruction"])
        off = abs(boot.ps_per_instruction / (COUNTED_NS * 1000) - 1)
        if clock.counted and off > CLOCK_OFF_MAX:
            boot.error = f"an instruction takes {boot.ps_per_instruction} ps of the guest's time, not {COUNTED_NS * 1000}"
            return False
    elif kind == "device":
        name = event["name"]
        boot.devices[name] = event
        wrong = wrong_with(devices[name], event) if name in devices else ""
        if wrong:
            boot.error = f"{name}: {wrong}"
            return False
    elif kind == "failed":
        boot.error = f"{event.get('step')}: {event.get('error')}"
        return False
    elif kind == "module":
        boot.error = f"the guest's kernel has no module {event.get('name')}: run `make bench-build`"
        return False
    elif kind == "exit":
        boot.error = "" if event.get("status") == 0 else f"the guest's job ended with status {event.get('status')}"
        return False
    elif kind in ("measured", "not-measured", "memory"):
        on_line(event)
    return True


def follow(guest: Guest, boot: Boot, clock: Clock, devices: Mapping[str, Device],
           on_line: Callable[[Mapping[str, Any]], None]) -> None:
    """Until the guest has gone through its plan, or will not."""
    heard = time.monotonic()
    while True:
        limit_s = SILENT_S if boot.spoke else FIRST_S
        event = guest.get_event(max(0.0, min(1.0, heard + limit_s - time.monotonic())))
        if event is None:
            if time.monotonic() - heard > limit_s:
                boot.error = f"the guest has said nothing for {limit_s:.0f} s"
                return
            continue
        if event.kind == "result":
            heard = time.monotonic()
            if not _take(boot, event.payload, clock, devices, on_line):
                return
        elif event.kind == "qmp" and event.payload.get("event") == "GUEST_PANICKED":
            boot.error = "the guest panicked"
            return
        elif event.kind == "exit":
            boot.error = f"the guest ended early: {event.payload.get('stderr', '')}".strip(": ")
            return


def run(config: Config, clock: Clock, devices: Mapping[str, Device], overlay: Mapping[str, str], folder: Path,
        on_line: Callable[[Mapping[str, Any]], None]) -> Boot:
    """Boot once, carry out what `overlay` (place: text) says, hand each line to `on_line`.

    folder      for the run: disks, initrd, console.log; what is large is removed afterwards

    LabError if the lab itself fails; the guest's failures are in Boot.error.
    """
    inputs = Inputs.of(config, clock)
    stores = stores_of(clock, list(devices.values()), config.device_mib)
    folder.mkdir(parents=True, exist_ok=True)
    entries = [cpio.Entry.file(place, path, mode) for place, (path, mode) in inputs.files.items()]
    params = _shell({"SERVER_CPUS": clock.server_cpus, "SETTLE_MS": str(clock.settle_ms)})
    entries.append(cpio.Entry.file("/job/params", params))
    entries += [cpio.Entry.file(place, text) for place, text in overlay.items()]
    archive = folder / "overlay.cpio"
    cpio.write_cpio(archive, entries)
    modules = f"abuse.modules={','.join(stores.modules)}" if stores.modules else ""
    boot = Boot()
    try:
        for _attempt in range(BOOT_RETRIES + 1):
            disks = [Disk(make_disk(folder / f"{serial}.raw", config.device_mib << 20), serial) for serial in stores.serials]
            boot = Boot()
            guest = Guest(kernel=inputs.kernel, initrds=[*inputs.images, archive], workdir=folder, cpu=clock.cpu,
                          append=f"{stores.append} {modules}".strip(), memory_mib=clock.memory_mib, cpus=config.cpus,
                          disks=disks, counted=clock.counted)
            with guest:
                follow(guest, boot, clock, devices, on_line)
            boot.qemu_args, boot.accel = guest.qemu_args, str(guest.accel)
            if boot.spoke or not boot.error:
                break
    finally:
        for path in (archive, folder / "initrd", folder / "files.tar", *folder.glob("*.raw")):
            path.unlink(missing_ok=True)
    return boot


def overlay_of(config: Config, clock: Clock, devices: Sequence[Device], steps: Sequence[Step], seed: int, *,
               sampled: bool = False) -> dict[str, str]:
    """What the guest of some steps is told."""
    disk_of = stores_of(clock, devices, config.device_mib).disk_of
    out = {f"/job/devices/{number:02}-{device.name}": device_text(device, disk_of.get(device.name, ""))
           for number, device in enumerate(devices)}
    out["/job/plan"] = plan_text(config, clock, steps, seed, sampled=sampled)
    return out


def memory_overlay(config: Config, cases: Sequence[tuple[int, MemoryCase]]) -> dict[str, str]:
    """What the guest of some memory cases is told; each file is named by its number."""
    return {f"/job/memory/{number}": memory_text(case, config.memory.made[case], config.noise_percent)
            for number, case in cases}

