# SPDX-License-Identifier: GPL-2.0-only
"""A counterexample as people read it: what happened, who waits for whom at its end, and what to call that.

Where it stands: spin > [trail] > check, hangs.  Reads what spin prints when it replays a run: the models' own lines, which begin
with "@", and the values of all variables at the end.  The wait chain has the form of analysis/waitchain.py, so that the two can
be laid side by side.
"""
from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from waitchain import RESOURCES, Edge  # noqa: E402 (found through the line above)

MODELS = Path(__file__).resolve().parent
DEVICE = "the device"
# Of a run that breaks an assertion; all of it is in trail.txt.
STEPS_SHOWN, STEPS_MAX, STEPS_BEFORE = 16, 40, 6
WRONG = re.compile(r"is killed|closes its file|once more|is gone")

# memory.pml: the tasks by number, and the waits that no stack shows; the other waits are kinds of waitchain.py.
TASKS = ("load 0", "load 1", "kswapd", "server 0", "server 1", "spawner")
SERVERS = (3, 4)
SPAWNER = 5
BECAUSE = {
    "bio": "fs_bio_set, reserve {reserve}; the others are in requests of {device}",
    "throttle": "throttled: free memory is below half of the minimum",
}
MODEL_KINDS = {
    "turn": ("its turn: another serves", "idle"),
    "hung": ("nothing that will come: it hangs", "idle"),
    "memory": ("free memory: it has PF_MEMALLOC, and the reserve is used up (running)", "memory"),
}


@dataclass
class Trail:
    """A counterexample.

    steps   what happened, in order, as sentences
    final   variables at the end, by name; mtype values are words
    round   the run goes round at its end; else all have stopped
    failed  "file:line" and text of the assertion that failed, or ""
    cause   what to call it, see cause()
    chain   who waits for whom; closes on itself if `cycle`
    """

    steps: list[str]
    final: dict[str, str]
    round: bool
    failed: str = ""
    cause: str = ""
    chain: list[Edge] = field(default_factory=list)
    others: list[Edge] = field(default_factory=list)
    cycle: bool = False

    def _telling(self) -> list[str]:
        """The last steps, from where something went wrong if that is not too long."""
        wrong = [number for number, step in enumerate(self.steps) if WRONG.search(step)]
        start = len(self.steps) - (STEPS_MAX if wrong else STEPS_SHOWN)
        return self.steps[max(0, start, wrong[-1] - STEPS_BEFORE if wrong else 0):]

    def text(self) -> str:
        """The chain, or what failed, with the last steps."""
        lines = []
        if self.failed:
            lines.append(f"broken: {self.failed}")
            lines += [f"  {step}" for step in self._telling()]
            return "\n".join(lines)
        lines.append("wait chain:" if self.cycle else "nobody ends it:")
        lines += [f"  {edge.waiter} waits for: {edge.resource}" for edge in self.chain]
        if self.cycle:
            lines.append("  which closes the cycle")
        if self.others:
            lines.append("others:")
            lines += [f"  {edge.waiter} waits for: {edge.resource}" for edge in self.others]
        if self.round:
            lines.append("  round and round; the last steps:")
            lines += [f"    {step}" for step in self.steps[-8:]]
        return "\n".join(lines)


# ------------------------------------------------------------------- parsing


def _task(number: str) -> str:
    return TASKS[int(number)]


def _bio(word: str) -> str:
    """progress.pml: what a bio carries."""
    number = int(word) % 32
    if number >= 8:
        return f"a read of a page of {TASKS[number - 8]}"
    return "a page to be written to swap" if number == 1 else f"a page of server {number - 2} to be written to swap"


def _sentence_progress(words: list[str]) -> str:
    verb, rest = words[0], words[1:]
    if verb == "wait":
        return f"{_task(rest[0])} waits for {_kind_text(rest[1].removeprefix('w_'))[0]}"
    if verb == "submit":
        return f"{_task(rest[0])} submits {_bio(rest[1])}"
    if verb in ("lend", "end", "forward"):
        done = {"lend": "is lent", "end": "ends", "forward": "forwards"}[verb]
        return f"{_task(rest[0])} {done} request {rest[1]}"
    if verb in ("kill", "fence", "gone", "fault"):
        done = {"kill": "is killed", "fence": "hangs, and is killed for it", "gone": "is gone: what it was lent is QUEUED again",
                "fault": "touches a page of its own that is in swap"}[verb]
        return f"{_task(rest[0])} {done}"
    return {"drain": f"others use the reserve up: {' '.join(rest)} pages are left", "supply": "a page comes from elsewhere",
            "spawned": "a new server is there", "clone-end": f"the clone of request {' '.join(rest)} ends"}[verb]


