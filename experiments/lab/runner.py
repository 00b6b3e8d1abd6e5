#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run one arm in one guest, from the overlay to the verdict.

Where it stands: arm > [runner] > vm > guest > job; hands what it recorded to verdict.py and, after a hang, to
analysis/waitchain.py.  A results folder is written once:

    manifest.json    what was run: commit, kernel, images, module, QEMU's arguments, accelerator, seed, arm, attempts,
                     and what the guest read back of server and device
    heartbeat.jsonl  the agent's lines, with "host_s", seconds since the guest was started
    events.jsonl     everything else in order: {"host_s", "kind", "payload"}; kinds as in vm.py, and
                     sysrq, nmi, resumed (a stall that was none), ended (why the host stopped looking)
    console.log      the kernel's log and the job's output; console-attemptN.log of boots that died
    verdict.json     the verdict, its reason and numbers, the wait chain
"""
from __future__ import annotations

import datetime
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TextIO

from . import hostfault, verdict
from .arms import guest_params, guest_programs, job_files, load_arm  # noqa: F401 (load_arm: for those who run one arm)
from .vm import COUNTED_CPU, REPO, Disk, Event, Guest, LabError, find_qemu, make_disk, need_space

sys.path.insert(0, str(REPO / "analysis"))
import waitchain  # noqa: E402 (found through the line above)

BUILD = REPO / "build"

# Ends of a run (verdict.Evidence) at which the guest is still there, and does not go on.
HANGS = ("stall", "crawl", "silent")
# Two of 145 boots died of a race in the emulator before they did anything.
BOOT_RETRIES = 2
# The console is quiet for so long: the answer to a sysrq is complete.
QUIET_S = 1.0
# A stalled guest gets this long to prove the stall wrong while the first stacks are taken.
CONFIRM_S = 3.0
# From the agent's end, after which silence says nothing, to the job's: a server stops, modules go.
TEARDOWN_S = 120.0
# From the job's end to the power-off.
POWEROFF_S = 30.0
# Where a guest whose clock is counted has its disk: a disk of the host answers in the host's time.
COUNTED_DISK = "/dev/pmem0"
COUNTED_MODULES = ("nd_e820", "nd_pmem")


# -------------------------------------------------------------- the inputs


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git(*command: str) -> str:
    try:
        return subprocess.run(["git", "-C", str(REPO), *command], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def commit() -> str:
    """Twelve digits of the commit, "-dirty" behind it if the tree differs; "nocommit" before the first."""
    short = _git("rev-parse", "--short=12", "HEAD")
    if not short:
        return "nocommit"
    return short + ("-dirty" if _git("status", "--porcelain") else "")


@dataclass
class Inputs:
    """Files a run is made of."""

    series: str
    kernel: Path
    kernel_manifest: dict[str, Any]
    images: list[Path]
    overlay_files: list[tuple[Path, str, str]]  # host file, place in the guest, octal mode

    @staticmethod
    def of(arm: dict[str, Any], series: str) -> Inputs:
        """Find them all.  LabError names the first that is missing, and the command that makes it."""
        folder = BUILD / "kernels" / series
        kernel = folder / "vmlinuz"
        # Debian's come by themselves; our own (debug) are built when they are asked for.
        ours = "" if series[:1].isdigit() else f" KERNEL={series}"
        if not kernel.is_file():
            raise LabError(f"build/kernels/{series}/vmlinuz is missing: run `make {'all' + ours if ours else 'kernels'}`")
        try:
            kernel_manifest = json.loads((folder / "manifest.json").read_text())
        except (OSError, ValueError):
            raise LabError(f"build/kernels/{series}/manifest.json is missing: run `make {'all' + ours if ours else 'kernels'}`") \
                from None
        images = [BUILD / "images" / f"{series}-base.cpio"]
        images += [BUILD / "images" / f"{name}.cpio" for name in arm["guest"]["images"]]
        guest = BUILD / "guest"
        programs = guest_programs(arm)
        if arm.get("server"):
            first = shlex.split(arm["server"]["command"])[0]
            # Every image has a shell.
            programs += [Path(first).name] if first != "/bin/sh" else []
        scripts = REPO / "experiments" / "guest"
        job, *parts = job_files()
        files = [(job, "/job/run", "755"), *((part, f"/job/lib/{part.name}", "644") for part in parts)]
        files += [((scripts if name.endswith(".sh") else guest) / name, f"/bin/{name}", "755")
                  for name in dict.fromkeys(programs)]
        if arm["device"]["insmod"]:
            place = shlex.split(arm["device"]["insmod"])[0]
            files.append((BUILD / "module" / series / Path(place).name, place, "644"))
        for path in [*images, *(source for source, _place, _mode in files)]:
            if not path.is_file():
                raise LabError(f"{path.relative_to(REPO)} is missing: run `make all{ours}`")
        return Inputs(series, kernel, kernel_manifest, images, files)

    def sha256(self) -> dict[str, str]:
        paths = [self.kernel, *self.images, *(source for source, _place, _mode in self.overlay_files)]
        return {str(path.relative_to(REPO)): _sha256(path) for path in paths}


def _params(arm: dict[str, Any], seed: int) -> str:
    """/job/params: shell assignments for job.sh."""
    load, device = arm["load"], arm["device"]
    # The first stressor named is the one whose operations are counted.
    stress = load["stress_ng"]
    if stress:
        # Behind its own option: stress-ng takes any count for one of the stressor named last before it.
        name, number, *rest = shlex.split(stress)
        stress = shlex.join([name, number, f"{name}-ops", str(load["stress_ops"]), *rest])
    counted = bool(arm["guest"].get("counted"))
    values = {
        "DISK_SERIAL": "" if counted else arm.get("disk", {}).get("serial", ""),
        "DISK_NODE": COUNTED_DISK if counted and arm.get("disk") else "",
        "COUNTED": "1" if counted else "",
        "INSMOD": device["insmod"],
        "RMMOD": device["rmmod"],
        "SETUP": device["setup"],
        "DEVICE": device["path"],
        "COUNTERS": device["counters"],
        "SERVER": arm.get("server", {}).get("command", ""),
        "PAGELOAD": f"{load['pageload']} --seed {seed}" if load["pageload"] else "",
        "STRESS_NG": stress,
        **guest_params(arm),
    }
    if values["LOAD_DIRTY"]:
        values["LOAD_DIRTY"] = f"{values['LOAD_DIRTY']} --seed {seed}"
    return "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())


def _overlay(inputs: Inputs, params: str, folder: Path) -> Path:
    """Build the overlay archive with vm-images/image."""
    params_path = folder / "params"
    params_path.write_text(params)
    target = folder / "overlay.cpio"
    files = [f"{source}={place}:{mode}" for source, place, mode in inputs.overlay_files]
    command = [str(REPO / "vm-images" / "image"), "overlay", "--libs", str(target), f"{params_path}=/job/params:644", *files]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        raise LabError(f"vm-images/image: {error.strerror}") from None
    if done.returncode:
        raise LabError(f"vm-images/image overlay: {(done.stderr or done.stdout).strip()}")
    return target


# ------------------------------------------------------------- the recording


@dataclass
class Recorder:
    """Keeps what a guest says, in memory for the judge and in files for later."""

    arm: dict[str, Any]
    folder: Path
    start: float = 0.0
    evidence: verdict.Evidence = field(init=False)
    first_word_s: float | None = None
    last_beat_s: float | None = None

    def __post_init__(self) -> None:
        self.evidence = verdict.Evidence(arm=self.arm)
        self._events = open(self.folder / "events.jsonl", "w", buffering=1)
        self._beats = open(self.folder / "heartbeat.jsonl", "w", buffering=1)

    def close(self) -> None:
        self._events.close()
        self._beats.close()

    def now(self) -> float:
        return round(time.monotonic() - self.start, 3)

    def note(self, kind: str, payload: Any) -> None:
        self._events.write(json.dumps({"host_s": self.now(), "kind": kind, "payload": payload}) + "\n")

    def take(self, event: Event) -> None:
        """Record one event of the guest.  The console is not: lab/vm.py writes console.log."""
        now = self.now()
        if event.kind == "heartbeat":
            if self.first_word_s is None:
                self.first_word_s = now
            self.last_beat_s = now
            beat = {"host_s": now, **event.payload}
            self._beats.write(json.dumps(beat) + "\n")
            self.evidence.heartbeats.append(beat)
        elif event.kind == "result":
            if self.first_word_s is None:
                self.first_word_s = now
            self.note("result", event.payload)
            self.evidence.results.append({**event.payload, "host_s": now})
        elif event.kind == "qmp":
            # Two a line that the job reports; they say nothing that the line does not.
            if event.payload.get("event") != "VSERPORT_CHANGE":
                self.note("qmp", event.payload)
                self.evidence.qmp.append(event.payload)
        elif event.kind in ("files", "exit"):
            self.note(event.kind, Path(event.payload).name if event.kind == "files" else event.payload)

    def end(self, why: str) -> None:
        self.evidence.ended = why
        self.evidence.duration_s = self.now()
        self.note("ended", {"why": why})


class LiveLine:
    """What the guest is doing, on one line of a terminal, or a line every few seconds elsewhere."""

    INTERVAL_S = 5.0

    def __init__(self, stream: TextIO | None, name: str) -> None:
        self._stream = stream
        self._name = name
        self._tty = stream is not None and stream.isatty()
        self._last_s = -self.INTERVAL_S

    def show(self, recorder: Recorder) -> None:
        now = recorder.now()
        if self._stream is None or now - self._last_s < (0.5 if self._tty else self.INTERVAL_S):
            return
        self._last_s = now
        text = f"{self._name} {now:4.0f} s  {verdict.step_at_end(recorder.evidence.results) or 'boot':10}"
        series = recorder.evidence.heartbeats
        if series and "t_ms" in series[-1]:
            beat = series[-1]
            used_mib = (beat["swap_total_kb"] - beat["swap_free_kb"]) >> 10
            text += f"  free {beat['free_kb'] >> 10:3} MiB  swap {used_mib:3} MiB"
            counters = beat.get("abuse")
            if counters:
                text += f"  requests {counters['ended']} (+{counters['accepted'] - counters['ended']})"
            else:
                text += f"  pages in {beat['pswpin']} out {beat['pswpout']}"
            text += f"  load {beat['load_units']}"
            age_s = now - (recorder.last_beat_s or 0.0)
            if age_s > 3:
                text += f"  silent {age_s:.0f} s"
        self._stream.write(f"\r{text}\x1b[K" if self._tty else text + "\n")
        self._stream.flush()

    def clear(self) -> None:
        if self._stream is not None and self._tty:
            self._stream.write("\r\x1b[K")
            self._stream.flush()


# --------------------------------------------------------------- the guest


def _drain(guest: Guest, recorder: Recorder | None, quiet_s: float, limit_s: float) -> None:
    """Take events until the console has been quiet for `quiet_s`, `limit_s` at most.  None: drop them."""
    deadline = time.monotonic() + limit_s
    last = time.monotonic()
    while (now := time.monotonic()) < deadline and now - last < quiet_s:
        event = guest.get_event(min(quiet_s, deadline - now))
        if event is None:
            if not guest.running:
                return
            continue
        if event.kind == "console":
            last = time.monotonic()
        if recorder is not None:
            recorder.take(event)
        if event.kind == "exit":
            return


def _sysrq(guest: Guest, recorder: Recorder, key: str) -> bool:
    # From then on the guest is no longer alone.
    at_s = recorder.now()
    try:
        answered = guest.sysrq(key)
    except LabError:
        answered = False
    sent = {"key": key, "answered": answered, "host_s": at_s}
    recorder.note("sysrq", sent)
    recorder.evidence.sysrq.append(sent)
    return answered


def _explain(guest: Guest, recorder: Recorder, answered: bool) -> None:
    """After a hang: what memory and all tasks look like.  What comes now is no longer evidence of progress."""
    if answered:
        # m: memory; l: what runs on each processor; t: all tasks, long, hence last
        for key, limit_s in (("m", 10.0), ("l", 10.0), ("t", 60.0)):
            _sysrq(guest, recorder, key)
            _drain(guest, None, QUIET_S, limit_s)
        return
    # Nothing answers: an NMI makes the kernel panic and print where it is.  A panic would pause the guest before the
    # text is out, so that action goes first.
    recorder.evidence.nmi_sent = True
    recorder.note("nmi", {})
    try:
        guest.qmp("set-action", panic="none")
        guest.nmi()
    except LabError:
        return
    _drain(guest, None, 3.0, 15.0)


def _step_started_s(recorder: Recorder) -> float:
    steps = [result for result in recorder.evidence.results if result.get("event") == "step"]
    return float(steps[-1]["host_s"]) if steps else 0.0


def _trouble(recorder: Recorder, limits: dict[str, Any]) -> str | None:
    """Why the host should look closer now; None while all is well."""
    now = recorder.now()
    if recorder.first_word_s is None:
        return "boot" if now > limits["boot_s"] else None
    if verdict.agent_stopped(recorder.evidence.results):
        return "teardown" if now - _step_started_s(recorder) > TEARDOWN_S else None
    if recorder.last_beat_s is not None and now - recorder.last_beat_s > limits["silent_s"]:
        return "silent"
    if verdict.stall(recorder.evidence.heartbeats, verdict.step_at_end(recorder.evidence.results),
                     float(limits["stall_s"]), _step_started_s(recorder)):
        return "stall"
    if verdict.crawl_of(recorder.evidence):
        return "crawl"
    return "limit" if now > limits["total_s"] else None


def _observe(guest: Guest, recorder: Recorder, live: LiveLine) -> None:
    """Follow the guest to its end, or to the point where it will not come; recorder.end() says which."""
    limits = recorder.arm["limits"]
    fault = hostfault.HostFault(recorder.arm)
    done_s: float | None = None
    looked_s = 0.0
    while True:
        event = guest.get_event(0.25)
        if event is not None:
            recorder.take(event)
            if event.kind == "exit":
                recorder.end("exit")
                return
            if event.kind == "qmp" and event.payload.get("event") == "GUEST_PANICKED":
                recorder.end("panic")
                _drain(guest, None, QUIET_S, 5.0)
                return
            if event.kind == "result" and event.payload.get("event") == "exit":
                done_s = recorder.now()
            # A burst on the console is no reason to look at the clock at each line.
            if event.kind == "console" and recorder.now() - looked_s < 0.25:
                continue
        looked_s = recorder.now()
        live.show(recorder)
        came = fault.step(guest, looked_s, recorder.evidence.results)
        if came is not None:
            recorder.take(Event("result", came))
        if done_s is not None:
            if recorder.now() - done_s > POWEROFF_S:
                recorder.end("exit")
                return
            continue
        why = _trouble(recorder, limits)
        if why is None:
            continue
        if why in ("boot", "limit", "teardown"):
            recorder.end(why)
            _explain(guest, recorder, _sysrq(guest, recorder, "w"))
            return
        beats_before = len(recorder.evidence.heartbeats)
        answered = _sysrq(guest, recorder, "w") or _sysrq(guest, recorder, "w")
        _drain(guest, recorder, CONFIRM_S, 2 * CONFIRM_S)
        if not guest.running or verdict.find(recorder.evidence.results, "exit"):
            continue
        if (why == "silent" and len(recorder.evidence.heartbeats) > beats_before) \
                or (why == "stall" and verdict.stall_of(recorder.evidence) is None) \
                or (why == "crawl" and verdict.crawl_of(recorder.evidence) is None):
            recorder.note("resumed", {"after": why})
            continue
        recorder.end(why)
        live.clear()
        _explain(guest, recorder, answered)
        return


# ---------------------------------------------------------------- one run


@dataclass
class Outcome:
    """What a run came to."""

    folder: Path
    judgement: verdict.Judgement
    chain_text: str
    console: str

    def as_dict(self) -> dict[str, Any]:
        return {"results": str(self.folder), **asdict(self.judgement), "waitchain": self.chain_text}


def _results_folder(arm_name: str) -> Path:
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    base = BUILD / "results" / f"{stamp}-{commit()}-{arm_name}"
    for number in range(1, 100):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
        except OSError as error:
            raise LabError(f"{folder}: {error.strerror}") from None
    raise LabError(f"{base} is taken a hundred times")


def _chain(evidence: verdict.Evidence) -> waitchain.Analysis:
    series = verdict.beats(evidence.heartbeats)
    counters = series[-1].get("abuse") if series else None
    return waitchain.analyse(evidence.console, server=evidence.arm.get("server", {}).get("comm"),
                             counters=counters, device=Path(str(evidence.arm["device"]["path"])).name,
                             hold=int(evidence.arm.get("server", {}).get("hold", 0)))


def without_places(words: list[str], folder: Path) -> list[str]:
    """QEMU's arguments without where the tree and the run's folder lie: that says nothing of the run, and is the machine's own."""
    places = [f"{place}/" for place in (REPO, folder.resolve(), folder.resolve().parent, folder, folder.parent) if place.is_absolute()]
    out = []
    for word in words:
        for place in places:
            word = word.replace(place, "")
        out.append(word)
    return out


