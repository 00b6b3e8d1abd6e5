# SPDX-License-Identifier: GPL-2.0-only
"""Fills marked places of PAPER.md and README.md from raw results, and finds those whose text is no longer what they say.

Where it stands: numbers, figures, claims, quote > [fill] > PAPER.md, README.md.

    <!-- n: demo/naive.of -->3 of 3<!-- /n -->       a number, see numbers.py
    <!-- begin KIND: WORDS -->                       a block of lines, until
    <!-- end -->

Kinds: `claims` (the table), `figure NAME` (picture and caption, or what is missing), `table NAME` (the figure's),
`short targets` (its main lines), `short growth` (memory), `code FILE FUNCTION` (as it stands in the source), `marked FILE NAME` (what another generator wrote between its marks
`<!-- NAME: ... -->` and `<!-- NAME end -->`), `model` (each search of the model), `chains` (what servers wait for in hangs), `chain CELL` (one of them as text),
`runs` (what all was computed from).
"""
from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from . import ANALYSIS, REPO, KEPT, ReportError, chains, claims, figures, quote, raw
from .numbers import NOT_MEASURED, Numbers

PAPER = REPO / "PAPER.md"
# Others with places of their own, of which nothing else is asked.
OTHERS = (REPO / "README.md",)
# Pictures lie in the tree, beside the paper that shows them.
PICTURES = ANALYSIS / "pictures"

