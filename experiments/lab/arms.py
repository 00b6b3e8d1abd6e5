# SPDX-License-Identifier: GPL-2.0-only
"""Arms as data: what a file may say, how files build on each other, and what a whole arm comes to.

Where it stands: [arm] > run > vm > guest > job.  Hands a complete dict to runner.py; reads files, runs nothing.

An arm is a TOML file.  `base = "safe"` takes over another one's sections, key by key, and what stands beside it
overrides; `server = false` drops a section of the base.  `workload = "thrash"` does the same with the sections of a file
of experiments/workloads.  A key that SCHEMA does not have is an error that names file and key: a misspelt switch must
not become a silent default.
"""
from __future__ import annotations

import copy
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import verdict
from .vm import REPO, LabError

ARMS = REPO / "experiments" / "arms"
WORKLOADS = REPO / "experiments" / "workloads"
JOB = REPO / "experiments" / "guest" / "job.sh"

# As in swapserver/protect.c; a test compares the two.
PROTECTIONS = ("core", "oom", "sched", "mlock", "flusher", "scope", "nofault", "caps", "sealed")
# Backends whose server never has the reserve scope, whatever is asked: no_scope in their sources; a test compares the two.
WITHOUT_SCOPE = ("file",)

# Faults that the host puts in, and those that the guest's job has to.
HOST_FAULTS = ("vm-stop", "balloon", "disk-slow")
# As in guest/fault/main.c; a test compares the two.
GUEST_FAULTS = ("kill", "stop", "segv", "disconnect", "failslab", "fail-page-alloc", "rt-hog", "suspend", "disk-error")
# Of these, those that are put into the server.
SERVER_FAULTS = ("kill", "stop", "segv", "failslab", "fail-page-alloc")


@dataclass(frozen=True)
class Key:
    """What a key holds.  kind: "str", "int", "bool" or "strs"; low, high: bounds of an int, or none."""

    kind: str
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()

    def wrong(self, value: Any) -> str | None:
        """Why `value` is none; None if it is one."""
        if self.kind == "strs":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                return "a list of strings is wanted"
            odd = [item for item in value if self.choices and item not in self.choices]
            return f"{odd[0]!r} is none of {', '.join(self.choices)}" if odd else None
        wanted = {"str": str, "int": int, "bool": bool}[self.kind]
        # A bool is an int, to Python.
        if not isinstance(value, wanted) or (self.kind == "int" and isinstance(value, bool)):
            return f"{self.kind} is wanted, {value!r} is none"
        if self.choices and value not in self.choices:
            return f"{value!r} is none of {', '.join(self.choices)}"
        if self.low is not None and value < self.low or self.high is not None and value > self.high:
            return f"{value} is not within {self.low} and {self.high if self.high is not None else 'anything'}"
        return None


_STR, _BOOL, _STRS = Key("str"), Key("bool"), Key("strs")


def _int(low: int = 0, high: int | None = None) -> Key:
    return Key("int", low, high)


