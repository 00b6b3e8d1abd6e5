# SPDX-License-Identifier: GPL-2.0-only
"""Every number of the paper by its name, computed from raw results; what was not measured says so.

Where it stands: raw, inference > [numbers] > fill > PAPER.md, and > claims.

    LABEL.FIELD          of a cell such as H8/full-6.12 or demo/naive; FIELD as in _CELL below
    LABEL*.FIELD         the same of each cell whose name begins so, in one line
    LABEL|LABEL.p        Fisher's exact test of two rates of hangs
    LABEL|LABEL.logrank  the log-rank test of two times to hang
    model.FIELD          of the newest `make model` that was kept
    takeovers.FIELD      of the newest run of standby/kills
    H8.measured          what was found of a question, in one sentence
    raw.FIELD            what all this was computed from
"""
from __future__ import annotations

import collections
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab import verdict

from . import ReportError, inference, raw
from .raw import Boot, Results

NOT_MEASURED = "not measured yet"
# A sentence names so many cells at most; beyond, it counts.
CELLS_NAMED = 6
# Of fewer boots a quotient says nothing that "1/3" does not.
RATE_BOOTS = 5


def rate_text(hits: int, boots: int) -> str:
    """"10/10 = 1.00 [0.72, 1.00]"; of no hang also what that excludes; "1/3 [0.06, 0.79]" where boots are few."""
    found = inference.wilson(hits, boots)
    if boots < RATE_BOOTS:
        return f"{hits}/{boots} [{found.low:.2f}, {found.high:.2f}]"
    told = f"{hits}/{boots} = {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return told if hits else f"{told}, below {inference.none_of(boots):.3f}"


def _seen(boots: Sequence[Boot]) -> list[tuple[float, bool]]:
    return [seen for boot in boots if (seen := raw.time_to_hang(boot)) is not None]


def _hang_times(boots: Sequence[Boot]) -> list[float]:
    return [time for time, hung in _seen(boots) if hung]


def _verdicts(boots: Sequence[Boot]) -> str:
    counts = collections.Counter(boot.verdict for boot in boots)
    return ", ".join(f"{name} {counts[name]}" for name in verdict.VERDICTS if name in counts)


def _traffic(boots: Sequence[Boot], key: str) -> list[float]:
    return [number for boot in boots if (number := raw_traffic(boot).get(key)) is not None]


def raw_traffic(boot: Boot) -> dict[str, int]:
    """Bytes and requests of a boot, see lab/verdict.py."""
    return verdict.traffic(boot.evidence())


def _span(values: Sequence[float], unit: str = "", scale: float = 1.0) -> str:
    low, high = min(values) / scale, max(values) / scale
    text = f"{low:,.0f}" if round(low) == round(high) else f"{low:,.0f} to {high:,.0f}"
    return f"{text} {unit}".strip()


def _hang_s(boots: Sequence[Boot]) -> str | None:
    times = _hang_times(boots)
    return _span(times, "s") if times else None


def server_faults(boot: Boot) -> int | None:
    """Page faults of the server from its first request to its last, by its own getrusage; None if it did not tell."""
    said = verdict.find(boot.evidence().results, "server-end")
    return None if said is None else int(said.get("major_faults", 0)) + int(said.get("minor_faults", 0))


def _faults(boots: Sequence[Boot]) -> str | None:
    found = [faults for boot in boots if (faults := server_faults(boot)) is not None]
    return _span(found) if found else None


def _lent(boots: Sequence[Boot], key: str, unit: str = "", scale: float = 1.0) -> str | None:
    found = _traffic(boots, key)
    return _span(found, unit, scale) if found else None


def _last_count(boots: Sequence[Boot], name: str) -> str | None:
    """A counter of the module at each boot's last heartbeat that has it."""
    found = [told[-1] for boot in boots
             if (told := [int(beat["abuse"][name]) for beat in boot.evidence().heartbeats if isinstance(beat.get("abuse"), dict) and name in beat["abuse"]])]
    return _span(found) if found else None


