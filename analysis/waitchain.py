#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Derive who waits for what from a kernel log that holds the answer to sysrq w, t or l.

Where it stands: run > console.log > [waitchain] > verdict.json and the reader.  A hang is explained, not only counted:

    stress-ng-vm [123] waits for: its page, being read from /dev/abuse0 (folio_wait_bit_common)
    the page waits for: a request of /dev/abuse0, LENT to swapserver [99]
    swapserver [99] waits for: a bio of fs_bio_set (...)

Each stack is matched against one ordered table, innermost meaning first.  A stack that no entry knows is shown as it
is: nothing is forced into a chain.  Formats: kernels 6.1 and 6.12 (which adds tgid and task_flags to the task line).
"""
from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Sequence

# "[   12.345678] " of printk, with the thread or processor that CONFIG_PRINTK_CALLER adds.
STAMP = re.compile(r"^\[\s*\d+\.\d+\](?:\[\s*[TC]\d+\])? ?")
TASK = re.compile(r"task:(?P<comm>.{1,16}?)\s+state:(?P<state>\S)\s+(?:stack:\s*\d+\s+)?(?:running task\s+)?(?:stack:\s*\d+\s+)?"
                  r"pid:\s*(?P<pid>\d+)\s+(?:tgid:\s*(?P<tgid>\d+)\s+)?ppid:\s*(?P<ppid>\d+)")
# The header of a backtrace of a running processor (sysrq l, NMI backtrace, oops).
CPU = re.compile(r"^CPU: (?P<cpu>\d+) (?:UID: \d+ )?PID: (?P<pid>\d+) Comm: (?P<comm>.+?) (?:Kdump|Not tainted|Tainted)")
# " ? name+0x1/0x2 [module]"
FRAME = re.compile(r"^\s*(?P<guess>\? )?(?P<name>[A-Za-z_][\w.]*)\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[(?P<module>\w+)[^]]*\])?\s*$")
RIP = re.compile(r"^RIP: 0010:(?P<name>[A-Za-z_][\w.]*)\+0x")
# Of a task that was interrupted to print this: what interrupted it.
INTERRUPTS = re.compile(r"^\s*<(?P<end>/)?(?:IRQ|NMI|SOFTIRQ|EOI)>$")
BLOCK_ENDS = re.compile(r"^(?:sysrq: |task:|CPU: |Showing busy workqueues|Mem-Info|INFO: |NMI backtrace|Sending NMI|Sched Debug)")
# A compiler's clones are the same function to us.
CLONE = re.compile(r"\.(?:constprop|isra|part|cold|llvm)(?:\.\d+)*")

# Who waits with a time-out looks again each time that it has passed, and is caught running then: it waits all the same.
BETWEEN_LOOKS = ("__schedule", "schedule", "schedule_timeout")
# Whoever is not in the answer to sysrq t is not there.  Its first line, and what the kernel prints behind the tasks.
ALL_TASKS, BEHIND_TASKS = "sysrq: Show State", "Showing busy workqueues"
IDLE_COMMS = re.compile(r"^(?:swapper/|rcu_|ksoftirqd|migration/|cpuhp/|idle_inject)")


@dataclass
class Task:
    """One task of the log; stack is innermost first, without the frames the kernel marked as guesses."""

    pid: int
    comm: str
    state: str
    tgid: int
    ppid: int
    stack: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.comm} [{self.pid}]"


@dataclass(frozen=True)
class Meaning:
    """An entry of the table.

    frames    regular expressions for whole function names, to be found in this order, innermost first, others between
    kind      what is waited for, see RESOURCES
    because   appended to the resource's text; {device} and {own} are filled in
    """

    frames: tuple[str, ...]
    kind: str
    because: str = ""


# What kinds of resources lead to, so that a chain goes on: "device" (its requests must end), "memory" (reclaim must
# free some, for which the device's writes must end), "disk" (the backing disk, in the kernel), "idle" (nothing to do),
# "lock" (its holder is not in a stack) or "" (unknown).
RESOURCES: dict[str, tuple[str, str]] = {
    "request": ("a request: it is idle", "idle"),
    "idle": ("work: it is idle", "idle"),
    "batch": ("more requests than there are, for it answers none of those that it holds", "device"),
    "slot": ("a free request slot of {device}", "device"),
    "tag": ("a tag of {device}", "device"),
    "qos": ("room among the writes to {device} (writeback throttling)", "device"),
    "socket": ("the socket of {device}, on which its server reads", "device"),
    "reply": ("an answer of the server of {device}", "idle"),
    "room": ("room in a socket", "lock"),
    "dispatch": ("those who hand a request to {device}", "lock"),
    "bio": ("a bio of a bio_set", "device"),
    "page": ("its page, being read from {device}", "device"),
    "folio": ("a locked page or one under writeback", "device"),
    "sync": ("the end of a request to {device}", "device"),
    "throttle": ("free memory", "memory"),
    "reclaim": ("free memory, in direct reclaim", "memory"),
    "writeback": ("dirty pages to be written", "device"),
    "journal": ("the journal", "lock"),
    "lock": ("a lock", "lock"),
    "disk": ("the end of its own request to a disk", "disk"),
    "child": ("a child process", "idle"),
    "signal": ("a signal", "idle"),
    "stopped": ("somebody to continue it: it is stopped", "idle"),
    "futex": ("another thread or process (futex)", "idle"),
}

SWAP_OUT = r"(?:__)?swap_write(?:page|_unplug|out|page_.*)|pageout|shrink_folio_list|add_to_swap"
SWAP_IN = (r"swap_read(?:page|_folio|_unplug)(?:_.*)?|do_swap_page|swapin_readahead|swap_cluster_readahead|"
           r"swap_vma_readahead|read_swap_cache_async|swap_cluster_readahead|shmem_swapin_.*|unuse_.*|try_to_unuse")
RECLAIM = r"try_to_free_pages|balance_pgdat|shrink_node|shrink_lruvec|try_to_free_mem_cgroup_pages"
# Of a socket: whoever sends waits for room, whoever receives for data.
SENDS = (r"sock_alloc_send_pskb|sock_wait_for_wmem|sk_stream_wait_memory|unix_stream_sendmsg|unix_wait_for_peer|"
         r"tcp_sendmsg.*|lock_sock_nested|__lock_sock")
RECEIVES = r"unix_stream_data_wait|unix_stream_read_generic|unix_stream_recvmsg|sk_wait_data|tcp_recvmsg.*|inet6?_recvmsg"

# Where the kernel serves a device by workers of its own, they are known by these functions, not by a name.
KERNEL_SERVERS: dict[str, re.Pattern[str]] = {
    "loop": re.compile(r"loop_process_work|loop_(?:rootcg_)?workfn|lo_rw_aio"),
}

TABLE: tuple[Meaning, ...] = (
    # The device itself.
    Meaning((r"abuse_server_wait",), "request"),
    Meaning((r"abuse_bio_wait_slot",), "slot"),
    Meaning((r"abuse_bio_submit",), "slot"),
    # nbd: a request is sent by who submits it, under a lock for each socket.  Who has it waits until the server reads.
    Meaning((r"(?:__)?mutex_lock.*", r"nbd_queue_rq|nbd_handle_cmd", RECLAIM), "socket",
            "its lock, to send a page to swap, in its own reclaim"),
    Meaning((r"(?:__)?mutex_lock.*", r"nbd_queue_rq|nbd_handle_cmd"), "socket", "its lock, to send a request"),
    Meaning((SENDS, r"nbd_send_cmd|nbd_queue_rq|nbd_handle_cmd|(?:__)?sock_xmit"), "socket",
            "room in it, to send a request"),
    Meaning((RECEIVES, r"recv_work|nbd_read_reply"), "reply"),
    # ublk: its driver hands requests over in the server's own context; a server waits in its ring, for those or its disk.
    Meaning((r"io_cqring_wait.*",), "request"),
    Meaning((r"io_wq_worker",), "idle"),
    # Tags run out where each request of the swap device has one.
    Meaning((r"blk_mq_get_tag|__blk_mq_get_tag", SWAP_OUT), "tag", "to write a page to swap"),
    Meaning((r"blk_mq_get_tag|__blk_mq_get_tag", SWAP_IN), "tag", "to read a page from swap"),
    Meaning((r"rq_qos_wait|wbt_wait", r"(?:__)?swap_write(?:page|_unplug|out|page_.*)"), "qos", "to write a page to swap"),
    # A pool that ran empty; whose bios it waits for follows from who asks.
    Meaning((r"mempool_alloc(?:_noprof)?", r"bio_alloc_bioset", SWAP_OUT), "bio",
            "fs_bio_set, reserve 2, to write a page to swap; the others are in requests of {device}"),
    Meaning((r"mempool_alloc(?:_noprof)?", r"bio_alloc_bioset", SWAP_IN), "bio",
            "fs_bio_set, reserve 2, to read a page from swap; the others are in requests of {device}"),
    Meaning((r"mempool_alloc(?:_noprof)?", r"bio_alloc_clone|bio_split.*"), "bio", "to split or clone a request"),
    Meaning((r"mempool_alloc(?:_noprof)?", r"bio_alloc_bioset"), "bio",
            "shared with swap, whose bios are in requests of {device}"),
    Meaning((r"mempool_alloc(?:_noprof)?",), "bio", "a mempool's reserve"),
    # Swap-in.
    Meaning((r"folio_wait_bit_common|folio_wait_locked|__folio_lock_or_retry|folio_lock_or_retry|wait_on_page_bit.*",
             r"do_swap_page|swapin_.*|shmem_swapin_.*"), "page"),
    Meaning((r"io_schedule|folio_wait_bit_common|submit_bio_wait", r"swap_read(?:page|_folio)(?:_.*)?"), "page",
            "read synchronously"),
    # Reclaim's own waits; kswapd's sleep between rounds is no wait for anybody.
    Meaning((r"kswapd_try_to_sleep",), "idle"),
    Meaning((r"throttle_direct_reclaim",), "throttle", "throttled: free memory is below half of the minimum"),
    Meaning((r"reclaim_throttle|congestion_wait|wait_iff_congested|io_schedule_timeout", RECLAIM), "throttle",
            "throttled in reclaim"),
    Meaning((r"folio_wait_writeback.*|folio_wait_bit_common", r"shrink_folio_list|" + RECLAIM), "folio"),
    Meaning((r"rwsem_down_.*|down_(?:read|write).*|__mutex_lock.*|mutex_lock.*|__down.*", RECLAIM), "lock", "inside reclaim"),
    Meaning((RECLAIM,), "reclaim"),
    Meaning((r"schedule_timeout.*|msleep|io_schedule_timeout", r"__alloc_pages_slowpath.*|__alloc_(?:frozen_)?pages.*"),
            "throttle", "retrying the allocation"),
    Meaning((r"__alloc_pages_slowpath.*|__alloc_(?:frozen_)?pages.*",), "reclaim"),
    # Files on the device or on a disk.
    Meaning((r"balance_dirty_pages.*",), "writeback", "throttled as a dirtier"),
    Meaning((r"jbd2_log_wait_commit|jbd2_journal_.*|wait_transaction_locked|add_transaction_credits|start_this_handle",),
            "journal"),
    Meaning((r"folio_wait_writeback.*|__filemap_fdatawait_range|filemap_fdatawait.*",), "writeback"),
    Meaning((r"folio_wait_bit_common|folio_wait_locked|folio_lock.*|__folio_lock.*",), "folio"),
    # Locks.
    Meaning((r"rwsem_down_.*|down_(?:read|write).*",), "lock", "a semaphore for reading and writing"),
    Meaning((r"__mutex_lock.*|mutex_lock.*|rt_mutex_.*",), "lock", "a mutex"),
    Meaning((r"(?:__)?synchronize_s?rcu.*", r"blk_mq_timeout_work|blk_mq_(?:un)?quiesce.*|blk_mq_wait_quiesce_done"),
            "dispatch"),
    Meaning((r"blk_mq_freeze_queue_wait|__bio_queue_enter|blk_queue_enter",), "lock", "a frozen queue"),
    # Requests of its own.
    Meaning((r"blk_mq_get_tag",), "disk", "a tag"),
    Meaning((r"io_schedule.*|blk_io_schedule|submit_bio_wait.*|blk_wait_io",
             r"__blkdev_direct_IO.*|blkdev_direct_IO.*|__iomap_dio_rw|iomap_dio_.*|submit_bio_wait.*"), "disk"),
    Meaning((r"io_schedule.*|wait_for_completion_io.*|bit_wait_io",), "sync"),
    # A server at its sockets; a driver's own locks.
    Meaning((RECEIVES, r"sock_recvmsg.*|sock_read_iter|__sys_recv.*|____sys_recvmsg|___sys_recvmsg"), "request"),
    Meaning((SENDS, r"sock_sendmsg.*|__sock_sendmsg|sock_write_iter|__sys_send.*|____sys_sendmsg|___sys_sendmsg"), "room"),
    Meaning((r"ublk_(?:ch|ctrl)_.*|nbd_(?:ioctl|disconnect.*|clear_.*|start_device.*)|(?:__)?loop_clr_fd|lo_(?:open|release)",),
            "lock", "inside the device's driver"),
    # Waits that are no part of a hang.
    Meaning((r"do_wait|kernel_wait4|__do_sys_wait.*",), "child"),
    Meaning((r"futex_wait.*|futex_wait_queue.*",), "futex"),
    Meaning((r"do_sigtimedwait|sigsuspend|__do_sys_pause|__x64_sys_pause",), "signal"),
    Meaning((r"do_signal_stop|ptrace_stop.*",), "stopped"),
    Meaning((r"do_nanosleep|hrtimer_nanosleep|worker_thread|smpboot_thread_fn|kthreadd|rcu_gp_.*|do_sys_poll|"
             r"do_poll.*|do_select|ep_poll|pipe_read|pipe_wait_.*|n_tty_read|kauditd_thread|"
             r"oom_reaper|kcompactd|khugepaged.*|khungtaskd|watchdog|rescuer_thread|ksmd|rcu_tasks_.*|kjournald2|"
             r"kthread_worker_fn|devtmpfsd|ksm_.*|damon.*|rcu_.*kthread.*|rcu_nocb.*|psi_.*|hwrng_fillfn|irq_thread",),
            "idle"),
)


@dataclass
class Edge:
    """`waiter` waits for `resource`, as `function` of its stack shows; "" where counters, not a stack, show it."""

    waiter: str
    resource: str
    kind: str
    function: str = ""
    pid: int = 0


@dataclass
class Analysis:
    """edges: who waits for what; cycle: the edges that close on themselves, in order, or None; unknown: the rest."""

    edges: list[Edge] = field(default_factory=list)
    cycle: list[Edge] | None = None
    unknown: list[Task] = field(default_factory=list)
    running: list[Task] = field(default_factory=list)
    server_seen: bool = False
    servers: list[str] = field(default_factory=list)  # names of the tasks that serve
    device: str = "the swap device"

    def as_dict(self) -> dict[str, Any]:
        return {"edges": [asdict(edge) for edge in self.edges],
                "cycle": None if self.cycle is None else [asdict(edge) for edge in self.cycle],
                "unknown": [asdict(task) for task in self.unknown], "text": self.text()}

    def text(self) -> str:
        """The chain as plain text."""
        lines: list[str] = []
        if self.cycle:
            lines.append("wait chain:")
            lines += [f"  {_edge_text(edge)}" for edge in self.cycle]
            lines.append("  which closes the cycle")
        elif self.edges:
            lines.append("wait chain: no cycle found; who waits:")
        else:
            lines.append("wait chain: no blocked task in the log")
        shown = {id(edge) for edge in self.cycle or []}
        # Many tasks wait alike: name the first, count the others.
        alike: dict[tuple[str, str], list[Edge]] = {}
        for edge in self.edges:
            # What the server waits for tells something even if that is nothing.
            quiet = edge.kind in ("idle", "request", "child", "futex", "signal", "stopped") and (self.cycle or edge.waiter not in self.servers)
            if id(edge) not in shown and not quiet:
                alike.setdefault((edge.resource, edge.function), []).append(edge)
        if self.cycle and alike:
            lines.append("others:")
        for group in alike.values():
            more = f" (and {len(group) - 1} more)" if len(group) > 1 else ""
            lines.append(f"  {_edge_text(group[0])}{more}")
        for task in self.running:
            lines.append(f"  {task.name} runs: {_short(task.stack) or 'in user space'}")
        for task in self.unknown:
            lines.append(f"  {task.name} state {task.state}, unknown stack: {_short(task.stack)}")
        return "\n".join(lines)


def _short(stack: Sequence[str]) -> str:
    return " < ".join(stack[:8])


def _edge_text(edge: Edge) -> str:
    return f"{edge.waiter} waits for: {edge.resource}" + (f" ({edge.function})" if edge.function else "")


# ------------------------------------------------------------------ parsing


def parse(text: str) -> dict[int, Task]:
    """Tasks of a console log by pid; of several dumps of a task the last one that has a stack."""
    tasks: dict[int, Task] = {}
    current: Task | None = None
    interrupt = False

    def close() -> None:
        nonlocal current
        if current is not None and (current.stack or current.pid not in tasks):
            tasks[current.pid] = current
        current = None

    for raw in text.splitlines():
        line = STAMP.sub("", raw.rstrip("\r"))
        found = INTERRUPTS.match(line)
        if found:
            interrupt = not found["end"]
            continue
        found = TASK.search(line)
        if found or CPU.match(line):
            interrupt = False
        if found:
            close()
            pid = int(found["pid"])
            current = Task(pid, found["comm"].strip(), found["state"], int(found["tgid"] or pid), int(found["ppid"]))
            continue
        found = CPU.match(line)
        if found:
            close()
            # Of a processor's backtrace the task is known by pid; it runs.
            if not IDLE_COMMS.match(found["comm"]) and int(found["pid"]):
                current = Task(int(found["pid"]), found["comm"].strip(), "R", int(found["pid"]), 0)
            continue
        if BLOCK_ENDS.match(line):
            close()
            continue
        if current is None or interrupt:
            continue
        found = RIP.match(line)
        if found and not current.stack:
            current.stack.append(CLONE.sub("", found["name"]))
            continue
        found = FRAME.match(line)
        if found and not found["guess"]:
            current.stack.append(CLONE.sub("", found["name"]))
    close()
    return tasks


def classify(task: Task) -> tuple[Meaning, str] | None:
    """The first entry of the table that fits the task's stack, and the function that showed it; None: unknown."""
    for meaning in TABLE:
        at = 0
        shown = ""
        for pattern in meaning.frames:
            compiled = re.compile(pattern)
            while at < len(task.stack) and not compiled.fullmatch(task.stack[at]):
                at += 1
            if at == len(task.stack):
                break
            shown = shown or task.stack[at]
            at += 1
        else:
            return meaning, shown
    return None


