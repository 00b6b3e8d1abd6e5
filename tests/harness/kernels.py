# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that tests run on, and what is different on each: the one place for it.

Where it stands: read by headers, schedule and boot.  Debian's are unpacked by vm-images/kernel, our own are built by
vm-images/kernel-source.
"""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kernel:
    """One kernel.

    series          a test for `kernels: SERIES` runs on it
    default         part of `--kernel all`
    memory_factor   of a group's memory_mib
    time_factor     of every limit, in the guest and on the host: how much slower it is
    load_percent    of the guest's memory: the load of tests that swap under pressure
    image           its file in build/kernels/<name>
    uml             user-mode Linux: runs without QEMU, one processor, only groups that say `um = true`
    leaks           has kmemleak: scanned at the end of each boot
    kunit           has KUnit: tests with `module: kunit` run
    builtin         abuse is built in: never loaded, never unloaded
    append          its own boot arguments
    """

    name: str
    series: str
    default: bool = False
    memory_factor: float = 1.0
    time_factor: float = 1.0
    load_percent: int = 130
    image: str = "vmlinuz"
    uml: bool = False
    leaks: bool = False
    kunit: bool = False
    builtin: bool = False
    append: str = ""
    make: str = "images"  # the make target that its image and base archive come from

    @property
    def ours(self) -> bool:
        return self.name != self.series


KERNELS = {
    kernel.name: kernel
    for kernel in (
        Kernel("6.12", "6.12", default=True),
        Kernel("6.1", "6.1", default=True),
        # KASAN's shadow and quarantine, lockdep's tables, kmemleak's objects: 70 MiB at rest, more under load; beside
        # that, 130% of the memory would thrash for a quarter of an hour.
        Kernel("debug", "6.12", memory_factor=1.5, time_factor=5.0, load_percent=100, leaks=True, kunit=True, make="kernel-debug"),
        Kernel("kcsan", "6.12", memory_factor=1.25, time_factor=4.0, load_percent=115, kunit=True, make="kernel-kcsan"),
        Kernel("um", "6.12", memory_factor=1.0, time_factor=2.0, image="linux", uml=True, kunit=True, make="kernel-um"),
        Kernel("um-builtin", "6.12", image="linux", uml=True, builtin=True, append="max_abuse=3",
               make="kernel-um-builtin"),
    )
}
DEFAULT = tuple(kernel.name for kernel in KERNELS.values() if kernel.default)
# What a `kernels:` or `not-on:` line may name.
NAMES = tuple(KERNELS)
