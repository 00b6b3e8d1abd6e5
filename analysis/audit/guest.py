# SPDX-License-Identifier: GPL-2.0-only
"""Boot one guest for one audit of audits.toml, and bring its record home.

Where it stands: audits.toml > [guest] > experiments/guest/audit.sh > allocaudit > record.  Kernel, images, programs and disks are
those of an arm (experiments/arms); the job is another.  Builds nothing.
"""
from __future__ import annotations

import shlex
import shutil
import sys
import tarfile
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO / "experiments"), str(REPO / "vm-images")]

import cpio  # noqa: E402 (found through the line above)
from lab import arms, runner  # noqa: E402
from lab.vm import Disk, Guest, LabError, make_disk, need_space  # noqa: E402

from .table import VERDICTS  # noqa: E402

AUDITS = Path(__file__).resolve().parent / "audits.toml"
JOB = REPO / "experiments" / "guest" / "audit.sh"
RECORD = "alloc-audit.log"
# Two of 145 boots died of a race in the emulator before they did anything.
BOOT_TRIES = 3
# Plain emulation on a busy machine; a boot takes 4 s, an audit of 2,000 requests about 20.
LIMIT_S = 400.0
KEYS = {"name", "arm", "set", "tasks", "through", "load", "requests", "skip", "memory_mib", "want"}


@dataclass(frozen=True)
class Spec:
    """One audit: an arm, who is watched meanwhile, and the verdicts that are expected."""

    name: str
    arm: dict[str, Any]
    tasks: dict[str, str]
    through: tuple[str, ...] = ()
    load: str = "io"
    requests: int = 2000
    skip: int = 0
    want: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def options(self) -> str:
        """allocaudit's, as the guest's shell expands them."""
        words = ["--out", f"/job/out/{RECORD}", "--device", "$DEVICE", "--report", "/dev/port/result"]
        for role, who in self.tasks.items():
            words += ["--task", f"{role}={who}"]
        for module in self.through:
            words += ["--through", module]
        if self.skip:
            words += ["--skip", str(self.skip)]
        # Swap goes on after the window; the load of its own is as long as that.
        words += ["--requests" if self.load == "swap" else "--io", str(self.requests)]
        return " ".join(words)


