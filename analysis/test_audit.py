#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of the allocation audit on records made up here and recorded ones, each with a twin that must come out otherwise.

Where it stands: beside analysis/audit and experiments/guest/allocaudit.c, whose two readers of the kernel's text are held against
each other.  No guest.  Run: python3 analysis/test_audit.py.
"""
from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path
from typing import Any

sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(Path(__file__).resolve().parent))

from audit import guarantees, guest, readme, record, table  # noqa: E402

REPO = Path(__file__).resolve().parent.parent
COMMAND = REPO / "analysis" / "alloc-audit"
RECORDED = Path(__file__).resolve().parent / "testdata" / "audit"

SERVER, OTHER = 101, 202
SYSCALL = ("do_syscall_64", "entry_SYSCALL_64_after_hwframe")
RING = ("__kmalloc_noprof", "virtqueue_add_split", "virtqueue_add_sgs [virtio_ring]", "virtblk_add_req [virtio_blk]", "virtio_queue_rq [virtio_blk]",
        "blk_mq_dispatch_rq_list", "blk_mq_submit_bio", "submit_bio_noacct_nocheck", "submit_bio_wait", "__blkdev_direct_IO_simple",
        "blkdev_write_iter", "vfs_write", "__x64_sys_pwrite64", *SYSCALL)
ANONYMOUS = ("__alloc_pages_noprof", "alloc_pages_mpol_noprof", "folio_alloc_mpol_noprof", "vma_alloc_folio_noprof", "do_anonymous_page",
             "__handle_mm_fault", "handle_mm_fault", "do_user_addr_fault", "exc_page_fault", "asm_exc_page_fault")
CLONE = ("kmem_cache_alloc_noprof", "mempool_alloc_noprof", "bio_alloc_bioset", "bio_alloc_clone", "abuse_forward [abuse]", "abuse_serve [abuse]",
         "abuse_ctl_ioctl [abuse]", "__x64_sys_ioctl", *SYSCALL)
STRANGE = ("__kmalloc_noprof", "somebody_new", "__x64_sys_ioctl", *SYSCALL)

KMALLOC = "kmalloc: call_site={site}+0x1/0x2 ptr=00000000c512b64e bytes_req=48 bytes_alloc=64 gfp_flags={gfp} node=-1 accounted=false"
PAGE = "mm_page_alloc: page=00000000c512b64e pfn=0x1234 order=0 migratetype=1 gfp_flags={gfp}"


def head(tid: int, time_s: float, *, cpu: int = 0, flags: str = ".....", comm: str = "swapserver") -> str:
    return f"{comm:>16}-{tid:<7} [{cpu:03}] {flags} {time_s:12.6f}: "


def event(text: str, stack: tuple[str, ...], tid: int = SERVER, time_s: float = 1.0, **where: Any) -> str:
    """An event and its stack as the kernel prints them; {site} is filled in, {gfp} is GFP_ATOMIC unless it is told."""
    gfp = where.pop("gfp", "GFP_ATOMIC")
    begin = head(tid, time_s, **where)
    frames = "".join(f" => {name.replace(' [', '+0x3f0/0xba0 [') if ' [' in name else name + '+0x1/0x2'}\n"
                     for name in ("trace_event_raw_event_kmalloc", *stack))
    return begin + text.format(site=stack[1].split()[0], gfp=gfp) + f"\n{begin}<stack trace>\n{frames}"


def about(**other: Any) -> dict[str, Any]:
    """allocaudit's last line."""
    task = {"role": "server", "pid": SERVER, "tid": SERVER, "comm": "swapserver", "flags": "0x400000", "flags_end": "0x400000",
            "minor_faults": 0, "major_faults": 0, "ended": False}
    return {"event": "alloc-audit", "kernel": "6.12.1", "device": "/dev/abuse0", "requests": 10, "reads": 5, "writes": 5, "others": 0,
            "sectors": 80, "seconds": 1.5, "ended": "command", "lost": 0, "strange": 0,
            "events": ["kmalloc", "kmem_cache_alloc", "mm_page_alloc"], "probes": {}, "missing": [], "through": [], "tasks": [task],
            "roles": {"server": {}}, **other}