# owners.pml: what a server does, with what follows its number in the model's line.
OF_A_SERVER = {
    "complete": "completes request {}",
    "refused": "is refused request {}: ESTALE, or EINVAL",
    "copy": "begins to copy or clone request {}",
    "orphan": "ends its copy of request {}, which is QUEUED again",
    "fetched": "has copied {} out",
    "filled": "has copied {} in",
    "storing": "begins to store, for submitter {}, {}",
    "stored": "has stored, for submitter {}, {}",
    "forward": "forwards request {}",
    "repeat": "answers request {} once more",
    "kill": "is killed",
    "fence": "hangs, and is killed for it",
    "hang": "hangs",
    "gone": "is gone",
    "close": "closes its file",
}


def _sentence_owners(words: list[str]) -> str:
    verb, rest = words[0], words[1:]
    if verb in ("write", "read", "got"):
        done = {"write": f"submits a write of {rest[-1]}", "read": "submits a read", "got": f"has read {rest[-1]}"}[verb]
        return f"submitter {rest[0]} {done}"
    if verb == "lend":
        return f"server {rest[0]} is lent request {rest[1]}, of submitter {int(rest[2]) - 1}"
    if verb in ("clone-end", "clone-failed"):
        return f"the clone of request {rest[0]} {'ends' if verb == 'clone-end' else 'fails: QUEUED again'}"
    return f"server {rest[0]} {OF_A_SERVER[verb].format(*rest[1:])}"


def parse(output: str, model: str, goes_round: bool, defines: dict[str, str]) -> Trail:
    """A replay's output, of a model with these macros.  KeyError, IndexError if it printed what this does not know."""
    sentence = _sentence_progress if model == "progress" else _sentence_owners
    steps = [sentence(line.split()) for line in re.findall(r"(?m)^\s*@ (.+)$", output)]
    final = dict(re.findall(r"(?m)^\t\t(\S+) = (\S+)$", output))
    trail = Trail(steps, final, goes_round)
    found = re.search(r"spin: (?:\S*/)?(\w+\.pml):(\d+), Error: assertion violated", output)
    if found:
        trail.failed = f"{found[1]}:{found[2]} {_source(found[1], int(found[2]))}"
    if model == "progress":
        _chain_progress(trail, defines["FS_BIOS"], int(defines.get("ALSO_TASK", 0)))
    else:
        _chain_owners(trail)
    return trail


def _source(file: str, line: int) -> str:
    """The statement that begins on a line, with the comment behind it: up to the line that ends it."""
    lines = (MODELS / file).read_text().splitlines()[line - 1:line + 3]
    text = lines[0].strip()
    for more in lines[1:]:
        if text.count("(") == text.count(")"):
            break
        text += " " + more.strip()
    return re.sub(r"\s+", " ", text)


def invariants(failed: str) -> str:
    """What a failed assertion's comment calls it, in brackets; else the invariants that it names: "I4 I11"."""
    called = re.search(r"/\*.*?\[(.+?)\].*?\*/", failed)
    if called:
        return called[1]
    named = set(re.findall(r"\bI\d+\b", " ".join(re.findall(r"/\*(.*?)\*/", failed))))
    return " ".join(sorted(named, key=lambda name: int(name[1:])))


# ----------------------------------------------------------------- the chain


def _kind_text(kind: str) -> tuple[str, str]:
    """What a wait is called, and what it leads to (see waitchain.RESOURCES)."""
    text, lead = MODEL_KINDS.get(kind) or RESOURCES[kind]
    return text.format(device=DEVICE), lead


