# SPDX-License-Identifier: GPL-2.0-only
"""What a tool's line says, as numbers with units.

Where it stands: guest > [metrics] > record.  Pure.

    metric      unit                of                          better
    rate        requests/s          blockload, fio              more
    cost        ns/request          blockload                   less
    server      ns/request          blockload, with a server    less: the server's time on the processors
    out, in     pages/s             swapbench                   more
    out_cost, in_cost   ns/page     swapbench                   less
    out_server, in_server  ns/page  swapbench, with a server    less
    instructions, out_instructions, in_instructions   the costs under a counted clock: of both processors
    fault_p50, fault_p99, fault_p999, fault_max   ns   swapbench --latency   less
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Value:
    metric: str
    value: float
    unit: str


# By which a control is judged, and the order in which a table has them.
PRIMARY = {"blockload": ("rate",), "fio": ("rate",), "swapbench": ("out", "in")}
MORE_IS_BETTER = frozenset({"rate", "out", "in"})


def _per_s(count: float, ns: float) -> float:
    return count * 1e9 / ns


def _blockload(result: Mapping[str, Any]) -> list[Value]:
    nr, ns = result["requests"], result["ns"]
    values = [Value("rate", _per_s(nr, ns), "requests/s"), Value("cost", ns / nr, "ns/request")]
    if "server_ns" in result:
        values.append(Value("server", result["server_ns"] / nr, "ns/request"))
    return values


def _swapbench(result: Mapping[str, Any]) -> list[Value]:
    values = []
    for step in ("out", "in"):
        nr, ns = result[f"{step}_pages"], result[f"{step}_ns"]
        values += [Value(step, _per_s(nr, ns), "pages/s"), Value(f"{step}_cost", ns / nr, "ns/page")]
        if f"{step}_server_ns" in result:
            values.append(Value(f"{step}_server", result[f"{step}_server_ns"] / nr, "ns/page"))
    for name in ("fault_p50", "fault_p99", "fault_p999", "fault_max"):
        if f"{name}_ns" in result:
            values.append(Value(name, float(result[f"{name}_ns"]), "ns"))
    return values


def _fio(result: Mapping[str, Any]) -> list[Value]:
    return [Value("rate", float(result["requests_per_s"]), "requests/s")]


_OF = {"blockload": _blockload, "swapbench": _swapbench, "fio": _fio}


def _instructions(values: list[Value], ns: int) -> list[Value]:
    """The costs once more, by what an instruction takes on that clock."""
    return [Value(value.metric.replace("cost", "instructions"), value.value / ns, value.unit.replace("ns/", "instructions/"))
            for value in values if value.metric.endswith("cost")]


def values_of(tool: str, result: Mapping[str, Any], instruction_ns: int = 0) -> list[Value]:
    """All that a line of `tool` says.  ValueError if it is no such line, or says that nothing was done.

    instruction_ns  what an instruction takes on the clock, if it counts them; else 0
    """
    try:
        values = _OF[tool](result)
        return values + (_instructions(values, instruction_ns) if instruction_ns else [])
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{tool}: not a result: {error!r}") from None
