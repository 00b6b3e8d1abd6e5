# SPDX-License-Identifier: GPL-2.0-only
"""The table of swapserver/README.md: what each server asks for in a request, and what guarantees it.

Where it stands: audits > analysis/serve-path.json > [readme] > README.  Its numbers are those of the audits that were kept
(`alloc-audit run NAME --keep analysis/serve-path.json`); a test finds drift.
"""
from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from .table import rate

REPO = Path(__file__).resolve().parents[2]
README = REPO / "swapserver" / "README.md"
KEPT = REPO / "analysis" / "serve-path.json"
BEGIN = "<!-- serve path: written by analysis/alloc-audit table --write -->"
END = "<!-- serve path end -->"
DETECTORS = "the kernel's detectors"


class ReadmeError(ValueError):
    """The table cannot be made or placed; one line."""


def kept(path: Path = KEPT) -> dict[str, dict[str, Any]]:
    """{series: {audit: as alloc-audit run kept it}}; empty if nothing was kept yet.  ReadmeError."""
    try:
        return json.loads(path.read_text())  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ReadmeError(f"{path}: {error}") from None


def _sites(found: dict[str, Any], role: str) -> dict[tuple[str, str, str], Counter[str]]:
    """{(site, kind, guarantee): askings by flags} of a role's tasks; how they came into the kernel does not matter here."""
    out: dict[tuple[str, str, str], Counter[str]] = {}
    for row in found["rows"]:
        # What a pool hands out is a slab's or a page's, too: once is enough.  What kmemleak asks for is no server's doing.
        if row["role"] == role and row["context"] == "task" and row["kind"] not in ("pool", "refill") and row["site"] != DETECTORS:
            out.setdefault((row["site"], row["kind"], row["guarantee"]), Counter())[row["gfp"]] += row["nr"]
    return out


def _flags(all_of_them: list[Counter[str]]) -> str:
    """The flags that are seen most, and whether there are others."""
    flags = sum(all_of_them, Counter())
    most = next(iter(sorted(flags, key=lambda text: (-flags[text], text))), "")
    return (f", {most.replace('|', ' + ')}" if most else "") + (" and others" if len(flags) > 1 else "")


def _order(series: str) -> tuple[int, ...]:
    return tuple(-int(part) if part.isdigit() else 0 for part in series.split("."))


def _head(series: str, found: dict[str, Any]) -> str:
    """A column's head: the kernel, and the commits that its audits were made of."""
    commits = ", ".join(sorted({str(audit["commit"]) for audit in found.values() if "commit" in audit}))
    return f"a request, {series}" + (f" (of {commits})" if commits else "")


def table(path: Path = KEPT) -> str:
    """The table, with BEGIN and END, without an end of line."""
    all_kept = kept(path)
    known = sorted(all_kept, key=_order)
    names = list(dict.fromkeys(name for series in known for name in all_kept[series]))
    lines = [BEGIN, "| audit | who | asks for | " + " | ".join(_head(series, all_kept.get(series, {})) for series in known or ["6.12"]) + " | guarantee |",
             "|---|---|---|" + "---|" * (max(1, len(known)) + 1)]
    for name in names:
        at = {series: all_kept[series][name] for series in known if name in all_kept[series]}
        roles = list(dict.fromkeys(role for found in at.values() for role in found["roles"]))
        for role in roles:
            sites = {series: _sites(found, role) for series, found in at.items()}
            keys = list(dict.fromkeys(key for of in sites.values() for key in of))
            if not keys:
                cells = ["0" if series in at else "-" for series in known]
                lines.append(f"| `{name}` | {role} | nothing | {' | '.join(cells)} | |")
            for site, kind, guarantee in keys:
                seen = {series: of[site, kind, guarantee] for series, of in sites.items() if (site, kind, guarantee) in of}
                cells = [rate(sum(seen[series].values()), at[series]["requests"]) if series in seen else ("0" if series in at else "-")
                         for series in known]
                lines.append(f"| `{name}` | {role} | {site} ({kind}{_flags(list(seen.values()))}) | {' | '.join(cells)} | {guarantee} |")
    return "\n".join([*lines, END])


def written(text: str, path: Path = KEPT) -> str:
    """A README's text with the table of what is kept.  ReadmeError if it has no marks."""
    head, begin, rest = text.partition(BEGIN)
    _old, end, tail = rest.partition(END)
    if not begin or not end:
        raise ReadmeError(f"no {BEGIN} ... {END}")
    return head + table(path) + tail
