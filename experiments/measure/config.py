# SPDX-License-Identifier: GPL-2.0-only
"""experiments/bench.toml as data: clocks, devices, works, memory cases, targets.

Where it stands: [config] > rounds > boot > guest > record > table.  Reads files, runs nothing.  A key that nobody knows
is an error: a misspelt setting must not become a silent default.
"""
from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lab import arms  # noqa: E402 (found through the line above)
from lab.vm import REPO, LabError  # noqa: E402

FILE = REPO / "experiments" / "bench.toml"
TOOLS = ("blockload", "swapbench", "fio")
# How much of what the content is compressed to a store needs beside it: its index, and parts of chunks.
COMPRESSED_EXTRA_PERCENT = 4


@dataclass(frozen=True)
class Clock:
    """What time is, and the guest it is taken in.

    counted     instructions instead of the host's time
    load_cpus   masks as text, "" is anywhere; server_cpus the same
    store       the device that a disk of one's own is: "virtio-blk", or "pmem"
    raw         the device that is such a disk alone
    """

    name: str
    what: str
    counted: bool
    cpu: str
    memory_mib: int
    rounds: int
    rounds_per_boot: int
    store: str
    raw: str
    controls: tuple[str, ...]
    images: tuple[str, ...]
    load_cpus: str
    server_cpus: str
    settle_ms: int
    blockload: Mapping[str, int]
    swapbench: Mapping[str, int]
    fio: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Device:
    """One device, set up as an arm has it.

    store       whether it gets a disk of its own
    family      devices that are one peer in several settings: the best stands for it
    read_back   name: (file in the guest, what its first line must match)
    """

    name: str
    arm: str
    path: str
    insmod: str
    setup: str
    teardown: str
    server: str
    protections_on: tuple[str, ...]
    protections_off: tuple[str, ...]
    read_back: Mapping[str, tuple[str, str]]
    store: bool
    family: str
    clocks: tuple[str, ...]  # empty: all


@dataclass(frozen=True, order=True)
class Cell:
    """One thing to measure on each device."""

    work: str
    depth: int
    tasks: int

    @property
    def label(self) -> str:
        return f"{self.work}, depth {self.depth}, {self.tasks} task{'s' if self.tasks > 1 else ''}"


@dataclass(frozen=True)
class Work:
    """share: one of so many of the clock's requests; clocks: empty is all."""

    name: str
    tool: str
    arguments: str
    cells: tuple[Cell, ...]
    share: int
    clocks: tuple[str, ...]


@dataclass(frozen=True)
class MemoryCase:
    """One setting of one device whose memory is measured."""

    device: str
    device_mib: int
    depth: int
    tasks: int
    servers: int


@dataclass(frozen=True)
class Memory:
    clock: str
    rounds: int
    cases: tuple[MemoryCase, ...]
    made: Mapping[MemoryCase, Device]


@dataclass(frozen=True)
class Target:
    """One line of the table of targets; exactly one of at_least and at_most is set.

    device, versus  names of devices or families, or "raw" (the clock's)
    memory          "full" or "constant": of the memory cases, instead of `metric` of `cell`
    remains         what the profile says the rest is, where it is missed
    undecided       why what is measured cannot say whether it is met; "": it can
    """

    what: str
    device: str
    versus: str
    above: str
    cell: Cell | None
    versus_cell: Cell | None
    metric: str
    memory: str
    at_least: float | None
    at_most: float | None
    remains: str
    undecided: str = ""


@dataclass(frozen=True)
class Config:
    kernel: str
    cpus: int
    device_mib: int
    noise_percent: int
    images: tuple[str, ...]
    clocks: Mapping[str, Clock]
    devices: Mapping[str, Device]
    works: Mapping[str, Work]
    memory: Memory
    targets: tuple[Target, ...]

    def devices_of(self, clock: str) -> list[Device]:
        return [device for device in self.devices.values() if not device.clocks or clock in device.clocks]

    def cells_of(self, clock: str) -> list[Cell]:
        return [cell for work in self.works.values() if not work.clocks or clock in work.clocks for cell in work.cells]

    def family(self, name: str, clock: str) -> list[str]:
        """The devices that `name` stands for under a clock; empty if there is none."""
        if name == "raw":
            name = self.clocks[clock].raw
        return [device.name for device in self.devices_of(clock) if name in (device.name, device.family)]


# ------------------------------------------------------------------ reading