# Section "" is the file's top.  Units are in the names.
SCHEMA: dict[str, dict[str, Key]] = {
    "": {"name": _STR, "question": _STR, "base": _STR, "workload": _STR, "kernel": _STR},
    # locked_mib: of the memory, what the server locks and others' do not: the load goes by the rest.
    # counted: the guest's clock counts its instructions, and its disk lies in its own memory: it repeats (experiments/replay).
    "guest": {"memory_mib": _int(64), "locked_mib": _int(1), "cpus": _int(1), "images": _STRS, "modules": _STRS, "append": _STR,
              "programs": _STRS, "counted": _BOOL},
    # iops_max: the disk of the store answers so many requests a second, from the host's side.
    "disk": {"size_mib": _int(1), "serial": _STR, "iops_max": _int(1)},
    "device": {"path": _STR, "insmod": _STR, "rmmod": _STR, "counters": Key("str", choices=("abuse", "vmstat")),
               "setup": _STR, "teardown": _STR, "attach": _STR, "detach": _STR},
    # Any name in small letters: a table with the keys of READ_BACK_KEYS.
    "readback": {},
    # Either a command, or our own server by its options: kind, size, ... without.
    "server": {"command": _STR, "comm": _STR, "protections_on": _STRS, "protections_off": _STRS,
               "kind": Key("str", choices=("swapserver",)), "size": _STR, "backend": _STR, "queue": _int(1),
               "batch": _int(1, 64), "hold": _int(1, 64), "standby": _int(0, 7), "hang_timeout_s": _int(0, 3600), "naive": _BOOL,
               "without": Key("strs", choices=PROTECTIONS), "options": _STR},
    # pages_percent: pageload's memory by the guest's, without locked_mib, instead of a --bytes of its own.
    "load": {"pageload": _STR, "pages_percent": _int(1), "stress_ng": _STR, "stress_ops": _int(), "dirty": _STR, "read_only": _BOOL, "fork_exec": _STR,
             "evict_passes": _int(1), "swapoff_under_load": _BOOL, "order": Key("str", choices=("one-by-one", "at-once"))},
    # Toggles of the guest's kernel; each is read back, or the run is INVALID.
    "vm": {"mglru": _BOOL, "page_cluster": _int(0, 10), "min_free_kbytes": _int(1), "swappiness": _int(0, 200),
           "dirty_ratio": _int(1, 100), "dirty_background_ratio": _int(1, 100)},
    "cgroup": {"memory_max_mib": _int(1), "memory_high_mib": _int(1), "holds": Key("str", choices=("load", "server", "both"))},
    "fault": {"kind": Key("str", choices=HOST_FAULTS + GUEST_FAULTS), "after_s": _int(0), "after_requests": _int(0),
              "every_s": _int(1), "count": _int(1), "size_mib": _int(1), "iops_max": _int(1)},
    # crawl_s: so long a load must have crept for a livelock (verdict.py; default 60 s of guest time).
    "limits": {"boot_s": _int(1), "stall_s": _int(1), "silent_s": _int(1), "total_s": _int(1), "crawl_s": _int(6)},
    # write_mib, read_mib: of the device, where that is not what is swapped.
    "judge": {"swap_mib": _int(0), "write_mib": _int(0), "read_mib": _int(0)},
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "guest": {"memory_mib": 256, "cpus": 2, "images": [], "modules": [], "append": "", "programs": []},
    "device": {"insmod": "", "rmmod": "", "counters": "abuse", "setup": "", "teardown": ""},
    "readback": {},
    "load": {"pageload": "", "stress_ng": "", "stress_ops": 0},
    "limits": {"boot_s": 60, "stall_s": int(verdict.STALL_S), "silent_s": int(verdict.SILENT_S), "total_s": 300},
    "judge": {"swap_mib": verdict.SWAP_MIB},
}

# A name of [readback] is something about the device that the kernel tells in a file: where, and what it must match.
READ_BACK_KEYS = {"file", "want"}

# Sections that an arm may have or not; those of DEFAULTS are always there.
OPTIONAL = ("disk", "server", "vm", "cgroup", "fault")

# /job/params beyond those of a plain run: the guest's variable and where its value stands.  Empty where the arm is silent.
GUEST_PARAMS: dict[str, tuple[str, str]] = {
    "TEARDOWN": ("device", "teardown"),
    # Shell: once the server is ready, and when the device is out of use again, before the server ends.
    "ATTACH": ("device", "attach"),
    "DETACH": ("device", "detach"),
    "VM_MGLRU": ("vm", "mglru"),
    "VM_PAGE_CLUSTER": ("vm", "page_cluster"),
    "VM_MIN_FREE_KBYTES": ("vm", "min_free_kbytes"),
    "VM_SWAPPINESS": ("vm", "swappiness"),
    "VM_DIRTY_RATIO": ("vm", "dirty_ratio"),
    "VM_DIRTY_BACKGROUND_RATIO": ("vm", "dirty_background_ratio"),
    "CGROUP_MEMORY_MAX_MIB": ("cgroup", "memory_max_mib"),
    "CGROUP_MEMORY_HIGH_MIB": ("cgroup", "memory_high_mib"),
    "CGROUP_HOLDS": ("cgroup", "holds"),
    "FAULT_KIND": ("fault", "kind"),
    "FAULT_AFTER_S": ("fault", "after_s"),
    "FAULT_AFTER_REQUESTS": ("fault", "after_requests"),
    "FAULT_EVERY_S": ("fault", "every_s"),
    "FAULT_COUNT": ("fault", "count"),
    "LOAD_DIRTY": ("load", "dirty"),
    "LOAD_READ_ONLY": ("load", "read_only"),
    "LOAD_FORK_EXEC": ("load", "fork_exec"),
    "LOAD_EVICT_PASSES": ("load", "evict_passes"),
    "LOAD_SWAPOFF": ("load", "swapoff_under_load"),
    "LOAD_ORDER": ("load", "order"),
}


# ------------------------------------------------------------------ reading


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """A TOML file as a dict.  LabError that names it, "WHAT PATH: ..."."""
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise LabError(f"{what} {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{what} {path}: {error}") from None