# ----------------------------------------------------------------- the chain


def _resource(meaning: Meaning, task: Task, device: str) -> str:
    text = RESOURCES[meaning.kind][0].format(device=device)
    because = meaning.because.format(device=device)
    # Only tasks with memory of their own fault; a "page" of somebody else's is said as it is.
    return f"{text}: {because}" if because else text


def analyse(text: str, *, server: str | int | None = "swapserver", counters: dict[str, Any] | None = None,
            device: str = "abuse0", hold: int = 0) -> Analysis:
    """Build the chain.

    text       console log
    server     comm or pid of the process that serves the device; None: the kernel serves it, by workers that
               KERNEL_SERVERS may know
    counters   of the device, at the end (nr_lent, nr_queued, nr_waiting), to say where its requests are
    device     its name, without /dev/
    hold       so many requests the server waits for before it answers one; 0: it does not
    """
    node = f"/dev/{device.removeprefix('/dev/')}" if not device.startswith("$") else "the swap device"
    result = Analysis(device=node)
    servers: list[tuple[Task, Edge | None, str]] = []
    leads: dict[str, Edge] = {}
    full = False
    works = KERNEL_SERVERS.get(node.removeprefix("/dev/").rstrip("0123456789"))
    for task in parse(text).values():
        serves = server is not None and (task.comm == str(server) or task.pid == server or task.tgid == server)
        serves |= server is None and works is not None and any(works.fullmatch(name) for name in task.stack)
        result.server_seen |= serves
        if serves:
            result.servers.append(task.name)
        if task.state == "R" and tuple(task.stack[:3]) != BETWEEN_LOOKS:
            known = classify(task)
            # A worker that was just about to sleep, as the one that printed this, says nothing.
            if not IDLE_COMMS.match(task.comm) and (serves or task.stack and not (known and known[0].kind == "idle")):
                result.running.append(task)
                if serves:
                    servers.append((task, _running_edge(task, node), "memory"))
            continue
        found = classify(task)
        if found is None:
            if task.state == "D" and task.stack:
                result.unknown.append(task)
            if serves:
                # Of it nothing is known, so it may go on.
                servers.append((task, None, ""))
            continue
        meaning, function = found
        # Sleepers that are not stuck say nothing, but a server that sleeps does, and who waits for room in the device's
        # socket: that wait can be interrupted.
        room = meaning.kind == "socket" and re.fullmatch(SENDS, function) is not None
        full = full or room
        if task.state not in "DR" and not serves and not room:
            continue
        edge = Edge(task.name, _resource(meaning, task, node), meaning.kind, function, task.pid)
        result.edges.append(edge)
        lead = RESOURCES[meaning.kind][1]
        if serves:
            servers.append((task, edge, lead))
        elif lead in ("device", "memory"):
            # A user's task makes a better first link than a kernel thread.
            if lead not in leads or (leads[lead].pid < 100 <= task.pid):
                leads[lead] = edge
    result.running = [task for task in result.running if not any(task is t and e for t, e, _lead in servers)]
    servers = _without_parents(servers)
    servers = _batching(servers, counters, hold)
    result.cycle = _close(servers, leads, node, counters, full)
    for _task, edge, _lead in servers:
        if edge is not None and edge not in result.edges:
            result.edges.append(edge)
    if counters is not None and counters.get("nr_servers") == 0 and counters.get("nr_queued"):
        result.edges.append(Edge(f"{counters['nr_queued']} QUEUED requests of {node}", "a server: there is none", "device"))
    elif counters is None and leads and server is not None and not result.server_seen and BEHIND_TASKS in text.rpartition(ALL_TASKS)[2]:
        result.edges.append(Edge(f"a request of {node}", f"its server {server}: there is none", "device"))
    elif counters is None and leads and servers and all(edge is not None and edge.kind in AT_REST for _task, edge, _lead in servers):
        result.edges.append(Edge(f"a request of {node}", f"{servers[0][0].name}, its server, which has nothing to do: it has not come "
                                 "there, or the answer has not come back", "device"))
    return result