def _machine(arm: dict[str, Any], disk_path: Path) -> dict[str, Any]:
    """What of a Guest's arguments depends on whose clock it has: append, memory_mib, cpu, counted, disks."""
    guest, size_mib = arm["guest"], int(arm.get("disk", {}).get("size_mib", 0))
    modules, append, memory_mib, disks = list(guest["modules"]), guest["append"], guest["memory_mib"], []
    counted = bool(guest.get("counted"))
    if size_mib and counted:
        # In the middle of the memory: the kernel lies at its beginning, what the loader brings at its end.
        append = f"{append} memmap={size_mib}M!{memory_mib // 2}M"
        modules = [*COUNTED_MODULES, *modules]
        memory_mib += size_mib
    elif size_mib:
        disks = [Disk(make_disk(disk_path, size_mib << 20), arm["disk"]["serial"], iops_max=arm["disk"].get("iops_max", 0))]
    if counted:
        append = f"{append} nokaslr"
    if modules:
        append = f"{append} abuse.modules={','.join(modules)}"
    return {"append": append.strip(), "memory_mib": memory_mib, "disks": disks, "counted": counted,
            "cpu": COUNTED_CPU if counted else "max"}


def run_arm(arm: dict[str, Any], series: str = "6.12", *, out: Path | None = None, seed: int = 1,
            live: TextIO | None = None, keep: bool = False, at_hang: Callable[[Guest], None] | None = None) -> Outcome:
    """Run `arm` once on kernel `series`; returns with a verdict, whatever it is.

    out     results folder, must not exist (default: a new one in build/results)
    seed    for the load's content and order
    live    where to show progress; None: nowhere
    keep    keep initrd and disk image in the results folder
    at_hang is called with the guest once the host has seen all of a hang, before it ends the guest

    LabError if the lab itself fails.
    """
    inputs = Inputs.of(arm, series)
    qemu = find_qemu()
    if out is None:
        folder = _results_folder(arm["name"])
    else:
        folder = out
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            raise LabError(f"{folder} exists: results are written once, name another folder") from None
        except OSError as error:
            raise LabError(f"{folder}: {error.strerror}") from None
    disk_bytes = 0 if arm["guest"].get("counted") else int(arm.get("disk", {}).get("size_mib", 0)) << 20
    need_space(folder, disk_bytes + (256 << 20))
    manifest: dict[str, Any] = {
        "arm": arm, "seed": seed, "commit": commit(), "kernel": inputs.kernel_manifest, "series": series,
        "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "qemu": subprocess.run([qemu, "--version"], capture_output=True, text=True).stdout.split("\n", 1)[0],
        "sha256": inputs.sha256(), "host_cpus": os.cpu_count(), "boots_died": 0,
    }
    overlay = _overlay(inputs, _params(arm, seed), folder)
    line = LiveLine(live, arm["name"])
    disk_path = folder / "store.raw"
    for attempt in range(1, BOOT_RETRIES + 2):
        guest = Guest(kernel=inputs.kernel, initrds=[*inputs.images, overlay], workdir=folder, cpus=arm["guest"]["cpus"],
                      extra=hostfault.devices(arm), **_machine(arm, disk_path))
        recorder = Recorder(arm, folder)
        try:
            recorder.start = time.monotonic()
            with guest:
                # The first guest on a machine probes for KVM: that is not its boot.
                recorder.start = time.monotonic()
                _observe(guest, recorder, line)
                if at_hang is not None and recorder.evidence.ended in HANGS:
                    line.clear()
                    at_hang(guest)
        finally:
            line.clear()
            recorder.close()
            if not keep:
                for path in (disk_path, folder / "initrd"):
                    path.unlink(missing_ok=True)
                if sys.exc_info()[0] is not None:
                    overlay.unlink(missing_ok=True)
        manifest.update(qemu_args=without_places(guest.qemu_args, folder), accel=guest.accel, attempts=attempt)
        evidence = recorder.evidence
        evidence.accel = str(guest.accel)
        console_path = folder / "console.log"
        evidence.console = console_path.read_text(errors="replace") if console_path.is_file() else ""
        if recorder.first_word_s is not None or attempt > BOOT_RETRIES:
            break
        manifest["boots_died"] += 1
        console_path.rename(folder / f"console-attempt{attempt}.log")
    if not keep:
        overlay.unlink(missing_ok=True)
    if (folder / "files.tar").is_file() and not (folder / "files.tar").stat().st_size:
        (folder / "files.tar").unlink()
    manifest["read_back"] = {event: verdict.find(evidence.results, event) for event in ("server", "read-back")}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    judgement = verdict.judge(evidence)
    chain_text = ""
    record: dict[str, Any] = asdict(judgement)
    if judgement.verdict in ("DEADLOCK", "LIVELOCK", "LOST") or evidence.sysrq:
        analysis = _chain(evidence)
        chain_text = analysis.text()
        record["waitchain"] = analysis.as_dict()
    (folder / "verdict.json").write_text(json.dumps(record, indent=1) + "\n")
    return Outcome(folder, judgement, chain_text, evidence.console)