def log(*events: str, **other: Any) -> str:
    return "".join([f"{record.FIRST_LINE}\n# tracer: nop\n#\n", *events, f"#{json.dumps(about(**other))}\n"])


def parsed(text: str) -> record.Record:
    return record.parse(text.splitlines())


def audited(*events: str, known: guarantees.Table | None = None, **other: Any) -> table.Audit:
    return table.audit(parsed(log(*events, **other)), known or guarantees.load())


class Record(unittest.TestCase):
    def test_fields_flags_stack(self) -> None:
        taken = parsed(log(event(KMALLOC, RING, flags="d..2.")))
        (got,) = taken.events
        self.assertEqual((got.kind, got.gfp, got.tid, got.context, got.comm), ("slab", "GFP_ATOMIC", SERVER, "task", "swapserver"))
        # Without the tracer's frames; clones and wrappers by their plain names.
        self.assertEqual(got.stack[:2], ("__kmalloc", "virtqueue_add_split"))
        self.assertEqual(got.modules, {"virtio_ring", "virtio_blk"})
        self.assertEqual(taken.strange, 0)
        self.assertFalse(got.failed)

    def test_names_with_blanks_and_digits(self) -> None:
        for comm in ("kworker/u5:1-nb", "a b-12 [000] x", "<...>", "7"):
            with self.subTest(comm):
                (got,) = parsed(log(event(KMALLOC, RING, comm=comm))).events
                self.assertEqual((got.tid, got.cpu), (SERVER, 0))

    def test_interrupts(self) -> None:
        kinds = [parsed(log(event(KMALLOC, RING, flags=flags))).events[0].context for flags in (".....", "d..1.", "b..1.", "..s1.", "d.h1.", "d.H1.")]
        self.assertEqual(kinds, ["task"] * 3 + ["interrupt"] * 3)

    def test_stacks_that_come_late(self) -> None:
        """An interrupt, and another processor, between an event and its stack."""
        one, one_stack = _halves(event(KMALLOC, RING, time_s=1.0))
        irq = event(KMALLOC, STRANGE, time_s=1.1, flags="d.h1.")
        other, other_stack = _halves(event(PAGE, ANONYMOUS, tid=OTHER, time_s=1.2, cpu=1))
        taken = parsed(log(one, irq, other, one_stack, other_stack))
        self.assertEqual([got.stack[1] for got in taken.events], ["virtqueue_add_split", "somebody_new", "alloc_pages_mpol"])
        self.assertEqual(taken.strange, 0)
        # The twin: whoever gives each stack to the event before it.
        naive = [line for line in log(one, irq, other, one_stack, other_stack).splitlines() if ": kmalloc" in line or " => virtq" in line]
        self.assertNotIn(": kmalloc", naive[-2])

    def test_the_last_event_without_its_stack_is_cut_off(self) -> None:
        """Recording was ended in between."""
        one = event(KMALLOC, RING, time_s=1.0)
        last, _its_stack = _halves(event(KMALLOC, RING, time_s=2.0))
        taken = parsed(log(one, last))
        self.assertEqual((len(taken.events), taken.cut), (1, 1))
        # Its twins: there is another event behind it; its stack began; no event has a stack.
        header = head(SERVER, 2.0) + "<stack trace>\n"
        for lines, nr in (((last, one), 2), ((one, last, header), 2), ((last,), 1)):
            taken = parsed(log(*lines))
            self.assertEqual((len(taken.events), taken.cut), (nr, 0))

    def test_probes(self) -> None:
        text = "pool_alloc: (mempool_alloc_noprof+0x0/0x190) pool=fs_bio_set+0x10/0x140 min_nr=2 left=1 get=mempool_alloc_slab+0x0/0x20 gfp=0xcc0"
        bulk = "slab_bulk: (kmem_cache_alloc_bulk_noprof+0x0/0x2e0) nr=8 gfp=0xcc0"
        pool, dozen = parsed(log(event(text, CLONE), event(bulk, STRANGE))).events
        self.assertEqual((pool.kind, pool.fields["pool"], pool.gfp), ("pool", "fs_bio_set+0x10/0x140", "0xcc0"))
        self.assertEqual((dozen.kind, dozen.objects), ("slab", 8))

    def test_what_failed(self) -> None:
        failed = PAGE.replace("pfn=0x1234", "pfn=0x0")
        self.assertEqual([got.failed for got in parsed(log(event(PAGE, ANONYMOUS), event(failed, ANONYMOUS))).events], [False, True])

    def test_refuses_what_proves_nothing(self) -> None:
        good = log(event(KMALLOC, RING))
        parsed(good).check()
        ended = copy.deepcopy(about())
        ended["tasks"][0]["ended"] = True
        for name, text in {
            "without its end": good.rsplit("#{", 1)[0],
            "events lost": log(lost=3),
            "no requests": log(requests=0),
            "an event that this kernel has not": log(events=["kmalloc"]),
            "a line nobody knows": log("what is this\n"),
            "a task that ended": log(tasks=ended["tasks"]),
        }.items():
            with self.subTest(name), self.assertRaises(record.RecordError):
                parsed(text).check()
        with self.assertRaises(record.RecordError):
            parsed(good.rstrip("}\n"))

    def test_whose(self) -> None:
        tasks = [*about()["tasks"], {**about()["tasks"][0], "role": "client", "tid": OTHER}]
        mixed = [event(KMALLOC, RING), event(KMALLOC, RING, tid=OTHER), event(KMALLOC, CLONE, tid=7), event(KMALLOC, RING, tid=7)]
        both = parsed(log(*mixed, tasks=tasks, through=["abuse"]))
        self.assertEqual([both.role(got) for got in both.events], ["server", "client", "through abuse", None])
        alone = parsed(log(*mixed))
        self.assertEqual({alone.role(got) for got in alone.events}, {"server"})
        two = parsed(log(*mixed, tasks=tasks, roles={"server": {}, "client": {}}))
        self.assertEqual(two.role(two.events[2]), "born later")