def _check_read_back(name: str, entry: Any, where: str) -> None:
    if not re.fullmatch(r"[a-z_]+", name) or not isinstance(entry, dict) or set(entry) != READ_BACK_KEYS \
            or not all(isinstance(value, str) for value in entry.values()):
        raise LabError(f"{where}: readback.{name} is a name in small letters, with keys file and want")
    try:
        re.compile(entry["want"])
    except re.error as error:
        raise LabError(f"{where}: readback.{name}.want: {error}") from None


def check_keys(raw: Mapping[str, Any], where: str, *, top: frozenset[str] = frozenset(SCHEMA[""])) -> None:
    """LabError, "WHERE: ...", at the first key that is unknown or holds something else than it should.

    top: keys allowed outside of sections.
    """
    for name, value in raw.items():
        if name in SCHEMA and name:
            if value is False and name in OPTIONAL:
                continue
            if not isinstance(value, dict):
                raise LabError(f"{where}: {name} is a section, [{name}]")
            for key, held in value.items():
                if name == "readback":
                    _check_read_back(key, held, where)
                    continue
                if key not in SCHEMA[name]:
                    raise LabError(f"{where}: unknown key {name}.{key}")
                wrong = SCHEMA[name][key].wrong(held)
                if wrong:
                    raise LabError(f"{where}: {name}.{key}: {wrong}")
        elif name in top:
            wrong = SCHEMA[""][name].wrong(value)
            if wrong:
                raise LabError(f"{where}: {name}: {wrong}")
        else:
            first = next(iter(value), "") if isinstance(value, dict) else ""
            raise LabError(f"{where}: unknown key {name}{'.' + first if first else ''}")


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`over` on top of `under`: sections key by key, everything else as a whole.  Neither is changed."""
    out = copy.deepcopy(dict(under))
    for name, value in over.items():
        if isinstance(value, dict) and isinstance(out.get(name), dict):
            out[name].update(copy.deepcopy(value))
        else:
            out[name] = copy.deepcopy(value)
    return out


def workload(name: str, where: str) -> dict[str, Any]:
    """Sections of experiments/workloads/NAME.toml.  LabError, "WHERE: ...", if there is none."""
    path = WORKLOADS / f"{name}.toml"
    if not path.is_file():
        raise LabError(f"{where}: workload {name!r}: {path.relative_to(REPO)} is not there")
    raw = read_toml(path, "workload")
    check_keys(raw, f"workload {path}", top=frozenset())
    return raw


def _find(name: str, asks: Path | None, where: str) -> Path:
    """An arm of the project, or one beside the file that asks for it: not that file itself, so that safe.toml may vary our safe."""
    places = [folder / f"{name}.toml" for folder in (asks.parent if asks else None, ARMS) if folder is not None]
    for path in places:
        if path.is_file() and not (asks and path.resolve() == asks.resolve()):
            return path
    raise LabError(f"{where}: arm {name!r}: {places[-1].relative_to(REPO)} is not there")


def _read(path: Path, below: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A file on top of its base, with its workload; not yet complete."""
    where = f"arm {path}"
    if path.resolve() in below:
        raise LabError(f"{where}: base leads back to itself")
    raw = read_toml(path, "arm")
    check_keys(raw, where)
    if "base" not in raw:
        under: dict[str, Any] = {}
    else:
        base = _find(raw["base"], path, where)
        under = _read(base, (*below, path.resolve()))
        # What an arm is called and asks is its own.
        under.pop("name", None)
        under.pop("question", None)
    if "workload" in raw:
        under = merge(under, workload(raw["workload"], where))
    return merge(under, {key: value for key, value in raw.items() if key not in ("base", "workload")})


# --------------------------------------------------------------- completing


