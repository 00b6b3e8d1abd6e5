#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Choose QEMU's accelerator: KVM if a guest really runs under it, else emulation.

Where it stands: arm > run > vm > [accel].  That /dev/kvm can be opened says
little (nested or restricted hosts have it and run nothing), so the probe boots
the project's own kernel until it panics for want of a root filesystem, which
proves a whole boot.  The answer is kept in build/accel.json for this boot of
the host, this kernel and this QEMU.
"""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TCG = "tcg,thread=multi"
KVM = "kvm"
REPO = Path(__file__).resolve().parents[2]
CACHE = REPO / "build" / "accel.json"

# A boot to that panic takes under 2 s with KVM on any machine of today.
PROBE_S = 8.0
# A guest that has not said a word by then does not run at all.
PROBE_SILENT_S = 4.0


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n", 1)[0]


def _key(kernel: Path, qemu: str) -> str:
    """Names what the answer depends on."""
    stat = kernel.stat()
    release = kernel.with_name("release")
    name = release.read_text().strip() if release.is_file() else f"{kernel.name}-{stat.st_size}"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{name} | {_first_line([qemu, '--version'])} | {boot_id}"


def probe(kernel: Path, qemu: str) -> tuple[bool, str]:
    """Boot `kernel` under KVM; return (it runs, why)."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False, "/dev/kvm is not there or may not be opened"
    with tempfile.TemporaryDirectory(prefix="accel-") as folder:
        console = Path(folder, "console")
        errors = Path(folder, "errors")
        with open(errors, "wb") as log:
            process = subprocess.Popen(
                [qemu, "-M", "q35", "-accel", "kvm", "-cpu", "max", "-smp", "2", "-m", "256", "-nodefaults",
                 "-no-user-config", "-display", "none", "-net", "none", "-no-reboot", "-kernel", str(kernel),
                 "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1", "-serial", f"file:{console}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        start = time.monotonic()
        text = ""
        try:
            while (elapsed_s := time.monotonic() - start) < PROBE_S:
                ended = process.poll() is not None
                said = errors.read_text(errors="replace").strip()
                if "KVM internal error" in said:
                    # QEMU then stays, with the guest stopped.
                    return False, said.splitlines()[0]
                text = console.read_text(errors="replace") if console.exists() else ""
                if "Kernel panic - not syncing: VFS" in text or "Unable to mount root" in text:
                    return True, f"a guest booted in {elapsed_s:.1f} s"
                if ended:
                    return False, "QEMU ended: " + (said.splitlines()[0] if said else f"status {process.returncode}")
                if elapsed_s > PROBE_SILENT_S and not text.strip():
                    return False, f"the guest was silent for {PROBE_SILENT_S:.0f} s"
                time.sleep(0.05)
            return False, f"the guest did not finish booting within {PROBE_S:.0f} s"
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def choose(kernel: Path, *, fresh: bool = False, qemu: str = "qemu-system-x86_64") -> str:
    """Return the argument for -accel.  ABUSE_ACCEL in the environment overrides it.

    fresh: probe again even if the answer is known.
    """
    forced = os.environ.get("ABUSE_ACCEL")
    if forced:
        return forced
    key = _key(kernel, qemu)
    try:
        known = json.loads(CACHE.read_text())
    except (OSError, ValueError):
        known = {}
    if not fresh and isinstance(known, dict) and key in known:
        return str(known[key]["accel"])
    works, why = probe(kernel, qemu)
    # Only this boot's answers are worth keeping: the file stays small.
    boot_id = key.rsplit(" | ", 1)[1]
    kept = {k: v for k, v in known.items() if k.endswith(boot_id)} if isinstance(known, dict) else {}
    kept[key] = {"accel": KVM if works else TCG, "why": why}
    CACHE.parent.mkdir(parents=True, exist_ok=True)
    partial = CACHE.with_name(f"{CACHE.name}.{os.getpid()}")
    partial.write_text(json.dumps(kept, indent=1) + "\n")
    os.replace(partial, CACHE)
    return str(kept[key]["accel"])


def main() -> int:
    parser = argparse.ArgumentParser(description="Say which accelerator guests will use.")
    parser.add_argument("kernel", type=Path, help="bzImage")
    parser.add_argument("--fresh", action="store_true", help="probe again")
    args = parser.parse_args()
    if not args.kernel.is_file():
        print(f"accel: {args.kernel} is missing: run `make kernels`", file=sys.stderr)
        return 2
    try:
        print(choose(args.kernel, fresh=args.fresh))
    except FileNotFoundError:
        print("accel: qemu-system-x86_64 is not installed: run `make deps`", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