def _halves(text: str) -> tuple[str, str]:
    """(the event's line, its stack)"""
    first, rest = text.split("\n", 1)
    return first + "\n", rest


class Guarantees(unittest.TestCase):
    def test_verdicts(self) -> None:
        for events, verdict in (((), "none"), ((event(KMALLOC, RING),), "sound"), ((event(KMALLOC, RING), event(KMALLOC, CLONE)), "sound"),
                                ((event(KMALLOC, RING), event(PAGE, ANONYMOUS)), "unsound"),
                                ((event(KMALLOC, RING), event(KMALLOC, STRANGE)), "unexplained")):
            with self.subTest(verdict):
                self.assertEqual(audited(*events).verdict("server"), verdict)

    def test_twin_an_entry_taken_out(self) -> None:
        """Each entry that a sample needs is what explains it."""
        whole = guarantees.load()
        for events, name in ((event(KMALLOC, RING), "virtio: indirect descriptors"), (event(KMALLOC, CLONE), "clone of a forwarded bio")):
            with self.subTest(name):
                self.assertEqual(whole.site(parsed(log(events)).events[0]).name, name)  # type: ignore[union-attr]
                less = guarantees.Table(tuple(site for site in whole.sites if site.name != name))
                self.assertNotEqual(audited(events, known=less).verdict("server"), "sound")

    def test_order_of_frames(self) -> None:
        site = next(site for site in guarantees.load().sites if site.name == "clone of a forwarded bio")
        (got,) = parsed(log(event(KMALLOC, CLONE))).events
        self.assertEqual(site.at(got), 2)
        (turned,) = parsed(log(event(KMALLOC, tuple(reversed(CLONE))))).events
        self.assertIsNone(site.at(turned))

    def test_the_innermost_counts(self) -> None:
        """A socket's buffer that a direct write makes the driver ask for, and the direct write's own vectors."""
        write = ("__blkdev_direct_IO_simple", "blkdev_write_iter", "__x64_sys_pwrite64", *SYSCALL)
        send = ("kmem_cache_alloc_node_noprof", "__alloc_skb", "alloc_skb_with_frags", "sock_alloc_send_pskb", "unix_stream_sendmsg", "__sock_xmit [nbd]",
                "nbd_queue_rq [nbd]", *write)
        for stack, gfp, guarantee in ((send, "GFP_NOIO|__GFP_MEMALLOC", "reserve"), (send, "GFP_KERNEL_ACCOUNT", "waits"),
                                      (("__kmalloc_noprof", *write), "GFP_KERNEL", "waits")):
            with self.subTest(gfp):
                (row,) = audited(event(KMALLOC, stack, gfp=gfp)).rows
                self.assertEqual(row.guarantee, guarantee)
        self.assertEqual(row.site, "vectors of a direct I/O above four pages")

    def test_shared_pool(self) -> None:
        text = "pool_alloc: (mempool_alloc_noprof+0x0/0x190) pool={pool} min_nr=2 left=1 get=mempool_alloc_slab+0x0/0x20 gfp=0xcc0"
        for pool, verdict in (("fs_bio_set+0x10/0x140", "unsound"), ("0xffff888003d2a010", "sound")):
            with self.subTest(pool):
                self.assertEqual(audited(event(text.replace("{pool}", pool), CLONE[1:])).verdict("server"), verdict)

    def test_wrong_tables_are_refused(self) -> None:
        good = guarantees.FILE.read_text()
        guarantees.parse(good)
        for old, new in (('guarantee = "own-pool"', 'guarantee = "hope"'), ("\nwhy = ", "\nbecause = "), ('kinds = ["fault"]', 'kinds = ["gift"]'),
                         ("sound = true", 'sound = "yes"'), ('stack = ["abuse_busted_alloc"]', 'stack = ["(" ]'),
                         ('stack = ["abuse_busted_alloc"]', "stack = []"), ('name = "page fault"', 'name = "its own reclaim"')):
            with self.subTest(new):
                self.assertIn(old, good)
                with self.assertRaises(guarantees.TableError):
                    guarantees.parse(good.replace(old, new, 1))


