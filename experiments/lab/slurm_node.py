#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""A real Slurm of one node in a folder of its own, from Debian's packages, to try --engine slurm on.

Where it stands: beside the path, for tests and for a look at a job array on one machine.  The packages are fetched and
unpacked below build/, never installed: no service, no user, nothing in /etc.  Both daemons run as whoever calls, listen on
127.0.0.1 alone, ask nobody for a password (auth/none), and end with the `with`, or with this process.

    experiments/lab/slurm_node.py COMMAND...     runs COMMAND with sbatch and the others in its PATH
"""
from __future__ import annotations

import argparse
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

if __package__:
    from .vm import REPO, LabError
else:
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from lab.vm import REPO, LabError

# As in vm-images/packages.txt, with what they need of their own; of the rest a Debian has the libraries anyway.
PACKAGES = ("slurmctld", "slurmd", "slurm-client", "slurm-wlm-basic-plugins", "libhwloc15")
UNPACKED = REPO / "build" / "slurm"
# A daemon that has not answered by then does not come up.
UP_S = 60.0


def unpack() -> Path:
    """Fetch and unpack the packages, once; returns the folder that stands for /.  LabError if apt cannot."""
    root = UNPACKED / "root"
    if root.is_dir():
        return root
    folder = UNPACKED / f"partial.{os.getpid()}"
    folder.mkdir(parents=True)
    try:
        done = subprocess.run(["apt-get", "-q", "download", *PACKAGES], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines()
            raise LabError(f"apt-get download: {said[-1] if said else 'failed'}: run `apt-get update`, on a Debian")
        for package in sorted(folder.glob("*.deb")):
            subprocess.run(["dpkg", "-x", str(package), str(folder / "root")], check=True)
        try:
            (folder / "root").rename(root)
        except OSError:
            # Another process was first.
            pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return root


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class OneNode:
    """The two daemons.  `environment` is for programs that want to submit."""

    def __init__(self, folder: Path, *, cpus: int | None = None) -> None:
        self.folder = Path(folder)
        self._cpus = cpus or os.cpu_count() or 1
        self._root = unpack()
        libraries = self._root / "usr" / "lib" / "x86_64-linux-gnu"
        self._conf = self.folder / "slurm.conf"
        self.environment = {
            **os.environ, "SLURM_CONF": str(self._conf),
            "PATH": f"{self._root}/usr/bin:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": f"{libraries}:{libraries}/slurm-wlm",
        }
        self._plugins = libraries / "slurm-wlm"
        self._daemons: list[subprocess.Popen[bytes]] = []

    def _configure(self) -> None:
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        for name in ("state", "spool", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        # Less than there is, or the node is drained.
        memory_mib = max(256, (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20) - 256)
        self._conf.write_text("\n".join([
            "ClusterName=lab", f"SlurmctldHost={host}(127.0.0.1)", f"SlurmctldPort={_free_port()}", f"SlurmdPort={_free_port()}",
            # Two daemons of one user on one machine need not tell each other who they are.
            "AuthType=auth/none", "CredType=cred/none", f"SlurmUser={user}", f"SlurmdUser={user}",
            f"PluginDir={self._plugins}", f"StateSaveLocation={self.folder}/state", f"SlurmdSpoolDir={self.folder}/spool",
            f"SlurmctldPidFile={self.folder}/slurmctld.pid", f"SlurmdPidFile={self.folder}/slurmd.pid",
            f"SlurmctldLogFile={self.folder}/log/slurmctld", f"SlurmdLogFile={self.folder}/log/slurmd",
            # Nothing of the host's cgroups.
            "ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "JobAcctGatherType=jobacct_gather/none",
            "SwitchType=switch/none", "MpiDefault=none",
            "AccountingStorageType=accounting_storage/none", "JobCompType=jobcomp/none",
            "SelectType=select/cons_tres", "SelectTypeParameters=CR_CPU", "ReturnToService=2", "KillWait=10",
            "SchedulerParameters=sched_interval=2,sched_min_interval=0",
            f"NodeName={host} NodeAddr=127.0.0.1 NodeHostname={host} CPUs={self._cpus} RealMemory={memory_mib} State=UNKNOWN",
            f"PartitionName=lab Nodes={host} Default=YES MaxTime=INFINITE State=UP", ""]))
        self._host = host

    def _start(self, *command: str) -> None:
        setpriv = shutil.which("setpriv")
        with open(self.folder / "log" / "daemons", "ab") as log:
            self._daemons.append(subprocess.Popen([*([setpriv, "--pdeathsig", "TERM"] if setpriv else []), *command],
                                                  env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True))

    def ask(self, *command: str) -> str:
        """What one of Slurm's commands says.  LabError if it fails."""
        done = subprocess.run([str(self._root / "usr" / "bin" / command[0]), *command[1:]], env=self.environment,
                              capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"{command[0]}: {done.stderr.strip()}")
        return done.stdout

    def wait(self, what: str, limit_s: float, *command: str, until: str) -> None:
        """Until a command's answer, stripped, is `until`.  LabError after `limit_s`."""
        deadline = time.monotonic() + limit_s
        said = ""
        while time.monotonic() < deadline:
            try:
                said = self.ask(*command).strip()
                if said == until:
                    return
            except LabError as error:
                said = str(error)
            if any(daemon.poll() is not None for daemon in self._daemons):
                break
            time.sleep(0.2)
        raise LabError(f"slurm: {what} not within {limit_s:.0f} s: {said}; see {self.folder}/log")

    def __enter__(self) -> OneNode:
        try:
            self._configure()
            sbin = self._root / "usr" / "sbin"
            self._start(str(sbin / "slurmctld-wlm"), "-D", "-f", str(self._conf))
            self._start(str(sbin / "slurmd-wlm"), "-D", "-f", str(self._conf), "-N", self._host, "-d", str(sbin / "slurmstepd-wlm"))
            self.wait("the node is up", UP_S, "sinfo", "-h", "-o", "%t", until="idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for daemon in reversed(self._daemons):
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
            try:
                daemon.wait(15)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        self._daemons = []


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command beside a Slurm of one node of its own; wait for all jobs.")
    parser.add_argument("--wait", type=float, default=3600, metavar="SECONDS", help="for the jobs (default: %(default)s)")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="such as experiments/run --engine slurm --question H1")
    args = parser.parse_args()
    if not args.command:
        parser.error("which command?")
    try:
        with tempfile.TemporaryDirectory(prefix="slurm-") as folder, OneNode(Path(folder)) as node:
            status = subprocess.run(args.command, env=node.environment).returncode
            node.wait("all jobs have ended", args.wait, "squeue", "-h", until="")
            return status
    except LabError as error:
        print(f"slurm_node: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
