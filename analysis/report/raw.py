# SPDX-License-Identifier: GPL-2.0-only
"""Reads raw results: boots of campaigns and single boots, takeover times, benchmark values.

Where it stands: run > store > [raw] > numbers, figures > paper.  Each boot is judged again by today's rules; nothing is
changed, and nothing that was dropped, faked or voided by a silent control goes on without saying so.

    DIR/runs/, DIR/plans/, DIR/checks/, DIR/dropped.txt    as experiments/lab/store.py wrote them
    DIR/single/NAME/         one boot of `make demo` or `experiments/run --arm`, reduced by analysis/keep
    DIR/takeovers/*.json     {"commit", "utc", "series", "command", "text"}: what the test standby/kills printed
    DIR/model/*.json         {"commit", "utc", "checks", "hangs"}: what `make model` found
    DIR/bench/*.jsonl, DIR/bench/*/measurements.jsonl[.xz]    a value a line, see Bench
"""
from __future__ import annotations

import functools
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab import evidence, questions, summary, verdict
from lab.store import Store
from lab.vm import LabError
from measure import record as bench_record

from . import ReportError

# One line of the test for all of its takeovers, in microseconds, in the order of the kills.
TAKEOVERS = re.compile(r"takeovers_us:((?: \d+)+)")
# What it counted at its end.
TAKEOVER_END = re.compile(r"(?P<requests>\d+) requests, (?P<again>\d+) of them lent again; (?P<takeovers>\d+) takeovers.*?; "
                          r"(?P<faults>\d+) page faults in all")


@dataclass(frozen=True)
class Boot:
    """One boot of one guest, judged by today's rules.

    void    why it does not count; "" if it does
    """

    name: str                   # ARM-CELL/RUN, or single/NAME
    folder: Path
    labels: tuple[str, ...]     # the question's cells, H8/full-6.12; of a single boot demo/ARM
    arm: str
    series: str
    commit: str
    utc: str
    verdict: str
    reason: str
    before: str
    reason_before: str
    void: str = ""
    faked: bool = False
    control: bool = False
    digest: str = ""            # of the cell: the arm, all of it, and the kernel

    @property
    def hang(self) -> bool:
        return self.verdict in summary.HANGS

    def evidence(self) -> verdict.Evidence:
        """What the judge looks at."""
        return _evidence(self.folder)

    def whole(self) -> verdict.Evidence | None:
        """All that the run left; None if only the part above was kept of it."""
        return _whole(self.folder) if (self.folder / "evidence.tar.xz").is_file() else None


@dataclass(frozen=True)
class Takeovers:
    """Times from kill -9 of the active server to the first answer of the next, of one boot; microseconds."""

    name: str
    commit: str
    series: str
    utc: str
    times_us: tuple[int, ...]
    nr_requests: int
    nr_lent_again: int
    nr_faults: int
    command: str


@dataclass(frozen=True)
class Bench:
    """One measured value.

    device  what was measured: "abuse", "ublk", "nbd", "zram", "virtio-blk"; with its variant: "abuse forward"
    work    what was done, with its parameters: "swap out", "randread 4k depth 32"
    round   1, 2, ...: the boot; values of one round belong together
    value   in `unit`: "MB/s", "IOPS", "us" ...; whatever ends in /s and IOPS is better when higher, times when lower
    """

    device: str
    work: str
    round: int
    value: float
    unit: str
    commit: str = ""
    series: str = ""
    source: str = ""
    note: str = ""


@dataclass
class Results:
    """All that lies in some results folders."""

    roots: list[Path]
    boots: list[Boot] = field(default_factory=list)
    summary: summary.Summary = field(default_factory=summary.Summary)
    takeovers: list[Takeovers] = field(default_factory=list)
    bench: list[Bench] = field(default_factory=list)
    # The newest last.
    models: list[dict[str, Any]] = field(default_factory=list)

    def of(self, label: str) -> list[Boot]:
        """All boots of a cell, whether they count or not.

        Of a question's cell: those whose arm is, key by key, the one that the question has today, whichever question had
        them run.  An older form of the arm is another experiment.
        """
        digest = cell_digests().get(label)
        if digest is not None:
            return [boot for boot in self.boots if boot.digest == digest]
        return [boot for boot in self.boots if label in boot.labels]

    def counted(self, label: str) -> list[Boot]:
        """Boots of a cell that count, of the newest commit that has any."""
        mine = [boot for boot in self.of(label) if not boot.void]
        if not mine:
            return []
        # Different code is a different server: never pooled.
        newest = max(mine, key=lambda boot: (boot.utc, boot.commit)).commit
        # A single boot demonstrates; it is not a rate of one commit, and each says its own in the footer.
        return [boot for boot in mine if boot.commit == newest or boot.name.startswith("single/")]

    def labels(self) -> list[str]:
        return sorted({label for boot in self.boots for label in boot.labels})

    @property
    def faked(self) -> int:
        return sum(boot.faked for boot in self.boots)


# ------------------------------------------------------------------ reading