def _free_min(boots: Sequence[Boot]) -> str | None:
    """The least free memory that a boot's heartbeats, one a second, have seen."""
    found = [min(told) for boot in boots if (told := [float(beat["free_kb"]) for beat in boot.evidence().heartbeats if "free_kb" in beat])]
    return f"{min(found) / 1024:.1f} to {max(found) / 1024:.1f} MiB" if found else None


# What may stand behind a cell's label.  Each gets the boots that count, at least one.
_CELL: dict[str, Callable[[Sequence[Boot]], str | None]] = {
    "boots": lambda boots: str(len(boots)),
    "hangs": lambda boots: str(sum(boot.hang for boot in boots)),
    "of": lambda boots: f"{sum(boot.hang for boot in boots)} of {len(boots)}",
    "rate": lambda boots: rate_text(sum(boot.hang for boot in boots), len(boots)),
    "low": lambda boots: f"{inference.wilson(sum(boot.hang for boot in boots), len(boots)).low:.2f}",
    "high": lambda boots: f"{inference.wilson(sum(boot.hang for boot in boots), len(boots)).high:.2f}",
    "excludes": lambda boots: "nothing" if any(boot.hang for boot in boots) else f"{100 * inference.none_of(len(boots)):.0f}%",
    "verdicts": _verdicts,
    "hang_s": _hang_s,
    "hang_median_s": lambda boots: f"{statistics.median(times):.0f}" if (times := _hang_times(boots)) else None,
    "out_mib": lambda boots: _lent(boots, "write_bytes", "MiB", 1 << 20),
    "in_mib": lambda boots: _lent(boots, "read_bytes", "MiB", 1 << 20),
    "requests": lambda boots: _lent(boots, "nr_ended"),
    "errors": lambda boots: _lent(boots, "nr_ended_error"),
    "server_faults": _faults,
    "stalled": lambda boots: _last_count(boots, "stalled"),
    "bypassed": lambda boots: _last_count(boots, "bypassed"),
    "free_min": _free_min,
    "commits": lambda boots: ", ".join(sorted({boot.commit for boot in boots})),
}


