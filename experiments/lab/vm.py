#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""One QEMU guest, driven from Python: start it, read what it says, poke it, stop it.

Where it stands: arm > run > [vm] > guest > job.  Everything above (the runner
of arms, the tests) sees a guest only through this file.

All channels are socket pairs whose other ends QEMU inherits: there are no
socket files to clean up, no race between listening and connecting, and no
limit on the length of a path.  One thread per guest reads them all and puts
what it read, in order, on one queue; see Guest.events().

    with Guest(kernel=..., initrds=[...], workdir=...) as guest:
        for kind, payload in guest.events(timeout=60):
            ...

Leaving the `with` stops QEMU and reaps it.  Should this process die first, by
whatever signal, the kernel kills QEMU (PR_SET_PDEATHSIG).
"""
from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import functools
import itertools
import json
import os
import queue
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

QEMU = "qemu-system-x86_64"
REPO = Path(__file__).resolve().parents[2]

# What every guest gets.  panic=-1 makes a panic a reboot, which -action turns
# into a pause that we are told of; `quiet` is left out on purpose, since it
# hides the task lines of sysrq.  Root on ramfs, as tmpfs can be swapped out.
KERNEL_ARGS = (
    "console=ttyS0 root=/dev/ramfs rdinit=/init loglevel=7 panic=-1 oops=panic "
    "unknown_nmi_panic=1 sysrq_always_enabled tsc=nowatchdog "
    # Whether ticks come at all is judged within milliseconds: of the host's load, under emulation.
    "no_timer_check"
)

PORTS = ("result", "heartbeat", "files")

# How often the console of a counted guest is looked at: it comes by a file.
TAIL_S = 0.05

# The instruction-counted clock.  shift=1: 2 ns each; sleep=off: an idle guest is at its next timer at once.
COUNTED_ACCEL = "tcg,thread=single"
COUNTED_NS = 2
# Without these two a copy to or from user memory is by `rep movsb`, which is counted a byte at a time.
COUNTED_CPU = "max,-erms,-fsrm"
COUNTED_ARGS = ("-icount", "shift=1,sleep=off", "-seed", "42", "-rtc", "base=2026-01-01T00:00:00,clock=vm")

SYS_IO_URING_SETUP = 425
IO_URING_PARAMS_BYTES = 120

# Seconds that QEMU gets to leave by itself, for each way of asking.
STOP_GRACE_S = 3.0
QMP_TIMEOUT_S = 10.0

# QEMU must be the child of a thread that outlives it: PR_SET_PDEATHSIG fires
# when the *thread* that forked it ends, and callers may well start guests from
# short-lived threads.  This pool's one thread lives as long as the process.
_spawner = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="qemu-spawner")


class LabError(Exception):
    """The lab cannot go on; the message is one line that says what to do."""


class Event(NamedTuple):
    """What a guest said.

    kind        payload
    console     str, one line without its end
    result      dict, one JSON line of the port "result"
    heartbeat   dict, one JSON line of the port "heartbeat"
    files       Path of the file that came through the port "files", complete
    qmp         dict, one event of QEMU ("event", "data", ...)
    exit        dict: "status" (as of subprocess), "stderr" (QEMU's last lines);
                always the last event
    """

    kind: str
    payload: Any


@functools.cache
def disk_aio() -> str:
    """QEMU's aio= for disks: io_uring, which is often done at once, unless this machine forbids it; then its threads."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    fd = libc.syscall(SYS_IO_URING_SETUP, 1, ctypes.create_string_buffer(IO_URING_PARAMS_BYTES))
    if fd < 0:
        return "threads"
    os.close(fd)
    return "io_uring"


@dataclass(frozen=True)
class Disk:
    """A raw disk image; `serial` (at most 20 bytes) is how the guest finds it.

    iops_max: it answers so many requests a second, on the average; 0: as many as it can
    """

    path: Path
    serial: str
    readonly: bool = False
    iops_max: int = 0


def make_disk(path: Path, size_bytes: int) -> Path:
    """Create a sparse raw image of `size_bytes`, all zero, replacing an old one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(path, "wb") as image:
        image.truncate(size_bytes)
    return path


def need_space(folder: Path, size_bytes: int) -> None:
    """Raise LabError unless `folder`'s filesystem has `size_bytes` left."""
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < size_bytes:
        raise LabError(f"no space in {folder}: {free_bytes >> 20} MiB free, {size_bytes >> 20} MiB "
                       "needed: free some, or name another folder")


def find_qemu() -> str:
    """Return the path of QEMU, or raise LabError."""
    path = shutil.which(QEMU)
    if path is None:
        raise LabError(f"{QEMU} is not installed: run `make deps`")
    return path


class _Lines:
    """Cuts a byte stream into lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode("utf-8", "replace").strip("\r") for line in lines]

    def rest(self) -> str:
        return self._rest.decode("utf-8", "replace").strip("\r")


class Guest:
    """One VM.  See the module's text; methods may be called from any thread.

    kernel      bzImage
    initrds     cpio archives, concatenated in this order into workdir/initrd
    append      further kernel arguments
    workdir     folder of this run: initrd, console.log, qemu.log, files.tar
    accel       argument of -accel; None asks accel.choose()
    watchdog    adds an i6300esb (expiry pauses the guest and is told by QMP)
    counted     the guest's clock counts its instructions, 2 ns each, of all processors together: the same numbers run
                after run, whatever the host does, unless a disk or anything else of the host answers in its own time
    extra       further arguments of QEMU, for experiments
    """

    def __init__(
        self,
        *,
        kernel: Path,
        initrds: Sequence[Path],
        workdir: Path,
        append: str = "",
        memory_mib: int = 256,
        cpus: int = 2,
        disks: Sequence[Disk] = (),
        accel: str | None = None,
        cpu: str = "max",
        watchdog: bool = False,
        counted: bool = False,
        extra: Sequence[str] = (),
    ) -> None:
        self.kernel = Path(kernel)
        self.initrds = [Path(path) for path in initrds]
        self.workdir = Path(workdir)
        self.append = append
        self.memory_mib = memory_mib
        self.cpus = cpus
        self.disks = list(disks)
        self.accel = accel
        self.cpu = cpu
        self.watchdog = watchdog
        self.counted = counted
        self.extra = list(extra)
        self.console_path = self.workdir / "console.log"
        self.files_path = self.workdir / "files.tar"
        self.qemu_log_path = self.workdir / "qemu.log"
        self.qemu_args: list[str] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._pidfd = -1
        self._sockets: dict[str, socket.socket] = {}
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None
        self._ids = itertools.count(1)
        self._replies: dict[int, concurrent.futures.Future[Any]] = {}
        self._reply_lock = threading.Lock()
        self._qmp_ready = threading.Event()
        self._sysrq_answered = threading.Condition()
        self._nr_sysrq_answers = 0
        self._files_bytes = 0
        self._console: Any = None
        self._serial_in = -1
        self._ended = False

    # ------------------------------------------------------------ life cycle

    def __enter__(self) -> Guest:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start QEMU.  LabError if something is missing or QEMU does not come up."""
        if self._process is not None:
            raise LabError("a Guest starts once: make a new one")
        qemu = find_qemu()
        self._check_inputs()
        if self.counted:
            # Whatever was asked for: only this one counts.
            self.accel = COUNTED_ACCEL
        if self.accel is None:
            try:
                from . import accel as accel_module
            except ImportError:
                import accel as accel_module  # type: ignore[no-redef]
            self.accel = accel_module.choose(self.kernel)
        initrd = self._concatenate_initrds()
        ours: dict[str, socket.socket] = {}
        theirs: dict[str, socket.socket] = {}
        try:
            if self.counted:
                self._open_serial()
            for name in ("qmp", *(() if self.counted else ("serial",)), *PORTS):
                ours[name], theirs[name] = socket.socketpair()
            self.qemu_args = self._arguments(qemu, initrd, {n: s.fileno() for n, s in theirs.items()})
            command = list(self.qemu_args)
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                raise LabError("setpriv (util-linux) is not installed: run `make deps`")
            # setpriv execs QEMU, so that the pid stays; a preexec_fn would not
            # be safe in a process with threads.
            command = [setpriv, "--pdeathsig", "KILL", *command]
            with open(self.qemu_log_path, "wb") as log:
                self._process = _spawner.submit(
                    subprocess.Popen, command, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT, pass_fds=[s.fileno() for s in theirs.values()],
                    # Ctrl-C is for us; we stop QEMU in order.
                    start_new_session=True).result()
            self._pidfd = os.pidfd_open(self._process.pid)
            self._sockets = ours
            ours = {}
        finally:
            for sock in (*ours.values(), *theirs.values()):
                sock.close()
        self._reader = threading.Thread(target=self._read_all, name="guest-reader", daemon=True)
        self._reader.start()
        ready = self._qmp_ready.wait(QMP_TIMEOUT_S)
        self._unlink_serial()
        if not ready:
            self.stop()
            raise LabError(f"QEMU did not answer within {QMP_TIMEOUT_S:.0f} s: {self._stderr_tail()}")
        if self._process.poll() not in (None, 0):
            self.stop()
            raise LabError(f"QEMU did not start: {self._stderr_tail()}")

    def stop(self) -> None:
        """End QEMU if it still runs, reap it, close everything.  May be called twice."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            try:
                self.qmp("quit", timeout=STOP_GRACE_S)
            except (LabError, OSError):
                pass
        for number in (None, signal.SIGTERM, signal.SIGKILL):
            if number is not None and process.poll() is None:
                try:
                    # By pidfd: a number could have been reused.
                    signal.pidfd_send_signal(self._pidfd, number)
                except ProcessLookupError:
                    pass  # ended by now, and reaped by another thread's poll()
            try:
                process.wait(STOP_GRACE_S if number != signal.SIGKILL else None)
                break
            except subprocess.TimeoutExpired:
                continue
        if self._reader is not None and self._reader is not threading.current_thread():
            self._reader.join()
        for sock in self._sockets.values():
            sock.close()
        self._sockets = {}
        if self._serial_in >= 0:
            os.close(self._serial_in)
            self._serial_in = -1
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # ---------------------------------------------------------------- events

    def get_event(self, timeout: float | None = None) -> Event | None:
        """The next event; None after `timeout` seconds (None: wait for ever), or after "exit"."""
        if self._ended:
            return None
        try:
            event = self._events.get(timeout=timeout) if timeout is None or timeout > 0 \
                else self._events.get_nowait()
        except queue.Empty:
            return None
        if event.kind == "exit":
            self._ended = True
        return event

    def events(self, timeout: float) -> Iterator[Event]:
        """Yield events until `timeout` seconds from now, or until "exit" was yielded."""
        deadline = time.monotonic() + timeout
        while not self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            event = self.get_event(left)
            if event is None:
                return
            yield event

    # ------------------------------------------------------------- to a guest

    def qmp(self, command: str, timeout: float = QMP_TIMEOUT_S, **arguments: Any) -> Any:
        """Run one QMP command; return what it returns.  LabError on refusal or silence.

        Arguments are sent by the names that QMP has, some with underscores, some with hyphens (**{"command-line": ...}).
        """
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        number = next(self._ids)
        with self._reply_lock:
            self._replies[number] = future
        message: dict[str, Any] = {"execute": command, "id": number}
        if arguments:
            message["arguments"] = arguments
        sock = self._sockets.get("qmp")
        if sock is None:
            raise LabError(f"QMP {command}: the guest does not run")
        try:
            sock.sendall(json.dumps(message).encode() + b"\n")
            return future.result(timeout)
        # It is an OSError, too.
        except concurrent.futures.TimeoutError:
            raise LabError(f"QMP {command}: no answer within {timeout:.0f} s") from None
        except OSError as error:
            raise LabError(f"QMP {command}: QEMU is gone") from error
        finally:
            with self._reply_lock:
                self._replies.pop(number, None)

    def sysrq(self, key: str, timeout: float = 5.0) -> bool:
        """Magic SysRq over the serial line: a break, then the key.

        Waits up to `timeout` seconds for the line by which the kernel says
        that it got the key, and returns whether it came: a second break before
        the first key was read would spoil both.  What the kernel then prints
        comes as "console" events.  LabError if QEMU is gone.
        """
        before = self._nr_sysrq_answers
        self.qmp("chardev-send-break", id="serial")
        self.send_console(key)
        # The lock must not be held above: the reader thread needs it on its
        # way to the answer of chardev-send-break.
        with self._sysrq_answered:
            return self._sysrq_answered.wait_for(lambda: self._nr_sysrq_answers > before, timeout)

    def send_console(self, text: str) -> None:
        """Type `text` on the serial console."""
        if self.counted:
            os.write(self._serial_in, text.encode())
        else:
            self._sockets["serial"].sendall(text.encode())

    def nmi(self) -> None:
        """Send an NMI to all CPUs (with unknown_nmi_panic=1 the guest panics)."""
        self.qmp("inject-nmi")

    # ---------------------------------------------------------------- inside

    def _serial(self, way: str) -> Path:
        return self.workdir / f"serial.{way}"

    def _open_serial(self) -> None:
        """What QEMU takes for the two pipes of a counted guest's console: one that is typed into, and a plain file.

        The pipe is open both ways, so that QEMU need not wait for its other end.
        """
        self.workdir.mkdir(parents=True, exist_ok=True)
        self._unlink_serial()
        os.mkfifo(self._serial("in"), 0o600)
        self._serial_in = os.open(self._serial("in"), os.O_RDWR | os.O_CLOEXEC)
        self.console_path.write_bytes(b"")
        self._serial("out").symlink_to(self.console_path.name)

    def _unlink_serial(self) -> None:
        for way in ("in", "out"):
            self._serial(way).unlink(missing_ok=True)

    def _check_inputs(self) -> None:
        if not self.kernel.is_file():
            raise LabError(f"kernel image {self.kernel} is missing: run `make kernels`")
        for path in self.initrds:
            if not path.is_file():
                raise LabError(f"image {path} is missing: run `make images`")
        for disk in self.disks:
            if not disk.path.exists():
                raise LabError(f"disk {disk.path} is missing: make it with make_disk()")
            if len(disk.serial) > 20:
                raise LabError(f"disk serial {disk.serial!r} is longer than 20 bytes")

    def _concatenate_initrds(self) -> Path:
        self.workdir.mkdir(parents=True, exist_ok=True)
        size_bytes = sum(path.stat().st_size for path in self.initrds)
        need_space(self.workdir, size_bytes + (64 << 20))
        target = self.workdir / "initrd"
        with open(target, "wb") as out:
            for path in self.initrds:
                with open(path, "rb") as part:
                    shutil.copyfileobj(part, out, 1 << 20)
                # The kernel wants each archive to start at a multiple of four.
                out.write(bytes(-out.tell() % 512))
        return target

    def _arguments(self, qemu: str, initrd: Path, fds: dict[str, int]) -> list[str]:
        args = [
            qemu, "-M", "q35", "-cpu", self.cpu, "-accel", str(self.accel),
            "-m", str(self.memory_mib), "-smp", str(self.cpus),
            "-nodefaults", "-no-user-config", "-display", "none", "-net", "none",
            "-kernel", str(self.kernel), "-initrd", str(initrd),
            "-append", f"{KERNEL_ARGS} {self.append}".strip(),
            "-action", "reboot=shutdown,shutdown=poweroff,panic=pause,watchdog=pause",
            "-chardev", f"socket,id=qmp,fd={fds['qmp']}", "-mon", "chardev=qmp,mode=control",
            # A socket takes a few hundred single bytes, and then the port's next interrupt is the host's to give: a file is never full.
            "-chardev", f"pipe,id=serial,path={self.workdir}/serial" if self.counted else f"socket,id=serial,fd={fds['serial']}",
            "-serial", "chardev:serial",
            "-device", "pvpanic-pci",
            # A kick that the host takes up in its own time would be seen in the guest's.
            "-device", "virtio-serial-pci" + (",ioeventfd=off" if self.counted else ""),
            *(COUNTED_ARGS if self.counted else ()),
        ]
        for name in PORTS:
            args += ["-chardev", f"socket,id={name},fd={fds[name]}",
                     "-device", f"virtserialport,chardev={name},name={name},id=port-{name}"]
        # Emulated, a kick is taken up by who kicks, not by another thread that has to be woken: with io_uring, a safe run takes
        # 0.71 of its time.
        inline = ",ioeventfd=off" if str(self.accel).startswith("tcg") else ""
        for number, disk in enumerate(self.disks):
            args += ["-drive", f"file={disk.path},format=raw,if=none,id=disk{number},cache=unsafe,aio={disk_aio()}"
                     + (",readonly=on" if disk.readonly else "")
                     + (f",throttling.iops-total={disk.iops_max}" if disk.iops_max else ""),
                     "-device", f"virtio-blk-pci,drive=disk{number},serial={disk.serial}{inline}"]
        if self.watchdog:
            args += ["-device", "i6300esb"]
        return args + self.extra

    def _read_all(self) -> None:
        """The reader thread: until QEMU has ended and every channel is drained."""
        selector = selectors.DefaultSelector()
        lines = {"serial": _Lines(), **{name: _Lines() for name in self._sockets}}
        for name, sock in self._sockets.items():
            selector.register(sock, selectors.EVENT_READ, name)
        selector.register(self._pidfd, selectors.EVENT_READ, "exit")
        dead = False
        # Not QEMU's own logfile= of the chardev: 7.2 writes a byte to it again each time that the socket is full, and a
        # doubled letter in a stack is another function.
        # What a counted guest prints QEMU has put there already.
        with open(self.files_path, "wb") as files, open(self.console_path, "rb" if self.counted else "wb") as self._console:
            while selector.get_map():
                ready = selector.select(0 if dead else TAIL_S if self.counted else None)
                if self.counted:
                    self._take("serial", self._console.read(), lines["serial"], files)
                if dead and not ready:
                    break
                for key, _mask in ready:
                    if key.data == "exit":
                        selector.unregister(key.fileobj)
                        dead = True
                        continue
                    if not self._read_one(key.data, key.fileobj, lines[key.data], files):  # type: ignore[arg-type]
                        selector.unregister(key.fileobj)
        selector.close()
        self._finish(lines)

    def _read_one(self, name: str, sock: socket.socket, lines: _Lines, files: Any) -> bool:
        """Take what one channel holds; False at its end."""
        try:
            data = sock.recv(1 << 16, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            return False
        if name == "files":
            files.write(data)
            files.flush()
            self._files_bytes += len(data)
            return True
        if name == "serial":
            self._console.write(data)
            self._console.flush()
        self._take(name, data, lines, files)
        return True

    def _take(self, name: str, data: bytes, lines: _Lines, files: Any) -> None:
        """Make events of what a channel had."""
        for line in lines.feed(data):
            if name == "serial":
                self._events.put(Event("console", line))
                if "sysrq: " in line:
                    with self._sysrq_answered:
                        self._nr_sysrq_answers += 1
                        self._sysrq_answered.notify_all()
            elif name == "qmp":
                self._on_qmp(line, files)
            elif line.strip():
                self._events.put(Event(name, self._parse(line)))

    @staticmethod
    def _parse(line: str) -> dict[str, Any]:
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        return value if isinstance(value, dict) else {"event": "malformed", "line": line}

    def _on_qmp(self, line: str, files: Any) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if "QMP" in message:
            self._sockets["qmp"].sendall(b'{"execute":"qmp_capabilities","id":0}\n')
        elif message.get("id") == 0:
            self._qmp_ready.set()
        elif "event" in message:
            self._events.put(Event("qmp", message))
            data = message.get("data", {})
            if message["event"] == "VSERPORT_CHANGE" and data.get("id") == "port-files" \
                    and not data.get("open"):
                # What the guest wrote before it closed is in the socket already.
                self._drain_files(files)
                self._files_complete()
        elif "id" in message:
            with self._reply_lock:
                future = self._replies.get(message["id"])
            if future is not None:
                if "error" in message:
                    future.set_exception(LabError(f"QMP: {message['error'].get('desc', message['error'])}"))
                else:
                    future.set_result(message.get("return"))

    def _drain_files(self, files: Any) -> None:
        while True:
            try:
                data = self._sockets["files"].recv(1 << 16, socket.MSG_DONTWAIT)
            except OSError:
                return
            if not data:
                return
            files.write(data)
            files.flush()
            self._files_bytes += len(data)

    def _files_complete(self) -> None:
        if self._files_bytes:
            self._files_bytes = 0
            self._events.put(Event("files", self.files_path))

    def _finish(self, lines: dict[str, _Lines]) -> None:
        assert self._process is not None
        if lines["serial"].rest():
            self._events.put(Event("console", lines["serial"].rest()))
        for name in ("result", "heartbeat"):
            if lines[name].rest().strip():
                self._events.put(Event(name, self._parse(lines[name].rest())))
        self._files_complete()
        status = self._process.wait()
        with self._reply_lock:
            for future in self._replies.values():
                if not future.done():
                    future.set_exception(LabError("QMP: QEMU is gone"))
        self._events.put(Event("exit", {"status": status, "stderr": self._stderr_tail()}))
        self._qmp_ready.set()

    def _stderr_tail(self) -> str:
        try:
            text = self.qemu_log_path.read_text(errors="replace").strip()
        except OSError:
            return ""
        return " | ".join(text.splitlines()[-3:])


def main() -> int:
    """Boot one guest by hand and show what it says."""
    parser = argparse.ArgumentParser(description="Boot one guest and print its events.")
    parser.add_argument("--kernel", type=Path, required=True, help="bzImage")
    parser.add_argument("--initrd", type=Path, action="append", default=[], help="cpio; may be repeated")
    parser.add_argument("--append", default="", help="further kernel arguments")
    parser.add_argument("--memory", type=int, default=256, metavar="MIB")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--disk", type=Path, action="append", default=[], help="raw image; serials disk0, disk1, ...")
    parser.add_argument("--accel", help="argument of -accel (default: probe)")
    parser.add_argument("--timeout", type=float, default=60, metavar="SECONDS")
    parser.add_argument("--workdir", type=Path, default=REPO / "build" / "vm")
    parser.add_argument("--sysrq", default="", metavar="KEYS", help="send these after --sysrq-after seconds")
    parser.add_argument("--sysrq-after", type=float, default=5, metavar="SECONDS")
    args = parser.parse_args()
    disks = [Disk(path, f"disk{number}") for number, path in enumerate(args.disk)]
    start = time.monotonic()
    keys = list(args.sysrq)
    try:
        with Guest(kernel=args.kernel, initrds=args.initrd, workdir=args.workdir, append=args.append,
                   memory_mib=args.memory, cpus=args.cpus, disks=disks, accel=args.accel) as guest:
            while (left := start + args.timeout - time.monotonic()) > 0:
                due = start + args.sysrq_after - time.monotonic() if keys else left
                event = guest.get_event(max(0.0, min(left, due)))
                if event is None and keys and guest.running:
                    guest.sysrq(keys.pop(0))
                    continue
                if event is not None:
                    print(f"{time.monotonic() - start:7.2f} {event.kind:9} {event.payload}", flush=True)
                    if event.kind == "exit":
                        return 0
        print(f"vm: stopped after {args.timeout:.0f} s", file=sys.stderr)
        return 1
    except LabError as error:
        print(f"vm: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