NUMBER = re.compile(r"<!-- n: (?P<key>[^>]+?) -->(?P<text>.*?)<!-- /n -->")
BLOCK = re.compile(r"<!-- begin (?P<kind>\w+)(?:: (?P<words>[^>]*?))? -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
DIGEST = re.compile(r"<!-- data: ([0-9a-f]{16}) -->")


@dataclass(frozen=True)
class Drift:
    """A place whose text is not what the raw results say."""

    place: str
    there: str
    now: str

    def __str__(self) -> str:
        def short(text: str) -> str:
            line = " ".join(text.split())
            return line if len(line) <= 90 else line[:87] + "..."
        return f"{self.place}: there is {short(self.there)!r}, the raw results say {short(self.now)!r}"


class Filler:
    """What the marked places say, for some results."""

    def __init__(self, numbers: Numbers, claim_list: list[claims.Claim] | None = None) -> None:
        self.numbers = numbers
        self.claims = claims.load() if claim_list is None else claim_list
        self.made = {figure.name: figures.make(figure, numbers.results) for figure in figures.ALL}

    def block(self, kind: str, words: list[str]) -> str:
        """A block's lines, each with its end.  ReportError for an unknown kind or wrong words."""
        if kind == "marked" and len(words) > 2:
            # A mark's name may have blanks.
            words = [words[0], " ".join(words[1:])]
        kinds = {"claims": (0, self._claims), "figure": (1, self._figure), "table": (1, self._table), "short": (1, self._short), "code": (2, self._code),
                 "marked": (2, self._marked), "model": (0, self._model), "runs": (0, self._runs),
                 "chains": (0, lambda: chains.table(self.numbers.results)), "chain": (1, lambda label: chains.text(self.numbers.results, label))}
        if kind not in kinds:
            raise ReportError(f"no block is of kind {kind!r}: {', '.join(kinds)}")
        number, make = kinds[kind]
        if len(words) != number:
            raise ReportError(f"block {kind}: {number} words are wanted, not {len(words)}")
        return make(*words).rstrip("\n") + "\n"

    def _named(self, name: str) -> figures.Made:
        if name not in self.made:
            raise ReportError(f"no figure is called {name!r}: {', '.join(self.made)}")
        return self.made[name]

    def _claims(self) -> str:
        return claims.table(self.claims, self.numbers)

    def _figure(self, name: str) -> str:
        made = self._named(name)
        if made.data is None:
            return f"*{made.figure.title}: {NOT_MEASURED}. To have it: {made.missing}.*"
        place = f"analysis/pictures/{name}"
        # A forge shows the one that fits the reader's theme; HTML passes through Markdown.
        return (f'<picture><source media="(prefers-color-scheme: dark)" srcset="{place}-dark.svg">'
                f'<img alt="{made.figure.title}" src="{place}-light.svg"></picture>\n\n*{made.figure.title}. {made.figure.caption(made.data)}*')

    def _table(self, name: str) -> str:
        made = self._named(name)
        return f"*Table: {NOT_MEASURED}.*" if made.data is None else made.figure.table(made.data)

    def _short(self, name: str) -> str:
        made, forms = self._named("targets"), {"targets": figures.targets.short, "growth": figures.targets.growth}
        if name not in forms:
            raise ReportError(f"nothing is called {name!r}: {', '.join(forms)}")
        return f"*Speed: {NOT_MEASURED}.*" if made.data is None else forms[name](made.data)

    @staticmethod
    def _code(path: str, name: str) -> str:
        return f"```c\n{quote.function(path, name)}\n```"

    def _model(self) -> str:
        if not self.numbers.results.models:
            return f"*The searches of the model: {NOT_MEASURED}. To have them: make model, then analysis/keep --model build/model/results.json.*"
        told = self.numbers.results.models[-1]
        lines = ["| search | without | expected | found | states | what it shows |", "|---|---|---|---|---|---|"]
        lines += [f"| {check['name']} | {check['without'] or '-'} | {check['expect']} | {check['result']}" +
                  (f" **(not as expected: {check['trouble']})**" if check["trouble"] else "") +
                  f" | {int(check['search']['states']):,} | {check['says']} |" for check in told["checks"]]
        lines += [f"| recorded hang {hang['name']} | {', '.join(hang['without'])} | the same cycle | " +
                  (f"**not found: {hang['trouble']}**" if hang["trouble"] else "the same cycle") + f" | {int(hang['states']):,} | |"
                  for hang in told["hangs"]]
        return "\n".join(lines)

    @staticmethod
    def _marked(path: str, name: str) -> str:
        source = REPO / path
        text = source.read_text() if source.is_file() else ""
        found = re.search(rf"<!-- {re.escape(name)}: [^>]*-->\n(.*?)<!-- {re.escape(name)} end -->", text, re.DOTALL)
        lines = [line for line in (found[1] if found else "").splitlines() if line.strip()]
        # A table's head alone says nothing.
        empty = len(lines) <= 2 and all(line.startswith("|") for line in lines)
        return f"*The {name} of {path}: {NOT_MEASURED}.*" if empty else "\n".join(lines)

    def _runs(self) -> str:
        """Each boot that went in, newest first, and each that did not count, with its reason."""
        results = self.numbers.results
        lines = ["| run | kernel | commit | verdict | what was seen |", "|---|---|---|---|---|"]
        boots = sorted(results.boots, key=lambda boot: (boot.utc, boot.name), reverse=True)
        if len(boots) > 40:
            # A campaign's are counted, not listed: experiments/summary lists them.
            lines = ["| cell | kernel | commit | boots | verdicts |", "|---|---|---|---|---|"]
            lines += [f"| {row.label} | {row.series} | {row.commit} | {row.boots} | " +
                      ", ".join(f"{name} {number}" for name, number in sorted(row.verdicts.items())) + (f"; INVALID: {row.void}" if row.void else "")
                      + " |" for row in results.summary.rows]
        else:
            lines += [f"| {boot.name} | {boot.series} | {boot.commit} | {boot.verdict} | {boot.reason}" +
                      (f" (when it ran: {boot.before})" if boot.before != boot.verdict else "") +
                      (f" (does not count: {boot.void})" if boot.void else "") + " |" for boot in boots]
        if len(boots) <= 40:
            lines += [f"| check {check['label']} | | {check['commit']} | {'holds' if check['status'] == 0 else 'FAILS'} | {check['last_line']} |"
                      for check in results.summary.checks]
        for entry in results.summary.dropped:
            lines.append(f"| {entry['run']} | | | dropped | {entry['reason']} |")
        return "\n".join(lines)

    # ------------------------------------------------------------ the paper

    def fill(self, text: str) -> tuple[str, list[Drift]]:
        """The text with all marked places filled, and those that said something else.  ReportError for a place without a meaning."""
        drift: list[Drift] = []

        def number(found: re.Match[str]) -> str:
            now = self.numbers.text(found["key"])
            if found["text"] != now:
                drift.append(Drift(f"number {found['key']}", found["text"], now))
            return f"<!-- n: {found['key']} -->{now}<!-- /n -->"

        def block(found: re.Match[str]) -> str:
            words = (found["words"] or "").split()
            now = self.block(found["kind"], words)
            name = " ".join([found["kind"], *words])
            if found["text"] != now:
                drift.append(Drift(f"block {name}", found["text"], now))
            head = f"<!-- begin {found['kind']}{': ' + ' '.join(words) if words else ''} -->"
            return f"{head}\n{now}<!-- end -->"
        opened = len(re.findall(r"<!-- (?:n:|begin )", text))
        closed = len(NUMBER.findall(text)) + len(BLOCK.findall(text))
        if opened != closed:
            raise ReportError(f"{opened} places are opened and {closed} are whole: a <!-- /n --> or <!-- end --> is missing")
        return NUMBER.sub(number, BLOCK.sub(block, text)), drift

    def lacking(self, text: str) -> list[str]:
        """What a paper must have and this one has not: a sentence for each question, the digest of the raw results, its claims."""
        keys = {found["key"] for found in NUMBER.finditer(text)}
        wanted = [f"{name}.measured" for name in raw.asked()] + ["raw.sha256"]
        out = [f"no place for {key}: write <!-- n: {key} --><!-- /n -->" for key in wanted if key not in keys]
        if not any(found["kind"] == "claims" for found in BLOCK.finditer(text)):
            out.append("no block of claims")
        return out

    def pictures(self, text: str, folder: Path = PICTURES) -> list[Drift]:
        """Pictures that the text shows and whose data are not today's."""
        out = []
        for found in BLOCK.finditer(text):
            if found["kind"] != "figure":
                continue
            made = self._named((found["words"] or "").strip())
            for theme in figures.base.THEMES if made.data is not None else ():
                path = folder / f"{made.figure.name}-{theme}.svg"
                said = DIGEST.search(path.read_text()) if path.is_file() else None
                if said is None or said[1] != made.digest:
                    out.append(Drift(f"picture {path.name}", said[1] if said else "nothing", made.digest))
        return out


def results_for_paper(roots: list[Path]) -> Numbers:
    """The results of the paper.  ReportError if one of them had no guest."""
    numbers = Numbers(raw.read(roots or [KEPT]))
    if numbers.results.faked:
        raise ReportError(f"{numbers.results.faked} boots had no guest: a paper is made of real ones only")
    return numbers