class Numbers:
    """All numbers of some results, as text; value() as a number."""

    def __init__(self, results: Results) -> None:
        self.results = results

    def text(self, key: str) -> str:
        """The number of that name.  ReportError if no number is called so."""
        found = self._find(key)
        return NOT_MEASURED if found is None else found

    def value(self, key: str) -> float | None:
        """The same as a number: the first that the text has; None if it was not measured.  ReportError if it is no number."""
        found = self._find(key)
        if found is None:
            return None
        word = found.replace(",", "").split("/")[0].split()[0].rstrip("%")
        try:
            return float(word)
        except ValueError:
            raise ReportError(f"{key} is {found!r}, which is no number") from None

    def _find(self, key: str) -> str | None:
        name, _dot, field = key.rpartition(".")
        if name == "raw":
            return self._raw(field)
        if name == "model":
            return self._model(field)
        if name == "takeovers":
            return self._takeovers(field)
        if field == "measured" and name in raw.asked():
            return self.measured(name)
        if field == "holds":
            return self._check(name)
        if "|" in name and field in ("p", "logrank"):
            return self._compare(*name.split("|", 1), field)
        if field in _CELL and name.endswith("*"):
            return self._each(name[:-1], field)
        if field in _CELL and (name.startswith("demo/") or name in self._known()):
            boots = self.results.counted(name)
            return _CELL[field](boots) if boots else None
        raise ReportError(f"no number is called {key!r}: a cell of experiments/questions or demo/ARM with one of {', '.join(_CELL)}; "
                          "H1.measured; takeovers., raw.")

    @staticmethod
    def _known() -> set[str]:
        return {cell.label for question in raw.asked().values() for cell in question.cells}

    def _each(self, prefix: str, field: str) -> str | None:
        labels = [cell.label for question in raw.asked().values() for cell in question.cells if cell.label.startswith(prefix)]
        if not labels:
            raise ReportError(f"no cell's label begins with {prefix!r}")
        told = {label: _CELL[field](boots) for label in labels if (boots := self.results.counted(label))}
        return ", ".join(f"{label[len(prefix):]} {text}" for label, text in told.items() if text is not None) or None

    def _compare(self, one: str, other: str, how: str) -> str | None:
        for label in (one, other):
            if not label.startswith("demo/") and label not in self._known():
                raise ReportError(f"no cell is called {label!r}")
        first, second = self.results.counted(one), self.results.counted(other)
        if not first or not second:
            return None
        if how == "p":
            return _p(inference.fisher(sum(boot.hang for boot in first), len(first), sum(boot.hang for boot in second), len(second)))
        seen, seen_other = _seen(first), _seen(second)
        if not seen or not seen_other:
            return None
        return _p(inference.logrank(seen, seen_other)[1])

    def _check(self, label: str) -> str | None:
        """Whether a check holds, by its last outcome."""
        if label not in {check.label for question in raw.asked().values() for check in question.checks}:
            raise ReportError(f"no check is called {label!r}")
        last = self._last_check(label)
        return None if last is None else "holds" if last["status"] == 0 else "fails"

    def _last_check(self, label: str) -> dict[str, Any] | None:
        """The newest outcome of a check; whatever came out of older code is not asked."""
        found = [check for check in self.results.summary.checks if check["label"] == label]
        return max(found, key=lambda check: (str(check.get("utc", "")), str(check["commit"])), default=None)

    def _takeovers(self, field: str) -> str | None:
        fields: dict[str, Callable[[raw.Takeovers], str]] = {
            "nr": lambda run: str(len(run.times_us)),
            "median_ms": lambda run: f"{inference.quantile(run.times_us, 0.5) / 1000:.1f}",
            "p90_ms": lambda run: f"{inference.quantile(run.times_us, 0.9) / 1000:.1f}",
            "p99_ms": lambda run: f"{inference.quantile(run.times_us, 0.99) / 1000:.1f}",
            "max_ms": lambda run: f"{max(run.times_us) / 1000:.1f}",
            "faults": lambda run: str(run.nr_faults),
            "lent_again": lambda run: str(run.nr_lent_again),
            "requests": lambda run: f"{run.nr_requests:,}",
            "commit": lambda run: run.commit,
            "told": lambda run: (f"{len(run.times_us)} kills in one boot, from each to the next answer: median "
                                 f"{inference.quantile(run.times_us, 0.5) / 1000:.1f} ms, "
                                 f"99% {inference.quantile(run.times_us, 0.99) / 1000:.1f} ms, "
                                 f"longest {max(run.times_us) / 1000:.1f} ms; {run.nr_lent_again} requests lent again, {run.nr_faults} page "
                                 "faults of those that took over"),
        }
        if field not in fields:
            raise ReportError(f"no number is called takeovers.{field}: one of {', '.join(fields)}")
        return fields[field](self.results.takeovers[-1]) if self.results.takeovers else None

    def _model(self, field: str) -> str | None:
        fields: dict[str, Callable[[dict[str, Any]], str]] = {
            "healthy": lambda told: str(sum(not check["without"] for check in told["checks"])),
            "busted": lambda told: str(sum(bool(check["without"]) for check in told["checks"])),
            "trouble": lambda told: str(sum(bool(check["trouble"]) for check in told["checks"])),
            "hangs": lambda told: str(len(told["hangs"])),
            "hangs_found": lambda told: str(sum(not hang["trouble"] for hang in told["hangs"])),
            "states": lambda told: f"{max((int(check['search']['states']) for check in told['checks']), default=0):,}",
            "commit": lambda told: str(told["commit"]),
        }
        if field not in fields:
            raise ReportError(f"no number is called model.{field}: one of {', '.join(fields)}")
        return fields[field](self.results.models[-1]) if self.results.models else None

    def _raw(self, field: str) -> str | None:
        boots = self.results.boots
        if field == "sha256":
            return raw.digest(self.results.roots)[0][:16]
        if field == "files":
            return str(raw.digest(self.results.roots)[1])
        if field == "boots":
            return str(len(boots))
        if field == "void":
            return str(sum(bool(boot.void) for boot in boots))
        if field == "dropped":
            return str(len(self.results.summary.dropped))
        if field == "commits":
            return ", ".join(sorted({boot.commit for boot in boots})) or None
        raise ReportError(f"no number is called raw.{field}: sha256, files, boots, void, dropped, commits")

    # ------------------------------------------------------------ sentences

    def measured(self, question_id: str) -> str | None:
        """What was found of a question, in one sentence: rates of hangs with intervals, checks, and what is missing."""
        question = raw.asked()[question_id]
        told, missing = [], []
        for cell in question.cells:
            boots = self.results.counted(cell.label)
            if boots:
                told.append((cell.name, boots))
            else:
                missing.append(cell.name)
        parts = []
        if len(told) <= CELLS_NAMED:
            # Those that hung first: they are what a reader looks for.
            told.sort(key=lambda cell: not any(boot.hang for boot in cell[1]))
            parts += [f"{name} {rate_text(sum(boot.hang for boot in boots), len(boots))}" +
                      ("" if all(boot.hang or boot.verdict == "PASS" for boot in boots) else f" ({_verdicts(boots)})")
                      for name, boots in told]
            parts[:1] = [f"hangs: {part}" for part in parts[:1]]
        else:
            parts.append(f"{sum(len(boots) for _name, boots in told)} boots of {len(told)} cells{_by_rate(told)}{_ended_otherwise(told)}")
        for check in question.checks:
            outcome = self._check(check.label)
            if outcome is None:
                missing.append(check.name)
            else:
                parts.append(f"the check {check.name} {outcome} ({(self._last_check(check.label) or {}).get('last_line')})")
        # Parts of the question that nobody can run yet.
        opened = f". Open: {question.open.rstrip('.')}" if question.open else ""
        if not parts:
            return NOT_MEASURED + opened if opened else None
        lacking = "" if not missing else f"; {NOT_MEASURED}: {', '.join(missing[:CELLS_NAMED])}" + (
            f" and {len(missing) - CELLS_NAMED} more" if len(missing) > CELLS_NAMED else "")
        return "; ".join(parts) + lacking + opened