# Threads of a server that do nothing, and are not kept from it.
AT_REST = ("idle", "request", "futex", "signal", "child")


def _running_edge(task: Task, node: str) -> Edge | None:
    """A server that runs may still be getting nowhere: in reclaim it waits for memory as a sleeper would."""
    found = classify(task)
    if found is None or RESOURCES[found[0].kind][1] != "memory":
        return None
    return Edge(task.name, _resource(found[0], task, node) + " (running)", found[0].kind, found[1], task.pid)


def _without_parents(servers: list[tuple[Task, Edge | None, str]]) -> list[tuple[Task, Edge | None, str]]:
    """Without those that only wait for connections: idle, and a child of theirs serves (nbd-server forks for each)."""
    parents = {task.ppid for task, _edge, _lead in servers}
    return [(task, edge, lead) for task, edge, lead in servers if edge is None or edge.kind != "idle" or task.tgid not in parents]


def _batching(servers: list[tuple[Task, Edge | None, str]], counters: dict[str, Any] | None,
              hold: int) -> list[tuple[Task, Edge | None, str]]:
    """A server that asks for work, while it holds fewer requests than it wants and none is QUEUED, waits for a batch to fill.

    Only of one that is known to wait so: with any other the request may be lost.  And not if another thread of it does something;
    those that wait for a thread of their own process (its lanes; 6.1 does not say whose thread a task is) do nothing.
    """
    kinds = {edge.kind if edge is not None else "" for _task, edge, _lead in servers}
    if not counters or not 0 < counters.get("nr_lent", 0) < hold or counters.get("nr_queued") or "request" not in kinds or \
            kinds - {"request", "futex"} or len({task.tgid for task, _edge, _lead in servers}) > 1:
        return servers
    found = []
    for task, edge, lead in servers:
        if edge is not None and edge.kind == "request":
            edge.kind, edge.resource = "batch", RESOURCES["batch"][0]
            lead = RESOURCES["batch"][1]
        found.append((task, edge, lead))
    return found