class Table(unittest.TestCase):
    def test_counts_a_request(self) -> None:
        found = audited(*(event(KMALLOC, RING, time_s=float(n)) for n in range(5)), event(PAGE, ANONYMOUS, gfp="GFP_HIGHUSER_MOVABLE|__GFP_ZERO"))
        ring, page = found.rows
        self.assertEqual((ring.nr, ring.gfp, ring.entry, ring.guarantee, ring.reclaims), (5, "GFP_ATOMIC", "pwrite64", "goes-on", False))
        self.assertEqual((page.nr, page.entry, page.reclaims, page.sound), (1, "page fault", True, False))
        self.assertEqual(found.per_request("server"), 0.6)
        self.assertEqual((table.short(found), table.short(audited())), ("server 0.6 (unsound)", "nothing"))
        shown = table.text(found, stacks=True)
        for wanted in ("10 requests of /dev/abuse0", "server: unsound; asks 0.6 times a request", "0.5", "virtio: indirect descriptors", "virtqueue_add_split"):
            self.assertIn(wanted, shown)

    def test_a_slabs_page_counts_once(self) -> None:
        refill = ("__alloc_pages_noprof", "alloc_slab_page", "allocate_slab", "___slab_alloc", *RING)
        found = audited(event(KMALLOC, RING), event(PAGE, refill))
        self.assertEqual(sorted(row.kind for row in found.rows), ["refill", "slab"])
        self.assertEqual(found.asked("server"), 1)

    def test_interrupts_are_not_the_tasks(self) -> None:
        found = audited(event(PAGE, ANONYMOUS, flags="..s1."))
        self.assertEqual(found.verdict("server"), "none")
        self.assertIn("(interrupt)", table.text(found))
        self.assertEqual(audited(event(PAGE, ANONYMOUS)).verdict("server"), "unsound")

    def test_who_may_reclaim(self) -> None:
        for gfp, may in (("GFP_KERNEL", True), ("GFP_NOIO|__GFP_ZERO", True), ("GFP_ATOMIC", False), ("GFP_NOWAIT|__GFP_NOWARN", False), ("0xcc0", True),
                         ("0x820", False), ("GFP_TRANSHUGE_LIGHT", False), ("", False), ("__GFP_HIGH|__GFP_DIRECT_RECLAIM", True)):
            with self.subTest(gfp):
                self.assertEqual(table.may_reclaim(gfp, False), may)
                self.assertFalse(table.may_reclaim(gfp, True))

    def test_reserves(self) -> None:
        tasks = [{**about()["tasks"][0], "flags": "0x400800", "flags_end": "0x400800"}]
        self.assertIn("may use the reserves", table.text(audited(tasks=tasks)))
        tasks[0]["flags_end"] = "0x400000"
        self.assertNotIn("may use the reserves", table.text(audited(tasks=tasks)))