def _swapserver(server: dict[str, Any], where: str) -> None:
    """Command, name and protections of our own server, from its options."""
    for key in ("command", "protections_on", "protections_off"):
        if key in server:
            raise LabError(f"{where}: server.{key} follows from server.kind = \"swapserver\": drop the one or the other")
    if not server.get("backend"):
        raise LabError(f"{where}: server.backend is missing: where the pages go")
    naive = bool(server.get("naive"))
    # The naive one has none, or those that "without" leaves it.
    without = list(server.get("without", PROTECTIONS if naive else []))
    words = ["/bin/swapserver", "/dev/abctl0"]
    if naive:
        words += ["--naive", *(f"--{name}" for name in PROTECTIONS if name not in without)]
    else:
        words += [f"--no-{name}" for name in PROTECTIONS if name in without]
    for key, option in (("size", "--size"), ("queue", "--queue"), ("batch", "--batch"), ("hold", "--hold"), ("standby", "--standby"),
                        ("hang_timeout_s", "--hang-timeout")):
        if key in server:
            words += [option, str(server[key])]
    if server.get("options"):
        words.append(server["options"])
    words += ["--status", "$STATUS_FILE", "--ready", "$READY_FILE", server["backend"]]
    server["command"] = " ".join(words)
    server.setdefault("comm", "swapserver")
    # fault,...:file,...: the innermost is the store.
    if server["backend"].rpartition(":")[2].partition(",")[0] in WITHOUT_SCOPE:
        without.append("scope")
    server["protections_on"] = [name for name in PROTECTIONS if name not in without]
    # The scope implies nofault: left out alone, the server tells it as on.
    server["protections_off"] = [name for name in PROTECTIONS if name in without and (name != "nofault" or "scope" in without)]


def _check_fault(arm: Mapping[str, Any], where: str) -> None:
    """LabError if the arm's fault lacks what it would act on."""
    fault = arm.get("fault")
    if fault is None:
        return
    kind = fault.get("kind")
    if kind is None:
        raise LabError(f"{where}: fault.kind is missing")
    if kind == "balloon" and "size_mib" not in fault:
        raise LabError(f"{where}: fault.size_mib is missing: what memory the balloon leaves")
    if kind == "disk-slow" and "iops_max" not in fault:
        raise LabError(f"{where}: fault.iops_max is missing: requests a second that the disk still answers")
    if kind in ("disk-slow", "disk-error") and arm.get("disk") is None:
        raise LabError(f"{where}: fault.kind = \"{kind}\": there is no [disk]")
    # The module takes no mapping to forward to: one could lead back to it.
    if kind == "disk-error" and "forward" in str(arm.get("server", {}).get("backend", "")):
        raise LabError(f"{where}: fault.kind = \"disk-error\" puts a mapping under the store, and forward takes none")
    if kind in SERVER_FAULTS and arm.get("server") is None:
        raise LabError(f"{where}: fault.kind = \"{kind}\": there is no server")
    if kind == "disconnect" and not str(arm["device"]["path"]).startswith("/dev/nbd"):
        raise LabError(f"{where}: fault.kind = \"disconnect\" is nbd's")


def _check_counted(arm: Mapping[str, Any], where: str) -> None:
    """LabError if something of the host would act on a guest whose clock is not the host's."""
    if arm.get("fault", {}).get("kind") in HOST_FAULTS:
        raise LabError(f"{where}: guest.counted: the host puts {arm['fault']['kind']} in by its own clock, which the guest does not share")
    if "iops_max" in arm.get("disk", {}):
        raise LabError(f"{where}: guest.counted: the disk lies in the guest's memory, disk.iops_max is the host's")