def _close(servers: list[tuple[Task, Edge | None, str]], leads: dict[str, Edge], node: str,
           counters: dict[str, Any] | None, full: bool) -> list[Edge] | None:
    """The cycle: server > resource > requests of the device > server; None if the server is not stuck on it.

    full: somebody waits for room in the device's socket
    """
    stuck = [(task, edge, lead) for task, edge, lead in servers if edge is not None and lead in ("device", "memory")]
    if not stuck:
        return None
    # One server thread that can go on breaks the cycle.  Who waits for another thread (a futex) or a signal cannot, nor who
    # would long have been woken if the full socket were its business.
    waits = ("futex", "signal", *(("idle",) if full else ()))
    if any(edge is None or lead == "disk" or lead == "idle" and edge.kind not in waits for _task, edge, lead in servers):
        return None
    if counters is not None and not any(counters.get(key) for key in ("nr_lent", "nr_queued", "nr_waiting")):
        return None
    task, server_edge, lead = stuck[0]
    assert server_edge is not None
    cycle: list[Edge] = []
    first = leads.get("device") or leads.get("memory")
    if first is not None:
        cycle.append(first)
        if RESOURCES[first.kind][1] == "memory":
            cycle.append(Edge("reclaim", f"pages to be written to {node}", "sync"))
    cycle.append(Edge(f"a request of {node}", _where(counters, task), "device"))
    cycle.append(server_edge)
    if lead == "memory":
        cycle.append(Edge("reclaim", f"pages to be written to {node}, which {task.name} serves", "sync"))
    else:
        cycle.append(Edge("that", f"a request of {node}, which {task.name} serves", "sync"))
    return cycle


