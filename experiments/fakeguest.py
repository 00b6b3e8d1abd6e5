# SPDX-License-Identifier: GPL-2.0-only
"""A guest that is none: leaves the evidence that an arm's guest would, in no time, for tests of campaigns.

Where it stands: in the place of lab/runner.py, by `experiments/run --guest-runner experiments/fakeguest.py`.  What comes
out follows from the arm; from the environment: FAKE_SLEEP_S, how long a run takes; FAKE_DEAF, a verdict that is never told
(a detector that does not fire); FAKE_BREAK, if set: the lab fails.
"""
from __future__ import annotations

import copy
import json
import os
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lab import verdict  # noqa: E402
from lab.vm import LabError  # noqa: E402
import test_lab  # noqa: E402


def wanted(arm: dict[str, Any]) -> str:
    """The verdict that a guest of this arm would come to."""
    server = arm.get("server", {})
    command, load = server.get("command", ""), arm["load"]["pageload"]
    if arm.get("fault", {}).get("kind") == "vm-stop":
        return "LOST"
    if "sysrq-trigger" in arm["device"]["setup"]:
        return "PANIC"
    if "hold=" in command:
        return "DEADLOCK"
    if "spin=" in command:
        return "LIVELOCK"
    if "--naive" in command:
        return "DEADLOCK"
    for text, name in (("only=read", "SIGBUS"), ("only=write", "IO-ERROR"), ("--size 64M", "OOM-KILL")):
        if text in command:
            return name
    if "--corrupt" in load:
        return "CORRUPT"
    return "INVALID" if arm["load"].get("pages_percent", 100) < 50 else "PASS"


def evidence(arm: dict[str, Any]) -> verdict.Evidence:
    """What that guest would leave."""
    name = wanted(arm)
    if name == os.environ.get("FAKE_DEAF"):
        name = "PASS"
    run = test_lab.stalled(busy=1.0 if name == "LIVELOCK" else 0.02) if name in ("DEADLOCK", "LIVELOCK") else test_lab.finished()
    run.arm = copy.deepcopy(arm)
    server = arm.get("server", {})
    run.results[1]["protections"] = {**{key: True for key in server.get("protections_on", [])},
                                     **{key: False for key in server.get("protections_off", [])}}
    if name == "LOST":
        run.heartbeats, run.ended, run.nmi_sent = run.heartbeats[:8], "silent", True
        run.results = run.results[:4]
        run.sysrq = [{"key": "w", "answered": False}]
    elif name == "PANIC":
        run.console += "[   10.0] Kernel panic - not syncing: sysrq triggered crash\n"
    elif name == "SIGBUS":
        run.results[4].update(ok=False, died_by_signal=[{"worker": 2, "signal": 7}])
    elif name == "IO-ERROR":
        run.heartbeats[-1]["abuse"]["ended_error"] = 4
    elif name == "OOM-KILL":
        run.console += "[   10.0] Out of memory: Killed process 12 (pageload) total-vm:1kB\n"
    elif name == "CORRUPT":
        run.results[4].update(ok=False, mismatches=1)
    elif name == "INVALID":
        for line in run.heartbeats[1:]:
            line["pswpout"] = 3
    for result in run.results:
        if result["event"] == "stress-ng":
            result["ops"] = arm["load"]["stress_ops"]
    return run


def run(arm: dict[str, Any], series: str, out: Path, seed: int) -> None:
    """As lab/runner.py's run_arm()."""
    out.mkdir(parents=True)
    time.sleep(float(os.environ.get("FAKE_SLEEP_S", "0")))
    if os.environ.get("FAKE_BREAK"):
        raise LabError("this guest does not come up")
    told = evidence(arm)
    (out / "manifest.json").write_text(json.dumps({"arm": arm, "seed": seed, "series": series, "kernel": {}}))
    (out / "heartbeat.jsonl").write_text("".join(json.dumps(line) + "\n" for line in told.heartbeats))
    events: list[dict[str, Any]] = [
        {"host_s": result["host_s"], "kind": "result", "payload": {k: v for k, v in result.items() if k != "host_s"}}
        for result in told.results]
    events += [{"host_s": told.duration_s, "kind": "sysrq", "payload": sent} for sent in told.sysrq]
    if told.nmi_sent:
        events.append({"host_s": told.duration_s, "kind": "nmi", "payload": {}})
    events.append({"host_s": told.duration_s, "kind": "ended", "payload": {"why": told.ended}})
    (out / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    (out / "console.log").write_text(told.console)
    (out / "verdict.json").write_text(json.dumps(asdict(verdict.judge(told))))
