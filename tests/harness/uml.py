# SPDX-License-Identifier: GPL-2.0-only
"""One guest of user-mode Linux: the kernel as a program of this machine, with the face of lab.vm.Guest.

Where it stands: boot > [uml] > guest/runner.sh > test.  The console and the result port are pipes that the program
inherits; SysRq goes through its management socket.  It is many processes here, one for each address space in the guest:
all are in the process group that this class made, and are ended with it.
"""
from __future__ import annotations

import os
import queue
import resource
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.vm import Event, Guest, LabError, _Lines, _spawner, need_space

# As lab.vm's, without what only a PC has.  A panic ends the program; panic= would be a reboot.
KERNEL_ARGS = "root=/dev/ramfs rdinit=/init loglevel=7 oops=panic sysrq_always_enabled"
PIPE_BYTES = 1 << 20  # what is written faster than we read is lost
STOP_S = 5.0

# The management socket's datagrams: magic, version, length, data; and error, more, length, text.
_REQUEST = struct.Struct("=III512s")
_REPLY = struct.Struct("=III")
_MAGIC, _VERSION = 0xCAFEBABE, 2


class UmlGuest:
    """One run.  Leaving the `with` ends all its processes.

    kernel      the program
    initrds     cpio archives, concatenated in this order into workdir/initrd
    append      further kernel arguments
    workdir     folder of this run: initrd, console.log, uml.log
    """

    def __init__(self, *, kernel: Path, initrds: Sequence[Path], workdir: Path, append: str = "",
                 memory_mib: int = 256) -> None:
        self.kernel = Path(kernel)
        self.workdir = Path(workdir)
        self.append = append
        self.memory_mib = memory_mib
        self.console_path = self.workdir / "console.log"
        self.log_path = self.workdir / "uml.log"
        self._initrds = [Path(path) for path in initrds]
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._pipes: dict[str, int] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._reaped = threading.Lock()  # held while the group's number is used or given up
        self._ended = False
        self._folder = ""  # of the management socket: a short path, whatever the checkout's

    def __enter__(self) -> UmlGuest:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it.  LabError if something is missing."""
        for path in (self.kernel, *self._initrds):
            if not path.is_file():
                raise LabError(f"{path} is missing")
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise LabError("setpriv (util-linux) is not installed: run `make deps`")
        self._folder = tempfile.mkdtemp(prefix="uml-")
        # The same archive as for QEMU.
        initrd = Guest(kernel=self.kernel, initrds=self._initrds, workdir=self.workdir)._concatenate_initrds()
        theirs: dict[str, int] = {}
        try:
            for name in ("console", "result"):
                self._pipes[name], theirs[name] = os.pipe()
                os.set_blocking(self._pipes[name], False)
                _enlarge(theirs[name])
            command = [setpriv, "--pdeathsig", "KILL", str(self.kernel), f"mem={self.memory_mib}M", f"initrd={initrd}",
                       f"con0=null,fd:{theirs['console']}", "con=null", f"ssl0=null,fd:{theirs['result']}", "ssl=null",
                       f"uml_dir={self._folder}", "umid=guest", "abuse.ports=result:ttyS0",
                       *KERNEL_ARGS.split(), *self.append.split()]
            with open(self.log_path, "wb") as log:
                self._process = _spawner.submit(
                    subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                    pass_fds=list(theirs.values()), start_new_session=True,
                    env=os.environ | {"TMPDIR": self._memory_folder()}).result()
            # A panic aborts the program on purpose; nobody wants 256 MiB of core for it.
            resource.prlimit(self._process.pid, resource.RLIMIT_CORE, (0, 0))
            self._pidfd = os.pidfd_open(self._process.pid)
        finally:
            for fd in theirs.values():
                os.close(fd)
        self._reader = threading.Thread(target=self._read_all, name="uml-reader", daemon=True)
        self._reader.start()

    def _memory_folder(self) -> str:
        """Where its memory lies, as a file that is deleted at once: a tmpfs with room, else the run's own folder."""
        need_bytes = self.memory_mib << 21
        shared = Path("/dev/shm")
        if shared.is_dir() and shutil.disk_usage(shared).free >= need_bytes:
            return str(shared)
        need_space(self.workdir, need_bytes)
        return str(self.workdir)

    def stop(self) -> None:
        """End all of its processes, reap, close.  May be called twice."""
        process = self._process
        if process is None:
            return
        self._kill_group()
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join()
        deadline = time.monotonic() + STOP_S
        while (left := _members(process.pid)) and time.monotonic() < deadline:
            time.sleep(0.01)
        for fd in self._pipes.values():
            os.close(fd)
        self._pipes = {}
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""
        if left:
            raise LabError(f"processes of a guest do not end: {left}")

    def _kill_group(self) -> None:
        """SIGKILL to all of them, as long as the first one, whose number is the group's, has not been reaped."""
        with self._reaped:
            if self._process is not None and self._process.returncode is None:
                try:
                    os.killpg(self._process.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    # The first of them has not yet come to be the head of a group: it has no children then.
                    signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    @property
    def running(self) -> bool:
        return self._process is not None and not self._ended

    def get_event(self, timeout: float | None = None) -> Event | None:
        """The next event; None after `timeout` seconds (None: wait for ever), or after "exit"."""
        if self._ended:
            return None
        try:
            event = self._events.get(timeout=timeout) if timeout is None or timeout > 0 else self._events.get_nowait()
        except queue.Empty:
            return None
        if event.kind == "exit":
            self._ended = True
        return event

    def qmp(self, command: str, **_arguments: Any) -> Any:
        raise LabError(f"{command}: there is no QEMU here")

    def nmi(self) -> None:
        raise LabError("user-mode Linux has no NMI")

    def sysrq(self, key: str, timeout: float = 5.0) -> bool:
        """SysRq by the management socket; whether it was answered in time.  LabError if the guest is gone."""
        return self.manage(f"sysrq {key}", timeout)

    def manage(self, command: str, timeout: float = 5.0) -> bool:
        """One command of the management console; whether it was carried out."""
        data = command.encode("ascii")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.bind("")  # any name: the answer must come back
            sock.settimeout(timeout)
            try:
                sock.sendto(_REQUEST.pack(_MAGIC, _VERSION, len(data), data), f"{self._folder}/guest/mconsole")
                error, _more, _length = _REPLY.unpack(sock.recv(1 << 12)[:_REPLY.size])
            except TimeoutError:
                return False
            except OSError as reason:
                raise LabError(f"{command}: the guest is gone ({reason.strerror})") from reason
        return error == 0

    # ---------------------------------------------------------------- inside

    def _read_all(self) -> None:
        """The reader thread: until the program has ended and its pipes are drained."""
        assert self._process is not None
        selector = selectors.DefaultSelector()
        lines = {name: _Lines() for name in self._pipes}
        for name, fd in self._pipes.items():
            selector.register(fd, selectors.EVENT_READ, name)
        selector.register(self._pidfd, selectors.EVENT_READ, "exit")
        dead = False
        boots = 0
        with open(self.console_path, "wb") as console:
            while selector.get_map():
                ready = selector.select(0 if dead else None)
                if dead and not ready:
                    break
                for key, _mask in ready:
                    if key.data == "exit":
                        selector.unregister(key.fileobj)
                        # Its helpers hold the pipes open, and its guests' processes must not run on.
                        self._kill_group()
                        dead = True
                        continue
                    try:
                        data = os.read(key.fd, 1 << 16)
                    except BlockingIOError:
                        continue
                    if not data:
                        selector.unregister(key.fileobj)
                        continue
                    if key.data == "console":
                        console.write(data)
                        console.flush()
                    for line in lines[key.data].feed(data):
                        boots += key.data == "console" and "] Linux version " in line
                        if boots > 1:
                            # A reboot executes the program anew: for us the guest has gone.
                            self._kill_group()
                            break
                        self._put(key.data, line)
        selector.close()
        if boots <= 1:
            for name, rest in lines.items():
                if rest.rest().strip():
                    self._put(name, rest.rest())
        with self._reaped:
            status = self._process.wait()
        self._events.put(Event("exit", {"status": status, "stderr": self._last_words()}))

    def _put(self, name: str, line: str) -> None:
        if name == "console":
            self._events.put(Event("console", line))
        elif line.strip():
            self._events.put(Event("result", Guest._parse(line)))

    def _last_words(self) -> str:
        try:
            text = self.log_path.read_text(errors="replace").strip()
        except OSError:
            return ""
        return " | ".join(text.splitlines()[-3:])


def _enlarge(fd: int) -> None:
    import fcntl

    try:
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except OSError:
        pass  # the host allows less: the usual 64 KiB do, mostly


def _members(group: int) -> list[int]:
    """The processes of a group that have not ended."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # state ppid pgrp
        if int(fields[2]) == group and fields[0] not in "ZX":
            found.append(int(entry))
    return found