def _where(counters: dict[str, Any] | None, server: Task) -> str:
    if counters is None:
        return f"{server.name}, its server"
    parts = []
    if counters.get("nr_lent"):
        parts.append(f"{server.name}, to which {counters['nr_lent']} are LENT")
    if counters.get("nr_queued"):
        parts.append(f"{server.name} to ask for the {counters['nr_queued']} that are QUEUED"
                     if not parts else f"{counters['nr_queued']} more are QUEUED")
    if counters.get("nr_waiting"):
        parts.append(f"{counters['nr_waiting']} wait for a slot")
    return "; ".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description="Say who waits for what in a console log with sysrq w, t or l.",
                                     epilog="Exit status: 0 a cycle was found, 1 none, 2 the log cannot be read.")
    parser.add_argument("log", type=Path, metavar="CONSOLE_LOG")
    parser.add_argument("--server", default="swapserver", help="comm or pid of the server (default: %(default)s)")
    parser.add_argument("--device", default="abuse0", help="the device it serves (default: %(default)s)")
    parser.add_argument("--counters", type=json.loads, metavar="JSON", help='such as {"nr_lent":2,"nr_queued":5}')
    parser.add_argument("--hold", type=int, default=0, metavar="N", help="the server waits for N requests before it answers one")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        text = args.log.read_text(errors="replace")
    except OSError as error:
        print(f"waitchain: {args.log}: {error.strerror}", file=sys.stderr)
        return 2
    server: str | int = int(args.server) if args.server.isdigit() else args.server
    result = analyse(text, server=server, counters=args.counters, device=args.device, hold=args.hold)
    print(json.dumps(result.as_dict()) if args.json else result.text())
    return 0 if result.cycle else 1


if __name__ == "__main__":
    sys.exit(main())