def complete(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Defaults filled in, commands derived, contradictions refused.  LabError, "WHERE: ..."."""
    arm = copy.deepcopy(dict(raw))
    for section in OPTIONAL:
        if arm.get(section) is False:
            del arm[section]
    for section, defaults in DEFAULTS.items():
        arm[section] = {**defaults, **arm.get(section, {})}
    if not arm["device"].get("path"):
        raise LabError(f"{where}: device.path is missing: what to swap on")
    server = arm.get("server")
    if server is not None:
        if server.get("kind") == "swapserver":
            _swapserver(server, where)
        elif not server.get("command"):
            raise LabError(f"{where}: server.command or server.kind is missing: how to start it")
        else:
            ours = [key for key in server if key in ("size", "backend", "queue", "batch", "hold", "standby", "hang_timeout_s",
                                                     "naive", "without", "options")]
            if ours:
                raise LabError(f"{where}: server.{ours[0]} needs server.kind = \"swapserver\"")
    load = arm["load"]
    if "pages_percent" in load:
        if "--bytes" in load["pageload"] or not load["pageload"]:
            raise LabError(f"{where}: load.pages_percent gives load.pageload its --bytes: it has one, or is empty")
        mib = (arm["guest"]["memory_mib"] - arm["guest"].get("locked_mib", 0)) * load["pages_percent"] // 100
        load["pageload"] = f"--bytes {mib}M {load['pageload']}"
    # Only where it is wanted: an eighth of a small guest's memory.
    if load["stress_ng"] and "stress-ng" not in arm["guest"]["images"]:
        arm["guest"]["images"] = [*arm["guest"]["images"], "stress-ng"]
    # The file system over the device is ext4.
    if load.get("dirty") and "e2fs" not in arm["guest"]["images"]:
        arm["guest"]["images"] = [*arm["guest"]["images"], "e2fs"]
    if load.get("read_only") and (not load.get("dirty") or arm.get("disk") is None):
        raise LabError(f"{where}: load.read_only: wants load.dirty, and a [disk] that is filled beforehand")
    if load.get("swapoff_under_load") and load.get("dirty"):
        raise LabError(f"{where}: load.swapoff_under_load and load.dirty: one device, one use")
    _check_fault(arm, where)
    if arm.get("fault", {}).get("kind") == "balloon" and "virtio_balloon" not in arm["guest"]["modules"]:
        arm["guest"]["modules"] = [*arm["guest"]["modules"], "virtio_balloon"]
    if arm.get("cgroup") is not None and not {"memory_max_mib", "memory_high_mib"} & set(arm["cgroup"]):
        raise LabError(f"{where}: cgroup.memory_max_mib or cgroup.memory_high_mib is missing")
    if arm.get("cgroup", {}).get("holds") in ("server", "both") and server is None:
        raise LabError(f"{where}: cgroup.holds: there is no server")
    if arm.get("disk") is not None and "size_mib" not in arm["disk"]:
        raise LabError(f"{where}: disk.size_mib is missing")
    arm.get("disk", {}).setdefault("serial", "store")
    if arm["guest"].get("counted"):
        _check_counted(arm, where)
    return arm


def load_arm(path: Path) -> dict[str, Any]:
    """The arm of a file, complete.  LabError if it is not one."""
    raw = _read(path)
    raw.setdefault("name", path.stem)
    return complete(raw, f"arm {path}")


def compose(name: str, overrides: Mapping[str, Any], where: str, workload_name: str | None = None) -> dict[str, Any]:
    """The arm NAME of experiments/arms with a workload and overrides on top, complete.

    LabError: "WHERE: ..." for what is wrong with the overrides, else as load_arm().
    """
    check_keys(overrides, where, top=frozenset({"kernel"}))
    raw = _read(_find(name, None, where))
    raw.setdefault("name", name)
    if workload_name is not None:
        raw = merge(raw, workload(workload_name, where))
    return complete(merge(raw, overrides), where)


# ------------------------------------------------------------ what it comes to


def digest(arm: Mapping[str, Any], series: str) -> str:
    """Ten digits that stand for all that an arm and a kernel make different; not for names and prose."""
    said = {key: value for key, value in arm.items() if key not in ("name", "question", "kernel")}
    text = json.dumps([series, said], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value)


def guest_params(arm: Mapping[str, Any]) -> dict[str, str]:
    """Variables of /job/params by GUEST_PARAMS; a fault that the host puts in is none of the guest's."""
    values = {name: _text(arm.get(section, {}).get(key)) for name, (section, key) in GUEST_PARAMS.items()}
    values["READ_BACK"] = " ".join(f"{name} {entry['file']}" for name, entry in arm.get("readback", {}).items())
    if values["FAULT_KIND"] in HOST_FAULTS:
        values.update({name: "" for name in values if name.startswith("FAULT_")})
    return values


def job_files() -> list[Path]:
    """The guest's job: job.sh, and the parts that it sources."""
    return [JOB, *sorted(JOB.with_suffix("").glob("*.sh"))]


def job_text() -> str:
    return "".join(path.read_text() for path in job_files())


def guest_programs(arm: Mapping[str, Any]) -> list[str]:
    """Names of the programs, and scripts, that the arm's job starts, without its server."""
    load, kind = arm.get("load", {}), arm.get("fault", {}).get("kind")
    wanted = {
        "forkexec": load.get("fork_exec"), "evict": load.get("evict_passes"), "swapcycle": load.get("swapoff_under_load"),
        "fault": kind in GUEST_FAULTS, "dm": kind == "disk-error",
    }
    return ["agent", "pageload", *(name for name, needed in wanted.items() if needed), *arm["guest"]["programs"]]


def not_handled(arm: Mapping[str, Any], job_text: str) -> list[str]:
    """Variables that the arm sets and the guest's job never reads: its switches would not act."""
    return [name for name, value in guest_params(arm).items() if value and name not in job_text]


def toggles(arm: Mapping[str, Any]) -> dict[str, str]:
    """Names of the kernel's toggles that the guest has to read back, and the values wanted."""
    wanted = {key: _text(value) for key, value in arm.get("vm", {}).items()}
    wanted.update({f"cgroup_{key}": _text(value) for key, value in arm.get("cgroup", {}).items() if key != "holds"})
    return wanted
