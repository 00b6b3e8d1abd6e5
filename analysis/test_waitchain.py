#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Tests of waitchain.py on sample logs, each with a twin that must not give a cycle.

Where it stands: beside analysis/waitchain.py.  The samples are written after the chains of the prototype and the
functions of kernels 6.1 and 6.12.  Run: python3 analysis/test_waitchain.py.
"""
from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True  # build output goes to build/ only
sys.path.insert(0, str(Path(__file__).resolve().parent))

from waitchain import analyse, parse  # noqa: E402


def task(comm: str, pid: int, state: str, *frames: str, series: str = "6.12") -> str:
    """The lines that sysrq w prints for one task; frames innermost first, a leading "? " is kept."""
    middle = f"tgid:{pid:<5} ppid:1      task_flags:0x400040 flags:0x00004000" if series == "6.12" \
        else "ppid:1      flags:0x00004000"
    lines = [f"task:{comm:15.15} state:{state} stack:0     pid:{pid:<5} {middle}", "Call Trace:", " <TASK>"]
    for frame in ("__schedule", "schedule", *frames):
        guess, name = ("? ", frame[2:]) if frame.startswith("? ") else ("", frame)
        lines.append(f" {guess}{name}+0x3f0/0xba0" + (" [abuse]" if name.startswith("abuse") else ""))
    lines += ["RIP: 0033:0x7f1c8e3a1b2c", "RSP: 002b:00007ffd6e1f8a48 EFLAGS: 00000246 ORIG_RAX: 0000000000000010", " </TASK>"]
    return "".join(f"[   26.{number:06}] {line}\n" for number, line in enumerate(lines))


HEADER = "[   26.000000] sysrq: Show Blocked State\n"
SWAP_IN = ("io_schedule", "folio_wait_bit_common", "do_swap_page", "__handle_mm_fault", "handle_mm_fault",
           "do_user_addr_fault", "exc_page_fault", "asm_exc_page_fault")
RECLAIM = ("shrink_folio_list", "evict_folios", "try_to_shrink_lruvec", "shrink_one", "shrink_node", "do_try_to_free_pages",
           "try_to_free_pages", "__alloc_pages_slowpath.constprop.0", "__alloc_pages_noprof", "alloc_pages_mpol_noprof",
           "vma_alloc_folio_noprof", "do_anonymous_page", "__handle_mm_fault", "handle_mm_fault", "exc_page_fault")
BIO = ("schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof", "bio_alloc_bioset", "__swap_writepage",
       "swap_writepage", "pageout", *RECLAIM)
KSWAPD = ("schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof", "bio_alloc_bioset", "__swap_writepage",
          "swap_writepage", "pageout", "shrink_folio_list", "shrink_node", "balance_pgdat", "kswapd", "kthread")
IDLE = ("abuse_server_wait", "abuse_serve_lend", "abuse_serve", "abuse_ctl_ioctl", "__x64_sys_ioctl", "do_syscall_64")
LENT = {"nr_lent": 2, "nr_queued": 5, "nr_waiting": 0}

LOAD = task("stress-ng-vm", 123, "D", *SWAP_IN)


class Parsing(unittest.TestCase):
    def test_both_formats(self) -> None:
        for series in ("6.1", "6.12"):
            tasks = parse(HEADER + task("kworker/u4:1", 17, "D", "? dead", "io_schedule", series=series))
            self.assertEqual([t.name for t in tasks.values()], ["kworker/u4:1 [17]"])
            self.assertEqual(tasks[17].stack, ["__schedule", "schedule", "io_schedule"])

    def test_guesses_and_clones(self) -> None:
        stack = parse(HEADER + task("a", 9, "D", "? mempool_alloc_noprof", "__alloc_pages_slowpath.constprop.0"))[9].stack
        self.assertNotIn("mempool_alloc_noprof", stack)
        self.assertIn("__alloc_pages_slowpath", stack)

    def test_long_names_and_running_tasks(self) -> None:
        tasks = parse("task:a name of spac  state:R  running task     stack:0     pid:7     tgid:7     ppid:2      flags:0x0\n")
        self.assertEqual((tasks[7].comm, tasks[7].state), ("a name of spac", "R"))

    def test_last_dump_wins(self) -> None:
        self.assertIn("jbd2_log_wait_commit", parse(LOAD + HEADER + task("stress-ng-vm", 123, "D", "jbd2_log_wait_commit"))[123].stack)

    def test_hung_task_report(self) -> None:
        log = "[   30.0] INFO: task stress-ng-vm:123 blocked for more than 10 seconds.\n" + LOAD
        self.assertEqual(len(parse(log)), 1)

    def test_processor_backtrace(self) -> None:
        log = ("[   30.0] NMI backtrace for cpu 1\n"
               "[   30.0] CPU: 1 UID: 0 PID: 99 Comm: swapserver Not tainted 6.12.1-amd64 #1  Debian\n"
               "[   30.0] RIP: 0010:shrink_lruvec+0x1/0x2\n[   30.0] Call Trace:\n[   30.0]  <NMI>\n[   30.0]  </NMI>\n"
               "[   30.0]  <TASK>\n[   30.0]  shrink_node+0x1/0x2\n[   30.0]  try_to_free_pages+0x1/0x2\n")
        self.assertEqual(parse(log)[99].stack, ["shrink_lruvec", "shrink_node", "try_to_free_pages"])

    def test_nothing(self) -> None:
        result = analyse("Linux version 6.12\n")
        self.assertEqual((result.edges, result.cycle), ([], None))
        self.assertIn("no blocked task", result.text())


class Chains(unittest.TestCase):
    """The chains of findings.md, "Wait chains seen"."""

    def cycle(self, log: str, *words: str) -> None:
        result = analyse(log, counters=LENT)
        self.assertIsNotNone(result.cycle, result.text())
        for word in (*words, "swapserver [99]", "closes the cycle"):
            self.assertIn(word, result.text())

    def no_cycle(self, log: str, **options: object) -> None:
        result = analyse(log, **{"counters": LENT, **options})  # type: ignore[arg-type]
        self.assertIsNone(result.cycle, result.text())

    def test_1_allocation_in_the_server_needs_a_bio(self) -> None:
        self.cycle(HEADER + task("kswapd0", 42, "D", *KSWAPD) + LOAD + task("swapserver", 99, "D", *BIO),
                   "fs_bio_set, reserve 2", "2 are LENT", "stress-ng-vm [123] waits for: its page")

    def test_2_the_server_s_own_page(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", *SWAP_IN),
                   "swapserver [99] waits for: its page, being read from /dev/abuse0 (folio_wait_bit_common)")

    def test_2_on_6_1(self) -> None:
        frames = ("io_schedule", "folio_wait_bit_common", "__folio_lock_or_retry", *SWAP_IN[2:])
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", *frames, series="6.1"), "being read from")

    def test_3_throttled(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "throttle_direct_reclaim", *RECLAIM[6:]), "throttled")

    def test_3_running_in_reclaim(self) -> None:
        self.cycle(HEADER + LOAD + "CPU: 0 PID: 99 Comm: swapserver Not tainted 6.12 #1\nCall Trace:\n"
                   " shrink_node+0x1/0x2\n do_try_to_free_pages+0x1/0x2\n try_to_free_pages+0x1/0x2\n", "(running)")

    def test_4_shared_bios(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "schedule_timeout", "io_schedule_timeout", "mempool_alloc_noprof",
                                        "bio_alloc_bioset", "iomap_dio_bio_iter", "__iomap_dio_rw", "ext4_file_write_iter",
                                        "vfs_write"), "shared with swap")

    def test_5_a_lock_is_no_cycle_we_can_prove(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "D", "rwsem_down_write_slowpath", "down_write", "ext4_buffered_write_iter",
                                   "vfs_write")
        self.no_cycle(log)
        self.assertIn("swapserver [99] waits for: a lock", analyse(log).text())

    def test_its_own_full_queue(self) -> None:
        self.cycle(HEADER + LOAD + task("swapserver", 99, "D", "io_schedule", "abuse_bio_submit", "__submit_bio", *BIO[4:]),
                   "a free request slot of /dev/abuse0")

    def test_idle_server_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "S", *IDLE))

    def test_idle_server_that_holds_requests_waits_for_a_batch(self) -> None:
        log = HEADER + task("kswapd0", 42, "D", *KSWAPD) + task("swapserver", 99, "S", *IDLE)
        result = analyse(log, counters={"nr_lent": 2, "nr_queued": 0})
        self.assertIsNotNone(result.cycle, result.text())
        self.assertIn("swapserver [99] waits for: more requests than there are", result.text())
        # Its twins: it could have one, it holds none, another thread of it works.
        self.no_cycle(log, counters={"nr_lent": 2, "nr_queued": 1})
        self.no_cycle(log, counters={"nr_lent": 0, "nr_queued": 0})
        self.no_cycle(log + task("swapserver", 100, "D", "io_schedule", "__blkdev_direct_IO_simple"),
                      counters={"nr_lent": 2, "nr_queued": 0})

    def test_server_at_its_disk_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", "io_schedule", "__blkdev_direct_IO_simple", "blkdev_write_iter"))

    def test_one_thread_that_goes_on_breaks_it(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", *BIO) + task("swapserver", 100, "S", *IDLE))

    def test_nothing_in_care_is_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("swapserver", 99, "D", *BIO), counters={"nr_lent": 0, "nr_queued": 0})

    def test_no_server_no_cycle(self) -> None:
        self.no_cycle(HEADER + LOAD + task("other", 99, "D", *BIO))

    def test_server_by_pid(self) -> None:
        self.assertIsNotNone(analyse(HEADER + LOAD + task("other", 99, "D", *BIO), server=99).cycle)

    def test_unknown_stack_is_shown_as_it_is(self) -> None:
        log = HEADER + LOAD + task("swapserver", 99, "D", "frobnicate", "vfs_write")
        self.no_cycle(log)
        self.assertIn("swapserver [99] state D, unknown stack: __schedule < schedule < frobnicate < vfs_write", analyse(log).text())

    def test_alike_tasks_are_counted(self) -> None:
        log = HEADER + "".join(task("stress-ng-vm", 120 + number, "D", *SWAP_IN) for number in range(4))
        self.assertIn("(and 3 more)", analyse(log).text())


if __name__ == "__main__":
    unittest.main()