def _requests(final: dict[str, str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for name, value in final.items():
        match = re.fullmatch(r"rq\[(\d+)\]\.state", name)
        if match:
            found.setdefault(value, []).append(int(match[1]))
    return found


def _where(trail: Trail, server: str) -> str:
    requests = _requests(trail.final)
    parts = []
    for state, text in (("LENT", f"{server}, to which {{}} are LENT"),
                        ("QUEUED", f"{server} to ask for the {{}} that are QUEUED")):
        if requests.get(state):
            parts.append((text if not parts else "{} more are QUEUED").format(len(requests[state])))
    waiting = int(trail.final.get("nr_waiting", 0))
    if waiting:
        parts.append(f"{waiting} wait for a slot")
    return "; ".join(parts) or server


def _edges_progress(trail: Trail, reserve: str) -> dict[int, Edge]:
    """Who waits, by task, and why, as waitchain.py puts it."""
    edges = {}
    for number, name in enumerate(TASKS):
        kind = trail.final.get(f"w[{number}]", "w_none").removeprefix("w_")
        if kind == "none":
            continue
        text = _kind_text(kind)[0]
        if kind in BECAUSE:
            text += f": {BECAUSE[kind].format(reserve=reserve, device=DEVICE)}"
        edges[number] = Edge(name, text, kind)
    return edges


def _chain_progress(trail: Trail, reserve: str, asked: int) -> None:
    """asked: the task whose wait the search was for.  The chain begins with a load that waits for the device, of several with that one."""
    edges = _edges_progress(trail, reserve)
    loads = sorted((0, 1, 2), key=lambda number: number != asked)
    turn = int(trail.final.get("turn", 255))
    who = turn if turn in SERVERS else SPAWNER if SPAWNER in edges else None
    first = next((edges[number] for number in loads if number in edges and _kind_text(edges[number].kind)[1] == "device"),
                 next((edges[number] for number in loads if number in edges), None))
    if trail.failed:
        trail.cause = invariants(trail.failed)
        return
    if first is not None:
        trail.chain.append(first)
        if _kind_text(first.kind)[1] == "memory":
            trail.chain.append(Edge("reclaim", f"pages to be written to {DEVICE}", "sync"))
    if who is None:
        trail.chain.append(Edge(f"a request of {DEVICE}", "a server: there is none", "device"))
        trail.cause = "no server"
    else:
        name = TASKS[who]
        trail.chain.append(Edge(f"a request of {DEVICE}",
                                _where(trail, name) if who != SPAWNER else f"a server, which the {name} is to start", "device"))
        edge = edges.get(who)
        if edge is None:
            trail.cause = "round and round"
        else:
            trail.chain.append(edge)
            trail.cause = f"{name.split()[0]} {edge.kind}"
            lead = _kind_text(edge.kind)[1]
            trail.cycle = lead in ("device", "memory")
            of = f"which {name} {'serves' if who != SPAWNER else 'would start a server for'}"
            if edge.kind == "batch":
                trail.chain.append(Edge("that", f"a bio of fs_bio_set, which a request has that is LENT to {name}", "sync"))
            elif lead == "memory":
                trail.chain.append(Edge("reclaim", f"pages to be written to {DEVICE}, {of}", "sync"))
            elif lead == "device":
                trail.chain.append(Edge("that", f"a request of {DEVICE}, {of}", "sync"))
    trail.others = [edge for edge in edges.values() if all(edge is not link for link in trail.chain)
                    and edge.kind not in ("request", "turn")]


def _chain_owners(trail: Trail) -> None:
    if trail.failed:
        trail.cause = invariants(trail.failed)
        return
    if trail.round:
        trail.cause = "round and round"
        return
    for number in (0, 1):
        if trail.final.get(f"out[{number}]") == "1":
            trail.chain.append(Edge(f"submitter {number}", f"the end of its request to {DEVICE}", "sync"))
    requests = _requests(trail.final)
    lent = [(slot, trail.final[f"rq[{slot}].owner"]) for slot in requests.get("LENT", ())]
    for slot, owner in lent:
        hangs = trail.final.get(f"hung[{owner}]") == "1"
        trail.cause = "hung" if hangs else "lost"
        trail.chain.append(Edge(f"request {slot}", f"server {owner}, to which it is LENT, and which "
                                                   f"{'hangs' if hangs else 'is gone'}", "device"))
    if not lent:
        trail.cause = "no server" if requests.get("QUEUED") else "unknown"
        trail.chain.append(Edge("the requests that are QUEUED", "a server: there is none", "device"))


def signature(chain: list[Edge]) -> list[tuple[str, str]]:
    """(role, kind) of each link, of a chain from here or from waitchain.py: what can be compared."""
    roles = []
    for number, edge in enumerate(chain):
        if edge.waiter.startswith("a request of"):
            role = "request"
        elif edge.waiter in ("that", "reclaim"):
            role = edge.waiter
        elif edge.waiter.startswith("kswapd"):
            role = "kswapd"
        else:
            role = "task" if number == 0 else "server"
        roles.append((role, edge.kind))
    return roles