def _overrides(dotted: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in dotted.items():
        section, _dot, name = key.partition(".")
        out.setdefault(section, {})[name] = value
    return out


def _spec(raw: dict[str, Any], where: str) -> Spec:
    unknown = sorted(set(raw) - KEYS)
    if unknown:
        raise LabError(f"{where}: unknown key {unknown[0]}")
    if raw["load"] not in ("io", "swap"):
        raise LabError(f"{where}: load: io or swap is wanted")
    want = {role: (verdict,) if isinstance(verdict, str) else tuple(verdict) for role, verdict in raw.get("want", {}).items()}
    for role, verdicts in want.items():
        if role not in raw["tasks"] and role.removeprefix("through ") not in raw.get("through", []):
            raise LabError(f"{where}: want.{role}: it is not watched")
        if not verdicts or any(verdict not in VERDICTS for verdict in verdicts):
            raise LabError(f"{where}: want.{role}: some of {', '.join(VERDICTS)} are wanted")
    overrides = _overrides({"load.stress_ng": "", "load.stress_ops": 0, "guest.memory_mib": raw["memory_mib"], **raw.get("set", {})})
    arm = arms.compose(raw["arm"], overrides, where)
    # Images that only a load wants take memory.
    arm["guest"]["images"] = [name for name in arm["guest"]["images"] if name != "stress-ng"]
    return Spec(raw["name"], arm, dict(raw["tasks"]), tuple(raw.get("through", ())), raw["load"], raw["requests"], raw["skip"], want)


def specs(path: Path = AUDITS) -> dict[str, Spec]:
    """All audits of a file by name, in its order.  LabError if it is wrong."""
    where = f"audits {path.name}"
    try:
        raw = tomllib.loads(path.read_text())
    except OSError as error:
        raise LabError(f"{where}: {error.strerror}") from None
    except tomllib.TOMLDecodeError as error:
        raise LabError(f"{where}: {error}") from None
    out: dict[str, Spec] = {}
    for number, item in enumerate(raw.get("audit", []), 1):
        name = item.get("name")
        if not isinstance(name, str) or name in out or not isinstance(item.get("arm"), str):
            raise LabError(f"{where}: audit {name or number}: a name of its own and an arm are wanted")
        out[name] = _spec({**raw.get("defaults", {}), **item}, f"{where}, audit {name}")
    return out


def params(spec: Spec, seed: int = 1) -> str:
    """/job/params for audit.sh: shell assignments."""
    arm, device = spec.arm, spec.arm["device"]
    swap = spec.load == "swap"
    values = {
        "DISK_SERIAL": arm.get("disk", {}).get("serial", ""),
        "INSMOD": device["insmod"],
        "SETUP": device["setup"],
        "DEVICE": device["path"],
        "SERVER": arm["server"]["command"],
        "PAGELOAD": f"{arm['load']['pageload']} --seed {seed}" if swap else "",
        "SWAP": "1" if swap else "",
        "AUDIT": spec.options(),
    }
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def _overlay(inputs: runner.Inputs, spec: Spec, path: Path) -> Path:
    entries = [cpio.Entry.file("/job/run", JOB, 0o755), cpio.Entry.file("/job/params", params(spec))]
    entries += [cpio.Entry.file(place, source, int(mode, 8)) for source, place, mode in inputs.overlay_files if place != "/job/run"]
    cpio.write_cpio(path, entries)
    return path


def _follow(guest: Guest, say: Callable[[str], None]) -> tuple[int | None, str]:
    """(the job's exit status, what failed); None: it did not say one."""
    deadline = time.monotonic() + LIMIT_S
    status, failed = None, ""
    while (left := deadline - time.monotonic()) > 0:
        event = guest.get_event(min(left, 5.0))
        if event is None:
            if not guest.running:
                break
            continue
        if event.kind == "exit":
            break
        if event.kind == "qmp" and event.payload.get("event") == "GUEST_PANICKED":
            return None, "the guest panicked"
        if event.kind != "result":
            continue
        if event.payload.get("event") == "failed":
            failed = f"step {event.payload.get('step')} failed with status {event.payload.get('status')}"
        elif event.payload.get("event") == "audited":
            say("the record is made")
        elif event.payload.get("event") == "exit":
            status = int(event.payload["status"])
    else:
        failed = failed or f"the guest did not end within {LIMIT_S:.0f} s"
    return status, failed


def _fetch(guest: Guest, folder: Path) -> Path | None:
    """The record out of the guest's files."""
    try:
        with tarfile.open(guest.files_path) as tar:
            for member in tar.getmembers():
                stream = tar.extractfile(member) if member.name.endswith(RECORD) else None
                if stream is not None:
                    path = folder / RECORD
                    with open(path, "wb") as out:
                        shutil.copyfileobj(stream, out)
                    return path
    except (OSError, tarfile.TarError):
        pass
    return None


def run(spec: Spec, series: str, folder: Path, say: Callable[[str], None] = lambda _text: None) -> Path:
    """Boot, audit, and return the record's path in `folder`, which is made.  LabError: no record, and why."""
    arm = {**spec.arm, "guest": {**spec.arm["guest"], "programs": [*spec.arm["guest"]["programs"], "allocaudit"]}}
    inputs = runner.Inputs.of(arm, series)
    folder.mkdir(parents=True, exist_ok=True)
    disk_bytes = int(arm.get("disk", {}).get("size_mib", 0)) << 20
    need_space(folder, disk_bytes + (256 << 20))
    why = ""
    for _attempt in range(BOOT_TRIES):
        disks = [Disk(make_disk(folder / "store.raw", disk_bytes), arm["disk"]["serial"])] if disk_bytes else []
        modules = ",".join(arm["guest"]["modules"])
        append = f"{arm['guest']['append']} {'abuse.modules=' + modules if modules else ''}".strip()
        guest = Guest(kernel=inputs.kernel, initrds=[*inputs.images, _overlay(inputs, spec, folder / "overlay.cpio")], workdir=folder,
                      append=append, memory_mib=arm["guest"]["memory_mib"], cpus=arm["guest"]["cpus"], disks=disks)
        try:
            with guest:
                status, why = _follow(guest, say)
        finally:
            for name in ("store.raw", "initrd", "overlay.cpio"):
                (folder / name).unlink(missing_ok=True)
        path = _fetch(guest, folder)
        guest.files_path.unlink(missing_ok=True)
        if path is not None and status == 0:
            return path
        why = why or f"the job ended with status {status}"
        # Only a boot that died before it said anything is tried again.
        if status is not None or "failed" in why:
            break
    raise LabError(f"audit {spec.name} on {series}: {why}; see {folder / 'console.log'}")