@functools.cache
def asked() -> dict[str, questions.Question]:
    """The questions of experiments/questions, H1 first."""
    return {path.stem: questions.load(path) for path in questions.known()}


@functools.cache
def cell_digests() -> dict[str, str]:
    """The digest of each question's cells, by label; without those that cannot be run here."""
    return {cell.label: cell.digest for question in asked().values() for cell in question.cells if not cell.missing}


@functools.lru_cache(maxsize=64)
def _evidence(folder: Path) -> verdict.Evidence:
    return evidence.load(folder)


@functools.lru_cache(maxsize=8)
def _whole(folder: Path) -> verdict.Evidence:
    with tarfile.open(folder / "evidence.tar.xz") as tar:
        streams = {name: tar.extractfile(name) for name in tar.getnames()}
        texts = {name: stream.read().decode(errors="replace") for name, stream in streams.items() if stream is not None}
    return verdict.load_texts(evidence.manifest_of(folder), lambda name: texts.get(name, ""))


def _void(row: summary.Row | None, run_verdict: str) -> str:
    if run_verdict == "INVALID":
        return "INVALID"
    return row.void if row is not None else "not in the summary"


def _campaign(stores: Sequence[Store], told: summary.Summary) -> Iterator[Boot]:
    """The boots that the summary has counted, judged as it judged them."""
    rows = {(row.digest, row.commit): row for row in told.rows}
    folders = {f"{folder.parent.name}/{folder.name}": folder for store in reversed(stores) for folder in store.finished()}
    for run in sorted(told.runs, key=lambda run: run.folder):
        folder = folders[run.folder]
        row = rows.get(run.key)
        yield Boot(run.folder, folder, tuple(run.cell["labels"]), run.arm_name, str(run.cell["series"]), str(run.cell["commit"]),
                   str(evidence.manifest_of(folder).get("utc", "")), run.verdict, run.reason, run.before, run.reason_before,
                   void=_void(row, run.verdict), faked=bool(run.guest_runner), control=bool(row and row.fires),
                   digest=str(run.cell["digest"]))


def _singles(root: Path) -> Iterator[Boot]:
    for folder in sorted(path for path in (root / "single").glob("*") if path.is_dir()):
        try:
            manifest = evidence.manifest_of(folder)
            record = json.loads((folder / "verdict.json").read_text())
            now = verdict.judge(_evidence(folder))
            arm = str(manifest["arm"]["name"])
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise ReportError(f"{folder}: cannot be read ({error!r}): restore it, or take it away") from None
        yield Boot(f"single/{folder.name}", folder, (f"demo/{arm}",), arm, str(manifest.get("series", "")),
                   str(manifest.get("commit", "")), str(manifest.get("utc", "")), now.verdict, now.reason,
                   str(record["verdict"]), str(record["reason"]), void="INVALID" if now.verdict == "INVALID" else "",
                   faked=bool(manifest.get("faked")))


def parse_takeovers(text: str) -> tuple[tuple[int, ...], int, int, int]:
    """(times in us, requests, of them lent again, page faults) of what standby/kills printed.  ReportError if it is not that."""
    times = tuple(int(word) for found in TAKEOVERS.finditer(text) for word in found.group(1).split())
    end = TAKEOVER_END.search(text)
    if not times or end is None:
        raise ReportError("no takeover times: the log of a whole run of standby/kills is wanted (make test-kill)")
    if len(times) != int(end["takeovers"]):
        raise ReportError(f"{len(times)} takeover times, and {end['takeovers']} takeovers counted: the log is not whole")
    return times, int(end["requests"]), int(end["again"]), int(end["faults"])


def _takeovers(root: Path) -> Iterator[Takeovers]:
    for path in sorted((root / "takeovers").glob("*.json")):
        try:
            told = json.loads(path.read_text())
            times, requests, again, faults = parse_takeovers(told["text"])
            yield Takeovers(f"takeovers/{path.stem}", told["commit"], told["series"], told["utc"], times, requests, again,
                            faults, told["command"])
        except (OSError, ValueError, KeyError, ReportError) as error:
            raise ReportError(f"{path}: {error}") from None


def _work(told: dict[str, Any]) -> str:
    """What was done, in words: the work, its parameters, what of it was measured, by which clock."""
    text = str(told["work"])
    if "depth" in told:
        text += f" depth {told['depth']}" + (f" tasks {told['tasks']}" if int(told.get("tasks", 1)) != 1 else "")
    if "metric" in told:
        text += f": {told['metric']}"
    return text + (f" ({told['clock']})" if "clock" in told else "")