class Collector(unittest.TestCase):
    """experiments/guest/allocaudit.c reads the same text to the same numbers."""

    program: Path
    folder: tempfile.TemporaryDirectory[str]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = Path(cls.folder.name, "allocaudit")
        subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-o", cls.program,
                        REPO / "experiments/guest/allocaudit.c"], check=True)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.folder.cleanup()

    def read(self, text: str, *options: str) -> tuple[dict[str, Any], str]:
        """(its report, its record)"""
        trace, out = Path(self.folder.name, "trace"), Path(self.folder.name, "out")
        trace.write_text(text)
        done = subprocess.run([self.program, "--from", trace, "--out", out, "--task", f"server={SERVER}", *options],
                              capture_output=True, text=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout), out.read_text()

    def sample(self) -> str:
        one, one_stack = _halves(event(KMALLOC, RING))
        return "# tracer: nop\n#\n" + "".join([
            one, event(KMALLOC, STRANGE, flags="d.h1."), event(PAGE, ANONYMOUS, tid=OTHER, cpu=1), one_stack, event(KMALLOC, CLONE, tid=7, cpu=1),
            event("page_fault_user: address=0x1 ip=0x2 error_code=0x4", ("exc_page_fault", "asm_exc_page_fault"))])

    def test_agrees(self) -> None:
        for options in ((), ("--through", "abuse")):
            with self.subTest(options):
                report, text = self.read(self.sample(), *options)
                taken = parsed(text)
                self.assertEqual(taken.about, report)
                self.assertEqual((report["strange"], taken.strange), (0, 0))
                for role, counts in report["roles"].items():
                    for context in ("task", "interrupt"):
                        mine = {kind: 0 for kind in set(record.KINDS.values())}
                        for got in taken.events:
                            if taken.role(got) == role and got.context == context:
                                mine[got.kind] += 1
                        self.assertEqual(counts[context], mine, (role, context))
        self.assertEqual(report["roles"]["server"]["task"] | {"slab": 1, "fault": 1}, report["roles"]["server"]["task"])
        self.assertEqual(report["roles"]["through abuse"]["task"]["slab"], 1)
        # Nobody's, and gone from the record.
        self.assertNotIn("do_anonymous_page", text)

    def test_allow_wants_the_events_own_stack(self) -> None:
        report, _text = self.read(self.sample(), "--allow", "virtqueue_add_split")
        self.assertEqual((report["roles"]["server"]["allowed"]["slab"], report["roles"]["server"]["interrupt"]["slab"]), (1, 1))
        for word, allowed in (("virtqueue_add", 0), ("virtqueue_add_sgs", 1), ("somebody_new", 0)):
            with self.subTest(word):
                report, _text = self.read(self.sample(), "--allow", word)
                self.assertEqual(report["roles"]["server"]["allowed"]["slab"], allowed)
        report, _text = self.read(self.sample().replace("virtqueue_add_split", "virtqueue_add_split.constprop.0"), "--allow", "virtqueue_add_split")
        self.assertEqual(report["roles"]["server"]["allowed"]["slab"], 1)

    def test_says_what_it_does_not_know(self) -> None:
        report, _text = self.read(self.sample() + "what is this\n" + head(SERVER, 3.0) + "some_event: a=1\n")
        self.assertEqual(report["strange"], 2)

    def test_usage(self) -> None:
        for options in ((), ("--out", "x"), ("--out", "x", "--task", "server"), ("--out", "x", "--task", "a=1", "--swap"),
                        ("--out", "x", "--task", "a=1", "--io", "5", "--device", "/dev/null", "--swap"), ("--seconds", "soon")):
            with self.subTest(options):
                done = subprocess.run([self.program, *options], capture_output=True, text=True, timeout=30, cwd=self.folder.name)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)

    def test_kinds_are_the_same(self) -> None:
        source = (REPO / "experiments/guest/tracefs.h").read_text()
        theirs = {name: kind.lower() for name, kind in re.findall(r'\{ "\w+", "(\w+)", ASK_(\w+),', source)}
        theirs |= {name: kind.lower() for name, kind in re.findall(r'\{ "(\w+)", ASK_(\w+), \{', source)}
        self.assertEqual(theirs, record.KINDS)