def _by_rate(told: Sequence[tuple[str, Sequence[Boot]]]) -> str:
    """Cells under their common rate and its interval, those that hung first; many that had a look each are counted."""
    groups: dict[tuple[int, int], list[str]] = {}
    for name, boots in told:
        groups.setdefault((sum(boot.hang for boot in boots), len(boots)), []).append(name)
    text = ""
    for (hangs, boots_each), names in sorted(groups.items(), key=lambda item: (-(item[0][0] > 0), -item[0][1], -item[0][0])):
        named = f"{len(names)} cells" if not hangs and len(names) > 2 * CELLS_NAMED and boots_each < RATE_BOOTS else ", ".join(names)
        text += f"; {'hung' if hangs else 'did not hang'} {rate_text(hangs, boots_each)}: {named}"
    return text


def _ended_otherwise(told: Sequence[tuple[str, Sequence[Boot]]]) -> str:
    """Cells with a boot that neither hung nor passed: no hang is not yet a success."""
    other = [(name, [boot for boot in boots if not boot.hang and boot.verdict != "PASS"]) for name, boots in told]
    named = ", ".join(f"{name} {_verdicts(boots)}" for name, boots in other if boots)
    return f"; neither hung nor passed: {named}" if named else ""


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.01 else f"{value:.2f}"


def of(roots: Sequence[Path]) -> Numbers:
    """The numbers of some results folders."""
    return Numbers(raw.read(roots))