def parse_bench(text: str, source: str = "", about: dict[str, Any] | None = None) -> list[Bench]:
    """Values of JSON lines.  ReportError names the bad line.

    about   commit, series and note, for lines that do not say; a line {"manifest": {...}} is for those that follow it
    Left out are lines with "error", whose measurement failed, and with "control", which watch the machine; of a round that was
    measured again the last counts.
    """
    found: dict[tuple[str, str, int, str], Bench] = {}
    about = dict(about or {})
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
            if "manifest" in told:
                about = dict(told["manifest"])
                continue
            if "error" in told or told.get("control"):
                continue
            one = Bench(str(told["device"]), _work(told), int(told["round"]), float(told["value"]), str(told["unit"]),
                        *(str(told.get(key, about.get(key, ""))) for key in ("commit", "series")), source,
                        str(told.get("note", about.get("note", ""))))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ReportError(f"{source or 'bench'}, line {number}: wants device, work, round, value, unit ({error!r})") from None
        found[one.device, one.work, one.round, one.unit] = one
    return list(found.values())


def _bench(root: Path) -> Iterator[Bench]:
    """Of single files, and of folders that experiments/bench wrote."""
    for path in sorted((root / "bench").glob("*.jsonl")):
        yield from parse_bench(path.read_text(), f"bench/{path.stem}")
    for folder in bench_record.folders(root / "bench"):
        about: dict[str, Any] = {}
        try:
            manifest = evidence.manifest_of(folder)
            about = {"commit": manifest.get("commit", ""), "series": manifest.get("kernel", {}).get("series", "")}
        except (OSError, ValueError, AttributeError) as error:
            raise ReportError(f"{folder}: its manifest.json cannot be read ({error!r})") from None
        try:
            text = bench_record.text_of(folder, bench_record.MEASUREMENTS)
        except (OSError, ValueError) as error:
            raise ReportError(f"{folder}: its measurements cannot be read ({error})") from None
        yield from parse_bench(text, f"bench/{folder.name}", about)


def _models(root: Path) -> Iterator[dict[str, Any]]:
    for path in sorted((root / "model").glob("*.json")):
        try:
            told = json.loads(path.read_text())
            for check in told["checks"]:
                _wanted = check["name"], check["without"], check["expect"], check["result"], check["trouble"], check["search"]["states"]
            for hang in told["hangs"]:
                _wanted = hang["name"], hang["trouble"]
            yield {**told, "name": f"model/{path.stem}", "commit": str(told["commit"]), "utc": str(told["utc"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ReportError(f"{path}: is not what analysis/keep --model wrote ({error!r})") from None


def read(roots: Sequence[Path]) -> Results:
    """All results of some folders.  ReportError if one is not there or cannot be read."""
    out = Results([Path(root) for root in roots])
    stores = []
    for root in out.roots:
        if not root.is_dir():
            raise ReportError(f"{root}: no such folder: name one that experiments/run or analysis/keep wrote")
        store = Store(root)
        if store.runs.is_dir() or store.checks.is_dir() or (root / "plans").is_dir():
            stores.append(store)
        out.boots += _singles(root)
        out.takeovers += _takeovers(root)
        out.bench += _bench(root)
        out.models += _models(root)
    if stores:
        try:
            out.summary = summary.collect([store.root for store in stores])
        except LabError as error:
            raise ReportError(str(error)) from None
        out.boots += _campaign(stores, out.summary)
    out.takeovers.sort(key=lambda one: (one.utc, one.name))
    out.models.sort(key=lambda told: (told["utc"], told["name"]))
    return out


def digest(roots: Sequence[Path]) -> tuple[str, int]:
    """(sha256 over all raw files, how many): a change of one byte, a name or a file more changes it."""
    total = hashlib.sha256()
    number = 0
    for root in roots:
        for path in sorted(path for path in Path(root).rglob("*") if path.is_file()):
            place = path.relative_to(root)
            if place.parts[0] == ".partial" or path.name == "README.md":
                continue
            with open(path, "rb") as stream:
                total.update(f"{place} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
            number += 1
    return total.hexdigest(), number


# -------------------------------------------------------------- time to hang


def time_to_hang(boot: Boot) -> tuple[float, bool] | None:
    """(seconds of guest time since swapon, whether it hung then); None if the boot has no swapon or no heartbeats.

    A hang's time is when progress ended (of one that fell silent: its last heartbeat), to the second: that is how often
    the agent beats.  A boot that did not hang is censored at its swapoff or at its end.
    """
    run = boot.evidence()
    series = verdict.beats(run.heartbeats)
    steps = {result.get("name"): float(result.get("host_s", 0.0)) for result in run.results if result.get("event") == "step"}
    if "swapon" not in steps or len(series) < 2:
        return None
    before = [beat for beat in series if float(beat.get("host_s", 0.0)) <= steps["swapon"]]
    start_ms = (before or series)[-1 if before else 0]["t_ms"]
    if boot.hang:
        # As the judge measured it: a window without progress, or with next to none.
        said = verdict.judge(run).numbers
        window_s = float((said.get("stall") or said.get("crawl") or {}).get("window_s", 0.0))
        end_ms = series[-1]["t_ms"] - 1000 * window_s
        return max(0.0, (end_ms - start_ms) / 1000), True
    until = [beat for beat in series if "swapoff" not in steps or float(beat.get("host_s", 0.0)) <= steps["swapoff"]]
    return max(0.0, ((until or series)[-1]["t_ms"] - start_ms) / 1000), False