class Recorded(unittest.TestCase):
    """Records of guests (SERVER-KERNEL.log.xz, um is user-mode Linux with kmemleak and KASAN), and what each role's verdict is."""

    WANT = {
        "ram-um": {"server": "none", "through abuse": "none"},
        "disk-um": {"server": "sound", "through abuse": "none"},
        "forward-um": {"server": "sound", "through abuse": "none"},
        "ublk-um": {"server": "unsound", "through ublk_drv": "none"},
        "nbd-swap-memory-um": {"server": "unsound", "client": "none", "through nbd": "unsound"},
    }

    def found(self, name: str, known: guarantees.Table | None = None) -> table.Audit:
        taken = record.read(RECORDED / f"{name}.log.xz")
        taken.check()
        return table.audit(taken, known or guarantees.load())

    def test_all_are_here(self) -> None:
        self.assertEqual(sorted(path.name.removesuffix(".log.xz") for path in RECORDED.iterdir()), sorted(self.WANT))

    def test_verdicts(self) -> None:
        for name, want in self.WANT.items():
            with self.subTest(name):
                found = self.found(name)
                self.assertEqual({role: found.verdict(role) for role in want}, want)
                self.assertEqual([row.site for row in table.unexplained(found)], [])

    def test_one_clone_a_request(self) -> None:
        found = self.found("forward-um")
        (clones,) = (row for row in found.of("server") if row.site == "clone of a forwarded bio" and row.kind == "slab")
        self.assertEqual((clones.nr, clones.guarantee, clones.entry), (found.record.requests, "own-pool", "ioctl"))

    def test_twins_each_entry_counts(self) -> None:
        """What is sound is so by every entry that it takes: without one it is unexplained, or another entry's, which is not."""
        whole = guarantees.load()
        for name, want in self.WANT.items():
            for role in (role for role, verdict in want.items() if verdict == "sound"):
                for site in {row.site for row in self.found(name).of(role)}:
                    with self.subTest(record=name, without=site):
                        less = guarantees.Table(tuple(entry for entry in whole.sites if entry.name != site))
                        got = self.found(name, less)
                        # Its detectors' objects are asked for in the name of what they watch.
                        if site != "the kernel's detectors":
                            self.assertNotEqual(got.verdict(role), "sound")

    def test_both_readers(self) -> None:
        """allocaudit counted in the guest what is read here."""
        for name in self.WANT:
            with self.subTest(name):
                taken = record.read(RECORDED / f"{name}.log.xz")
                for role, counts in taken.about["roles"].items():
                    mine = {kind: sum(1 for got in taken.events if taken.role(got) == role and got.context == "task" and got.kind == kind)
                            for kind in counts["task"]}
                    self.assertEqual(counts["task"], mine, role)