def _check(raw: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    unknown = sorted(set(raw) - set(known))
    if unknown:
        raise LabError(f"{where}: unknown key {unknown[0]}")


def _values(device_mib: int, noise_percent: int, number: int = 1) -> dict[str, str]:
    """What the texts of a device may have in them; longer names first, for each is replaced wherever it stands."""
    compressed_mib = math.ceil(device_mib * (noise_percent + COMPRESSED_EXTRA_PERCENT) / 100)
    return {"$COMPRESSED_MIB": str(compressed_mib), "$SECTORS": str(device_mib << 11), "$BYTES": str(device_mib << 20),
            "$KIB": str(device_mib << 10), "$MIB": str(device_mib), "$N_LESS_1": str(number - 1), "$N": str(number)}


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same with all its texts filled in."""
    if isinstance(value, str):
        return _fill(value, values)
    if isinstance(value, dict):
        return {key: _filled(held, values) for key, held in value.items()}
    return value


def _replace_all(device: Device, pairs: Sequence[Sequence[str]], where: str) -> Device:
    """Replace texts in all that a device is set up by.  LabError if one is found nowhere."""
    for old, new in pairs:
        texts = [device.path, device.setup, device.teardown, device.server]
        texts += [text for entry in device.read_back.values() for text in entry]
        if not any(old in text for text in texts):
            raise LabError(f"{where}: {old!r} is not in the arm any more: look at experiments/arms/{device.arm}.toml")
        device = replace(
            device, path=device.path.replace(old, new), setup=device.setup.replace(old, new),
            teardown=device.teardown.replace(old, new), server=device.server.replace(old, new),
            read_back={name: (file.replace(old, new), want.replace(old, new))
                       for name, (file, want) in device.read_back.items()})
    return device


def _pairs(raw: Mapping[str, Any], key: str, values: Mapping[str, str]) -> list[list[str]]:
    # Only what is put in is filled in: what is looked for may be the shell's.
    return [[old, _fill(new, values)] for old, new in raw.get(key, [])]


_DEVICE_KEYS = ("arm", "over", "replace", "store", "family", "clocks", "not_read_back")


def _device(name: str, raw: Mapping[str, Any], values: Mapping[str, str]) -> Device:
    where = f"{FILE.name}: device.{name}"
    _check(raw, _DEVICE_KEYS, where)
    arm = arms.compose(raw["arm"], _filled(raw.get("over", {}), values), where)
    server = arm.get("server", {})
    device = Device(
        name=name, arm=raw["arm"], path=arm["device"]["path"], insmod=arm["device"]["insmod"], setup=arm["device"]["setup"],
        teardown=arm["device"]["teardown"], server=server.get("command", ""),
        protections_on=tuple(server.get("protections_on", ())), protections_off=tuple(server.get("protections_off", ())),
        read_back={key: (entry["file"], entry["want"]) for key, entry in arm["readback"].items()
                   if key not in raw.get("not_read_back", ())},
        store=bool(raw.get("store", False)), family=str(raw.get("family", "")), clocks=tuple(raw.get("clocks", ())))
    return _replace_all(device, _pairs(raw, "replace", values), where)


def _clock(name: str, raw: Mapping[str, Any]) -> Clock:
    where = f"{FILE.name}: clock.{name}"
    try:
        return Clock(name=name, **{key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()})
    except TypeError as error:
        raise LabError(f"{where}: {error}") from None


def _cell(work: str, raw: Sequence[int]) -> Cell:
    return Cell(work, int(raw[0]), int(raw[1]))


def _work(name: str, raw: Mapping[str, Any]) -> Work:
    where = f"{FILE.name}: work.{name}"
    _check(raw, ("tool", "arguments", "cells", "share", "clocks"), where)
    if raw["tool"] not in TOOLS:
        raise LabError(f"{where}: {raw['tool']} is none of {', '.join(TOOLS)}")
    return Work(name, raw["tool"], raw["arguments"], tuple(_cell(name, cell) for cell in raw["cells"]),
                int(raw.get("share", 1)), tuple(raw.get("clocks", ())))


_AXES = ("device_mib", "depth", "tasks", "servers")


def _memory(raw: Mapping[str, Any], devices: Mapping[str, Any], noise_percent: int) -> Memory:
    where = f"{FILE.name}: memory"
    _check(raw, ("clock", "rounds", "device", *_AXES), where)
    base = {axis: raw[axis][0] for axis in _AXES}
    made: dict[MemoryCase, Device] = {}
    for name, how in raw["device"].items():
        _check(how, ("replace", "depth", "servers"), f"{where}.device.{name}")
        settings = [base]
        for axis in _AXES:
            if axis in ("device_mib", "tasks") or axis in how:
                settings += [{**base, axis: value} for value in raw[axis][1:]]
        for setting in settings:
            values = _values(setting["device_mib"], noise_percent)
            device = _device(name, devices[name], values)
            device = _replace_all(device, _pairs(how, "replace", values), f"{where}.device.{name}")
            for axis in ("depth", "servers"):
                if axis in how:
                    number = _values(setting["device_mib"], noise_percent, setting[axis])
                    old, new = how[axis]
                    device = _replace_all(device, [[old, _fill(new, number)]], f"{where}.device.{name}.{axis}")
            if "depth" in how:
                # The arm's queue depth is what it is set to here.
                device = replace(device, read_back={key: entry for key, entry in device.read_back.items()
                                                    if key != "queue_depth"})
            made[MemoryCase(name, **setting)] = device
    return Memory(raw["clock"], int(raw["rounds"]), tuple(made), made)


_TARGET_KEYS = ("what", "device", "versus", "above", "cell", "versus_cell", "metric", "memory", "at_least", "at_most", "remains",
                "undecided")


def _target(raw: Mapping[str, Any]) -> Target:
    where = f"{FILE.name}: target {raw.get('what', '')!r}"
    _check(raw, _TARGET_KEYS, where)
    if ("at_least" in raw) == ("at_most" in raw):
        raise LabError(f"{where}: one of at_least and at_most, please")
    if ("cell" in raw) == ("memory" in raw):
        raise LabError(f"{where}: one of cell and memory, please")

    def cell(key: str) -> Cell | None:
        return _cell(raw[key][0], raw[key][1:]) if key in raw else None

    return Target(raw["what"], raw["device"], raw.get("versus", ""), raw.get("above", ""), cell("cell"), cell("versus_cell"),
                  raw.get("metric", ""), raw.get("memory", ""), raw.get("at_least"), raw.get("at_most"), raw.get("remains", ""),
                  raw.get("undecided", ""))


def load(path: Path = FILE) -> Config:
    """The whole file.  LabError, one line, if it is wrong, or an arm is not what it builds on."""
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LabError(f"{path}: {error}") from None
    _check(raw, ("kernel", "cpus", "device_mib", "noise_percent", "images", "clock", "device", "work", "memory", "target"),
           path.name)
    try:
        values = _values(raw["device_mib"], raw["noise_percent"])
        config = Config(
            kernel=raw["kernel"], cpus=raw["cpus"], device_mib=raw["device_mib"], noise_percent=raw["noise_percent"],
            images=tuple(raw["images"]), clocks={name: _clock(name, held) for name, held in raw["clock"].items()},
            devices={name: _device(name, held, values) for name, held in raw["device"].items()},
            works={name: _work(name, held) for name, held in raw["work"].items()},
            memory=_memory(raw["memory"], raw["device"], raw["noise_percent"]),
            targets=tuple(_target(held) for held in raw["target"]))
    except KeyError as error:
        raise LabError(f"{path.name}: {error} is missing") from None
    _check_names(config)
    return config


def _check_names(config: Config) -> None:
    """All that a target or a clock names is there, under at least one clock."""
    names = set(config.devices) | {device.family for device in config.devices.values()} | {"raw", ""}
    cells = {cell for work in config.works.values() for cell in work.cells} | {None}
    for target in config.targets:
        for name in (target.device, target.versus, target.above):
            if name not in names:
                raise LabError(f"{FILE.name}: target {target.what!r}: there is no device {name}")
        for cell in (target.cell, target.versus_cell):
            if cell not in cells:
                raise LabError(f"{FILE.name}: target {target.what!r}: no work has the cell {cell}")
    for clock in config.clocks.values():
        here = {device.name for device in config.devices_of(clock.name)}
        for name in (*clock.controls, clock.raw):
            if name not in here:
                raise LabError(f"{FILE.name}: clock.{clock.name}: there is no device {name}")
    for held in (*config.devices.values(), *config.works.values()):
        for name in held.clocks:
            if name not in config.clocks:
                raise LabError(f"{FILE.name}: {held.name}: there is no clock {name}")
    paths = [(device.path, clock) for clock in config.clocks for device in config.devices_of(clock) if device.path != "$DISK"]
    if len(set(paths)) != len(paths):
        raise LabError(f"{FILE.name}: two devices have the same path")