class Command(unittest.TestCase):
    def call(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60)

    def test_judge(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "record")
            for text, wants, status in ((log(), ["server=none"], 0), (log(), ["server=sound"], 1), (log(event(KMALLOC, RING)), ["server=sound"], 0),
                                        (log(event(KMALLOC, STRANGE)), [], 1), (log(lost=1), [], 2), (log(), ["server=fine"], 2)):
                with self.subTest(wants=wants, status=status):
                    path.write_text(text)
                    done = self.call("judge", path, *(word for want in wants for word in ("--want", want)))
                    self.assertEqual(done.returncode, status, done.stdout + done.stderr)
                    self.assertEqual(bool(done.stderr), status == 2)
            path.write_text(log(event(KMALLOC, RING)))
            found = json.loads(self.call("judge", "--json", path).stdout)
            self.assertEqual((found["roles"]["server"]["verdict"], found["rows"][0]["per_request"]), ("sound", 0.1))
        self.assertEqual(self.call("judge", Path(folder, "gone")).returncode, 2)

    def test_a_trace_taken_by_hand(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "trace")
            path.write_text("# tracer: nop\n#\n" + event(KMALLOC, RING))
            done = self.call("judge", path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("virtio: indirect descriptors", done.stdout)


class Audits(unittest.TestCase):
    def test_all_can_be_made(self) -> None:
        known = guest.specs()
        job = guest.JOB.read_text()
        for spec in known.values():
            with self.subTest(spec.name):
                names = re.findall(r"^(\w+)=", guest.params(spec), re.M)
                self.assertEqual([name for name in names if not re.search(rf"\${name}\b", job)], [], "the job does not read them")
                self.assertEqual("--io" in spec.options(), spec.load == "io")
        self.assertEqual({spec.load for spec in known.values()}, {"io", "swap"})

    def test_wrong_ones_are_refused(self) -> None:
        good = guest.AUDITS.read_text()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "audits.toml")
            for old, new in (('arm = "forward"', 'arm = "backward"'), ("through = [", "past = ["), ('server = "none"', 'server = "fine"'),
                             ('load = "io"', 'load = "dance"'), ('name = "ram"', 'name = "null"'), ('"through abuse" =', '"through nothing" =')):
                with self.subTest(new):
                    self.assertIn(old, good)
                    path.write_text(good.replace(old, new, 1))
                    with self.assertRaises(guest.LabError):
                        guest.specs(path)

    def test_questions_name_what_there_is(self) -> None:
        known = guest.specs()
        named = []
        for path in (REPO / "experiments" / "questions").glob("*.toml"):
            for check in tomllib.loads(path.read_text()).get("check", []):
                if check["command"][:2] == ["analysis/alloc-audit", "run"]:
                    named += [word for word in check["command"][2:] if not word.startswith("-")]
        self.assertTrue(named)
        self.assertEqual([name for name in named if name not in known], [])


class Readme(unittest.TestCase):
    def test_is_what_was_kept(self) -> None:
        text = readme.README.read_text()
        self.assertEqual(readme.written(text), text, "run analysis/alloc-audit table --write")

    def test_what_is_kept_names_a_commit(self) -> None:
        """Of a tree that differed from its commit nobody can say what was audited; alloc-audit --keep refuses it."""
        named = {f"{series}/{name}": audit["commit"] for series, audits in readme.kept().items() for name, audit in audits.items()}
        self.assertTrue(named)
        self.assertEqual([name for name, commit in named.items() if not re.fullmatch(r"[0-9a-f]{12}", commit)], [])

    def test_twin_another_number(self) -> None:
        found = audited(event(KMALLOC, RING)).as_dict()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "kept.json")
            path.write_text(json.dumps({"6.12": {"disk": found}, "6.1": {"disk": audited().as_dict()}}))
            before = readme.table(path)
            self.assertIn("| `disk` | server | virtio: indirect descriptors (slab, GFP_ATOMIC) | 0.1 | 0 | goes-on |", before)
            found["rows"][0]["nr"] += 1
            path.write_text(json.dumps({"6.12": {"disk": found}}))
            self.assertNotEqual(readme.table(path), before)
            with self.assertRaises(readme.ReadmeError):
                readme.written("no marks", path)


if __name__ == "__main__":
    unittest.main()
